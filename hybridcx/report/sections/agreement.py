"""Agreement and reliability of the readers: the coefficient that the design asks for, the figures, and every other coefficient."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import isfinite, nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.agreement_answer import at_occasion, headline, of_same_readings
from hybridcx.report.blocks import Figure, Section
from hybridcx.report.content import Content
from hybridcx.report.figures import agreement as figures
from hybridcx.report.shown_rows import Row, caution, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

if TYPE_CHECKING:
    from hybridcx.records.ratings import Ratings

CAP_ROWS = 150
MAX_PANELS = 6
MAX_MAIN = 12
MAX_READINGS = 12
MAIN = (
    ("icc2", "anova"),
    ("icc3", "anova"),
    ("sem", "anova"),
    ("mdc95", "anova"),
    ("cohen_kappa", "unweighted"),
    ("cohen_kappa", "quadratic"),
    ("fleiss_kappa", "unweighted"),
    ("gwet_ac1", "unweighted"),
    ("gwet_ac2", "quadratic"),
    ("percent_agreement", "wilson"),
)
"""The coefficients of the open table, and their methods."""
_FORMS = ("icc1", "icc2", "icc3", "icc1k", "icc2k", "icc3k")
_KAPPAS = ("percent_agreement", "cohen_kappa", "fleiss_kappa", "gwet_ac1", "gwet_ac2", "krippendorff_alpha")
_BOUNDS = ("bland_altman_bias", "bland_altman_lower", "bland_altman_upper")


def section(content: Content) -> Section:
    """The main coefficients, figures of all, and every coefficient as a detail."""
    section = Section()
    agreement = content.table("agreement")
    if agreement.empty:
        return section
    shown = agreement_table(_main_rows(agreement), "Main coefficients of agreement.", key="agreement-main")
    section.table(shown, detail=False)
    if content.command == "agreement":
        section.figures(kappa_figure(agreement), cross_figure(content))
        for scope in ("between", "within"):
            section.figures(bland_altman_figure(content, scope))
        section.figures(readings_figure(content))
    everything = agreement_table(agreement, "All coefficients of agreement and reliability of the readers.")
    if everything is not None and (shown is None or len(everything.rows) > len(shown.rows)):
        section.table(everything, detail=True)
    return section


def coefficients_figure(agreement: pd.DataFrame) -> Figure | None:
    """The forms of the ICC, or the coefficients of categories, of the headline's readings with their intervals; None without any."""
    row = headline(agreement)
    if row is None:
        return None
    forms = str(row["metric"]).startswith("icc")
    own = of_same_readings(agreement, row)
    own = own[own["metric"].isin(_FORMS if forms else _KAPPAS)]
    rows = [
        (vocabulary.coefficient_label(str(r["metric"]), r["method"]), *shown_rows.limits(r))
        for r in own.to_dict("records")
    ]
    if not rows:
        return None
    what = "Forms of the intraclass correlation" if forms else "Coefficients of agreement"
    level = shown_rows.level(own)
    caption = f"{what}, {row['readers']}" + (f", with {level} CI." if level else ".")
    return Figure("coefficients", figures.coefficients(rows), caption, "agreement.csv")


def kappa_figure(agreement: pd.DataFrame) -> Figure | None:
    """A heat map of the pairwise kappas between readers at the first occasion; None with fewer than three readers."""
    own = agreement[(agreement["metric"] == "cohen_kappa") & (agreement["scope"] == "between")]
    if own.empty:
        return None
    first = own["occasion"].iloc[0]
    own = at_occasion(own, first)
    method = "quadratic" if (own["method"] == "quadratic").any() else "unweighted"
    own = own[own["method"] == method]
    pairs = [tuple(str(r).split(", ")) for r in own["readers"]]
    names = list(dict.fromkeys(x for p in pairs for x in p))
    if len(names) < 3 or any(len(p) != 2 for p in pairs) or len(names) > MAX_READINGS:
        return None
    values = np.full((len(names), len(names)), nan)
    for (a, b), x in zip(pairs, own["estimate"], strict=True):
        i, j = sorted((names.index(a), names.index(b)))
        values[j, i] = number(x)
    name = vocabulary.coefficient_label("cohen_kappa", method)
    when = "" if pd.isna(first) else f", occasion {first}"
    name += "," if ", " in name else ""
    caption = f"{name} of each pair of readers{when}; intervals are in the file."
    return Figure("kappas", figures.kappa_map(names, values, name), caption, "agreement.csv")


