"""Methods, caveats and settings of a report in words, from the options and data actually used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.narrative.repeats import (
    fold_methods,
    seed_methods,
)
from hybridcx.records.predictions import Predictions
from hybridcx.vocabulary import METRICS, method_label
from hybridcx.vocabulary.simulations import nearest

if TYPE_CHECKING:  # the stages import torch, which a comparison of predictions does not need
    pass

MAX_NAMED_THRESHOLDS = 12


def comparison_question(models: Sequence[str], n_cases: int, n_seeds: int = 1) -> str:
    """The question of a comparison, as its page asks it."""
    seeds = f" with {n_seeds} seeds" if n_seeds > 1 else ""
    if len(models) == 1:
        return f"How well does {models[0]} classify the {n_cases} test cases{seeds}?"
    return f"Is one of the {len(models)} models better on the {n_cases} test cases{seeds}, by how much, and how sure is that?"


def _counts(predictions: Predictions) -> str:
    """The number of test cases, of each class and, where they have several, of patients."""
    cases = predictions.test().drop_duplicates("case_id")
    truth = cases["y_true"].astype(str)
    classes = " and ".join(f"{int((truth == label).sum())} {label}" for label in reversed(predictions.labels))
    of = ""
    if predictions.clustered:
        of = f" of {cases['patient_id'].nunique()} {'patients' if predictions.cluster == 'patient_id' else 'clusters'}"
    return f"{predictions.n_cases} test cases{of}: {classes}."


def comparison_methods(
    predictions: Predictions, plan: Plan, tables: dict[str, pd.DataFrame], locked: str = ""
) -> list[str]:
    """Paragraphs on the statistics, for the methods section of `compare` and `run`; `locked`: the sentence on a run's plan."""
    clustered = predictions.clustered
    who = _units(predictions)
    text = [
        f"{_counts(predictions)} The positive class is {predictions.positive!r}. {_calls(predictions)}",
        *(_one_seed_methods(predictions, plan) if len(predictions.seeds) < 2 else seed_methods(predictions, plan)),
        *fold_methods(predictions),
        *_simulated(predictions, plan, tables),
        "ECE: 10 bins of equal width of the positive class's score. "
        f"Net benefit at the threshold {plan.threshold:g}; decision curves have pointwise Wald limits, in decision_curve.csv.",
    ]
    if len(predictions.models) > 1:
        text.append(
            "Verdicts rest on intervals that cover the differences of all pairs of a metric at once (Bonferroni), and on p-values adjusted by Holm "
            "(1979) within the family of all pairs of one metric and method; for accuracy, sensitivity and specificity these are of the exact test "
            "of the discordant cases, so that no verdict is firmer than that test. Hochberg, Benjamini-Hochberg and "
            "max-T (Westfall and Young 1993) adjustments stand in multiplicity.csv. Differences along the decision curve have pointwise Wald "
            "limits; the share of resamples in which a model is best is no probability that it is the best; overlap of errors is Cohen's kappa "
            "of the two errors."
        )
    if clustered:
        text.append(
            f"{who[0].upper() + who[1:]} have several cases. Rows that assume independent cases are marked as caution; resamples draw {who}"
            + (
                ". Differences: McNemar's test after Obuchowski (1998) with the interval that inverts it, and DeLong's after Obuchowski (1997) with "
                f"Student's t on the effective number of {'patients' if predictions.cluster == 'patient_id' else 'clusters'} of the smaller class."
                if len(predictions.seeds) < 2
                else "."
            )
        )
    if len(tables.get("label_rules", pd.DataFrame())):
        text.append(
            "Every comparison was repeated with each reading as the truth, with the calls on which the readings agree"
            + (
                ", and with all cases, those in dispute among them"
                if (tables["label_rules"]["n.added"] > 0).any()
                else ""
            )
            + " (label_rules.csv; column label.rule in metrics.csv and comparisons.csv). Only the truth changes: the predictions are the same and "
            "nothing was fitted again, so training with other labels might give other models. Each rule is a family of its own for Holm's "
            "adjustment. Readers who made a truth are not compared with the models on it."
        )
    if plan.margin is not None:
        text.append(f"The margin of equivalence and non-inferiority is {plan.margin:g}.")
    if len(tables.get("hybrid_matrix", pd.DataFrame())):
        text.append(
            "Deep against hybrid: each cell of the matrix is a pair as any other (its interval and test); main effects are contrasts of marginal "
            "means over the complete grid of networks, heads and feature sets, with percentile limits over the joint resamples."
        )
    if locked:
        text.append(locked)
    elif not tables["comparisons"].empty:
        text.append("No plan was fixed before the results, so every comparison is exploratory.")
    return text


