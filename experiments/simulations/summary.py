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


def number(row: Row) -> float:
    """The value of a row, -1 for NA."""
    return -1.0 if row["value"] == "NA" else float(row["value"])


def summary(rows: Iterable[Row], seed: int, scale: float) -> str:
    """Return the page."""
    rows = [r for r in rows if r["value"] != "NA"]
    sizes = ("49", "331")
    parts = [WORDS.format(seed=seed, scale=scale)]
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
    found: dict[str, dict[tuple[str, str], list[Row]]] = {"coverage": defaultdict(list), "type1": defaultdict(list)}
    for r in rows:
        value, nominal, error = (float(r[k]) for k in ("value", "nominal", "mc.error"))
        if r["quantity"] == "coverage" and value + 2 * error < nominal - ALLOWED:
            found["coverage"][r["metric"], r["method"]].append(r)
        if r["quantity"] in ("type1", "any rejected") and value - 2 * error > nominal + ALLOWED / 2:
            found["type1"][r["metric"], r["method"]].append(r)
    out = []
    for quantity, title, worst in (
        ("coverage", "Intervals that cover less than 93 % in some setting (beyond two Monte Carlo errors)", min),
        (
            "type1",
            "Tests that reject more than 6 % under the null in some setting (beyond two Monte Carlo errors)",
            max,
        ),
    ):
        out += [f"\n## {title}\n", "| metric | method | settings | worst | where |", "| --- | --- | --- | --- | --- |"]
        listed = sorted(
            found[quantity].items(), key=lambda item: number(worst(item[1], key=number)), reverse=worst is max
        )
        for (metric, method), hit in listed:
            r = worst(hit, key=number)
            where = ", ".join(
                w for w in (f"n = {r['n']}", r["setting"], r["correlation"] and f"correlation {r['correlation']}") if w
            )
            out.append(f"| {metric} | `{method}` | {len(hit)} | {number(r):.3f} | {where} |")
    return out
