"""`hybridcx compare`: statistics and report on predictions."""

from __future__ import annotations

import pandas as pd
from numpy.typing import ArrayLike

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.thresholds import parse_threshold
from hybridcx.commands.comparison_report import comparison_report
from hybridcx.commands.inputs import compared
from hybridcx.commands.options import (
    AllPairs,
    Also,
    By,
    CaseIds,
    Cluster,
    Columns,
    ConfidenceLevel,
    Groups,
    Guess,
    Margin,
    ModelNames,
    NBootstrap,
    NTrain,
    Out,
    Positive,
    Predictions,
    Prevalences,
    Pseudonymise,
    Readers,
    ReadersMadeTruth,
    Reference,
    ReportsProgress,
    ScoreKind,
    Scores,
    Seed,
    SeedDesign,
    Stratified,
    Subgroups,
    Threshold,
    YPred,
    YTrue,
    checked,
    documented,
)
from hybridcx.commands.result import Report
from hybridcx.errors import InputError, Problem
from hybridcx.progress import OfPython
from hybridcx.records.arrays import frame_of_arrays, label_text, subgroup_names
from hybridcx.records.layouts import Layout, parse_columns
from hybridcx.report.formats.all_forms import forms_of


@documented
def compare(
    predictions: Predictions = None,
    *,
    y_true: YTrue = None,
    scores: Scores = None,
    y_pred: YPred = None,
    groups: Groups = None,
    subgroups: Subgroups = None,
    case_ids: CaseIds = None,
    out: Out = None,
    positive: Positive = None,
    threshold: Threshold = 0.5,
    score_kind: ScoreKind = "probability",
    columns: Columns = None,
    guess: Guess = False,
    model_names: ModelNames = (),
    cluster: Cluster = None,
    readers: Readers = None,
    readers_made_truth: ReadersMadeTruth = "unknown",
    by: By = (),
    prevalences: Prevalences = (),
    margin: Margin = None,
    reference: Reference = None,
    all_pairs: AllPairs = False,
    stratified: Stratified = False,
    confidence_level: ConfidenceLevel = 0.95,
    n_bootstrap: NBootstrap = 2000,
    seed: Seed = 0,
    seed_design: SeedDesign = "nested",
    n_train: NTrain = None,
    pseudonymise: Pseudonymise = None,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Compare models by their predictions: statistics and report.

    Predictions are a file, a DataFrame, or arrays: `compare(y_true=y, scores={"forest": p1, "cnn": p2}, groups=patients)`. All arrays have the
    order of `y_true`; those with a pandas index must have the same.

    Other layouts are brought to one row per model and case: other column names (`columns`, `guess`), a column per model, both columns of
    `predict_proba`, a file per model. What was inferred is a warning, and stands on the page.

    Folders of finished reports: seeds of one experiment become seeds, other runs become models named `<run>/<model>`, and the table `runs`
    lists how their configurations differ. Models are sorted by name, so that the order of the rows has no effect.

    Columns `reader_<name>[_<occasion>]` of the predictions (calls of readers, each one of the labels): every comparison is repeated with each
    reading as the truth, and on the cases on which the readings agree: rows with `label.rule`, and the table `label_rules`.

    Returns
    -------
    Report: `tables["comparisons"]` holds the rows of comparisons.csv, and so on.

    Raises
    ------
    InputError
        for anything wrong with the predictions or the options, with every problem; nothing has been written.
    """
    if y_true is not None and isinstance(positive, bool):
        positive = int(positive)  # booleans in arrays are 0 and 1
    positive, by = label_text(positive), (*by, *subgroup_names(subgroups))
    options = checked(compare, locals())
    progress = progress or OfPython()
    forms, rule = forms_of(also), parse_threshold(threshold)
    plan = Plan.of({**options, "threshold": rule.value})
    if y_true is not None:
        predictions = _of_arrays(predictions, y_true, scores, y_pred, groups, subgroups, case_ids, positive)
    elif any(v is not None for v in (scores, y_pred, groups, subgroups, case_ids)):
        raise InputError(Problem("arrays without y_true", remedy="give the labels of the cases as y_true"))
    elif predictions is None:
        raise InputError(Problem("nothing to compare", remedy="give predictions, or y_true with scores or y_pred"))
    source = compared(
        predictions, name="the DataFrame" if y_true is None else "the arrays",
        positive=positive, threshold=rule.value, score_kind=score_kind, cluster=cluster,
        layout=Layout(parse_columns(columns), guess), model_names=model_names,
    )  # fmt: skip
    return comparison_report(
        source,
        plan,
        rule,
        options,
        out=out,
        forms=forms,
        progress=progress,
        readers=readers,
        readers_made_truth=readers_made_truth,
        pseudonymise=pseudonymise,
    )


def _of_arrays(
    predictions: Predictions,
    y_true: ArrayLike,
    scores: Scores,
    y_pred: YPred,
    groups: Groups,
    subgroups: Subgroups,
    case_ids: CaseIds,
    positive: str | None,
) -> pd.DataFrame:
    """The arrays as a DataFrame. Raises InputError where predictions are given besides."""
    if predictions is not None:
        raise InputError(Problem("predictions and y_true", remedy="give one of the two"))
    return frame_of_arrays(
        y_true,
        scores=scores,
        y_pred=y_pred,
        groups=groups,
        subgroups=subgroups,
        case_ids=case_ids,
        positive=positive,
    )
