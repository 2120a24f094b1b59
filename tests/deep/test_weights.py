"""Weights files: found, hashed, opened only when they are what they should be."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from hybridcx.deep import weights, weights_names
from hybridcx.deep.weights import load_state_dict, locate, verify
from hybridcx.deep.weights_list import default_folder, list_weights
from hybridcx.errors import InputError
from hybridcx.vocabulary.networks import NETWORKS

SHARED = Path(__file__).parents[2] / "../shared/data/weights"
NAME = "squeezenet1_1"


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return get_model(NAME, weights=None).state_dict()


@pytest.fixture(autouse=True)
def _own_default_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRIDCX_WEIGHTS", str(tmp_path / "default"))


def vouch(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(path.name + ".sha256").write_text(f"{digest}  {path.name}\n", encoding="utf-8")


def test_default_folder_follows_the_environment(monkeypatch, tmp_path):
    assert default_folder() == tmp_path / "default"
    monkeypatch.delenv("HYBRIDCX_WEIGHTS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert default_folder() == tmp_path / "hybridcx" / "weights"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert default_folder() == tmp_path / "local" / "hybridcx" / "weights"


def test_absent_says_how_to_bring_them(tmp_path):
    for source in ("imagenet", "folder"):
        with pytest.raises(InputError) as error:
            locate("vgg16", source, tmp_path)
        for part in ("hybridcx weights fetch vgg16", "vgg16-397923af.pth", str(tmp_path), "HYBRIDCX_WEIGHTS"):
            assert part in str(error.value)
    assert locate("vgg16", "none", None) is None
    with pytest.raises(InputError, match="weights_dir"):
        locate("vgg16", "folder", None)


def test_safetensors_are_taken_and_compared(tmp_path, state):
    path = tmp_path / f"{NAME}.safetensors"
    save_file(state, path)
    found = locate(NAME, "folder", tmp_path)
    assert found.path == path
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    loaded = load_state_dict(found, NAME)
    assert all(torch.equal(loaded[k], v) for k, v in state.items())

    half = {k: v.half() for k, v in state.items()}
    save_file(half, path)
    assert all(t.dtype == torch.float32 for t in load_state_dict(path, NAME).values())

    def refused(tensors, *parts):
        save_file(tensors, path)
        with pytest.raises(InputError) as error:
            load_state_dict(path, NAME)
        assert error.value.problems[0].file == str(path)
        for part in parts:
            assert part in str(error.value)

    key = "features.0.weight"
    refused({**state, key: state[key][:, :, :2].contiguous()}, key, "shape")
    refused({k: v for k, v in state.items() if k != key}, key, "missing")
    refused({**state, "extra": torch.zeros(1)}, "extra")
    refused({**state, key: torch.full_like(state[key], float("nan"))}, key, "not finite")
    with pytest.raises(InputError, match="this is not a state dict of MobileNetV2"):
        load_state_dict(path, "mobilenet_v2")
    path.write_bytes(b"<html>no</html>")
    with pytest.raises(InputError, match="cannot be read"):
        load_state_dict(path, NAME)


def test_a_pth_needs_a_hash(tmp_path, state, monkeypatch):
    path = tmp_path / f"{NAME}.pth"
    torch.save(state, path)
    with pytest.raises(InputError, match="not the published one"):
        locate(NAME, "folder", tmp_path)
    with pytest.raises(InputError, match="not the published one"):
        load_state_dict(path, NAME)
    vouch(path)
    assert "vouches" in locate(NAME, "folder", tmp_path).origin
    assert torch.equal(load_state_dict(path, NAME)["features.0.bias"], state["features.0.bias"])
    with path.open("ab") as file:
        file.write(b"x")
    with pytest.raises(InputError, match=r"is not the one in squeezenet1_1\.pth\.sha256"):
        locate(NAME, "folder", tmp_path)

    # torchvision's own name with torchvision's own hash, and with another
    prefix = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    row = replace(NETWORKS[NAME], weights_file=f"{NAME}-{prefix}.pth")
    monkeypatch.setattr(weights, "network", lambda _: row)
    published = path.rename(tmp_path / row.weights_file)
    assert "publishes" in locate(NAME, "imagenet", tmp_path).origin
    published.write_bytes(b"<!DOCTYPE html><html>blocked by policy</html>")
    with pytest.raises(InputError, match="web page"):
        locate(NAME, "imagenet", tmp_path)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (canary,))

    path = tmp_path / f"{NAME}.pth"
    for write in (lambda: torch.save({"a": Evil()}, path), lambda: path.write_bytes(pickle.dumps(Evil()))):
        write()
        vouch(path)  # even a file that the user vouches for
        with pytest.raises(InputError, match="run code"):
            load_state_dict(path, NAME)
        assert not canary.exists()
    torch.save([1, 2], path)
    vouch(path)
    with pytest.raises(InputError, match="no state dict"):
        load_state_dict(path, NAME)
    path.write_bytes(b"")
    vouch(path)
    with pytest.raises(InputError, match=r"cannot be read"):
        load_state_dict(path, NAME)


def test_densenets_names_of_2017_are_understood():
    old = "features.denseblock1.denselayer12.norm.1.running_mean"
    assert weights_names._present_name(old) == "features.denseblock1.denselayer12.norm1.running_mean"
    assert weights_names._present_name("features.denseblock1.denselayer12.conv.2.weight").endswith(
        "denselayer12.conv2.weight"
    )
    assert weights_names._present_name("features.norm5.weight") == "features.norm5.weight"
    expected = weights.expected_shapes("densenet201")
    given = {name: torch.zeros(shape) for name, shape in expected.items() if not name.endswith("num_batches_tracked")}
    loaded = weights._checked(NETWORKS["densenet201"], given, Path("x.pth"))
    assert loaded.keys() == expected.keys()


def test_list_and_verify(tmp_path, state):
    save_file(state, tmp_path / f"{NAME}.safetensors")
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"<html>")
    listed = {s.network: s for s in list_weights(tmp_path)}
    assert list(listed) == list(NETWORKS)
    assert (listed[NAME].status, listed["vgg16"].status, listed["vgg19"].status) == ("present", "present", "absent")
    assert listed["vgg16"].size_bytes == 6
    checked = {s.network: s for s in verify(tmp_path)}
    assert (checked[NAME].status, checked["vgg16"].status) == ("ok", "refused")
    assert "web page" in checked["vgg16"].message
    assert "fetch vgg19" in checked["vgg19"].message


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/weights is not beside the checkout")
@pytest.mark.parametrize(("image", "index", "probability"), [("chelsea.png", 282, 0.39), ("coffee.png", 967, 0.97)])
def test_real_squeezenet_sees_a_tiger_cat_and_an_espresso(image, index, probability):
    from PIL import Image
    from torchvision.models import get_model_weights

    found = locate(NAME, "folder", SHARED)
    assert found.path.name == "squeezenet1_1.pth"
    model = get_model(NAME, weights=None)
    model.load_state_dict(load_state_dict(found, NAME))
    x = get_model_weights(NAME)["IMAGENET1K_V1"].transforms()(Image.open(SHARED / image).convert("RGB"))
    with torch.inference_mode():
        p = model.eval()(x[None]).softmax(1)[0]
    assert int(p.argmax()) == index
    assert float(p[index]) == pytest.approx(probability, abs=0.01)


# Names that other programs save


def saved(folder, content):
    path = folder / f"{NAME}.pth"
    torch.save(content, path)
    vouch(path)
    return path


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.", "module.backbone.", "net.encoder."])
@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_prefixes_and_checkpoints_are_read_and_reported(tmp_path, state, prefix, key):
    named = {prefix + k: v for k, v in state.items()}
    saved(tmp_path, named if key is None else {"epoch": 3, key: named, "optimizer": {"state": {}, "lr": 0.1}})
    found = locate(NAME, "folder", tmp_path)
    assert f'all names begin with "{prefix}", which is left out' in found.origin
    loaded = load_state_dict(found, NAME)
    assert all(torch.equal(loaded[k], v) for k, v in state.items())


def test_a_prefix_is_named_where_other_tensors_are_wrong(tmp_path, state):
    path = tmp_path / f"{NAME}.safetensors"
    save_file({"module.features.0.weight": state["features.0.weight"].clone(), "module.other": torch.zeros(2)}, path)
    with pytest.raises(InputError) as error:
        load_state_dict(path, NAME)
    assert "the tensor features.0.bias is missing" in str(error.value)
    save_file({f"module.{k}": v for k, v in list(state.items())[:20]}, path)
    with pytest.raises(InputError) as error:
        load_state_dict(path, NAME)
    assert 'all names begin with "module."' in str(error.value.problems[0])


def test_a_checkpoint_without_a_state_dict_is_refused_with_its_entries(tmp_path):
    path = saved(tmp_path, {"epoch": 3, "history": [0.1]})
    with pytest.raises(InputError, match="its entries are epoch, history"):
        load_state_dict(path, NAME)


def test_two_tensors_of_one_name_are_not_guessed(tmp_path, state):
    path = tmp_path / f"{NAME}.safetensors"
    twice = {k: v.clone() for k, v in state.items()} | {f"model.{k}": v.clone() for k, v in list(state.items())[:5]}
    save_file(twice, path)
    with pytest.raises(InputError, match="has no tensor model"):
        load_state_dict(path, NAME)


def test_timm_names_of_mobilenet_are_torchvision_s(tmp_path):
    """Names and shapes of timm 1.0's mobilenetv2_100, by hand: one block of each kind, stem, head and classifier."""
    names = {
        "conv_stem.weight": "features.0.0.weight", "bn1.bias": "features.0.1.bias", "blocks.0.0.conv_dw.weight": "features.1.conv.0.0.weight",
        "blocks.0.0.bn1.running_var": "features.1.conv.0.1.running_var", "blocks.0.0.conv_pw.weight": "features.1.conv.1.weight",
        "blocks.0.0.bn2.weight": "features.1.conv.2.weight", "blocks.1.0.conv_pw.weight": "features.2.conv.0.0.weight",
        "blocks.1.1.conv_dw.weight": "features.3.conv.1.0.weight", "blocks.2.2.bn2.bias": "features.6.conv.1.1.bias",
        "blocks.3.3.conv_pwl.weight": "features.10.conv.2.weight", "blocks.4.2.bn3.weight": "features.13.conv.3.weight",
        "blocks.5.0.bn1.weight": "features.14.conv.0.1.weight", "blocks.6.0.conv_pwl.weight": "features.17.conv.2.weight",
        "conv_head.weight": "features.18.0.weight", "bn2.weight": "features.18.1.weight", "classifier.bias": "classifier.1.bias",
    }  # fmt: skip
    expected = weights.expected_shapes("mobilenet_v2")
    renamed, note = weights_names.torchvision_names([*names], expected, "mobilenet")
    assert renamed == names
    assert "16 names are those of timm" in note
    renamed, note = weights_names.torchvision_names([f"module.{n}" for n in names], expected, "mobilenet")
    assert list(renamed.values()) == list(names.values())
    assert 'begin with "module."' in note


def test_timm_names_of_vgg_and_its_convolutions_are_torchvision_s(tmp_path):
    network = NETWORKS["vgg16"]
    shapes = dict(weights.expected_shapes("vgg16"))
    timm = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    loaded = {}
    for name, shape in shapes.items():
        module, _, tensor = name.rpartition(".")
        shape = {"classifier.0.weight": (4096, 512, 7, 7), "classifier.3.weight": (4096, 4096, 1, 1)}.get(name, shape)
        loaded[f"{timm.get(module, module)}.{tensor}"] = torch.zeros(1).expand(shape)
    state = weights._checked(network, loaded, tmp_path / "vgg16.pth")
    assert {k: tuple(v.shape) for k, v in state.items()} == shapes
