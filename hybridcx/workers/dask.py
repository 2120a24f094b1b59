"""The workers of a run, and tasks on the workers of a Dask cluster.

The cluster is named by the address of its scheduler, over TLS, or on this machine's loopback where its other users are trusted. Its workers read
and write the cache folder of the run and must compute the same bits: their versions, code and device are compared with those of this process, at
the start and in every task, since workers come and go. joblib's Dask backend is not used: see `on_cluster`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hybridcx.errors import InputError, Problem, StoppedError, raise_if_any
from hybridcx.store.artefacts import code_hash, write_atomic
from hybridcx.store.provenance import package_versions, version
from hybridcx.vocabulary.extras import need

T = TypeVar("T")
ATTEMPTS = 3
CONNECT_S = 5.0
FIRST_WORKER_S = 30.0
POLL_S = 5.0
WITHOUT_WORKERS_S = 600.0
TOKEN = ".workers-{}"
LOST = "The connection to the Dask scheduler is lost."


@dataclass(frozen=True, slots=True)
class Workers:
    """The processes that do the tasks of a run. Results do not depend on them.

    jobs : processes on this machine; None: one per processor
    scheduler : address of a Dask scheduler whose workers do the tasks instead, `tls://host:8786` or `tcp://127.0.0.1:8786`
    trust_local_users : whether every user of this machine may run programs as this one, as a scheduler without TLS lets them
    folder : the cache of the run, which all workers of a cluster must see; None: not checked
    machine : describes the device of a worker where bits depend on it; called here and on the workers
    say : receives sentences about workers that died
    """

    jobs: int | None = None
    scheduler: str | None = None
    trust_local_users: bool = False
    folder: Path | None = None
    machine: Callable[[], str] | None = None
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise InputError(Problem("--jobs is 1 or more", value=self.jobs))
        if self.scheduler is not None:
            if self.jobs is not None:
                raise InputError("--jobs is for this machine, --scheduler for a cluster: give one of them")
            check_address(self.scheduler, trust_local_users=self.trust_local_users)

    @property
    def several(self) -> bool:
        """Whether more than one task is to run at a time."""
        return self.scheduler is not None or (self.jobs is not None and self.jobs > 1)

    @property
    def here(self) -> int | None:
        """Tasks at a time on this machine, None for the default; 1 where a cluster does them."""
        return self.jobs if self.scheduler is None else 1

    def record(self) -> dict[str, object]:
        """For provenance.json; without the names of hosts."""
        return {"jobs": self.jobs, "dask": None if self.scheduler is None else _protocol(self.scheduler)}


def task_kills(n: int) -> StoppedError:
    """The error for a task that killed its workers `n` times."""
    return StoppedError(
        f"A task ended {n} processes that worked on it, most likely for lack of memory: run fewer tasks at a time (--jobs), or lower "
        "train.batch_size or images.size_px."
    )


def _protocol(address: str) -> str:
    return address.partition("://")[0] if "://" in address else "tcp"


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address if "://" in address else f"tcp://{address}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str, *, trust_local_users: bool = False) -> None:
    """Refuse an address that is not TLS, except on this machine's loopback where its users are trusted: Dask runs whatever it is sent.

    Raises InputError.
    """
    protocol = _protocol(address)
    if protocol not in ("tcp", "tls"):
        raise InputError(
            Problem("the address of a Dask scheduler begins with tcp:// or tls://", column="--scheduler", value=address)
        )
    if protocol == "tcp" and not _is_loopback(address):
        raise InputError(
            Problem(
                "a connection to another machine is made over TLS only: anyone in between could read the tasks and send others",
                column="--scheduler",
                value=address,
                remedy="start the cluster with --protocol tls and its certificates (docs/cluster.md) and give tls://HOST:PORT, or reach it through "
                "an SSH tunnel to 127.0.0.1",
            )
        )
    if protocol == "tcp" and not trust_local_users:
        raise InputError(
            Problem(
                "without TLS every user of this machine can send the scheduler programs that run under your name",
                column="--scheduler",
                value=address,
                remedy="make certificates in one step (docs/cluster.md) and give tls://127.0.0.1:PORT; or, where nobody else can log in to "
                "this machine, add --trust-local-users",
            )
        )


@cache
def _own_state() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "hybridcx": version(),
        "hybridcx's code": code_hash(".")[:12],
        **package_versions(),
    }


def _state(token: Path | None, machine: Callable[[], str] | None) -> dict[str, str]:
    """Versions, code and device of this process, which decide its bits, and whether it sees the cache folder."""
    state = dict(_own_state())
    if machine is not None:
        state["device"] = machine()
    if token is not None:
        state["cache folder"] = "shared" if token.is_file() else f"{token.parent} is another folder or cannot be read"
    return state


def _differences(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    names = [n for n in dict.fromkeys((*ours, *theirs)) if ours.get(n) != theirs.get(n)]
    return [f"{n} is {theirs.get(n, 'absent')} on the worker, {ours.get(n, 'absent')} here" for n in names]


class WrongWorkerError(Exception):
    """A worker would compute other bits than this process: its address, and the differences."""

    def problem(self) -> Problem:
        return _wrong(*self.args)


def _wrong(address: str, differences: Sequence[str]) -> Problem:
    return Problem(
        f"the worker {address} would give other results to the bit: {'; '.join(differences)}",
        remedy="install the same versions on every machine, give every worker the same cache folder (HYBRIDCX_CACHE, on a shared file system), and "
        "run hybridcx on a machine like the workers' (docs/cluster.md)",
    )


class OpenWorkerError(WrongWorkerError):
    """A worker that came later takes connections from other machines without TLS: its address, and where it listens."""

    def problem(self) -> Problem:
        return _open_to_others(self.args[1])


def _open_to_others(address: str) -> Problem:
    return Problem(
        "without TLS the scheduler and all workers must listen on this machine's loopback only",
        value=address,
        remedy="start scheduler and workers with --host 127.0.0.1, or the cluster with --protocol tls (docs/cluster.md)",
    )


def _exposed(listening: Sequence[str]) -> list[str]:
    """The addresses that accept connections from other machines without TLS."""
    return [a for a in listening if _protocol(a) != "tls" and not _is_loopback(a)]


def _listening() -> Callable[..., list[str]]:
    """A function that returns the addresses at which a scheduler or worker listens; the address that it reports to others may be the loopback."""

    # A nested function is sent by value, so that a scheduler without hybridcx can answer. Dask sets the one of the two arguments that applies.
    def listening(dask_scheduler: Any = None, dask_worker: Any = None) -> list[str]:
        return [str(listener.listen_address) for listener in (dask_scheduler or dask_worker).listeners]

    return listening


_one_at_a_time = threading.Lock()


def _task(
    function: Callable[..., T],
    a: tuple[object, ...],
    ours: dict[str, str],
    token: Path | None,
    machine: Callable[[], str] | None,
) -> T:
    """One task on a worker. The lock is for a worker with several threads that came later: torch has one set of settings and streams per process."""
    from distributed import get_worker

    worker = get_worker()
    if exposed := _exposed(_listening()(dask_worker=worker)):
        raise OpenWorkerError(worker.address, exposed[0])
    if differences := _differences(ours, _state(token, machine)):
        raise WrongWorkerError(worker.address, differences)
    try:
        with _one_at_a_time:
            return function(*a)
    except FileNotFoundError as error:  # weights in a folder of one machine, say
        raise WrongWorkerError(worker.address, [f"it has no file {error.filename}"]) from error


def _reported(token: Path | None, machine: Callable[[], str] | None) -> Callable[[], dict[str, str]]:
    # A nested function is sent by value, so that a worker without hybridcx can report that.
    def report() -> dict[str, str]:
        try:
            from hybridcx.workers.dask import _state
        except ImportError as error:
            return {"hybridcx": f"absent ({error})"}
        return _state(token, machine)

    return report


@contextlib.contextmanager
def connected(workers: Workers) -> Iterator[tuple[Any, tuple[dict[str, str], Path | None, Callable[[], str] | None]]]:
    """A client of the scheduler with checked workers, and the expected state that every task compares with its worker's. Raises InputError."""
    need("dask", "--scheduler")
    from distributed import Client

    address = str(workers.scheduler)

    class Closing(Client):
        """Closed at once if its start fails: a half-open client that is collected in the thread of a later one makes that one fail too."""

        def start(self, **settings: Any) -> None:
            try:
                super().start(**settings)
            except BaseException:
                self.close(timeout=CONNECT_S)
                raise

    try:
        client = Closing(address, timeout=CONNECT_S, set_as_default=False, name="hybridcx")
    except (OSError, TimeoutError, RuntimeError, TypeError, ValueError) as error:
        remedy = "check that it runs and which address it prints"
        if _protocol(address) == "tls":
            remedy += "; the certificates are those of Dask's own configuration (distributed.comm.tls, or DASK_DISTRIBUTED__COMM__TLS__…)"
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            Problem(
                f"the Dask scheduler cannot be reached ({reason})", column="--scheduler", value=address, remedy=remedy
            )
        ) from error
    token = None if workers.folder is None else workers.folder / TOKEN.format(secrets.token_hex(8))
    try:
        if token is not None:
            token.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(token, "workers of a run that see this file see its cache\n")
        ours = _state(token, workers.machine)
        raise_if_any(_problems(client, address, token, workers.machine, ours))
        with client.as_current():
            yield client, (ours, token, workers.machine)
    finally:
        if token is not None:
            token.unlink(missing_ok=True)
        client.close(timeout=CONNECT_S)


