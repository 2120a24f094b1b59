"""One entry point for what a developer and a release need: `nox -l` lists the sessions, `nox -s lint` runs one.

nox (Apache-2.0) and uv come from the registry: `pip install nox uv`. Versions are those of constraints.txt. `nox -s release` makes everything that a
release publishes, in dist/; CONTRIBUTING.md has the checklist.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

ROOT = Path(__file__).parent
DIST = ROOT / "dist"
PYTHONS = ("3.11", "3.12", "3.13")
"""Versions of Python on which the wheel is tried; the newest is that which torch, torchvision and gdcm have wheels for."""
QUICK = "not r and not browser and not latex and not slow and not system"
BENCHMARKS = ("report_speed.py", "statistics_speed.py", "audit.py")
"""Benchmarks that need nothing but the package; the others are started by hand."""
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ("lint", "types", "tests")
nox.options.reuse_existing_virtualenvs = True


def _developed(session: nox.Session, extra: str = "dev") -> None:
    session.install("-c", "constraints.txt", "-e", f".[{extra}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and the import contracts of the rooms."""
    _developed(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """Types of the package, and of a program that uses its public names."""
    _developed(session)
    session.run("mypy", "hybridcx")
    session.run("mypy", "--config-file", "tests/example_project/pyproject.toml", "tests/example_project/example.py")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests of the README; arguments after -- replace its selection: `nox -s tests -- tests/stats`."""
    _developed(session, "test")
    chosen = session.posargs or ["-n", "logical", "--maxprocesses", "4", "-m", QUICK]
    session.run("python", "-m", "pytest", "-q", *chosen)


@nox.session
def tiers(session: nox.Session) -> None:
    """The other tiers of tests: with R and Chromium, of the system, and the slow ones (hours)."""
    _developed(session)
    for marker in ("(r or browser) and not slow", "system and not slow and not registry", "slow"):
        session.run("python", "-m", "pytest", "-q", "-n", "2", "-m", marker)


@nox.session
def docs(session: nox.Session) -> None:
    """The generated pages, and the site as it is published."""
    _developed(session)
    session.run("python", "experiments/maintenance/make_docs.py")
    session.run("mkdocs", "build", "--strict")


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Benchmarks of the package alone; each adds its figures to experiments/benchmarks/figures.csv."""
    _developed(session)
    for script in BENCHMARKS:
        session.run("python", f"experiments/benchmarks/{script}")
    session.run("python", "experiments/benchmarks/scale.py", "--folder", session.create_tmp() + "/scale")


@nox.session
def simulations(session: nox.Session) -> None:
    """Coverage and type I error of the installed package (`hybridcx qualify --thorough`); the full simulations are in experiments/simulations/."""
    _developed(session)
    session.run("hybridcx", "qualify", "--thorough", "--out", session.create_tmp() + "/qualification")


@nox.session
def build(session: nox.Session) -> None:
    """Source distribution and wheel in dist/, built twice and compared byte by byte."""
    session.install("build")
    session.run("python", "experiments/maintenance/build_release.py", "--out", str(DIST))


@nox.session(python=list(PYTHONS))
def wheel(session: nox.Session) -> None:
    """The wheel of dist/ in an environment that contains nothing else: its version, `qualify` and `compare`."""
    _try_wheel(session, "")


@nox.session
def wheel_deep(session: nox.Session) -> None:
    """The wheel with the extra `deep`: `qualify` trains its miniature study."""
    _try_wheel(session, "[deep]")


def _try_wheel(session: nox.Session, extra: str) -> None:
    (built,) = DIST.glob("*.whl")
    session.install("-c", "constraints.txt", f"hybridcx{extra} @ {built.as_uri()}")
    scratch = Path(session.create_tmp())
    shutil.copy(ROOT / "tests" / "reference" / "r" / "pred01.csv", scratch)
    session.chdir(scratch)
    session.run("hybridcx", "--version")
    session.run("hybridcx", "qualify", "--out", "qualification")
    session.run("hybridcx", "compare", "pred01.csv", "--positive", "abnormal", "--out", "compared")
    session.run("hybridcx", "verify", "compared")


@nox.session
def sbom(session: nox.Session) -> None:
    """What is installed with hybridcx, as CycloneDX (SBOM) and as requirements with hashes, without and with the extra `deep`."""
    session.install("cyclonedx-bom", "uv")
    (built,) = DIST.glob("*.whl")
    for name, extra in (("light", ""), ("deep", "[deep]")):
        place = Path(session.create_tmp()) / name
        session.run("uv", "venv", "-q", "--clear", "--python", "3.11", str(place))
        session.run(
            "uv",
            "pip",
            "install",
            "-q",
            "--python",
            str(place),
            "-c",
            "constraints.txt",
            f"hybridcx{extra} @ {built.as_uri()}",
        )
        python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        session.run(
            "cyclonedx-py", "environment", str(python), "--pyproject", "pyproject.toml", "--sv", "1.6", "-o",
            str(DIST / f"sbom-{name}.cdx.json"),
        )  # fmt: skip
        chosen = ["--extra", "deep"] if extra else []
        session.run(
            "uv", "pip", "compile", "-q", "pyproject.toml", *chosen, "-c", "constraints.txt", "--universal", "--generate-hashes", "--no-header",
            "--no-annotate", "--no-emit-index-url", "-o", str(DIST / f"requirements-{name}.txt"),
        )  # fmt: skip


@nox.session
def release(session: nox.Session) -> None:
    """Everything that a release publishes: build, the wheel tried on every Python, SBOM, requirements with hashes, SHA256SUMS."""
    for name in ("build", *(f"wheel-{python}" for python in PYTHONS), "wheel_deep", "sbom", "sums"):
        session.notify(name)


@nox.session
def sums(session: nox.Session) -> None:
    """SHA-256 of every file in dist/, in the form that `sha256sum -c` reads."""
    session.run("python", "experiments/maintenance/build_release.py", "--sums", str(DIST))
