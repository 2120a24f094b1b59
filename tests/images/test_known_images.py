"""Copies of known images among new ones, found by hashes and sketches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.errors import InputError
from hybridcx.images.known_images import KnownImages
from hybridcx.images.near_duplicates import fingerprints
from hybridcx.images.store import ImageStore
from hybridcx.vocabulary.external import IDENTICAL, NEARLY


def store_of(images: np.ndarray, prefix: str) -> ImageStore:
    ids = tuple(f"{prefix}{i:03d}" for i in range(len(images)))
    notes = pd.DataFrame({"case_id": ids, "pixel_sha256": [f"{hash(i.tobytes()):x}" for i in images]})
    return ImageStore(images, ids, "", "", Path(), notes, False)


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Forty images of noise on a shared gradient."""
    rng = np.random.default_rng(7)
    shared = np.linspace(40, 200, 96)[None, :, None] * np.ones((96, 1, 3))
    noise = rng.normal(0, 25, (40, 24, 24)).repeat(4, 1).repeat(4, 2)[..., None]
    return (shared + noise).clip(0, 255).astype(np.uint8)


def test_copies_are_found_and_others_are_not(drawn, tmp_path):
    known = KnownImages.of(store_of(drawn[:30], "old"), np.arange(30))
    again = (0.9 * drawn[4].astype(float) + 12).clip(0, 255).astype(np.uint8)
    new = np.concatenate([drawn[30:], drawn[3:4], again[None]])
    known.save(tmp_path / "known.npz")
    found = KnownImages.load(tmp_path / "known.npz").copies(store_of(new, "new"))
    assert found[["case_id", "other_case_id", "overlap"]].values.tolist() == [
        ["new010", "old003", IDENTICAL],
        ["new011", "old004", NEARLY],
    ]


def test_a_sketch_estimates_the_correlation(drawn):
    """The standard error of a cosine of 256 random projections is (1 - r^2) / 16."""
    rng = np.random.default_rng(3)
    known = KnownImages.of(store_of(drawn[:30], "old"), np.arange(30))
    mixed = (0.75 * drawn[:10].astype(float) + 0.25 * rng.permutation(drawn[30:])).clip(0, 255).astype(np.uint8)
    found = known.copies(store_of(mixed, "new"))
    whole = fingerprints(np.concatenate([drawn[:30], mixed]))  # nearly the same mean
    exact = {f"new{i:03d}": float(whole[30 + i] @ whole[i]) for i in range(10)}
    assert len(found) == 10
    for row in found.to_dict("records"):
        assert row["other_case_id"] == row["case_id"].replace("new", "old")
        assert abs(row["correlation"] - exact[row["case_id"]]) < 0.1


def test_few_images_have_hashes_alone(drawn):
    known = KnownImages.of(store_of(drawn[:5], "old"), np.arange(5))
    assert len(known.sketches) == 0
    assert known.copies(store_of(drawn[4:8], "new"))["overlap"].tolist() == [IDENTICAL]


def test_the_record_holds_no_image(drawn):
    known = KnownImages.of(store_of(drawn[:30], "old"), np.arange(30))
    assert known.sketches.dtype == np.int8
    assert known.sketches.shape == (30, 256)
    assert replace(known, sketches=known.sketches).mean.shape == (4096,)


def test_a_damaged_record_is_refused(tmp_path):
    (tmp_path / "known.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match="cannot be read"):
        KnownImages.load(tmp_path / "known.npz")
