"""Update rules against recursions written out by hand in NumPy, to 1e-6."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from hybridcx.deep.optimizer import decays, make_optimizer, parameter_groups, rate_at, set_rate
from hybridcx.errors import InputError
from hybridcx.experiment.file import TrainSection
from hybridcx.vocabulary.networks import NETWORKS, Network

# A network of one hidden layer with a normalisation, whose gradients are chosen, not computed.
TINY = Network("tiny", "Tiny", 4, "last", "tiny-00000000.pth", "resnet", ("hidden", "last"), 1, 0, 0, True, 0, 0)
LAYERS = ("hidden.weight", "hidden.bias", "norm.weight", "norm.bias", "last.weight", "last.bias")


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.norm, self.last = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)


def model_and_gradients(steps, seed=0):
    torch.manual_seed(seed)
    model = Tiny()
    rng = np.random.default_rng(seed)
    gradients = [{n: rng.normal(size=tuple(p.shape)) for n, p in model.named_parameters()} for _ in range(steps)]
    return model, gradients


def run(model, train, gradients, rates):
    optimizer = make_optimizer(TINY, model, train)
    for gradient, rate in zip(gradients, rates, strict=True):
        set_rate(optimizer, rate, rate_in_velocity=train.rate_in_velocity)
        for name, parameter in model.named_parameters():
            parameter.grad = torch.from_numpy(gradient[name]).float()
        optimizer.step()
    return {n: p.detach().double().numpy() for n, p in model.named_parameters()}


def start(model):
    return {n: p.detach().double().numpy().copy() for n, p in model.named_parameters()}


DECAYED = {
    "weights": {"hidden.weight", "last.weight"},
    "last_layer": {"last.weight"},
    "all": set(LAYERS),
}


@pytest.mark.parametrize("on", DECAYED)
def test_sgd_with_momentum_and_l2_per_group(on):
    train = TrainSection(learning_rate=0.1, momentum=0.8, weight_decay=0.05, weight_decay_on=on, head_rate_factor=10.0)
    rates = [0.1, 0.1, 0.02, 0.02]
    model, gradients = model_and_gradients(4)
    w = start(model)
    for name in LAYERS:
        decay = 0.05 if name in DECAYED[on] else 0.0
        factor = 10.0 if name.startswith("last") else 1.0
        v = np.zeros_like(w[name])
        for g, rate in zip(gradients, rates, strict=True):
            v = 0.8 * v + (g[name] + decay * w[name])
            w[name] = w[name] - rate * factor * v
    found = run(model, train, gradients, rates)
    for name in LAYERS:
        np.testing.assert_allclose(found[name], w[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_rate_in_the_velocity_is_matlabs_recursion():
    rates = [0.1, 0.1, 0.02, 0.02, 0.004, 0.004]
    keys = {
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "weight_decay_on": "weights",
        "head_rate_factor": 2.0,
    }
    model, gradients = model_and_gradients(6, seed=1)
    w = start(model)
    for name in LAYERS:
        decay = 0.01 if name in DECAYED["weights"] else 0.0
        factor = 2.0 if name.startswith("last") else 1.0
        step = np.zeros_like(w[name])
        for g, rate in zip(gradients, rates, strict=True):
            step = 0.9 * step - rate * factor * (
                g[name] + decay * w[name]
            )  # sgdm: momentum x last step - rate x gradient
            w[name] = w[name] + step
    found = run(model, TrainSection(rate_in_velocity=True, **keys), gradients, rates)
    for name in LAYERS:
        np.testing.assert_allclose(found[name], w[name], rtol=1e-5, atol=1e-6, err_msg=name)
    model, gradients = model_and_gradients(6, seed=1)
    outside = run(model, TrainSection(rate_in_velocity=False, **keys), gradients, rates)
    assert np.abs(outside["hidden.weight"] - w["hidden.weight"]).max() > 1e-3  # the key makes a difference


def test_adamw_is_decoupled():
    train = TrainSection(
        optimizer="adamw", learning_rate=0.01, momentum=0.9, weight_decay=0.1, weight_decay_on="weights"
    )
    model, gradients = model_and_gradients(3, seed=2)
    w = start(model)
    for name in LAYERS:
        decay = 0.1 if name in DECAYED["weights"] else 0.0
        m, v = np.zeros_like(w[name]), np.zeros_like(w[name])
        for t, g in enumerate(gradients, 1):
            m, v = 0.9 * m + 0.1 * g[name], 0.999 * v + 0.001 * g[name] ** 2
            w[name] = w[name] * (1 - 0.01 * decay) - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    found = run(model, train, gradients, [0.01] * 3)
    for name in LAYERS:
        np.testing.assert_allclose(found[name], w[name], rtol=1e-5, atol=1e-6, err_msg=name)
    with pytest.raises(InputError, match="rate_in_velocity"):
        make_optimizer(TINY, model, TrainSection(optimizer="adamw", rate_in_velocity=True))


def test_every_parameter_is_in_one_group_of_a_real_network():
    from torchvision.models import get_model

    row = NETWORKS["mobilenet_v2"]
    with torch.device("meta"):
        model = get_model(row.name, weights=None, num_classes=2)
    groups = parameter_groups(row, model, TrainSection(head_rate_factor=5.0))
    assert sum(len(g["params"]) for g in groups) == len(list(model.parameters()))
    modules = dict(model.named_modules())
    assert decays(row, TrainSection(), modules["features.0.0"], "features.0.0", "weight")
    assert not decays(row, TrainSection(), modules["features.0.1"], "features.0.1", "weight")
    assert not decays(row, TrainSection(), modules["classifier.1"], "classifier.1", "bias")


def test_schedules():
    table_two = TrainSection()
    rates = [rate_at(table_two, e, 14 * e + i, 14) for e in range(20) for i in range(14)]
    np.testing.assert_allclose(rates, [3e-4] * 112 + [6e-5] * 112 + [1.2e-5] * 56, rtol=1e-12)

    cosine = TrainSection(lr_schedule="cosine", learning_rate=1.0, epochs=4, warmup_epochs=1)
    rates = [rate_at(cosine, i // 5, i, 5) for i in range(20)]
    np.testing.assert_allclose(rates[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    np.testing.assert_allclose(rates[5:], [(1 + math.cos(math.pi * t / 15)) / 2 for t in range(15)])
    assert min(rates) > 0  # rate_in_velocity divides by it

    constant = TrainSection(lr_schedule="constant", learning_rate=0.5, epochs=3, warmup_epochs=2)
    np.testing.assert_allclose([rate_at(constant, i // 2, i, 2) for i in range(6)], [0.125, 0.25, 0.375, 0.5, 0.5, 0.5])
