"""Caveats of a comparison."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.cohort.readers import chosen_by_agreement, reading_warnings
from hybridcx.narrative.comparison import MAX_NAMED_THRESHOLDS
from hybridcx.narrative.repeats import (
    seed_caveats,
    stability,
)
from hybridcx.records.predictions import Predictions
from hybridcx.report import shown_rows
from hybridcx.report.sections import label_rules

if TYPE_CHECKING:
    from hybridcx.pipeline.outcome import Outcome


FEW_CASES = 100


FEW_OF_A_CLASS = 50


MAX_NAMED_PAIRS = 6


CHANCE = 0.5


def _spectrum(outcome: Outcome) -> list[str]:
    """Caveat on selecting cases by readers' agreement (spectrum bias)."""
    cohort = outcome.cohort
    n = len(cohort.in_dispute)
    gone = cohort.frame["excluded"].fillna("").astype(str).str.contains("disagree|dispute", case=False).sum()
    if not n and not gone:
        return []
    n_disputed = n or gone
    whose = (
        "The case on which the readers disagreed is "
        if n_disputed == 1
        else f"The {n_disputed} cases on which the readers disagreed are "
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
    return [f"{metric.capitalize()} is imprecise ({n} {which}{'' if n == 1 else 's'})."]


def _of_training(outcome: Outcome) -> list[str]:
    """Caveats on images that training and test share, on weights that were not pretrained, and the warnings of the run."""
    texts = []
    copied = 0
    if "copy_in_training" in outcome.ledger:
        test = outcome.ledger[outcome.ledger["split"] == "test"].drop_duplicates("case_id")
        copied = int((test["copy_in_training"] == "yes").sum())
        texts.append(
            f"{copied} of {len(test)} test cases {'has' if copied == 1 else 'have'} nearly the same image in training."
        )
    untrained = [r["network"] for r in outcome.networks.to_dict("records") if r["weights"] == "untrained"]
    if untrained:
        names = "all networks" if len(untrained) == len(outcome.networks) else ", ".join(untrained)
        texts.append(f"Random weights: {names} learnt from these cases alone, unlike pretrained ones.")
    # Identical images, marks that tell the label: on the page without the manifest's column and the remedy, which the log has.
    warnings = [str(replace(p, file=None, row=None, column=None, remedy=None)) for p in outcome.warnings]
    return texts + [_short(w[:1].upper() + w[1:]) for w in warnings]


def _short(text: str) -> str:
    """A warning about identical images without the cases, which their section on the page has."""
    first, colon, _ = text.partition(": ")
    return f"{first}." if colon and "identical images" in first else text


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
    *,
    splits_drawn: bool = False,
) -> list[str]:
    """Caveats placed before the numbers: few cases, one split, one seed, random initialisation."""
    caveat_texts = []
    metrics = tables["metrics"]
    if not metrics.empty:
        auroc = metrics[(metrics["metric"] == "auroc") & (metrics["method"] == "delong") & metrics["subgroup"].isna()]
        below = auroc.loc[(auroc["conf.high"] < CHANCE) | (auroc["estimate"] == 0), "model"].unique().tolist()
        if below:
            caveat_texts.append(
                f"AUROC below 0.5: {', '.join(below[:MAX_NAMED_THRESHOLDS])} rank{'s' if len(below) == 1 else ''} the cases the wrong way "
                f"round. Check that the score is that of {predictions.positive!r} (it is never turned here)."
            )
    if predictions.n_cases < FEW_CASES:
        caveat_texts.append(f"Only {predictions.n_cases} test cases: intervals are wide.")
    if outcome is not None:
        caveat_texts += _of_training(outcome)
    caveat_texts += _few_of_a_class(predictions) if predictions.has_pred else []
    if predictions.clustered:
        caveat_texts.append("Patients have several cases; rows that assume independence are marked.")
    compared = tables["comparisons"]
    if not compared.empty:
        caveat_texts += _without_discordance(compared)
    if outcome is None:
        caveat_texts += seed_caveats(predictions, splits_drawn=splits_drawn)
    else:
        if len(outcome.units) > 1:
            caveat_texts += seed_caveats(predictions)
            caveat_texts += stability(tables.get("seed_verdicts", pd.DataFrame()), metric)
        else:
            caveat_texts.append("One split and one seed: other trainings or divisions may differ.")
        caveat_texts += _spectrum(outcome) + [str(p) for p in reading_warnings(outcome.cohort)]
    rules = tables.get("label_rules", pd.DataFrame())
    if len(rules):
        name = shown_rows.primary_metric(tables, metric)
        planned, _ = shown_rows.primary(tables["comparisons"], tables["verdicts"], name)
        caveat_texts.append(label_rules.summary(rules, name, planned))
    caveat_texts = [f for f in caveat_texts if f]
    return caveat_texts + [str(p) for p in predictions.warnings]
