"""The words of a report: methods, caveats and settings, written from what was really done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.cohort.consensus import ONE_READER
from hybridcx.cohort.readers import chosen_by_agreement, reading_warnings
from hybridcx.describe_seeds import (
    division_methods,
    ensemble_methods,
    fold_methods,
    seed_caveats,
    seed_methods,
    stability,
)
from hybridcx.describe_sizes import size_methods
from hybridcx.describe_training import training_methods
from hybridcx.experiment.file import Experiment
from hybridcx.records.predictions import Predictions
from hybridcx.report import answers
from hybridcx.report import shown_rows as select
from hybridcx.report.sections import label_rules
from hybridcx.units import scored_disputed

if TYPE_CHECKING:  # the stages bring torch; comparing predictions does without
    from hybridcx.network_stage import Outcome

FEW_CASES = 100
FEW_OF_A_CLASS = 50
MAX_NAMED_PAIRS = 6
CHANCE = 0.5
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
    """Paragraphs on the statistics, for the methods section of `compare` and `run`; `locked`: what is to be said of a run's plan."""
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
            "limits; the probability of being best is the share of the joint resamples; overlap of errors is Cohen's kappa of the two errors."
        )
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
    text = [
        *label_methods(outcome),
        f"Images were cropped to the manifest's box where it has one, {pad} and resized to {images.size_px} x {images.size_px} pixels "
        f"({images.resample}, antialiased). {division_methods(experiment, outcome.units)}",
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
            "head with the largest cross-validated AUROC is compared with the network's softmax"
            + (
                ", chosen anew in every training and named <network>+chosen (which one it was stands in heads.csv)."
                if "chosen" in outcome.heads
                else ": " + "; ".join(f"{model} for {network}" for network, model in outcome.chosen.items()) + "."
            )
        )
    more = [*ensemble_methods(experiment), *size_methods(experiment, outcome.sizes)]
    return [*text, *more, *dict.fromkeys(outcome.notes)]


def label_methods(outcome: Outcome) -> list[str]:
    """Where the labels come from: the rule, who read, and how many cases have no label by it."""
    cohort = outcome.cohort
    options, n_disputed = cohort.labels_by, len(cohort.in_dispute)
    occasion = {"first": "first occasion", "last": "last occasion", "all": "all occasions"}[options.occasion]
    readings = f"{', '.join(cohort.votes)}; {occasion}"
    said = {
        "given": "The labels are those of the manifest.",
        "agreement": f"A case has the label on which all its readers agree, at least two of them ({readings}).",
        "majority": f"A case has the label of most of its readings, by at least two readers ({readings}); ties have none.",
        "reader": f"A case has the label that {options.reader} called ({readings}).",
        "adjudicated": f"A case has the label on which all its readers agree ({readings}), or else the one in the column {options.adjudicator}.",
    }[options.rule]
    if n_disputed:
        n_test = len(scored_disputed(outcome.units))
        said += (
            f" {n_disputed} cases are in dispute and have no label: none of them was fitted on or counted in a primary metric. The split sends "
            f"them by the shares of the others; the {n_test} in test are scored and reported apart."
        )
    short = int(cohort.frame["excluded"].eq(ONE_READER).sum())
    if short:
        said += f" {short} cases that only one reader read are excluded, with that as the reason."
    return [said] if cohort.votes or options.rule != "given" or n_disputed else []


def _spectrum(outcome: Outcome) -> list[str]:
    """What choosing cases by agreement does to the results."""
    cohort = outcome.cohort
    n = len(cohort.in_dispute)
    gone = cohort.frame["excluded"].fillna("").astype(str).str.contains("disagree|dispute", case=False).sum()
    if not n and not gone:
        return []
    of = n or gone
    whose = (
        "The case on which the readers disagreed is "
        if of == 1
        else f"The {of} cases on which the readers disagreed are "
    )
    whose += "neither in training nor in the primary metrics" if n else "excluded"
    easier = "those left are easier, and accuracy on all comers would be lower"
    again = ". On the analysed cases the readers agree by construction" if chosen_by_agreement(cohort) else ""
    return [f"{whose}: {easier}{again}."]


