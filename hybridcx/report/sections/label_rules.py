"""The sections on the readers: the conclusions under other truths, the cases in dispute, which have none, and the readers' agreement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.blocks import FOLD_ROWS, Numbers, Section
from hybridcx.report.numbers import Cell, Notes, Table
from hybridcx.report.sections.comparisons import CAP_ROWS, TABLE_III, agreement_table, heading
from hybridcx.report.shown_rows import Pair

PRIMARY = "primary"
MAIN_COEFFICIENTS = ("icc2", "cohen_kappa", "gwet_ac1", "gwet_ac2")
ONLY_LABELS = (
    "The same predictions against other truths: only the labels change, no network or head was fitted anew. Readers who made a truth are not "
    "compared with the models on it."
)
MEANINGS = {
    PRIMARY: "the labels of the analysis",
    "agreed": "cases on which all readings are the same",
    "majority": "the call of most readings, ties left out",
    "all": "the labels of the analysis; in dispute the given label, else the majority",
}


def section(found: Mapping[str, pd.DataFrame], metric: str, primary: Sequence[Pair], numbers: Numbers) -> Section:
    """The section, without blocks where the input has no readings."""
    made = Section("label-rules", "Labelling rules")
    rules, metrics = found.get("label_rules", pd.DataFrame()), found.get("metrics", pd.DataFrame())
    apart = bool(len(rules)) and bool((rules["n.added"] > 0).any())
    disputed = _disputed(metrics, apart)
    if rules.empty and disputed is None:
        return made
    made.text(ONLY_LABELS)
    if len(rules):
        shown = rules[(rules["metric"] == metric) & _named(rules, primary)]
        made.text(summary(rules, metric, primary))
        for t in (_counts(rules), _conclusions(shown, metric)):
            made.table(t, numbers.table() if t else "")
    made.table(disputed, numbers.table() if disputed else "")
    return made


def agreement_section(found: Mapping[str, pd.DataFrame], numbers: Numbers) -> Section:
    """The readers' agreement, on all cases read and on those analysed."""
    made = Section("agreement", "Reader agreement")
    agreement = found.get("agreement", pd.DataFrame())
    caption = "Agreement and reliability of the readers."
    if len(agreement) > FOLD_ROWS:  # the whole is folded: what is looked for first stands before it
        main = agreement_table(agreement[agreement["metric"].isin(MAIN_COEFFICIENTS)], f"{caption} Main coefficients.")
        made.table(replace(main, key="agreement-main") if main else None, numbers.table() if main else "", whole=True)
        caption += " All coefficients."
    t = agreement_table(agreement, caption)
    made.table(t, numbers.table() if t else "")
    return made


def summary(rules: pd.DataFrame, metric: str, primary: Sequence[Pair] = ()) -> str:
    """One sentence: whether a conclusion on the metric flips under another rule, and which. "" where nothing can be said."""
    own = rules[(rules["metric"] == metric) & (rules["label.rule"] != PRIMARY) & _named(rules, primary)]
    own = own[own["conclusion.flips"].notna()]
    if own.empty:
        return ""
    if not own[["n.relabelled", "n.added", "n.left.out"]].to_numpy(dtype=float).any():
        return (
            "Every reading gives the test cases the labels of the analysis, since none of them is in dispute: under other labelling rules no "
            "conclusion can flip."
        )
    n_rules, n_pairs = own["label.rule"].nunique(), len(own[["model", "comparator"]].drop_duplicates())
    flips = own[own["conclusion.flips"].astype(bool)]
    about = f"on {answers.in_sentence(metric)}"
    if flips.empty:
        which = f"the conclusion {about}" if n_pairs == 1 else f"one of the {n_pairs} conclusions {about}"
        return f"Under none of the {n_rules} other labelling rules does {which} flip."
    pairs = flips[["model", "comparator"]].drop_duplicates()
    named = "; ".join(f"{a} and {b}" for a, b in pairs.head(3).itertuples(index=False))
    named += f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
    by_rule = ", ".join(f"{rule} ({n})" for rule, n in flips.groupby("label.rule", sort=False).size().items())
    which = f"The conclusion {about} depends" if n_pairs == 1 else f"{len(pairs)} of the {n_pairs} conclusions {about} "
    which += "" if n_pairs == 1 else "depends" if len(pairs) == 1 else "depend"
    return f"{which} on the labelling rule: {named}, otherwise under {by_rule}."


def _named(rules: pd.DataFrame, primary: Sequence[Pair]) -> pd.Series:
    """The rows of the primary pairs; all rows where none are named."""
    wanted = {(p.model, p.comparator) for p in primary}
    inside = [not wanted or key in wanted for key in zip(rules["model"], rules["comparator"], strict=True)]
    return pd.Series(inside, index=rules.index, dtype=bool)


