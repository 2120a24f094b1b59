"""FineTunedNetwork: the training of hybridcx.deep, in scikit-learn's tools; nothing leaks, and wrong use is explained."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from estimator_samples import COMMON, NAME, network, pictures, scans_and_photographs, written
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_predict, cross_validate
from sklearn.multiclass import OneVsRestClassifier

from hybridcx import FineTunedNetwork, InputError
from hybridcx.deep.augment import FILL
from hybridcx.deep.features import extract, softmax_positive
from hybridcx.deep.finetune import finetune
from hybridcx.errors import MissingExtraError
from hybridcx.estimators import network as module
from hybridcx.estimators.labels import hold_out
from hybridcx.experiment.file import ComputeSection, TrainSection
from hybridcx.images.prepare import prepare

X, Y = pictures()


def same_weights(a, b):
    return all(np.array_equal(a.weights_[name], b.weights_[name]) for name in a.weights_)


@pytest.fixture(scope="module")
def fitted():
    return network().fit(X, Y)


@pytest.mark.parametrize("name", [NAME, "mobilenet_v2"])
def test_it_is_the_training_and_the_extraction_of_hybridcx(tmp_path, name):
    parameters = {**COMMON, "random_state": 7, "pad": "edge"}
    model = FineTunedNetwork(
        name, epochs=2, batch_size=8, learning_rate=0.01, l2=0.1, **parameters, train_options={"dropout": 0.3}
    ).fit(X, Y)
    images = np.stack([prepare(x, size_px=32, pad="edge") for x in X])
    validates = np.isin(np.arange(len(X)), model.validation_indices_)
    options = TrainSection(epochs=2, batch_size=8, learning_rate=0.01, weight_decay=0.1, dropout=0.3)
    compute = ComputeSection(device="cpu", threads=1)
    direct = finetune(
        name, images, (Y == "normal").astype(int), np.flatnonzero(~validates), np.flatnonzero(validates), options, compute,
        seed=7, weights=None, folder=tmp_path, fill=FILL["edge"],
    )  # fmt: skip
    logits = extract(name, direct.weights_path, images, compute).logits
    assert np.array_equal(model.predict_proba(X)[:, 1], softmax_positive(logits))
    assert np.array_equal(model.decision_function(X), logits[:, 1] - logits[:, 0])
    assert model.n_iter_ == direct.n_iterations == len(model.history_["train_loss"])
    pd.testing.assert_frame_equal(pd.DataFrame(model.history_), pd.DataFrame(direct.history))


@pytest.mark.parametrize("options", [{"class_weights": "balanced"}, {"sampling": "balanced"}])
def test_classes_of_different_sizes(options):
    few = np.r_[np.flatnonzero(Y == "normal"), np.flatnonzero(Y != "normal")[:4]]
    plain, balanced = (network(train_options=o, epochs=1).fit(X[few], Y[few]) for o in (None, options))
    assert any("of a population with equal classes" in note for note in balanced.notes_)
    assert balanced.predict_proba(X)[:, 1].mean() < plain.predict_proba(X)[:, 1].mean()  # normal is the larger class


def test_predictions_agree_with_each_other(fitted):
    proba = fitted.predict_proba(X)
    assert proba.dtype == np.float64
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-15)
    assert fitted.classes_.tolist() == ["abnormal", "normal"]
    assert fitted.predict(X).tolist() == ["normal" if d > 0 else "abnormal" for d in fitted.decision_function(X)]
    np.testing.assert_allclose(fitted.decision_function(X), np.log(proba[:, 1] / proba[:, 0]), rtol=1e-9, atol=1e-12)
    assert fitted.score(X, Y) == np.mean(fitted.predict(X) == Y)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bytes(threads):
    first = network(random_state=3, threads=threads).fit(X, Y)
    again = clone(first).fit(X, Y)
    assert same_weights(first, again)
    assert not same_weights(first, network(random_state=4, threads=threads).fit(X, Y))


def test_random_state_follows_scikit_learn():
    model = network(random_state=np.random.RandomState(0))
    first, second = (copy.deepcopy(model.fit(X, Y)) for _ in range(2))
    assert not same_weights(first, second)  # the generator goes on
    assert same_weights(first, clone(network(random_state=np.random.RandomState(0))).fit(X, Y))
    models = []
    for _ in range(2):  # None: NumPy's global state, as everywhere in scikit-learn
        np.random.seed(5)  # noqa: NPY002
        models.append(network(random_state=None).fit(X, Y))
    assert same_weights(*models)


def test_paths_and_arrays_give_the_same_model(fitted, tmp_path):
    paths = written(X, tmp_path)
    model = clone(fitted).fit(pd.Series(paths), pd.Series(Y, index=range(50, 74)))
    assert same_weights(model, fitted)
    assert np.array_equal(model.predict_proba(paths), fitted.predict_proba(X))


def test_images_that_are_not_fitted_never_influence_the_fit():
    """Each fold's weights stay the same bytes when the images and labels of its test cases are others."""
    folds = KFold(3)
    kept = cross_validate(network(), X, Y, cv=folds, return_estimator=True)["estimator"]
    for (train, test), model in zip(folds.split(X), kept, strict=True):
        others, labels = X.copy(), Y.copy()
        others[test] = 255 - others[test][::-1]
        labels[test] = labels[test][::-1]
        assert same_weights(model, clone(model).fit(others[train], labels[train]))
        assert model.validation_indices_.max() < len(train)


