"""The table against torchvision itself."""

import subprocess
import sys

import pytest
import torch
import torchvision
from pydantic import TypeAdapter, ValidationError
from torchvision.models import get_model_weights, list_models

from hybridcx.deep.architectures import architecture
from hybridcx.deep.measured import forward_bytes_px, training_bytes_px
from hybridcx.errors import InputError
from hybridcx.experiment.file import NetworkName
from hybridcx.vocabulary.networks import IMAGENET_MEAN, IMAGENET_STD, NETWORKS, check_size, network

STUDY = ("vgg16", "vgg19", "resnet101", "densenet201", "alexnet", "mobilenet_v2", "squeezenet1_1")


def test_the_table_is_that_of_the_installed_torchvision():
    """`make_networks.py` writes it; a new torchvision with other networks or files needs it again."""
    assert tuple(NETWORKS)[: len(STUDY)] == STUDY
    assert set(NETWORKS) == set(list_models(module=torchvision.models))


@pytest.mark.parametrize("name", NETWORKS)
def test_row_agrees_with_torchvision(name):
    row = NETWORKS[name]
    members = list(get_model_weights(name))
    weights = next((w for w in members if w.name == "IMAGENET1K_V1"), members[0])
    assert weights.url.endswith("/" + row.weights_file)
    transforms = weights.transforms()
    if row.family == "vit":
        assert row.fixed_size_px == row.min_size_px == transforms.crop_size[0]
    elif row.family != "swin":
        assert weights.meta["min_size"] == (row.min_size_px, row.min_size_px)
    if row.family in ("googlenet", "inception"):  # torchvision rescales their inputs from the one to the other
        assert row.mean == row.std == (0.5, 0.5, 0.5)
    else:
        assert tuple(transforms.mean) == row.mean
        assert tuple(transforms.std) == row.std
    model = architecture(row, 1000, on_meta=True)
    if row.family not in ("googlenet", "inception"):  # torchvision counts the auxiliary heads
        assert weights.meta["num_params"] == row.n_parameters
    assert sum(p.numel() for p in model.parameters()) == row.n_parameters
    layer = model.get_submodule(row.last_layer)
    assert layer.weight.shape[:2] == (1000, row.feature_dim)
    assert (layer.bias is not None) == row.last_bias
    assert isinstance(layer, torch.nn.Conv2d) == row.last_conv
    parametric = [n for n, m in model.named_modules() if list(m.parameters(recurse=False))]
    assert parametric[-1] == row.last_layer
    assert sum(isinstance(m, torch.nn.Dropout) and m.p > 0 for m in model.modules()) == row.n_dropout
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in model.modules()) == row.batch_norm


def test_the_bytes_of_activations_are_the_measured_ones():
    for name in ("resnet50", "vgg16_bn", "swin_t", "googlenet", "resnet101", "vgg19"):
        row = NETWORKS[name]
        model = architecture(row, 1000, on_meta=True)
        assert row.training_bytes_px == pytest.approx(training_bytes_px(model, 224), rel=0.02), name
        assert row.forward_bytes_px == pytest.approx(forward_bytes_px(model, 224), rel=0.02), name


def test_torchvisions_rescaling_is_the_normalisation_of_the_table():
    """GoogLeNet with `transform_input` on ImageNet's normalisation, and ours."""
    torch.manual_seed(0)
    model = architecture(NETWORKS["googlenet"], 2).eval()
    unit = torch.rand(2, 3, 64, 64)
    ours = (unit - 0.5) / 0.5
    mean, std = (torch.tensor(t).view(1, 3, 1, 1) for t in (IMAGENET_MEAN, IMAGENET_STD))
    model.transform_input = True
    torch.testing.assert_close(model._transform_input((unit - mean) / std), ours, rtol=0, atol=1e-5)


def test_known_hashes_begin_with_the_published_prefix_or_are_the_stated_copy():
    copies = {"b5ce7fe7aa5911d813483c987a40ecafa76dbb7e23945a8f0f917319569c80a1"}
    for row in NETWORKS.values():
        assert len(row.sha256_prefix) in (8, 10)
        for known in row.known_sha256:
            assert len(known) == 64
            assert known.startswith(row.sha256_prefix) or known in copies


def test_the_experiment_knows_the_same_networks():
    adapter = TypeAdapter(NetworkName)
    assert adapter.json_schema()["anyOf"][0]["enum"] == list(NETWORKS)
    assert adapter.validate_python("timm:resnet50.a1_in1k") == "timm:resnet50.a1_in1k"
    for wrong in ("resnet110", "timm:", "timm:../x", "timm:a/b", "timm:a.b.c", "TIMM:resnet50"):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)


def test_unknown_name_and_small_image():
    with pytest.raises(InputError, match="Did you mean `resnet101`"):
        network("resnet110")
    with pytest.raises(InputError, match="at least 63 x 63") as error:
        check_size(NETWORKS["alexnet"], 62)
    assert "alexnet" in str(error.value)
    check_size(NETWORKS["alexnet"], 63)
    with pytest.raises(InputError, match="224 x 224 pixels alone"):
        check_size(NETWORKS["vit_b_16"], 256)
    check_size(NETWORKS["vit_b_16"], 224)


def test_the_table_does_not_import_torch():
    code = "import sys, hybridcx.vocabulary.networks; raise SystemExit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
