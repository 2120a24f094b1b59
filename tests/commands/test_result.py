"""The result of a command in Python: nothing is written before it is asked for, and what is written is what the command writes."""

from __future__ import annotations

import filecmp
import html
import pickle
import re
import warnings

import docx
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

import hybridcx
from hybridcx.errors import InputError
from hybridcx.progress import Progress

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
    pd.testing.assert_frame_equal(result.metrics, result.tables["metrics"])
    assert "verdicts" in dir(result)
    own = result.rows("metrics", recommended=True)
    assert own["recommended"].all()
    assert not own.duplicated(["model", "metric"]).any()
    assert len(result.rows("metrics")) > len(own)
    with pytest.raises(AttributeError, match="the tables are metrics"):
        _ = result.nonsense


def test_a_change_of_a_table_reaches_no_report(frame, tmp_path):
    result = hybridcx.compare(frame, n_bootstrap=100)
    before = result.metrics
    for mine in (result.metrics, result.rows("metrics")):
        mine.loc[:, "estimate"] = 0.5
    pd.testing.assert_frame_equal(result.metrics, before)
    assert hybridcx.verify(result.save(tmp_path / "r").folder).agrees


def test_a_result_in_a_pickle_shows_itself(result, tmp_path):
    again = pickle.loads(pickle.dumps(result))
    assert repr(again) == repr(result)
    pd.testing.assert_frame_equal(again.metrics, result.metrics)
    with pytest.raises(ValueError, match="out of a pickle"):
        again.save(tmp_path / "r")
    with pytest.raises(InputError, match="no predictions"):
        _ = again.predictions


