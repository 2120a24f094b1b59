"""The strict reader: bad_input.md 1, 2, 6, 7, 10, 48, 49, and that both of its parsers read the same."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridcx.errors import InputError
from hybridcx.records import strict_csv
from hybridcx.records.strict_csv import read_csv, scan_csv

REQUIRED = ("case_id", "label")


def write(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, required=REQUIRED, optional=()) -> str:
    with pytest.raises(InputError) as e:
        read_csv(path, required, optional)
    return str(e.value)


def test_every_value_stays_text(tmp_path):
    table = read_csv(write(tmp_path, 'case_id,label,x\n007,NA,1e5\n1e5,null,"a, ""b"""\n, None ,\n'), REQUIRED)
    assert table.frame["case_id"].tolist() == ["007", "1e5", ""]
    assert table.frame["label"].tolist() == ["NA", "null", " None "]
    assert table.frame["x"].tolist() == ["1e5", 'a, "b"', ""]
    assert table.rows.tolist() == [2, 3, 4]


def test_line_numbers_count_as_an_editor_does(tmp_path):
    table = read_csv(write(tmp_path, 'case_id,label\r\na,"two\r\nlines"\r\n\r\nb,x\r\n'), REQUIRED)
    assert table.rows.tolist() == [2, 5]


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_separator_is_read_and_named(tmp_path, mark, name):
    for above, how in (("", ""), (f"sep={mark}\n", " (as its line sep= states)")):
        table = read_csv(write(tmp_path, f'{above}case_id{mark}label\na,1{mark}"b{mark}"\n'), REQUIRED)
        assert table.frame.to_numpy().tolist() == [["a,1", f"b{mark}"]]
        assert table.rows.tolist() == [2 + bool(above)]
        assert [p.rule for p in table.warnings] == [f"read as separated by {name}{how}, not by commas"]


def test_another_separator_is_read_where_a_header_also_has_a_comma(tmp_path):
    table = read_csv(write(tmp_path, "case_id;label;a,b\n1;2;3,4\n"), REQUIRED)
    assert list(table.frame.columns) == ["case_id", "label", "a,b"]
    assert table.frame["a,b"].tolist() == ["3,4"]


def test_a_space_after_each_separator_is_not_read(tmp_path):
    table = read_csv(write(tmp_path, 'case_id, label\na, x y\n"b", " z"\n'), REQUIRED)
    assert table.frame.to_numpy().tolist() == [["a", "x y"], ["b", " z"]]
    assert "spaces after the separators" in str(table.warnings[0])


def test_spaces_as_separators_are_named(tmp_path):
    text = refused(write(tmp_path, '"case_id" "label"\n"1" "a" "b"\n'))
    assert "separated by spaces" in text
    assert "write.csv" in text


@pytest.mark.parametrize("name", ['""', "", "Unnamed: 0"])
def test_row_names_are_not_used(tmp_path, name):
    table = read_csv(write(tmp_path, f"{name},case_id,label\n1,a,x\n2,b,y\n"), REQUIRED)
    assert list(table.frame.columns) == ["case_id", "label"]
    assert table.row_names.tolist() == ["1", "2"]
    assert "row names" in str(table.warnings[0])


def test_row_names_without_a_header_are_named(tmp_path):
    text = refused(write(tmp_path, "case_id,label\n1,a,x\n2,b,y\n"))
    assert "every row has one field more than the header, which has 2: the first may be a row name" in text
    assert "row.names = FALSE" in text
    assert "too many fields" in refused(write(tmp_path, "case_id,label\n1,a,x\nb,y\n"))


def test_too_many_columns(tmp_path):
    wide = ",".join(f"c{i}" for i in range(100_000))
    begun = time.process_time()
    assert "100,000 columns" in refused(write(tmp_path, f"{wide}\n{wide}\n"))
    assert time.process_time() - begun < 5


