"""Predictions: bad_input.md 3 to 5, 8 to 16, 48 and 49, the conventions of the contract, and that row order does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hybridcx.errors import InputError
from hybridcx.records.predictions import predictions_from_frame, read_predictions

SHARED = Path(__file__).parents[2] / "../shared"

GOOD = """case_id,y_true,model,y_pred,score
c1,abnormal,vgg16,abnormal,0.9
c2,normal,vgg16,normal,0.1
c3,abnormal,vgg16,normal,0.4
c1,abnormal,lda,abnormal,0.8
c2,normal,lda,abnormal,0.7
c3,abnormal,lda,abnormal,0.6
"""


def read(tmp_path, text, **options):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    return read_predictions(path, **options)


def refused(tmp_path, text, **options) -> str:
    with pytest.raises(InputError) as e:
        read(tmp_path, text, **options)
    return str(e.value)


def warned(p) -> str:
    return "\n".join(str(w) for w in p.warnings)


def test_what_is_read(tmp_path):
    p = read(tmp_path, GOOD)
    assert p.labels == ("normal", "abnormal")
    assert p.positive == "abnormal"
    assert p.models == ("vgg16", "lda")
    assert p.has_score
    assert p.has_pred
    assert not p.clustered
    assert p.n_cases == 3
    assert p.seeds == (None,)
    assert p.folds == (None,)
    assert p.warnings == ()
    m = p.matrices()
    assert m.case_ids.tolist() == ["c1", "c2", "c3"]
    assert m.y_true.tolist() == [True, False, True]
    assert m.y_pred.tolist() == [[True, False, False], [True, True, True]]
    assert m.y_score.tolist() == [[0.9, 0.1, 0.4], [0.8, 0.7, 0.6]]
    assert m.groups is None


def test_row_order_does_not_matter(tmp_path):
    lines = GOOD.strip().split("\n")
    shuffled = "\n".join([lines[0], *[lines[i] for i in (5, 2, 6, 1, 4, 3)]]) + "\n"
    a, b = read(tmp_path, GOOD).matrices(), read(tmp_path, shuffled).matrices()
    order = [b.models.index(m) for m in a.models]
    assert np.array_equal(a.y_true, b.y_true)
    assert np.array_equal(a.y_pred, b.y_pred[order])
    assert np.array_equal(a.y_score, b.y_score[order])


def test_scores_are_read_to_the_last_digit(tmp_path):
    texts = ["0.1", "0.30000000000000004", "1e-17", "5E-1", "+.25", "1."]
    rows = "".join(f"c{i},{i % 2},m,{t}\n" for i, t in enumerate(texts))
    p = read(tmp_path, "case_id,y_true,model,score\n" + rows)
    assert p.frame["score"].tolist() == [float(t) for t in texts]


def test_the_threshold_makes_y_pred_where_there_is_none(tmp_path):
    text = "case_id,y_true,model,score\na,1,m,0.5\nb,0,m,0.49\n"
    assert read(tmp_path, text).matrices().y_pred.tolist() == [[True, False]]
    p = read(tmp_path, text, threshold=0.6)
    assert p.matrices().y_pred.tolist() == [[False, False]]
    assert p.threshold == 0.6
    assert "threshold must lie" in refused(tmp_path, text, threshold=1.5)


def test_rank_scores_are_any_finite_number_and_make_no_y_pred(tmp_path):
    text = "case_id,y_true,model,score\na,1,m,-3.2\nb,0,m,17\n"
    p = read(tmp_path, text, score_kind="rank")
    assert p.has_score
    assert not p.has_pred
    assert p.matrices().y_pred is None
    assert p.matrices().y_score.tolist() == [[-3.2, 17]]
    assert "score kind" in refused(tmp_path, text, score_kind="ranks")


def test_y_pred_alone(tmp_path):
    p = read(tmp_path, "case_id,y_true,model,y_pred\na,1,m,1\nb,0,m,1\n")
    assert not p.has_score
    assert p.matrices().y_score is None


def test_neither_prediction_nor_score(tmp_path):
    text = refused(tmp_path, "case_id,y_true,model,y_perd\na,1,m,1\nb,0,m,1\n")
    assert "neither" in text
    assert "'y_perd'" in text
    assert "Add y_pred" in refused(tmp_path, "case_id,y_true,model\na,1,m\nb,0,m\n")


# bad_input.md 3, 4


@pytest.mark.parametrize("label", ["NA", "None", "null"])
def test_a_label_that_r_reads_as_missing_stays_text_with_a_warning(tmp_path, label):
    p = read(tmp_path, f"case_id,y_true,model,y_pred\na,{label},m,1\nb,1,m,{label}\n")
    assert p.labels == (label, "1")
    assert "R and pandas" in warned(p)


def test_ids_stay_as_they_are(tmp_path):
    p = read(tmp_path, "case_id,y_true,model,y_pred\n007,1,m,1\n1e5,0,m,0\n7,0,m,0\n")
    assert p.matrices().case_ids.tolist() == ["007", "1e5", "7"]


# bad_input.md 5


@pytest.mark.parametrize(
    ("row", "column"), [(",1,m,1", "case_id"), ("a,,m,1", "y_true"), ("a,1, ,1", "model"), ("a,1,m,", "y_pred")]
)
def test_a_blank_names_its_row_and_column(tmp_path, row, column):
    text = refused(tmp_path, f"case_id,y_true,model,y_pred\n{row}\nb,0,m,0\nc,1,m,1\n")
    assert f"line 2, column {column}: blank" in text


@pytest.mark.parametrize("column", ["patient_id", "split", "seed", "fold"])
def test_a_blank_in_an_optional_column(tmp_path, column):
    value = "test" if column == "split" else "1"
    text = refused(tmp_path, f"case_id,y_true,model,y_pred,{column}\na,1,m,1,{value}\nb,0,m,0,\n")
    assert f"line 3, column {column}: blank" in text


# bad_input.md 9, 10


def test_three_spellings_of_one_label(tmp_path):
    rows = ["bénin", "Bénin", "be\u0301nin "]
    text = refused(
        tmp_path, "case_id,y_true,model,y_pred\n" + "".join(f"c{i},{r},m,1\n" for i, r in enumerate(rows)) + "z,1,m,1\n"
    )
    assert "3 spellings of one label" in text
    assert "line 2" in text
    assert "line 4" in text


def test_a_spelling_of_y_pred_counts_against_y_true(tmp_path):
    text = refused(tmp_path, GOOD.replace("vgg16,normal,0.1", "vgg16,Normal,0.1"))
    assert "2 spellings of one label" in text
    assert "y_true never has" in text


def test_two_spellings_of_one_model_or_case(tmp_path):
    assert "spellings of one model" in refused(tmp_path, GOOD.replace("c3,abnormal,vgg16", "c3,abnormal,VGG16"))
    assert "spellings of one case id" in refused(tmp_path, GOOD.replace("c3,abnormal,vgg16", "c3 ,abnormal,vgg16"))


def test_case_ids_that_differ_in_upper_case_are_two(tmp_path):
    assert read(tmp_path, "case_id,y_true,model,y_pred\na,1,m,1\nA,0,m,0\n").n_cases == 2


def test_space_around_a_label_is_kept_with_a_warning(tmp_path):
    p = read(tmp_path, "case_id,y_true,model,y_pred\na,1,m,1\nb, no,m, no\n")
    assert p.labels == (" no", "1")
    assert "white space" in warned(p)


def test_a_single_class(tmp_path):
    assert "single class" in refused(tmp_path, "case_id,y_true,model,y_pred\na,1,m,1\nb,1,m,1\n")


# bad_input.md 12


def test_models_with_different_cases_are_refused_with_the_ids(tmp_path):
    text = refused(tmp_path, GOOD.replace("c3,abnormal,lda,abnormal,0.6\n", "c4,abnormal,lda,abnormal,0.6\n"))
    assert "different cases" in text
    assert "vgg16 lacks 1 of 4 test cases: c4" in text
    assert "lda lacks 1 of 4 test cases: c3" in text


def test_a_case_twice_for_one_model(tmp_path):
    text = refused(tmp_path, GOOD + "c3,abnormal,lda,abnormal,0.6\n")
    assert "more than once" in text
    assert "c3 (lda)" in text
    assert "line 8" in text


def test_a_model_without_one_of_the_seeds_is_refused(tmp_path):
    head = "case_id,y_true,model,y_pred,seed\n"
    rows = "".join(f"{c},{y},{m},1,{s}\n" for m, s in (("a", 1), ("a", 2), ("b", 1)) for c, y in (("x", 1), ("y", 0)))
    text = refused(tmp_path, head + rows)
    assert "b lacks 2 of 4 test cases (seed 2)" in text


def test_a_case_with_two_truths_or_two_patients(tmp_path):
    text = refused(tmp_path, GOOD.replace("c3,abnormal,lda", "c3,normal,lda"))
    assert "line 7, column y_true: a case with two truths (found: 'c3')" in text
    text = refused(tmp_path, "case_id,y_true,model,y_pred,patient_id\na,1,m,1,p\nb,0,m,1,q\na,1,n,1,q\nb,0,n,1,q\n")
    assert "line 4, column patient_id: a case with two patients" in text


# bad_input.md 13


@pytest.mark.parametrize("score", ["NaN", "inf", "-inf", "", "x", "NA", "1e999", "0x1", "1_0", "٠"])
def test_a_score_that_is_no_finite_number(tmp_path, score):
    for kind in ("probability", "rank"):
        text = refused(tmp_path, GOOD.replace("0.4", score), score_kind=kind)
        assert "line 4, column score: a score that is no finite number" in text


def test_a_decimal_comma_gets_its_own_remedy(tmp_path):
    assert "not a comma" in refused(tmp_path, GOOD.replace("0.4", '"0,4"'))


@pytest.mark.parametrize("score", ["1.0001", "-0.1", "93.9"])
def test_a_probability_outside_0_to_1(tmp_path, score):
    text = refused(tmp_path, GOOD.replace("0.4", score))
    assert "line 4, column score: a score outside 0 to 1" in text
    assert "--score-kind rank" in text


# bad_input.md 14 and the labels


def test_a_predicted_label_that_truth_never_has(tmp_path):
    text = refused(tmp_path, GOOD.replace("lda,abnormal,0.7", "lda,benign,0.7"))
    assert "line 6, column y_pred: a label in y_pred that y_true never has (found: 'benign')" in text


def test_without_a_known_name_the_positive_class_is_asked_for(tmp_path):
    text = GOOD.replace("abnormal", "malignant")
    assert "--positive" in refused(tmp_path, text)
    assert read(tmp_path, text, positive="malignant").labels == ("normal", "malignant")
    assert "Did you mean 'malignant'" in refused(tmp_path, text, positive="malingant")
    assert "--positive" in refused(tmp_path, GOOD.replace("abnormal", "true").replace("normal", "1"))


@pytest.mark.parametrize("name", ["abnormal", "1", "true", "positive"])
def test_the_names_taken_for_the_positive_class(tmp_path, name):
    text = f"case_id,y_true,model,y_pred\na,{name},m,{name}\nb,zzz,m,zzz\n"
    assert read(tmp_path, text).positive == name


def test_more_than_two_labels(tmp_path):
    text = "case_id,y_true,model,y_pred\na,1,m,1\nb,2,m,3\nc,3,m,2\n"
    assert "--positive" in refused(tmp_path, text)
    p = read(tmp_path, text, positive="1")
    assert p.labels == ("not 1", "1")
    assert "against the rest" in warned(p)
    m = p.matrices()
    assert m.y_true.tolist() == [True, False, False]
    assert m.y_pred.tolist() == [[True, False, False]]


# splits, patients, seeds, folds, subgroups


def test_only_test_rows_are_evaluated(tmp_path):
    text = "case_id,y_true,model,score,split\na,1,m,0.9,test\nb,0,m,0.1,test\nc,1,m,0.2,validation\nd,1,m,0.3,train\n"
    p = read(tmp_path, text)
    assert p.n_cases == 2
    assert p.test()["case_id"].tolist() == ["a", "b"]
    assert p.matrices("validation").case_ids.tolist() == ["c"]
    assert "no row belongs to the test split" in refused(tmp_path, text.replace(",test", ",train"))
    bad = refused(tmp_path, text.replace("0.3,train", "0.3,Train"))
    assert "line 5, column split: an unknown split" in bad


def test_validation_rows_may_be_absent_for_a_model_but_not_in_part(tmp_path):
    text = (
        "case_id,y_true,model,score,split\na,1,m,0.9,test\nb,0,m,0.1,test\nc,1,m,0.2,validation\nd,0,m,0.2,validation\n"
    )
    p = read(tmp_path, text + "a,1,n,0.9,test\nb,0,n,0.1,test\n")
    assert p.matrices("validation").models == ("m",)
    assert "validation cases" in refused(tmp_path, text + "a,1,n,0.9,test\nb,0,n,0.1,test\nc,1,n,0.2,validation\n")


def test_a_case_or_a_patient_in_two_splits(tmp_path):
    head = "case_id,y_true,model,y_pred,patient_id,split\n"
    text = refused(tmp_path, head + "a,1,m,1,p,test\nb,0,m,1,q,test\nc,0,m,1,p,validation\n")
    assert "line 4, column split: a patient in two splits (found: 'p')" in text
    text = refused(tmp_path, head + "a,1,m,1,p,test\nb,0,m,1,q,test\na,1,n,1,p,validation\nb,0,n,1,q,test\n")
    assert "a case in two splits" in text


def test_folds_have_splits_of_their_own(tmp_path):
    head = "case_id,y_true,model,score,patient_id,split,fold\n"
    rows = [
        "a,1,m,0.1,p,test,1",
        "b,0,m,0.2,q,test,1",
        "c,1,m,0.3,r,train,1",
        "c,1,m,0.4,r,test,2",
        "a,1,m,0.5,p,train,2",
    ]
    p = read(tmp_path, head + "\n".join([*rows, "d,0,m,0.6,s,test,2"]) + "\n")
    assert p.folds == ("1", "2")
    assert p.matrices().case_ids.tolist() == ["a", "b", "c", "d"]
    assert p.matrices(fold="2").case_ids.tolist() == ["c", "d"]
    assert p.matrices("train", fold="2").y_score.tolist() == [[0.5]]


def test_seeds(tmp_path):
    head = "case_id,y_true,model,score,seed\n"
    p = read(tmp_path, head + "".join(f"{c},{y},m,0.{s},{s}\n" for s in (2, 1) for c, y in (("a", 1), ("b", 0))))
    assert p.seeds == (1, 2)
    assert p.n_cases == 2
    assert p.matrices(seed=2).y_score.tolist() == [[0.2, 0.2]]
    with pytest.raises(InputError, match="which seed"):
        p.matrices()
    with pytest.raises(InputError, match="no rows"):
        p.matrices(seed=3)
    assert "line 2, column seed" in refused(tmp_path, head + "a,1,m,0.1,1.5\nb,0,m,0.1,1\n")


def test_patients_make_clusters(tmp_path):
    head = "case_id,y_true,model,y_pred,patient_id\n"
    assert not read(tmp_path, head + "a,1,m,1,p\nb,0,m,1,q\n").clustered
    p = read(tmp_path, head + "a,1,m,1,q\nb,0,m,1,p\nc,0,m,1,q\n")
    assert p.clustered
    assert p.matrices().groups.tolist() == [1, 0, 1]


def test_further_columns_are_subgroups_where_they_belong_to_the_case(tmp_path):
    head = "case_id,y_true,model,y_pred,sex,seconds\n"
    p = read(tmp_path, head + "a,1,m,1,f,1\nb,0,m,1,,2\na,1,n,1,f,3\nb,0,n,1,,4\n")
    assert p.subgroups == ("sex",)
    assert "seconds" in warned(p)
    part = p.subset(p.frame["sex"] == "f")
    assert part.n_cases == 1
    assert part.matrices().case_ids.tolist() == ["a"]


def test_y_pred_that_no_threshold_makes_is_said(tmp_path):
    p = read(tmp_path, "case_id,y_true,model,y_pred,score\na,1,m,1,0.1\nb,0,m,0,0.9\n")
    assert "one threshold" in warned(p)
    assert p.matrices().y_pred.tolist() == [[True, False]]


# bad_input.md 48, 49


@pytest.mark.parametrize("text", ["=1+1", "+a", "-a", "@a", "＝a", "-1+1"])
@pytest.mark.parametrize("column", ["case_id", "y_true", "model"])
def test_a_formula_is_refused(tmp_path, text, column):
    row = {"case_id": "a", "y_true": "1", "model": "m"} | {column: text}
    found = refused(
        tmp_path, f"case_id,y_true,model,y_pred\n{row['case_id']},{row['y_true']},{row['model']},1\nb,0,m,0\nc,1,m,0\n"
    )
    assert f"line 2, column {column}: text that a spreadsheet would run as a formula" in found


def test_tab_and_return_in_front_of_an_id_are_refused(tmp_path):
    for text in ("\tx", '"\rx"'):
        found = refused(tmp_path, f"case_id,y_true,model,y_pred\n{text},1,m,1\nb,0,m,0\n")
        assert "column case_id" in found


def test_numbers_and_bare_signs_are_fine(tmp_path):
    p = read(tmp_path, "case_id,y_true,model,y_pred\n-3.2,+,m,-\n-1e5,-,m,+\n", positive="+")
    assert p.labels == ("-", "+")


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\u2066", "\u200f", "\x85", "\u2028", "\ufeff"])
def test_invisible_characters_are_refused_and_not_printed(tmp_path, mark):
    found = refused(tmp_path, GOOD.replace("lda", f"l{mark}da"))
    assert "column model" in found
    assert mark not in found


def test_scripts_that_need_joiners_are_fine(tmp_path):
    name = "می\u200cخواهم"
    assert name in read(tmp_path, GOOD.replace("lda", name)).models


def test_html_and_templates_stay_literal(tmp_path):
    name = '"><img onerror=alert(1)>{{7*7}}'
    assert name in read(tmp_path, GOOD.replace("lda", '"' + name.replace('"', '""') + '"')).models


def test_all_problems_in_one_go(tmp_path):
    text = (
        "case_id,y_true,model,y_pred,score,split\na,1,m,7,2,test\n,0,m,0,x,test\nc,0,m,0,0.1,tset\nc,0,=m,0,0.1,test\n"
    )
    with pytest.raises(InputError) as e:
        read(tmp_path, text)
    lines = str(e.value)
    for part in ("y_true never has", "outside 0 to 1", "blank", "no finite number", "unknown split", "formula"):
        assert part in lines
    assert all(p.file == "p.csv" for p in e.value.problems)


def test_ragged_rows_do_not_hide_other_problems_nor_raise_false_ones(tmp_path):
    text = refused(tmp_path, GOOD.replace("c1,abnormal,lda,abnormal,0.8", "c1,abnormal,lda").replace("0.1", "9"))
    assert "too few fields" in text
    assert "outside 0 to 1" in text
    assert "different cases" not in text


def test_a_ragged_row_hides_no_duplicate_and_no_model_that_lacks_more_than_it_explains(tmp_path):
    ragged = GOOD.replace("c1,abnormal,lda,abnormal,0.8", "c1,abnormal,lda")
    text = refused(tmp_path, ragged + "c3,abnormal,lda,abnormal,0.6\n")
    assert "too few fields" in text
    assert "1 cases stand more than once for one model" in text
    assert "different cases" not in text
    text = refused(tmp_path, ragged.replace("c3,abnormal,lda,abnormal,0.6", "c3,normal,lda,abnormal,0.6"))
    assert "a case with two truths" in text
    text = refused(tmp_path, ragged.replace("c3,abnormal,lda,abnormal,0.6\n", ""))
    assert "'lda'" in text or "lda lacks 2 of 3 test cases" in text
    assert "1 of the absent rows may be those that could not be read" in text
    stopped = refused(tmp_path, GOOD.replace("c1,abnormal,lda,abnormal,0.8", 'c1,abnormal,"lda,abnormal,0.8'))
    assert "never closed" in stopped
    assert "different cases" not in stopped


def test_a_column_that_is_not_recognised_makes_no_false_duplicates(tmp_path):
    header, *rows = GOOD.splitlines()
    text = "\n".join([header + ",Seed", *(r + ",1" for r in rows), *(r + ",2" for r in rows)]) + "\n"
    said = refused(tmp_path, text)
    assert "would not be recognised as 'seed'" in said
    assert "more than once" not in said


def test_a_ragged_row_is_not_the_gap_of_a_seed(tmp_path):
    header, *rows = GOOD.splitlines()
    lines = [header + ",seed", *(r + ",1" for r in rows), *(r + ",2" for r in rows if not r.startswith("c2"))]
    lines += ["c2,normal,vgg16", "c2,normal,lda"]
    said = refused(tmp_path, "\n".join(lines) + "\n")
    assert "too few fields" in said
    assert "lacks" not in said


# Parquet and DataFrames


def test_parquet_and_frames_are_read_as_csv_is(tmp_path):
    csv = read(tmp_path, GOOD.replace("abnormal", "1").replace("normal", "0"))
    frame = pd.DataFrame(
        {
            "case_id": ["c1", "c2", "c3"] * 2,
            "y_true": [1, 0, 1] * 2,
            "model": pd.Categorical(["vgg16"] * 3 + ["lda"] * 3),
            "y_pred": [1, 0, 0, 1, 1, 1],
            "score": [0.9, 0.1, 0.4, 0.8, 0.7, 0.6],
        }
    )
    frame.to_parquet(tmp_path / "p.parquet")
    for other in (read_predictions(tmp_path / "p.parquet"), predictions_from_frame(frame)):
        pd.testing.assert_frame_equal(other.frame, csv.frame)
        assert other.labels == csv.labels


def test_values_of_a_frame_as_text():
    frame = pd.DataFrame(
        {
            "case_id": [1.0, 2.0],
            "y_true": [True, False],
            "model": "m",
            "score": np.array([0.25, 0.1], dtype=np.float32),
            "age": [30.5, np.nan],
            "grade": pd.Categorical([1, 2]),
        },
        index=[7, 7],
    )
    p = predictions_from_frame(frame)
    assert p.frame["case_id"].tolist() == ["1", "2"]
    assert p.labels == ("false", "true")
    assert p.frame["age"].isna().tolist() == [False, True]
    assert p.frame["grade"].tolist() == ["1", "2"]
    assert p.frame["score"].tolist() == [0.25, float(np.float32(0.1))]


def test_a_frame_is_refused_for_the_same_reasons():
    good = pd.DataFrame({"case_id": ["a", "b"], "y_true": [1, 0], "model": "m", "score": [0.5, 0.5]})
    for change, text in (
        ({"score": [np.nan, 0.5]}, "line 1, column score"),
        ({"score": [0.5, np.inf]}, "line 2, column score"),
        ({"score": [0.5, 2]}, "outside 0 to 1"),
        ({"case_id": [None, "b"]}, "column case_id: blank"),
    ):
        with pytest.raises(InputError, match=text):
            predictions_from_frame(good.assign(**change))
    with pytest.raises(InputError, match="required column"):
        predictions_from_frame(good.rename(columns={"y_true": "wahrheit"}))
    with pytest.raises(InputError, match="repeated"):
        predictions_from_frame(pd.concat([good, good[["score"]]], axis=1))
    with pytest.raises(InputError, match="no rows"):
        predictions_from_frame(good.iloc[:0])


def test_a_damaged_or_absent_parquet_file(tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(InputError, match="no Parquet file"):
        read_predictions(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="no such file"):
        read_predictions(tmp_path / "q.parquet")


def test_matrices_of_a_subset_with_different_cases_are_refused(tmp_path):
    p = read(tmp_path, GOOD)
    with pytest.raises(InputError, match="different cases"):
        p.subset(np.array([True] * 5 + [False])).matrices()
    empty = p.subset(np.zeros(6, dtype=bool))
    assert empty.n_cases == 0
    assert not empty.clustered


def test_a_large_file_is_read_as_a_small_one(tmp_path):
    n = 60_000
    rows = [
        f"case{i:06d},{'abnormal' if i % 3 else 'normal'},{m},{(i * 7919 % 1000) / 1000}"
        for m in ("a", "b")
        for i in range(n)
    ]
    text = "case_id,y_true,model,score\n" + "\n".join(rows) + "\n"
    assert len(text) > 3_000_000
    p = read(tmp_path, text)
    m = p.matrices()
    assert m.y_score.shape == (2, n)
    assert m.y_score[1, 4321] == (4321 * 7919 % 1000) / 1000
    assert "line 100002, column score" in refused(
        tmp_path, text.replace(rows[100_000], rows[100_000].rsplit(",", 1)[0] + ",9")
    )


@pytest.mark.shared
def test_the_shared_predictions():
    if not (SHARED / "data").exists():
        pytest.skip("../shared/data is not here")
    p = read_predictions(SHARED / "data" / "breastmnist_resnet18_224_predictions.csv")
    assert p.labels == ("negative", "positive")
    assert p.n_cases == 156
    m = p.matrices()
    assert round(float((m.y_pred[0] == m.y_true).mean()), 4) == 0.8462


HEAD = "case_id,y_true,model,score,seed\n"


def seeded(cases_of, models=("m",)):
    rows = [f"{c},{int(c in 'ace')},{m},0.{s},{s}\n" for s, cases in cases_of.items() for m in models for c in cases]
    return HEAD + "".join(rows)


def test_a_seed_without_some_cases_is_refused_by_name(tmp_path):
    text = refused(tmp_path, seeded({1: "abcd", 2: "ab", 3: "abd"}, ("m", "n")))
    assert "seed 2 lacks 2 of 4 test cases: c, d" in text
    assert "seed 3 lacks 1 of 4 test cases: c" in text
    assert "same test cases" in text


def test_seeds_with_test_sets_of_their_own_are_repeated_holdout(tmp_path):
    p = read(tmp_path, seeded({1: "ab", 2: "bc", 3: "cd"}))
    assert p.repeated_holdout
    assert p.training_cases() == {}
    assert p.matrices(seed=3).case_ids.tolist() == ["c", "d"]
    assert not read(tmp_path, seeded({1: "ab", 2: "ab"})).repeated_holdout
    assert not read(tmp_path, seeded({1: "ab"})).repeated_holdout


def test_training_and_validation_cases_of_each_seed_are_counted(tmp_path):
    head = "case_id,y_true,model,score,split,seed\n"
    rows = [
        f"{c},{int(c in 'ac')},{m},0.5,{split},{s}\n"
        for m in ("m", "n")
        for s, c, split in (
            (1, "a", "test"), (1, "b", "test"), (1, "c", "train"), (1, "d", "validation"),
            (2, "c", "test"), (2, "d", "test"), (2, "a", "train"),
        )
    ]  # fmt: skip
    assert read(tmp_path, head + "".join(rows)).training_cases() == {1: 2, 2: 1}


def test_a_case_or_patient_in_several_folds_is_refused_by_name(tmp_path):
    head = "case_id,y_true,model,score,fold,seed\n"
    rows = "a,1,m,0.1,1,7\nb,0,m,0.2,1,7\na,1,m,0.3,2,7\nc,0,m,0.3,2,7\n"
    text = refused(tmp_path, head + rows)
    assert "1 cases are tested in several folds of seed 7: a" in text
    assert "a seed of its own" in text
    head = "case_id,y_true,model,score,fold,patient_id\n"
    text = refused(tmp_path, head + "a,1,m,0.1,1,p\nb,0,m,0.2,1,q\nc,1,m,0.3,2,p\nd,0,m,0.3,2,s\n")
    assert "1 patients are tested in several folds: p" in text
    p = read(tmp_path, "case_id,y_true,model,score,fold\nb,0,m,0.2,x\na,1,m,0.1,y\n")
    assert p.matrices().folds.tolist() == ["y", "x"]
    assert read(tmp_path, "case_id,y_true,model,score,fold\nb,0,m,0.2,x\na,1,m,0.1,x\n").matrices().folds is None


def test_cases_in_dispute_need_no_truth(tmp_path):
    text = "case_id,y_true,model,score,split,patient_id,reader_a,reader_b\n"
    text += "c1,abnormal,m,0.9,test,p1,abnormal,abnormal\nc2,normal,m,0.2,test,p2,normal,normal\n"
    text += "c3,NA,m,0.6,disputed,p1,abnormal,normal\nc4,NA,m,0.6,disputed,p3,NA,\n"
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    p = read_predictions(path)
    assert p.labels == ("normal", "abnormal")  # NA is no third label
    assert p.n_cases == 2
    assert [str(w) for w in p.warnings] == ["p.csv, line 5, column reader_a: NA, read as missing."]
    apart = p.rows("disputed").set_index("case_id")
    assert apart["y_true"].isna().all()
    assert apart.loc["c3", "reader_b"] == "normal"
    assert apart.loc["c4", ["reader_a", "reader_b"]].isna().all()


def test_a_case_in_dispute_and_in_test_is_refused(tmp_path):
    text = "case_id,y_true,model,score,split\nc1,abnormal,m,0.9,test\nc2,normal,m,0.2,test\nc2,,n,0.6,disputed\nc1,abnormal,n,0.1,test\n"
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="a case in two splits"):
        read_predictions(path)


def test_a_readers_call_that_is_no_label(tmp_path):
    text = "case_id,y_true,model,score,reader_a\nc1,abnormal,m,0.9,3\nc2,normal,m,0.2,\n"
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(
        InputError, match=r"line 2, column reader_a: a reader's call that is none of the labels \(found: '3'\)"
    ):
        read_predictions(path)


def test_no_row_with_a_known_split_is_told_by_its_rows(tmp_path):
    """Found by fuzzing: without a row that is kept the checks on cases had nothing to take the maximum of."""
    text = "case_id,y_true,model,score,split\nc0,normal,A,0.1,nul\nc1,abnormal,A,0.9,nul\n"
    assert "line 2, column split: an unknown split" in refused(tmp_path, text)


@pytest.mark.parametrize("word", ["NA", "nan", "None", "NULL", "N/A", "<NA>"])
def test_missing_patients_and_truths(tmp_path, word):
    head = "case_id,y_true,model,score,patient_id\n"
    rows = [f"c{i},{('normal', 'abnormal')[i % 2]},m,0.{i},{word}" for i in range(1, 9)]
    p = read(tmp_path, head + "\n".join(rows) + "\n")
    assert p.frame["patient_id"].isna().all()
    assert f"{word}, read as missing (8 rows" in "\n".join(map(str, p.warnings))
    mixed = [r.replace(word, "p1") if i < 3 else r for i, r in enumerate(rows)]
    assert "column patient_id: blank (5 rows" in refused(tmp_path, head + "\n".join(mixed) + "\n")
    truth = [
        r.replace("normal", word) if i == 0 else r.replace(word, "")
        for i, r in enumerate(r.replace(f",{word}", ",") for r in rows)
    ]
    text = refused(tmp_path, head + "\n".join([f"c9,{word},m,0.5,", *truth[1:]]) + "\n", positive="abnormal")
    assert "a missing truth" in text


def test_a_single_patient_is_reported(tmp_path):
    rows = "".join(f"c{i},{('normal', 'abnormal')[i % 2]},m,0.{i},0\n" for i in range(1, 9))
    p = read(tmp_path, "case_id,y_true,model,score,patient_id\n" + rows)
    assert "all cases are of one patient" in "\n".join(map(str, p.warnings))
