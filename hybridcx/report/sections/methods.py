"""The methods in paragraphs."""

from __future__ import annotations

from hybridcx.report.blocks import Section
from hybridcx.report.content import Content


def section(content: Content) -> Section:
    """The paragraphs of the command."""
    section = Section()
    section.text(*content.methods)
    return section
