"""Reporting checklists, filled in from what a report itself knows: TRIPOD+AI, STARD 2015, CLAIM 2024.

The items' numbers are the guidelines', their topics are told in our words; which text each list was checked against stands in its file in
`checklists/`. An item is `evidenced` only where the facts found are all that it asks for, `partly` where some are, and otherwise `not evidenced
here`: it may well stand in the paper. There is no score: a checklist says where to look, not how good a study is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Numbers, Section
from hybridcx.report.content import ReportData
from hybridcx.report.numbers import Cell
from hybridcx.vocabulary.run import CHECKLIST, EVIDENCED, NOT_HERE, PARTLY

GUIDELINES = ("tripod_ai", "claim_2024", "stard_2015")
COMMANDS = ("run", "compare")
NO_SCORE = (
    "What this report itself shows for the items of three reporting guidelines, to be completed by hand. Numbers are the guidelines', topics "
    "are told in our words; read the guideline for what an item asks. Partly: the report has some of it. Items that are not listed are not "
    "evidenced here. There is no score."
)

Fact = tuple[str, str]
"""What the report has, in words, and where."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number, our words for its topic, the facts that speak to it, and whether together they are all that it asks for."""

    number: str
    topic: str
    evidence: tuple[str, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Guideline:
    """One guideline; `note` and `checked` say against which texts its numbers and topics were checked, and when."""

    name: str
    citation: str
    doi: str
    note: str
    checked: tuple[tuple[str, str], ...]
    items: tuple[Item, ...]


@cache
def guideline(key: str) -> Guideline:
    """Read one of `GUIDELINES`."""
    found = resources.files("hybridcx.report").joinpath(f"checklists/{key}.toml").read_text(encoding="utf-8")
    data: dict[str, Any] = tomllib.loads(found)
    items = tuple(
        Item(number, one["topic"], tuple(one["evidence"]), bool(one.get("whole")))
        for number, one in data["items"].items()
    )
    checked = tuple((str(c["against"]), c["date"].isoformat()) for c in data["checked"])
    return Guideline(data["name"], data["citation"], data["doi"], data["note"], checked, items)


def checklist(report: ReportData) -> pd.DataFrame:
    """Every item of every guideline with what the report has for it, columns of `CHECKLIST`."""
    found = facts(report)
    rows = []
    for key in GUIDELINES:
        one = guideline(key)
        for item in one.items:
            here = [found[name] for name in item.evidence if name in found]
            all_of_it = item.whole and len(here) == len(item.evidence)
            status = EVIDENCED if all_of_it else PARTLY if here else NOT_HERE
            evidence = "; ".join(text for text, _ in here) or None
            location = "; ".join(dict.fromkeys(p for _, places in here for p in places.split("; "))) or None
            rows.append((one.name, item.number, item.topic, evidence, location, status))
    return pd.DataFrame(rows, columns=CHECKLIST.header, dtype=object)


def section(found: Mapping[str, pd.DataFrame], numbers: Numbers) -> Section:
    """A table per guideline of the items that the report evidences, wholly or partly; the numbers of the others."""
    made = Section("checklists", "Reporting checklists")
    every = found.get("checklist", pd.DataFrame())
    if every.empty:
        return made
    made.text(NO_SCORE)
    for key in GUIDELINES:
        one = guideline(key)
        own = every[every["guideline"] == one.name]
        shown = own[own["evidenced"] != NOT_HERE]
        rows = [
            [
                Cell(str(r["item"])),
                *(Cell(str(r[c]), number=False) for c in ("topic", "evidenced", "evidence", "location")),
            ]
            for r in shown.to_dict("records")
        ]
        rest = ", ".join(own.loc[own["evidenced"] == NOT_HERE, "item"])
        remark = f"Not evidenced here: {rest}. {one.note} {one.citation}."
        head = ("Item", "Topic", "Evidenced", "What this report has", "Where")
        caption = f"{one.name}: what this report evidences."
        made.table(tables.table(key, caption, head, rows, remark=remark, source="checklist.csv"), numbers.table())
    return made


def facts(report: ReportData) -> dict[str, Fact]:
    """What the report has, by the names that the items use."""
    found = {}
    for name, look in FACTS.items():
        fact = look(report)
        if fact is not None:
            found[name] = fact
    return found


def _table(report: ReportData, name: str) -> pd.DataFrame:
    return report.tables.get(name, pd.DataFrame())


def _some(names: Sequence[object], limit: int = 6) -> str:
    shown = [str(n) for n in names]
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")


def _question(report: ReportData) -> Fact | None:
    return (f"the question: {report.question}", "first screen") if report.question else None


def _counts(report: ReportData) -> tuple[int, int] | None:
    """Positive and negative test cases, of the first model's matrix."""
    confusion = _table(report, "confusion")
    if confusion.empty:
        return None
    first = confusion.iloc[0]
    return int(first["tp"] + first["fn"]), int(first["fp"] + first["tn"])


def _test_cases(report: ReportData) -> Fact | None:
    counts = _counts(report)
    if counts is None:
        return None
    n, m = counts
    return f"n test cases = {n + m}: {n} positive, {m} negative", "Performance of each model; confusion.csv"


def _cross_tab(report: ReportData) -> Fact | None:
    n = _table(report, "confusion")["model"].nunique() if _counts(report) else 0
    return (f"two-by-two table of {'the model' if n == 1 else f'each of {n} models'}", "confusion.csv") if n else None


def _flow(report: ReportData) -> Fact | None:
    flow = report.cohort_flow
    if flow is None or flow.empty or "kind" not in flow:
        return None
    whole = flow[flow["split"].isna()] if "split" in flow else flow
    n = {
        kind: int(whole.loc[whole["kind"] == kind, "n"].sum())
        for kind in ("screened", "excluded", "disputed", "analysed")
    }
    said = f"screened {n['screened']}, excluded {n['excluded']} by reason, in dispute {n['disputed']}, analysed {n['analysed']}"
    return said, "Cohort; flow.csv"


def _classes(report: ReportData) -> Fact | None:
    flow = report.cohort_flow
    if flow is None or not {"label", "split"} <= set(flow):
        return None
    own = flow[(flow["kind"] == "class") & flow["split"].isna()]
    said = ", ".join(f"{r['label']} {int(r['n'])}" for r in own.to_dict("records"))
    return (f"analysed cases by label: {said}", "Cohort; flow.csv") if said else None


def _partitions(report: ReportData) -> Fact | None:
    split = report.split_table
    if split is None or not len(split):
        return None
    last = split.iloc[-1]
    parts = [f"{c} {last[c]}" for c in ("train", "validation", "test") if c in split]
    return f"cases per part, by label: {', '.join(parts)}", "Cohort; split.csv"


def _run(text: str, place: str) -> Callable[[ReportData], Fact | None]:
    """A fact of every run."""
    return lambda report: (text, place) if report.command == "run" else None


def _has(name: str, text: str, place: str) -> Callable[[ReportData], Fact | None]:
    """A fact that follows from a table with rows."""
    return lambda report: None if _table(report, name).empty else (text, place)


def _models(report: ReportData) -> Fact | None:
    if report.command != "run":
        return None
    names = list(_table(report, "confusion").get("model", pd.Series(dtype=object)).unique())
    return (
        f"{len(names)} model{'s' if len(names) > 1 else ''}: {_some(names)}",
        "Models and training; experiment.json; heads.csv",
    )


def _training(report: ReportData) -> Fact | None:
    settings = report.training_settings
    if settings is None or not len(settings):
        return None
    return (
        f"{len(settings)} settings of the fine-tuning, learning curves",
        "Models and training (Table II); experiment.json",
    )


def _intervals(report: ReportData) -> Fact | None:
    metrics = _table(report, "metrics")
    if metrics.empty:
        return None
    own = metrics[metrics["conf.low"].notna()]
    level = tables.level(next((select.number(x) for x in own["conf.level"].dropna()), None))
    n_models = own["model"].nunique()
    said = f"{own['metric'].nunique()} metrics of {n_models} model{'s' if n_models > 1 else ''} with {level} intervals"
    return (said, "Performance of each model; metrics.csv") if len(own) else None


def _measures(report: ReportData) -> Fact | None:
    metrics = _table(report, "metrics")
    if metrics.empty:
        return None
    names = [
        n
        for n in ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc", "brier")
        if n in set(metrics["metric"])
    ]
    return ", ".join(vocabulary.metric(n).label for n in names), "Performance of each model; Methods"


def _comparisons(report: ReportData) -> Fact | None:
    compared = _table(report, "comparisons")
    if compared.empty:
        return None
    n = len(compared[["model", "comparator"]].drop_duplicates())
    said = f"paired differences of {n} pair{'' if n == 1 else 's'} of models with intervals, tests and adjustment for multiplicity"
    return said, "Paired comparisons; comparisons.csv"


def _agreement(scope: str) -> Callable[[ReportData], Fact | None]:
    """Agreement between readers, or of a reader with himself."""

    def look(report: ReportData) -> Fact | None:
        rows = _table(report, "agreement")
        there = not rows.empty and (rows["estimate"].notna() & (rows["scope"] == scope)).any()
        return (f"agreement {scope} readers", "Reader agreement; agreement.csv") if there else None

    return look


def _detectable(report: ReportData) -> Fact | None:
    """Afterwards, which is less than a calculation beforehand."""
    verdicts = _table(report, "verdicts")
    if verdicts.empty or verdicts["detectable.difference"].isna().all():
        return None
    return (
        "smallest differences that this test set could have detected (no calculation beforehand)",
        "first screen; verdicts.csv",
    )


def _clusters(report: ReportData) -> Fact | None:
    metrics = _table(report, "metrics")
    n = pd.to_numeric(metrics["n.clusters"], errors="coerce").max() if not metrics.empty else float("nan")
    return (f"{int(n)} clusters of cases, methods for clustered data", "Methods; metrics.csv") if n == n else None


def _subgroups(report: ReportData) -> Fact | None:
    metrics = _table(report, "metrics")
    names = [] if metrics.empty else [n for n in metrics["subgroup"].dropna().unique() if n != "copy_in_training"]
    return (f"performance in subgroups: {_some(names)}", "Subgroups; metrics.csv") if names else None


def _copies(report: ReportData) -> Fact | None:
    metrics = _table(report, "metrics")
    if metrics.empty or "copy_in_training" not in set(metrics["subgroup"].dropna()):
        return None
    return "performance without test cases whose image training nearly has", "Subgroups; metrics.csv"


def _plan(report: ReportData) -> Fact | None:
    compared = _table(report, "comparisons")
    if compared.empty or "confirmatory" not in set(compared["role"].dropna()):
        return None
    return "analysis plan, locked with its hash before the results", "Paired comparisons; provenance.json"


def _calls(report: ReportData) -> Fact | None:
    if not _table(report, "thresholds").empty:
        return "thresholds chosen on validation cases by a stated rule", "Performance of each model; thresholds.csv"
    return ("how scores become calls", "Methods") if _counts(report) else None


def _output(report: ReportData) -> Fact | None:
    confusion = _table(report, "confusion")
    if confusion.empty:
        return None
    scored = "and its score " if not _table(report, "roc").empty else ""
    return f"a call {scored}for the class {confusion['positive'].iloc[0]!r}", "predictions.csv"


def _failures(report: ReportData) -> Fact | None:
    cases = _table(report, "disagreements")
    if cases.empty:
        return None
    return (
        f"the cases on which models differ or all err ({cases['case_id'].nunique()}), case by case",
        "Disagreements; disagreements.csv",
    )


def _software(report: ReportData) -> Fact | None:
    if "hybridcx" not in report.provenance:
        return None
    whose = "" if report.command == "run" else " of this analysis, not of the models"
    return f"versions of hybridcx and the packages, hash of the code{whose}", "Provenance; provenance.json"


def _caveats(report: ReportData) -> Fact | None:
    return ("what limits the answer, as far as the data show it", "first screen") if _counts(report) else None


FACTS: dict[str, Callable[[ReportData], Fact | None]] = {
    "question": _question,
    "test_cases": _test_cases,
    "cross_tab": _cross_tab,
    "flow": _flow,
    "classes": _classes,
    "partitions": _partitions,
    "disjoint": _run("whole patients in one part; each model's fits and their cases, test cases refused", "lineage.json; split.csv"),
    "duplicates": _run("images compared across the parts", "Duplicates and shortcuts; near_duplicates.csv"),
    "shortcuts": _has("shortcuts", "probes for marks that tell the label", "Duplicates and shortcuts; shortcuts.csv"),
    "preprocessing": _run("crop, padding, resizing and what was done to each image", "Methods; experiment.json"),
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
    "complete_predictions": lambda report: (
        ("every model has a prediction for every test case (a file with gaps is refused)", "predictions.csv") if _counts(report) else None
    ),
    "failures": _failures,
    "saliency": _has("saliency", "saliency maps of the networks for the cases shown", "Case by case; saliency.csv"),
    "software": _software,
    "configuration": _run("the whole configuration", "experiment.json"),
    "predictions": lambda report: ("each model's prediction for each case", "predictions.csv") if _counts(report) else None,
    "caveats": _caveats,
}  # fmt: skip
