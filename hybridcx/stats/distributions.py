"""Distribution functions: the normal ones by scipy.special, all others (`t`, `f`, `chi2`, `beta`, `binom`, `nct`) those of scipy.stats.

scipy.stats takes a third of the time of a small comparison to import, and is therefore imported when one of its distributions is first used.
The normal functions are the expressions that scipy.stats.norm evaluates, so that their values are the same.
"""

from __future__ import annotations

from typing import Any

from scipy import special


class norm:  # noqa: N801 (the name in scipy.stats)
    """The standard normal distribution, as `scipy.stats.norm`."""

    @staticmethod
    def cdf(x: Any) -> Any:
        """P(X <= x)."""
        return special.ndtr(x)

    @staticmethod
    def sf(x: Any) -> Any:
        """P(X > x)."""
        return special.ndtr(-x)

    @staticmethod
    def ppf(p: Any) -> Any:
        """The x with P(X <= x) = p."""
        return special.ndtri(p)

    @staticmethod
    def isf(p: Any) -> Any:
        """The x with P(X > x) = p."""
        return -special.ndtri(p)


def __getattr__(name: str) -> Any:
    from scipy import stats

    return getattr(stats, name)
