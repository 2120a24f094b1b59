"""JSON files that someone else may have written: read as a whole, or refused as ValueError."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

MAX_BYTES = 64_000_000
"""The largest record that is read: the hashes of some 500,000 files."""


def read_json(path: Path, max_bytes: int = MAX_BYTES) -> Any:
    """The value in a JSON file of at most `max_bytes`.

    Raises FileNotFoundError and other OSError as `open` does, ValueError for what is no regular file, too large, nested too deeply or no JSON.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # opening a FIFO would wait for ever
        raise ValueError("this is no regular file")
    if status.st_size > max_bytes:
        raise ValueError(f"the file is larger than {max_bytes / 1e6:.0f} MB")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("the values are nested too deeply") from None
