"""Cases computed by `compare` and `agreement`, from a file to a row of a CSV: R's values, and the cases of the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.resources import as_file
from math import inf, isinf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hybridcx.commands.agreement import agreement
from hybridcx.commands.compare import compare
from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.progress import Progress
from hybridcx.qualification.case import FITTED, Area, Case, compared
from hybridcx.qualification.reference import WHOLE, R, number, path_of, rows
from hybridcx.records.containers import scan_file

R_VALUES = {quantity.replace("_", ".").replace("pvalue", "p.value"): column for quantity, column in WHOLE.items()}
"""Columns of our CSVs -> columns of r/expected.csv."""
TABLES = {"metric": "metrics", "comparison": "comparisons", "omnibus": "omnibus", "agreement": "agreement"}
SEPARATED = 15.0
"""A slope beyond it in R is complete separation, where there is no slope: `not_estimable` is expected."""
FEW_RESAMPLES = 200
"""None of R's values is resampled."""
OWN_COLUMNS = ("command", "file", "metric", "method", "quantity", "expected")
FURTHER_OWN = ("case", "positive", "model", "comparator", "readers", "tolerance", "source")
COMMANDS = ("compare", "agreement")


def cases(progress: Progress) -> Iterator[Case]:
    """R's values for six sets of predictions and eleven of ratings, through the whole command."""
    source = R.format("make_r_reference.R")
    tables: dict[str, dict[str, pd.DataFrame]] = {}
    for e in rows("r/expected.csv"):
        case = e["case"]
        if case not in tables:
            tables[case] = _tables_of_r(case, progress)
        name = TABLES[e["quantity"]]
        key = {"metric": e["metric"], "method": e["method"], "model": e["model_a"], "comparator": e["model_b"]}
        if name in ("omnibus", "agreement"):
            key = {"metric": e["metric"], "method": e["method"]}
        found, sign = _row(tables[case][name], key)
        statistic = e["metric"] if name == "agreement" or not e["method"] else e["method"]
        slope = e["metric"].startswith("calibration") and abs(number(e["estimate"])) > SEPARATED
        of = f"{case} {e['model_a']} {e['model_b']} {e['metric']}".replace("  ", " ")
        for column, wanted in R_VALUES.items():
            want = number(e[wanted])
            if isnan(want) or _not_ours(column, e):
                continue
            if slope:
                want = float("nan")
            value = _value(found, column, sign)
            tolerance = FITTED * 10 * abs(want) + 1e-14 if not isnan(want) else 0.0
            yield compared(
                "operation",
                of,
                statistic,
                f"hybridcx {_command(case)}",
                column,
                value,
                want,
                tolerance,
                source,
            )


def _command(case: str) -> str:
    return "compare" if case.startswith("pred") else "agreement"


def _not_ours(column: str, e: Mapping[str, str]) -> bool:
    """Cells that our tables fill otherwise on purpose: limits at an AUROC of 1, statistics of tests that R's function has and a binomial has not."""
    if column in ("conf.low", "conf.high"):
        return e["metric"] == "auroc" and abs(number(e["estimate"])) == 1
    if column == "statistic":
        return not (e["quantity"] in ("omnibus", "agreement") or e["method"].startswith("mcnemar_"))
    return False


def _tables_of_r(case: str, progress: Progress) -> dict[str, pd.DataFrame]:
    with as_file(path_of(f"r/{case}.csv")) as path:
        if case.startswith("pred"):
            report = compare(path, positive="abnormal", n_bootstrap=FEW_RESAMPLES, progress=progress)
        else:
            scale: Any = "ordinal" if case.startswith("cat") else None
            report = agreement(path, scale=scale, n_bootstrap=FEW_RESAMPLES, progress=progress)
    return {name: table for name, table in report.tables.items() if name in TABLES.values()}


def _row(table: pd.DataFrame, key: Mapping[str, str]) -> tuple[pd.Series | None, int]:
    """The one row of the whole cohort with these values, and the sign of its difference: -1 where the two models stand the other way round."""
    whole = table
    for column in ("subgroup", "seed", "label.rule"):
        if column in whole:
            whole = whole[whole[column].isna()]
    if "scope" in whole:
        whole = whole[whole["scope"].isna() | (whole["scope"] == "between")]
    turned = {**key, "model": key.get("comparator", ""), "comparator": key.get("model", "")}
    for wanted, sign in ((key, 1), (turned, -1)):
        chosen = whole
        for column, value in wanted.items():
            if column in chosen and value:
                chosen = chosen[chosen[column].astype(str) == value]
        if len(chosen) == 1 or (
            len(chosen) and not wanted.get("method")
        ):  # an estimate is the same in the rows of all methods
            return chosen.iloc[0], sign
        if not wanted.get("comparator"):
            break
    return None, 1


def _value(row: pd.Series | None, column: str, sign: int) -> float:
    if row is None:
        return float("nan")
    if sign < 0:
        column = {"conf.low": "conf.high", "conf.high": "conf.low"}.get(column, column)
    value = row.get(column)
    value = float("nan") if value is None or pd.isna(value) else float(value)
    return sign * value if column in ("estimate", "conf.low", "conf.high") else value


