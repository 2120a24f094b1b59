"""Repeated trainings: the spread over seeds, the components of variance, verdicts of single seeds, and ensembles over seeds."""

from __future__ import annotations

import re
from math import isfinite

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers, numbers, shown_rows
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import caution, limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

METRICS = ("accuracy", "sensitivity", "specificity", "auroc", "brier")
CAP_ROWS = 150
_VERDICTS = ("superior", "inferior", "equivalent", "non_inferior", "inconclusive")
_MEAN_OF_SEEDS = re.compile(r"(?P<network>.+) \(mean of seeds\)")


def section(content: Content) -> Section:
    """The four tables; empty without several seeds."""
    section = Section()
    metric = content.metric
    section.table(variance_table(content.table("variance"), metric))
    section.table(obuchowski_table(content.table("comparisons"), metric), detail=True)
    section.table(seed_verdicts_table(content.table("seed_verdicts"), metric), detail=True)
    section.table(
        ensembles_table(content.table("ensemble_metrics"), content.table("ensemble_comparisons"), metric), detail=True
    )
    return section


def variance_table(variance: pd.DataFrame, primary: str) -> Table | None:
    """Range and standard deviation over seeds and the components of variance: of the models, and of the differences in the primary metric."""
    if variance.empty:
        return None
    notes = Notes()
    of_model = variance["comparator"].isna()
    is_primary = variance["metric"] == primary
    rows = variance[(of_model & (is_primary | variance["metric"].isin(METRICS))) | (~of_model & is_primary)]
    order = vocabulary.in_order([primary, *rows["metric"]], vocabulary.METRICS)
    records = sorted(rows.to_dict("records"), key=lambda r: order.index(r["metric"]))
    components = any(isfinite(number(r["share.case"])) for r in records)
    body: list[Cells] = []
    for r in records:
        metric = vocabulary.metric(str(r["metric"]))
        low, high, sd = (numbers.amount(metric, number(r[c])) for c in ("seed.min", "seed.max", "sd.seeds"))
        name = f"{r['model']} − {r['comparator']}" if isinstance(r["comparator"], str) else str(r["model"])
        marks = notes.mark(r["warning"] if components else "")
        row: list[Cell | str] = [numbers.heading(metric), Cell(name, "", marks, number=False)]
        row += [Cell(numbers.count(number(r["n.seeds"]))), Cell(f"{low} to {high}"), Cell(sd)]
        if components:
            shares = (number(r[f"share.{c}"]) for c in ("case", "seed", "residual"))
            row += [Cell(numbers.fixed(share, 0, scale=100)) for share in shares]
        body.append(row)
    head = ["Metric", "Model or difference", "Seeds", "Range over seeds", "SD over seeds"]
    head += ["Cases, %", "Seeds, %", "Rest, %"] if components else []
    caption = "Spread of the metrics over seeds" + (
        ", and components of the variance of their mean." if components else "."
    )
    remark = (
        "Cases, seeds, rest: shares of the variance of the mean over seeds, from two-way components of variance; the rest is what changes with "
        "the seed on single cases. A difference pairs the seeds of both models in the order of their numbers."
        if components
        else "The seeds have test sets of their own: their spread is that of training and test sets together."
    )
    return table("variance", caption, head, body, notes=notes, remark=remark, source="variance.csv", cap=CAP_ROWS)


def obuchowski_table(comparisons: pd.DataFrame, primary: str) -> Table | None:
    """Obuchowski and Rockette's tests of the primary metric and the AUROC; None without any."""
    if comparisons.empty:
        return None
    rows = shown_rows.overall(comparisons)
    rows = rows[(rows["method"] == "obuchowski_rockette") & rows["metric"].isin([primary, "auroc"])]
    if rows.empty:
        return None
    notes = Notes()
    body: list[Cells] = [
        [
            numbers.difference_heading(vocabulary.metric(str(r["metric"]))),
            str(r["model"]),
            str(r["comparator"]),
            Cell(
                numbers.difference_interval(vocabulary.metric(str(r["metric"])), *limits(r)), "", notes.mark(caution(r))
            ),
            Cell(numbers.fixed(number(r["statistic"]), 2)),
            Cell(numbers.fixed(number(r["parameter"]), 1)),
            Cell(numbers.p_value(number(r["p.value"]))),
            Cell(numbers.p_value(number(r["adj.p.value"]))),
        ]
        for r in rows.sort_values("metric", key=lambda m: m != primary, kind="stable").to_dict("records")
    ]
    head = ["Metric", "Model", "Comparator", f"Difference ({shown_rows.ci(rows)})", "t", "df", "p", "p, Holm-adjusted"]
    caption = "Differences by the method of Obuchowski and Rockette: an analysis of variance of seeds and cases."
    remark = "The recommended method of these metrics; their verdicts are based on it. Points: percentage points."
    return table("obuchowski", caption, head, body, notes=notes, remark=remark, source="comparisons.csv", cap=CAP_ROWS)


