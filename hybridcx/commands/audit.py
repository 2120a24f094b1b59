"""`hybridcx audit`: whether a published table can be true, and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from hybridcx.analysis.published import readings
from hybridcx.analysis.published.tables import audit_tables
from hybridcx.commands.options import (
    Also,
    ConfidenceLevel,
    Negatives,
    Out,
    Positives,
    Published,
    ReportsProgress,
    Unit,
    checked,
    documented,
)
from hybridcx.commands.publish import (
    Clock,
    finish,
    page_provenance,
)
from hybridcx.commands.result import Report, output
from hybridcx.errors import InputError
from hybridcx.narrative.audit import METHODS, caveats, sentences
from hybridcx.progress import OfPython
from hybridcx.records.published import read_published
from hybridcx.report.content import Content
from hybridcx.report.formats.all_forms import forms_of
from hybridcx.report.formats.csv import write_table
from hybridcx.store.artefacts import sha256_file
from hybridcx.store.report_folder import OutputFolder
from hybridcx.vocabulary.audit import PUBLISHED_INPUT


@documented
def audit(
    published: Published,
    *,
    positives: Positives = None,
    negatives: Negatives = None,
    out: Out = None,
    unit: Unit = None,
    confidence_level: ConfidenceLevel = 0.95,
    also: Also = (),
    progress: ReportsProgress = None,
) -> Report:
    """Check whether a published table can be true.

    Also which confusion matrices produce it, and what its paired tests could have shown.
    `tables["audit_readings"]` of the result lists which readings of the table fit;
    `hybridcx.commands.audit.can_be_true(tables)` is True where the table can be true as printed.

    Raises
    ------
    InputError
        for anything wrong with the table or the options, with every problem; nothing has been written.
    """
    options = checked(audit, locals())
    progress = progress or OfPython()
    forms = forms_of(also)
    units = units_of(unit) if isinstance(unit, Sequence) and not isinstance(unit, str) else unit
    name, inputs = "published", {}
    if not isinstance(published, pd.DataFrame):
        path = Path(published)
        name = path.stem
    read = read_published(published, positives, negatives, units)
    for warning in read.warnings:
        progress.say(f"Warning: {warning}")
    if not isinstance(published, pd.DataFrame):
        inputs = {path.name: sha256_file(path)} if path.is_file() else {}
    clock = Clock()
    with output(out, name, "audit", progress) as folder:
        results = readings.audit(read)
        tables = audit_tables(results, confidence_level)
        answers = sentences(results, tables, confidence_level)
        n = len(read.models)
        content = Content(
            title=f"Audit of a published table: {name if inputs else 'published table'}",
            command="audit",
            question=f"Can this table of {n} model{'s' if n > 1 else ''} be true, and what could its paired tests have shown?",
            tables=tables,
            answers=answers,
            caveats=caveats(results),
            methods=METHODS,
            provenance={k: v for k, v in page_provenance(0, inputs).items() if k != "seed"},
        )

        def write(folder: OutputFolder) -> None:
            write_table(folder.begin() / "published.csv", read.frame)
            finish(
                folder,
                content,
                tables,
                forms=forms,
                further_columns={("published", c): PUBLISHED_INPUT[c] for c in map(str, read.frame.columns)},
                inputs=inputs,
                options={
                    **options,
                    "unit": dict(units) if isinstance(units, Mapping) else units,
                    "input_warnings": [str(w) for w in read.warnings],
                },
                clock=clock,
                progress=progress,
            )

        return Report(tables, content, _write=write).written(folder)


def units_of(units: Sequence[str]) -> str | dict[str, str] | None:
    """The units of `--unit`: one for all metrics, or one per printed name (`MCC=proportion`); None without any."""
    if not units:
        return None
    if len(units) == 1 and "=" not in units[0]:
        return units[0]
    if any("=" not in u for u in units):
        raise InputError("--unit is given once for all metrics (percent or proportion), or as METRIC=percent for each")
    return dict(u.rsplit("=", 1) for u in units)


def can_be_true(tables: Mapping[str, pd.DataFrame]) -> bool:
    """Whether every model of an audit's tables has a confusion matrix with the values as printed."""
    readings = tables["audit_readings"].set_index("reading")
    return bool(readings.loc["as_printed", "fits"])
