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
    return [
        f"Only {n} of the {len(truth)} test cases {'is' if n == 1 else 'are'} {which}: {metric} is estimated imprecisely."
    ]


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
    if predictions.n_cases < FEW_CASES:
        caveat_texts.append(
            f"The test set has {predictions.n_cases} cases: intervals are wide, and a difference that was not found may exist."
        )
    caveat_texts += _few_of_a_class(predictions)
    if predictions.clustered:
        caveat_texts.append("Patients have several cases; rows that assume independence are marked.")
    compared = tables["comparisons"]
    if not compared.empty:
        caveat_texts += _without_discordance(compared)
    metrics = tables["metrics"]
    if not metrics.empty:
        auroc = metrics[(metrics["metric"] == "auroc") & (metrics["method"] == "delong") & metrics["subgroup"].isna()]
        below = auroc.loc[(auroc["conf.high"] < CHANCE) | (auroc["estimate"] == 0), "model"].unique().tolist()
        if below:
            caveat_texts.append(
                f"AUROC below 0.5: {', '.join(below[:MAX_NAMED_THRESHOLDS])} rank{'s' if len(below) == 1 else ''} the cases the wrong way "
                f"round. Check that the score is that of {predictions.positive!r} (it is never turned here)."
            )
    if outcome is None:
        caveat_texts += seed_caveats(predictions, splits_drawn=splits_drawn)
    else:
        # Identical images, marks that tell the label: on the page without the manifest's column.
        texts = [str(replace(p, file=None, row=None, column=None)) for p in outcome.warnings]
        caveat_texts += [w[:1].upper() + w[1:] for w in texts]
        if "copy_in_training" in outcome.ledger:
            test = outcome.ledger[outcome.ledger["split"] == "test"].drop_duplicates("case_id")
            n = int((test["copy_in_training"] == "yes").sum())
            caveat_texts.append(
                f"{n} of the {len(test)} test cases have nearly their own image in training or validation. Metrics and comparisons without them "
                "are those of the subgroup copy_in_training = no."
            )
        if len(outcome.units) > 1:
            caveat_texts += seed_caveats(predictions)
            caveat_texts += stability(tables.get("seed_verdicts", pd.DataFrame()), metric)
        else:
            caveat_texts.append(
                "One split and one seed: the results are conditional on these trained models and this division of the cases."
            )
        untrained = [r["network"] for r in outcome.networks.to_dict("records") if r["weights"] == "untrained"]
        if untrained:
            caveat_texts.append(
                f"No pretrained weights: {', '.join(untrained)} started from random initialisation. Their figures say nothing about "
                "pretrained networks."
            )
        caveat_texts += _spectrum(outcome) + [str(p) for p in reading_warnings(outcome.cohort)]
    rules = tables.get("label_rules", pd.DataFrame())
    if len(rules):
        name = shown_rows.primary_metric(tables, metric)
        planned, _ = shown_rows.primary(tables["comparisons"], tables["verdicts"], name)
        caveat_texts.append(label_rules.summary(rules, name, planned))
    caveat_texts = [f for f in caveat_texts if f]
    return caveat_texts + [str(p) for p in predictions.warnings]
