"""`hybridcx cohort` on the command line: default place, messages, exit codes, and that `check` and `run --dry-run` accept the manifest."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

RNG = np.random.default_rng(2)


@pytest.fixture
def folder(here):
    for label in ("normal", "abnormal"):
        (here / "images" / label).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(RNG.integers(0, 256, (24, 24), dtype=np.uint8)).save(
                here / "images" / label / f"P-{i // 2:04d}_{label}{i}.png"
            )
    return here / "images"


def test_the_manifest_is_written_into_the_folder(folder, call, monkeypatch):
    monkeypatch.setattr("hybridcx.heads.probe.TREES", 5)
    code, out, err = call("cohort", "images", "--quiet")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].replace("\\", "/") == "images/manifest.csv"
    assert lines[1:3] == ["20 images: abnormal (10), normal (10)", "labels: names of the class folders"]
    assert [line.split(":")[0] for line in lines[3:]] == ["- Warning"] * 2
    assert "5 tokens that look like a patient (such as P-0000) in the names of 20 cases" in out
    code, out, _ = call("check", "images/manifest.csv")
    assert code == 0
    assert "5 tokens that look like a patient" in out

    code, out, err = call("cohort", "images", "--quiet")
    assert (code, out) == (2, "")
    assert "the file exists already" in err
    code, out, err = call("cohort", "images", "--out", "m.csv", "--patient-pattern", r"(P-\d+)", "--quiet")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "m.csv"
    assert "patient ids: by --patient-pattern" in out
    assert "5 patients" in out
    code, out, _ = call("check", "m.csv")
    assert code == 0
    assert "looks like a patient" not in out
    assert "look like a patient" not in out


def test_bad_usage_writes_nothing(folder, call, here):
    for arguments, message in (
        (["none"], "there is no such folder"),
        (["images", "--labels", "none.csv"], "there is no such file"),
        (["images", "--patient-pattern", "["], "no regular expression"),
        (["images", "--positive", "abnormall"], "Did you mean 'abnormal'"),
        ([], "Missing argument"),
    ):
        code, out, err = call("cohort", *arguments)
        assert (code, out) == (2, ""), arguments
        assert message in err
    assert not (folder / "manifest.csv").exists()
