"""Parser of model names (docs/reference/commands.md): network, features and head.

    vgg16                      the fine-tuned network's own softmax
    vgg16+xgboost              a head on its fine-tuned features
    vgg16:pretrained+xgboost   a head on its pretrained features (`vgg16:untrained+xgboost` where there were no pretrained weights)

    vgg16+chosen               in each split or fold the head that its cross-validation in training chose (repeated hold-out, cross-validation)

    timm:resnet50+lda          the same of a network of timm, whose name begins with "timm:"

A name with a head that is not one of ours ("vgg16+resnet101", an ensemble) is no hybrid: only known heads are read as such.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hybridcx.experiment.heads import ALL_HEADS

SOFTMAX, FINE_TUNED = "softmax", "fine_tuned"
CHOSEN = "chosen"
"""Not a head of its own but the one chosen in training, so it has no cell in the grid of networks and heads."""
FEATURES = (FINE_TUNED, "pretrained", "untrained")
HEADS: tuple[str, ...] = ALL_HEADS
_HYBRID = re.compile(
    rf"(?P<network>(?:timm:)?[^:+]+)(?::(?P<initial>pretrained|untrained))?\+(?P<head>{'|'.join(HEADS)})"
)
_NETWORK = re.compile(r"(?:timm:)?[^:+]+")


@dataclass(frozen=True, slots=True)
class ModelName:
    """One model: `features` is one of `FEATURES`, `head` one of `HEADS` or `SOFTMAX`."""

    network: str
    features: str
    head: str


def parse_model_name(name: str) -> ModelName | None:
    """The parts of a name, or None where it is none of the scheme.

    A plain name may be any model: it is a network's softmax only if there are heads on that network (`hybrids`).

    >>> parse_model_name("vgg16:pretrained+lda")
    ModelName(network='vgg16', features='pretrained', head='lda')
    >>> parse_model_name("vgg16+resnet101") is None
    True
    """
    if match := _HYBRID.fullmatch(name):
        return ModelName(match["network"], match["initial"] or FINE_TUNED, match["head"])
    return ModelName(name, FINE_TUNED, SOFTMAX) if _NETWORK.fullmatch(name) else None


@dataclass(frozen=True, slots=True)
class Hybrids:
    """The networks that have heads: `cells` maps (network, head, features) to the model, `softmax` the network to its own."""

    networks: tuple[str, ...]
    heads: tuple[str, ...]
    features: tuple[str, ...]
    cells: Mapping[tuple[str, str, str], str]
    softmax: Mapping[str, str]


def hybrids(models: Sequence[str]) -> Hybrids | None:
    """The grid of networks, heads and feature sets among `models`; None where no model is a head on a network's features.

    Networks stand in the order of the models, heads and feature sets in that of `HEADS` and `FEATURES`.
    """
    parts = {m: p for m in models if (p := parse_model_name(m)) is not None}
    cells = {(p.network, p.head, p.features): m for m, p in parts.items() if p.head != SOFTMAX}
    if not cells:
        return None
    with_heads = {network for network, _, _ in cells}
    return Hybrids(
        networks=tuple(dict.fromkeys(p.network for p in parts.values() if p.network in with_heads)),
        heads=tuple(h for h in HEADS if any(head == h for _, head, _ in cells)),
        features=tuple(f for f in FEATURES if any(features == f for _, _, features in cells)),
        cells=cells,
        softmax={p.network: m for m, p in parts.items() if p.head == SOFTMAX and p.network in with_heads},
    )
