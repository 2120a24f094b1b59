"""`hybridcx.stats` as a library: its public names, docstrings, types and results, and what it loads."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from dataclasses import FrozenInstanceError, fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from hybridcx import stats

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = [name for name in stats.__all__ if inspect.isfunction(getattr(stats, name))]
HEAVY = ("pandas", "torch", "statsmodels", "sklearn", "matplotlib")
CLASSES = [name for name in stats.__all__ if inspect.isclass(getattr(stats, name))]


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, env=env)


def section(doc: str, title: str) -> str:
    """The text below a title of a numpydoc docstring, up to the next title."""
    match = re.search(rf"^{title}\n-+\n(.*?)(?=\n\n[A-Z][a-z]+\n-+\n|\Z)", doc, re.DOTALL | re.MULTILINE)
    return match[1] if match else ""


# --- names


def test_the_three_lists_of_names_agree():
    tree = ast.parse(inspect.getsource(stats))
    imported = {
        alias.name: node.module.removeprefix("hybridcx.stats.")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hybridcx.stats.")
        for alias in node.names
    }
    assert imported == stats.MODULES
    assert list(stats.MODULES) == stats.__all__ == sorted(stats.__all__)
    assert len(FUNCTIONS) + len(CLASSES) == len(stats.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'delong_pared'"):
        stats.delong_pared  # noqa: B018
    assert set(stats.__all__) < set(dir(stats))


def test_no_public_name_is_hidden_by_a_module():
    for name in stats.__all__:
        assert importlib.util.find_spec(f"hybridcx.stats.{name}") is None, name


def test_the_library_is_an_attribute_of_the_package():
    result = python("import hybridcx; print(hybridcx.stats.wilson(36, 49).estimate)")
    assert result.stdout == f"{36 / 49}\n", result.stderr


@pytest.mark.parametrize(
    "code", ["import hybridcx.stats as s; [getattr(s, n) for n in s.__all__]", "from hybridcx.stats import *"]
)
def test_importing_loads_neither_pandas_nor_torch(code):
    result = python(f"import sys\n{code}\nprint([m for m in {HEAVY} if m in sys.modules])")
    assert result.stdout == "[]\n", result.stderr


# --- docstrings


def test_the_examples_run_and_load_neither_pandas_nor_torch():
    """Every example of a public docstring, in a process that has nothing else loaded."""
    code = f"""
import doctest, sys
import hybridcx.stats as stats
failed = examples = 0
for name in stats.__all__:
    for test in doctest.DocTestFinder(recurse=False).find(getattr(stats, name), name, globs={{}}):
        failure, tried = doctest.DocTestRunner().run(test)
        failed, examples = failed + failure, examples + tried
failed += doctest.testmod(stats).failed
print(failed, examples, [m for m in {HEAVY} if m in sys.modules])
"""
    result = python(code)
    failed, examples, loaded = result.stdout.splitlines()[-1].split(" ", 2)
    assert (failed, loaded) == ("0", "[]"), result.stdout + result.stderr
    assert int(examples) > 2 * len(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_of_a_function(name):
    function = getattr(stats, name)
    doc = inspect.getdoc(function) or ""
    first, second = doc.splitlines()[:2]
    assert first.endswith((".", "?"))
    assert second == ""
    described = [
        parameter
        for line in section(doc, "Parameters").splitlines()
        if not line.startswith(" ")
        for parameter in line.split(" : ")[0].split(", ")
    ]
    assert described == list(inspect.signature(function).parameters)
    assert section(doc, "Returns")
    assert f"{name}(" in section(doc, "Examples")


@pytest.mark.parametrize("name", CLASSES)
def test_docstring_of_a_class(name):
    kind = getattr(stats, name)
    doc = inspect.getdoc(kind) or ""
    described = re.findall(r"^(\w.*?) : ", section(doc, "Attributes") or section(doc, "Parameters"), re.MULTILINE)
    names = list(getattr(kind, "_fields", ())) or [field.name for field in fields(kind)]
    if name != "ConfidenceInterval":  # two fields, in its first line
        assert sorted(", ".join(described).split(", ")) == sorted(names)


def test_every_doi_is_one_of_the_bibliography():
    bibliography = (ROOT / "hybridcx/vocabulary/references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"doi = \{(.*)\},", bibliography))
    cited = {d for name in FUNCTIONS for d in re.findall(r"doi:(\S+)", inspect.getdoc(getattr(stats, name)) or "")}
    assert len(cited) > 30
    assert cited <= known


def test_no_signature_has_any():
    for name in FUNCTIONS:
        signature = inspect.signature(getattr(stats, name))
        annotations = [str(p.annotation) for p in signature.parameters.values()] + [str(signature.return_annotation)]
        assert not any(re.search(r"\bAny\b|_empty", text) for text in annotations), name


def test_the_page_of_public_names_is_up_to_date():
    script = ROOT / "experiments/maintenance/make_docs.py"
    spec = importlib.util.spec_from_file_location("make_docs", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    assert module.statistics(page) == page
    assert sorted(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == sorted(stats.__all__)


EXAMPLE = """
import numpy as np

