"""Ratings: bad_input.md 5, 9, 17, 35, 48, and what a column's name says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from hybridcx.errors import InputError
from hybridcx.records.ratings import (
    ReadingColumn,
    _coverage,
    _free_names,
    parse_reading_column,
    ratings_from_frame,
    read_ratings,
)


def read(tmp_path, text, scale=None):
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    return read_ratings(path, scale)


def refused(tmp_path, text, scale=None) -> str:
    with pytest.raises(InputError) as e:
        read(tmp_path, text, scale)
    return str(e.value)


@pytest.mark.parametrize(
    ("column", "reader", "occasion"),
    [
        ("reader_radiologist", "radiologist", None),
        ("reader_radiologist_2", "radiologist", 2),
        ("reader_1", "1", None),
        ("reader_1_2", "1", 2),
        ("reader_a_b_10", "a_b", 10),
        ("reader_a_2b", "a_2b", None),
        ("reader_a_", "a_", None),
        ("reader__2", "_2", None),
        ("rating_x_01", "x", 1),
    ],
)
def test_column_names(column, reader, occasion):
    assert parse_reading_column(column) == ReadingColumn(column, reader, occasion)


@pytest.mark.parametrize("column", ["reader_", "label", "reader_ ", "rating__"])
def test_columns_that_name_no_reader(column):
    with pytest.raises(InputError, match="names no reader"):
        parse_reading_column(column)


def test_numbers_are_measurements(tmp_path):
    r = read(tmp_path, "case_id,reader_a_1,reader_a_2,reader_b_1\nc2,1.5,2,3\nc1,-4,5e1,.5\n")
    assert r.scale == "measurement"
    assert r.frame.index.tolist() == ["c1", "c2"]
    assert r.frame.loc["c1"].tolist() == [-4, 50, 0.5]
    assert r.readers == ("a", "b")
    assert [c.occasion for c in r.occasions("a")] == [1, 2]
    assert r.categories == ()
    assert r.n_cases == 2
    assert r.warnings == ()


def test_whole_numbers_up_to_ten_could_be_codes(tmp_path):
    text = "case_id,reader_a,reader_b\nc1,1,2\nc2,4,3.0\nc3,,4\n"
    r = read(tmp_path, text)
    assert (r.scale, r.maybe_codes) == ("measurement", True)
    message = str(r.warnings[-1])
    assert "whole numbers from 1 to 4" in message
    assert "--scale ordinal" in message
    for scale in ("measurement", "ordinal", "nominal"):
        chosen = read(tmp_path, text, scale)
        assert (chosen.scale, chosen.maybe_codes) == (scale, False)
        assert not any("codes" in str(w) for w in chosen.warnings)
    for other in ("2.5", "11", "-1"):
        assert not read(tmp_path, text.replace("3.0", other)).maybe_codes


def test_text_is_nominal(tmp_path):
    r = read(tmp_path, "case_id,reader_a,reader_b\nc1,normal,abnormal\nc2,,normal\n")
    assert r.scale == "nominal"
    assert r.frame["reader_a"].tolist() == ["normal", None]
    assert r.categories == ("abnormal", "normal")


def test_categories_that_are_numbers_sort_by_value(tmp_path):
    text = "case_id,reader_a,reader_b\nc1,10,2\nc2,1,10\n"
    assert read(tmp_path, text, "ordinal").categories == ("1", "2", "10")
    assert read(tmp_path, text, "nominal").frame["reader_a"].tolist() == ["10", "1"]
    assert read(tmp_path, text).scale == "measurement"


def test_text_among_numbers_is_refused_with_its_row(tmp_path):
    text = refused(tmp_path, "case_id,reader_a,reader_b\nc1,1,2\nc2,severe,3\nc3,4,5\n")
    assert "line 3, column reader_a: text among 2 numbers (found: 'severe')" in text
    assert "--scale nominal" in text


def test_text_among_numbers_is_no_matter_on_a_nominal_scale(tmp_path):
    assert read(tmp_path, "case_id,reader_a,reader_b\nc1,1,2\nc2,severe,3\n", "nominal").categories == (
        "1",
        "2",
        "3",
        "severe",
    )


def test_a_column_of_text_beside_numbers(tmp_path):
    assert "column reader_b: a column of text beside columns of numbers" in refused(
        tmp_path, "case_id,reader_a,reader_b\nc1,1,x\nc2,3,y\n"
    )


@pytest.mark.parametrize("scale", ["ordinal", "measurement"])
def test_words_are_refused_where_numbers_are_due(tmp_path, scale):
    text = refused(tmp_path, "case_id,reader_a,reader_b\nc1,mild,severe\nc2,mild,mild\n", scale)
    assert "line 2, column reader_a: text" in text


def test_na_among_numbers_is_not_read_and_counted(tmp_path):
    r = read(tmp_path, "case_id,reader_a,reader_b\nc1,1,2\nc2,NA,3\nc3,2,2\n")
    assert np.isnan(r.frame.loc["c2", "reader_a"])
    said = "\n".join(map(str, r.warnings))
    assert "1 times NA" in said
    assert "1 of 3 cases were read by one reader only" in said
    ordinal = read(tmp_path, "case_id,reader_a,reader_b\nc1,1,2\nc2,NA,3\nc3,2,2\n", "ordinal")
    assert ordinal.frame.loc["c2", "reader_a"] is None
    assert ordinal.categories == ("1", "2", "3")


@pytest.mark.parametrize("scale", [None, "nominal"])
def test_na_among_calls_is_not_read_and_counted_too(tmp_path, scale):
    r = read(tmp_path, "case_id,reader_a,reader_b\nc1,NA,x\nc2,x,NA \nc3,x,y\nc4,NA,NA\n", scale)
    assert r.categories == ("x", "y")
    assert r.frame["reader_a"].tolist() == [None, "x", "x", None]
    assert "4 times NA, taken as not read: reader_a (2), reader_b (2)" in "\n".join(map(str, r.warnings))


@pytest.mark.parametrize("word", ["nan", "NaN", "None", "N/A", "n/a", "NULL", "<NA>", "na", " NA "])
def test_words_for_a_missing_reading_are_not_read_and_counted(tmp_path, word):
    r = read(tmp_path, f"case_id,reader_a,reader_b\nc1,{word},x\nc2,x,y\nc3,x,{word}\nc4,y,y\n")
    assert r.categories == ("x", "y")
    assert r.frame["reader_a"].tolist() == [None, "x", "x", "y"]
    assert r.frame["reader_b"].tolist() == ["x", "y", None, "y"]
    said = "\n".join(map(str, r.warnings))
    assert f"2 times {word.strip()}, taken as not read: reader_a (1), reader_b (1)" in said


def test_words_for_a_missing_reading_among_measurements(tmp_path):
    r = read(tmp_path, "case_id,reader_a,reader_b\nc1,nan,1.5\nc2,2.5,NULL\nc3,3.5,4.5\n")
    assert r.scale == "measurement"
    assert r.n_cases == 3
    assert "2 times nan, NULL, taken as not read" in "\n".join(map(str, r.warnings))


def test_a_misspelt_category_is_a_warning(tmp_path):
    text = "case_id,reader_a,reader_b\nc1,malignant,malignant\nc2,benign,malignnt\nc3,benign,benign\n"
    r = read(tmp_path, text)
    assert r.categories == ("benign", "malignant", "malignnt")
    (warning,) = [w for w in r.warnings if "misspelling" in str(w)]
    assert "'malignnt' (1 readings) is probably a misspelling of 'malignant' (2 readings)" in str(warning)
    assert (warning.severity, warning.row) == ("warning", 3)


LONG = "case_id,reader,rating\nc2,b,3\nc1,a,1.5\nc1,b,2\nc3,a,NA\nc2,a,4\n"


def test_one_row_per_reading_reads_as_one_column_per_reading(tmp_path):
    r = read(tmp_path, LONG)
    assert [c.column for c in r.columns] == ["reader_b", "reader_a"]
    assert r.frame["reader_a"].tolist()[:2] == [1.5, 4]
    assert r.frame["reader_b"].tolist()[:2] == [2, 3]
    assert r.frame.loc["c3"].isna().all()
    said = "\n".join(map(str, r.warnings))
    assert "1 times NA, taken as not read: reader_a (1)" in said
    assert "1 of 3 cases were read by nobody" in said


def test_occasions_of_the_long_form(tmp_path):
    rows = [
        f"c{i},{reader},{occasion},{'xy'[i % 2]}" for i in range(4) for reader in ("a_2", "b") for occasion in (1, 2)
    ]
    r = read(tmp_path, "case_id,Rater,session,call\n" + "\n".join(rows) + "\n")
    assert [(c.column, c.reader, c.occasion) for c in r.columns] == [
        ("reader_a_2_1", "a_2", 1), ("reader_a_2_2", "a_2", 2), ("reader_b_1", "b", 1), ("reader_b_2", "b", 2)
    ]  # fmt: skip
    assert "reader from the column Rater, rating from the column call, occasion from the column session" in str(
        r.warnings[0]
    )


def test_a_reader_whose_name_ends_in_digits_keeps_it_in_the_long_form(tmp_path):
    r = read(tmp_path, "case_id,reader,rating\nc1,r_1,x\nc1,r_2,y\nc2,r_1,x\nc2,r_2,x\n")
    assert r.readers == ("r_1", "r_2")


def test_faults_of_the_long_form_have_their_line_and_the_columns_of_the_file(tmp_path):
    text = refused(tmp_path, "case_id,reader,rating,occasion\nc1,a,1,1\nc1,a,2,01\n,b,1,1\nc2,,1,1\nc3,A,1,x\n")
    assert "line 3, column reader: a repeated reading (found: 'c1, a')" in text
    assert "line 4, column case_id: blank" in text
    assert "line 5, column reader: blank" in text
    assert "2 spellings of one reader" in text
    assert "line 6, column occasion: the occasion is no whole number (found: 'x')" in text
    text = refused(tmp_path, "case_id,reader,rating\nc1,a,1\nc1,b,2\nc2,b,three\nc2,a,3\nc3,a,1\nc3,b,1\n")
    assert "line 4, column rating: text among 2 numbers (found: 'three')" in text


def test_cases_read_by_one_or_none_are_counted_and_it_is_said_what_becomes_of_them(tmp_path):
    r = read(tmp_path, "case_id,reader_a_1,reader_a_2,reader_b_1\nc1,1,2,3\nc2,1,1,\nc3,,,\nc4,1,,2\n")
    said = "\n".join(map(str, r.warnings))
    assert "1 of 4 cases were read by nobody" in said
    assert "1 of 4 cases were read by one reader only; they take no part in agreement between readers: c2" in said
    assert "2 of 4 cases lack some reading" in said
    assert r.n_cases == 3


def test_two_spellings_of_a_category_over_columns(tmp_path):
    text = refused(tmp_path, "case_id,reader_a,reader_b\nc1,Benign,benign\nc2,benign ,x\n")
    assert "3 spellings of one category" in text


def test_ids_and_columns_are_checked(tmp_path):
    text = refused(tmp_path, "case_id,reader_a,reader_a_1,reader_a_01,reader_\nc1,1,2,3,4\nc1,1,2,3,4\n,1,2,3,4\n")
    assert "line 3, column case_id: a repeated case" in text
    assert "line 4, column case_id: blank" in text
    assert "the same reader and occasion as the column 'reader_a'" in text
    assert "column reader_: this column names no reader" in text


def test_a_reader_without_a_number_beside_numbered_occasions_is_the_first(tmp_path):
    r = read(tmp_path, "case_id,reader_a,reader_a_2\nc1,1,2\nc2,2,3\n")
    assert [c.occasion for c in r.columns] == [1, 2]
    assert "taken as occasion 1" in str(r.warnings[0])


def test_fewer_than_two_readings(tmp_path):
    assert "at least two readings, here are 1" in refused(tmp_path, "case_id,reader_a\nc1,1\n")


def test_calls_and_ratings_in_one_file_are_taken_apart_by_the_scale(tmp_path):
    text = "case_id,label,reader_a,reader_b,rating_a,rating_b\nc1,x,x,y,1,2\nc2,y,y,y,2,3\n"
    found = refused(tmp_path, text)
    assert found.count("column") == 1  # one message, not one a column
    assert "--scale measurement (or ordinal) takes the ratings, --scale nominal the calls" in found
    path = tmp_path / "r.csv"
    path.write_text(text, encoding="utf-8")
    for scale, prefix, other in (("nominal", "reader_", "rating_a"), ("measurement", "rating_", "reader_a")):
        read = read_ratings(path, scale=scale)
        assert [c.column for c in read.columns] == [f"{prefix}a", f"{prefix}b"]
        assert read.scale == scale
        assert any(f"--scale {scale} takes {prefix}<name>" in w.rule and other in w.rule for w in read.warnings)
        assert any("not a reading" in w.rule and "label" in w.rule and prefix not in w.rule for w in read.warnings)
    assert read_ratings(path, scale="ordinal").categories == ("1", "2", "3")


def test_near_names_are_offered(tmp_path):
    found = refused(tmp_path, "case_id,reader_,reader_a\nc1,1,2\nc2,2,2\n")
    assert "column reader_: this column names no reader" in found
    assert "such as 'reader_b'" in found
    path = tmp_path / "r.csv"
    path.write_text(
        "case_id,reader_a,reader_b,raeder_c,Reader d,patient_id\nc1,1,2,3,4,5\nc2,2,2,2,3,4\n", encoding="utf-8"
    )
    said = next(w for w in read_ratings(path).warnings if "not a reading" in w.rule)
    assert "did you mean 'reader_c' by 'raeder_c'; did you mean 'reader_d' by 'Reader d'?" in said.remedy
    assert "patient_id" not in said.remedy


def test_other_columns_are_left_out_and_said(tmp_path):
    r = read(tmp_path, "case_id,reader_a,reader_b,age\nc1,1,2,50\nc2,2,2,40\n")
    assert list(r.frame.columns) == ["reader_a", "reader_b"]
    assert "age" in str(r.warnings[0])


def test_a_formula_among_categories(tmp_path):
    assert "formula" in refused(tmp_path, "case_id,reader_a,reader_b\nc1,=x,y\nc2,y,y\n")


def test_files_that_are_no_table_and_unknown_scales(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_ratings(tmp_path / "none.csv")
    assert "scale must be one of" in refused(tmp_path, "case_id,reader_a,reader_b\nc1,1,2\n", "interval")


def test_a_frame_reads_as_a_file(tmp_path):
    frame = pd.DataFrame({"case_id": ["c2", "c1"], "reader_a": [1.0, np.nan], "reader_b": [2, 3]})
    from_file = read(tmp_path, "case_id,reader_a,reader_b\nc2,1,2\nc1,,3\n")
    pd.testing.assert_frame_equal(ratings_from_frame(frame).frame, from_file.frame)
    with pytest.raises(InputError, match="required column"):
        ratings_from_frame(frame.drop(columns="case_id"))


def test_a_name_is_found_for_a_column_without_a_reader_however_many_are_taken():
    names = _free_names("rating_")
    assert [next(names) for _ in range(28)][-3:] == ["rating_z", "rating_r1", "rating_r2"]


def test_of_no_cases_and_of_no_columns_there_is_nothing_to_count():
    column = ReadingColumn("reader_a", "a", None)
    assert _coverage(pd.DataFrame({"reader_a": []}), [column], "f.csv") == []
    assert _coverage(pd.DataFrame({"x": [1]}), [], "f.csv") == []


def test_none_is_a_category_and_pandas_none_is_not(tmp_path):
    rows = "".join(f"c{i},{('none', 'mild', 'severe')[i % 3]},{('none', 'mild')[i % 2]}\n" for i in range(12))
    path = tmp_path / "r.csv"
    path.write_text("case_id,reader_a,reader_b\n" + rows + "x,None,mild\n", encoding="utf-8")
    read = read_ratings(path)
    assert read.categories == ("mild", "none", "severe")
    assert read.frame.loc["x"].isna().tolist() == [True, False]
