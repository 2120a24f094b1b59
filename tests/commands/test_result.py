"""The result of a command in Python: nothing is written before it is asked for, and what is written is what the command writes."""

from __future__ import annotations

import filecmp
import html
import re

import docx
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
        hybridcx.agreement(ratings, n_bootstrap=100),
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


@pytest.fixture
def pyplot():
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.close("all")
    yield plt
    plt.close("all")


def test_plots_are_axes(result, frame, pyplot):
    for name in ("forest", "roc", "calibration", "decision_curve"):
        axes = getattr(result.plot, name)()
        assert isinstance(axes, Axes)
        assert axes.has_data()
        assert pyplot.fignum_exists(axes.figure.number)  # a notebook shows it
    calls = frame.assign(**{m: np.where(frame[m] >= 0.5, "abnormal", "normal") for m in ("rf", "cnn")})
    with pytest.raises(InputError, match="no scores"):
        hybridcx.compare(calls, n_bootstrap=100).plot.roc()
    with pytest.raises(InputError, match="no pair of models"):
        hybridcx.plan.mcnemar(p10=0.15, p01=0.05).plot.forest()


def test_plots_draw_into_given_axes(result, pyplot):
    figure, grid = pyplot.subplots(2, 2)
    plot = result.plot
    drawn = plot.forest(ax=grid[0, 0]), plot.roc(["rf"], ax=grid[0, 1]), plot.calibration("cnn", ax=grid[1, 0])
    assert [*drawn, plot.decision_curve(ax=grid[1, 1])] == list(grid.flat)
    assert pyplot.get_fignums() == [figure.number]
    assert len([line for line in grid[0, 1].lines if line.get_gid() == "series"]) == 1
    low, high = result.comparisons.query("metric == 'accuracy' and recommended == True").iloc[0][
        ["conf.low", "conf.high"]
    ]
    ends = [x for line in grid[0, 0].lines for x in line.get_xdata()]
    assert 100 * low in ends
    assert 100 * high in ends
    with pytest.raises(InputError, match="a panel of its own"):
        plot.calibration(ax=grid[0, 0])
    with pytest.raises(InputError, match="a model that the table does not have"):
        plot.roc(["svm"])
    with pytest.raises(InputError, match="at most 8 models"):
        plot.roc(["rf"] * 9)


def test_a_table_for_a_manuscript(result, tmp_path):
    table = result.table(metrics=["auroc", "sensitivity", "brier"], models=["rf", "cnn"])
    frame = table.to_frame()
    assert frame.index.tolist() == ["rf", "cnn"]
    assert frame.columns.tolist() == ["AUROC", "Sensitivity, %", "Brier score"]
    own = result.rows("metrics", recommended=True).query("metric == 'auroc'").set_index("model")
    assert frame.loc["cnn", "AUROC"].startswith(f"{own.loc['cnn', 'estimate']:.3f} ({own.loc['cnn', 'conf.low']:.3f}")
    assert "2 models on 40 cases" in repr(table)
    assert table.to_html() == table._repr_html_()
    assert "MC error" not in table.to_html()
    assert table.to_html(tmp_path / "t.html") in (tmp_path / "t.html").read_text(encoding="utf-8")
    assert r"\toprule" in table.to_latex(tmp_path / "t.tex")
    document = docx.Document(str(table.to_word(tmp_path / "t.docx")))
    assert [c.text for c in document.tables[0].rows[0].cells] == ["Model", *frame.columns]
    assert document.tables[0].rows[1].cells[0].text == "rf"
    assert result.table().to_frame().shape == (2, 6)
    for wrong in ({"metrics": ["dice"]}, {"models": ["svm"]}):
        with pytest.raises(InputError, match="that the result does not have"):
            result.table(**wrong)


def test_the_main_table_of_results_without_metrics():
    ratings = pd.DataFrame({"case_id": range(20), "reader_a": ["x", "y"] * 10, "reader_b": ["x", "x"] * 10})
    assert "Cohen's κ" in str(hybridcx.agreement(ratings, n_bootstrap=100).table())
    planned = hybridcx.plan.mcnemar(p10=0.15, p01=0.05)
    assert "168" in str(planned.table())
    with pytest.raises(InputError, match="no metrics of models"):
        planned.table(metrics=["auroc"])
