"""Heads learn what is there and nothing else: no leak, no split patient, the same bits twice."""

import numpy as np
import pytest
from head_samples import make_features
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from hybridcx.errors import InputError
from hybridcx.heads.fit import _estimator, _Prepared, _transforms, fit_heads
from hybridcx.heads.folds import grouped_splits
from hybridcx.heads.table import HEADS
from hybridcx.streams import seed_for

OPTIONS = {"folds": 5, "max_components": 32, "seed": 7}
QUICK = [name for name in HEADS if name != "random_forest"]


def fit_one(name, features, y, groups, **options):
    return fit_heads([name], features, y, groups, **options)[name]


@pytest.fixture(scope="module")
def fitted(overlapping):
    X, y = overlapping
    return fit_heads(QUICK, X, y, np.arange(len(y)), **OPTIONS)


@pytest.fixture(scope="module")
def on_separable(separable):
    X, y = separable
    return fit_heads(HEADS, X, y, np.arange(len(y)), folds=3, max_components=32, seed=7)


@pytest.mark.parametrize("name", HEADS)
def test_separable_features_are_learnt(name, on_separable):
    head = on_separable[name]
    new, truth = make_features(200, 130, 8.0, seed=1)
    p = head.predict_proba_positive(new)
    assert p.dtype == np.float64
    assert p.shape == (200,)
    assert ((p >= 0) & (p <= 1)).all()
    assert roc_auc_score(truth, p) > 0.97
    assert ((p >= 0.5) == truth).mean() > 0.93
    assert head.cv_auroc > 0.95
    assert head.cv_log_loss < 0.35


@pytest.mark.parametrize("name", HEADS)
def test_noise_teaches_nothing(name):
    # 150 columns of noise on 60 cases: anything that saw its held-out cases would be far above one half.
    X, y = make_features(60, 150, 0.0, seed=5)
    head = fit_one(name, X, y, np.arange(60), folds=3, max_components=32, seed=7)
    new, truth = make_features(1500, 150, 0.0, seed=6)
    assert roc_auc_score(truth, head.predict_proba_positive(new)) == pytest.approx(0.5, abs=0.07)
    assert head.cv_auroc == pytest.approx(0.5, abs=0.25)
    assert head.cv_log_loss > 0.6


def test_held_out_rows_do_not_move_the_training_transforms(overlapping):
    X, y = overlapping
    splits = grouped_splits(y, np.arange(len(y)), 5, 0, [])
    train, held_out = splits[0]
    moved = X.astype(np.float64)
    moved[held_out] = 1e3 * np.random.default_rng(0).normal(size=(len(held_out), X.shape[1]))
    for name in ("logistic", "lda"):
        head = HEADS[name]
        a, b = (_Prepared(m, y, splits, 32) for m in (X.astype(np.float64), moved))
        candidate = a.candidates(head)[-1]
        (clean, before), (same, after) = (p.matrices(p.space(head), candidate)[0] for p in (a, b))
        np.testing.assert_array_equal(clean, same)
        assert not np.array_equal(before, after)
    assert len(train) + len(held_out) == len(y)


@pytest.mark.parametrize("name", ["logistic", "knn", "lda", "xgboost"])
def test_out_of_fold_probabilities_are_those_of_plain_pipelines(name, overlapping, fitted):
    X, y = overlapping[0].astype(np.float64), overlapping[1]
    head, best = HEADS[name], fitted[name].best_params
    splits = grouped_splits(y, np.arange(len(y)), 5, seed_for(7, "heads", "folds"), [])
    prepared = _Prepared(X, y, splits, 32)
    p = np.empty(len(y))
    for train, held_out in splits:
        steps = _transforms(prepared.space(head), int(best.get("components", 32)))
        pipe = Pipeline([*steps, ("estimator", _estimator(head, best, 7, 1, len(train)))]).fit(X[train], y[train])
        p[held_out] = pipe.predict_proba(X[held_out])[:, 1]
    np.testing.assert_allclose(fitted[name].out_of_fold, p, atol=1e-6)
    folds = [roc_auc_score(y[held_out], p[held_out]) for _, held_out in splits]
    assert fitted[name].cv_auroc == pytest.approx(np.mean(folds))


