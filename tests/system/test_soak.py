"""Many comparisons in one process leave no memory behind them: figures, tables and caches of one are gone when the next begins."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import pytest

import hybridcx

MIB = 1024**2


def resident() -> float:
    """Memory of this process that lies in RAM, MiB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / MIB


def growth(earlier: Path, out: Path, warm_up: int, n: int) -> float:
    """MiB that `n` comparisons add after `warm_up` others."""
    for i in range(warm_up + n):
        if i == warm_up:
            begun = resident()
        hybridcx.compare(earlier.parent / "p.csv", out=out, n_bootstrap=100, seed=i)
    return resident() - begun


pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory is read from /proc")


def test_twelve_comparisons_do_not_grow(earlier, tmp_path):
    assert (
        growth(earlier, tmp_path / "out", 4, 12) < 24
    )  # 2 MiB a comparison; its figures alone hold more while it runs


@pytest.mark.slow
def test_two_hundred_comparisons_do_not_grow(earlier, tmp_path):
    grown = growth(earlier, tmp_path / "out", 10, 200)
    print(f"200 comparisons: {grown:.1f} MiB")
    assert grown < 40
