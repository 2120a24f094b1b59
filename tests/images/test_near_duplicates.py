"""Nearly identical images: found after what a second export does to a picture, not found between different patients of one view (bad_input.md 15)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from hybridcx.cohort.manifest import read_manifest
from hybridcx.images import close_pairs
from hybridcx.images import near_duplicates as module
from hybridcx.images.near_duplicates import (
    NEARLY_IDENTICAL,
    copies_in_training,
    fingerprints,
    near_duplicates,
    warnings,
)
from hybridcx.images.store import prepare_store
from hybridcx.phantoms.cohort import write_phantom
from hybridcx.vocabulary.cohort import NEAR_DUPLICATES

BUSI = Path(__file__).parents[2] / "../shared/data/busi"
N = 40


def pictures(n: int, seed: int = 0) -> np.ndarray:
    """Images of one view: the same strong structure in all, in each something of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96] / 95.0
    shared = 90 + 60 * np.sin(5 * y) + 30 * np.cos(9 * x)
    own = np.stack([ndimage.gaussian_filter(rng.normal(size=(96, 96)), 2.0) for _ in range(n)])
    return np.clip(shared + 150 * own, 0, 255).astype(np.uint8)


def saved_again(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=40)
    return np.asarray(Image.open(buffer))


def with_marker(image: np.ndarray) -> np.ndarray:
    out = image.copy()
    out[8:14, 8:20] = 255
    return out


