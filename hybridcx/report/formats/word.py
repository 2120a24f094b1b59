"""The report as a Word document: real tables with header rows, captions, headings, and figures as PNG with a description.

Needs python-docx (extra `word`), which is imported when a document is written. Equal pages give equal bytes.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from typing import TYPE_CHECKING, Any

from hybridcx.report.blocks import Block, Figure, Page
from hybridcx.report.formats.html import literal
from hybridcx.report.numbers import count
from hybridcx.report.tables import Cell, Table

if TYPE_CHECKING:
    from docx.document import Document

CASES_ELSEWHERE = "The cases with their pictures are in report.html."
_DAY = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
_ZIP_DAY = (1980, 1, 1, 0, 0, 0)
"""The dates of every document, so that it repeats."""
_WIDTH_IN = 10.2
"""A4 landscape with margins of 18 mm: tables of intervals are wide."""
_TALLEST_IN = 5.6
_POINTS = {6: 9.0, 8: 8.0, 10: 7.0}
"""Columns of a table -> size of its type."""
_SMALLEST_POINTS = 6.5


def word(page: Page) -> bytes:
    """The document's bytes."""
    document = _new_document(page.title)
    first = page.first
    document.add_heading(literal(page.title), 0)
    document.add_paragraph(f"hybridcx {page.command}: report")
    document.add_heading(literal(page.question), 1)
    if first.lead:
        _phrase(document.add_paragraph(), first.lead, bold=True)
    if first.forest:
        _figure(document, first.forest)
    if first.table:
        _table(document, first.table, first.table_number)
    if first.caveats:
        document.add_heading("Caveats", 2)
        _items(document, first.caveats)
    for section in page.sections:
        document.add_heading(literal(section.title), 1)
        for block in section.blocks:
            _block(document, block)
    return _packed(document)


def word_of_table(table: Table) -> bytes:
    """The bytes of a document with one table."""
    document = _new_document(table.caption)
    _table(document, table, "")
    return _packed(document)


def _new_document(title: str) -> Document:
    import docx
    from docx.enum.section import WD_ORIENT
    from docx.shared import Mm, Pt, RGBColor

    document = docx.Document()
    sheet = document.sections[0]
    sheet.orientation, sheet.page_width, sheet.page_height = WD_ORIENT.LANDSCAPE, Mm(297), Mm(210)
    sheet.left_margin = sheet.right_margin = sheet.top_margin = sheet.bottom_margin = Mm(18)
    styles: Any = document.styles
    styles["Normal"].font.name, styles["Normal"].font.size = "Calibri", Pt(10)
    for name in ("Title", "Heading 1", "Heading 2", "Caption"):
        styles[name].font.color.rgb = RGBColor(0x1A, 0x1C, 0x20)
    styles["Title"].font.size, styles["Caption"].font.size = Pt(20), Pt(9.5)
    styles["Caption"].font.bold = False
    properties = document.core_properties
    properties.author = properties.last_modified_by = "hybridcx"
    properties.title, properties.comments, properties.revision = literal(title), "", 1
    properties.created = properties.modified = _DAY
    return document


def _block(document: Document, block: Block) -> None:
    if block.kind == "text":
        _phrase(document.add_paragraph(), block.text)
    elif block.kind == "list":
        _items(document, block.items)
    elif block.kind == "table" and block.table is not None:
        _table(document, block.table, block.number)
    elif block.kind == "figures":
        for figure in block.figures:
            _figure(document, figure)
    elif block.kind == "pointer":
        document.add_paragraph(f"{literal(block.title)} {block.text}, {count(block.n)} rows.")
    elif block.kind == "casebook":
        document.add_paragraph(CASES_ELSEWHERE)
    elif block.kind == "definitions":
        for name, value in block.pairs:
            line = document.add_paragraph()
            line.add_run(f"{literal(name)}: ").bold = True
            line.add_run(literal(value))


def _items(document: Document, items: tuple[str, ...]) -> None:
    for item in items:
        _phrase(document.add_paragraph(style="List Bullet"), item)


def _phrase(paragraph: Any, text: str, *, bold: bool = False, points: float | None = None) -> None:
    """Add the text to the paragraph."""
    from docx.shared import Pt

    run = paragraph.add_run(literal(text))
    run.bold = bold or None
    run.font.size = None if points is None else Pt(points)


