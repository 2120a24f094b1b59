"""An audit in words: verdict, explanation, tests, caveats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from hybridcx import vocabulary
from hybridcx.analysis.published.readings import OTHER_TOTALS, OTHER_TOTALS_EACH, PRINTED_IS, Audit
from hybridcx.analysis.published.tables import MAX_LISTED
from hybridcx.errors import printable
from hybridcx.records.published import PublishedTable
from hybridcx.report import numbers as tables
from hybridcx.report.answers import in_sentence
from hybridcx.report.shown_rows import number

MAX_NAMED = 6


FEW_MODELS = 3


METHODS = [
    "A printed value v with d decimals stands for every value from v - 0.5 to v + 0.5 of its last digit, both ends included, so that "
    "either way of rounding a half meets it. Whether a metric is printed in percent or as a proportion is decided over all models: "
    "percent where one value is above 1.",
    "With the class totals known, a confusion matrix is a pair of whole numbers (TP, TN). All of them were tried: for each TP every "
    "metric is monotone in TN, so that each printed value leaves one interval of TN. An undefined metric is met by a printed 0, as "
    "common software prints it.",
    "Readings: as printed; rows and columns of the confusion matrix swapped (a matrix transposed before the formulas were applied); "
    "the negative class taken as the positive one; both; and, where the table cannot be true as printed, other class totals of the "
    "same number of cases, one for all models or model by model.",
    "The nearest miss: first, the one printed value without which the model would fit, by the fewest halves of its last digit; where "
    "leaving one out is not enough, the matrix for which all rounding intervals have to be widened least.",
    "Paired tests: two models with known correct counts in each class can have erred on the same cases or on different ones. "
    "McNemar's p-values (exact; mid-p; asymptotic; with continuity correction) depend on the discordant cases b and c alone, whose "
    "difference is fixed and whose sum runs from its smallest to its largest possible value in steps of two; p rises with that sum. "
    "Ranges run over all matrices that fit, and the intervals (Tango 1998; Newcombe 1998, method 10; Agresti and Min 2005) are those "
    "at the pairing with the smallest exact p-value.",
    "Recomputed proportions: Wilson (1927) score intervals; balanced accuracy and Youden's J: MOVER from Wilson limits (Zou and "
    "Donner 2008); likelihood ratios and the odds ratio: on the log scale.",
]


def sentences(report: Audit, tables_by_name: Mapping[str, pd.DataFrame], confidence_level: float) -> list[str]:
    """The sentences of the first screen: whether the table is possible, which reading explains it, the possible results of the tests."""
    texts = [_verdict(report), *_explanation(report)]
    if not report.explains or OTHER_TOTALS_EACH in report.explains:
        texts += _misses(report)
    return texts + _tests(tables_by_name["audit_comparisons"], 1 - confidence_level)


def _names(models: Sequence[str]) -> str:
    names = [printable(m) for m in models[:MAX_NAMED]]
    if len(models) > MAX_NAMED:
        return f"{', '.join(names)} and {len(models) - MAX_NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _totals(printed: PublishedTable) -> str:
    pairs = list(dict.fromkeys(printed.totals.values()))
    return (
        f"with {pairs[0][0]} positives and {pairs[0][1]} negatives"
        if len(pairs) == 1
        else "with the class totals given"
    )


def _verdict(report: Audit) -> str:
    models = report.printed.models
    if report.can_be_true:
        unique = all(report.count("as_printed", m) == 1 for m in models)
        return (
            f"This table can be true as printed: {_totals(report.printed)}, "
            + ("the model has" if len(models) == 1 else "every model has")
            + (
                " exactly one confusion matrix that gives its values."
                if unique
                else " a confusion matrix that gives its values."
            )
        )
    without = [m for m in models if not report.count("as_printed", m)]
    part = f"{len(without)} of {len(models)} models" if len(models) > 1 else "the model"
    names = f" ({_names(without)})" if len(models) > 1 else ""
    has = "has" if len(without) == 1 else "have"
    return f"This table cannot be true as printed: {_totals(report.printed)}, {part}{names} {has} no confusion matrix that gives the printed values."


WORDS = {
    "rows_columns_swapped": "rows and columns of the confusion matrices were swapped",
    "classes_swapped": "the negative class was taken as the positive one",
    "both_swapped": "rows and columns were swapped, and the negative class was taken as the positive one",
}


def _explanation(report: Audit) -> list[str]:
    if report.can_be_true:
        return []
    explains, whole = report.explains, "the model" if len(report.printed.models) == 1 else "all models"
    cut = ["It would fit as printed if digits had been cut off instead of rounded."] if report.cut_fits else []
    totals = " or ".join(map(str, report.common[:MAX_NAMED])) + (" ..." if len(report.common) > MAX_NAMED else "")
    if not explains:
        rest = ""
        if report.fits(OTHER_TOTALS) is None:
            rest = " Other class totals were not searched: for so many cases that needs sensitivity or specificity."
        return [
            f"No reading explains it: neither swapped rows and columns, swapped classes, both, nor other class totals.{rest}",
            *cut,
        ]
    if explains == (OTHER_TOTALS,):
        return [
            f"One reading explains {whole}: other class totals. With {totals} positives among as many cases the table fits as it is printed.",
            *cut,
        ]
    if explains == (OTHER_TOTALS_EACH,):
        return [
            "No single reading explains it. It fits as printed only if the models were tested on different class totals "
            f"({_each(report)} positives); then they were not tested on the same cases.",
            *cut,
        ]
    fits_too = [m for m in report.printed.models if report.count("as_printed", m)]
    too = f" ({_names(fits_too)} also {'fits' if len(fits_too) == 1 else 'fit'} as printed.)" if fits_too else ""
    if len(explains) == 1:
        start = f"A single reading explains {whole} under these totals: {WORDS[explains[0]]}. {_printed_is(report, explains[0])}{too}"
    else:
        start = f"{len(explains)} readings explain {whole}: {'; or '.join(WORDS[r] for r in explains)}. The ranges below run over all of them.{too}"
    return [start, *_alternative(report, totals), *cut]


def _alternative(report: Audit, totals: str) -> list[str]:
    """Other class totals under which the printed values fit without a misreading: why a reading that explains the table is no proof."""
    reversed_totals = {n for _, n in report.printed.totals.values()}
    if report.explains == ("classes_swapped",) and set(report.common) == reversed_totals:
        return [
            f"That is the same as class totals given the wrong way round: with {totals} positives the print fits as it stands."
        ]
    if report.fits(OTHER_TOTALS):
        other = f"{totals} positives for all models"
    elif report.fits(OTHER_TOTALS_EACH):
        other = f"other class totals for each model ({_each(report)} positives)"
    else:
        return []
    return [f"This is the explanation, not a proof: with {other} the print fits as it stands."]


def _each(report: Audit) -> str:
    parts = []
    for model in report.printed.models[:MAX_NAMED]:
        solutions = report.solutions[OTHER_TOTALS_EACH][model]
        sizes = solutions.numbers_of_positives() if solutions is not None else []
        parts.append(str(sizes[0]) if len(sizes) == 1 else f"one of {len(sizes)} numbers")
    return ", ".join(parts) + (", ..." if len(report.printed.models) > MAX_NAMED else "")


def _printed_is(report: Audit, reading: str) -> str:
    pairs = {}
    for v in report.printed.values:
        real = PRINTED_IS[reading].get(v.metric)
        if real:
            pairs[printable(v.printed_as)] = (
                (in_sentence(real) if real in vocabulary.METRICS else real) if not v.complement else f"1 minus {real}"
            )
    pairs_text = "; ".join(
        f"what is printed as {name} is {real if ' ' in real else 'the ' + real}" for name, real in pairs.items()
    )
    return pairs_text[:1].upper() + pairs_text[1:] + "." if pairs_text else ""


def _misses(report: Audit) -> list[str]:
    texts = []
    for model, miss in list(report.misses.items())[:MAX_NAMED]:
        mine = [v for v in report.printed.values if v.model == model]
        cells = "TP {}, FN {}, FP {}, TN {}".format(*miss.cells)
        parts = []
        for i, value, gap in zip(miss.missed, miss.values, miss.by, strict=True):
            v = mine[i]
            percent = report.units[v.printed_as] == "percent"
            scale, unit = (100, " percentage points") if percent else (1, "")
            digits = v.decimals + 1
            value = 1 - value if v.complement else value
            value_text = tables.fixed(value, digits, scale=scale) if value == value else "undefined"
            parts.append(
                f"{printable(v.printed_as)} printed {v.text}, there {value_text}, {tables.fixed(gap, digits, scale=scale)}{unit} beyond rounding"
            )
        why = "one value stands in the way: " if miss.alone else ""
        texts.append(f"Nearest miss of {printable(model)} ({cells}): {why}{'; '.join(parts)}.")
    return texts


def _tests(compared: pd.DataFrame, alpha: float) -> list[str]:
    accuracy = compared[compared["metric"] == "accuracy"] if len(compared) else compared
    by_method = {m: f[f["p.value.min"].notna()] for m, f in accuracy.groupby("method")} if len(accuracy) else {}
    exact = by_method.get("mcnemar_exact")
    if exact is None or exact.empty:
        return []
    least = exact.sort_values("p.value.min", kind="stable").iloc[0]
    pair = f"{printable(least['model'])} and {printable(least['comparator'])}"
    level = f"the {tables.fixed(alpha, 4, scale=100).rstrip('0').rstrip('.')}% level"
    strict = [
        m for m in ("mcnemar_exact", "mcnemar_midp", "mcnemar_corrected") if by_method[m]["p.value.min"].min() < alpha
    ]
    n = len(exact)
    if not strict:
        who = "no pair of models differs" if n > 1 else f"{pair} do not differ"
        start = f"Whatever the pairing of the errors, {who} in accuracy at {level} by McNemar's exact, mid-p or corrected test"
    else:
        could, surely = (int((exact[c] < alpha).sum()) for c in ("p.value.min", "p.value.max"))
        if n == 1:
            how = "differ whatever" if surely else "could differ, depending on"
            start = f"By McNemar's exact test {pair} {how} the pairing of the errors, in accuracy at {level}"
        else:
            start = (
                f"By McNemar's exact test {could} of {n} pairs could differ in accuracy at {level}, and "
                f"{surely} would whatever the pairing of the errors"
            )
    low, high = (tables.p_value(float(least[c])) for c in ("p.value.min", "p.value.max"))
    texts = [f"{start}; the smallest possible exact p of any pair is {low} ({pair}, {low} to {high})."]
    loose = by_method["mcnemar_asymptotic"]
    lowest = loose.sort_values("p.value.min", kind="stable").iloc[0]
    if not strict and lowest["p.value.min"] < alpha:
        tango = by_method["tango"]
        row = tango[(tango["model"] == lowest["model"]) & (tango["comparator"] == lowest["comparator"])].iloc[0]
        kind = vocabulary.metric("accuracy")
        low, high = (tables.difference(kind, number(row[c])) for c in ("conf.low", "conf.high"))
        b, c = (tables.count(number(row[k])) for k in "bc")
        texts.append(
            f"Only the uncorrected asymptotic test could fall below it: {tables.p_equals(float(lowest['p.value.min']))} for "
            f"{printable(lowest['model'])} and {printable(lowest['comparator'])} at the most favourable pairing (b = {b}, c = {c}), "
            f"where Tango's interval is {low} to {high} percentage points."
        )
    return texts


def caveats(report: Audit) -> list[str]:
    """Caveats of the audit."""
    texts = [
        "That a matrix exists says that the numbers are possible, not that they are right.",
    ]
    if not report.can_be_true and report.explains and len(report.printed.models) < FEW_MODELS:
        texts.append("With so few models a reading can also fit by chance.")
    many = [m for m in report.printed.models for r in (report.explains or ("as_printed",)) if report.count(r, m) > 1]
    if many:
        who = _names(list(dict.fromkeys(many)))
        texts.append(
            f"Several confusion matrices give the printed values of {who}: metrics and p-values are ranges over all of them."
        )
    cut = [
        r
        for r, solutions in report.solutions.items()
        if any(s is not None and s.count > MAX_LISTED for s in solutions.values())
    ]
    if cut:
        texts.append(
            f"audit_matrices.csv lists the first {MAX_LISTED:,} matrices of a model and reading; n.solutions counts all."
        )
    guessed = [name for name in report.printed.ambiguous if report.units[name] != report.printed.units[name]]
    if guessed:
        texts.append(
            f"No value of {_names(guessed)} is above 1; read as percentages they fit, as proportions they do not."
        )
    return texts + [str(p) for p in report.printed.warnings]
