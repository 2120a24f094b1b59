"""The answer in sentences: is one model better, by how much, and how sure is that. Each states effect, interval, adjusted p and method.

"No difference was shown" never becomes "there is no difference": equivalence needs an interval within a margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isnan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import numbers, shown_rows
from hybridcx.report.shown_rows import Pair, Row, number

MAX_SENTENCES = 12
MAX_NAME_CHARS = 80
_OF_MEASUREMENTS = (("icc2", "anova"), ("sem", "anova"))
_OF_CATEGORIES = (("percent_agreement", "wilson"), ("cohen_kappa", "unweighted"), ("gwet_ac1", "unweighted"))
"""Coefficients and methods of the answer where there are too many to list."""


def answers(tables: Mapping[str, pd.DataFrame], metric: str | None = None, *, changed: bool = False) -> list[str]:
    """A summary and one sentence per primary comparison; without comparisons one sentence per model or coefficient of agreement.

    Parameters
    ----------
    tables : name -> rows, as in `Content`.
    metric : the metric of the answer, where no plan names comparisons; None for that of the tables.
    changed : the plan was changed after results existed, so that its comparisons are exploratory.
    """
    metric = shown_rows.primary_metric(tables, metric)
    chosen, planned = shown_rows.primary(tables.get("comparisons", pd.DataFrame()), tables.get("verdicts"), metric)
    if chosen:
        values = _values(tables)
        listed, best = leading(chosen, planned, tables, MAX_SENTENCES)
        sentences = [sentence(p, values) for p in listed]
        rest = len(chosen) - len(listed)
        if rest > 0:
            selection = f" Listed are those of {short_name(best)}, whose observed value is the best: a selection by the results."
            sentences.append(f"{rest} further comparisons are in comparisons.csv.{selection if best else ''}")
        return [summary(chosen, planned, changed=changed), *sentences]
    if not tables.get("metrics", pd.DataFrame()).empty:
        return model_sentences(tables)
    if not tables.get("agreement", pd.DataFrame()).empty:
        return _agreement_sentences(tables["agreement"])
    return []


def before_results(chosen: Sequence[Pair]) -> list[str]:
    """What precedes the results: the smallest difference that the test set could detect, and the smallest margin that its intervals satisfy."""
    return [s for s in (detectable(chosen), smallest_margin(chosen)) if s]


def detectable(chosen: Sequence[Pair]) -> str:
    """The smallest difference that a test set of this size could detect (column `detectable.difference`); "" where it is unknown."""
    known = sorted(p.detectable for p in chosen if isfinite(p.detectable))
    if not known:
        return ""
    metric = vocabulary.metric(chosen[0].metric)
    size, several = _range(metric, known)
    return (
        f"The smallest difference in {in_sentence(metric.name)} that a test set like this one could be expected to detect is "
        f"{size} (80% power, two-sided test at the level of the simultaneous intervals)"
        + (", depending on the pair." if several else ".")
    )


def smallest_margin(chosen: Sequence[Pair]) -> str:
    """The smallest equivalence margin that the intervals satisfy (column `smallest.margin`); "" where it is unknown."""
    known = sorted(p.smallest_margin for p in chosen if isfinite(p.smallest_margin))
    if not known:
        return ""
    metric = vocabulary.metric(chosen[0].metric)
    size, several = _range(metric, known)
    margins = {p.margin for p in chosen if isfinite(p.margin)}
    of_analysis = ""
    if len(margins) == 1:
        of_analysis = f"; the margin of this analysis is {_range(metric, [margins.pop()])[0]}"
    return (
        f"The smallest equivalence margin that the intervals below satisfy is {size}"
        + (", depending on the pair" if several else "")
        + of_analysis
        + "."
    )


def _range(metric: vocabulary.Metric, values: Sequence[float]) -> tuple[str, bool]:
    """Sorted values as "12.3" or "12.3 to 15.0" with their unit, and whether they differ."""
    low, high = (numbers.amount(metric, x) for x in (values[0], values[-1]))
    unit = numbers.unit(metric, of_difference=True)
    return (low if low == high else f"{low} to {high}") + (f" {unit}" if unit else ""), low != high


def leading(
    chosen: Sequence[Pair], planned: bool, tables: Mapping[str, pd.DataFrame], limit: int
) -> tuple[list[Pair], str]:
    """At most `limit` of the comparisons, and the model whose comparisons were selected ("" without a selection by results).

    The first ones of a plan. Of more unplanned ones, those of the model with the best observed value.
    """
    if len(chosen) <= limit or planned:
        return list(chosen[:limit]), ""
    metric = vocabulary.metric(chosen[0].metric)
    models = list(dict.fromkeys(m for p in chosen for m in (p.model, p.comparator)))
    values = _values(tables)
    observed = {m: number(values[m, metric.name]["estimate"]) for m in models if (m, metric.name) in values}
    goodness = {m: metric.better * x for m, x in observed.items() if not isnan(x)}
    if not goodness:
        return list(chosen[:limit]), ""
    best = max(goodness, key=lambda m: goodness[m])
    own = [p for p in chosen if best in (p.model, p.comparator)]
    return own[:limit], best if len(own) < len(chosen) else ""


def _values(tables: Mapping[str, pd.DataFrame]) -> dict[tuple[str, ...], Row]:
    metrics = tables.get("metrics", pd.DataFrame())
    return {} if metrics.empty else shown_rows.shown_values(shown_rows.overall(metrics))


def shows_difference(p: Pair) -> bool:
    """Whether the comparison shows that one model is better: by its verdict, or without one by both its interval and its adjusted p-value."""
    if p.verdict:
        return p.verdict in ("superior", "inferior")
    null = vocabulary.metric(p.metric).null
    excludes_null = p.low > null or p.high < null
    return bool(excludes_null and _judged_p(p) < _alpha(p))


def _alpha(p: Pair) -> float:
    return 1 - p.conf_level if isfinite(p.conf_level) else 0.05


def _judged_p(p: Pair) -> float:
    return p.adjusted if isfinite(p.adjusted) else p.p


def _deciding_p(p: Pair) -> tuple[float, bool]:
    """The p-value that a verdict of a difference needs, and whether it is that of the exact test of the discordant cases."""
    exact = isfinite(p.adjusted_exact)
    return (p.adjusted_exact, True) if exact else (_judged_p(p), False)


def _includes_null(p: Pair) -> bool:
    """Whether the interval that a verdict of a difference needs, the simultaneous one where there is one, includes "no difference"."""
    low, high = p.simultaneous if all(map(isfinite, p.simultaneous)) else (p.low, p.high)
    return low <= vocabulary.metric(p.metric).null <= high


def _without_method(p: Pair) -> bool:
    """Whether interval and p-value show a difference and the verdict is withheld: no method is shown to hold for these data."""
    return p.verdict == "inconclusive" and not _includes_null(p) and _deciding_p(p)[0] < _alpha(p)


def summary(chosen: Sequence[Pair], planned: bool, *, changed: bool = False) -> str:
    """The first sentence: how many comparisons show a difference, and what the others do and do not mean."""
    metrics = " and ".join(dict.fromkeys(in_sentence(p.metric) for p in chosen))
    n, n_shown = len(chosen), sum(shows_difference(p) for p in chosen)
    n_open = sum(map(_without_method, chosen))
    kind = "planned" if planned else "exploratory"
    if n == n_open == 1:
        start = f"No verdict on the {kind} comparison of {metrics}"
    elif n == 1:
        start = f"The {kind} comparison of {metrics} {'shows' if n_shown else 'does not show'} a difference"
    elif not n_shown:
        start = f"None of the {n} {kind} comparisons of {metrics} shows a difference"
    else:
        start = (
            f"{n_shown} of the {n} {kind} comparisons of {metrics} {'shows' if n_shown == 1 else 'show'} a difference"
        )
    tested = [p for p in chosen if not isnan(_deciding_p(p)[0])]
    if tested and not n_shown:
        first = min(tested, key=_deciding_p)
        value, exact = _deciding_p(first)
        adjusted = "adjusted " if any(isfinite(p.adjusted) for p in chosen) else ""
        start += f" ({'smallest ' if n > 1 else ''}{adjusted}{numbers.p_equals(value, 'exact p' if exact else 'p')}"
        if value < _alpha(first) and _includes_null(first):
            simultaneous = "simultaneous " if first.has_simultaneous else ""
            start += f", but its {simultaneous}interval includes {vocabulary.metric(first.metric).null:g}"
        start += ")"
    if n_open == n == 1:
        start += ": no method is shown to hold for these data, see the caution"
    elif n_open:
        start += f"; {n_open} of them {'has' if n_open == 1 else 'have'} no verdict, because no method is shown to hold for these data"
    n_equivalent = sum(p.verdict == "equivalent" for p in chosen)
    if n_equivalent:
        start += f"; {n_equivalent} {'shows' if n_equivalent == 1 else 'show'} equivalence within the margin"
    elif not n_shown and not n_open:
        with_margin = any(isfinite(p.margin) for p in chosen)
        start += (
            "; none shows equivalence within the margin"
            if with_margin and n > 1
            else "; this is not evidence of equivalence"
        )
    if planned:
        return start + "."
    if changed:
        return start + "; the plan was made after results existed."
    return start + f"; no plan named {'it' if n == 1 else 'them'} in advance."


def in_sentence(metric: str) -> str:
    """The metric's name inside a sentence: "accuracy", but "AUROC", "F1" and "Youden's J"."""
    label = vocabulary.metric(metric).label
    proper = label[:2].isupper() or label.startswith(("F1", "Youden", "Brier"))
    return label if proper else label[0].lower() + label[1:]


