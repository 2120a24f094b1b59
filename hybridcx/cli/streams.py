"""Standard output and error that may be closed, full, or read by a program that has gone.

The exit code and the written files are the result of a command; text that nobody can read must not change them. A closed stream becomes the
null device (Python's `print` would send messages for a missing standard error to standard output), and a stream that fails is replaced by it.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Make the three standard streams usable while a command works; what could not be printed is reported on standard error."""
    stdin, stdout, stderr = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = stdin or _null(0, "r")
    sys.stderr = cast(TextIO, _Stream(stderr or _null(2, "w")))
    sys.stdout = cast(TextIO, _Stream(stdout or _null(1, "w"), "The results could not be printed"))
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        if stdout is not None and stderr is not None:  # else they stay null devices until the process ends
            sys.stdin, sys.stdout, sys.stderr = stdin, stdout, stderr


def _null(descriptor: int, mode: str) -> TextIO:
    """The null device, under the number of the closed stream, so that no file that is opened later gets this number."""
    number = os.open(os.devnull, os.O_RDWR)
    try:
        os.fstat(descriptor)
    except OSError:
        os.dup2(number, descriptor)
    if number > 2:
        os.close(number)
    else:
        os.set_inheritable(number, True)
    return cast(TextIO, Path(os.devnull).open(mode, encoding="utf-8", errors="backslashreplace"))


class _Stream:
    """A text stream whose failure to write is reported once, with `message`, and otherwise ignored. All else is that of `stream`."""

    def __init__(self, stream: TextIO, message: str = ""):
        self._stream = stream
        self._message = message
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal's encoding lacks

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        """Send the rest to the null device: Python writes out what is left when it ends."""
        with contextlib.suppress(OSError, ValueError):
            number = os.open(os.devnull, os.O_WRONLY)
            os.dup2(number, self._stream.fileno())
            os.close(number)
        if self._message and not isinstance(error, BrokenPipeError):  # a reader that has gone has read what it wanted
            print(f"{self._message} ({error.strerror or error}).", file=sys.stderr)
        self._message = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
