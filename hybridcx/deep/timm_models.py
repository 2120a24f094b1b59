"""Networks of the package timm (extra `timm`, Apache-2.0) as rows of the table of networks. The one place that imports timm.

`timm:NAME` is any of its classifiers with one last layer, also an encoder that was trained without classes: it gets a last layer on what
`forward_head(pre_logits=True)` puts out. Everything is made with pretrained=False: nothing is ever downloaded. Normalisation and image size
are those of timm's `pretrained_cfg`; the rest is read from the model itself, and the bytes of activations are measured without memory.
"""

from __future__ import annotations

import difflib
import os
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hybridcx.errors import InputError, Problem
from hybridcx.vocabulary.extras import need
from hybridcx.vocabulary.networks import TIMM, Network

MIN_SIZE_PX = 32


def _timm() -> Any:
    need("timm", "a network of timm")
    import timm

    return timm


def create(name: str, n_classes: int) -> nn.Module:
    """timm's model with so many outputs and random weights. Raises InputError for a name that timm does not know."""
    timm = _timm()
    own = name.removeprefix(TIMM)
    try:
        model: nn.Module = timm.create_model(own, pretrained=False, num_classes=n_classes)
    except (RuntimeError, ValueError) as error:
        near = difflib.get_close_matches(own, timm.list_models(pretrained="." in own), n=1)
        remedy = f"did you mean `{TIMM}{near[0]}`?" if near else "see timm.list_models()"
        raise InputError(Problem("timm does not have this network", value=name, remedy=remedy)) from error
    return model


@cache
def row_of(name: str) -> Network:
    """The row of a network of timm.

    Raises
    ------
    InputError
        for a name that timm does not know, and a network without one linear last layer.
    MissingExtraError
        without timm.
    """
    from hybridcx.deep.measured import forward_bytes_px, training_bytes_px

    with torch.random.fork_rng(devices=[]):
        model = create(name, 1000).eval()
    cfg: dict[str, Any] = model.pretrained_cfg  # type: ignore[assignment]
    last_layer, last = _last_layer(name, model)
    side = int(cfg["input_size"][-1])
    fixed = side if cfg.get("fixed_input_size") else None
    parameters = sum(p.numel() for p in model.parameters())
    measured = model.to("meta")
    size = fixed or max(side, MIN_SIZE_PX)
    return Network(
        name=name,
        title=f"{name.removeprefix(TIMM)} (timm)",
        feature_dim=int(last.weight.shape[1]),
        last_layer=last_layer,
        weights_file=f"timm_{name.removeprefix(TIMM)}.safetensors",
        family="timm",
        stages=("trunk", last_layer),
        min_size_px=fixed or max(MIN_SIZE_PX, int((cfg.get("min_input_size") or (3, 0, 0))[-1])),
        n_parameters=parameters,
        n_dropout=0,
        batch_norm=any(isinstance(m, nn.BatchNorm2d) for m in model.modules()),
        training_bytes_px=training_bytes_px(measured, size),
        forward_bytes_px=forward_bytes_px(measured, size),
        fixed_size_px=fixed,
        last_conv=isinstance(last, nn.Conv2d),
        last_bias=last.bias is not None,
        mean=tuple(cfg["mean"]),
        std=tuple(cfg["std"]),
    )


def _last_layer(name: str, model: nn.Module) -> tuple[str, nn.Linear | nn.Conv2d]:
    last: object = model.get_classifier()  # type: ignore[operator]
    if not isinstance(last, nn.Linear | nn.Conv2d) or (isinstance(last, nn.Conv2d) and last.kernel_size != (1, 1)):
        kind = type(last).__name__
        raise InputError(
            Problem(
                "a network of timm needs one linear last layer",
                value=f"{name}: {kind}",
                remedy="choose another network",
            )
        )
    return next((n, last) for n, m in model.named_modules() if m is last)


def hub_files(name: str) -> list[Path]:
    """Files of weights of a network of timm in huggingface_hub's cache (HF_HUB_CACHE, HF_HOME), where timm keeps them."""
    cfg = _timm().models.get_pretrained_cfg(name.removeprefix(TIMM))
    if cfg is None or not cfg.hf_hub_id:
        return []
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    folder = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    # timm gives the hub's name with or without the architecture
    repository = cfg.hf_hub_id if not cfg.hf_hub_id.endswith("/") else f"{cfg.hf_hub_id}{name.removeprefix(TIMM)}"
    return sorted((folder / f"models--{repository.replace('/', '--')}" / "snapshots").glob("*/model.safetensors"))
