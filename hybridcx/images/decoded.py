"""Result and errors of decoding, shared by the decoders of ordinary image files and of DICOM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEW_LEVELS = 32
FEW_LEVELS_CAUTION = f"the values fill fewer than {FEW_LEVELS} of the 256 grey levels of their declared range"


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


def article(name: str) -> str:
    """The name of a format with its indefinite article."""
    return f"an {name}" if name.startswith(("A", "a", "HDF", "NRRD")) else f"a {name}"
