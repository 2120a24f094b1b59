"""The simulated disease: four signs with a severity each, and the burden that readers rate.

Signs: loss of lordosis (one per patient), and per motion segment (C2/3 to C6/7) narrowing of the disc space, anterior and
posterior osteophytes and sclerosis of the end plates. A severity lies in 0 to 1; from `PRESENT` on the sign counts as disease,
below it as normal variation (everyone's discs and curves differ a little). A patient is abnormal in truth if and only if at
least one sign reaches `PRESENT`, which is the study's definition: lost lordosis, narrowed disc space and/or degenerative
vertebral changes. The severities are continuous across `PRESENT`, so that there are borderline patients on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

LEVELS: tuple[str, ...] = ("C2/3", "C3/4", "C4/5", "C5/6", "C6/7")
PRESENT = 0.3
"""The severity from which a sign counts as disease."""

_LEVEL_WEIGHTS = np.array([0.02, 0.09, 0.20, 0.39, 0.30])  # degeneration prefers C5/6, then C6/7
_P_LORDOSIS_LOST = 0.88
_P_DEGENERATION = 0.62
_BURDEN_WEIGHTS = {"narrowing": 0.55, "osteophyte_anterior": 0.35, "osteophyte_posterior": 0.30, "sclerosis": 0.25}
_BURDEN_LORDOSIS = 0.80


@dataclass(frozen=True, slots=True)
class Severities:
    """Severities of n patients, each in 0 to 1: `lordosis` has shape (n,), the others (n, 5), columns as `LEVELS`."""

    lordosis: NDArray[np.float64]
    narrowing: NDArray[np.float64]
    osteophyte_anterior: NDArray[np.float64]
    osteophyte_posterior: NDArray[np.float64]
    sclerosis: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.lordosis)

    def take(self, index: NDArray[np.intp]) -> Severities:
        """The patients `index`, in that order."""
        return Severities(**{f.name: getattr(self, f.name)[index] for f in fields(self)})

    @staticmethod
    def concatenate(parts: list[Severities]) -> Severities:
        """The patients of all `parts`, one after the other."""
        return Severities(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Severities)})

    def abnormal(self) -> NDArray[np.bool_]:
        """Truth, shape (n,): whether any sign reaches `PRESENT`."""
        present: NDArray[np.bool_] = self.lordosis >= PRESENT
        for kind in _BURDEN_WEIGHTS:
            present = present | (getattr(self, kind) >= PRESENT).any(axis=1)
        return present

    def signs(self, i: int) -> list[tuple[str, str, float]]:
        """The signs of patient `i` that count as disease: (kind, level, severity), in anatomical order."""
        signs_of_patient = [("lordosis_loss", "C2-C7", float(self.lordosis[i]))] if self.lordosis[i] >= PRESENT else []
        for j, level in enumerate(LEVELS):
            for kind in _BURDEN_WEIGHTS:
                value = float(getattr(self, kind)[i, j])
                if value >= PRESENT:
                    signs_of_patient.append((kind, level, value))
        return signs_of_patient


def draw_severities(rng: np.random.Generator, abnormal: NDArray[np.bool_]) -> Severities:
    """Draw the signs of len(abnormal) patients, of whom those flagged are to be abnormal in truth.

    Normal: lordosis 0.28 x Beta(1.2, 2.2); every disc 0.28 x Beta(1, 4); small spurs at one segment in eight.
    Abnormal: lordosis lost with probability 0.88 (0.3 + 0.7 x Beta(1.6, 1.6)), degeneration with 0.62 at one to three segments,
    lordosis where neither came up. A degenerated segment has a narrowed disc and, with probabilities 0.75, 0.40 and
    0.65, anterior and posterior osteophytes and sclerosis whose severity scatters around the disc's.
    """
    n, k = len(abnormal), len(LEVELS)
    lordosis = 0.28 * rng.beta(1.2, 2.2, n)
    narrowing = 0.28 * rng.beta(1.0, 4.0, (n, k))
    spur = np.where(rng.random((n, k)) < 0.125, 0.25 * rng.random((n, k)), 0.0)
    spur_back = np.where(rng.random((n, k)) < 0.06, 0.25 * rng.random((n, k)), 0.0)
    dense = np.where(rng.random((n, k)) < 0.125, 0.25 * rng.random((n, k)), 0.0)

    degenerated = abnormal & (rng.random(n) < _P_DEGENERATION)
    lost = abnormal & ((rng.random(n) < _P_LORDOSIS_LOST) | ~degenerated)
    lordosis = np.where(lost, PRESENT + 0.7 * rng.beta(1.6, 1.6, n), lordosis)

    n_segments = 1 + (rng.random(n) < 0.55) + (rng.random(n) < 0.25)
    # Weighted sampling without replacement: the smallest of exponential clocks that run at the weights' rates.
    rank = (rng.exponential(size=(n, k)) / _LEVEL_WEIGHTS).argsort(axis=1).argsort(axis=1)
    here = degenerated[:, None] & (rank < n_segments[:, None])
    disc = PRESENT + 0.7 * rng.beta(1.8, 1.5, (n, k))
    near = np.clip(disc[None] + 0.15 * rng.standard_normal((3, n, k)), PRESENT, 1.0)
    with_sign = rng.random((3, n, k)) < np.array([0.75, 0.40, 0.65])[:, None, None]
    return Severities(
        lordosis=lordosis,
        narrowing=np.where(here, disc, narrowing),
        osteophyte_anterior=np.where(here & with_sign[0], near[0], spur),
        osteophyte_posterior=np.where(here & with_sign[1], near[1], spur_back),
        sclerosis=np.where(here & with_sign[2], near[2], dense),
    )


def burden(severities: Severities) -> NDArray[np.float64]:
    """The latent severity of the whole film that readers rate, shape (n,), in 0 to 1.

    1 - prod(1 - w s) over all signs s with weights w (lordosis 0.80; per segment narrowing 0.55, anterior osteophytes 0.35,
    posterior 0.30, sclerosis 0.25): every sign adds, the worst dominate, and the scale saturates as a reader's does.
    """
    healthy = 1.0 - _BURDEN_LORDOSIS * severities.lordosis
    for kind, weight in _BURDEN_WEIGHTS.items():
        healthy = healthy * np.prod(1.0 - weight * getattr(severities, kind), axis=1)
    return 1.0 - healthy
