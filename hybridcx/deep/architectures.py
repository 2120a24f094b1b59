"""Empty networks: torchvision's and timm's builders, with the options that a row of the table needs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torchvision.models import MNASNet, get_model

from hybridcx.vocabulary.networks import Network


def options_of(row: Network) -> dict[str, Any]:
    """torchvision's options beside weights and classes: no auxiliary heads, and the size of the images of a ViT.

    A saved state dict fits `get_model(row.name, num_classes=2, **options_of(row))`.
    """
    if row.family in ("googlenet", "inception"):
        return {"aux_logits": False, "init_weights": True}
    return {"image_size": row.fixed_size_px} if row.family == "vit" else {}


def architecture(row: Network, n_classes: int, *, on_meta: bool = False, zero_init_residual: bool = False) -> nn.Module:
    """The network with so many outputs and random weights, from torch's global generator; nothing is downloaded.

    `on_meta`: without memory and values for its tensors (parameters without storage; small buffers may have theirs).
    """
    if on_meta:
        with _meta_of(row):
            return _made(row, n_classes, {}).to("meta")
    return _made(row, n_classes, {"zero_init_residual": True} if zero_init_residual and row.family == "resnet" else {})


def _made(row: Network, n_classes: int, more: dict[str, Any]) -> nn.Module:
    if row.family == "timm":
        from hybridcx.deep.timm_models import create  # the extra `timm`

        return create(row.name, n_classes)
    if row.family == "mnasnet":
        return _MNASNet(float(row.name.removeprefix("mnasnet").replace("_", ".")), num_classes=n_classes)
    options = options_of(row)
    if torch.empty(0).is_meta and "init_weights" in options:
        options["init_weights"] = False
    model: nn.Module = get_model(row.name, weights=None, num_classes=n_classes, **options, **more)
    return model


class _MNASNet(MNASNet):
    """torchvision's, which refuses a state dict without the version that torch keeps beside the tensors, as no safetensors file does."""

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As every module's; a state dict without a version is of the present one (2)."""
        if not hasattr(state_dict, "_metadata"):
            own = self.state_dict()
            metadata = getattr(own, "_metadata", {})
            state_dict = OrderedDict(state_dict)
            state_dict._metadata = metadata  # type: ignore[attr-defined]
        return super().load_state_dict(state_dict, strict, assign)


def _meta_of(row: Network) -> Any:
    # RegNet computes its widths, and some of timm's networks their rates, in tensors: there only parameters may be without values.
    return _EmptyOnMeta() if row.family in ("regnet", "timm") else torch.device("meta")


class _EmptyOnMeta(TorchFunctionMode):
    """Tensors that are made without values are made on the meta device; all others are what they are."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)
