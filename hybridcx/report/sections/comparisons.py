"""Paired comparisons of the models: differences, tests, verdicts, adjustments for multiplicity, ranks and shared errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import NamedTuple

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers, numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.metrics_table import CAP_ROWS, monte_carlo, most_common
from hybridcx.report.shown_rows import Pair, caution, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

OPEN = ("auroc",)
"""Metrics whose table is open, besides the primary metric."""
OWN_TABLE = ("accuracy", "auroc", "sensitivity", "specificity")
"""Metrics with a table of their own, besides the primary metric."""
RANKED = ("accuracy", "sensitivity", "specificity", "auroc", "auprc", "brier", "net_benefit")
CAP_ADDITIONAL = 40
"""The most rows of the tables of ranks and of shared errors."""
ROLES = "Confirmatory: named in a plan that was locked before the results existed. Exploratory: all other comparisons."
CLUSTER_REMARK = (
    " Obuchowski's test uses the variance under the null hypothesis of no difference, the interval does not: near the significance level they can "
    "disagree, and a verdict requires both."
)
SIMULTANEOUS_REMARK = (
    " Simultaneous CI: covers the differences of all pairs of this metric at once (Bonferroni); the verdict uses it."
)
RANK_REMARK = (
    "Share of the joint resamples of the cases in which the model has the best value; ties are divided. It measures how stable the first place "
    "is, not how large the difference is; with one seed it does not include the variation between trainings."
)


def section(content: Content) -> Section:
    """A table per main metric, the adjustments, tests of all models at once, ranks, shared errors, and all other metrics in one table."""
    section = Section()
    pairs, primary = content.pairs, content.primary_pairs
    if not pairs:
        return section
    confirmatory = any(p.role == "confirmatory" for p in pairs)
    section.text(
        ROLES if confirmatory else content.plan_note or "No plan named comparisons in advance: all are exploratory."
    )
    own = vocabulary.in_order([content.metric, *OWN_TABLE], [content.metric])
    for name in own:
        detail = None if name in (content.metric, *OPEN) else True
        section.table(pairs_table([p for p in pairs if p.metric == name], name), detail=detail)
    details = (
        multiplicity_table(content.table("multiplicity"), primary),
        omnibus_table(content.table("omnibus")),
        ranking_table(content.table("ranking")),
        overlap_table(content.table("error_overlap")),
        other_pairs_table([p for p in pairs if p.metric not in own]),
    )
    for further in details:
        section.table(further, detail=True)
    return section


class _Column(NamedTuple):
    """A column of the table of pairs: its heading, its cell for a pair, and whether the table has it."""

    heading: str
    cell: Callable[[Pair], Cell | str]
    visible: bool = True


@dataclass(frozen=True)
class _MetricPairs:
    """The comparisons in one metric, and which of their values are in the table."""

    metric: vocabulary.Metric
    pairs: Sequence[Pair]

    @cached_property
    def test(self) -> str:
        """The test of most pairs, which the remark names."""
        return most_common(p.test for p in self.pairs if p.test) or ""

    @cached_property
    def method(self) -> str:
        """The interval's method in most pairs, which the remark names."""
        return most_common(p.method for p in self.pairs if p.method) or ""

    @cached_property
    def counts(self) -> bool:
        return any(isfinite(p.b) for p in self.pairs)

    @cached_property
    def clustered(self) -> bool:
        return any(p.test == "mcnemar_cluster" for p in self.pairs)

    @cached_property
    def mcnemar(self) -> bool:
        """Whether McNemar's tests of independent cases have columns; with clusters they are only in the CSV."""
        return not self.clustered and any(isfinite(p.p_exact) or isfinite(p.p_midp) for p in self.pairs)

    @cached_property
    def other_test(self) -> bool:
        return not self.mcnemar or any(p.test not in ("mcnemar_midp", "mcnemar_exact", "") for p in self.pairs)

    @cached_property
    def adjusted(self) -> bool:
        return any(isfinite(p.adjusted) for p in self.pairs)

    @cached_property
    def simultaneous(self) -> bool:
        return any(p.has_simultaneous for p in self.pairs)

    def columns(self, notes: Notes) -> list[_Column]:
        """The columns that the table has, from left to right; their cells add footnotes to `notes`."""
        adjustment = next((p.adjustment for p in self.pairs if p.adjustment), "")

        def effect(p: Pair) -> Cell:
            interval = numbers.difference_interval(self.metric, p.estimate, p.low, p.high, p.margin)
            marks = notes.mark(
                *_pair_notes(p, self.method, self.test), monte_carlo(self.metric, p.mc_errors, (p.low, p.high))
            )
            return Cell(interval, "", marks)

        columns = [
            _Column("Model", lambda p: p.model),
            _Column("Comparator", lambda p: p.comparator),
            _Column(_effect_heading(self.metric, self.pairs), effect),
            _Column("Simultaneous CI", lambda p: Cell(_simultaneous(self.metric, p)), self.simultaneous),
            _Column("b", lambda p: Cell(numbers.count(p.b)), self.counts),
            _Column("c", lambda p: Cell(numbers.count(p.c)), self.counts),
            _Column("p, exact", lambda p: Cell(numbers.p_value(p.p_exact)), self.mcnemar),
            _Column("p, mid-p", lambda p: Cell(numbers.p_value(p.p_midp)), self.mcnemar),
            _Column("p", lambda p: Cell(numbers.p_value(p.p)), self.other_test),
            _Column(
                f"p, {vocabulary.ADJUSTMENTS.get(adjustment, adjustment)}-adjusted",
                lambda p: Cell(numbers.p_value(p.adjusted)),
                self.adjusted,
            ),
            _Column(
                "Verdict",
                lambda p: answers.verdict_text(p) if p.verdict else numbers.NA,
                any(p.verdict for p in self.pairs),
            ),
        ]
        return [c for c in columns if c.visible]

    def remark(self) -> str:
        """What the columns mean, and the method and test of most pairs."""
        effect = "Ratio: model over comparator" if self.metric.null == 1 else "Difference: model minus comparator"
        remark = f"{effect}; interval: {vocabulary.method_label(self.method)}."
        remark += " b, c: cases that only the model, only the comparator got right." if self.counts else ""
        remark += SIMULTANEOUS_REMARK if self.simultaneous else ""
        remark += CLUSTER_REMARK if self.clustered else ""
        source = " behind the adjusted p" if self.mcnemar and self.adjusted else ""
        return remark + (f" Test{source}: {vocabulary.method_label(self.test)}." if self.test else "")


