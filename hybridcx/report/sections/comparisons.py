"""The tables of results as the page shows them: contract tables in, text tables out. All rounding is done by `tables`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import isfinite, isnan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.numbers import Cell, Notes, Table, table
from hybridcx.report.shown_rows import Pair, Row

TABLE_III = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "auroc")
OF_CALLS = ("balanced_accuracy", "f1", "mcc", "youden_j", "lr_positive", "lr_negative", "diagnostic_odds_ratio")
OF_SCORES = ("auprc", "brier", "log_loss", "calibration_slope", "calibration_intercept", "ece")
CAP_ROWS = 150
CLUSTER_REMARK = (
    " Obuchowski's test takes its variance under no difference, the interval does not: near the level they can disagree, "
    "and a verdict needs both."
)
MC_REMARK = " MC error: Monte Carlo standard error of the two resampled limits."


def _value_cell(row: Row | None, common: str | None, notes: Notes) -> Cell:
    """One model's metric: estimate, limits, and what the reader has to know beside it."""
    if row is None:
        return Cell(tables.NA)
    kind = vocabulary.metric(str(row["metric"]))
    estimate, low, high = (select.number(row[c]) for c in ("estimate", "conf.low", "conf.high"))
    said = []
    if row["status"] != "ok" and isinstance(row["warning"], str):
        said.append(("not estimable: " if row["status"] == "not_estimable" else "caution: ") + row["warning"])
    elif isinstance(row["warning"], str):
        said.append(row["warning"])
    if isfinite(low) and row["method"] != common:
        said.append(f"interval: {vocabulary.method_label(row['method'])}")
    top, bottom = select.number(row["numerator"]), select.number(row["denominator"])
    sub = "" if isnan(top) or isnan(bottom) else f"{tables.count(top)}/{tables.count(bottom)}"
    errors = [select.number(row.get(f"mc.error.{side}")) for side in ("low", "high")]
    return Cell(tables.interval(kind, estimate, low, high), _monte_carlo(kind, errors) or sub, notes.mark(*said))


def _monte_carlo(kind: vocabulary.Metric, errors: Sequence[float]) -> str:
    """The Monte Carlo errors of resampled limits, in the limits' unit and with a decimal more."""
    if not any(map(isfinite, errors)):
        return ""
    scale = 100 if kind.unit == "percent" else 1
    return "MC error " + ", ".join(tables.fixed(e, kind.decimals + 1, scale=scale) for e in errors)


def metrics_table(
    metrics: pd.DataFrame, wanted: Sequence[str], key: str, caption: str, *, models: Sequence[str] | None = None
) -> Table | None:
    """Models in rows, metrics in columns, each with its interval; the methods of the intervals stand below."""
    if metrics.empty:
        return None
    frame = select.overall(metrics)
    values = select.shown_values(frame[frame["metric"].isin(list(wanted))])
    names = list(dict.fromkeys(k[0] for k in values)) if models is None else list(models)
    columns = [m for m in wanted if any((n, m) in values for n in names)]
    if not columns:
        return None
    notes = Notes()
    common: dict[str, str | None] = {}
    for m in columns:
        used = Counter(
            str(r["method"]) for (_, x), r in values.items() if x == m and isfinite(select.number(r["conf.low"]))
        )
        common[m] = used.most_common(1)[0][0] if used else None
    rows = [[Cell(n), *(_value_cell(values.get((n, m)), common[m], notes) for m in columns)] for n in names]
    head = ["Model", *(heading(m) for m in columns)]
    return table(key, caption, head, rows, notes=notes, remark=_intervals_remark(values, common), source="metrics.csv")


