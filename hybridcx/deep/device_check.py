"""Whether an accelerator computes what the processor computes, on a small fixed batch, before it is trusted with a network."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from hybridcx.deep.devices import Device, precision_name
from hybridcx.deep.model import last_layer
from hybridcx.errors import InputError, Problem
from hybridcx.streams import rng_for
from hybridcx.vocabulary.networks import Network

TOLERANCE = {torch.float32: 3e-4, torch.float16: 0.02, torch.bfloat16: 0.1}
"""Largest relative deviation from the processor's float32. Rounding stays below a tenth of it in the networks of the study. Factors rounded to 11
bits, as TensorFloat-32 does, give features that deviate by about 1e-3, so that it is refused where float32 was asked for."""
IMAGES, SIZE_PX = 2, 96
_checked: set[tuple[str, str, bool, torch.dtype]] = set()


def move_checked(row: Network, model: nn.Module, device: Device, dtypes: tuple[torch.dtype, ...]) -> nn.Module:
    """The network (in evaluation mode, on the processor) moved to its device, which is compared with the processor first.

    Once in a process for each network, device and precision: penultimate features and logits of two fixed random images of at most 96 px, in
    float32 and in `dtypes` (not in float16 where activations of these weights exceed its range). The deviation is |a - b| / |b| of the features
    (Euclidean norms), and of the logits the largest difference divided by the largest sum of |weight x feature|, since logits themselves can
    cancel to 0.

    Raises
    ------
    InputError
        where a deviation exceeds `TOLERANCE`, with both numbers.
    """
    key = row.name, device.torch_device, device.channels_last
    wanted = [dtype for dtype in dict.fromkeys((torch.float32, *dtypes)) if (*key, dtype) not in _checked]
    if device.kind == "cpu" or not wanted:
        return model.to(device.torch_device)
    size = max(row.min_size_px, SIZE_PX)
    x = torch.from_numpy(rng_for(0, "device check").standard_normal((IMAGES, 3, size, size))).float()
    x = x.contiguous(memory_format=torch.channels_last)
    features, logits = _outputs(row, model, x, torch.float32)
    scale = _scale(last_layer(row, model), features)
    if torch.float16 in wanted and not _fits_float16(row, model, x, features):
        wanted.remove(torch.float16)
    model.to(device.torch_device)
    for dtype in wanted:
        found, out = _outputs(row, model, x.to(device.torch_device), dtype)
        deviations = {
            "penultimate features": float((found - features).norm() / features.norm().clamp(min=1e-30)),
            "logits": float((out - logits).abs().max() / max(scale, 1e-30)),
        }
        for what, deviation in deviations.items():
            if not deviation <= TOLERANCE[dtype]:  # NaN, too
                a, b = (found, features) if what != "logits" else (out, logits)
                at = int((a - b).abs().nan_to_num(nan=float("inf")).argmax())
                rule = (
                    f"{device.torch_device} computes other {what} of {row.title} in {precision_name(dtype)} than the processor in float32: "
                    f"{float(a.flatten()[at]):.6g} instead of {float(b.flatten()[at]):.6g}, relative deviation {deviation:.3g}, "
                    f"tolerance {TOLERANCE[dtype]:g}"
                )
                remedy = 'set compute.device = "cpu", or update the driver and torch'
                if dtype is not torch.float32:
                    remedy = f'set compute.training_precision = "float32"; if that is refused too, {remedy}'
                raise InputError(Problem(rule, column="compute.device", value=device.description, remedy=remedy))
        _checked.add((*key, dtype))
    return model


def _fits_float16(row: Network, model: nn.Module, x: Tensor, features: Tensor) -> bool:
    """Whether the network's activations lie within float16's range on the processor, too: those of a random ResNet in evaluation mode do not."""
    try:
        found, _ = _outputs(row, model, x, torch.float16)
    except RuntimeError:  # a processor without float16 operations
        return False
    return float((found - features).norm()) <= TOLERANCE[torch.float16] * float(features.norm())


@torch.no_grad()
def _outputs(row: Network, model: nn.Module, x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """The last layer's input and the logits, float64, on the processor."""
    caught: list[Tensor] = []
    hook = last_layer(row, model).register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    half = torch.bfloat16 if dtype is torch.float32 else dtype
    try:
        with torch.autocast(x.device.type, dtype=half, enabled=dtype is half):
            logits = model(x)
    finally:
        hook.remove()
    return caught[0].float().cpu().double(), logits.float().cpu().double()


def _scale(layer: nn.Module, features: Tensor) -> float:
    """The largest sum of |weight x feature| + |bias| over images and classes (and places)."""
    absolute = copy.deepcopy(layer).double().requires_grad_(False)
    for parameter in absolute.parameters():
        parameter.abs_()
    return float(absolute(features.abs()).abs().max())
