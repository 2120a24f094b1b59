"""The words of a report: methods, caveats and settings, written from what was really done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.experiment import Experiment
from hybridcx.records.predictions import Predictions

if TYPE_CHECKING:  # the stages bring torch; comparing predictions does without
    from hybridcx.network_stage import Outcome

FEW_CASES = 100
CHANCE = 0.5
MAX_NAMED_THRESHOLDS = 12
STUDY = {
    "image size": "study: 224 x 224 x 3",
    "optimiser": "study: SGD with momentum",
    "momentum": "study: 0.9",
    "mini-batch": "study: 16",
    "initial learning rate": "study: 0.0003",
    "learning-rate schedule": "study: times 0.2 every 8 epochs",
    "L2 regularisation": "study: 0.004",
    "validation": "study: every 16 iterations",
    "epochs": "study: at most 20",
    "augmentation": "study: used, not specified",
}
"""Table II of the study, beside what was used here."""


def comparison_methods(predictions: Predictions, plan: Plan, tables: dict[str, pd.DataFrame]) -> list[str]:
    """Paragraphs on the statistics, for the methods section of `compare` and `run`."""
    level = f"{100 * plan.confidence_level:g} %"
    clustered = predictions.clustered
    who = "patients" if predictions.cluster == "patient_id" else f"clusters (column {predictions.cluster!r})"
    units = who if clustered else "cases"
    text = [
        f"The positive class is {predictions.positive!r}. {_calls(predictions)}",
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
        "ECE: 10 bins of equal width of the positive class's score. "
        f"Net benefit at the threshold {plan.threshold:g}; decision curves have pointwise Wald limits, in decision_curve.csv.",
        "p-values are adjusted by Holm (1979) within the family of all pairs of one metric and method; Hochberg, Benjamini-Hochberg and "
        "max-T (Westfall and Young 1993) adjustments stand in multiplicity.csv.",
    ]
    if clustered:
        text.append(
            f"{who[0].upper() + who[1:]} have several cases. Rows that assume independent cases are marked as caution; the recommended rows draw "
            f"{who}, or "
            "use McNemar's test after Obuchowski (1998) and DeLong's after Obuchowski (1997)."
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
        schedule = {
            "step": f"multiplied by {train.lr_drop_factor:g} every {train.lr_drop_epochs} epochs",
            "cosine": "falling as a cosine to zero",
            "constant": "constant",
        }[train.lr_schedule]
        optimizer = f"SGD with momentum {train.momentum:g}" if train.optimizer == "sgd" else "AdamW"
        text.append(
            f"All layers were fine-tuned end to end with {optimizer}, mini-batches of {train.batch_size}, initial learning rate "
            f"{train.learning_rate:g} ({schedule}), L2 regularisation {train.weight_decay:g} (on: {train.weight_decay_on.replace('_', ' ')}), "
            f"at most {train.epochs} epochs, validated every {train.validate_every} iterations. The weights of the "
            + ("last iteration" if train.keep == "last" else "iteration with the smallest validation loss")
            + " were kept; test cases were never used to choose anything."
        )
        if own := [f"{name} ({said})" for name, said in _own_options(experiment)]:
            text.append(f"Apart from that: {'; '.join(own)}.")
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
            (compared["metric"] == "accuracy") & (compared["method"] == "mcnemar_midp") & compared["subgroup"].isna()
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
    if outcome is not None:
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


def training_settings(experiment: Experiment) -> list[tuple[str, str, str]]:
    """Table II: the options of fine-tuning as they were used."""
    t, i = experiment.train, experiment.images
    rows = [
        ("image size", f"{i.size_px} x {i.size_px} x 3"),
        ("optimiser", "SGD with momentum" if t.optimizer == "sgd" else "AdamW"),
        *([("momentum", f"{t.momentum:g}")] if t.optimizer == "sgd" else []),
        ("mini-batch", str(t.batch_size)),
        ("initial learning rate", f"{t.learning_rate:g}"),
        ("last layer's rate", f"{t.head_rate_factor:g} times"),
        (
            "learning-rate schedule",
            f"times {t.lr_drop_factor:g} every {t.lr_drop_epochs} epochs" if t.lr_schedule == "step" else t.lr_schedule,
        ),
        ("warm-up", f"{t.warmup_epochs} epochs"),
        ("L2 regularisation", f"{t.weight_decay:g} ({t.weight_decay_on.replace('_', ' ')})"),
        ("validation", f"every {t.validate_every} iterations"),
        ("epochs", f"at most {t.epochs}"),
        ("early stopping", f"after {t.early_stopping} validations" if t.early_stopping else "none"),
        ("weights kept", t.keep.replace("_", " ")),
        ("shuffling", t.shuffle.replace("_", " ") + (", incomplete mini-batch dropped" if t.drop_last else "")),
        ("label smoothing", f"{t.label_smoothing:g}"),
        ("augmentation", _augmentation(experiment)),
    ]
    rows += [(f"{network} apart from that", said) for network, said in _own_options(experiment)]
    return [(option, value, STUDY.get(option, "")) for option, value in rows]


def _own_options(experiment: Experiment) -> list[tuple[str, str]]:
    """The options that single networks have of their own, in words."""
    return [
        (network, ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in own.model_dump().items() if v is not None))
        for network, own in experiment.train.network.items()
    ]


def _augmentation(experiment: Experiment) -> str:
    t = experiment.train
    shift = t.translate_px * experiment.images.size_px / 224
    parts = [
        f"horizontal flip (p = {t.flip_horizontal:g})" if t.flip_horizontal else "",
        f"shift up to {shift:.3g} px" if t.translate_px else "",
        f"rotation up to {t.rotate_deg:g} degrees" if t.rotate_deg else "",
        f"scale up to {100 * t.scale:g} %" if t.scale else "",
        f"brightness up to {100 * t.brightness:g} %" if t.brightness else "",
        f"contrast up to {100 * t.contrast:g} %" if t.contrast else "",
    ]
    return ", ".join(p for p in parts if p) or "none"