def test_validation_cases_are_not_trained_on(fitted):
    """With `keep = "last"` their pixels change nothing but the validation's losses."""
    assert len(fitted.validation_indices_) == 4
    assert (Y[fitted.validation_indices_] == "normal").sum() == 2
    others = X.copy()
    others[fitted.validation_indices_] = 255 - others[fitted.validation_indices_]
    changed = clone(fitted).fit(others, Y)
    assert same_weights(changed, fitted)
    assert changed.history_["validation_loss"][0] != fitted.history_["validation_loss"][0]


def test_groups_stay_together_in_cross_validation_and_validation(monkeypatch):
    groups = np.repeat([f"p{i}" for i in range(12)], 2)
    seen = []

    def noted(coded, groups, fraction, seed):
        parts = hold_out(coded, groups, fraction, seed)
        seen.append([set(np.asarray(groups)[rows]) for rows in parts])
        return parts

    monkeypatch.setattr(module, "hold_out", noted)
    with sklearn.config_context(enable_metadata_routing=True):
        model = network(validation_fraction=0.3).set_fit_request(groups=True)
        found = cross_validate(
            model, X, Y, cv=GroupKFold(3), params={"groups": groups}, return_indices=True, error_score="raise"
        )
        with pytest.raises(ValueError, match="groups"):
            cross_validate(network(), X, Y, cv=GroupKFold(3), params={"groups": groups}, error_score="raise")
    assert len(seen) == 3
    for (train, validation), test in zip(seen, found["indices"]["test"], strict=True):
        assert validation
        assert not train & validation
        assert not (train | validation) & set(groups[test])


@pytest.mark.parametrize("seed", range(5))
def test_hold_out_meets_its_share_of_each_class(seed):
    coded = np.array([0] * 40 + [1] * 20)
    train, validation = hold_out(coded, None, 0.15, seed)
    assert sorted([*train, *validation]) == list(range(60))
    assert np.bincount(coded[validation]).tolist() == [6, 3]
    groups = np.arange(60) // 4
    train, validation = hold_out(coded, groups, 0.2, seed)
    assert not set(groups[train]) & set(groups[validation])
    assert np.bincount(coded[validation]).tolist() == [8, 4]
    order = np.random.default_rng(seed).permutation(60)  # with groups the order of the rows decides nothing
    again = hold_out(coded[order], groups[order], 0.2, seed)[1]
    assert set(order[again]) == set(validation)
    assert len(hold_out(coded, groups, 0, seed)[1]) == 0


def test_grid_search_over_training_options(tmp_path):
    grid = {
        "learning_rate": np.logspace(-4, -2, 2),
        "epochs": np.array([1]),
        "train_options": [None, {"optimizer": "adamw"}],
    }
    search = GridSearchCV(network(), grid, cv=2, error_score="raise", scoring="roc_auc").fit(written(X, tmp_path), Y)
    assert len(search.cv_results_["params"]) == 4
    assert search.best_estimator_.predict(X).shape == (24,)


