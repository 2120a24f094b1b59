"""The section of `hybridcx plan`: the answer as a table, what other sizes reach, and how the answer moves with what was assumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup
from matplotlib.ticker import FuncFormatter, PercentFormatter

from hybridcx.report import numbers as tables
from hybridcx.report.blocks import Figure, Numbers, Section
from hybridcx.report.figures.plots import MAX_SERIES, _draw, _legend
from hybridcx.report.figures.svg import MUTED, new_figure, style, to_svg
from hybridcx.report.numbers import Cell, Table

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
_NONINFERIORITY = {"exact": "Tango's score test, enumerated", "asymptotic": "Tango's score test, formula"}

_SHORT = {
    "exact": "exact",
    "midp": "mid-p",
    "wilson": "Wilson",
    "obuchowski": "Obuchowski (1994)",
    "hanley_mcneil": "Hanley and McNeil (1982)",
}
_SHORT_NONINFERIORITY = {"exact": "enumerated", "asymptotic": "formula"}


@dataclass(frozen=True, slots=True)
class _Words:
    """How a question names its target, its value, and the assumption that the second figure varies (a column)."""

    target: str
    value: str
    assumption: str
    axis: str
    value_is_answer: bool = False


_POWER = "Power"
_WORDS = {
    "mcnemar": _Words("Power asked for, %", _POWER, "discordance", "Discordance (share of cases that one model alone has right)"),
    "precision": _Words("Half-width asked for, pp", "Half-width", "proportion", "Anticipated proportion"),
    "noninferiority": _Words("Power asked for, %", _POWER, "discordance", "Discordance (share of cases that one model alone has right)"),
    "auc": _Words("Power asked for, %", _POWER, "correlation", "Correlation of the two estimated areas"),
    "detectable": _Words(
        "Power asked for, %", "Detectable difference", "discordance", "Discordance (share of cases that one model alone has right)", True
    ),
}  # fmt: skip


def plan_section(table: pd.DataFrame, numbers: Numbers) -> Section:
    """The section of plan.csv; without blocks where there is none."""
    section = Section("plan", "Cases, power and what they rest on")
    if not len(table):
        return section
    question, metric = str(table["question"].iloc[0]), str(table["metric"].iloc[0])
    words = _WORDS[question]
    if metric == "auroc" and question == "detectable":
        words = _Words(words.target, words.value, "correlation", _WORDS["auc"].axis, True)
    section.table(_answer_table(table[table["part"] == "answer"], question, metric, words), numbers.table())
    drawn = [
        made
        for made in (_by_size(table, question, metric, words, numbers), _by_assumption(table, question, metric, words, numbers))
        if made is not None
    ]  # fmt: skip
    section.figures(*drawn)
    return section


def _method(question: str, method: object) -> str:
    known = {**METHODS, **(_NONINFERIORITY if question == "noninferiority" else {})}
    return known.get(str(method), str(method))


def _percent(x: float) -> str:
    return tables.percent(x)


def _points(x: float) -> str:
    return tables.fixed(x, 1, scale=100)


def _answer_table(rows: pd.DataFrame, question: str, metric: str, words: _Words) -> Table:
    """One row per method, target and assumption; columns in which nothing stands are left out."""
    area = metric == "auroc"
    value: Callable[[float], str] = _percent if words.value == _POWER else tables.fixed if area else _points
    value_head = words.value + (" reached, %" if words.value == _POWER else "" if area else ", pp")
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("target", words.target, _points if question == "precision" else _percent),
        ("p10", "Only the model right, %", _percent),
        ("p01", "Only the comparator right, %", _percent),
        ("discordance", "Discordance, %", _percent),
        ("margin", "Margin, pp", _points),
        ("proportion", "Anticipated proportion, %", _percent),
        ("auc", "AUROC of the model", tables.fixed),
        ("comparator.auc", "AUROC of the comparator", tables.fixed),
        ("correlation", "Correlation", lambda x: tables.fixed(x, 2)),
        ("size", f"Cases{_of_class(metric)}", tables.count),
        ("n.positive", "of these positive", tables.count),
        ("n.negative", "of these negative", tables.count),
        ("cases.all", "Cases of both classes", tables.count),
        ("value", value_head, value),
    ]
    shown = [c for c in columns if c[0] == "value" or rows[c[0]].notna().any()]
    notes = tables.Notes()
    body = []
    for record in rows.to_dict("records"):
        cells: list[Cell | str] = [_method(question, record["method"])]
        for name, _, text in shown:
            marks = notes.mark(record["warning"]) if name == "value" else ()
            cells.append(Cell(text(float(record[name])) if not pd.isna(record[name]) else tables.NA, notes=marks))
        body.append(cells)
    caption = "The answer by each method." if len({str(m) for m in rows["method"]}) > 1 else "The answer."
    return tables.table(
        "plan-answer",
        caption,
        ["Method", *(head for _, head, _ in shown)],
        body,
        notes=notes,
        source="plan.csv",
        cap=60,
    )


def _of_class(metric: str) -> str:
    return {"sensitivity": ", positive", "specificity": ", negative"}.get(metric, "")


def _names(groups: Sequence[tuple[object, ...]], columns: Sequence[str], question: str) -> list[str]:
    """Names of lines: what differs among them."""
    varied = [i for i in range(len(columns)) if len({g[i] for g in groups}) > 1] or [0]
    said = []
    for g in groups:
        parts = []
        for i in varied:
            if columns[i] == "method":
                short = _SHORT_NONINFERIORITY if question == "noninferiority" else _SHORT
                parts.append(short.get(str(g[i]), str(g[i])))
                continue
            share = float(str(g[i]))
            target = f"half-width {_points(share)} pp" if question == "precision" else f"power {_percent(share)} %"
            parts.append(target if columns[i] == "target" else f"{columns[i]} {_percent(share)} %")
        said.append(", ".join(parts))
    return said


def _lines(rows: pd.DataFrame, by: Sequence[str]) -> list[tuple[tuple[object, ...], pd.DataFrame]]:
    grouped = rows.groupby(list(by), sort=False, dropna=False)
    return [(key if isinstance(key, tuple) else (key,), part) for key, part in grouped][:MAX_SERIES]


def _by_size(table: pd.DataFrame, question: str, metric: str, words: _Words, numbers: Numbers) -> Figure | None:
    """The value (power, half-width, difference) against the number of cases."""
    rows = table[(table["part"] == "by_size") & table["value"].notna() & table["size"].notna()]
    if not len(rows):
        return None
    by = {"precision": ["method", "proportion"], "detectable": ["method", "target", "discordance"]}.get(
        question, ["method"]
    )
    targets = (
        []
        if words.value_is_answer
        else sorted({float(t) for t in table.loc[table["part"] == "answer", "target"].dropna()})
    )
    caption = f"{words.value} against the number of cases" + ("; dotted: what was asked for." if targets else ".")
    svg = _curves(
        [(key, part["size"].to_numpy(float), part["value"].to_numpy(float)) for key, part in _lines(rows, by)], by, question,
        x=f"Cases{_of_class(metric)}", y=words.value, y_percent=metric != "auroc" or words.value == _POWER, at_y=targets, prefix="plan-size",
    )  # fmt: skip
    return Figure("plan-size", Markup(svg), caption, numbers.figure(), "plan.csv")


def _by_assumption(table: pd.DataFrame, question: str, metric: str, words: _Words, numbers: Numbers) -> Figure | None:
    """The answer against the assumption that is known least: had it been another, the cases (or the difference) had been others."""
    y = "value" if words.value_is_answer else "size"
    rows = table[(table["part"] == "by_assumption") & table[y].notna()]
    if not len(rows):
        return None
    assumed = sorted({float(v) for v in table.loc[table["part"] == "answer", words.assumption].dropna()})
    what = words.value if words.value_is_answer else f"Cases{_of_class(metric)}"
    method = _method(question, rows["method"].iloc[0])
    caption = f"{what} against the {words.assumption}; dotted: as assumed. {method[0].upper() + method[1:]}."
    svg = _curves(
        [(key, part[words.assumption].to_numpy(float), part[y].to_numpy(float)) for key, part in _lines(rows, ["target"])], ["target"], question,
        x=words.axis, y=what, x_percent=words.assumption != "correlation", y_percent=words.value_is_answer and metric != "auroc",
        at_x=assumed, prefix="plan-assumption",
    )  # fmt: skip
    return Figure("plan-assumption", Markup(svg), caption, numbers.figure(), "plan.csv")


def _curves(
    lines: Sequence[tuple[tuple[object, ...], object, object]],
    by: Sequence[str],
    question: str,
    *,
    x: str,
    y: str,
    prefix: str,
    x_percent: bool = False,
    y_percent: bool = False,
    at_x: Sequence[float] = (),
    at_y: Sequence[float] = (),
) -> str:
    names = _names([key for key, _, _ in lines], by, question)
    several = len(lines) > 1
    with style():
        figure = new_figure(4.9, 3.4, (0.75, 0.15, 0.5, 0.1))
        ax = figure.subplots()
        for at in at_x:
            ax.axvline(at, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for at in at_y:
            ax.axhline(at, color=MUTED, linewidth=0.8, linestyle=(0, (1, 2)))
        for i, (_, xs, ys) in enumerate(lines):
            _draw(ax, i, xs, ys)  # type: ignore[arg-type]
        ax.set_ylim(0, 1.02 if y == _POWER else None)
        for axis, share in ((ax.xaxis, x_percent), (ax.yaxis, y_percent)):
            axis.set_major_formatter(PercentFormatter(1.0) if share else FuncFormatter(lambda v, _: f"{v:,.10g}"))
        ax.grid()
        ax.set_axisbelow(True)
        ax.set_xlabel(x)
        ax.set_ylabel(y)
        if several:
            _legend(ax, names, beside=False)
            ax.get_legend().set_loc("best")  # type: ignore[union-attr]
        return to_svg(
            figure,
            prefix,
            f"{y} against {x[0].lower() + x[1:]}",
            "; ".join(names) if several else f"One line: {names[0]}.",
        )


__all__ = ["METHODS", "plan_section"]
