"""The predictions of any number of models on the same cases, from a file or a DataFrame, checked as a whole.

One row per (model, seed, fold, case). What is refused is refused with every problem at once; nothing is repaired, joined or
dropped. The columns are those of docs/reference/commands.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from hybridcx.errors import InputError, Problem, raise_if_any
from hybridcx.records.cells import nearest, some
from hybridcx.records.containers import scan_file
from hybridcx.records.layouts import OPTIONAL, REQUIRED, Layout, arrange
from hybridcx.records.prediction_checks import check_predictions
from hybridcx.records.score_meaning import ScoreKind
from hybridcx.records.strict_csv import Table, name_problems
from hybridcx.records.tables import scan_frame
from hybridcx.records.truth import with_truth

AS_LONG = Layout()
"""The layout of a file whose columns have our names."""


@dataclass(frozen=True, slots=True)
class Matrices:
    """Truth and predictions as arrays: k models by n cases, the cases sorted by `case_ids`, the models in the order of `models`.

    `y_true` (n,) bool, True for the positive class; `y_pred` (k, n) bool or None; `y_score` (k, n) float64 or None;
    `groups` (n,) int codes of the patients, in sorted order of their ids, or None without patients. `folds` (n,): the fold in which
    each case was tested, as text, or None where all are of one fold.
    """

    case_ids: np.ndarray
    y_true: np.ndarray
    models: tuple[str, ...]
    y_pred: np.ndarray | None
    y_score: np.ndarray | None
    groups: np.ndarray | None
    folds: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions that passed every check.

    `frame`: one row per (model, seed, fold, case), columns `case_id, y_true, model, y_pred, score, patient_id, split, seed, fold`
    and then the further ones as text. A column without content in the input is None throughout (`score`: NaN; `seed`: NA).
    `labels`: (negative, positive). `models`: in the order of first appearance, which is for display; statistics take them
    sorted. `has_score`, `has_pred`: whether every row has one. `clustered`: whether a patient has more than one of the test
    cases. `subgroups`: further columns with one value per case. `n_cases`: distinct test cases. `cluster`: the input's column that
    `patient_id` was taken from. `threshold`: at which the calls were made, None where the input states them or a rule chose one for each
    model (`threshold_rule`, `thresholds` by model, and `chosen_thresholds` with what they reach on the validation cases). `models_of_files`: the
    models of each of several files, in their order.
    """

    frame: pd.DataFrame
    labels: tuple[str, str]
    models: tuple[str, ...]
    has_score: bool
    has_pred: bool
    clustered: bool
    subgroups: tuple[str, ...]
    n_cases: int
    score_kind: ScoreKind = "probability"
    threshold: float | None = None
    warnings: tuple[Problem, ...] = ()
    cluster: str = "patient_id"
    threshold_rule: str = ""
    thresholds: Mapping[str, float] = field(default_factory=dict)
    chosen_thresholds: pd.DataFrame = field(default_factory=pd.DataFrame)
    models_of_files: tuple[tuple[str, ...], ...] = ()

    def threshold_of(self, model: str) -> float | None:
        """The threshold that a rule chose for a model; None where there was no rule, or seeds have thresholds of their own.

        A number given for all models is not reported here, so that calls made from scores and calls in the input give the same tables.
        """
        found = self.thresholds.get(model)
        return None if found is None or np.isnan(found) else found

    @property
    def positive(self) -> str:
        """The label of the positive class."""
        return self.labels[1]

    @property
    def seeds(self) -> tuple[int | None, ...]:
        """The seeds of the test rows, sorted; (None,) where the input has none."""
        values = self.test()["seed"]
        return (None,) if values.isna().all() else tuple(sorted(int(s) for s in values.unique()))

    @property
    def folds(self) -> tuple[str | None, ...]:
        """The folds of the test rows, sorted; (None,) where the input has none."""
        values = self.test()["fold"]
        return (None,) if values.isna().all() else tuple(sorted(values.unique()))

    @property
    def repeated_holdout(self) -> bool:
        """Whether the seeds have test sets of their own, instead of one that they share."""
        each = self.test()[["seed", "case_id"]].drop_duplicates()
        return len(self.seeds) > 1 and len(each) < len(self.seeds) * self.n_cases

    def training_cases(self) -> dict[int, int]:
        """The distinct training and validation cases of each seed with training rows; validation rows alone do not give the size of the training
        set."""
        trained = self.frame.loc[self.frame["split"] == "train", "seed"].unique()
        fitted = self.frame["split"].isin(("train", "validation")) & self.frame["seed"].isin(trained)
        counted = self.frame.loc[fitted, ["seed", "case_id"]].drop_duplicates()["seed"].value_counts().sort_index()
        return dict(zip(counted.index.tolist(), counted.tolist(), strict=True))

    def test(self) -> pd.DataFrame:
        """Return the rows that are evaluated: `split` is test, or the input has no split."""
        return self.rows("test")

    def rows(self, split: str) -> pd.DataFrame:
        """Return the rows of one split, in the order of the input."""
        return self.frame[self.frame["split"] == split]

    def subset(self, mask: np.ndarray | pd.Series) -> Predictions:
        """Return the predictions of the rows where `mask` (as long as `frame`) is True, for subgroups; nothing is checked again."""
        frame = self.frame[np.asarray(mask, dtype=bool)]
        test = frame[frame["split"] == "test"]
        present = set(frame["model"].unique())
        return replace(
            self,
            frame=frame,
            models=tuple(m for m in self.models if m in present),
            n_cases=int(test["case_id"].nunique()),
            clustered=is_clustered(test),
        )

    def matrices(self, split: str = "test", seed: int | None = None, fold: str | None = None) -> Matrices:
        """Return truth and predictions of one split as arrays, cases sorted by id, so that no result depends on row order.

        Where the input has several seeds, `seed` says which. With folds, the folds of one seed are taken together as long as
        each case stands in one of them; otherwise `fold` says which. A model without rows in a validation split is left out.

        Raises InputError: no rows; several rows of a case for one model (say which seed or fold); models with different cases.
        """
        frame = self.rows(split)
        if seed is not None:
            frame = frame[(frame["seed"] == seed).fillna(False).to_numpy(dtype=bool)]
        if fold is not None:
            frame = frame[frame["fold"] == fold]
        if frame.empty:
            raise InputError(Problem(f"no rows with split {split!r}, seed {seed}, fold {fold}"))
        case, case_ids = pd.factorize(frame["case_id"], sort=True)
        present = set(frame["model"].unique())
        models = tuple(m for m in self.models if m in present)
        row = pd.Index(models).get_indexer(pd.Index(frame["model"]))
        n, k = len(case_ids), len(models)
        cell = row.astype(np.int64) * n + case
        if np.bincount(cell).max() > 1:
            raise InputError(
                Problem("a case has several predictions of one model", remedy="say which seed or fold is meant")
            )
        if len(frame) != n * k:
            raise InputError(
                Problem(f"the models have different cases in split {split!r}", remedy="give them the same cases")
            )
        order = np.empty(len(frame), dtype=np.int64)
        order[cell] = np.arange(len(frame))
        first = order[:n]

        def positives(column: str) -> np.ndarray:
            # compared as Arrow text: a Python object per cell would take ten times the memory
            return (frame[column] == self.positive).fillna(False).to_numpy(dtype=bool)

        return Matrices(
            case_ids=np.asarray(case_ids, dtype=object),
            y_true=positives("y_true")[first],
            models=models,
            y_pred=positives("y_pred")[order].reshape(k, n) if self.has_pred else None,
            y_score=frame["score"].to_numpy(dtype=np.float64)[order].reshape(k, n) if self.has_score else None,
            groups=None
            if frame["patient_id"].isna().all()
            else pd.factorize(frame["patient_id"].iloc[first], sort=True)[0].astype(np.int64),
            folds=frame["fold"].to_numpy()[first].astype(str) if frame["fold"].nunique() > 1 else None,
        )


