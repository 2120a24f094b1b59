"""The folder that a command writes: empty or a report of hybridcx, one writer at a time, replaced only when the new results are complete.

New results are written to `.hybridcx/new` inside the folder. When they are complete a list of their names, `commit.json`, is written next to them;
from then on they are valid, and the next command moves them over the old ones if this one is killed meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.store.artefacts import Say, exclusive, sha256_file, write_atomic
from hybridcx.store.disk import FULL, disk_fault, disk_faults
from hybridcx.store.json_file import read_json
from hybridcx.store.provenance import SCHEMA_VERSION

INNER = ".hybridcx"
PROVENANCE = "provenance.json"
STATE = "state.json"
COMMIT = "commit.json"
LOCK = "lock"
OWN_FILES = frozenset(f"{INNER}/{name}" for name in (STATE, LOCK, f"{LOCK}.holder"))
"""What lies in `INNER` of a finished report; the holder's file only while a command works on it."""


class OutputFolder:
    """A report directory that is held by this process. Use `open_output`."""

    def __init__(self, path: Path, command: str):
        self.path = path
        self.command = command
        self.inner: Path = path / INNER
        self.new: Path = self.inner / "new"

    def read_state(self) -> dict[str, object]:
        """The state that an earlier run wrote into this folder; empty without one."""
        try:
            return dict(read_json(self.inner / STATE))
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError):
            raise InputError(
                Problem(
                    "the folder's state is damaged", str(self.inner / STATE), remedy="use --fresh, or another folder"
                )
            ) from None

    def write_state(self, state: Mapping[str, object]) -> None:
        """Write the state for the next run of this folder (JSON)."""
        write_atomic(
            self.inner / STATE,
            json.dumps({"command": self.command, "schema_version": SCHEMA_VERSION, **state}, indent=1, sort_keys=True),
        )

    def begin(self) -> Path:
        """An empty folder for the new results."""
        shutil.rmtree(self.new, ignore_errors=True)
        self.new.mkdir(parents=True)
        return self.new

    def give_up(self) -> None:
        """Remove new results that are not complete, and with them the space that they take."""
        if not (self.inner / COMMIT).exists():
            shutil.rmtree(self.new, ignore_errors=True)

    def commit(self) -> None:
        """Put the new results in the place of the earlier ones, provenance.json last."""
        names = sorted(p.relative_to(self.new).as_posix() for p in self.new.rglob("*") if p.is_file())
        names.sort(key=lambda n: n == PROVENANCE)
        for name in names:  # what takes space comes before the list that makes the new results count
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.inner / COMMIT, json.dumps({"files": names, "earlier": self._earlier()}))
        self._roll_forward()

    def _earlier(self) -> list[str]:
        """Files of the earlier results, which go when the new ones do not have them. Files of others stay."""
        try:
            listed = read_json(self.path / PROVENANCE)["files"]
        except (OSError, ValueError, TypeError, KeyError):
            return []
        return sorted(listed) if isinstance(listed, dict) else []

    def _roll_forward(self) -> None:
        commit = self.inner / COMMIT
        if not commit.exists():
            return
        try:
            plan = read_json(commit)
            files, earlier = ([str(n) for n in plan[key]] for key in ("files", "earlier"))
        except (ValueError, TypeError, KeyError):
            raise InputError(
                Problem(
                    "the list of an interrupted replacement is damaged",
                    str(commit),
                    remedy="remove the folder, or choose another --out",
                )
            ) from None
        for name in filter(_stays_inside, files):
            source, target = self.new / name, self.path / name
            if source.exists():  # otherwise an interrupted commit has moved it already
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    source.replace(target)
                except PermissionError:
                    raise StoppedError(
                        str(
                            Problem(
                                "the file cannot be replaced",
                                str(target),
                                remedy="close the program that has it open, or make its folder writable",
                            )
                        )
                    ) from None
        for name in set(earlier) - set(files):
            if _stays_inside(name):  # the lists come from files that someone else may have sent
                (self.path / name).unlink(missing_ok=True)
                for emptied in (self.path / name).relative_to(self.path).parents[:-1]:
                    with contextlib.suppress(OSError):  # it holds something else, or is gone
                        (self.path / emptied).rmdir()
        shutil.rmtree(self.new, ignore_errors=True)
        commit.unlink()


def _stays_inside(name: str) -> bool:
    """Whether a relative name cannot leave its folder, on any system."""
    return not (
        PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts
    )


