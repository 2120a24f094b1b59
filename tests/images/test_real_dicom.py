"""Real radiographs in DICOM and real SqueezeNet weights through the whole path, from the manifest to the report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pydicom
import pytest

import hybridcx
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

SHARED = Path(__file__).parents[2] / "../shared/data"
TILE = 300


def tiles(source: Path, folder: Path, n: int) -> list[str]:
    """Cut a radiograph into `n` DICOM files of its own header, uncompressed, the fullest ones first."""
    ds = pydicom.dcmread(source)
    stored = ds.pixel_array
    corners = [
        (r, c) for r in range(0, ds.Rows - TILE + 1, TILE // 2) for c in range(0, ds.Columns - TILE + 1, TILE // 2)
    ]
    corners.sort(key=lambda at: -float(stored[at[0] : at[0] + TILE, at[1] : at[1] + TILE].std()))
    names = []
    for i, (r, c) in enumerate(corners[:n]):
        tile = stored[r : r + TILE, c : c + TILE]
        ds.PixelData, ds.Rows, ds.Columns = tile.tobytes(), TILE, TILE
        ds["PixelData"].VR = "OW"
        ds["PixelData"].is_undefined_length = False
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        name = f"{source.stem}_{i}.dcm"
        ds.save_as(folder / name)
        names.append(name)
    return names


@pytest.mark.shared
def test_real_radiographs_and_real_weights_make_a_report(tmp_path):
    if not SHARED.exists():
        pytest.skip("../shared/data is not here: the run on real radiographs and real weights did not take place")
    rows = ["case_id,patient_id,image,label"]
    names = set()
    for source, label in (("RG1_J2KI", "abnormal"), ("RG3_J2KI", "normal")):
        path = SHARED / f"dicom/{source}.dcm"
        (tmp_path / path.name).write_bytes(path.read_bytes())
        header = pydicom.dcmread(path, stop_before_pixels=True)
        names |= {str(header.get(k)) for k in ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID")}
        for image in [path.name, *tiles(path, tmp_path, 29)]:
            rows.append(f"{Path(image).stem},p{len(rows)},{image},{label}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    experiment = Experiment(
        name="radiographs",
        cohort=CohortSection(manifest="manifest.csv"),
        images=ImagesSection(size_px=64),
        networks=NetworksSection(
            names=["squeezenet1_1"], weights="folder", weights_dir=str((SHARED / "weights").resolve())
        ),
        train=TrainSection(enabled=False),
        heads=HeadsSection(names=["logistic", "lda"], features=["pretrained"], folds=3),
        compute=ComputeSection(device="cpu", threads=1),
        analysis=AnalysisSection(n_bootstrap=100),
    )
    report = hybridcx.run(experiment, base=tmp_path, out=tmp_path / "report", cache=tmp_path / "cache")
    page = report.page.read_text(encoding="utf-8")
    assert "Image files: 60 DICOM" in page
    assert "MONOCHROME1 inverted (60)" in page
    assert "whole SHA-256" in page
    ledger = pd.read_csv(tmp_path / "report/predictions.csv")
    assert set(ledger["model"]) == {"squeezenet1_1:pretrained+logistic", "squeezenet1_1:pretrained+lda"}
    assert ledger["case_id"].nunique() == 60
    written = [p for folder in ("report", "cache") for p in (tmp_path / folder).rglob("*") if p.is_file()]
    assert written
    for path in written:
        data = path.read_bytes()
        assert not [n for n in names if len(n) > 4 and n.encode() in data], path.name
