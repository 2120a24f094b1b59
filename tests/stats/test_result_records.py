"""Every field of every kind of result: names, counts, levels, statuses and reasons, in ordinary and in degenerate cases.

result_records.csv has a row for each result of a call. Its numbers are held against R elsewhere; here they stand as the rest of the record
does, so that no field can be left out or swapped unnoticed.
"""

import csv
import dataclasses
from itertools import groupby
from math import inf
from pathlib import Path

import numpy as np
import pytest

from hybridcx.stats import agreement, mcnemar, proportions, roc
from hybridcx.stats.confusion import Confusion

NAN = float("nan")
TRUTH = [True, False, False, False, True, True, False, True, False, True]
A = [0.9, 0.2, 0.4, 0.6, 0.5, 0.8, 0.3, 0.7, 0.4, 0.4]
B = [0.8, 0.5, 0.1, 0.9, 0.6, 0.4, 0.2, 0.9, 0.3, 0.1]
READINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
GIVEN = {
    **{name: getattr(module, name) for module in (agreement, mcnemar, proportions, roc) for name in dir(module)},
    "Confusion": Confusion,
    "np": np,
    "NAN": NAN,
    "TRUTH": TRUTH,
    "A": A,
    "B": B,
    "PERFECT": [0.9 if truth else 0.1 for truth in TRUTH],
    "CONSTANT": [0.5] * 10,
    "RIGHT": [[True, True, False], [True, False, False], [False, True, True], [True] * 3, [True, False, False]],
    "LETTERS_A": list("xxyyzzxy"),
    "LETTERS_B": list("xyyyzxxx"),
    "READINGS": READINGS,
    "HOLED": [READINGS[0], [6, 1, NAN, 2], *READINGS[2:]],
}
with Path(__file__).with_name("result_records.csv").open(newline="", encoding="utf-8") as file:
    RECORDS = {call: list(rows) for call, rows in groupby(csv.DictReader(file), key=lambda row: row["call"])}


def number(text):
    return {"NA": NAN, "Inf": inf, "-Inf": -inf}.get(text) or float(text)


@pytest.mark.parametrize("call", RECORDS)
def test_every_field(call):
    made = eval(call, dict(GIVEN))
    for found, expected in zip(made if isinstance(made, tuple) else [made], RECORDS[call], strict=True):
        assert type(found).__name__ == expected["kind"]
        for field in dataclasses.fields(found):
            got, wanted = getattr(found, field.name), expected.get(field.name, "NA")
            if field.name in ("metric", "method", "status", "warning"):
                assert got == wanted, field.name
            else:
                assert got == pytest.approx(number(wanted), rel=1e-8, abs=1e-12, nan_ok=True), field.name