@pytest.mark.parametrize("name", ["svm_linear", "svm_rbf"])
def test_probabilities_of_svms_are_those_of_calibrated_classifier_cv(name, overlapping, fitted):
    X, y = overlapping[0].astype(np.float64), overlapping[1]
    splits = grouped_splits(y, np.arange(len(y)), 5, seed_for(7, "heads", "folds"), [])
    steps = _transforms("rotated", 0)
    pipe = Pipeline([*steps, ("estimator", _estimator(HEADS[name], fitted[name].best_params, 7, 1, len(y)))])
    theirs = CalibratedClassifierCV(pipe, method="sigmoid", cv=splits, ensemble=False).fit(X, y)
    ours = fitted[name].predict_proba_positive(X)
    np.testing.assert_allclose(ours, theirs.predict_proba(X)[:, 1], atol=1e-5)


@pytest.mark.parametrize("name", ["svm_linear", "svm_rbf"])
def test_calibrated_probabilities_rise_with_the_decision_value(name, fitted):
    new, _ = make_features(300, 120, 2.5, seed=8)
    decision = fitted[name].pipeline.decision_function(new.astype(np.float64))
    p = fitted[name].predict_proba_positive(new)[np.argsort(decision)]
    assert (np.diff(p) >= 0).all()
    assert len(np.unique(p)) > 200


def test_the_chosen_candidate_has_the_least_log_loss_and_the_first_wins_ties(fitted):
    for head in fitted.values():
        losses = np.array([c.log_loss for c in head.candidates])
        first = int(np.flatnonzero(losses <= losses.min() + 1e-9)[0])
        assert head.best_params == head.candidates[first].params
        assert head.cv_log_loss == losses[first]


def test_the_same_bits_twice_whatever_else_is_asked_for(overlapping, fitted):
    X, y = overlapping
    new, _ = make_features(40, 120, 2.5, seed=9)
    np.random.seed(1)  # noqa: NPY002 - the global state must not matter
    for name in QUICK:
        again = fit_one(name, X, y, np.arange(len(y)), **OPTIONS)
        np.testing.assert_array_equal(again.predict_proba_positive(new), fitted[name].predict_proba_positive(new))
        np.testing.assert_array_equal(again.out_of_fold, fitted[name].out_of_fold)
        assert again.candidates == fitted[name].candidates


def test_the_forest_repeats_its_bits_with_any_number_of_threads(monkeypatch, few_trees, overlapping):
    from hybridcx.heads import fit

    X, y = overlapping[0][:, :20], overlapping[1]
    one = fit_one("random_forest", X, y, np.arange(len(y)), folds=2, max_components=32, seed=0)
    monkeypatch.setattr(fit, "_THREADED_FROM", 1)
    two = fit_one("random_forest", X, y, np.arange(len(y)), folds=2, max_components=32, seed=0, threads=2)
    np.testing.assert_array_equal(one.predict_proba_positive(X), two.predict_proba_positive(X))


def test_the_seed_is_used(overlapping, fitted):
    X, y = overlapping
    other = fit_heads(["logistic", "xgboost"], X, y, np.arange(len(y)), **{**OPTIONS, "seed": 8})
    for name, head in other.items():
        assert head.cv_score != fitted[name].cv_score


def test_patients_are_never_split():
    rng = np.random.default_rng(2)
    groups = rng.integers(0, 30, 90)
    y = (groups % 3 == 0).astype(int)
    y[rng.integers(0, 90, 8)] ^= 1  # patients with both labels
    for seed in range(5):
        splits = grouped_splits(y, groups, 5, seed, [])
        assert sorted(np.concatenate([h for _, h in splits]).tolist()) == list(range(90))
        for train, held_out in splits:
            assert not set(groups[train]) & set(groups[held_out])
            assert len(set(y[train])) == len(set(y[held_out])) == 2


def test_repeated_images_of_a_patient_do_not_leak_through_the_folds():
    # Every patient has two identical images and a random label: a split that separates them would be perfect.
    X, _ = make_features(40, 200, 0.0, seed=11)
    y = np.random.default_rng(12).permutation(np.arange(40) % 2)
    twice = np.repeat(np.arange(40), 2)
    head = fit_one("knn", X[twice], y[twice], twice, **OPTIONS)
    assert head.n_patients == 40
    assert head.cv_auroc < 0.75
    leaky = fit_one("svm_rbf", X[twice], y[twice], np.arange(80), **OPTIONS)
    assert leaky.cv_auroc > 0.95


def test_fifty_cases_as_on_the_validation_set():
    X, y = make_features(50, 300, 8.0, seed=13, positives=26)
    heads = fit_heads(QUICK, X, y, np.arange(50), folds=5, max_components=64, seed=0)
    new, truth = make_features(200, 300, 8.0, seed=14)
    for head in heads.values():
        assert head.cv_score.n_folds == 5
        assert head.notes == ()
        assert roc_auc_score(truth, head.predict_proba_positive(new)) > 0.9


