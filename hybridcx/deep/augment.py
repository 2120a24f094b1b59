"""Augmentation of training batches: named transforms, drawn from a named stream, applied in one pass.

A batch's parameters are drawn from the stream (seed, network, "augment", epoch, iteration) and from nothing else, so that an interrupted
training continues exactly. Every parameter is drawn whether its transform is on or not: switching one on leaves the others' draws alone.
They are computed on the processor and packed into one table of numbers (`packed`), so that those of a whole epoch reach an accelerator in one copy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from hybridcx.experiment.file import TrainSection

REFERENCE_SIZE_PX = 224
Parameters = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Ranges of the transforms, for images of one size.

    flip_probability : of a horizontal flip, applied first
    shift_px : largest shift along each axis, whole pixels, uniform on -shift..shift
    rotate_deg : largest rotation about the image's centre, uniform, either way
    scale : largest relative change of size, uniform on 1 - scale..1 + scale
    brightness : grey values times a factor, uniform on 1 - brightness..1 + brightness
    contrast : distance from the image's own mean times a factor, uniform on 1 - contrast..1 + contrast
    fill : grey value (0 to 1) of what comes in from outside the image; None: the nearest pixel of the image's edge
    """

    flip_probability: float
    shift_px: int
    rotate_deg: float
    scale: float
    brightness: float
    contrast: float
    fill: float | None = 1.0

    @property
    def needs_resampling(self) -> bool:
        return self.rotate_deg > 0 or self.scale > 0


FILL: dict[str, float | None] = {"black": 0.0, "white": 1.0, "edge": None, "none": None}
"""`fill` for the experiment's `images.pad` and `train.augmentation_fill`; images without padding have no grey of it, so that their edge goes on."""


def augmentation_for(train: TrainSection, size_px: int, fill: float | None = 1.0) -> Augmentation:
    """The experiment's transforms for images of `size_px`: translate_px is stated at 224 pixels and scaled to the image, then rounded.
    `fill` is what the images are padded with, for augmentation_fill = "padding"."""
    return Augmentation(
        flip_probability=train.flip_horizontal,
        shift_px=round(train.translate_px * size_px / REFERENCE_SIZE_PX),
        rotate_deg=train.rotate_deg,
        scale=train.scale,
        brightness=train.brightness,
        contrast=train.contrast,
        fill=FILL.get(train.augmentation_fill, fill),
    )


def draw(augmentation: Augmentation, n: int, rng: np.random.Generator) -> Parameters:
    """Draw the parameters of `n` images: flip (bool), shift_x, shift_y (int, pixels to the right and down), angle (degrees), size,
    brightness and contrast (factors), each of shape (n,)."""
    a = augmentation
    unit = rng.random((7, n))
    signed = 2 * unit - 1
    return {
        "flip": unit[0] < a.flip_probability,
        "shift_x": np.floor(unit[1] * (2 * a.shift_px + 1)).astype(np.int64) - a.shift_px,
        "shift_y": np.floor(unit[2] * (2 * a.shift_px + 1)).astype(np.int64) - a.shift_px,
        "angle": signed[3] * a.rotate_deg,
        "size": 1 + signed[4] * a.scale,
        "brightness": 1 + signed[5] * a.brightness,
        "contrast": 1 + signed[6] * a.contrast,
    }


_MAP = 3
ROWS = _MAP + 8
"""Rows of a packed table: flip, shift_x and shift_y as integers; the map to the input (6), contrast and brightness as floats."""


def packed(parameters: Parameters, height: int, width: int) -> np.ndarray:
    """Drawn parameters of n images of height x width as a table (ROWS, n), int32; its last rows are the bits of float32 numbers."""
    whole = np.stack([parameters["flip"], parameters["shift_x"], parameters["shift_y"]]).astype(np.int32)
    to_input = _map_to_input(parameters, height, width).reshape(-1, 6).T
    real = np.concatenate([to_input, parameters["contrast"][None], parameters["brightness"][None]])
    return np.concatenate([whole, real.astype(np.float32).view(np.int32)])