def _simulated(predictions: Predictions, plan: Plan, tables: dict[str, pd.DataFrame]) -> list[str]:
    """How the recommended intervals of the primary metric fared in the shipped simulations, at the size nearest to this study's."""
    truth = predictions.matrices("test").y_true if len(predictions.seeds) < 2 else None
    if truth is None or predictions.clustered or not len(truth):
        return []
    share = min(truth.mean(), 1 - truth.mean())
    sentences = []
    for use, name, what in (("interval", "metrics", ""), ("comparison", "comparisons", "differences of ")):
        table = tables[name]
        rows = (
            table[table["recommended"] & (table["metric"] == plan.primary_metric) & table["conf.low"].notna()]
            if len(table)
            else table
        )
        for method in list(dict.fromkeys(rows["method"])) if len(rows) else []:
            size = nearest(use, plan.primary_metric, str(method), len(truth), float(share))
            if size is None:
                continue
            low, high = (f"{100 * c:.1f}" for c in size.coverage)
            metric = METRICS[plan.primary_metric].label.lower()
            sentences.append(
                f"of {what}{metric} ({method_label(method)}) with {size.n} cases and {100 * size.prevalence:.0f} % in one class, the true value lay "
                f"within the 95 % interval in {low} to {high} % ({size.settings} settings, {size.replicates:,} samples each)"
                + (
                    f"; a true difference of 0 was excluded in at most {100 * size.type1[1]:.1f} %"
                    if size.type1
                    else ""
                )
            )
    if not sentences:
        return []
    return [
        f"In simulations {', and '.join(sentences)}. These are the simulated sizes nearest to this study's {len(truth)} cases with "
        f"{100 * share:.0f} % in the smaller class. A method is recommended, and carries a verdict, where it covers at least 93.5 % on average over "
        "the settings."
    ]


def _units(predictions: Predictions) -> str:
    """The name of the clusters: patients, or the cluster column."""
    return "patients" if predictions.cluster == "patient_id" else f"clusters (column {predictions.cluster!r})"


def _one_seed_methods(predictions: Predictions, plan: Plan) -> list[str]:
    """Paragraphs on intervals, bootstrap and paired tests of one set of predictions per model."""
    level = f"{100 * plan.confidence_level:g} %"
    clustered = predictions.clustered
    who = _units(predictions)
    units = who if clustered else "cases"
    return [
        f"Intervals are at the {level} level. "
        + (
            "Proportions: Wilson's (1927) interval on the effective sample size, with the design effect of a ratio estimator and Student's t (Rao "
            "and Scott 1992; Saha, Miller and Wang 2016); balanced accuracy and Youden's J: MOVER from these limits. Other metrics: bootstrap over "
            f"{who}. Intervals that assume independent cases stand in metrics.csv, marked as caution."
            if clustered
            else "Proportions and F1: Wilson (1927) score intervals, for a proportion with one or two hits or misses Clopper-Pearson; these, "
            "Agresti-Coull and modified Jeffreys intervals stand in metrics.csv. Balanced accuracy, Youden's J, likelihood and odds ratios, net "
            "benefit: Wilson's limits combined (MOVER). AUROC: DeLong (1988) on the logit scale; Newcombe (2006) where a class is small or the "
            "AUROC is 0 or 1. AUPRC: logit (Boyd, Eng and Page 2013). Brier score and log loss: on the log scale, with Student's or the "
            "bootstrap-t's critical value, whichever is larger. The calibration error has no limits: its estimate is biased upwards, and no "
            "interval covers."
        ),
        f"Bootstrap: {plan.n_resamples:,} resamples of {units}, {'stratified by class' if plan.stratified else 'unstratified'}, shared by all "
        f"models, so that differences are paired; BCa limits (Efron 1987) with the jackknife over {units}. Calibration slopes and intercepts "
        f"are refitted in {min(plan.n_refits, plan.n_resamples):,} resamples.",
        *(
            []
            if clustered or len(predictions.models) < 2
            else [
                "Paired differences of accuracy, sensitivity and specificity: Tango's (1998) score interval beside McNemar's mid-p test "
                "(Fagerland, Lydersen and Laake 2013); the exact, asymptotic and corrected forms stand in comparisons.csv. Differences of the "
                "other metrics of calls, of net benefit, Brier score and log loss: studentised permutation of the two models within cases (Chung and "
                "Romano 2013), inverted for the limits, with one case more in each discordant cell. Differences of AUROC: DeLong, paired. "
                "Identical predictions give p = 1."
            ]
        ),
    ]


READERS_METHOD = (
    "Models beside readers: Cohen's kappa, Gwet's AC1 and the share of equal calls for every model and reader and every two readers; means over "
    "pairs of raters, and the difference between a model's mean and the readers', with percentile bootstrap limits over the cases, the readers "
    "fixed. Models and readers on the truth: Tango's interval and McNemar's mid-p test, p adjusted by Holm over all models and readers. "
    "Of several seeds the mean is taken, with the bootstrap over seeds and cases, and each seed has rows of its own."
)


def _calls(predictions: Predictions) -> str:
    """The sentence on how scores were turned into calls."""
    if predictions.threshold_rule:
        chosen = predictions.chosen_thresholds
        listed = "; ".join(
            f"{r['model']} {r['threshold']:.4g}" for r in chosen.head(MAX_NAMED_THRESHOLDS).to_dict("records")
        )
        further = len(chosen) - MAX_NAMED_THRESHOLDS
        return (
            f"Each model's threshold was chosen by the rule {predictions.threshold_rule} on its {chosen['n'].iloc[0]} validation cases, never on "
            f"test cases; a score at or above it was called positive ({listed}{f'; {further} more in thresholds.csv' if further > 0 else ''}). The "
            "intervals of calls take it as given."
        )
    if predictions.threshold is not None:
        return f"A score at or above {predictions.threshold:g} was called positive."
    return "The calls are those that the predictions state." if predictions.has_pred else "There are no calls."
