"""Sensitivity analysis: every comparison repeated with other reference labels (each reading, the agreed calls, all cases). No formula lives here.

Only the truth changes; predictions stay, and nothing is fitted anew. The rules come from the columns `reader_...` of the predictions:

    reader_<name>   the calls of one reading, on the cases that it read
    agreed          the cases on which all readings are the same, at least two of them
    majority        with three readings or more: the call of most of them; ties are left out
    all             where cases are in dispute: the truth where there is one, else the given label (`label_given`), else the majority

Cases in dispute are the rows with the split `disputed`; without any, all cases have a truth, and those on which the readings differ are the stratum.
The rows of a rule follow the overall ones; they are about the models of the plan's comparisons. Readers whose calls define the truth are never
compared with the models against it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys, Row
from hybridcx.records.predictions import Predictions, is_clustered
from hybridcx.vocabulary import METRICS
from hybridcx.vocabulary.comparison import LABEL_RULES

PREFIX, GIVEN = "reader_", "label_given"
PRIMARY = "primary"
STRATUM, IN_DISPUTE = "stratum", "disputed"
Pairs = tuple[tuple[str, str], ...]
Group = tuple[Keys, Predictions]
Compared = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
"""The analysis as a function: metrics, comparisons and verdicts of some groups of cases."""
Analysis = Callable[[Sequence[Group], Plan, Pairs], Compared]


@dataclass(frozen=True, slots=True)
class Cases:
    """The test cases and those in dispute, one row per case: index case_id.

    `truth`: of the analysis, None in dispute. `calls`: one column per reading, None where not read. `given_labels`: the label of the input where it
    is not the truth. `disputed`: (n,) bool.
    """

    truth: pd.Series
    calls: pd.DataFrame
    given_labels: pd.Series
    disputed: pd.Series


def readings(predictions: Predictions) -> list[str]:
    """The columns of readings, one value per case, with at least one call."""
    columns = [c for c in predictions.subgroups if c.startswith(PREFIX)]
    return [c for c in columns if predictions.frame[c].notna().any()]


def own_stratum(predictions: Predictions) -> list[Group]:
    """The cases on which the readings differ, with the truth of the analysis, where they have one; a group of cases like any other."""
    if not readings(predictions):
        return []
    cases = _cases(predictions)
    truth = cases.truth.where(cases.disputed, None)
    if truth.isna().all():
        return []
    return [(Keys(subgroup=STRATUM, level=IN_DISPUTE), _relabelled(predictions, truth))]


def extended(
    tables: Mapping[str, pd.DataFrame], predictions: Predictions, plan: Plan, pairs: Pairs, analysis: Analysis
) -> dict[str, pd.DataFrame]:
    """The tables, extended by the rows of every labelling rule and of the cases in dispute, and the table `label_rules`.

    `analysis` is the function that computed `tables`. Without readings in the predictions the tables are returned unchanged.
    """
    out = dict(tables)
    if not readings(predictions):
        return out
    compared = {m for pair in pairs for m in pair} or set(predictions.models)
    predictions = predictions.subset(predictions.frame["model"].isin(compared))
    cases = _cases(predictions)
    own = _tested(tables["verdicts"], tables["comparisons"])
    primary = [
        {**r, "label.rule": PRIMARY, "n.relabelled": 0, "n.added": 0, "n.left.out": 0, "conclusion.flips": None}
        for r in own
    ]
    known = {(r["metric"], r["model"], r["comparator"]): r["verdict"] for r in own if not pd.isna(r["conf.low"])}
    metric_parts, comparison_parts, concluded = [out["metrics"]], [out["comparisons"]], primary
    for rule, truth in truths(cases):
        if _same(truth, cases.truth):
            m, c = (_copied(tables[name], predictions, rule) for name in ("metrics", "comparisons"))
            conclusions = own
        else:
            m, c, verdicts = analysis(_groups(predictions, cases, rule, truth), replace(plan, locked=False), pairs)
            conclusions = _tested(verdicts, c)
        metric_parts.append(m)
        comparison_parts.append(c)
        counted = _differing(cases.truth, truth)
        concluded = concluded + [_held({**r, "label.rule": rule, **counted}, known) for r in conclusions]
    out["metrics"] = _stacked(metric_parts)
    out["comparisons"] = _stacked(comparison_parts)
    out["label_rules"] = _in_order(pd.DataFrame(concluded), pairs)
    return out


def _groups(predictions: Predictions, cases: Cases, rule: str, truth: pd.Series) -> list[Group]:
    """All cases of a rule, and those of them that are in dispute (none under the rules `agreed` and `majority`)."""
    groups = [(Keys(label_rule=rule), _relabelled(predictions, truth))]
    apart = truth.where(cases.disputed, None)
    if rule not in ("agreed", "majority") and apart.notna().any():
        groups.append((Keys(label_rule=rule, subgroup=STRATUM, level=IN_DISPUTE), _relabelled(predictions, apart)))
    return groups


def _same(a: pd.Series, b: pd.Series) -> bool:
    """Whether two truths have the same cases with the same labels."""
    return bool(((a == b) | (a.isna() & b.isna())).all())


def _cases(predictions: Predictions) -> Cases:
    frame = predictions.frame[predictions.frame["split"].isin(("test", IN_DISPUTE))]
    first = frame.drop_duplicates("case_id").set_index("case_id").sort_index()
    calls = first[readings(predictions)].astype(object)
    labels = first[GIVEN] if GIVEN in predictions.subgroups else pd.Series(None, index=first.index, dtype=object)
    truth = first["y_true"].astype(object)
    apart = first["split"] == IN_DISPUTE
    differ = calls.nunique(axis=1) > 1
    return Cases(
        truth.where(~apart, None),
        calls.where(calls.notna(), None),
        labels.astype(object),
        apart if apart.any() else differ,
    )


def truths(cases: Cases) -> Iterator[tuple[str, pd.Series]]:
    """(rule, truth of each case, None where the rule has none), in the order of the tables."""
    calls = cases.calls
    for column in calls:
        yield str(column), calls[column]
    if calls.shape[1] < 2:
        return
    same = (calls.notna().sum(axis=1) > 1) & (calls.nunique(axis=1) == 1)
    yield "agreed", calls.bfill(axis=1).iloc[:, 0].where(same, None)
    most = _majority(calls)
    if calls.shape[1] > 2:
        yield "majority", most
    if cases.truth.isna().any():
        yield "all", cases.truth.where(cases.truth.notna(), cases.given_labels.where(cases.given_labels.notna(), most))


def _majority(calls: pd.DataFrame) -> pd.Series:
    """The majority call of at least two readings; None for a tie."""
    majority = []
    for values in calls.to_numpy(dtype=object):
        names, counts = np.unique([v for v in values if v is not None and v == v], return_counts=True)
        clear = counts.sum() > 1 and (counts == counts.max()).sum() == 1
        majority.append(names[counts.argmax()] if clear else None)
    return pd.Series(majority, index=calls.index, dtype=object)


def _relabelled(predictions: Predictions, truth: pd.Series) -> Predictions:
    """The test cases and the disputed cases that have a truth under a rule, all as test cases with that truth.

    The training rows of repeated hold-out stay unchanged: the size of the training sets is counted from them.
    """
    wanted = truth.dropna()
    frame = predictions.frame
    fitted = frame[~frame["split"].isin(("test", IN_DISPUTE))] if predictions.repeated_holdout else frame[:0]
    frame = frame[frame["split"].isin(("test", IN_DISPUTE)) & frame["case_id"].isin(wanted.index)]
    frame = frame.assign(y_true=frame["case_id"].map(wanted).to_numpy(), split="test")
    n_cases, clustered = int(frame["case_id"].nunique()), is_clustered(frame)
    if len(fitted):
        frame = pd.concat([frame, fitted], ignore_index=True)
    return replace(predictions, frame=frame, n_cases=n_cases, clustered=clustered)


def _copied(table: pd.DataFrame, predictions: Predictions, rule: str) -> pd.DataFrame:
    """The analysis' own rows on all cases and on those in dispute, under the name of a rule that has the same cases with the same labels."""
    if table.empty:
        return table
    own = table[table["label.rule"].isna() & (table["subgroup"].isna() | (table["subgroup"] == STRATUM))]
    own = own[own["model"].isin(predictions.models)]
    return own.assign(**{"label.rule": rule, "role": "exploratory"})


