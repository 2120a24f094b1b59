"""The table against torchvision itself."""

import subprocess
import sys

import pytest
import torch
from torchvision.models import get_model, get_model_weights

from hybridcx.errors import InputError
from hybridcx.experiment.file import NetworkName
from hybridcx.vocabulary.networks import IMAGENET_MEAN, NETWORKS, check_size, network


@pytest.mark.parametrize("name", NETWORKS)
def test_row_agrees_with_torchvision(name):
    row = NETWORKS[name]
    weights = get_model_weights(name)["IMAGENET1K_V1"]
    assert weights.url.endswith("/" + row.weights_file)
    assert weights.meta["num_params"] == row.n_parameters
    assert weights.meta["min_size"] == (row.min_size_px, row.min_size_px)
    assert tuple(weights.transforms().mean) == row.mean == IMAGENET_MEAN
    assert tuple(weights.transforms().std) == row.std
    with torch.device("meta"):
        model = get_model(name, weights=None)
    layer = model.get_submodule(row.last_layer)
    assert layer.weight.shape[:2] == (1000, row.feature_dim)
    parametric = [n for n, m in model.named_modules() if list(m.parameters(recurse=False))]
    assert parametric[-1] == row.last_layer
    assert sum(isinstance(m, torch.nn.Dropout) for m in model.modules()) == row.n_dropout
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()) == row.batch_norm


def test_known_hashes_begin_with_the_published_prefix_or_are_the_stated_copy():
    copies = {"b5ce7fe7aa5911d813483c987a40ecafa76dbb7e23945a8f0f917319569c80a1"}
    for row in NETWORKS.values():
        assert len(row.sha256_prefix) == 8
        for known in row.known_sha256:
            assert len(known) == 64
            assert known.startswith(row.sha256_prefix) or known in copies


def test_the_experiment_knows_the_same_networks():
    assert NetworkName.__args__ == tuple(NETWORKS)


def test_unknown_name_and_small_image():
    with pytest.raises(InputError, match="Did you mean `resnet101`"):
        network("resnet110")
    with pytest.raises(InputError, match="at least 63 x 63") as error:
        check_size(NETWORKS["alexnet"], 62)
    assert "alexnet" in str(error.value)
    check_size(NETWORKS["alexnet"], 63)


def test_the_table_does_not_import_torch():
    code = "import sys, hybridcx.vocabulary.networks; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
