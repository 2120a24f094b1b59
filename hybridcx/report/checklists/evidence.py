"""What a report has for the items of three reporting guidelines: TRIPOD+AI, STARD 2015, CLAIM 2024.

Numbers of items are those of the guidelines, topics are in our own words; the file of each guideline names the texts it was checked against. An
item is `evidenced` only where the facts of the report are all that it requires, `partly` where they are some of it, and otherwise `not evidenced
here`: the paper may still have it. There is no score: a checklist says where to look, not how good a study is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import shown_rows
from hybridcx.report.content import Content
from hybridcx.vocabulary.run import CHECKLIST, EVIDENCED, NOT_HERE, PARTLY

GUIDELINES = ("tripod_ai", "claim_2024", "stard_2015")
Fact = tuple[str, str]
"""What the report has, and where it is."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: number, topic, the names of the facts that belong to it, and whether all of them together are what it requires."""

    number: str
    topic: str
    evidence: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Guideline:
    """One guideline; `note` and `checked` (text, date) say against which texts its numbers and topics were checked."""

    name: str
    citation: str
    doi: str
    note: str
    checked: tuple[tuple[str, str], ...]
    items: tuple[Item, ...]


@cache
def guideline(key: str) -> Guideline:
    """One of `GUIDELINES`."""
    text = resources.files("hybridcx.report.checklists").joinpath(f"{key}.toml").read_text(encoding="utf-8")
    data: dict[str, Any] = tomllib.loads(text)
    items = tuple(
        Item(number, one["topic"], tuple(one["evidence"]), bool(one.get("whole")))
        for number, one in data["items"].items()
    )
    checked = tuple((str(c["against"]), c["date"].isoformat()) for c in data["checked"])
    return Guideline(data["name"], data["citation"], data["doi"], data["note"], checked, items)


def checklist(content: Content) -> pd.DataFrame:
    """Every item of every guideline with the evidence of the report; columns of checklist.csv."""
    known = facts(content)
    rows = []
    for key in GUIDELINES:
        one = guideline(key)
        for item in one.items:
            own = [known[name] for name in item.evidence if name in known]
            whole = item.whole and len(own) == len(item.evidence)
            status = EVIDENCED if whole else PARTLY if own else NOT_HERE
            evidence = "; ".join(text for text, _ in own) or None
            location = "; ".join(dict.fromkeys(p for _, places in own for p in places.split("; "))) or None
            rows.append((one.name, item.number, item.topic, evidence, location, status))
    return pd.DataFrame(rows, columns=CHECKLIST.header, dtype=object)


def facts(content: Content) -> dict[str, Fact]:
    """The facts of the report, by the names that the items use."""
    candidates = {name: fact(content) for name, fact in FACTS.items()}
    return {name: fact for name, fact in candidates.items() if fact is not None}


def _listed(names: Sequence[object], limit: int = 6) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(str, names[:limit])) + rest


def _question(content: Content) -> Fact | None:
    return (f"the question: {content.question}", "first screen") if content.question else None


def _counts(content: Content) -> tuple[int, int] | None:
    """Positive and negative test cases, of the first model's matrix."""
    confusion = content.table("confusion")
    if confusion.empty:
        return None
    first = confusion.iloc[0]
    return int(first["tp"] + first["fn"]), int(first["fp"] + first["tn"])


def _test_cases(content: Content) -> Fact | None:
    counts = _counts(content)
    if counts is None:
        return None
    positive, negative = counts
    text = f"n test cases = {positive + negative}: {positive} positive, {negative} negative"
    return text, "Performance of each model; confusion.csv"


def _cross_tab(content: Content) -> Fact | None:
    n = content.table("confusion")["model"].nunique() if _counts(content) else 0
    return (f"two-by-two table of {'the model' if n == 1 else f'each of {n} models'}", "confusion.csv") if n else None


def _flow(content: Content) -> Fact | None:
    flow = content.cohort_flow
    if flow is None or flow.empty or "kind" not in flow:
        return None
    whole = flow[flow["split"].isna()] if "split" in flow else flow
    kinds = ("screened", "excluded", "disputed", "analysed")
    n = {kind: int(whole.loc[whole["kind"] == kind, "n"].sum()) for kind in kinds}
    text = f"screened {n['screened']}, excluded {n['excluded']} by reason, in dispute {n['disputed']}, analysed {n['analysed']}"
    return text, "Cohort; flow.csv"