def short_name(model: str) -> str:
    """A model's name in a sentence: very long ones are cut; tables have the whole name."""
    return model if len(model) <= MAX_NAME_CHARS else model[: MAX_NAME_CHARS - 1] + "…"


def sentence(p: Pair, values: Mapping[tuple[str, ...], Row]) -> str:
    """One comparison in one sentence; `values` are the models' own values by (model, metric)."""
    metric = vocabulary.metric(p.metric)
    start = (
        f"{short_name(p.model)} against {short_name(p.comparator)}: {in_sentence(p.metric)}{_both_values(p, values)}"
    )
    if isnan(p.estimate):
        return f"{start}; the difference is not estimable" + (f" ({'; '.join(p.warnings)})." if p.warnings else ".")
    unit = numbers.unit(metric, of_difference=True)
    effect = f"{'ratio' if metric.null == 1 else 'difference'} {numbers.difference(metric, p.estimate)}"
    text = f"{start}, {effect}" + (f" {unit}" if unit == "percentage points" else "")
    details = []
    if p.has_limits:
        low, high = (numbers.difference(metric, x, p.margin) for x in (p.low, p.high))
        interval = numbers.confidence_interval(p.conf_level, low, high)
        details.append(f"{interval}, {vocabulary.method_label(p.method)}")
    if p.has_simultaneous:
        low, high = (numbers.difference(metric, x, p.margin) for x in p.simultaneous)
        details.append(f"simultaneous over all pairs {low} to {high}")
    if not isnan(p.p):
        details.append(_test(p))
    if not isnan(p.adjusted):
        adjustment = vocabulary.ADJUSTMENTS.get(p.adjustment, p.adjustment)
        details.append(f"{adjustment}-adjusted {numbers.p_equals(p.adjusted)}")
    text += f" ({'; '.join(details)})" if details else ""
    text += f": {verdict_text(p)}" if p.verdict else ""
    text += f" ({reason})" if (reason := disagreement(p)) else ""
    text += f". Caution: {'; '.join(p.warnings)}" if p.warnings else ""
    return text + "."