def _meaning(rule: str) -> str:
    return MEANINGS.get(rule, f"the calls of {rule.removeprefix('reader_')}")


def _counts(rules: pd.DataFrame) -> Table:
    """Which cases a rule has, and how far its labels depart from those of the analysis."""
    first = rules.drop_duplicates("label.rule")
    rows = [
        [
            Cell(str(r["label.rule"])),
            Cell(_meaning(str(r["label.rule"])), number=False),
            *(Cell(tables.count(select.number(r[c]))) for c in ("n", "n.relabelled", "n.added", "n.left.out")),
        ]
        for r in first.to_dict("records")
    ]
    head = ["Rule", "Truth", "Test cases", "Other label", "In dispute, added", "Left out"]
    return tables.table("label-counts", "Labelling rules and their test cases.", head, rows, source="label_rules.csv")


def _conclusions(shown: pd.DataFrame, metric: str) -> Table | None:
    if shown.empty:
        return None
    kind = vocabulary.metric(metric)
    rows = []
    for r in shown.to_dict("records"):
        limits = (select.number(r[c]) for c in ("estimate", "conf.low", "conf.high"))
        flips = tables.NA if pd.isna(r["conclusion.flips"]) else "flips" if r["conclusion.flips"] else "holds"
        rows.append(
            [
                Cell(f"{r['model']} and {r['comparator']}"),
                Cell(str(r["label.rule"]), number=False),
                Cell(vocabulary.VERDICTS.get(str(r["verdict"]), tables.NA), number=False),
                Cell("" if r["label.rule"] == PRIMARY else flips, number=False),
                Cell(tables.count(select.number(r["n"]))),
                Cell(tables.difference_interval(kind, *limits)),
                Cell(tables.p_value(select.number(r["p.value"]))),
                Cell(tables.p_value(select.number(r["adj.p.value"]))),
            ]
        )
    of = tables.unit(kind, of_difference=True)
    head = ["Pair", "Rule", "Verdict", "Conclusion", "Cases"]
    head += [f"Difference{', ' + of if of else ''} (CI)", *tables.p_heading("p", "p, adjusted")]
    caption = (
        f"Comparisons of {answers.in_sentence(metric)} under each labelling rule (exploratory but for the primary one)."
    )
    remark = "Difference: first model minus second. A family for adjustment is all pairs under one rule."
    return tables.table(
        "label-conclusions", caption, head, rows, remark=remark, source="label_rules.csv", cap=2 * CAP_ROWS
    )


def _disputed(metrics: pd.DataFrame, apart: bool) -> Table | None:
    """The stratum of the cases in dispute against each truth that it has; `apart`: they are not among the cases of the analysis."""
    if metrics.empty:
        return None
    frame = metrics[(metrics["subgroup"] == "stratum") & (metrics["level"] == "disputed")]
    frame = frame.assign(**{"label.rule": frame["label.rule"].fillna(PRIMARY)})
    frame = frame[frame["prevalence"].isna() & frame["seed"].isna()]
    columns = [m for m in TABLE_III if m in ("accuracy", "sensitivity", "specificity", "auroc")]
    frame = frame[frame["metric"].isin(columns)]
    if frame.empty:
        return None
    values = select.shown_values(frame, ("model", "label.rule", "metric"))
    notes, rows = Notes(), []
    for model, rule in dict.fromkeys(k[:2] for k in values):
        found = [values.get((model, rule, m)) for m in columns]
        n = next((select.number(r["n"]) for r in found if r is not None), float("nan"))
        cells = []
        for m, r in zip(columns, found, strict=True):
            limits = [select.number(r[c]) for c in ("estimate", "conf.low", "conf.high")] if r else [float("nan")] * 3
            said = str(r["warning"]) if r and r["status"] == "not_estimable" else ""
            cells.append(Cell(tables.interval(vocabulary.metric(m), *limits), "", notes.mark(said)))
        rows.append([Cell(model), Cell(rule, number=False), Cell(tables.count(n)), *cells])
    head = ["Model", "Against", "Cases", *(heading(m) for m in columns)]
    caption = "Cases in dispute between the readers, scored apart." if apart else "Cases on which the readings differ."
    remark = (
        "Never fitted on, and in no other table but under the labelling rules: there is no consensus what these cases are."
        if apart
        else "They are among the cases of the analysis too."
    )
    remark += " Where two readers differ, a call that is right against one is wrong against the other."
    return tables.table("disputed", caption, head, rows, notes=notes, remark=remark, source="metrics.csv", cap=CAP_ROWS)
