"""One case of a qualification: an expected value, the value found here, and how many of its digits agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite, isnan, log10, nan
from typing import Literal

MAX_DIGITS = 15.0
"""Digits of a double: equal values agree in so many."""
EXACT = 1e-9
"""Relative tolerance where both sides are a formula."""
FITTED = 1e-6
"""Relative tolerance where the reference is an iterative fit (`glm`) or a numerical derivative."""

DRAWN = "four Monte Carlo errors"
"""What the source of a value says that was drawn at random."""

Area = Literal["installation", "operation", "performance", "simulation", "own"]
Status = Literal["PASS", "FAIL", "SKIPPED"]


@dataclass(frozen=True, slots=True)
class Case:
    """One comparison.

    Attributes
    ----------
    area : installation, operation, performance, simulation, or own (the user's cases).
    case : the data of the case.
    statistic : a method or metric of the vocabulary, or what is checked.
    function : the function in `hybridcx.stats`, or the command.
    quantity : estimate, conf_low, pvalue and so on.
    expected, found : numbers, or texts where no number is compared.
    digits : agreeing significant digits (`agreeing_digits`); NaN without numbers.
    tolerance : largest difference that passes, in the unit of the value; NaN without numbers.
    source : where the expected value comes from.
    status : PASS, FAIL, or SKIPPED with the reason in `note`.
    """

    area: Area
    case: str
    statistic: str
    function: str
    quantity: str
    expected: float | str
    found: float | str
    digits: float
    tolerance: float
    source: str
    status: Status
    note: str = ""

    @property
    def drawn(self) -> bool:
        """Whether one side was drawn at random, so that few digits agree."""
        return DRAWN in self.source


def agreeing_digits(found: float, expected: float) -> float:
    """The log relative error -log10(|found - expected| / |expected|), and where one of the two is 0, -log10 of the other; from 0 to `MAX_DIGITS`.

    The measure of NIST's Statistical Reference Datasets (McCullough 1998). Equal values, also two NaN or two infinite ones, have `MAX_DIGITS`; a NaN
    or an infinite value on one side has 0.

    >>> round(agreeing_digits(3.14159, 3.14160), 2), agreeing_digits(1.0, 1.0), agreeing_digits(float("nan"), 1.0)
    (5.5, 15.0, 0.0)
    """
    if found == expected or (isnan(found) and isnan(expected)):
        return MAX_DIGITS
    if not (isfinite(found) and isfinite(expected)):
        return 0.0
    error = abs(found - expected)
    if found != 0 and expected != 0:
        error /= abs(expected)
    return min(max(-log10(error), 0.0), MAX_DIGITS) if error > 0 else MAX_DIGITS


def compared(
    area: Area, case: str, statistic: str, function: str, quantity: str, found: float, expected: float, tolerance: float, source: str
) -> Case:  # fmt: skip
    """A case that passes where the two values differ by at most `tolerance`, or are both missing or equal."""
    agree = found == expected or (isnan(found) and isnan(expected)) or abs(found - expected) <= tolerance
    digits = agreeing_digits(found, expected)
    status: Status = "PASS" if agree else "FAIL"
    return Case(area, case, statistic, function, quantity, expected, found, digits, tolerance, source, status)


def of_result(
    case: str, statistic: str, function: str, result: object, expected: dict[str, float], source: str,
    relative: float = EXACT, *, smallest: float = 1e-12,
) -> Iterator[Case]:  # fmt: skip
    """A case for each expected attribute of a result: within `relative` of the expected value, or `smallest` near 0."""
    for quantity, value in expected.items():
        found = float(getattr(result, quantity))
        least = 0.0 if quantity == "pvalue" and value > 0 else smallest  # small p-values count by their digits
        tolerance = max(relative * abs(value), least) if isfinite(value) else 0.0
        yield compared("operation", case, statistic, function, quantity, found, value, tolerance, source)


def checked(area: Area, case: str, what: str, expected: str, found: str, source: str) -> Case:
    """A case of two texts, which passes where they are equal."""
    return Case(area, case, what, "", "", expected, found, nan, nan, source, "PASS" if found == expected else "FAIL")


def skipped(area: Area, case: str, what: str, note: str) -> Case:
    """A case that could not be computed here, with the reason."""
    return Case(area, case, what, "", "", "", "", nan, nan, "", "SKIPPED", note)


def fewest_digits(cases: Iterable[Case]) -> float:
    """The fewest agreeing digits of the cases that compare numbers; infinite without any."""
    return min((c.digits for c in cases if not isnan(c.digits)), default=inf)
