"""The band of an ROC curve and the smooth of a calibration curve, held against R (tests/reference/curves/make_curves.R)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.stats import reliability_curve, roc_points
from hybridcx.stats.roc_band import roc_band
from hybridcx.stats.smoothing import lowess

REFERENCE = Path(__file__).parents[1] / "reference"
EXPECTED = pd.read_csv(REFERENCE / "curves" / "curves_expected.csv", skipinitialspace=True)
CURVES = sorted(set(zip(EXPECTED["case"], EXPECTED["model"], strict=True)))


def predictions(case: str, model: str) -> tuple[np.ndarray, np.ndarray]:
    rows = pd.read_csv(REFERENCE / "r" / f"{case}.csv").query("model == @model")
    return (rows["y_true"] == "abnormal").to_numpy(), rows["score"].to_numpy(float)


def expected(case: str, model: str, quantity: str) -> pd.DataFrame:
    rows = EXPECTED.query("case == @case and model == @model and quantity == @quantity")
    assert len(rows) >= 5
    return rows


@pytest.mark.parametrize(("case", "model"), CURVES)
def test_the_smooth_is_that_of_lowess_in_r(case: str, model: str) -> None:
    y, score = predictions(case, model)
    rows = expected(case, model, "lowess")
    assert lowess(score, y, rows["at"]) == pytest.approx(rows["estimate"].to_numpy(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("case", "model"), CURVES)
def test_the_band_is_that_of_proc_within_monte_carlo_error(case: str, model: str) -> None:
    y, score = predictions(case, model)
    rows = expected(case, model, "band")
    low, high = roc_band(y, score, rows["at"], np.random.default_rng(4), n_resamples=4000)
    step = 1 / y.sum()  # a quantile of proportions moves in steps
    assert low == pytest.approx(rows["low"].to_numpy(), abs=0.02 + step)
    assert high == pytest.approx(rows["high"].to_numpy(), abs=0.02 + step)
    assert np.abs(low - rows["low"]).mean() < 0.012
    assert np.abs(high - rows["high"]).mean() < 0.012


def test_the_band_holds_the_curve_is_ordered_and_repeats() -> None:
    y, score = predictions(*CURVES[0])
    points = roc_points(y, score)
    low, high = roc_band(y, score, points.specificity, np.random.default_rng(1))
    highest = np.array([points.sensitivity[points.specificity == s].max() for s in points.specificity])
    assert np.all(low <= highest)
    assert np.all(highest <= high + 1e-12)
    again = roc_band(y, score, points.specificity, np.random.default_rng(1))
    assert np.array_equal(low, again[0])
    assert np.array_equal(high, again[1])


def test_a_band_without_one_of_the_classes_does_not_exist() -> None:
    low, high = roc_band([1, 1, 1], [0.1, 0.5, 0.9], [0.5], np.random.default_rng(1))
    assert np.isnan([*low, *high]).all()


def test_patients_with_several_cases_widen_the_band() -> None:
    y, score = predictions(*CURVES[0])
    copies = [np.repeat(a, 4) for a in (y, score, np.arange(y.size))]
    single = roc_band(y, score, [0.7], np.random.default_rng(2), n_resamples=2000)
    cases = roc_band(copies[0], copies[1], [0.7], np.random.default_rng(2), n_resamples=2000)
    patients = roc_band(copies[0], copies[1], [0.7], np.random.default_rng(2), n_resamples=2000, groups=copies[2])
    width = [float(high[0] - low[0]) for low, high in (single, cases, patients)]
    assert width[1] < 0.75 * width[0]
    assert width[2] == pytest.approx(width[0], rel=0.25)


def test_the_smooth_of_a_line_is_the_line_and_of_one_place_the_mean() -> None:
    x = np.linspace(0, 1, 30)
    assert lowess(x, 2 * x - 1, [0.2, 0.5]) == pytest.approx([-0.6, 0.0], abs=1e-12)
    assert lowess([0.5, 0.5, 0.5, 0.5], [0, 1, 1, 1], [0.5]) == pytest.approx([0.75])
    with pytest.raises(ValueError, match="two points"):
        lowess([1.0], [1.0], [1.0])


def test_bins_of_equal_count_share_the_cases_and_keep_equal_scores_together() -> None:
    rng = np.random.default_rng(3)
    score = rng.random(200)
    bins = reliability_curve(rng.random(200) < score, score, equal_count=True)
    assert [b.n for b in bins] == [20] * 10
    assert [b.score_mean for b in bins] == sorted(b.score_mean for b in bins)
    tied = reliability_curve([0, 1] * 50, [0.3, 0.7] * 50, equal_count=True)
    assert [(b.n, b.fraction) for b in tied] == [(50, 0.0), (50, 1.0)]
