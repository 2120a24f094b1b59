"""`hybridcx.compare_estimators`: the predictions are scikit-learn's, no case is predicted by a fit that saw it, and the rest is `compare`."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    cross_val_predict,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import hybridcx
from hybridcx.errors import InputError
from hybridcx.records.lineage import Lineage

N = 90
X, Y = make_classification(N, 6, flip_y=0.15, random_state=2)
PATIENTS = np.arange(N) // 3
FEW = {"n_bootstrap": 100}


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression())


def two():
    return {"bayes": GaussianNB(), "logistic": logistic()}


def of(result, model):
    return (
        result.predictions.query("model == @model")
        .assign(case=lambda f: f["case_id"].astype(int))
        .set_index("case")
        .sort_index()
    )


def test_the_predictions_are_those_of_cross_val_predict():
    result = hybridcx.compare_estimators(two(), X, Y, cv=4, seed=7, **FEW)
    folds = StratifiedKFold(4, shuffle=True, random_state=7)
    for name, estimator in two().items():
        expected = cross_val_predict(estimator, X, Y, cv=folds, method="predict_proba")[:, 1]
        found = of(result, name)
        assert found["score"].to_numpy() == pytest.approx(expected, abs=1e-12)
        assert found["y_pred"].astype(int).tolist() == cross_val_predict(estimator, X, Y, cv=folds).tolist()
        for number, (_, test) in enumerate(folds.split(X, Y), 1):
            assert found.loc[test, "fold"].astype(int).eq(number).all()
    by_hand = hybridcx.compare(result.predictions, positive=1, seed=7, **FEW)
    pd.testing.assert_frame_equal(result.metrics, by_hand.metrics)


def test_groups_stay_whole_and_become_clusters():
    result = hybridcx.compare_estimators(two(), X, Y, groups=PATIENTS, cv=3, seed=1, **FEW)
    folds = of(result, "bayes")["fold"]
    assert folds.groupby(PATIENTS).nunique().eq(1).all()
    expected = cross_val_predict(
        GaussianNB(),
        X,
        Y,
        groups=PATIENTS,
        cv=StratifiedGroupKFold(3, shuffle=True, random_state=1),
        method="predict_proba",
    )
    assert of(result, "bayes")["score"].to_numpy() == pytest.approx(expected[:, 1], abs=1e-12)
    assert result.metrics["n.clusters"].max() == N / 3


def test_a_search_is_tuned_within_the_training_cases():
    grid = {"logisticregression__C": [0.001, 1.0]}
    search = GridSearchCV(logistic(), grid, cv=GroupKFold(2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = hybridcx.compare_estimators(
            {"tuned": search, "bayes": GaussianNB()}, X, Y, groups=PATIENTS, cv=3, **FEW
        )
    found, tuning = of(result, "tuned"), result.tuning.set_index("fold")
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
    for number, (train, test) in enumerate(folds.split(X, Y, PATIENTS), 1):
        inner = clone(search).fit(X[train], Y[train], groups=PATIENTS[train])
        assert json.loads(tuning.loc[number, "parameters"]) == inner.best_params_
        assert tuning.loc[number, "inner.score"] == inner.best_score_
        assert found.loc[test, "score"].to_numpy() == pytest.approx(inner.predict_proba(X[test])[:, 1], abs=1e-12)
    assert "divide groups" not in result.summary()
    plain = GridSearchCV(logistic(), grid, cv=2)
    assert (
        "The inner folds of tuned divide groups"
        in hybridcx.compare_estimators(
            {"tuned": plain, "bayes": GaussianNB()}, X, Y, groups=PATIENTS, cv=3, **FEW
        ).summary()
    )


def test_no_fit_saw_the_cases_it_predicts(tmp_path):
    result = hybridcx.compare_estimators(two(), X, Y, groups=PATIENTS, cv=3, repeats=2, out=tmp_path / "r", **FEW)
    lineage = Lineage.from_dict(json.loads((tmp_path / "r" / "lineage.json").read_text(encoding="utf-8")))
    assert len(lineage) == 2 * 2 * 3
    rows = result.predictions
    for (seed, fold, model), part in rows.groupby(["seed", "fold", "model"]):
        saw = lineage.saw(model, f"seed {seed}, fold {fold}")
        assert not saw & set(part["case_id"])
        assert len(saw) + len(part) == N
        assert not set(PATIENTS[[int(c) for c in saw]]) & set(PATIENTS[part["case_id"].astype(int)])
    assert hybridcx.verify(tmp_path / "r").agrees


def test_verify_finds_a_fit_on_test_cases(tmp_path):
    hybridcx.compare_estimators(two(), X, Y, cv=3, out=tmp_path / "r", **FEW)
    file = tmp_path / "r" / "lineage.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    fits = record["fits"]
    fits[0]["cases_sha256"] = next(f["cases_sha256"] for f in fits if f["unit"] != fits[0]["unit"])
    file.write_text(json.dumps(record), encoding="utf-8")
    found = hybridcx.verify(tmp_path / "r").differences
    assert found["found"].str.contains("saw").any()


def test_repeats_are_seeds_and_random_splits_are_hold_out():
    result = hybridcx.compare_estimators(two(), X, Y, cv=3, repeats=3, **FEW)
    assert result.predictions["seed"].unique().tolist() == [0, 1, 2]
    accuracy = result.rows("metrics", recommended=True).query("metric == 'accuracy'").set_index("model")["estimate"]
    for name, estimator in two().items():
        each = [
            np.mean(cross_val_predict(estimator, X, Y, cv=StratifiedKFold(3, shuffle=True, random_state=r)) == Y)
            for r in range(3)
        ]
        assert accuracy[name] == pytest.approx(np.mean(each))
    same = hybridcx.compare_estimators(
        two(), X, Y, cv=RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=4), **FEW
    )
    assert same.predictions.groupby("seed")["fold"].nunique().to_dict() == {0: 3, 1: 3}
    splits = hybridcx.compare_estimators(
        two(), X, Y, cv=StratifiedShuffleSplit(5, test_size=0.2, random_state=0), **FEW
    )
    assert "fold" not in splits.predictions
    row = splits.rows("comparisons", recommended=True).query("metric == 'accuracy'").iloc[0]
    differences = []
    for train, test in StratifiedShuffleSplit(5, test_size=0.2, random_state=0).split(X, Y):
        hits = {n: np.mean(e.fit(X[train], Y[train]).predict(X[test]) == Y[test]) for n, e in two().items()}
        differences.append(hits["bayes"] - hits["logistic"])
    assert (row["method"], row["parameter"]) == ("nadeau_bengio", 4)
    assert row["estimate"] == pytest.approx(np.mean(differences))
    assert row["std.error"] == pytest.approx(np.sqrt((1 / 5 + 18 / 72) * np.var(differences, ddof=1)))


def test_other_splits():
    for cv, groups in (
        (LeaveOneGroupOut(), np.arange(N) // 30),
        (list(StratifiedKFold(3).split(X, Y)), None),
        (PredefinedSplit(np.arange(N) % 3), None),
        ([(np.arange(N) < 60, np.arange(N) >= 60)], None),
    ):
        result = hybridcx.compare_estimators(two(), X, Y, groups=groups, cv=cv, **FEW)
        assert result.predictions["model"].value_counts().nunique() == 1


def test_unset_random_states_are_set_and_nothing_else_is_changed():
    forest = RandomForestClassifier(5)
    models = {"forest": forest, "fixed": RandomForestClassifier(5, random_state=3)}
    one = hybridcx.compare_estimators(models, X, Y, cv=3, **FEW)
    again = hybridcx.compare_estimators(dict(reversed(models.items())), X, Y, cv=3, n_jobs=2, **FEW)
    for name in models:
        pd.testing.assert_frame_equal(of(one, name), of(again, name))
    assert forest.random_state is None
    assert not hasattr(forest, "estimators_")
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = cross_val_predict(models["fixed"], X, Y, cv=folds, method="predict_proba")[:, 1]
    assert of(one, "fixed")["score"].tolist() == expected.tolist()


def test_estimators_without_probabilities():
    ranks = hybridcx.compare_estimators({"svm": LinearSVC(), "bayes": GaussianNB()}, X, Y, cv=3, **FEW)
    assert "svm has no predict_proba" in ranks.summary()
    assert "brier" not in set(ranks.metrics["metric"])
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    assert of(ranks, "bayes")["score"].to_numpy() == pytest.approx(
        cross_val_predict(GaussianNB(), X, Y, cv=folds, method="predict_proba")[:, 1], abs=1e-12
    )
    reversed_ = hybridcx.compare_estimators({"ridge": RidgeClassifier()}, X, Y, cv=3, positive=0, **FEW)
    expected = -cross_val_predict(RidgeClassifier(), X, Y, cv=folds, method="decision_function")
    assert of(reversed_, "ridge")["score"].to_numpy() == pytest.approx(expected, abs=1e-12)

    class Calls(NearestCentroid):
        predict_proba = decision_function = property()

    calls = hybridcx.compare_estimators({"centroid": Calls(), "bayes": GaussianNB()}, X, Y, cv=3, **FEW)
    assert "score" not in calls.predictions
    assert "centroid has neither" in calls.summary()


def test_kinds_of_features_and_labels():
    texts = ["bright spot" if y else "dark area" for y in Y[:-5]] + ["bright spot"] * 5
    words = make_pipeline(CountVectorizer(), BernoulliNB())
    assert hybridcx.compare_estimators({"text": words}, texts, Y, cv=3, **FEW).predictions.shape[0] == N
    frame = pd.DataFrame(X).set_axis([f"c{i}" for i in range(N)])
    labels = pd.Series(np.where(Y, "abnormal", "normal"), index=frame.index)
    result = hybridcx.compare_estimators(
        {"logistic": logistic()}, frame, labels, cv=3, subgroups={"sex": ["f", "m"] * 45}, **FEW
    )
    assert set(result.predictions["case_id"]) == set(frame.index)
    assert result.metrics["subgroup"].eq("sex").any()
    dense = hybridcx.compare_estimators({"l": LogisticRegression()}, X, Y, cv=3, **FEW)
    thin = hybridcx.compare_estimators({"l": LogisticRegression()}, sparse.csr_matrix(X), Y, cv=3, **FEW)
    assert of(thin, "l")["score"].to_numpy() == pytest.approx(of(dense, "l")["score"].to_numpy(), abs=1e-6)
    three = np.where(np.arange(N) % 9 == 0, 2, Y)
    rest = hybridcx.compare_estimators({"l": logistic()}, X, three, cv=3, positive=1, seed=7, **FEW)
    assert rest.confusion["positive"].eq("1").all()


def test_names_may_be_anything():
    result = hybridcx.compare_estimators({3: GaussianNB(), "../x": logistic()}, X, Y, cv=3, **FEW)  # type: ignore[dict-item]
    assert set(result.predictions["model"]) == {"3", "../x"}


def test_a_threshold_of_its_own():
    result = hybridcx.compare_estimators({"bayes": GaussianNB()}, X, Y, cv=3, threshold=0.9, **FEW)
    found = of(result, "bayes")
    assert (found["y_pred"].astype(int) == (found["score"] >= 0.9)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"estimators": [GaussianNB()]}, "a mapping of names"),
        ({"estimators": {"a": "GaussianNB"}}, "no classifiers: a"),
        ({"estimators": {"ridge": Ridge()}}, "these are regressors, which predict numbers: ridge"),
        ({"X": X[:-1]}, "X has 89 rows and y 90 labels"),
        ({"X": pd.DataFrame(X), "y": pd.Series(Y).iloc[::-1]}, "X has another index than y"),
        ({"y": np.ones(N)}, "a single class"),
        ({"y": np.where(Y, np.nan, 1.0)}, "a label, a case id or a group is missing"),
        ({"cv": 1}, "at least 2 folds"),
        ({"cv": GroupKFold(3), "repeats": 2}, "repeats is for a number of folds"),
        ({"cv": StratifiedKFold(3), "groups": PATIENTS}, "divides"),
        ({"cv": [(np.arange(N), np.arange(10))]}, "cases in training and test"),
        ({"cv": []}, "no split"),
        ({"cv": [(np.arange(60), np.arange(-30, 0))]}, "positions outside 0 to 89"),
        ({"cv": [(np.arange(60), np.arange(60, 91))]}, "positions outside 0 to 89"),
        ({"cv": [(np.arange(60) / 2, np.arange(60, 90))]}, "no whole numbers"),
        ({"cv": [(np.arange(60), np.repeat(70, 3))]}, "twice in one part"),
        ({"cv": "loo"}, "cv is no cross-validation"),
        ({"y": np.arange(N) < 2, "cv": KFold(3)}, "no training case of the class"),
        ({"groups": [None, *PATIENTS[1:]]}, "a group is missing"),
        ({"reference": "typo"}, "reference"),
        ({"estimators": {"": GaussianNB()}}, "names that are equal or empty"),
        ({"estimators": {"a": GaussianNB(), "A": GaussianNB()}}, "model"),
        ({"case_ids": ["a"] * N}, "case ids that occur twice"),
        ({"positive": "x"}, "the positive class is none of the labels"),
        ({"repeats": 0}, "repeats lies between"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_before_any_fit(options, message):
    class Never(GaussianNB):
        def fit(self, X, y):
            raise AssertionError("fitted")

    given = {"estimators": {"a": Never()}, "X": X, "y": Y, **options}
    with pytest.raises(InputError, match=message):
        hybridcx.compare_estimators(given.pop("estimators"), given.pop("X"), given.pop("y"), **given)


def test_a_folder_that_cannot_be_written_is_refused_before_any_fit(tmp_path):
    (tmp_path / "mine.txt").touch()

    class Never(GaussianNB):
        def fit(self, X, y):
            raise AssertionError("fitted")

    with pytest.raises(InputError, match="hybridcx did not make it"):
        hybridcx.compare_estimators({"a": Never()}, X, Y, out=tmp_path)


def test_no_verdict_rests_on_folds():
    noise = np.random.default_rng(0).normal(size=(N, 1))
    models = {
        "good": logistic(),
        "useless": make_pipeline(ColumnTransformer([("noise", "passthrough", [6])]), GaussianNB()),
    }
    folds = hybridcx.compare_estimators(models, np.hstack([X, noise]), Y, cv=5, **FEW).verdicts
    assert set(folds["verdict"]) == {"inconclusive"}
    assert folds["warning"].str.contains("share training cases").all()
    splits = hybridcx.compare_estimators(
        models, np.hstack([X, noise]), Y, cv=StratifiedShuffleSplit(15, test_size=0.2, random_state=1), **FEW
    ).verdicts
    assert "superior" in set(splits["verdict"])


def test_a_fold_of_one_class_is_said():
    result = hybridcx.compare_estimators({"a": GaussianNB()}, X, Y, cv=LeaveOneOut(), **FEW)
    assert f"{N} of the {N} splits test cases of one class alone" in result.summary()


def test_an_error_names_the_fit():
    class Fails(GaussianNB):
        def predict(self, X):
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck") as caught:
        hybridcx.compare_estimators({"a": Fails()}, X, Y, cv=3)
    assert caught.value.__notes__ == ["In the fit of the estimator 'a', repeat 1, fold 1."]
