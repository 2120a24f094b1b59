"""The answer in full: what the test set could show at all, each comparison in a sentence, and the caveats that the first screen has no room for."""

from __future__ import annotations

from hybridcx.report import answers
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content

EXACT = (
    "A verdict on accuracy, sensitivity or specificity needs the exact test of the discordant cases besides the interval; its p-value, adjusted for "
    "the number of pairs, is the exact p of the answer."
)
OPEN_SENTENCES = 4
"""More sentences are a detail: the tables of the comparisons have the same."""


def section(content: Content) -> Section:
    """Paragraphs, the comparisons in sentences, and further caveats; empty where the first screen has all of it."""
    section = Section()
    _, *rest = [*answers.sentences(content), ""]
    rest = [answers.unbroken(s) for s in rest if s]
    if content.answers is not None:
        section.text(*rest)
    else:
        exact = any(map(answers.needs_exact, content.primary_pairs))
        section.text(*answers.before_results(content.primary_pairs), EXACT if exact else "")
        several = len(rest) > OPEN_SENTENCES
        section.items(rest, title=f"The {len(rest)} comparisons in sentences", detail=several)
    if further := answers.limitations(content)[answers.MAX_CAVEATS :]:
        section.text("Further caveats:")
        section.items(further)
    return section
