"""ROC curves, precision and recall, calibration, decision curves and readers, on scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from hybridcx.qualification.case import EXACT, FITTED, Case, compared, of_result
from hybridcx.qualification.reference import (
    SETS,
    WHOLE,
    R,
    further,
    number,
    predictions,
    roc_expected,
    rows,
    scores,
    series,
)
from hybridcx.stats import (
    calibration,
    clusters_roc,
    precision_recall,
    readers,
    roc,
    roc_permutation,
    utility,
    variance,
)

ROC = R.format("roc/make_roc_reference.R (pROC, boot)")
SHARED = R.format("make_r_reference.R (pROC, glm)")
SAS = "SAS/STAT, PROC LOGISTIC, ovarian cancer data of DeLong et al. (1988), printed to four decimals"


def cases() -> Iterator[Case]:
    """Every case of this file."""
    yield from _shared()
    for name in SETS:
        yield from _areas(name)
        yield from _probabilities(name)
    yield from _precision_recall()
    yield from _ovarian()
    yield from _permutation()
    yield from _variance()


def _expected(
    key: tuple[str, str, str], statistic: str, function: str, found: Any, relative: float = EXACT
) -> Iterator[Case]:
    case = " ".join(part for part in (key[0], key[2]) if part)
    yield from of_result(case, statistic, function, found, roc_expected()[key], ROC, relative, smallest=relative)


def _shared() -> Iterator[Case]:
    for e in rows("r/expected.csv"):
        metric, method, quantity = e["metric"], e["method"], e["quantity"]
        if quantity not in ("metric", "comparison") or metric not in (
            "auroc",
            "brier",
            "calibration_slope",
            "calibration_intercept",
        ):
            continue
        y, _, s = predictions(e["case"])
        a, case = s[e["model_a"]], f"{e['case']} {e['model_a']} {e['model_b']}".strip()
        if metric == "brier":
            yield compared(
                "operation",
                case,
                "brier",
                "calibration.brier",
                "estimate",
                calibration.brier(y, a),
                number(e["estimate"]),
                1e-12,
                SHARED,
            )
            continue
        relative = 1e-10
        if metric != "auroc":
            found: Any = calibration.calibration_line(y, a)[metric == "calibration_intercept"]
            statistic, function, relative = "wald", "calibration.calibration_line", FITTED
        elif method == "delong":
            found, statistic, function = roc.delong(y, a), method, "roc.delong"
        else:
            found, statistic, function = roc.delong_paired(y, a, s[e["model_b"]]), method, "roc.delong_paired"
        expected = {q: number(e[c]) for q, c in WHOLE.items() if e[c]}
        yield from of_result(case, statistic, function, found, expected, SHARED, relative, smallest=relative)
        if quantity == "metric":
            value, want = float(found.estimate), expected["estimate"]
            yield compared(
                "operation", case, metric, function, "estimate", value, want, relative * abs(want) + relative, SHARED
            )


def _areas(name: str) -> Iterator[Case]:
    y, s, patient = scores(name)
    for j in "abc":
        yield from _expected((name, "delong", j), "delong", "roc.delong", roc.delong(y, s[j]))
        if (name, j) != ("perfect", "a"):
            yield from _expected(
                (name, "delong_logit", j), "delong_logit", "roc.delong_logit", roc.delong_logit(y, s[j])
            )
        for level in (0.95, 0.9):
            found = roc.newcombe_auc(y, s[j], level)
            yield from _expected((name, f"newcombe_auc@{level:g}", j), "newcombe_auc", "roc.newcombe_auc", found, 1e-7)
        value, want = roc.average_precision(y, s[j]), roc_expected()[name, "auprc", j]["estimate"]
        yield compared(
            "operation", f"{name} {j}", "auprc", "roc.average_precision", "estimate", value, want, 1e-12, ROC
        )
        interval = clusters_roc.delong_cluster_interval(y, s[j], patient)
        yield from _expected(
            (name, "delong_cluster", j), "delong_logit", "clusters_roc.delong_cluster_interval", interval
        )
    pair = roc.delong_paired(y, s["b"], s["c"])
    yield from _expected((name, "delong_paired", "b-c"), "delong_paired", "roc.delong_paired", pair)
    whole = roc.delong_chisq(y, np.stack([s[j] for j in "abc"]))
    yield from _expected((name, "delong_chisq", "all"), "delong_chisq", "roc.delong_chisq", whole)
    of_patients = clusters_roc.delong_cluster(y, s["b"], s["c"], patient)
    yield from _expected((name, "delong_cluster", "b-c"), "delong_cluster", "clusters_roc.delong_cluster", of_patients)


def _probabilities(name: str) -> Iterator[Case]:
    y, s, _ = scores(name)
    for j in "abc":
        case = f"{name} {j}"
        for metric, function, value in (
            ("brier", "calibration.brier", calibration.brier(y, s[j])),
            ("ece", "calibration.expected_calibration_error", calibration.expected_calibration_error(y, s[j])),
        ):
            want = roc_expected()[name, metric, j]["estimate"]
            yield compared("operation", case, metric, function, "estimate", value, want, 1e-10, ROC)
        yield from _expected((name, "log_loss", j), "log_loss", "calibration.log_loss", calibration.log_loss(y, s[j]))
        parts = calibration.brier_decomposition(y, s[j])
        yield from _expected((name, "brier_parts", j), "brier", "calibration.brier_decomposition", parts)
        slope, intercept = calibration.calibration_line(y, s[j])
        if (name, j) != ("perfect", "a"):
            yield from _expected((name, "slope", j), "wald", "calibration.calibration_line", slope, FITTED)
        yield from _expected((name, "intercept", j), "wald", "calibration.calibration_line", intercept, FITTED)
        curve = utility.decision_curves(y, s[j], [0.1, 0.5, 0.75])
        for i, t in enumerate((0.1, 0.5, 0.75)):
            want_of = roc_expected()[name, f"net_benefit@{t:g}", j]
            for quantity, numbers in (("estimate", curve.net_benefit), ("conf_low", curve.conf_low)):
                value, want = float(numbers[0, i]), want_of[quantity]
                at = f"{case} threshold {t:g}"
                yield compared(
                    "operation", at, "net_benefit", "utility.decision_curves", quantity, value, want, 1e-12, ROC
                )


def _precision_recall() -> Iterator[Case]:
    """Threshold by threshold, with the logit limits written out."""
    data: dict[str, list[tuple[bool, float]]] = {}
    for r in rows("metric_pairs/scores.csv"):
        data.setdefault(r["set"], []).append((r["y"] == "1", float(r["score"])))
    for r in rows("metric_pairs/auprc_expected.csv"):
        y, s = (np.array(v) for v in zip(*data[r["set"]], strict=True))
        found = precision_recall.auprc_logit(y, s, float(r["level"]))
        expected = {k: number(r[k]) for k in ("estimate", "conf_low", "conf_high")}
        source = R.format("metric_pairs/make_metric_pairs.R")
        yield from of_result(
            f"{r['set']} {float(r['level']):g}", "wald", "precision_recall.auprc_logit", found, expected, source
        )


def _ovarian() -> Iterator[Case]:
    data = rows("further/ovarian.csv")
    y = np.array([r["popind"] == "1" for r in data])
    tests = [
        10 - np.array([float(r["totscore"]) for r in data]),
        *(np.array([float(r[k]) for r in data]) for k in ("alb", "tp")),
    ]
    for i, (s, area, error) in enumerate(zip(tests, (0.7258, 0.7366, 0.6478), (0.1028, 0.0927, 0.1), strict=True), 1):
        found = roc.delong(y, s)
        for quantity, value, printed in (("estimate", found.estimate, area), ("std_error", found.std_error, error)):
            yield compared(
                "operation", f"ovarian test {i}", "delong", "roc.delong", quantity, value, printed, 5.1e-5, SAS
            )
    whole, want = roc.delong_chisq(y, np.stack(tests)), further()["ovarian"][""]
    expected = {"statistic": want["chisq"], "pvalue": want["pvalue"]}
    yield from of_result(
        "ovarian", "delong_chisq", "roc.delong_chisq", whole, expected, R.format("further/make_further.R (pROC)")
    )
    for quantity, value, printed in (("statistic", whole.statistic, 2.534), ("pvalue", whole.pvalue, 0.2817)):
        yield compared(
            "operation", "ovarian", "delong_chisq", "roc.delong_chisq", quantity, value, printed, 5.1e-5, SAS
        )
    for name in ("tied", "mixed", "fine"):
        truth, of_models, _ = scores(name)
        points = roc.roc_points(truth, of_models["b"])
        at = further()["roc_points"][name]
        for quantity in ("sensitivity", "specificity"):
            gap = float(np.abs(np.array(getattr(points, quantity)) - series(at, quantity)).max())
            source = R.format("further/make_further.R (pROC)")
            yield compared(
                "operation",
                f"{name}, largest difference of all points",
                "roc_points",
                "roc.roc_points",
                quantity,
                gap,
                0.0,
                EXACT,
                source,
            )


def _permutation() -> Iterator[Case]:
    """Every swap of ten cases ranked again."""
    y, s, _ = scores("tied")
    chosen = [*range(2, 8), *range(19, 24)]
    found = roc_permutation.permutation_paired_auroc(
        y[chosen], s["a"][chosen], s["b"][chosen], 99, np.random.default_rng(1)
    )
    yield from _expected(
        ("tied", "permutation", "a-b"), "permutation_paired", "roc_permutation.permutation_paired_auroc", found, 1e-12
    )


def _variance() -> Iterator[Case]:
    table = np.array([[number(v) for v in r.values()] for r in rows("roc/two_way.csv")])
    found = variance.two_way_components(table)
    yield from _expected(("two_way", "components", ""), "two_way_components", "variance.two_way_components", found)
    y, s, _ = scores("mixed")
    a, b, c = (s[j] for j in "abc")
    for design in ("crossed", "nested", "fixed"):
        areas = readers.obuchowski_rockette(y, [a, b, (a + b) / 2], [c, (a + c) / 2, (b + c) / 2], design)
        yield from _expected(
            ("mixed", "obuchowski_rockette", design), "obuchowski_rockette", "readers.obuchowski_rockette", areas
        )
