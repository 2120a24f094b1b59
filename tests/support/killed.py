"""Kills a command at each of its writes and lets the next call finish. A program of its own: it forks with everything imported, nothing begun.

    python tests/support/killed.py compare|run|pictures|demo FOLDER [EVERY]   (pictures: a run with its casebook's pictures)

Python's audit hook sees every file opened for writing, renamed, removed, every folder made or removed, before it happens. The command is counted
once, then killed (SIGKILL) at its first, second, third ... write: the state before a write is the state after the one before it. Prints JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

os.environ["OMP_NUM_THREADS"] = "1"
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate", "os.link", "os.symlink"}
FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def is_write(event: str, args: tuple, root: str) -> bool:
    """Whether an audit event is about to change something below `root`."""
    if event == "open":
        path, mode, flags = args
        changes = any(c in mode for c in "wax+") if isinstance(mode, str) else bool((flags or 0) & FLAGS)
    else:
        path, changes = (args[0] if args else None), event in WRITES
    return (
        changes and isinstance(path, (str, bytes, os.PathLike)) and os.path.abspath(os.fsdecode(path)).startswith(root)  # noqa: PTH100 (it must not look at the disk)
    )


def in_child(work: Callable[[], object], root: Path, kill_at: int | None = None) -> tuple[int, int]:
    """Run `work` in a fork, killed before write number `kill_at` (from 1) below `root`. Returns (wait status, writes begun)."""
    counted = root / "writes"
    child = os.fork()
    if child == 0:
        number, below = [0], str(root / "at") + os.sep

        def hook(event: str, args: tuple) -> None:
            if (event == "open" or event in WRITES) and is_write(event, args, below):
                number[0] += 1
                if number[0] == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        status = 70
        try:
            work()
            status = 0
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            counted.write_text(str(number[0]))
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status, int(counted.read_text()) if counted.exists() and kill_at is None else 0


def contents(folder: Path) -> dict[str, bytes]:
    """What must be the same to the byte: the CSVs and the page."""
    return {p.name: p.read_bytes() for p in sorted(folder.glob("*")) if p.suffix in (".csv", ".html")}


EXPERIMENT = """name = "killed"
seed = 5
[cohort]
manifest = "phantom/manifest.csv"
[images]
size_px = 48
[networks]
names = ["squeezenet1_1"]
weights = "none"
[train]
epochs = 2
validate_every = 2
[heads]
names = ["logistic"]
folds = 2
[compute]
device = "cpu"
threads = 1
[analysis]
n_bootstrap = 100
"""


DEMO = EXPERIMENT.replace('[cohort]\nmanifest = "phantom/manifest.csv"', "[cohort.phantom]\npatients = 60\nseed = 3")


def write_inputs(which: str, given: Path) -> None:
    """Predictions of two models on 30 cases, a phantom cohort of 60 patients, or a small experiment in the place of the demo's."""
    given.mkdir(parents=True)
    if which == "demo":
        (given / "demo.toml").write_text(DEMO)
        return
    if which != "compare":
        import hybridcx

        hybridcx.phantom(given / "phantom", patients=60, seed=3)
        return
    rows = ["case_id,y_true,model,score"]
    for i in range(30):
        rows += [f"c{i},{i % 2},{m},{(i * k) % 31 / 31:.3f}" for m, k in (("a", 7), ("b", 12))]
    (given / "p.csv").write_text("\n".join(rows) + "\n")


def small_demo(given: Path) -> None:
    """Let `hybridcx demo` run the experiment in the folder `given`."""
    from hybridcx.commands import run

    run.resources = SimpleNamespace(files=lambda _: given, as_file=contextlib.nullcontext)  # type: ignore[assignment]


def command(which: str, given: Path, at: Path) -> None:
    """The command, working in the folder `at`."""
    import hybridcx
    from hybridcx.experiment.file import parse_experiment

    if which == "demo":
        small_demo(given)
        hybridcx.demo(out=at / "report", cache=at / "cache", images=False)
    elif which != "compare":
        hybridcx.run(
            parse_experiment(EXPERIMENT), base=given, out=at / "report", cache=at / "cache", images=which == "pictures"
        )
    else:
        hybridcx.compare(given / "p.csv", out=at / "report", n_bootstrap=100)


WARM = {
    "compare": (
        "matplotlib.figure",
        "pandas",
        "pyarrow.parquet",
        "scipy.stats",
        "hybridcx.analysis.compare",
        "hybridcx.report.page",
    ),
    "run": ("sklearn.ensemble", "torch", "torchvision", "hybridcx.commands.experiment"),
}


def warm_up(which: str) -> None:
    """Import what the command imports, without computing: a fork must not inherit the threads of a library at work."""
    for name in WARM["compare"] + (() if which == "compare" else WARM["run"]):
        importlib.import_module(name)


def main(which: str, folder: Path, every: int) -> dict[str, object]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one processor: no helper processes to outlive a kill
    folder.mkdir(parents=True)
    given, at = folder / "given", folder / "at"
    status, _ = in_child(lambda: write_inputs(which, given), folder)
    assert status == 0, "the inputs could not be made"
    warm_up(which)

    def work() -> None:
        command(which, given, at)

    status, writes = in_child(work, folder)
    assert status == 0, "the command fails when nobody kills it"
    whole = contents(at / "report")
    wrong, killed, started = [], 0, time.monotonic()
    for number in range(1, writes + 1, every):
        shutil.rmtree(at, ignore_errors=True)
        status, _ = in_child(work, folder, kill_at=number)
        killed += os.WIFSIGNALED(status)
        torn = [n for n, b in contents(at / "report").items() if b != whole[n]]
        status, _ = in_child(work, folder)
        if torn or status or contents(at / "report") != whole:
            wrong.append({"write": number, "torn": torn, "status": status})
    return {
        "writes": writes,
        "killed": killed,
        "wrong": wrong,
        "files": len(whole),
        "seconds": round(time.monotonic() - started, 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3]) if len(sys.argv) > 3 else 1)))