def _problems(
    client: Any, address: str, token: Path | None, machine: Callable[[], str] | None, ours: dict[str, str]
) -> Iterator[Problem]:
    """The problems of the cluster at this moment."""
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_S)
    except TimeoutError:
        yield Problem(
            "the Dask scheduler has no worker",
            column="--scheduler",
            value=address,
            remedy="start workers (docs/cluster.md)",
        )
        return
    threads: dict[str, int] = client.nthreads()
    listening = list(client.run_on_scheduler(_listening()))
    for addresses in client.run(_listening(), on_error="return").values():
        listening += addresses if isinstance(addresses, list) else []  # a worker that has just gone
    yield from map(_open_to_others, _exposed(listening))
    for worker, n in threads.items():
        if n != 1:
            yield Problem(
                f"the worker {worker} does {n} tasks at a time in one process, which would share their random streams",
                remedy="start workers with --nthreads 1, and one for each task that is to run at a time (--nworkers N)",
            )
    for worker, theirs in client.run(_reported(token, machine), on_error="return").items():
        if isinstance(theirs, dict) and (differences := _differences(ours, theirs)):
            yield _wrong(worker, differences)
        elif not isinstance(theirs, (dict, OSError)):  # a worker that has just gone is no problem: tasks check again
            yield Problem(f"the worker {worker} does not report its versions: {theirs!r}")


