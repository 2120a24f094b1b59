"""Batch normalisation folded into convolutions: the same function (all networks: test_every_network.py)."""

import copy

import pytest
import torch

from hybridcx.deep.folding import fold_batch_norm
from hybridcx.deep.model import build, untrained_state
from hybridcx.vocabulary.networks import NETWORKS

STUDY = ("vgg16", "vgg19", "resnet101", "densenet201", "alexnet", "mobilenet_v2", "squeezenet1_1")
FOLDED = {"resnet101": 104, "densenet201": 99, "mobilenet_v2": 52}


def with_statistics(name):
    """Untrained, but with normalisations that do something: means, variances, scales and offsets away from 0 and 1."""
    model = build(NETWORKS[name], untrained_state(name, 0)).double()
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low, high in (
                (module.running_mean, -0.2, 0.2),
                (module.running_var, 0.5, 2.0),
                (module.weight.data, 0.5, 1.5),
            ):
                tensor.copy_(torch.rand(tensor.shape, generator=generator).double() * (high - low) + low)
            module.bias.data.copy_(torch.rand(module.bias.shape, generator=generator).double() - 0.5)
    return model


@pytest.mark.parametrize("name", STUDY)
def test_the_function_stays_the_same(name):
    model = with_statistics(name)
    folded = copy.deepcopy(model)
    assert fold_batch_norm(folded) == FOLDED.get(name, 0)
    if name not in FOLDED:  # nothing to fold, nothing changed
        assert all(torch.equal(a, b) for a, b in zip(folded.parameters(), model.parameters(), strict=True))
        return
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2)).double()
    with torch.inference_mode():
        torch.testing.assert_close(folded(x), model(x), rtol=1e-9, atol=1e-9)


def test_memory_layout_is_kept():
    for layout in (torch.channels_last, torch.contiguous_format):
        model = with_statistics("mobilenet_v2").to(memory_format=layout)
        fold_batch_norm(model)
        assert all(
            m.weight.is_contiguous(memory_format=layout) for m in model.modules() if isinstance(m, torch.nn.Conv2d)
        )


def test_a_network_that_learns_is_refused():
    model = with_statistics("mobilenet_v2").train()
    with pytest.raises(ValueError, match="evaluation mode"):
        fold_batch_norm(model)
