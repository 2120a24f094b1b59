"""SVG and PNG of a figure."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import sample

from hybridcx.report.figures import plots, svg


def test_labels_are_cut_and_control_characters_escaped() -> None:
    assert svg.label("x" * 60) == "x" * (svg.MAX_LABEL_CHARS - 1) + "…"
    assert svg.label("a\u202eb\x1b") == "a\\u202eb\\x1b"
    with pytest.raises(ValueError, match="prefix"):
        svg.drawing(svg.new_figure(1, 1, (0, 0, 0, 0)), "Bad prefix", "t", "d")


def test_a_file_is_a_document_with_plain_colours() -> None:
    text = svg.as_file(str(plots.roc(sample.tables(["a", "b"])["roc"]).svg))
    assert ET.fromstring(text.encode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in text


def test_a_png_repeats_to_the_byte_and_has_no_clock() -> None:
    rows = sample.tables(["a", "b"])["roc"]
    png = plots.roc(rows).png()
    assert png.startswith(b"\x89PNG")
    assert b"tEXt" not in png[:200]
    assert b"tIME" not in png
    assert plots.roc(rows).png() == png
