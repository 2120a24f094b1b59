"""The section on subgroups: what the forest plot draws, the numbers behind it, and the test of interaction."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import sample

from hybridcx.report import answers
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import Numbers
from hybridcx.report.sections import subgroups
from hybridcx.vocabulary.tables import TABLES

NAMES = ["vgg16", "vgg19", "lda"]


def _found(*, compared: bool = True) -> dict[str, pd.DataFrame]:
    found = sample.tables(NAMES, pairs=[("vgg16", "vgg19"), ("vgg16", "lda")] if compared else [])
    for name in ("comparisons", "metrics"):
        table = found[name]
        if table.empty:
            continue
        shift = {"f": 0.05, "m": -0.05}
        columns = ["estimate", "conf.low", "conf.high"]
        parts = [
            table.assign(subgroup="sex", level=v, n=20, **{c: table[c] + d for c in columns}) for v, d in shift.items()
        ]
        disputed = table.assign(subgroup="stratum", level="disputed")
        found[name] = pd.concat([table, *parts, disputed], ignore_index=True)
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
    return found | {"interactions": pd.DataFrame(tests)}


def _section(found: dict[str, pd.DataFrame]):
    pairs = select.pairs(found["comparisons"], found["verdicts"])
    primary, planned = select.primary_pairs(pairs, "accuracy")
    return subgroups.section(found, "accuracy", [p for p in primary if p.metric == "accuracy"], planned, Numbers(False))


def test_pairs_are_drawn_level_by_level_with_the_interaction() -> None:
    found = _found()
    made = _section(found)
    (figure,) = made.blocks[0].figures
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
    table = made.blocks[1].table
    assert table is not None
    assert table.key == "subgroup-differences"
    assert [r[0].text for r in table.rows] == ["All cases", "sex: f", "sex: m", "Interaction, p"]
    whole = answers.answers(found)[1]
    assert re.search(re.escape(table.rows[0][2].text.split(" ")[0]), whole)
    assert [c.text for c in table.rows[-1][2:]] == ["sex 0.012", "sex 0.600"]


def test_the_difference_in_a_level_is_that_of_its_row() -> None:
    found = _found()
    rows = found["comparisons"]
    row = rows[
        (rows["method"] == "tango")
        & (rows["metric"] == "accuracy")
        & (rows["level"] == "m")
        & (rows["comparator"] == "lda")
    ]
    panels = {p.name: p for p in subgroups.of_pairs(found, "accuracy", select.pairs(rows, metric="accuracy"))}
    effect = next(e for e in panels["vgg16 − lda"].effects if e.level == "m")
    assert (effect.estimate, effect.low, effect.high) == tuple(row[["estimate", "conf.low", "conf.high"]].iloc[0])
    assert effect.n == 20


def test_without_pairs_the_models_are_drawn() -> None:
    found = _found(compared=False)
    made = subgroups.section(found, "accuracy", [], False, Numbers(False))
    (figure,) = made.blocks[0].figures
    assert figure.source == "metrics.csv"
    for words in ("vgg16", "lda", "Accuracy, %", "interaction p = 0.400"):
        assert words in figure.svg


@pytest.mark.parametrize("name", ["comparisons", "metrics"])
def test_without_subgroups_there_is_no_section(name: str) -> None:
    found = sample.tables(NAMES, pairs=[("vgg16", "vgg19")])
    assert found[name]["subgroup"].isna().all()
    assert _section(found).blocks == []
