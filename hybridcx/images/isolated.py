"""Decoding in a separate process, for GDCM: on a damaged lossless JPEG it aborts the process that it runs in, and writes to its stderr.

A child is started when the first such file is met, answers one image after another over its pipes, and ends with its parent. If it
dies, or takes longer than `TIMEOUT_S`, its image is damaged and the next one gets a new child. Nothing touches the disk.
"""

from __future__ import annotations

import atexit
import io
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

import numpy as np

TIMEOUT_S = 120
_HEAD = struct.Struct("<QI")  # bytes of the file, index of the frame
_LENGTH = struct.Struct("<Q")
_idle: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


class DamagedError(Exception):
    """The child found no image, or died of it."""


def decode_apart(data: bytes, index: int) -> np.ndarray:
    """Return the stored values of frame `index` (from 0) of a DICOM file, decoded by GDCM in a child process.

    Raises DamagedError where the child refuses the file, dies or does not come back.
    """
    with _lock:
        child = _idle.pop() if _idle else None
    if child is not None and child.poll() is not None:
        _end(child)
        child = None
    child = child or _start()
    pipe_in, taken = child.stdin, child.stdout
    if pipe_in is None or taken is None:
        raise DamagedError
    watch = threading.Timer(TIMEOUT_S, child.kill)
    watch.daemon = True
    watch.start()
    try:
        pipe_in.write(_HEAD.pack(len(data), index))
        pipe_in.write(data)
        pipe_in.flush()
        answer = _exactly(taken, _LENGTH.unpack(_exactly(taken, _LENGTH.size))[0])
    except (OSError, EOFError):
        _end(child)
        raise DamagedError from None
    finally:
        watch.cancel()
    with _lock:
        _idle.append(child)
    if not answer:
        raise DamagedError
    return np.asarray(np.load(io.BytesIO(answer), allow_pickle=False))


def _start() -> subprocess.Popen[bytes]:
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [sys.executable, "-c", "from hybridcx.images.isolated import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )


def _exactly(file: IO[bytes], n: int) -> bytes:
    data = file.read(n)
    if len(data) < n:
        raise EOFError
    return data


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(OSError):  # data not yet sent is lost with the child
                pipe.close()
    child.wait()


@atexit.register
def _end_all() -> None:
    while _idle:
        _end(_idle.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # the pipes stay the parent's


def serve() -> None:
    """The child: read a file and a frame, write the array as .npy, or nothing where it cannot be decoded; until the parent ends."""
    from hybridcx.images.gdcm import stored_by_gdcm

    pipe_in, taken = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output that a library prints must not mix with the answers
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            length, index = _HEAD.unpack(_exactly(pipe_in, _HEAD.size))
            out = io.BytesIO()
            data = _exactly(pipe_in, length)
            with suppress(Exception):  # the parent reports the damage
                np.save(out, stored_by_gdcm(data, index), allow_pickle=False)
            taken.write(_LENGTH.pack(len(out.getvalue())) + out.getvalue())
            taken.flush()
