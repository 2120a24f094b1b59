"""The first screen of the page: the answer, its forest plot, the models' main metrics, and the caveats that matter most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers, numbers, shown_rows
from hybridcx.report.blocks import Figure, FirstScreen
from hybridcx.report.content import Content
from hybridcx.report.figures import plots
from hybridcx.report.figures.forest_chart import ForestChart, forest_chart
from hybridcx.report.sections import agreement, external
from hybridcx.report.shown_rows import Pair
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

MAX_FOREST_ROWS = 10
MAX_MODELS = 8
SHOWN_METRICS = ("sensitivity", "specificity", "auroc")
"""Metrics of the small table, besides the metric of the answer; of more than four models the last of them alone, of more than two the first two."""
CHOSEN_METRICS = ("accuracy", "balanced_accuracy", "sensitivity", "specificity", "auroc", "brier")
"""Metrics that a reader can choose in the forest plot, where the models are compared in them."""

CAUTION = "caution: the performance of each model, below, says why"


def first_screen(content: Content) -> FirstScreen:
    """The first screen; its sentence is the first of `content.answers`, or where this is None that of the tables."""
    lead, *_ = [*answers.sentences(content), ""]
    if content.command == "validate":
        figure, small = external.forest(content), external.main_table(content)
        return FirstScreen(
            answers.unbroken(lead), figure, small, tuple(answers.limitations(content)[: answers.MAX_CAVEATS])
        )
    of_agreement, found = content.command == "agreement", forest_rows(content)
    return FirstScreen(
        answers.unbroken(lead),
        agreement.coefficients_figure(content.table("agreement")) if of_agreement else forest(content, found),
        agreement.main_table(content.table("agreement")) if of_agreement else models_table(content, found),
        tuple(answers.limitations(content)[: answers.MAX_CAVEATS]),
    )


@dataclass(frozen=True, slots=True)
class Forest:
    """The rows of a forest plot: model, comparator, estimate, conf.low, conf.high, and the simultaneous limits."""

    rows: pd.DataFrame
    pairs: Sequence[Pair]
    metric: str
    margin: float | None
    caption: str


def forest_rows(content: Content) -> Forest | None:
    """The pairs of the primary metric, as the forest plot shows them; None without a pair."""
    primary = content.primary_pairs
    if not primary:
        return None
    metric = primary[0].metric
    own = [p for p in primary if p.metric == metric]
    drawn, best = answers.leading(own, content.planned, content.tables, MAX_FOREST_ROWS)
    columns = ["model", "comparator", "estimate", "conf.low", "conf.high", *plots.SIMULTANEOUS]
    values = [
        (p.model, p.comparator, p.estimate, p.low, p.high, *(p.simultaneous if p.has_simultaneous else (nan, nan)))
        for p in drawn
    ]
    rows = pd.DataFrame(values, columns=columns)
    level = next((numbers.level(p.conf_level) for p in drawn if p.conf_level == p.conf_level), "")
    margin = _margin(drawn)
    if any(p.has_simultaneous for p in drawn):
        which = "CI simultaneous over the pairs, used by the verdict" if len(drawn) > 1 else "CI used by the verdict"
        caption = f"First minus second. Thin lines and numbers: {which}; thick: {level} CI".replace("  ", " ")
    else:
        caption = f"First minus second, with {level} CI".replace("  ", " ")
    caption += "; band: margin." if margin is not None else "."
    rest = len(primary) - len(drawn)
    if rest > 0:
        caption += f" {rest} more {'is' if rest == 1 else 'are'} in the file."
        caption += f" Shown: those of {answers.short_name(best)}, which has the best observed value." if best else ""
    return Forest(rows, drawn, metric, margin, caption)


def _margin(pairs: Sequence[Pair]) -> float | None:
    margins = {p.margin for p in pairs if p.margin == p.margin}
    return margins.pop() if len(margins) == 1 else None


def forest(content: Content, found: Forest | None) -> Figure | None:
    """The forest plot of the primary metric's pairs; None without a pair."""
    if found is None:
        return None
    drawn = plots.forest(found.rows, metric=found.metric, margin=found.margin)
    return Figure("forest", drawn, found.caption, "comparisons.csv", chart=tuple(_charts(content, found)))


def _charts(content: Content, found: Forest) -> list[ForestChart]:
    """The chart of the answer's metric, then those of the same pairs in other metrics."""
    keys = [(p.model, p.comparator) for p in found.pairs]
    charts = [forest_chart(found.pairs, found.metric, found.margin)]
    for name in CHOSEN_METRICS:
        by_key = {(p.model, p.comparator): p for p in content.pairs if p.metric == name and p.estimate == p.estimate}
        own = [by_key[k] for k in keys if k in by_key]
        if name != found.metric and own:
            charts.append(forest_chart(own, name, _margin(own)))
    return charts


def models_table(content: Content, found: Forest | None) -> Table | None:
    """Models in rows, the metric of the answer and a few others in columns; None without metrics of models."""
    metrics = content.table("metrics")
    if metrics.empty:
        return None
    values = content.values
    models = _shown_models(content, found, list(dict.fromkeys(k[0] for k in values)))
    further = SHOWN_METRICS[-1:] if len(models) > 4 else SHOWN_METRICS[:2] if len(models) > 2 else SHOWN_METRICS
    columns = list(dict.fromkeys((content.metric, *further)))
    columns = [m for m in columns if any((model, m) in values for model in models)]
    if not columns:
        return None
    best = {(model, m) for m in columns for model in models if _better_than_all(content.pairs, model, m, models)}
    notes = Notes()
    rows: list[Cells] = []
    for model in models:
        cells = []
        for m in columns:
            row = values.get((model, m))
            if row is None:
                cells.append(Cell(numbers.NA))
                continue
            estimate, low, high = shown_rows.limits(row)
            text = numbers.interval(vocabulary.metric(m), estimate, low, high).replace(" to ", "\u2013")
            sure = row["status"] == "ok" and isfinite(low) and isfinite(high)
            cells.append(Cell(text, "", () if sure else notes.mark(CAUTION), strong=(model, m) in best))
        rows.append([model, *cells])
    level = shown_rows.level(metrics)
    caption = f"Models, with {level} CI." if level else "Models."
    caption += " Bold: better than every other, by verdict." if best else ""
    total = len(dict.fromkeys(k[0] for k in values))
    caption += f" {len(models)} of {total} models." if total > len(models) else ""
    head = ["Model", *(numbers.heading(vocabulary.metric(m)) for m in columns)]
    return table("models", caption, head, rows, notes=notes)


def _shown_models(content: Content, found: Forest | None, available: Sequence[str]) -> list[str]:
    """The models of the shown comparisons, then the others, at most `MAX_MODELS`."""
    compared = [m for p in found.pairs for m in (p.model, p.comparator)] if found else []
    first = [*compared, *content.primary_models, *available]
    return [m for m in dict.fromkeys(first) if m in set(available)][:MAX_MODELS]


def _better_than_all(pairs: Sequence[Pair], model: str, metric: str, models: Sequence[str]) -> bool:
    """Whether the verdicts say that the model is better than each of the others in this metric."""
    won = {p.comparator for p in pairs if p.metric == metric and p.model == model and p.verdict == "superior"}
    won |= {p.model for p in pairs if p.metric == metric and p.comparator == model and p.verdict == "inferior"}
    return len(models) > 1 and set(models) - {model} <= won