def prevalence_table(metrics: pd.DataFrame, caption: str) -> Table | None:
    """PPV and NPV at the prevalences that were asked for, model by model."""
    frame = metrics
    if len(metrics):
        frame = metrics[metrics["prevalence"].notna() & metrics["subgroup"].isna() & metrics["label.rule"].isna()]
    frame, caption = select.first_seed(frame, caption, "metrics.csv")
    if frame.empty:
        return None
    values = select.shown_values(frame, ("model", "prevalence", "metric"))
    columns = [m for m in ("ppv", "npv") if any(k[2] == m for k in values)]
    notes = Notes()
    common: dict[str, str | None] = {m: next(str(r["method"]) for k, r in values.items() if k[2] == m) for m in columns}
    rows = [
        [
            Cell(model),
            Cell(tables.fixed(float(prevalence), 4, scale=100).rstrip("0").rstrip(".")),
            *(_value_cell(values.get((model, prevalence, m)), common[m], notes) for m in columns),
        ]
        for model, prevalence in dict.fromkeys(k[:2] for k in values)
    ]
    head = ["Model", "Prevalence, %", *(heading(m) for m in columns)]
    remark = _intervals_remark(values, common)
    return table("prevalence", caption, head, rows, notes=notes, remark=remark, source="metrics.csv", cap=CAP_ROWS)


def heading(metric: str) -> str:
    kind = vocabulary.metric(metric)
    of = tables.unit(kind)
    return f"{kind.label}, {of}" if of else kind.label


def _intervals_remark(values: dict[tuple[str, ...], Row], common: dict[str, str | None]) -> str:
    by_method: dict[str, list[str]] = {}
    for metric, method in common.items():
        if method not in (None, "None", "nan"):  # the last two: rows to which no interval belongs
            by_method.setdefault(method, []).append(vocabulary.metric(metric).label)
    levels = {tables.level(select.number(r["conf.level"])) for r in values.values()} - {""}
    level = f"{levels.pop()} confidence intervals" if len(levels) == 1 else "Confidence intervals"
    said = "; ".join(f"{', '.join(m)}: {vocabulary.method_label(method)}" for method, m in by_method.items())
    errors = any(isfinite(select.number(r.get("mc.error.low"))) for r in values.values())
    return f"{level} in {tables.brackets()}. {said}.{MC_REMARK if errors else ''}" if said else ""


