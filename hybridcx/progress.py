"""Messages and progress on standard error: on a terminal a bar for tasks of more than two seconds, in a pipe a line per epoch of a training.

With --quiet there is neither.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any

from hybridcx.errors import InputWarning

OnProgress = Callable[[int, int], None]
DELAY_S = 2.0
_WARNING = "Warning: "
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z-]*[a-z])")


class Progress:
    """Reports the progress of a command: `say` prints a message, `track` returns a callback (done, total) for one task."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False):
        self.quiet = quiet
        self.verbose = verbose
        self._bars = not quiet and sys.stderr is not None and sys.stderr.isatty()
        self._rich: Any = None
        self._log: list[str] = []

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def log(self) -> str:
        """All messages so far, for the log file, without times and without names or ids of patients."""
        return "".join(line + "\n" for line in self._log)

    def say(self, text: str) -> None:
        """Print a message about the work, unless quiet, and add it to the log."""
        self._log.append(text)
        self.notice(text)

    def notice(self, text: str) -> None:
        """Print a message about this machine or the state of a folder (another process uses it), unless quiet.

        It is not in the log, which is the same for every repetition.
        """
        if not self.quiet:
            self._print(text)

    def from_cache(self, what: str) -> None:
        """Report that the result `what` was computed before; not in the log, as `notice`."""
        self.notice(f"From the cache: {what}.")

    def detail(self, text: str) -> None:
        """Add a message to the log, and print it with --verbose."""
        self._log.append(text)
        if self.verbose:
            self._print(text)

    def _print(self, text: str) -> None:
        self._close()
        if sys.stderr is not None:  # None without a console (pythonw, a service): print would take standard output
            print(text, file=sys.stderr, flush=True)

    def track(self, what: str) -> Callable[[int, int | None], None]:
        """A callback (done, total) for the task `what`; total is None where it is unknown. Its bar appears after two seconds."""
        self._close()
        if not self._bars:
            return lambda done, total: None
        started = time.monotonic()
        task: Any = None

        def update(done: int, total: int | None) -> None:
            nonlocal task
            if task is None and time.monotonic() - started < DELAY_S:
                return
            if self._rich is None:
                if total is not None and done >= total:
                    return
                self._rich = _bar()
                self._rich.start()
                task = None
            if task is None:
                task = self._rich.add_task(what, total=total)
            self._rich.update(task, completed=done, total=total)
            if total is not None and done >= total:
                self._close()

        return update

    def track_epochs(self, what: str, epochs: int) -> OnProgress:
        """A callback (iterations done, iterations in all) for a training of `epochs` epochs: a bar with the epoch, or a line at the end of each.

        Lines hold times, so they are no part of the log. The remaining time is that of the iterations done in this process: a training that is
        continued from a checkpoint counts from there.
        """
        self._close()
        if self.quiet:
            return lambda done, total: None
        return self._epoch_bar(what, epochs) if self._bars else self._epoch_lines(what, epochs)

    def _epoch_bar(self, what: str, epochs: int) -> OnProgress:
        advance = self.track(what)

        def update(done: int, total: int) -> None:
            advance(done, total)
            if self._rich is not None:
                epoch = f"epoch {_epoch(done, total, epochs)} of {epochs}"
                self._rich.update(self._rich.task_ids[-1], description=f"{what}, {epoch}")

        return update

    def _epoch_lines(self, what: str, epochs: int) -> OnProgress:
        begun = time.monotonic()
        first: int | None = None

        def update(done: int, total: int) -> None:
            nonlocal first
            first = done - 1 if first is None else first
            if done * epochs % total:  # not the last iteration of an epoch
                return
            spent = time.monotonic() - begun
            left = spent / (done - first) * (total - done)
            rest = f", about {duration(left)} left" if done < total else ""
            self.notice(f"{what}: epoch {_epoch(done, total, epochs)} of {epochs} after {duration(spent)}{rest}.")

        return update

    def _close(self) -> None:
        if self._rich is not None:
            self._rich.stop()
            self._rich = None


def _epoch(done: int, total: int, epochs: int) -> int:
    """The epoch (from 1) of iteration `done` (from 1), where every epoch has as many iterations."""
    return max(1, -(-done * epochs // total))


def duration(seconds: float) -> str:
    """A time in words.

    >>> [duration(s) for s in (0.4, 59.7, 754, 7260)]
    ['0 s', '1 min 0 s', '12 min 34 s', '2 h 1 min']
    """
    s = round(seconds)
    if s < 60:
        return f"{s} s"
    return f"{s // 60} min {s % 60} s" if s < 3600 else f"{s // 3600} h {s % 3600 // 60} min"


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class OfPython(Progress):
    """Prints nothing; a message that begins with "Warning: " becomes a Python warning at the line that called hybridcx.

    Options of the command line in it get the names of parameters: `--score-kind` is `score_kind`.
    """

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def say(self, text: str) -> None:
        """Add a message to the log, and warn."""
        super().say(text)
        if text.startswith(_WARNING):
            plain = _FLAG.sub(lambda m: m[1].replace("-", "_"), text.removeprefix(_WARNING))
            warnings.warn(plain, InputWarning, stacklevel=_outside())


def _outside() -> int:
    """The stack level of the first frame outside the package, seen from the caller."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).split(".")[0] == "hybridcx":
        frame, level = frame.f_back, level + 1
    return level
