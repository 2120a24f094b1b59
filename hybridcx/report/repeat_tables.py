"""Tables of repeated trainings: how many seeds alone would have said the same, and ensembles over seeds beside single seeds."""

from __future__ import annotations

import re

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.numbers import Cell, Notes, Table, table
from hybridcx.report.sections.comparisons import CAP_ROWS

_VERDICTS = ("superior", "inferior", "equivalent", "non_inferior", "inconclusive")
_OF_SEED = re.compile(r"(?P<model>.+) \((?:mean of seeds|seed \d+)\)")


def _word(verdict: str) -> str:
    return verdict.replace("_", "-")


def seed_verdicts_table(stability: pd.DataFrame, primary: str) -> Table | None:
    """For each planned difference of the primary metric, how many seeds alone would have come to which verdict; None without seeds."""
    if stability.empty:
        return None
    own = stability[stability["metric"] == primary]
    kind = vocabulary.metric(primary)
    unit = tables.unit(kind, of_difference=True)
    scale = 100 if kind.unit == "percent" else 1
    rows = []
    for r in own.to_dict("records"):
        low, high = (
            tables.fixed(select.number(r[c]), kind.decimals, scale=scale) for c in ("estimate.min", "estimate.max")
        )
        said = [f"{int(r[f'n.{v}'])} {_word(v)}" for v in _VERDICTS if r[f"n.{v}"]]
        rows.append(
            [
                Cell(f"{r['model']} − {r['comparator']}", number=False),
                Cell(_word(str(r["verdict"])), number=False),
                Cell(f"{int(r['n.same'])} of {int(r['n.seeds'])}"),
                Cell(", ".join(said), number=False),
                Cell(f"{int(r['n.estimate.above'])} of {int(r['n.seeds'])}"),
                Cell(f"{low} to {high}"),
            ]
        )
    if not rows:
        return None
    head = [
        "Difference",
        "Verdict over seeds",
        "Seeds that agree",
        "Single seeds would have said",
        "Difference above 0",
    ]
    head.append(f"Range of the difference, {unit}" if unit else "Range of the difference")
    remark = (
        "What a study of one seed alone would have printed: its own interval, which knows nothing of the variance of training, and its own "
        "adjusted p."
    )
    caption = f"Stability of the verdict over seeds: {kind.label.lower() if kind.label != 'AUROC' else kind.label}."
    return table("seed-verdicts", caption, head, rows, remark=remark, source="seed_verdicts.csv", cap=CAP_ROWS)


def ensembles_table(metrics: pd.DataFrame, compared: pd.DataFrame, primary: str) -> Table | None:
    """Each ensemble over seeds beside the single seeds: its value, the mean of theirs, and how many of them it exceeds; None without ensembles."""
    if metrics.empty:
        return None
    notes = Notes()
    shown = select.overall(metrics)
    shown = shown[(shown["metric"] == primary) & (shown["recommended"] == True)]  # noqa: E712
    value = {str(r["model"]): r for r in shown.to_dict("records")}
    kind = vocabulary.metric(primary)
    rows = []
    for name in (m for m in value if m.endswith("(mean of seeds)")):
        found = _OF_SEED.fullmatch(name)
        if found is None:
            continue
        base = found["model"]
        single = [select.number(r["estimate"]) for m, r in value.items() if m.startswith(f"{base} (seed ")]
        pairs = select.overall(compared)
        pairs = pairs[(pairs["metric"] == primary) & (pairs["model"] == name) & (pairs["recommended"] == True)]  # noqa: E712
        pairs = pairs[pairs["comparator"].str.startswith(f"{base} (seed ")]
        # A paired proportion has two recommended rows, Tango's for the interval and the mid-p test: each seed counts once, by its test.
        pairs = pairs[pairs["method"] != "tango"]
        own = value[name]
        limits = (select.number(own[c]) for c in ("estimate", "conf.low", "conf.high"))
        said = own["warning"] if own["status"] != "ok" and isinstance(own["warning"], str) else ""
        scale = 100 if kind.unit == "percent" else 1
        mean = sum(single) / len(single) if single else float("nan")
        significant = pairs.loc[pairs["adj.p.value"] < 1 - pairs["conf.level"], "estimate"]
        rows.append(
            [
                Cell(base, number=False),
                Cell(tables.interval(kind, *limits), "", notes.mark(said)),
                Cell(tables.fixed(mean, kind.decimals, scale=scale)),
                Cell(f"{int((pairs['estimate'] > 0).sum())} of {len(pairs)}"),
                Cell(f"{int((significant > 0).sum())} above, {int((significant < 0).sum())} below", number=False),
            ]
        )
    if not rows:
        return None
    unit = tables.unit(kind)
    of = f"{kind.label}, {unit}" if unit else kind.label
    head = [
        "Network",
        f"{of}, of the ensemble",
        "Mean of its seeds",
        "Above its seed",
        "Of these significant (adjusted)",
    ]
    remark = (
        "The mean probability over all seeds is one set of predictions: its interval is conditional on these trainings, and other seeds would "
        "make another ensemble. Each is compared with each of its own seeds (ensemble_comparisons.csv)."
    )
    caption = f"Ensembles over seeds: {of}."
    return table(
        "ensembles", caption, head, rows, notes=notes, remark=remark, source="ensemble_metrics.csv", cap=CAP_ROWS
    )
