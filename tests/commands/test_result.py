"""The result of a command in Python: nothing is written before it is asked for, and what is written is what the command writes."""

from __future__ import annotations

import filecmp
import html
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import hybridcx
from hybridcx.errors import InputError

N = 40


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(4)
    positive = np.arange(N) % 2 == 0
    cases = {"case_id": [f"c{i:02d}" for i in range(N)], "y_true": np.where(positive, "abnormal", "normal")}
    scores = {m: np.clip(rng.normal(0.35 + 0.3 * positive, 0.2), 0.01, 0.99) for m in ("rf", "cnn")}
    return pd.DataFrame(cases | scores)


@pytest.fixture(scope="module")
def result(frame):
    return hybridcx.compare(frame, n_bootstrap=100)


def test_nothing_is_written_without_out(frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ratings = pd.DataFrame({"case_id": range(20), "reader_a": ["x", "y"] * 10, "reader_b": ["x", "x"] * 10})
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    published = pd.DataFrame({"model": ["a"], "metric": ["accuracy"], "value": ["90.0"]})
    before = set(tmp_path.iterdir())
    for made in (
        hybridcx.compare(frame, n_bootstrap=100),
        hybridcx.agreement("ratings.csv", n_bootstrap=100),
        hybridcx.audit(published, positives=10, negatives=10),
        hybridcx.plan.mcnemar(p10=0.15, p01=0.05),
    ):
        assert (made.folder, made.page) == (None, None)
        assert made.summary()
        assert len(repr(made)) <= 600
        assert "<iframe" in made._repr_html_()
    assert set(tmp_path.iterdir()) == before


def test_save_writes_what_the_command_writes(frame, result, tmp_path):
    saved = result.save(tmp_path / "saved")
    direct = hybridcx.compare(frame, n_bootstrap=100, out=tmp_path / "direct")
    found = filecmp.dircmp(saved.folder, direct.folder)
    assert (found.diff_files, found.left_only, found.right_only) == (["provenance.json"], [], [])
    assert saved.page == tmp_path / "saved" / "report.html"
    assert hybridcx.verify(saved.folder).agrees
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").touch()
    with pytest.raises(InputError):
        result.save(tmp_path / "other")
    assert "Written to" in repr(saved)


def test_the_command_line_writes_to_reports(frame, here, call):
    frame.to_csv("my data.csv", index=False)
    assert call("compare", "my data.csv", "--n-bootstrap", "100", "--quiet")[0] == 0
    assert (here / "reports" / "my_data" / "report.html").is_file()


def test_tables_are_attributes(result):
    assert result.metrics is result.tables["metrics"]
    assert "verdicts" in dir(result)
    own = result.rows("metrics", recommended=True)
    assert own["recommended"].all()
    assert not own.duplicated(["model", "metric"]).any()
    assert len(result.rows("metrics")) > len(own)
    with pytest.raises(AttributeError, match="the tables are metrics"):
        _ = result.nonsense


def test_the_answer_in_text(result):
    assert repr(result).startswith("Comparison of 2 models")
    assert "cnn against rf" in result.summary()
    assert "- The test set has 40 cases" in result.summary()


def test_the_notebook_shows_the_first_screen(result, tmp_path):
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', result._repr_html_())[1])
    assert "cnn against rf" in page
    assert "<svg" in page
    assert "Performance of each model" in page
    assert "Case by case" not in page
    assert "prefers-color-scheme: dark" in page
    whole = result.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert whole == (result.save(tmp_path / "r").page).read_text(encoding="utf-8")


def test_plots_are_axes(result, frame):
    for name in ("forest", "roc", "calibration", "decision_curve"):
        axes = getattr(result.plot, name)()
        assert isinstance(axes, Axes)
        assert axes.has_data()
    calls = frame.assign(**{m: np.where(frame[m] >= 0.5, "abnormal", "normal") for m in ("rf", "cnn")})
    with pytest.raises(ValueError, match="no scores"):
        hybridcx.compare(calls, n_bootstrap=100).plot.roc()
