"""The answer of `hybridcx plan` as a table, the values at other sizes, and the sensitivity to the assumptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, PercentFormatter

from hybridcx.report import numbers
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content, PlanWording
from hybridcx.report.figures.plots import MAX_SERIES
from hybridcx.report.figures.svg import MUTED, Drawing, add_legend, add_line, drawing, new_figure, style
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

METHODS = {
    "exact": "McNemar, exact",
    "midp": "McNemar, mid-p",
    "asymptotic": "McNemar, asymptotic",
    "connor": "formula of Connor (1987)",
    "wilson": "Wilson interval",
    "clopper_pearson": "Clopper-Pearson interval",
    "obuchowski": "variance of Obuchowski (1994)",
    "hanley_mcneil": "variance of Hanley and McNeil (1982)",
}
NONINFERIORITY_METHODS = {"exact": "Tango's score test, enumerated", "asymptotic": "Tango's score test, formula"}
SHORT_METHODS = {
    "exact": "exact",
    "midp": "mid-p",
    "wilson": "Wilson",
    "obuchowski": "Obuchowski (1994)",
    "hanley_mcneil": "Hanley and McNeil (1982)",
}
SHORT_NONINFERIORITY_METHODS = {"exact": "enumerated", "asymptotic": "formula"}
CAP_ROWS = 60
_POWER = "Power"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The rows of plan.csv with their question, metric and wording."""

    rows: pd.DataFrame
    question: str
    metric: str
    wording: PlanWording

    def part(self, name: str) -> pd.DataFrame:
        return self.rows[self.rows["part"] == name]

    @property
    def cases(self) -> str:
        """The cases that a size counts."""
        of_class = {"sensitivity": ", positive", "specificity": ", negative"}
        return "Cases" + of_class.get(self.metric, "")

    def method(self, name: object) -> str:
        own = NONINFERIORITY_METHODS if self.question == "noninferiority" else {}
        return {**METHODS, **own}.get(str(name), str(name))


def section(content: Content) -> Section:
    """The table of the answer and two figures; empty without a plan."""
    section = Section()
    rows = content.table("plan")
    wording = content.plan_wording
    if rows.empty or wording is None:
        return section
    question, metric = str(rows["question"].iloc[0]), str(rows["metric"].iloc[0])
    plan = _Plan(rows, question, metric, wording)
    section.table(_answer_table(plan))
    section.figures(_by_size(plan), _by_assumption(plan))
    return section


def _points(x: float) -> str:
    return numbers.fixed(x, 1, scale=100)


def _correlation(x: float) -> str:
    return numbers.fixed(x, 2)


def _answer_table(plan: _Plan) -> Table:
    """One row per method, target and assumption; columns without values are omitted."""
    rows, wording, auroc = plan.part("answer"), plan.wording, plan.metric == "auroc"
    power = wording.value == _POWER
    value_text: Callable[[float], str] = numbers.percent if power else numbers.fixed if auroc else _points
    value_head = wording.value + (" reached, %" if power else "" if auroc else ", pp")
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("target", wording.target, _points if wording.target_unit == "points" else numbers.percent),
        ("p10", "Only the model right, %", numbers.percent),
        ("p01", "Only the comparator right, %", numbers.percent),
        ("discordance", "Discordance, %", numbers.percent),
        ("margin", "Margin, pp", _points),
        ("proportion", "Anticipated proportion, %", numbers.percent),
        ("auc", "AUROC of the model", numbers.fixed),
        ("comparator.auc", "AUROC of the comparator", numbers.fixed),
        ("correlation", "Correlation", _correlation),
        ("size", plan.cases, numbers.count),
        ("n.positive", "of these positive", numbers.count),
        ("n.negative", "of these negative", numbers.count),
        ("cases.all", "Cases of both classes", numbers.count),
        ("value", value_head, value_text),
    ]
    columns = [c for c in columns if c[0] == "value" or rows[c[0]].notna().any()]
    notes = Notes()
    body: list[Cells] = []
    for r in rows.to_dict("records"):
        cells: list[Cell | str] = [plan.method(r["method"])]
        for name, _, text in columns:
            marks = notes.mark(r["warning"]) if name == "value" else ()
            cells.append(Cell(numbers.NA if pd.isna(r[name]) else text(float(r[name])), notes=marks))
        body.append(cells)
    caption = "The answer by each method." if rows["method"].astype(str).nunique() > 1 else "The answer."
    head = ["Method", *(title for _, title, _ in columns)]
    return table("plan-answer", caption, head, body, notes=notes, source="plan.csv", cap=CAP_ROWS)


