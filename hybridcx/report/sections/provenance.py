"""Versions, seed and hashes of what the report was made with and from."""

from __future__ import annotations

from collections.abc import Mapping

from hybridcx.report import numbers
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content

RECORD = (
    "provenance.json records versions, seed, options and the hashes of the inputs; hybridcx verify recomputes the numbers from the files beside this "
    "page."
)


def section(content: Content) -> Section:
    """Names and values; nested ones as "name: inner name"."""
    section = Section()
    pairs: list[tuple[str, str]] = []
    for name, value in content.provenance.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}: {k}", _text(v)) for k, v in value.items()]
        else:
            pairs.append((str(name), _text(value)))
    section.text(RECORD if pairs else "")
    section.definitions(pairs, title="Versions, seed and hashes", detail=True)
    return section


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return numbers.NA if value is None else str(value)
