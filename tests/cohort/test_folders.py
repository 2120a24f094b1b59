"""A manifest from folders: labels, splits, patients and keys of a table, and what is reported where they cannot be determined."""

from __future__ import annotations

import os
import sys
import time

import numpy as np
import pytest
from dicom_files import CANARY, RAMP, made
from PIL import Image
from pydicom import uid

import hybridcx
from hybridcx.cohort.folder_files import without_ending
from hybridcx.errors import InputError

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def quick_probe(monkeypatch):
    """The probe for shortcuts has tests of its own (pipeline/test_shortcuts.py)."""
    monkeypatch.setattr("hybridcx.heads.probe.TREES", 5)


def picture(path, size=(24, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, size, dtype=np.uint8)).save(path)
    return path


def dicom(path, patient="p1", **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 4096, (32, 32), dtype=np.uint16)
    path.write_bytes(made(pixels, PatientID=patient, **fields))
    return path


def table(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def messages(result):
    return "\n".join(str(p) for p in result.problems)


def accepted(path):
    found = hybridcx.check(path)
    assert found.sound, found.table.to_string()
    return found


def refused(*arguments, **options):
    with pytest.raises(InputError) as error:
        hybridcx.cohort(*arguments, **options)
    return str(error.value)


def test_class_folders(tmp_path):
    for label in ("normal", "abnormal"):
        for i in range(10):
            picture(tmp_path / "d" / label / f"{label}_{i}.png")
    result = hybridcx.cohort(tmp_path / "d")
    assert not (tmp_path / "d" / "manifest.csv").exists()
    assert list(result.frame) == ["case_id", "patient_id", "image", "label"]
    assert result.frame.iloc[0].tolist() == ["abnormal_0", "abnormal_0", "abnormal/abnormal_0.png", "abnormal"]
    assert result.notes == ("20 images: abnormal (10), normal (10)", "labels: names of the class folders")
    (problem,) = result.problems
    assert "the case id stands for the patient" in problem.rule
    assert "intervals become too short" in problem.rule
    written = hybridcx.cohort(tmp_path / "d", out=tmp_path / "d" / "manifest.csv")
    assert written.path.read_text(encoding="utf-8").startswith("case_id,patient_id,image,label\nabnormal_0,")
    accepted(written.path)


@pytest.mark.parametrize("order", ["split/class", "class/split"])
def test_splits_of_folders_and_patients_by_a_pattern(tmp_path, order):
    n = 0
    for split, k in (("Train", 12), ("valid", 6), ("test", 6)):
        for label in ("NORMAL", "PNEUMONIA"):
            for i in range(k):
                folder = f"{split}/{label}" if order == "split/class" else f"{label}/{split}"
                picture(tmp_path / "xray" / folder / f"person{n // 2}_{i}.jpeg")
                n += 1
    result = hybridcx.cohort(
        tmp_path / "xray", out=tmp_path / "cohort.csv", patient_pattern=r"(person\d+)", positive="PNEUMONIA"
    )
    frame = result.frame
    assert frame["split"].value_counts().to_dict() == {"train": 24, "validation": 12, "test": 12}
    assert set(frame["label"]) == {"NORMAL", "PNEUMONIA"}
    assert frame["patient_id"].nunique() == 24
    assert frame["image"].str.startswith("xray/").all()
    assert "24 patients" in result.notes
    assert result.problems == ()
    found = hybridcx.check(tmp_path / "cohort.csv", positive="PNEUMONIA")
    assert found.sound, found.table.to_string()
    without = hybridcx.cohort(tmp_path / "xray")
    assert "24 tokens that look like a patient" in messages(without)
    assert r'run again with --patient-pattern "(person\d+)" (its group is the patient).' in messages(without)


def test_patients_in_two_splits_are_counted(tmp_path):
    for split in ("train", "test"):
        for label in ("normal", "abnormal"):
            for i in range(4):
                picture(tmp_path / split / label / f"p{i}_{label}_{split}.png")
    assert "4 patients in more than one split" in messages(hybridcx.cohort(tmp_path, patient_pattern="(p[0-9]+)_"))


def test_other_splits_than_train_and_test_are_kept_aside(tmp_path):
    for label in ("normal", "abnormal"):
        picture(tmp_path / "train" / label / f"{label}1.png")
        picture(tmp_path / "val" / label / f"{label}2.png")
    result = hybridcx.cohort(tmp_path)
    assert "split" not in result.frame
    assert set(result.frame["folder_split"]) == {"train", "validation"}
    assert "train and test are needed" in messages(result)


def test_more_than_two_classes(tmp_path):
    for label in ("benign", "malignant", "normal"):
        for i in range(4):
            picture(tmp_path / label / f"{i}.png")
    assert "3 labels from the folders (benign, malignant, normal), and an analysis needs two" in messages(
        hybridcx.cohort(tmp_path)
    )
    result = hybridcx.cohort(tmp_path, positive="malignant", out=tmp_path / "m.csv")
    assert result.frame["label"].value_counts().to_dict() == {"not_malignant": 8, "malignant": 4}
    assert result.frame["class"].value_counts().to_dict() == {"benign": 4, "malignant": 4, "normal": 4}
    assert result.frame["case_id"].tolist()[:2] == ["benign/0", "benign/1"]
    assert hybridcx.check(tmp_path / "m.csv", positive="malignant").sound
    assert "did you mean 'malignant'" in refused(tmp_path, positive="malignent").lower()


def labelled_images(tmp_path, labels):
    lines = [f"{i}.png,{label}" for i, label in enumerate(labels)]
    for i in range(len(labels)):
        picture(tmp_path / "d" / f"{i}.png")
    return table(tmp_path / "labels.csv", "\n".join(["filename,label", *lines]))


@pytest.mark.parametrize("word", ["NA", "nan", "None", "", " n/a ", "#N/A", "."])
def test_missing_labels_are_left_out_and_counted(tmp_path, word):
    labels = labelled_images(tmp_path, ["normal", "abnormal", word, "normal", word])
    for positive in (None, "abnormal"):
        result = hybridcx.cohort(tmp_path / "d", labels=labels, positive=positive)
        assert result.frame["label"].tolist() == ["normal", "abnormal", "normal"]
        assert "rows without a label, left out (2 rows: lines 4, 6)" in messages(result)
        assert "2 images left out: no label in labels.csv" in messages(result)
    labels = labelled_images(tmp_path, [word, word])
    assert "labels.csv: no labels: all cells are blank or NA" in refused(tmp_path / "d", labels=labels)


@pytest.mark.parametrize("positive", [None, "abnormal"])
@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ("abnornal", "line 5, column label: 'abnornal' (1 rows) is probably a misspelling of 'abnormal' (2 rows)"),
        ("Normal", "line 5, column label: 2 spellings of one label: 'normal' (line 2), 'Normal' (line 5)"),
    ],
)
def test_misspelt_labels_of_a_table_are_refused(tmp_path, positive, odd, message):
    labels = labelled_images(tmp_path, ["normal", "abnormal", "abnormal", odd, "benign"])
    assert message in refused(tmp_path / "d", labels=labels, positive=positive)


