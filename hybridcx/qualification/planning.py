"""Sample sizes and power."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hybridcx.qualification.case import EXACT, Case, compared
from hybridcx.qualification.reference import R, further, number, rows
from hybridcx.stats import power


def cases() -> Iterator[Case]:
    """Every case of this file."""
    source = R.format("power/make_power.R")
    for row in rows("power/power_expected.csv"):
        a: Any = [float(v) for v in row["arguments"].split(";")]
        method: Any = row["method"]
        if row["f"] == "mcnemar_power":
            found = power.mcnemar_power(int(a[0]), a[1], a[2], a[3], method)
        elif row["f"] == "noninferiority_paired_power":
            found = power.noninferiority_paired_power(int(a[0]), *a[1:])
        elif row["f"] == "proportion_halfwidth_n":
            found = power.proportion_halfwidth_n(a[0], a[1], method=method).n
        else:
            areas: Any = [*a, method]
            found = power.auc_paired_n(*areas).n
        yield _case(f"{row['arguments']} {method}".strip(), row["f"], found, number(row["value"]), source)
    source = R.format("further/make_further.R (searched for by brute force)")
    for case, want in further()["mcnemar_sample_size"].items():
        p10, p01, target, alpha = (float(v) for v in case.split(";"))
        connor = further()["connor"][case]["n"]
        yield _case(case, "connor_n", power.connor_n(p10, p01, target, alpha), connor, source)
        for name, n in want.items():
            method = name
            found = power.mcnemar_sample_size(p10, p01, target, alpha, method).n
            yield _case(f"{case} {method}", "mcnemar_sample_size", found, n, source)
    for case, want in further()["noninferiority_n"].items():
        values: list[Any] = [float(v) for v in case.split(";")]
        found = power.noninferiority_paired_n(*values).n
        yield _case(case, "noninferiority_paired_n", found, want["n"], source)
    for case, want in further()["auc_paired_power"].items():
        values = [float(v) for v in case.split(";")]
        found = power.auc_paired_power(*values)
        yield _case(case, "auc_paired_power", found, want["power"], source)


def _case(case: str, function: str, found: float, expected: float, source: str) -> Case:
    tolerance = EXACT * abs(expected)
    return compared("operation", case, "plan", f"power.{function}", "answer", float(found), expected, tolerance, source)
