"""The stages of a network from input to output: layers that are frozen or trained together.

Every network of the table is a sequence of units (layers or blocks); `units` lists them in the order of the forward pass. A stage is a run of
units that begins with a unit named in `Network.stages`. The last stage is the new last layer with the dropout before it. The experiment file
counts only the stages before it: convolutions between two reductions of the image, or one hidden layer of a VGG.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hybridcx.errors import InputError, Problem
from hybridcx.vocabulary.networks import Network


def units(row: Network, model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The network as (name, unit) pairs in the order of the forward pass. The units share its parameters."""
    flat = ("flatten", nn.Flatten())
    match row.family:
        case "resnet":
            names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")
            return [*_named(model, *names), flat, *_parts(model, "fc")]
        case "regnet":
            return [
                *_named(model, "stem"),
                *_parts(model, "trunk_output"),
                *_named(model, "avgpool"),
                flat,
                *_parts(model, "fc"),
            ]
        case "shufflenet":
            body = _named(model, "conv1", "maxpool", "stage2", "stage3", "stage4", "conv5")
            return [*body, ("mean", _MeanOverMap()), *_parts(model, "fc")]
        case "mnasnet":
            return [*_parts(model, "layers"), ("mean", _MeanOverMap()), *_parts(model, "classifier")]
        case (
            "googlenet" | "inception"
        ):  # registered in the order of the forward pass; without auxiliary heads there is nothing else
            *body, dropout, last = ((n, m) for n, m in model.named_children() if m is not None)
            return [*body, flat, dropout, last]
        case "maxvit":
            return [*_named(model, "stem"), *_parts(model, "blocks"), *_parts(model, "classifier")]
        case "swin":
            return [
                *_parts(model, "features"),
                *_named(model, "norm", "permute", "avgpool"),
                flat,
                *_parts(model, "head"),
            ]
        case "vit":
            return [
                ("embedding", _Embedding(model)),
                *_parts(model, "encoder.layers"),
                *_named(model, "encoder.ln"),
                ("token", _ClassToken()),
                *_parts(model, "heads"),
            ]
        case "timm":
            return [("trunk", TimmTrunk(row, model)), *_named(model, row.last_layer), flat]
    features, parts = _parts(model, "features"), _parts(model, "classifier")
    match row.family:
        case "squeezenet":
            return [*features, *parts, flat]
        case "densenet":
            return [*features, ("relu", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1)), flat, *parts]
        case "mobilenet":
            return [*features, ("pool", nn.AdaptiveAvgPool2d(1)), flat, *parts]
        case "convnext":  # its classifier normalises the pooled map before it is flattened
            return [*features, *_named(model, "avgpool"), *parts]
    return [*features, *_named(model, "avgpool"), flat, *parts]


def _named(model: nn.Module, *names: str) -> list[tuple[str, nn.Module]]:
    return [(name, model.get_submodule(name)) for name in names]


def _parts(model: nn.Module, name: str) -> list[tuple[str, nn.Module]]:
    """The children of a submodule in their order, or the submodule itself where it is one layer."""
    module = model.get_submodule(name)
    return [(f"{name}.{n}", m) for n, m in module.named_children()] or [(name, module)]


class _MeanOverMap(nn.Module):
    """The mean over the places of a map, as MNASNet and ShuffleNet take it: (n, c, h, w) to (n, c)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean([2, 3])


class _Embedding(nn.Module):
    """The beginning of torchvision's ViT (Dosovitskiy and others 2021): patches, class token, positions, dropout; (n, 3, h, h) to (n, tokens, d)."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.conv_proj = model.get_submodule("conv_proj")
        self.dropout = model.get_submodule("encoder.dropout")
        self.class_token = model.get_parameter("class_token")
        self.pos_embedding = model.get_parameter("encoder.pos_embedding")

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        tokens = torch.cat([self.class_token.expand(len(x), -1, -1), patches], dim=1)
        result: Tensor = self.dropout(tokens + self.pos_embedding)
        return result


