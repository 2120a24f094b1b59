"""Two readers, two occasions each: ratings, calls, and the recruitment that ends at the study's counts.

Reading model. Case i has the latent severity s_i = `burden` of its drawn signs. Reader r on occasion t sees

    y_irt = s_i + b_r + g_ir + e_irt,   Var s = V,  g ~ N(0, G),  e ~ N(0, W),  b = (+d, -d) fixed

(two-way layout with interaction; Shrout and Fleiss 1979, Psychol Bull 86:420). For the one rating per reader of an occasion the
column variance of two readers at +d and -d is B = 2 d^2, so that the expectations of the mean squares give

    between readers, ICC(2,1):             rho_b = V / (V + B + G + W)
    within a reader, occasions as columns: rho_w = (V + G) / (V + G + W)

Hence W = (V + G)(1 - rho_w) / rho_w and B + (V + G) / rho_w = V / rho_b. That leaves B + G / rho_w = V (1/rho_b - 1/rho_w), of
which a quarter is given to B and the rest to G. The model exists if and only if rho_b <= rho_w: two occasions of one reader
share that reader's habits, two readers do not. With rho_b = rho_w there is neither offset nor interaction.

The call is abnormal where the rating is not below the cut that stands for a burden of `READER_CUT`; ratings are an affine image
of y on a scale of 0 to 100 whose ends lie 3.5 noise standard deviations outside the range of s, so that clipping, which would
change the ICC, practically never acts; the ICC and the calls do not depend on the affine map.

Recruitment. Patients come one by one from a population and belong by nature to one of three strata: excluded (for a reason
found in the chart, or because the calls of occasion 1 differ), kept and called abnormal by both, kept and called normal by both.
A patient is enrolled while the stratum has room (for 416: 85, 170, 161) and turned away otherwise, until all are full; then the
order is shuffled. No reading is ever altered: each enrolled patient is a draw from the natural distribution within the stratum,
and only the three counts are fixed. What that does to the ICC: the prevalence and the rate of chart exclusions of the population
are solved so that the natural shares of the strata equal the quotas' shares. Then the enrolled mixture is the population itself,
moments and with them the expected mean squares are unchanged (but for terms of order 1/n), and V above is the variance of
s in that population. This holds while disagreements alone do not outnumber the excluded (85 of 416). With
less reliable readers (at the study's prevalence: below about 0.78 between) chart exclusions are held at `MIN_CHART_SHARE`,
disagreements are turned away more often than agreements, and the ICCs come out above those asked for (0.62 for 0.5): counts
and reliability cannot both be had without altering readings. `ReadingModel.selected` says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from hybridcx.errors import InputError, Problem
from hybridcx.phantoms.pathology import Severities, burden, draw_severities
from hybridcx.streams import rng_for

READERS: tuple[str, str] = ("radiologist", "rheumatologist")
OCCASIONS: tuple[int, int] = (1, 2)
LABELS: tuple[str, str] = ("normal", "abnormal")
STUDY = {"excluded": 85, "abnormal": 170, "normal": 161}
CHART_REASONS = {"trauma": 0.40, "systemic disease": 0.20, "cervical surgery": 0.25, "malignancy": 0.15}
DISAGREEMENT = "reader disagreement"
READER_CUT = 0.40
MIN_CHART_SHARE = 0.02
_OFFSET_SHARE = 0.25
_REFERENCE_SIZE = 20_000


@dataclass(frozen=True, slots=True)
class ReadingModel:
    """The solved model: variance components on the scale of `burden`, population shares, and the map to 0 to 100.

    `selected` is true where disagreements had to be turned away, so that the reliability exceeds the one asked for.
    """

    case_variance: float
    offset: float
    interaction_variance: float
    within_variance: float
    prevalence: float
    chart_share: float
    scale: float
    origin: float
    selected: bool

    def ratings(self, s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw ratings of the latent severities `s` (n,): shape (n, 2 readers, 2 occasions), 0 to 100, one decimal."""
        n = len(s)
        habit = math.sqrt(self.interaction_variance) * rng.standard_normal((n, 2, 1))
        noise = math.sqrt(self.within_variance) * rng.standard_normal((n, 2, 2))
        seen = s[:, None, None] + np.array([self.offset, -self.offset])[None, :, None] + habit + noise
        rating: NDArray[np.float64] = np.round(np.clip(self.scale * (seen - self.origin), 0.0, 100.0), 1)
        return rating

    @property
    def cut(self) -> float:
        """The rating from which a reader calls a film abnormal."""
        return self.scale * (READER_CUT - self.origin)


