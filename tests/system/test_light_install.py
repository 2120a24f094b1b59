"""Both installs in environments of their own, from the package registry: without the extra `deep` everything works but what trains, and is small.

`python tests/system/test_light_install.py` is the tier of .ci/run: it prints sizes and seconds. uv where it is installed, otherwise pip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUPPORT = ROOT / "tests" / "support"
CHOSEN = tuple(
    f"tests/{name}.py"
    for name in ("records/test_predictions", "stats/test_paired", "commands/test_plan", "analysis/test_verdicts")
)
"""Tests that run in the environment without the extra; they need nothing of the extra `test` but pytest and hypothesis."""
MAX_MB = 490
"""478 MB were measured, of which pyarrow 165 and SciPy 112; the wish was 450."""
MAX_S = 30
DEEP_RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import hybridcx
from hybridcx.vocabulary.extras import absent
from small_run import small_experiment
assert not absent("deep"), absent("deep")
hybridcx.phantom("phantom", patients=60, seed=3)
hybridcx.run(small_experiment(), base=Path(), out="run", cache="cache", images=False)
"""
pytestmark = [
    pytest.mark.registry,
    pytest.mark.skipif(sys.platform != "linux", reason="sizes are those of Linux"),
]


@dataclass(frozen=True)
class Environment:
    """An environment of its own: its Python, the megabytes (2^20) of its packages on disk without byte-compiled files, and the seconds it took."""

    python: Path
    megabytes: float
    seconds: float

    def call(self, *arguments: str, cwd: Path) -> str:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=cwd, env=environment | {"PYTHONUTF8": "1"}, capture_output=True, text=True, timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def install(self, *what: str) -> None:
        constraints = ["-c", str(ROOT / "constraints.txt")]
        if uv := shutil.which("uv"):
            command = [uv, "pip", "install", "-q", "--python", str(self.python), *constraints, *what]
        else:
            command = [str(self.python), "-m", "pip", "install", "-q", *constraints, *what]
        subprocess.run(command, check=True, timeout=1200)


def built(folder: Path, extra: str) -> Environment:
    """A new environment with hybridcx, from a copy of the source: the packaged files count, not those of the checkout."""
    source = folder / "source"
    shutil.copytree(ROOT / "hybridcx", source / "hybridcx", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    begun = time.monotonic()
    venv.create(folder / "venv", with_pip=shutil.which("uv") is None)
    python = folder / "venv" / "bin" / "python"
    Environment(python, 0, 0).install(f"{source}{extra}")
    seconds = time.monotonic() - begun
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    own = [p for p in packages.rglob("*") if "pip" not in p.relative_to(packages).parts[0][:4] and p.suffix != ".pyc"]
    megabytes = sum(p.lstat().st_blocks * 512 for p in own if not p.is_dir()) / 2**20
    print(f"hybridcx{extra}: {megabytes:.0f} MB, {seconds:.0f} s{'' if shutil.which('uv') else ' (pip)'}")
    return Environment(python, megabytes, seconds)


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    return built(tmp_path_factory.mktemp("light"), "")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that an environment with the extra has made; the environment is removed (6 GB)."""
    folder = tmp_path_factory.mktemp("deep")
    deep = built(folder, "[deep]")
    deep.call("-c", DEEP_RUN, str(SUPPORT), cwd=folder)
    shutil.rmtree(folder / "venv")
    return folder / "run"


def test_the_light_install_is_small_and_quick(light):
    assert light.megabytes < MAX_MB
    assert light.seconds < MAX_S or shutil.which("uv") is None


def test_it_brings_none_of_the_extra(light, tmp_path):
    code = "from hybridcx.vocabulary.extras import EXTRAS, absent; print(*[e for e in EXTRAS if not absent(e)])"
    assert light.call("-c", code, cwd=tmp_path).split() == []


def test_every_command_and_function(light, finished, tmp_path):
    out = light.call(str(SUPPORT / "light_commands.py"), str(tmp_path / "work"), str(finished), cwd=tmp_path)
    assert out.endswith("ALL DONE\n")


def test_the_tests_of_the_light_part(light):
    light.install("pytest", "pytest-xdist", "hypothesis")
    light.call(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not r and not slow and not browser", *CHOSEN, cwd=ROOT
    )


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "-q", "-s", "-p", "no:cacheprovider"]))
