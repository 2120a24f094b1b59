"""bad_input.md 26: names in DICOM headers and EXIF, and patients' ids, reach no output, log, cache or message of a whole run."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from dicom_files import made
from PIL import Image

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment.file import (
    AnalysisSection,
    CohortSection,
    ComputeSection,
    Experiment,
    HeadsSection,
    ImagesSection,
    NetworksSection,
    TrainSection,
)
from hybridcx.progress import Progress

HEADER_CANARY, EXIF_CANARY, ID_CANARY = "CANARY^PATIENT", "EXIFCANARY^JANE", "IDCANARY"
CANARIES = [c.encode() for c in ("CANARY", "JANE", "idcanary")]


def experiment() -> Experiment:
    return Experiment(
        name="names",
        seed=1,
        cohort=CohortSection(manifest="manifest.csv"),
        images=ImagesSection(size_px=32),
        networks=NetworksSection(names=["squeezenet1_1"], weights="none"),
        train=TrainSection(epochs=1, batch_size=8),
        heads=HeadsSection(names=["lda"], folds=2),
        compute=ComputeSection(device="cpu", threads=1),
        analysis=AnalysisSection(n_bootstrap=100),
    )


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """60 cases, half of them DICOM, half JPEG; names stand in every header and in EXIF, ids in the manifest."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x010E] = exif[0x013B] = exif[0x9C9B] = EXIF_CANARY
    rows = ["case_id,patient_id,image,label"]
    for i in range(60):
        label = i % 4 < 2
        values = rng.integers(0, 3000, (40, 40)) + 900 * label
        if i % 2:
            fields = {"PhotometricInterpretation": "MONOCHROME1"} if i % 3 else {"BurnedInAnnotation": "YES"}
            (folder / f"{i}.dcm").write_bytes(made(values.astype(np.uint16), **fields))
        else:
            Image.fromarray((values / 16).astype(np.uint8)).save(folder / f"{i}.jpg", exif=exif)
        rows.append(f"c{i},{ID_CANARY}{i},{i}.{'dcm' if i % 2 else 'jpg'},{'abnormal' if label else 'normal'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert EXIF_CANARY.encode() in (folder / "0.jpg").read_bytes()
    assert HEADER_CANARY.encode() in (folder / "1.dcm").read_bytes()
    return folder


def assert_clean(*folders: Path) -> None:
    n = 0
    for path in (p for folder in folders for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        found = [c for c in CANARIES if c in data or c.lower() in data.lower()]
        assert not found, f"{found} in {path.name}"
        n += 1
    assert n > 20


def test_no_name_and_no_patient_id_leaves_the_images_and_the_manifest(cohort, tmp_path, caplog, capfd, recwarn):
    out, cache = tmp_path / "report", tmp_path / "cache"
    with caplog.at_level(logging.DEBUG), Progress(verbose=True) as progress:
        hybridcx.run(experiment(), base=cohort, out=out, cache=cache, progress=progress)
    assert_clean(out, cache)
    said = caplog.text + "".join(capfd.readouterr()) + "".join(str(w.message) for w in recwarn)
    log = (out / "hybridcx.log").read_text(encoding="utf-8")
    page = (out / "report.html").read_text(encoding="utf-8")
    for text in (said, log, page):
        assert "CANARY" not in text.upper()
    assert "burned-in annotation: the header says" in log
    assert "MONOCHROME1 inverted (20)" in page
    assert "burned-in annotation: the header says" in page


def test_no_name_stands_in_the_error_of_damaged_images(cohort, tmp_path, caplog, capfd):
    for name in ("1.dcm", "3.dcm", "0.jpg", "2.jpg"):
        data = (cohort / name).read_bytes()
        (cohort / name).write_bytes(data[: len(data) * 3 // 4])
    with caplog.at_level(logging.DEBUG), Progress(verbose=True) as progress, pytest.raises(InputError) as error:
        hybridcx.run(experiment(), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache", progress=progress)
    said = str(error.value)
    assert [f"line {row}, column image" in said for row in (2, 3, 4, 5)] == [True] * 4
    assert "CANARY" not in said + caplog.text + "".join(capfd.readouterr())
    for path in (p for p in tmp_path.rglob("*") if p.is_file() and cohort not in p.parents):
        assert b"CANARY" not in path.read_bytes()
