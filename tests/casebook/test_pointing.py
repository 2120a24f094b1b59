"""The pointing game, the agreement of two maps, and the nearest training cases, on maps and features made by hand."""

from __future__ import annotations

from math import isnan

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from hybridcx.pipeline.casebook.neighbours import cosine_distances, neighbour_rows
from hybridcx.pipeline.casebook.pointing import (
    covered_cells,
    covered_share,
    inside,
    peak,
    pointing_rows,
    rank_correlation,
    resampled,
    saliency_rows,
)

BOXES = np.array([[0.0, 0.0, 32.0, 32.0], [16.0, 16.0, 48.0, 48.0]])


def test_the_peak_is_the_centre_of_the_largest_cell_the_first_of_equals_and_a_constant_map_has_none():
    one = np.zeros((4, 4))
    one[1, 3] = one[2, 0] = 2.0
    assert (peak(one, 64).x, peak(one, 64).y, peak(one, 64).value) == (56.0, 24.0, 2.0)
    assert isnan(peak(np.zeros((4, 4)), 64).x)


def test_the_union_of_boxes_is_counted_once():
    assert covered_share(BOXES, 64) == pytest.approx((2 * 32 * 32 - 16 * 16) / 64**2)
    grid = np.mean([inside(x + 0.5, y + 0.5, BOXES) for x in range(64) for y in range(64)])
    assert covered_share(BOXES, 64) == pytest.approx(grid)
    assert covered_cells(BOXES, 64, 4) == 7 / 16
    assert covered_share(np.array([[-10, -10, 100, 100]]), 64) == 1.0
    assert not inside(48.0, 40.0, BOXES)  # the right edge is outside


def test_a_map_is_resampled_as_scipy_does_it():
    made = np.random.default_rng(0).random((4, 4))
    at = np.clip((np.arange(7) + 0.5) * 4 / 7 - 0.5, 0, 3)
    expected = ndimage.map_coordinates(made, np.meshgrid(at, at, indexing="ij"), order=1)
    np.testing.assert_allclose(resampled(made, 7), expected)
    np.testing.assert_allclose(resampled(made[:1, :1], 3), np.full((3, 3), made[0, 0]))
    np.testing.assert_allclose(resampled(np.eye(7), 7), np.eye(7))


def test_rank_correlation_knows_monotone_maps_and_constant_ones():
    made = np.arange(49.0).reshape(7, 7)
    assert rank_correlation(made, np.exp(made / 10)) == pytest.approx(1)
    assert rank_correlation(made, -made) == pytest.approx(-1)
    assert isnan(rank_correlation(np.zeros((4, 4)), made))


def lesions() -> pd.DataFrame:
    rows = [("a", "narrowing", "C5/6", 0.5, *BOXES[0]), ("b", "lordosis_loss", "C2-C7", 0.9, 0.0, 0.0, 64.0, 64.0)]
    return pd.DataFrame(rows, columns=["case_id", "kind", "level", "severity", "left", "top", "right", "bottom"])


def test_hits_are_counted_over_cases_with_a_sign_and_a_peak():
    left, right = np.zeros((4, 4)), np.zeros((4, 4))
    left[0, 0], right[0, 3] = 1, 1
    cams = np.stack([right, left, left, np.zeros((4, 4))])
    covered = np.full((4, 7, 7), np.nan)
    covered[0] = np.eye(7)
    truth = pd.concat([lesions(), lesions()[:1].assign(case_id="d")])
    rows = pd.DataFrame(saliency_rows("net", ["a", "b", "c", "d"], cams, covered, 64, truth))
    cam = rows[rows["method"] == "grad_cam"].set_index("case_id")
    assert cam["hit"].tolist()[:3] == [False, True, None]
    assert cam.loc["d", ["hit", "status"]].tolist() == [None, "not_estimable"]
    assert cam["hit.local"].tolist() == [False, None, None, None]
    assert cam["n.lesions"].tolist() == [1, 1, 0, 1]
    assert rows[rows["method"] == "occlusion"]["case_id"].tolist() == ["a"]
    found = pd.DataFrame(pointing_rows(rows, {"a"}, truth, 64, 0.95)).set_index(["method", "lesion", "subset"])
    every = found.loc[("grad_cam", "any", "test")]
    assert (every["hits"], every["n"], every["n.without.maximum"]) == (1, 2, 1)
    assert every["chance"] == pytest.approx((0.25 + 1) / 2)
    assert every["chance.cells"] == pytest.approx((4 / 16 + 1) / 2)
    assert every["centre"] == 0.5
    assert (every["conf.low"], every["conf.high"]) == pytest.approx(
        (0.0945312, 0.9054688), abs=1e-6
    )  # Wilson 1/2, by hand
    assert found.loc[("occlusion", "any", "shown"), "hits"] == 1  # its first largest cell is the upper left one
    assert ("occlusion", "any", "test") not in found.index


def test_a_map_that_cannot_hit_is_a_caution():
    small = lesions()[:1].assign(left=30.0, top=30.0, right=34.0, bottom=34.0)
    rows = pd.DataFrame(saliency_rows("net", ["a"], np.eye(2)[None], np.full((1, 7, 7), np.nan), 64, small))
    (every, *_) = pointing_rows(rows, {"a"}, small, 64, 0.95)
    assert (every["hits"], every["chance.cells"], every["centre"], every["status"]) == (0, 0.0, 1.0, "caution")


def test_without_known_lesions_nothing_is_hit_or_missed():
    rows = pd.DataFrame(saliency_rows("net", ["a"], np.eye(4)[None], np.full((1, 7, 7), np.nan), 64, None))
    assert rows["n.lesions"].isna().all()
    assert rows["hit"].isna().all()
    assert pointing_rows(rows, {"a"}, None, 64, 0.95) == []


def test_neighbours_are_the_nearest_by_cosine_and_ties_go_by_id():
    rng = np.random.default_rng(1)
    a, b = rng.random((3, 8)), rng.random((20, 8))
    found = cosine_distances(a, b)
    assert found[1, 4] == pytest.approx(1 - a[1] @ b[4] / np.linalg.norm(a[1]) / np.linalg.norm(b[4]))
    ids = [f"t{i:02d}" for i in range(20)]
    rows = pd.DataFrame(neighbour_rows("net", "fine_tuned", ["x", "y", "z"], a, ids, b, dict.fromkeys(ids, "normal")))
    for case, own in zip("xyz", found, strict=True):
        assert rows[rows["case_id"] == case]["neighbour"].tolist() == [ids[j] for j in np.argsort(own)[:3]]
    same = neighbour_rows(
        "net", "fine_tuned", ["x"], a[:1], ["c", "a", "b"], np.stack([a[0]] * 3), dict.fromkeys("abc", "n")
    )
    assert [r["neighbour"] for r in same] == ["a", "b", "c"]
    assert np.isnan(cosine_distances(np.zeros((1, 8)), b)).all()
