"""The first screen of the page: the answer, its forest plot, caveats and warnings."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers, numbers
from hybridcx.report.blocks import Figure, FirstScreen
from hybridcx.report.content import Content
from hybridcx.report.figures import plots

MAX_FOREST_ROWS = 14


def first_screen(content: Content) -> FirstScreen:
    """The first screen; its sentences are those of `content.answers`, or where this is None those that the tables give."""
    before = [] if content.answers is not None else answers.before_results(content.primary_pairs)
    found = sentences(content)
    return FirstScreen(
        tuple(before),
        _unbroken("".join(found[:1])),
        tuple(_split(s) for s in found[1:]),
        forest(content),
        tuple(content.caveats),
        tuple(content.warnings),
    )


def sentences(content: Content) -> list[str]:
    """The answer in sentences: those of `content.answers`, or where this is None those that the tables give."""
    if content.answers is not None:
        return list(content.answers)
    return answers.answers(content.tables, content.primary_metric, changed=bool(content.plan_note))


def _unbroken(sentence: str) -> str:
    """The sentence without line breaks inside "p = 0.013" and "mid-p"."""
    for sign in "=<>":
        sentence = sentence.replace(f" {sign} ", f"\u00a0{sign}\u00a0")
    return sentence.replace("mid-p", "mid\u2011p")


def _split(sentence: str) -> tuple[str, str]:
    """The two models of a comparison, which the page sets in bold, and the rest of the sentence; ("", sentence) of any other."""
    sentence = _unbroken(sentence)
    subject, colon, rest = sentence.partition(": ")
    return (subject + colon, rest) if colon and " against " in subject else ("", sentence)


@dataclass(frozen=True, slots=True)
class Forest:
    """The rows of a forest plot: model, comparator, estimate, conf.low, conf.high."""

    rows: pd.DataFrame
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
    columns = ["model", "comparator", "estimate", "conf.low", "conf.high"]
    rows = pd.DataFrame([(p.model, p.comparator, p.estimate, p.low, p.high) for p in drawn], columns=columns)
    margins = {p.margin for p in drawn if p.margin == p.margin}
    margin = margins.pop() if len(margins) == 1 else None
    methods = ", ".join(dict.fromkeys(vocabulary.method_label(p.method) for p in drawn))
    level = next((numbers.level(p.conf_level) for p in drawn if p.conf_level == p.conf_level), "")
    caption = f"Differences in {answers.in_sentence(metric)}, model minus comparator, with "
    caption += f"{level} confidence intervals ({methods}).".lstrip()
    caption += " The band is the margin." if margin is not None else ""
    rest = len(primary) - len(drawn)
    if rest > 0:
        caption += f" {rest} more are in the file."
        caption += f" Drawn are those of {answers.short_name(best)}, whose observed value is the best." if best else ""
    return Forest(rows, metric, margin, caption)


def forest(content: Content) -> Figure | None:
    """The forest plot of the primary metric's pairs; None without a pair."""
    found = forest_rows(content)
    if found is None:
        return None
    drawn = plots.forest(found.rows, metric=found.metric, margin=found.margin)
    return Figure("forest", drawn, found.caption, "comparisons.csv")