def is_clustered(test: pd.DataFrame) -> bool:
    """Return whether a patient has more than one distinct case among the rows."""
    if test.empty or test["patient_id"].isna().all():
        return False
    return int(test["patient_id"].nunique()) < int(test["case_id"].nunique())


def read_predictions(
    path: str | Path | Sequence[str | Path],
    *,
    positive: str | None = None,
    threshold: float = 0.5,
    score_kind: ScoreKind = "probability",
    cluster: str | None = None,
    layout: Layout = AS_LONG,
    model_names: Sequence[str] = (),
    truth: pd.Series | None = None,
) -> Predictions:
    """Read predictions from a file, or from several files with one model each.

    Parameters: `positive`, the label of the positive class (docs/reference/commands.md has the default); with more than two labels it is taken
    against the rest. `threshold`: score at or above it is predicted positive, where the file has no y_pred. `score_kind`: "rank" takes any finite
    number as score, and y_pred is not made from it; the other kinds are converted to the probability of the positive class. `cluster`: the column
    that identifies clusters of cases, used instead of `patient_id`. `layout`: other column names. `model_names`: the models of the files that
    have no column `model`, in the order of the files; by default the names of the files. `truth`: labels by case id, for files without y_true.

    Memory: 0.2 to 0.3 kB a row, a comparison of them about 0.5 kB (docs/limits.md).

    Raises InputError with every problem: what `containers.scan_file` refuses, and bad_input.md 5 to 14; and for a file that is too large for the
    available memory, before it is read, with the size that fits.
    """
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(p) for p in path]
    names = _model_names(paths, model_names)
    options: dict[str, Any] = {
        "positive": positive, "threshold": threshold, "score_kind": score_kind, "cluster": cluster, "layout": layout
    }  # fmt: skip
    scanned = [scan_file(p, numeric=_numeric(layout)) for p in paths]
    if truth is not None:
        scanned = [_labelled(t, p, layout, truth) for t, p in scanned]
    if len(paths) == 1:
        return _build(*scanned[0], **options, model=names[0])
    return _build_several(scanned, names, **options)


