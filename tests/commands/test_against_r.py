"""`compare` and `agreement` as a whole against what R gives for the same files (tests/reference/make_r_reference.R made both).

Every row of reference/r/expected.csv is looked up in the report's tables by its names; a row that is not there fails.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

import hybridcx

FOLDER = Path(__file__).parents[1] / "reference" / "r"
TABLE = {"metric": "metrics", "comparison": "comparisons", "omnibus": "omnibus", "agreement": "agreement"}
SEPARATED = 15  # a calibration slope beyond this in R is complete separation: not_estimable is right there


def expected_rows():
    with (FOLDER / "expected.csv").open(newline="", encoding="utf-8") as fh:
        return list(csv.DictReader(fh))


EXPECTED = expected_rows()
CASES = sorted({e["case"] for e in EXPECTED})


def number(text):
    return None if text in ("", "NA") else float(text)


def near(got, want, tolerance):
    """Relative to R's value, so that small p-values count; 1e-14 absolute for its zeros."""
    if math.isnan(got):
        return False
    return got == want if math.isinf(got) or math.isinf(want) else abs(got - want) <= tolerance * abs(want) + 1e-14


def overall(table):
    for column in ("subgroup", "seed"):
        if column in table:
            table = table[table[column].isna()]
    return table[table["scope"] == "between"] if "scope" in table else table


def departures(e, tables):
    """What of one expected row does not hold."""
    found = overall(tables[TABLE[e["quantity"]]])
    found = found[found["metric"] == e["metric"]]
    if e["method"]:
        found = found[found["method"] == e["method"]]
    sign = 1
    if e["quantity"] == "metric":
        found = found[found["model"] == e["model_a"]]
    elif e["quantity"] == "comparison":
        as_asked = found[(found["model"] == e["model_a"]) & (found["comparator"] == e["model_b"])]
        if as_asked.empty:
            sign = -1
            as_asked = found[(found["model"] == e["model_b"]) & (found["comparator"] == e["model_a"])]
        found = as_asked
    if len(found) != 1 and (e["method"] or found.empty):
        return [f"{len(found)} rows, one wanted"]
    got = found.iloc[0]
    calibration = e["metric"].startswith("calibration")
    separated = calibration and abs(number(e["estimate"])) > SEPARATED
    if separated or got["status"] == "not_estimable":
        return (
            []
            if separated == (got["status"] == "not_estimable")
            else [f"status {got['status']}, R has {e['estimate']}"]
        )
    tolerance = 1e-5 if calibration else 1e-6
    low, high = ("conf.low", "conf.high") if sign == 1 else ("conf.high", "conf.low")
    wanted = [("estimate", number(e["estimate"]), sign), ("p.value", number(e["p_value"]), 1)]
    if not (e["metric"] == "auroc" and abs(number(e["estimate"]) or 0) == 1):  # the limits at 1 differ by convention
        wanted += [(low, number(e["conf_low"]), sign), (high, number(e["conf_high"]), sign)]
    if e["quantity"] in ("omnibus", "agreement") or e["method"].startswith("mcnemar_"):
        wanted.append(("statistic", number(e["statistic"]), 1))
    return [
        f"{column} is {got.get(column)}, R has {s * want}"
        for column, want, s in wanted
        if want is not None and not near(float(got.get(column, math.nan)), s * want, tolerance)
    ]


def test_the_reference_is_whole():
    assert len(EXPECTED) > 400
    assert {e["quantity"] for e in EXPECTED} == set(TABLE)
    assert all((FOLDER / f"{case}.csv").exists() for case in CASES)


@pytest.mark.parametrize("case", CASES)
def test_every_value_of_r(case, tmp_path):
    source = FOLDER / f"{case}.csv"
    if case.startswith("pred"):
        report = hybridcx.compare(source, positive="abnormal", out=tmp_path / "out", n_bootstrap=100)
    else:
        scale = "ordinal" if case.startswith("cat") else None
        report = hybridcx.agreement(source, scale=scale, out=tmp_path / "out", n_bootstrap=100)
    mine = [e for e in EXPECTED if e["case"] == case]
    assert mine
    wrong = []
    for e in mine:
        what = " ".join(v for v in (e["metric"], e["model_a"], e["model_b"], e["method"]) if v)
        wrong += [f"{what}: {w}" for w in departures(e, report.tables)]
    assert wrong == []
