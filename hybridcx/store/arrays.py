"""Arrays as .npy files, whole or block by block where they are larger than memory, through Python's files: numpy.save does not notice a disk that is
full when the last 4096 bytes of an array are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np


@contextmanager
def array_in_pieces(
    path: Path, shape: tuple[int, ...], dtype: type[np.generic]
) -> Iterator[Callable[[np.ndarray], None]]:
    """Write an .npy file of this shape block by block; gives the function that appends a block of rows. The bytes are those of `numpy.save`.

    Through a file and not through a memory map: a full disk is then an error and not a crash, and what is written does not stay in memory.
    Raises ValueError where the blocks do not make up the shape.
    """
    written = 0
    with path.open("wb") as out:
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(out, header)

        def append(block: np.ndarray) -> None:
            nonlocal written
            if block.shape[1:] != shape[1:] or block.dtype != dtype:
                raise ValueError(f"a block of {block.dtype} {block.shape} for an array of {dtype} {shape}")
            out.write(np.ascontiguousarray(block).data)
            written += len(block)

        yield append
        if written != shape[0]:
            raise ValueError(f"{written} of {shape[0]} rows were written")
        out.flush()
        os.fsync(out.fileno())


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a whole array, as `array_in_pieces` does."""
    with array_in_pieces(path, array.shape, array.dtype.type) as append:
        append(array)