def check_workers(workers: Workers) -> None:
    """Check that the cluster can be reached and computes the same bits. Raises InputError."""
    if workers.scheduler is not None:
        with connected(workers):
            pass


def _present(client: Any) -> set[str]:
    """The addresses of the workers."""
    try:
        return set(client.nthreads())
    except OSError as error:
        raise StoppedError(LOST) from error


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Silence Dask's tracebacks for errors that are reported here in a sentence."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def on_cluster(
    function: Callable[..., T], arguments: Sequence[tuple[object, ...]], workers: Workers, advance: Callable[[], None]
) -> list[T]:
    """`local.run_tasks` on the workers of a Dask cluster.

    Dask itself does the task of a lost worker again. joblib's Dask backend is not used because it waits for ever for a task that Dask gives
    up: its callback is called only for results.
    """
    from distributed import KilledWorker, wait

    with _quiet(logging.getLogger("distributed.client")), connected(workers) as (client, expected):
        number = {client.submit(_task, function, a, *expected, pure=False): i for i, a in enumerate(arguments)}
        results: dict[int, T] = {}
        known, seen_at = _present(client), time.monotonic()
        try:
            while number:
                ended: set[Any] = set()
                with contextlib.suppress(TimeoutError):
                    ended = wait(list(number), timeout=POLL_S, return_when="FIRST_COMPLETED").done
                for future in ended:
                    results[number.pop(future)] = future.result()
                    advance()
                now = _present(client)
                for gone in sorted(known - now):
                    workers.say(f"Warning: the worker {gone} has gone; another one repeats its tasks.")
                seen_at = time.monotonic() if now else seen_at
                if time.monotonic() - seen_at > WITHOUT_WORKERS_S:
                    raise StoppedError(
                        f"The Dask scheduler has had no worker for {WITHOUT_WORKERS_S / 60:.0f} minutes."
                    )
                known = now
        except KilledWorker as error:
            raise task_kills(error.allowed_failures + 1) from error
        except WrongWorkerError as error:
            raise InputError(error.problem()) from error
        except CancelledError as error:
            raise StoppedError(LOST) from error
        finally:
            if client.status == "running":
                client.cancel(list(number), force=True)
    return [results[i] for i in range(len(arguments))]
