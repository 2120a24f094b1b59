"""The CSVs: how each kind of cell is written, their columns, the data dictionary, and two readers of them."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sample

from hybridcx.report.formats.csv import data_dictionary, write_table, write_tables
from hybridcx.vocabulary.columns import Column
from hybridcx.vocabulary.tables import TABLES, tables_of

"""The columns that users rely on, copied by hand: a change of one of them breaks their programs."""


def read(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    return lines[0], lines[1:]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return sample.tables(["a", "b,c", 'd"e', "_x"]) | {"agreement": sample.agreement()}


def test_every_table_of_the_command_is_written_and_a_missing_one_has_only_its_header(tmp_path: Path) -> None:
    written = write_tables(tmp_path, {}, command="run")
    assert sorted(written) == sorted(f"{t}.csv" for t in [*tables_of("run"), "data_dictionary"])
    assert {p.name for p in tmp_path.iterdir()} == set(written)
    for name in tables_of("run"):
        assert (tmp_path / f"{name}.csv").read_bytes() == (",".join(TABLES[name].columns) + "\n").encode()


def test_a_frame_without_columns_is_a_missing_table(tmp_path: Path) -> None:
    write_tables(tmp_path, {"roc": pd.DataFrame()})
    assert read(tmp_path / "roc.csv") == (list(TABLES["roc"].columns), [])


def test_cells(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "float": [0.1 + 0.2, -0.0, np.inf, -np.inf, np.nan],
            "count": [25.0, 0.0, np.nan, 3.0, 2.5],
            "integer": [1, 2, 3, 4, 5],
            "flag": [True, False, None, np.True_, np.nan],
            "text": ["plain", 'a,"b"', "two\nlines", "NA", ""],
            "seed": pd.Series([7, None, "007", 7.0, pd.NA], dtype=object),
        }
    )
    write_table(
        tmp_path / "t.csv",
        frame,
        {"float": "number", "count": "integer", "flag": "boolean", "text": "text", "seed": "text"},
    )
    assert (tmp_path / "t.csv").read_bytes().decode() == (
        "float,count,integer,flag,text,seed\n"
        "0.30000000000000004,25,1,TRUE,plain,7\n"
        '0.0,0,2,FALSE,"a,""b""",NA\n'
        'Inf,NA,3,NA,"two\nlines",007\n'
        '-Inf,3,4,TRUE,"NA",7\n'
        "NA,2.5,5,NA,NA,NA\n"
    )


def test_numbers_come_back_as_the_same_doubles(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.random.default_rng(1).integers(-300, 300, 2000)
    write_table(tmp_path / "t.csv", pd.DataFrame({"x": values}))
    assert [float(r[0]) for r in read(tmp_path / "t.csv")[1]] == values.tolist()


def test_known_columns_come_first_and_additional_ones_after(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    metrics = tables["metrics"].assign(**{"mc.error.low": 0.001})
    shuffled = metrics[sorted(metrics.columns)]
    write_tables(
        tmp_path,
        {"metrics": shuffled},
        further_columns={("metrics", "mc.error.low"): Column("Monte Carlo error", "number")},
    )
    assert read(tmp_path / "metrics.csv")[0] == [*TABLES["metrics"].columns, "mc.error.low"]


def test_wrong_columns_are_refused_before_anything_is_written(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match=r"metrics\.csv: missing columns: conf\.level"):
        write_tables(tmp_path, {"metrics": tables["metrics"].drop(columns="conf.level")})
    with pytest.raises(ValueError, match=r"without a description.*metrics\.csv: odd"):
        write_tables(tmp_path, {"metrics": tables["metrics"].assign(odd=1)})
    twice = pd.concat([tables["roc"], tables["roc"][["model"]]], axis=1)
    with pytest.raises(ValueError, match="repeated columns: model"):
        write_tables(tmp_path, {"roc": twice})
    with pytest.raises(ValueError, match="unknown command"):
        write_tables(tmp_path, {}, command="compere")
    assert list(tmp_path.iterdir()) == []


def test_the_dictionary_describes_every_column_of_every_file(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    curves = tables["roc"].assign(seed=1)
    other = {("predictions", "case_id"): Column("the case", "text")}
    names = write_tables(tmp_path, tables | {"roc": curves}, command="run", further_columns=other)
    header, rows = read(tmp_path / "data_dictionary.csv")
    assert header == ["file", "column", "description", "values"]
    described = {(r[0], r[1]) for r in rows}
    assert len(described) == len(rows)
    assert described == {(n, c) for n in names for c in read(tmp_path / n)[0]} | {("predictions.csv", "case_id")}
    assert ("disagreements.csv", 'd"e') in described
    assert ("roc.csv", "seed") in described
    assert all(r[2] for r in rows)


def test_every_column_needs_a_description() -> None:
    with pytest.raises(ValueError, match=r"new\.csv: x"):
        data_dictionary({"new": pd.DataFrame({"x": [1]})})


def test_pandas_reads_the_written_values(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    write_tables(tmp_path, tables, command="run")
    back = pd.read_csv(
        tmp_path / "comparisons.csv", float_precision="round_trip"
    )  # the default of pandas 2 is not exact
    for column in ("estimate", "conf.low", "p.value", "adj.p.value"):
        np.testing.assert_allclose(back[column], tables["comparisons"][column].astype(float), rtol=1e-15)
    assert back["recommended"].dtype == bool
    assert back["b"].dropna().eq(back["b"].dropna().round()).all()


@pytest.mark.r
def test_r_reads_the_written_values(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    write_tables(tmp_path, tables, command="run")
    script = """
    x <- read.csv("comparisons.csv"); m <- read.csv("metrics.csv"); r <- read.csv("roc.csv"); d <- read.csv("disagreements.csv", check.names = FALSE)
    stopifnot(is.logical(x$recommended), is.integer(x$b), is.numeric(x$p.value), is.numeric(m$estimate), any(is.infinite(r$threshold)))
    stopifnot(identical(names(d)[4:7], c("a", "b,c", 'd"e', "_x")), all(is.na(m$subgroup)))
    cat(nrow(x), sprintf("%.17g", sum(x$estimate)))
    """
    done = subprocess.run(
        ["Rscript", "--vanilla", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    n, total = done.stdout.split()
    assert int(n) == len(tables["comparisons"])
    assert float(total) == pytest.approx(tables["comparisons"]["estimate"].sum(), abs=1e-12)


def test_the_same_tables_give_the_same_bytes(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_tables(tmp_path / name, tables, command="run")
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
