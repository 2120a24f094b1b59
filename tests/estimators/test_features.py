"""PenultimateFeatures: the features of hybridcx.deep, in scikit-learn's tools; a network inside it is fitted anew in every fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_samples import NAME, features, network, pictures, scans_and_photographs, written
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.pipeline import make_pipeline

from hybridcx import InputError, PenultimateFeatures
from hybridcx.deep.features import extract, untrained_state
from hybridcx.errors import MissingExtraError
from hybridcx.experiment.file import ComputeSection
from hybridcx.images.prepare import prepare

X, Y = pictures()


def direct(images):
    prepared = np.stack([prepare(x, size_px=32) for x in images])
    return extract(NAME, untrained_state(NAME, 0), prepared, ComputeSection(device="cpu", threads=1)).features


def test_they_are_the_features_of_hybridcx(tmp_path):
    found = features().fit(X).transform(X)
    assert found.dtype == np.float32
    assert np.array_equal(found, direct(X))
    assert np.array_equal(features().fit_transform(written(X, tmp_path)), found)


def test_names_and_frames(tmp_path):
    transformer = features().set_output(transform="pandas")
    paths = pd.DataFrame({"image": written(X, tmp_path)}, index=[f"case{i}" for i in range(24)])
    found = transformer.fit_transform(paths)
    assert found.columns[[0, -1]].tolist() == ["squeezenet1_1_0000", "squeezenet1_1_0511"]
    assert found.index.tolist() == paths.index.tolist()
    assert (found.dtypes == np.float32).all()
    assert np.array_equal(found.to_numpy(), direct(X))
    assert np.array_equal(transformer.transform(paths["image"].tolist()).to_numpy(), found.to_numpy())
    assert transformer.get_feature_names_out().tolist() == found.columns.tolist()


def test_images_beside_other_columns(tmp_path):
    frame = pd.DataFrame({"image": written(X, tmp_path), "age": np.arange(24)})
    for column in ("image", ["image"]):
        both = ColumnTransformer([("image", features(), column), ("age", "passthrough", ["age"])])
        assert both.fit_transform(frame).shape == (24, 513)
        assert both.get_feature_names_out()[[0, -1]].tolist() == ["image__squeezenet1_1_0000", "age__age"]
        model = make_pipeline(both, LogisticRegression()).fit(frame, Y)
        assert model.predict(frame).shape == (24,)


def test_the_seed_decides_random_weights_only():
    assert not np.array_equal(features(random_state=1).fit_transform(X), features(random_state=2).fit_transform(X))


def test_a_network_inside_is_fine_tuned_by_fit():
    transformer = PenultimateFeatures(network()).fit(X, Y)
    assert not hasattr(transformer.network, "weights_")  # a clone is fitted
    model = network().fit(X, Y)
    last = model.weights_["classifier.1.weight"].reshape(2, -1).astype(float), model.weights_["classifier.1.bias"]
    found = transformer.transform(X)
    log_odds = found @ (last[0][1] - last[0][0]) + last[1][1] - last[1][0]
    np.testing.assert_allclose(log_odds, model.decision_function(X), rtol=1e-4, atol=1e-5)
    frozen = PenultimateFeatures(FrozenEstimator(model))
    assert np.array_equal(frozen.fit(X).transform(X), found)
    assert frozen.network_ is model
    assert np.array_equal(clone(frozen).fit(X[:3]).transform(X), found)


def test_cross_validation_refits_the_network_inside_every_fold():
    model = make_pipeline(PenultimateFeatures(network()), LogisticRegression())
    kept = cross_validate(model, X, Y, cv=KFold(2), return_estimator=True, error_score="raise")["estimator"]
    for (train, _), fitted in zip(KFold(2).split(X), kept, strict=True):
        alone = network().fit(X[train], Y[train])
        assert all(np.array_equal(fitted[0].network_.weights_[n], alone.weights_[n]) for n in alone.weights_)


def test_searches_reach_the_network_inside():
    model = make_pipeline(PenultimateFeatures(network()), LogisticRegression())
    grid = {"penultimatefeatures__network__learning_rate": [1e-4, 1e-3], "logisticregression__C": [0.1, 1.0]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, Y)
    assert (
        search.best_estimator_[0].network_.learning_rate
        == search.best_params_["penultimatefeatures__network__learning_rate"]
    )


def test_groups_reach_the_network_inside():
    groups = np.repeat(np.arange(8), 3)
    with sklearn.config_context(enable_metadata_routing=True):
        transformer = PenultimateFeatures(network(validation_fraction=0.3)).set_fit_request(groups=True)
        model = make_pipeline(transformer, LogisticRegression())
        found = cross_validate(
            model,
            X,
            Y,
            cv=GroupKFold(2),
            params={"groups": groups},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    for fitted, train in zip(found["estimator"], found["indices"]["train"], strict=True):
        held = np.isin(np.arange(len(train)), fitted[0].network_.validation_indices_)
        assert held.any()
        assert not set(groups[train][held]) & set(groups[train][~held])


def test_features_of_a_fixed_network_are_kept_between_fits(tmp_path):
    model = make_pipeline(features(), LogisticRegression(), memory=str(tmp_path))
    first = model.fit(X, Y).predict_proba(X)
    assert np.array_equal(model.set_params(logisticregression__C=1.0).fit(X, Y).predict_proba(X), first)


@pytest.mark.parametrize(
    ("transformer", "message"),
    [
        (PenultimateFeatures("resnet11"), "`network`: there is no network of this name"),
        (PenultimateFeatures(3), "network is no network.*'int'"),
        (PenultimateFeatures(LogisticRegression()), "network is no network.*'LogisticRegression'"),
        (PenultimateFeatures(FrozenEstimator(LogisticRegression())), "network is no network"),
        (
            PenultimateFeatures(network(), image_size_px=64),
            "image_size_px is a parameter of the FineTunedNetwork.*network__image_size_px",
        ),
        (features(image_size_px=8), "`image_size_px`"),
        (features(weights="nowhere"), "neither a folder nor a file"),
        (PenultimateFeatures(network(epochs=0)), "`epochs`"),
    ],
)
def test_what_is_refused(transformer, message):
    with pytest.raises(ValueError, match=message):
        transformer.fit(X, Y)


def test_before_fit_and_without_labels():
    for transformer in (features(), PenultimateFeatures(network())):
        with pytest.raises(NotFittedError):
            transformer.transform(X)
        with pytest.raises(NotFittedError):
            transformer.get_feature_names_out()
    with pytest.raises(NotFittedError):
        PenultimateFeatures(FrozenEstimator(network())).fit(X)
    with pytest.raises(ValueError, match="requires y"):
        PenultimateFeatures(network()).fit(X)
    changed = features().fit(X).set_params(network=network())
    with pytest.raises(NotFittedError):
        changed.transform(X)


def test_without_torch_the_command_is_named(monkeypatch):
    fitted = features().fit(X)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    for call in (lambda: features().fit(X), lambda: fitted.transform(X)):
        with pytest.raises(MissingExtraError, match=r'pip install "hybridcx\[deep\]"'):
            call()


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path))
    with pytest.raises(InputError, match="hybridcx weights fetch squeezenet1_1"):
        features(weights="imagenet").fit(X)


@pytest.mark.shared
def test_real_weights_tell_real_scans_from_photographs():
    images, y, weights = scans_and_photographs()
    model = make_pipeline(features(weights=weights, image_size_px=96), LogisticRegression(max_iter=1000))
    model.fit(images[::2], y[::2])
    assert roc_auc_score(y[1::2] == "scan", model.decision_function(images[1::2])) > 0.8  # 1.0 where it was tried