@pytest.mark.slow
def test_other_processes():
    found = cross_val_predict(network(), X, Y, cv=2, n_jobs=2, method="predict_proba")
    assert np.array_equal(found, cross_val_predict(network(), X, Y, cv=2, method="predict_proba"))


def test_read_only_weights():
    model = network().fit(X, Y)
    expected = model.predict_proba(X)
    for array in model.weights_.values():  # as joblib's memory maps are
        array.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(model.predict_proba(X), expected)


def test_calibration(fitted):
    calibrated = CalibratedClassifierCV(network(), cv=2).fit(X, Y)
    assert calibrated.predict_proba(X).shape == (24, 2)
    frozen = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(X, Y)
    slope, intercept = (
        frozen.calibrated_classifiers_[0].calibrators[0].a_,
        frozen.calibrated_classifiers_[0].calibrators[0].b_,
    )
    by_hand = 1 / (1 + np.exp(slope * fitted.decision_function(X) + intercept))
    np.testing.assert_allclose(frozen.predict_proba(X)[:, 1], by_hand, rtol=1e-9)  # it calibrates the log odds


def test_more_classes_one_against_the_rest():
    y = np.arange(24) % 3
    with pytest.raises(ValueError, match=r"Only binary.*OneVsRestClassifier"):
        network().fit(X, y)
    assert OneVsRestClassifier(network()).fit(X, y).predict_proba(X).shape == (24, 3)


@pytest.mark.parametrize(
    "labels", [np.arange(24) % 2, np.arange(24) % 2 == 0, pd.Series(Y), pd.Series(Y).astype("category")]
)
def test_labels_of_every_kind(labels):
    model = network().fit(X, labels)
    assert set(model.predict(X)) <= set(labels)
    assert model.classes_.tolist() == sorted(set(labels))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        (["normal"] * 24, "1 class"),
        (np.linspace(0, 1, 24), "continuous"),
        ([*Y[:-1], None], "row 23 of y: a label is missing"),
        (np.where(Y == "normal", np.nan, 1.0), "row 0 of y: a label is missing"),
        (Y[:5], r"inconsistent numbers of samples: \[24, 5\]"),
    ],
)
def test_labels_that_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        network().fit(X, y)


@pytest.mark.parametrize(
    ("groups", "message"),
    [([None] * 24, "row 0 of groups: a group is missing"), ([1, 2], "inconsistent numbers of samples")],
)
def test_groups_that_are_refused(groups, message):
    with pytest.raises(ValueError, match=message):
        network().fit(X, Y, groups=groups)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"network": "resnet11"}, "`network`: there is no network of this name"),
        ({"epochs": 0}, "`epochs`: a number of at least 1"),
        ({"epochs": 1.5}, "`epochs`: a whole number"),
        ({"batch_size": 1}, "`batch_size`: a number of at least 2"),
        ({"learning_rate": -1.0}, "`learning_rate`: a number above 0"),
        ({"l2": -0.1}, "`l2`: a number of at least 0"),
        ({"preset": "best"}, "`preset`: one of"),
        ({"image_size_px": 16}, "`image_size_px`: a number of at least 32"),
        ({"network": "alexnet"}, "AlexNet takes images of at least 63 x 63 pixels"),
        ({"device": "gpu"}, "`device`"),
        ({"threads": -1}, "`threads`"),
        ({"training_precision": "half"}, "`training_precision`"),
        ({"pad": "grey"}, "`pad`"),
        ({"validation_fraction": 1}, "validation_fraction is a share"),
        ({"validation_fraction": "a"}, "validation_fraction is a share"),
        ({"validation_fraction": 0.99}, "leaves no case of a class to train on"),
        (
            {"validation_fraction": 0, "train_options": {"early_stopping": 2}},
            "need validation cases.*validation_fraction",
        ),
        ({"train_options": {"dropuot": 0.2}}, r"train_options\['dropuot'\].*`dropout`"),
        ({"train_options": {"dropout": 2}}, r"train_options\['dropout'\].*below 1"),
        ({"train_options": {"weight_decay": 0.1}}, "is the parameter `l2`"),
        ({"train_options": {"enabled": False}}, "always trains"),
        ({"train_options": {"rate_in_velocity": True, "optimizer": "adamw"}}, "belongs to SGD"),
        ({"train_options": 3}, "train_options is a mapping"),
        ({"random_state": "a"}, "cannot be used to seed"),
        ({"weights": None}, "`imagenet`, `none`, a folder or a file"),
        ({"weights": "nowhere"}, "neither a folder nor a file"),
    ],
)
def test_parameters_that_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        network(**parameters).fit(X, Y)


