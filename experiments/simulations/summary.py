"""coverage.md from the rows of coverage.csv: means and extremes over settings, and the methods that do not keep their word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

Row = dict[str, str]
ALLOWED = 0.02
"""How far a value may lie from its nominal level, beyond two Monte Carlo errors, before it is named."""

WORDS = """# How well the intervals and tests keep their word

Made by `python experiments/simulations/coverage.py` (seed {seed}, scale {scale:g}); every number is in `coverage.csv`, with its Monte Carlo
error (`mc.error`), the number of replications, and the shares of intervals wholly above (`low`) and wholly below (`high`) the truth. Rows
without replications are enumerated: every table that can occur, with its probability, so they have no Monte Carlo error. n = 49 is 25 abnormal
and 24 normal cases, n = 331 is 170 and 161; clusters have 12 and 82 patients with four images. Class sizes are fixed as in the study, while the
bootstrap is unstratified as the contract asks, so resampled intervals of metrics that mix the classes err on the wide side. PPV and NPV at the
sample's own prevalence vary less than a binomial proportion for the same reason. Coverage counts the replications that have limits (`undefined`
is the share of the others); a missing p-value counts as no rejection. Accuracies and AUROCs are those of Table III's range, 0.86 to 0.94;
models' scores are binormal and correlated (0.3 or 0.8).

Not simulated: prevalences far from one half, more than two readers, ties in scores, more or fewer seeds than ten, likelihood ratios of very rare
errors. The numbers below hold for these settings; an interval that covers here may fail elsewhere.
"""

READING = """
## What it comes to (at scale 1, seed 20190101)

