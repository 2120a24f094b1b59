"""Cohen's kappa of two readings, plain and weighted, and Fleiss' kappa of several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, groupby
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike

from hybridcx.errors import InputError, Problem
from hybridcx.stats import distributions as stats
from hybridcx.stats.agreement.tables import (
    Floats,
    Weights,
    agreement_weights,
    category_counts,
    check_level,
    dropped_note,
    encode,
    join_notes,
    numeric_categories,
    single_note,
)
from hybridcx.stats.results import Agreement

# A standard error below this is rounding: the linearised variance is 0 for perfect agreement.
_NO_ERROR = 1e-9
_BATCH = 1 << 20  # cells of the tables whose kappas are computed at once


def _no_error_note(estimate: float) -> str:
    reason = "agreement is perfect" if estimate > 1 - _NO_ERROR else "every case agrees to the same degree"
    return f"{reason}: the standard error is 0 and there are no limits"


def counts_table(table: ArrayLike) -> Floats:
    """Return `table` as float64.

    Raises:
        InputError: it is not two-dimensional, or a count is negative or not finite.
    """
    t = np.asarray(table, dtype=np.float64)
    if t.ndim != 2 or t.size == 0 or not np.isfinite(t).all() or (t < 0).any():
        raise InputError(Problem("a table of counts is two-dimensional, finite and not negative", column="table"))
    return t


def cohen_kappa(
    a: ArrayLike,
    b: ArrayLike,
    weights: Weights = "unweighted",
    categories: Sequence[object] | None = None,
    confidence_level: float = 0.95,
) -> Agreement:
    """Cohen's kappa of two readings of the same cases, plain or weighted.

    Parameters
    ----------
    a, b : array_like, shape (n,)
        Categories; None or NaN where a reading is missing. Cases with a missing reading are left out, which `warning` counts.
    weights : {"unweighted", "linear", "quadratic"}
        Weights by the distance of positions in the sorted union of both readings' categories, or in `categories`.
    categories : sequence, optional
        The categories in their order; needed for weights where the categories are not numbers.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        As `cohen_kappa_table`.

    Raises
    ------
    InputError
        Shapes differ, a value is not in `categories`, unknown weights, or weights for text without `categories`.

    References
    ----------
    .. [1] Cohen (1960). Educational and Psychological Measurement 20:37-46. doi:10.1177/001316446002000104
    .. [2] Cohen (1968). Psychological Bulletin 70:213-220. doi:10.1037/h0026256
    .. [3] Fleiss, Cohen and Everitt (1969). Psychological Bulletin 72:323-327. doi:10.1037/h0028106

    Examples
    --------
    >>> from hybridcx.stats import cohen_kappa
    >>> cohen_kappa(["x", "x", "y", "y"], ["x", "y", "y", "y"])
    Agreement(metric='cohen_kappa', method='unweighted', estimate=0.5, conf_low=-0.234986, conf_high=1, conf_level=0.95,
        statistic=1.1547, pvalue=0.248213, std_error=0.375, n=4, k=2)
    """
    if np.shape(a) != np.shape(b) or np.ndim(a) != 1:
        raise InputError(
            Problem("two readings of the same cases are needed", value=f"shapes {np.shape(a)} and {np.shape(b)}")
        )
    pair = np.empty((*np.shape(a), 2), dtype=object)
    pair[:, 0], pair[:, 1] = np.asarray(a, dtype=object), np.asarray(b, dtype=object)
    codes, order = encode(pair, categories)
    if weights != "unweighted" and categories is None:
        numeric_categories(order, "a weighted kappa")
    whole = (codes >= 0).all(axis=1)
    table = np.zeros((max(len(order), 1),) * 2, dtype=np.float64)
    np.add.at(table, (codes[whole, 0], codes[whole, 1]), 1.0)
    return cohen_kappa_table(table, weights, confidence_level, dropped_note(int((~whole).sum()), codes.shape[0]))


def cohen_kappas(
    ratings: ArrayLike, weights: Sequence[Weights] = ("unweighted",), confidence_level: float = 0.95
) -> Iterator[Agreement]:
    """`cohen_kappa` of every two columns of `ratings` (n, k), for each of `weights`: pairs in the order of `itertools.combinations` within a weight.

    The ratings are encoded once, and pairs with the same table of counts share a result, which matters for many readers of few cases.

    Raises
    ------
    InputError
        As `cohen_kappa`.
    """
    codes, order = encode(ratings)
    if any(w != "unweighted" for w in weights):
        numeric_categories(order, "a weighted kappa")
    n, k = codes.shape
    read = codes >= 0
    uses = np.zeros((k, len(order)), dtype=bool)
    uses[np.nonzero(read)[1], codes[read]] = True
    pairs: list[tuple[int, int, bytes]] = []
    for i, j in combinations(range(k), 2):
        whole = read[:, i] & read[:, j]
        used = np.flatnonzero(uses[i] | uses[j])
        q = max(used.size, 1)
        a, b = np.searchsorted(used, codes[whole, i]), np.searchsorted(used, codes[whole, j])
        cells = a * q + b
        # The table, or where that is less the cell of each case.
        counted = np.bincount(cells, minlength=q * q) if q * q < len(a) else np.sort(cells)
        pairs.append((q, n - len(a), counted.tobytes()))
    distinct = sorted(set(pairs))
    for weight in weights:
        results: dict[tuple[int, int, bytes], Agreement] = {}
        for q, same in groupby(distinct, key=lambda key: key[0]):
            keys = list(same)
            step = max(1, _BATCH // (q * q))
            for part in (keys[start : start + step] for start in range(0, len(keys), step)):
                counts = (np.frombuffer(counted, dtype=np.int64) for _, _, counted in part)
                tables = np.array(
                    [
                        c if q * q < n - dropped else np.bincount(c, minlength=q * q)
                        for c, (_, dropped, _) in zip(counts, part, strict=True)
                    ],
                    dtype=np.float64,
                )
                notes = [dropped_note(dropped, n) for _, dropped, _ in part]
                found = _kappas_of(tables.reshape(-1, q, q), weight, confidence_level, notes)
                results |= zip(part, found, strict=True)
        yield from (results[key] for key in pairs)


def cohen_kappa_table(
    table: ArrayLike, weights: Weights = "unweighted", confidence_level: float = 0.95, note: str = ""
) -> Agreement:
    """Cohen's kappa of a table of counts.

    Parameters
    ----------
    table : array_like of float, shape (q, q)
        Counts, the first reading in rows, categories in order.
    weights : {"unweighted", "linear", "quadratic"}
        Weights of agreement of positions i and j: 0, 1 - |i - j|/(q - 1), or 1 - (i - j)^2/(q - 1)^2 off the diagonal.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.
    note : str, optional
        A warning to add to the result, such as the number of cases left out.

    Returns
    -------
    Agreement
        `statistic` is z of kappa = 0. `not_estimable` without cases, or where a reader used one category throughout; `caution` without limits at
        perfect agreement, and wherever there is a `note`.

    Raises
    ------
    InputError
        No square table of counts, unknown weights, or a level outside 0 to 1.

    Notes
    -----
    With p the proportions, w the weights, Po = sum w p and Pe = sum w p_i. p_.j, kappa is (Po - Pe)/(1 - Pe). Limits: estimate -+ z times the
    large-sample standard error of Fleiss, Cohen and Everitt, clipped to -1 to 1. z of kappa = 0 has the standard error under independence (same
    source).

    References
    ----------
    .. [1] Cohen (1960). Educational and Psychological Measurement 20:37-46. doi:10.1177/001316446002000104
    .. [2] Cohen (1968). Psychological Bulletin 70:213-220. doi:10.1037/h0026256
    .. [3] Fleiss, Cohen and Everitt (1969). Psychological Bulletin 72:323-327. doi:10.1037/h0028106

    Examples
    --------
    >>> from hybridcx.stats import cohen_kappa_table
    >>> round(cohen_kappa_table([[20, 5], [10, 15]]).estimate, 4)
    0.4
    """
    t = counts_table(table)
    if t.shape[0] != t.shape[1]:
        raise InputError(Problem("the table must be square", value=f"shape {t.shape}", column="table"))
    return _kappas_of(t[None], weights, confidence_level, [note])[0]


def _kappas_of(tables: Floats, weights: Weights, confidence_level: float, notes: Sequence[str]) -> list[Agreement]:
    """The kappa of each of the (P, q, q) tables of counts, as `cohen_kappa_table` defines it."""
    alpha = check_level(confidence_level)
    q = tables.shape[1]
    w = agreement_weights(q, weights)
    z = float(stats.norm.ppf(1 - alpha / 2))

    def total(x: Floats) -> Floats:
        return np.asarray(x.reshape(len(x), -1).sum(axis=1))

    n = total(tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = tables / n[:, None, None]
        row, column = p.sum(axis=2), p.sum(axis=1)
        chance = row[:, :, None] * column[:, None, :]
        po, pe = total(w * p), total(w * chance)
        kappa = (po - pe) / (1 - pe)
        # One product a table: of many at once the order of the sums would be another.
        mean_weight = np.array([(w @ c)[:, None] + (r @ w)[None, :] for r, c in zip(row, column, strict=True)])
        own, by_chance = kappa[:, None, None], pe[:, None, None]
        # Both variances about their means, -Pe under independence, so that a 0 stays one.
        var = total(p * (w - mean_weight * (1 - own) - (own - by_chance * (1 - own))) ** 2)
        null_var = total(chance * (w - mean_weight + by_chance) ** 2)
        se, null_se = (np.sqrt(v / n) / (1 - pe) for v in (var, null_var))
        statistic = kappa / null_se
        pvalue = 2 * stats.norm.sf(np.abs(statistic))
    one_category = [(tables.sum(axis=axis) > 0).sum(axis=1) < 2 for axis in (2, 1)]
    results = []
    columns = (n, kappa, se, null_se, statistic, pvalue, *one_category)
    for (size, k, error, null_error, at, p_value, first, second), note in zip(
        zip(*(c.tolist() for c in columns), strict=True), notes, strict=True
    ):
        reason = "no case has both readings" if size == 0 else ""
        for one, which in ((first, "first"), (second, "second")):
            if not reason and one:
                reason = f"the {which} reading is the same category for every case"
        if not reason and null_error < _NO_ERROR:
            # Linear weights where one reading is nowhere above the other: |i - j| = j - i, whatever the pairing of cases.
            reason = "with these weights the margins alone fix the agreement"
        if reason:
            warning = join_notes(reason, note)
            results.append(Agreement("cohen_kappa", weights, nan, n=size, k=2, status="not_estimable", warning=warning))
            continue
        no_limits = _no_error_note(k) if error < _NO_ERROR else ""
        half = nan if no_limits else z * error
        results.append(
            Agreement(
                "cohen_kappa",
                weights,
                k,
                conf_low=max(k - half, -1.0) if not no_limits else nan,
                conf_high=min(k + half, 1.0) if not no_limits else nan,
                conf_level=nan if no_limits else confidence_level,
                statistic=at,
                pvalue=p_value,
                std_error=error,
                n=size,
                k=2,
                status="caution" if no_limits or note else "ok",
                warning=join_notes(no_limits, note),
            )
        )
    return results


def fleiss_kappa(
    ratings: ArrayLike, categories: Sequence[object] | None = None, confidence_level: float = 0.95
) -> Agreement:
    """Fleiss' kappa of several readings of n cases.

    Parameters
    ----------
    ratings : array_like, shape (n, k)
        Categories; None or NaN where a reading is missing. Cases may have different numbers of readings.
    categories : sequence, optional
        Those that could occur; one that nobody uses changes nothing.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        As `fleiss_kappa_counts`.

    Raises
    ------
    InputError
        A wrong shape, or a rating that is none of `categories`.

    References
    ----------
    .. [1] Fleiss (1971). Psychological Bulletin 76:378-382. doi:10.1037/h0031619
    .. [2] Gwet (2014). Handbook of Inter-Rater Reliability, Advanced Analytics.

    Examples
    --------
    >>> from hybridcx.stats import fleiss_kappa
    >>> fleiss_kappa([["x", "x", "x"], ["x", "y", "y"], ["y", "y", "y"], ["y", "y", "x"]])
    Agreement(metric='fleiss_kappa', method='unweighted', estimate=0.314286, conf_low=-1, conf_high=1, conf_level=0.95,
        statistic=1.08872, pvalue=0.276278, std_error=0.429385, n=4, k=3)
    """
    codes, order = encode(ratings, categories)
    return replace(
        fleiss_kappa_counts(category_counts(codes, max(len(order), 1)), confidence_level), k=float(codes.shape[1])
    )


def fleiss_kappa_counts(counts: ArrayLike, confidence_level: float = 0.95) -> Agreement:
    """Fleiss' kappa of a table of how many of a case's readings put it into each category.

    Parameters
    ----------
    counts : array_like of float, shape (n, q)
        Readings of n cases by category.
    confidence_level : float, default 0.95
        Level of the two-sided interval, between 0 and 1.

    Returns
    -------
    Agreement
        `statistic` is z of kappa = 0; `n` counts the cases read, `k` is the largest number of readings. `not_estimable` where no case has two
        readings or all readings are one category; `caution` without limits at perfect agreement or with one case. `warning` counts cases with one
        reading or none.

    Raises
    ------
    InputError
        No table of counts, or a level outside 0 to 1.

    Notes
    -----
    Pa is the mean over the n2 cases with two readings or more of the share of agreeing pairs, p_j the mean over all n cases read of the share of
    category j, Pe = sum p_j^2, kappa = (Pa - Pe)/(1 - Pe) (with unequal numbers of readings Gwet 2014). Readers are exchangeable: it is not Cohen's
    kappa for k = 2 but Scott's pi. z has the error under independent readings, v/(1 - Pe)^2 with

        v = 2 D / n2^2 sum 1/(m_i (m_i - 1)) + 4 S ((1/n2 - 1/n)^2 sum 1/m_i + n1/n^2),

    sums over the cases with m_i readings, two or more, n1 cases with one, D = (1 - Pe)^2 - sum p (1 - p)(1 - 2p) and S = sum p^3 - Pe^2; with equal
    numbers of readings that of Fleiss, Nee and Landis. It holds under the null alone, so the limits use the large-sample error of Gwet: the sum of
    squared deviations of the linearised values over n (n - 1), t with n - 1 degrees of freedom, truncated to -1 to 1.

    References
    ----------
    .. [1] Fleiss (1971). Psychological Bulletin 76:378-382. doi:10.1037/h0031619
    .. [2] Fleiss, Nee and Landis (1979). Psychological Bulletin 86:974-977.
    .. [3] Gwet (2014). Handbook of Inter-Rater Reliability, Advanced Analytics.

    Examples
    --------
    >>> from hybridcx.stats import fleiss_kappa_counts
    >>> round(fleiss_kappa_counts([[3, 0], [1, 2], [0, 3], [1, 2]]).estimate, 4)
    0.3143
    """
    alpha = check_level(confidence_level)
    r = counts_table(counts)
    readings = r.sum(axis=1)
    k = float(readings.max())
    note = single_note(readings, "they count for the shares of the categories alone")
    r, readings = r[readings > 0], readings[readings > 0]
    n, twice = r.shape[0], readings >= 2
    n_twice = int(twice.sum())
    reason = "no case has two readings" if not n_twice else ""
    if not reason and (r.sum(axis=0) > 0).sum() < 2:
        reason = "all readings are one category"
    if reason:
        warning = join_notes(reason, note)
        return Agreement("fleiss_kappa", "unweighted", nan, n=n, k=k, status="not_estimable", warning=warning)
    shares = r / readings[:, None]
    p = shares.mean(axis=0)
    pe = float((p**2).sum())
    pairs = np.where(twice, readings * (readings - 1), 1.0)
    agreeing = np.where(twice, (r * (r - 1)).sum(axis=1) / pairs, 0.0)
    pq = 1 - pe
    kappa = (float(agreeing[twice].mean()) - pe) / pq
    z = kappa * pq / sqrt(_null_variance(readings, p, pe))
    influence = (n / n_twice) * (agreeing - pe * twice) / pq - 2 * (1 - kappa) * (shares @ p - pe) / pq
    half, se, reason = t_interval(influence, kappa, alpha)
    return Agreement(
        "fleiss_kappa",
        "unweighted",
        kappa,
        conf_low=nan if reason else max(kappa - half, -1.0),
        conf_high=nan if reason else min(kappa + half, 1.0),
        conf_level=nan if reason else confidence_level,
        statistic=z,
        pvalue=float(2 * stats.norm.sf(abs(z))),
        std_error=se,
        n=n,
        k=k,
        status="caution" if reason else "ok",
        warning=join_notes(reason, note),
    )


def _null_variance(readings: Floats, p: Floats, pe: float) -> float:
    """Variance of Pa - Pe if all readings are independent with the shares `p`; the formula of `fleiss_kappa_counts`.

    The agreeing share of a case is 2 e - Pe, e the mean of p over its readings, and a term without first-order part: with equal numbers of
    readings the e of Pa and Pe cancel. (Hoeffding 1948.)
    """
    m = readings[readings >= 2]
    n, n_twice = len(readings), len(m)
    degenerate = (1 - pe) ** 2 - float((p * (1 - p) * (1 - 2 * p)).sum())
    spread = float((p**3).sum()) - pe**2
    first_order = (1 / n_twice - 1 / n) ** 2 * float((1 / m).sum()) + (n - n_twice) / n**2
    return 2 * degenerate * float((1 / (m * (m - 1))).sum()) / n_twice**2 + 4 * spread * first_order


def t_interval(influence: Floats, estimate: float, alpha: float) -> tuple[float, float, str]:
    """Return half width, standard error and the reason for having none, from the (n,) linearised values of a
    coefficient.

    The variance is the sum of squared deviations of `influence` from `estimate` over n (n - 1), not n^2; the quantile t with n - 1 degrees of
    freedom (Gwet 2008, 2021).
    """
    n = len(influence)
    if n < 2:
        return nan, nan, "one case: no limits"
    se = sqrt(float(((influence - estimate) ** 2).sum()) / (n * (n - 1)))
    if se < _NO_ERROR:
        return nan, se, _no_error_note(estimate)
    return float(stats.t.ppf(1 - alpha / 2, n - 1)) * se, se, ""