def _caption(document: Document, number: str, text: str, source: str = "", *, above: bool) -> None:
    line = document.add_paragraph(style="Caption")
    line.paragraph_format.keep_with_next = above
    if number:
        line.add_run(f"{literal(number)}. ").bold = True
    _phrase(line, text + (f" {source}" if source else ""))


def _figure(document: Document, figure: Figure) -> None:
    from docx.shared import Inches, Length

    line = document.add_paragraph()
    line.paragraph_format.keep_with_next = True
    picture = line.add_run().add_picture(io.BytesIO(figure.drawing.png()))
    scale = min(1.0, Inches(_WIDTH_IN) / picture.width, Inches(_TALLEST_IN) / picture.height)
    picture.width, picture.height = (Length(x * scale) for x in (picture.width, picture.height))
    properties = picture._inline.docPr
    properties.set("descr", literal(figure.alt))
    properties.set("name", f"figure {figure.key}")
    _caption(document, figure.number, figure.caption, figure.source, above=False)


def _table(document: Document, t: Table, number: str) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn
    from docx.text.paragraph import Paragraph

    _caption(document, number, t.caption, above=True)
    table: Any = document.add_table(len(t.rows) + 1, len(t.head))
    points = next((p for n, p in _POINTS.items() if len(t.head) <= n), _SMALLEST_POINTS)
    for tag, value in (
        ("w:tblCaption", f"{number}. {t.caption}" if number else t.caption),
        ("w:tblDescription", t.remark),
    ):
        description = OxmlElement(tag)
        description.set(qn("w:val"), literal(value))
        table._tbl.tblPr.append(description)
    look = table._tbl.tblPr.find(qn("w:tblLook"))  # the schema requires this order
    look.addprevious(_lines("w:tblBorders", "top", "bottom"))
    for grid in table._tbl.tr_lst:  # no page break inside a row
        grid.get_or_add_trPr().append(OxmlElement("w:cantSplit"))
    heading = OxmlElement("w:tblHeader")  # repeated on every page, and the header for screen readers
    table._tbl.tr_lst[0].get_or_add_trPr().append(heading)
    rows = [tuple(Cell(h) for h in t.head), *t.rows]
    for i, (row, grid) in enumerate(zip(rows, table._tbl.tr_lst, strict=True)):
        for c, tc, numeric in zip(row, grid.tc_lst, t.numeric, strict=True):
            line = Paragraph(tc.p_lst[0], table)
            line.paragraph_format.space_after = 0
            line.alignment = WD_ALIGN_PARAGRAPH.RIGHT if numeric else WD_ALIGN_PARAGRAPH.LEFT
            _phrase(line, c.text, bold=i == 0, points=points)
            _cell_marks(line, c, points)
            if i == 0:
                tc.get_or_add_tcPr().append(_lines("w:tcBorders", "bottom"))
    below = [f"{t.remark} {t.source}".strip(), *(f"{mark}  {text}" for mark, text in t.notes)]
    for text in below:
        if text:
            line = document.add_paragraph()
            line.paragraph_format.space_after = 0
            _phrase(line, text, points=8)
    document.add_paragraph()


def _cell_marks(line: Any, c: Cell, points: float) -> None:
    """The markers of a cell's notes, raised, and its smaller second line."""
    from docx.shared import Pt

    if c.notes:
        run = line.add_run(",".join(c.notes))
        run.font.superscript, run.font.size = True, Pt(points)
    if c.sub:
        line.add_run().add_break()
        line.add_run(literal(c.sub)).font.size = Pt(points - 1)


def _lines(tag: str, *sides: str) -> Any:
    """Borders on these sides."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    borders = OxmlElement(tag)
    for side in sides:
        line = OxmlElement(f"w:{side}")
        for key, value in (("val", "single"), ("sz", "6"), ("space", "0"), ("color", "1A1C20")):
            line.set(qn(f"w:{key}"), value)
        borders.append(line)
    return borders


def _packed(document: Document) -> bytes:
    """The document's bytes, with a fixed date instead of the time in its archive."""
    written, fixed = io.BytesIO(), io.BytesIO()
    document.save(written)
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(fixed, "w") as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, _ZIP_DAY)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 0, 0
            target.writestr(entry, source.read(name))
    return fixed.getvalue()
