"""Writes a report folder from its tables: CSVs, predictions, page, log and provenance; the files replace earlier ones together."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.progress import Progress
from hybridcx.records.ratings import Ratings
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import write_forms
from hybridcx.report.formats.csv import write_table, write_tables
from hybridcx.report.formats.html import render
from hybridcx.report.formats.r_program import COMMANDS, program
from hybridcx.store import provenance
from hybridcx.store.artefacts import write_atomic
from hybridcx.store.report_folder import OutputFolder, file_hashes
from hybridcx.vocabulary.columns import Column
from hybridcx.vocabulary.readers import READING
from hybridcx.vocabulary.run import FURTHER_COLUMN, LEDGER


class Clock:
    """Start time and duration of a command, for provenance.json only."""

    def __init__(self) -> None:
        self.started, self._tick = provenance.now(), time.monotonic()

    def times(self) -> dict[str, object]:
        return {
            "started": self.started,
            "finished": provenance.now(),
            "duration_s": round(time.monotonic() - self._tick, 3),
        }


def plan_options(plan: Plan) -> dict[str, object]:
    """The plan as provenance.json records it, with its hash."""
    return {**asdict(plan), "plan_sha256": plan.sha256()}


def page_provenance(seed: int, inputs: Mapping[str, str]) -> dict[str, str]:
    """The provenance on the page, without times and host, so that the page is the same for every repetition."""
    versions = {"hybridcx": provenance.version(), "seed": str(seed)}
    hashes = {f"input {name}": f"SHA-256 {digest}" for name, digest in inputs.items()}
    return versions | hashes | provenance.package_versions()


def without_patients(frame: pd.DataFrame) -> pd.DataFrame:
    """The predictions with patient ids replaced by codes: the grouping is kept, the identity is not."""
    if "patient_id" not in frame:
        return frame
    codes = pd.factorize(frame["patient_id"], sort=True)[0]
    return frame.assign(
        patient_id=pd.Series([f"g{c:05d}" if c >= 0 else None for c in codes], index=frame.index, dtype=object)
    )


LARGEST_CSV_LEDGER = 1_000_000
"""Predictions (rows) that `compare` writes as CSV beside Parquet; more are compressed Parquet alone."""


def ledger_file(n_rows: int) -> str:
    """The file of so many predictions in the folder of `compare` that its texts name."""
    return "predictions.csv" if n_rows <= LARGEST_CSV_LEDGER else "predictions.parquet"


def write_ledger(folder: Path, ledger: pd.DataFrame, *, csv: bool = True) -> None:
    """Write the predictions as CSV and Parquet, or as compressed Parquet alone."""
    if csv:
        write_table(folder / "predictions.csv", ledger)
    compression: Literal["snappy", "zstd"] = "snappy" if csv else "zstd"
    ledger.to_parquet(folder / "predictions.parquet", index=False, compression=compression)


def write_readings(folder: Path, ratings: Ratings) -> None:
    """Write the ratings that were used as ratings.csv, without further columns, which may name patients."""
    write_table(folder / "ratings.csv", ratings.frame.reset_index())


def rating_columns(ratings: Ratings) -> dict[tuple[str, str], Column]:
    """The columns of ratings.csv for the data dictionary."""
    as_given = Column("as given in the input", "")
    return {("ratings", c): as_given for c in ["case_id", *[k.column for k in ratings.columns]]}


def finish(
    folder: OutputFolder,
    content: Content,
    tables: Mapping[str, pd.DataFrame],
    *,
    forms: Sequence[str] = (),
    inputs: Mapping[str, str],
    options: Mapping[str, object],
    clock: Clock,
    progress: Progress,
    ledger_columns: Sequence[str] | pd.Index = (),
    further_columns: Mapping[tuple[str, str], Column] | None = None,
    more: Mapping[str, object] | None = None,
) -> None:
    """Write tables, page, further forms, log and provenance into the new folder, and replace the earlier results by it."""
    readings = {str(c): READING for c in ledger_columns if str(c).startswith("reader_")}
    predictions = content.ledger.removesuffix(".csv")
    columns = {(predictions, c): LEDGER.get(c, readings.get(c, FURTHER_COLUMN)) for c in ledger_columns}
    columns |= dict(further_columns or {})
    write_tables(folder.new, tables, command=folder.command, further_columns=columns)
    from hybridcx.report.page import assemble  # matplotlib is loaded only where a page is written

    page = assemble(content)
    (folder.new / "report.html").write_text(render(page), encoding="utf-8", newline="\n")
    write_forms(folder.new, forms, content, page)
    if folder.command in COMMANDS:
        (folder.new / "recompute.R").write_text(program(options), encoding="utf-8", newline="\n")
    if progress.log:
        (folder.new / "hybridcx.log").write_text(progress.log, encoding="utf-8", newline="\n")
    record = {
        "schema_version": provenance.SCHEMA_VERSION,
        "command": folder.command,
        "options": dict(options),
        "inputs": dict(inputs),
        **(more or {}),
        "forms": list(forms),
        "environment": provenance.environment(),
        **clock.times(),
        "files": file_hashes(folder.new),
    }
    write_atomic(folder.new / "provenance.json", json.dumps(record, indent=1, sort_keys=True, default=str))
    free = shutil.disk_usage(folder.path).free
    progress.detail(f"{free / 1e9:.1f} GB free on the disk of the report.")
    folder.commit()
