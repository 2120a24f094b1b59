"""A real Dask cluster on this machine: a scheduler and workers in processes of their own, on free ports of the loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

START_S = 60.0


@contextmanager
def cluster(
    folder: Path, *, workers: Sequence[Sequence[str]] = ((), ()), options: Sequence[str] = (), **variables: str
) -> Iterator[Cluster]:
    """`workers`: further options of each; `options`: of all, the scheduler too; `variables`: their environment."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    file, log = folder / "scheduler.json", folder / "cluster.log"
    begun: list[subprocess.Popen[bytes]] = []

    def begin(program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments, *options, "--no-dashboard"]
        with log.open("ab") as out:
            begun.append(subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=out))
        return begun[-1]

    try:
        begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        address = None
        end = time.monotonic() + START_S
        while address is None:
            assert begun[0].poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < end, log.read_text(encoding="utf-8")
            time.sleep(0.1)
            try:
                address = json.loads(file.read_text(encoding="utf-8"))["address"]
            except (FileNotFoundError, ValueError):
                continue
        own = [
            begin("worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", *more)
            for more in workers
        ]
        yield Cluster(address, begun[0], own, log)
    finally:
        for process in begun:
            process.kill()
            process.wait()


class Cluster:
    def __init__(
        self, address: str, scheduler: subprocess.Popen[bytes], workers: list[subprocess.Popen[bytes]], log: Path
    ):
        self.address, self.scheduler, self.workers, self.log = address, scheduler, workers, log