def pairs_table(pairs: Sequence[Pair], name: str) -> Table | None:
    """The comparisons in one metric: difference with interval, discordant cases, tests, adjusted p-value, verdict. None without any."""
    if not pairs:
        return None
    comparisons, notes = _MetricPairs(vocabulary.metric(name), pairs), Notes()
    columns = comparisons.columns(notes)
    rows: list[Cells] = [[c.cell(p) for c in columns] for p in pairs]
    role = ", ".join(dict.fromkeys(p.role for p in pairs if p.role))
    return table(
        f"pairs-{name.replace('_', '-')}",
        f"Paired comparisons of {answers.in_sentence(name)}{f' ({role})' if role else ''}.",
        [c.heading for c in columns],
        rows,
        notes=notes,
        remark=comparisons.remark(),
        source="comparisons.csv",
        cap=CAP_ROWS,
    )


def _simultaneous(metric: vocabulary.Metric, p: Pair) -> str:
    """Such as "-3.1 to 4.2"."""
    if not all(map(isfinite, p.simultaneous)):
        return numbers.NA
    return " to ".join(numbers.difference(metric, x, p.margin) for x in p.simultaneous)


def _effect_heading(metric: vocabulary.Metric, pairs: Sequence[Pair]) -> str:
    """Such as "Difference, percentage points (95% CI)"."""
    unit = numbers.unit(metric, of_difference=True)
    effect = "Ratio" if metric.null == 1 else f"Difference, {unit}" if unit else "Difference"
    return f"{effect} ({_ci(pairs)})"


