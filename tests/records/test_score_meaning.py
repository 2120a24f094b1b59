"""Scores of another meaning: named with the option that reads them, and read by it to the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame, read_predictions

N = 40
RNG = np.random.default_rng(8)
POSITIVE = np.arange(N) % 2 == 0
PROBABILITY = np.clip(RNG.normal(0.3 + 0.4 * POSITIVE, 0.2), 0.02, 0.98)
CALLED = PROBABILITY >= 0.5
BASE = {"case_id": [f"c{i:02d}" for i in range(N)], "y_true": np.where(POSITIVE, "abnormal", "normal"), "model": "m"}
CALLS = {"y_pred": np.where(CALLED, "abnormal", "normal")}


def read(score, kind="probability", calls=False):
    return predictions_from_frame(pd.DataFrame(BASE | (CALLS if calls else {}) | {"score": score}), score_kind=kind)


def message(score, **options):
    try:
        return "\n".join(map(str, read(score, **options).warnings))
    except InputError as error:
        return str(error)


CONFIDENCE = np.where(CALLED, PROBABILITY, 1 - PROBABILITY)


@pytest.mark.parametrize(
    ("score", "calls", "kind", "words"),
    [
        (100 * PROBABILITY, False, "percent", "these look like percentages"),
        (np.log(PROBABILITY / (1 - PROBABILITY)), False, "logit", "these look like logits"),
        (CONFIDENCE, True, "confidence", "probably the confidence in the predicted class"),
        (1 - PROBABILITY, False, "other-class", "probably the other class's probability: m (AUROC 0."),
    ],
)
def test_each_meaning_is_named_with_the_option_that_reads_it(score, calls, kind, words):
    text = message(score, calls=calls)
    assert words.casefold() in text.casefold()
    assert f"--score-kind {kind}" in text
    converted = read(score, kind, calls)
    np.testing.assert_allclose(converted.matrices().y_score[0], PROBABILITY, rtol=0, atol=1e-12)
    assert converted.score_kind == "probability"
    assert "scores read as" in str(converted.warnings[0])


def test_probabilities_are_not_suspected():
    assert message(PROBABILITY) == message(PROBABILITY, calls=True) == ""
    assert message(np.where(POSITIVE, 0.9, 0.6)[:], calls=False) != ""  # never below 0.5
    assert message(np.full(N, 0.5)) == ""  # no information, no suspicion


def test_one_model_of_confidences_among_several_is_named():
    both = pd.concat(
        [pd.DataFrame(BASE | CALLS | {"model": m, "score": s}) for m, s in (("a", CONFIDENCE), ("b", PROBABILITY))]
    )
    text = "\n".join(map(str, predictions_from_frame(both).warnings))
    assert "no score of a is below 0.5: score of a is probably the confidence" in text


def test_a_slip_among_confidences_is_not_denied():
    rows = np.arange(100)
    labels = np.where(rows % 2 == 0, "abnormal", "normal")
    ids = [f"c{i:02d}" for i in rows]
    score = np.where(rows == 3, 0.4999, 0.6 + rows / 1000)
    frame = pd.DataFrame({"case_id": ids, "y_true": labels, "model": "m", "y_pred": labels, "score": score})
    assert "hardly any score of any model is below 0.5" in "\n".join(map(str, predictions_from_frame(frame).warnings))


def test_confidences_in_percent():
    converted = read(100 * CONFIDENCE, "confidence", True)
    np.testing.assert_allclose(converted.matrices().y_score[0], PROBABILITY, rtol=0, atol=1e-12)
    assert "--score-kind confidence" in message(100 * CONFIDENCE, kind="percent", calls=True)


def test_ratings_of_1_to_5_are_no_percentages():
    assert "percent" not in message(np.arange(N) % 5 + 1.0)


def test_a_chance_model_is_not_called_reversed():
    suspected = ["other class" in message(np.random.default_rng(seed).random(N)) for seed in range(80)]
    assert np.mean(suspected) < 0.1  # the upper limit of 95 % fails in 2.5 %


def test_rounding_of_float32_is_set_to_the_limit_and_said():
    score = np.where(np.arange(N) == 3, 1.0000001, PROBABILITY)
    score[5] = -1e-8
    converted = read(score)
    assert converted.matrices().y_score.max() == 1.0
    assert converted.matrices().y_score.min() == 0.0
    assert "outside 0 to 1 by rounding (at most 1e-06), set to 0 or 1 (2 rows: lines 4, 6)" in message(score)
    assert "a score outside 0 to 1" in message(np.where(np.arange(N) == 3, 1.001, PROBABILITY))


def test_a_single_score_outside_is_a_slip_not_another_unit():
    text = message(np.where(np.arange(N) == 3, 93.9, PROBABILITY))
    assert "percent" not in text
    assert "--score-kind rank" in text


def test_confidence_needs_the_predicted_class():
    assert "needs the predicted class" in message(CONFIDENCE, kind="confidence")


def csv(path, scores):
    rows = "".join(f'c{i:02d},{"abnormal" if POSITIVE[i] else "normal"},m,"{s}"\n' for i, s in enumerate(scores))
    path.write_text("case_id,y_true,model,score\n" + rows, encoding="utf-8")
    return path


def test_decimal_commas_are_read_where_they_are_consistent(tmp_path):
    path = tmp_path / "p.csv"
    commas = read_predictions(csv(path, [f"{p:.4f}".replace(".", ",") for p in PROBABILITY]))
    np.testing.assert_array_equal(
        commas.matrices().y_score[0], commas.frame["score"].to_numpy()[np.argsort(commas.frame["case_id"])]
    )
    np.testing.assert_allclose(commas.frame["score"], PROBABILITY, atol=5e-5)
    assert [str(w) for w in commas.warnings] == [
        f"p.csv, line 2, column score: decimal commas, read as decimal points (40 rows: lines 2, 3, 4 and 37 more) "
        f"(found: '{PROBABILITY[0]:.4f}').".replace("0.", "0,", 1)
    ]
    mixed = ["0,5", "0.4", *["0,3"] * (N - 2)]
    with pytest.raises(InputError, match="not a comma") as error:
        read_predictions(csv(path, mixed))
    assert len(error.value.problems) == 1
    assert "(39 rows: lines 2, 4, 5 and 36 more)" in str(error.value)


def test_commas_that_may_separate_thousands_are_not_read(tmp_path):
    with pytest.raises(InputError, match="no finite number"):
        read_predictions(csv(tmp_path / "p.csv", ["1,234"] * N), score_kind="rank")


def test_the_ledger_of_a_run_is_not_suspected():
    frame = pd.DataFrame(BASE | {"score": 1 - PROBABILITY})
    assert predictions_from_frame(frame).warnings
    assert predictions_from_frame(frame, own=True).warnings == ()
