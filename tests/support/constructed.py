"""Networks whose weights are set by hand, and what they compute, written out in NumPy: no outcome depends on what a training finds.

The SqueezeNet: one channel carries bright pixels, one carries dark ones. The first convolution looks at the middle pixel of its window and subtracts
a threshold, the Fire modules copy both channels, so that between the pixels and the last map there are rectification and three max-poolings alone:

    bright = max(0, p - threshold);  dark = max(0, dark threshold - p), p the grey value from 0 to 1, at every other pixel
    A = pool(pool(pool(.)));  log odds = weight x mean(A bright) - dark weight x mean(A dark) + bias
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hybridcx.deep.features import untrained_state
from hybridcx.deep.model import build
from hybridcx.vocabulary.networks import NETWORKS

NAME = "squeezenet1_1"
FIRES = (3, 4, 6, 7, 9, 10, 11, 12)


@dataclass(frozen=True)
class Constructed:
    """A SqueezeNet that calls bright images positive and dark ones negative."""

    threshold: float = 0.6
    dark_threshold: float = 0.2
    weight: float = 9.0
    dark_weight: float = 12.0
    bias: float = 0.0

    def state(self) -> dict[str, Tensor]:
        """Its weights."""
        row = NETWORKS[NAME]
        mean, std = torch.tensor(row.mean), torch.tensor(row.std)
        state = {name: torch.zeros_like(t) for name, t in untrained_state(NAME, 0).items()}
        # the inverse of the normalisation: the mean of the three channels' grey values
        state["features.0.weight"][0, :, 1, 1] = std / 3
        state["features.0.weight"][1, :, 1, 1] = -std / 3
        state["features.0.bias"][:2] = torch.stack([mean.mean() - self.threshold, self.dark_threshold - mean.mean()])
        for i in FIRES:
            for layer in ("squeeze", "expand1x1"):
                for channel in (0, 1):
                    state[f"features.{i}.{layer}.weight"][channel, channel] = 1
        state["classifier.1.weight"][1, 0] = self.weight
        state["classifier.1.weight"][0, 1] = self.dark_weight
        state["classifier.1.bias"][1] = self.bias
        return state

    def last_maps(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Its last map (n, h, w) of bright and of dark pixels."""
        pixels = images[:, 1:-1:2, 1:-1:2].mean(axis=3) / 255
        maps = [np.maximum(pixels - self.threshold, 0), np.maximum(self.dark_threshold - pixels, 0)]
        for _ in range(3):
            maps = [pooled(m) for m in maps]
        return maps[0], maps[1]

    def log_odds(self, images: np.ndarray) -> np.ndarray:
        """Its log odds of the positive class (n,)."""
        bright, dark = (m.mean(axis=(1, 2)) for m in self.last_maps(images))
        return np.asarray(self.weight * bright - self.dark_weight * dark + self.bias)


def pooled(maps: np.ndarray) -> np.ndarray:
    """Max-pooling of 3 x 3 windows at stride 2; a last row or column that fills no window is pooled with what is there."""
    side = -(-(maps.shape[1] - 3) // 2) + 1
    spans = [slice(2 * i, 2 * i + 3) for i in range(side)]
    return np.stack([np.stack([maps[:, r, c].max(axis=(1, 2)) for c in spans], axis=1) for r in spans], axis=1)


def brightness_state() -> dict[str, Tensor]:
    """A MobileNetV2 whose every feature is the same rising function of the image's brightness, with a last layer of zeros.

    All convolutions average, and the normalisations lift what they pass on into the range where ReLU6 changes nothing; the last one does not, so that
    the features of images darker than the mean are 0. The first step moves the last layer by the difference of the classes' mean features.
    """
    state = untrained_state("mobilenet_v2", 0)
    for name, t in state.items():
        if t.ndim == 4:
            t.fill_(1 / t[0].numel())
        elif name.endswith("running_mean"):
            state[name.replace("running_mean", "bias")].fill_(0.0 if name.startswith("features.18.") else 3.0)
        elif name.startswith("classifier."):
            t.zero_()
    return state


def constant_state(positive: bool) -> dict[str, Tensor]:
    """A MobileNetV2 with random weights that gives every image one call.

    Its 1280 features, each from 0 to 6, add 2e-4 each to the log odds, 1.5 at most; the bias of 8 decides. Its normalisations have the statistics of
    noise: with those of an untrained network all features would be nearly 0, and the maps constant.
    """
    row = NETWORKS["mobilenet_v2"]
    model = build(row, untrained_state(row.name, 0)).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    state = {name: t.contiguous() for name, t in model.state_dict().items()}
    state["classifier.1.weight"] = torch.tensor([[-1e-4], [1e-4]]).repeat(1, row.feature_dim)
    state["classifier.1.bias"] = torch.tensor([-4.0, 4.0] if positive else [4.0, -4.0])
    return state