@dataclass(frozen=True, slots=True)
class Recruits:
    """The enrolled patients: severities (n), `ratings` (n, 2 readers, 2 occasions), `calls` likewise (True: abnormal) and `excluded`
    (n reasons, "" where kept)."""

    severities: Severities
    ratings: NDArray[np.float64]
    calls: NDArray[np.bool_]
    excluded: tuple[str, ...]


def variance_components(
    case_variance: float, reliability_between: float, reliability_within: float
) -> tuple[float, float, float]:
    """Return (d, G, W): the readers' offset and the interaction and within variances, by the formulas of the module.

    >>> d, g, w = variance_components(1.0, 0.92, 0.94)
    >>> round(1 / (1 + 2 * d**2 + g + w), 10), round((1 + g) / (1 + g + w), 10)
    (0.92, 0.94)
    """
    room = case_variance * (1.0 / reliability_between - 1.0 / reliability_within)
    offset = math.sqrt(_OFFSET_SHARE * room / 2.0)
    interaction = (1.0 - _OFFSET_SHARE) * room * reliability_within
    within = (case_variance + interaction) * (1.0 - reliability_within) / reliability_within
    return offset, interaction, within


def quotas(n_patients: int) -> dict[str, int]:
    """Scale the study's 85 excluded, 170 abnormal and 161 normal to `n_patients` by largest remainder.

    >>> quotas(416) == STUDY, quotas(20)
    (True, {'excluded': 4, 'abnormal': 8, 'normal': 8})
    """
    total = sum(STUDY.values())
    exact = {k: v * n_patients / total for k, v in STUDY.items()}
    out = {k: int(v) for k, v in exact.items()}
    by_remainder = sorted(exact, key=lambda k: exact[k] - out[k], reverse=True)
    for k in by_remainder[: n_patients - sum(out.values())]:
        out[k] += 1
    return out


def _check(n_patients: int, between: float, within: float) -> None:
    problems = []
    if n_patients < 20:
        problems.append(Problem("a phantom cohort needs at least 20 patients", column="n_patients", value=n_patients))
    for name, value in (("reliability_between", between), ("reliability_within", within)):
        if not 0.0 < value <= 1.0:
            problems.append(Problem("a reliability lies above 0 and at most at 1", column=name, value=value))
    if not problems and between > within:
        problems.append(
            Problem(
                "the reliability between readers cannot exceed that within a reader",
                column="reliability_between",
                value=between,
                remedy=f"choose at most reliability_within ({within})",
            )
        )
    if problems:
        raise InputError(problems)