def _tested(verdicts: pd.DataFrame, compared: pd.DataFrame) -> list[Row]:
    """One row per verdict on all cases, joined with its test."""
    if verdicts.empty or compared.empty:
        return []
    alone = compared[compared["subgroup"].isna() & compared["seed"].isna()]
    tested = alone[alone["p.value"].notna() & (alone["recommended"].eq(True) | (alone["method"] == "mcnemar_midp"))]
    # The interval of a paired proportion is Tango's, the test beside it is the mid-p test; elsewhere one method has both.
    order = tested["method"].map({"mcnemar_cluster": 0, "mcnemar_midp": 1}).fillna(2)
    first = tested.assign(order=order).sort_values("order", kind="stable")
    p = {
        (r["metric"], r["model"], r["comparator"]): {c: r[c] for c in ("p.value", "adj.p.value")}
        for r in first.drop_duplicates(["metric", "model", "comparator"]).to_dict("records")
    }
    nothing = {"p.value": np.nan, "adj.p.value": np.nan}
    n = int(alone["n"].iloc[0])
    rows: list[Row] = []
    for r in verdicts.to_dict("records"):
        row = {c: r.get(c) for c in LABEL_RULES.columns}
        rows.append({**row, **p.get((r["metric"], r["model"], r["comparator"]), nothing), "n": n})
    return rows