def predictions_from_frame(
    frame: pd.DataFrame,
    *,
    positive: str | None = None,
    threshold: float = 0.5,
    score_kind: ScoreKind = "probability",
    cluster: str | None = None,
    layout: Layout = AS_LONG,
    model_names: Sequence[str] = (),
    truth: pd.Series | None = None,
    name: str = "the DataFrame",
    own: bool = False,
) -> Predictions:
    """Check a DataFrame as `read_predictions` checks a file; `name` stands for it in messages, rows are counted from 1.

    Values become text: whole numbers without a decimal point, True and False as `true` and `false`. `own`: the ledger of a run, of which the
    meaning of the scores is known.

    >>> df = pd.DataFrame({"case_id": ["a", "b"], "y_true": [0, 1], "model": "m", "score": [0.2, 0.7]})
    >>> p = predictions_from_frame(df)
    >>> p.labels, p.test()["y_pred"].tolist()
    (('0', '1'), ['0', '1'])
    """
    table, problems = scan_frame(frame, name, (), numeric=_numeric(layout))
    if truth is not None:
        table, problems = _labelled(table, problems, layout, truth)
    return _build(
        table, problems, positive=positive, threshold=threshold, score_kind=score_kind, cluster=cluster, layout=layout,
        model=model_names[0] if model_names else "model", own=own,
    )  # fmt: skip


def _labelled(
    table: Table | None, problems: list[Problem], layout: Layout, truth: pd.Series
) -> tuple[Table | None, list[Problem]]:
    """The table with the labels of `truth`, and the problems."""
    if table is None:
        return None, problems
    labelled, more = with_truth(table, layout, truth)
    wrong = any(p.severity == "error" for p in more)
    return None if wrong else labelled, [*problems, *more]


def _numeric(layout: Layout) -> tuple[str, ...]:
    """The columns of scores, which stay numbers."""
    return ("score", *layout.columns.get("score", ()))


def _model_names(paths: Sequence[Path], model_names: Sequence[str]) -> list[str]:
    """A name for the model of each file: as given, or the file's name, with its folder where files have one name."""
    if model_names and len(model_names) != len(paths):
        rule = f"--model-name is given {len(model_names)} times for {len(paths)} files"
        raise InputError(Problem(rule, value=some(model_names), remedy="name the model of each file, in their order"))
    if model_names:
        names = list(model_names)
    else:
        names = [p.name.split(".")[0] if str(p) != "-" else "model" for p in paths]
        if len(set(names)) < len(names):
            names = [f"{p.absolute().parent.name}/{n}" for p, n in zip(paths, names, strict=True)]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise InputError(
            Problem(f"several files would be one model: {some(twice)}", remedy="name their models with --model-name")
        )
    return names


def _build_several(
    scanned: Sequence[tuple[Table | None, list[Problem]]], names: Sequence[str], *, positive: str | None, threshold: float,
    score_kind: ScoreKind, cluster: str | None, layout: Layout,
) -> Predictions:  # fmt: skip
    """The predictions of several files, each checked alone first, so that messages name its lines; then all of them together."""
    options: dict[str, Any] = {
        "positive": positive,
        "threshold": threshold,
        "score_kind": score_kind,
        "cluster": cluster,
    }
    parts: list[Predictions] = []
    problems: list[Problem] = []
    for (table, found), name in zip(scanned, names, strict=True):
        try:
            parts.append(_build(table, found, **options, layout=layout, model=name, several=True))
        except InputError as error:
            problems += error.problems
    raise_if_any(problems)
    kinds = {(p.score_kind, p.cluster) for p in parts}
    frames = [p.frame.dropna(axis="columns", how="all") for p in parts]
    if parts[0].threshold is not None:  # calls made from the scores are made again
        frames = [
            f.drop(columns="y_pred") if p.threshold is not None else f for f, p in zip(frames, parts, strict=True)
        ]
    score_kind, cluster = next(iter(kinds))
    joined, file = _joined(frames), " and ".join(t.file for t, _ in scanned if t is not None)
    models = [m for p in parts for m in p.models]
    twice = sorted({m for m in models if models.count(m) > 1})
    if twice:
        raise InputError(
            Problem(f"a model stands in several files: {some(twice)}", file[:200], remedy="keep it in one of them")
        )
    table, more = scan_frame(joined, file, (), numeric=("score",))
    if table is not None:
        table = replace(table, file=file)
    whole = _build(
        table,
        more,
        positive=parts[0].positive,
        threshold=threshold,
        score_kind=score_kind,
        cluster=None,
        layout=AS_LONG,
        model="",
    )
    warnings = list(dict.fromkeys(w for p in parts for w in p.warnings))
    about = [w for w in whole.warnings if replace(w, file=None) not in {replace(v, file=None) for v in warnings}]
    return replace(whole, warnings=(*warnings, *about), cluster=cluster, models_of_files=tuple(p.models for p in parts))