def own_cases(path: Path, progress: Progress) -> list[Case]:
    """The cases of a CSV that the user wrote: one value of one command in each row.

    Columns: command (compare, agreement), file (relative to the CSV), metric, method, quantity (a column of the command's table, such as
    estimate or conf.low), expected; optionally case, positive, model, comparator, tolerance (absolute; default 1e-6 of the expected value), source.

    Raises
    ------
    InputError
        for a missing column, an unknown command or quantity, and whatever the command refuses in a file.
    """
    scanned, problems = scan_file(path)
    raise_if_any(problems)
    if scanned is None:
        raise InputError(problems)
    frame = scanned.frame.fillna("").astype(str)
    _check_own(path, frame, scanned.rows)
    found: list[Case] = []
    tables: dict[tuple[str, str, str], Mapping[str, pd.DataFrame]] = {}
    for line, row in zip(scanned.rows.tolist(), frame.to_dict("records"), strict=True):
        e = {str(k): str(v).strip() for k, v in row.items()}
        command, file, positive = e["command"], e["file"], e.get("positive", "")
        if (command, file, positive) not in tables:
            given: dict[str, Any] = {"positive": positive} if positive else {}
            made: Any = compare if command == "compare" else agreement
            try:
                tables[command, file, positive] = made(path.parent / file, progress=progress, **given).tables
            except InputError as error:
                rule = f"`hybridcx {command}` refuses the file of this case"
                raise InputError(
                    [Problem(rule, str(path), row=line, column="file", value=file), *error.problems]
                ) from None
        found.append(_own_case(e, tables[command, file, positive]))
    return found


def _own_case(e: Mapping[str, str], tables: Mapping[str, pd.DataFrame]) -> Case:
    name = "agreement" if e["command"] == "agreement" else "comparisons" if e.get("comparator") else "metrics"
    key = {c: e.get(c, "") for c in ("metric", "method", "model", "comparator", "readers")}
    row, sign = _row(tables[name], key)
    expected = _own_number(e["expected"])
    given = e.get("tolerance", "")
    tolerance = _own_number(given) if given else 0.0 if isinf(expected) else FITTED * abs(expected)
    case = e.get("case") or " ".join(
        part for part in (e["file"], *(e.get(c, "") for c in ("model", "comparator", "readers"))) if part
    )
    area: Area = "own"
    about = (area, case, f"{e['metric']}, {e['method']}", f"hybridcx {e['command']}", e["quantity"])
    source = e.get("source") or "not stated"
    if row is None or e["quantity"] not in row:
        return Case(
            *about, expected, "", 0.0, tolerance, source, "FAIL", _absent(tables[name], name, key, e["quantity"])
        )
    found = compared(*about, _value(row, e["quantity"], sign), expected, tolerance, source)
    return replace(found, note="the tolerance is above the expected value") if tolerance > abs(expected) > 0 else found


def _absent(table: pd.DataFrame, name: str, key: Mapping[str, str], quantity: str) -> str:
    """Why there is no one value: a quantity or a name that the table does not have, or several rows."""
    if quantity not in table:
        return f"{name}.csv has no column {quantity}"
    rows = table
    for column, value in key.items():
        if not value or column not in rows:
            continue
        left = rows[rows[column].astype(str) == value]
        if left.empty:
            there = ", ".join(sorted({str(v) for v in rows[column].dropna()}))
            return f"{name}.csv has no row with the {column} {value}; there: {there}"
        rows = left
    open_ = [c for c in key if c in rows and not key[c] and rows[c].nunique() > 1]
    return f"{name}.csv has {len(rows)} such rows{': give ' + ', '.join(open_) if open_ else ''}"


def _own_number(text: str) -> float:
    """A number of the user's, also with a decimal comma."""
    return number(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)


def _check_own(path: Path, frame: pd.DataFrame, lines: np.ndarray) -> None:
    problems = [
        Problem(
            "the cases have no such column",
            str(path),
            column=c,
            remedy=f"needed: {', '.join(OWN_COLUMNS)}; optional: {', '.join(FURTHER_OWN)}",
        )
        for c in OWN_COLUMNS
        if c not in frame
    ]
    if not problems:
        for line, row in zip(lines.tolist(), frame.to_dict("records"), strict=True):
            if row["command"] not in COMMANDS:
                problems.append(
                    Problem(
                        "the command is compare or agreement",
                        str(path),
                        row=line,
                        column="command",
                        value=row["command"],
                    )
                )
            for column in ("expected", "tolerance"):
                text = row.get(column, "")
                try:
                    value = _own_number(text)
                except ValueError:
                    problems.append(Problem("the value is no number", str(path), row=line, column=column, value=text))
                    continue
                if column == "expected" and isnan(value):
                    problems.append(Problem("the value is missing", str(path), row=line, column=column, value=text))
                if column == "tolerance" and text and not 0 <= value < inf:
                    rule = "a tolerance is a finite number, 0 or more"
                    problems.append(Problem(rule, str(path), row=line, column=column, value=text))
    if problems:
        raise InputError(problems)
