"""Every comparison again under other truths: each reading, the agreed calls, all cases. No formula lives here.

Only the truth changes; predictions stay, and nothing is fitted anew. The rules come from the columns `reader_...` of the predictions:

    reader_<name>   the calls of one reading, on the cases that it read
    agreed          the cases on which all readings are the same, at least two of them
    majority        with three readings or more: the call of most of them; ties are left out
    all             where cases are in dispute: the truth where there is one, else the given label (`label_given`), else the majority

Cases in dispute are the rows with the split `disputed`; without any, all cases have a truth, and those on which the readings differ are the
stratum. The rows of a rule follow the overall ones; they are about the models of the plan's comparisons. Readers who made the truth are
never compared with the models on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hybridcx.analysis import comparisons, families, metrics, verdicts
from hybridcx.analysis.plan import Plan
from hybridcx.analysis.rows import Keys, Row
from hybridcx.analysis.slices import Slice
from hybridcx.records.predictions import Predictions, is_clustered
from hybridcx.stats.bootstrap import Replicates
from hybridcx.stats.confusion import METRICS

PREFIX, GIVEN = "reader_", "label_given"
PRIMARY = "primary"
STRATUM, IN_DISPUTE = "stratum", "disputed"
COLUMNS = (
    "metric", "model", "comparator", "label.rule", "estimate", "conf.low", "conf.high", "p.value", "adj.p.value", "verdict",
    "conclusion.flips", "n", "n.relabelled", "n.added", "n.left.out", "seed",
)  # fmt: skip

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Cases:
    """The test cases and those in dispute, one row per case: index case_id.

    `truth`: of the analysis, None in dispute. `calls`: one column per reading, None where not read. `given`: the label of the input where it
    is not the truth. `disputed`: (n,) bool.
    """

    truth: pd.Series
    calls: pd.DataFrame
    given: pd.Series
    disputed: pd.Series


def readings(predictions: Predictions) -> list[str]:
    """The columns of readings, one value per case, with at least one call."""
    found = [c for c in predictions.subgroups if c.startswith(PREFIX)]
    return [c for c in found if predictions.frame[c].notna().any()]


def extended(
    tables: Mapping[str, pd.DataFrame], predictions: Predictions, plan: Plan, pairs: Pairs
) -> dict[str, pd.DataFrame]:
    """The tables with the rows of every labelling rule and of the cases in dispute behind the overall ones, and `label_rules`.

    The same tables where the predictions have no readings.
    """
    out = dict(tables)
    if not readings(predictions):
        return out
    compared = {m for pair in pairs for m in pair} or set(predictions.models)
    predictions = predictions.subset(predictions.frame["model"].isin(compared))
    cases = _cases(predictions)
    rules = dict(truths(cases))
    metric_parts, comparison_parts, concluded = [out["metrics"]], [out["comparisons"]], []
    for seed in predictions.seeds:
        base = _slice(predictions, cases.truth, seed, Keys(seed=_key(predictions, seed)))
        primary, known = _primary(base, tables, plan, pairs)
        concluded += primary
        for rule, truth in rules.items():
            keys = replace(base.keys, label_rule=rule)
            if base.keys.seed is None and _same(truth, cases.truth):
                rows = _copied(tables, base, rule)  # the same cases with the same labels
                made = (*rows, [{**r, "label.rule": rule} for r in primary])
            else:
                part = _slice(predictions, truth, seed, keys)
                m, c, joint = _rows(part, plan, pairs)
                made = (m, c, _concluded(part, c, plan, pairs, joint))
            metric_parts.append(made[0])
            comparison_parts.append(made[1])
            concluded += [_held(r, known, cases.truth, truth) for r in made[2]]
        for of, truth in _strata(cases, rules):
            keys = replace(base.keys, label_rule=of, subgroup=STRATUM, level=IN_DISPUTE)
            m, c, _ = _rows(_slice(predictions, truth, seed, keys), plan, pairs)
            metric_parts.append(m)
            comparison_parts.append(c)
    out["metrics"] = _stacked(metric_parts)
    out["comparisons"] = _stacked(comparison_parts)
    out["label_rules"] = _in_order(pd.DataFrame(concluded), pairs)
    return out


def _same(a: pd.Series, b: pd.Series) -> bool:
    """Whether two truths have the same cases with the same labels."""
    return bool(((a == b) | (a.isna() & b.isna())).all())


def _cases(predictions: Predictions) -> Cases:
    frame = predictions.frame[predictions.frame["split"].isin(("test", IN_DISPUTE))]
    first = frame.drop_duplicates("case_id").set_index("case_id").sort_index()
    calls = first[readings(predictions)].astype(object)
    given = first[GIVEN] if GIVEN in predictions.subgroups else pd.Series(None, index=first.index, dtype=object)
    truth = first["y_true"].astype(object)
    apart = first["split"] == IN_DISPUTE
    differ = calls.nunique(axis=1) > 1
    return Cases(
        truth.where(~apart, None),
        calls.where(calls.notna(), None),
        given.astype(object),
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
        yield "all", cases.truth.where(cases.truth.notna(), cases.given.where(cases.given.notna(), most))


def _majority(calls: pd.DataFrame) -> pd.Series:
    """The call of most readings, at least two of them; None for a tie."""
    found = []
    for values in calls.to_numpy(dtype=object):
        names, counts = np.unique([v for v in values if v is not None and v == v], return_counts=True)
        clear = counts.sum() > 1 and (counts == counts.max()).sum() == 1
        found.append(names[counts.argmax()] if clear else None)
    return pd.Series(found, index=calls.index, dtype=object)


def _strata(cases: Cases, rules: Mapping[str, pd.Series]) -> Iterator[tuple[str | None, pd.Series]]:
    """The cases in dispute against every truth that they have: the analysis' own, each reading, the given label."""
    found: dict[str | None, pd.Series] = {None: cases.truth}
    found |= {r: t for r, t in rules.items() if r not in ("agreed", "majority")}
    for rule, truth in found.items():
        own = truth.where(cases.disputed, None)
        if own.notna().any():
            yield rule, own


