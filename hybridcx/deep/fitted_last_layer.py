"""The first step of LP-FT (linear probing, then fine-tuning; Kumar and others 2022): the new last layer is fitted before all layers learn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hybridcx.deep.inputs import ImageInputs
from hybridcx.deep.model import last_layer
from hybridcx.deep.task import Task, class_weights
from hybridcx.vocabulary.networks import Network

PENALTY = 0.1
"""Of features whose variances add up to 1. It is the same for every network, so nothing is chosen by labels."""
_BATCH = 16
_ITERATIONS = 1000


def fit_last_layer(row: Network, model: nn.Module, inputs: ImageInputs, task: Task) -> None:
    """Replace the last layer by a logistic regression on the penultimate features of the training images.

    Features in evaluation mode, without augmentation, in the ledger's precision. The log odds of class 1 are divided equally between the two
    outputs, so that softmax gives the probability of the regression. `train.class_weights` weight the cases.
    """
    x = _features(row, model, inputs, task)
    y = torch.from_numpy(task.y[task.train_idx].astype(np.float64))
    weights = class_weights(task)
    of_cases = None if weights is None else torch.from_numpy(weights)[y.long()]
    w, b = logistic_regression(x, y, PENALTY, of_cases)
    layer = last_layer(row, model)
    with torch.no_grad():
        layer.weight.copy_(torch.stack([-w / 2, w / 2]).float().reshape(layer.weight.shape))
        layer.get_parameter("bias").copy_(torch.stack([-b / 2, b / 2]).float())


def logistic_regression(x: Tensor, y: Tensor, penalty: float, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Weights (d,) and intercept of log odds that are linear in the features x (n, d); y is 0 or 1.

    Minimises the (weighted) sum of the log loss + penalty |v|^2 / 2 over v and the intercept, by L-BFGS in float64. v are the weights of the
    centred features divided by the square root of their total variance: one scale for all, since a scale of its own would amplify a feature
    that hardly varies in training.
    """
    x, y = x.double(), y.double()
    mean = x.mean(0)
    z = x - mean
    scale = z.square().mean(0).sum().sqrt()
    scale = scale if scale > 0 else torch.ones_like(scale)
    z = z / scale
    v = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    intercept = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [v, intercept], max_iter=_ITERATIONS, tolerance_grad=1e-8, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(z @ v + intercept, y, weights, reduction="sum")
        loss = loss + penalty / 2 * v.square().sum()
        torch.autograd.backward(loss)
        return loss

    with torch.enable_grad():
        optimizer.step(objective)
    w = v.detach() / scale
    return w, intercept.detach() - (w * mean).sum()


def _features(row: Network, model: nn.Module, inputs: ImageInputs, task: Task) -> Tensor:
    """Penultimate features of the training images, (n, d), on the processor."""
    caught: list[Tensor] = []
    hook = last_layer(row, model).register_forward_pre_hook(lambda _, given: caught.append(given[0]))
    model.eval()
    parts, n = [], len(task.train_idx)
    bfloat16 = task.device.ledger_dtype is torch.bfloat16
    try:
        for begin in range(0, n, _BATCH):
            x = inputs.plain(np.arange(begin, min(begin + _BATCH, n)))
            with torch.no_grad(), torch.autocast(x.device.type, torch.bfloat16, enabled=bfloat16):
                model(x)
            features = caught.pop().float()
            # SqueezeNet: the average commutes with its last layer, a 1 x 1 convolution.
            parts.append((features.mean(dim=(2, 3)) if features.ndim == 4 else features).cpu())
    finally:
        hook.remove()
    return torch.cat(parts)
