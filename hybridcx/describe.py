"""The words of a report: methods, caveats and settings, written from what was really done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.describe_seeds import fold_methods, seed_caveats, seed_methods
from hybridcx.describe_training import training_methods
from hybridcx.experiment import Experiment
from hybridcx.records.predictions import Predictions

if TYPE_CHECKING:  # the stages bring torch; comparing predictions does without
    from hybridcx.network_stage import Outcome

FEW_CASES = 100
CHANCE = 0.5
MAX_NAMED_THRESHOLDS = 12


def comparison_methods(predictions: Predictions, plan: Plan, tables: dict[str, pd.DataFrame]) -> list[str]:
    """Paragraphs on the statistics, for the methods section of `compare` and `run`."""
    clustered = predictions.clustered
    who = _units(predictions)
    text = [
        f"The positive class is {predictions.positive!r}. {_calls(predictions)}",
        *(_one_seed_methods(predictions, plan) if len(predictions.seeds) < 2 else seed_methods(predictions, plan)),
        *fold_methods(predictions),
        "ECE: 10 bins of equal width of the positive class's score. "
        f"Net benefit at the threshold {plan.threshold:g}; decision curves have pointwise Wald limits, in decision_curve.csv.",
        "p-values are adjusted by Holm (1979) within the family of all pairs of one metric and method; Hochberg, Benjamini-Hochberg and "
        "max-T (Westfall and Young 1993) adjustments stand in multiplicity.csv.",
    ]
    if clustered:
        text.append(
            f"{who[0].upper() + who[1:]} have several cases. Rows that assume independent cases are marked as caution; the recommended rows draw "
            f"{who}"
            + (
                ", or use McNemar's test after Obuchowski (1998) and DeLong's after Obuchowski (1997)."
                if len(predictions.seeds) < 2
                else "."
            )
        )
    if plan.margin is not None:
        text.append(f"The margin of equivalence and non-inferiority is {plan.margin:g}.")
    if not tables["comparisons"].empty:
        confirmatory = (tables["comparisons"]["role"] == "confirmatory").any()
        text.append(
            f"The plan was fixed before the results: {plan.primary_metric} of its comparisons is confirmatory, everything else exploratory."
            if confirmatory
            else "No plan was fixed before the results, so every comparison is exploratory."
        )
    return text


def _units(predictions: Predictions) -> str:
    """What belongs together, in words."""
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
            f"Every metric: bootstrap BCa over {who}. Wilson, Clopper-Pearson, DeLong and other intervals that assume independent cases stand "
            "in metrics.csv, marked as caution."
            if clustered
            else "Proportions: Wilson (1927) score intervals; Clopper-Pearson, Agresti-Coull and modified Jeffreys intervals stand in "
            "metrics.csv. AUROC: DeLong (1988) on the logit scale, Newcombe (2006) where the AUROC is 0 or 1."
        ),
        f"Bootstrap: {plan.n_resamples:,} resamples of {units}, {'stratified by class' if plan.stratified else 'unstratified'}, shared by all "
        f"models, so that differences are paired; BCa limits (Efron 1987) with the jackknife over {units}. Calibration slopes and intercepts "
        f"are refitted in {min(plan.n_refits, plan.n_resamples):,} resamples.",
        *(
            []
            if clustered
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
    "fixed. Models and readers on the truth: Tango's interval and McNemar's mid-p test, p adjusted by Holm over all models and readers."
)


def _calls(predictions: Predictions) -> str:
    """How the calls were made."""
    if predictions.threshold_rule:
        chosen = predictions.chosen_thresholds
        shown = "; ".join(
            f"{r['model']} {r['threshold']:.4g}" for r in chosen.head(MAX_NAMED_THRESHOLDS).to_dict("records")
        )
        further = len(chosen) - MAX_NAMED_THRESHOLDS
        return (
            f"Each model's threshold was chosen by the rule {predictions.threshold_rule} on its {chosen['n'].iloc[0]} validation cases, never on "
            f"test cases; a score at or above it was called positive ({shown}{f'; {further} more in thresholds.csv' if further > 0 else ''}). The "
            "intervals of calls take it as given."
        )
    if predictions.threshold is not None:
        return f"A score at or above {predictions.threshold:g} was called positive."
    return "The calls are those that the predictions state." if predictions.has_pred else "There are no calls."


def run_methods(experiment: Experiment, outcome: Outcome) -> list[str]:
    """Paragraphs on cohort, images, training and heads, for the methods section of `run`."""
    images, train, heads = experiment.images, experiment.train, experiment.heads
    pad = "stretched to a square" if images.pad == "none" else f"padded to a square ({images.pad}, both sides)"
    counts = outcome.split.counts()
    n = {name: int(counts[name].loc["total"]) for name in ("train", "validation", "test")}
    text = [
        f"Images were cropped to the manifest's box where it has one, {pad} and resized to {images.size_px} x {images.size_px} pixels "
        f"({images.resample}, antialiased). The {sum(n.values())} analysed cases were split "
        + (
            "by the manifest"
            if experiment.split.method == "manifest"
            else "at random, stratified by class, no patient in two parts,"
        )
        + f" into {n['train']} training, {n['validation']} validation and {n['test']} test cases.",
    ]
    start = outcome.networks.set_index("network")["weights"].to_dict()
    text.append("Networks (torchvision): " + "; ".join(f"{k}, {v}" for k, v in start.items()) + ".")
    if train.enabled:
        text += training_methods(experiment)
    if heads.names:
        text.append(
            "Heads were fitted on penultimate features after standardisation. On features of networks that were not fine-tuned they were "
            f"tuned and calibrated by {heads.folds}-fold stratified, patient-grouped cross-validation within the training cases; on "
            "fine-tuned features, which their network has bent to the training labels, on the validation cases alone. For each network the "
            "head with the largest cross-validated AUROC is compared with the network's softmax: "
            + "; ".join(f"{model} for {network}" for network, model in outcome.chosen.items())
            + "."
        )
    return text + list(dict.fromkeys(outcome.notes))


def caveats(predictions: Predictions, tables: dict[str, pd.DataFrame], outcome: Outcome | None = None) -> list[str]:
    """What a reader must know before the numbers: few cases, one split, one seed, random initialisation."""
    found = []
    if predictions.n_cases < FEW_CASES:
        found.append(
            f"The test set has {predictions.n_cases} cases: intervals are wide, and a difference that was not found may exist."
        )
    if predictions.clustered:
        found.append("Patients have several cases; rows that assume independence are marked.")
    compared = tables["comparisons"]
    if not compared.empty:
        midp = compared[
            (compared["metric"] == "accuracy")
            & (compared["method"] == "mcnemar_midp")
            & compared["subgroup"].isna()
            & compared["seed"].isna()
        ]
        same = midp[(midp["b"] + midp["c"]) == 0]
        if len(same):
            pairs = ", ".join(f"{a} and {b}" for a, b in zip(same["model"], same["comparator"], strict=True))
            found.append(
                f"No discordant case: {pairs} are right and wrong on the same cases; such a comparison says nothing."
            )
    metrics = tables["metrics"]
    if not metrics.empty:
        auroc = metrics[(metrics["metric"] == "auroc") & (metrics["method"] == "delong") & metrics["subgroup"].isna()]
        below = auroc.loc[(auroc["conf.high"] < CHANCE) | (auroc["estimate"] == 0), "model"].unique().tolist()
        if below:
            found.append(
                f"AUROC below 0.5: {', '.join(below[:MAX_NAMED_THRESHOLDS])} rank{'s' if len(below) == 1 else ''} the cases the wrong way "
                f"round. Check that the score is that of {predictions.positive!r} (it is never turned here)."
            )
    if outcome is None:
        found += seed_caveats(predictions)
    else:
        found += [str(p) for p in outcome.warnings]  # identical images under two labels or across the splits
        found.append(
            "One split and one seed: the results are conditional on these trained models and this division of the cases."
        )
        untrained = [r["network"] for r in outcome.networks.to_dict("records") if r["weights"] == "untrained"]
        if untrained:
            found.append(f"No pretrained weights: {', '.join(untrained)} started from random initialisation.")
        excluded = outcome.cohort.frame["excluded"].fillna("").astype(str)
        if excluded.str.contains("disagree", case=False).any():
            found.append(
                "Cases on which the readers disagreed were excluded: those left are easier, and accuracy on all comers would be lower."
            )
    return found + [str(p) for p in predictions.warnings]