def _held(row: Row, known: Mapping[tuple[str, str, str], str]) -> Row:
    """The row compared with the analysis' own conclusion; without limits on either side there is nothing to compare."""
    own = known.get((row["metric"], row["model"], row["comparator"]))
    flips = None if own is None or row["verdict"] is None or pd.isna(row["conf.low"]) else bool(own != row["verdict"])
    return {**row, "conclusion.flips": flips}


def _differing(primary: pd.Series, truth: pd.Series) -> Row:
    """The number of cases whose label under a rule differs from the analysis' own."""
    both = primary.notna() & truth.notna()
    return {
        "n.relabelled": int((both & (primary != truth)).sum()),
        "n.added": int((primary.isna() & truth.notna()).sum()),
        "n.left.out": int((primary.notna() & truth.isna()).sum()),
    }


def _stacked(parts: list[pd.DataFrame]) -> pd.DataFrame:
    full = [p.astype(object) for p in parts if len(p)]
    if not full:
        return parts[0]
    out = pd.concat(full, ignore_index=True)
    return (
        out.astype({c: t for c, t in parts[0].dtypes.items() if t.kind in "fbiu" and c in out})
        if len(parts[0])
        else out
    )


def _in_order(table: pd.DataFrame, pairs: Pairs) -> pd.DataFrame:
    """Pair by pair and metric by metric, the analysis' own conclusion before those under the rules."""
    if table.empty:
        return pd.DataFrame(columns=LABEL_RULES.header)
    of_pair, of_metric = ({name: k for k, name in enumerate(names)} for names in (pairs, METRICS))
    place = [
        (of_pair[a, b], of_metric[m])
        for a, b, m in zip(table["model"], table["comparator"], table["metric"], strict=True)
    ]
    order = sorted(range(len(table)), key=lambda i: place[i])
    return table.iloc[order].reset_index(drop=True)[LABEL_RULES.header]
