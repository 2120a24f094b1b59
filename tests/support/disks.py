"""Takes the disk away from a command while it works, gives it back and lets the same command continue. A program of its own, as killed.py is.

    python tests/support/disks.py full tmpfs|limit compare|run out|cache FOLDER LEVELS
    python tests/support/disks.py read_only - compare|run out|cache FOLDER LEVELS

full: the folder lies on a small file system in memory (root may mount one), of which a file takes all but a share of what the command needs; or
(limit) the process may write files of so many bytes at most, which every Unix can. read_only: at one of its writes every folder below is made
read-only; root gives up the right to write everywhere. LEVELS shares, or writes, are tried. Prints JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from killed import EXPERIMENT, WRITES, contents, is_write, warm_up, write_inputs

from hybridcx.errors import printable_path

Before = Callable[[], None]
FIRST_OF_CACHE = (0.05, 0.5, 0.94, 0.985)


def mounted(folder: Path) -> bool:
    """Mount a file system in memory on `folder`, or say that this process may not."""
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
    return (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def call(arguments: list[str], folder: Path, before: Before = lambda: None) -> tuple[int, str, float]:
    """The command line in a fork: (exit code, what it printed on standard error, seconds)."""
    said, began = folder / "stderr", time.monotonic()
    child = os.fork()
    if child == 0:
        code = 99
        try:
            file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(file, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            before()
            from hybridcx.cli.app import main

            main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), said.read_text(encoding="utf-8"), time.monotonic() - began


def without_the_right_to_write_everywhere() -> None:
    """Give up root's capabilities to ignore permission bits (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) in this process."""
    if os.geteuid() != 0:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable; twice
    assert libc.capget(header, data) == 0
    for i in range(2):
        data[i] &= ~0b110
    assert libc.capset(header, data) == 0


def read_only_at(number: int, below: Path, counted: Path) -> Before:
    """What makes every folder below read-only before write number `number` there, and counts the writes."""

    def before() -> None:
        without_the_right_to_write_everywhere()
        seen, root = [0], str(below) + os.sep

        def hook(event: str, args: tuple) -> None:
            if seen[0] >= 0 and (event == "open" or event in WRITES) and is_write(event, args, root):
                seen[0] += 1
                if seen[0] == number:
                    seen[0] = -1
                    for path in [below, *below.rglob("*")]:
                        if path.is_dir():
                            path.chmod(0o500)
                elif number == 0:
                    with counted.open("w") as file:
                        file.write(str(seen[0]))

        sys.addaudithook(hook)

    return before


def at_first_write(below: Path, take: Before) -> Before:
    """What takes the space away when the first file is written below: a disk that was full before is refused before."""

    def before() -> None:
        done, root = [False], str(below) + os.sep

        def hook(event: str, args: tuple) -> None:
            if not done[0] and (event == "open" or event in WRITES) and is_write(event, args, root):
                done[0] = True
                take()

        sys.addaudithook(hook)

    return before


def writable(below: Path) -> None:
    for path in [below, *below.rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)


def stamps(cache: Path) -> dict[str, int]:
    """When the complete artefacts were made."""
    return {str(p.parent): p.stat().st_ino for p in cache.glob("*/*/artefact.json") if p.parent.suffix != ".partial"}


def size(folder: Path) -> int:
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file())


