"""X in all its forms: the same images give the same arrays, and what is no image is refused with a remedy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dicom_files import made
from estimator_samples import network, pictures, written
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning

from hybridcx.errors import InputError
from hybridcx.estimators.images import check_form, grey_levels, image_options, prepare_all
from hybridcx.images.decode import decode
from hybridcx.images.prepare import prepare


def read(X, **parameters):
    estimator = network(**parameters)
    options = image_options(estimator, estimator._experiment())
    return prepare_all(check_form(estimator, X, options, reset=True), options)


@pytest.mark.parametrize("colour", [False, True])
def test_every_form_of_x_is_the_same_images(tmp_path, colour):
    X, _ = pictures(6, colour=colour)
    expected = np.stack([prepare(x, size_px=32) for x in X])
    paths = written(X, tmp_path)
    forms = {
        "uint8": X,
        "list of arrays": list(X),
        "list": paths,
        "tuple": tuple(paths),
        "Path": [Path(p) for p in paths],
        "array": np.array(paths),
        "object array": np.array(paths, dtype=object),
        "column": np.array(paths)[:, None],
        "list of lists": [[p] for p in paths],
        "Series": pd.Series(paths, index=range(10, 16)),
        "DataFrame": pd.DataFrame({"image": paths}),
    }
    for name, form in forms.items():
        assert np.array_equal(read(form), expected), name
    shape = (40, 48, 3) if colour else (40, 48)
    rows = X.reshape(6, -1)
    for table in (rows, pd.DataFrame(rows)):
        assert np.array_equal(read(table, image_shape=shape), expected)
    assert np.array_equal(read(rows, image_shape=[40, -1, 3] if colour else (-1, 48)), expected)


def test_other_types_by_their_range():
    X, _ = pictures(6)
    expected = read(X)
    assert np.array_equal(read(X / 255), expected)
    assert np.array_equal(read((X / 255).astype(np.float32)), expected)
    assert np.array_equal(read(X.astype(np.int64), pixel_range=(0, 255)), expected)
    assert np.array_equal(read(X.astype(np.int16) * 16 - 1000, pixel_range=(-1000, 3080)), expected)
    assert np.array_equal(read(X.astype(float), pixel_range=np.array([0.0, 255.0])), expected)
    assert not np.array_equal(read(X, pixel_range=(0, 200)), expected)


def test_grey_levels_are_rounded_half_up_and_clipped():
    values = np.array([-7.0, 0.0, 0.5, 1.5, 254.4, 255.0, 1e300])
    assert grey_levels(values, (0, 255)).tolist() == [0, 0, 1, 2, 254, 255, 255]
    assert grey_levels(np.array([False, True]), (0, 1)).tolist() == [0, 255]


def test_files_of_every_kind_are_decoded_as_everywhere(tmp_path):
    names = ["a.jpg", "a.png", "a.tif", "a.dcm"]
    for name in names[:3]:
        Image.fromarray(pictures(2, colour=True)[0][0]).save(tmp_path / name)
    (tmp_path / "a.dcm").write_bytes(made())
    found = read([tmp_path / name for name in names])
    for image, name in zip(found, names, strict=True):
        assert np.array_equal(image, prepare(decode(tmp_path / name).pixels, size_px=32))


def test_a_frame_of_a_file_with_several(tmp_path):
    first, second = (np.full((40, 40), 20, np.uint8), np.arange(1600, dtype=np.uint16).reshape(40, 40).astype(np.uint8))
    path = tmp_path / "two.tif"
    Image.fromarray(first).save(path, save_all=True, append_images=[Image.fromarray(second)])
    assert np.array_equal(read([f"{path}#frame=2"])[0], prepare(second, size_px=32))
    with pytest.raises(InputError, match=r"image 0 of X \(two.tif\): a file of 2 frames"):
        read([path])


def test_constant_images_are_a_warning_in_arrays_and_refused_in_files(tmp_path):
    X, _ = pictures(6)
    X[2] = 7
    with pytest.warns(UserWarning, match=r"image 2 of X: 1 of 6 images are constant"):
        found = read(X, pad="none")
    assert (found[2] == 7).all()
    with pytest.raises(ValueError, match=r"image 2 of X \(2.png\): a constant image"):
        read(written(X, tmp_path))


def test_every_bad_file_is_named(tmp_path):
    paths = written(pictures(14)[0], tmp_path)
    (tmp_path / "3.png").write_bytes(b"")
    with pytest.raises(InputError) as e:
        read([*paths, str(tmp_path / "absent.png")])
    assert "image 3 of X (3.png): an image file of zero bytes" in str(e.value)
    assert "image 14 of X (absent.png): the image cannot be read" in str(e.value)
    assert str(tmp_path) not in str(e.value)
    with pytest.raises(InputError, match="and 4 more problems"):
        read([str(tmp_path / f"absent{i}.png") for i in range(14)])


GREY = pictures(4)[0]
REFUSED = {
    "floats": (GREY.astype(float), "must lie within 0 to 1.*pixel_range"),
    "integers": (GREY.astype(int), "only uint8 has a known range.*'int64'.*pixel_range"),
    "booleans": (GREY > 50, "'bool'.*pixel_range"),
    "NaN": (np.where(GREY > 50, np.nan, 0.5), "image 0 of X: a pixel is NaN or infinite"),
    "infinite": (np.where(GREY > 50, -np.inf, 0.5), "image 0 of X: a pixel is NaN or infinite.*-inf"),
    "complex": (GREY.astype(complex), "no real numbers"),
    "one channel": (GREY[..., None], "colour images have the shape.*X\\[..., 0\\]"),
    "channels first": (np.stack([GREY] * 3, 1), r"transpose\(0, 2, 3, 1\)"),
    "one colour image": (np.dstack([GREY[0]] * 3), "one colour image.*np.newaxis"),
    "one grey image": (GREY[0], "image_shape"),
    "a table": (GREY.reshape(4, -1), "image_shape"),
    "a list of numbers": ([1.0, 2.0], "no images"),
    "nothing": (None, "no images"),
    "no images": (GREY[:0], r"0 sample\(s\)"),
    "no paths": ([], "no images"),
    "one path": ("a.png", "single path.*list"),
    "a missing path": (["a.png", None], "image 1 of X: a path is missing"),
    "an empty path": (["a.png", " "], "image 1 of X: a path is missing"),
    "a missing path in a frame": (pd.DataFrame({"image": [np.nan, "a.png"]}), "image 0 of X: a path is missing"),
    "two columns": (pd.DataFrame({"a": ["a.png"], "b": ["b.png"]}), "column of paths"),
    "different sizes": ([GREY[0], GREY[1][:9]], "different sizes.*list of paths"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_image_is_refused_with_a_remedy(name):
    X, message = REFUSED[name]
    with pytest.raises(ValueError, match=message) as e:
        read(X)
    assert isinstance(e.value, InputError)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"image_shape": (40, 40)}, r"rows of 1920 feature\(s\) are no images of image_shape=\(40, 40\)"),
        ({"image_shape": (7, -1)}, "correct image_shape|Correct image_shape"),
        ({"image_shape": (-1, -1)}, "one of the first two may be -1"),
        ({"image_shape": (40, 48, 1)}, "image_shape is"),
        ({"image_shape": (40, 0)}, "image_shape is"),
        ({"image_shape": 40}, "image_shape is"),
        ({"image_shape": (40.0, 48)}, "image_shape is"),
        ({"image_shape": (40, 48), "pixel_range": (1, 1)}, "pixel_range is"),
        ({"image_shape": (40, 48), "pixel_range": (0, np.inf)}, "pixel_range is"),
        ({"image_shape": (40, 48), "pixel_range": 255}, "pixel_range is"),
    ],
)
def test_shapes_and_ranges_that_are_none(parameters, message):
    with pytest.raises(ValueError, match=message):
        read(GREY.reshape(4, -1), **parameters)


def test_the_columns_of_a_table_are_held_against_the_fitted_ones():
    X, y = pictures(12)
    rows = pd.DataFrame(X.reshape(12, -1)).add_prefix("px")
    model = network(image_shape=(40, 48)).fit(rows, y)
    assert model.n_features_in_ == 1920
    assert model.feature_names_in_[1] == "px1"
    with (
        pytest.warns(UserWarning, match="does not have valid feature names"),
        pytest.raises(ValueError, match="1919 features, but FineTunedNetwork is expecting 1920"),
    ):
        model.predict(rows.to_numpy()[:, 1:])
    with pytest.raises(ValueError, match="feature names"):
        model.predict(rows.rename(columns={"px1": "other"}))
    # a later fit on images that are no table forgets them
    assert not hasattr(clone(model).fit(rows, y).fit(X, y), "n_features_in_")


def test_a_column_of_labels_is_taken_with_scikit_learns_warning():
    X, y = pictures(12)
    with pytest.warns(DataConversionWarning):
        assert network().fit(X, y[:, None]).classes_.tolist() == ["abnormal", "normal"]
