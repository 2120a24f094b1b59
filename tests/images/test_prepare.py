"""Crop, padding and resize: against what can be said beforehand; bad_input.md 24."""

from __future__ import annotations

import numpy as np
import pytest

from hybridcx.errors import InputError
from hybridcx.images import prepare as preparation
from hybridcx.images.prepare import place, prepare

TALL = np.arange(24, dtype=np.uint8).reshape(6, 4) + 10


def test_white_left_and_right_of_a_tall_image():
    out = prepare(TALL, size_px=6)
    assert out.shape == (6, 6, 3)
    assert out.dtype == np.uint8
    assert np.array_equal(out[:, 1:5, 0], TALL)
    assert (out[:, [0, 5]] == 255).all()
    assert np.array_equal(out[..., 0], out[..., 2])


def test_an_odd_pixel_of_padding_goes_right_or_below():
    out = prepare(TALL[:5], size_px=5, channels=1)[..., 0]
    assert np.array_equal(out[:, :4], TALL[:5])
    assert (out[:, 4] == 255).all()
    assert (prepare(TALL[:3], size_px=4)[3] == 255).all()


def test_black_and_edge_and_no_padding():
    assert (prepare(TALL, size_px=6, pad="black")[:, [0, 5]] == 0).all()
    edge = prepare(TALL, size_px=6, pad="edge")[..., 0]
    assert np.array_equal(edge[:, 0], TALL[:, 0])
    assert np.array_equal(edge[:, 5], TALL[:, 3])
    stretched = prepare(TALL, size_px=6, pad="none")[..., 0]
    assert stretched.max() < 60


def test_the_box_is_cut_first():
    out = prepare(TALL, (1, 2, 3, 4), size_px=2, channels=1)[..., 0]
    assert np.array_equal(out, TALL[2:4, 1:3])


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos"])
def test_a_fine_pattern_becomes_its_mean_not_an_alias(resample):
    checks = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    out = prepare(checks, size_px=32, resample=resample).astype(int)
    assert np.abs(out - 127.5).max() < 6


def test_colour_and_one_channel():
    red = np.zeros((4, 4, 3), dtype=np.uint8)
    red[:2, :, 0] = 255
    assert prepare(red, size_px=4)[0, 0].tolist() == [255, 0, 0]
    assert prepare(red, size_px=4, channels=1)[0, 0].tolist() == [76]


@pytest.mark.parametrize(
    ("pixels", "box", "text"),
    [
        (np.full((5, 5), 9, np.uint8), None, "a constant image: every pixel is 9"),
        (np.full((5, 5, 3), 9, np.uint8), None, "a constant image"),
        (np.array([[3]], np.uint8), None, "one pixel"),
        (TALL, (0, 0, 5, 6), "outside the image, which has 4 x 6 pixels"),
        (TALL, (-1, 0, 4, 6), "outside the image"),
        (TALL, (2, 2, 2, 4), "no area"),
        (TALL, (2, 4, 3, 2), "no area"),
        (TALL, (0, 0, 1, 1), "a constant image within its crop box"),
        (np.tile(np.arange(2, dtype=np.uint8), (1, 15_000)), None, "too long"),
    ],
)
def test_what_is_refused(pixels, box, text):
    with pytest.raises(InputError, match=text):
        prepare(pixels, box, size_px=8)


def test_unknown_options_are_told_together():
    with pytest.raises(InputError) as e:
        prepare(TALL, size_px=0, pad="grey", resample="nearest", channels=2)
    assert len(e.value.problems) == 4


def test_nothing_is_changed_at_the_right_size():
    square = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert np.array_equal(prepare(square, size_px=16), square)


@pytest.mark.parametrize("pad", ["white", "black", "edge", "none"])
@pytest.mark.parametrize("box", [None, (13, 21, 180, 122), (13, 21, 114, 222), (5, 5, 106, 106)])
def test_a_region_is_placed_where_the_prepared_image_shows_it(pad, box):
    # A bright block is drawn, prepared and found again: its edges, with their parts of pixels, must be where `place` says.
    height, width, size = 230, 190, 101
    region = (40, 50, 77, 95)
    pixels = np.full((height, width), 100, np.uint8)
    pixels[region[1] : region[3], region[0] : region[2]] = 200
    made = prepare(pixels, box, size_px=size, pad=pad, resample="bilinear", channels=1)[..., 0].astype(float)
    bare = prepare(
        np.where(pixels == 200, 101, 100).astype(np.uint8), box, size_px=size, pad=pad, resample="bilinear", channels=1
    )
    left, top, right, bottom = place(region, width, height, box, size_px=size, pad=pad)
    share = np.clip((made - bare[..., 0]) / 99.0, 0, 1)
    rows, columns = share.sum(axis=1), share.sum(axis=0)
    centre = np.arange(size) + 0.5
    assert share.sum() == pytest.approx((right - left) * (bottom - top), rel=0.03)
    assert (columns * centre).sum() / columns.sum() == pytest.approx((left + right) / 2, abs=0.1)
    assert (rows * centre).sum() / rows.sum() == pytest.approx((top + bottom) / 2, abs=0.1)
    assert columns.max() == pytest.approx(bottom - top, abs=0.2)
    assert rows.max() == pytest.approx(right - left, abs=0.2)


def test_an_odd_pixel_of_padding_lies_behind_and_a_region_is_cut_off_at_the_crop():
    # 3 wide, 6 high: one column before, two after
    assert place((0, 0, 3, 6), 3, 6, None, size_px=6) == (1.0, 0.0, 4.0, 6.0)
    pixels = np.arange(18, dtype=np.uint8).reshape(6, 3)
    assert np.array_equal(prepare(pixels, size_px=6, channels=1)[:, 1:4, 0], pixels)
    assert place((0, 0, 20, 20), 100, 100, (10, 10, 60, 60), size_px=100) == (0.0, 0.0, 20.0, 20.0)
    assert place((0, 0, 9, 9), 100, 100, (10, 10, 60, 60), size_px=100) is None


@pytest.mark.parametrize("pad", ["white", "black", "edge"])
@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("shape", [(37, 1300, 3), (1300, 37, 3), (601, 530), (20, 64)])
def test_large_squares_are_resized_in_bands_to_the_same_bytes(monkeypatch, pad, resample, shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    whole = prepare(pixels, size_px=64, pad=pad, resample=resample)
    monkeypatch.setattr(preparation, "_BANDS_FROM", 0)
    assert np.array_equal(prepare(pixels, size_px=64, pad=pad, resample=resample), whole)
