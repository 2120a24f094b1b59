"""Names that repeat a token which looks like a patient: which are reported, with which numbers, and which are not (bad_input.md 61)."""

from __future__ import annotations

import re

import pandas as pd
import pytest

import hybridcx
from hybridcx.cohort.patient_tokens import image_like, patient_token_warnings, proposed_pattern


def warnings_of(names, patients=None, splits=None):
    frame = pd.DataFrame({"case_id": [f"c{i}" for i in range(len(names))], "image": names})
    frame["patient_id"] = frame["case_id"] if patients is None else patients
    frame["split"] = "" if splits is None else splits
    return patient_token_warnings(frame, ["image"], file="m.csv")


@pytest.mark.parametrize(
    ("names", "numbers", "token"),
    [
        (["a/person1_bacteria_1.jpeg", "b/person1_virus_6.jpeg", "a/person2_bacteria_3.jpeg"], (1, 2), "person1"),
        (["patient00012/study1/view1.jpg", "patient00012/study1/view2.jpg", "patient00013/study1/view1.jpg"], (1, 2), "patient00012"),
        (["P-0012_L.png", "P-0012_R.png", "P-0013_L.png", "P-0013_R.png", "P-0014_L.png"], (2, 4), "P-0012"),
        (["Mass-Training_P_00001_LEFT_CC.dcm", "Mass-Training_P_00001_LEFT_MLO.dcm", "Mass-Training_P_00004_LEFT_CC.dcm"], (1, 2), "P_00001"),
        (["NORMAL/IM-0115-0001.jpeg", "NORMAL/IM-0115-0002.jpeg", "NORMAL/IM-0117-0001.jpeg", "NORMAL/IM-0119-0001.jpeg"], (1, 2), "IM-0115"),
        ([f"{i:08d}_{j:03d}.png" for i in range(30) for j in range(3)], (30, 90), "00000000"),
        ([f"{i}_{side}.jpeg" for i in range(20) for side in ("left", "right")], (20, 40), "0"),
        ([f"{label}/{i:04d}/{j}.png" for i in range(12) for j in range(4) for label in "ab"], (12, 96), "0000"),
    ],
)  # fmt: skip
def test_repeated_tokens_are_counted_and_the_pattern_finds_them(names, numbers, token):
    (problem,) = warnings_of(names)
    assert problem.severity == "warning"
    n_tokens, n_cases = numbers
    assert re.search(rf"^{n_tokens} tokens? that looks? like a patient \(such as {re.escape(token)}\)", problem.rule)
    assert f"names of {n_cases} cases" in problem.rule
    pattern = re.search(r'--patient-pattern "(.*)"\)$', problem.remedy)[1]
    first = next(n for n in names if token in n)
    assert re.search(pattern, first)[1] == token
    assert all(re.search(pattern, n) for n in names)
    assert proposed_pattern(names) == pattern


@pytest.mark.parametrize(
    "names",
    [
        [
            f"{c}/img_{i}.png" for c in ("normal", "abnormal") for i in range(50)
        ],  # numbers that begin anew in every folder
        [f"{c}/{i}.png" for c in ("normal", "abnormal") for i in range(50)],
        [f"{c}_{i}.jpg" for c in ("benign", "malignant") for i in range(50)],
        [f"{c} ({i}).png" for c in ("benign", "malignant") for i in range(50)],
        [f"img_{i}_224.png" for i in range(50)],
        [f"age{i % 60}_{i}.png" for i in range(200)],
        [f"202301{i % 28 + 1:02d}_{i:06d}.png" for i in range(200)],
        [f"{2000 + i % 20}-{i % 12 + 1:02d}-{i % 28 + 1:02d}_{i}.png" for i in range(200)],
        [f"site{i % 12}_{i:04d}.png" for i in range(200)],
        [f"slice{i % 40:03d}_{i:04d}.png" for i in range(200)],
        [f"fold_{i % 5}/{i}.png" for i in range(200)],
        [f"1.2.840.{i}.{i % 7}" for i in range(100)],
        [f"{i * 2654435761 % 2**32:08x}.png" for i in range(500)],
        [f"p{i % 3}_{i}.png" for i in range(60)],  # phases, protocols
    ],
)
def test_usual_names_are_not_reported(names):
    assert warnings_of(names, splits=["train", "test"] * (len(names) // 2)) == []
    assert proposed_pattern(names) is None


def test_right_patient_ids_are_not_reported_and_wrong_ones_are():
    names = [f"person{i // 3}_{i}.png" for i in range(60)]
    right = [f"x{i // 3}" for i in range(60)]
    assert warnings_of(names, right) == []
    (problem,) = warnings_of(names, ["other", *right[1:]])
    assert problem.rule.startswith("1 token that looks like a patient (such as person0) in the names of 3 cases")


def test_other_words_are_not_reported_where_patient_ids_group_the_cases():
    names = [
        f"patient_folder/{i // 2}/IM-{i % 4:04d}-0001.dcm" for i in range(40)
    ]  # numbers of series, anew for each patient
    assert warnings_of(names, [f"x{i // 2}" for i in range(40)]) == []


def test_tokens_in_two_splits_are_counted():
    names = [f"person{i // 2}_{i}.png" for i in range(20)]
    splits = ["train"] * 9 + ["test"] * 11  # person4 stands in both
    (problem,) = warnings_of(names, splits=splits)
    assert problem.rule.startswith("10 tokens that look like a patient (such as person0) in the names of 20 cases")
    assert "1 of the tokens in more than one split" in problem.rule
    assert "training and test would share patients" in problem.rule


def test_columns_that_name_an_image():
    assert image_like(["model", "Image Index", "case_id", "age"]) == ["case_id", "Image Index"]


def test_check_reports_tokens_in_the_case_ids_of_predictions(tmp_path):
    rows = [f"person{i // 2}_{i}.png,{i % 2},m,0.{i % 9 + 1}" for i in range(20)]
    path = tmp_path / "p.csv"
    path.write_text("\n".join(["case_id,y_true,model,score", *rows]) + "\n", encoding="utf-8")
    (problem,) = [p for p in hybridcx.check(path).problems if "looks like a patient" in p.rule or "look like" in p.rule]
    assert "10 tokens" in problem.rule
    assert "20 cases and there is no patient_id" in problem.rule
    assert problem.column == "case_id"
    path.write_text(
        "\n".join(["case_id,y_true,model,score,patient_id", *(f"{r},q{i // 2}" for i, r in enumerate(rows))]) + "\n",
        encoding="utf-8",
    )
    assert not [p for p in hybridcx.check(path).problems if "like a patient" in p.rule]


def test_a_hundred_thousand_names_take_seconds():
    names = [f"train/person{i // 3}_bacteria_{i}.jpeg" for i in range(100_000)]
    (problem,) = warnings_of(names)
    assert "33,333 tokens" in problem.rule