def pairs_table(pairs: Sequence[Pair], metric: str, caption: str) -> Table | None:
    """The comparisons on one metric: difference with interval, discordant cases, tests, adjusted p, verdict."""
    if not pairs:
        return None
    kind = vocabulary.metric(metric)
    notes = Notes()
    counts, verdicts = any(isfinite(p.b) for p in pairs), any(p.verdict for p in pairs)
    # with clusters McNemar's tests of independent cases are cautions: they stand in the CSV, the cluster test has the column
    clustered = any(p.test == "mcnemar_cluster" for p in pairs)
    mcnemar = not clustered and any(isfinite(p.p_exact) or isfinite(p.p_midp) for p in pairs)
    other = not mcnemar or any(p.test not in ("mcnemar_midp", "mcnemar_exact", "") for p in pairs)
    adjusted = any(isfinite(p.adjusted) for p in pairs)
    tests, intervals = (Counter(getattr(p, f) for p in pairs if getattr(p, f)) for f in ("test", "method"))
    test, method = (c.most_common(1)[0][0] if c else "" for c in (tests, intervals))
    adjustment = next((p.adjustment for p in pairs if p.adjustment), "")
    of = tables.unit(kind, of_difference=True)
    level = next((tables.level(p.conf_level) for p in pairs if isfinite(p.conf_level)), "")
    word = "Ratio" if kind.null == 1 else "Difference"
    head = [
        "Model",
        "Comparator",
        f"{word}{', ' + of if of and of != 'ratio' else ''} ({level + ' ' if level else ''}CI)",
    ]
    head += ["b", "c"] if counts else []
    head += tables.p_heading("p, exact", "p, mid-p") if mcnemar else []
    head += tables.p_heading("p") if other else []
    head += tables.p_heading(f"p, {vocabulary.ADJUSTMENTS.get(adjustment, adjustment)}-adjusted") if adjusted else []
    head += ["Verdict"] if verdicts else []
    rows = []
    for p in pairs:
        said = [f"caution: {w}" for w in p.warnings]
        said += (
            [f"interval: {vocabulary.method_label(p.method)}"] if p.method != method and select.has_limits(p) else []
        )
        said += [f"test: {vocabulary.method_label(p.test)}"] if p.test and p.test != test else []
        row = [Cell(p.model), Cell(p.comparator, number=False)]
        shown = tables.difference_interval(kind, p.estimate, p.low, p.high, p.margin)
        row.append(Cell(shown, _monte_carlo(kind, p.mc_errors), notes.mark(*said)))
        row += [Cell(tables.count(p.b)), Cell(tables.count(p.c))] if counts else []
        row += [Cell(tables.p_value(p.p_exact)), Cell(tables.p_value(p.p_midp))] if mcnemar else []
        row += [Cell(tables.p_value(p.p))] if other else []
        row += [Cell(tables.p_value(p.adjusted))] if adjusted else []
        row += [Cell(answers.verdict_text(p) if p.verdict else tables.NA, number=False)] if verdicts else []
        rows.append(row)
    remark = f"{word}: model {'over' if kind.null == 1 else 'minus'} comparator; interval: {vocabulary.method_label(method)}."
    remark += " b, c: cases that only the model, only the comparator got right." if counts else ""
    remark += MC_REMARK if any(map(_resampled, pairs)) else ""
    remark += CLUSTER_REMARK if clustered else ""
    remark += (
        f" Test{' behind the adjusted p' if mcnemar and adjusted else ''}: {vocabulary.method_label(test)}."
        if test
        else ""
    )
    return table(
        f"pairs-{kind.name.replace('_', '-')}",
        caption,
        head,
        rows,
        notes=notes,
        remark=remark,
        source="comparisons.csv",
        cap=CAP_ROWS,
    )


def other_pairs_table(pairs: Sequence[Pair], caption: str) -> Table | None:
    """The comparisons on all other metrics in one table, metric by metric."""
    notes = Notes()
    rows = []
    order = vocabulary.in_order([p.metric for p in pairs], vocabulary.METRICS)
    for p in sorted(pairs, key=lambda p: order.index(p.metric)):
        kind = vocabulary.metric(p.metric)
        of = {"percentage points": "points", "ratio": "ratio"}.get(tables.unit(kind, of_difference=True), "")
        test = "" if p.test in ("", p.method) else f"; p: {vocabulary.method_label(p.test)}"
        said = notes.mark(*(f"caution: {w}" for w in p.warnings))
        rows.append(
            [
                Cell(_other_label(p, f"{kind.label}, {of}" if of else kind.label)),
                Cell(p.model, number=False),
                Cell(p.comparator, number=False),
                Cell(
                    tables.difference_interval(kind, p.estimate, p.low, p.high), _monte_carlo(kind, p.mc_errors), said
                ),
                Cell(tables.p_value(p.p)),
                Cell(tables.p_value(p.adjusted)),
                Cell(vocabulary.method_label(p.method) + test, number=False),
            ]
        )
    if not rows:
        return None
    level = next((tables.level(p.conf_level) for p in pairs if isfinite(p.conf_level)), "")
    adjustments = dict.fromkeys(vocabulary.ADJUSTMENTS.get(p.adjustment, p.adjustment) for p in pairs if p.adjustment)
    head = ["Metric", "Model", "Comparator", f"Difference or ratio ({level + ' ' if level else ''}CI)"]
    head += tables.p_heading("p")
    head += tables.p_heading(f"p, {' or '.join(adjustments)}-adjusted") if adjustments else ["Adjusted p"]
    head += ["Method"]
    remark = "Difference: model minus comparator; ratio: model over comparator; points: percentage points."
    remark += MC_REMARK if any(map(_resampled, pairs)) else ""
    return table("pairs-other", caption, head, rows, notes=notes, remark=remark, source="comparisons.csv", cap=CAP_ROWS)


