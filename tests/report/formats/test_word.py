"""The report as a Word document: the cells, captions and figures of the page, and the same bytes."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn

from hybridcx.report.blocks import Page
from hybridcx.report.formats.html import literal
from hybridcx.report.formats.word import word


@pytest.fixture(scope="module")
def document(page: Page) -> Any:
    return docx.Document(io.BytesIO(word(page)))


def test_tables_are_those_of_the_page_cell_by_cell(document: Any, page: Page) -> None:
    assert len(document.tables) == len(page.tables) > 5
    for have, (number, table) in zip(document.tables, page.tables, strict=True):
        grid = [[c.text for c in row.cells] for row in have.rows]
        assert grid[0] == [literal(h) for h in table.head]
        for line, row in zip(grid[1:], table.rows, strict=True):
            cells = [literal(c.text) + ",".join(c.notes) + (f"\n{literal(c.sub)}" if c.sub else "") for c in row]
            assert line == cells, table.key
        assert have._tbl.tr_lst[0].trPr.find(qn("w:tblHeader")) is not None
        assert have._tbl.tblPr.find(qn("w:tblCaption")).get(qn("w:val")).startswith(number)
        order = [e.tag.rpartition("}")[2] for e in have._tbl.tblPr]
        assert order.index("tblBorders") < order.index("tblLook") < order.index("tblCaption")


def test_headings_captions_and_descriptions_of_figures_are_those_of_the_page(document: Any, page: Page) -> None:
    paragraphs = document.paragraphs
    headings = [p.text for p in paragraphs if p.style.name == "Heading 1"]
    assert headings == [literal(page.question), *(s.title for s in page.sections)]
    captions = [p.text for p in paragraphs if p.style.name == "Caption"]
    for number, table in page.tables:
        assert f"{number}. {literal(table.caption)}" in captions
    descriptions = [s._inline.docPr.get("descr") for s in document.inline_shapes]
    assert descriptions == [f.alt for f in page.figures]
    assert all(descriptions)
    assert literal(page.first.lead) in [p.text for p in paragraphs]


def test_the_document_repeats_to_the_byte_and_has_no_clock(page: Page) -> None:
    first, again = word(page), word(page)
    assert first == again
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"20\d\d-\d\d", core)) == {"2000-01"}
    assert "python-docx" not in core
