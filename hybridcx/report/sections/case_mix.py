"""Case mix: the run's test cases beside the new ones."""

from __future__ import annotations

from math import isfinite

import pandas as pd

from hybridcx.report import numbers
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

CAP_ROWS, MAX_OPEN = 60, 4
COUNTS = ("cases", "patients")


def section(content: Content) -> Section:
    """The table of the case mix."""
    section = Section()
    mix = content.table("case_mix")
    if mix.empty:
        return section
    first = mix["model"].isna() | mix["model"].isin(content.primary_models[:MAX_OPEN])
    section.table(case_mix_table(mix[first], "case-mix", "Case mix inside and outside."), detail=False)
    section.table(
        case_mix_table(mix[~first], "case-mix-more", "Scores of the other models inside and outside."), detail=True
    )
    return section


def case_mix_table(mix: pd.DataFrame, key: str, caption: str) -> Table | None:
    """Cases, prevalence, the models' scores and the manifest's columns, inside and outside; None without any."""
    if mix.empty:
        return None
    notes = Notes()
    body: list[Cells] = []
    for r in mix.to_dict("records"):
        name = " ".join(str(v) for v in (r["variable"], r["model"]) if isinstance(v, str))
        as_share = r["variable"] == "prevalence" or (isinstance(r["level"], str) and r["level"] not in ("mean", "sd"))
        cells = []
        for side in ("inside", "outside"):
            value = float(r[side])
            if not isfinite(value):
                cells.append(Cell(numbers.NA))
            elif r["variable"] in COUNTS:
                cells.append(Cell(numbers.count(value)))
            else:
                cells.append(Cell(f"{100 * value:.1f}%" if as_share else numbers.fixed(value, 2)))
        level = r["level"] if isinstance(r["level"], str) else ""
        difference = float(r["standardised.difference"])
        warning = r["warning"] if isinstance(r["warning"], str) else ""
        shown = numbers.fixed(difference, 2) if isfinite(difference) else numbers.NA
        body.append([name, level, *cells, Cell(shown, "", notes.mark(warning))])
    head = ["Variable", "Level", "Inside", "Outside", "Standardised difference"]
    remark = "Standardised difference: outside minus inside over the pooled standard deviation; above 0.1 in size is often called an imbalance."
    return table(
        key,
        caption,
        head,
        body,
        notes=notes,
        remark=remark,
        source="case_mix.csv",
        cap=CAP_ROWS,
    )
