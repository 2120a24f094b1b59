"""The cache of the stages: folders addressed by a hash of their inputs, written atomically, checked by hash when read.

An artefact is a folder `<root>/<stage>/<key>`; the key is a SHA-256 over everything that decides its content (data, the part of the
configuration, the code, the weights). It is written to `<key>.partial` and renamed when complete, so a half-written artefact is never
read. `artefact.json` inside lists each file with its hash; a damaged artefact is reported, removed and computed again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import platform
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from hybridcx.errors import InputError, Problem, printable
from hybridcx.store.differences import Parts, difference_words, nearest, result_words
from hybridcx.store.disk import disk_faults

RECORD = "artefact.json"
WEIGHTS = "weights"
"""The folder of pretrained weights within `cache_root()` (deep/weights.py): copied in, not computed."""
_PARTIAL = ".partial"
_LEASES = "leases"
_CLOCK_S = 2.0  # the coarsest times of files, of FAT
_LOOKED_AT = 200  # the number of a stage's youngest artefacts that are compared with a missing one
Say = Callable[[str], None]


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as fh:
        return hashlib.file_digest(fh, "sha256").hexdigest()


def content_key(parts: Mapping[str, object]) -> str:
    """SHA-256 over inputs by name (JSON values); the order of the names does not matter."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: a temporary file beside it, flushed to disk, then renamed over it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as fh:
            fh.write(data)
            fh.flush()
            os.fsync(fh.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.filename is None:  # of a write or a flush, which know no name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def code_hash(*modules: str) -> str:
    """SHA-256 over the source of modules or packages of hybridcx, so that an artefact made by other code is not taken for this one's.

    The source is that of the first call: code that is replaced while a process runs is not what it computes with.

    >>> code_hash("streams") == code_hash("streams")
    True
    """
    digest = hashlib.sha256()
    for module in sorted(modules):
        within = "" if module == "." else f"{module}/"
        for name, source in _sources():
            if name.rpartition(".")[0] == module or name.startswith(within):
                digest.update(name.encode() + b"\0")
                digest.update(source)
    return digest.hexdigest()


@cache
def _sources() -> tuple[tuple[str, bytes], ...]:
    """Name and content of every module of hybridcx and of the table of networks, sorted by name."""
    root = Path(__file__).parents[1]
    table = root / "vocabulary" / "networks.csv"  # rows that decide what a network computes
    files = {p.relative_to(root).as_posix(): p for p in (*root.rglob("*.py"), table)}
    return tuple((name, files[name].read_bytes().replace(b"\r\n", b"\n")) for name in sorted(files))


def cache_root() -> Path:
    """The folder of the artefacts: `$HYBRIDCX_CACHE`, or the platform's cache folder of the user."""
    if chosen := os.environ.get("HYBRIDCX_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", str(Path.home() / "AppData" / "Local")))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hybridcx"


@contextlib.contextmanager
def exclusive(path: Path, busy: str, *, say: Say = lambda _: None, wait: bool = False) -> Iterator[None]:
    """Hold the lock file `path`. If another process holds it: wait with a message, or raise InputError; both texts begin with `busy` and name
    the holder.

    The lock ends with the process, however that ends. A message reports that an earlier holder was killed.
    """
    holder = path.with_suffix(".holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise InputError(
                Problem(f"{busy}: held by {_who(holder)}", remedy="wait until it ends, or choose another folder")
            ) from None
        say(f"{busy[0].upper()}{busy[1:]}: held by {_who(holder)}. Waiting for it.")
        lock.acquire(poll_interval=0.2)
    try:
        if holder.exists():
            say(f"The earlier run ({_who(holder)}) has ended without finishing; this one takes over.")
        since = time.strftime("%Y-%m-%d %H:%M:%S %z")
        holder.write_text(f"process {os.getpid()} on {platform.node()}, since {since}", encoding="utf-8")
        yield
    finally:
        try:
            holder.unlink(missing_ok=True)
        finally:
            lock.release()


def _who(holder: Path) -> str:
    try:
        return printable(holder.read_text(encoding="utf-8").strip()) or "another process"
    except (OSError, ValueError):
        return "another process"


@dataclass(frozen=True, slots=True)
class Entry:
    """One artefact in the store: `size` in bytes, `used` the time of its last use (seconds since the epoch)."""

    stage: str
    key: str
    path: Path
    size: int
    used: float
    complete: bool


