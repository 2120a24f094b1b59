"""The stages of a network from input to output: layers that are frozen or trained together.

Every network of the table is a sequence of units (layers or blocks); `units` lists them in the order of the forward pass. A stage is a run of
units that begins with a unit named in `Network.stages`. The last stage is the new last layer with the dropout before it. The experiment file
counts only the stages before it: convolutions between two reductions of the image, or one hidden layer of a VGG.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hybridcx.errors import InputError, Problem
from hybridcx.vocabulary.networks import Network


def units(row: Network, model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The network as (name, unit) pairs in the order of the forward pass."""
    if row.family == "resnet":
        names = ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool")
        return [
            *((n, model.get_submodule(n)) for n in names),
            ("flatten", nn.Flatten()),
            ("fc", model.get_submodule("fc")),
        ]
    features = [(f"features.{n}", m) for n, m in model.get_submodule("features").named_children()]
    classifier = model.get_submodule("classifier")
    parts = [(f"classifier.{n}", m) for n, m in classifier.named_children()] or [("classifier", classifier)]
    flat = [("flatten", nn.Flatten())]
    if row.family == "squeezenet":
        return [*features, *parts, *flat]
    if row.family == "densenet":
        between = [("relu", nn.ReLU()), ("pool", nn.AdaptiveAvgPool2d(1))]
    elif row.family == "mobilenet":
        between = [("pool", nn.AdaptiveAvgPool2d(1))]
    else:
        between = [("avgpool", model.get_submodule("avgpool"))]
    return [*features, *between, *flat, *parts]


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
