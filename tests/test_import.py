"""What importing loads: hybridcx stays light until it is used, and comparing never needs torch."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import hybridcx

HEAVY = ("pandas", "scipy", "sklearn", "matplotlib", "torch", "xgboost", "statsmodels", "torchvision")
PREDICTIONS = "case_id,y_true,model,score\n" + "".join(
    f"c{i},{('normal', 'abnormal')[i % 2]},{m},{(i * 7 + 3 * j) % 10 / 10}\n"
    for j, m in enumerate("AB")
    for i in range(12)
)


def loaded(code, cwd):
    """The heavy packages in sys.modules after `code` has run in a fresh interpreter."""
    ending = f"\nimport sys\nprint('LOADED', *sorted({{m.split('.')[0] for m in sys.modules}} & set({HEAVY!r})))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    r = subprocess.run(
        [sys.executable, "-c", code + ending],
        cwd=cwd, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert r.returncode == 0, r.stderr
    return r.stdout.rsplit("LOADED", 1)[1].split()


def main(*arguments):
    return f"from hybridcx.cli.app import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit as e:\n    assert not e.code, e.code"


def test_importing_loads_nothing_heavy(tmp_path):
    assert loaded("import hybridcx, hybridcx.cli.app, hybridcx.errors", tmp_path) == []


def test_help_and_version_load_nothing_heavy(tmp_path):
    code = "\n".join(main(*a) for a in (["--help"], ["compare", "--help"], ["run", "--help"], ["--version"]))
    assert loaded(code, tmp_path) == []


def test_comparing_loads_no_torch(tmp_path):
    (tmp_path / "p.csv").write_text(PREDICTIONS, encoding="utf-8")
    found = loaded(main("compare", "p.csv", "--out", "o", "--n-bootstrap", "100", "--quiet"), tmp_path)
    assert (tmp_path / "o" / "report.html").exists()
    assert "pandas" in found
    assert not {"torch", "torchvision", "xgboost"} & set(found)


def test_the_estimators_load_no_torch_before_they_are_fitted(tmp_path):
    code = """from sklearn.base import clone
from hybridcx import FineTunedNetwork, PenultimateFeatures
repr(clone(PenultimateFeatures(FineTunedNetwork())))"""
    assert not {"torch", "torchvision", "xgboost"} & set(loaded(code, tmp_path))


def test_the_public_names():
    for name in hybridcx.MODULES:
        assert getattr(hybridcx, name) is not None
        assert name in dir(hybridcx)
    with pytest.raises(AttributeError, match="no attribute 'campare'"):
        hybridcx.campare  # noqa: B018


def test_only_the_package_cohort_has_the_name_of_a_public_function():
    # Importing hybridcx.x sets the attribute x of the package; for `cohort` the package refuses that (the next test).
    import pkgutil

    modules = {m.name for m in pkgutil.iter_modules(hybridcx.__path__)}
    assert modules & set(hybridcx.MODULES) == {"cohort"}


@pytest.mark.parametrize(
    "before",
    [
        "import hybridcx.cohort",
        "import hybridcx.cohort.manifest",
        "from hybridcx.cohort import manifest",
        "from hybridcx.cohort.manifest import read_manifest",
        "hybridcx.check",
        "pass",
    ],
)
def test_cohort_is_the_function_and_its_package_is_importable(tmp_path, before):
    code = f"""import hybridcx
{before}
from hybridcx import cohort
from hybridcx.cohort.manifest import read_manifest
from hybridcx.commands.cohort import cohort as function
assert hybridcx.cohort is cohort is function, hybridcx.cohort
assert read_manifest.__module__ == "hybridcx.cohort.manifest"
import pickle
assert pickle.loads(pickle.dumps(read_manifest)) is read_manifest
"""
    loaded(code, tmp_path)
