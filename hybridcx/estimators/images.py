"""From an estimator's X to the images that networks see: uint8 arrays of shape (n, S, S, 3).

X is an array of images, a column of paths, or a table whose rows are the pixels of an image each. Its form is checked first (`check_form`);
files are decoded and pixels converted afterwards (`prepare_all`), image by image, so that only the result is in memory as a whole.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from hybridcx.cohort.files import split_frame
from hybridcx.errors import InputError, Problem
from hybridcx.estimators.refusal import RefusedInputError, refused
from hybridcx.experiment.file import Experiment
from hybridcx.images.decode import decode
from hybridcx.images.prepare import Pad, Resample, prepare

if TYPE_CHECKING:
    import pandas as pd

    ImagesLike = ArrayLike | pd.DataFrame | pd.Series | Sequence[str | os.PathLike[str]]
    """What `X` may be."""

MAX_PROBLEMS = 10
TABLE_REMEDY = (
    "give image_shape=(height, width) or (height, width, 3) if each row is an image, "
    "otherwise an array (n, height, width) or (n, height, width, 3), or a column of paths"
)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How X is read.

    Attributes
    ----------
    size_px : side of the square image that the network sees
    pad, resample : how it becomes square, and Pillow's filter (`images.prepare`)
    image_shape : (height, width) or (height, width, 3) of the rows of a table, one entry may be -1; None: X is no table of pixels
    pixel_range : the values that become black and white; None: 0 to 255 for uint8, 0 to 1 for floats
    """

    size_px: int
    pad: Pad
    resample: Resample
    image_shape: tuple[int, ...] | None
    pixel_range: tuple[float, float] | None


def image_options(estimator: BaseEstimator, experiment: Experiment) -> ImageOptions:
    """The options of an estimator, whose other parameters the experiment has checked."""
    images = experiment.images
    shape, values = (
        v.tolist() if isinstance(v, np.ndarray) else v for v in (estimator.image_shape, estimator.pixel_range)
    )
    return ImageOptions(images.size_px, images.pad, images.resample, shape, values)


def check_form(
    estimator: BaseEstimator, X: ImagesLike, options: ImageOptions, *, reset: bool
) -> np.ndarray | list[str]:
    """Check the form of X and return its images as they are: an array (n, height, width) or (n, height, width, 3), or n paths.

    Parameters
    ----------
    estimator : gets `n_features_in_` and `feature_names_in_` from a table or a column (`reset`), or is held against them
    X : as the estimators document it
    options : of the estimator
    reset : True while it is fitted

    Raises
    ------
    RefusedInputError
        for another form, no image at all, or options that are none.
    ValueError, TypeError
        scikit-learn's own, for tables that are no finite numbers or have another number of columns than the fitted one.
    """
    _check_options(options)
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimator, name):
                delattr(estimator, name)
    if isinstance(X, str | bytes | os.PathLike):
        raise refused("X is a single path", X, "give a list of paths")
    column = _column(X)
    if column is not None:
        if getattr(X, "ndim", 1) == 2:
            validate_data(estimator, X, reset=reset, skip_check_array=True)
        return _paths(column)
    if getattr(X, "ndim", 2) == 2 and not isinstance(X, list | tuple):
        return _rows(
            estimator, X, options, reset=reset
        )  # also sparse matrices, which scikit-learn refuses in its own words
    try:
        pixels = np.asarray(X)
    except ValueError:
        rule = "the images of X have different sizes, so that they are no array"
        raise refused(rule, remedy="bring them to one size, or give a list of paths") from None
    if pixels.ndim not in (3, 4):
        return _rows(estimator, X, options, reset=reset)
    return _stack(pixels)