@pytest.mark.parametrize("positive", [None, "abnormal"])
def test_misspelt_class_folders_are_refused(tmp_path, positive):
    for label in ("normal", "abnormal", "abnornal"):
        picture(tmp_path / "a" / label / f"{label}.png")
    assert "'abnornal' (1 images) is probably a misspelling of 'abnormal' (1 images)" in refused(
        tmp_path / "a", positive=positive
    )
    for split, label in (("train", "Normal"), ("test", "normal"), ("train", "abnormal")):
        picture(tmp_path / "b" / split / label / f"{label}.png")
    assert "2 spellings of one class: the folders normal, Normal" in refused(tmp_path / "b", positive=positive)


def test_a_class_folder_named_na_is_no_class(tmp_path):
    for label in ("normal", "abnormal", "NA"):
        picture(tmp_path / label / f"{label}.png")
    result = hybridcx.cohort(tmp_path)
    assert set(result.frame["label"]) == {"normal", "abnormal"}
    assert "1 image left out: no label, since they lie in no class folder (NA, nan and None are no class)" in messages(
        result
    )


def test_files_left_out_are_counted_by_cause(tmp_path):
    d = tmp_path / "d"
    for label in ("normal", "abnormal"):
        for i in range(3):
            picture(d / label / f"{label}{i}.png")
    picture(d / "normal" / "normal0_mask.png")
    picture(d / "normal" / "normal0_mask_1.png")
    picture(d / "abnormal" / "lone_mask.png")
    picture(d / "loose.png")
    (d / "normal" / "notes.txt").write_text("x", encoding="utf-8")
    (d / "normal" / "readme.md").write_text("x", encoding="utf-8")
    (d / "normal" / "empty.png").write_bytes(b"")
    (d / "normal" / ".DS_Store").write_bytes(b"x")
    (d / "normal" / "Thumbs.db").write_bytes(b"x")
    (d / "normal" / "old.bmp").write_bytes(b"BM" + b"\0" * 60)
    frames = [Image.new("L", (8, 8), v) for v in (0, 9)]
    frames[0].save(d / "normal" / "stack.tif", save_all=True, append_images=frames[1:])
    frames[0].save(d / "normal" / "film.png", save_all=True, append_images=frames[1:])
    result = hybridcx.cohort(d)
    text = messages(result)
    assert sorted(result.frame["case_id"]) == sorted(
        ["lone_mask", *(f"{c}{i}" for c in ("normal", "abnormal") for i in range(3))]
    )
    for line in (
        "2 files left out: a mask by its name",
        "2 files left out: not an image in a known format",
        "1 file left out: an image file of zero bytes",
        "2 files left out: hidden or made by the system",
        "1 file left out: a BMP file",
        "1 file left out: several frames (TIFF)",
        "1 file left out: several frames (PNG)",
        "1 image left out: no label, since they lie in no class folder (found: 'loose.png')",
    ):
        assert line in text
    assert len(result.problems) == 9


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights, and names are restricted")
def test_links_pipes_and_odd_names(tmp_path):
    d, outside = tmp_path / "d", picture(tmp_path / "elsewhere" / "x.png")
    for i in range(4):
        picture(d / "normal" / f"n{i}.png")
        picture(d / "abnormal" / f"a{i}.png")
    (d / "normal" / "out.png").symlink_to(outside)
    (d / "normal" / "again.png").symlink_to(d / "normal" / "n0.png")
    (d / "normal" / "gone.png").symlink_to(d / "nothing.png")
    (d / "normal" / "circle.png").symlink_to(d / "normal" / "circle.png")
    (d / "third").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(d / "normal" / "pipe.png")
    for name in ("a\\b.png", "a\nb.png", "c#frame=2"):
        picture(d / "abnormal" / "z.png").rename(d / "abnormal" / name)
    for name in (
        "ünï cödé.png",
        "'quote\".png",
        "two, commas.png",
        "0007.PNG",
        "-x.png",
        "=1+1.png",
        "~home.png",
        "C:x.png",
    ):
        picture(d / "abnormal" / "z.png").rename(d / "abnormal" / name)
    Image.new("L", (24, 24)).save(d / os.fsdecode(b"normal/\xff.png"), format="PNG")
    result = hybridcx.cohort(d, out=d / "manifest.csv")
    for cause in (
        "a link that leaves the folder",
        "a link to another place in the folder",
        "a linked folder",
        "a pipe, a socket",
    ):
        assert f"1 file left out: {cause}" in messages(result)
    assert "2 files left out: a link to nothing" in messages(result)
    assert "4 files left out: a name with control characters" in messages(result)
    assert len(result.frame) == 16
    assert {"./-x", "./=1+1", "0007"} <= set(result.frame["case_id"])
    accepted(d / "manifest.csv")


