"""What the tests of the command line share: a folder of their own, a call in this process, and results that were there before."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

import hybridcx
from hybridcx.cli.app import main

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # several test processes: each computes with one thread (read when torch is imported)
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run: a new counterexample is found when one looks for it (--hypothesis-profile=search), not by chance in CI.
# No deadline: a busy machine is no counterexample.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", derandomize=False, max_examples=1000, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory of our own, and a cache in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYBRIDCX_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def call(capsys):
    """Call the command line in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as e:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return e.value.code, out, err

    return run


@pytest.fixture(scope="session")
def earlier(tmp_path_factory):
    """A folder with a finished comparison, made once; tests that change it take a copy."""
    folder = tmp_path_factory.mktemp("earlier")
    lines = ["case_id,y_true,model,y_pred,score"]
    for shift, model in enumerate(("vgg16", "lda")):
        for i in range(20):
            score = ((i * 7 + 3 * shift) % 10 + 3 * (i % 2)) / 13
            labels = [("normal", "abnormal")[k] for k in (i % 2, score >= 0.5)]
            lines.append(f"c{i:02d},{labels[0]},{model},{labels[1]},{score:.4f}")
    (folder / "p.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    hybridcx.compare(folder / "p.csv", out=folder / "out", n_bootstrap=100)
    return folder / "out"
