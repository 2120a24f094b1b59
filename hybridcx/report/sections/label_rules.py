"""The conclusions under other labelling rules, and the cases in dispute between the readers, which have no consensus."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.answers import in_sentence
from hybridcx.report.blocks import Section
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import Pair, limits, number
from hybridcx.report.tables import Cell, Cells, Notes, Table, table

PRIMARY = "primary"
DISPUTED_METRICS = ("accuracy", "sensitivity", "specificity", "auroc")
MAX_PAIRS_LISTED = 3
CAP_CONCLUSIONS = 300
CAP_DISPUTED = 150
ONLY_LABELS = (
    "The same predictions with other labels as the truth; no network or head was fitted again. Readers whose calls are the truth are not "
    "compared with the models."
)
MEANINGS = {
    PRIMARY: "the labels of the analysis",
    "agreed": "cases on which all readings are the same",
    "majority": "the call of most readings, without ties",
    "all": "the labels of the analysis; in dispute the given label, otherwise the majority",
}


def section(content: Content) -> Section:
    """A summary, and the tables of rules, conclusions and disputed cases; empty without readings."""
    section = Section()
    rules = content.table("label_rules")
    separate = bool(len(rules)) and bool((rules["n.added"] > 0).any())
    disputed = disputed_table(content.table("metrics"), separate=separate)
    if rules.empty and disputed is None:
        return section
    section.text(ONLY_LABELS)
    if len(rules):
        primary = content.primary_pairs
        own = rules[(rules["metric"] == content.metric) & _of_pairs(rules, primary)]
        section.text(summary(rules, content.metric, primary))
        section.table(rules_table(rules), detail=True)
        section.table(conclusions_table(own, content.metric), detail=True)
    section.table(disputed, detail=True)
    return section


def summary(rules: pd.DataFrame, metric: str, primary: Sequence[Pair] = ()) -> str:
    """One sentence: does a conclusion in this metric change under another rule, and which. "" without a conclusion."""
    own = rules[(rules["metric"] == metric) & (rules["label.rule"] != PRIMARY) & _of_pairs(rules, primary)]
    own = own[own["conclusion.flips"].notna()]
    if own.empty:
        return ""
    if not own[["n.relabelled", "n.added", "n.left.out"]].to_numpy(dtype=float).any():
        return (
            "Every reading gives the test cases the labels of the analysis, since none of them is in dispute: no conclusion can change under "
            "another labelling rule."
        )
    n_rules, n_pairs = own["label.rule"].nunique(), len(own[["model", "comparator"]].drop_duplicates())
    changed = own[own["conclusion.flips"].astype(bool)]
    about = f"on {in_sentence(metric)}"
    if changed.empty:
        conclusions = f"the conclusion {about}" if n_pairs == 1 else f"any of the {n_pairs} conclusions {about}"
        return f"None of the {n_rules} other labelling rules changes {conclusions}."
    pairs = changed[["model", "comparator"]].drop_duplicates()
    names = "; ".join(f"{a} and {b}" for a, b in pairs.head(MAX_PAIRS_LISTED).itertuples(index=False))
    names += f" and {len(pairs) - MAX_PAIRS_LISTED} more" if len(pairs) > MAX_PAIRS_LISTED else ""
    by_rule = ", ".join(f"{rule} ({n})" for rule, n in changed.groupby("label.rule", sort=False).size().items())
    if n_pairs == 1:
        depends = f"The conclusion {about} depends"
    else:
        depends = f"{len(pairs)} of the {n_pairs} conclusions {about} {'depends' if len(pairs) == 1 else 'depend'}"
    return f"{depends} on the labelling rule: {names}, with other conclusions under {by_rule}."


def _of_pairs(rules: pd.DataFrame, pairs: Sequence[Pair]) -> pd.Series:
    """Which rows belong to the pairs; all rows without pairs."""
    wanted = {(p.model, p.comparator) for p in pairs}
    inside = [not wanted or key in wanted for key in zip(rules["model"], rules["comparator"], strict=True)]
    return pd.Series(inside, index=rules.index, dtype=bool)


def rules_table(rules: pd.DataFrame) -> Table:
    """The rules: their truth, their test cases, and how these differ from those of the analysis."""
    rows: list[Cells] = []
    for r in rules.drop_duplicates("label.rule").to_dict("records"):
        rule = str(r["label.rule"])
        meaning = MEANINGS.get(rule, f"the calls of {rule.removeprefix('reader_')}")
        counts = (number(r[c]) for c in ("n", "n.relabelled", "n.added", "n.left.out"))
        rows.append([rule, meaning, *(Cell(numbers.count(n)) for n in counts)])
    head = ["Rule", "Truth", "Test cases", "Other label", "In dispute, added", "Left out"]
    return table("label-counts", "Labelling rules and their test cases.", head, rows, source="label_rules.csv")


def conclusions_table(rules: pd.DataFrame, name: str) -> Table | None:
    """The comparison of each pair under each rule, and whether its conclusion changes; None without any."""
    if rules.empty:
        return None
    metric = vocabulary.metric(name)
    rows: list[Cells] = []
    for r in rules.to_dict("records"):
        changes = numbers.NA if pd.isna(r["conclusion.flips"]) else "changes" if r["conclusion.flips"] else "holds"
        rows.append(
            [
                f"{r['model']} and {r['comparator']}",
                str(r["label.rule"]),
                vocabulary.VERDICTS.get(str(r["verdict"]), numbers.NA),
                "" if r["label.rule"] == PRIMARY else changes,
                Cell(numbers.count(number(r["n"]))),
                Cell(numbers.difference_interval(metric, *limits(r))),
                Cell(numbers.p_value(number(r["p.value"]))),
                Cell(numbers.p_value(number(r["adj.p.value"]))),
            ]
        )
    unit = numbers.unit(metric, of_difference=True)
    head = ["Pair", "Rule", "Verdict", "Conclusion", "Cases", f"Difference{', ' + unit if unit else ''} (CI)", "p"]
    head += ["p, adjusted"]
    caption = (
        f"Comparisons of {in_sentence(name)} under each labelling rule (exploratory, except under the primary rule)."
    )
    remark, source = (
        "Difference: first model minus second. p-values are adjusted over all pairs under one rule.",
        "label_rules.csv",
    )
    return table("label-conclusions", caption, head, rows, remark=remark, source=source, cap=CAP_CONCLUSIONS)


def disputed_table(metrics: pd.DataFrame, *, separate: bool) -> Table | None:
    """The disputed cases scored against each truth; None without any. `separate`: they are not among the cases of the analysis."""
    if metrics.empty:
        return None
    rows = metrics[(metrics["subgroup"] == "stratum") & (metrics["level"] == "disputed")]
    rows = rows.assign(**{"label.rule": rows["label.rule"].fillna(PRIMARY)})
    rows = rows[rows["prevalence"].isna() & rows["seed"].isna() & rows["metric"].isin(DISPUTED_METRICS)]
    if rows.empty:
        return None
    values = shown_rows.shown_values(rows, ("model", "label.rule", "metric"))
    notes = Notes()
    body: list[Cells] = []
    for model, rule in dict.fromkeys(k[:2] for k in values):
        records = [values.get((model, rule, m)) for m in DISPUTED_METRICS]
        n = next((number(r["n"]) for r in records if r is not None), nan)
        cells = []
        for m, r in zip(DISPUTED_METRICS, records, strict=True):
            value = numbers.interval(vocabulary.metric(m), *(limits(r) if r else (nan, nan, nan)))
            reason = str(r["warning"]) if r and r["status"] == "not_estimable" else ""
            cells.append(Cell(value, "", notes.mark(reason)))
        body.append([model, rule, Cell(numbers.count(n)), *cells])
    head = ["Model", "Against", "Cases", *(numbers.heading(vocabulary.metric(m)) for m in DISPUTED_METRICS)]
    caption = (
        "Cases in dispute between the readers, scored separately."
        if separate
        else "Cases on which the readings differ."
    )
    remark = (
        "Not used for fitting, and in no other table except under the labelling rules: there is no consensus on these cases."
        if separate
        else "They are also among the cases of the analysis."
    )
    remark += " Where two readers differ, a call that is right by one is wrong by the other."
    source = "metrics.csv"
    return table("disputed", caption, head, body, notes=notes, remark=remark, source=source, cap=CAP_DISPUTED)
