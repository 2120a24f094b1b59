"""The command `audit`: from a published table to its report, and the words of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hybridcx.analysis.published import readings
from hybridcx.analysis.published.tables import audit_tables
from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
)
from hybridcx.commands.result import Report, default_out
from hybridcx.errors import InputError, raise_if_any
from hybridcx.narrative.audit import METHODS, caveats, sentences
from hybridcx.progress import Progress
from hybridcx.records.published import read_published
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.report.formats.csv import write_table
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.report_folder import open_output
from hybridcx.vocabulary.audit import PUBLISHED_INPUT

if TYPE_CHECKING:
    pass


def audit_report(
    published: str | Path | pd.DataFrame,
    target: Path,
    *,
    positives: int | None,
    negatives: int | None,
    unit: str | Mapping[str, str] | None,
    confidence_level: float,
    forms: Sequence[str] = (),
    progress: Progress,
) -> dict[str, pd.DataFrame]:
    """Audit a published table and write its report into `target`; return its tables (`audit_readings`, `audit_matrices`, ...).

    Raises InputError for anything wrong with the table or the options; then nothing has been written.
    """
    read = read_published(published, positives, negatives, unit)
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    is_file = not isinstance(published, pd.DataFrame)
    name = Path(published).stem if is_file else "published table"  # type: ignore[arg-type]
    inputs = {Path(published).name: sha256_file(Path(published))} if is_file else {}  # type: ignore[arg-type]
    clock = Clock()
    with open_output(target, "audit", progress.notice) as folder:
        found = readings.audit(read)
        made = audit_tables(found, confidence_level)
        new = folder.begin()
        write_table(new / "published.csv", read.frame)
        n = len(read.models)
        content = Content(
            title=f"Audit of a published table: {name}",
            command="audit",
            question=f"Can this table of {n} model{'s' if n > 1 else ''} be true, and what could its paired tests have shown?",
            tables=made,
            answers=sentences(found, made, confidence_level),
            caveats=caveats(found),
            methods=METHODS,
            provenance={k: v for k, v in page_provenance(0, inputs).items() if k != "seed"},
        )
        options = {
            "published_file": next(iter(inputs), None),
            "positives": positives,
            "negatives": negatives,
            "unit": dict(unit) if isinstance(unit, Mapping) else unit,
            "confidence_level": confidence_level,
        }
        finish(
            folder,
            content,
            made,
            forms=forms,
            further_columns={("published", c): PUBLISHED_INPUT[c] for c in map(str, read.frame.columns)},
            inputs=inputs,
            options=options,
            clock=clock,
            progress=progress,
        )
    progress.say(sentences(found, made, confidence_level)[0])
    return made


def units_of(given: Sequence[str]) -> str | dict[str, str] | None:
    """What `--unit` says: one unit for all, or by printed name (`MCC=proportion`); none where it is not given."""
    if not given:
        return None
    if len(given) == 1 and "=" not in given[0]:
        return given[0]
    if any("=" not in g for g in given):
        raise InputError("--unit is given once for all metrics (percent or proportion), or as METRIC=percent for each")
    return dict(g.rsplit("=", 1) for g in given)


def can_be_true(made: Mapping[str, pd.DataFrame]) -> bool:
    """Whether every model of an audit's tables has a confusion matrix as printed."""
    readings = made["audit_readings"].set_index("reading")
    return bool(readings.loc["as_printed", "fits"])


def audit(
    published: str | Path | pd.DataFrame,
    *,
    positives: int | None = None,
    negatives: int | None = None,
    out: str | Path | None = None,
    unit: str | Mapping[str, str] | None = None,
    confidence_level: float = 0.95,
    also: Sequence[str] = (),
    progress: Progress | None = None,
) -> Report:
    """Can a published table of metrics be true, which confusion matrices produce it, and what could its paired tests have shown.

    `published`: CSV (or a DataFrame with text as values) with the columns model, metric and value as printed. `positives`, `negatives`: the
    class totals, unless the table has columns or rows of that name. `unit`: percent or proportion, for all metrics or by printed name; without
    it each metric's unit is decided over the whole table. `tables["audit_readings"]` of the result says which readings fit, and
    `hybridcx.commands.audit.can_be_true(tables)` whether the table can be true as printed.

    Raises InputError for anything wrong with the table or the options; then nothing has been written.
    """
    from hybridcx.analysis.plan import level_problems
    from hybridcx.commands.audit import audit_report

    raise_if_any(level_problems(confidence_level))
    name = "published" if isinstance(published, pd.DataFrame) else Path(published).stem
    target = Path(out) if out is not None else default_out(name)
    tables = audit_report(
        published,
        target,
        positives=positives,
        negatives=negatives,
        unit=unit,
        confidence_level=confidence_level,
        forms=forms_of(also),
        progress=progress or Progress(quiet=True),
    )
    return Report(target, target / "report.html", tables)