def cross_figure(content: Content) -> Figure | None:
    """The calls of the only two readers at the first occasion, one against the other; None with other readings."""
    read = content.readings
    if read is None or read.scale == "measurement" or len(read.readers) != 2:
        return None
    columns = {(c.reader, 1 if c.occasion is None else c.occasion): c.column for c in read.columns}
    first = min(o for _, o in columns)
    keys = [(r, first) for r in read.readers]
    if any(k not in columns for k in keys):
        return None
    a, b = (read.frame[columns[k]] for k in keys)
    both = a.notna() & b.notna()
    names = list(map(str, read.categories))
    counts = pd.crosstab(a[both].astype(str), b[both].astype(str)).reindex(index=names, columns=names, fill_value=0)
    drawn = figures.cross_table((read.readers[0], read.readers[1]), names, counts.to_numpy(float))
    return Figure("calls", drawn, "Calls of the two readers: cases in each pair of categories.", "ratings.csv")


def bland_altman_figure(content: Content, scope: str) -> Figure | None:
    """Bland-Altman plots of the pairs, at most `MAX_PANELS`; None without measurements or pairs."""
    read, agreement = content.readings, content.table("agreement")
    if read is None or read.scale != "measurement":
        return None
    rows = agreement[agreement["metric"].isin(_BOUNDS) & (agreement["scope"] == scope)]
    by_key: dict[tuple[str, str], dict[str, tuple[float, float, float]]] = {}
    for r in rows.to_dict("records"):
        key = (str(r["readers"]), "" if pd.isna(r["occasion"]) else str(r["occasion"]))
        by_key.setdefault(key, {})[str(r["metric"])] = (
            number(r["estimate"]),
            number(r["conf.low"]),
            number(r["conf.high"]),
        )
    panels = []
    for readers, occasion, first, second in _pairs(read, scope):
        bounds = by_key.get((readers, occasion), {})
        title = readers.replace(", ", " − ") if scope == "between" else f"{readers}, {occasion.replace(', ', ' − ')}"
        title += f"\noccasion {occasion}" if scope == "between" and occasion else ""
        limits = [bounds.get(b, (nan, nan, nan)) for b in _BOUNDS]
        panels.append(figures.Differences(title, (first + second) / 2, first - second, *limits))
    if not panels:
        return None
    of = "between readers" if scope == "between" else "of each reader, over occasions"
    caption = f"Bland-Altman plots {of}: bias (solid) and 95% limits of agreement (dashed), with the intervals of each (bands)."
    if len(panels) > MAX_PANELS:
        caption += f" {MAX_PANELS} of {len(panels)} pairs; the file has all."
    drawn = figures.bland_altman(panels[:MAX_PANELS], prefix=f"bland-altman-{scope}")
    return Figure(f"bland-altman-{scope}", drawn, caption, "ratings.csv")


def _pairs(read: Ratings, scope: str) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """(readers, occasion, first, second) of every pair of readings; the first two as in the columns of agreement.csv."""
    columns = {(c.reader, 1 if c.occasion is None else c.occasion): c for c in read.columns}
    occasions = sorted({o for _, o in columns})
    pairs: list[tuple[str, str, tuple[str, int], tuple[str, int]]] = []
    if scope == "between":
        for o in occasions:
            when = str(o) if len(occasions) > 1 else ""
            present = [r for r in read.readers if (r, o) in columns]
            pairs += [(f"{a}, {b}", when, (a, o), (b, o)) for a, b in combinations(present, 2)]
    else:
        for reader in read.readers:
            own = [o for o in occasions if (reader, o) in columns]
            pairs += [(reader, f"{a}, {b}", (reader, a), (reader, b)) for a, b in combinations(own, 2)]
    for readers, occasion, first, second in pairs:
        a, b = (read.frame[columns[key].column].to_numpy(float) for key in (first, second))
        yield readers, occasion, a, b


def readings_figure(content: Content) -> Figure | None:
    """The readings themselves: points of measurements, or the shares of the categories; None without readings."""
    read = content.readings
    if read is None:
        return None
    columns = read.columns[:MAX_READINGS]
    names = [c.reader + (f", {c.occasion}" if c.occasion is not None else "") for c in columns]
    rest = len(read.columns) - len(columns)
    more = f" The first {len(columns)} of {len(read.columns)} readings." if rest else ""
    if read.scale == "measurement":
        values = [(n, read.frame[c.column].to_numpy(float)) for n, c in zip(names, columns, strict=True)]
        caption = f"Readings of each reader: every case, with median and quartiles.{more}"
        return Figure("readings", figures.measurements(values), caption, "ratings.csv")
    shares = pd.DataFrame(
        [read.frame[c.column].dropna().astype(str).value_counts(normalize=True) for c in columns], index=names
    )
    shares = shares.reindex(columns=list(map(str, read.categories))).fillna(0.0)
    caption = f"Categories that each reader used: where one is rare, κ is low although most calls are the same.{more}"
    return Figure("readings", figures.categories(shares), caption, "ratings.csv")