- At 331 cases nearly everything keeps its word. At 49 cases the recommended analytic intervals do (Wilson, MOVER, Tango, logit DeLong,
  Newcombe's AUC), the resampled ones often do not: with 24 normal cases a specificity of 0.96 is 1 in a third of the samples, every resample
  then says 1, and an interval without width misses the truth. They are marked `caution` in the tables for that.
- **BCa for the difference of two models at 49 cases rejects too often**: 8 to 14 % on average for the accuracies, MCC, F1, Brier score, log
  loss, AUROC and AUPRC (up to 19 %), where the percentile interval rejects about 5 % (9 % for Brier score and log loss). It is what BCa is (R's
  boot gives the same limits from the same resamples): of three cases that only one model gets right and none the other, it makes a significant
  difference. With so few cases prefer percentile or permutation for differences. At 331 cases it is 5 to 9 %.
- Plain DeLong and the clustered DeLong interval of one model cover far too little where the AUROC is near 1 and cases or patients are few (0.75
  to 0.89 at 49 cases; 0.61 to 0.76 with 12 patients, 0.89 to 0.92 with 82); the logit version and Newcombe's keep 0.95. The clustered test of a
  difference keeps its level.
- The expected calibration error of a perfectly calibrated model is biased upwards, so that its intervals never hold the true 0. Read it as a
  description, not as evidence of miscalibration.
- Rows that are no cases: with four images a patient the naive exact McNemar test rejects 4 to 19 % (14 % with 12 patients and a correlation of
  0.8), mid-p and DeLong more; ten seeds stacked as cases reject 30 to 32 %; the uncorrected t-test over ten random splits 20 %.
  `mcnemar_cluster`, `delong_cluster`, `obuchowski_rockette`, `nadeau_bengio` and the hierarchical bootstrap keep 5 % or less (Obuchowski-
  Rockette of accuracies 6 % at 49 cases). One seed of each model tested by itself, and fixed readers, reject 8 to 12 % at 331 cases, because the
  trained networks do differ: such a test speaks of those networks, not of the method that trained them.
- Exact McNemar rejects 0 to 2 % at 49 cases (mid-p 0 to 4 %), Holm on it less: few cases, little power, no error.
- ICC(2,1) and ICC(2,k) with two readers cover 0.77 at 331 cases (0.94 at 49), the misses all above the truth: where two readers happen to
  lie close, the limits of Shrout and Fleiss take the variance between readers for small (psych's limits, which ours equal, do the same: 0.79 in
  300 runs). Two readers say little about readers. Kappas, AC1 and AC2 cover 0.88 to 0.95 at 49 cases.
"""


def number(row: Row) -> float:
    """The value of a row, -1 for NA."""
    return -1.0 if row["value"] == "NA" else float(row["value"])


def summary(rows: Iterable[Row], seed: int, scale: float) -> str:
    """Return the page."""
    rows = [r for r in rows if r["value"] != "NA"]
    sizes = ("49", "331")
    parts = [WORDS.format(seed=seed, scale=scale)]
    if (seed, scale) == (20190101, 1.0):
        parts.append(READING)
    parts += short(rows)
    for title, quantities in (
        ("Coverage of 95 % intervals", ("coverage",)),
        ("Rejections under the null hypothesis at 0.05 (margins at 0.025)", ("type1", "any rejected")),
    ):
        groups: dict[tuple[str, str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        for r in rows:
            if r["quantity"] in quantities:
                groups[r["study"], r["metric"], r["method"]][
                    "49" if int(r["n"]) < 100 and r["study"] != "repeated splits" else "331"
                ].append(r)
        parts.append(f"\n## {title}\n\nMean over settings, in brackets the least and the largest.\n")
        parts.append(
            "| study | metric | method | n = 49 | n = 331 | largest Monte Carlo error | without limits or p, at most |"
        )
        parts.append("| --- | --- | --- | --- | --- | --- | --- |")
        for (study, metric, method), by_size in groups.items():
            cells = [spread([float(r["value"]) for r in by_size[size]]) for size in sizes]
            every = [r for size in sizes for r in by_size[size]]
            error, none = (max(float(r[k]) for r in every) for k in ("mc.error", "undefined"))
            parts.append(f"| {study} | {metric} | `{method}` | {' | '.join(cells)} | {error:.3f} | {none:.2f} |")
    return "\n".join(parts) + "\n"


def spread(values: list[float]) -> str:
    """Mean (least to largest)."""
    if not values:
        return ""
    mean = sum(values) / len(values)
    return f"{mean:.3f}" if len(values) == 1 else f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"


def short(rows: list[Row]) -> list[str]:
    """Lists of the methods whose coverage is too small, or whose type I error too large, in some setting."""
    found: dict[str, dict[tuple[str, str, str], list[Row]]] = {
        "coverage": defaultdict(list),
        "type1": defaultdict(list),
    }
    for r in rows:
        value, nominal, error = (float(r[k]) for k in ("value", "nominal", "mc.error"))
        if r["quantity"] == "coverage" and value + 2 * error < nominal - ALLOWED:
            found["coverage"][r["study"], r["metric"], r["method"]].append(r)
        if r["quantity"] in ("type1", "any rejected") and value - 2 * error > nominal + ALLOWED / 2:
            found["type1"][r["study"], r["metric"], r["method"]].append(r)
    out = []
    for quantity, title, worst in (
        ("coverage", "Intervals that cover less than 93 % in some setting (beyond two Monte Carlo errors)", min),
        (
            "type1",
            "Tests that reject more than 6 % under the null in some setting (beyond two Monte Carlo errors)",
            max,
        ),
    ):
        out += [
            f"\n## {title}\n",
            "| study | metric | method | settings | worst | where |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        listed = sorted(
            found[quantity].items(), key=lambda item: number(worst(item[1], key=number)), reverse=worst is max
        )
        for (study, metric, method), hit in listed:
            r = worst(hit, key=number)
            where = ", ".join(
                w for w in (f"n = {r['n']}", r["setting"], r["correlation"] and f"correlation {r['correlation']}") if w
            )
            out.append(f"| {study} | {metric} | `{method}` | {len(hit)} | {number(r):.3f} | {where} |")
    return out
