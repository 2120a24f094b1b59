"""Weights of the user's own: files that other programs saved, read as this network's, with the normalisation that belongs to them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model

from hybridcx.deep import weights
from hybridcx.deep.features import extract, initial_state
from hybridcx.deep.weights import expected_shapes, load_state_dict, locate, locate_own
from hybridcx.deep.weights_list import hub_cache, list_weights
from hybridcx.errors import InputError
from hybridcx.experiment.file import ComputeSection, parse_experiment
from hybridcx.pipeline.training import network_of
from hybridcx.vocabulary.networks import NETWORKS, network, normalised_by

CPU = ComputeSection(device="cpu", threads=1)


def state_of(name: str) -> dict[str, torch.Tensor]:
    """A state dict of torchvision with ImageNet's thousand classes."""
    torch.manual_seed(3)
    more = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    return dict(get_model(name, weights=None, **more).state_dict())


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.equal(found[k].float(), v.float()) for k, v in expected.items()
    )


def saved(tmp_path, content: object, name: str = "own.pth"):
    torch.save(content, tmp_path / name)
    return tmp_path / name


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "encoder.", "model.", "module.encoder."])
@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_prefixes_and_checkpoints(tmp_path, prefix, key):
    state = state_of("resnet18")
    content = {f"{prefix}{k}": v for k, v in state.items()}
    path = saved(tmp_path, content if key is None else {"epoch": 3, key: content})
    file = locate_own("resnet18", path, None)
    assert same(load_state_dict(file, "resnet18"), state)
    assert prefix in file.origin
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_radimagenets_export_is_a_sequence_of_resnets_children(tmp_path):
    state = state_of("resnet50")
    torch.manual_seed(3)
    model = get_model("resnet50", weights=None)
    model.load_state_dict(state)

    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = nn.Sequential(*list(model.children())[:-1])

    exported = Backbone().state_dict()
    assert {"backbone.0.weight", "backbone.4.0.conv1.weight", "backbone.1.running_mean"} <= exported.keys()
    file = locate_own("resnet50", saved(tmp_path, exported), None)
    assert "numbers of the network's children" in file.origin
    without_head = {k: v for k, v in state.items() if not k.startswith("fc.")}
    assert same(load_state_dict(file, "resnet50"), without_head)
    begun = initial_state("resnet50", 0, file)
    assert begun["fc.weight"].shape == (2, 2048)
    assert torch.equal(begun["layer3.5.conv3.weight"], state["layer3.5.conv3.weight"])


def test_radimagenets_densenet_too(tmp_path):
    state = state_of("densenet121")
    exported = {k.replace("features.", "backbone.0.", 1): v for k, v in state.items() if k.startswith("features.")}
    found = load_state_dict(locate_own("densenet121", saved(tmp_path, exported), None), "densenet121")
    assert same(found, {k: v for k, v in state.items() if k.startswith("features.")})


def test_a_stem_of_one_channel_gives_a_grey_image_what_it_gave(tmp_path):
    """TorchXRayVision's form: one channel, 18 outputs, operating points beside the network, images from -1024 to 1024."""
    torch.manual_seed(0)
    theirs = get_model("densenet121", weights=None, num_classes=18)
    theirs.features.conv0 = nn.Conv2d(1, 64, 7, stride=2, padding=3, bias=False)
    for m in theirs.modules():  # running statistics near those of such images, as after training
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = None
    grey = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    x = torch.from_numpy((2 * (grey / 255) - 1) * 1024).float()[:, None]
    theirs.train()
    with torch.no_grad():
        theirs(x)
    theirs.eval()
    with torch.inference_mode():
        expected = nn.functional.adaptive_avg_pool2d(torch.relu(theirs.features(x)), 1).flatten(1).numpy()
    path = saved(tmp_path, {**theirs.state_dict(), "op_threshs": torch.zeros(18)})
    file = locate_own("densenet121", path, None)
    assert "one channel" in file.origin
    assert "op_threshs" in file.origin
    state = initial_state("densenet121", 0, file)
    assert state["features.conv0.weight"].shape == (64, 3, 7, 7)
    assert state["classifier.weight"].shape == (2, 1024)
    row = normalised_by(network("densenet121"), [0.5] * 3, [1 / 2048] * 3)
    images = np.repeat(grey[..., None], 3, axis=3)
    found = extract(row, state, images, CPU, trained_head=False)
    np.testing.assert_allclose(found.features, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    other = extract(
        "densenet121", state, images, CPU, trained_head=False
    )  # ImageNet's normalisation is another function
    assert np.abs(other.features - expected).max() > 0.01 * np.abs(expected).max()


def test_what_a_file_is_refused_for(tmp_path):
    path = tmp_path / "own.pth"
    with pytest.raises(InputError, match="not there"):
        locate_own("resnet18", path, None)
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        locate_own("resnet18", tmp_path / "own.h5", None)
    saved(tmp_path, state_of("resnet18"))
    with pytest.raises(InputError, match=r"SHA-256 is not networks\.file\.resnet18\.sha256"):
        locate_own("resnet18", path, "0" * 64)
    found = locate_own("resnet18", path, hashlib.sha256(path.read_bytes()).hexdigest().upper())
    assert "with the SHA-256" in found.origin
    saved(tmp_path, nn.Linear(2, 2))  # a whole model is a pickle that could run code
    with pytest.raises(InputError, match="could run code") as error:
        load_state_dict(locate_own("resnet18", path, None), "resnet18")
    assert "networks.file.resnet18" in str(error.value)


def test_what_does_not_fit_is_named_with_the_nearest_tensor(tmp_path):
    state = {k.replace("layer4.", "stage4."): v for k, v in state_of("resnet18").items()}
    path = saved(tmp_path, state)
    messages = []
    for _ in range(2):
        with pytest.raises(InputError) as error:
            load_state_dict(locate_own("resnet18", path, None), "resnet18")
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert "layer4.0.conv1.weight is missing; the file has stage4.0.conv1.weight (512, 256, 3, 3)" in messages[0]
    assert len(error.value.problems) == weights.SHOWN + 1
    assert error.value.problems[0].rule.startswith("this is not a state dict of ResNet-18: ")


def test_the_auxiliary_heads_of_googlenet_are_left_out(tmp_path):
    state = state_of("googlenet")
    assert any(k.startswith("aux1.") for k in state)
    file = locate_own("googlenet", saved(tmp_path, state), None)
    assert "left out" in file.origin
    assert set(load_state_dict(file, "googlenet")) == {k for k in state if not k.startswith("aux")}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("resnet18", "resnet18"),
        pytest.param("densenet121", "densenet121", marks=pytest.mark.slow),
        pytest.param("vgg11_bn", "vgg11_bn", marks=pytest.mark.slow),
        ("mobilenet_v2", "mobilenetv2_100"),
    ],
)
def test_timms_names_of_networks_that_both_have(tmp_path, name, theirs):
    """The features of timm's own model, from its file read as torchvision's network."""
    timm = pytest.importorskip("timm")
    torch.manual_seed(1)
    model = timm.create_model(theirs, pretrained=False).eval()
    x = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        expected = model.forward_head(model.forward_features(x), pre_logits=True).numpy()
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "timm.safetensors")
    state = initial_state(name, 0, locate_own(name, tmp_path / "timm.safetensors", None))
    from hybridcx.deep.model import build, last_layer

    ours, seen = build(network(name), state, channels_last=False), []
    last_layer(network(name), ours).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        ours(x)
    np.testing.assert_allclose(seen[0].numpy(), expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("efficientnet_b0", "efficientnet_b0"),
        ("convnext_tiny", "convnext_tiny"),
        ("vit_b_32", "vit_base_patch32_224"),
        ("swin_t", "swin_tiny_patch4_window7_224"),
    ],
)
def test_other_files_of_timm_are_sent_to_timms_network(tmp_path, name, theirs):
    timm = pytest.importorskip("timm")
    model = timm.create_model(theirs, pretrained=False)
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "timm.safetensors")
    with pytest.raises(InputError, match="timm:NAME"):
        load_state_dict(locate_own(name, tmp_path / "timm.safetensors", None), name)
    own = load_state_dict(locate_own(f"timm:{theirs}", tmp_path / "timm.safetensors", None), f"timm:{theirs}")
    assert same(own, dict(model.state_dict()))


