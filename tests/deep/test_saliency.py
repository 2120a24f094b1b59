"""Saliency: a planted bright square is found by Grad-CAM and by occlusion, in every network's shape, the same each time."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from constructed import NAME, Constructed
from safetensors.torch import save_file
from studied import STUDIED

from hybridcx.deep.features import untrained_state
from hybridcx.deep.model import build
from hybridcx.deep.saliency import GRID, saliency, tile_edges
from hybridcx.errors import InputError
from hybridcx.experiment.file import ComputeSection
from hybridcx.vocabulary.networks import NETWORKS

CPU = ComputeSection(device="cpu", threads=1)
VGGS = ("vgg16", "vgg19")
SIZE = 64
NETWORK = Constructed()
# Rows and columns of centres: each lies in one cell alone of the last map (3 x 3) and in the middle of one tile alone of the occlusion (7 x 7).
CENTRES, CELLS, TILES = (13, 31, 51), (0, 1, 2), (1, 3, 5)
PLACES = [(r, c) for r in range(3) for c in range(3)]
# Places of a bright square and of a dark one.
PAIRS = [(place, PLACES[(i + step) % 9]) for i, place in enumerate(PLACES) for step in (1, 4)]
RANDOM = untrained_state(NAME, 0, last_layer_sd=1.0)  # random weights, with a last layer that makes differences large


def planted(pairs: list[tuple[tuple[int, int], tuple[int, int]]]) -> np.ndarray:
    """Noise with a bright square and a dark one, whose middle is the brightest and the darkest pixel: 7 pixels wide, in one tile each."""
    images = np.random.default_rng(3).integers(60, 110, (len(pairs), SIZE, SIZE, 1), dtype=np.uint8).repeat(3, axis=3)
    distance = np.abs(np.indices((7, 7)) - 3).max(axis=0)[..., None]
    for image, places in zip(images, pairs, strict=True):
        for (r, c), square in zip(places, (240 - 20 * distance, 10 * distance), strict=True):
            image[CENTRES[r] - 3 : CENTRES[r] + 4, CENTRES[c] - 3 : CENTRES[c] + 4] = square
    return images


def test_both_maps_find_a_planted_square_and_not_the_one_that_speaks_against_the_class():
    """Of a network whose weights are set by hand, so that where the evidence lies is known."""
    images = planted(PAIRS)
    maps = saliency(NAME, NETWORK.state(), images, CPU)
    assert maps.occlusion.shape == (len(PAIRS), GRID, GRID)
    bright, dark = NETWORK.last_maps(images)
    # the gradient of the average is 1 / 9 in each cell
    expected = np.maximum(NETWORK.weight * bright - NETWORK.dark_weight * dark, 0) / 9
    np.testing.assert_allclose(maps.grad_cam, expected, rtol=0, atol=1e-5)
    whole, grey = NETWORK.log_odds(images), 255 * np.mean(NETWORKS[NAME].mean)
    taken = np.zeros_like(maps.occlusion)
    for r, rows in enumerate(itertools.pairwise(tile_edges(SIZE))):
        for c, columns in enumerate(itertools.pairwise(tile_edges(SIZE))):
            covered = images.astype(np.float64)
            covered[:, slice(*rows), slice(*columns)] = grey
            taken[:, r, c] = whole - NETWORK.log_odds(covered)
    np.testing.assert_allclose(maps.occlusion, taken, rtol=0, atol=1e-5)
    for (at, against), cam, occlusion in zip(PAIRS, maps.grad_cam, maps.occlusion, strict=True):
        assert np.unravel_index(cam.argmax(), cam.shape) == (CELLS[at[0]], CELLS[at[1]])
        assert cam[CELLS[against[0]], CELLS[against[1]]] == 0
        assert np.unravel_index(occlusion.argmax(), occlusion.shape) == (TILES[at[0]], TILES[at[1]])
        assert np.unravel_index(occlusion.argmin(), occlusion.shape) == (TILES[against[0]], TILES[against[1]])
        others = np.delete(occlusion.ravel(), [occlusion.argmax(), occlusion.argmin()])
        assert np.abs(others).max() < 1e-5 < 0.01 < min(occlusion.max(), -occlusion.min())
        runner_up = np.sort(cam.ravel())[-2]
        assert cam.max() > runner_up + 0.01


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in VGGS else n for n in STUDIED])
def test_grad_cam_is_its_definition_in_every_network(name):
    """The plain model with hooks on torchvision's own layer, and the formula by hand."""
    state = untrained_state(name, 0, last_layer_sd=0.1)
    images = np.random.default_rng(3).integers(0, 256, (2, SIZE, SIZE, 3), dtype=np.uint8)
    row = NETWORKS[name]
    model = build(row, state)
    layer = {"densenet201": "features.norm5"}.get(name, row.last_map)
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


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (n, SIZE, SIZE, 3), dtype=np.uint8)


def test_occlusion_is_the_difference_that_a_grey_tile_makes():
    images = noise(2)
    occlusion = saliency(NAME, RANDOM, images, CPU).occlusion
    row = NETWORKS[NAME]
    model = build(row, RANDOM)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (row.mean, row.std))
    x = (torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std
    edges = tile_edges(SIZE)
    covered = x.clone()
    covered[:, :, edges[2] : edges[3], edges[5] : edges[6]] = 0
    with torch.inference_mode():
        d = [(o[:, 1] - o[:, 0]).numpy() for o in (model(x), model(covered))]
    assert np.abs(d[0] - d[1]).min() > 0.1
    np.testing.assert_allclose(occlusion[:, 2, 5], d[0] - d[1], rtol=0, atol=1e-3)


def test_the_same_bytes_alone_or_among_others_and_from_a_state_or_a_file(tmp_path):
    images = noise(4)
    whole = saliency(NAME, RANDOM, images, CPU)
    again = saliency(NAME, RANDOM, images[[2]], CPU)
    assert whole.grad_cam[[2]].tobytes() == again.grad_cam.tobytes()
    assert whole.occlusion[[2]].tobytes() == again.occlusion.tobytes()
    save_file(RANDOM, tmp_path / "w.safetensors")
    a, b = (saliency(NAME, s, images[:1], CPU) for s in (RANDOM, tmp_path / "w.safetensors"))
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
