"""The table of networks: torchvision's classifiers (`networks.csv`), and the names of timm's. It needs no torch, so that every room can read it.

A row says where torchvision keeps its ImageNet weights, which module is the last layer (the one replaced for the classes) and how
wide the penultimate features are. `experiments/maintenance/make_networks.py` reads and measures the rows from torchvision's own builders; a
test compares them with the installed torchvision. *Penultimate features* are the input of the last layer in evaluation mode (dropout is off):

- VGG and AlexNet: 4096 values after the last hidden layer's ReLU; MobileNetV3 and MaxViT: the output of their hidden layer;
- ResNet, DenseNet, EfficientNet, RegNet and most others: the globally averaged last feature map, in ConvNeXt normalised (layer norm);
- ViT: the class token after the encoder's normalisation; Swin: the mean of the normalised tokens;
- SqueezeNet: the last layer is a 1 x 1 convolution *before* global averaging. torchvision rectifies its output before averaging;
  with two classes instead of a thousand that rectifier can switch both logits off for good, so ours leaves it out. Convolution and
  average are then both linear and commute: the 512 penultimate features are the globally averaged input of the convolution, and the
  logits are exactly linear in them, as in every other network. ImageNet's own thousand-class layer is not touched by this.

GoogLeNet and Inception v3 are built without their auxiliary heads. torchvision's `transform_input` rescales their inputs from ImageNet's mean and
standard deviation to 0.5 and 0.5; their rows have these numbers instead, which is the same. ViTs take images of one size alone, as does MaxViT.

Deviations from the study's toolbox (R2018b) that lie in the networks themselves: torchvision's ResNet-101 has its stride in the
3 x 3 convolution (the study's Caffe form in the 1 x 1), and its VGGs were trained by torchvision, its DenseNet-201 was ported.

Small images: the VGGs and AlexNet pool their last feature map to 7 x 7 (6 x 6) by adaptive averaging, which repeats values where
the map is smaller, so that their fully connected layers keep their full size (and cost) at any image size.

`timm:NAME` is a network of the package timm (extra `timm`). Its row is made from timm's own model (`deep/timm_models.py`), which the room `deep`
registers here (`add_source`): the vocabulary itself imports neither.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from types import MappingProxyType
from typing import Literal

import numpy as np

from hybridcx.errors import InputError, Problem

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WEIGHTS_URL = "https://download.pytorch.org/models"


Family = Literal[
    "vgg", "resnet", "densenet", "mobilenet", "squeezenet", "convnext", "googlenet", "inception", "maxvit", "mnasnet", "regnet", "shufflenet",
    "swin", "vit", "timm",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the table.

    Attributes
    ----------
    name : torchvision's name, as `torchvision.models.get_model` takes it
    title : the name in print
    feature_dim : width d of the penultimate features
    last_layer : dotted path of the module that is replaced (a linear layer; SqueezeNet's final 1 x 1 convolution)
    family : how its forward pass is built (`deep/stages.py: units`); vgg: features, average pooling and a classifier, as in AlexNet and EfficientNet
    stages : the first unit of each stage, from the input on; the last entry is the last layer's stage (`deep/stages.py`)
    weights_file : torchvision's file of ImageNet weights (IMAGENET1K_V1, or the first of its weights where there is none of that name). Its name
        carries the first eight or ten hex digits of its SHA-256. For timm's networks the name that the file is searched under
    known_sha256 : full SHA-256 of files that are known for sure to be this network's ImageNet weights
    min_size_px : smallest side of a square image that the network can take
    n_parameters : learnable parameters with ImageNet's thousand classes
    n_dropout : dropout layers with a rate above 0
    batch_norm : whether it has batch normalisation
    training_bytes_px : bytes that training keeps for the gradient, per image and pixel of it, float32 (the tensors that autograd saves)
    forward_bytes_px : bytes of the largest layer's input and output, per image and pixel of it, float32
    last_map : the unit whose output is its last convolutional map, rectified where the network rectifies it, not yet pooled, for Grad-CAM. None where
        there is none: attention mixes the places of a transformer's map, and timm's networks are one unit
    fixed_size_px : the one size that it takes; None: any from min_size_px on
    last_conv, last_bias : whether the last layer is a 1 x 1 convolution, and whether it has a bias
    mean, std : normalisation per channel of images scaled to 0..1
    """

    name: str
    title: str
    feature_dim: int
    last_layer: str
    weights_file: str
    family: Family
    stages: tuple[str, ...]
    min_size_px: int
    n_parameters: int
    n_dropout: int
    batch_norm: bool
    training_bytes_px: int
    forward_bytes_px: int
    last_map: str | None = None
    fixed_size_px: int | None = None
    last_conv: bool = False
    last_bias: bool = True
    known_sha256: tuple[str, ...] = ()
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def sha256_prefix(self) -> str:
        """The eight (or ten) hex digits of the SHA-256 that torchvision publishes in the file's name; "" for timm's networks."""
        return "" if self.family == "timm" else self.weights_file.removesuffix(".pth").rsplit("-", 1)[1]


