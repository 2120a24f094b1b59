"""Pairs of large cohorts: the bound loses none, whatever the images, and a search that cannot be screened is told."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from hybridcx.images import close_pairs as module
from hybridcx.images.close_pairs import NotTightError, close_pairs


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def vectors(n: int, d: int, decay: float, seed: int) -> np.ndarray:
    """Vectors whose variance falls from direction to direction, with twins at correlations around the threshold and a blank row."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(d, d)))[0]
    made = unit(rng.normal(size=(n, d)) * np.arange(1, d + 1) ** -decay @ basis)
    for k, r in enumerate(np.linspace(0.75, 0.999, n // 4)):
        other = made[n // 2 + k] - made[n // 2 + k] @ made[k] * made[k]
        made[n // 2 + k] = r * made[k] + np.sqrt(1 - r * r) * other / np.linalg.norm(other)
    made[n - 1] = 0.0
    return made


def brute(made: np.ndarray, above: float) -> dict[tuple[int, int], float]:
    found = made.astype(np.float64) @ made.T.astype(np.float64)
    return {(i, j): found[i, j] for i, j in zip(*np.nonzero(np.triu(found > above, 1)), strict=True)}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("decay", [0.4, 1.0, 2.0])
def test_no_pair_is_lost_and_none_is_invented(seed, decay, monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 100)
    for name, value in (
        ("BLOCK", 64),
        ("CHUNK", 100),
        ("PAIRS", 50),
        ("DIRECTIONS", 96),
        ("FIRST", (8, 32, 96)),
        ("PASSING", 0.5),
    ):
        monkeypatch.setattr(module, name, value)
    made = vectors(600, 128, decay, seed)
    want = brute(made, 0.8)
    asked = []

    def prints(rows):
        asked.append(len(rows))
        return made[rows]

    found = {(i, j): r for i, j, r in close_pairs(prints, len(made), 0.8)}
    assert len(want) > 100
    assert {p for p, r in want.items() if r > 0.8 + 1e-6} <= set(found) <= set(brute(made, 0.8 - 1e-6))
    assert all(found[p] == pytest.approx(want[p], abs=1e-6) for p in set(found) & set(want))
    assert max(asked[1:]) <= 128  # blocks, never the whole


def test_noise_cannot_be_screened(monkeypatch):
    monkeypatch.setattr(module, "SAMPLE", 300)
    rng = np.random.default_rng(0)
    made = unit(rng.normal(size=(3000, 4096)))
    with pytest.raises(NotTightError):
        list(close_pairs(lambda rows: made[rows], len(made), 0.8))


def test_detail_of_pictures_passes_the_first_bound_rarely(monkeypatch):
    """What makes it fast: smooth fields, as detail of pictures is, have most of their length in few directions."""
    monkeypatch.setattr(module, "SAMPLE", 300)
    rng = np.random.default_rng(1)
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2.0) for _ in range(1500)]).reshape(1500, -1)
    made = unit(fields - fields.mean(axis=0))
    assert list(close_pairs(lambda rows: made[rows], len(made), 0.8)) == []
