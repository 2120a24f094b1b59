"""The cohort record in a run's folder, from which flow, split and agreement are recomputed: without images, patient ids and the order of the
input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from hybridcx.cohort.cohort import Cohort
from hybridcx.cohort.splits import Split

READINGS = ("reader_", "rating_")


def kept_cohort(cohort: Cohort, split: Split | None) -> pd.DataFrame:
    """One row per case screened: label, exclusion, the split that was used, and every reading (columns `reader_...`, `rating_...`).

    `split` None: the trainings use different splits (split.csv), so that a case has no single split.
    """
    frame = cohort.frame
    parts: dict[str, str] = {}
    if split is not None:
        parts = split.of_case | {str(case): str(part) for case, part in split.disputed.items()}
    codes = pd.factorize(frame["patient_id"], sort=True)[0]
    disputed = np.zeros(len(frame), dtype=bool) if cohort.disputed is None else cohort.disputed
    record = pd.DataFrame(
        {
            "case_id": frame["case_id"].astype(object),
            "patient_id": pd.Series([f"p{c:05d}" for c in codes], index=frame.index, dtype=object),
            "label": frame["label"].astype(object),
            "split": pd.Series([parts.get(c, "") for c in frame["case_id"]], index=frame.index, dtype=object),
            "excluded": frame["excluded"].astype(object),
            "in.dispute": disputed,
        }
    )
    record = record.assign(**{c: frame[c].astype(object) for c in frame.columns if c.startswith(READINGS)})
    return record.sort_values("case_id", kind="stable", ignore_index=True)


def cohort_of(record: pd.DataFrame, labels: tuple[str, str], votes: Sequence[str]) -> tuple[Cohort, Split]:
    """The cohort and the split that a report's cohort.csv describes, with the columns that the tables of flow and agreement need.

    `record`: the cells as text, None for NA; `labels`: (negative, positive); `votes`: the columns of the readings that the rule of the labels used.
    """
    text = record.astype(object).where(record.notna(), "")
    disputed = (text["in.dispute"] == "TRUE").to_numpy()
    frame = text.drop(columns="in.dispute").assign(image="")
    cohort = Cohort(
        frame,
        np.arange(2, len(frame) + 2),
        Path(),
        Path("cohort.csv"),
        labels,
        disputed=disputed if disputed.any() else None,
        votes=tuple(votes),
    )
    analysed = frame["excluded"] == ""

    def parts(mask: pd.Series) -> pd.Series:
        return pd.Series(
            frame.loc[mask, "split"].tolist(), index=pd.Index(frame.loc[mask, "case_id"].tolist(), name="case_id"), name="split"
        ).sort_index()  # fmt: skip

    split = Split(parts(analysed), pd.DataFrame(), "file", disputed=parts(pd.Series(disputed, index=frame.index)))
    return cohort, split