def _key(predictions: Predictions, seed: int | None) -> int | None:
    return seed if len(predictions.seeds) > 1 else None


def _slice(predictions: Predictions, truth: pd.Series, seed: int | None, keys: Keys) -> Slice:
    """The test cases and those in dispute that have a truth, with that truth."""
    wanted = truth.dropna()
    frame = predictions.frame
    frame = frame[frame["split"].isin(("test", IN_DISPUTE)) & frame["case_id"].isin(wanted.index)]
    frame = frame.assign(y_true=frame["case_id"].map(wanted).to_numpy(), split="test")
    here = replace(predictions, frame=frame, n_cases=len(wanted), clustered=is_clustered(frame))
    data = here.matrices("test", None if keys.seed is None else seed)
    return Slice(
        models=data.models,
        y_true=data.y_true,
        y_pred=data.y_pred,
        y_score=data.y_score,
        groups=data.groups,
        keys=keys,
        probabilities=predictions.score_kind == "probability",
    )


def _rows(part: Slice, plan: Plan, pairs: Pairs) -> tuple[pd.DataFrame, pd.DataFrame, Replicates]:
    """Metrics, comparisons (adjusted within their families) and the bootstrap of one set of cases."""
    joint = part.replicates(
        plan.n_resamples, plan.n_refits, plan.seed, stratified=plan.stratified, threshold=plan.threshold
    )
    m = metrics.analytic_rows(part, plan) + metrics.resampled_rows(part, plan, joint)
    c = comparisons.analytic_rows(part, plan, pairs, joint) + comparisons.resampled_rows(part, plan, pairs, joint)
    c.sort(key=lambda r: (pairs.index((r["model"], r["comparator"])), list(METRICS).index(r["metric"])))
    return pd.DataFrame(metrics.sorted_rows(m, part.models, tuple(METRICS))), families.adjust(pd.DataFrame(c)), joint


