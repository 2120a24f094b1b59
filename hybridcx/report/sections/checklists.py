"""Reporting checklists: the items of three guidelines for which the report has evidence."""

from __future__ import annotations

from hybridcx.report.blocks import Section
from hybridcx.report.checklists.evidence import GUIDELINES, guideline
from hybridcx.report.content import Content
from hybridcx.report.tables import table
from hybridcx.vocabulary.run import NOT_HERE

INTRODUCTION = (
    "What this report has for the items of three reporting guidelines; please complete them by hand. Numbers are those of the guidelines, topics "
    "are in our own words; the guideline says what an item requires. Partly: the report has some of it. Items that are not listed are not "
    "evidenced here. There is no score."
)


def section(content: Content) -> Section:
    """A table per guideline with the items that the report evidences, wholly or partly, and the numbers of the others."""
    section = Section()
    items = content.table("checklist")
    if items.empty:
        return section
    section.text(INTRODUCTION)
    for key in GUIDELINES:
        one = guideline(key)
        own = items[items["guideline"] == one.name]
        columns = ["item", "topic", "evidenced", "evidence", "location"]
        evidenced = own.loc[own["evidenced"] != NOT_HERE, columns]
        rows = [[str(v) for v in r.values()] for r in evidenced.to_dict("records")]
        rest = ", ".join(own.loc[own["evidenced"] == NOT_HERE, "item"])
        head = ("Item", "Topic", "Evidenced", "What this report has", "Where")
        caption = f"{one.name}: items that this report evidences."
        remark = f"Not evidenced here: {rest}. {one.note} {one.citation}."
        section.table(table(key, caption, head, rows, remark=remark, source="checklist.csv"), detail=True)
    return section
