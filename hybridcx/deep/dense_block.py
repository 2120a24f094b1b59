"""DenseNet's blocks, joined layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models import DenseNet


class DenseBlock(nn.ModuleDict):
    """A dense block (Huang and others 2017) with torchvision's layers, names and weights: layer l takes the output of all layers before it.

    torchvision joins the l pieces anew in every layer, and backward adds a gradient to each of them. Where gradients are wanted, a layer's
    output is joined here to what the layer before it has joined: two pieces forward, one addition backward, the same sums in the same order
    and so the same bits. Without gradients this saves nothing and would keep memory allocated.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to (n, c + layers x growth rate, h, w)."""
        if torch.is_grad_enabled():
            for layer in self.values():
                x = torch.cat((x, _new_features(layer, x)), 1)
            return x
        pieces = [x]
        for layer in self.values():
            pieces.append(_new_features(layer, torch.cat(pieces, 1)))
        return torch.cat(pieces, 1)


def _new_features(layer: nn.Module, x: Tensor) -> Tensor:
    for part in layer.children():  # norm1, relu1, conv1, norm2, relu2, conv2
        x = part(x)
    return x


def join_dense_blocks(model: nn.Module) -> int:
    """Replace, in place, the dense blocks of torchvision's DenseNet; returns how many (0 for another network).

    Raises ValueError for layers with dropout or with recomputation (`memory_efficient`), which the networks of torchvision's weights do not use.
    """
    if not isinstance(model, DenseNet):
        return 0
    blocks = [(name, m) for name, m in model.features.named_children() if name.startswith("denseblock")]
    for name, block in blocks:
        if any(layer.drop_rate or layer.memory_efficient for layer in block.children()):
            raise ValueError("dense layers with dropout or recomputation are not supported")
        joined = DenseBlock(dict(block.named_children()))
        model.features.set_submodule(name, joined.train(block.training))
    return len(blocks)
