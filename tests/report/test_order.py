"""The list of the page's sections: each has a key, a title and a file of its own, and without data no section has blocks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sample

import hybridcx.report.sections
from hybridcx.report.blocks import Section
from hybridcx.report.order import PAGE, Entry

FOLDER = Path(hybridcx.report.sections.__path__[0])


def test_every_section_has_a_key_a_title_and_a_file_of_its_own() -> None:
    assert len({e.key for e in PAGE}) == len({e.title for e in PAGE}) == len(PAGE)
    assert all(re.fullmatch(r"[a-z][a-z-]*", e.key) for e in PAGE)
    for entry in PAGE:
        assert entry.section.__name__ == "section"
        assert entry.section.__module__ == f"hybridcx.report.sections.{entry.key.replace('-', '_')}"
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files == {e.key.replace("-", "_") for e in PAGE}


@pytest.mark.parametrize("entry", PAGE, ids=lambda e: e.key)
def test_a_section_without_data_has_no_blocks(entry: Entry) -> None:
    section = entry.section(sample.content({}))
    assert isinstance(section, Section)
    assert section.blocks == []


def test_sections_of_a_group_follow_one_another() -> None:
    groups = [e.group for e in PAGE]
    changes = [group for i, group in enumerate(groups) if group and (i == 0 or groups[i - 1] != group)]
    assert "Discrimination" in changes
    assert "Robustness" in changes
    assert changes.count("Robustness") == changes.count("Discrimination") == 1
