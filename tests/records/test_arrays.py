"""Predictions as arrays: the same table as from a file, and what keeps rows from being taken for other cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import hybridcx
from hybridcx.errors import InputError
from hybridcx.records.arrays import frame_of_arrays, label_text

N = 60
RNG = np.random.default_rng(3)
Y = RNG.integers(0, 2, N)
P = {"forest": np.clip(0.3 * Y + RNG.random(N) * 0.7, 0, 1), "cnn": np.clip(0.5 * Y + RNG.random(N) * 0.5, 0, 1)}
PATIENTS = np.arange(N) // 2
SEX = np.where(np.arange(N) % 3, "f", "m")
FEW = {"n_bootstrap": 100}


def long_table(**further):
    frames = [
        pd.DataFrame({"case_id": np.arange(N), "y_true": Y, "model": m, "score": p, **further}) for m, p in P.items()
    ]
    return pd.concat(frames, ignore_index=True)


def same(a, b):
    assert list(a.tables) == list(b.tables)
    for name, table in a.tables.items():
        pd.testing.assert_frame_equal(table, b.tables[name], check_dtype=True, obj=name)


def test_the_numbers_are_those_of_the_long_table():
    arrays = hybridcx.compare(y_true=Y, scores=P, groups=PATIENTS, subgroups={"sex": SEX}, positive=1, **FEW)
    table = hybridcx.compare(long_table(patient_id=PATIENTS, sex=SEX), by=["sex"], positive="1", **FEW)
    same(arrays, table)
    frame = pd.DataFrame({"sex": SEX})
    same(arrays, hybridcx.compare(y_true=Y, scores=P, groups=PATIENTS, subgroups=frame, positive=1, **FEW))
    assert arrays.metrics["subgroup"].eq("sex").any()
    assert arrays.metrics["n.clusters"].max() == N / 2


@pytest.mark.parametrize(
    "scores",
    [
        pd.DataFrame(P),
        {m: p.tolist() for m, p in P.items()},
        {m: np.column_stack([1 - p, p]) for m, p in P.items()},
        {m: p.reshape(-1, 1) for m, p in P.items()},
        {m: pd.Series(p) for m, p in P.items()},
    ],
    ids=["DataFrame", "lists", "predict_proba", "one column", "Series"],
)
def test_shapes_of_scores(scores):
    same(hybridcx.compare(y_true=Y, scores=scores, **FEW), hybridcx.compare(long_table(), **FEW))


def test_the_column_of_predict_proba_is_that_of_the_positive_class():
    labels = np.array(["normal", "abnormal"])[1 - Y]  # abnormal sorts first, and here it is class 0 of Y
    proba = np.column_stack([1 - P["cnn"], P["cnn"]])
    frame = frame_of_arrays(labels, scores={"cnn": proba}, positive="abnormal")
    assert frame["score"].tolist() == (1 - P["cnn"]).tolist()
    assert frame_of_arrays(labels, scores={"cnn": proba}, positive="normal")["score"].tolist() == P["cnn"].tolist()
    three = np.array(list("abc") * 20)
    shares = np.full((N, 3), [0.2, 0.3, 0.5])
    assert frame_of_arrays(three, scores=shares, positive="b")["score"].eq(0.3).all()


def test_booleans_are_zero_and_one():
    of_numbers = hybridcx.compare(y_true=Y, y_pred={"cnn": (P["cnn"] > 0.5).astype(int)}, positive=1, **FEW)
    for truth, positive in ((Y, True), (Y == 1, 1), (Y == 1, True), (Y == 1, None)):
        same(hybridcx.compare(y_true=truth, y_pred={"cnn": P["cnn"] > 0.5}, positive=positive, **FEW), of_numbers)
    frame = long_table().assign(y_true=lambda f: f["y_true"] == 1)
    assert hybridcx.compare(frame, positive=1, **FEW).confusion["positive"].eq("true").all()


def test_calls_given_as_scores_are_warned_of():
    with pytest.warns(hybridcx.InputWarning, match="every score of cnn is 0 or 1: these are calls"):
        hybridcx.compare(y_true=Y, scores={"cnn": P["cnn"] > 0.5, "forest": P["forest"]}, **FEW)


def test_calls_alone_and_one_model():
    result = hybridcx.compare(y_true=Y, y_pred={"a": Y, "b": 1 - Y}, **FEW)
    accuracy = result.rows("metrics", recommended=True).query("metric == 'accuracy'").set_index("model")["estimate"]
    assert accuracy.to_dict() == {"a": 1.0, "b": 0.0}
    assert hybridcx.compare(y_true=Y, scores=P["cnn"], **FEW).metrics["model"].unique().tolist() == ["model"]


@pytest.mark.parametrize(
    ("label", "text"),
    [(1, "1"), (1.0, "1"), (True, "true"), (np.int64(2), "2"), ("x", "x"), (None, None), (0.5, "0.5")],
)
def test_labels_as_text(label, text):
    assert label_text(label) == text


@pytest.mark.parametrize("positive", [1, 1.0, np.int64(1), "1"])
def test_the_positive_class_may_be_a_number(positive):
    assert hybridcx.compare(y_true=Y, scores=P, positive=positive, **FEW).confusion["positive"].eq("1").all()


def test_case_ids():
    def ids(frame):
        return frame["case_id"].tolist()[:3]

    assert ids(frame_of_arrays(Y, scores=P)) == [0, 1, 2]
    assert ids(frame_of_arrays(pd.Series(Y, index=[f"c{i}" for i in range(N)]), scores=P)) == ["c0", "c1", "c2"]
    assert ids(frame_of_arrays(Y, scores=P, case_ids=[f"x{i}" for i in range(N)])) == ["x0", "x1", "x2"]


def test_an_index_in_another_order_is_refused():
    order = RNG.permutation(N)
    truth, scores = pd.Series(Y), {m: pd.Series(p) for m, p in P.items()}
    with pytest.raises(InputError, match=r"y_true has another index than scores\['cnn'\]|another index than y_true"):
        frame_of_arrays(truth.iloc[order], scores=scores)
    with pytest.raises(InputError, match=r"scores\['cnn'\] has another index than y_true"):
        frame_of_arrays(Y, scores={"forest": scores["forest"], "cnn": scores["cnn"].iloc[order]})
    with pytest.raises(InputError, match=r"subgroups\['sex'\] has another index"):
        frame_of_arrays(
            truth.rename(index=str), scores=P, subgroups={"sex": pd.Series(SEX).rename(index=str).iloc[order]}
        )
    test = truth.set_axis(order + 1000)  # as train_test_split leaves it: scores of predict_proba have positions
    frame = frame_of_arrays(test, scores=scores)
    assert frame["y_true"].tolist()[:N] == Y.tolist()
    assert (
        frame_of_arrays(truth.iloc[order], scores={m: p[order] for m, p in P.items()})["case_id"].tolist()[:N]
        == order.tolist()
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": {"a": P["cnn"][:-1]}}, r"scores\['a'\] has 59 values and y_true 60"),
        ({"scores": P, "groups": [1, 2]}, "groups has 2 values"),
        ({}, "neither scores nor y_pred"),
        ({"scores": P, "y_pred": {"cnn": Y}}, "models with either scores or y_pred where others have both: forest"),
        ({"scores": {"a": np.ones((N, 3)) / 3}}, r"has 3 columns and y_true 2 labels"),
        ({"scores": {"a": np.ones((N, 2))}}, r"the rows of scores\['a'\] do not sum to 1"),
        ({"scores": {"a": np.ones((N, 2, 2))}}, r"has the shape \(60, 2, 2\)"),
        ({"scores": list(P.items())}, "a list of pairs"),
        ({"scores": P, "subgroups": {"age": P["cnn"] * 80}}, r"subgroups\['age'\] has \d+ different numbers"),
        ({"scores": {"a": [[0.1], [0.2, 0.3]]}}, "is no array"),
        ({"scores": {"a": LogisticRegression()}}, "is an estimator, not its predictions"),
        ({"scores": {"a": np.full((N, 2), np.inf)}}, "no finite numbers"),
        ({"scores": {"a": np.full(N, np.inf)}}, "no finite number"),
        ({"scores": P, "subgroups": {"model": SEX}}, "a subgroup cannot have the name 'model'"),
        ({"scores": {"a": np.full(N, np.nan)}}, "score"),
        ({"scores": {"a": P["cnn"] * 4 - 2}}, "score"),
        ({"scores": P, "predictions": "x.csv"}, "predictions and y_true"),
        ({"scores": P, "positive": "yes"}, "the positive class is none of the labels"),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        hybridcx.compare(y_true=Y, **{"n_bootstrap": 100, **arguments})


def test_arrays_need_labels():
    with pytest.raises(InputError, match="arrays without y_true"):
        hybridcx.compare(scores=P)
    with pytest.raises(InputError, match="nothing to compare"):
        hybridcx.compare()


def test_a_report_of_arrays_is_recomputed(tmp_path):
    result = hybridcx.compare(
        y_true=Y, scores=P, groups=PATIENTS, subgroups={"sex": SEX}, positive=1, out=tmp_path / "r", **FEW
    )
    assert hybridcx.verify(result.folder).agrees