@lru_cache(maxsize=32)
def solve(n_patients: int, reliability_between: float, reliability_within: float) -> ReadingModel:
    """Solve the population for the quotas and reliabilities (see the module).

    Population moments are averages over 20,000 reference patients of each class from a stream of fixed seed; the readers' noise
    is integrated exactly (normal probabilities). Raises InputError for fewer than 20 patients, a reliability outside (0, 1], or
    one between readers above the one within.
    """
    _check(n_patients, reliability_between, reliability_within)
    room = quotas(n_patients)
    share_kept_abnormal = room["abnormal"] / (room["abnormal"] + room["normal"])
    rng = rng_for(0, "phantom", "reference population")
    truth = np.repeat([False, True], _REFERENCE_SIZE)
    s = burden(draw_severities(rng, truth))

    def population(prevalence: float) -> tuple[float, float, float, float, float, float]:
        weight = np.where(truth, prevalence, 1.0 - prevalence) / _REFERENCE_SIZE
        mean = float(weight @ s)
        v = float(weight @ (s - mean) ** 2)
        offset, interaction, within = variance_components(v, reliability_between, reliability_within)
        sd = max(math.sqrt(interaction + within), 1e-9)
        p = ndtr((s[:, None] + np.array([offset, -offset]) - READER_CUT) / sd)
        return v, offset, interaction, within, float(weight @ p.prod(axis=1)), float(weight @ (1.0 - p).prod(axis=1))

    def surplus(prevalence: float) -> float:
        *_, both_abnormal, both_normal = population(prevalence)
        return both_abnormal / (both_abnormal + both_normal) - share_kept_abnormal

    # With very unreliable readers the share hardly depends on the prevalence; then the nearest prevalence is taken.
    low, high = 0.01, 0.99
    if surplus(low) >= 0.0:
        prevalence = low
    elif surplus(high) <= 0.0:
        prevalence = high
    else:
        prevalence = float(brentq(surplus, low, high, xtol=1e-6))
    v, offset, interaction, within, both_abnormal, both_normal = population(prevalence)
    agree = both_abnormal + both_normal
    chart = 1.0 - (room["abnormal"] + room["normal"]) / n_patients / agree
    spread = 3.5 * math.sqrt(interaction + within) + offset
    return ReadingModel(
        case_variance=v,
        offset=offset,
        interaction_variance=interaction,
        within_variance=within,
        prevalence=prevalence,
        chart_share=max(chart, MIN_CHART_SHARE),
        scale=100.0 / (1.0 + 2.0 * spread),
        origin=-spread,
        selected=chart < MIN_CHART_SHARE,
    )


def recruit(
    n_patients: int, seed: int, *, reliability_between: float = 0.92, reliability_within: float = 0.94
) -> tuple[Recruits, ReadingModel]:
    """Enrol `n_patients` until every stratum holds its quota (see the module); the order is shuffled at the end.

    Raises InputError as `solve` does.
    """
    model = solve(n_patients, reliability_between, reliability_within)
    room = quotas(n_patients)
    rng = rng_for(seed, "phantom", "recruitment")
    reasons = np.array(list(CHART_REASONS))
    odds = np.array(list(CHART_REASONS.values()))
    severities, ratings, excluded = [], [], []
    while any(room.values()):
        block = 2 * n_patients
        drawn = draw_severities(rng, rng.random(block) < model.prevalence)
        rated = model.ratings(burden(drawn), rng)
        called = rated[:, :, 0] >= model.cut
        chart = rng.random(block) < model.chart_share
        reason = np.where(chart, rng.choice(reasons, size=block, p=odds / odds.sum()), "")
        reason = np.where(~chart & (called[:, 0] != called[:, 1]), DISAGREEMENT, reason)
        stratum = np.where(reason != "", "excluded", np.where(called[:, 0], "abnormal", "normal"))
        keep = []
        for i, name in enumerate(stratum):
            if room[str(name)]:
                room[str(name)] -= 1
                keep.append(i)
        index = np.array(keep, dtype=np.intp)
        severities.append(drawn.take(index))
        ratings.append(rated[index])
        excluded += [str(r) for r in reason[index]]
    order = rng_for(seed, "phantom", "order").permutation(n_patients)
    all_ratings = np.concatenate(ratings)[order]
    return (
        Recruits(
            severities=Severities.concatenate(severities).take(order),
            ratings=all_ratings,
            calls=all_ratings >= model.cut,
            excluded=tuple(excluded[i] for i in order),
        ),
        model,
    )
