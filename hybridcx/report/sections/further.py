"""The further tables of a comparison on the page: ranks, overlapping errors, parts of the Brier score, curves compared, interactions, cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.numbers import Cell, Notes, Table, table

RANKED = ("accuracy", "sensitivity", "specificity", "auroc", "auprc", "brier", "net_benefit")
SHOWN_THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
CAP_ROWS = 40
CAP_CASES = 100
MAX_CALL_COLUMNS = 10
CAP_INTERACTIONS = 60
RANK_REMARK = (
    "Share of the joint resamples of the cases in which the model has the best value; ties are shared. It says how stable the first place is, not "
    "how large the difference is; with one seed it says nothing of other trainings."
)


def _said(r: Mapping[Any, Any]) -> str:
    return str(r["warning"]) if r["status"] != "ok" and isinstance(r["warning"], str) else ""


def _of_seed(seed: object) -> str:
    """The words for a table that stands once per seed, of which the first is shown."""
    return "" if seed is None else f" Seed {seed}; the file has every seed."


def thresholds_table(chosen: pd.DataFrame, caption: str) -> Table | None:
    """The thresholds that a rule chose, with what they reach on the validation cases."""
    if chosen.empty:
        return None
    notes = Notes()
    units = [c for c in ("seed", "fold") if chosen[c].notna().any()]
    rows = [
        [
            Cell(str(r["model"])),
            *(Cell(tables.NA if pd.isna(r[c]) else str(r[c]), number=False) for c in units),
            Cell(str(r["rule"]), number=False),
            Cell(tables.fixed(float(r["threshold"]), 4), "", notes.mark(_said(r))),
            Cell(tables.percent(float(r["sensitivity"]), 1)),
            Cell(tables.percent(float(r["specificity"]), 1)),
            Cell(tables.count(r["n"])),
        ]
        for r in chosen.to_dict("records")
    ]
    head = ["Model", *(u.capitalize() for u in units), "Rule", "Threshold"]
    head += ["Sensitivity in validation, %", "Specificity in validation, %", "Validation cases"]
    remark = "Sensitivity and specificity are those on the cases the threshold was chosen on; they are no results."
    return table("thresholds", caption, head, rows, notes=notes, remark=remark, source="thresholds.csv", cap=CAP_ROWS)


def ranking_table(ranking: pd.DataFrame, caption: str) -> Table | None:
    """Models in rows, metrics in columns, in each the probability that the model is best."""
    if ranking.empty:
        return None
    shares = {(str(r["model"]), str(r["metric"])): r for r in ranking.to_dict("records")}
    columns = [m for m in RANKED if any(k[1] == m for k in shares)]
    if not columns:
        return None
    notes = Notes()
    rows = []
    for model in dict.fromkeys(k[0] for k in shares):
        found = [shares[model, m] for m in columns]
        cells = [Cell(tables.percent(select.number(r["prob.best"]), 1), "", notes.mark(_said(r))) for r in found]
        rows.append([Cell(model), *cells])
    head = ["Model", *(f"{vocabulary.metric(m).label}, %" for m in columns)]
    return table("ranking", caption, head, rows, notes=notes, remark=RANK_REMARK, source="ranking.csv", cap=CAP_ROWS)


def overlap_table(overlap: pd.DataFrame, caption: str) -> Table | None:
    """Each pair's errors: how many are shared, and whether more than chance would share."""
    if overlap.empty:
        return None
    overlap, seed = select.one_seed(overlap)
    caption += _of_seed(seed)
    notes = Notes()
    rows = [
        [
            Cell(str(r["model"])),
            Cell(str(r["comparator"]), number=False),
            Cell(tables.fixed(select.number(r["error.kappa"]), 2), "", notes.mark(_said(r))),
            Cell(tables.percent(select.number(r["double.fault"]), 1)),
            *(Cell(tables.count(r[c])) for c in ("both.wrong", "only.model.wrong", "only.comparator.wrong")),
        ]
        for r in overlap.to_dict("records")
    ]
    head = [
        "Model",
        "Comparator",
        "κ of errors",
        "Both wrong, %",
        "Both wrong",
        "Only model wrong",
        "Only comparator wrong",
    ]
    remark = "κ of errors: 1 if both err on the same cases, 0 if together as often as by chance; below 0 they complement each other."
    return table("overlap", caption, head, rows, notes=notes, remark=remark, source="error_overlap.csv", cap=CAP_ROWS)


def brier_table(parts: pd.DataFrame, caption: str) -> Table | None:
    """The parts of each model's Brier score over bins of the score."""
    frame, seed = select.one_seed(parts)
    caption += _of_seed(seed)
    frame = frame[frame["grouping"] != "distinct scores"] if len(frame) else frame
    if frame.empty:
        return None
    columns = ("brier", "reliability", "resolution", "uncertainty", "within.bin")
    rows = [
        [Cell(str(r["model"])), *(Cell(tables.fixed(select.number(r[c]), 4)) for c in columns)]
        for r in frame.to_dict("records")
    ]
    head = [
        "Model",
        "Brier score",
        "Reliability (lower is better)",
        "Resolution (higher is better)",
        "Uncertainty",
        "Within bins",
    ]
    remark = "Brier = reliability − resolution + uncertainty + within bins; 10 bins of equal width. Both are biased upwards in small sets."
    return table("brier-parts", caption, head, rows, remark=remark, source="brier_decomposition.csv", cap=CAP_ROWS)