def test_the_home_folder_may_be_a_tilde(result, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert result.save("~/r").folder == tmp_path / "r"
    assert result.to_html("~/page.html").is_file()
    table = result.table()
    table.to_html("~/t.html")
    table.to_latex("~/t.tex")
    assert table.to_word("~/t.docx") == tmp_path / "t.docx"
    assert {"t.html", "t.tex", "t.docx"} <= {p.name for p in tmp_path.iterdir()}


def test_predictions_have_numbers_where_the_input_has(result):
    assert set(result.predictions["y_true"]) == {"abnormal", "normal"}
    of_numbers = hybridcx.compare(y_true=[0, 1] * 20, scores=[0.2, 0.9, 0.4, 0.7] * 10, n_bootstrap=100).predictions
    assert of_numbers[["case_id", "y_true", "y_pred"]].dtypes.eq("int64").all()


def test_warnings_of_the_input_are_python_warnings(frame):
    with pytest.warns(hybridcx.InputWarning, match="read as a wide table") as caught:
        hybridcx.compare(frame, n_bootstrap=100)
    assert caught[0].filename == __file__
    turned = frame.assign(rf=1 - frame["rf"])
    with pytest.warns(hybridcx.InputWarning, match=r"use score_kind other-class|Use score_kind other-class"):
        hybridcx.compare(turned, n_bootstrap=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hybridcx.compare(frame, n_bootstrap=100, progress=Progress(quiet=True))


def test_reprs_are_short(result, tmp_path):
    assert len(repr(result.plot)) < 100
    verification = hybridcx.verify(result.save(tmp_path / "r").folder)
    assert "agrees" in repr(verification)
    assert len(repr(verification)) < 200
    assert not {"content", "written", "page"} & set(dir(result))


def test_the_answer_in_text(result):
    assert repr(result).startswith("Comparison of 2 models")
    assert "cnn against rf" in result.summary()
    assert "- Only 40 test cases" in result.summary()


def test_the_notebook_shows_the_first_screen(result, tmp_path):
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', result._repr_html_())[1])
    assert 'cnn <span class="against">against</span> rf' in page
    assert "<svg" in page
    assert "Models, with 95% CI." in page
    assert "Performance of each model" not in page
    assert "prefers-color-scheme: dark" in page
    whole = result.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert whole == (result.save(tmp_path / "r").page).read_text(encoding="utf-8")


def test_the_frame_of_a_notebook_runs_no_script_and_keeps_its_links(result):
    frame = result._repr_html_()
    assert frame.startswith("<iframe srcdoc=")
    assert 'sandbox="allow-same-origin"' in frame
    page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    for left_out in ("<script", "script-src", "<nav", "<footer", "Skip to the answer"):
        assert left_out not in page
    assert '<base href="about:srcdoc">' in page  # otherwise a footnote would load the notebook into the frame
    assert "base-uri about:" in page


def test_the_frame_shows_the_main_table_of_every_command_and_is_as_high_as_it(result):
    ratings = pd.DataFrame({"case_id": range(20), "reader_a": ["x", "y"] * 10, "reader_b": ["x", "x"] * 10})
    published = pd.DataFrame({"model": ["a"], "metric": ["accuracy"], "value": ["90.0"]})
    made = {
        "Models, with 95% CI": result,
        "Main coefficients": hybridcx.agreement(ratings, n_bootstrap=100),
        "Readings under which": hybridcx.audit(published, positives=10, negatives=10),
        "The answer by each method": hybridcx.plan.mcnemar(p10=0.15, p01=0.05),
    }
    heights = []
    for caption, report in made.items():
        frame = report._repr_html_()
        assert caption in frame
        tables = re.findall(r"<table(?![^>]*data-metric)", html.unescape(frame))
        assert len(tables) == 1
        heights.append(int(re.search(r"height: (\d+)px; border", frame)[1]))
    assert 240 <= min(heights) < heights[0] <= 900


def test_rows_of_tables_that_do_not_exist_or_recommend_nothing(result):
    with pytest.raises(InputError, match=r"no such table .*Choose metrics"):
        result.rows("metric")
    with pytest.raises(InputError, match="recommends no method"):
        result.rows("confusion", recommended=True)
    pd.testing.assert_frame_equal(result.rows("confusion"), result.confusion)


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


def test_plots_of_several_seeds_and_folds_show_the_first_and_say_so(frame, pyplot):
    rng = np.random.default_rng(1)
    long = frame.melt(["case_id", "y_true"], var_name="model", value_name="score")
    seeds = pd.concat([long.assign(seed=s, score=rng.permutation(long["score"])) for s in (3, 5)])
    folds = seeds.assign(fold=seeds["case_id"].str[-1].astype(int) // 5)
    plot = hybridcx.compare(folds, n_bootstrap=100).plot
    for axes, title in (
        (plot.roc(), "seed 3, fold 0"),
        (plot.decision_curve(), "seed 3"),
        (plot.calibration("rf"), "rf, seed 3"),
    ):
        assert axes.get_title() == title
    for line in [
        line for axes in (plot.roc(), plot.decision_curve()) for line in axes.lines if line.get_gid() == "series"
    ]:
        assert (np.diff(line.get_xdata()) >= 0).all()  # one curve, not several in one line


def test_plots_look_like_the_page_and_leave_the_settings_alone(frame, pyplot):
    named = frame.rename(columns={"rf": "$a$", "cnn": "$b$"})
    before = dict(pyplot.rcParams)
    result = hybridcx.compare(named, n_bootstrap=100)
    own, (given, _) = result.plot.forest(), pyplot.subplots(1, 2)[1]
    for axes in (own, result.plot.forest(ax=given), result.plot.roc(), result.plot.calibration("$a$")):
        assert not axes.spines["top"].get_visible()
        legend = axes.get_legend()
        texts = [*axes.get_yticklabels(), axes.title, *(legend.get_texts() if legend else ())]
        assert not any(text.get_parse_math() for text in texts)
    assert own.figure.get_facecolor() == (1, 1, 1, 1)  # a notebook may be dark
    assert dict(pyplot.rcParams) == before


def test_a_fragment_of_a_table_stands_without_our_styles(result):
    fragment = result.table(["accuracy"]).to_html()
    assert '<small style="display: block">' in fragment
    assert "text-align: left" in fragment


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
