"""The answer in sentences: is one better, by how much, how sure. Each states effect, interval, adjusted p and method.

The wording never turns "no difference was shown" into "there is no difference": only an interval within a margin does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers as tables
from hybridcx.report import shown_rows as select
from hybridcx.report.shown_rows import Pair

MAX_SENTENCES = 12
MAX_NAME_CHARS = 80


def primary_metric(found: Mapping[str, pd.DataFrame], wanted: str | None = None) -> str:
    """The metric of the answer: the wanted one, else the confirmatory rows' one, else accuracy, else AUROC, else the first."""
    comparisons = found.get("comparisons")
    source = comparisons if comparisons is not None and not comparisons.empty else found.get("metrics")
    there = [] if source is None or source.empty else list(dict.fromkeys(source["metric"]))
    if comparisons is not None and not comparisons.empty and wanted is None:
        planned = comparisons.loc[comparisons["role"] == "confirmatory", "metric"]
        wanted = str(planned.iloc[0]) if len(planned) else None
    for name in (wanted, "accuracy", "auroc"):
        if name in there:
            return str(name)
    return str(there[0]) if there else "accuracy"


def answers(found: Mapping[str, pd.DataFrame], metric: str | None = None, *, changed: bool = False) -> list[str]:
    """One sentence per primary comparison, before them one that sums them up; with no comparison one per model or coefficient.

    `found` are the tables by contract name. The comparisons are the confirmatory ones of a locked plan; without any, those
    of the primary metric, said to be exploratory; `changed`: since their plan was made after results existed.
    """
    metric = primary_metric(found, metric)
    frame = found.get("comparisons", pd.DataFrame())
    chosen, planned = select.primary(frame, found.get("verdicts"), metric)
    if chosen:
        values = _values(found)
        shown, best = leading(chosen, planned, found, MAX_SENTENCES)
        sentences = [sentence(p, values) for p in shown]
        further = len(chosen) - len(shown)
        picked = (
            f" Shown are those of {named(best)}, whose observed value is the best: picked by the result."
            if best
            else ""
        )
        sentences += [f"{further} further comparisons are in comparisons.csv.{picked}"] if further > 0 else []
        return [summary(chosen, planned, changed=changed), *sentences]
    if not found.get("metrics", pd.DataFrame()).empty:
        return of_models(found)
    if not found.get("agreement", pd.DataFrame()).empty:
        return _of_agreement(found["agreement"])
    if not found.get("audit_matrices", pd.DataFrame()).empty:
        return _of_audit(found)
    return []


def before(chosen: Sequence[Pair]) -> list[str]:
    """What stands before the results: the smallest difference these cases could have shown, and the smallest margin they can settle."""
    return [s for s in (detectable(chosen), smallest_margin(chosen)) if s]


def smallest_margin(chosen: Sequence[Pair]) -> str:
    """The smallest margin that the intervals would have met (dictionary: `smallest.margin`)."""
    known = sorted(p.smallest_margin for p in chosen if isfinite(p.smallest_margin))
    if not known:
        return ""
    kind = vocabulary.metric(chosen[0].metric)
    size, several = _range(kind, known)
    asked = {p.margin for p in chosen if isfinite(p.margin)}
    given = ""
    if len(asked) == 1:
        given = f"; the margin asked for is {_range(kind, [asked.pop()])[0]}"
    return (
        f"The smallest margin of equivalence that the intervals below would have met is {size}"
        + (", depending on the pair" if several else "")
        + given
        + "."
    )


def _range(kind: vocabulary.Metric, known: Sequence[float]) -> tuple[str, bool]:
    """Sorted sizes as "12.3" or "12.3 to 15.0" with their unit, and whether they are several."""
    scale = 100 if kind.unit == "percent" else 1
    low, high = (tables.fixed(x, kind.decimals, scale=scale) for x in (known[0], known[-1]))
    of = tables.unit(kind, of_difference=True)
    return (low if low == high else f"{low} to {high}") + (f" {of}" if of else ""), low != high


def leading(
    chosen: Sequence[Pair], planned: bool, found: Mapping[str, pd.DataFrame], limit: int
) -> tuple[list[Pair], str]:
    """The comparisons that the first screen has room for, and the model they were picked by ("" where nothing was picked).

    All, or the first of a plan. Of more unplanned ones than there is room for, those of the model with the best observed value.
    """
    if len(chosen) <= limit or planned:
        return list(chosen[:limit]), ""
    kind = vocabulary.metric(chosen[0].metric)
    models = list(dict.fromkeys(m for p in chosen for m in (p.model, p.comparator)))
    values = _values(found)
    seen = {m: select.number(values[m, kind.name]["estimate"]) for m in models if (m, kind.name) in values}
    known = {m: kind.better * x for m, x in seen.items() if not isnan(x)}
    if not known:
        return list(chosen[:limit]), ""
    best = max(known, key=lambda m: known[m])
    own = [p for p in chosen if best in (p.model, p.comparator)]
    return own[:limit], best if len(own) < len(chosen) else ""