def prepare_all(images: np.ndarray | list[str], options: ImageOptions) -> np.ndarray:
    """Decode and convert what `check_form` returned: uint8, (n, size_px, size_px, 3).

    Raises
    ------
    RefusedInputError
        with up to ten problems: files that cannot be decoded or are constant, values that are no grey levels by the rule of `pixel_range`.

    A constant image in an array is a warning: scikit-learn expects that finite numbers are taken.
    """
    if isinstance(images, np.ndarray):
        _check_values(images, options.pixel_range)
    out = np.empty((len(images), options.size_px, options.size_px, 3), dtype=np.uint8)
    problems: list[Problem] = []
    constant: list[int] = []
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(PIL|pydicom)")  # about damaged metadata, which is not read
        for i, image in enumerate(images):
            try:
                if isinstance(image, np.ndarray):
                    pixels = grey_levels(image, options.pixel_range)
                    constant += [i] if pixels.min() == pixels.max() else []
                else:
                    pixels = _decoded(image)
                out[i] = prepare(
                    pixels,
                    size_px=options.size_px,
                    pad=options.pad,
                    resample=options.resample,
                    refuse_constant=not isinstance(image, np.ndarray),
                )
            except InputError as error:
                name = "" if isinstance(image, np.ndarray) else f" ({Path(image).name})"
                where = f"image {i} of X{name}"
                problems += [Problem(p.rule, where, value=p.value, remedy=p.remedy) for p in error.problems]
    if problems:
        more = len(problems) - MAX_PROBLEMS
        problems[MAX_PROBLEMS:] = [Problem(f"and {more:,} more problems", "X")] if more > 0 else []
        raise RefusedInputError(problems)
    if constant:
        rule = f"{len(constant):,} of {len(images):,} images are constant: every pixel has the same grey level"
        warnings.warn(
            str(Problem(rule, f"image {constant[0]} of X", remedy="check the images and pixel_range")),
            UserWarning,
            stacklevel=3,
        )
    return out


def grey_levels(pixels: np.ndarray, pixel_range: tuple[float, float] | None) -> np.ndarray:
    """Pixels as uint8: `pixel_range` (None: as it is for uint8, else 0 to 1) to 0..255, clipped, rounded half up.

    >>> grey_levels(np.array([-1.0, 0.0, 0.25, 1.0]), None)
    array([  0,   0,  64, 255], dtype=uint8)
    """
    if pixels.dtype == np.uint8 and pixel_range is None:
        return pixels
    low, high = pixel_range or (0.0, 1.0)
    with np.errstate(over="ignore"):
        level = (pixels.astype(np.float64) - low) * (255 / (high - low))
    return np.floor(level.clip(0, 255) + 0.5).astype(np.uint8)


def _check_options(options: ImageOptions) -> None:
    shape, values = options.image_shape, options.pixel_range
    if shape is not None:
        whole = isinstance(shape, Sequence) and all(
            isinstance(n, int | np.integer) and not isinstance(n, bool) for n in shape
        )
        sound = (
            whole and len(shape) in (2, 3) and all(n > 0 or n == -1 for n in shape) and sum(n == -1 for n in shape) <= 1
        )
        if not sound or (len(shape) == 3 and shape[2] != 3):
            rule = "image_shape is (height, width) or (height, width, 3) in pixels, one of the first two may be -1"
            raise refused(rule, shape, "such as (28, 28), or (28, -1)")
    if values is not None:
        numbers = (
            isinstance(values, Sequence)
            and len(values) == 2
            and all(isinstance(v, int | float | np.number) for v in values)
        )
        if not numbers or not np.isfinite(np.asarray(values, dtype=np.float64)).all() or not values[0] < values[1]:
            rule = "pixel_range is the two values that become black and white, the lower one first"
            raise refused(rule, values, "such as (0, 4095)")


def _column(X: object) -> list[object] | None:
    """The entries of X where it is one column of texts or paths (an entry may be missing); None otherwise."""
    if hasattr(X, "columns"):
        frame = cast("pd.DataFrame", X)
        entries: list[object] = list(frame[frame.columns[0]]) if len(frame.columns) == 1 else []
    elif isinstance(X, np.ndarray):
        entries = list(X.ravel()) if X.dtype.kind in "OU" and X.shape[1:] in ((), (1,)) else []
    elif isinstance(X, list | tuple):
        entries = [e[0] if isinstance(e, list | tuple) and len(e) == 1 else e for e in X]
    else:
        entries = list(cast("pd.Series", X)) if hasattr(X, "iloc") else []
    return entries if any(isinstance(e, str | os.PathLike) for e in entries) else None


