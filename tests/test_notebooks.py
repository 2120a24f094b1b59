"""The notebooks of docs/notebooks run as they stand, offline, write nothing but what they say, and their prose agrees with their outputs."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[1] / "docs/notebooks"
PREDICTIONS = Path(__file__).parents[1] / "../shared/data/breastmnist_resnet18_224_predictions.csv"
NAMES = ("two_classifiers", "published_predictions", "reader_study")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
NO_NETWORK = """import socket
def _refused(*_):
    raise OSError("a notebook asks for the network")
socket.socket.connect = socket.getaddrinfo = _refused"""
LOADED = 'import sys; print(sorted({"torch", "sklearn"} & {*sys.modules}))'


class Executed:
    """An executed notebook: its prose, its outputs, and what it wrote."""

    def __init__(self, notebook: NotebookNode, folder: Path, home: Path, loaded: str) -> None:
        self.cells = [c for c in notebook.cells if c.cell_type == "code"]
        self.prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
        self.outputs = [o for c in self.cells for o in c.outputs]
        self.written = {p.name for p in folder.iterdir()}
        self.at_home = list(home.iterdir())
        self.folder, self.loaded = folder, loaded

    def shown(self, kind: str) -> list[str]:
        """The displayed data of a MIME type."""
        return [o.data[kind] for o in self.outputs if kind in o.get("data", {})]

    @property
    def views(self) -> list[str]:
        """The pages inside the frames."""
        frames = (re.search(r'^<iframe srcdoc="([^"]*)"', h) for h in self.shown("text/html"))
        return [html.unescape(m[1]) for m in frames if m]

    @property
    def frames(self) -> list[pd.DataFrame]:
        """The tables of pandas, without the names of their levels."""
        found = [h for h in self.shown("text/html") if 'class="dataframe"' in h]
        tables = [pd.read_html(StringIO(h), index_col=0)[0] for h in found]
        return [t.droplevel(1, axis="columns") if t.columns.nlevels > 1 else t for t in tables]

    @property
    def printed(self) -> str:
        return "".join(o.text for o in self.outputs if o.get("name") == "stdout")


def execute(name: str, folder: Path) -> Executed:
    """Run a notebook in a new folder, with another empty one as home, and without a network."""
    work, home = folder / "work", folder / "home"
    work.mkdir()
    home.mkdir()
    if name == "published_predictions":
        shutil.copy(PREDICTIONS, work)
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    first, last = (nbformat.v4.new_code_cell(source) for source in (NO_NETWORK, LOADED))
    notebook.cells = [first, *notebook.cells, last]
    with (
        tempfile.TemporaryDirectory(prefix="nb") as short,
        pytest.MonkeyPatch.context() as patch,
    ):  # sockets need short paths
        for variable in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            (Path(short) / variable).mkdir()
            patch.setenv(variable, str(Path(short) / variable))
        patch.setenv("MPLCONFIGDIR", mpl.get_cachedir())
        patch.setenv("HOME", str(home))
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        patch.delenv("MPLBACKEND", raising=False)  # the kernel draws into the notebook
        ipc = {"transport": "ipc", "ip": f"{short}/kernel"} if os.name == "posix" else {}
        kernel = KernelManager(kernel_name="python3", **ipc)
        try:
            NotebookClient(notebook, km=kernel, timeout=120, resources={"metadata": {"path": str(work)}}).execute()
        finally:
            kernel.shutdown_kernel(now=True)
    loaded = notebook.cells.pop().outputs[0].text.strip()
    return Executed(notebook, work, home, loaded)


@pytest.fixture(scope="module")
def two_classifiers(tmp_path_factory) -> Executed:
    return execute("two_classifiers", tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Executed:
    if not PREDICTIONS.exists():
        pytest.skip("../shared/data is not here")
    return execute("published_predictions", tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> Executed:
    return execute("reader_study", tmp_path_factory.mktemp("readers"))


@pytest.fixture(params=["two_classifiers", pytest.param("published", marks=pytest.mark.shared), "readers"])
def executed(request) -> Iterator[Executed]:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_stored_without_outputs_and_paths(name: str) -> None:
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    assert json.loads(text)["metadata"] == METADATA
    assert len(notebook.cells) <= 18
    for cell in notebook.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)
    assert not re.search(r"/home|/work|/tmp|/Users|shared/", text)


def test_all_are_tested_and_listed() -> None:
    assert {p.stem for p in FOLDER.glob("*.ipynb")} == set(NAMES)
    readme = (FOLDER.parents[1] / "README.md").read_text(encoding="utf-8")
    assert all(f"docs/notebooks/{name}.ipynb" in readme for name in NAMES)


def test_nothing_on_standard_error_and_nothing_elsewhere(executed: Executed) -> None:
    assert all("InputWarning" in o.text for o in executed.outputs if o.get("name") == "stderr")
    assert executed.at_home == []
    assert executed.written <= {PREDICTIONS.name, "table.tex", "table.docx", "two_classifiers_report"}


def test_views_are_complete_and_short(executed: Executed) -> None:
    assert executed.views
    for view in executed.views:
        assert "<h1>" in view
        assert "<table" in view
        assert "<script" not in view
        assert "<nav" not in view
    for o in executed.outputs:
        assert len(o.get("data", {}).get("text/plain", "")) <= 1500


def test_two_classifiers(two_classifiers: Executed) -> None:
    first, held_out, detectable = two_classifiers.views
    assert "logistic is better" in first
    assert "Difference in accuracy, percentage points" in first
    assert "Difference in accuracy, percentage points" in held_out
    assert f"{100 * (163 - 156) / 171:.1f} percentage points in favour of logistic" in held_out
    assert "inconclusive" in held_out
    assert "171 cases" in detectable
    assert len(two_classifiers.shown("image/png")) == 1
    verdicts, metrics, interactions = two_classifiers.frames
    assert set(verdicts["verdict"]) == {"superior"}
    assert metrics["std.error"].gt(0).all()
    assert interactions["p.value"].gt(0.05).all()
    assert r"\toprule" in (two_classifiers.folder / "table.tex").read_text(encoding="utf-8")
    report = two_classifiers.folder / "two_classifiers_report"
    assert (report / "report.html").is_file()
    assert len(pd.read_csv(report / "predictions.csv")) == 2 * 20 * 114
    assert all(f"*{verdict}*" in two_classifiers.prose for verdict in ("superior", "inconclusive"))


def test_the_discordant_cases_of_the_prose(two_classifiers: Executed) -> None:
    # McNemar's exact p-value of a split of 13 cases with a difference of 7: 10 to 3
    p = 2 * sum(_binomial(13, k) for k in range(4))
    assert f"exact p = {p:.3f}" in two_classifiers.views[1].replace("\u00a0", " ")
    assert "13 of 171" in two_classifiers.prose


def _binomial(n: int, k: int) -> float:
    return float(np.prod([(n - i) / (i + 1) for i in range(k)])) / 2**n


@pytest.mark.shared
def test_published_predictions(published: Executed) -> None:
    cases = pd.read_csv(PREDICTIONS)
    positive, score = cases["y_true"].eq("positive").to_numpy(), cases["score"].to_numpy()
    found = score >= 0.5
    wins = score[positive][:, None] - score[~positive]
    auroc, accuracy = ((wins > 0) + (wins == 0) / 2).mean(), (found == positive).mean()
    assert (round(auroc, 3), round(accuracy, 3)) == (0.913, 0.846)
    assert (int((~found & ~positive).sum()), int((~positive).sum())) == (24, 42)
    assert {"24 of 42", "57.1 %", "AUROC 0.913 and accuracy 0.846", "94.7 %"} <= set(
        re.findall(r"24 of 42|57\.1 %|AUROC 0\.913 and accuracy 0\.846|94\.7 %", published.prose)
    )

    as_filed, detectable = (v.replace("\xa0", " ") for v in published.views)
    assert "accuracy 84.6%" in as_filed
    assert "AUROC 0.913 (95% CI 0.849 to 0.951)" in as_filed
    assert f"specificity {100 * 24 / 42:.1f}%" in as_filed
    assert "none (4.6 percentage points)" in detectable
    _, both, line, audit = published.frames
    benign, malignant = both.astype(str).iloc[-2:].agg(" ".join, axis="columns")
    assert "94.7 (89.0 to 97.6) 57.1 (42.2 to 70.9)" in benign  # sensitivity, specificity
    assert "57.1 (42.2 to 70.9) 94.7 (89.0 to 97.6)" in malignant
    assert line["estimate"].iloc[0] == pytest.approx(0.316, abs=0.001)
    matrices = [(tp, tn) for tp in range(43) for tn in range(115) if f"{(tp + tn) / 156:.3f}" == "0.846"]
    assert set(audit["n.solutions"]) == {len(matrices)} == {25}
    assert audit["estimate.min"].iloc[0] == pytest.approx(min(tp for tp, _ in matrices) / 42, abs=1e-6)
    assert "25 confusion matrices" in published.prose
    assert "43 % to 100 %" in published.prose

    assert "columns taken by guess: y_true=label" in published.printed
    assert len(published.shown("image/png")) == 1
    assert any("Performance of 1 model on 156 cases" in h for h in published.shown("text/html"))
    assert (published.folder / "table.docx").is_file()
    assert published.loaded == "[]"


def test_reader_study(readers: Executed) -> None:
    measured, agreed = (" ".join(html.unescape(view).split()) for view in readers.views)
    iccs, limits, kappas, performance, accuracy = readers.frames
    published = [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]  # Shrout and Fleiss (1979), table 4
    assert iccs["table"].tolist() == iccs["stats.icc"].tolist() == pytest.approx(published, abs=0.006)
    assert "0.17, 0.29 and 0.71" in readers.prose
    assert "0.44, 0.62 and 0.91" in readers.prose
    assert "Between the 4 readers, ICC(2,1), absolute agreement, is 0.290" in measured
    assert limits["estimate"].tolist() == pytest.approx(
        [1.0, -2.28, 4.28]
    )  # 1 -+ 1.96 SD of the differences 1, 4, 0, 1, 1, -1
    kappa, ac1 = re.findall(r"0\.\d{3}", readers.printed)
    assert f"Between the 2 readers, occasion 1, Cohen's κ, unweighted, is {kappa}" in agreed
    assert f'<td class="n">{ac1} (' in agreed
    of_ben = kappas["readers"] == "ben"
    between, within = kappas[kappas["scope"] == "between"]["estimate"], kappas[of_ben]["estimate"]
    assert (len(between), len(within), len(kappas)) == (2, 1, 4)
    assert within.iloc[0] < between.min()  # "Ben agrees less with himself than with Anna"
    assert performance.index.tolist() == ["anna", "ben"]
    tests = accuracy[accuracy["method"] == "mcnemar_midp"].set_index("reader")["adj.p.value"]
    assert tests["anna"] < 0.05 < tests["ben"]
    interval = accuracy[(accuracy["method"] == "tango") & (accuracy["reader"] == "ben")].iloc[0]
    assert (round(interval["conf.low"], 2), round(interval["conf.high"], 2)) == (-0.08, 0.08)
    assert readers.loaded == "[]"