def test_a_file_at_the_top_with_an_odd_name_is_accepted(tmp_path):
    names = ["=a.png", "~b.png", "-c.png", "d.png"]
    for name in names:
        picture(tmp_path / "z.png").rename(tmp_path / name)
    labels = table(
        tmp_path / "labels.csv", "filename,label\n" + "".join(f"./{n},{i % 2}\n" for i, n in enumerate(names))
    )
    result = hybridcx.cohort(tmp_path, labels=labels, out=tmp_path / "m.csv")
    assert "./=a.png" in result.frame["image"].tolist()
    accepted(tmp_path / "m.csv")


# Tables of labels


def xrays(tmp_path):
    d = tmp_path / "d"
    for p in range(4):
        for i in range(2):
            dicom(d / f"A{p}" / "S1" / f"IM{i}", patient=f"id{p}")
    return d


def test_dicom_with_labels_of_patients(tmp_path):
    d = xrays(tmp_path)
    labels = table(
        tmp_path / "l.csv",
        "patient_id,diagnosis,sex\nid0,normal,f\nid1,abnormal,m\nid2,normal,f\nid3,abnormal,m\nid9,normal,f\n",
    )
    result = hybridcx.cohort(d, labels=labels, out=d / "manifest.csv")
    assert list(result.frame) == ["case_id", "patient_id", "image", "label", "sex"]
    assert result.frame.iloc[2].tolist() == ["A1/S1/IM0", "id1", "A1/S1/IM0", "abnormal", "m"]
    assert "labels: column 'diagnosis' of l.csv, its column 'patient_id' matched with patient ids" in result.notes
    assert "line 6, column patient_id: rows without a patient in the folder" in messages(result)
    accepted(d / "manifest.csv")
    text = (d / "manifest.csv").read_text(encoding="utf-8") + repr(result)
    assert CANARY not in text