def _ci(pairs: Sequence[Pair]) -> str:
    level = next((numbers.level(p.conf_level) for p in pairs if isfinite(p.conf_level)), "")
    return f"{level} CI".lstrip()


def _pair_notes(p: Pair, method: str, test: str) -> list[str]:
    """Warnings, and the interval's method and the test where they differ from those that the remark names."""
    notes = [f"caution: {w}" for w in p.warnings]
    notes += [reason] if (reason := answers.disagreement(p)) else []
    if p.method != method and p.has_limits:
        notes.append(f"interval: {vocabulary.method_label(p.method)}")
    if p.test and p.test != test:
        notes.append(f"test: {vocabulary.method_label(p.test)}")
    return notes


def other_pairs_table(pairs: Sequence[Pair]) -> Table | None:
    """The comparisons in all other metrics, metric by metric; None without any."""
    if not pairs:
        return None
    notes = Notes()
    rows: list[Cells] = []
    with_verdicts = any(p.verdict for p in pairs)
    order = vocabulary.in_order([p.metric for p in pairs], vocabulary.METRICS)
    for p in sorted(pairs, key=lambda p: order.index(p.metric)):
        metric = vocabulary.metric(p.metric)
        title = numbers.difference_heading(metric)
        title += f" at {p.threshold:g}" if p.metric == "net_benefit" and isfinite(p.threshold) else ""
        effect = numbers.difference_interval(metric, p.estimate, p.low, p.high)
        test = "" if p.test in ("", p.method) else f"; p: {vocabulary.method_label(p.test)}"
        disagreement = answers.disagreement(p)
        marks = notes.mark(
            *(f"caution: {w}" for w in p.warnings), disagreement, monte_carlo(metric, p.mc_errors, (p.low, p.high))
        )
        verdict = [answers.verdict_text(p) if p.verdict else numbers.NA] if with_verdicts else []
        rows.append(
            [
                title,
                p.model,
                p.comparator,
                Cell(effect, "", marks),
                Cell(numbers.p_value(p.p)),
                Cell(numbers.p_value(p.adjusted)),
                vocabulary.method_label(p.method) + test,
                *verdict,
            ]
        )
    adjustments = dict.fromkeys(vocabulary.ADJUSTMENTS.get(p.adjustment, p.adjustment) for p in pairs if p.adjustment)
    head = ["Metric", "Model", "Comparator", f"Difference or ratio ({_ci(pairs)})", "p"]
    head += [f"p, {' or '.join(adjustments)}-adjusted"] if adjustments else ["Adjusted p"]
    head += ["Method", *(["Verdict"] if with_verdicts else [])]
    caption = "Paired comparisons of the other metrics (exploratory)."
    remark = "Difference: model minus comparator; ratio: model over comparator; points: percentage points."
    return table("pairs-other", caption, head, rows, notes=notes, remark=remark, source="comparisons.csv", cap=CAP_ROWS)


def multiplicity_table(multiplicity: pd.DataFrame, pairs: Sequence[Pair]) -> Table | None:
    """The p-values of the primary comparisons under every adjustment; None with fewer than two comparisons."""
    if multiplicity.empty or len(pairs) < 2:
        return None
    keys = [(p.metric, p.model, p.comparator) for p in pairs]
    tests = {p.test for p in pairs}
    adjusted = multiplicity[multiplicity["method"].isin(list(tests)) | (multiplicity["p.adjust.method"] == "maxT")]
    by_key: dict[tuple[str, ...], float] = {}
    for r in adjusted.to_dict("records"):
        key = (str(r["metric"]), str(r["model"]), str(r["comparator"]), str(r["p.adjust.method"]))
        by_key[key] = number(r["adj.p.value"])
    columns = [a for a in vocabulary.ADJUSTMENTS if any((*k, a) in by_key for k in keys)]
    if not columns:
        return None
    rows: list[Cells] = [[k[1], k[2], *(Cell(numbers.p_value(by_key.get((*k, a)))) for a in columns)] for k in keys]
    caption = "Primary comparisons under each adjustment for multiplicity: p-values."
    remark = "Test: " + ", ".join(vocabulary.method_label(t) for t in sorted(tests) if t) + "."
    remark += " Max-T: joint bootstrap of all comparisons." if "maxT" in columns else ""
    head = ["Model", "Comparator", *(vocabulary.ADJUSTMENTS[a] for a in columns)]
    return table("multiplicity", caption, head, rows, remark=remark, source="multiplicity.csv", cap=CAP_ROWS)


