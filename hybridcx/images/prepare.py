"""From a decoded image to the square that the networks see: crop, pad to a centred square, resize with antialiasing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from hybridcx.errors import InputError, Problem
from hybridcx.images.decoded import room

Pad = Literal["white", "black", "edge", "none"]
Resample = Literal["bilinear", "bicubic", "lanczos"]
Box = tuple[int, int, int, int]

PADS = ("white", "black", "edge", "none")
FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
MAX_SQUARE_PIXELS = 400_000_000
"""The padded square of a very long image is refused beyond this size."""
_BANDS_FROM = 30_000_000
"""Padded squares of more pixels are resized in bands: whole, that of a long image takes many times the image's memory."""


def prepare(
    pixels: np.ndarray,
    box: Box | None = None,
    *,
    size_px: int,
    pad: Pad = "white",
    resample: Resample = "bicubic",
    channels: int = 3,
    refuse_constant: bool = True,
) -> np.ndarray:
    """Return an image as uint8 (size_px, size_px, channels).

    Parameters: `pixels` uint8 (height, width) or (height, width, 3); `box` (left, top, right, bottom) in pixels, right and bottom
    exclusive, or None for the whole image; `pad`, what fills the image up to a square, equally at both sides (an odd pixel
    goes right or below): white, black, its own edge, or none, which stretches it instead; `resample`, Pillow's filter, whose
    support grows with the reduction, so that nothing is aliased; `channels` 3 (grey is repeated) or 1 (colour becomes luma,
    ITU-R 601); `refuse_constant`, whether an image or crop of one value is refused.

    Raises InputError: an image of one pixel; a box of no area or outside the image; a constant image or crop; a padded square of
    more than 400 million pixels; an unknown option.
    """
    check_options(size_px, pad, resample, channels)
    height, width = pixels.shape[:2]
    if height * width <= 1:
        raise _refused("an image of one pixel", remedy="check the file, or exclude the case")
    if box is not None:
        left, top, right, bottom = box
        if right <= left or bottom <= top:
            raise _refused("a crop box of no area", box, "left must be smaller than right, top than bottom")
        if left < 0 or top < 0 or right > width or bottom > height:
            size = f"{width} x {height} pixels after its EXIF orientation"
            raise _refused(f"a crop box outside the image, which has {size}", box, "correct the box")
        pixels = pixels[top:bottom, left:right]
    if refuse_constant and pixels.min() == pixels.max():
        what = "image" if box is None else "image within its crop box"
        raise _refused(
            f"a constant {what}: every pixel is {pixels.flat[0]}", remedy="check the file, or exclude the case"
        )
    if channels == 1 and pixels.ndim == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))
    with room(pixels.shape[0] * pixels.shape[1]):
        if pad != "none":
            pixels = _squared(pixels, pad, size_px, FILTERS[resample])
        image = Image.fromarray(np.ascontiguousarray(pixels))
        out = np.asarray(
            image if image.size == (size_px, size_px) else image.resize((size_px, size_px), FILTERS[resample])
        )
    if out.ndim == 2:
        out = np.repeat(out[..., None], channels, axis=2)
    return np.ascontiguousarray(out)


def check_options(size_px: int, pad: str, resample: str, channels: int) -> None:
    """Raise InputError where an option of `prepare` is unknown."""
    problems = []
    if size_px < 1:
        problems.append(Problem("the image size must be at least one pixel", column="size_px", value=size_px))
    if pad not in PADS:
        problems.append(Problem("unknown padding", column="pad", value=pad, remedy=f"use {', '.join(PADS)}"))
    if resample not in FILTERS:
        problems.append(
            Problem("unknown filter", column="resample", value=resample, remedy=f"use {', '.join(FILTERS)}")
        )
    if channels not in (1, 3):
        problems.append(Problem("an image has 1 or 3 channels", column="channels", value=channels))
    if problems:
        raise InputError(problems)


def _squared(pixels: np.ndarray, pad: Pad, size_px: int, resample: Image.Resampling) -> np.ndarray:
    """Pad to a square. The columns of a large one are resized to `size_px` on the way, band by band, so that it is never in memory as a whole;
    Pillow resizes columns before rows as well, with the same rounding."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    if height == width:
        return pixels
    if side * side > MAX_SQUARE_PIXELS:
        remedy = "crop it, or use the padding `none`"
        raise _refused(f"{width} x {height} pixels are too long to be padded to a square", remedy=remedy)
    rows, columns = _padding(height, side), _padding(width, side)
    if side * side <= _BANDS_FROM:
        return _padded(pixels, rows, columns, pad)
    bands = []
    for top in range(0, height, 512):
        band = _padded(pixels[top : top + 512], (0, 0), columns, pad)
        bands.append(np.asarray(Image.fromarray(band).resize((size_px, len(band)), resample)))
    return _padded(np.concatenate(bands), rows, (0, 0), pad)


def _padded(pixels: np.ndarray, rows: tuple[int, int], columns: tuple[int, int], pad: Pad) -> np.ndarray:
    widths = [rows, columns] + [(0, 0)] * (pixels.ndim - 2)
    if pad == "edge":
        return np.pad(pixels, widths, mode="edge")
    return np.pad(pixels, widths, constant_values=255 if pad == "white" else 0)


def _padding(length: int, side: int) -> tuple[int, int]:
    """Pixels before and after, so that `length` becomes `side`; an odd one goes after."""
    rest = side - length
    return rest // 2, rest - rest // 2


def place(
    region: Box, width_px: int, height_px: int, box: Box | None, *, size_px: int, pad: Pad = "white"
) -> tuple[float, float, float, float] | None:
    """Where a region of the decoded image (left, top, right, bottom; edges, right and bottom exclusive) lies in the prepared one.

    `width_px`, `height_px`: of the decoded image, after its EXIF orientation; the rest as for `prepare`, whose steps an edge at x follows:
    (x - left of the crop + padding before) * size_px / side. Cut off at the crop, beyond which the prepared image shows nothing of the
    region; None where nothing is left.

    >>> place((10, 20, 30, 40), 100, 200, (0, 0, 50, 100), size_px=100)
    (35.0, 20.0, 55.0, 40.0)
    """
    left, top, right, bottom = (0, 0, width_px, height_px) if box is None else box
    width, height = right - left, bottom - top
    x0, x1 = max(region[0], left) - left, min(region[2], right) - left
    y0, y1 = max(region[1], top) - top, min(region[3], bottom) - top
    if x1 <= x0 or y1 <= y0:
        return None
    if pad == "none":
        return x0 * size_px / width, y0 * size_px / height, x1 * size_px / width, y1 * size_px / height
    side = max(width, height)
    dx, dy = _padding(width, side)[0], _padding(height, side)[0]
    return (
        (x0 + dx) * size_px / side,
        (y0 + dy) * size_px / side,
        (x1 + dx) * size_px / side,
        (y1 + dy) * size_px / side,
    )


def _refused(rule: str, value: object = None, remedy: str | None = None) -> InputError:
    return InputError(Problem(rule, value=value, remedy=remedy))
