"""Pseudonyms: no case id and no file name in any byte of a folder, the same numbers, a key that stays outside; names that warnings leave out."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import hybridcx
from hybridcx.cohort.manifest import read_manifest
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
from hybridcx.pipeline.pseudonyms import Pseudonyms, pseudonyms
from hybridcx.progress import Progress

CASE, FILE = "zqcase", "zqfile"
CANARIES = (CASE, FILE, "zqpatient", "zqscan")


def assert_clean(folder: Path) -> None:
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert len(files) > 4
    for path in files:
        data = path.read_bytes().lower()
        assert not [c for c in CANARIES if c.encode() in data], path.name
        assert not [c for c in CANARIES if c in path.name.lower()]
        if path.suffix == ".parquet":  # its pages are compressed
            text = pd.read_parquet(path).to_csv().lower()
            assert not [c for c in CANARIES if c in text]


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for i in range(60):
        truth = i % 2
        common = {"case_id": f"{CASE}{i}", "y_true": "ill" if truth else "well"}
        common |= {
            "patient_id": f"zqpatient{i}",
            "file": f"zqscan{i}.png",
            "sex": "f" if i % 3 else "m",
            "reader_a": "ill" if rng.random() < 0.5 else "well",
            "reader_b": "ill",
        }
        for m, model in enumerate(("one", "two")):
            rows.append(
                {
                    **common,
                    "model": model,
                    "score": round(float(np.clip(rng.normal(0.4 + 0.2 * truth + 0.02 * m, 0.2), 0, 1)), 4),
                }
            )
    return pd.DataFrame(rows)


def compare(table: pd.DataFrame, folder: Path, name: str, **options: object) -> hybridcx.Report:
    path = folder / "predictions.csv"
    table.to_csv(path, index=False)
    with Progress(quiet=True) as progress:
        return hybridcx.compare(
            path, out=folder / name, positive="ill", n_bootstrap=200, by=["sex"], progress=progress, **options
        )


def test_a_comparison_has_pseudonyms_in_every_file_and_the_same_numbers(table, tmp_path):
    key = tmp_path / "key"
    readings = pd.DataFrame(
        {"case_id": table["case_id"].unique(), "reader_x": "ill", "reader_y": ["ill", "well", ""] * 20}
    )
    hidden = compare(table, tmp_path, "hidden", pseudonymise=key, readers=readings)
    plain = compare(table, tmp_path, "plain", readers=readings)
    assert_clean(hidden.folder)
    with pytest.raises(AssertionError):
        assert_clean(plain.folder)
    for name in ("confusion", "roc", "label_rules"):
        resampled = ["conf.low", "conf.high"] if name == "roc" else []  # draws depend on the sorted names of the cases
        pd.testing.assert_frame_equal(
            hidden.tables[name].drop(columns=resampled), plain.tables[name].drop(columns=resampled)
        )
    analytic = [~r.tables["metrics"]["method"].astype(str).str.startswith("bootstrap") for r in (hidden, plain)]
    pd.testing.assert_frame_equal(hidden.tables["metrics"][analytic[0]], plain.tables["metrics"][analytic[1]])
    # the same pseudonym in every file, and each case has one
    ledger = pd.read_csv(hidden.folder / "predictions.csv")
    assert set(hidden.tables["disagreements"]["case_id"]) <= set(ledger["case_id"])
    assert set(pd.read_csv(hidden.folder / "ratings.csv")["case_id"]) == set(ledger["case_id"])
    assert ledger["case_id"].nunique() == 60
    assert ledger["case_id"].str.fullmatch("p[0-9a-f]{16}").all()
    assert (
        ledger.groupby("model")["case_id"].apply(lambda c: c.is_monotonic_increasing).all()
    )  # the input's order tells nothing
    assert "file" not in ledger
    assert {"sex", "reader_a"} <= set(ledger)
    again = hybridcx.compare(
        hidden.folder / "predictions.csv", out=tmp_path / "again", positive="ill", n_bootstrap=200, by=["sex"]
    )
    pd.testing.assert_frame_equal(again.tables["metrics"], hidden.tables["metrics"])  # resampled values too
    found = hybridcx.verify(hidden.folder)
    assert found.differences.empty, found.differences


def test_an_agreement_has_pseudonyms_in_every_file(tmp_path):
    calls = pd.DataFrame(
        {
            "case_id": [f"{CASE}{i}" for i in range(30)],
            "reader_a": ["ill", "well", ""] * 10,
            "reader_b": ["ill", "well"] * 15,
        }
    )
    calls.to_csv(tmp_path / "ratings.csv", index=False)
    with Progress(quiet=True) as progress:
        made = hybridcx.agreement(
            tmp_path / "ratings.csv",
            out=tmp_path / "out",
            n_bootstrap=100,
            pseudonymise=tmp_path / "key",
            progress=progress,
        )
    assert_clean(made.folder)
    said = (made.folder / "hybridcx.log").read_text(encoding="utf-8")
    names = pseudonyms(tmp_path / "key", made.folder)
    assert "10 of 30 cases were read by one reader only" in said
    assert names.of(f"{CASE}2") in said  # warnings name the case by its pseudonym


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """60 cases: two byte-identical files, two of the same pixels, readings with gaps, a reason that names a case."""
    folder = tmp_path / "cohort"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = ["case_id,patient_id,image,label,excluded,reader_a,reader_b"]
    for i in range(60):
        label = i % 4 < 2
        name = f"{FILE}{i:02d}.png"
        if i == 5:
            (folder / name).write_bytes((folder / f"{FILE}01.png").read_bytes())
        elif i == 9:
            with Image.open(folder / f"{FILE}04.png") as twin:
                twin.save(folder / name, compress_level=0)
        else:
            Image.fromarray(rng.integers(0, 180, (40, 40)).astype(np.uint8) + np.uint8(60 * label)).save(folder / name)
        word = "abnormal" if label else "normal"
        reason = f"a copy of {CASE}05" if i == 59 else ""
        rows.append(
            f"{CASE}{i:02d},zqpatient{i:02d}{' ' * (i == 7)},{name},{word},{reason},{word},{'' if i % 7 == 0 else word}"
        )
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def experiment() -> Experiment:
    return Experiment(
        name="names",
        seed=1,
        cohort=CohortSection(manifest="manifest.csv", same_bytes="warn"),
        images=ImagesSection(size_px=32),
        networks=NetworksSection(names=["squeezenet1_1"], weights="none"),
        train=TrainSection(epochs=1, batch_size=8),
        heads=HeadsSection(names=["lda"], folds=2),
        compute=ComputeSection(device="cpu", threads=1),
        analysis=AnalysisSection(n_bootstrap=100),
    )


def test_a_run_has_pseudonyms_in_every_file_and_its_stages_are_taken_from_the_cache(cohort, tmp_path):
    where = {"base": cohort, "cache": tmp_path / "cache"}
    with Progress(quiet=True) as progress:
        plain = hybridcx.run(experiment(), out=tmp_path / "plain", progress=progress, **where)
    log = (tmp_path / "plain" / "hybridcx.log").read_text(encoding="utf-8")
    assert FILE not in log  # the names of files and patients stay out in any case
    assert "zqpatient" not in log
    assert "on the lines 3, 7" in log
    assert f"{CASE}01, {CASE}05" in log
    assert f"white space at the beginning or end, kept as it is: {CASE}07" in log
    with Progress(quiet=True) as progress:
        hidden = hybridcx.run(
            experiment(), out=tmp_path / "hidden", pseudonymise=tmp_path / "key", progress=progress, **where
        )
    assert_clean(hidden.folder)
    names = pseudonyms(tmp_path / "key", hidden.folder)
    said = (hidden.folder / "hybridcx.log").read_text(encoding="utf-8")
    assert f"{names.of(CASE + '01')}, {names.of(CASE + '05')}" in said
    assert f"a copy of {names.of(CASE + '05')}" in (hidden.folder / "flow.csv").read_text(encoding="utf-8")
    record = json.loads((hidden.folder / "provenance.json").read_text(encoding="utf-8"))
    assert record["pseudonyms"]["key_sha256"] == names.described["key_sha256"]
    ours, theirs = (pd.read_csv(f / "predictions.csv") for f in (hidden.folder, plain.folder))
    theirs["case_id"] = theirs["case_id"].map(names.of)
    both = [
        f.sort_values(["model", "case_id"], ignore_index=True)[["model", "case_id", "y_true", "score"]]
        for f in (ours, theirs)
    ]
    pd.testing.assert_frame_equal(*both)  # nothing was trained again in another order
    split = pd.read_csv(hidden.folder / "split.csv")
    assert set(split["case_id"]) == set(ours["case_id"])
    lineage = json.loads((hidden.folder / "lineage.json").read_text(encoding="utf-8"))
    assert {c for cases in lineage["case_sets"].values() for c in cases} <= set(split["case_id"])


def test_the_key_is_its_owners_and_stays_outside_the_folder(tmp_path):
    out, key = tmp_path / "out", tmp_path / "key"
    made = pseudonyms(key, out)
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert pseudonyms(key, out).of("a") == made.of("a")
    assert pseudonyms(tmp_path / "other", out).of("a") != made.of("a")
    assert made.key.hex() not in repr(made)
    with pytest.raises(InputError, match="the key would lie in the folder"):
        pseudonyms(out / "deep" / "key", out)
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(InputError, match="the key would lie in the folder"):
        pseudonyms(tmp_path / "link" / "out" / "key", out)
    (tmp_path / "bad").write_text("secret", encoding="ascii")
    with pytest.raises(InputError, match="no key"):
        pseudonyms(tmp_path / "bad", out)
    with pytest.raises(InputError, match="cannot be used"):
        pseudonyms(tmp_path / "absent" / "key", out)


def test_the_pseudonym_is_that_of_the_standard():
    """HMAC-SHA256 of the kind of id, a zero byte and the id as UTF-8, by the standard library."""
    key = bytes(range(32))
    digest = hmac.new(key, b"case\0c\xc3\xa9", hashlib.sha256).hexdigest()
    assert Pseudonyms(key).of("cé") == "p" + digest[:16]


def test_two_cases_of_one_pseudonym_are_refused(monkeypatch):
    names = Pseudonyms(bytes(32))
    monkeypatch.setattr(Pseudonyms, "_digest", lambda self, what, text: "p" + "0" * 16)
    assert names.of("a") == names.of("a")
    with pytest.raises(InputError, match="two cases would have one pseudonym"):
        names.of("b")


def test_the_names_of_files_stand_in_no_warning_of_a_manifest(cohort):
    for p in read_manifest(cohort / "manifest.csv", same_bytes="warn").warnings:
        assert FILE not in str(p)
        assert "zqpatient" not in str(p)
    assert str(replace(p, cases=tuple("abcdefghijklm"), rule="r", value=None, remedy=None)).endswith(
        "r: a, b, c, d, e, f, g, h, i, j and 3 more."
    )
