"""Bytes of activations that a network keeps for a training step and holds in a forward pass, measured on a model; for the table of networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks


def training_bytes_px(model: nn.Module, size_px: int) -> int:
    """Bytes per image and pixel of it, float32, that autograd saves in one step in training mode; parameters apart, every storage once.

    `model` may be on the meta device. Two images, as batch norm needs them.
    """
    kept = {id(t.untyped_storage()) for t in (*model.parameters(), *model.buffers())}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if id(storage) not in kept:
            saved[id(storage)] = storage  # held, so that the number is not given away again
        return tensor

    was = model.training
    model.train()
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.enable_grad():
        out = model(_images(model, 2, size_px))
    del out
    model.train(was)
    return _rounded(sum(s.nbytes() for s in saved.values()) / (2 * size_px**2))


def forward_bytes_px(model: nn.Module, size_px: int) -> int:
    """Bytes per image and pixel of it, float32, of the largest layer's input and output in evaluation mode."""
    largest = 0

    def look(_: nn.Module, given: tuple[object, ...], out: object) -> None:
        nonlocal largest
        tensors = [t for t in (*given, out) if isinstance(t, Tensor)]
        largest = max(largest, sum(t.numel() * 4 for t in tensors))

    leaves = [m for m in model.modules() if not list(m.children())]
    hooks = [m.register_forward_hook(look) for m in leaves]
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            model(_images(model, 1, size_px))
    finally:
        for hook in hooks:
            hook.remove()
        model.train(was)
    return _rounded(largest / size_px**2)


def _images(model: nn.Module, n: int, size_px: int) -> Tensor:
    return torch.zeros(n, 3, size_px, size_px, device=next(model.parameters()).device)


def _rounded(value: float) -> int:
    return max(1, int(float(f"{value:.3g}")))
