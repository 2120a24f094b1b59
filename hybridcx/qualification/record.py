"""The record of a qualification: qualification.html, qualification.csv and their hashes in provenance.json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import resources
from math import isfinite, isnan
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from hybridcx.qualification.case import Case, fewest_digits
from hybridcx.report.formats.csv import write_table
from hybridcx.store import provenance
from hybridcx.store.artefacts import write_atomic
from hybridcx.store.report_folder import OutputFolder, file_hashes
from hybridcx.vocabulary import METHODS, METRICS

PAGE, TABLE = "qualification.html", "qualification.csv"
AREAS = {
    "installation": "Installation: the files and versions",
    "operation": "Operation: the statistics against reference values",
    "performance": "Performance: a fixed miniature study",
    "simulation": "Simulation: coverage and type I error",
    "own": "Your own cases",
}
COLUMNS = tuple(f.name for f in fields(Case))


@dataclass(frozen=True, slots=True)
class Record:
    """What is written down: the cases, the machine, start and end, the options, and the result in one sentence."""

    cases: Sequence[Case]
    machine: Mapping[str, str]
    times: Mapping[str, object]
    options: Mapping[str, object]
    answer: str


def write_record(folder: OutputFolder, record: Record) -> None:
    """Write page, table and provenance into the folder, in place of an earlier record there."""
    new = folder.begin()
    rows = [{**asdict(c), "expected": text(c.expected), "found": text(c.found)} for c in record.cases]
    write_table(new / TABLE, pd.DataFrame(rows, columns=list(COLUMNS)))
    write_atomic(new / PAGE, page(record))
    files = file_hashes(new)
    about = {
        "schema_version": provenance.SCHEMA_VERSION,
        "command": folder.command,
        "options": dict(record.options),
        "environment": provenance.environment(),
        **record.times,
        "files": files,
    }
    write_atomic(new / "provenance.json", json.dumps(about, indent=1, sort_keys=True, default=str))
    folder.commit()


def text(value: float | str) -> str:
    """A value as the table has it: a number as the shortest text that reads back as the same double."""
    if isinstance(value, str):
        return value
    return "NA" if isnan(value) else repr(value) if isfinite(value) else "Inf" if value > 0 else "-Inf"


def page(record: Record) -> str:
    """The page as one HTML document that loads nothing."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(_resource("hybridcx.qualification", "qualification.html.j2"))
    areas = [_area(title, [c for c in record.cases if c.area == area]) for area, title in AREAS.items()]
    return template.render(
        style=Markup(_resource("hybridcx.report", "templates/style.css")),
        record=record,
        passed=all(c.status != "FAIL" for c in record.cases),
        areas=[a for a in areas if a["n"]],
        failed=[_shown(c) for c in record.cases if c.status == "FAIL"],
        skipped=[c for c in record.cases if c.status == "SKIPPED"],
        table=TABLE,
    )


def _resource(package: str, name: str) -> str:
    return resources.files(package).joinpath(*name.split("/")).read_text(encoding="utf-8")


def _area(title: str, cases: Sequence[Case]) -> dict[str, Any]:
    """What the page shows of an area: its counts, and a row for each statistic."""
    groups: dict[str, list[Case]] = {}
    for c in cases:
        groups.setdefault(c.statistic, []).append(c)
    rows = [
        {
            "statistic": label(name),
            "n": len(of),
            "failed": sum(c.status == "FAIL" for c in of),
            "digits": _digits(of),
            "sources": sorted({c.source for c in of if c.source}),
        }
        for name, of in sorted(groups.items(), key=lambda item: label(item[0]).casefold())
    ]
    count = {status: sum(c.status == status for c in cases) for status in ("PASS", "FAIL", "SKIPPED")}
    caption = "Fewest digits: in which a found value agrees with its expected one (log relative error, 15 where they are equal)"
    if any(c.drawn for c in cases):
        caption += "; values drawn at random, which agree within four Monte Carlo errors, are left out"
    return {"title": title, "n": len(cases), "rows": rows, "caption": f"{caption}.", **count}


def _digits(cases: Sequence[Case]) -> str:
    """The fewest agreeing digits of the cases that are not drawn at random, and whether there are others."""
    fewest = fewest_digits(c for c in cases if not c.drawn)
    digits = f"{int(fewest * 10) / 10:.1f}" if isfinite(fewest) else ""
    return digits or ("drawn" if any(c.drawn for c in cases) else "")


def label(name: str) -> str:
    """The label of a method or metric of the vocabulary; another name as it is."""
    card, metric = METHODS.get(name), METRICS.get(name)
    return card.label if card else metric.label if metric else name.replace("_", " ")


def _shown(c: Case) -> dict[str, str]:
    return {
        "area": c.area,
        "case": c.case,
        "statistic": label(c.statistic),
        "quantity": c.quantity,
        "expected": text(c.expected),
        "found": text(c.found),
        "digits": "" if isnan(c.digits) else f"{c.digits:.1f}",
        "source": c.source,
        "note": c.note,
    }