class Store:
    """Artefacts under one root folder.

    `say` receives messages about damaged artefacts, and about those that are computed although the cache holds similar ones; `notice` those that
    depend on the moment, such as which other process computes an artefact.
    """

    def __init__(self, root: Path, say: Say | None = None, notice: Say | None = None):
        self.root = root
        self.say: Say = say or (lambda _: None)
        self.notice: Say = notice or (lambda _: None)
        self._explains = say is not None
        self._used: set[Path] = set()
        self._damaged: set[Path] = set()

    def find(self, stage: str, key: str) -> Path | None:
        """The folder of a complete and undamaged artefact, or None. Damage is reported; `make` replaces the artefact.

        Raises OSError where it cannot be read.
        """
        folder = self.root / stage / key
        if (sound := _is_sound(folder)) is None:
            return None
        if not sound:
            if folder not in self._damaged:
                self.say(f"The cached result {stage}/{key[:12]} is damaged (its hash differs); it is computed again.")
            self._damaged.add(folder)
            return None
        return self._taken(folder)

    def _taken(self, folder: Path) -> Path | None:
        """`folder`, marked as used now; None where `prune` has just removed it."""
        try:
            os.utime(folder / RECORD)
        except FileNotFoundError:
            return None
        except OSError:
            pass  # a read-only cache can still be read
        self._used.add(folder)
        return folder

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While this lasts, `prune` leaves whatever is made or found in the store, by this process or its workers.

        A locked file in the folder `leases` shows that the process lives, and its time since when.
        """
        path = self.root / _LEASES / f"{os.getpid()}-{secrets.token_hex(8)}.lock"
        lock = FileLock(path)
        with contextlib.suppress(OSError):  # a read-only cache
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
            while not path.exists():  # taken for that of an ended process between its creation and its lock
                lock.release()
                lock.acquire()
        try:
            yield
        finally:
            if lock.is_locked:
                lock.release()
                with contextlib.suppress(OSError):
                    path.unlink()

    def _in_use_since(self) -> float:
        """The time from which on artefacts belong to a process that is `in_use`; infinite without one. Leases of ended processes are removed."""
        since = math.inf
        for path in (self.root / _LEASES).glob("*.lock"):
            with contextlib.suppress(FileNotFoundError):
                began, lock = path.stat().st_mtime, FileLock(path)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    since = min(since, began - _CLOCK_S)
                else:
                    lock.release()
                    path.unlink(missing_ok=True)
        return since

    def make(
        self,
        stage: str,
        key: str,
        build: Callable[[Path], None],
        made_from: Parts,
        of: Parts | None = None,
        from_cache: Callable[[], None] | None = None,
    ) -> Path:
        """The artefact's folder, filled by `build(folder)` if it is absent; waits if another run is computing it.

        `from_cache` is called where the artefact was there.

        The folder may hold files of an interrupted build, from which `build` can continue. All files in it are part of the artefact.
        `of`: network and which features, where `made_from` lacks them.

        Raises StoppedError where the disk is full or cannot be written; finished files stay for the next call.
        """
        final = self.root / stage / key
        partial = final.with_name(key + _PARTIAL)
        what = result_words(stage, {**made_from, **(of or {})})
        with disk_faults(self.root, what, partial):
            if _is_sound(final) and (taken := self._taken(final)) is not None:
                if from_cache is not None:
                    from_cache()
                return taken
            partial.parent.mkdir(parents=True, exist_ok=True)
            busy = f"another run computes {what}"
            with exclusive(final.with_name(key + ".lock"), busy, say=self.notice, wait=True):
                if self.find(stage, key) is not None:  # computed meanwhile
                    shutil.rmtree(partial, ignore_errors=True)
                else:
                    # A damaged one is removed only under the lock: another run may just have computed it again.
                    shutil.rmtree(final, ignore_errors=True)
                    self.explain(stage, made_from, of)
                    partial.mkdir(exist_ok=True)
                    build(partial)
                    files = {
                        p.relative_to(partial).as_posix(): sha256_file(p)
                        for p in sorted(partial.rglob("*"))
                        if p.is_file() and p.name != RECORD
                    }
                    record = {"stage": stage, "key": key, "files": files, "made_from": dict(made_from)}
                    record |= {} if of is None else {"of": dict(of)}
                    write_atomic(partial / RECORD, json.dumps(record, indent=1, sort_keys=True, default=str))
                    partial.replace(final)
            with contextlib.suppress(OSError):  # a process that still waits for it reads the artefact
                final.with_name(key + ".lock").unlink()
        self._used.add(final)
        return final

    def explain(self, stage: str, made_from: Parts, of: Parts | None = None) -> None:
        """Report in which inputs the most similar cached artefact of the stage and the network differs from the missing one.

        Artefacts that this store has read or computed are left out: another seed or fold of one run is no reason.
        """
        if not self._explains:
            return
        subject = _subject({**made_from, **(of or {})})
        others = [
            r["made_from"] for r in self.records(stage) if _subject({**r["made_from"], **r.get("of", {})}) == subject
        ]
        now = json.loads(json.dumps(dict(made_from), default=str))
        if (then := nearest(now, others)) is not None and (words := difference_words(then, now)):
            what = result_words(stage, {**made_from, **(of or {})})
            self.say(f"{what[0].upper()}{what[1:]}: computed again, since the cached result differs in {words}.")

    def records(self, stage: str) -> list[dict[str, Any]]:
        """The records of the stage's complete artefacts, the youngest first, without those that this store has used."""
        paths = []
        for path in (self.root / stage).glob(f"*/{RECORD}"):
            with contextlib.suppress(OSError):
                if path.parent not in self._used and path.parent.suffix != _PARTIAL:
                    paths.append((path.stat().st_mtime_ns, path))
        records = []
        for _, path in sorted(paths, reverse=True)[:_LOOKED_AT]:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                record = json.loads(path.read_text(encoding="utf-8"))
                if isinstance(record["made_from"], dict) and isinstance(record.get("of", {}), dict):
                    records.append({**record, "folder": path.parent})
        return records

    def entries(self) -> list[Entry]:
        """Everything in the store, the longest unused first. Pretrained weights, which cannot be computed again, do not count."""
        entries = []
        if not self.root.is_dir():
            return []
        for stage in sorted(p for p in self.root.iterdir() if p.is_dir() and p.name != WEIGHTS):
            for path in sorted(p for p in stage.iterdir() if p.suffix not in (".lock", ".holder", ".json")):
                if path.is_dir():
                    files, complete = [p for p in path.rglob("*") if p.is_file()], (path / RECORD).exists()
                    used = (path / RECORD).stat().st_mtime if complete else None
                else:  # a single file with a record of the same name (the image store's arrays)
                    record = path.with_suffix(".json")
                    files, complete = [path, *([record] if record.exists() else [])], record.exists()
                    used = None
                stats = [p.stat() for p in files]
                last = max((s.st_mtime for s in stats), default=0.0) if used is None else used
                entries.append(Entry(stage.name, path.stem, path, sum(s.st_size for s in stats), last, complete))
        return sorted(entries, key=lambda e: (e.used, e.stage, e.key))

    def prune(self, limit_bytes: int) -> list[Entry]:
        """Remove the longest unused artefacts until at most `limit_bytes` are left. Returns those removed.

        Artefacts that a process makes at the moment, or has used since it began (`in_use`), stay; a notice counts the latter.
        """
        entries = self.entries()
        total = sum(e.size for e in entries)
        removed, since, used = [], self._in_use_since(), 0
        for entry in entries:
            if total <= limit_bytes:
                break
            if entry.used >= since:
                used += 1
                continue
            lock = FileLock(entry.path.with_name(entry.key.removesuffix(_PARTIAL) + ".lock"))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                record = entry.path / RECORD if entry.path.is_dir() else entry.path.with_suffix(".json")
                if entry.complete and record.stat().st_mtime > entry.used and since < math.inf:
                    continue  # a run has just found it
                record.unlink(missing_ok=True)  # first: from now on nobody finds it
                if entry.path.is_dir():
                    shutil.rmtree(entry.path)
                else:
                    entry.path.unlink()
            finally:
                lock.release()
                Path(lock.lock_file).unlink(missing_ok=True)
            total -= entry.size
            removed.append(entry)
        if used:
            self.notice(f"{used} results stay: a run that is still working has used them.")
        return removed


def _is_sound(folder: Path) -> bool | None:
    """Whether an artefact's files have the hashes of its record; None where there is none. Raises OSError where they cannot be read."""
    try:
        listed = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        return isinstance(listed, dict) and all(
            (folder / name).is_file() and sha256_file(folder / name) == digest for name, digest in listed.items()
        )
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, RecursionError):  # the record itself is damaged
        return False


def _subject(parts: Parts) -> tuple[object, object]:
    return parts.get("network"), parts.get("which")
