"""Building networks with a new last layer, and where their weights start from."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from hybridcx.deep.architectures import architecture, options_of
from hybridcx.deep.dense_block import join_dense_blocks
from hybridcx.deep.pooling import replace_adaptive_pooling
from hybridcx.deep.weights import load_state_dict
from hybridcx.deep.weights_file import WeightsFile
from hybridcx.errors import InputError, Problem
from hybridcx.streams import seed_for
from hybridcx.vocabulary.networks import Network, network

N_CLASSES = 2
State = dict[str, Tensor]


def build(row: Network, state: Mapping[str, Tensor] | None = None, *, channels_last: bool = True) -> nn.Module:
    """Build the network with two outputs on the processor, in float32 and evaluation mode.

    Parameters
    ----------
    row : the network
    state : parameters and buffers, copied; None leaves the builder's own random initialisation (from torch's global generator)
    channels_last : memory layout of the convolution weights

    Raises
    ------
    InputError
        if `state` lacks a tensor, has one too many or one of another shape.
    """
    model: nn.Module
    if state is None:
        model = architecture(row, N_CLASSES)
    else:
        # On the meta device first: no random initialisation that is thrown away, and no second copy of VGG's 550 MB.
        model = architecture(row, N_CLASSES, on_meta=True)
        _check_state(row, model, state)
        if row.family == "timm":  # it computes buffers that a state dict does not hold
            with torch.random.fork_rng(devices=[]):
                model = architecture(row, N_CLASSES)
        else:
            model = model.to_empty(device="cpu")
    _linear_logits(row, model)
    join_dense_blocks(model)
    replace_adaptive_pooling(model)
    model.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    if state is not None:
        model.load_state_dict(dict(state))
    model.eval()
    return model


def _check_state(row: Network, model: nn.Module, state: Mapping[str, Tensor]) -> None:
    expected = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    wrong = [n for n, shape in expected.items() if n not in state or tuple(state[n].shape) != shape]
    wrong += [n for n in state if n not in expected]
    if wrong:
        raise InputError(
            Problem(
                f"these are not weights of {row.title} with two classes: {len(wrong)} tensors differ", value=wrong[0]
            )
        )


def _linear_logits(row: Network, model: nn.Module) -> None:
    # See vocabulary/networks.py: the rectifier after SqueezeNet's last convolution would stop learning where both logits are negative.
    if row.family == "squeezenet":
        model.set_submodule("classifier.2", nn.Identity())


def metadata(row: Network, size_px: int) -> str:
    """What another program must know to use a file of fine-tuned weights, as JSON: it stands in the file under the key `hybridcx`.

    `options`: what `get_model(network, num_classes=2, **options)` needs besides. `differs`: in what the network is not the library's own, so that
    the same tensors give other numbers there; null where nothing differs.
    """
    rectified = "classifier.2 (ReLU) is nn.Identity(): the last convolution's output is averaged without rectification"
    content = {
        "network": row.name.removeprefix("timm:"),
        "library": "timm" if row.family == "timm" else "torchvision",
        "classes": ["negative", "positive"],
        "input": "RGB scaled to 0..1, minus mean, over std",
        "mean": list(row.mean),
        "std": list(row.std),
        "size_px": size_px,
        "options": {k: v for k, v in options_of(row).items() if k != "init_weights"},
        "differs": rectified if row.family == "squeezenet" else None,
    }
    return json.dumps(content, sort_keys=True)


def last_layer(row: Network, model: nn.Module) -> nn.Linear | nn.Conv2d:
    """The replaced last layer: its weight is (2, d) or, for SqueezeNet, (2, d, 1, 1)."""
    layer = model.get_submodule(row.last_layer)
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise TypeError(f"{row.name}: {row.last_layer} is {type(layer).__name__}")
    return layer


def new_last_layer(row: Network, seed: int, sd: float | None = None) -> State:
    """Draw the new last layer from its own stream (seed, network, "last_layer").

    `sd` None: torch's default (uniform in ±1/sqrt(d) for weight and bias); else normal with standard deviation `sd`, bias 0.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, row.name, "last_layer"))
        layer = (
            nn.Conv2d(row.feature_dim, N_CLASSES, 1, bias=row.last_bias)
            if row.last_conv
            else nn.Linear(row.feature_dim, N_CLASSES, bias=row.last_bias)
        )
        if sd is not None:
            nn.init.normal_(layer.weight, mean=0.0, std=sd)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, 0.0)
    return {f"{row.last_layer}.{name}": p.detach() for name, p in layer.named_parameters()}


def untrained_state(
    name: str | Network, seed: int, *, last_layer_sd: float | None = None, zero_init_residual: bool = False
) -> State:
    """State dict of a randomly initialised network: torchvision's own initialisation from the stream (seed, network, "initialisation").

    `zero_init_residual`: scale 0 in the last normalisation of each residual block (Goyal and others 2017); the other draws stay the same.
    """
    row = network(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, row.name, "initialisation"))
        state = dict(architecture(row, N_CLASSES, zero_init_residual=zero_init_residual).state_dict())
    return {**state, **new_last_layer(row, seed, last_layer_sd)}


def initial_state(
    name: str | Network,
    seed: int,
    weights: WeightsFile | Mapping[str, Tensor] | None,
    *,
    last_layer_sd: float | None = None,
    zero_init_residual: bool = False,
) -> State:
    """State dict to begin with: the pretrained backbone (or a random one) under a new last layer for two classes.

    Parameters
    ----------
    name : network
    seed : the experiment's seed; the draws depend on it and the network alone
    weights : a located file, an ImageNet state dict, a state dict of this network with two classes (taken as it is), or None for random
    last_layer_sd : standard deviation of a normal initialisation of the last layer; None: torch's default
    zero_init_residual : of random weights alone (`untrained_state`)

    Raises
    ------
    InputError
        as `weights.load_state_dict` does, for files that are not what they should be.
    """
    row = network(name)
    if weights is None:
        return untrained_state(name, seed, last_layer_sd=last_layer_sd, zero_init_residual=zero_init_residual)
    state = dict(load_state_dict(weights, row.name)) if isinstance(weights, WeightsFile) else dict(weights)
    head = state.get(f"{row.last_layer}.weight")
    if head is not None and head.shape[0] == N_CLASSES:
        return state
    return {**state, **new_last_layer(row, seed, last_layer_sd)}


def arrays_of(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors of a state dict as NumPy arrays of their own, for packages that know no torch."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in state.items()}


def state_of(arrays: Mapping[str, np.ndarray]) -> State:
    """The state dict of arrays that `arrays_of` made. Memory is shared, except where an array is read-only."""
    return {name: torch.from_numpy(a if a.flags.writeable else a.copy()) for name, a in arrays.items()}


def set_dropout(model: nn.Module, rate: float | None) -> int:
    """Set the rate of every dropout layer that has one above 0 (None keeps it); returns how many there are.

    Rates of 0 stay: they are switched off inside of blocks and attention, where the network's authors did without.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Dropout) and m.p > 0]
    for layer in layers:
        layer.p = layer.p if rate is None else rate
    return len(layers)


def normaliser(row: Network, device: str) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation per channel, shaped (1, 3, 1, 1)."""
    return (
        torch.tensor(row.mean, device=device).view(1, 3, 1, 1),
        torch.tensor(row.std, device=device).view(1, 3, 1, 1),
    )