def main_table(agreement: pd.DataFrame) -> Table | None:
    """The main coefficients of the headline's readings, for the first screen; None without any."""
    row = headline(agreement)
    if row is None:
        return None
    own = of_same_readings(agreement, row)
    own = own[[key in MAIN for key in zip(own["metric"], own["method"], strict=True)]]
    if not str(row["metric"]).startswith("icc"):
        own = own[~own["metric"].str.startswith("icc")]  # of two calls, which have an ICC beside kappa and AC1
    notes = Notes()
    rows: list[Cells] = [[_label(r), Cell(_value(r), "", notes.mark(caution(r)))] for r in own.to_dict("records")]
    level = shown_rows.level(own)
    head = ["Coefficient", f"Estimate ({level} CI)" if level else "Estimate"]
    return table("coefficients", "Main coefficients.", head, rows, notes=notes)


def _main_rows(agreement: pd.DataFrame) -> pd.DataFrame:
    """The rows of the main coefficients; of many those of all cases read, the first occasion, all readers together, and one coefficient of a kind."""
    rows = agreement[[key in MAIN for key in zip(agreement["metric"], agreement["method"], strict=True)]]
    if len(rows) <= MAX_MAIN:
        return rows
    kind = rows["subset"].astype(str).str.partition(",")[0]
    rows = rows[rows["subset"].astype(str) == rows["subset"].astype(str).groupby(kind).transform("first")]
    between = rows["scope"] == "between"
    occasion = rows["occasion"].fillna("").astype(str)
    rows = rows[~between | (occasion == (occasion[between].iloc[0] if between.any() else ""))]
    keys = list(zip(*(rows[c].fillna("").astype(str) for c in ("scope", "readers", "occasion", "subset")), strict=True))
    calls, sizes = (
        {k for k, m in zip(keys, rows["metric"], strict=True) if m == name} for name in ("percent_agreement", "sem")
    )
    of_calls = np.array([k in calls and k not in sizes for k in keys], dtype=bool)
    rows = rows[~(of_calls & rows["metric"].str.startswith("icc")) & ~rows["metric"].isin(["icc3", "sem"])]
    if len(rows) > MAX_MAIN:
        rows = rows[~((rows["metric"] == "cohen_kappa") & (rows["scope"] == "between"))]
    return rows


def _label(r: Row | dict[object, object]) -> str:
    """The whole name of a coefficient, with its unit."""
    unit = numbers.unit(vocabulary.coefficient(str(r["metric"])))
    return vocabulary.coefficient_label(str(r["metric"]), r["method"]) + (f", {unit}" if unit else "")


def _value(r: Row | dict[object, object]) -> str:
    metric = vocabulary.coefficient(str(r["metric"]))
    return numbers.interval(metric, *shown_rows.limits(r))


def agreement_table(agreement: pd.DataFrame, caption: str, key: str = "agreement-table") -> Table | None:
    """Coefficients of agreement and reliability, those between readers first; None without any."""
    if agreement.empty:
        return None
    notes = Notes()
    frame = agreement.sort_values("scope", key=lambda s: s.map({"between": 0, "within": 1}), kind="stable")
    slices = [
        c
        for c in ("readers", "occasion", "subset")
        if frame[c].notna().any() and (c != "subset" or frame[c].nunique() > 1)
    ]
    tested = frame["p.value"].notna().any()
    rows: list[Cells] = []
    for r in frame.head(CAP_ROWS).to_dict("records"):
        statistic = numbers.fixed(number(r["statistic"]), 2)
        df = [x for x in (number(r["parameter1"]), number(r["parameter2"])) if isfinite(x)]
        if isfinite(number(r["parameter1"])):
            statistic += f" ({', '.join(map(numbers.count, df))})"
        rows.append(
            [
                _label(r),
                str(r["scope"]),
                *(numbers.NA if pd.isna(r[c]) else str(r[c]) for c in slices),
                Cell(_value(r), "", notes.mark(caution(r))),
                *([Cell(statistic), Cell(numbers.p_value(number(r["p.value"])))] if tested else []),
                Cell(numbers.count(number(r["n"]))),
                Cell(numbers.count(number(r["k"]))),
            ]
        )
    head = ["Coefficient", "Observers", *(c.capitalize() for c in slices), f"Estimate ({shown_rows.ci(frame)})"]
    head += [*(["F or z (df)", "p"] if tested else []), "Cases", "Readings"]
    return table(key, caption, head, rows, notes=notes, source="agreement.csv", cap=CAP_ROWS, total=len(frame))