def _joined(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all files; a column of patients or subgroups that a file lacks is filled by case from the files that have it."""
    every = list(dict.fromkeys(c for f in frames for c in f.columns))
    by_case = [c for c in every if c not in (*REQUIRED, "y_pred", "score", "seed", "fold", "split")]
    filled = []
    for frame in frames:
        lacking = [c for c in by_case if c not in frame.columns]
        known = {
            c: pd.concat([f.drop_duplicates("case_id").set_index("case_id")[c] for f in frames if c in f.columns])
            for c in lacking
        }
        filled.append(frame.assign(**{c: frame["case_id"].map(v[~v.index.duplicated()]) for c, v in known.items()}))
    return pd.concat(filled, ignore_index=True)[every]


def _build(
    table: Table | None,
    problems: list[Problem],
    *,
    positive: str | None,
    threshold: float,
    score_kind: ScoreKind,
    cluster: str | None,
    layout: Layout,
    model: str,
    several: bool = False,
    own: bool = False,
) -> Predictions:
    if score_kind not in get_args(ScoreKind):
        problems.append(Problem(f"the score kind must be one of {', '.join(get_args(ScoreKind))}", value=score_kind))
    elif not np.isfinite(threshold) or (score_kind != "rank" and not 0 <= threshold <= 1):
        problems.append(Problem("the threshold must lie in 0 to 1", value=threshold))
    if table is None:
        raise InputError(p for p in problems if p.severity == "error")
    arranged = arrange(table, layout, model=model, positive=positive, cluster=cluster, ids_needed=several)
    problems += arranged.problems
    if arranged.table is None:
        raise InputError(p for p in problems if p.severity == "error")
    table, score_kind = arranged.table, arranged.score_kind or score_kind
    if cluster is not None and cluster != "patient_id":
        table, more = _clustered_by(table, cluster)
        problems += more
    # A column that was not recognised may be the seed, fold or split that tells rows of one case apart.
    hidden = name_problems([c for c in table.frame.columns if c != cluster], None, None, (), OPTIONAL)
    checked = check_predictions(
        table, positive=positive, threshold=threshold, score_kind=score_kind, all_columns_known=not hidden
    )
    sources = arranged.sources | ({"patient_id": cluster} if cluster else {})
    problems = [
        *problems,
        *(_of_cluster(replace(p, column=sources.get(p.column or "", p.column)), cluster) for p in checked.problems),
    ]
    if own:
        problems = [p for p in problems if p.severity == "error" or p.column != "score"]
    raise_if_any(problems)
    frame = checked.frame
    test = frame[frame["split"] == "test"]
    return Predictions(
        frame=frame,
        labels=checked.labels,
        models=checked.models,
        has_score=checked.has_score,
        has_pred=checked.has_pred,
        clustered=is_clustered(test),
        subgroups=checked.subgroups,
        n_cases=checked.n_cases,
        score_kind="rank" if score_kind == "rank" else "probability",
        threshold=checked.threshold,
        warnings=tuple(problems),
        cluster=cluster or sources.get("patient_id", "patient_id"),
    )


def _clustered_by(table: Table, cluster: str) -> tuple[Table, list[Problem]]:
    """The table with the named column as `patient_id`. The column goes under its own name, as a patient's id does: neither reaches a report."""
    columns = [str(c) for c in table.frame.columns]
    free = [c for c in columns if c not in (*REQUIRED, *OPTIONAL)]
    if cluster not in free:
        guess = nearest(cluster, free)
        remedy = f"did you mean {guess!r}?" if guess else f"columns that can be: {some(free) or 'none'}"
        return table, [Problem("--cluster names no further column", table.file, column=cluster, remedy=remedy)]
    frame = table.frame.drop(columns="patient_id", errors="ignore").rename(columns={cluster: "patient_id"})
    return replace(table, frame=frame), []


def _of_cluster(problem: Problem, cluster: str | None) -> Problem:
    """A problem about patients, reworded for the cluster column that replaces them."""
    if cluster is None:
        return problem
    rule = problem.rule.replace("with two patients", "in two clusters").replace("a patient in", "a cluster in")
    return replace(problem, rule=rule)
