"""Progress on standard error: a bar with the time left for what takes longer than two seconds, nothing in a pipe or with --quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

OnProgress = Callable[[int, int], None]
DELAY_S = 2.0


class Progress:
    """Where a command says how far it is. `say` is for sentences, `track` gives a callback (done, total) for one task at a time."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False):
        self.quiet = quiet
        self.verbose = verbose
        self._bars = not quiet and sys.stderr.isatty()
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
        """Everything said so far, for the log file. It carries no names or ids of patients, and no clock."""
        return "".join(line + "\n" for line in self._log)

    def say(self, text: str) -> None:
        """A sentence about the work, shown unless quiet and kept for the log."""
        self._log.append(text)
        self.tell(text)

    def tell(self, text: str) -> None:
        """A sentence about this machine at this moment, shown unless quiet and not kept: the log repeats."""
        if not self.quiet:
            self._close()
            print(text, file=sys.stderr, flush=True)

    def notice(self, text: str) -> None:
        """A sentence about this moment (who else works in the folder), shown unless quiet; the log, which repeats, does not keep it."""
        if not self.quiet:
            self._close()
            print(text, file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """A sentence for the log, shown only with --verbose."""
        self._log.append(text)
        if self.verbose:
            self._close()
            print(text, file=sys.stderr, flush=True)

    def track(self, what: str) -> OnProgress:
        """A callback for a task called `what`. Its bar appears when the task has run for two seconds."""
        self._close()
        if not self._bars:
            return lambda done, total: None
        started = time.monotonic()
        task: Any = None

        def update(done: int, total: int) -> None:
            nonlocal task
            if task is None and time.monotonic() - started < DELAY_S:
                return
            if self._rich is None:
                if done >= total:
                    return
                self._rich = _bar()
                self._rich.start()
                task = None
            if task is None:
                task = self._rich.add_task(what, total=total)
            self._rich.update(task, completed=done, total=total)
            if done >= total:
                self._close()

        return update

    def _close(self) -> None:
        if self._rich is not None:
            self._rich.stop()
            self._rich = None


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
