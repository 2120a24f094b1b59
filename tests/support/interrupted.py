"""Interrupts a command (SIGINT, as Ctrl-C does) at its writes and lets the next call finish. A program of its own, as killed.py is.

    python tests/support/interrupted.py compare|run|demo FOLDER HOW_MANY

The command is counted once, then interrupted before HOW_MANY of its writes, spread evenly. Prints JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from disks import Before, call
from killed import EXPERIMENT, WRITES, contents, is_write, small_demo, warm_up, write_inputs


def signal_at(number: int, below: Path, noted: Path) -> Before:
    """What sends this process SIGINT before write number `number` and notes the time; 0 counts the writes instead."""

    def before() -> None:
        seen, root = [0], str(below) + os.sep

        def hook(event: str, args: tuple) -> None:
            if seen[0] >= 0 and (event == "open" or event in WRITES) and is_write(event, args, root):
                seen[0] += 1
                if number in (0, seen[0]):
                    noted.write_text(str(time.monotonic() if number else seen[0]))
                if seen[0] == number:
                    seen[0] = -1
                    os.kill(os.getpid(), signal.SIGINT)

        sys.addaudithook(hook)

    return before


def left(at: Path) -> list[str]:
    """Files that an interrupted command must not leave: temporary ones, results on their way."""
    found = [p for p in at.rglob("*") if p.suffix in (".tmp", ".part")]
    new, commit = at / "report/.hybridcx/new", at / "report/.hybridcx/commit.json"
    return [p.name for p in (*found, *([new] if new.exists() and not commit.exists() else []))]


def main(which: str, folder: Path, how_many: int) -> dict[str, object]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    folder.mkdir(parents=True)
    given, at, noted = folder / "given", folder / "at", folder / "noted"
    write_inputs(which, given)
    (given / "e.toml").write_text(EXPERIMENT)
    warm_up(which)
    os.environ["HYBRIDCX_CACHE"] = str(at / "cache")
    command = {
        "compare": ["compare", str(given / "p.csv"), "--n-bootstrap", "100"],
        "run": ["run", str(given / "e.toml"), "--no-images"],
        "demo": ["demo", "--no-images"],
    }[which] + ["--out", str(at / "report")]
    if which == "demo":
        small_demo(given)
    code, said, whole_s = call(command, folder, signal_at(0, at, noted))
    assert code == 0, said
    writes, whole = int(noted.read_text()), contents(at / "report")
    wrong, slowest = [], 0.0
    for i in range(how_many):
        number = 1 + round(i * (writes - 1) / max(1, how_many - 1))
        shutil.rmtree(at)
        code, said, _ = call(command, folder, signal_at(number, at, noted))
        slowest = max(slowest, time.monotonic() - float(noted.read_text()))
        found = [] if code == 130 else [f"exit code {code}"]
        if (
            not said.strip().endswith("Interrupted. What was finished is kept; the same command continues.")
            or "Traceback" in said
        ):
            found.append("not one plain sentence")
        found += left(at)
        found += [f"{n} is half-written" for n, b in contents(at / "report").items() if b != whole.get(n)]
        code, again, _ = call(command, folder)
        if code or contents(at / "report") != whole:
            found.append(f"the same command does not continue ({code}: {again[-300:]})")
        wrong += [{"write": number, "wrong": [*found, said[-2000:]]}] if found else []
    return {
        "writes": writes,
        "files": len(whole),
        "wrong": wrong,
        "slowest_s": round(slowest, 2),
        "whole_s": round(whole_s, 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]).absolute(), int(sys.argv[3]))))
