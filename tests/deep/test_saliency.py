"""Saliency: a planted bright square is found by Grad-CAM and by occlusion, in every network's shape, the same each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hybridcx.deep.features import untrained_state
from hybridcx.deep.finetune import WEIGHTS_NAME, finetune
from hybridcx.deep.model import build
from hybridcx.deep.networks import NETWORKS
from hybridcx.deep.saliency import GRID, LAST_MAP, saliency, tile_edges
from hybridcx.errors import InputError
from hybridcx.experiment import ComputeSection, TrainSection

CPU = ComputeSection(device="cpu", threads=1, training_precision="float32")  # the same networks on every processor
VGGS = ("vgg16", "vgg19")
SIZE, SQUARE = 64, 14


def planted(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noise, and in half of the images a bright square: images, labels, and the upper left corner of each square."""
    rng = np.random.default_rng(seed)
    made = rng.integers(60, 110, (n, SIZE, SIZE, 1), dtype=np.uint8).repeat(3, axis=3)
    y = np.arange(n) % 2
    at = rng.integers(0, SIZE - SQUARE, (n, 2))
    for i in np.flatnonzero(y):
        made[i, at[i, 0] : at[i, 0] + SQUARE, at[i, 1] : at[i, 1] + SQUARE] = 240
    return made, y, at


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three trainings: where a network finds the evidence differs from one to the next, and from processor to processor."""
    images, y, _ = planted(120, 3)
    train = TrainSection(epochs=6, learning_rate=0.002, optimizer="adamw", batch_size=12, validate_every=100)
    folders = [tmp_path_factory.mktemp("planted") for _ in range(3)]
    parts = np.arange(100), np.arange(100, 120)
    for seed, folder in enumerate(folders, 1):
        finetune("squeezenet1_1", images, y, *parts, train, CPU, seed=seed, weights=None, folder=folder)
    return [folder / WEIGHTS_NAME for folder in folders]


def peaks(maps: np.ndarray) -> np.ndarray:
    """(n, 2) row and column of the centre of each map's largest cell, in pixels."""
    n, h, w = maps.shape
    r, c = np.unravel_index(maps.reshape(n, -1).argmax(axis=1), (h, w))
    return np.stack([(r + 0.5) * SIZE / h, (c + 0.5) * SIZE / w], axis=1)


def test_both_maps_find_a_planted_square(trained):
    images, y, at = planted(24, 7)
    own = y == 1
    middle = at[own] + SQUARE / 2
    occlusion, grad_cam, chance = [], [], []
    for weights in trained:
        found = saliency("squeezenet1_1", weights, images[own], CPU)
        assert found.occlusion.shape == (12, GRID, GRID)
        # an occluding tile's centre lies within the square, or half a tile beside it; a cell of Grad-CAM is 21 pixels wide here
        near = np.abs(peaks(found.occlusion) - middle).max(axis=1) <= SQUARE / 2 + SIZE / GRID / 2
        occlusion.append(near.mean())
        side = found.grad_cam.shape[1]
        reach = SQUARE / 2 + SIZE / side / 2
        grad_cam.append((np.abs(peaks(found.grad_cam) - middle).max(axis=1) <= reach).mean())
        centres = (np.indices((side, side)).reshape(2, -1).T + 0.5) * SIZE / side
        chance.append((np.abs(centres[None] - middle[:, None]).max(axis=2) <= reach).mean())
        assert (found.grad_cam >= 0).all()
    assert np.mean(occlusion) >= 0.8
    assert np.mean(grad_cam) >= np.mean(chance) + 0.2


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in VGGS else n for n in NETWORKS])
def test_grad_cam_is_its_definition_in_every_network(name):
    """The plain model with hooks on torchvision's own layer, and the formula by hand."""
    state = untrained_state(name, 0, last_layer_sd=0.1)
    images = np.random.default_rng(3).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    row = NETWORKS[name]
    model = build(row, state)
    layer = {"densenet201": "features.norm5"}.get(name, LAST_MAP[name])
    kept: list[torch.Tensor] = []

    def keep(_module, _inputs, out):
        kept.append(out)
        out.retain_grad()
        return out.clone()

    model.get_submodule(layer).register_forward_hook(keep)
    x = torch.from_numpy(images).permute(0, 3, 1, 2) / 255
    x = (x - torch.tensor(row.mean).view(1, 3, 1, 1)) / torch.tensor(row.std).view(1, 3, 1, 1)
    logits = model(x)
    (logits[:, 1] - logits[:, 0]).sum().backward()
    a, gradient = kept[0].detach(), kept[0].grad
    if (
        name == "densenet201"
    ):  # rectified outside of its modules, then averaged: each map's gradient is its weight over the cells
        weight = state["classifier.weight"]
        a, gradient = torch.relu(a), ((weight[1] - weight[0]) / a[0, 0].numel()).view(1, -1, 1, 1)
    expected = torch.relu((gradient.mean(dim=(2, 3), keepdim=True) * a).sum(dim=1)).numpy()
    found = saliency(name, state, images, CPU, occluded=0)
    assert found.grad_cam.shape[1:] == expected.shape[1:]
    assert found.grad_cam.shape[1] > 1
    np.testing.assert_allclose(found.grad_cam, expected, rtol=1e-3, atol=1e-4 * expected.max())
    assert np.isnan(found.occlusion).all()


def test_occlusion_is_the_difference_that_a_grey_tile_makes(trained):
    from safetensors.torch import load_file

    images, *_ = planted(2, 5)
    found = saliency("squeezenet1_1", trained[0], images, CPU).occlusion
    row = NETWORKS["squeezenet1_1"]
    model = build(row, load_file(trained[0]))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (row.mean, row.std))
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    edges = tile_edges(SIZE)
    covered = x.clone()
    covered[:, :, edges[2] : edges[3], edges[5] : edges[6]] = 0
    with torch.inference_mode():
        d = [(o[:, 1] - o[:, 0]).numpy() for o in (model(x), model(covered))]
    np.testing.assert_allclose(found[:, 2, 5], d[0] - d[1], rtol=1e-3, atol=1e-4)


def test_the_same_bytes_alone_or_among_others_and_from_a_state_or_a_file(trained, tmp_path):
    images, *_ = planted(4, 9)
    whole = saliency("squeezenet1_1", trained[0], images, CPU)
    again = saliency("squeezenet1_1", trained[0], images[[2]], CPU)
    assert whole.grad_cam[[2]].tobytes() == again.grad_cam.tobytes()
    assert whole.occlusion[[2]].tobytes() == again.occlusion.tobytes()
    state = untrained_state("squeezenet1_1", 2)
    save_file(state, tmp_path / "w.safetensors")
    a, b = (saliency("squeezenet1_1", s, images[:1], CPU) for s in (state, tmp_path / "w.safetensors"))
    assert a.occlusion.tobytes() == b.occlusion.tobytes()


def test_tiles_cover_the_image_once_and_bad_input_is_refused():
    assert np.diff(tile_edges(64)).sum() == 64
    assert np.diff(tile_edges(64)).min() == 9
    state = untrained_state("squeezenet1_1", 0)
    with pytest.raises(InputError, match="uint8"):
        saliency("squeezenet1_1", state, np.zeros((1, 64, 64, 3)), CPU)
    with pytest.raises(InputError, match="one pixel a tile"):
        saliency("squeezenet1_1", state, np.zeros((1, 64, 64, 3), np.uint8), CPU, grid=65)
    none = saliency("squeezenet1_1", state, np.zeros((0, 64, 64, 3), np.uint8), CPU)
    assert len(none.grad_cam) == len(none.occlusion) == 0
