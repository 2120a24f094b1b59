"""Penultimate features: the network's own softmax is one more head on them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from studied import STUDIED
from torchvision.models import get_model

from hybridcx.deep import features
from hybridcx.deep.features import extract, initial_state, softmax_positive, untrained_state
from hybridcx.deep.model import build
from hybridcx.errors import InputError
from hybridcx.experiment.file import ComputeSection
from hybridcx.vocabulary.networks import NETWORKS

CPU = ComputeSection(device="cpu", threads=1)
VGGS = ("vgg16", "vgg19")


def images(n=5, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in VGGS else n for n in STUDIED])
def test_last_layer_on_penultimate_features_gives_the_logits(name):
    row = NETWORKS[name]
    state = untrained_state(name, 0, last_layer_sd=0.1)  # logits far from the bias alone
    found = extract(name, state, images(3), CPU, batch_size=2)
    assert found.features.shape == (3, row.feature_dim)
    assert found.features.dtype == np.float32
    weight = state[f"{row.last_layer}.weight"].double().numpy().reshape(2, -1)
    bias = state[f"{row.last_layer}.bias"].double().numpy()
    expected = found.features.astype(np.float64) @ weight.T + bias
    # Untrained and in evaluation mode MobileNetV2's features are as small as 1e-9; what counts is that they decide the logits.
    assert np.ptp(found.logits, axis=1).max() > 0.1 * np.abs(found.logits).max()
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    # Evaluation mode: a second pass, through the plain model, gives the same
    x = torch.from_numpy(images(3)).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(row.mean).view(1, 3, 1, 1)) / torch.tensor(row.std).view(1, 3, 1, 1)
    with torch.inference_mode():
        plain = build(row, state)(x).double().numpy()
    np.testing.assert_allclose(found.logits, plain, rtol=1e-3, atol=1e-4 * np.abs(plain).max())
    if name in (*VGGS, "alexnet"):
        assert found.features.min() == 0 < found.features.max()  # after the ReLU


def test_features_depend_neither_on_neighbours_nor_on_their_number():
    state = untrained_state("mobilenet_v2", 0)
    batch = images(11, 32)
    whole = extract("mobilenet_v2", state, batch, CPU, batch_size=4)
    order = np.random.default_rng(1).permutation(11)
    shuffled = extract("mobilenet_v2", state, batch[order], CPU, batch_size=4)
    assert np.array_equal(shuffled.features, whole.features[order])
    assert np.array_equal(shuffled.logits, whole.logits[order])
    few = extract("mobilenet_v2", state, batch[:2], CPU, batch_size=4)
    assert np.array_equal(few.features, whole.features[:2])


def test_a_file_a_state_and_a_memory_map_give_the_same(tmp_path):
    state = untrained_state("squeezenet1_1", 3)
    save_file(state, tmp_path / "w.safetensors")
    np.save(tmp_path / "images.npy", images(3, 32))
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    seen = []
    one = extract("squeezenet1_1", state, images(3, 32), CPU, batch_size=2)
    two = extract(
        "squeezenet1_1",
        tmp_path / "w.safetensors",
        mapped,
        CPU,
        batch_size=2,
        on_progress=lambda d, n: seen.append((d, n)),
    )
    assert np.array_equal(one.features, two.features)
    assert np.array_equal(one.logits, two.logits)
    assert seen == [(2, 3), (3, 3)]
    extract("squeezenet1_1", state, mapped, CPU, batch_size=2, features_file=tmp_path / "pieces.npy")
    np.save(tmp_path / "whole.npy", one.features)
    assert (tmp_path / "pieces.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert extract("squeezenet1_1", state, mapped, CPU, trained_head=False).logits is None
    assert extract("squeezenet1_1", state, mapped[:0], CPU).features.shape == (0, 512)


def test_initial_states_come_from_named_streams():
    torch.manual_seed(1)
    one = untrained_state("squeezenet1_1", 5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    two = untrained_state("squeezenet1_1", 5)
    assert torch.equal(torch.get_rng_state(), before)  # the caller's stream is left alone
    other = untrained_state("squeezenet1_1", 6)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not torch.equal(one["features.0.weight"], other["features.0.weight"])
    wide = untrained_state("squeezenet1_1", 5, last_layer_sd=0.5)
    assert torch.equal(wide["features.0.weight"], one["features.0.weight"])
    assert float(wide["classifier.1.weight"].std()) == pytest.approx(0.5, rel=0.1)
    assert float(wide["classifier.1.bias"].abs().max()) == 0


def test_a_pretrained_state_keeps_the_backbone_and_gets_a_new_last_layer():
    torch.manual_seed(0)
    imagenet = get_model("mobilenet_v2", weights=None).state_dict()
    state = initial_state("mobilenet_v2", 0, imagenet)
    assert state["classifier.1.weight"].shape == (2, 1280)
    assert all(torch.equal(state[k], v) for k, v in imagenet.items() if not k.startswith("classifier"))
    assert torch.equal(state["classifier.1.weight"], untrained_state("mobilenet_v2", 0)["classifier.1.weight"])
    fine_tuned = initial_state("mobilenet_v2", 9, state)
    assert torch.equal(fine_tuned["classifier.1.weight"], state["classifier.1.weight"])


def test_squeezenets_logits_can_be_negative():
    state = untrained_state("squeezenet1_1", 0, last_layer_sd=0.5)
    logits = extract("squeezenet1_1", state, images(4, 32), CPU).logits
    assert logits.min() < 0


def test_softmax_positive():
    logits = np.array([[0.0, 0.0], [1.0, 3.0], [-800.0, 800.0], [800.0, -800.0], [1e300, 1e300]])
    expected = [0.5, 1 / (1 + np.exp(-2.0)), 1.0, 0.0, 0.5]
    np.testing.assert_allclose(softmax_positive(logits), expected, rtol=1e-15)
    assert softmax_positive(logits[:4].astype(np.float32)).dtype == np.float64


def test_what_is_refused(tmp_path):
    state = untrained_state("squeezenet1_1", 0)
    with pytest.raises(InputError, match="uint8"):
        extract("squeezenet1_1", state, images().astype(np.float32), CPU)
    with pytest.raises(InputError, match="at least 17"):
        extract("squeezenet1_1", state, images(2, 16), CPU)
    with pytest.raises(InputError, match="not weights of MobileNetV2"):
        extract("mobilenet_v2", state, images(), CPU)
    with pytest.raises(InputError, match="not there"):
        extract("squeezenet1_1", tmp_path / "absent.safetensors", images(), CPU)
    (tmp_path / "page.safetensors").write_text("<html>", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        extract("squeezenet1_1", tmp_path / "page.safetensors", images(), CPU)


@pytest.mark.shared
@pytest.mark.skipif(
    not (Path(__file__).parents[2] / "../shared/data/weights").is_dir(),
    reason="../shared/data/weights is not beside the checkout",
)
def test_real_weights_reach_the_features():
    from hybridcx.deep.weights import locate

    file = locate("squeezenet1_1", "folder", Path(__file__).parents[2] / "../shared/data/weights")
    state = features.initial_state("squeezenet1_1", 0, file)
    found = extract("squeezenet1_1", state, images(2), CPU, trained_head=False)
    assert found.logits is None
    assert np.ptp(found.features[0]) > 0.1