from hybridcx.stats import (
    Agreement, Confusion, ConfidenceInterval, Interval, PairedTest, SampleSize, bland_altman, calibration_line, cohen_kappa, cochran_q,
    count_metrics, delong_paired, gwet_ac1, holm, icc, krippendorff_alpha, mcnemar_midp, mcnemar_sample_size, paired_table, tango, wilson,
)

truth = np.array([True, True, False, False])
scores: list[float] = [0.9, 0.4, 0.6, 0.1]
interval: Interval = wilson(36, 49)
limits: ConfidenceInterval = interval.confidence_interval
low: float = limits.low
test: PairedTest = delong_paired(truth, scores, [0.8, 0.3, 0.2, 0.4])
df: float = test.df
table = paired_table(truth, ~truth)
p: float = mcnemar_midp(table.b, table.c, table.n).pvalue
difference: PairedTest = tango(*table)
slope, intercept = calibration_line([1, 0, 1, 0], scores)
forms: tuple[Agreement, ...] = icc([[9, 2], [6, 1], [8, 4]])
kappa: Agreement = cohen_kappa(["x", "y"], ["x", "x"], weights="linear", categories=["x", "y"])
ac1: Agreement = gwet_ac1([[1, 2], [2, 2]], categories=(1, 2, 3))
alpha: Agreement = krippendorff_alpha([[1, 2], [2, 2]], "ordinal", rng=np.random.default_rng(1))
bias = bland_altman([1.0, 2.0], [1.5, 1.0])[0].estimate + 1.0
size: SampleSize = mcnemar_sample_size(0.15, 0.05, method="midp")
mcc: float = float(count_metrics(8, 2, 1, 9)["mcc"])
confusion: Confusion = Confusion.from_labels([1, 0], [1, 1])
adjusted: list[float] = holm([0.01, 0.04]).tolist()
q: float = cochran_q(np.ones((3, 2), dtype=np.bool_)).statistic
"""


@pytest.mark.slow  # half a minute
def test_an_example_passes_mypy_strict(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "example.py").write_text(EXAMPLE, encoding="utf-8")
    wrong = "from hybridcx.stats import wilson\n\nwilson('36', 49)\nwilson(36, 49).pvalue\n"
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    result = subprocess.run(
        [*command, "example.py", "wrong.py"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env=os.environ | {"MYPYPATH": str(ROOT)},
    )  # fmt: skip
    errors = [line.split(": ")[0] for line in result.stdout.splitlines() if ": error: " in line]
    assert errors == ["wrong.py:3", "wrong.py:4"], result.stdout  # the types are known, not Any


def test_the_example_of_types_runs():
    exec(compile(EXAMPLE, "example", "exec"), {})


# --- results


def test_a_result_has_names_of_scipy():
    test = stats.tango(1, 1, 7, 12)
    assert test.confidence_interval == (test.conf_low, test.conf_high)
    assert test.confidence_interval.low == test.conf_low
    assert stats.mcnemar_asymptotic(1, 7, 21).df == 1
    assert stats.cochran_q(np.eye(3, dtype=bool)).df == 2
    assert stats.wilson(1, 2).confidence_interval.high == stats.wilson(1, 2).conf_high
    assert stats.cohen_kappa([1, 1, 2, 2], [1, 2, 2, 2]).confidence_interval.high == 1


def test_a_result_is_frozen_and_has_no_other_attribute():
    result = stats.wilson(36, 49)
    with pytest.raises(FrozenInstanceError):
        result.estimate = 1.0
    assert not hasattr(result, "__dict__")


def test_repr_leaves_out_what_does_not_exist():
    assert repr(stats.mcnemar_exact(1, 7, 21)) == (
        "PairedTest(method='mcnemar_exact', estimate=-0.285714, pvalue=0.0703125, n=21, b=1, c=7)"
    )
    assert str(stats.wilson(0, 0)) == (
        "Interval(method='wilson', conf_level=0.95, numerator=0, denominator=0, n=0, status='not_estimable',\n"
        "    warning='the denominator is 0: no case to estimate a proportion from')"
    )


def test_repr_prints_large_counts_whole_and_infinities_as_such():
    assert "n=12345678" in repr(stats.wilson(3, 12345678))
    assert "estimate=inf" in repr(stats.likelihood_ratio_mover(stats.Confusion(tp=3, fn=1, fp=0, tn=4), "lr_positive"))
    result = import_module("hybridcx.stats.results").Interval("x", 0.5, n=2.0e7, std_error=1e-9)
    assert repr(result) == "Interval(method='x', estimate=0.5, std_error=1e-09, n=20000000)"


# --- inputs


def test_labels_and_calls_may_be_0_and_1():
    truth, a, b = [1, 1, 1, 0, 0, 0], [1, 1, 0, 1, 0, 0], [1, 0, 0, 0, 1, 0]
    as_bool = [np.array(x, dtype=bool) for x in (truth, a, b)]
    for function in (stats.generalized_score, stats.weighted_generalized_score, stats.lr_regression):
        assert repr(function(truth, a, b)) == repr(function(*as_bool))
        assert repr(function(np.array(truth, dtype=float), a, b)) == repr(function(*as_bool))
    assert stats.Confusion.from_labels(truth, a) == stats.Confusion(tp=2, fn=1, fp=1, tn=2)


@pytest.mark.parametrize(
    "bad", [[1, 2, 1], [1, -1, 1], [1, 0.5, 0], ["a", "b", "a"], [1, float("nan"), 0], [None, 1, 0]]
)
def test_other_labels_are_refused(bad):
    with pytest.raises(ValueError, match="y_pred must be a boolean array of shape \\(n,\\), or hold 0 and 1 alone"):
        stats.Confusion.from_labels([1, 1, 0], bad)


def test_who_is_right_is_boolean_alone():
    """0 and 1 may be calls passed by mistake for whether they were right."""
    right, calls = [True, True, False], [1, 1, 0]
    for function in (stats.paired_table, stats.error_overlap):
        with pytest.raises(ValueError, match="boolean"):
            function(right, calls)
    with pytest.raises(ValueError, match="boolean"):
        stats.mcnemar_cluster(right, calls, [1, 2, 3])
    with pytest.raises(ValueError, match="boolean"):
        stats.wilson_cluster(calls, [1, 2, 3])
    with pytest.raises(ValueError, match="boolean"):
        stats.cochran_q([calls, calls])


def test_the_paired_table_has_its_counts_by_name():
    table = stats.paired_table([True, True, False, True, False], [True, False, False, False, True])
    assert table == (1, 2, 1, 1)
    assert (table.b, table.c, table.n) == (2, 1, 5)
    assert stats.tango(*table).estimate == 0.2