def _classes(content: Content) -> Fact | None:
    flow = content.cohort_flow
    if flow is None or not {"label", "split"} <= set(flow):
        return None
    own = flow[(flow["kind"] == "class") & flow["split"].isna()]
    counts = ", ".join(f"{r['label']} {int(r['n'])}" for r in own.to_dict("records"))
    return (f"analysed cases by label: {counts}", "Cohort; flow.csv") if counts else None


def _partitions(content: Content) -> Fact | None:
    split = content.split_table
    if split is None or not len(split):
        return None
    last = split.iloc[-1]
    parts = [f"{c} {last[c]}" for c in ("train", "validation", "test") if c in split]
    return f"cases per part, by label: {', '.join(parts)}", "Cohort; split.csv"


def _run(text: str, place: str) -> Callable[[Content], Fact | None]:
    """A fact that every run has."""
    return lambda content: (text, place) if content.command == "run" else None


def _has(name: str, text: str, place: str) -> Callable[[Content], Fact | None]:
    """A fact that a report has with rows in this table."""
    return lambda content: None if content.table(name).empty else (text, place)


def _models(content: Content) -> Fact | None:
    if content.command != "run":
        return None
    names = list(content.table("confusion").get("model", pd.Series(dtype=object)).unique())
    return (
        f"{len(names)} model{'s' if len(names) > 1 else ''}: {_listed(names)}",
        "Models and training; experiment.json; heads.csv",
    )


def _training(content: Content) -> Fact | None:
    settings = content.training_settings
    if settings is None or not len(settings):
        return None
    return (
        f"{len(settings)} settings of the fine-tuning, learning curves",
        "Models and training (Table II); experiment.json",
    )


def _intervals(content: Content) -> Fact | None:
    metrics = content.table("metrics")
    if metrics.empty:
        return None
    own = metrics[metrics["conf.low"].notna()]
    level = shown_rows.level(own)
    n_models = own["model"].nunique()
    text = f"{own['metric'].nunique()} metrics of {n_models} model{'s' if n_models > 1 else ''} with {level} intervals"
    return (text, "Performance of each model; metrics.csv") if len(own) else None


