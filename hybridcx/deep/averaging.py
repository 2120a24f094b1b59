"""The exponential moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class WeightAverage:
    """a = d a + (1 - d) w after every iteration, with d = min(decay, (1 + t) / (10 + t)), t the iterations before this one.

    The smaller decay at the beginning lets the influence of the initial weights fade. Running statistics of normalisations are averaged alike;
    the average of a weight that does not change equals it to the bit.
    """

    def __init__(self, model: nn.Module, decay: float):
        self._model, self._decay = model, decay
        own = {n: t.detach() for n, t in model.state_dict().items() if t.is_floating_point()}
        self.tensors = {n: t.clone() for n, t in own.items()}
        # The model's tensors are changed in place for as long as it trains, so they are collected once.
        self._averages, self._own = list(self.tensors.values()), list(own.values())

    def update(self, iteration: int) -> None:
        """Update the averages with the model's present weights; `iteration` counts from 0."""
        decay = min(self._decay, (1 + iteration) / (10 + iteration))
        # torch's own update of all tensors in one call: a few kernels on an accelerator, not one for each of up to a thousand tensors
        get_ema_multi_avg_fn(decay)(self._averages, self._own, iteration)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from the averages of a checkpoint."""
        for name, t in self.tensors.items():
            t.copy_(tensors[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The model has the averages for the block, and its own weights again afterwards."""
        own = {n: t.detach().clone() for n, t in self._model.state_dict().items() if n in self.tensors}
        self.put()
        try:
            yield
        finally:
            self._put(own)

    def put(self) -> None:
        """Replace the model's weights by the averages permanently."""
        self._put(self.tensors)

    @torch.no_grad()
    def _put(self, tensors: Mapping[str, Tensor]) -> None:
        for name, t in self._model.state_dict().items():
            if name in tensors:
                t.copy_(tensors[name])
