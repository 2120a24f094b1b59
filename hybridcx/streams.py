"""Named streams of random numbers: one seed per experiment, one independent stream per use.

A stream depends on the seed and its name, not on the order in which streams are created. Adding a model to an experiment therefore
changes no other model's numbers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def _entropy(seed: int, names: tuple[str | int, ...]) -> list[int]:
    # Each name is prefixed by its length, so that ("ab", "c") and ("a", "bc") are different streams.
    parts = [str(n).encode() for n in names]
    digest = hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in parts)).digest()
    return [seed, *(int.from_bytes(digest[i : i + 4], "big") for i in range(0, 32, 4))]


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of the stream `names` under the non-negative integer `seed`.

    >>> float(rng_for(1, "splits").random()) == float(rng_for(1, "splits").random())
    True
    """
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(_entropy(seed, names))))


def seed_for(seed: int, *names: str | int) -> int:
    """Return a 32-bit seed for libraries that take an integer (scikit-learn, XGBoost, torch)."""
    return int(np.random.SeedSequence(_entropy(seed, names)).generate_state(1)[0])
