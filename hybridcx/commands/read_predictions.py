"""`hybridcx.read_predictions`: predictions that other programs exported, as the long table of `compare`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from hybridcx.commands.options import (
    Cluster,
    Columns,
    Exported,
    Guess,
    ModelNames,
    Positive,
    ReadScoreKind,
    Truth,
    checked,
    documented,
)
from hybridcx.errors import InputError, Problem
from hybridcx.progress import OfPython
from hybridcx.records import predictions as records
from hybridcx.records.arrays import label_text
from hybridcx.records.layouts import Layout, parse_columns
from hybridcx.records.truth import read_truth


@documented
def read_predictions(
    predictions: Exported,
    *,
    truth: Truth = None,
    columns: Columns = None,
    guess: Guess = False,
    model_names: ModelNames = (),
    positive: Positive = None,
    score_kind: ReadScoreKind = "probability",
    cluster: Cluster = None,
) -> pd.DataFrame:
    """Read predictions in any layout that `compare` accepts, as its long table.

    One row per model and case: case_id, y_true, model, score (the positive class's probability) and y_pred where the file has calls, then
    patient_id, split, seed, fold and further columns that it has. Whatever was inferred is a Python warning. Look at the table, join further
    columns, and hand it to `compare`. Scores that the probability of the positive class cannot be made of are for `compare(..., score_kind="rank")`.

    Returns
    -------
    pandas.DataFrame, sorted as the file.

    Raises
    ------
    InputError
        for anything wrong with the predictions, with every problem.

    Examples
    --------
    >>> import pandas as pd
    >>> exported = pd.DataFrame({"filename": ["a.png", "b.png"], "label": [1, 0], "prob": [0.9, 0.7]})  # timm: class and its probability
    >>> names = {"case_id": "filename", "y_pred": "label", "score": "prob"}
    >>> read = read_predictions(exported, truth={"a.png": 1, "b.png": 1}, columns=names, score_kind="confidence", model_names=["resnet50"])
    """
    positive = label_text(positive)
    checked(read_predictions, locals())
    if hasattr(predictions, "__array__") and not isinstance(predictions, pd.DataFrame):
        remedy = "give arrays to compare(y_true=..., scores=...)"
        raise InputError(Problem("an array has no case ids and no labels", remedy=remedy))
    layout, labels = Layout(parse_columns(columns), guess), None if truth is None else read_truth(truth)
    if isinstance(predictions, pd.DataFrame):
        named = "case_id" in predictions.columns or "case_id" in layout.columns
        same = isinstance(truth, pd.Series) and predictions.index.equals(truth.index)
        own_index = same or not predictions.index.equals(pd.RangeIndex(len(predictions)))
        if labels is not None and not named and own_index:
            predictions = predictions.rename_axis("case_id").reset_index()
        read = records.predictions_from_frame(
            predictions,
            positive=positive,
            score_kind=score_kind,
            cluster=cluster,
            layout=layout,
            model_names=model_names,
            truth=labels,
        )
    else:
        read = records.read_predictions(
            predictions if isinstance(predictions, (str, Path)) else list(predictions),
            positive=positive,
            score_kind=score_kind,
            cluster=cluster,
            layout=layout,
            model_names=model_names,
            truth=labels,
        )
    progress = OfPython()
    for problem in read.warnings:
        progress.say(f"Warning: {problem}")
    frame = read.frame.drop(columns=[c for c in read.frame if read.frame[c].isna().all()])
    return frame.drop(columns="y_pred") if read.threshold is not None else frame
