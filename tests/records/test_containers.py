"""Every container gives the table that its CSV gives; what is not read is named as what it is."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pyreadstat
import pytest

import hybridcx
from hybridcx.errors import InputError
from hybridcx.records.containers import scan_file
from hybridcx.records.predictions import read_predictions
from hybridcx.store.machine import Memory

N = 30


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(1)
    positive = np.arange(N) % 3 == 0
    scores = {m: np.clip(rng.normal(0.3 + 0.3 * positive, 0.2), 0.01, 0.99).round(4) for m in ("vgg16", "resnet101")}
    cases = {"case_id": [f"c{i:02d}" for i in range(N)], "y_true": np.where(positive, "abnormal", "normal")}
    return pd.DataFrame(cases | scores)


@pytest.fixture(scope="module")
def expected(wide):
    long = wide.melt(["case_id", "y_true"], var_name="model", value_name="score")
    return read_predictions_of(long)


def read_predictions_of(frame):
    return hybridcx.records.predictions.predictions_from_frame(frame).matrices()


def workbook(frame, path, sheets=("Sheet1",)):
    with pd.ExcelWriter(path, engine="openpyxl") as writer:
        for sheet in sheets:
            frame.to_excel(writer, sheet_name=sheet, index=False)


WRITERS = {
    "plain.csv": lambda f, p: f.to_csv(p, index=False),
    "rows.csv": lambda f, p: f.to_csv(p),
    "decimal.csv": lambda f, p: f.to_csv(p, index=False, sep=";", decimal=","),
    "quoted.csv": lambda f, p: f.to_csv(p, index=False, decimal=","),
    "tabs.txt": lambda f, p: f.to_csv(p, index=False, sep="\t"),
    "marked.csv": lambda f, p: p.write_text("sep=;\n" + f.to_csv(index=False, sep=";"), encoding="utf-8"),
    "zipped.csv.gz": lambda f, p: f.to_csv(p, index=False),
    "plain.parquet": lambda f, p: f.to_parquet(p, index=False),
    "index.parquet": lambda f, p: f.set_index("case_id").to_parquet(p),
    "rows.parquet": lambda f, p: f.set_index(f.index + 7).to_parquet(p),
    "noname": lambda f, p: f.to_parquet(p, index=False),
    "frame.feather": lambda f, p: f.to_feather(p),
    "old.dta": lambda f, p: f.to_stata(p, write_index=False, version=114),
    "new.dta": lambda f, p: f.to_stata(p, write_index=False, version=118),
    "spss.sav": lambda f, p: pyreadstat.write_sav(f, str(p)),
    "spss.zsav": lambda f, p: pyreadstat.write_sav(f, str(p), compress=True),
    "book.xlsx": workbook,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_container_gives_the_same_table(wide, expected, tmp_path, name):
    WRITERS[name](wide, tmp_path / name)
    read = read_predictions(tmp_path / name).matrices()
    assert read.models == expected.models
    np.testing.assert_array_equal(read.case_ids, expected.case_ids)
    np.testing.assert_array_equal(read.y_true, expected.y_true)
    np.testing.assert_array_equal(read.y_score, expected.y_score)


def test_value_labels_of_stata_and_spss_are_the_labels(tmp_path):
    frame = pd.DataFrame({"case_id": list("abcd"), "y_true": [1, 2, 1, 2], "model": "m", "score": [0.1, 0.9, 0.3, 0.6]})
    frame.to_stata(tmp_path / "a.dta", write_index=False, value_labels={"y_true": {1: "normal", 2: "abnormal"}})
    pyreadstat.write_sav(frame, str(tmp_path / "a.sav"), variable_value_labels={"y_true": {1: "normal", 2: "abnormal"}})
    for name in ("a.dta", "a.sav"):
        assert read_predictions(tmp_path / name).matrices().y_true.tolist() == [False, True, False, True]


def test_bytes_in_parquet_are_text(wide, expected, tmp_path):
    table = pa.table(
        {c: pa.array([v.encode() for v in wide[c]]) if c in ("case_id", "y_true") else wide[c] for c in wide}
    )
    pq.write_table(table, tmp_path / "bytes.parquet")
    read = read_predictions(tmp_path / "bytes.parquet")
    assert read.labels == ("normal", "abnormal")
    np.testing.assert_array_equal(read.matrices().case_ids, expected.case_ids)
    pq.write_table(pa.table({"case_id": [b"\xff"], "y_true": ["a"], "m": [0.5]}), tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"bad.parquet"):
        read_predictions(tmp_path / "bad.parquet")


def test_a_dataset_folder(wide, expected, tmp_path):
    long = wide.melt(["case_id", "y_true"], var_name="model", value_name="score")
    for model, part in long.groupby("model"):
        folder = tmp_path / "parts" / f"model={model}"
        folder.mkdir(parents=True)
        part.drop(columns="model").to_parquet(folder / "0.parquet", index=False)
    (tmp_path / "parts" / "_SUCCESS").touch()
    read = read_predictions(tmp_path / "parts").matrices()
    assert set(read.models) == {"vgg16", "resnet101"}
    order = [read.models.index(m) for m in expected.models]
    np.testing.assert_array_equal(read.y_score[order], expected.y_score)
    (tmp_path / "parts" / "note.txt").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="neither a finished report nor a dataset"):
        read_predictions(tmp_path / "parts")


@pytest.mark.skipif(os.name == "nt", reason="bash and /dev/fd")
def test_standard_input_and_process_substitution(wide, tmp_path):
    wide.to_csv(tmp_path / "p.csv", index=False)
    command = f"{sys.executable} -m hybridcx compare {{}} -q --n-bootstrap 100 --out {{}}"
    outs = []
    for line in (
        command.format("p.csv", "a"),
        "cat p.csv | " + command.format("-", "b"),
        command.format("<(cat p.csv)", "c"),
    ):
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        outs.append((tmp_path / line.split()[-1] / "metrics.csv").read_bytes())
    assert outs[0] == outs[1] == outs[2]
    assert hybridcx.verify(tmp_path / "b").agrees


@pytest.mark.skipif(os.name == "nt", reason="named pipes and devices")
def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "p.csv")
    begun = time.monotonic()
    for path, words in ((tmp_path / "p.csv", "a named pipe"), ("/dev/null", "a device")):
        for read in (hybridcx.compare, hybridcx.check, hybridcx.agreement):
            with pytest.raises(InputError, match=words):
                read(path)
        with pytest.raises(InputError, match=words):
            hybridcx.audit(path, positives=10, negatives=10)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Excel workbook"),
        (b"RDX3\nX\n" + bytes(100), "an R data file"),
        (b"\x93NUMPY\x01\x00" + bytes(100), "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b"\x80\x04\x95" + bytes(100), "a pickle (which could run any code)"),
        (b"<!DOCTYPE html><html><body>log in</body></html>", "an HTML page"),
        (b'{"case_id": ["a"]}', "JSON"),
        (b"SQLite format 3\x00" + bytes(100), "an SQLite database"),
        (b"%PDF-1.7\n" + bytes(100), "a PDF"),
    ],
)
def test_other_containers_are_named(tmp_path, content, words):
    (tmp_path / "predictions.csv").write_bytes(content)
    for read in (hybridcx.compare, lambda p: hybridcx.audit(p, positives=5, negatives=5), hybridcx.agreement):
        with pytest.raises(InputError) as error:
            read(tmp_path / "predictions.csv")
        assert words in str(error.value)
        assert "Export the table as CSV or Parquet" in str(error.value)
        assert "UTF-8" not in str(error.value)


def test_workbooks_that_are_not_read(wide, tmp_path):
    workbook(wide, tmp_path / "two.xlsx", ("a", "b"))
    with pytest.raises(InputError, match="2 sheets that hold a table: a, b"):
        read_predictions(tmp_path / "two.xlsx")
    book = openpyxl.Workbook()
    book.save(tmp_path / "empty.xlsx")
    with pytest.raises(InputError, match="0 sheets"):
        read_predictions(tmp_path / "empty.xlsx")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("p.csv", "case_id,y_true\n")
    with pytest.raises(InputError, match="a zip archive, which is not read"):
        read_predictions(tmp_path / "a.zip")
    (tmp_path / "damaged.xlsx").write_bytes((tmp_path / "two.xlsx").read_bytes()[:2000])
    with pytest.raises(InputError, match="damaged workbook"):
        read_predictions(tmp_path / "damaged.xlsx")
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
        archive.writestr("xl/worksheets/sheet1.xml", bytes(300_000_000))
    with pytest.raises(InputError, match="a workbook that unpacks to"):
        read_predictions(tmp_path / "bomb.xlsx")


@pytest.mark.parametrize(("cell", "words"), [("XFD1048576", "XFD1048576"), ("A1048576", "A1048576"), ("F3", "F3")])
def test_a_cell_far_outside_the_table_of_a_workbook_is_named(wide, tmp_path, cell, words):
    workbook(wide, tmp_path / "far.xlsx")
    book = openpyxl.load_workbook(tmp_path / "far.xlsx")
    book.active[cell] = "x"
    book.save(tmp_path / "far.xlsx")
    start = time.perf_counter()
    table, problems = scan_file(tmp_path / "far.xlsx")
    assert time.perf_counter() - start < 20
    assert table is None
    assert len(problems) == 1
    assert words in str(problems[0])
    assert "row 1 and ends in cell D1" in str(problems[0])


def test_empty_rows_of_a_workbook_are_left_out(wide, expected, tmp_path):
    workbook(wide, tmp_path / "gaps.xlsx")
    book = openpyxl.load_workbook(tmp_path / "gaps.xlsx")
    sheet = book.active
    sheet.insert_rows(5)
    sheet.insert_rows(1, 2)
    sheet["C9000"].font = openpyxl.styles.Font(bold=True)
    sheet["H9000"] = " "
    book.save(tmp_path / "gaps.xlsx")
    assert len(scan_file(tmp_path / "gaps.xlsx")[0].frame) == N
    np.testing.assert_array_equal(read_predictions(tmp_path / "gaps.xlsx").matrices().y_score, expected.y_score)


def test_a_workbook_larger_than_memory_is_refused_while_it_is_read(tmp_path, monkeypatch):
    workbook(pd.DataFrame({"case_id": [f"c{i}" for i in range(2500)], "x": "y" * 2000}), tmp_path / "p.xlsx")
    monkeypatch.setattr("hybridcx.records.memory.memory_there", lambda: Memory(253_000_000, None))
    _, problems = scan_file(tmp_path / "p.xlsx")
    assert "1,000 rows of 2 columns need about" in str(problems[0])


@pytest.mark.parametrize("package", ["openpyxl", "pyreadstat"])
def test_an_absent_package_is_named_with_its_extra(wide, tmp_path, monkeypatch, package):
    name, extra = {"openpyxl": ("book.xlsx", "excel"), "pyreadstat": ("spss.sav", "spss")}[package]
    WRITERS[name](wide, tmp_path / name)
    monkeypatch.setattr("hybridcx.vocabulary.extras.find_spec", lambda _: None)
    with pytest.raises(InputError, match=rf'pip install "hybridcx\[{extra}\]"'):
        read_predictions(tmp_path / name)


def test_damaged_notes_of_pandas(wide, tmp_path):
    table = pa.Table.from_pandas(wide)
    for notes in (b"[1]", b"{}", b"not json", b'{"index_columns": 5}', b"[" * 5000):
        pq.write_table(table.replace_schema_metadata({b"pandas": notes}), tmp_path / "p.parquet")
        with pytest.raises(InputError, match="pandas' notes in this Parquet file are damaged"):
            read_predictions(tmp_path / "p.parquet")


@pytest.mark.parametrize("offset", [0, 1, 4, 29, 30])
@pytest.mark.parametrize("value", [b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x00\x00\x01\x00\x00\x00\x00\x00"])
@pytest.mark.parametrize("as_dataset", [False, True])
def test_damaged_offsets_in_feather_are_refused(tmp_path, offset, value, as_dataset):
    words = [f"case{i:03d}" for i in range(N)]
    table = pa.table({"case_id": pa.array(words, pa.large_string()), "y_true": ["0", "1"] * (N // 2)})
    path = tmp_path / "parts" / "p.feather"
    path.parent.mkdir()
    pa.feather.write_feather(table, path, compression="uncompressed")
    content = path.read_bytes()
    offsets = np.arange(0, 7 * N + 1, 7, dtype="<i8").tobytes()
    assert content.count(offsets) == 1
    at = content.index(offsets) + 8 * offset
    path.write_bytes(content[:at] + value + content[at + 8 :])
    read, problems = scan_file(path.parent if as_dataset else path)
    assert read is None
    assert ("dataset cannot be read" if as_dataset else "this Feather file is damaged") in str(problems[0])


def test_a_long_text_in_a_dictionary_is_refused_before_it_is_repeated(tmp_path):
    words = pa.DictionaryArray.from_arrays(pa.array([0] * 1000), pa.array(["x" * 5_000_000]))
    table = pa.table(
        {"case_id": [f"c{i}" for i in range(1000)], "y_true": ["0", "1"] * 500, "model": words, "score": [0.5] * 1000}
    )
    pq.write_table(table, tmp_path / "p.parquet", compression="zstd")
    assert (tmp_path / "p.parquet").stat().st_size < 50_000
    table, problems = scan_file(tmp_path / "p.parquet")
    assert table is None
    assert "a text of 5,000,000 bytes" in str(problems[0])


def test_gzip_that_does_not_fit_or_is_cut(wide, tmp_path, monkeypatch):
    text = wide.to_csv(index=False).encode()
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(text)[:-20])
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_predictions(tmp_path / "cut.csv.gz")
    with gzip.open(tmp_path / "large.csv.gz", "wb") as file:
        file.write(text + bytes(20_000_000))
    monkeypatch.setattr("hybridcx.records.containers.memory_there", lambda: Memory(10_000_000, None))
    with pytest.raises(InputError, match="more than 5 MB of text"):
        read_predictions(tmp_path / "large.csv.gz")


def test_a_closed_standard_input_is_reported(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        hybridcx.compare("-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(InputError, match="an empty file"):
        hybridcx.compare("-")
