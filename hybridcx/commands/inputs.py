"""The input of `compare`: a file of predictions, a DataFrame, or folders of finished reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from hybridcx.commands.finished_runs import joined
from hybridcx.errors import InputError, Problem
from hybridcx.records.containers import DATASET_PARTS
from hybridcx.records.layouts import Layout
from hybridcx.records.lineage import Lineage
from hybridcx.records.predictions import Predictions, predictions_from_frame, read_predictions
from hybridcx.records.ratings import Ratings, ratings_from_frame, read_ratings
from hybridcx.records.score_meaning import ScoreKind
from hybridcx.store.artefacts import sha256_file

Input = str | Path | pd.DataFrame | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Compared:
    """Checked predictions, the name of their report, hashes of the input files; for folders also their differences (`tables`) and notes;
    for several files the models of each; for estimators that were fitted here their lineage, and how they were fitted, in words (`methods`) and
    for provenance.json (`estimators`)."""

    read: Predictions
    name: str
    inputs: dict[str, str]
    folders: tuple[Path, ...] = ()
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    file: str | None = None
    models_of_files: dict[str, list[str]] = field(default_factory=dict)
    lineage: Lineage | None = None
    methods: tuple[str, ...] = ()
    estimators: Mapping[str, object] | None = None

    def title(self, read: Predictions) -> str:
        """The title of the report."""
        n = len(read.models)
        name = "" if self.name == "comparison" else f": {self.name}"  # of arrays and DataFrames
        return f"Performance of one model{name}" if n == 1 else f"Comparison of {n} models{name}"

    def options(self, read: Predictions) -> dict[str, object]:
        """What reading the input has determined, for provenance.json and `verify`: positive class, cluster column, rule of the calls."""
        return {
            "positive": read.positive,
            "score_kind": read.score_kind,
            "cluster": read.cluster,
            "predictions_file": self.file,
            "models_of_files": self.models_of_files or None,
            "runs": [f.name for f in self.folders] or None,
            "calls": "as given" if not read.threshold_rule and read.threshold is None else "by threshold",
            "threshold_rule": read.threshold_rule or None,
            "input_warnings": [str(w) for w in read.warnings],
            **({} if self.estimators is None else {"estimators": self.estimators}),
        }

    def check_target(self, target: Path) -> None:
        """Raise InputError where the report would replace one of the runs that it compares."""
        if target.resolve() in {f.resolve() for f in self.folders}:
            raise InputError(
                Problem("the report would replace a run that it compares", str(target), remedy="choose another --out")
            )


def compared(
    predictions: Input,
    *,
    name: str,
    positive: str | None,
    threshold: float,
    score_kind: ScoreKind,
    cluster: str | None,
    layout: Layout,
    model_names: Sequence[str],
) -> Compared:
    """Read and check the input; the options are those of `read_predictions`, and `name` stands for a DataFrame in messages.

    Raises InputError for everything that is wrong with it, and for files among folders of finished reports.
    """
    options: dict[str, Any] = {
        "positive": positive,
        "threshold": threshold,
        "score_kind": score_kind,
        "cluster": cluster,
    }
    if isinstance(predictions, pd.DataFrame):
        read = predictions_from_frame(predictions, **options, layout=layout, model_names=model_names, name=name)
        return Compared(read, "comparison", {})
    paths = [Path(predictions)] if isinstance(predictions, (str, Path)) else [Path(p) for p in predictions]
    files = [p for p in paths if not p.is_dir() or _is_dataset(p)]
    if files and len(files) == len(paths):
        read = read_predictions(files, **options, layout=layout, model_names=model_names)
        alike = len({p.name for p in files}) < len(files)
        names = [f"{p.absolute().parent.name}/{p.name}" if alike else p.name for p in files]
        inputs = {n: sha256_file(p) for n, p in sorted(zip(names, files, strict=True)) if p.is_file()}
        of_files = dict(sorted(zip(names, map(list, read.models_of_files), strict=False)))
        single = paths[0] if len(paths) == 1 and inputs else None
        name, file = (single.stem, single.name) if single else ("comparison", None)
        return Compared(read, name, inputs, file=file, models_of_files=of_files)
    if files or not paths:
        remedy = "name folders of finished reports, or files of predictions"
        raise InputError(
            [Problem("a file among folders of finished reports", str(p), remedy=remedy) for p in files]
            or Problem("nothing to compare", remedy=remedy)
        )
    if layout.columns or layout.guess or model_names:
        raise InputError(
            Problem("--columns, --guess and --model-name are for files, not for folders of finished reports")
        )
    runs = joined(paths, positive)
    names = [p.resolve().name for p in paths]
    read = predictions_from_frame(
        runs.frame,
        **{**options, "positive": runs.positive},
        name=" and ".join(f"the predictions of {n}" for n in names),
    )
    tables = {} if runs.runs.empty else {"runs": runs.runs}
    name = f"{names[0]}-compared" if len(names) == 1 else "-".join(names)[:80]
    return Compared(read, name, runs.inputs, tuple(paths), tables, runs.notes)


def _is_dataset(folder: Path) -> bool:
    """Whether a folder holds the parts of a dataset, not a report of ours."""
    return not (folder / "provenance.json").exists() and any(
        p.suffix.lower() in DATASET_PARTS for p in folder.rglob("*")
    )


def readings_of(readers: str | Path | pd.DataFrame, inputs: dict[str, str]) -> Ratings:
    """The ratings of the readers, as categories; the file's hash is added to `inputs`."""
    if isinstance(readers, pd.DataFrame):
        return ratings_from_frame(readers, scale="nominal")
    read = read_ratings(Path(readers), scale="nominal")
    inputs[Path(readers).name] = sha256_file(Path(readers))
    return read
