"""The answer in sentences: is one model better, by how much, and how sure is that. Each states effect, interval, adjusted p and method.

"No difference was shown" never becomes "there is no difference": equivalence needs an interval within a margin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, isnan

import pandas as pd

from hybridcx import vocabulary
from hybridcx.report import agreement_answer, numbers, shown_rows
from hybridcx.report.content import Content
from hybridcx.report.shown_rows import Pair, Row, number

MAX_SENTENCES = 12
MAX_CAVEATS = 3
"""The caveats of the first screen."""
_LISTED = 3
"""The most comparisons with a difference that the first sentence names."""
MAX_NAME_CHARS = 80


def sentences(content: Content) -> list[str]:
    """The answer in sentences: those of `content.answers`, or where this is None those that the tables give."""
    if content.answers is not None:
        return list(content.answers)
    return answers(content.tables, content.primary_metric, changed=bool(content.plan_note))


def unbroken(sentence: str) -> str:
    """The sentence without line breaks inside "p = 0.013" and "mid-p"."""
    for sign in "=<>":
        sentence = sentence.replace(f" {sign} ", f"\u00a0{sign}\u00a0")
    return sentence.replace("mid-p", "mid\u2011p")


def limitations(content: Content) -> list[str]:
    """The caveats, most important first, and the warnings of the run."""
    return [*content.caveats, *content.warnings]


def answers(tables: Mapping[str, pd.DataFrame], metric: str | None = None, *, changed: bool = False) -> list[str]:
    """A summary and one sentence per primary comparison; without comparisons one sentence per model, or one on agreement.

    Parameters
    ----------
    tables : name -> rows, as in `Content`.
    metric : the metric of the answer, where no plan names comparisons; None for that of the tables.
    changed : the plan was changed after results existed, so that its comparisons are exploratory.
    """
    metric = shown_rows.primary_metric(tables, metric)
    chosen, planned = shown_rows.primary(tables.get("comparisons", pd.DataFrame()), tables.get("verdicts"), metric)
    if chosen:
        listed, best = leading(chosen, planned, tables, MAX_SENTENCES)
        values = {k: v for m in {p.metric for p in listed} for k, v in _values(tables, m).items()}
        sentences = [sentence(p, values) for p in listed]
        rest = len(chosen) - len(listed)
        if rest > 0:
            selection = f" Listed are those of {short_name(best)}, whose observed value is the best: a selection by the results."
            sentences.append(f"{rest} further comparisons are in comparisons.csv.{selection if best else ''}")
        return [summary(chosen, planned, changed=changed), *sentences]
    if not tables.get("metrics", pd.DataFrame()).empty:
        return model_sentences(tables)
    return agreement_answer.answer(tables.get("agreement", pd.DataFrame()))


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
        f"The smallest equivalence margin that the intervals satisfy is {size}"
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
    values = _values(tables, metric.name)
    observed = {m: number(values[m, metric.name]["estimate"]) for m in models if (m, metric.name) in values}
    goodness = {m: metric.better * x for m, x in observed.items() if not isnan(x)}
    if not goodness:
        return list(chosen[:limit]), ""
    best = max(goodness, key=lambda m: goodness[m])
    own = [p for p in chosen if best in (p.model, p.comparator)]
    return own[:limit], best if len(own) < len(chosen) else ""


def _values(tables: Mapping[str, pd.DataFrame], metric: str | None = None) -> dict[tuple[str, ...], Row]:
    metrics = tables.get("metrics", pd.DataFrame())
    if metric is not None and not metrics.empty:
        metrics = metrics[metrics["metric"] == metric]
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


def needs_exact(p: Pair) -> bool:
    """Whether a verdict needs the exact test of the discordant cases: of counts of independent cases."""
    return isfinite(p.adjusted_exact) and p.test in ("mcnemar_midp", "mcnemar_exact")


def _deciding_p(p: Pair) -> tuple[float, bool]:
    """The p-value that a verdict of a difference needs, and whether it is that of the exact test of the discordant cases."""
    return (p.adjusted_exact, True) if needs_exact(p) else (_judged_p(p), False)


def _includes_null(p: Pair) -> bool:
    """Whether the interval that a verdict of a difference needs, the simultaneous one where there is one, includes "no difference"."""
    low, high = p.simultaneous if all(map(isfinite, p.simultaneous)) else (p.low, p.high)
    return low <= vocabulary.metric(p.metric).null <= high


def _without_method(p: Pair) -> bool:
    """Whether interval and p-value show a difference and the verdict is withheld: no method is shown to hold for these data."""
    return p.verdict == "inconclusive" and not _includes_null(p) and _deciding_p(p)[0] < _alpha(p)


def summary(chosen: Sequence[Pair], planned: bool, *, changed: bool = False) -> str:
    """The answer in one sentence: which model is better, by how much, how sure that is; or that no difference is shown, and what that means."""
    kind = "planned" if planned else "exploratory"
    text = _of_one(chosen[0], kind) if len(chosen) == 1 else _of_several(chosen, kind)
    return text + ("; the plan was made after results existed." if changed and not planned else ".")


def _of_one(p: Pair, kind: str) -> str:
    """The answer of a single comparison."""
    metric = in_sentence(p.metric)
    a, b = short_name(p.model), short_name(p.comparator)
    if isnan(p.estimate):
        return f"The {metric} of {a} and {b} cannot be compared" + (f": {p.warnings[0]}" if p.warnings else "")
    if p.verdict == "equivalent" or p.verdict == "non_inferior":
        margin = verdict_text(p).partition(" within " if p.verdict == "equivalent" else " by more than ")[2]
        interval = f"{_size(p, kind, with_p=False)}"
        if p.verdict == "equivalent":
            return f"{a} and {b} are equivalent in {metric} within {margin}{interval}"
        return f"{a} is not inferior to {b} in {metric} by more than {margin}{interval}"
    if shows_difference(p):
        winner, loser, lead = _ahead(p)
        if not _has_lead(p):
            words = f"{winner} is better than {loser}" if vocabulary.metric(p.metric).better else f"{a} and {b} differ"
            return f"{words} in {metric}{_size(p, kind)}"
        return f"{winner} is better than {loser} in {metric}, by {_amount(lead)}{_certainty(lead, kind, single=True)}"
    if _without_method(p):
        return f"No verdict on {a} against {b} in {metric}{_size(p, kind)}: no method is shown to hold for these data"
    _, _, ahead = _ahead(p)
    leads = (
        ""
        if p.estimate == vocabulary.metric(p.metric).null or not _has_lead(p)
        else f": {_amount(ahead)} in favour of {short_name(ahead.model)}"
    )
    if not _has_lead(p):
        leads, certainty = "", _size(p, kind)
    else:
        certainty = _certainty(ahead, kind, single=True)
    start = f"No difference in {metric} is shown between {a} and {b}{leads}{certainty}"
    return f"{start}{_despite(p, single=True)}; this is not evidence of equivalence"


def _of_several(chosen: Sequence[Pair], kind: str) -> str:
    """The answer of several comparisons: those that show a difference by name, otherwise the one that comes nearest to it."""
    metrics = " and ".join(dict.fromkeys(in_sentence(p.metric) for p in chosen))
    n, better = len(chosen), [p for p in chosen if shows_difference(p)]
    n_open, n_equivalent = sum(map(_without_method, chosen)), sum(p.verdict == "equivalent" for p in chosen)
    if winner := _best_of_all(chosen):
        own = [_ahead(p)[2] for p in better if winner in (p.model, p.comparator)]
        least = min(own, key=lambda p: p.estimate)
        text = f"{short_name(winner)} is better in {metrics} than the other {len(own)} models; its smallest lead is {_amount(least)} over "
        text += f"{short_name(least.comparator)}{_certainty(least, kind)}"
    elif better:
        listed = "; ".join(_better(p, level=i == 0) for i, p in enumerate(_most_wins_first(better)[:_LISTED]))
        rest = f"; {len(better) - _LISTED} more" if len(better) > _LISTED else ""
        text = f"{len(better)} of {n} {kind} comparisons of {metrics} {'shows' if len(better) == 1 else 'show'} a difference: {listed}{rest}"
    else:
        text = f"None of {n} {kind} comparisons of {metrics} shows a difference"
        tested = [p for p in chosen if not isnan(_deciding_p(p)[0])]
        if tested:
            first = min(tested, key=lambda p: (_deciding_p(p)[0], -abs(p.estimate)))
            value, exact = _deciding_p(first)
            adjusted = "adjusted " if isfinite(first.adjusted) else ""
            text += (
                f"; the clearest, {_over(first)}, has "
                f"{adjusted}{numbers.p_equals(value, 'exact p' if exact else 'p')}{_despite(first)}"
            )
    if n_open:
        text += f"; {n_open} {'has' if n_open == 1 else 'have'} no verdict, because no method is shown to hold for these data"
    if n_equivalent:
        text += f"; {n_equivalent} {'shows' if n_equivalent == 1 else 'show'} equivalence within the margin"
    elif not better and not n_open:
        with_margin = any(isfinite(p.margin) for p in chosen)
        text += "; none shows equivalence within the margin" if with_margin else "; this is not evidence of equivalence"
    return text


def _best_of_all(chosen: Sequence[Pair]) -> str:
    """The model that the comparisons of one metric show to be better than each of at least two others; "" without one."""
    models = list(dict.fromkeys(m for p in chosen for m in (p.model, p.comparator)))
    if len(models) < 3 or len({p.metric for p in chosen}) > 1 or not _has_lead(chosen[0]):
        return ""
    names = {short_name(m) for m in models}
    beaten: dict[str, set[str]] = {m: set() for m in models}
    for _, loser, lead in (_ahead(p) for p in chosen if shows_difference(p)):
        beaten[lead.model].add(loser)
    for model, won in beaten.items():
        if len(won) >= len(names) - 1 and won == names - {short_name(model)}:
            return model
    return ""


def _most_wins_first(better: Sequence[Pair]) -> list[Pair]:
    """The comparisons that show a difference: those of the model that is better than most others first, by its lead."""
    wins = Counter(_ahead(p)[0] for p in better)
    return sorted(better, key=lambda p: (-wins[_ahead(p)[0]], _ahead(p)[0], -abs(p.estimate)))


def _better(p: Pair, *, level: bool = False) -> str:
    """A comparison that shows a difference: "a better than b by 12.2 points (1.3 to 25.6)"; with `level` that of the interval is named."""
    winner, loser, lead = _ahead(p)
    if _has_lead(p):
        limits = _limits(lead)
        if level and limits:
            simultaneous = "simultaneous " if lead.has_simultaneous else ""
            limits = limits.replace(" (", f" ({simultaneous}{numbers.level(p.conf_level)} CI ", 1)
        return f"{winner} better than {loser} by {_amount(lead, short=True)}{limits}"
    words = f"{winner} better than {loser}" if vocabulary.metric(p.metric).better else f"{winner} and {loser} differ"
    return f"{words}, {_against(p)}"


def _over(p: Pair) -> str:
    """The comparison that comes nearest to a difference: "a over b by 12.2 points (−1.3 to 25.6)"; of ratios with the ratio."""
    winner, loser, lead = _ahead(p)
    if _has_lead(p):
        return f"{winner} over {loser} by {_amount(lead, short=True)}{_limits(lead)}"
    return f"{short_name(p.model)} against {short_name(p.comparator)}, {_against(p)}"


def _against(p: Pair) -> str:
    """The ratio, or the difference of a metric with a target, as the tables have it, with its limits."""
    metric = vocabulary.metric(p.metric)
    value = _unsigned(numbers.difference(metric, p.estimate))
    if metric.null == 1:
        return f"ratio of {short_name(p.model)} to {short_name(p.comparator)} {value}{_limits(p)}"
    return f"difference {value}{_limits(p)}"


def _has_lead(p: Pair) -> bool:
    """Whether the difference is the lead of the better model: not so for ratios, and for metrics with a target."""
    metric = vocabulary.metric(p.metric)
    return metric.null == 0 and metric.better != 0


def _ahead(p: Pair) -> tuple[str, str, Pair]:
    """The better of the two by their observed values, the other, and the comparison as the better one's lead (`_has_lead`), otherwise as it is."""
    metric = vocabulary.metric(p.metric)
    turn = metric.better * (p.estimate - metric.null) < 0
    if not _has_lead(p):
        first, second = short_name(p.model), short_name(p.comparator)
        return (second, first, p) if turn else (first, second, p)
    if turn == (metric.better < 0):  # the lead is the difference itself
        lead = p
    else:
        low, high = p.simultaneous
        lead = replace(p, estimate=-p.estimate, low=-p.high, high=-p.low, simultaneous=(-high, -low))
    if turn:
        lead = replace(lead, model=p.comparator, comparator=p.model)
    return short_name(lead.model), short_name(lead.comparator), lead


