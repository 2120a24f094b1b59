"""The optimiser and its learning rate: parameters with weight decay, schedule of the rate, and its place in the velocity.

SGD with momentum m, rate r, decay c on the gradient g (coupled, L2): g' = g + c w; v = m v + g'; w = w - r v (Sutskever et al. 2013,
torch's form). MATLAB's sgdm keeps the rate inside: u = m u - r g'; w = w + u. The two agree while r is constant; `rate_in_velocity`
makes them agree when it changes, by multiplying v with old rate / new rate.

AdamW (Loshchilov and Hutter 2019): decoupled decay, betas (momentum, 0.999).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from hybridcx.deep.stages import stage_of_parameter
from hybridcx.errors import InputError, Problem
from hybridcx.experiment.file import TrainSection
from hybridcx.vocabulary.networks import Network


def _is_normalisation(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm | nn.GroupNorm)


def decays(row: Network, train: TrainSection, module: nn.Module, module_name: str, parameter_name: str) -> bool:
    """Whether a parameter carries weight decay under `weight_decay_on`.

    `weights`: weights of convolutions and linear layers, no bias, no normalisation; `weights_and_normalisation`: also the scale and
    offset of normalisations; `last_layer`: the new last layer's weight alone; `all`: every parameter.
    """
    if train.weight_decay_on == "all":
        return True
    if train.weight_decay_on == "last_layer":
        return module_name == row.last_layer and parameter_name == "weight"
    if _is_normalisation(module):
        return train.weight_decay_on == "weights_and_normalisation"
    return parameter_name == "weight"


def freeze_convolution_biases(row: Network, model: nn.Module) -> int:
    """Take the biases of all convolutions but the last layer out of the training; returns how many there were."""
    biases = [
        module.bias
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.bias is not None and name != row.last_layer
    ]
    for bias in biases:
        bias.requires_grad_(False)
    return len(biases)


def parameter_groups(row: Network, model: nn.Module, train: TrainSection) -> list[dict[str, Any]]:
    """Groups by decay and rate. `factor` is the rate's multiple: head_rate_factor for the last layer, layer_rate_decay^(k - 1) for the k-th
    stage before it."""
    stage = stage_of_parameter(row, model) if train.layer_rate_decay < 1 or train.unfreeze_every else {}
    groups: dict[tuple[float, float, int], list[nn.Parameter]] = {}
    for module_name, module in model.named_modules():
        for parameter_name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad:
                continue
            k = stage.get(id(parameter), 1)
            earlier = max(k - 1, 0)
            factor = train.head_rate_factor if module_name == row.last_layer else train.layer_rate_decay**earlier
            decay = train.weight_decay if decays(row, train, module, module_name, parameter_name) else 0.0
            # torch's fused SGD wants a momentum for all parameters of a group or for none: stages that join later are groups of their own.
            groups.setdefault((factor, decay, k if train.unfreeze_every else 0), []).append(parameter)
    return [
        {"params": params, "factor": factor, "weight_decay": decay} for (factor, decay, _), params in groups.items()
    ]


def make_optimizer(row: Network, model: nn.Module, train: TrainSection) -> torch.optim.Optimizer:
    """SGD or AdamW over `parameter_groups`.

    Raises
    ------
    InputError
        for rate_in_velocity with AdamW, which has no velocity.
    """
    groups = parameter_groups(row, model, train)
    # One pass over parameters, gradients and buffers; it matters for the VGGs, whose 120 million fully connected weights make the
    # update as dear as the convolutions on small images.
    fused = next(model.parameters()).device.type in ("cpu", "cuda")
    if train.optimizer == "adamw":
        if train.rate_in_velocity:
            raise InputError(
                Problem("train.rate_in_velocity belongs to SGD", value="adamw", remedy='set train.optimizer = "sgd"')
            )
        return torch.optim.AdamW(groups, lr=train.learning_rate, betas=(train.momentum, 0.999), fused=fused)
    return torch.optim.SGD(groups, lr=train.learning_rate, momentum=train.momentum, fused=fused)


def begin_velocity(optimizer: torch.optim.Optimizer) -> None:
    """Give SGD a velocity of 0 before the first step, which then is what it is without one (m 0 + g = g).

    torch's fused SGD otherwise allocates it in the first step and leaves it uninitialised where that step overflows and is left out (float16).
    """
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            for parameter in group["params"] if group["momentum"] else ():
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def rate_at(train: TrainSection, epoch: int, iteration: int, per_epoch: int) -> float:
    """Learning rate of one iteration (before `head_rate_factor`).

    Parameters
    ----------
    epoch, iteration : counted from 0; the iteration over the whole training
    per_epoch : iterations in an epoch

    Step: learning_rate x lr_drop_factor^floor(epoch / lr_drop_epochs). Cosine (Loshchilov and Hutter 2017, one cycle, per iteration, after the
    warm-up): learning_rate x (1 + cos(pi t / T)) / 2 with t = 0..T - 1. Warm-up, with any schedule: the rate rises linearly per iteration over
    warmup_epochs, from 1/W of its value to all of it.

    >>> t = TrainSection()
    >>> [round(rate_at(t, e, 14 * e, 14), 9) for e in (0, 7, 8, 15, 16, 19)]
    [0.0003, 0.0003, 6e-05, 6e-05, 1.2e-05, 1.2e-05]
    """
    warmup = min(train.warmup_epochs, train.epochs) * per_epoch
    rate = train.learning_rate
    if train.lr_schedule == "step":
        rate *= train.lr_drop_factor ** (epoch // train.lr_drop_epochs)
    elif train.lr_schedule == "cosine":
        total = max(train.epochs * per_epoch - warmup, 1)
        rate *= (1 + math.cos(math.pi * max(iteration - warmup, 0) / total)) / 2
    return rate * (iteration + 1) / warmup if iteration < warmup else rate


def set_rate(optimizer: torch.optim.Optimizer, rate: float, *, rate_in_velocity: bool) -> None:
    """Give every group `rate` times its factor; with `rate_in_velocity` rescale the momentum buffers by old rate / new rate."""
    for group in optimizer.param_groups:
        new = rate * group["factor"]
        old, group["lr"] = group["lr"], new
        if rate_in_velocity and old != new:
            buffers = [b for p in group["params"] if (b := optimizer.state[p].get("momentum_buffer")) is not None]
            if buffers:
                torch._foreach_mul_(buffers, old / new)
