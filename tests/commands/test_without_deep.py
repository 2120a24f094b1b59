"""The extra `deep` is absent: everything works but what trains, which says in one sentence what to type; compare writes the same bytes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from light_commands import DEEP, PLANS
from small_run import small_experiment

import hybridcx
from hybridcx.commands.options import QUESTIONS
from hybridcx.errors import MissingExtraError
from hybridcx.vocabulary import extras

SCRIPT = Path(__file__).parents[1] / "support" / "light_commands.py"
BLOCKED = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {DEEP!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Absent())
"""


def without_deep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with `arguments`, in which the packages of `deep` cannot be imported, nor in any Python that it starts."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    path = os.pathsep.join([str(site), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    hybridcx.phantom(folder / "phantom", patients=60, seed=3)
    hybridcx.run(small_experiment(), base=folder, out=folder / "run", cache=folder / "cache", images=False)
    return folder / "run"


def test_the_packages_cannot_be_imported(tmp_path):
    """Otherwise the other tests would hold for anything."""
    for name in DEEP:
        done = without_deep(tmp_path, "-c", f"import {name}")
        assert "ModuleNotFoundError" in done.stderr, name


@pytest.mark.slow  # the light install of .ci/run does the same in an environment without the packages
def test_every_command_and_function_works_or_names_the_line_to_type(tmp_path, finished):
    done = without_deep(tmp_path, str(SCRIPT), str(tmp_path / "work"), str(finished))
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("ALL DONE\n")


def test_the_script_asks_every_question_of_plan():
    assert {p.split()[0] for p in PLANS} == set(QUESTIONS)


def test_compare_writes_the_same_bytes(earlier, tmp_path):
    """The page too: what is not installed is left out of its list of versions, and here the versions can be read all the same."""
    file = earlier.parent / "p.csv"
    code = f"import hybridcx\nhybridcx.compare({str(file)!r}, out='light', n_bootstrap=100)"
    done = without_deep(tmp_path, "-c", code)
    assert done.returncode == 0, done.stderr
    light = tmp_path / "light"
    assert {p.name for p in light.iterdir()} == {p.name for p in earlier.iterdir()}
    for path in light.glob("*.*"):
        if path.is_file() and path.name != "provenance.json":
            assert path.read_bytes() == (earlier / path.name).read_bytes(), path.name


def test_one_sentence_with_the_line():
    error = MissingExtraError("x needs packages", "deep", extras.remedy("deep"))
    assert str(error) == 'x needs packages. Run pip install "hybridcx[deep]".'
    assert error.exit_code == 2
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.extra) == (str(error), "deep")


@pytest.mark.parametrize("extra", extras.EXTRAS)
def test_every_extra_stands_in_the_metadata(extra):
    import importlib.metadata as metadata

    assert extra in metadata.metadata("hybridcx").get_all("Provides-Extra")
    assert extras.absent(extra) == ()
    required = " ".join(r for r in metadata.requires("hybridcx") or [] if f'extra == "{extra}"' in r)
    for name in extras.EXTRAS[extra].packages.values():
        assert name in required


def test_what_is_absent_is_named_and_raised_from_one_place(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "skops" else object())
    assert extras.absent("deep") == ("skops",)
    extras.need("word", "this")
    with pytest.raises(MissingExtraError) as raised:
        extras.need("deep", "this")
    assert str(raised.value) == (
        'this needs packages that are not installed (skops). Run pip install "hybridcx[deep]".'
    )
