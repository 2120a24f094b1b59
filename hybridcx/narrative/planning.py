"""The text of `hybridcx plan`: the sentences for a protocol, and the title, labels, caveats and methods of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan
from typing import Any

import pandas as pd

from hybridcx.analysis.planned import Assumptions, answers
from hybridcx.report import numbers as rounded
from hybridcx.report.content import PlanWording
from hybridcx.store.provenance import version

Row = Mapping[str, Any]


def sentence(table: pd.DataFrame) -> list[str]:
    """The sentences for a protocol: the answer with its assumptions."""
    rows: list[Row] = [{str(k): v for k, v in r.items()} for r in answers(table).to_dict("records")]
    question = str(rows[0]["question"])
    parts = _by_target(rows) if question == "detectable" else _grouped(rows)
    return [_SENTENCES[question](part) for part in parts]


def software() -> str:
    """The sentence that names the software."""
    return f"Computed with hybridcx {version()}."


def _by_target(rows: Sequence[Row]) -> list[list[Row]]:
    return [[r for r in rows if r["target"] == t] for t in dict.fromkeys(r["target"] for r in rows)]


def _grouped(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that differ in the method alone."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(str(row[k]) for k in ("target", "proportion", "discordance", "correlation"))
        groups.setdefault(key, []).append(row)
    return list(groups.values())


def _by(rows: Sequence[Row], *methods: str) -> Row | None:
    return next((r for m in methods for r in rows if r["method"] == m), None)


def _pc(x: float) -> str:
    """An assumed proportion as a percentage, with all its decimals."""
    return f"{rounded.fixed(float(x), 4, scale=100).rstrip('0').rstrip('.')} %"


def _pp(x: float) -> str:
    return _pc(x).replace(" %", " percentage points")


def _n(row: Row | None) -> str:
    return "no number of" if row is None else rounded.count(float(row["size"]))


def _cases(row: Row) -> str:
    return {"sensitivity": "positive cases", "specificity": "negative cases"}.get(str(row["metric"]), "cases")


def _in_all(row: Row) -> str:
    """The number of cases of both classes needed for a number of cases of one class, where the prevalence is given."""
    if pd.isna(row["cases.all"]):
        return ""
    return f" (at a prevalence of {_pc(row['prevalence'])} about {rounded.count(float(row['cases.all']))} cases of both classes)"


def _say_mcnemar(rows: Sequence[Row]) -> str:
    exact, midp = _by(rows, "exact"), _by(rows, "midp")
    r = rows[0] if exact is None else exact
    return (
        f"To detect a difference in {r['metric']} of {_pp(abs(float(r['difference'])))} with {_pc(r['target'])} power by "
        f"McNemar's exact test at the "
        f"two-sided level {r['alpha']:g}, {_n(exact)} {_cases(r)} are needed{_in_all(r)}, {_n(midp)} with the mid-p test, if "
        f"the model alone is right in "
        f"{_pc(r['p10'])} of them and the comparator alone in {_pc(r['p01'])} (discordance {_pc(r['discordance'])}); the power "
        f"was enumerated."
    )


def _say_precision(rows: Sequence[Row]) -> str:
    wilson, exact = _by(rows, "wilson"), _by(rows, "clopper_pearson")
    r = rows[0] if wilson is None else wilson
    return (
        f"For a {_pc(r['conf.level'])} confidence interval (Wilson) of {r['metric']} with a half-width of at most "
        f"{_pp(r['target'])}, {_n(wilson)} {_cases(r)} "
        f"are needed{_in_all(r)}, {_n(exact)} with the Clopper-Pearson interval, if the {r['metric']} observed is {_pc(r['proportion'])}."
    )


def _say_noninferiority(rows: Sequence[Row]) -> str:
    r = _by(rows, "exact", "asymptotic") or rows[0]
    how = "the power was enumerated" if r["method"] == "exact" else "by the sample size formula of Tango's score test"
    d = float(r["difference"])
    truth = "no difference in truth" if d == 0 else f"a true difference of {_pp(d)}"
    return (
        f"To show that the model's {r['metric']} is not lower than the comparator's by {_pp(r['margin'])} or more, with "
        f"{_pc(r['target'])} power by Tango's "
        f"score test at the one-sided level {r['alpha']:g}, {_n(r)} {_cases(r)} are needed{_in_all(r)}, if there is {truth} "
        f"and exactly one "
        f"of the two is right in {_pc(r['discordance'])} of them; {how}."
    )


def _say_auc(rows: Sequence[Row]) -> str:
    r, other = _by(rows, "obuchowski") or rows[0], _by(rows, "hanley_mcneil")
    count = rounded.count
    return (
        f"To detect a difference between AUROCs of {r['auc']:g} and {r['comparator.auc']:g} on the same cases with "
        f"{_pc(r['target'])} power at the two-sided "
        f"level {r['alpha']:g}, {_n(r)} cases are needed ({count(float(r['n.positive']))} positive, {count(float(r['n.negative']))} "
        f"negative), if the two estimates correlate with {r['correlation']:g}, with the binormal variance of Obuchowski "
        f"(1994); {_n(other)} with "
        "that of Hanley and McNeil (1982)."
    )


def _say_detectable(rows: Sequence[Row]) -> str:
    r = rows[0]
    area = r["metric"] == "auroc"
    first, second = ("obuchowski", "hanley_mcneil") if area else ("exact", "midp")
    tests = (
        "the z test of two correlated AUROCs with the variance of Obuchowski 1994 (in brackets: Hanley and McNeil 1982)"
        if area
        else "McNemar's exact test (in brackets: the mid-p test)"
    )
    listed_parts: list[str] = []
    nothing: list[str] = []
    for part in _grouped(rows):
        pair = [float(x["value"]) if (x := _by(part, m)) is not None else nan for m in (first, second)]
        at = f"{part[0]['correlation']:g}" if area else _pc(part[0]["discordance"])
        if all(isnan(d) for d in pair):
            nothing.append(at)
        else:
            one, other = (
                "none" if isnan(d) else rounded.fixed(d) if area else rounded.fixed(d, 1, scale=100) for d in pair
            )
            unit = "" if area or listed_parts else " percentage points"
            sizes = f"none ({other}{unit})" if one == "none" else f"{one}{unit} ({other})"
            listed_parts.append(f"{sizes} at {at}")
    varied = (
        "a correlation of the estimates of" if area else "a discordance (cases that exactly one model has right) of"
    )
    over = f" over an AUROC of {r['comparator.auc']:g}" if area else ""
    start = f"With {_n(r)} {_cases(r)}, {_pc(r['target'])} power and the two-sided level {r['alpha']:g}, "
    if not listed_parts:
        return (
            f"{start}{tests} could have shown no difference{over}, however large, at {varied} {' or '.join(nothing)}."
        )
    listed = ", ".join(listed_parts).replace(" at ", f" at {varied} ", 1)
    text = f"{start}the smallest difference in {_metric(r)}{over} that {tests} could have shown is {listed}"
    return text + (f"; at {' or '.join(nothing)} none, however large, would have had that power." if nothing else ".")


def _metric(row: Row) -> str:
    return "AUROC" if row["metric"] == "auroc" else str(row["metric"])


def question(a: Assumptions) -> str:
    if a.question == "detectable":
        what = {"auroc": "AUROC"}.get(a.metric, a.metric)
        kind = {"sensitivity": "positive cases", "specificity": "negative cases"}.get(a.metric, "cases")
        return f"What is the smallest difference in {what} that a test set of {rounded.count(a.n)} {kind} could have shown?"
    return _QUESTIONS[a.question]


def wording(a: Assumptions) -> PlanWording:
    """The words of the question in the tables and figures of the page."""
    return _WORDINGS.get(f"{a.question} {a.metric}") or _WORDINGS[a.question]


_ON_DISCORDANCE = "discordance", "Discordance (share of cases that one model alone has right)"
_ON_CORRELATION = "correlation", "Correlation of the two estimated areas"
_DETECTABLE_LINES = ("method", "target", "discordance")
_WORDINGS = {
    "mcnemar": PlanWording("Power wanted, %", "Power", *_ON_DISCORDANCE),
    "precision": PlanWording(
        "Half-width wanted, pp",
        "Half-width",
        "proportion",
        "Anticipated proportion",
        lines=("method", "proportion"),
        target_unit="points",
    ),
    "noninferiority": PlanWording("Power wanted, %", "Power", *_ON_DISCORDANCE),
    "auc": PlanWording("Power wanted, %", "Power", *_ON_CORRELATION),
    "detectable": PlanWording("Power wanted, %", "Detectable difference", *_ON_DISCORDANCE, True, _DETECTABLE_LINES),
    "detectable auroc": PlanWording(
        "Power wanted, %", "Detectable difference", *_ON_CORRELATION, True, _DETECTABLE_LINES
    ),
}
_SENTENCES = {
    "mcnemar": _say_mcnemar,
    "precision": _say_precision,
    "noninferiority": _say_noninferiority,
    "auc": _say_auc,
    "detectable": _say_detectable,
}
TITLES = {
    "mcnemar": "Sample size: McNemar's test of two models",
    "precision": "Sample size: the width of a confidence interval",
    "noninferiority": "Sample size: non-inferiority of two models on the same cases",
    "auc": "Sample size: two correlated AUROCs",
    "detectable": "What a test set could have shown",
}
_QUESTIONS = {
    "mcnemar": "How many cases does McNemar's test need to show the difference?",
    "precision": "How many cases give an interval as narrow as asked for?",
    "noninferiority": "How many cases are needed to show that the model is not worse than the comparator by the margin?",
    "auc": "How many cases are needed to show the difference of the two AUROCs?",
}
_NO_LOSS = "The sizes count cases that are analysed, one image a patient: exclusions, and patients with several images, need more."
_DISCORDANCE = "The discordance is rarely known beforehand. With the difference held, more discordance needs more cases: see the second figure."
CAVEATS = {
    "mcnemar": (_DISCORDANCE, _NO_LOSS, "One comparison was assumed: several, corrected for multiplicity, need a smaller alpha."),
    "precision": (
        "An observed proportion nearer to one half than anticipated gives a wider interval: see the second figure.", _NO_LOSS,
    ),
    "noninferiority": (_DISCORDANCE, _NO_LOSS, "A model that is truly worse, if only a little, needs far more cases."),
    "auc": ("The correlation is rarely known beforehand; half as much of it costs many cases: see the second figure.", _NO_LOSS),
    "detectable": (
        "This depends on the size of the test set and not on the results.",
        "Failing to show a difference does not show that there is none; report the interval as well.",
    ),
}  # fmt: skip
METHODS = {
    "mcnemar": "Power of the exact, mid-p and asymptotic tests is unconditional and enumerated: the number of discordant "
    "cases is binomial, the model's share of "
    "them binomial again (Suissa and Shuster 1991; mid-p: Fagerland 2013). The size is the smallest from which on the power "
    "holds, since power is a "
    "saw of the size. Also given: the formula of Connor (1987), with the power that it reaches with the asymptotic test.",
    "precision": "Half of upper less lower limit, at an observed proportion exactly as anticipated: Wilson (1927), Clopper "
    "and Pearson (1934).",
    "noninferiority": "Tango's (1998) score test. Formula: variances under the null, restricted to the margin, and under the "
    "alternative (Lu and Bean 1995, "
    "Nam 1997). Enumerated: over all outcomes of the discordant cells, where the study is small enough.",
    "auc": "Two-sided z test of two AUROCs on the same cases. Variance of one area after Obuchowski (1994; binormal ratings, "
    "conservative for "
    "continuous scores) and after Hanley and McNeil (1982; exponential scores); under the null both models have the "
    "comparator's (Hanley and McNeil 1983). "
    "The correlation is that of the two estimated areas.",
    "detectable": "The difference at which the enumerated, unconditional power of McNemar's test (exact and mid-p) reaches "
    "the power asked for at the discordance "
    "given (Suissa and Shuster 1991).",
}
