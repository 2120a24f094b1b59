"""Tables of simulated predictions in the columns of the CSVs, for the tests of the report and for a look at it.

The numbers come from statsmodels, SciPy and a DeLong of its own, not from hybridcx.stats, so that the report is tested without it.

    python tests/support/sample.py FOLDER      writes report.html and the CSVs of a sample run
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import combinations
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats import multitest
from statsmodels.stats.proportion import proportion_confint

from hybridcx.report.content import Content
from hybridcx.report.formats.html import render
from hybridcx.report.page import assemble
from hybridcx.vocabulary.tables import TABLES

NETWORKS = ("vgg16", "vgg19", "resnet101", "densenet201")
HEADS = ("logistic", "svm_linear", "svm_rbf", "knn", "random_forest", "lda", "xgboost")
PROPORTIONS = ("accuracy", "sensitivity", "specificity", "ppv", "npv")


HOSTILE_NAMES = [
    *(
        "<script>alert(1)</script>",
        "a|b",
        "under_score_x",
        "*50% off*",
        "A & B &amp;",
        "back\\slash\\",
        "$\\frac{1}{2}$",
    ),
    *("{{7*7}}", "=cmd()", "[x](http://y.z)", "`tick` ~ ^ # \"q\" 'z' -- ,, <<", "a\u202eb", "two\nlines", "nul\x00x"),
    *("موذج", "é ß Ł ı", "1. list", "- item", "very" + "long" * 40, "+", "www.a.b @c !d"),
]
"""Names that break what does not escape them: HTML, Markdown, LaTeX, templates, spreadsheets, control characters."""


def content(tables: dict[str, pd.DataFrame], **fields: object) -> Content:
    """The content of a comparison with these tables."""
    return Content(**({"title": "t", "command": "compare", "question": "q", "tables": tables} | fields))  # type: ignore[arg-type]


def html(content: Content) -> str:
    """The page of this content."""
    return render(assemble(content))


def models(heads: int = 7) -> list[str]:
    return [name for n in NETWORKS for name in (n, *(f"{n}+{h}" for h in HEADS[:heads]))]


def simulate(
    names: list[str], seed: int = 7, n_positive: int = 25, n_negative: int = 24
) -> tuple[np.ndarray, np.ndarray]:
    """Truth, shape (cases,), and scores, shape (models, cases); a case is equally difficult for all models."""
    rng = np.random.default_rng(seed)
    y = np.repeat([True, False], [n_positive, n_negative])
    latent = np.where(y, 1.3, -1.3) + rng.normal(0, 1.0, len(y))
    scores = [1 / (1 + np.exp(-(latent + rng.normal(0, 0.6 + 0.08 * (i % 8), len(y))))) for i in range(len(names))]
    return y, np.array(scores)


def _auc(y: np.ndarray, s: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    diff = s[y][:, None] - s[~y][None, :]
    psi = (diff > 0) + 0.5 * (diff == 0)
    return float(psi.mean()), psi.mean(1), psi.mean(0)


def _rows(name: str, rows: list[dict[str, object]]) -> pd.DataFrame:
    full = [{c: r.get(c, np.nan) for c in TABLES[name].columns} | r for r in rows]
    return pd.DataFrame(full) if full else pd.DataFrame(columns=list(TABLES[name].columns))


def tables(names: list[str], seed: int = 7, pairs: list[tuple[str, str]] | None = None) -> dict[str, pd.DataFrame]:
    """All tables of a comparison of these models: copies of what is computed once."""
    once = _tables(tuple(names), seed, None if pairs is None else tuple(pairs))
    return {name: table.copy() for name, table in once.items()}


@cache
def _tables(
    model_names: tuple[str, ...], seed: int, some: tuple[tuple[str, str], ...] | None
) -> dict[str, pd.DataFrame]:
    names, pairs = list(model_names), None if some is None else list(some)
    y, scores = simulate(names, seed)
    n = len(y)
    calls = scores >= 0.5
    pairs = pairs if pairs is not None else list(combinations(names, 2))
    place = {m: i for i, m in enumerate(names)}
    metrics, confusion, roc, calibration, curves, decision = [], [], [], [], [], []
    for i, m in enumerate(names):
        tp, fn = int((calls[i] & y).sum()), int((~calls[i] & y).sum())
        fp, tn = int((calls[i] & ~y).sum()), int((~calls[i] & ~y).sum())
        confusion.append({"model": m, "positive": "abnormal", "tp": tp, "fn": fn, "fp": fp, "tn": tn})
        fractions = ((tp + tn, n), (tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn))
        for metric, (x, d) in zip(PROPORTIONS, fractions, strict=True):
            for method, how in (("wilson", "wilson"), ("clopper_pearson", "beta")):
                low, high = proportion_confint(x, d, 0.05, how)
                metrics.append(
                    {
                        "model": m,
                        "metric": metric,
                        "method": method,
                        "estimate": x / d,
                        "conf.low": low,
                        "conf.high": high,
                    }
                    | {
                        "conf.level": 0.95,
                        "numerator": x,
                        "denominator": d,
                        "n": n,
                        "status": "ok",
                        "role": "exploratory",
                    }
                    | {"recommended": method == "wilson"}
                )
        a, v10, v01 = _auc(y, scores[i])
        se = np.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))
        if a == 1:
            low, high = 0.9, 1.0
            own = {"method": "newcombe_auc", "status": "caution", "warning": "the classes are separated completely"}
        else:
            half = 1.959964 * se / (a * (1 - a))
            low, high = (1 / (1 + np.exp(-(np.log(a / (1 - a)) + k * half))) for k in (-1, 1))
            own = {"method": "delong_logit", "status": "ok"}
        metrics.append(
            {"model": m, "metric": "auroc", "estimate": a, "conf.low": low, "conf.high": high}
            | {"conf.level": 0.95, "n": n, "std.error": se, "role": "exploratory", "recommended": True}
            | own
        )
        brier = float(((scores[i] - y) ** 2).mean())
        metrics.append(
            {"model": m, "metric": "brier", "method": "bootstrap_bca", "estimate": brier, "conf.low": brier * 0.6}
            | {"conf.high": brier * 1.5, "conf.level": 0.95, "n": n, "n.resamples": 2000, "n.resamples.failed": 0}
            | {"status": "ok", "role": "exploratory", "recommended": True}
        )
        for t in [np.inf, *sorted(set(scores[i]), reverse=True)]:
            at = scores[i] >= t
            roc.append({"model": m, "threshold": t, "sensitivity": at[y].mean(), "specificity": 1 - at[~y].mean()})
        bins = np.clip(np.ceil(scores[i] * 10).astype(int), 1, 10)
        for b in np.unique(bins):
            inside = bins == b
            low, high = proportion_confint(int(y[inside].sum()), int(inside.sum()), 0.05, "wilson")
            calibration.append(
                {"model": m, "bin": b, "score.mean": scores[i][inside].mean(), "fraction": y[inside].mean()}
                | {"conf.low": low, "conf.high": high, "n": int(inside.sum())}
            )
            limits = {"conf.low": low, "conf.high": high, "n": int(inside.sum())}
            mean, fraction = scores[i][inside].mean(), y[inside].mean()
            curves.append({"model": m, "part": "bin", "score": mean, "fraction": fraction} | limits)
            curves.append({"model": m, "part": "smooth", "score": mean, "fraction": fraction})
            counts = {"n": int(inside.sum()), "n.positive": int(y[inside].sum())}
            curves.append({"model": m, "part": "histogram", "score": (b - 0.5) / 10} | counts)
        for t in np.arange(1, 100) / 100:
            at = scores[i] >= t
            nb = (at & y).mean() - (at & ~y).mean() * t / (1 - t)
            decision.append(
                {"model": m, "threshold": t, "net_benefit": nb, "conf.low": nb - 0.1, "conf.high": nb + 0.1}
            )
    for t in np.arange(1, 100) / 100:
        decision.append({"model": "treat_all", "threshold": t, "net_benefit": y.mean() - (~y).mean() * t / (1 - t)})
        decision.append({"model": "treat_none", "threshold": t, "net_benefit": 0.0})
    comparisons = _comparisons(y, scores, calls, pairs, place)
    wrong = calls != y
    cases = pd.DataFrame({"case_id": [f"case{i:03d}" for i in range(n)], "y_true": np.where(y, "abnormal", "normal")})
    cases["n.models.wrong"] = wrong.sum(0)
    for i, m in enumerate(names):
        cases[m] = np.where(calls[i], "abnormal", "normal")
    q = np.sum(wrong, axis=1)
    spread = q.sum() * len(names) - (wrong.sum(0) ** 2).sum()
    statistic = (len(names) - 1) * (len(names) * (q**2).sum() - q.sum() ** 2) / spread if spread else np.nan
    omnibus = {"metric": "accuracy", "method": "cochran_q", "statistic": statistic, "parameter": len(names) - 1}
    omnibus |= {"p.value": stats.chi2.sf(statistic, len(names) - 1), "n": n, "k": len(names), "status": "ok"}
    return {
        "metrics": _rows("metrics", metrics),
        "comparisons": comparisons,
        "verdicts": _verdicts(comparisons),
        "multiplicity": _multiplicity(comparisons),
        "omnibus": _rows("omnibus", [omnibus]),
        "confusion": _rows("confusion", confusion),
        "disagreements": cases[wrong.any(axis=0)].reset_index(drop=True),
        "calibration": _rows("calibration", calibration),
        "calibration_curve": _rows("calibration_curve", curves),
        "roc": _rows("roc", roc),
        "decision_curve": _rows("decision_curve", decision),
    }


def _adjusted(p: pd.Series, method: str) -> np.ndarray:
    with mock.patch("gc.collect"):  # multipletests collects garbage at each call: 0.1 to 0.3 s with what pytest holds
        return np.asarray(multitest.multipletests(p, method=method)[1])


def _comparisons(
    y: np.ndarray, scores: np.ndarray, calls: np.ndarray, pairs: list[tuple[str, str]], place: dict[str, int]
) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for a, b in pairs:
        i, j = place[a], place[b]
        for metric, inside in (("accuracy", np.ones(len(y), bool)), ("sensitivity", y), ("specificity", ~y)):
            first, second = (calls[i] == y)[inside], (calls[j] == y)[inside]
            n, n10, n01 = int(inside.sum()), int((first & ~second).sum()), int((~first & second).sum())
            d = (n10 - n01) / n
            se = np.sqrt(max(n10 + n01 - (n10 - n01) ** 2 / n, 0)) / n
            exact = min(1.0, 2 * stats.binom.cdf(min(n10, n01), n10 + n01, 0.5)) if n10 + n01 else 1.0
            midp = exact - stats.binom.pmf(min(n10, n01), n10 + n01, 0.5) if n10 + n01 else 1.0
            common = {"metric": metric, "model": a, "comparator": b, "estimate": d, "n": n, "b": n10, "c": n01}
            status = (
                {"status": "ok"}
                if n10 + n01
                else {"status": "caution", "warning": "no discordant pair: p = 1 by convention"}
            )
            common |= {
                "role": "confirmatory" if metric == "accuracy" else "exploratory",
                "p.adjust.method": "none",
                **status,
            }
            rows.append(
                common | {"method": "tango", "conf.low": d - 1.96 * se - 0.03, "conf.high": d + 1.96 * se + 0.03}
                | {"conf.level": 0.95, "recommended": True}
            )  # fmt: skip
            for method, p in (("mcnemar_midp", midp), ("mcnemar_exact", exact)):
                rows.append(
                    common
                    | {
                        "method": method,
                        "p.value": p,
                        "recommended": method == "mcnemar_midp",
                        "p.adjust.method": "holm",
                    }
                )
        (auc_a, va10, va01), (auc_b, vb10, vb01) = _auc(y, scores[i]), _auc(y, scores[j])
        var = np.var(va10 - vb10, ddof=1) / len(va10) + np.var(va01 - vb01, ddof=1) / len(va01)
        d, se = auc_a - auc_b, np.sqrt(var)
        rows.append(
            {"metric": "auroc", "model": a, "comparator": b, "method": "delong_paired", "estimate": d}
            | {
                "conf.low": d - 1.96 * se,
                "conf.high": d + 1.96 * se,
                "conf.level": 0.95,
                "statistic": d / se,
                "n": len(y),
            }
            | {"p.value": 2 * stats.norm.sf(abs(d / se)), "p.adjust.method": "holm", "status": "ok", "std.error": se}
            | {"role": "exploratory", "recommended": True}
        )
    table = _rows("comparisons", rows)
    for _, family in table[table["p.value"].notna()].groupby(["metric", "method"]):
        table.loc[family.index, "adj.p.value"] = _adjusted(family["p.value"], "holm")
    return table


def _verdicts(comparisons: pd.DataFrame) -> pd.DataFrame:
    rows = []
    chosen = comparisons[comparisons["method"].isin(["tango", "delong_paired"])]
    for r in chosen.to_dict("records"):
        low, high, margin = r["conf.low"], r["conf.high"], 0.10
        verdict = "superior" if low > 0 else "inferior" if high < 0 else "inconclusive"
        if verdict == "inconclusive" and low > -margin:
            verdict = "equivalent" if high < margin else "non_inferior"
        rows.append(
            {c: r[c] for c in ("metric", "model", "comparator", "estimate", "conf.low", "conf.high", "role")}
            | {"margin": margin, "verdict": verdict, "within.margin": low > -margin and high < margin}
            | {"smallest.margin": max(abs(low), abs(high)), "detectable.difference": 0.15 + 0.01 * (len(rows) % 4)}
        )
    return _rows("verdicts", rows)


def _multiplicity(comparisons: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for (metric, method), family in comparisons[comparisons["p.value"].notna()].groupby(["metric", "method"]):
        for name, how in (("none", None), ("holm", "holm"), ("hochberg", "simes-hochberg"), ("BH", "fdr_bh")):
            adjusted = family["p.value"] if how is None else _adjusted(family["p.value"], how)
            for r, p in zip(family.to_dict("records"), adjusted, strict=True):
                rows.append(
                    {"metric": metric, "method": method, "model": r["model"], "comparator": r["comparator"]}
                    | {"p.value": r["p.value"], "p.adjust.method": name, "adj.p.value": p}
                )
    return _rows("multiplicity", rows)


def comparison(**changed: object) -> dict[str, object]:
    """One row of comparisons.csv."""
    row: dict[str, object] = dict.fromkeys(TABLES["comparisons"].columns, np.nan)
    row |= {
        "metric": "accuracy",
        "model": "a",
        "comparator": "b",
        "estimate": 0.0816,
        "n": 49,
        "b": 6,
        "c": 2,
        "status": "ok",
    }
    return row | {"p.adjust.method": "none", "role": "confirmatory", "recommended": False} | changed


def pair_rows(**changed: object) -> list[dict[str, object]]:
    """The rows of one pair, by several methods."""
    limits = {"conf.low": -0.0311, "conf.high": 0.2015, "conf.level": 0.95}
    tests = {"p.adjust.method": "holm", "adj.p.value": 0.54}
    return [
        comparison(method="mcnemar_exact", **{"p.value": 0.289}, **tests) | changed,
        comparison(method="newcombe_paired", **limits) | changed,
        comparison(method="tost", recommended=True, **{"p.value": 0.9}) | changed,  # of another hypothesis
        comparison(method="mcnemar_midp", recommended=True, **{"p.value": 0.18}, **tests) | changed,
        comparison(method="tango", recommended=True, **limits) | changed,
    ]


FLOW = pd.DataFrame(
    [
        ("screened", "screened", None, None, None, 20, 20),
        ("trauma", "excluded", "trauma", None, None, 3, 3),
        ("in dispute: a", "disputed", "in dispute: a", None, None, 3, 3),
        ("in dispute: b", "disputed", "in dispute: b", None, None, 2, 2),
        ("x", "disputed", None, "train", None, 3, 3),
        ("x", "disputed", None, "test", None, 2, 2),
        ("analysed", "analysed", None, None, None, 12, 12),
        ("abnormal", "class", None, None, "abnormal", 7, 7),
        ("normal", "class", None, None, "normal", 5, 5),
        ("train", "analysed", None, "train", None, 8, 8),
        ("train, abnormal", "class", None, "train", "abnormal", 5, 5),
        ("train, normal", "class", None, "train", "normal", 3, 3),
        ("test", "analysed", None, "test", None, 4, 4),
        ("test, abnormal", "class", None, "test", "abnormal", 2, 2),
        ("test, normal", "class", None, "test", "normal", 2, 2),
    ],
    columns=["step", "kind", "reason", "split", "label", "n", "n.patients"],
)
"""A flow with disputed cases and two parts, without validation cases."""


def agreement() -> pd.DataFrame:
    rows = []
    for scope, readers, base in (("between", "a, b", 0.92), ("within", "a", 0.94), ("within", "b", 0.93)):
        for metric, method in (
            ("icc1", "anova"),
            ("icc2", "anova"),
            ("icc3", "anova"),
            ("cohen_kappa", "unweighted"),
            ("gwet_ac1", np.nan),
        ):
            e = base - 0.01 * len(rows) / 5
            rows.append(
                {"metric": metric, "method": method, "estimate": e, "conf.low": e - 0.02, "conf.high": e + 0.015}
                | {
                    "conf.level": 0.95,
                    "n": 416,
                    "k": 2,
                    "status": "ok",
                    "scope": scope,
                    "readers": readers,
                    "subset": "all read",
                }
                | (
                    {"statistic": 24.1, "parameter1": 415, "parameter2": 416, "p.value": 1e-90}
                    if metric.startswith("icc")
                    else {}
                )
            )
    rows[2] |= {"status": "caution", "warning": "two-valued readings: see kappa and AC1"}
    return _rows("agreement", rows)


def history(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    i = np.arange(1, 281)
    loss = 0.7 * np.exp(-i / 60) + 0.05 + rng.gamma(2, 0.03, len(i))
    validated = (i % 16 == 0) | (i == 1) | (i == 280)
    return pd.DataFrame(
        {
            "iteration": i,
            "epoch": (i - 1) // 14 + 1,
            "train_loss": loss,
            "train_accuracy": np.round(np.clip(1 - loss * 0.7 + rng.normal(0, 0.05, len(i)), 0, 1) * 16) / 16,
            "learning_rate": 3e-4 * 0.2 ** ((i - 1) // 112),
            "validation_loss": np.where(validated, 0.55 * np.exp(-i / 70) + 0.25, np.nan),
            "validation_accuracy": np.where(validated, np.round((0.9 - 0.4 * np.exp(-i / 50)) * 50) / 50, np.nan),
        }
    )


def run_content(heads: int = 7, **changed: object) -> Content:
    """A sample of the content of a run's report."""
    names = models(heads)
    chosen = [f"{n}+{HEADS[k % max(heads, 1)]}" for k, n in enumerate(NETWORKS)] if heads else []
    pairs = [*combinations(NETWORKS, 2), *zip(chosen, NETWORKS, strict=False)]
    all_tables = tables(names, pairs=pairs) | {"agreement": agreement()}
    flow = [("Radiographs on file", 416, "screened"), ("Trauma", 14, "excluded"), ("Systemic disease", 11, "excluded")]
    flow += [
        ("Cervical surgery", 9, "excluded"),
        ("Malignancy", 4, "excluded"),
        ("Readers disagreed", 47, "excluded"),
        ("Analysed", 331, "analysed"),
        ("abnormal", 170, "class"),
        ("normal", 161, "class"),
    ]
    fields: dict[str, object] = {
        "title": "Phantom cervical radiographs: four networks and seven heads",
        "command": "run",
        "question": "Does one of the four fine-tuned networks, or its chosen head, call more test radiographs correctly than another?",
        "caveats": [
            "Only 49 test cases: intervals are wide.",
            "One split and one seed: other trainings or divisions may differ.",
            "Random weights: all networks learnt from these cases alone, unlike pretrained ones.",
            "Cases on which the readers disagreed were excluded, so the test set is easier than practice.",
        ],
        "tables": all_tables,
        "cohort_flow": pd.DataFrame(flow, columns=["step", "n", "kind"]),
        "split_table": pd.DataFrame(
            [["abnormal", 119, 26, 25, 170], ["normal", 113, 24, 24, 161], ["total", 232, 50, 49, 331]],
            columns=["label", "train", "validation", "test", "total"],
        ),
        "training_settings": [
            ("Optimiser", "SGD, momentum 0.9", ""),
            ("Mini-batch", "16", ""),
            ("Initial learning rate", "3e-4", ""),
            ("Schedule", "times 0.2 every 8 epochs", ""),
            ("L2 regularisation", "0.004", "on the last layer's weights alone for VGG"),
            ("Validation", "every 16 iterations", "and the first and the last"),
            ("Epochs", "20", "the study's; the demo's own settings differ"),
        ],
        "histories": {n: history(i) for i, n in enumerate(NETWORKS)},
        "heads_table": pd.DataFrame(
            [(f"{n}+{h}", n, h, "C = 0.1", 0.91 - 0.01 * i) for n in NETWORKS for i, h in enumerate(HEADS[:heads])],
            columns=["model", "features", "head", "chosen parameters", "cross-validated AUROC"],
        ),
        "methods": [
            "Networks were fine-tuned end to end from random weights; penultimate features fed seven heads tuned on validation cases.",
            "Proportions have Wilson intervals; AUROC has DeLong intervals on the logit scale. Paired proportions are compared by "
            "Tango's interval and McNemar's mid-p test, AUROCs by DeLong's paired test; p-values are Holm-adjusted within a metric.",
        ],
        "provenance": {
            "hybridcx": "0.1.0",
            "python": "3.11.7",
            "torch": "2.11.0",
            "seed": 7,
            "split sha256": "9f2c" * 16,
        },
        "primary_models": [*NETWORKS, *chosen],
        "warnings": ["resnet101: 1 resample of 2000 lacked a class"],
    }
    return Content(**(fields | changed))  # type: ignore[arg-type]


if __name__ == "__main__":
    from hybridcx.report.formats.csv import write_tables

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sample_run = run_content()
    write_tables(folder, sample_run.tables, command="run")
    (folder / "report.html").write_text(html(sample_run), encoding="utf-8", newline="\n")