class _ClassToken(nn.Module):
    """The class token of a ViT: (n, tokens, d) to (n, d)."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


class TimmTrunk(nn.Module):
    """A network of timm up to the input of its last layer, which is no part of it.

    timm's public pieces, `forward_features` and `forward_head(pre_logits=True)`, which each of its networks fills in its own way: one unit.
    """

    def __init__(self, row: Network, model: nn.Module):
        super().__init__()
        self.model: Any = model
        self._last = (model.get_submodule(row.last_layer),)  # in a tuple: not registered as a part

    def named_modules(
        self, memo: set[nn.Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, nn.Module]]:
        """As every module's, without the last layer, so that parameters() and buffers() are those of the trunk."""
        memo = set() if memo is None else memo
        (last,) = self._last
        seen = last in memo
        for name, module in super().named_modules(memo, prefix, remove_duplicate):
            if module is not last:
                yield name, module
        if not seen:
            memo.discard(last)

    def forward(self, x: Tensor) -> Tensor:
        """The penultimate features."""
        features: Tensor = self.model.forward_head(self.model.forward_features(x), pre_logits=True)
        # a last layer that is a 1 x 1 convolution takes a map of one place
        return features[..., None, None] if isinstance(self._last[0], nn.Conv2d) and features.dim() == 2 else features


def stages(row: Network, model: nn.Module) -> list[nn.Sequential]:
    """The stages from input to output. They share the network's parameters; their composition is its forward pass."""
    begins = row.stages
    groups: list[list[nn.Module]] = []
    for name, module in units(row, model):
        if name in begins:
            groups.append([])
        groups[-1].append(module)
    if len(groups) != len(begins):
        raise RuntimeError(f"{row.name} lacks a unit that is named in its stages")
    return [nn.Sequential(*modules) for modules in groups]


def n_stages(row: Network) -> int:
    """The number of stages before the last layer."""
    return len(row.stages) - 1


def check_stages(row: Network, trainable: int | None) -> None:
    """Raise InputError if `trainable` exceeds the number of stages."""
    if trainable is not None and trainable > n_stages(row):
        raise InputError(
            Problem(
                f"{row.title} has {n_stages(row)} stages before its last layer",
                column="train.trainable_stages",
                value=trainable,
                remedy="leave the key out to train them all",
            )
        )


def stage_of_parameter(row: Network, model: nn.Module) -> dict[int, int]:
    """id(parameter) -> its stage, counted from the end: 0 is the last layer, 1 the stage before it, …"""
    listed = stages(row, model)
    return {id(p): len(listed) - 1 - i for i, stage in enumerate(listed) for p in stage.parameters()}


def learning_stages(row: Network, trainable: int | None, unfreeze_every: int, epoch: int) -> int:
    """The number of stages before the last layer that learn in `epoch` (from 0).

    >>> from hybridcx.vocabulary.networks import network
    >>> [learning_stages(network("resnet101"), None, 2, e) for e in (0, 1, 2, 4, 30)]
    [0, 0, 1, 2, 5]
    """
    allowed = n_stages(row) if trainable is None else trainable
    return min(allowed, epoch // unfreeze_every) if unfreeze_every else allowed


class Learner(nn.Module):
    """The network in training: frozen stages (evaluation mode, no gradients), followed by the stages that learn.

    It shares parameters and buffers with the network. `tail` maps the output of `trunk` to logits, so that this output can be stored and reused.
    """

    def __init__(self, row: Network, model: nn.Module):
        super().__init__()
        self._stages = nn.ModuleList(stages(row, model))
        self._learning = len(self._stages)
        self._fixed = {id(p) for p in model.parameters() if not p.requires_grad}

    def learn(self, n: int) -> None:
        """Train the last layer and `n` stages before it. Parameters without gradients at construction never learn."""
        self._learning = n + 1
        for i, stage in enumerate(self._stages):
            frozen = i < len(self._stages) - self._learning
            for parameter in stage.parameters():
                parameter.requires_grad_(not frozen and id(parameter) not in self._fixed)

    @property
    def _frozen(self) -> int:
        return len(self._stages) - self._learning

    def train(self, mode: bool = True) -> Learner:
        super().train(mode)
        for stage in self._stages[: self._frozen]:
            stage.eval()
        return self

    def learning_part(self) -> Iterator[nn.Module]:
        """The stages that learn."""
        yield from self._stages[self._frozen :]

    @torch.no_grad()
    def trunk(self, x: Tensor) -> Tensor:
        """The output of the frozen stages."""
        for stage in self._stages[: self._frozen]:
            x = stage(x)
        return x

    def tail(self, x: Tensor) -> Tensor:
        """Logits from the trunk's output, through the stages that learn."""
        for stage in self._stages[self._frozen :]:
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.trunk(x))