def _amount(p: Pair, *, short: bool = False) -> str:
    """The size of a lead without its sign: "12.2 percentage points", "0.031"."""
    metric = vocabulary.metric(p.metric)
    unit = numbers.unit(metric, of_difference=True)
    size = numbers.difference(metric, abs(p.estimate)).removeprefix("+")
    unit = "points" if short and unit else unit
    return f"{size} {unit}".strip()


def _deciding_limits(p: Pair) -> tuple[float, float, bool]:
    """The limits that a verdict uses, and whether they are simultaneous over several pairs."""
    return (*p.simultaneous, True) if p.has_simultaneous else (p.low, p.high, False)


def _limits(p: Pair) -> str:
    """The limits that a verdict uses, in parentheses: " (1.3 to 25.6)"; "" without."""
    low, high, _ = _deciding_limits(p)
    if not (isfinite(low) and isfinite(high)):
        return ""
    first, last = (_unsigned(numbers.difference(vocabulary.metric(p.metric), x, p.margin)) for x in (low, high))
    return f" ({first} to {last})"


def _unsigned(text: str) -> str:
    return text.removeprefix("+")


def _certainty(p: Pair, kind: str, *, with_p: bool = True, single: bool = False) -> str:
    """How sure an answer is: " (95% CI 1.3 to 25.6; adjusted p = 0.012; exploratory)"."""
    low, high, simultaneous = _deciding_limits(p)
    parts = []
    if isfinite(low) and isfinite(high):
        first, last = (_unsigned(numbers.difference(vocabulary.metric(p.metric), x, p.margin)) for x in (low, high))
        parts.append(
            ("simultaneous " if simultaneous and not single else "")
            + numbers.confidence_interval(p.conf_level, first, last)
        )
    value, exact = _deciding_p(p)
    if with_p and not isnan(value):
        adjusted = "adjusted " if isfinite(p.adjusted) and p.adjusted != p.p else ""
        parts.append(adjusted + numbers.p_equals(value, "exact p" if exact else "p"))
    return f" ({'; '.join([*parts, kind])})"


