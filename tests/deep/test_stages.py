"""Stages of every network: their composition is the network, and what is frozen stays as it is."""

import pytest
import torch
from studied import STUDIED

from hybridcx.deep.model import build
from hybridcx.deep.optimizer import parameter_groups
from hybridcx.deep.stages import Learner, learning_stages, n_stages, stages
from hybridcx.experiment.file import TrainSection
from hybridcx.vocabulary.networks import NETWORKS


@pytest.mark.parametrize("name", STUDIED)
def test_the_stages_applied_in_turn_are_the_network(name):
    row = NETWORKS[name]
    torch.manual_seed(0)
    model = build(row)
    x = torch.randn(2, 3, max(row.min_size_px, 32), max(row.min_size_px, 32))
    with torch.inference_mode():
        whole = model(x)
        learner = Learner(row, model).eval()
        learner.learn(1)
        assert torch.equal(learner(x), whole)
        assert torch.equal(learner.tail(learner.trunk(x)), whole)
    listed = stages(row, model)
    assert len(listed) == len(row.stages) == n_stages(row) + 1
    of_stages = [id(p) for s in listed for p in s.parameters()]
    assert sorted(of_stages) == sorted(id(p) for p in model.parameters())
    assert all(list(s.parameters()) for s in listed)
    last = {id(p) for p in model.get_submodule(row.last_layer).parameters()}
    assert {id(p) for p in listed[-1].parameters()} == last


def test_what_learns_and_what_is_in_training_mode():
    row = NETWORKS["resnet101"]
    torch.manual_seed(0)
    model = build(row)
    model.layer4[0].bn1.bias.requires_grad_(False)
    learner = Learner(row, model)
    learner.learn(1)
    learner.train()
    learning = {n for n, p in model.named_parameters() if p.requires_grad}
    assert learning == {n for n, _ in model.named_parameters() if n.startswith(("fc", "layer4"))} - {
        "layer4.0.bn1.bias"
    }
    assert not model.layer3.training
    assert not model.bn1.training
    assert model.layer4.training
    learner.learn(5)
    learner.train()
    assert model.bn1.training
    assert sum(not p.requires_grad for p in model.parameters()) == 1


def test_gradual_unfreezing_by_epoch():
    row = NETWORKS["vgg16"]
    assert [learning_stages(row, None, 0, e) for e in (0, 5)] == [7, 7]
    assert [learning_stages(row, None, 2, e) for e in (0, 1, 2, 3, 4, 40)] == [0, 0, 1, 1, 2, 7]
    assert [learning_stages(row, 2, 1, e) for e in (0, 1, 2, 3)] == [0, 1, 2, 2]


def test_rates_fall_from_stage_to_stage():
    row = NETWORKS["densenet201"]
    with torch.device("meta"):
        from torchvision.models import get_model

        model = get_model(row.name, weights=None, num_classes=2)
    groups = parameter_groups(row, model, TrainSection(layer_rate_decay=0.5, head_rate_factor=10.0))
    factor = {id(p): g["factor"] for g in groups for p in g["params"]}
    expected = {
        "classifier.bias": 10, "features.norm5.weight": 1, "features.denseblock4.denselayer1.conv1.weight": 1,
        "features.transition3.conv.weight": 0.5, "features.denseblock1.denselayer1.conv1.weight": 0.125, "features.conv0.weight": 0.0625,
    }  # fmt: skip
    for name, value in expected.items():
        assert factor[id(model.get_parameter(name))] == value, name
