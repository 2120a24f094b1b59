"""The R program of a report, `recompute.R`, which recomputes its numbers with base R. Its parts are in the folder recompute."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources

COMMANDS = ("agreement", "compare", "run")
"""The commands whose reports have the program: those with predictions or readings."""
PARTS = ("1_tools.R", "2_one_model.R", "3_two_models.R", "4_tables.R", "5_agreement.R", "6_all.R")
_HEAD = """\
# Recomputes the numbers of this report from predictions.csv (and ratings.csv or cohort.csv) in its folder, with base R alone (4.0 or newer;
# predictions.parquet alone, as of more than 1,000,000 predictions, needs the package arrow):
#     Rscript recompute.R          from any directory, or source("recompute.R")
# The formulas were written from the cited papers, independently of the code that wrote the report. Each number is compared to a relative
# 1e-9 (searched roots 1e-7, fitted calibration lines and noncentral t quantiles 1e-5); bootstrap percentile limits of accuracy and AUROC are
# resampled again and compared within four Monte Carlo errors. A studentised permutation is recomputed where all its swaps were
# listed. Prints PASS or the difference by file and method, the numbers that it does not recompute, and ends with status 1 where a number differs.

"""


def program(options: Mapping[str, object]) -> str:
    """The program for a report with these options of provenance.json; it begins with those that it needs, so that R reads no JSON."""
    settings = {
        "positive": options.get("positive"),
        "conf.level": options.get("confidence_level", 0.95),
        "stratified": bool(options.get("stratified", False)),
        # A null is recorded where numbers could be measurements or codes.
        "scale": "either" if options.get("scale", "") is None else options.get("scale", "nominal"),
        "na_is_call": False,
    }
    listed = ", ".join(f"{name} = {_literal(value)}" for name, value in settings.items())
    folder = resources.files("hybridcx.report.formats") / "recompute"
    parts = [(folder / name).read_text(encoding="utf-8") for name in PARTS]
    # The label "NA" is marked as the tables' text "NA" is (1_tools.R).
    labels = 'if (identical(settings$positive, "NA")) settings$positive <- MARKED\n'
    return _HEAD + f"settings <- list({listed})\n\n" + "\n".join(parts[:1]) + labels + "\n".join(["", *parts[1:]])


def _literal(value: object) -> str:
    """A value as R writes it, in ASCII."""
    if value is None:
        return "NA_character_"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(value)
    return '"' + "".join(_character(c) for c in str(value)) + '"'


def _character(c: str) -> str:
    if c in '"\\':
        return "\\" + c
    return c if " " <= c <= "~" else f"\\U{ord(c):08X}"
