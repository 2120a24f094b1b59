"""Agreement and reliability of readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hybridcx.qualification.case import EXACT, FITTED, Case, compared, of_result
from hybridcx.qualification.reference import WHOLE, R, further, number, published, ratings, rows, series
from hybridcx.stats import agreement

PSYCH = R.format("agreement/make_agreement.R (psych)")
FLEISS = (
    (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
    (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
)  # fmt: skip
"""Ten subjects by five categories, fourteen raters: the worked example of the encyclopaedia article on Fleiss' kappa."""


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _r()
    yield from _shared()
    yield from _printed()
    yield from _several()


def _function(metric: str) -> str:
    if metric.startswith("icc"):
        return "agreement.icc"
    return "agreement.bland_altman" if metric.startswith("bland_altman") else f"agreement.{metric}"


def _results(x: np.ndarray, measured: bool) -> dict[tuple[str, str], Any]:
    """Every coefficient of one table of ratings, by metric and method."""
    found: list[Any] = []
    if measured:
        found += agreement.icc(x)
        found += [f(x, m) for f in (agreement.sem, agreement.mdc95) for m in ("anova", "consistency")]
        found += agreement.bland_altman(x[:, 0], x[:, 1])
        found.append(agreement.krippendorff_alpha(x, "interval"))
    else:
        found += [agreement.gwet_ac1(x), agreement.gwet_ac2(x, "linear"), agreement.gwet_ac2(x, "quadratic")]
        found += [agreement.fleiss_kappa(x), agreement.percent_agreement(x)]
        found += [agreement.krippendorff_alpha(x, level) for level in ("nominal", "ordinal", "interval")]
        if x.shape[1] == 2:
            found += [agreement.cohen_kappa(x[:, 0], x[:, 1], w) for w in ("unweighted", "linear", "quadratic")]
    return {(r.metric, r.method): r for r in found}


def _r() -> Iterator[Case]:
    results: dict[str, dict[tuple[str, str], Any]] = {}
    for e in rows("agreement/agreement_expected.csv"):
        if e["quantity"].endswith("_90"):
            continue
        case = e["case"]
        if case not in results:
            results[case] = _results(ratings(f"agreement/{case}.csv"), case.startswith("measured"))
        found, expected = results[case][e["metric"], e["method"]], {e["quantity"]: number(e["value"])}
        named = f"{case} {e['method']}"
        yield from of_result(named, e["metric"], _function(e["metric"]), found, expected, PSYCH, FITTED, smallest=1e-9)


def _shared() -> Iterator[Case]:
    source = R.format("make_r_reference.R (psych)")
    for e in rows("r/expected.csv"):
        if e["quantity"] != "agreement":
            continue
        x = ratings(f"r/{e['case']}.csv", skip=1)
        if e["metric"] == "cohen_kappa":
            found: Any = agreement.cohen_kappa(x[:, 0], x[:, 1], e["method"])  # type: ignore[arg-type]
            expected = {"estimate": number(e["estimate"])}
        else:
            found = next(r for r in agreement.icc(x) if r.metric == e["metric"])
            expected = {q: number(e[c]) for q, c in WHOLE.items() if e[c]}
        yield from of_result(f"{e['case']} {e['method']}", e["metric"], _function(e["metric"]), found, expected, source)


def _printed() -> Iterator[Case]:
    book = published()["shrout_fleiss_1979"]
    for r in agreement.icc(book["ratings"]):
        yield compared(
            "operation",
            "Shrout and Fleiss",
            r.metric,
            "agreement.icc",
            "estimate",
            r.estimate,
            book[r.metric],
            6e-9,
            book["source"],
        )
    book = published()["krippendorff_4_coders_12_units"]
    x = np.array(book["ratings_by_coder"], dtype=object).T
    for level in ("nominal", "ordinal", "interval"):
        found, expected = agreement.krippendorff_alpha(x, level), book["krippendorff_alpha"][level]
        yield compared(
            "operation", f"Krippendorff's coders, {level}", "krippendorff_alpha", "agreement.krippendorff_alpha", "estimate", found.estimate,
            expected, 6e-11, book["source"],
        )  # fmt: skip
    ac1 = agreement.gwet_ac1(x)
    for quantity, value, printed in (
        ("estimate", ac1.estimate, book["gwet_ac1"]),
        ("std_error", ac1.std_error, book["gwet_ac1_se"]),
    ):
        yield compared(
            "operation",
            "Krippendorff's coders",
            "gwet_ac1",
            "agreement.gwet_ac1",
            quantity,
            value,
            printed,
            6e-6,
            book["source"],
        )
    book = published()["gwet_3x3_abstractors"]
    kappa = agreement.cohen_kappa_table(book["table"])
    for quantity, value, printed, unit in (
        ("estimate", kappa.estimate, book["cohen_kappa"], 6e-8), ("std_error", kappa.std_error, book["cohen_kappa_se"], 6e-9),
    ):  # fmt: skip
        yield compared(
            "operation",
            "Gwet's abstractors",
            "cohen_kappa",
            "agreement.cohen_kappa_table",
            quantity,
            value,
            printed,
            unit,
            book["source"],
        )
    fleiss = agreement.fleiss_kappa_counts(FLEISS)
    source = "worked example of the encyclopaedia article on Fleiss' kappa, printed to three decimals"
    yield compared(
        "operation",
        "ten subjects",
        "fleiss_kappa",
        "agreement.fleiss_kappa_counts",
        "estimate",
        fleiss.estimate,
        0.21,
        5e-4,
        source,
    )


def _several() -> Iterator[Case]:
    """Agreement of more than two readers, and MDC95 of consistency."""
    source = R.format("further/make_further.R")
    for case, want in further()["percent_agreement"].items():
        found = agreement.percent_agreement(ratings(f"agreement/called_{case}.csv"))
        low, high = series(want, "limit")
        expected = {"conf_low": low, "conf_high": high}
        yield from of_result(
            f"called_{case}", "percent_agreement", "agreement.percent_agreement", found, expected, source, EXACT
        )
    for case, want in further()["mdc95"].items():
        result = agreement.mdc95(ratings(f"agreement/measured_{case}.csv"), "consistency")
        low, high = series(want, "limit")
        expected = {"estimate": want["consistency"], "conf_low": low, "conf_high": high}
        yield from of_result(f"measured_{case} consistency", "mdc95", "agreement.mdc95", result, expected, source)
