"""`hybridcx.read_predictions`: exports of other programs, with the truth from elsewhere."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError

N = 40
RNG = np.random.default_rng(8)
Y = RNG.permutation(np.arange(N) % 2)
P = np.clip(0.25 + 0.4 * Y + RNG.normal(0, 0.2, N), 0.02, 0.98).round(4)
FILES = [f"img_{i:02d}.png" for i in range(N)]
TRUTH = pd.DataFrame({"case_id": FILES, "y_true": Y})
CALLS = (P >= 0.5).astype(int)
EXPORTS = {
    "timm, --topk 1 --include-index": (
        {"filename": FILES, "index": CALLS, "prob": np.where(CALLS == 1, P, 1 - P)},
        {"columns": "case_id=filename,y_pred=index,score=prob", "score_kind": "confidence"},
    ),
    "timm, --topk 0 --results-separate-col": (
        {"filename": FILES, "prob_0": 1 - P, "prob_1": P},
        {"columns": {"case_id": "filename"}},
    ),
    "AutoGluon, predict_proba(as_multiclass=True)": ({"": FILES, "0": 1 - P, "1": P}, {}),
    "Keras, predict() of a sigmoid": (
        {"filename": FILES, "prediction": P},
        {"columns": "case_id=filename,score=prediction"},
    ),
    "fastai, get_preds() with the vocabulary": (
        {"fname": FILES, "normal": 1 - P, "abnormal": P},
        {"columns": {"case_id": "fname"}, "truth": TRUTH.assign(y_true=np.where(Y == 1, "abnormal", "normal"))},
    ),
    "skorch, predict_proba()": ({"case_id": FILES, "p0": 1 - P, "p1": P}, {"columns": {"score": "p1"}}),
    "logits": (
        {"image": FILES, "logit": np.log(P / (1 - P))},
        {"columns": "case_id=image,score=logit", "score_kind": "logit"},
    ),
}


def read(table, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = hybridcx.read_predictions(table, **options)
    return frame, [str(w.message) for w in caught]


@pytest.mark.parametrize("export", EXPORTS)
def test_exports_give_the_probability_of_the_positive_class(export, tmp_path):
    table, options = EXPORTS[export]
    shuffled = pd.DataFrame(table).sample(frac=1, random_state=1)
    shuffled.to_csv(tmp_path / "net.csv", index=False)
    options = {"truth": TRUTH, **options}
    if "" in shuffled:  # the index has the case ids
        shuffled = shuffled.set_index("")
    for given in (shuffled, tmp_path / "net.csv"):
        frame, messages = read(given, **options)
        frame = frame.set_index("case_id").loc[FILES]
        assert frame["score"].to_numpy() == pytest.approx(P, abs=1e-12)
        assert (frame["y_true"].isin(["1", "abnormal"])).tolist() == (Y == 1).tolist()
        assert messages, "what was inferred is said"
    assert frame["model"].unique().tolist() == ["net"]
    auroc = (
        hybridcx.compare(frame.reset_index(), n_bootstrap=100)
        .rows("metrics", recommended=True)
        .query("metric == 'auroc'")
    )
    above = P[Y == 1][:, None] - P[Y == 0][None, :]
    assert auroc["estimate"].item() == pytest.approx(np.mean((above > 0) + (above == 0) / 2))


def test_the_truth_as_series_mapping_and_file(tmp_path):
    table = pd.DataFrame({"case_id": FILES, "score": P})
    TRUTH.to_csv(tmp_path / "truth.csv", index=False)
    expected, _ = read(table, truth=TRUTH)
    series = TRUTH.set_index("case_id")["y_true"]
    for truth in (series, series.to_dict(), str(tmp_path / "truth.csv"), pd.concat([TRUTH, TRUTH])):
        pd.testing.assert_frame_equal(read(table, truth=truth)[0], expected)


def test_further_columns_and_layouts_stay(tmp_path):
    wide = pd.DataFrame(
        {"case_id": FILES, "y_true": Y, "a": P, "b": 1 - P[::-1], "sex": ["f", "m"] * 20, "patient_id": range(N)}
    )
    frame, messages = read(wide)
    assert frame.groupby("model").size().to_dict() == {"a": N, "b": N}
    assert frame["sex"].tolist()[:2] == ["f", "m"]
    assert any("read as a wide table" in m for m in messages)
    assert "y_pred" not in frame


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        ({"filename": FILES, "label": CALLS, "prob": P}, {"columns": "case_id=filename,score=prob"}, "predicted or true ones"),
        ({"filename": FILES, "label": CALLS, "prob": P}, {"guess": True}, "predicted or true ones"),
        ({"filename": FILES, "prob": P}, {}, "no column of case ids to match the truth by"),
        ({"case_id": [f"x{f}" for f in FILES], "score": P}, {}, r"cases without a label in the truth \(40\)"),
        ({"case_id": FILES, "y_true": Y, "score": P}, {}, "labels in the predictions and in the truth"),
        ({"case_id": FILES, "score": P}, {"truth": TRUTH.rename(columns={"y_true": "dx"})}, "the truth needs the columns"),
        ({"case_id": FILES, "score": P}, {"truth": pd.concat([TRUTH, TRUTH.assign(y_true=1 - Y)])}, "cases with two labels"),
        ({"case_id": FILES, "score": P * 100}, {}, "percent"),
        ({"case_id": FILES, "score": P}, {"score_kind": "rank"}, "--score-kind has no such value"),
        ({"case_id": FILES, "score": P}, {"positive": "yes"}, "the positive class is none of the labels"),
    ],
)  # fmt: skip
def test_what_is_not_clear_is_refused(table, options, message):
    with pytest.raises(InputError, match=message):
        read(pd.DataFrame(table), **{"truth": TRUTH, **options})


def test_cases_without_predictions_are_counted():
    _, messages = read(pd.DataFrame({"case_id": FILES[:30], "score": P[:30]}), truth=TRUTH)
    assert any("without a prediction, left out: 10" in m for m in messages)