def test_a_record_of_megabytes_is_refused_by_both_parsers(tmp_path):
    small = "case_id,label\n" + "a,b\n" * 10
    assert "cannot be read" in refused(write(tmp_path, small + "c," + "x" * 1_000_000 + "\n"))
    assert "cannot be parsed" in refused(write(tmp_path, small + "c," + "x" * 9_000_000 + "\n"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_and_32_are_named(tmp_path, encoding):
    path = write(tmp_path, "case_id,label\na,b\n".encode(encoding))
    assert encoding[:6].upper() in refused(path)


def test_latin_1_is_named_with_its_line(tmp_path):
    text = refused(write(tmp_path, "case_id,label\na,b\nc,gutmütig\n".encode("latin-1")))
    assert "Latin-1" in text
    assert "line 3" in text
    assert "0xfc" in text


def test_windows_1252_is_named(tmp_path):
    assert "Windows-1252" in refused(write(tmp_path, b"case_id,label\na,\x93b\x94\n"))


def test_a_file_that_ends_within_a_character(tmp_path):
    assert "ends within a character" in refused(write(tmp_path, b"case_id,label\na,b\xc3"))


def test_a_byte_order_mark_is_accepted(tmp_path):
    table = read_csv(write(tmp_path, b"\xef\xbb\xbfcase_id,label\na,b\n"), REQUIRED)
    assert list(table.frame.columns) == ["case_id", "label"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file(tmp_path, content):
    assert "empty file" in refused(write(tmp_path, content))


def test_a_header_alone(tmp_path):
    assert "no rows" in refused(write(tmp_path, "case_id,label\n"))


def test_no_such_file_a_folder_and_other_formats(tmp_path):
    assert "no such file" in refused(tmp_path / "none.csv")
    assert "folder" in refused(tmp_path)
    assert "Parquet, not CSV" in refused(write(tmp_path, b"PAR1xxxx"))
    assert "an Excel workbook or a zip file" in refused(write(tmp_path, b"PK\x03\x04xxxx"))


def test_ragged_rows_are_all_listed(tmp_path):
    text = refused(write(tmp_path, "case_id,label\na\nb,x\nc,x,y\nd,x,y,z\n"))
    assert "line 2: too few" in text
    assert "line 4: too many" in text
    assert "(2 rows: lines 4, 5)" in text
    assert "line 3" not in text


def test_many_ragged_rows_are_counted(tmp_path):
    with pytest.raises(InputError) as e:
        read_csv(write(tmp_path, "case_id,label\n" + "a\n" * 1000), REQUIRED)
    assert [p.row for p in e.value.problems] == [2]
    assert "(1,000 rows: lines 2, 3, 4 and 997 more)" in str(e.value)


def test_a_header_that_stands_twice(tmp_path):
    text = refused(write(tmp_path, "case_id,label,label\na,b,c\n"))
    assert "repeated" in text
    assert "column 2 and column 3" in text


def test_absent_columns_with_the_nearest_names_all_at_once(tmp_path):
    text = refused(write(tmp_path, "Case ID,lable\na,b\n"))
    assert "'Case ID'" in text
    assert "'lable'" in text


def test_an_absent_column_without_a_near_name_lists_those_there(tmp_path):
    assert "xyz, qqq" in refused(write(tmp_path, "xyz,qqq\na,b\n"))


def test_an_optional_column_in_another_spelling_is_refused(tmp_path):
    text = refused(write(tmp_path, "case_id,label,Patient_ID\na,b,c\n"), optional=("patient_id",))
    assert "'patient_id'" in text


def test_a_column_without_a_name(tmp_path):
    assert "column 3 has no name" in refused(write(tmp_path, "case_id,label,\na,b,c\n"))


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "＝x"])
def test_a_formula_as_column_name(tmp_path, name):
    assert "formula" in refused(write(tmp_path, f"case_id,label,{name}\na,b,c\n"))


@pytest.mark.parametrize(
    ("byte", "word"), [(b"\0", "NUL"), (b"\x1b[31m", "control"), (b"\x07", "control"), (b"\x7f", "control")]
)
def test_nul_and_control_bytes_with_their_line(tmp_path, byte, word):
    text = refused(write(tmp_path, b"case_id,label\na,b\nc," + byte + b"\n"))
    assert word in text
    assert "line 3" in text
    assert "\x1b" not in text


def test_a_right_to_left_mark_in_a_column_name(tmp_path):
    text = refused(write(tmp_path, "case_id,label,a\u202eb\na,b,c\n"))
    assert "invisible" in text
    assert "\u202e" not in text


def test_template_text_is_literal(tmp_path):
    table = read_csv(write(tmp_path, "case_id,label\n{{7*7}},$\\frac$\n<script>,_x\n"), REQUIRED)
    assert table.frame.to_numpy().tolist() == [["{{7*7}}", "$\\frac$"], ["<script>", "_x"]]


def test_an_unclosed_quote_names_its_first_line(tmp_path):
    assert "line 3: a quote that is never closed" in refused(write(tmp_path, 'case_id,label\na,b\nc,"d\ne,f\n'))


def test_text_after_a_quoted_value(tmp_path):
    assert "line 2: a record that cannot be read" in refused(write(tmp_path, 'case_id,label\na,"b"c\n'))


def test_an_unclosed_quote_in_the_header(tmp_path):
    assert "header cannot be read" in refused(write(tmp_path, 'case_id,"label\na,b\n'))


def test_several_kinds_of_fault_are_told_together(tmp_path):
    _, problems = scan_csv(write(tmp_path, "case_id,label,Split\na,b\nc,d,e,f\n"), REQUIRED, ("split",))
    assert len(problems) == 3


def both_parsers(path: Path, monkeypatch) -> list[tuple]:
    out = []
    for fast_from in (0, 1 << 60):
        monkeypatch.setattr(strict_csv, "FAST_BYTES", fast_from)
        table, problems = scan_csv(path, REQUIRED)
        out.append((table.frame.to_numpy().tolist(), table.rows.tolist(), [str(p) for p in problems]))
    return out


@pytest.mark.parametrize(
    "content",
    [
        "case_id,label\na,NA\nb,\n",
        "case_id,label\r\na,x\r\nb,null\r\n",
        "case_id,label\na,x\n\n\n",
        "case_id,label\na\nb,x\nc,x,y\nd,x",
        "case_id,label\na,x\n\nb,y\n",
        "case_id,label\na,x\rb,y\n",
        'case_id,label\n"a",x\n',
        "\ufeffcase_id,label\nä, x \n",
        "\n\ncase_id,label\na,x\n",
    ],
)
def test_the_fast_parser_reads_the_same(tmp_path, monkeypatch, content):
    slow, fast = both_parsers(write(tmp_path, content), monkeypatch)
    assert slow == fast


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.text("ab1 \"';\n\r-é", max_size=4), min_size=1, max_size=3), min_size=1, max_size=6))
def test_the_fast_parser_reads_the_same_for_any_rows(tmp_path, monkeypatch, records):
    body = "\n".join(",".join(r) for r in records)
    path = write(tmp_path, "case_id,label\n" + body + "\n")
    monkeypatch.setattr(strict_csv, "FAST_BYTES", 1 << 60)
    table, problems = scan_csv(path, REQUIRED)
    monkeypatch.setattr(strict_csv, "FAST_BYTES", 0)
    again, found = scan_csv(path, REQUIRED)
    assert [str(p) for p in problems] == [str(p) for p in found]
    if table is not None and again is not None:
        assert table.frame.to_numpy().tolist() == again.frame.to_numpy().tolist()
        assert np.array_equal(table.rows, again.rows)