def _resampled(p: Pair) -> bool:
    return any(map(isfinite, p.mc_errors))


def _other_label(p: Pair, label: str) -> str:
    """The metric's label, with the threshold that a net benefit stands at."""
    return f"{label} at {p.threshold:g}" if p.metric == "net_benefit" and isfinite(p.threshold) else label


def multiplicity_table(multiplicity: pd.DataFrame, pairs: Sequence[Pair], caption: str) -> Table | None:
    """The primary comparisons' p-values under every adjustment, side by side."""
    if multiplicity.empty or len(pairs) < 2:
        return None
    wanted = [(p.metric, p.model, p.comparator) for p in pairs]
    tests = {p.test for p in pairs}
    frame = multiplicity[multiplicity["method"].isin(list(tests)) | (multiplicity["p.adjust.method"] == "maxT")]
    cells: dict[tuple[str, ...], float] = {}
    for r in frame.to_dict("records"):
        cells[(str(r["metric"]), str(r["model"]), str(r["comparator"]), str(r["p.adjust.method"]))] = select.number(
            r["adj.p.value"]
        )
    columns = vocabulary.in_order(
        [a for a in vocabulary.ADJUSTMENTS if any((*w, a) in cells for w in wanted)], vocabulary.ADJUSTMENTS
    )
    if not columns:
        return None
    rows = [
        [Cell(w[1]), Cell(w[2], number=False), *(Cell(tables.p_value(cells.get((*w, a)))) for a in columns)]
        for w in wanted
    ]
    remark = "Test: " + ", ".join(vocabulary.method_label(t) for t in sorted(tests) if t) + "."
    remark += " Max-T: joint bootstrap of all comparisons." if "maxT" in columns else ""
    head = ["Model", "Comparator", *(vocabulary.ADJUSTMENTS[a] for a in columns)]
    return table("multiplicity", caption, head, rows, remark=remark, source="multiplicity.csv", cap=CAP_ROWS)


def omnibus_table(omnibus: pd.DataFrame, caption: str) -> Table | None:
    """The tests of all models at once, seed by seed where there are several."""
    notes = Notes()
    rows = []
    seeds = "seed" in omnibus and omnibus["seed"].notna().any()
    for r in omnibus.to_dict("records"):
        said = r["warning"] if r["status"] != "ok" else ""
        rows.append(
            [
                Cell(vocabulary.metric(str(r["metric"])).label),
                *([Cell(tables.count(select.number(r["seed"])))] if seeds else []),
                Cell(vocabulary.method_label(r["method"]), number=False),
                Cell(tables.fixed(select.number(r["statistic"]), 2), "", notes.mark(said)),
                Cell(tables.count(select.number(r["parameter"]))),
                Cell(tables.p_value(select.number(r["p.value"]))),
                Cell(tables.count(select.number(r["n"]))),
                Cell(tables.count(select.number(r["k"]))),
            ]
        )
    head = [
        "Metric",
        *(["Seed"] if seeds else []),
        "Test",
        "Chi-square",
        "df",
        *tables.p_heading("p"),
        "Cases",
        "Models",
    ]
    return table("omnibus", caption, head, rows, notes=notes, source="omnibus.csv", cap=CAP_ROWS) if rows else None


def confusion_table(confusion: pd.DataFrame, caption: str) -> Table | None:
    """The four counts of every model."""
    if confusion.empty:
        return None
    rows = [
        [Cell(str(r["model"])), *(Cell(tables.count(select.number(r[c]))) for c in ("tp", "fn", "fp", "tn"))]
        for r in confusion.to_dict("records")
    ]
    positive = " or ".join(dict.fromkeys(confusion["positive"].astype(str)))
    head = ["Model", "True positive", "False negative", "False positive", "True negative"]
    return table("confusion-counts", caption, head, rows, remark=f"Positive: {positive}.", source="confusion.csv")


