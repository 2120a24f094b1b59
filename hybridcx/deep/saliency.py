"""Saliency maps of a network: Grad-CAM, and occlusion as a check that is independent of the model's internals.

Both measure the evidence for the positive class: d = logit 1 - logit 0, the log odds of the network's own softmax.

- Grad-CAM (Selvaraju et al. 2017): with A_k the maps of the last convolution and a_k the spatial mean of dd/dA_k, the map is
  max(0, sum_k a_k A_k). It is as coarse as A (`map_side`); without evidence for the class it is 0 everywhere.
- Occlusion (Zeiler and Fergus 2014): one tile after the other of a grid is covered by grey (the mean of the normalisation, 0 after it),
  and the map is the resulting decrease of d, positive where the tile was evidence for the class. It needs no gradient and no layer.

A network without a convolutional map (`Network.last_map` None) has no Grad-CAM: in a ViT, a Swin or a MaxViT attention mixes the places of the
image before the last map, and timm's networks are one unit. Its Grad-CAM is NaN, (n, 1, 1); `without_grad_cam` says why.

Neither explains an output. In float32, evaluation mode, every batch of one size: an image's maps do not depend on others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hybridcx.deep import augment, devices
from hybridcx.deep.device_check import move_checked
from hybridcx.deep.features import read_state
from hybridcx.deep.folding import fold_batch_norm
from hybridcx.deep.model import build, normaliser
from hybridcx.deep.stages import units
from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.experiment.file import ComputeSection
from hybridcx.vocabulary.networks import Network, check_images, network

GRID = 7
"""Tiles of the occlusion along each side: 49 passes an image, each tile 32 pixels wide at 224 (as wide as a cell of ResNet's last map)."""
_BATCH = 10
# Pixels per batch of occluded images: at 224 px _BATCH images, at most 89 px all 50, so that a VGG's fully connected layers are read once an image.
_BATCH_PX = 8 * 224**2


@dataclass(frozen=True, slots=True)
class Maps:
    """Saliency of n images for the positive class.

    grad_cam : float32, (n, h, w), from 0 on; all 0 without evidence for the class; NaN, (n, 1, 1), of a network without a convolutional map.
    occlusion : float32, (n, GRID, GRID), log odds that the tile's cover takes away; negative where the tile was evidence against it.
    """

    grad_cam: np.ndarray
    occlusion: np.ndarray


def saliency(
    network_name: str | Network,
    state: Mapping[str, Tensor] | Path,
    images: np.ndarray,
    compute: ComputeSection,
    *,
    grid: int = GRID,
    occluded: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Maps:
    """Grad-CAM and occlusion of every image, in their order.

    Parameters
    ----------
    network_name : a network's name, or its row
    state : a trained state dict with two classes, or its safetensors file
    images : uint8, (N, H, H, 3)
    compute : the experiment's table; device and threads are used, the precision is always float32
    grid : tiles of the occlusion along each side
    occluded : occlusion of the first so many images alone (it costs grid * grid passes each); the others are NaN. None: all
    on_progress : called with (images done, images in all)

    Raises
    ------
    InputError
        for images of another shape or too small, and a state that is not this network's.
    StoppedError
        where the processor's memory does not suffice.
    """
    row = network(network_name)
    check_images(row, images)
    if not 1 <= grid <= images.shape[1]:
        raise InputError(Problem("the grid must have at least one pixel a tile", column="grid", value=grid))
    n_occluded = len(images) if occluded is None else min(occluded, len(images))
    device = devices.resolve(compute)
    while True:
        try:
            with devices.computing(device):
                return _saliency(row, state, images, device, grid, n_occluded, on_progress)
        except (RuntimeError, MemoryError) as error:
            if not devices.out_of_memory(error):
                raise
            if device.torch_device == "cpu":
                raise StoppedError(
                    f"There is not enough memory for the saliency of {row.name}: lower images.size_px."
                ) from error
            devices.empty_cache(device.torch_device)
            device = device.on_cpu(f"The accelerator's memory did not suffice for {row.name}'s saliency.")


def tile_edges(size_px: int, grid: int = GRID) -> np.ndarray:
    """Edges (grid + 1,) of the tiles in pixels; tiles differ by a pixel where the grid does not divide the image.

    >>> tile_edges(224).tolist()
    [0, 32, 64, 96, 128, 160, 192, 224]
    """
    return np.asarray(np.round(np.arange(grid + 1) * size_px / grid), dtype=np.int64)


def without_grad_cam(row: Network) -> str | None:
    """Why a network has no Grad-CAM; None where it has one."""
    if row.last_map is not None:
        return None
    why = (
        "is read as one unit"
        if row.family == "timm"
        else "mixes the places of the image by attention before its last map"
    )
    return f"{row.title} {why}: it has no Grad-CAM, which needs a convolutional map; occlusion does not"


def _split(row: Network, model: nn.Module) -> tuple[nn.Sequential, nn.Sequential]:
    """The network up to its last convolutional map, and from there to the logits; all of it comes first where it has no such map."""
    listed = units(row, model)
    at = len(listed) if row.last_map is None else [name for name, _ in listed].index(row.last_map) + 1
    return nn.Sequential(*(m for _, m in listed[:at])), nn.Sequential(*(m for _, m in listed[at:]))


def _saliency(
    row: Network,
    state: Mapping[str, Tensor] | Path,
    images: np.ndarray,
    device: devices.Device,
    grid: int,
    n_occluded: int,
    on_progress: Callable[[int, int], None] | None,
) -> Maps:
    model = build(row, read_state(state), channels_last=device.channels_last)
    if row.family != "timm":
        fold_batch_norm(model)
    move_checked(row, model, device, ()).requires_grad_(False)
    trunk, tail = _split(row, model)
    mean, std = normaliser(row, device.torch_device)
    edges = tile_edges(images.shape[1], grid)
    maps: list[np.ndarray] = []
    covered = np.full((len(images), grid, grid), np.nan, dtype=np.float32)
    for begin in range(0, len(images), _BATCH):
        rows = np.arange(begin, min(begin + _BATCH, len(images)))
        whole = np.arange(begin, begin + _BATCH).clip(max=len(images) - 1)  # the last batch is filled up, and cut
        pixels = torch.from_numpy(np.array(images[whole])).to(device.torch_device)
        x = augment.to_unit(pixels).sub_(mean).div_(std)
        if row.last_map is None:
            maps.extend(np.full((len(rows), 1, 1), np.nan, dtype=np.float32))
        else:
            with torch.no_grad():
                last = trunk(x)
            maps.extend(_grad_cam(last, tail)[: len(rows)])
        for k, i in enumerate(rows):
            if i < n_occluded:
                with torch.inference_mode():
                    covered[i] = _occlusion(x[k : k + 1], edges, trunk, tail)
            if on_progress is not None:
                on_progress(int(i) + 1, len(images))
    side = maps[0].shape if maps else (0, 0)
    return Maps(np.stack(maps) if maps else np.empty((0, *side), np.float32), covered)


def _grad_cam(last: Tensor, tail: nn.Module) -> np.ndarray:
    """The maps (n, h, w) of images from their last convolutional maps (n, k, h, w)."""
    with torch.enable_grad():
        a = last.detach().clone().requires_grad_(True)
        logits = tail(a * 1.0)  # a rectifier that works in place must not touch the leaf
        (gradient,) = torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), a)
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    cam: np.ndarray = (weights * a.detach()).sum(dim=1).clamp_(min=0).float().cpu().numpy()
    return cam


def _occlusion(x: Tensor, edges: np.ndarray, trunk: nn.Module, tail: nn.Module) -> np.ndarray:
    """What covering each tile takes from the log odds of one image (1, 3, H, H), (grid, grid)."""
    grid = len(edges) - 1
    # The bare image goes first; the last batch is filled up with it, and cut.
    tiles: list[tuple[int, int] | None] = [None, *((r, c) for r in range(grid) for c in range(grid))]
    maps: list[np.ndarray] = []
    size = min(max(_BATCH, _BATCH_PX // int(edges[-1]) ** 2), len(tiles))
    for begin in range(0, len(tiles), size):
        batch = x.repeat(size, 1, 1, 1).contiguous(memory_format=torch.channels_last)
        for k, tile in enumerate(tiles[begin : begin + size]):
            if tile is not None:
                r, c = tile
                batch[k, :, edges[r] : edges[r + 1], edges[c] : edges[c + 1]] = 0.0
        logits = tail(trunk(batch))
        maps.append((logits[:, 1] - logits[:, 0]).float().cpu().numpy())
    odds = np.concatenate(maps)[: len(tiles)]
    return (odds[0] - odds[1:]).reshape(grid, grid)