def test_dicom_with_labels_by_sop_instance_uid(tmp_path):
    d = tmp_path / "d"
    uids = [uid.generate_uid() for _ in range(4)]
    for i, u in enumerate(uids):
        dicom(d / "same" / f"{i}" / "image.dcm", patient=f"id{i}", SOPInstanceUID=u)
    labels = table(tmp_path / "l.csv", "uid,label\n" + "".join(f"{u},{i % 2}\n" for i, u in enumerate(uids)))
    result = hybridcx.cohort(d, labels=labels)
    assert result.frame["label"].tolist() == ["0", "1", "0", "1"]
    assert any("matched with SOPInstanceUID" in n for n in result.notes)


@pytest.mark.parametrize(
    ("cell", "by"),
    [
        ("d\\normal\\{0}.png", "file names"),
        ("C:\\Users\\me\\data\\d\\s1\\{0}.png", "paths"),
        ("./s1/{0}.png", "paths"),
        ("s1/{0}.png", "paths"),
        ("{0}.png", "file names"),
        ("elsewhere/{0}.png", "file names"),
        ("{0}", "case ids"),
        ("s1/{0}", "paths without ending"),
        ("{0}.JPG", "file names without ending"),
    ],
)
def test_keys_of_a_table(tmp_path, cell, by):
    for i in range(6):
        picture(tmp_path / "d" / "s1" / f"im{i}.png")
    rows = "".join(f'"{cell.format(f"im{i}")}",{"ab"[i % 2]},{20 + i}\n' for i in range(6))
    result = hybridcx.cohort(tmp_path / "d", labels=table(tmp_path / "l.csv", "file,label,age\n" + rows))
    assert result.frame["label"].tolist() == list("ababab")
    assert result.frame["age"].tolist() == [str(20 + i) for i in range(6)]
    assert "file" not in result.frame
    assert result.notes[-1] == f"labels: column 'label' of l.csv, its column 'file' matched with {by}"


def test_a_name_that_fits_two_images_fits_none(tmp_path):
    for folder in ("a", "b"):
        for i in range(3):
            picture(tmp_path / "d" / folder / f"{i + (folder == 'b')}.png")
    rows = "".join(f"{i}.png,{i % 2}\n" for i in range(4))
    result = hybridcx.cohort(tmp_path / "d", labels=table(tmp_path / "l.csv", "image,label\n" + rows))
    assert result.frame["image"].tolist() == ["a/0.png", "b/3.png"]
    assert "4 images left out: no label in l.csv" in messages(result)
    assert "rows without an image in the folder, left out (2 rows: lines 3, 4)" in messages(result)


def test_tables_that_contradict_themselves_or_fit_nothing(tmp_path):
    for i in range(4):
        picture(tmp_path / "d" / f"im{i}.png")
    d = tmp_path / "d"
    write = lambda text: table(tmp_path / "l.csv", text)  # noqa: E731
    text = refused(d, labels=write("file,label\nim0.png,a\nim0.png,b\nim1.png,b\n"))
    assert "l.csv, line 2, column label: rows of one image with different labels (2 rows: lines 2, 3)" in text
    assert "no row names an image of the folder (columns tried: file)" in refused(
        d, labels=write("file,label\nx,a\ny,b\n")
    )
    assert "several columns could be the label: target, diagnosis" in refused(
        d, labels=write("file,target,diagnosis\nim0,a,b\n")
    )
    assert "no column is named as a label" in refused(d, labels=write("file,finding\nim0,a\n"))
    assert (
        "did you mean 'finding'" in refused(d, labels=write("file,finding\nim0,a\n"), label_column="findings").lower()
    )
    assert "a single class" in refused(d, labels=write("file,finding\nim0,a\n"), label_column="finding")
    assert "there is no such file" in refused(d, labels=tmp_path / "none.csv")
    good = hybridcx.cohort(d, labels=write("file,label\nim0,a\nim0,a\nim1,b\nim2,\n"))
    assert good.frame["label"].tolist() == ["a", "b"]
    assert "line 3: further rows of one image with the same label" in messages(good)
    assert "line 5, column label: rows without a label, left out" in messages(good)