def _overall(table: pd.DataFrame, keys: Keys) -> pd.DataFrame:
    """The rows of the analysis itself on all cases, of this seed."""
    if table.empty:
        return table
    own = table["seed"].isna() if keys.seed is None else table["seed"] == keys.seed
    return table[own & table["subgroup"].isna() & table["label.rule"].isna()]


def _copied(tables: Mapping[str, pd.DataFrame], base: Slice, rule: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    metric_rows, comparison_rows = (
        _overall(tables[name], base.keys).assign(**{"label.rule": rule}) for name in ("metrics", "comparisons")
    )
    metric_rows = metric_rows[metric_rows["model"].isin(base.models)]
    return metric_rows, comparison_rows.assign(role="exploratory") if len(comparison_rows) else comparison_rows


def _primary(
    base: Slice, tables: Mapping[str, pd.DataFrame], plan: Plan, pairs: Pairs
) -> tuple[list[Row], dict[tuple[str, str, str], str]]:
    """The analysis' own conclusions on this seed, and the verdict of each (metric, model, comparator)."""
    if base.keys.seed is None:
        rows = _tested(base, tables["verdicts"], _overall(tables["comparisons"], base.keys))
    else:  # verdicts.csv is about all seeds together
        _, compared, joint = _rows(base, plan, pairs)
        rows = _concluded(base, compared, plan, pairs, joint)
    found = [
        {**r, "label.rule": PRIMARY, "n.relabelled": 0, "n.added": 0, "n.left.out": 0, "conclusion.flips": None}
        for r in rows
    ]
    return found, {(r["metric"], r["model"], r["comparator"]): r["verdict"] for r in found}


def _concluded(part: Slice, compared: pd.DataFrame, plan: Plan, pairs: Pairs, joint: Replicates) -> list[Row]:
    """One row per pair and metric that has a verdict: interval, test and verdict under the labels of `part`."""
    if compared.empty:
        return []
    alone = compared.assign(seed=None)
    return _tested(part, verdicts.verdicts_table(part, alone, plan, pairs, joint), alone)


def _tested(part: Slice, said: pd.DataFrame, alone: pd.DataFrame) -> list[Row]:
    """The rows of a table of verdicts with the p-values that stand beside them."""
    if said.empty:
        return []
    tested = alone[alone["p.value"].notna() & (alone["recommended"] | (alone["method"] == "mcnemar_midp"))]
    # The interval of a paired proportion is Tango's, the test beside it is the mid-p test; elsewhere one method has both.
    order = tested["method"].map({"mcnemar_cluster": 0, "mcnemar_midp": 1}).fillna(2)
    by_pair = (
        tested.assign(order=order)
        .sort_values("order", kind="stable")
        .drop_duplicates(["metric", "model", "comparator"])
    )
    p = {
        (r["metric"], r["model"], r["comparator"]): {c: r[c] for c in ("p.value", "adj.p.value")}
        for r in by_pair.to_dict("records")
    }
    nothing = {"p.value": np.nan, "adj.p.value": np.nan}
    rows: list[Row] = []
    for r in said.to_dict("records"):
        test = p.get((r["metric"], r["model"], r["comparator"]), nothing)
        row = {c: r.get(c) for c in COLUMNS}
        rows.append({**row, **test, "label.rule": part.keys.label_rule, "n": part.n, "seed": part.keys.seed})
    return rows


def _held(row: Row, known: Mapping[tuple[str, str, str], str], primary: pd.Series, truth: pd.Series) -> Row:
    """The row held against the analysis' own conclusion and labels."""
    own = known.get((row["metric"], row["model"], row["comparator"]))
    both = primary.notna() & truth.notna()
    return {
        **row,
        "conclusion.flips": None if own is None or row["verdict"] is None else bool(own != row["verdict"]),
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
        return pd.DataFrame(columns=list(COLUMNS))
    place = [
        (pairs.index((a, b)), list(METRICS).index(m))
        for a, b, m in zip(table["model"], table["comparator"], table["metric"], strict=True)
    ]
    order = sorted(range(len(table)), key=lambda i: place[i])
    return table.iloc[order].reset_index(drop=True)[list(COLUMNS)]