def _by_size(plan: _Plan) -> Figure | None:
    """The value (power, half-width, difference) against the number of cases; None without other sizes."""
    wording, rows = plan.wording, plan.part("by_size")
    rows = rows[rows["value"].notna() & rows["size"].notna()]
    if rows.empty:
        return None
    targets = [] if wording.value_is_answer else _values(plan.part("answer")["target"])
    plot = _curves(
        plan, rows, wording.lines, "size", "value", x_label=plan.cases, y_label=wording.value, at_y=targets,
        y_percent=plan.metric != "auroc" or wording.value == _POWER, prefix="plan-size",
    )  # fmt: skip
    caption = f"{wording.value} against the number of cases" + ("; dotted: the target." if targets else ".")
    return Figure("plan-size", plot, caption, "plan.csv")


def _by_assumption(plan: _Plan) -> Figure | None:
    """The answer against the assumption that is known least; None without other values of it."""
    wording, rows = plan.wording, plan.part("by_assumption")
    y = "value" if wording.value_is_answer else "size"
    rows = rows[rows[y].notna()]
    if rows.empty:
        return None
    answer = wording.value if wording.value_is_answer else plan.cases
    plot = _curves(
        plan, rows, ["target"], wording.assumption, y, x_label=wording.axis, y_label=answer, at_x=_values(plan.part("answer")[wording.assumption]),
        x_percent=wording.assumption != "correlation", y_percent=wording.value_is_answer and plan.metric != "auroc", prefix="plan-assumption",
    )  # fmt: skip
    method = plan.method(rows["method"].iloc[0])
    caption = f"{answer} against the {wording.assumption}; dotted: as assumed. {method[0].upper() + method[1:]}."
    return Figure("plan-assumption", plot, caption, "plan.csv")


def _values(column: pd.Series) -> list[float]:
    return sorted({float(v) for v in column.dropna()})


def _curves(
    plan: _Plan,
    rows: pd.DataFrame,
    by: Sequence[str],
    x: str,
    y: str,
    *,
    x_label: str,
    y_label: str,
    prefix: str,
    x_percent: bool = False,
    y_percent: bool = False,
    at_x: Sequence[float] = (),
    at_y: Sequence[float] = (),
) -> Drawing:
    """Column `y` against column `x`, a line for each combination of the columns `by`; dotted lines at `at_x` and `at_y`."""
    grouped = rows.groupby(list(by), sort=False, dropna=False)
    lines = [(key if isinstance(key, tuple) else (key,), part) for key, part in grouped][:MAX_SERIES]
    names = _line_names(plan, [key for key, _ in lines], by)
    with style():
        figure = new_figure(4.9, 3.4, (0.75, 0.15, 0.5, 0.1))
        ax = figure.subplots()
        for at in at_x:
            ax.axvline(at, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for at in at_y:
            ax.axhline(at, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for i, (_, part) in enumerate(lines):
            add_line(ax, i, np.asarray(part[x], dtype=float), np.asarray(part[y], dtype=float))
        ax.set_ylim(0, 1.02 if y_label == _POWER else None)
        for axis, percent in ((ax.xaxis, x_percent), (ax.yaxis, y_percent)):
            axis.set_major_formatter(PercentFormatter(1.0) if percent else FuncFormatter(lambda v, _: f"{v:,.10g}"))
        ax.grid()
        ax.set_axisbelow(True)
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        if len(lines) > 1:
            add_legend(ax, names, location="best")
        description = "; ".join(names) if len(lines) > 1 else f"One line: {names[0]}."
        return drawing(figure, prefix, f"{y_label} against {x_label[0].lower() + x_label[1:]}", description)


def _line_names(plan: _Plan, keys: Sequence[tuple[object, ...]], columns: Sequence[str]) -> list[str]:
    """The names of the lines: the values of the columns in which they differ."""
    varied = [i for i in range(len(columns)) if len({k[i] for k in keys}) > 1] or [0]
    return [", ".join(_line_name(plan, columns[i], key[i]) for i in varied) for key in keys]


def _line_name(plan: _Plan, column: str, value: object) -> str:
    if column == "method":
        short = SHORT_NONINFERIORITY_METHODS if plan.question == "noninferiority" else SHORT_METHODS
        return short.get(str(value), str(value))
    share = float(str(value))
    if column != "target":
        return f"{column} {numbers.percent(share)} %"
    return (
        f"half-width {_points(share)} pp"
        if plan.wording.target_unit == "points"
        else f"power {numbers.percent(share)} %"
    )