class Trial:
    """One command with its report and cache, of which one lies in the folder that is taken away."""

    def __init__(self, which: str, taken: str, folder: Path):
        self.which, self.folder, self.at = which, folder, folder / "at"
        self.said: list[str] = []
        self.kept: list[int] = []
        given = folder / "given"
        write_inputs(which, given)
        warm_up(which)
        self.at.mkdir()
        self.report = (self.at if taken == "out" else folder) / "report"
        self.cache = (self.at if taken == "cache" else folder) / "cache"
        self.taken = self.report if taken == "out" else self.cache
        os.environ["HYBRIDCX_CACHE"] = str(self.cache)
        (given / "e.toml").write_text(EXPERIMENT)
        if which == "compare":
            self.command = ["compare", str(given / "p.csv"), "--out", str(self.report)]
            self.command += ["--n-bootstrap"]
        else:
            self.command = ["run", str(given / "e.toml"), "--out", str(self.report), "--no-images", "--seed"]
        self.earlier, self.now = (["120"], ["100"]) if which == "compare" else (["4", "--fresh"], ["5", "--fresh"])

    def prepare(self) -> None:
        """Earlier results, those that the command is to make, and what it needs of the folder."""
        code, said, _ = call([*self.command, *self.now], self.folder)
        assert code == 0, said
        self.whole = contents(self.report)
        self.need = size(self.taken)
        self.largest = max(p.stat().st_size for p in self.taken.rglob("*") if p.is_file())
        if self.taken == self.report:
            shutil.rmtree(self.report)
            code, said, _ = call([*self.command, *self.earlier], self.folder)
            assert code == 0, said
            shutil.copytree(self.report, self.folder / "kept")
        else:
            shutil.rmtree(self.report)
            shutil.rmtree(self.cache)

    def begin(self) -> None:
        shutil.rmtree(self.taken, ignore_errors=True)
        if self.taken == self.report:
            shutil.copytree(self.folder / "kept", self.report)
        else:
            shutil.rmtree(self.report, ignore_errors=True)

    def check(self, fault: str, give: Before, before: Before) -> list[str]:
        """What is wrong when the disk is taken away, given back, and the command given again."""
        self.begin()
        earlier = contents(self.report)
        code, said, _ = call([*self.command, *self.now], self.folder, before)
        give()
        last = said.strip().splitlines()[-1] if said.strip() else ""
        wrong = [] if code == 3 else [f"exit code {code}"]
        if not last.startswith("hybridcx stopped: ") or "Traceback" in said or "the same command continues" not in last:
            wrong.append("not one plain sentence")
        if not any(printable_path(p) in last for p in (self.taken, self.taken / "images")):
            wrong.append("the folder is not named")
        left = contents(self.report)
        if not (self.report / ".hybridcx" / "commit.json").exists():  # new results count from this list on
            wrong += [] if left == earlier else ["earlier results were touched"]
        wrong += [f"{n} is half-written" for n, b in left.items() if b not in (earlier.get(n), self.whole.get(n))]
        if fault == "full" and (self.report / ".hybridcx" / "new").exists():
            wrong.append("space is still taken by new results that are not complete")
        made = stamps(self.cache)
        code, again, _ = call([*self.command, *self.now], self.folder)
        if code != 0 or contents(self.report) != self.whole:
            wrong.append(f"the same command does not continue ({code}: {again[-300:]})")
        wrong += [] if made.items() <= stamps(self.cache).items() else ["finished work was done again"]
        self.said.append(last)
        self.kept.append(len(made))
        return [*wrong, said] if wrong else []


def main(fault: str, how: str, which: str, taken: str, folder: Path, levels: int) -> dict[str, object]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    folder.mkdir(parents=True)
    trial, began, wrong = Trial(which, taken, folder), time.monotonic(), []
    if how == "tmpfs" and not mounted(trial.at):
        return {"mounted": False}
    try:
        trial.prepare()
        filler, nothing = trial.at / "filler", lambda: None
        if fault == "read_only":
            counted = folder / "writes"
            trial.begin()
            call([*trial.command, *trial.now], folder, read_only_at(0, trial.taken, counted))
            writes = int(counted.read_text())
        # of what the cache takes, images are the first tenth, the weights of the network the most, features and heads the last
        first = FIRST_OF_CACHE if taken == "cache" else ()
        shares = [*first[:levels], *(i / (levels - len(first) + 1) for i in range(1, levels - len(first) + 1))]
        for share in shares:
            if fault == "read_only":
                at = read_only_at(max(1, round(writes * share)), trial.taken, counted)
                found = trial.check(fault, lambda: writable(trial.taken), at)
            elif how == "tmpfs":

                def take(share: float = share) -> None:
                    room = os.statvfs(trial.at)
                    left = room.f_bavail * room.f_frsize - int(trial.need * share)
                    with filler.open("wb") as file:
                        for _ in range(left // 4096):
                            file.write(bytes(4096))

                found = trial.check(fault, filler.unlink, at_first_write(trial.taken, take))
            else:
                limit = max(2000, int(trial.largest * share**2))
                found = trial.check(fault, nothing, lambda n=limit: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
            wrong += [{"share": round(share, 3), "wrong": found}] if found else []
    finally:
        if how == "tmpfs":
            subprocess.run(["umount", "-l", str(trial.at)], check=False)
    told = {"said": trial.said, "kept": trial.kept, "needed": trial.need, "files": len(trial.whole)}
    return {"mounted": True, "wrong": wrong, **told, "seconds": round(time.monotonic() - began, 1)}


if __name__ == "__main__":
    fault, how, which, taken, where, n = sys.argv[1:]
    print(json.dumps(main(fault, how, which, taken, Path(where).absolute(), int(n))))
