"""The flow of the cohort: from those screened, by the reasons for exclusion and the disputes, to those analysed, with every case accounted for."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from hybridcx.cohort.cohort import SPLITS, Cohort
from hybridcx.cohort.splits import Split

FLOW_COLUMNS = ("step", "kind", "reason", "split", "label", "n", "n.patients")
UNASSIGNED = "none"
"""The split of disputed cases without a split in the manifest."""


def flow(cohort: Cohort, split: Split | None = None) -> pd.DataFrame:
    """Return the cohort's flow (STARD 2015, item 19), one step a row.

    Columns: `step`, the words; `kind`: screened, excluded, disputed, analysed or class; `reason` of an exclusion or a dispute; `split` and
    `label` where the row is about one of them (with `split`: each part of each class, and of the cases in dispute); `n`: cases;
    `n.patients`: distinct patients. The reasons are sorted by falling number, ties in the manifest's order. The sums of cases are checked;
    patients need not add up, because a patient can have cases in several rows.

    Raises RuntimeError where a case is not accounted for, which would be a bug.
    """
    rows = [
        {**dict.fromkeys(FLOW_COLUMNS), **step, "n": len(part), "n.patients": part["patient_id"].nunique()}
        for step, part in _steps(cohort, split)
    ]
    table = pd.DataFrame(rows, columns=list(FLOW_COLUMNS))
    if wrong := unaccounted(table):
        raise RuntimeError("the flow of the cohort does not add up: " + "; ".join(wrong))
    return table


def _steps(cohort: Cohort, split: Split | None) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    frame, disputed, analysed = cohort.frame, cohort.in_dispute, cohort.analysed
    yield {"step": "screened", "kind": "screened"}, frame
    gone = frame.drop(index=disputed.index)
    for reason in _by_number(gone.loc[gone["excluded"] != "", "excluded"]):
        yield {"step": reason, "kind": "excluded", "reason": reason}, gone[gone["excluded"] == reason]
    for reason in _by_number(disputed["excluded"]):
        yield {"step": reason, "kind": "disputed", "reason": reason}, disputed[disputed["excluded"] == reason]
    if split is not None and len(disputed):
        sent = disputed["case_id"].map(split.disputed).replace("", UNASSIGNED)
        for name in (*SPLITS, UNASSIGNED):
            if (sent == name).any():
                words = "in dispute, test: scored apart" if name == "test" else f"in dispute, {name}: not used"
                yield {"step": words, "kind": "disputed", "split": name}, disputed[sent == name]
    yield {"step": "analysed", "kind": "analysed"}, analysed
    classes = (cohort.labels[1], cohort.labels[0])
    for label in classes:
        yield {"step": label, "kind": "class", "label": label}, analysed[analysed["label"] == label]
    if split is not None:
        sent = analysed["case_id"].map(split.assignment)
        for name in SPLITS:
            yield {"step": name, "kind": "analysed", "split": name}, analysed[sent == name]
            for label in classes:
                part = analysed[(sent == name) & (analysed["label"] == label)]
                yield {"step": f"{name}, {label}", "kind": "class", "split": name, "label": label}, part


def _by_number(reasons: pd.Series) -> list[str]:
    order = reasons.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    return [str(r) for r in order.index]


def unaccounted(table: pd.DataFrame) -> list[str]:
    """The sums of a flow that do not hold, in words; empty where every case is accounted for."""
    kind, part, label = table["kind"], table["split"], table["label"]

    def n(which: pd.Series) -> int:
        return int(table.loc[which, "n"].sum())

    whole = part.isna()
    screened, analysed = n(kind == "screened"), n((kind == "analysed") & whole)
    excluded, disputed = n(kind == "excluded"), n((kind == "disputed") & whole)
    sums = [
        ("screened", screened, "excluded, in dispute and analysed", excluded + disputed + analysed),
        ("analysed", analysed, "the classes", n((kind == "class") & whole)),
    ]
    if (~whole & (kind == "analysed")).any():
        sums.append(("analysed", analysed, "the splits", n((kind == "analysed") & ~whole)))
        sums.append(("in dispute", disputed, "their splits", n((kind == "disputed") & ~whole)))
        sums += [
            (
                f"analysed, {name}",
                n((kind == "analysed") & (part == name)),
                "its classes",
                n((kind == "class") & (part == name)),
            )
            for name in SPLITS
        ]
        sums += [
            (
                f"class {name}",
                n((kind == "class") & whole & (label == name)),
                "its splits",
                n((kind == "class") & ~whole & (label == name)),
            )
            for name in label.dropna().unique()
        ]
    return [f"{what} {total}, but {words} {parts}" for what, total, words, parts in sums if total != parts]