def test_blocks_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(strict_csv, "_CHUNK_ROWS", 3)
    monkeypatch.setattr(strict_csv, "_CHUNK_BYTES", 16)
    table = read_csv(write(tmp_path, "case_id,label\n" + "".join(f"c{i},ü{i}\n" for i in range(10))), REQUIRED)
    assert table.frame["label"].tolist() == [f"ü{i}" for i in range(10)]
    assert table.rows.tolist() == list(range(2, 12))


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = write(tmp_path, "case_id,label\na,x\n")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "the file cannot be read: Permission denied" in refused(path)


def test_a_mark_in_the_header_that_separates_nothing(tmp_path):
    """Two columns by commas, one of which holds a semicolon and none of which is the one that is wanted."""
    said = refused(write(tmp_path, "case;no,label\na,x\n"))
    assert "separated by" not in said
    assert "case_id" in said


def test_text_after_blank_lines_that_begin_another_block(tmp_path, monkeypatch):
    monkeypatch.setattr(strict_csv, "_CHUNK_BYTES", 8)
    monkeypatch.setattr(strict_csv, "FAST_BYTES", 0)
    for body in ("a,x\n\n\n\nb,y\n", "ab,x\n\n\nc,y\n", "a,x\r\n\r\n\r\nb,y\r\n"):
        slow, fast = both_parsers(write(tmp_path, "case_id,label\n" + body), monkeypatch)
        assert slow == fast
    assert not strict_csv._is_plain(write(tmp_path, "abcdef\n\nx"))
    assert strict_csv._is_plain(write(tmp_path, "abcdef\n\n\n\n"))


def test_too_many_columns_are_refused_before_they_are_read(tmp_path):
    header = ["case_id", *(f"m{i}" for i in range(2500))]
    (tmp_path / "p.csv").write_text(",".join(header) + "\n" + ",".join("1" * 2501) + "\n", encoding="utf-8")
    table, problems = scan_csv(tmp_path / "p.csv", ())
    assert table is None
    assert "2,501 columns, of which at most 2,500 are read" in str(problems[0])
