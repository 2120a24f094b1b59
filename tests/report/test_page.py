"""The page put together: the order of its sections, and the numbers of its tables and figures."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample

from hybridcx.report.blocks import Block, Figure, Page, Section
from hybridcx.report.figures import plots
from hybridcx.report.order import PAGE
from hybridcx.report.page import Numbering, assemble, roman
from hybridcx.report.tables import Cell, table


@pytest.fixture(scope="module")
def page() -> Page:
    return assemble(sample.run_content(heads=2, study_numbers=True))


def test_sections_have_the_order_of_their_list_and_its_titles(page: Page) -> None:
    entries = {e.key: e for e in PAGE}
    keys = [s.key for s in page.sections]
    assert keys == [key for key in entries if key in keys]
    assert {"cohort", "training", "agreement", "performance", "comparisons", "roc", "calibration", "utility"} <= set(
        keys
    )
    for section in page.sections:
        entry = entries[section.key]
        assert (section.title, section.group) == (entry.title, entry.group)
        assert section.blocks


def numbers_of(page: Page) -> list[tuple[str, str]]:
    """(number, caption) of every numbered table and figure, in the order of the page."""
    first = page.first
    pairs = [(first.forest.number, first.forest.caption)] if first.forest else []
    pairs += [(first.table_number, first.table.caption)] if first.table else []
    for block in (b for s in page.sections for b in s.blocks):
        pairs += [(block.number, block.table.caption)] if block.table else []
        pairs += [(f.number, f.caption) for f in block.figures]
    return pairs


def test_a_run_keeps_the_numbers_of_the_study(page: Page) -> None:
    pairs = numbers_of(page)
    by_number = dict(pairs)
    assert len(by_number) == len(pairs)
    assert [n for n, _ in pairs[:5]] == ["Figure 1", "Table IV", "Figure 2", "Table I", "Table II"]
    assert by_number["Figure 2"].startswith("Flow of the cohort")
    assert by_number["Table I"].startswith("Cases of the training")
    assert by_number["Table II"].startswith("Training options")
    assert by_number["Table III"].startswith("Performance")
    learning = [n for n, caption in pairs if caption.startswith(tuple(f"{m}: " for m in sample.NETWORKS))]
    assert learning == [f"Figure {i}" for i in (3, 4, 5, 6)]
    assert by_number["Figure 7"].startswith("Confusion")


def test_other_reports_count_from_one() -> None:
    content = sample.run_content(heads=0)
    numbers = [n for n, _ in numbers_of(assemble(content))]
    tables = [n for n in numbers if n.startswith("Table")]
    figures = [n for n in numbers if n.startswith("Figure")]
    assert tables == [f"Table {i}" for i in range(1, len(tables) + 1)]
    assert figures == [f"Figure {i}" for i in range(1, len(figures) + 1)]
    assert len(tables) > 5


def test_numbers_of_the_study_are_wishes_of_blocks() -> None:
    rows = sample.tables(["a", "b"])["roc"]
    curve = Figure("roc", plots.roc(rows), "A figure.")
    blocks = [
        Block("table", table=table("k", "c", ["A"], [[Cell("1")]])),
        Block("table", table=table("k", "c", ["A"], [[Cell("1")]]), study_number=2),
        Block("figures", figures=(replace(curve, study_number=2), replace(curve, study_number=2), curve)),
        Block("table", table=table("k", "c", ["A"], [[Cell("1")]])),
        Block("text", text="No number."),
    ]
    for study, expected in (
        (True, ["Table IV", "Table II", "Figure 2", "Figure 3", "Figure 4", "Table V"]),
        (False, ["Table 1", "Table 2", "Figure 1", "Figure 2", "Figure 3", "Table 3"]),
    ):
        numbering = Numbering(study)
        numbers: list[str] = []
        for block in map(numbering.numbered, blocks):
            numbers += [block.number] if block.table else [f.number for f in block.figures]
        assert numbers == expected


def test_roman_numbers() -> None:
    assert [roman(n) for n in (1, 4, 9, 14, 39)] == ["I", "IV", "IX", "XIV", "XXXIX"]


def test_a_long_table_is_a_detail_unless_it_asks_not_to_be_and_a_very_long_one_a_pointer() -> None:
    long = table("k", "c", ["A"], [[str(i)] for i in range(25)])
    section = Section()
    section.table(long)
    section.table(long, detail=False)
    section.table(table("k", "c", ["A"], []))
    section.table(None)
    assert [b.detail for b in section.blocks] == [True, False]
    longer = table("k", "c", ["A"], [[str(i)] for i in range(2000)], source="metrics.csv", cap=150)
    section.table(longer)
    pointer = section.blocks[-1]
    assert (pointer.kind, pointer.text, pointer.n, pointer.title) == ("pointer", "metrics.csv", 2000, "c")


def test_details_follow_the_other_blocks_of_their_section(page: Page) -> None:
    for section in page.sections:
        assert sorted(b.detail for b in section.blocks) == [b.detail for b in section.blocks]
