"""From a decoded image to the square that the networks see: crop, pad to a centred square, resize with antialiasing."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from hybridcx.errors import InputError, Problem

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


def prepare(
    pixels: np.ndarray,
    box: Box | None = None,
    *,
    size_px: int,
    pad: Pad = "white",
    resample: Resample = "bicubic",
    channels: int = 3,
) -> np.ndarray:
    """Return an image as uint8 (size_px, size_px, channels).

    Parameters: `pixels` uint8 (height, width) or (height, width, 3); `box` (left, top, right, bottom) in pixels, right and bottom
    exclusive, or None for the whole image; `pad`, what fills the image up to a square, equally at both sides (an odd pixel
    goes right or below): white, black, its own edge, or none, which stretches it instead; `resample`, Pillow's filter, whose
    support grows with the reduction, so that nothing is aliased; `channels` 3 (grey is repeated) or 1 (colour becomes luma,
    ITU-R 601).

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
    if pixels.min() == pixels.max():
        what = "image" if box is None else "image within its crop box"
        raise _refused(
            f"a constant {what}: every pixel is {pixels.flat[0]}", remedy="check the file, or exclude the case"
        )
    if channels == 1 and pixels.ndim == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))
    if pad != "none":
        pixels = _squared(pixels, pad)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    out = np.asarray(image if image.size == (size_px, size_px) else image.resize((size_px, size_px), FILTERS[resample]))
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


def _squared(pixels: np.ndarray, pad: Pad) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = max(height, width)
    if height == width:
        return pixels
    if side * side > MAX_SQUARE_PIXELS:
        remedy = "crop it, or use the padding `none`"
        raise _refused(f"{width} x {height} pixels are too long to be padded to a square", remedy=remedy)
    rows, columns = side - height, side - width
    widths = [(rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)] + [(0, 0)] * (pixels.ndim - 2)
    if pad == "edge":
        return np.pad(pixels, widths, mode="edge")
    return np.pad(pixels, widths, constant_values=255 if pad == "white" else 0)


def _refused(rule: str, value: object = None, remedy: str | None = None) -> InputError:
    return InputError(Problem(rule, value=value, remedy=remedy))