def omnibus_table(omnibus: pd.DataFrame) -> Table | None:
    """The tests of all models at once, one row per seed where there are several; None without any."""
    if omnibus.empty:
        return None
    notes = Notes()
    seeds = "seed" in omnibus and omnibus["seed"].notna().any()
    rows: list[Cells] = [
        [
            vocabulary.metric(str(r["metric"])).label,
            *([Cell(numbers.count(number(r["seed"])))] if seeds else []),
            vocabulary.method_label(r["method"]),
            Cell(numbers.fixed(number(r["statistic"]), 2), "", notes.mark(caution(r))),
            Cell(numbers.count(number(r["parameter"]))),
            Cell(numbers.p_value(number(r["p.value"]))),
            Cell(numbers.count(number(r["n"]))),
            Cell(numbers.count(number(r["k"]))),
        ]
        for r in omnibus.to_dict("records")
    ]
    head = ["Metric", *(["Seed"] if seeds else []), "Test", "Chi-square", "df", "p", "Cases", "Models"]
    caption = "Tests of all models at once."
    return table("omnibus", caption, head, rows, notes=notes, source="omnibus.csv", cap=CAP_ROWS)


def ranking_table(ranking: pd.DataFrame) -> Table | None:
    """Models in rows, metrics in columns: the share of the joint resamples in which the model has the best value. None without any."""
    if ranking.empty:
        return None
    by_key = {(str(r["model"]), str(r["metric"])): r for r in ranking.to_dict("records")}
    columns = [m for m in RANKED if any(k[1] == m for k in by_key)]
    if not columns:
        return None
    notes = Notes()
    rows: list[Cells] = []
    for model in dict.fromkeys(k[0] for k in by_key):
        records = [by_key[model, m] for m in columns]
        cells = [Cell(numbers.percent(number(r["share.best"]), 1), "", notes.mark(caution(r))) for r in records]
        rows.append([model, *cells])
    head = ["Model", *(f"{vocabulary.metric(m).label}, %" for m in columns)]
    caption = "Share of resamples in which the model is best."
    return table(
        "ranking", caption, head, rows, notes=notes, remark=RANK_REMARK, source="ranking.csv", cap=CAP_ADDITIONAL
    )


def overlap_table(overlap: pd.DataFrame) -> Table | None:
    """The errors of each pair: how many both make, and whether these are more than by chance. None without any."""
    if overlap.empty:
        return None
    overlap, seed = shown_rows.one_seed(overlap)
    notes = Notes()
    rows: list[Cells] = [
        [
            str(r["model"]),
            str(r["comparator"]),
            Cell(numbers.fixed(number(r["error.kappa"]), 2), "", notes.mark(caution(r))),
            Cell(numbers.percent(number(r["double.fault"]), 1)),
            *(Cell(numbers.count(r[c])) for c in ("both.wrong", "only.model.wrong", "only.comparator.wrong")),
        ]
        for r in overlap.to_dict("records")
    ]
    head = ["Model", "Comparator", "κ of errors", "Both wrong, %", "Both wrong", "Only model wrong"]
    head += ["Only comparator wrong"]
    caption = "Overlap of the errors of each pair." + shown_rows.seed_note(seed)
    remark = "κ of errors: 1 if both err on the same cases, 0 if they err together as often as by chance; below 0 they complement each other."
    return table(
        "overlap", caption, head, rows, notes=notes, remark=remark, source="error_overlap.csv", cap=CAP_ADDITIONAL
    )
