"""The store on disk: keyed by content, whole or absent, damaged ones found; bad_input.md 18 to 24 with the manifest's rows; 36, 37, 40."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from hybridcx.cohort.manifest import read_manifest
from hybridcx.errors import InputError, StoppedError
from hybridcx.images import store as module
from hybridcx.images.decode import decode
from hybridcx.images.duplicates import pixel_identical
from hybridcx.images.prepare import prepare
from hybridcx.images.store import prepare_store
from hybridcx.store.artefacts import Store

BUSI = Path(__file__).parents[2] / "../shared/data/busi"


@pytest.fixture
def manifest(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (20 + i, 30), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    head = "case_id,patient_id,image,label,crop_left,crop_top,crop_right,crop_bottom\n"
    rows = [f"c{5 - i},p{i},{i}.png,{i % 2},{'2,3,22,18' if i == 1 else ',,,'}\n" for i in range(6)]
    path = tmp_path / "manifest.csv"
    path.write_text(head + "".join(rows))
    return path


def made(manifest: Path, **options):
    given = {"size_px": 16, "cache": manifest.parent / "cache"} | options
    return prepare_store(read_manifest(manifest), **given)


def test_images_are_prepared_in_the_order_of_the_sorted_cases(manifest):
    seen = []
    s = made(manifest, on_progress=lambda done, total: seen.append((done, total)))
    assert s.case_ids == tuple(f"c{i}" for i in range(6))
    assert s.images.shape == (6, 16, 16, 3)
    assert s.images.dtype == np.uint8
    assert seen == [(i, 6) for i in range(1, 7)]
    for i in range(6):
        box = (2, 3, 22, 18) if i == 1 else None
        assert np.array_equal(s.images[5 - i], prepare(decode(manifest.parent / f"{i}.png").pixels, box, size_px=16))
    assert s.positions(["c3", "c0"]).tolist() == [3, 0]
    with pytest.raises(InputError, match="without a prepared image"):
        s.positions(["c9"])
    assert s.notes["case_id"].tolist() == list(s.case_ids)
    assert s.notes["height_px"].tolist() == [25, 24, 23, 22, 21, 20]


def test_a_second_time_nothing_is_decoded(manifest, monkeypatch):
    first = made(manifest)
    monkeypatch.setattr(module, "decode_bytes", lambda *a: pytest.fail("decoded again"))
    again = made(manifest)
    assert again.reused
    assert not first.reused
    assert (again.key, again.sha256) == (first.key, first.sha256)
    assert again.notes.equals(first.notes)


def test_images_that_are_used_again_are_the_last_to_be_pruned(manifest):
    prepared = made(manifest)
    for file in (prepared.path, prepared.path.with_suffix(".json")):
        os.utime(file, (1000, 1000))
    other = made(manifest, size_px=8)
    for file in (other.path, other.path.with_suffix(".json")):
        os.utime(file, (2000, 2000))
    made(manifest)
    folder = prepared.path.parent
    assert [e.path for e in Store(folder.parent).entries() if e.stage == folder.name] == [other.path, prepared.path]
    assert prepared.path.stat().st_mtime == 1000, "the array itself is left as it was made"


def test_the_key_follows_content_options_and_boxes_but_no_path_or_order(manifest):
    key = made(manifest).key
    text = manifest.read_text()
    lines = text.splitlines(keepends=True)
    manifest.write_text("".join([lines[0], *reversed(lines[1:])]))
    assert made(manifest).key == key
    (manifest.parent / "0.png").rename(manifest.parent / "renamed.png")
    manifest.write_text(text.replace("0.png", "renamed.png"))
    assert made(manifest).key == key
    keys = {
        key,
        *(
            made(manifest, **o).key
            for o in ({"size_px": 8}, {"pad": "black"}, {"resample": "lanczos"}, {"channels": 1})
        ),
    }
    manifest.write_text(text.replace("0.png", "renamed.png").replace("2,3,22,18", "2,3,22,17"))
    keys.add(made(manifest).key)
    Image.new("L", (9, 9), 3).save(manifest.parent / "renamed.png")
    Image.fromarray(np.eye(9, dtype=np.uint8) * 200).save(manifest.parent / "renamed.png")
    keys.add(made(manifest).key)
    assert len(keys) == 7


@pytest.mark.parametrize("what", ["array", "record", "truncated", "no record"])
def test_a_damaged_store_is_found_made_again_and_said(manifest, what):
    first = made(manifest)
    content, record = first.images[:].copy(), first.path.with_suffix(".json")
    data = bytearray(first.path.read_bytes())
    if what == "array":
        data[-5] ^= 1
        first.path.write_bytes(bytes(data))
    elif what == "truncated":
        first.path.write_bytes(bytes(data[:-10]))
    elif what == "record":
        record.write_text("{")
    else:
        record.unlink()
    again = made(manifest)
    assert not again.reused
    assert again.sha256 == first.sha256
    assert np.array_equal(again.images, content)
    # Without its record the array was never complete; there is nothing to say of a run that was interrupted.
    assert bool(again.warnings) == (what != "no record")


def test_every_bad_image_is_told_with_its_row_and_nothing_is_left(manifest):
    folder = manifest.parent
    (folder / "0.png").write_bytes(b"<!DOCTYPE html><html></html>")
    Image.new("L", (9, 9), 3).save(folder / "2.png")
    (folder / "3.png").write_bytes((folder / "3.png").read_bytes()[:-40])
    manifest.write_text(manifest.read_text().replace("2,3,22,18", "2,3,99,18"))
    with pytest.raises(InputError) as e:
        made(manifest)
    lines = str(e.value).splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("manifest.csv, line 2, column image: an HTML page, not an image (found: '0.png')")
    assert lines[1].startswith(
        "manifest.csv, line 3, column crop_left: a crop box outside the image, which has 30 x 21 pixels"
    )
    assert lines[2].startswith("manifest.csv, line 4, column image: a constant image")
    assert lines[3].startswith("manifest.csv, line 5, column image: a PNG that is truncated")
    assert [p for p in (folder / "cache").iterdir() if p.suffix != ".lock"] == []


def test_an_image_that_changes_meanwhile_is_refused(manifest):
    cohort = read_manifest(manifest)
    Image.fromarray(np.eye(9, dtype=np.uint8) * 200).save(manifest.parent / "4.png")
    with pytest.raises(InputError, match="line 6, column image: the image changed"):
        prepare_store(cohort, size_px=16, cache=manifest.parent / "cache")


def test_a_full_disk_is_said_before_and_during(manifest, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(module.shutil, "disk_usage", lambda p: SimpleNamespace(free=100))
        with pytest.raises(StoppedError, match="100 bytes are free"):
            made(manifest)

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(StoppedError, match="is too full"):
        made(manifest)
    assert [p for p in (manifest.parent / "cache").iterdir() if p.suffix != ".lock"] == []


def test_a_kill_before_the_record_leaves_nothing_that_is_taken_for_whole(manifest, monkeypatch):
    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(module, "write_atomic", killed)
        with pytest.raises(KeyboardInterrupt):
            made(manifest)
    assert not made(manifest).reused
    assert made(manifest).reused


def test_one_worker_and_many_give_the_same_bytes(manifest, tmp_path):
    a = made(manifest, max_workers=1, cache=tmp_path / "a")
    b = made(manifest, max_workers=8, cache=tmp_path / "b")
    assert a.sha256 == b.sha256


def test_a_cohort_without_hashes_is_hashed(manifest):
    cohort = read_manifest(manifest)
    bare = type(cohort)(cohort.frame, cohort.rows, cohort.root, cohort.source, cohort.labels)
    assert prepare_store(bare, size_px=16, cache=manifest.parent / "cache").key == made(manifest).key
    (manifest.parent / "5.png").unlink()
    with pytest.raises(InputError, match="line 7, column image"):
        prepare_store(bare, size_px=16, cache=manifest.parent / "cache")


def test_the_names_of_patients_stay_out_of_the_cache(manifest):
    exif = Image.Exif()
    exif[0x010E] = "CANARY"
    Image.fromarray(np.eye(9, dtype=np.uint8) * 200).save(manifest.parent / "4.png", exif=exif)
    s = made(manifest)
    for path in s.path.parent.iterdir():
        assert b"CANARY" not in path.read_bytes()
        assert b"c3" not in path.with_suffix(".json").read_bytes().split(b"notes")[0]


def test_pixel_identical_images_in_other_files_are_found(manifest):
    folder = manifest.parent
    image = Image.open(folder / "0.png")
    image.save(folder / "1.tif")
    image.save(folder / "3.png", compress_level=0)
    manifest.write_text(manifest.read_text().replace("1.png", "1.tif"))
    cohort = read_manifest(manifest)
    assert cohort.warnings == ()
    s = made(manifest)
    labels = dict(zip(cohort.frame["case_id"], cohort.frame["label"], strict=True))
    splits = {c: "test" if c == "c5" else "train" for c in labels}
    (found,) = pixel_identical(s, labels, splits)
    assert "3 cases with identical images: c2 (1, train), c4 (1, train), c5 (0, test)" in str(found)
    assert "labels differ" in str(found)
    assert "different splits" in str(found)
    assert found.severity == "warning"
    (found,) = pixel_identical(s, labels)
    assert "split" not in found.rule


@pytest.mark.shared
def test_the_real_cohort(tmp_path):
    if not BUSI.exists():
        pytest.skip("../shared/data/busi is not here")
    cohort = read_manifest(BUSI / "manifest.csv", positive="malignant", same_bytes="warn")
    s = prepare_store(cohort, size_px=224, cache=tmp_path)
    assert s.images.shape == (780, 224, 224, 3)
    assert s.path.stat().st_size == 780 * 224 * 224 * 3 + 128
    labels = cohort.analysed.set_index("case_id")["label"]
    (found,) = pixel_identical(s, labels)
    assert "benign_433" in found.rule
    assert "malignant_145" in found.rule


# bad_input.md 23, 25


def test_named_frames_and_cautions_of_dicom(tmp_path):
    """Each row gets its frame; burned-in annotation is warned of with the lines, made anew or taken from the store."""
    from dicom_files import made as dicom_file

    rng = np.random.default_rng(0)
    frames = rng.integers(0, 4096, (4, 20, 30), dtype=np.uint16)
    (tmp_path / "a.dcm").write_bytes(dicom_file(frames, NumberOfFrames=4, BurnedInAnnotation="YES"))
    rows = [f"c{i},p{i},a.dcm#frame={i},{i % 2}\n" for i in range(1, 5)]
    path = tmp_path / "manifest.csv"
    path.write_text("case_id,patient_id,image,label\n" + "".join(rows))
    for s in (made(path), made(path)):
        for i in range(1, 5):
            one = decode(tmp_path / "a.dcm", frame=i).pixels
            assert np.array_equal(s.images[i - 1], prepare(one, size_px=16))
        (caution,) = s.cautions
        assert "4 images (lines 2, 3, 4, 5): burned-in annotation" in str(caution)
    path.write_text("case_id,patient_id,image,label\n" + "".join(rows).replace("#frame=4", "#frame=5"))
    with pytest.raises(InputError, match=r"manifest\.csv, line 5, column image: there is no frame 5.*a\.dcm#frame=5"):
        made(path)