def test_splits_patients_and_names_in_a_table(tmp_path):
    d = tmp_path / "d"
    rows = "PatientName,Patient,image,label,Split,case_id\n"
    for i in range(16):
        picture(d / f"im{i}.png")
        rows += f"Doe^{i},q{i // 2},im{i}.png,{i // 2 % 2},{('Train', 'test')[i > 7]},c{i}\n"
    labels = table(tmp_path / "l.csv", rows)
    result = hybridcx.cohort(d, labels=labels, out=d / "m.csv")
    assert list(result.frame) == ["case_id", "patient_id", "image", "label", "split"]
    assert result.frame["case_id"].tolist()[:3] == ["c0", "c1", "c10"]
    assert result.frame["patient_id"].tolist()[:3] == ["q0", "q0", "q5"]
    assert set(result.frame["split"]) == {"train", "test"}
    assert "a column of names of persons, left out" in messages(result)
    assert "Doe" not in (d / "m.csv").read_text(encoding="utf-8") + repr(result)
    accepted(d / "m.csv")
    odd = hybridcx.cohort(d, labels=table(tmp_path / "l.csv", rows.replace("Train", "A")))
    assert "split" not in odd.frame
    assert "splits that are none of train, validation, test" in messages(odd)


def test_a_table_in_another_container(tmp_path):
    import pandas as pd

    for i in range(4):
        picture(tmp_path / "d" / f"im{i}.png")
    pd.DataFrame({"id": [f"im{i}" for i in range(4)], "target": [0, 1, 0, 1]}).to_parquet(tmp_path / "l.parquet")
    assert hybridcx.cohort(tmp_path / "d", labels=tmp_path / "l.parquet").frame["label"].tolist() == list("0101")
    (tmp_path / "d" / "l.csv").write_text("id;target\nim0;0\nim1;1\n", encoding="utf-8")
    inside = hybridcx.cohort(tmp_path / "d", labels=tmp_path / "d" / "l.csv")
    assert inside.frame["label"].tolist() == list("01")
    assert "known format" not in messages(inside)


# DICOM


def test_dicom_in_class_folders(tmp_path):
    for p in range(4):
        for i in range(2):
            dicom(tmp_path / ("normal", "abnormal")[p % 2] / f"{p}{i}.dcm", patient=f"id{p}")
    result = hybridcx.cohort(tmp_path, out=tmp_path / "m.csv")
    assert result.frame["patient_id"].value_counts().to_dict() == {f"id{p}": 2 for p in range(4)}
    assert "patient ids: PatientID of the DICOM files" in result.notes
    assert result.problems == ()
    accepted(tmp_path / "m.csv")