def seed_verdicts_table(stability: pd.DataFrame, primary: str) -> Table | None:
    """The verdicts of single seeds on each planned difference of the primary metric; None without seeds."""
    if stability.empty:
        return None
    own = stability[stability["metric"] == primary]
    if own.empty:
        return None
    metric = vocabulary.metric(primary)
    rows: list[Cells] = []
    for r in own.to_dict("records"):
        low, high = (numbers.amount(metric, number(r[c])) for c in ("estimate.min", "estimate.max"))
        rows.append(
            [
                f"{r['model']} − {r['comparator']}",
                _verdict(str(r["verdict"])),
                Cell(f"{int(r['n.same'])} of {int(r['n.seeds'])}"),
                ", ".join(f"{int(r[f'n.{v}'])} {_verdict(v)}" for v in _VERDICTS if r[f"n.{v}"]),
                Cell(f"{int(r['n.estimate.above'])} of {int(r['n.seeds'])}"),
                Cell(f"{low} to {high}"),
            ]
        )
    unit = numbers.unit(metric, of_difference=True)
    head = ["Difference", "Verdict over seeds", "Seeds with this verdict", "Verdicts of single seeds"]
    head += ["Difference above 0", f"Range of the difference, {unit}" if unit else "Range of the difference"]
    caption = f"Stability of the verdict over seeds: {answers.in_sentence(primary)}."
    remark = (
        "A study of one seed would report that seed's verdict: it rests on an interval without the variance of training, and on that seed's "
        "adjusted p."
    )
    return table("seed-verdicts", caption, head, rows, remark=remark, source="seed_verdicts.csv", cap=CAP_ROWS)


def _verdict(verdict: str) -> str:
    return verdict.replace("_", "-")


def ensembles_table(metrics: pd.DataFrame, comparisons: pd.DataFrame, primary: str) -> Table | None:
    """Each ensemble over seeds compared with its single seeds in the primary metric; None without ensembles."""
    if metrics.empty:
        return None
    metric = vocabulary.metric(primary)
    notes = Notes()
    own = shown_rows.overall(metrics)
    by_model = {name: r for (name, _), r in shown_rows.shown_values(own[own["metric"] == primary]).items()}
    every_pair = shown_rows.pairs(comparisons, metric=primary)
    rows: list[Cells] = []
    for name, r in by_model.items():
        match = _MEAN_OF_SEEDS.fullmatch(name)
        if match is None:
            continue
        network = match["network"]
        single = [number(s["estimate"]) for m, s in by_model.items() if m.startswith(f"{network} (seed ")]
        mean = sum(single) / len(single) if single else float("nan")
        pairs = [p for p in every_pair if p.model == name and p.comparator.startswith(f"{network} (seed ")]
        significant = [p.estimate for p in pairs if p.adjusted < 1 - p.conf_level]
        rows.append(
            [
                network,
                Cell(numbers.interval(metric, *limits(r)), "", notes.mark(caution(r))),
                Cell(numbers.amount(metric, mean)),
                Cell(f"{sum(p.estimate > 0 for p in pairs)} of {len(pairs)}"),
                f"{sum(d > 0 for d in significant)} above, {sum(d < 0 for d in significant)} below",
            ]
        )
    if not rows:
        return None
    title = numbers.heading(metric)
    head = ["Network", f"{title}, of the ensemble", "Mean of its seeds", "Above its seed", "Significant (adjusted)"]
    caption = f"Ensembles over seeds: {title}."
    remark = (
        "An ensemble averages the probabilities over all seeds. Its interval is conditional on these trainings; other seeds would give another "
        "ensemble. Each ensemble is compared with each of its own seeds (ensemble_comparisons.csv)."
    )
    return table(
        "ensembles", caption, head, rows, notes=notes, remark=remark, source="ensemble_metrics.csv", cap=CAP_ROWS
    )
