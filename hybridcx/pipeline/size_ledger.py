"""The predictions of all sizes of the training set, as the analysis takes them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

COLUMNS = ("case_id", "y_true", "model", "y_pred", "score", "patient_id", "split", "seed", "share", "n_train")
"""Those of the ledger, the share of the training cases, and their number."""


def size_ledger(parts: pd.DataFrame, whole: pd.DataFrame, n_train: Mapping[int, int]) -> pd.DataFrame:
    """The test rows of all sizes: those of the shares, and those of the same models trained on all training cases (`n_train` by seed)."""
    own = whole[(whole["split"] == "test") & whole["model"].isin(parts["model"].unique())]
    own = own.assign(share=1.0, n_train=own["seed"].astype(int).map(n_train))
    columns = list(COLUMNS)
    return pd.concat([parts[columns], own[columns]], ignore_index=True)