def _paths(column: list[object]) -> list[str]:
    problems = [
        Problem(
            "a path is missing or is no text",
            f"image {i} of X",
            value=e,
            remedy="leave the case out, or name its image",
        )
        for i, e in enumerate(column)
        if not isinstance(e, str | os.PathLike) or not str(e).strip()
    ]
    if problems:
        raise RefusedInputError(problems[:MAX_PROBLEMS])
    return [str(e) for e in column]


def _decoded(path: str) -> np.ndarray:
    name, frame = split_frame(path)
    return decode(name, frame=frame).pixels


def _rows(estimator: BaseEstimator, X: ImagesLike, options: ImageOptions, *, reset: bool) -> np.ndarray:
    """The images whose pixels are the rows of a table of numbers."""
    if options.image_shape is None:
        if not hasattr(X, "toarray") and np.asarray(X).ndim != 2:
            raise refused("X holds no images", f"an array of shape {np.asarray(X).shape}", TABLE_REMEDY)
        raise refused(
            "X is a table, whose rows are images only by image_shape",
            f"shape {getattr(X, 'shape', None) or np.asarray(X).shape}",
            TABLE_REMEDY,
        )
    table = validate_data(estimator, X, reset=reset)
    shape, n = options.image_shape, table.shape[1]
    known = int(np.prod([side for side in shape if side != -1]))
    if n % known or (-1 not in shape and n != known):
        raise refused(
            f"rows of {n} feature(s) are no images of image_shape={tuple(shape)}", remedy="correct image_shape"
        )
    if n == 1:
        raise refused("rows of 1 feature(s) are images of one pixel", remedy="correct image_shape, or the table")
    return table.reshape(len(table), *shape)


def _stack(pixels: np.ndarray) -> np.ndarray:
    """An array of images, checked for its shape and type."""
    found = f"{pixels.dtype} {pixels.shape}"
    if pixels.dtype.kind not in "buif":
        raise refused("X holds no real numbers", found, "give numbers, or paths of images as a list")
    if 0 in pixels.shape:
        raise refused(
            f"Found array with 0 sample(s) (shape={pixels.shape}) while a minimum of 1 is required: X has no image or no pixel"
        )
    if pixels.ndim == 4 and pixels.shape[3] != 3:
        remedy = (
            "move the channels to the end: X.transpose(0, 2, 3, 1)"
            if pixels.shape[1] == 3
            else "grey images: X[..., 0]"
        )
        raise refused("colour images have the shape (n, height, width, 3)", found, remedy)
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        rule = "this is one colour image (height, width, 3), not several grey ones"
        raise refused(rule, found, "give X[np.newaxis] for one image")
    return pixels


def _check_values(images: np.ndarray, pixel_range: tuple[float, float] | None) -> None:
    """Refuse values that are not finite, and types and values whose range is not known."""
    floats = images.dtype.kind == "f"
    if pixel_range is None and images.dtype != np.uint8 and not floats:
        rule = "only uint8 has a known range of pixels, 0 to 255"
        raise refused(rule, images.dtype, "give pixel_range, such as pixel_range=(0, 255) or (0, 4095)")
    if not floats:
        return
    for i, image in enumerate(images):
        low, high = float(image.min()), float(image.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise refused("a pixel is NaN or infinite", low if not np.isfinite(low) else high, where=f"image {i} of X")
        if pixel_range is None and not (low >= 0 and high <= 1):
            rule, remedy = (
                "pixels of type float must lie within 0 to 1",
                "divide them, or give pixel_range, such as pixel_range=(0, 255)",
            )
            raise refused(rule, f"{low:g} to {high:g}", remedy, where=f"image {i} of X")
