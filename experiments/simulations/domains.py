"""Coverage and type I error of the recommended methods and of their rivals, for hybridcx/vocabulary/simulations.csv and reports/coverage/rivals.csv.

    python experiments/simulations/domains.py [--replicates 5000] [--only PART ...] [--sizes 25 ...] [--out FILE] [--rivals]

Parts: counts, one, scores, losses, resampled, external.

Cases are drawn with random class sizes at prevalences 0.1, 0.3 and 0.5. Counts: two models' calls with few or many discordant cases, equal models,
and models that differ in opposite directions. Scores: binormal and correlated, calibrated or overconfident. A row tells how often the 95 % interval
holds the true value (`coverage`), how often it wrongly excludes no difference (`type1`, where there is none), and its median width. Methods that
resample the cases draw 399 resamples and take most of the time: run them with fewer `--replicates`, and join the rows. `--rivals` also runs methods
that were considered and not chosen. The sizes from which a method holds, read from these rows, are in hybridcx/vocabulary/domains.py.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from scipy.special import ndtr, ndtri

from hybridcx.analysis.methods import FEW_ERRORS
from hybridcx.qualification.simulations import class_sizes, paired_law, scored_cases
from hybridcx.stats import calibration, independent, paired, paired_metrics, precision_recall, proportions, roc
from hybridcx.stats.confusion import Confusion, count_metrics, fraction
from hybridcx.stats.resampling import intervals as bi
from hybridcx.stats.resampling.bootstrap import bootstrap_replicates

COLUMNS = (
    "use", "metric", "method", "setting", "n", "prevalence", "events", "discordant", "coverage", "type1", "undefined", "width", "replicates",
)  # fmt: skip
SIZES, PREVALENCES = (25, 49, 100, 331, 1000), (0.1, 0.3, 0.5)
Z = float(ndtri(0.975))
COMPOSITE = ("ppv", "npv", "f1", "balanced_accuracy", "youden_j", "mcc", "net_benefit")
# Sensitivity and specificity of the model and of the comparator.
PAIRS = (
    (0.85, 0.85, 0.92, 0.92),
    (0.9, 0.9, 0.9, 0.9),
    (0.97, 0.97, 0.97, 0.97),
    (0.75, 0.9, 0.75, 0.9),
    (0.95, 0.8, 0.8, 0.95),
    (0.9, 0.9, 0.8, 0.9),
)
OVERLAPS = {"many discordant": 0.2, "few discordant": 0.8, "as few discordant as possible": 1.0}
SINGLES = ((0.9, 0.9), (0.97, 0.97), (0.7, 0.95), (0.95, 0.6))
# Distances of the classes of the two models, and the factors on their logits (1: calibrated, 2: overconfident).
SCORED = (((1.8, 1.8), (1.0, 1.0)), ((2.6, 1.8), (1.0, 1.0)), ((2.2, 2.2), (1.6, 1.0)))
Row = dict[str, object]


def row(key: tuple[str, ...], n: int, prevalence: float, discordant: float, low, high, truth: float) -> Row:
    """One row from the limits of all replicates; NaN limits count as undefined. A zero type I error belongs to a true difference of 0."""
    low, high = np.asarray(low, dtype=float), np.asarray(high, dtype=float)
    defined = ~(np.isnan(low) | np.isnan(high))
    inside = (low[defined] <= truth + 1e-9) & (truth - 1e-9 <= high[defined])
    use, metric, method, setting = key
    coverage = float(inside.mean()) if defined.any() else float("nan")
    return {
        "use": use, "metric": metric, "method": method, "setting": setting, "n": n, "prevalence": prevalence,
        "events": round(n * min(prevalence, 1 - prevalence)), "discordant": round(discordant, 1), "coverage": round(coverage, 4),
        "type1": round(1 - coverage, 4) if use == "comparison" and abs(truth) < 1e-9 else "NA",
        "undefined": round(1 - float(defined.mean()), 4), "width": round(float(np.median(high[defined] - low[defined])), 4),
        "replicates": low.size,
    }  # fmt: skip


def swapped_critical(cells: np.ndarray, metric: str, rng: np.random.Generator, swaps: int = 399) -> np.ndarray:
    """The 95 % critical value of the studentised permutation of every replicate (R, 8), by random swaps."""
    first, second = cells[:, 1] + cells[:, 2], cells[:, 5] + cells[:, 6]
    sizes = np.empty((swaps, len(cells)))
    for s in range(swaps):
        table = cells.copy()
        table[:, 1], table[:, 5] = rng.binomial(first, 0.5), rng.binomial(second, 0.5)
        table[:, 2], table[:, 6] = first - table[:, 1], second - table[:, 5]
        with np.errstate(all="ignore"):
            sizes[s] = np.abs(paired_metrics.differences(table, metric, 1.0)) / paired_metrics.standard_errors(
                table, metric, 1.0
            )
    sizes = np.where(np.isnan(sizes), np.inf, sizes)
    return np.sort(sizes, axis=0)[int(0.95 * (swaps + 1)) - 1]


def counts(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """Differences of composite count metrics and net benefit (at threshold 0.5), likelihood ratios, and Tango's interval."""
    for n in sizes:
        for prevalence in PREVALENCES:
            for se_a, sp_a, se_b, sp_b in PAIRS:
                for name, overlap in OVERLAPS.items():
                    laws = paired_law(se_a, se_b, overlap), paired_law(sp_a, sp_b, overlap)
                    positives = class_sizes(n, prevalence, size, rng)
                    cells = np.concatenate(
                        [rng.multinomial(k, p) for k, p in ((positives, laws[0]), (n - positives, laws[1]))], axis=1
                    )
                    truth = np.concatenate([laws[0] * prevalence, laws[1] * (1 - prevalence)]) * 1e9
                    discordant = float(cells[:, [1, 2, 5, 6]].sum(axis=1).mean())
                    setting = f"{se_a} {sp_a} | {se_b} {sp_b}, {name}"
                    for metric in COMPOSITE:
                        true = float(paired_metrics.differences(truth, metric, 1.0))
                        with np.errstate(all="ignore"):
                            estimate = paired_metrics.differences(cells, metric, 1.0)
                            error = paired_metrics.standard_errors(cells, metric, 1.0)
                        reach = np.maximum(swapped_critical(cells, metric, rng), Z) * error
                        limits = {"permutation_paired": (estimate - reach, estimate + reach)}
                        if rivals:
                            limits |= rival_limits(
                                cells[: size // 10], metric, estimate[: size // 10], error[: size // 10], rng
                            )
                        for method, (low, high) in limits.items():
                            yield row(
                                ("comparison", metric, method, setting), n, prevalence, discordant, low, high, true
                            )
                    yield from tango(cells, truth, setting, n, prevalence, discordant)
                    yield from likelihood_ratios(cells, truth, setting, n, prevalence, discordant)


@cache
def tango_limits(b: int, c: int, n: int) -> tuple[float, float]:
    """Tango's limits, kept: few tables recur often."""
    return paired.tango_limits(b, c, n)


def tango(
    cells: np.ndarray, truth: np.ndarray, setting: str, n: int, prevalence: float, discordant: float
) -> Iterator[Row]:
    """Tango's interval of the differences of accuracy and sensitivity."""
    for metric, mine, theirs, chosen in (("accuracy", [1, 5], [2, 6], range(8)), ("sensitivity", [1], [2], range(4))):
        b, c, size = (cells[:, list(k)].sum(axis=1) for k in (mine, theirs, chosen))
        true = float((truth[mine].sum() - truth[theirs].sum()) / truth[list(chosen)].sum())
        limits = np.array([tango_limits(int(x), int(y), int(z)) for x, y, z in zip(b, c, size, strict=True)])
        yield row(("comparison", metric, "tango", setting), n, prevalence, discordant, limits[:, 0], limits[:, 1], true)


def likelihood_ratios(
    cells: np.ndarray, truth: np.ndarray, setting: str, n: int, prevalence: float, discordant: float
) -> Iterator[Row]:
    """`lr_regression`, from its closed form on the logarithms of the ratios."""

    def logs(c: np.ndarray, positive: bool) -> tuple[np.ndarray, np.ndarray]:
        hit, alarm = (c[..., [0, 1, 2]], c[..., [7, 6, 5]]) if positive else (c[..., [3, 2, 1]], c[..., [4, 5, 6]])
        total, variance = 0.0, 0.0
        for both, mine, theirs, sign in ((*np.moveaxis(hit, -1, 0), 1), (*np.moveaxis(alarm, -1, 0), -1)):
            a, b = (both + mine).astype(float), (both + theirs).astype(float)
            total, variance = total + sign * np.log(a / b), variance + (a + b - 2 * both) / (a * b)
        return total, np.sqrt(variance)

    for metric, positive in (("lr_positive", True), ("lr_negative", False)):
        with np.errstate(all="ignore"):
            estimate, error = logs(cells, positive)
            true = float(logs(truth, positive)[0])
        estimate = np.where(np.isfinite(estimate) & (error > 0), estimate, np.nan)
        yield row(
            ("comparison", metric, "lr_regression", setting),
            n,
            prevalence,
            discordant,
            estimate - Z * error,
            estimate + Z * error,
            true,
        )


def rival_limits(cells, metric, estimate, error, rng, draws: int = 499) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Percentile, BCa, Wald with a case more in each discordant cell, and Dirichlet posteriors."""
    n = int(cells[0].sum())
    drawn = paired_metrics.differences(rng.multinomial(n, cells / n, size=(draws, len(cells))), metric, 1.0)
    posterior = paired_metrics.differences(
        rng.standard_gamma(np.broadcast_to(cells + 0.5, (draws, *cells.shape))), metric, 1.0
    )
    out = {
        name: tuple(np.nanquantile(d, [0.025, 0.975], axis=0))
        for name, d in (("percentile", drawn), ("dirichlet 1/2", posterior))
    }
    below = (np.sum(drawn < estimate - 1e-12, axis=0) + np.sum(np.abs(drawn - estimate) <= 1e-12, axis=0) / 2) / draws
    z0 = ndtri(np.clip(below, 1e-6, 1 - 1e-6))
    left_out = np.stack(
        [paired_metrics.differences(np.maximum(cells - np.eye(8, dtype=int)[k], 0), metric, 1.0) for k in range(8)],
        axis=1,
    )
    with np.errstate(all="ignore"):
        centred = np.nansum(cells * left_out, axis=1)[:, None] / n - left_out
        a = np.nan_to_num(np.nansum(cells * centred**3, axis=1) / (6 * np.nansum(cells * centred**2, axis=1) ** 1.5))
    ordered = np.sort(drawn, axis=0)
    place = [
        np.clip(np.rint(ndtr(z0 + (z0 + z) / (1 - a * (z0 + z))) * (draws - 1)), 0, draws - 1).astype(int)
        for z in (-Z, Z)
    ]
    out["bca"] = tuple(ordered[p, np.arange(len(cells))] for p in place)
    out["wald, a case more"] = estimate - Z * error, estimate + Z * error
    return out


def recommended_proportion(hits: int, total: int) -> object:
    """Wilson's interval, or Clopper-Pearson's with one or two errors, as reports recommend it; None without cases."""
    if not total:
        return None
    few = 0 < min(hits, total - hits) < FEW_ERRORS
    return proportions.clopper_pearson(hits, total) if few else proportions.wilson(hits, total)


def one(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """Intervals of one model from its confusion matrix."""
    functions: dict[tuple[str, str], Callable[[Confusion], object]] = {
        **{(m, "wilson"): lambda c, m=m: recommended_proportion(*fraction(m, c))
           for m in ("accuracy", "sensitivity", "specificity", "ppv", "npv")},
        ("f1", "wilson"): proportions.f1_wilson,
        ("balanced_accuracy", "mover_wilson"): proportions.balanced_accuracy_mover,
        ("youden_j", "mover_wilson"): proportions.youden_mover,
        ("lr_positive", "mover_wilson"): lambda c: proportions.likelihood_ratio_mover(c, "lr_positive"),
        ("lr_negative", "mover_wilson"): lambda c: proportions.likelihood_ratio_mover(c, "lr_negative"),
        ("diagnostic_odds_ratio", "mover_wilson"): proportions.diagnostic_odds_ratio_mover,
        ("net_benefit", "mover_wilson"): lambda c: proportions.net_benefit_mover(c, 0.5),
    }  # fmt: skip
    if rivals:
        functions |= {
            ("lr_positive", "log"): lambda c: proportions.likelihood_ratio_log(c, "lr_positive"),
            ("lr_negative", "log"): lambda c: proportions.likelihood_ratio_log(c, "lr_negative"),
            ("diagnostic_odds_ratio", "log"): proportions.diagnostic_odds_ratio_log,
        }
    for n in sizes:
        for prevalence in PREVALENCES:
            for se, sp in SINGLES:
                law = np.array(
                    [prevalence * se, prevalence * (1 - se), (1 - prevalence) * (1 - sp), (1 - prevalence) * sp]
                )
                positives = class_sizes(n, prevalence, size, rng)
                tp, tn = rng.binomial(positives, se), rng.binomial(n - positives, sp)
                tables = np.stack([tp, positives - tp, n - positives - tn, tn], axis=1)
                distinct, back = np.unique(tables, axis=0, return_inverse=True)
                truths = {m: float(v) for m, v in count_metrics(*law).items()} | {"net_benefit": float(law[0] - law[2])}
                for (metric, method), function in functions.items():
                    results = [function(Confusion(*(int(x) for x in t))) for t in distinct]
                    limits = np.array([(r.conf_low, r.conf_high) if r else (np.nan, np.nan) for r in results])[
                        back.ravel()
                    ]
                    yield row(
                        ("interval", metric, method, f"{se} {sp}"),
                        n,
                        prevalence,
                        np.nan,
                        limits[:, 0],
                        limits[:, 1],
                        truths[metric],
                    )
                drawn = rng.multinomial(n, tables / n, size=(499, size))
                mcc = count_metrics(*np.moveaxis(drawn, -1, 0), only=("mcc",))["mcc"]
                low, high = np.nanquantile(mcc, [0.025, 0.975], axis=0)
                width = np.where(low < high, 0.0, np.nan)  # intervals of zero width are never recommended
                yield row(
                    ("interval", "mcc", "bootstrap_percentile", f"{se} {sp}"),
                    n,
                    prevalence,
                    np.nan,
                    low + width,
                    high + width,
                    truths["mcc"],
                )


def true_values(y: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of many cases, as their true values."""
    lines = [calibration.calibration_line(y, s) for s in scores]
    return {
        "auroc": np.array([roc.delong(y, s).estimate for s in scores]),
        "auprc": np.array([roc.average_precision(y, s) for s in scores]),
        "brier": np.array([calibration.brier(y, s) for s in scores]),
        "log_loss": np.array([calibration.log_loss(y, s).estimate for s in scores]),
        "calibration_slope": np.array([line[0].estimate for line in lines]),
        "calibration_intercept": np.array([line[1].estimate for line in lines]),
    }


def scores(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """Metrics of scores, of one model and of two, by methods that need no resampling."""
    yield from _of_scores(size, sizes, rng, analytic)


def losses(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """Brier score and log loss: the bootstrap-t and sign flips."""
    paired_metrics._BOOTSTRAP_T = 399  # the product draws 1,999: here the draws would take hours
    yield from _of_scores(size, sizes, rng, mean_losses)


def resampled(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """AUPRC and calibration by the bootstrap."""

    def limits(y: np.ndarray, s: np.ndarray, rng: np.random.Generator) -> Limits:
        return percentiles(y, s, rng, rivals)

    yield from _of_scores(size, sizes, rng, limits)


def external(size: int, sizes: Sequence[int], rng: np.random.Generator, rivals: bool) -> Iterator[Row]:
    """Differences of two independent accuracies, as an external validation has them: MOVER from Wilson's limits, as many cases on both sides."""
    for n in sizes:
        for a, b in ((0.9, 0.9), (0.97, 0.97), (0.9, 0.8)):
            sides = [[proportions.wilson(int(x), n) for x in rng.binomial(n, p, size)] for p in (a, b)]
            found = [
                independent.mover_difference(*((r.estimate, r.conf_low, r.conf_high) for r in pair))
                for pair in zip(*sides, strict=True)
            ]
            low, high = np.array([(r.conf_low, r.conf_high) for r in found]).T
            yield row(("external", "accuracy", "mover", f"{a} | {b}"), n, 0.5, np.nan, low, high, a - b)


Limits = dict[tuple[str, str, str], object]


def _of_scores(
    size: int, sizes: Sequence[int], rng: np.random.Generator, limits_of: Callable[..., Limits]
) -> Iterator[Row]:
    """The rows of `size` pairs of models at every size, prevalence and setting; `limits_of` gives the limits of one pair by (use, metric, method)."""
    for n in sizes:
        for prevalence in PREVALENCES:
            for distances, factors in SCORED:
                y, s = scored_cases(400_000, prevalence, distances, factors, rng)
                truth = true_values(y, s)
                if distances[0] == distances[1] and factors[0] == factors[1]:
                    truth = {m: np.full(2, v.mean()) for m, v in truth.items()}
                limits: dict[tuple[str, str, str], list[tuple[float, float]]] = {}
                for _ in range(size):
                    y, s = scored_cases(n, prevalence, distances, factors, rng)
                    for key, r in limits_of(y, s, rng).items():
                        limits.setdefault(key, []).append((r.conf_low, r.conf_high))
                for (use, metric, method), pairs in limits.items():
                    true = truth[metric][0] - (truth[metric][1] if use == "comparison" else 0.0)
                    low, high = np.array(pairs).T
                    setting = f"distances {distances}, factors {factors}"
                    yield row((use, metric, method, setting), n, prevalence, np.nan, low, high, float(true))


def analytic(y: np.ndarray, s: np.ndarray, rng: np.random.Generator) -> Limits:
    """The methods without resampling, by (use, metric, method)."""
    slope, intercept = calibration.calibration_line(y, s[0])
    return {
        ("interval", "auroc", "delong_logit"): roc.delong_logit(y, s[0]),
        ("interval", "auroc", "newcombe_auc"): roc.newcombe_auc(y, s[0]),
        ("interval", "auprc", "wald"): precision_recall.auprc_logit(y, s[0]),
        ("interval", "calibration_slope", "wald"): slope,
        ("interval", "calibration_intercept", "wald"): intercept,
        ("comparison", "auroc", "delong_paired"): roc.delong_paired(y, s[0], s[1]),
    }


def mean_losses(y: np.ndarray, s: np.ndarray, rng: np.random.Generator) -> Limits:
    """The limits of the mean losses, and of their difference."""
    out: Limits = {}
    for metric, terms in (("brier", calibration.brier_terms), ("log_loss", calibration.log_loss_terms)):
        values = terms(y, s)
        out["interval", metric, "wald"] = paired_metrics.mean_loss_interval(values[0], 0.95, rng=rng)
        law = paired_metrics.studentised_mean(values[0] - values[1], n_resamples=999, rng=rng)
        out["comparison", metric, "permutation_paired"] = law(0.95)
    return out


def percentiles(y: np.ndarray, s: np.ndarray, rng: np.random.Generator, rivals: bool) -> Limits:
    """Percentile limits (and BCa with `rivals`) of AUPRC and calibration, and of their differences."""
    metrics, out = ("auprc", "calibration_slope", "calibration_intercept"), {}
    drawn = bootstrap_replicates(y, None, s, metrics=metrics, n_resamples=399, rng=rng, n_refits=399)
    for m in metrics:
        out["interval", m, "bootstrap_percentile"] = bi.percentile(drawn, m, 0, 0.95)
        out["comparison", m, "bootstrap_percentile"] = bi.difference(drawn, m, 0, 1, "bootstrap_percentile", 0.95)
        if rivals:
            out["interval", m, "bca"] = bi.bca(drawn, m, 0, 0.95)
            out["comparison", m, "bca"] = bi.difference(drawn, m, 0, 1, "bootstrap_bca", 0.95)
    return out


def main() -> None:
    """Run the parts and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {
        "counts": counts,
        "one": one,
        "scores": scores,
        "losses": losses,
        "resampled": resampled,
        "external": external,
    }
    parser.add_argument("--replicates", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--only", nargs="*", choices=list(parts), default=list(parts))
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES))
    parser.add_argument("--rivals", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("hybridcx/vocabulary/simulations.csv"))
    options = parser.parse_args()
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for place, name in enumerate(parts):
            if name in options.only:
                for line in parts[name](
                    options.replicates, options.sizes, np.random.default_rng([options.seed, place]), options.rivals
                ):
                    writer.writerow(line)
                    file.flush()


if __name__ == "__main__":
    main()
