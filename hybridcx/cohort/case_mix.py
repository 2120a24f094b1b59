"""Summaries of the further columns of a cohort, from which no single case can be told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

MAX_LEVELS = 20


def case_mix_of(frame: pd.DataFrame) -> dict[str, Any]:
    """Summaries of further columns of a cohort: of numbers n, mean and standard deviation, of texts with at most 20 values their counts.

    Columns with more values (dates, names) are left out: they describe no group.
    """
    out: dict[str, Any] = {}
    for column in frame.columns:
        text = frame[column].astype(object).where(frame[column].notna(), "").astype(str).str.strip()
        filled = text[(text != "") & (text != "NA")]
        if filled.empty:
            continue
        numbers = pd.to_numeric(filled, errors="coerce")
        if numbers.notna().all() and np.isfinite(numbers).all() and filled.nunique() > 2:
            sd = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
            out[str(column)] = {"n": len(filled), "mean": float(numbers.mean()), "sd": sd}
        elif filled.nunique() <= MAX_LEVELS:
            out[str(column)] = {
                "n": len(filled),
                "levels": {str(k): int(v) for k, v in filled.value_counts().sort_index().items()},
            }
    return out