def _read() -> Mapping[str, Network]:
    text = (resources.files("hybridcx.vocabulary") / "networks.csv").read_text(encoding="utf-8")
    return MappingProxyType({row["name"]: _row(row) for row in csv.DictReader(text.splitlines())})


def _row(cells: Mapping[str, str]) -> Network:
    def triple(cell: str) -> tuple[float, float, float]:
        a, b, c = (float(x) for x in cell.split())
        return a, b, c

    return Network(
        name=cells["name"],
        title=cells["title"],
        feature_dim=int(cells["feature_dim"]),
        last_layer=cells["last_layer"],
        weights_file=cells["weights_file"],
        family=cells["family"],  # type: ignore[arg-type]
        stages=tuple(cells["stages"].split()),
        min_size_px=int(cells["min_size_px"]),
        n_parameters=int(cells["n_parameters"]),
        n_dropout=int(cells["n_dropout"]),
        batch_norm=cells["batch_norm"] == "yes",
        training_bytes_px=int(cells["training_bytes_px"]),
        forward_bytes_px=int(cells["forward_bytes_px"]),
        last_map=cells["last_map"] or None,
        fixed_size_px=int(cells["fixed_size_px"]) if cells["fixed_size_px"] else None,
        last_conv=cells["family"] == "squeezenet",
        last_bias=cells["family"] != "maxvit",
        known_sha256=tuple(cells["known_sha256"].split()),
        mean=triple(cells["mean"]),
        std=triple(cells["std"]),
    )


NETWORKS: Mapping[str, Network] = _read()
"""Name -> row of the networks of torchvision."""

TIMM = "timm:"
TIMM_NAME = r"timm:[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?"
"""The form of a network of timm: its name there, with its pretrained tag or without."""
_SOURCES: dict[str, Callable[[str], Network]] = {}


def add_source(prefix: str, row_of: Callable[[str], Network]) -> None:
    """Register who makes the rows of the names that begin with `prefix`."""
    _SOURCES[prefix] = row_of


def network(name: str | Network) -> Network:
    """Return the row of `name`. A row is returned as it is: it may have the normalisation of the user's own weights (`normalised_by`).

    Raises
    ------
    InputError
        for an unknown name, with the nearest known one.

    >>> network("vgg16").feature_dim
    4096
    """
    if isinstance(name, Network):
        return name
    if name in NETWORKS:
        return NETWORKS[name]
    if (problem := name_problem(name)) is not None:
        raise InputError(problem)
    if TIMM not in _SOURCES:
        raise InputError(Problem("networks of timm are known where hybridcx.deep is imported", value=name))
    return _SOURCES[TIMM](name)


def name_problem(name: str) -> Problem | None:
    """What is wrong with a network's name; None for a name of the table, and for one of timm's form (timm itself is not asked)."""
    if name in NETWORKS or re.fullmatch(TIMM_NAME, name):
        return None
    if name.startswith(TIMM):
        return Problem(
            "a network of timm is named timm:NAME or timm:NAME.TAG", value=name, remedy="such as timm:resnet50.a1_in1k"
        )
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    remedy = (
        f"did you mean `{near[0]}`?"
        if near
        else f"known networks: {', '.join(NETWORKS)}, and timm:NAME (timm's models)"
    )
    return Problem("there is no network of this name", value=name, remedy=remedy)


def normalised_by(row: Network, mean: Sequence[float] | None, std: Sequence[float] | None) -> Network:
    """The row with another normalisation (three numbers each); None keeps the row's."""
    if mean is None and std is None:
        return row
    a, b = (tuple(given) if given is not None else own for given, own in ((mean, row.mean), (std, row.std)))
    return replace(row, mean=a, std=b)  # type: ignore[arg-type]


def check_size(row: Network, size_px: int) -> None:
    """Raise InputError if the network does not take square images of `size_px`."""
    fixed = row.fixed_size_px
    if fixed is not None and size_px != fixed:
        raise InputError(
            Problem(
                f"{row.title} takes images of {fixed} x {fixed} pixels alone",
                value=size_px,
                remedy=f"set images.size_px to {fixed}, or leave {row.name} out of networks.names",
            )
        )
    if size_px < row.min_size_px:
        raise InputError(
            Problem(
                f"{row.title} takes images of at least {row.min_size_px} x {row.min_size_px} pixels",
                value=size_px,
                remedy=f"set images.size_px to {row.min_size_px} or more, or leave {row.name} out of networks.names",
            )
        )


def check_images(row: Network, images: np.ndarray) -> None:
    """Raise InputError unless `images` are uint8 of shape (N, H, H, 3) and large enough for the network."""
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or images.shape[1] != images.shape[2]:
        raise InputError(Problem("images must be uint8 of shape (N, H, H, 3)", value=f"{images.dtype} {images.shape}"))
    check_size(row, images.shape[1])
