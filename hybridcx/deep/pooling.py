"""Adaptive average pooling that every device computes, and computes deterministically."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveAverage(nn.AdaptiveAvgPool2d):
    """torch's adaptive average pooling to a fixed size, for networks whose last map is smaller or larger than that.

    Output cell i averages the inputs floor(i n / m) to ceil((i + 1) n / m) - 1 of n, m the number of cells. A map of that size already is returned as
    it is: the same values. On a processor torch's own function is used. Elsewhere the averages of rows and of columns are two matrix
    products in float32: Apple's GPU pools only where m divides n, and on CUDA the gradient of torch's function is not deterministic.
    Their matrices stay on the device: a step that is captured in a CUDA graph must not copy anything there.
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None):
        super().__init__(output_size)
        self._made: dict[tuple[int, int, torch.device], Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        height, width = self.output_size if isinstance(self.output_size, tuple) else (self.output_size,) * 2
        if height is None or width is None or tuple(x.shape[-2:]) == (height, width):
            return x if height is not None and width is not None else super().forward(x)
        if x.device.type == "cpu":
            return super().forward(x)
        rows, columns = self._averages(x.shape[-2], height, x.device), self._averages(x.shape[-1], width, x.device)
        with torch.autocast(x.device.type, enabled=False):
            return (rows @ x.float() @ columns.T).to(x.dtype)

    def _averages(self, n: int, m: int, device: torch.device) -> Tensor:
        if (n, m, device) not in self._made:
            with torch.inference_mode(False):  # a tensor of inference could not be used in training afterwards
                self._made[n, m, device] = averages(n, m).to(device)
        return self._made[n, m, device]


def averages(n: int, m: int) -> Tensor:
    """The matrix (m, n) that averages n inputs to m cells, float32.

    >>> averages(2, 3).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    matrix = torch.zeros(m, n)
    for i in range(m):
        first, last = i * n // m, -(-(i + 1) * n // m)
        matrix[i, first:last] = 1 / (last - first)
    return matrix


def replace_adaptive_pooling(model: nn.Module) -> None:
    """Put `AdaptiveAverage` in place of every adaptive average pooling to more than one cell."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.AdaptiveAvgPool2d and child.output_size not in (1, (1, 1)):
                setattr(parent, name, AdaptiveAverage(child.output_size))
