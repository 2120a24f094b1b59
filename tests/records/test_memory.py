"""Predictions too large for memory are refused before they are read, with the size that fits (bad_input.md 50)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hybridcx.errors import InputError
from hybridcx.records.containers import scan_file
from hybridcx.records.memory import LIBRARIES, check_memory, size_of
from hybridcx.store.machine import Memory


def frame(cases: int, models: int = 2, label: str = "") -> pd.DataFrame:
    rng = np.random.default_rng(0)
    truth = np.tile(rng.random(cases) < 0.4, models)
    score = 1 / (1 + np.exp(-(2 * truth - 1 + rng.normal(size=len(truth)))))
    names = np.array([f"normal{label}", f"abnormal{label}"], dtype=object)
    return pd.DataFrame(
        {
            "case_id": np.tile([f"c{i:06d}" for i in range(cases)], models),
            "y_true": names[truth.astype(int)],
            "model": np.repeat([f"m{i}" for i in range(models)], cases),
            "y_pred": names[(score >= 0.5).astype(int)],
            "score": score,
        }
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_sizes_are_known_before_reading(ending, tmp_path):
    path = tmp_path / f"p.{ending}"
    made = frame(20_000, 3, "x" * 50)
    made.to_csv(path, index=False) if ending == "csv" else made.to_parquet(path)
    size = size_of(path)
    assert size.columns == 5
    assert size.rows == pytest.approx(60_000, rel=0.02)
    assert size.text == pytest.approx(
        60_000 * (7 + 2 * 57 + 2 + (20 if ending == "csv" else 4 * 8)),
        rel=0.1 if int(pa.__version__.split(".")[0]) > 17 else 0.15,
    )


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_too_many_rows_are_refused_with_the_number_that_fits(ending, tmp_path):
    path = tmp_path / f"p.{ending}"
    made = frame(20_000)
    made.to_csv(path, index=False) if ending == "csv" else made.to_parquet(path)
    size = size_of(path)
    check_memory(path, Memory(size.memory, None))
    half = LIBRARIES + (size.memory - LIBRARIES) // 2
    with pytest.raises(InputError) as error:
        check_memory(path, Memory(half, None))
    text = str(error.value)
    assert "rows of 5 columns need about" in text
    fits = int(text.partition("About ")[2].partition(" ")[0].replace(",", ""))
    assert fits == pytest.approx(20_000, rel=0.02)  # half of 40,000


def test_check_and_compare_refuse_and_write_nothing(here, call, monkeypatch):
    frame(1000).to_csv("p.csv", index=False)
    monkeypatch.setattr("hybridcx.records.memory.memory_there", lambda: Memory(LIBRARIES + 100_000, None))
    code, _, err = call("compare", "p.csv", "--out", "out")
    assert code == 2
    assert "such rows fit" in err
    assert not (here / "out").exists()
    code, out, _ = call("check", "p.csv")
    assert code == 1
    assert "such rows fit" in out


def test_what_is_no_table_is_left_to_the_reader(tmp_path):
    for name, text in (("a.csv", b""), ("b.parquet", b"PAR1 no"), ("c.csv", b"one line")):
        (tmp_path / name).write_bytes(text)
        check_memory(tmp_path / name, Memory(1, None))
    check_memory(tmp_path / "absent.csv", Memory(1, None))


def repeated(n: int, text: str) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array([text]))


BOMBS = {
    "a long text in a dictionary": ({"case_id": ["a", "b"] * 30, "note": repeated(60, "x" * 50_000_000)}, "about 833,"),
    "long plain texts": ({"note": pa.array(["x" * 3_000_000] * 20, pa.large_string())}, "about 3,000,"),
    "a text on many rows": ({"note": repeated(100_000, "y" * 100_000)}, "100,000 rows that would need about"),
    "many equal rows": ({"model": repeated(10_000_000, "m")}, "10,000,000 rows that would need about"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_parquet_file_that_unpacks_to_much_is_refused_without_unpacking(kind, tmp_path, monkeypatch):
    columns, words = BOMBS[kind]
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=kind != "long plain texts")
    assert path.stat().st_size < 1_000_000
    before = pa.total_allocated_bytes()
    peak = pa.default_memory_pool().max_memory()
    try:
        _, problems = scan_file(path)
    except InputError as error:
        problems = error.problems
    assert words in str(problems[0])
    assert pa.total_allocated_bytes() - before < 1_000_000
    assert pa.default_memory_pool().max_memory() <= peak + 50_000_000


def test_predictions_that_compress_well_are_no_bomb(tmp_path):
    path = tmp_path / "p.parquet"
    made = frame(100_000, 8).assign(score=lambda t: t.score.round(1))
    made.to_parquet(path, compression="zstd", compression_level=19)
    assert size_of(path).memory - LIBRARIES < 1000 * path.stat().st_size  # refused beyond 5,000


MEASURED = """
import resource, sys, hybridcx
from pathlib import Path
hybridcx.compare(sys.argv[1], out=sys.argv[2], positive=sys.argv[3], n_bootstrap=100)
status = Path("/proc/self/status")  # ru_maxrss remembers the process that this one was forked from
peak = [int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
print(peak[0] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ru_maxrss is not there")
@pytest.mark.parametrize(("ending", "label"), [("csv", ""), ("parquet", ""), ("csv", "x" * 200)])
def test_the_estimate_is_within_a_factor_of_two_of_the_measured_peak(ending, label, tmp_path):
    path = tmp_path / f"p.{ending}"
    made = frame(600_000, 2, label)
    made.to_csv(path, index=False) if ending == "csv" else made.to_parquet(path)
    estimate = size_of(path).memory
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, path, tmp_path / "out", f"abnormal{label}"],
        capture_output=True,
        text=True,
        check=True,
    )
    measured = int(done.stdout.split()[-1])
    print(f"estimated {estimate / 1e9:.2f} GB, measured {measured / 1e9:.2f} GB")
    assert 0.5 < estimate / measured < 2