def test_torchs_own_cache_is_searched_last(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path / "ours"))
    assert hub_cache() == tmp_path / "torch" / "hub" / "checkpoints"
    hub_cache().mkdir(parents=True)
    name = "squeezenet1_1"
    torch.save(state_of(name), tmp_path / "w.pth")
    sha256 = hashlib.sha256((tmp_path / "w.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(
        "hybridcx.vocabulary.networks.NETWORKS",
        {
            name: normalised_by(NETWORKS[name], None, None).__class__(
                **{**fields(NETWORKS[name]), "weights_file": f"{name}-{sha256[:8]}.pth"}
            )
        },
    )
    target = hub_cache() / f"{name}-{sha256[:8]}.pth"
    target.write_bytes((tmp_path / "w.pth").read_bytes())
    found = locate(name, "imagenet", None)
    assert found.path == target
    assert "publishes" in found.origin
    with pytest.raises(InputError, match="not here"):
        locate(name, "folder", tmp_path)


def fields(row) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__slots__}


def test_the_list_of_weights_shows_torchs_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path / "ours"))
    hub_cache().mkdir(parents=True)
    (hub_cache() / NETWORKS["resnet50"].weights_file).write_bytes(b"x")
    states = {s.network: s for s in list_weights()}
    assert states["resnet50"].status == "present"
    assert "torch's cache" in states["resnet50"].message
    assert states["resnet18"].status == "absent"


EXPERIMENT = """
name = "own"
[cohort.phantom]
[networks]
names = ["resnet18", "timm:resnet50.a1_in1k"]
weights = "file"
[networks.file.resnet18]
path = "a.pth"
mean = [0.5, 0.5, 0.5]
std = [0.25, 0.25, 0.25]
[networks.file."timm:resnet50.a1_in1k"]
path = "b.safetensors"
"""


def test_the_experiment_file():
    experiment = parse_experiment(EXPERIMENT)
    row = network_of(experiment, "resnet18")
    assert (row.mean, row.std) == ((0.5,) * 3, (0.25,) * 3)
    assert network_of(experiment.model_validate(experiment.model_dump(mode="json")), "resnet18") == row
    for old, new, message in (
        ('path = "b.safetensors"', 'path = "b.safetensors"\nstd = [1.0, 0.0, 1.0]', "above 0"),
        ("mean = [0.5, 0.5, 0.5]", "mean = [0.5]", "at least"),
        ('weights = "file"', 'weights = "none"', "belong together"),
        ('[networks.file.resnet18]\npath = "a.pth"', '[networks.file.resnet34]\npath = "a.pth"', "resnet18"),
        ('names = ["resnet18", ', "names = [", "belongs to no network"),
        ("resnet18", "resnet19", "did you mean"),
    ):
        with pytest.raises(InputError, match=message):
            parse_experiment(EXPERIMENT.replace(old, new))


def test_expected_shapes_leave_no_auxiliary_head():
    assert not any("aux" in k.lower() for k in (*expected_shapes("googlenet"), *expected_shapes("inception_v3")))