def _ours(path: Path, command: str) -> list[Problem]:
    """The reasons why `command` may not write to the folder `path`."""
    if not path.exists():
        return []
    if not path.is_dir():
        return [Problem("this is a file, not a folder", str(path), remedy="choose another --out")]
    if not any(p.name != INNER for p in path.iterdir()) and not (path / INNER / STATE).exists():
        return []  # empty, or killed before it wrote a state
    made_by, version = None, 0
    for name in (f"{INNER}/{STATE}", PROVENANCE):
        try:
            record = read_json(path / name)
            made_by, version = record.get("command"), record.get("schema_version", 0)
            break
        except (OSError, ValueError, AttributeError):
            continue
    if made_by is None:
        return [
            Problem(
                "the folder is not empty and hybridcx did not make it",
                str(path),
                remedy="choose another --out, or an empty folder",
            )
        ]
    if made_by != command:
        return [
            Problem(
                f"the folder holds results of `hybridcx {made_by}`",
                str(path),
                remedy=f"choose another --out for `hybridcx {command}`",
            )
        ]
    if isinstance(version, int) and version > SCHEMA_VERSION:
        return [
            Problem(
                f"the folder was made by a newer hybridcx (schema {version}, this one knows {SCHEMA_VERSION})",
                str(path),
                remedy="update hybridcx",
            )
        ]
    return []


@contextlib.contextmanager
def open_output(path: Path, command: str, say: Say = lambda _: None) -> Iterator[OutputFolder]:
    """Hold the folder `path` for `command`. `say` receives a message if an earlier run that held it was killed.

    Raises
    ------
    InputError
        if hybridcx did not make it and it is not empty, if another command or a newer version made it, if it cannot be written, or if
        another process holds it.
    StoppedError
        if its disk is full, or no longer writable; the earlier results stay.
    """
    if problems := _ours(path, command):
        raise InputError(problems)
    folder = OutputFolder(path, command)
    absent = [p for p in (path, *path.parents) if not p.exists()]
    fresh, held = bool(absent) or not any(path.iterdir()), False
    try:
        folder.inner.mkdir(parents=True, exist_ok=True)
        probe = folder.inner / f"probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        if disk_fault(error) == FULL:
            with disk_faults(path, "the report"):
                raise
        raise InputError(
            Problem(f"the folder cannot be written ({error.strerror})", str(path), remedy="choose another --out")
        ) from None
    try:
        with (
            disk_faults(path, "the report"),
            exclusive(folder.inner / LOCK, f"{path} is in use", say=say),
        ):
            held = True
            if not (folder.inner / STATE).exists():
                folder.write_state({})
            folder._roll_forward()
            try:
                with disk_faults(path, "the report", folder.new):
                    yield folder
            except BaseException:
                folder.give_up()
                raise
    except InputError:
        if held and fresh:  # bad input leaves nothing behind
            shutil.rmtree(folder.inner, ignore_errors=True)
            with contextlib.suppress(OSError):  # whatever is not empty stays
                for parent in absent:
                    parent.rmdir()
        raise


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below `folder`, by its relative name."""
    return {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def contents(folder: Path) -> dict[str, bool]:
    """Everything below `folder` by its relative name, and whether it is a regular file or a link to one.

    All else is False: linked folders (which are not entered), dangling links, pipes, devices, and folders that are empty or cannot be read.
    """
    entries: dict[str, bool] = {}
    folders = [folder]
    while folders:
        here = folders.pop()
        try:
            below = list(here.iterdir())
        except OSError:
            below = []
        if not below and here != folder:
            entries[here.relative_to(folder).as_posix()] = False
        for path in below:
            try:
                is_folder, is_file = stat.S_ISDIR(path.lstat().st_mode), stat.S_ISREG(path.stat().st_mode)
            except OSError:
                is_folder = is_file = False
            if is_folder and not _is_junction(path):
                folders.append(path)
            else:
                entries[path.relative_to(folder).as_posix()] = is_file
    return entries


def _is_junction(path: Path) -> bool:
    """Whether `path` is Windows' kind of linked folder, which `lstat` calls a folder."""
    return bool(getattr(path.lstat(), "st_reparse_tag", 0))


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[None]:
    """Fill a folder wholly or not at all: it must be empty or absent, and is so again if the block raises.

    Raises InputError for a folder that holds something, or a file of that name.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise InputError(Problem("the folder is not empty", str(target), remedy="choose an empty folder, or a new one"))
    existed = target.exists()
    try:
        yield
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if existed:
            target.mkdir(exist_ok=True)
        raise