def _measures(content: Content) -> Fact | None:
    metrics = content.table("metrics")
    if metrics.empty:
        return None
    available = set(metrics["metric"])
    names = [m for m in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc", "brier") if m in available]
    return ", ".join(vocabulary.metric(m).label for m in names), "Performance of each model; Methods"


def _comparisons(content: Content) -> Fact | None:
    comparisons = content.table("comparisons")
    if comparisons.empty:
        return None
    n = len(comparisons[["model", "comparator"]].drop_duplicates())
    text = f"paired differences of {n} pair{'' if n == 1 else 's'} of models with intervals, tests and adjustment for multiplicity"
    return text, "Paired comparisons; comparisons.csv"


def _agreement(scope: str) -> Callable[[Content], Fact | None]:
    """Agreement between readers, or within them on several occasions."""

    def fact(content: Content) -> Fact | None:
        rows = content.table("agreement")
        estimated = not rows.empty and (rows["estimate"].notna() & (rows["scope"] == scope)).any()
        return (f"agreement {scope} readers", "Reader agreement; agreement.csv") if estimated else None

    return fact


def _detectable(content: Content) -> Fact | None:
    """The differences that could be detected, computed after the fact: less than a sample size calculation in advance."""
    verdicts = content.table("verdicts")
    if verdicts.empty or verdicts["detectable.difference"].isna().all():
        return None
    return (
        "smallest differences that this test set could have detected (no sample size calculation in advance)",
        "first screen; verdicts.csv",
    )


def _clusters(content: Content) -> Fact | None:
    metrics = content.table("metrics")
    n = pd.to_numeric(metrics["n.clusters"], errors="coerce").max() if not metrics.empty else float("nan")
    return (f"{int(n)} clusters of cases, methods for clustered data", "Methods; metrics.csv") if n == n else None


def _subgroups(content: Content) -> Fact | None:
    metrics = content.table("metrics")
    names = [] if metrics.empty else [n for n in metrics["subgroup"].dropna().unique() if n != "copy_in_training"]
    return (f"performance in subgroups: {_listed(names)}", "Subgroups; metrics.csv") if names else None


def _copies(content: Content) -> Fact | None:
    metrics = content.table("metrics")
    if metrics.empty or "copy_in_training" not in set(metrics["subgroup"].dropna()):
        return None
    return "performance without test cases that have a nearly identical image in training", "Subgroups; metrics.csv"


def _plan(content: Content) -> Fact | None:
    comparisons = content.table("comparisons")
    if comparisons.empty or "confirmatory" not in set(comparisons["role"].dropna()):
        return None
    return "analysis plan, locked with its hash before the results", "Paired comparisons; provenance.json"


def _calls(content: Content) -> Fact | None:
    if not content.table("thresholds").empty:
        return "thresholds chosen on validation cases by a stated rule", "Performance of each model; thresholds.csv"
    return ("how scores become calls", "Methods") if _counts(content) else None


def _output(content: Content) -> Fact | None:
    confusion = content.table("confusion")
    if confusion.empty:
        return None
    scored = "and its score " if not content.table("roc").empty else ""
    return f"a call {scored}for the class {confusion['positive'].iloc[0]!r}", content.ledger


def _failures(content: Content) -> Fact | None:
    cases = content.table("disagreements")
    if cases.empty:
        return None
    return (
        f"the cases on which models differ or all err ({cases['case_id'].nunique()}), case by case",
        "Disagreements; disagreements.csv",
    )


def _software(content: Content) -> Fact | None:
    if "hybridcx" not in content.provenance:
        return None
    scope = "" if content.command == "run" else " of this analysis, not of the models"
    return f"versions of hybridcx and the packages, hash of the code{scope}", "Provenance; provenance.json"


def _external(content: Content) -> Fact | None:
    validation = content.table("validation")
    if validation.empty:
        return None
    first = validation.iloc[0]
    text = f"the models of a finished run on {int(first['n.outside'])} new cases beside its {int(first['n.inside'])} test cases"
    return text, "Inside against outside; validation.csv"


def _updating(content: Content) -> Fact | None:
    rows = content.table("recalibration")
    if rows.empty or rows["estimate"].isna().all():
        return None
    n = int(rows["n.fitted"].iloc[0])
    return f"recalibration on {n} new cases, with what it gains on others", "Recalibration; recalibration.csv"


def _caveats(content: Content) -> Fact | None:
    return ("limitations, as far as the data show them", "first screen") if _counts(content) else None


FACTS: dict[str, Callable[[Content], Fact | None]] = {
    "question": _question,
    "test_cases": _test_cases,
    "cross_tab": _cross_tab,
    "flow": _flow,
    "classes": _classes,
    "partitions": _partitions,
    "disjoint": _run("whole patients in one part; the cases of each fit, test cases refused", "lineage.json; split.csv"),
    "duplicates": _run("images compared across the parts", "Duplicates and shortcuts; near_duplicates.csv"),
    "shortcuts": _has("shortcuts", "probes for features other than the content that predict the label", "Duplicates and shortcuts; shortcuts.csv"),
    "preprocessing": _run("crop, padding, resizing and any other processing of each image", "Methods; experiment.json"),
    "models": _models,
    "weights": _run("origin and SHA-256 of the starting weights", "provenance.json"),
    "training": _training,
    "selection": _has("heads", "heads chosen by cross-validation within training, none by test results", "Performance of each model; heads.csv"),
    "between_readers": _agreement("between"),
    "within_readers": _agreement("within"),
    "label_rules": _has("label_rules", "results under each reader's labels and where readers agree", "Labelling rules; label_rules.csv"),
    "intervals": _intervals,
    "measures": _measures,
    "comparisons": _comparisons,
    "calibration": _has("calibration", "calibration curves, slope, intercept", "Calibration; calibration.csv"),
    "utility": _has("decision_curve", "decision curves", "Decision curves; decision_curve.csv"),
    "roc": _has("roc", "ROC curves", "ROC curves; roc.csv"),
    "detectable": _detectable,
    "clusters": _clusters,
    "subgroups": _subgroups,
    "copies": _copies,
    "seeds": _has("variance", "spread over seeds of the training", "Variance over seeds; variance.csv"),
    "plan": _plan,
    "calls": _calls,
    "output": _output,
    "complete_predictions": lambda content: (
        ("every model has a prediction for every test case (a file with gaps is refused)", content.ledger) if _counts(content) else None
    ),
    "failures": _failures,
    "saliency": _has("saliency", "saliency maps of the networks for the cases shown", "Case by case; saliency.csv"),
    "software": _software,
    "configuration": _run("the whole configuration", "experiment.json"),
    "predictions": lambda content: ("each model's prediction for each case", content.ledger) if _counts(content) else None,
    "external": _external,
    "case_mix": _has("case_mix", "case mix inside and outside, with standardised differences", "Case mix; case_mix.csv"),
    "updating": _updating,
    "overlap": _has("validation", "images and patients of the training looked for, shared ones left out", "Inside against outside; overlap.csv"),
    "applied": _has("validation", "the models by the hashes of their weights and heads, thresholds as locked", "models.csv"),
    "caveats": _caveats,
}  # fmt: skip
