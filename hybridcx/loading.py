"""Importing much at once: torch, scikit-learn and the statistics bring hundreds of thousands of objects and hardly any garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Leave Python's garbage collector off for a block of imports, which it would walk through again and again (a run starts in 3.5 s for 4.4)."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
