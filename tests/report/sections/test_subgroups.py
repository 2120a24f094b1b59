"""The section on subgroups: the forest plot, the numbers behind it, and the test of interaction."""

from __future__ import annotations

import re
from math import nan

import pandas as pd
import pytest
import sample

from hybridcx.report import answers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.sections import subgroups
from hybridcx.vocabulary.tables import TABLES

NAMES = ["vgg16", "vgg19", "lda"]


def with_subgroups(*, compared: bool = True) -> dict[str, pd.DataFrame]:
    """Tables with rows for two levels of the subgroup sex, and for the disputed cases; without pairs unless `compared`."""
    tables = sample.tables(NAMES, pairs=[("vgg16", "vgg19"), ("vgg16", "lda")] if compared else [])
    for name in ("comparisons", "metrics"):
        table = tables[name]
        if table.empty:
            continue
        shift = {"f": 0.05, "m": -0.05}
        columns = ["estimate", "conf.low", "conf.high"]
        parts = [
            table.assign(subgroup="sex", level=v, n=20, **{c: table[c] + d for c in columns}) for v, d in shift.items()
        ]
        disputed = table.assign(subgroup="stratum", level="disputed")
        tables[name] = pd.concat([table, *parts, disputed], ignore_index=True)
    rows = [
        ("vgg16", "vgg19", 0.0123),
        ("vgg16", "lda", 0.6),
        ("vgg16", None, 0.2),
        ("vgg19", None, 0.3),
        ("lda", None, 0.4),
    ]
    tests = [
        dict.fromkeys(TABLES["interactions"].columns)
        | {"subgroup": "sex", "metric": "accuracy", "model": m, "comparator": c, "p.value": p}
        | {"statistic": 1.0, "parameter": 1, "k": 2, "n": 40, "status": "ok"}
        for m, c, p in rows
    ]
    return tables | {"interactions": pd.DataFrame(tests)}


def section_of(tables: dict[str, pd.DataFrame]) -> Section:
    return subgroups.section(sample.content(tables, primary_metric="accuracy"))


def test_pairs_are_drawn_level_by_level_with_the_interaction() -> None:
    tables = with_subgroups()
    section = section_of(tables)
    (figure,) = section.blocks[0].figures
    assert figure.source == "comparisons.csv"
    for words in (
        "vgg16 − vgg19",
        "vgg16 − lda",
        "All cases, n = 49",
        "f, n = 20",
        "interaction p = 0.012",
        "interaction p = 0.600",
    ):
        assert words in figure.svg
    assert "disputed" not in figure.svg
    table = section.blocks[1].table
    assert table is not None
    assert table.key == "subgroup-differences"
    assert [r[0].text for r in table.rows] == ["All cases", "sex: f", "sex: m", "Interaction, p"]
    sentence = answers.answers(tables)[1]
    assert re.search(re.escape(table.rows[0][2].text.split(" ")[0]), sentence)
    assert [c.text for c in table.rows[-1][2:]] == ["sex 0.012", "sex 0.600"]


def test_the_difference_in_a_level_is_that_of_its_row() -> None:
    tables = with_subgroups()
    rows = tables["comparisons"]
    row = rows[
        (rows["method"] == "tango")
        & (rows["metric"] == "accuracy")
        & (rows["level"] == "m")
        & (rows["comparator"] == "lda")
    ]
    pairs = shown_rows.pairs(rows, metric="accuracy")
    panels = {p.name: p for p in subgroups.pair_panels(sample.content(tables, primary_metric="accuracy"), pairs)}
    effect = next(e for e in panels["vgg16 − lda"].effects if e.level == "m")
    assert (effect.estimate, effect.low, effect.high) == tuple(row[["estimate", "conf.low", "conf.high"]].iloc[0])
    assert effect.n == 20


def test_without_pairs_the_models_are_drawn() -> None:
    section = section_of(with_subgroups(compared=False))
    (figure,) = section.blocks[0].figures
    assert figure.source == "metrics.csv"
    for words in ("vgg16", "lda", "Accuracy, %", "interaction p = 0.400"):
        assert words in figure.svg


@pytest.mark.parametrize("name", ["comparisons", "metrics"])
def test_without_subgroups_there_is_no_section(name: str) -> None:
    tables = sample.tables(NAMES, pairs=[("vgg16", "vgg19")])
    assert tables[name]["subgroup"].isna().all()
    assert section_of(tables).blocks == []


def test_interactions_of_the_primary_pairs_come_first() -> None:
    row = dict.fromkeys(TABLES["interactions"].columns, nan)
    row |= {"subgroup": "sex", "metric": "accuracy", "status": "ok", "warning": None}
    names = [("a", None), ("a", "b"), ("b", "c")]
    rows = pd.DataFrame([row | {"model": model, "comparator": comparator} for model, comparator in names])
    (pair,) = shown_rows.pairs(pd.DataFrame(sample.pair_rows()))
    table = subgroups.interactions_table(rows, [pair])
    assert table is not None
    assert [r[2].text for r in table.rows] == ["a − b", "a"]
    assert subgroups.interactions_table(pd.DataFrame(), []) is None
