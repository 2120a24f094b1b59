"""The labels of the cases from another table: many programs export predictions without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import some, squash
from hybridcx.records.containers import scan_file
from hybridcx.records.layouts import SYNONYMS, Layout, case_id_column
from hybridcx.records.strict_csv import Table
from hybridcx.records.tables import scan_frame

NAMES = ("case_id", "y_true")
_LABELS = (*SYNONYMS["y_true"], "index")
"""Names of labels that exports have; in timm's `label` and `index` are the predicted class."""


def read_truth(truth: str | Path | pd.DataFrame | pd.Series | Mapping[str, object]) -> pd.Series:
    """Labels by case id, as text: from a table with the columns case_id and y_true, a Series (its index has the case ids) or a mapping.

    Raises InputError for a table without these columns, and for a case with two labels.
    """
    if isinstance(truth, (str, Path)):
        table, problems = scan_file(Path(truth))
    else:
        if not isinstance(truth, pd.DataFrame):
            series = truth if isinstance(truth, pd.Series) else pd.Series(dict(truth), dtype=object)
            truth = pd.DataFrame({"case_id": series.index, "y_true": series.to_numpy()})
        table, problems = scan_frame(truth, "the truth", ())
    raise_if_any(problems)
    if table is None or not set(NAMES) <= set(table.frame.columns):
        have = "" if table is None else some(map(str, table.frame.columns))
        rule = f"the truth needs the columns case_id and y_true; its columns are {have}"
        raise InputError(Problem(rule, None if table is None else table.file, remedy="rename its columns"))
    labels = table.frame[list(NAMES)].drop_duplicates().set_index("case_id")["y_true"]
    if not labels.index.is_unique:
        twice = labels.index[labels.index.duplicated()].unique()
        raise InputError(Problem(f"cases with two labels: {some(twice)}", table.file, column="y_true"))
    return labels


def with_truth(table: Table, layout: Layout, truth: pd.Series) -> tuple[Table, list[Problem]]:
    """The table of predictions with the column y_true from `truth`, matched by case id."""
    frame = table.frame
    mapped = layout.columns.get("y_true", ("y_true",))[0]
    if mapped in frame.columns:
        remedy = "leave out the truth, or the column"
        return table, [Problem("labels in the predictions and in the truth", table.file, column=mapped, remedy=remedy)]
    column = case_id_column(frame, layout)
    if column is None and table.row_names is not None:
        column, frame = "case_id", frame.assign(case_id=table.row_names.to_numpy())
    if column is None:
        rule = f"no column of case ids to match the truth by; the columns are {some(map(str, frame.columns))}"
        return table, [Problem(rule, table.file, remedy="name it with columns: case_id=...")]
    labels = frame[column].map(truth)
    lacking = frame.loc[labels.isna(), column].unique()
    if len(lacking):
        rule = f"cases without a label in the truth ({len(lacking):,}): {some(lacking)}"
        return table, [Problem(rule, table.file, column=column, remedy="the case ids must be the same text in both")]
    mapped_already = {c for named in layout.columns.values() for c in named}
    for other in frame.columns.difference([column, *mapped_already]):
        if squash(str(other)) in _LABELS and set(frame[other].unique()) <= set(truth):
            rule = "a column of labels besides the truth: predicted or true ones?"
            remedy = (
                f"name it with columns, y_pred={other} where it is the predicted class, or leave it out of the table"
            )
            return table, [Problem(rule, table.file, column=str(other), remedy=remedy)]
    problems = []
    unread = len(truth.index.difference(pd.Index(frame[column])))
    if unread:
        rule = f"cases of the truth without a prediction, left out: {unread:,}"
        problems.append(Problem(rule, table.file, severity="warning"))
    return replace(table, frame=frame.assign(y_true=labels.astype("str"))), problems
