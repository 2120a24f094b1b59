"""The input of `compare`: a file of predictions, a DataFrame, or folders of finished reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from hybridcx.commands.finished_runs import joined
from hybridcx.errors import InputError, Problem
from hybridcx.records.predictions import Predictions, ScoreKind, predictions_from_frame, read_predictions
from hybridcx.records.ratings import Ratings, ratings_from_frame, read_ratings
from hybridcx.store.artefacts import sha256_file

Input = str | Path | pd.DataFrame | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class Compared:
    """Checked predictions, the name of their report, hashes of the input files; for folders also their differences (`tables`) and notes."""

    read: Predictions
    name: str
    inputs: dict[str, str]
    folders: tuple[Path, ...] = ()
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    file: str | None = None

    def title(self, read: Predictions) -> str:
        """The title of the report."""
        n = len(read.models)
        return f"Performance of one model: {self.name}" if n == 1 else f"Comparison of {n} models: {self.name}"

    def options(self, read: Predictions) -> dict[str, object]:
        """What reading the input has determined, for provenance.json and `verify`: positive class, cluster column, rule of the calls."""
        return {
            "positive": read.positive,
            "score_kind": read.score_kind,
            "cluster": read.cluster,
            "predictions_file": self.file,
            "runs": [f.name for f in self.folders] or None,
            "calls": "as given" if not read.threshold_rule and read.threshold is None else "by threshold",
            "threshold_rule": read.threshold_rule or None,
            "input_warnings": [str(w) for w in read.warnings],
        }

    def check_target(self, target: Path) -> None:
        """Raise InputError where the report would replace one of the runs that it compares."""
        if target.resolve() in {f.resolve() for f in self.folders}:
            raise InputError(
                Problem("the report would replace a run that it compares", str(target), remedy="choose another --out")
            )


def compared(
    predictions: Input, *, positive: str | None, threshold: float, score_kind: ScoreKind, cluster: str | None
) -> Compared:
    """Read and check the input; the options are those of `read_predictions`.

    Raises InputError for everything that is wrong with it, for several files, and for files among folders.
    """
    if isinstance(predictions, pd.DataFrame):
        read = predictions_from_frame(
            predictions, positive=positive, threshold=threshold, score_kind=score_kind, cluster=cluster
        )
        return Compared(read, "comparison", {})
    paths = [Path(predictions)] if isinstance(predictions, (str, Path)) else [Path(p) for p in predictions]
    files = [p for p in paths if not p.is_dir()]
    if len(paths) == 1 and files:
        path = paths[0]
        read = read_predictions(path, positive=positive, threshold=threshold, score_kind=score_kind, cluster=cluster)
        return Compared(read, path.stem, {path.name: sha256_file(path)}, file=path.name)
    if files or not paths:
        remedy = "name the folders of finished runs, or one file that holds all models"
        raise InputError(
            [
                Problem(
                    "each of several inputs must be the folder of a finished run; this is not one",
                    str(p),
                    remedy=remedy,
                )
                for p in files
            ]
            or Problem("nothing to compare", remedy=remedy)
        )
    runs = joined(paths, positive)
    names = [p.resolve().name for p in paths]
    read = predictions_from_frame(
        runs.frame,
        positive=runs.positive,
        threshold=threshold,
        score_kind=score_kind,
        cluster=cluster,
        name=" and ".join(f"the predictions of {n}" for n in names),
    )
    tables = {} if runs.runs.empty else {"runs": runs.runs}
    name = f"{names[0]}-compared" if len(names) == 1 else "-".join(names)[:80]
    return Compared(read, name, runs.inputs, tuple(paths), tables, runs.notes)


def readings_of(readers: str | Path | pd.DataFrame, inputs: dict[str, str]) -> Ratings:
    """The ratings of the readers, as categories; the file's hash is added to `inputs`."""
    if isinstance(readers, pd.DataFrame):
        return ratings_from_frame(readers, scale="nominal")
    read = read_ratings(Path(readers), scale="nominal")
    inputs[Path(readers).name] = sha256_file(Path(readers))
    return read