def apply(batch: Tensor, parameters: Parameters | Tensor, augmentation: Augmentation) -> Tensor:
    """Apply drawn parameters to a batch.

    Parameters
    ----------
    batch : uint8, (n, H, W, 3), on the device
    parameters : from `draw`, or packed as a tensor on the device

    Returns
    -------
    float32 in 0..1, (n, 3, H, W) with the memory layout of (n, H, W, 3), that is channels_last. Flips and shifts alone move whole
    pixels and are exact; with a rotation or a change of size all geometry is one bilinear resampling.
    """
    n, height, width, _ = batch.shape
    if not isinstance(parameters, Tensor):
        parameters = torch.from_numpy(packed(parameters, height, width)).to(batch.device)
    flip, shift_x, shift_y = parameters[0].bool(), parameters[1].long(), parameters[2].long()
    real = parameters[_MAP:].contiguous().view(torch.float32)
    if augmentation.needs_resampling:
        to_input = real[:6].T.reshape(n, 2, 3)
        out = _resample(batch.permute(0, 3, 1, 2).float().div_(255), to_input, augmentation.fill)
    elif augmentation.flip_probability or augmentation.shift_px:
        # Output pixel (y, x) comes from (y - shift_y, x - shift_x) of the flipped image.
        device = batch.device
        x = torch.arange(width, device=device) - shift_x[:, None]
        y = torch.arange(height, device=device) - shift_y[:, None]
        outside = ((y < 0) | (y >= height))[:, :, None] | ((x < 0) | (x >= width))[:, None, :]
        x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
        x = torch.where(flip[:, None], width - 1 - x, x)
        moved = batch[torch.arange(n, device=device)[:, None, None], y[:, :, None], x[:, None, :]].float().div_(255)
        if augmentation.fill is not None:
            moved.masked_fill_(outside[..., None], augmentation.fill)
        out = moved.permute(0, 3, 1, 2)
    else:
        out = to_unit(batch)
    return _grey_values(out, real[6], real[7], augmentation)


def to_unit(batch: Tensor) -> Tensor:
    """uint8 (n, H, W, 3) to float32 in 0..1, (n, 3, H, W), without any augmentation."""
    return batch.permute(0, 3, 1, 2).float().div_(255)


def _map_to_input(parameters: Parameters, height: int, width: int) -> np.ndarray:
    """The affine map (n, 2, 3) from output to input, in half widths and half heights about the centre."""
    n = len(parameters["flip"])
    theta = np.deg2rad(parameters["angle"])
    cos, sin = np.cos(theta) / parameters["size"], np.sin(theta) / parameters["size"]
    flip = np.where(parameters["flip"], -1.0, 1.0)
    # The map from output to input in pixels about the centre: undo the shift, then rotation and size, then the flip.
    to_input = np.empty((n, 2, 3))
    to_input[:, 0] = np.stack(
        [flip * cos, flip * sin, -flip * (cos * parameters["shift_x"] + sin * parameters["shift_y"])], axis=1
    )
    to_input[:, 1] = np.stack([-sin, cos, sin * parameters["shift_x"] - cos * parameters["shift_y"]], axis=1)
    # affine_grid works in half widths and half heights.
    to_input[:, 0, 1] *= height / width
    to_input[:, 1, 0] *= width / height
    to_input[:, 0, 2] *= 2 / width
    to_input[:, 1, 2] *= 2 / height
    return to_input


def _resample(images: Tensor, to_input: Tensor, fill: float | None) -> Tensor:
    grid = functional.affine_grid(to_input, list(images.shape), align_corners=False)
    if fill is None:
        return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    # grid_sample pads with zeros: the image is shifted so that its fill is zero, and back.
    out = functional.grid_sample(images - fill, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return out + fill


def _grey_values(images: Tensor, contrast: Tensor, brightness: Tensor, augmentation: Augmentation) -> Tensor:
    if augmentation.contrast > 0:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images = (images - mean) * contrast.view(-1, 1, 1, 1) + mean
    if augmentation.brightness > 0:
        images = images * brightness.view(-1, 1, 1, 1)
    return images.clamp(0, 1) if augmentation.contrast > 0 or augmentation.brightness > 0 else images