def test_defaults_are_the_experiments_and_a_preset_fills_in():
    model = FineTunedNetwork()
    assert model._experiment().train_of("resnet101") == TrainSection()
    assert model._experiment().compute == ComputeSection()
    modern = FineTunedNetwork(preset="modern", epochs=3)._experiment().train_of("resnet101")
    assert modern == TrainSection(preset="modern", epochs=3)
    matlab = FineTunedNetwork("vgg16", preset="matlab_r2018b")._experiment()
    assert matlab.train_of("vgg16").weight_decay_on == "last_layer"  # what the preset says for this network
    for name, key in {
        "epochs": "epochs",
        "batch_size": "batch_size",
        "learning_rate": "learning_rate",
        "l2": "weight_decay",
    }.items():
        line = FineTunedNetwork.__doc__.split(f"    {name} : ")[1].split(" : ")[0]
        assert str(getattr(TrainSection(), key)) in line


def test_every_parameter_is_documented():
    for name in FineTunedNetwork().get_params():
        assert f"    {name} : " in FineTunedNetwork.__doc__


def test_missing_weights_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path / "weights"))
    for parameters in ({"weights": "imagenet"}, {"weights": tmp_path}):
        with pytest.raises(InputError, match=r'hybridcx weights fetch squeezenet1_1.*weights="none"'):
            network(**parameters).fit(X, Y)


def test_it_starts_from_a_folder_or_a_file(fitted, tmp_path):
    fitted.save(tmp_path / "saved")
    source = tmp_path / "saved" / "weights.safetensors"
    (tmp_path / f"{NAME}.safetensors").write_bytes(source.read_bytes())
    plain = {"flip_horizontal": 0.0, "translate_px": 0.0, "dropout": 0.0}
    models = [
        network(weights=w, learning_rate=1e-30, l2=0.0, train_options=plain).fit(X, Y) for w in (str(source), tmp_path)
    ]
    for model in models:  # steps of 1e-30 leave the weights as they were
        for name, weight in fitted.weights_.items():
            np.testing.assert_allclose(model.weights_[name], weight, rtol=0, atol=1e-20)


def test_without_torch_the_command_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r'pip install "hybridcx\[deep\]"'):
        network().fit(X, Y)


def test_before_fit():
    for method in ("predict", "predict_proba", "decision_function"):
        with pytest.raises(NotFittedError):
            getattr(network(), method)(X)
    with pytest.raises(NotFittedError):
        network().save("nowhere")


def test_an_absent_device_and_no_validation_are_warnings():
    with pytest.warns(UserWarning, match="No case validates"):
        model = network(validation_fraction=0.01).fit(X, Y)
    assert np.isnan(model.history_["validation_loss"]).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert network(validation_fraction=0).fit(X, Y).notes_ == []


def test_copies_predict_the_same(fitted):
    expected = fitted.predict_proba(X)
    for copied in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(copied.predict_proba(X), expected)
    fresh = clone(fitted)
    assert not hasattr(fresh, "weights_")
    assert fresh.get_params() == fitted.get_params()


@pytest.mark.shared
def test_real_weights_learn_a_real_problem():
    images, y, weights = scans_and_photographs()
    train, test = np.arange(48) % 2 == 0, np.arange(48) % 2 == 1
    options = {"image_size_px": 96, "epochs": 8, "batch_size": 8, "learning_rate": 0.002, "validation_fraction": 0}
    model = network(weights=weights, **options).fit(images[train], y[train])
    assert model.classes_.tolist() == ["photograph", "scan"]
    assert roc_auc_score(y[test] == "scan", model.decision_function(images[test])) > 0.8  # 1.0 where it was tried