EXPORTS = {
    "jpeg": saved_again,
    "darker": lambda a: (a * 0.6).astype(np.uint8),
    "gamma": lambda a: (255 * (a / 255.0) ** 0.6).astype(np.uint8),
    "smaller": lambda a: np.asarray(Image.fromarray(a).resize((60, 60)).resize((96, 96))),
    "marker": with_marker,
    "framed": lambda a: np.pad(np.asarray(Image.fromarray(a).resize((80, 80))), 8, constant_values=255),
    "next frame": lambda a: np.roll(a, 1, axis=1),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_a_picture_that_was_exported_again_is_found(export):
    images = pictures(N)
    twin = EXPORTS[export](images[3])
    prints = fingerprints(np.concatenate([images, twin[None]]))
    found = prints @ prints[-1]
    assert np.argmax(found[:-1]) == 3
    assert found[3] > NEARLY_IDENTICAL
    assert np.delete(found, [3, N]).max() < NEARLY_IDENTICAL


def test_shared_anatomy_is_no_duplicate():
    images = pictures(N)
    flat = images.reshape(N, -1).astype(float)
    raw = np.corrcoef(flat)[np.triu_indices(N, 1)]
    own = (lambda p: (p @ p.T)[np.triu_indices(N, 1)])(fingerprints(images))
    assert np.median(raw) > 0.8  # plain correlation would call them all the same
    assert own.max() < 0.5


def test_inner_products_are_correlations_and_blank_images_are_like_nothing():
    images = np.concatenate([pictures(N), np.full((2, 96, 96), 200, np.uint8)])
    prints = fingerprints(images)
    assert prints.shape == (N + 2, 4096)
    np.testing.assert_allclose((prints[:N] ** 2).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(prints[:N].mean(axis=1), 0, atol=1e-6)
    assert not prints[N:].any()
    colour = np.repeat(images[..., None], 3, axis=-1)
    np.testing.assert_allclose(fingerprints(colour), prints, atol=1e-6)


def cohort_of(
    folder: Path, images: np.ndarray, splits: list[str] | None, labels: list[str], patients: list[str] | None = None
):
    rows = ["case_id,patient_id,image,label" + (",split" if splits else "")]
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i}.png", compress_level=i % 10)
        rows.append(
            f"c{i:02},{patients[i] if patients else f'p{i}'},{i}.png,{labels[i]}" + (f",{splits[i]}" if splits else "")
        )
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    cohort = read_manifest(folder / "manifest.csv")
    store = prepare_store(cohort, size_px=96, cache=folder / "cache")
    of = cohort.analysed.set_index("case_id")
    return store, of["label"], of["split"] if splits else None, of["patient_id"]


def test_pairs_are_listed_with_labels_and_splits_and_told(tmp_path, monkeypatch):
    images = pictures(N)
    images[20] = saved_again(images[3])  # test and train, one label
    images[21] = with_marker(images[4])  # test and train, two labels
    images[22] = images[5] // 2  # one split
    images[23] = images[6]  # the same pixels
    labels = ["01"[i % 2] for i in range(N)]
    labels[20], labels[22] = labels[3], labels[5]
    splits = ["train" if i < 20 or i == 22 else "test" for i in range(N)]
    store, label, split, patient = cohort_of(tmp_path, images, splits, labels)
    monkeypatch.setattr(module, "BLOCK", 7)  # pairs over the edges of blocks too
    found = near_duplicates(store, label, split, patients=patient)
    assert set(zip(found["case_id"], found["other_case_id"], strict=True)) == {
        ("c03", "c20"), ("c04", "c21"), ("c05", "c22"), ("c06", "c23"),
    }  # fmt: skip
    assert list(found.columns) == NEAR_DUPLICATES.header
    assert found["correlation"].is_monotonic_decreasing
    first = found.iloc[0]
    assert (first["case_id"], first["pixel.identical"], first["correlation"]) == ("c06", True, 1.0)
    assert not found["same.patient"].any()
    assert copies_in_training(found) == {"c20", "c21", "c23"}
    across, differ = warnings(found, file="manifest.csv")
    assert "2 pairs of nearly identical images in different splits" in across.rule
    assert "c03 and c20 (correlation 0." in across.rule
    assert "c06" not in across.rule  # wholly identical images are warnings by `duplicates`
    assert "1 pair of nearly identical images with two labels: c04 and c21" in differ.rule
    assert all(p.severity == "warning" for p in (across, differ))


def test_images_of_one_patient_may_be_alike(tmp_path):
    images = pictures(N)
    images[1] = saved_again(images[0])
    patients = ["p0", "p0", *(f"p{i}" for i in range(2, N))]
    store, label, split, patient = cohort_of(
        tmp_path, images, None, ["0", "0"] + ["01"[i % 2] for i in range(2, N)], patients
    )
    found = near_duplicates(store, label, split, patients=patient)
    assert found["same.patient"].tolist() == [True]
    assert warnings(found) == []
    (one,) = warnings(near_duplicates(store, label))  # were they two patients
    assert one.rule.startswith("1 pair of nearly identical images: c00 and c01")


def test_a_handful_of_images_has_no_cohort_mean(tmp_path):
    images = pictures(6)
    images[1], images[2] = saved_again(images[0]), images[3]
    store, label, split, _ = cohort_of(tmp_path, images, None, list("001101"))
    found = near_duplicates(store, label, split)
    assert found[["case_id", "other_case_id"]].to_numpy().tolist() == [["c02", "c03"]]


def test_no_two_patients_of_the_phantom_are_called_alike(tmp_path):
    write_phantom(tmp_path, n_patients=60, seed=5)
    cohort = read_manifest(tmp_path / "manifest.csv")
    store = prepare_store(cohort, size_px=128, cache=tmp_path / "cache")
    assert near_duplicates(store, cohort.analysed.set_index("case_id")["label"]).empty


@pytest.mark.shared
def test_the_known_faults_of_the_real_cohort(tmp_path):
    if not BUSI.exists():
        pytest.skip("../shared/data/busi is not here")
    cohort = read_manifest(BUSI / "manifest.csv", positive="malignant", same_bytes="warn")
    store = prepare_store(cohort, size_px=224, cache=tmp_path)
    of = cohort.analysed.set_index("case_id")
    found = near_duplicates(store, of["label"], of["split"])
    pairs = {frozenset(p) for p in found[["case_id", "other_case_id"]].to_numpy().tolist()}
    identical = found[found["pixel.identical"]]
    assert identical[["case_id", "other_case_id"]].to_numpy().tolist() == [["benign_433", "malignant_145"]]
    # Found by eye and by others: the same scan under two labels, and neighbours of one sweep that the published split has torn apart.
    assert frozenset({"benign_399", "malignant_93"}) in pairs
    assert len(copies_in_training(found)) >= 26
    assert 100 < len(found) < 250


def test_a_large_cohort_has_the_pairs_that_all_pairs_give(monkeypatch):
    """The way of more than 20,000 images, on few: screened, and held against each other in blocks."""
    images = pictures(300)
    images[200:220] = [saved_again(i) for i in images[:20]]
    images[250] = 7  # blank
    whole = {(i, j): r for i, j, r in module._correlated(images, NEARLY_IDENTICAL)}
    assert len(whole) >= 20
    monkeypatch.setattr(module, "ALL_PAIRS", 10)
    monkeypatch.setattr(module, "BLOCK", 64)
    for passing in (1.0, -1.0):  # every pair may pass the first bound; none may, so that the search is one of all pairs
        monkeypatch.setattr(close_pairs, "PASSING", passing)
        many = {(i, j): r for i, j, r in module._correlated(images, NEARLY_IDENTICAL)}
        assert set(many) == set(whole)
        assert all(many[p] == pytest.approx(whole[p], abs=1e-5) for p in many)


def test_a_search_that_was_left_out_is_told(monkeypatch, tmp_path):
    store, labels, *_ = cohort_of(tmp_path, pictures(N), None, ["01"[i % 2] for i in range(N)])
    monkeypatch.setattr(module, "ALL_PAIRS", 10)
    monkeypatch.setattr(module, "LEFT_OUT_ABOVE", 20)
    monkeypatch.setattr(close_pairs, "PASSING", -1.0)
    pairs = near_duplicates(store, labels)
    (problem,) = warnings(pairs)
    assert "was left out: 40 images" in str(problem)
    assert problem.severity == "warning"
