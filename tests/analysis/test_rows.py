"""What stands in every row: n counts distinct cases, resampled limits carry their Monte Carlo error, ratios are likelihood ratios alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.verdicts import Scored, interval_at, limits_of, one_sided_of
from hybridcx.stats import equivalence


@pytest.mark.parametrize("table", ["metrics", "comparisons"])
def test_n_counts_the_distinct_cases_of_the_slice_by_every_method(full, table):
    rows = full[table]
    assert (rows.loc[rows["subgroup"].isna(), "n"] == 80).all()
    per_level = rows[rows["subgroup"].notna()].groupby("level")["n"].unique()
    assert all(len(n) == 1 for n in per_level)
    assert sum(n[0] for n in per_level) == 80


def test_a_proportions_denominator_is_its_own_column(full):
    rows = full["metrics"]
    rows = rows[rows["subgroup"].isna() & rows["prevalence"].isna() & (rows["method"] == "wilson")]
    confusion = full["confusion"].set_index("model")
    for row in rows.to_dict("records"):
        c = confusion.loc[row["model"]]
        assert row["denominator"] == {
            "accuracy": 80, "sensitivity": c.tp + c.fn, "specificity": c.tn + c.fp, "ppv": c.tp + c.fp, "npv": c.tn + c.fn,
            "f1": c.tp + c.fp + c.fn,
        }[row["metric"]]  # fmt: skip


def test_detectable_differences_of_a_class_rest_on_the_cases_of_the_class(full):
    """The same discordance among fewer cases shows less: the size of the class, not of the test set, decides."""
    found = full["verdicts"].set_index(["metric", "model", "comparator"])["detectable.difference"]
    pairs = full["comparisons"]
    pairs = pairs[pairs["subgroup"].isna() & (pairs["method"] == "mcnemar_exact")]
    positives = int(full["confusion"].iloc[0][["tp", "fn"]].sum())
    size = {"accuracy": 80, "sensitivity": positives, "specificity": 80 - positives}
    for row in pairs.to_dict("records"):
        detectable = found[row["metric"], row["model"], row["comparator"]]
        if np.isnan(detectable):
            continue
        # the normal approximation of McNemar's power (Connor 1987, without the small term), to within a quarter
        rough = (1.96 + 0.84) * np.sqrt(row["b"] + row["c"]) / size[row["metric"]]
        assert detectable == pytest.approx(rough, rel=0.25)


@pytest.mark.parametrize("table", ["metrics", "comparisons"])
def test_resampled_limits_carry_their_monte_carlo_error(full, table):
    rows = full[table]
    resampled = rows["method"].str.startswith("bootstrap") & rows["conf.low"].notna() & np.isfinite(rows["conf.high"])
    errors = rows[["mc.error.low", "mc.error.high"]]
    assert errors[~rows["method"].str.startswith("bootstrap")].isna().all(axis=None)
    width = rows["conf.high"] - rows["conf.low"]
    # ratios have infinite resamples, which leave some limits without an error
    ratio = rows["metric"].isin(["lr_positive", "lr_negative", "diagnostic_odds_ratio"])
    shown = resampled & (rows["status"] == "ok") & (width > 0) & ~ratio
    assert shown.sum() > 100
    assert errors[shown].notna().all(axis=None)
    # with 200 resamples a limit moves by some per cent of the width, never by all of it
    share = errors[shown].mean(axis=1) / width[shown]
    assert 0.02 < share.median() < 0.2


def test_only_likelihood_ratios_are_compared_as_ratios(full):
    """Counting (docs/reference/conventions.md): model minus comparator, for likelihood ratios model over comparator."""
    metrics = full["metrics"]
    metrics = metrics[metrics["subgroup"].isna() & metrics["prevalence"].isna()]
    value = metrics.drop_duplicates(["model", "metric"]).set_index(["model", "metric"])["estimate"]
    pairs = full["comparisons"]
    pairs = pairs[pairs["subgroup"].isna() & (pairs["method"] == "bootstrap_bca") & pairs["estimate"].notna()]
    assert "diagnostic_odds_ratio" in set(pairs["metric"])
    for row in pairs.to_dict("records"):
        a, b = value[row["model"], row["metric"]], value[row["comparator"], row["metric"]]
        assert row["estimate"] == pytest.approx(a / b if row["metric"].startswith("lr_") else a - b, abs=1e-12)


class _Part:
    """What `interval_at` asks of a slice."""

    clustered = False
    groups = None

    def __init__(self, y, calls):
        self.y_true, self.y_pred, self.y_score, self.n = y, calls, None, len(y)

    def correct(self, model):
        return self.y_pred[model] == self.y_true


def test_tangos_closed_p_values_invert_its_interval():
    rng = np.random.default_rng(4)
    y = rng.random(90) < 0.4
    calls = np.stack([np.where(rng.random(90) < share, y, ~y) for share in (0.9, 0.75)])
    at = interval_at(_Part(y, calls), "accuracy", 0, 1, None, Plan())
    assert isinstance(at, Scored)
    pvalues, limits = one_sided_of(at), limits_of(at)
    for null in (-0.2, -0.05, 0.0, 0.1):
        above, below = pvalues(null)
        assert above == pytest.approx(equivalence.pvalue_above(limits, null), rel=1e-6)
        assert below == pytest.approx(equivalence.pvalue_below(limits, null), rel=1e-6)
        assert one_sided_of(at, turned=True)(-null) == (below, above)
        low, high = limits(0.95)
        assert (above < 0.025) == (low > null)
        assert (below < 0.025) == (high < null)
    assert one_sided_of(at)(-1.5) == (0.0, 1.0)
    assert one_sided_of(at)(1.5) == (1.0, 0.0)


def test_bootstrap_verdicts_know_their_inverse(full):
    """p.superior of a resampled metric is half of the two-sided p, on the side of the estimate."""
    pairs = full["comparisons"]
    pairs = pairs[pairs["subgroup"].isna()]
    both = full["verdicts"].merge(pairs, on=["metric", "model", "comparator", "method"], suffixes=("", ".pair"))
    both = both[both["method"].isin(["permutation_paired", "bootstrap_percentile"]) & both["p.superior"].notna()]
    assert len(both) > 15
    one_sided = np.minimum(both["p.superior"], 1 - both["p.superior"])
    # equal except where the null is tied with resamples, which count for both sides
    assert (both["p.value"] / 2 >= one_sided - 1e-12).all()
    assert np.isclose(both["p.value"] / 2, one_sided).mean() > 0.5


def test_calibration_limits_of_clustered_cases_are_marked(full, clustered):
    assert (full["calibration"]["status"] == "ok").all()
    assert (clustered["calibration"]["status"] == "caution").all()
    assert pd.notna(clustered["calibration"]["warning"]).all()


def test_scores_of_exactly_0_or_1_are_said(draw, analysed):
    """bad_input.md 34: the clip of log loss and of the logit stands in the rows that rest on it, and a wrong one is a caution."""
    frame = draw(("vgg16", "lda"))
    first = frame.index[(frame["model"] == "vgg16")][:2]
    right = frame.loc[first, "y_true"] == "abnormal"
    for wrong in (False, True):
        frame.loc[first, "score"] = np.where(right != wrong, 1.0, 0.0)
        frame.loc[first, "y_pred"] = np.where(right != wrong, "abnormal", "normal")
        made = analysed(frame)
        values = made["metrics"].query("metric == 'log_loss' and model == 'vgg16'")
        assert values["warning"].str.contains("2 scores of 0 or 1 were clipped to 1e-15").all()
        assert (values["status"] == ("caution" if wrong else "ok")).all()
        slopes = made["metrics"].query("metric == 'calibration_slope' and model == 'vgg16'")
        assert slopes["warning"].str.contains("clipped to 1e-06").all()
        pair = made["comparisons"].query("metric == 'log_loss'")
        assert pair["warning"].str.contains("vgg16: 2 scores of 0 or 1 were clipped").all()
        assert made["metrics"].query("model == 'lda' and metric == 'log_loss'")["warning"].isna().all()


def test_the_area_under_the_precision_recall_curve_is_exact(draw, analysed):
    average_precision_score = pytest.importorskip("sklearn.metrics").average_precision_score
    frame = draw(("vgg16", "lda", "knn"))
    made = analysed(frame)["metrics"].query("metric == 'auprc'")
    for model, rows in frame.groupby("model"):
        expected = average_precision_score(rows["y_true"] == "abnormal", rows["score"])
        assert made.loc[made["model"] == model, "estimate"].to_numpy() == pytest.approx(expected, rel=1e-14)