def test_dicom_files_left_out(tmp_path):
    d = xrays(tmp_path)
    (d / "DICOMDIR").write_bytes(made(RAMP, Rows=None, Columns=None))
    (d / "deflated.dcm").write_bytes(made(RAMP).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"))
    dicom(d / "multi.dcm", NumberOfFrames="3")
    (d / "damaged.dcm").write_bytes(made(RAMP)[:170])
    (d / "no_preamble.dcm").write_bytes(made(RAMP)[132:])
    whole = made(RAMP)
    at = whole.index(b"\x02\0\x10\0UI")  # a meta element of 9 MB before the transfer syntax
    element = b"\x02\0\x02\x01OB\0\0" + (9_000_000).to_bytes(4, "little") + bytes(9_000_000)
    (d / "long.dcm").write_bytes(whole[:at] + element + whole[at:])
    (d / "items.dcm").write_bytes(whole + b"\xfe\xff\0\xe0\0\0\0\0" * 100_001)
    labels = table(tmp_path / "l.csv", "patient_id,label\nid0,0\nid1,1\n")
    text = messages(hybridcx.cohort(d, labels=labels))
    assert "without an image (a report, a plan, a DICOMDIR?)" in text
    assert "1 file left out: a deflated DICOM file" in text
    assert "1 file left out: several frames (DICOM)" in text
    assert "1 file left out: a DICOM header of more than 4,194,304 bytes" in text
    assert "1 file left out: a DICOM file of more than 100,000 items" in text
    assert "1 file left out: a DICOM file that is truncated or damaged" in text
    assert "without the preamble" in text or "not an image in a known format" in text
    assert "4 images left out: no label in l.csv" in text
    assert CANARY not in text


def test_patient_ids_that_are_names_one_for_all_or_absent(tmp_path):
    for i in range(6):
        dicom(tmp_path / "names" / "ab"[i % 2] / f"{i}.dcm", patient=f"DOE^JANE{i // 2}")
        dicom(tmp_path / "one" / "ab"[i % 2] / f"{i}.dcm", patient="ANON")
        dicom(tmp_path / "gaps" / "ab"[i % 2] / f"{i}.dcm", patient=None if i > 3 else f"id{i}")
    names = hybridcx.cohort(tmp_path / "names")
    assert sorted(names.frame["patient_id"]) == sorted(f"patient_{k}" for k in (1, 1, 2, 2, 3, 3))
    assert "3 PatientIDs have the form of a name" in messages(names)
    assert "DOE" not in names.frame.to_csv() + repr(names)
    gaps = hybridcx.cohort(tmp_path / "gaps")
    assert gaps.frame.set_index("case_id")["patient_id"].to_dict() == {
        "0": "id0",
        "1": "id1",
        "2": "id2",
        "3": "id3",
        "4": "4",
        "5": "5",
    }
    assert "2 of 6 images without a patient id" in messages(gaps)
    labels = table(tmp_path / "l.csv", "file,label\n" + "".join(f"{i}.dcm,{i % 2}\n" for i in range(6)))
    assert "all DICOM files have the same PatientID" in messages(hybridcx.cohort(tmp_path / "one", labels=labels))


def test_folders_of_patients_are_no_classes(tmp_path):
    assert "4 folders that would be classes, each with one patient" in refused(xrays(tmp_path))
    for i in range(30):
        picture(tmp_path / "many" / f"folder{i}" / "x.png")
    assert "30 folders that would be classes" in refused(tmp_path / "many")


# Usage


def test_wrong_usage(tmp_path):
    d = tmp_path / "d"
    for label in ("normal", "abnormal"):
        picture(d / label / f"{label}.png")
    assert "there is no such folder" in refused(tmp_path / "none")
    assert "a file, not a folder" in refused(d / "normal" / "normal.png")
    (tmp_path / "empty").mkdir()
    assert "no images in this folder" in refused(tmp_path / "empty")
    assert "no labels" in refused(d / "normal")
    assert "give the folder" in refused(tmp_path).lower()
    assert "is no regular expression" in refused(d, patient_pattern="(")
    assert 'in parentheses: "(\\d+)"' in refused(d, patient_pattern=r"\d+")
    assert "patient_pattern fits no file" in refused(d, patient_pattern=r"(person\d+)")
    (tmp_path / "other").mkdir()
    assert "would not lie above the images" in refused(d, out=tmp_path / "other" / "m.csv")
    assert "would not lie above the images" in refused(d, out=d / "normal" / "m.csv")
    assert "a folder, not a file" in refused(d, out=tmp_path)
    before = table(d / "manifest.csv", "mine\n")
    assert "the file exists already" in refused(d, out=before)
    assert before.read_text(encoding="utf-8") == "mine\n"


def test_a_thousand_files_take_seconds(tmp_path):
    one = picture(tmp_path / "one.png").read_bytes()
    for label in ("normal", "abnormal"):
        (tmp_path / "d" / label).mkdir(parents=True)
        for i in range(500):
            (tmp_path / "d" / label / f"{label}{i}.png").write_bytes(one)
    rows = "".join(f"d\\{c}\\{c}{i}.png,{c}\n" for c in ("normal", "abnormal") for i in range(500))
    labels = table(tmp_path / "l.csv", "path,label\n" + rows)
    start = time.perf_counter()
    result = hybridcx.cohort(tmp_path / "d", labels=labels)
    assert time.perf_counter() - start < 10
    assert len(result.frame) == 1000
    assert (result.frame["label"] == result.frame["image"].str.split("/").str[0]).all()


def test_endings():
    assert [without_ending(n) for n in ("a.PNG", "a.b.dcm", "1.2.3", ".png", "scan")] == [
        "a",
        "a.b",
        "1.2.3",
        ".png",
        "scan",
    ]
