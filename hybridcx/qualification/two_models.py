"""Differences of two models' calls, tests of several models, adjustments, and two independent estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

import numpy as np

from hybridcx.qualification.case import EXACT, FITTED, Case, compared, of_result
from hybridcx.qualification.reference import WHOLE, R, further, number, predictions, published, rows, scores, series
from hybridcx.stats import (
    clusters,
    equivalence,
    independent,
    mcnemar,
    multiplicity,
    paired,
    paired_metrics,
    predictive_values,
    readers,
    roc,
    utility,
    variance,
)
from hybridcx.stats.proportions import normal_quantile, wilson

MCNEMAR = {
    "mcnemar_exact": mcnemar.mcnemar_exact,
    "mcnemar_midp": mcnemar.mcnemar_midp,
    "mcnemar_asymptotic": mcnemar.mcnemar_asymptotic,
    "mcnemar_corrected": mcnemar.mcnemar_corrected,
}
NEWCOMBE = (
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0),
    (10, 10, 0, 10, 0.6075, 1.0),
)
"""Newcombe (1998), Statistics in Medicine 17:873, Table II, method 10: x1, n1, x2, n2, limits."""


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _shared()
    yield from _printed()
    yield from _tables()
    yield from _swaps()
    yield from _patients()
    yield from _margins()
    yield from _adjustments()
    yield from _net_benefit()
    yield from _splits()
    yield from _readers()
    yield from _independent()


def _shared() -> Iterator[Case]:
    """`binom.test` and `mcnemar.test` on six sets of predictions; Cochran's Q."""
    source = R.format("make_r_reference.R")
    for e in rows("r/expected.csv"):
        if e["method"] == "cochran_q":
            truth, calls, _ = predictions(e["case"])
            right = np.stack([c == truth for c in calls.values()], axis=1)
            expected = {"statistic": number(e["statistic"]), "pvalue": number(e["p_value"])}
            yield from of_result(
                e["case"], "cochran_q", "mcnemar.cochran_q", mcnemar.cochran_q(right), expected, source
            )
        if e["method"] not in MCNEMAR:
            continue
        truth, calls, _ = predictions(e["case"])
        within = {"accuracy": truth | True, "sensitivity": truth, "specificity": ~truth}[e["metric"]]
        a, b = ((calls[m] == truth)[within] for m in (e["model_a"], e["model_b"]))
        found = MCNEMAR[e["method"]](int((a & ~b).sum()), int((~a & b).sum()), int(within.sum()))
        expected = {"estimate": number(e["estimate"]), "pvalue": number(e["p_value"])}
        if e["statistic"]:
            expected["statistic"] = number(e["statistic"])
        case = f"{e['case']} {e['model_a']} {e['model_b']} {e['metric']}"
        yield from of_result(case, e["method"], f"mcnemar.{e['method']}", found, expected, source)


def _printed() -> Iterator[Case]:
    """Printed values of McNemar's test and of two intervals."""
    for name in ("bentur_2009", "agresti_approval"):
        book = published()[name]
        n11, b, c, n00 = book["table_n11_n12_n21_n22"]
        for method, test in MCNEMAR.items():
            found = test(b, c, n11 + b + c + n00)
            for key, quantity in ((method, "pvalue"), (f"{method}_statistic", "statistic")):
                if key in book:
                    value = float(getattr(found, quantity))
                    yield compared(
                        "operation", name, method, f"mcnemar.{method}", quantity, value, book[key], 6e-7, book["source"]
                    )
        for method, interval in (("tango", paired.tango), ("newcombe_paired", paired.newcombe_paired)):
            if method in book:
                limits = interval(n11, b, c, n00)
                for quantity, expected in zip(("conf_low", "conf_high"), book[method], strict=True):
                    value = float(getattr(limits, quantity))
                    yield compared(
                        "operation", name, method, f"paired.{method}", quantity, value, expected, 6e-4, book["source"]
                    )


