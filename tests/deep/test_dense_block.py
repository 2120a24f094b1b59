"""The dense blocks compute what torchvision's do, to the bit, forward and backward."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import DenseNet, densenet201, resnet18

from hybridcx.deep.dense_block import DenseBlock, join_dense_blocks


@pytest.fixture
def pair() -> tuple[DenseNet, DenseNet]:
    """A small DenseNet as torchvision computes it and with joined blocks, the same weights."""
    torch.manual_seed(0)
    theirs = DenseNet(growth_rate=8, block_config=(3, 4, 5), num_init_features=16, num_classes=2)
    theirs.to(memory_format=torch.channels_last)
    ours = copy.deepcopy(theirs)
    assert join_dense_blocks(ours) == 3
    return theirs, ours


def trained(model: nn.Module, dtype: torch.dtype) -> dict[str, Tensor]:
    """Logits, gradients and running statistics of one step in training mode, then logits in evaluation mode."""
    x = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)).contiguous(
        memory_format=torch.channels_last
    )
    model.train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
        logits = model(x)
    nn.functional.cross_entropy(logits.float(), torch.tensor([0, 1, 1, 0])).backward()
    found = {
        "logits": logits.detach(),
        **{f"gradient.{n}": p.grad for n, p in model.named_parameters() if p.grad is not None},
    }
    with torch.no_grad():
        found["evaluated"] = model.eval()(x)
    return {**found, **model.state_dict()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_same_bits_as_torchvision(pair: tuple[DenseNet, DenseNet], dtype: torch.dtype) -> None:
    theirs, ours = (trained(m, dtype) for m in pair)
    assert theirs.keys() == ours.keys()
    assert len([k for k in ours if k.startswith("gradient.")]) == len(list(pair[0].parameters()))
    assert [k for k in ours if not torch.equal(theirs[k], ours[k])] == []


def test_names_and_order_of_the_state(pair: tuple[DenseNet, DenseNet]) -> None:
    theirs, ours = pair
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert sum(isinstance(m, DenseBlock) for m in ours.modules()) == 3


def test_other_networks_stay_as_they_are() -> None:
    assert join_dense_blocks(resnet18()) == 0


@pytest.mark.parametrize("options", [{"drop_rate": 0.1}, {"memory_efficient": True}])
def test_dropout_and_recomputation_are_refused(options: dict[str, float]) -> None:
    with torch.device("meta"):
        model = densenet201(num_classes=2, **options)
    with pytest.raises(ValueError, match="dropout or recomputation"):
        join_dense_blocks(model)