def _few_of_a_class(predictions: Predictions) -> list[str]:
    """A class with few cases has a wide interval of its own, whatever the size of the whole test set."""
    truth = predictions.test().drop_duplicates("case_id")["y_true"].astype(str)
    n_positive = int((truth == str(predictions.positive)).sum())
    n_other = len(truth) - n_positive
    if len(truth) < FEW_CASES or min(n_positive, n_other) >= FEW_OF_A_CLASS:
        return []
    n, which, metric = (
        (n_positive, "positive", "sensitivity") if n_positive <= n_other else (n_other, "negative", "specificity")
    )
    return [f"Only {n} of the {len(truth)} test cases {'is' if n == 1 else 'are'} {which}: {metric} is known poorly."]


def _without_discordance(compared: pd.DataFrame) -> list[str]:
    """Pairs that are right and wrong on the same cases (with several seeds: in every seed)."""
    own = (compared["metric"] == "accuracy") & (compared["method"] == "mcnemar_midp")
    midp = compared[own & compared[["subgroup", "label.rule"]].isna().all(axis=1)]
    discordant = (midp["b"] + midp["c"]).groupby([midp["model"], midp["comparator"]], sort=False).sum(min_count=1)
    same = discordant.index[discordant == 0].tolist()
    if not same:
        return []
    pairs = ", ".join(f"{a} and {b}" for a, b in same[:MAX_NAMED_PAIRS])
    pairs += f" and {len(same) - MAX_NAMED_PAIRS} more pairs" if len(same) > MAX_NAMED_PAIRS else ""
    return [f"No discordant case: {pairs} are right and wrong on the same cases; such a comparison says nothing."]


def caveats(
    predictions: Predictions,
    tables: dict[str, pd.DataFrame],
    outcome: Outcome | None = None,
    metric: str | None = None,
) -> list[str]:
    """What a reader must know before the numbers: few cases, one split, one seed, random initialisation."""
    found = []
    if predictions.n_cases < FEW_CASES:
        found.append(
            f"The test set has {predictions.n_cases} cases: intervals are wide, and a difference that was not found may exist."
        )
    found += _few_of_a_class(predictions)
    if predictions.clustered:
        found.append("Patients have several cases; rows that assume independence are marked.")
    compared = tables["comparisons"]
    if not compared.empty:
        found += _without_discordance(compared)
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
        # Identical images, marks that tell the label: on the page without the manifest's column.
        said = [str(replace(p, file=None, row=None, column=None)) for p in outcome.warnings]
        found += [w[:1].upper() + w[1:] for w in said]
        if "copy_in_training" in outcome.ledger:
            test = outcome.ledger[outcome.ledger["split"] == "test"].drop_duplicates("case_id")
            n = int((test["copy_in_training"] == "yes").sum())
            found.append(
                f"{n} of the {len(test)} test cases have nearly their own image in training or validation. Metrics and comparisons without them "
                "are those of the subgroup copy_in_training = no."
            )
        if len(outcome.units) > 1:
            found += seed_caveats(predictions)
            found += stability(tables.get("seed_verdicts", pd.DataFrame()), metric)
        else:
            found.append(
                "One split and one seed: the results are conditional on these trained models and this division of the cases."
            )
        untrained = [r["network"] for r in outcome.networks.to_dict("records") if r["weights"] == "untrained"]
        if untrained:
            found.append(f"No pretrained weights: {', '.join(untrained)} started from random initialisation.")
        found += _spectrum(outcome) + [str(p) for p in reading_warnings(outcome.cohort)]
    rules = tables.get("label_rules", pd.DataFrame())
    if len(rules):
        name = answers.primary_metric(tables, metric)
        planned, _ = select.primary(tables["comparisons"], tables["verdicts"], name)
        found.append(label_rules.summary(rules, name, planned))
    found = [f for f in found if f]
    return found + [str(p) for p in predictions.warnings]