def _size(p: Pair, kind: str, *, with_p: bool = True) -> str:
    """The difference with its certainty: ": difference 0.4 points (95% CI −2.1 to 2.9; p = 0.62; exploratory)"."""
    metric = vocabulary.metric(p.metric)
    name = f"ratio of {short_name(p.model)} to {short_name(p.comparator)}" if metric.null == 1 else "difference"
    unit = " points" if metric.unit == "percent" else ""
    certainty = _certainty(p, kind, with_p=with_p, single=True).replace(" (", ", ", 1)
    return f" ({name} {_unsigned(numbers.difference(metric, p.estimate))}{unit}{certainty}"


def _despite(p: Pair, *, single: bool = False) -> str:
    """Half a sentence where p-value and interval disagree, since a verdict needs both."""
    value, exact = _deciding_p(p)
    low, high, simultaneous = _deciding_limits(p)
    null = vocabulary.metric(p.metric).null
    if isnan(value) or not (isfinite(low) and isfinite(high)):
        return ""
    which = "simultaneous interval" if simultaneous and not single else "interval"
    if value < _alpha(p) and low <= null <= high:
        return f", although p is small: its {which} includes {null:g}"
    if value >= _alpha(p) and not low <= null <= high:
        return f", although its {which} excludes {null:g}: the {'exact test' if exact else 'test'} does not reject"
    return ""


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


def withheld(p: Pair) -> str:
    """Why there is no verdict although its interval excludes "no difference": " (exact p = 0.064)"; "" elsewhere."""
    low, high, _ = _deciding_limits(p)
    value, exact = _deciding_p(p)
    if p.verdict != "inconclusive" or not (isfinite(low) and isfinite(high)) or _includes_null(p):
        return ""
    return (
        f" ({numbers.p_equals(value, 'exact p' if exact else 'p')})"
        if value >= _alpha(p)
        else " (no method is shown to hold)"
    )


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
