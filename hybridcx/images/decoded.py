"""Result and errors of decoding, shared by the decoders of ordinary image files and of DICOM."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image

PIXELS_AT_ONCE = 100_000_000
"""Pixels of the images that the threads decode or resize at the same time, together; one of 80 million takes about 1 GB."""

_free, _in_use = threading.Condition(), [0]

FEW_LEVELS = 32
FEW_LEVELS_CAUTION = f"the values fill fewer than {FEW_LEVELS} of the 256 grey levels of their declared range"


def few_levels(pixels: np.ndarray) -> bool:
    """Whether the pixels fill few grey levels, apart from the darkest and the brightest 0.1 %: a burned-in marker must not hide it.

    At least one pixel of 100 or more is left out at each end.
    """
    n = pixels.size
    out = max(n // 1000, min(n // 100, 1))
    low, high = np.partition(pixels, (out, n - 1 - out), axis=None)[[out, n - 1 - out]]
    return int(high) - int(low) + 1 < FEW_LEVELS


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image: `pixels` uint8, (height, width) for grey or (height, width, 3) for RGB, upright.

    `kind`: JPEG, PNG, TIFF or DICOM. `mode`: the file's mode in Pillow's words, or DICOM's photometric interpretation. `bits`: of a
    sample in the file (DICOM: bits stored). `orientation`: the EXIF orientation that was applied (1: none). `notes`: the rules
    that were used, in words. `cautions`: findings to check before the images are used, in words.
    """

    pixels: np.ndarray
    kind: str
    mode: str
    bits: int
    orientation: int
    notes: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


class RefusedError(Exception):
    """An image that is not decoded: the rule that it breaks, and what to do. Neither contains metadata of the file."""

    def __init__(self, rule: str, remedy: str):
        super().__init__(rule)
        self.rule, self.remedy = rule, remedy


@contextmanager
def room(n_pixels: int) -> Iterator[None]:
    """Wait until there is room for an image of this many pixels within `PIXELS_AT_ONCE`; one that is larger goes alone."""
    with _free:
        _free.wait_for(lambda: not _in_use[0] or _in_use[0] + n_pixels <= PIXELS_AT_ONCE)
        _in_use[0] += n_pixels
    try:
        yield
    finally:
        with _free:
            _in_use[0] -= n_pixels
            _free.notify_all()


def bands(im: Image.Image, rows: int = 512) -> Iterator[tuple[int, Image.Image]]:
    """The image in bands of so many rows, with the number of the first, so that no copy of the whole is made."""
    for top in range(0, im.height, rows):
        yield top, im.crop((0, top, im.width, min(top + rows, im.height)))


def article(name: str) -> str:
    """The name of a format with its indefinite article."""
    return f"an {name}" if name.startswith(("A", "a", "HDF", "NRRD")) else f"a {name}"
