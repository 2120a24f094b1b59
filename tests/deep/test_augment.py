"""Augmentation: exact where it moves whole pixels, consistent between its two paths, and within its ranges."""

import numpy as np
import pytest
import torch

from hybridcx.deep import augment
from hybridcx.experiment.file import TrainSection
from hybridcx.streams import rng_for

NONE = {"flip_horizontal": 0.0, "translate_px": 0.0}


def settings(size=24, fill=1.0, **keys):
    return augment.augmentation_for(TrainSection(**{**NONE, **keys}), size, fill)


def images(n=4, size=24, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), dtype=np.uint8))


def parameters(n=4, **given):
    neutral = {
        "flip": np.zeros(n, bool),
        "shift_x": np.zeros(n, np.int64),
        "shift_y": np.zeros(n, np.int64),
        "angle": np.zeros(n),
        "size": np.ones(n),
        "brightness": np.ones(n),
        "contrast": np.ones(n),
    }
    return neutral | given


def test_nothing_is_only_a_change_of_type():
    batch = images()
    a = settings()
    out = augment.apply(batch, augment.draw(a, 4, rng_for(0, "x")), a)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal((out * 255).round().to(torch.uint8).permute(0, 2, 3, 1), batch)


@pytest.mark.parametrize("resampled", [False, True])
def test_flip_and_shift_move_pixels_as_said(resampled):
    batch = images(3, 20)
    a = settings(20, fill=0.25, flip_horizontal=1.0, translate_px=40.0, rotate_deg=10.0 if resampled else 0.0)
    flip, dx, dy = np.array([True, False, True]), np.array([3, -2, 0]), np.array([-1, 4, 2])
    out = augment.apply(batch, parameters(3, flip=flip, shift_x=dx, shift_y=dy), a).permute(0, 2, 3, 1).numpy()
    for i in range(3):
        source = batch[i].numpy() / 255
        source = source[:, ::-1] if flip[i] else source
        expected = np.full_like(source, 0.25)
        h = w = 20
        expected[max(dy[i], 0) : h + min(dy[i], 0), max(dx[i], 0) : w + min(dx[i], 0)] = source[
            max(-dy[i], 0) : h + min(-dy[i], 0), max(-dx[i], 0) : w + min(-dx[i], 0)
        ]
        np.testing.assert_allclose(out[i], expected, atol=1e-4 if resampled else 1e-7)


def test_a_quarter_turn_is_exact():
    batch = images(1, 16)
    out = augment.apply(batch, parameters(1, angle=np.array([90.0])), settings(16, rotate_deg=90.0))
    turned = np.rot90(batch[0].numpy() / 255, k=-1)  # y points down: positive angles turn clockwise
    np.testing.assert_allclose(out[0].permute(1, 2, 0).numpy(), turned, atol=1e-4)


def test_shrinking_brings_in_the_fill_and_enlarging_does_not():
    batch = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    a = settings(32, scale=0.5)
    out = augment.apply(batch, parameters(2, size=np.array([0.5, 1.5])), a)
    np.testing.assert_allclose(out[0, :, :7].numpy(), 1.0, atol=1e-6)
    np.testing.assert_allclose(out[0, :, 9:23, 9:23].numpy(), 0.0, atol=1e-6)
    np.testing.assert_allclose(out[1, :, 1:-1, 1:-1].numpy(), 0.0, atol=1e-6)


def test_grey_values():
    batch = images(2)
    unit = augment.to_unit(batch)
    a = settings(brightness=0.5, contrast=0.5)
    out = augment.apply(batch, parameters(2, brightness=np.array([0.5, 1.5]), contrast=np.array([0.5, 1.0])), a)
    mean = unit[0].mean()
    torch.testing.assert_close(out[0], (((unit[0] - mean) * 0.5 + mean) * 0.5).clamp(0, 1))
    torch.testing.assert_close(out[1], (unit[1] * 1.5).clamp(0, 1))
    assert out.max() <= 1


def test_draws_fill_their_ranges_and_nothing_more():
    a = settings(112, flip_horizontal=0.3, translate_px=30.0, rotate_deg=12.0, scale=0.2, brightness=0.1, contrast=0.4)
    assert a.shift_px == 15  # 30 pixels at 224 are 15 at 112
    drawn = augment.draw(a, 20_000, rng_for(1, "range"))
    assert abs(drawn["flip"].mean() - 0.3) < 0.015
    for key in ("shift_x", "shift_y"):
        values, counts = np.unique(drawn[key], return_counts=True)
        assert values.tolist() == list(range(-15, 16))
        assert counts.min() > 20_000 / 31 * 0.8
    for key, middle, half in (("angle", 0, 12), ("size", 1, 0.2), ("brightness", 1, 0.1), ("contrast", 1, 0.4)):
        assert middle - half <= drawn[key].min() < middle - 0.99 * half
        assert middle + 0.99 * half < drawn[key].max() <= middle + half


def test_switching_one_transform_on_leaves_the_others_draws_alone():
    one = augment.draw(settings(flip_horizontal=0.5), 50, rng_for(3, "a"))
    two = augment.draw(settings(flip_horizontal=0.5, contrast=0.4, rotate_deg=5.0), 50, rng_for(3, "a"))
    assert np.array_equal(one["flip"], two["flip"])
    assert np.ptp(one["contrast"]) == 0 < np.ptp(two["contrast"])


def test_images_of_a_batch_are_transformed_independently():
    batch = images(1).repeat(64, 1, 1, 1)
    a = settings(flip_horizontal=0.5, translate_px=60.0)
    out = augment.apply(batch, augment.draw(a, 64, rng_for(0, "b")), a)
    assert len({row.numpy().tobytes() for row in out}) > 50


@pytest.mark.parametrize("resampled", [False, True])
def test_without_a_grey_of_padding_the_edge_goes_on(resampled):
    batch = images(2, 20)
    a = settings(20, fill=None, translate_px=40.0, rotate_deg=10.0 if resampled else 0.0)
    dx, dy = np.array([3, -2]), np.array([-1, 4])
    out = augment.apply(batch, parameters(2, shift_x=dx, shift_y=dy), a).permute(0, 2, 3, 1).numpy()
    for i in range(2):
        padded = np.pad(batch[i].numpy() / 255, ((5, 5), (5, 5), (0, 0)), mode="edge")
        expected = padded[5 - dy[i] : 25 - dy[i], 5 - dx[i] : 25 - dx[i]]
        np.testing.assert_allclose(out[i], expected, atol=1e-4 if resampled else 1e-7)


def test_a_turned_image_has_no_grey_from_outside_where_there_is_no_padding():
    batch = torch.full((1, 32, 32, 3), 51, dtype=torch.uint8)
    out = augment.apply(batch, parameters(1, angle=np.array([30.0])), settings(32, fill=None, rotate_deg=30.0))
    np.testing.assert_allclose(out.numpy(), 0.2, atol=1e-6)


@pytest.mark.parametrize(("pad", "fill"), [("white", 1.0), ("black", 0.0), ("edge", None), ("none", None)])
def test_augmentation_fills_as_the_images_are_padded(pad, fill):
    assert augment.augmentation_for(TrainSection(), 24, augment.FILL[pad]).fill == fill
    assert augment.augmentation_for(TrainSection(augmentation_fill="black"), 24, augment.FILL[pad]).fill == 0.0