def test_few_patients_reduce_the_folds_and_say_so():
    X, y = make_features(20, 10, 8.0, seed=15, positives=3)
    head = fit_one("logistic", X, y, np.arange(20), **OPTIONS)
    assert head.cv_score.n_folds == 3
    assert "3 folds instead of 5" in head.notes[0]


@pytest.mark.parametrize("name", HEADS)
def test_six_patients_are_enough_for_every_head(name, few_trees):
    X, y = make_features(6, 100, 8.0, seed=16)
    head = fit_one(name, X, y, np.arange(6), **OPTIONS)
    assert head.cv_score.n_folds == 3
    assert np.isfinite(head.predict_proba_positive(X)).all()


def test_columns_that_do_not_vary_are_harmless(overlapping, fitted):
    X, y = overlapping
    padded = np.column_stack([X, np.full(len(y), 3.7), np.zeros(len(y))]).astype(np.float32)
    heads = fit_heads(["logistic", "svm_rbf", "lda"], padded, y, np.arange(len(y)), **OPTIONS)
    for name, head in heads.items():
        got = head.predict_proba_positive(padded)
        np.testing.assert_allclose(got, fitted[name].predict_proba_positive(X), atol=1e-3)
    assert isinstance(heads["lda"].pipeline[0], StandardScaler)


def test_narrow_features_are_not_reduced():
    X, y = make_features(60, 12, 8.0, seed=17)
    heads = fit_heads(["lda", "logistic"], X, y, np.arange(60), **OPTIONS)
    assert [step for step, _ in heads["lda"].pipeline.steps] == ["scale", "estimator"]
    assert all("components" not in c.params for c in heads["lda"].candidates)
    assert len(heads["lda"].candidates) == 3


def test_wide_features_go_through_at_most_the_named_components(fitted):
    for name in ("lda", "xgboost"):
        assert fitted[name].pipeline.named_steps["pca"].n_components_ <= 32
        assert {c.params["components"] for c in fitted[name].candidates} == {8, 32}


def test_progress_counts_to_its_total(overlapping):
    X, y = overlapping
    calls = []
    fit_heads(["logistic", "knn"], X, y, np.arange(len(y)), on_progress=lambda d, t: calls.append((d, t)), **OPTIONS)
    total = calls[0][1]
    assert calls == [(i, total) for i in range(1, total + 1)]


def bad(**changes):
    X, y = make_features(30, 12, 1.0)
    given = {"name": "logistic", "features": X, "y": y, "groups": np.arange(30), **OPTIONS, **changes}
    return given.pop("name"), given.pop("features"), given.pop("y"), given.pop("groups"), given


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "svm"}, "unknown head"),
        ({"features": np.zeros(30)}, "matrix"),
        ({"features": np.full((30, 3), np.nan)}, "NaN or infinity in 30 of 30 cases"),
        ({"features": np.ones((30, 3))}, "no feature varies"),
        ({"y": np.zeros(30, int)}, "two patients of each class"),
        ({"y": np.arange(30)}, "0 or 1"),
        ({"y": (np.arange(30) < 3).astype(int), "groups": np.arange(30).clip(3)}, "two patients of each class"),
        ({"groups": np.arange(29)}, "as many labels and patients"),
        ({"folds": 1}, "folds at least 2"),
        ({"y": np.arange(30) % 2, "groups": np.arange(30) // 29}, "two patients of each class"),
        ({"features": np.eye(4), "y": np.arange(4) % 2, "groups": np.arange(4)}, "leaves 2 cases to train on"),
    ],
)
def test_bad_input_is_named(changes, words):
    name, X, y, groups, options = bad(**changes)
    with pytest.raises(InputError, match=words):
        fit_one(name, X, y, groups, **options)


def test_folds_without_a_class_are_never_returned(monkeypatch):
    from hybridcx.heads import folds

    y = np.arange(12) % 2
    one_class = [(np.flatnonzero(y == 0), np.flatnonzero(y == 1)), (np.flatnonzero(y == 1), np.flatnonzero(y == 0))]
    monkeypatch.setattr(folds, "_shuffled", lambda *_: one_class)
    with pytest.raises(InputError, match="cannot be divided"):
        grouped_splits(y, np.arange(12), 3, 0, [])


def test_features_of_another_width_are_refused(fitted):
    with pytest.raises(InputError, match="120 features"):
        fitted["logistic"].predict_proba_positive(np.zeros((2, 119)))
    assert fitted["logistic"].predict_proba_positive(np.zeros((0, 120))).shape == (0,)