def agreement_table(agreement: pd.DataFrame, caption: str) -> Table | None:
    """Coefficients of agreement and reliability, between observers first."""
    if agreement.empty:
        return None
    notes = Notes()
    rows = []
    frame = agreement.sort_values("scope", key=lambda s: s.map({"between": 0, "within": 1}), kind="stable")
    slices = [c for c in ("readers", "occasion", "subset") if frame[c].notna().any()]
    for r in frame.to_dict("records"):
        name = str(r["metric"])
        kind = vocabulary.coefficient(name)
        shown = tables.interval(kind, *(select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")))
        shown += "" if name != "percent_agreement" or shown == tables.NA else " %"
        said = r["warning"] if r["status"] != "ok" else ""
        df = [select.number(r[c]) for c in ("parameter1", "parameter2")]
        f = tables.fixed(select.number(r["statistic"]), 2)
        if isfinite(df[0]):
            f += f" ({', '.join(tables.count(x) for x in df if isfinite(x))})"
        label = vocabulary.AGREEMENT.get(name, name)
        method = "" if pd.isna(r["method"]) or r["method"] in ("anova", "unweighted", "wilson") else f", {r['method']}"
        rows.append(
            [
                Cell(label + method),
                Cell(str(r["scope"]), number=False),
                *(Cell(tables.NA if pd.isna(r[c]) else str(r[c]), number=False) for c in slices),
                Cell(shown, "", notes.mark(said)),
                Cell(f),
                Cell(tables.p_value(select.number(r["p.value"]))),
                Cell(tables.count(select.number(r["n"]))),
                Cell(tables.count(select.number(r["k"]))),
            ]
        )
    level = next((tables.level(x) for x in frame["conf.level"] if pd.notna(x)), "")
    head = [
        "Coefficient",
        "Observers",
        *(c.capitalize() for c in slices),
        f"Estimate ({level + ' ' if level else ''}CI)",
    ]
    head += ["F or z (df)", *tables.p_heading("p"), "Cases", "Readings"]
    return table("agreement-table", caption, head, rows, notes=notes, source="agreement.csv", cap=CAP_ROWS)


def subgroup_table(metrics: pd.DataFrame, caption: str) -> Table | None:
    """The main metrics in every subgroup, model by model."""
    if metrics.empty:
        return None
    frame = metrics[metrics["subgroup"].notna() & metrics[["seed", "prevalence", "label.rule"]].isna().all(axis=1)]
    if len(frame):  # the cases in dispute stand with the labelling rules
        frame = frame[frame["metric"].isin([*TABLE_III]) & (frame["subgroup"] != "stratum")]
    if frame.empty:
        return None
    values = select.shown_values(frame, ("subgroup", "level", "model", "metric"))
    columns = [m for m in TABLE_III if m not in ("ppv", "npv") and any(k[3] == m for k in values)]
    notes = Notes()
    common: dict[str, str | None] = {
        m: Counter(str(r["method"]) for k, r in values.items() if k[3] == m).most_common(1)[0][0] for m in columns
    }
    rows = []
    for key in dict.fromkeys(k[:3] for k in values):
        found = [values.get((*key, m)) for m in columns]
        n = next((select.number(r["n"]) for r in found if r is not None), float("nan"))
        cells = [_value_cell(r, m, notes) for r, m in zip(found, common.values(), strict=True)]
        rows.append([Cell(f"{key[0]}: {key[1]}"), Cell(key[2], number=False), Cell(tables.count(n)), *cells])
    head = ["Subgroup", "Model", "Cases", *(heading(m) for m in columns)]
    remark = _intervals_remark(values, common)
    return table("subgroup-table", caption, head, rows, notes=notes, remark=remark, source="metrics.csv", cap=CAP_ROWS)
