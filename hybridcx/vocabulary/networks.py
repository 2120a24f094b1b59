"""The table of networks. It needs no torch, so that every room can read it; to add a network, add a row.

A row says where torchvision keeps its ImageNet weights, which module is the last layer (the one replaced for the classes) and how
wide the penultimate features are. *Penultimate features* are the input of the last layer in evaluation mode (dropout is off):

- VGG-16, VGG-19, AlexNet: 4096 values after the last hidden layer's ReLU;
- ResNet-101 (2048), DenseNet-201 (1920), MobileNetV2 (1280): the globally averaged last feature map;
- SqueezeNet 1.1: the last layer is a 1 x 1 convolution *before* global averaging. torchvision rectifies its output before averaging;
  with two classes instead of a thousand that rectifier can switch both logits off for good, so ours leaves it out. Convolution and
  average are then both linear and commute: the 512 penultimate features are the globally averaged input of the convolution, and the
  logits are exactly linear in them, as in every other network. ImageNet's own thousand-class layer is not touched by this.

Deviations from the study's toolbox (R2018b) that lie in the networks themselves: torchvision's ResNet-101 has its stride in the
3 x 3 convolution (the study's Caffe form in the 1 x 1), and its VGGs were trained by torchvision, its DenseNet-201 was ported.

Small images: the VGGs and AlexNet pool their last feature map to 7 x 7 (6 x 6) by adaptive averaging, which repeats values where
the map is smaller, so that their fully connected layers keep their full size (and cost) at any image size.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

from hybridcx.errors import InputError, Problem

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
WEIGHTS_URL = "https://download.pytorch.org/models"


@dataclass(frozen=True, slots=True)
class Network:
    """One row of the table.

    Attributes
    ----------
    name : torchvision's name, as `torchvision.models.get_model` takes it
    title : the name in print
    feature_dim : width d of the penultimate features
    last_layer : dotted path of the module that is replaced (a linear layer; SqueezeNet's final 1 x 1 convolution)
    family : how its forward pass is built (`deep/stages.py: units`); vgg: features, average pooling and a classifier of several layers, as in AlexNet
    stages : the first unit of each stage, from the input on; the last entry is the last layer's stage (`deep/stages.py`)
    weights_file : torchvision's file of ImageNet weights (IMAGENET1K_V1). Its name carries the first eight hex digits of its SHA-256
    known_sha256 : full SHA-256 of files that are known for sure to be this network's ImageNet weights
    min_size_px : smallest side of a square image that the network can take
    n_parameters : learnable parameters with ImageNet's thousand classes
    n_dropout : dropout layers
    batch_norm : whether it has batch normalisation
    training_bytes_px : bytes that training keeps for the gradient, per image and pixel of it, float32 (the tensors that autograd saves)
    forward_bytes_px : bytes of the largest layer's input and output, per image and pixel of it, float32
    mean, std : normalisation per channel of images scaled to 0..1
    """

    name: str
    title: str
    feature_dim: int
    last_layer: str
    weights_file: str
    family: Literal["vgg", "resnet", "densenet", "mobilenet", "squeezenet"]
    stages: tuple[str, ...]
    min_size_px: int
    n_parameters: int
    n_dropout: int
    batch_norm: bool
    training_bytes_px: int
    forward_bytes_px: int
    known_sha256: tuple[str, ...] = ()
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def sha256_prefix(self) -> str:
        """The eight hex digits of the SHA-256 that torchvision publishes in the file's name."""
        return self.weights_file.removesuffix(".pth").rsplit("-", 1)[1]


_VGG_HEAD = ("classifier.0", "classifier.2", "classifier.5")
_ROWS = (
    Network(
        "vgg16", "VGG-16", 4096, "classifier.6", "vgg16-397923af.pth",
        family="vgg", stages=("features.0", "features.5", "features.10", "features.17", "features.24", *_VGG_HEAD),
        min_size_px=32, n_parameters=138_357_544, n_dropout=2, batch_norm=False, training_bytes_px=1460, forward_bytes_px=512,
        known_sha256=("397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",),
    ),
    Network(
        "vgg19", "VGG-19", 4096, "classifier.6", "vgg19-dcbb9e9d.pth",
        family="vgg", stages=("features.0", "features.5", "features.10", "features.19", "features.28", *_VGG_HEAD),
        min_size_px=32, n_parameters=143_667_240, n_dropout=2, batch_norm=False, training_bytes_px=1565, forward_bytes_px=512,
    ),
    Network(
        "resnet101", "ResNet-101", 2048, "fc", "resnet101-63fe2227.pth",
        family="resnet", stages=("conv1", "layer1", "layer2", "layer3", "layer4", "fc"),
        min_size_px=1, n_parameters=44_549_160, n_dropout=0, batch_norm=True, training_bytes_px=2530, forward_bytes_px=128,
        known_sha256=("63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",),
    ),
    Network(
        "densenet201", "DenseNet-201", 1920, "classifier", "densenet201-c1103571.pth",
        family="densenet", stages=(
            "features.conv0", "features.denseblock1", "features.denseblock2", "features.denseblock3", "features.denseblock4", "classifier",
        ),
        min_size_px=29, n_parameters=20_013_928, n_dropout=0, batch_norm=True, training_bytes_px=4060, forward_bytes_px=128,
    ),
    Network(
        "alexnet", "AlexNet", 4096, "classifier.6", "alexnet-owt-7be5be79.pth",
        family="vgg", stages=("features.0", "features.3", "features.6", "features.8", "features.10", "classifier.0", "classifier.3", "classifier.6"),
        min_size_px=63, n_parameters=61_100_840, n_dropout=2, batch_norm=False, training_bytes_px=75, forward_bytes_px=32,
    ),
    Network(
        "mobilenet_v2", "MobileNetV2", 1280, "classifier.1", "mobilenet_v2-b0353104.pth",
        family="mobilenet", stages=("features.0", "features.2", "features.4", "features.7", "features.14", "classifier.0"),
        min_size_px=1, n_parameters=3_504_872, n_dropout=1, batch_norm=True, training_bytes_px=1560, forward_bytes_px=192,
    ),
    Network(
        "squeezenet1_1", "SqueezeNet 1.1", 512, "classifier.1", "squeezenet1_1-b8a52dc0.pth",
        family="squeezenet", stages=("features.0", "features.3", "features.6", "features.9", "classifier.0"),
        min_size_px=17, n_parameters=1_235_496, n_dropout=1, batch_norm=False, training_bytes_px=420, forward_bytes_px=128,
        # A re-saved copy of the same weights, as some mirrors carry it.
        known_sha256=("b5ce7fe7aa5911d813483c987a40ecafa76dbb7e23945a8f0f917319569c80a1",),
    ),
)  # fmt: skip

NETWORKS: Mapping[str, Network] = MappingProxyType({row.name: row for row in _ROWS})

if TYPE_CHECKING:
    NetworkName = str
else:
    NetworkName = Literal[tuple(NETWORKS)]
    """A name of the table, as the keys of an experiment file check it."""


def network(name: str) -> Network:
    """Return the row of `name`.

    Raises
    ------
    InputError
        for an unknown name, with the nearest known one.

    >>> network("vgg16").feature_dim
    4096
    """
    if name in NETWORKS:
        return NETWORKS[name]
    near = difflib.get_close_matches(name, NETWORKS, n=1)
    remedy = f"did you mean `{near[0]}`?" if near else f"known networks: {', '.join(NETWORKS)}"
    raise InputError(Problem("there is no network of this name", value=name, remedy=remedy))


def check_size(row: Network, size_px: int) -> None:
    """Raise InputError if square images of `size_px` are too small for the network."""
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