def _values(found: Mapping[str, pd.DataFrame]) -> dict[tuple[str, ...], select.Row]:
    metrics = found.get("metrics", pd.DataFrame())
    return {} if metrics.empty else select.shown_values(select.overall(metrics))


def decided(p: Pair) -> bool:
    """Whether the pair's answer is that one model is better: by its verdict, or without one by interval and adjusted p."""
    if p.verdict:
        return p.verdict in ("superior", "inferior")
    null = vocabulary.metric(p.metric).null
    alpha = 1 - p.conf_level if isfinite(p.conf_level) else 0.05
    excludes = p.low > null or p.high < null
    judged = p.adjusted if isfinite(p.adjusted) else p.p
    return bool(excludes and judged < alpha)


def summary(chosen: Sequence[Pair], planned: bool, *, changed: bool = False) -> str:
    """The first sentence: how many of the comparisons show a difference, and what the others do and do not mean."""
    names = list(dict.fromkeys(in_sentence(p.metric) for p in chosen))
    what = " and ".join(names)
    n, shown = len(chosen), [p for p in chosen if decided(p)]
    kind = "planned" if planned else "exploratory"
    if n == 1:
        start = f"The {kind} comparison of {what} {'shows' if shown else 'does not show'} a difference"
    elif not shown:
        start = f"None of the {n} {kind} comparisons of {what} shows a difference"
    else:
        start = f"{len(shown)} of the {n} {kind} comparisons of {what} {'shows' if len(shown) == 1 else 'show'} a difference"
    p = [x.adjusted if isfinite(x.adjusted) else x.p for x in chosen]
    known = [x for x in p if not isnan(x)]
    adjusted = any(isfinite(x.adjusted) for x in chosen)
    if known and not shown:
        start += f" (smallest {'adjusted ' if adjusted else ''}{tables.p_equals(min(known))})"
    with_margin = [x for x in chosen if isfinite(x.margin)]
    alike = [x for x in chosen if x.verdict == "equivalent"]
    if alike:
        start += f"; {len(alike)} {'lies' if len(alike) == 1 else 'lie'} wholly within the margin"
    elif not shown:
        start += (
            "; nor is any equivalent within the margin"
            if with_margin and n > 1
            else "; that is not evidence that they are alike"
        )
    if planned:
        return start + "."
    return start + ("; their plan was made after results existed." if changed else "; no plan named them beforehand.")


def in_sentence(metric: str) -> str:
    """The metric's name as it stands inside a sentence."""
    label = vocabulary.metric(metric).label
    return (
        label
        if label[:2].isupper() or label[:2] == "F1" or label.startswith(("Youden", "Brier"))
        else label[0].lower() + label[1:]
    )


def named(model: str) -> str:
    """A model's name inside a sentence: cut where it would fill the first screen alone; the tables hold it whole."""
    return model if len(model) <= MAX_NAME_CHARS else model[: MAX_NAME_CHARS - 1] + "…"


def sentence(p: Pair, values: Mapping[tuple[str, ...], select.Row]) -> str:
    """One comparison in one sentence."""
    kind = vocabulary.metric(p.metric)
    start = f"{named(p.model)} against {named(p.comparator)}: {in_sentence(p.metric)}"
    both = [r for r in (values.get((m, p.metric)) for m in (p.model, p.comparator)) if r is not None]
    if len(both) == 2:
        sign = "%" if kind.unit == "percent" else ""
        shown = [f"{tables.value(kind, select.number(r['estimate']))}{sign}" for r in both]
        counts = [tables.count(select.number(r["numerator"])) for r in both if pd.notna(r["numerator"])]
        start += f" {shown[0]} against {shown[1]}"
        if len(counts) == 2 and p.metric == "accuracy":
            start += f" ({counts[0]} and {counts[1]} of {tables.count(p.n)})"
    if isnan(p.estimate):
        return f"{start}; the difference is not estimable" + (f" ({'; '.join(p.warnings)})." if p.warnings else ".")
    of = tables.unit(kind, of_difference=True)
    word = "ratio" if kind.null == 1 else "difference"
    text = f"{start}, {word} {tables.difference(kind, p.estimate)}" + (f" {of}" if of == "percentage points" else "")
    limits = ""
    if select.has_limits(p):
        low, high = (tables.difference(kind, x, p.margin) for x in (p.low, p.high))
        limits = f"{tables.confidence(p.conf_level, low, high)}, {vocabulary.method_label(p.method)}"
    tests = []
    if not isnan(p.p):
        tests.append(_test(p))
    if not isnan(p.adjusted):
        tests.append(f"{vocabulary.ADJUSTMENTS.get(p.adjustment, p.adjustment)}-adjusted {tables.p_equals(p.adjusted)}")
    inside = "; ".join(x for x in (limits, *tests) if x)
    text += f" ({inside})" if inside else ""
    if p.verdict:
        text += ": " + verdict_text(p)
    if p.warnings:
        text += ". Caution: " + "; ".join(p.warnings)
    return text + "."


