"""Coverage of the intervals of agreement: two readers of 49 and of 331 cases.

Measurements follow the two-way random model with the study's intraclass correlation; categories are drawn from joint tables of two readers,
whose population coefficients are known. Readers are drawn anew in every run for the forms whose readers are random (icc1, icc2, SEM and MDC95
by `anova`), so that one interval with two readers has one degree of freedom for them.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy import stats
from tally import Key, Tally

from hybridcx.stats import agreement as ag

CASE, READER, ERROR = 0.92, 0.02, 0.06
LAWS = {
    "two categories, prevalence 0.5": np.array([[0.46, 0.04], [0.04, 0.46]]),
    "two categories, prevalence 0.1": np.array([[0.86, 0.04], [0.04, 0.06]]),
    "four ordered categories": np.array(
        [[0.35, 0.05, 0.01, 0.0], [0.05, 0.20, 0.04, 0.01], [0.01, 0.04, 0.10, 0.02], [0.0, 0.01, 0.02, 0.09]]
    ),
}


def measurements(tally: Tally, n: int, runs: int, rng: np.random.Generator) -> None:
    """ICCs, SEM, MDC95, bias and limits of agreement."""
    k = 2
    total = CASE + READER + ERROR
    single = {"icc1": CASE / total, "icc2": CASE / total, "icc3": CASE / (CASE + ERROR)}
    truth = single | {f"{form}k": k * rho / (1 + (k - 1) * rho) for form, rho in single.items()}
    truth |= {"sem": sqrt(READER + ERROR), "mdc95": 1.96 * sqrt(2) * sqrt(READER + ERROR)}
    z = float(stats.norm.ppf(0.975))
    for _ in range(runs):
        case, error = sqrt(CASE) * rng.normal(size=(n, 1)), sqrt(ERROR) * rng.normal(size=(n, k))
        reader = sqrt(READER) * rng.normal(size=(1, k))
        x = case + reader + error
        one_way = case + sqrt(READER + ERROR) * rng.normal(size=(n, k))
        found = [f for f in ag.icc(x) if not f.metric.startswith("icc1")]
        found += [f for f in ag.icc(one_way) if f.metric.startswith("icc1")]
        found += [ag.sem(x), ag.mdc95(x)]
        for f in found:
            key = Key("agreement", str(n), f"two readers, ICC {single['icc2']:.2f}", "", f.metric, f.method, "coverage")
            tally.interval(key, f.conf_low, f.conf_high, truth[f.metric])
        f = ag.sem(x, "consistency")
        key = Key("agreement", str(n), f"two readers, ICC {single['icc2']:.2f}", "", f.metric, f.method, "coverage")
        tally.interval(key, f.conf_low, f.conf_high, sqrt(ERROR))
        bias, spread = float(reader[0, 0] - reader[0, 1]), sqrt(2 * ERROR)
        limits = {"bias": bias, "lower": bias - z * spread, "upper": bias + z * spread}
        for f in ag.bland_altman(x[:, 0], x[:, 1]):
            key = Key("agreement", str(n), "two readers", "", f.metric, f.method, "coverage")
            tally.interval(key, f.conf_low, f.conf_high, limits[f.metric.removeprefix("bland_altman_")])


def population(p: np.ndarray) -> dict[tuple[str, str], float]:
    """The coefficients of a joint table of two readers, by their definitions with infinitely many cases."""
    q = p.shape[0]
    row, column = p.sum(axis=1), p.sum(axis=0)
    share, apart = (row + column) / 2, np.abs(np.subtract.outer(np.arange(q), np.arange(q))) / (q - 1)
    out = {("percent_agreement", "wilson"): float(np.trace(p))}
    for name, w in (("unweighted", np.eye(q)), ("linear", 1 - apart), ("quadratic", 1 - apart**2)):
        seen, chance = float((w * p).sum()), float((w * np.outer(row, column)).sum())
        out["cohen_kappa", name] = (seen - chance) / (1 - chance)
        gwet = float(w.sum()) / (q * (q - 1)) * float((share * (1 - share)).sum())
        out["gwet_ac1" if name == "unweighted" else "gwet_ac2", name] = (seen - gwet) / (1 - gwet)
    same = float((share**2).sum())
    out["fleiss_kappa", "unweighted"] = (float(np.trace(p)) - same) / (1 - same)
    ranks = np.cumsum(share) - share / 2
    for name, x in (("interval", np.arange(q) * 1.0), ("ordinal", ranks)):
        far = np.subtract.outer(x, x) ** 2
        out["krippendorff_alpha", name] = 1 - float((p * far).sum() / (np.outer(share, share) * far).sum())
    out["krippendorff_alpha", "nominal"] = out["fleiss_kappa", "unweighted"]
    return out


def categories(tally: Tally, n: int, runs: int, resampled: int, n_resamples: int, rng: np.random.Generator) -> None:
    """Kappas, AC1 and AC2, alpha, percent agreement."""
    for setting, table in LAWS.items():
        q = table.shape[0]
        p = table / table.sum()
        truth = population(p)
        weights = ("unweighted", "linear", "quadratic") if q > 2 else ("unweighted",)
        for run in range(runs):
            cells = rng.choice(q * q, n, p=p.ravel())
            x = np.stack([cells // q, cells % q], axis=1).astype(np.float64)
            order = list(np.arange(q, dtype=np.float64))
            found = [ag.cohen_kappa(x[:, 0], x[:, 1], w, order) for w in weights]
            found += [ag.gwet_ac1(x, order), ag.fleiss_kappa(x, order), ag.percent_agreement(x)]
            found += [ag.gwet_ac2(x, w, order) for w in weights[1:]]
            if run < resampled:
                levels = ("nominal", "ordinal", "interval") if q > 2 else ("nominal",)
                found += [ag.krippendorff_alpha(x, m, n_resamples=n_resamples, rng=rng) for m in levels]
            for f in found:
                key = Key("agreement", str(n), setting, "", f.metric, f.method, "coverage")
                tally.interval(key, f.conf_low, f.conf_high, truth[f.metric, f.method])