def _both_values(p: Pair, values: Mapping[tuple[str, ...], Row]) -> str:
    """The values of both models, for accuracy with the counts: " 93.9% against 85.7% (46 and 42 of 49)"; "" where one is missing."""
    metric = vocabulary.metric(p.metric)
    both = [r for r in (values.get((m, p.metric)) for m in (p.model, p.comparator)) if r is not None]
    if len(both) < 2:
        return ""
    sign = "%" if metric.unit == "percent" else ""
    first, second = (f"{numbers.value(metric, number(r['estimate']))}{sign}" for r in both)
    counts = [numbers.count(number(r["numerator"])) for r in both if pd.notna(r["numerator"])]
    if len(counts) == 2 and p.metric == "accuracy":
        return f" {first} against {second} ({counts[0]} and {counts[1]} of {numbers.count(p.n)})"
    return f" {first} against {second}"


def _test(p: Pair) -> str:
    """The unadjusted p-value with its test: "McNemar mid-p = 0.250", "DeLong, paired: p = 0.031"."""
    mcnemar = {"mcnemar_midp": ("McNemar ", "mid-p"), "mcnemar_exact": ("McNemar exact ", "p")}
    if p.test in mcnemar:
        return mcnemar[p.test][0] + numbers.p_equals(p.p, mcnemar[p.test][1])
    return ("" if p.test == p.method else f"{vocabulary.method_label(p.test)}: ") + numbers.p_equals(p.p)