def _test(p: Pair) -> str:
    """The unadjusted p-value under its test's name: "McNemar mid-p = 0.250", "DeLong, paired: p = 0.031"."""
    short = {"mcnemar_midp": ("McNemar ", "mid-p"), "mcnemar_exact": ("McNemar exact ", "p")}
    if p.test in short:
        return short[p.test][0] + tables.p_equals(p.p, short[p.test][1])
    return ("" if p.test == p.method else f"{vocabulary.method_label(p.test)}: ") + tables.p_equals(p.p)


def verdict_text(p: Pair) -> str:
    """The verdict in words, with the margin that it speaks of."""
    kind = vocabulary.metric(p.metric)
    margin = (
        tables.fixed(p.margin, kind.decimals, scale=100 if kind.unit == "percent" else 1) if isfinite(p.margin) else ""
    )
    unit = " points" if kind.unit == "percent" else ""
    words = {
        "superior": f"{named(p.model)} is better",
        "inferior": f"{named(p.comparator)} is better",
        "equivalent": f"equivalent within ±{margin}{unit}",
        "non_inferior": f"not inferior by more than {margin}{unit}",
    }
    return words.get(p.verdict, vocabulary.VERDICTS.get(p.verdict, p.verdict))


def detectable(chosen: Sequence[Pair]) -> str:
    """What the test set could have shown at all (dictionary: `detectable.difference`)."""
    known = sorted(p.detectable for p in chosen if isfinite(p.detectable))
    if not known:
        return ""
    kind = vocabulary.metric(chosen[0].metric)
    size, several = _range(kind, known)
    return (
        f"The smallest difference in {in_sentence(kind.name)} that a test set like this one could be expected to detect is "
        f"{size} (80% power, two-sided test at the level of the intervals, not adjusted)"
        + (", depending on the pair." if several else ".")
    )


def of_models(found: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence per model: its main metrics with their intervals."""
    values = _values(found)
    sentences = []
    for model in list(dict.fromkeys(k[0] for k in values))[:MAX_SENTENCES]:
        parts = []
        for name in ("accuracy", "sensitivity", "specificity", "auroc"):
            row = values.get((model, name))
            if row is not None:
                kind = vocabulary.metric(name)
                parts.append(f"{in_sentence(name)} {_with_level(kind, row)}")
        if parts:
            sentences.append(f"{named(model)}: {', '.join(parts)}.")
    return sentences


def _with_level(kind: vocabulary.Metric, row: select.Row) -> str:
    """An estimate with its limits as a sentence has them: "84.6% (95% CI 78.1 to 89.4)"."""
    estimate, low, high = (select.number(row[c]) for c in ("estimate", "conf.low", "conf.high"))
    shown = tables.value(kind, estimate)
    shown += "%" if kind.unit == "percent" and shown != tables.NA else ""
    if isnan(low) or isnan(high):
        return shown
    level = select.number(row.get("conf.level"))
    return f"{shown} ({tables.confidence(level, tables.value(kind, low), tables.value(kind, high))})"


def _of_agreement(agreement: pd.DataFrame) -> list[str]:
    sentences = []
    for r in agreement.to_dict("records")[:MAX_SENTENCES]:
        name = vocabulary.AGREEMENT.get(str(r["metric"]), str(r["metric"]))
        kind = vocabulary.coefficient(str(r["metric"]))
        shown = _with_level(kind, {str(k): v for k, v in r.items()})
        readers = "" if pd.isna(r["readers"]) else f" ({r['readers']})"
        reason = f" ({r['warning']})" if r["status"] == "not_estimable" and isinstance(r["warning"], str) else ""
        sentences.append(f"{name} {r['scope']} observers{readers}: {shown}{reason}.")
    return sentences


def _of_audit(found: Mapping[str, pd.DataFrame]) -> list[str]:
    matrices = found["audit_matrices"]
    n_models = matrices["model"].nunique()
    sentences = []
    for reading, rows in matrices.groupby("reading", sort=False):
        solved = rows.loc[rows["n.solutions"] > 0, "model"].nunique()
        sentences.append(
            f"Read {reading}: {solved} of {n_models} published models have a confusion matrix that produces the printed values."
        )
    compared = found.get("audit_comparisons", pd.DataFrame())
    if not compared.empty and compared["p.value.min"].notna().any():
        least = compared.sort_values("p.value.min", kind="stable").iloc[0]
        sentences.append(
            f"Whatever the pairing of the errors, the smallest possible p-value of any pair is {tables.p_value(float(least['p.value.min']))} "
            f"({least['model']} and {least['comparator']}, {vocabulary.method_label(least['method'])})."
        )
    return sentences