def _cells(t: dict[str, str], metric: str) -> tuple[int, int, int, int]:
    """(n11, n10, n01, n00) of correct calls of the cases that the metric is about."""
    positives = [int(t[f"d1_{k}"]) for k in ("11", "10", "01", "00")]
    negatives = [int(t[f"d0_{k}"]) for k in ("00", "01", "10", "11")]
    chosen = {"sensitivity": [positives], "specificity": [negatives]}.get(metric, [positives, negatives])
    n11, b, c, n00 = (sum(v) for v in zip(*chosen, strict=True))
    return n11, b, c, n00


def _calls(t: dict[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and both models' calls from a table."""
    d1, d0 = ([int(t[f"{d}_{k}"]) for k in ("11", "10", "01", "00")] for d in ("d1", "d0"))
    truth = np.repeat([True, False], [sum(d1), sum(d0)])
    a, b = (np.repeat(np.array(calls * 2, bool), [*d1, *d0]) for calls in ([1, 1, 0, 0], [1, 0, 1, 0]))
    return truth, a, b


def _tables() -> Iterator[Case]:
    """Twenty paired tables: constrained likelihoods maximised numerically, sums over long-format calls, `glm`, enumeration."""
    source = R.format("paired/make_paired_reference.R")
    tables = {t["case"]: t for t in rows("paired/tables.csv")}
    intervals = {"tango": paired.tango, "newcombe_paired": paired.newcombe_paired, "agresti_min": paired.agresti_min}
    values: dict[str, Callable[..., Any]] = {
        "generalized_score": predictive_values.generalized_score,
        "weighted_generalized_score": predictive_values.weighted_generalized_score,
        "lr_regression": predictive_values.lr_regression,
    }
    for e in rows("paired/table_expected.csv"):
        t, metric, method = tables[e["case"]], e["metric"], e["method"]
        case = f"{e['case']} {metric}"
        if method in intervals:
            columns = (
                WHOLE if method == "tango" else {k: v for k, v in WHOLE.items() if k not in ("statistic", "pvalue")}
            )
            found, room, relative = intervals[method](*_cells(t, metric)), "paired", EXACT
        elif method in values:
            columns = WHOLE | {"std_error": "std_error"}
            found, room = values[method](*_calls(t), metric), "predictive_values"
            relative = FITTED if method == "lr_regression" else EXACT
        elif method in ("mcnemar_exact", "mcnemar_midp"):
            n11, b, c, n00 = _cells(t, metric)
            columns, found, room, relative = (
                {"pvalue": "p_value"},
                MCNEMAR[method](b, c, n11 + b + c + n00),
                "mcnemar",
                EXACT,
            )
            if method == "mcnemar_exact" and b + c <= 20:  # the paired permutation of counts is the exact test
                swaps = paired.permutation_paired_counts(b, c, n11 + b + c + n00, rng=np.random.default_rng(1))
                expected = {"pvalue": number(e["p_value"])}
                yield from of_result(
                    case, "permutation_paired", "paired.permutation_paired_counts", swaps, expected, source
                )
        else:
            continue
        expected = {quantity: number(e[column]) for quantity, column in columns.items()}
        if method in ("generalized_score", "weighted_generalized_score"):  # R does not clip the limits of a difference
            expected |= {k: min(max(expected[k], -1.0), 1.0) for k in ("conf_low", "conf_high")}
        yield from of_result(case, method, f"{room}.{method}", found, expected, source, relative, smallest=1e-11)


def _swaps() -> Iterator[Case]:
    """The studentised permutation: every swap listed, complex-step derivatives, every sign with its own t."""
    source = R.format("metric_pairs/make_metric_pairs.R")
    cells = {r["case"]: [int(v) for k, v in r.items() if k != "case"] for r in rows("metric_pairs/tables.csv")}
    for r in rows("metric_pairs/paired_expected.csv"):
        law = paired_metrics.studentised_counts(
            cells[r["case"]], r["metric"], n_resamples=999, rng=np.random.default_rng(1), odds=0.25
        )
        at_95 = {
            "estimate": "estimate",
            "std_error": "std_error",
            "pvalue": "p_value",
            "conf_low": "low95",
            "conf_high": "high95",
        }
        yield from of_result(
            f"{r['case']} {r['metric']}", "permutation_paired", "paired_metrics.studentised_counts", law(0.95),
            {quantity: number(r[column]) for quantity, column in at_95.items()}, source,
        )  # fmt: skip
    losses: dict[str, list[float]] = {}
    for r in rows("metric_pairs/losses.csv"):
        losses.setdefault(r["case"], []).append(float(r["difference"]))
    expected_of = {r["case"]: r for r in rows("metric_pairs/mean_expected.csv")}
    columns = {"estimate": "estimate", "std_error": "std_error", "conf_low": "low95", "conf_high": "high95"}
    for case, values in losses.items():
        d = np.zeros(2100)
        d[100 : 100 + len(values)] = values
        found = paired_metrics.studentised_mean(d, n_resamples=999, rng=np.random.default_rng(1))(0.95)
        expected = {k: number(expected_of[case][v]) for k, v in (columns | {"pvalue": "p_value"}).items()}
        yield from of_result(case, "permutation_paired", "paired_metrics.studentised_mean", found, expected, source)
    loss = paired_metrics.mean_loss_interval(
        (np.arange(1, 2101) * 0.61803 % 1) ** 4, 0.95, rng=np.random.default_rng(1)
    )
    expected = {k: number(expected_of["mean_loss"][v]) for k, v in columns.items()}
    yield from of_result("mean_loss", "wald", "paired_metrics.mean_loss_interval", loss, expected, source)


def _patients() -> Iterator[Case]:
    """Obuchowski's (1998) own form: variances and covariance with the pooled proportion."""
    found = {}
    for case, members in groupby(rows("paired/clusters.csv"), key=lambda r: r["case"]):
        a, b, groups = [], [], []
        for r in members:
            n11, n10, n01, n00 = (int(r[k]) for k in ("n11", "n10", "n01", "n00"))
            a += [True] * (n11 + n10) + [False] * (n01 + n00)
            b += [True] * n11 + [False] * n10 + [True] * n01 + [False] * n00
            groups += [r["cluster"]] * (n11 + n10 + n01 + n00)
        found[case] = clusters.mcnemar_cluster(np.array(a), np.array(b), np.array(groups))
    for e in rows("paired/cluster_expected.csv"):
        expected = {q: number(e[c]) for q, c in (WHOLE | {"std_error": "std_error"}).items()}
        source = R.format("paired/make_paired_reference.R")
        yield from of_result(
            e["case"], "mcnemar_cluster", "clusters.mcnemar_cluster", found[e["case"]], expected, source
        )


def _margins() -> Iterator[Case]:
    """Margins with pROC's standard error of the difference of two AUROCs."""
    for case, want in further()["margin"].items():
        name, margin = case.split()
        y, s, _ = scores(name)
        pair = roc.delong_paired(y, s["b"], s["c"])
        limits = lambda level, pair=pair: (  # noqa: E731
            pair.estimate - normal_quantile(level) * pair.std_error,
            pair.estimate + normal_quantile(level) * pair.std_error,
        )
        for test in (equivalence.non_inferiority, equivalence.tost):
            found = test(limits, float(margin), pair.estimate)
            source = R.format("further/make_further.R (pROC)")
            yield from of_result(
                case, found.method, f"equivalence.{found.method}", found, {"pvalue": want[found.method]}, source, 1e-7
            )


def _adjustments() -> Iterator[Case]:
    """`p.adjust`, and max-T on R's replicates."""
    rules = {"holm": multiplicity.holm, "hochberg": multiplicity.hochberg, "BH": multiplicity.benjamini_hochberg}
    for family, members in groupby(rows("paired/adjust_expected.csv"), key=lambda r: r["family"]):
        of_family = list(members)
        p = np.array([float(r["p"]) for r in of_family])
        for name, rule in rules.items():
            for i, (found, r) in enumerate(zip(rule(p), of_family, strict=True), 1):
                expected, function = float(r[name]), f"multiplicity.{rule.__name__}"
                yield compared(
                    "operation", f"family {family}, p-value {i}", name, function, "pvalue", float(found), expected,
                    1e-12 * abs(expected), R.format("paired/make_paired_reference.R (p.adjust)"),
                )  # fmt: skip
    drawn = np.array([[float(v) for v in r.values()] for r in rows("further/joint_replicates.csv")])
    seen = np.array(series(further()["joint"][""], "observed"))
    first, second = [0, 0, 1], [1, 2, 2]
    result, want = (
        multiplicity.max_t(seen[first] - seen[second], drawn[:, first] - drawn[:, second]),
        further()["max_t"][""],
    )
    for quantity in ("pvalue", "conf_low", "conf_high"):
        for i, (found, expected) in enumerate(zip(getattr(result, quantity), series(want, quantity), strict=True), 1):
            source = R.format("further/make_further.R")
            yield compared(
                "operation", f"pair {i}", "maxT", "multiplicity.max_t", quantity, float(found), expected, EXACT, source
            )


def _net_benefit() -> Iterator[Case]:
    source = R.format("further/make_further.R")
    for case, want in further()["net_benefit"].items():
        name, threshold = case.split()
        y, s, _ = scores(name)
        found = utility.net_benefit_difference(y, s["b"], s["c"], float(threshold))
        expected = {k: want[k] for k in ("estimate", "std_error", "pvalue")}
        yield from of_result(case, "wald", "utility.net_benefit_difference", found, expected, source)


def _splits() -> Iterator[Case]:
    """Nadeau and Bengio's corrected t-test in the words of the paper."""
    for case, want in further()["nadeau_bengio"].items():
        found, expected = (
            variance.nadeau_bengio(series(want, "d"), 232, 50),
            {"statistic": want["t"], "pvalue": want["p"]},
        )
        source = R.format("further/make_further.R")
        yield from of_result(f"{case} splits", "nadeau_bengio", "variance.nadeau_bengio", found, expected, source)


def _readers() -> Iterator[Case]:
    """Obuchowski and Rockette's analysis of accuracies."""
    for case, want in further()["or_accuracy"].items():
        name, design = case.split()
        y, s, _ = scores(name)
        a, b, c = (s[j] for j in "abc")
        one, other = (
            [(v >= 0.5) == y for v in group] for group in ([a, b, (a + b) / 2], [c, (a + c) / 2, (b + c) / 2])
        )
        found = readers.obuchowski_rockette_accuracy(one, other, design)  # type: ignore[arg-type]
        function, source = "readers.obuchowski_rockette_accuracy", R.format("further/make_further.R")
        yield from of_result(case, "obuchowski_rockette", function, found, dict(want), source)


def _independent() -> Iterator[Case]:
    """Newcombe's (1998) printed limits, and a ratio of two independent ratios by hand."""
    source = "Newcombe (1998), Statistics in Medicine 17:873, Table II, method 10 (printed to four decimals)"
    for x1, n1, x2, n2, low, high in NEWCOMBE:
        sides = [(r.estimate, r.conf_low, r.conf_high) for r in (wilson(x1, n1), wilson(x2, n2))]
        found = independent.mover_difference(*sides)
        for quantity, value, expected in (("conf_low", found.conf_low, low), ("conf_high", found.conf_high, high)):
            case = f"{x1}/{n1} - {x2}/{n2}"
            yield compared(
                "operation", case, "mover", "independent.mover_difference", quantity, value, expected, 6e-5, source
            )
    ratio = independent.mover_ratio((4.0, 2.0, 8.0), (2.0, 1.0, 4.0))
    half = 2**0.5  # both factors of 2: exp(sqrt(2) log 2)
    expected_of = {"estimate": 2.0, "conf_low": 2.0 * 2.0**-half, "conf_high": 2.0 * 2.0**half}
    yield from of_result(
        "4 (2 to 8) / 2 (1 to 4)",
        "mover",
        "independent.mover_ratio",
        ratio,
        expected_of,
        "Zou and Donner (2008), by hand",
    )
