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

if TYPE_CHECKING:  # the stages import torch, which a comparison of predictions does not need
    pass

MAX_NAMED_THRESHOLDS = 12


def comparison_question(models: Sequence[str], n_cases: int, n_seeds: int = 1) -> str:
    """The question of a comparison, as its page asks it."""
    seeds = f" with {n_seeds} seeds" if n_seeds > 1 else ""
    if len(models) == 1:
        return f"How well does {models[0]} classify the {n_cases} test cases{seeds}?"
    return f"Is one of the {len(models)} models better on the {n_cases} test cases{seeds}, by how much, and how sure is that?"


def comparison_methods(
    predictions: Predictions, plan: Plan, tables: dict[str, pd.DataFrame], locked: str = ""
) -> list[str]:
    """Paragraphs on the statistics, for the methods section of `compare` and `run`; `locked`: the sentence on a run's plan."""
    clustered = predictions.clustered
    who = _units(predictions)
    text = [
        f"The positive class is {predictions.positive!r}. {_calls(predictions)}",
        *(_one_seed_methods(predictions, plan) if len(predictions.seeds) < 2 else seed_methods(predictions, plan)),
        *fold_methods(predictions),
        "ECE: 10 bins of equal width of the positive class's score. "
        f"Net benefit at the threshold {plan.threshold:g}; decision curves have pointwise Wald limits, in decision_curve.csv.",
    ]
    if len(predictions.models) > 1:
        text.append(
            "p-values are adjusted by Holm (1979) within the family of all pairs of one metric and method; Hochberg, Benjamini-Hochberg and "
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
            else "Proportions: Wilson (1927) score intervals; Clopper-Pearson, Agresti-Coull and modified Jeffreys intervals stand in "
            "metrics.csv. AUROC: DeLong (1988) on the logit scale, Newcombe (2006) where the AUROC is 0 or 1."
        ),
        f"Bootstrap: {plan.n_resamples:,} resamples of {units}, {'stratified by class' if plan.stratified else 'unstratified'}, shared by all "
        f"models, so that differences are paired; BCa limits (Efron 1987) with the jackknife over {units}. Calibration slopes and intercepts "
        f"are refitted in {min(plan.n_refits, plan.n_resamples):,} resamples.",
        *(
            []
            if clustered or len(predictions.models) < 2
            else [
                "Paired differences of accuracy, sensitivity and specificity: Tango's (1998) score interval beside McNemar's mid-p test "
                "(Fagerland, Lydersen and Laake 2013); the exact, asymptotic and corrected forms stand in comparisons.csv. Differences of "
                "AUROC: DeLong, paired. Identical predictions give p = 1."
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
