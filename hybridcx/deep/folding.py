"""Folding batch normalisation into the convolution before it, for networks that no longer learn."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module) -> int:
    """Replace, in place, each convolution that is directly followed by a batch normalisation by one convolution; returns how many.

    In evaluation mode y = g (W x + b - mean) / sqrt(var + eps) + h is itself a convolution (Jacob and others 2018, section 3.2): the same
    function, within float error, with one pass over the activations fewer. In torchvision's networks a normalisation that is
    registered right after a convolution in the same module takes that convolution's output and nothing else does; a normalisation before its
    convolution (most of DenseNet's) stays. timm's networks are not folded: their normalisations may hold an activation.

    Raises ValueError for a model in training mode, whose normalisations depend on the mini-batch.
    """
    if any(m.training for m in model.modules()):
        raise ValueError("only a network in evaluation mode can be folded")
    folded = 0
    for parent in list(model.modules()):
        children = list(parent.named_children())
        for (name, layer), (after, norm) in pairwise(children):
            if isinstance(layer, nn.Conv2d) and type(norm) is nn.BatchNorm2d:
                setattr(parent, name, _folded(layer, norm))
                setattr(parent, after, nn.Identity())
                folded += 1
    return folded


def _folded(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution for both, in the memory layout of the first."""
    strides = layer.weight.stride()
    joined = fuse_conv_bn_eval(layer, norm)
    if joined.weight.stride() != strides:
        joined.to(memory_format=torch.channels_last)
    return joined