def curve_differences_table(curves: pd.DataFrame, caption: str) -> Table | None:
    """Differences of net benefit at a few thresholds, pair by pair."""
    if curves.empty:
        return None
    curves, seed = select.one_seed(curves)
    caption += _of_seed(seed)
    kind = vocabulary.metric("net_benefit")
    cells: dict[tuple[str, str], dict[float, Cell]] = {}
    notes = Notes()
    for t in SHOWN_THRESHOLDS:
        for r in curves[(curves["threshold"] - t).abs() < 1e-9].to_dict("records"):
            shown = tables.difference_interval(
                kind, *(select.number(r[c]) for c in ("estimate", "conf.low", "conf.high"))
            )
            cells.setdefault((str(r["model"]), str(r["comparator"])), {})[t] = Cell(shown, "", notes.mark(_said(r)))
    shown_at = [t for t in SHOWN_THRESHOLDS if any(t in c for c in cells.values())]
    if not shown_at:
        return None
    rows = [[Cell(a), Cell(b, number=False), *(c[t] for t in shown_at)] for (a, b), c in cells.items()]
    level = next((tables.level(x) for x in curves["conf.level"] if pd.notna(x)), "")
    remark = f"Net benefit of model minus comparator; pointwise {level} Wald limits, not adjusted for the number of thresholds."
    head = ["Model", "Comparator", *(f"t = {t:g}" for t in shown_at)]
    source = "decision_curve_differences.csv"
    return table("curve-differences", caption, head, rows, notes=notes, remark=remark, source=source, cap=CAP_ROWS)


def interactions_table(interactions: pd.DataFrame, caption: str, pairs: Sequence[tuple[str, str]]) -> Table | None:
    """Tests that the subgroups share one value: those of the shown pairs first, then of the models."""
    if interactions.empty:
        return None
    over_seeds = "seed" in interactions and interactions["seed"].isna().any()
    if over_seeds:
        interactions = interactions[interactions["seed"].isna()]
    notes = Notes()
    wanted = {p: i for i, p in enumerate(pairs)}
    records = interactions.to_dict("records")
    of_pairs = [r for r in records if (str(r["model"]), str(r["comparator"])) in wanted]
    alone = [r for r in records if pd.isna(r["comparator"])]
    rows = [
        [
            Cell(str(r["subgroup"])),
            Cell(vocabulary.metric(str(r["metric"])).label, number=False),
            Cell(str(r["model"]) if pd.isna(r["comparator"]) else f"{r['model']} − {r['comparator']}", number=False),
            Cell(tables.fixed(select.number(r["statistic"]), 2), "", notes.mark(_said(r))),
            Cell(tables.count(select.number(r["parameter"]))),
            Cell(tables.p_value(select.number(r["p.value"]))),
        ]
        for r in of_pairs + alone
    ]
    head = ["Subgroup", "Metric", "Model or difference", "Chi-square", "df", *tables.p_heading("p")]
    test = (
        "Wald's chi-square of the means over seeds, from the bootstrap over seeds and cases"
        if over_seeds
        else "Cochran's Q"
    )
    remark = (
        f"{test}, over the levels of the subgroup; p not adjusted. A large p does not show that the levels are alike."
    )
    return table(
        "interactions", caption, head, rows, notes=notes, remark=remark, source="interactions.csv", cap=CAP_INTERACTIONS
    )


def disagreements_table(cases: pd.DataFrame, models: Sequence[str], caption: str) -> Table | None:
    """The cases on which the models differ or all err: every shown model's call, the wrong ones written out."""
    if cases.empty:
        return None
    cases, caption = select.first_seed(cases, caption, "disagreements.csv")
    fixed = ("case_id", "y_true", "n.models.wrong", "seed")
    there = [c for c in cases.columns if c not in fixed]
    shown = [m for m in models if m in there][:MAX_CALL_COLUMNS] or there[:MAX_CALL_COLUMNS]
    frame = cases.sort_values("n.models.wrong", ascending=False, kind="stable")
    rows = []
    for r in frame.head(CAP_CASES + 1).to_dict("records"):
        calls = [tables.NA if pd.isna(r[m]) else str(r[m]) for m in shown]
        marked = ["·" if c == str(r["y_true"]) else c for c in calls]
        rows.append(
            [
                Cell(str(r["case_id"])),
                Cell(str(r["y_true"]), number=False),
                Cell(tables.count(r["n.models.wrong"])),
                *(Cell(c, number=False) for c in marked),
            ]
        )
    counted = f" Models in error are counted over all {len(there)} models." if len(there) > 1 else ""
    remark = f"A dot is a right call; a wrong one is written out.{counted}"
    remark += f" Calls of {len(shown)} of them are shown." if len(shown) < len(there) else ""
    if len(frame) > CAP_CASES:
        rows = rows[:CAP_CASES]
        remark += (
            f" The {CAP_CASES} cases with most errors of {tables.count(len(frame))}; all are in disagreements.csv."
        )
    return table(
        "cases", caption, ["Case", "Truth", "Models in error", *shown], rows, remark=remark, source="disagreements.csv"
    )