def verdict_text(p: Pair) -> str:
    """The verdict in words, with its margin."""
    metric = vocabulary.metric(p.metric)
    margin = numbers.amount(metric, p.margin) if isfinite(p.margin) else ""
    unit = " points" if metric.unit == "percent" else ""
    words = {
        "superior": f"{short_name(p.model)} is better",
        "inferior": f"{short_name(p.comparator)} is better",
        "equivalent": f"equivalent within ±{margin}{unit}",
        "non_inferior": f"not inferior by more than {margin}{unit}",
    }
    return words.get(p.verdict, vocabulary.VERDICTS.get(p.verdict, p.verdict))


def disagreement(p: Pair) -> str:
    """Why a comparison shows no difference although its own interval excludes none; "" elsewhere."""
    null = vocabulary.metric(p.metric).null
    if p.verdict in ("", "superior", "inferior") or p.warnings or not (p.low > null or p.high < null):
        return ""
    alpha = 1 - p.conf_level
    if p.has_simultaneous and p.simultaneous[0] <= null <= p.simultaneous[1]:
        return "the simultaneous interval includes 0"
    if isfinite(p.adjusted_exact) and p.adjusted_exact >= alpha:
        kind = "" if p.adjusted_exact == p.p_exact else "adjusted "
        return f"the interval excludes 0, the exact test of the discordant cases does not reject: {kind}{numbers.p_equals(p.adjusted_exact)}"
    return "the adjusted test does not reject" if _judged_p(p) >= alpha else ""


def model_sentences(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence per model: its main metrics with their intervals."""
    values = _values(tables)
    sentences = []
    for model in list(dict.fromkeys(k[0] for k in values))[:MAX_SENTENCES]:
        parts = []
        for name in ("accuracy", "sensitivity", "specificity", "auroc"):
            row = values.get((model, name))
            if row is not None:
                parts.append(f"{in_sentence(name)} {_with_interval(vocabulary.metric(name), row)}")
        if parts:
            sentences.append(f"{short_name(model)}: {', '.join(parts)}.")
    return sentences


def _with_interval(metric: vocabulary.Metric, row: Row) -> str:
    """An estimate with its limits in a sentence: "84.6% (95% CI 78.1 to 89.4)"."""
    estimate, low, high = shown_rows.limits(row)
    text = numbers.value(metric, estimate)
    text += "%" if metric.unit == "percent" and text != numbers.NA else ""
    if isnan(low) or isnan(high):
        return text
    conf_level = number(row.get("conf.level"))
    return (
        f"{text} ({numbers.confidence_interval(conf_level, numbers.value(metric, low), numbers.value(metric, high))})"
    )


def _agreement_sentences(agreement: pd.DataFrame) -> list[str]:
    """One sentence per coefficient; of more than the page lists, those that name the question most often asked."""
    rows = agreement.to_dict("records")
    if len(rows) > MAX_SENTENCES:
        metrics = set(agreement["metric"])
        # two categories have an ICC too, which is not the one to report
        main = _OF_CATEGORIES + (_OF_MEASUREMENTS if "sem" in metrics or "percent_agreement" not in metrics else ())
        rows = [r for r in rows if (r["metric"], r["method"]) in main] or rows
    between = agreement[agreement["scope"] == "between"]
    several = "occasion" in agreement and between["occasion"].nunique() > 1
    sentences = []
    for r in rows[:MAX_SENTENCES]:
        metric = vocabulary.coefficient(str(r["metric"]))
        when = f", occasion {r['occasion']}" if several and r["scope"] == "between" and pd.notna(r["occasion"]) else ""
        readers = "" if pd.isna(r["readers"]) else f" ({r['readers']}{when})"
        reason = f" ({r['warning']})" if r["status"] == "not_estimable" and isinstance(r["warning"], str) else ""
        value = _with_interval(metric, {str(k): v for k, v in r.items()})
        sentences.append(f"{metric.label} {r['scope']} observers{readers}: {value}{reason}.")
    return sentences
