"""Independent tasks on several processor cores, or on the workers of a Dask cluster. Results do not depend on the number or kind of workers: each
task sets its own threads and streams, and results are returned in the order of the tasks. The task of a worker that dies is repeated."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, TypeVar

from hybridcx.progress import OnProgress
from hybridcx.workers.dask import ATTEMPTS, Workers, on_cluster, task_kills

if TYPE_CHECKING:
    from loky import ProcessPoolExecutor

T = TypeVar("T")
IDLE_S = 60.0  # after which a process without work ends
PARENT_CHECK_S = 1.0
NUMBER = "HYBRIDCX_WORKER"
"""The variable that holds the number of a process of `run_tasks`."""


def default_jobs() -> int:
    """The number of processors that this process may use: its affinity, and the quota of a container."""
    from loky import cpu_count  # loaded where a run starts

    return int(cpu_count())


def worker_number() -> int:
    """The number of this process among those that `run_tasks` began on this machine, from 0; 0 in any other process."""
    return int(os.environ.get(NUMBER, "0"))


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes that start in this block ignore Ctrl-C, which a terminal sends to all: this process ends them, and they print no traceback.

    A signal that arrives in the block is delivered after it. (Windows has no signal masks.)
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from loky.backend import resource_tracker

    resource_tracker.ensure_running()  # its start unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_tasks(
    function: Callable[..., T],
    arguments: Sequence[tuple[object, ...]],
    *,
    workers: Workers = Workers(),  # noqa: B008 (frozen)
    on_progress: OnProgress | None = None,
) -> list[T]:
    """Call `function(*a)` for every `a` with `workers` (default: a process per processor), and return the results in order.

    `function` must be importable by its module's name and the arguments picklable. One job runs here, without another process. An exception of
    a task is raised here, and the other tasks are stopped. A task whose worker dies is repeated; one that has killed three workers (Dask: one
    more than the scheduler's `allowed-failures`) raises StoppedError. Worth it for tasks of a second or more: starting a process costs
    about as much.
    """
    total = len(arguments)
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, total)

    if workers.scheduler is not None and total:
        return on_cluster(function, arguments, workers, advance)
    jobs = min(workers.jobs or default_jobs(), total)
    if jobs > 1:
        return _in_processes(function, arguments, jobs, workers.say, advance)
    results: list[T] = []
    for a in arguments:
        results.append(function(*a))
        advance()
    return results


def _in_processes(
    function: Callable[..., T],
    arguments: Sequence[tuple[object, ...]],
    jobs: int,
    say: Callable[[str], None],
    advance: Callable[[], None],
) -> list[T]:
    """One thread and one pool of a single process for each job, so that a process that dies names its task.

    joblib.Parallel is not used: when one of its processes dies it ends the others too, does not report which task died, and has no
    way to kill its workers.
    """
    from loky import BrokenProcessPool, ProcessPoolExecutor

    of_thread = threading.local()
    begun: list[ProcessPoolExecutor] = []
    numbers = itertools.count()

    def call(i: int) -> T:
        if not hasattr(of_thread, "number"):
            of_thread.number = next(numbers)  # a process that takes the place of one that died has its number
        if getattr(of_thread, "process", None) is None:
            environment = {**_ONE_THREAD, NUMBER: str(of_thread.number)}
            of_thread.process = ProcessPoolExecutor(
                1, timeout=IDLE_S, env=environment, initializer=_end_with, initargs=(os.getpid(),)
            )
            begun.append(of_thread.process)
        with _without_interrupts():  # a process starts with its first task
            future = of_thread.process.submit(function, *arguments[i])
        try:
            result: T = future.result()
        except BrokenProcessPool:
            of_thread.process = None
            raise
        return result

    results: dict[int, T] = {}
    deaths = dict.fromkeys(range(len(arguments)), 0)
    threads = ThreadPoolExecutor(jobs)
    try:
        running: dict[Future[T], int] = {threads.submit(call, i): i for i in deaths}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                i = running.pop(future)
                try:
                    results[i] = future.result()
                    advance()
                except BrokenProcessPool as error:
                    deaths[i] += 1
                    if deaths[i] == ATTEMPTS:
                        raise task_kills(ATTEMPTS) from error
                    say(f"Warning: the process of task {i + 1} of {len(arguments)} died; the task is repeated.")
                    running[threads.submit(call, i)] = i
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in begun:
            process.shutdown(kill_workers=True)
        threads.shutdown()
    return [results[i] for i in range(len(arguments))]


_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
"""The environment of a new process; tasks that compute set their own threads."""


def _end_with(parent: int) -> None:
    """End this process when its parent has ended, so that no orphan computes or holds locks."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()
