"""Independent tasks on several processor cores, through joblib. Results do not depend on how many there are: each task is given its own
threads and streams, and results come back in the order of the tasks."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from hybridcx.progress import OnProgress

T = TypeVar("T")


def default_jobs() -> int:
    """As many processes as there are processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C, which a terminal sends to all, does not reach: this one ends them, and they print nothing of it.

    A signal that comes meanwhile is kept and delivered afterwards. (Windows has no masks of signals.)
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from joblib.externals.loky.backend import resource_tracker

    resource_tracker.ensure_running()  # when it starts it lets the signal through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_tasks(
    function: Callable[..., T],
    arguments: Sequence[tuple[object, ...]],
    *,
    jobs: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[T]:
    """Call `function(*a)` for every `a`, in `jobs` processes (default: one per processor), and return the results in order.

    `function` must be importable by its module's name and the arguments picklable. One job runs here, without another process. An exception of
    a task is raised here. Worth it for tasks of a second or more: starting a process costs about as much.
    """
    jobs = min(jobs or default_jobs(), len(arguments))
    total = len(arguments)
    results: list[T] = []
    if jobs <= 1:
        produced = (function(*a) for a in arguments)
    else:
        import joblib

        with _deaf_to_interrupts():  # the processes are started by the call
            produced = joblib.Parallel(n_jobs=jobs, return_as="generator")(
                joblib.delayed(function)(*a) for a in arguments
            )
    for result in produced:
        results.append(result)
        if on_progress:
            on_progress(len(results), total)
    return results
