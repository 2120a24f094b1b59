"""The manifest: bad_input.md 3 to 11, 15, 16, 18, 24 and 48, exclusions and readers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from hybridcx.cohort.exclusions import flow
from hybridcx.cohort.files import safe_relative
from hybridcx.cohort.manifest import read_manifest
from hybridcx.cohort.readers import reader_ratings
from hybridcx.errors import InputError

BUSI = Path(__file__).parents[2] / "../shared/data/busi"
HEADER = "case_id,patient_id,image,label"


def refused(path, **options) -> str:
    with pytest.raises(InputError) as e:
        read_manifest(path, **options)
    return str(e.value)


def rows(*changed: str) -> list[str]:
    """Four sound rows, and those in `changed` at the end."""
    good = [f"c{i},p{i},images/{i}.png,{'abnormal' if i % 2 else 'normal'}" for i in range(1, 5)]
    return good + list(changed)


def test_a_sound_manifest(write_manifest):
    c = read_manifest(write_manifest())
    assert c.labels == ("normal", "abnormal")
    assert c.positive == "abnormal"
    assert c.y_true.tolist() == [True, False] * 3
    assert c.rows.tolist() == [2, 3, 4, 5, 6, 7]
    assert [p.name for p in c.image_paths] == [f"{i}.png" for i in range(1, 7)]
    assert c.groups.tolist() == [0, 1, 2, 3, 4, 5]
    assert not c.has_split
    assert c.frame["crop_left"].isna().all()
    assert c.warnings == ()
    assert len(c.image_sha256) == 6


def test_the_hash_covers_the_manifest_and_the_images(write_manifest, tmp_path):
    path = write_manifest()
    before = read_manifest(path).sha256
    assert read_manifest(path).sha256 == before
    Image.new("L", (5, 5), 7).save(tmp_path / "images" / "1.png")
    assert read_manifest(path).sha256 != before


def test_ids_stay_text_and_na_is_a_label(write_manifest):
    path = write_manifest(["007,1e5,images/1.png,NA", "1e5,zero,images/2.png,1"])
    c = read_manifest(path)
    assert c.frame["case_id"].tolist() == ["007", "1e5"]
    assert c.frame["patient_id"].tolist() == ["1e5", "zero"]
    assert c.labels == ("NA", "1")
    assert any("R and pandas" in str(w) for w in c.warnings)


def test_a_patient_id_of_na_is_missing(write_manifest):
    text = refused(write_manifest(["c1,NA,images/1.png,normal", "c2,NA,images/2.png,abnormal"]))
    assert "column patient_id: blank (2 rows: lines 2, 3)" in text


def test_blanks_name_their_rows(write_manifest):
    text = refused(write_manifest(rows(",p5,images/5.png,normal", "c6, ,images/6.png,", "c7,p7,,normal")))
    assert "line 6, column case_id: blank" in text
    assert "line 7, column patient_id: blank" in text
    assert "line 7, column label: blank" in text
    assert "line 8, column image: blank" in text


def test_a_case_twice(write_manifest):
    assert "line 6, column case_id: a repeated case (found: 'c1')" in refused(
        write_manifest(rows("c1,p5,images/5.png,normal"))
    )


def test_one_image_on_two_rows(write_manifest):
    text = refused(write_manifest(rows("c5,p5,images/../images/1.png,normal", "c6,p6,./images/2.png,normal")))
    assert "line 6, column image: a path that leaves" in text
    assert "one image on 2 rows (lines 3, 7)" in text


def test_the_same_bytes_under_two_labels(write_manifest, tmp_path):
    path = write_manifest(n=6)
    shutil.copy(tmp_path / "images" / "1.png", tmp_path / "images" / "2.png")
    text = refused(path)
    assert "the same bytes under 2 labels, on the lines 2, 3" in text
    assert "excluded" in text
    c = read_manifest(path, same_bytes="warn")
    assert "the same bytes under 2 labels" in str(c.warnings[0])


def test_the_same_bytes_under_one_label_are_said(write_manifest, tmp_path):
    path = write_manifest()
    shutil.copy(tmp_path / "images" / "1.png", tmp_path / "images" / "3.png")
    assert "the same bytes in 2 files of one label" in str(read_manifest(path).warnings[0])


def test_an_excluded_copy_is_no_duplicate(write_manifest, tmp_path):
    path = write_manifest(
        ["c1,p1,images/1.png,abnormal,", "c2,p2,images/1.png,normal,duplicate", "c3,p3,images/3.png,normal,"],
        HEADER + ",excluded",
    )
    assert len(read_manifest(path).analysed) == 2


def test_three_spellings_of_a_label(write_manifest):
    text = refused(write_manifest(rows("c5,p5,images/5.png,Normal", "c6,p6,images/6.png,normal ")))
    assert "3 spellings of one label" in text


def test_a_single_class_three_classes_and_no_known_positive(write_manifest):
    assert "single class" in refused(write_manifest(["c1,p1,images/1.png,1", "c2,p2,images/2.png,1"]))
    three = write_manifest(rows("c5,p5,images/5.png,unclear"))
    for positive in (None, "abnormal"):
        assert "3 labels where two are needed: abnormal, normal, unclear. Recode the labels" in refused(
            three, positive=positive
        )
    two = write_manifest(["c1,p1,images/1.png,malignant", "c2,p2,images/2.png,benign"])
    assert "--positive" in refused(two)
    assert read_manifest(two, positive="malignant").labels == ("benign", "malignant")
    assert "none of the labels" in refused(two, positive="bad")


@pytest.mark.parametrize("positive", [None, "abnormal"])
def test_a_misspelt_label_is_named(write_manifest, positive):
    text = refused(write_manifest(rows("c5,p5,images/5.png,abnornal")), positive=positive)
    assert "line 6, column label: 'abnornal' (1 rows) is probably a misspelling of 'abnormal' (2 rows)" in text
    assert "--positive" not in text
    assert "needed" not in text


def test_empty_and_header_alone(write_manifest, tmp_path):
    assert "no rows" in refused(write_manifest([]))
    (tmp_path / "e.csv").write_text("")
    assert "empty" in refused(tmp_path / "e.csv")
    assert "no such file" in refused(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "image",
    [
        "../1.png",
        "images/../../x.png",
        "/etc/passwd",
        "C:\\x.png",
        "C:/x.png",
        "\\\\host\\x.png",
        "images\\1.png",
        "~/x.png",
        "file:///x",
        "http://x/y.png",
    ],
)
def test_paths_that_leave_the_folder(write_manifest, image):
    text = refused(write_manifest(rows(f"c5,p5,{image},normal")))
    assert "line 6, column image" in text
    assert "below the folder" in text
    assert safe_relative(image) is not None


def test_a_link_that_leaves_the_folder(write_manifest, tmp_path):
    path = write_manifest(rows("c5,p5,images/link.png,normal"))
    outside = tmp_path.parent / f"{tmp_path.name}-outside.png"
    shutil.copy(tmp_path / "images" / "1.png", outside)
    try:
        (tmp_path / "images" / "link.png").symlink_to(outside)
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert "line 6, column image: a link that leaves the folder" in refused(path)


def test_a_circle_of_links_is_told(write_manifest, tmp_path):
    path = write_manifest(rows("c5,p5,images/a.png,normal"))
    try:
        (tmp_path / "images" / "a.png").symlink_to(tmp_path / "images" / "a.png")
    except OSError:
        pytest.skip("this system lets nobody make links")
    assert "line 6, column image" in refused(path)


def test_missing_files_folders_and_zero_bytes(write_manifest, tmp_path):
    path = write_manifest(rows("c5,p5,images/none.png,normal", "c6,p6,images,normal", "c7,p7,images/zero.png,normal"))
    (tmp_path / "images" / "zero.png").touch()
    text = refused(path)
    assert "line 6, column image: no such image file (found: 'images/none.png')" in text
    assert "line 7, column image: a folder" in text
    assert "line 8, column image: an image file of zero bytes" in text


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_a_pipe_is_not_called_a_folder(write_manifest, tmp_path):
    path = write_manifest(rows("c5,p5,images/pipe.png,normal"))
    os.mkfifo(tmp_path / "images" / "pipe.png")
    assert (
        "line 6, column image: a pipe or a device, not an image file (found: 'images/pipe.png'). Check the path"
        in refused(path)
    )


def test_excluded_cases_need_neither_label_nor_image(write_manifest):
    path = write_manifest(
        [r + "," for r in rows()]
        + ["c5,p5,,,no image", "c6,p6,images/none.png,normal,surgery", "c7,p7,images/6.png,abnormal,surgery"],
        HEADER + ",excluded",
    )
    c = read_manifest(path)
    assert len(c.frame) == 7
    assert len(c.analysed) == 4
    assert c.analysed_rows.tolist() == [2, 3, 4, 5]
    table = flow(c)
    assert table["step"].tolist() == ["screened", "surgery", "no image", "analysed", "abnormal", "normal"]
    assert table["n"].tolist() == [7, 2, 1, 4, 2, 2]
    assert table["kind"].tolist() == ["screened", "excluded", "excluded", "analysed", "class", "class"]
    assert table["n.patients"].tolist() == [7, 2, 1, 4, 2, 2]


def test_an_exclusion_that_means_no_is_asked_about(write_manifest):
    text = refused(write_manifest([r + ",no" for r in rows()], HEADER + ",excluded"))
    assert "line 2, column excluded" in text
    assert "every case is excluded" in text


def test_two_spellings_of_a_reason(write_manifest):
    extra = ["c5,p5,images/5.png,normal,Trauma", "c6,p6,images/6.png,normal,trauma "]
    assert "spellings of one reason" in refused(write_manifest([r + "," for r in rows()] + extra, HEADER + ",excluded"))


def test_crop_boxes(write_manifest):
    header = HEADER + ",crop_left,crop_top,crop_right,crop_bottom"
    boxes = [",0,1,5,6", ",,,,", ",5,5,5,9", ",-1,0,4,4", ",1.5,0,4,4", ",1,2,,4"]
    good = [f"c{i},p{i},images/{i}.png,{'abnormal' if i % 2 else 'normal'}" for i in range(1, 7)]
    text = refused(write_manifest([r + b for r, b in zip(good, boxes, strict=True)], header))
    assert "line 4, column crop_left: a crop box of no area (found: '5, 5, 5, 9')" in text
    assert "line 5, column crop_left: a crop box outside the image" in text
    assert "line 6, column crop_left: a crop box edge that is no whole number" in text
    assert "line 7, column crop_left: a crop box with some edges only" in text
    c = read_manifest(write_manifest([r + b for r, b in zip(good, [boxes[0], boxes[1]] * 3, strict=True)], header))
    assert c.frame.loc[0, ["crop_left", "crop_top", "crop_right", "crop_bottom"]].tolist() == [0, 1, 5, 6]
    assert c.frame.loc[1, "crop_left"] is not None
    assert "needs four columns" in refused(write_manifest([r + ",1" for r in good], HEADER + ",crop_left"))


def test_splits_of_the_manifest(write_manifest):
    header = HEADER + ",split"
    good = [f"c{i},p{i},images/{i}.png,{'abnormal' if i % 2 else 'normal'}" for i in range(1, 7)]

    def told(*splits: str) -> str:
        return refused(write_manifest([f"{r},{s}" for r, s in zip(good, splits, strict=True)], header))

    assert "line 3, column split: an unknown split (found: 'tset')" in told(
        "train", "tset", "train", "train", "test", "test"
    )
    assert "line 3, column split: no split" in told("train", "", "train", "train", "test", "test")
    assert "the split 'test' has no case of the class normal" in told(
        "train", "train", "train", "train", "test", "train"
    )
    assert "the split 'test' has no case of the class abnormal, normal" in told(*["train"] * 6)
    c = read_manifest(
        write_manifest([f"{r},{s}" for r, s in zip(good, ["train"] * 4 + ["test"] * 2, strict=True)], header)
    )
    assert c.has_split


def test_a_patient_in_two_splits(write_manifest):
    header = HEADER + ",split"
    lines = [
        f"c{i},p{i % 5},images/{i}.png,{'abnormal' if i % 2 else 'normal'},{'test' if i > 4 else 'train'}"
        for i in range(1, 7)
    ]
    assert "line 7, column split: a patient in two splits (test, train) (found: 'p1')" in refused(
        write_manifest(lines, header)
    )


def test_the_same_bytes_across_splits_are_said(write_manifest, tmp_path):
    header = HEADER + ",split"
    good = [
        f"c{i},p{i},images/{i}.png,{'abnormal' if i % 2 else 'normal'},{'test' if i > 4 else 'train'}"
        for i in range(1, 7)
    ]
    path = write_manifest(good, header)
    shutil.copy(tmp_path / "images" / "1.png", tmp_path / "images" / "5.png")
    assert "they stand in different splits (test, train)" in str(read_manifest(path).warnings[0])


@pytest.mark.parametrize("column", ["case_id", "patient_id", "label", "image", "site"])
def test_formulas(write_manifest, column):
    row = {"case_id": "c5", "patient_id": "p5", "image": "images/5.png", "label": "normal", "site": "s"} | {
        column: "=HYPERLINK(1)"
    }
    path = write_manifest([r + ",s" for r in rows()] + [",".join(row.values())], HEADER + ",site")
    assert f"line 6, column {column}: text that a spreadsheet would run as a formula" in refused(path)


def test_everything_is_told_at_once(write_manifest):
    text = refused(
        write_manifest(["c1,p1,../x.png,Normal", "c1,,images/1.png,normal", "=c,p3,images/none.png,"], HEADER)
    )
    for part in ("leaves the folder", "spellings", "repeated case", "blank", "formula", "no such image"):
        assert part in text


def test_readers_before_exclusions(write_manifest):
    header = HEADER + ",excluded,reader_a,reader_b,rating_a_1,rating_a_2"
    path = write_manifest(
        [f"{r},,{r.rsplit(',', 1)[1]},{r.rsplit(',', 1)[1]},{i},{i + 1}" for i, r in enumerate(rows())]
        + ["c5,p5,images/5.png,normal,disagreement,normal,abnormal,3,"],
        header,
    )
    c = read_manifest(path)
    calls, ratings = reader_ratings(c), reader_ratings(c, "rating")
    assert calls.scale == "nominal"
    assert calls.n_cases == 5
    assert calls.categories == ("abnormal", "normal")
    assert ratings.scale == "measurement"
    assert [x.occasion for x in ratings.columns] == [1, 2]
    assert ratings.frame.loc["c5"].isna().tolist() == [False, True]
    with pytest.raises(InputError, match="call or rating"):
        reader_ratings(c, "calls")


def test_readings_are_checked_with_the_manifest(write_manifest):
    header = HEADER + ",reader_a,rating_a"
    lines = [f"{r},normal,{i}" for i, r in enumerate(rows())]
    lines[1] = lines[1].replace(",normal,1", ",maybe,high")
    text = refused(write_manifest(lines, header))
    assert "line 3, column reader_a: a reader's call that is none of the labels (found: 'maybe')" in text
    assert "line 3, column rating_a: text" in text


def test_a_manifest_without_readers(write_manifest):
    assert reader_ratings(read_manifest(write_manifest())) is None


@pytest.mark.shared
def test_the_real_cohort_has_its_known_fault():
    if not BUSI.exists():
        pytest.skip("../shared/data/busi is not here")
    text = refused(BUSI / "manifest.csv", positive="malignant")
    assert "on the lines 434, 583" in text
    assert "benign_433, malignant_145. Find out" in text  # the cases; the names of their files are not said
    assert text.count("\n") == 0
    c = read_manifest(BUSI / "manifest.csv", positive="malignant", same_bytes="warn")
    assert len(c.analysed) == 780
    assert int(c.y_true.sum()) == 210


# bad_input.md 23: frames of one file are images of their own


def test_frames_of_one_file_are_images_of_their_own(write_manifest):
    c = read_manifest(write_manifest(rows("c5,p5,images/5.png#frame=1,abnormal", "c6,p6,images/5.png#frame=2,normal")))
    assert [p.name for p in c.image_paths][4:] == ["5.png", "5.png"]
    assert c.frames == (None, None, None, None, 1, 2)
    assert c.warnings == ()
    text = refused(write_manifest(rows("c5,p5,images/5.png#frame=2,abnormal", "c6,p6,images/5.png#frame=2,normal")))
    assert "one image on 2 rows (lines 6, 7)" in text


@pytest.mark.parametrize("frame", ["0", "-1", "x", "", "1.5"])
def test_a_frame_that_is_no_number_from_1(write_manifest, frame):
    text = refused(write_manifest(rows(f"c5,p5,images/5.png#frame={frame},abnormal")))
    assert "line 6, column image: a frame that is no whole number from 1" in text
    assert "image.dcm#frame=1" in text
