"""Whether saliency maps point at the disease: the pointing game (Zhang et al. 2016), and the agreement of two maps of one case.

A map points at the centre of its largest cell, the first of equal ones; a constant map points nowhere and is counted separately. It hits if
that point lies in a box of a true sign.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
import pandas as pd
from scipy import stats

from hybridcx.pipeline.casebook.lesions import DIFFUSE, EDGES
from hybridcx.stats.proportions import wilson

CONSTANT = "the map has one value everywhere: nothing spoke for the positive class"
NOWHERE = "every map has one value everywhere, so that none points anywhere"
TOO_COARSE = "no cell of so coarse a map has its centre in a box: it cannot hit"
METHODS = ("grad_cam", "occlusion")
Boxes = np.ndarray
"""(k, 4) float: left, top, right, bottom in pixels of the prepared image."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The centre of a map's largest cell in pixels of the image, NaN where the map is constant, and the value there."""

    x: float
    y: float
    value: float


def peak(saliency_map: np.ndarray, size_px: int) -> Peak:
    """Where a map (h, w) of an image of `size_px` is largest.

    >>> peak(np.eye(2)[::-1], 64)
    Peak(x=48.0, y=16.0, value=1.0)
    """
    if is_constant(saliency_map):
        return Peak(nan, nan, float(saliency_map.max()))
    row, column = np.unravel_index(int(np.argmax(saliency_map)), saliency_map.shape)
    xs, ys = (centres(size_px, n) for n in saliency_map.shape[::-1])
    return Peak(float(xs[column]), float(ys[row]), float(saliency_map[row, column]))


def is_constant(saliency_map: np.ndarray) -> bool:
    """Whether a map's values differ by no more than float32's arithmetic: by a millionth of the largest."""
    return bool(np.ptp(saliency_map) <= 1e-6 * np.abs(saliency_map).max())


def centres(size_px: int, cells: int) -> np.ndarray:
    """Centres (cells,) of equal cells over `size_px` pixels."""
    return (np.arange(cells) + 0.5) * size_px / cells


def inside(x: float, y: float, boxes: Boxes) -> bool:
    """Whether a point lies in one of the boxes (left and top edge inside)."""
    left, top, right, bottom = np.asarray(boxes, dtype=float).reshape(-1, 4).T
    return bool(((left <= x) & (x < right) & (top <= y) & (y < bottom)).any())


def covered_share(boxes: Boxes, size_px: int) -> float:
    """Share of the image that the boxes cover together, exactly: the area of the union of rectangles, by their own grid lines."""
    boxes = np.clip(np.asarray(boxes, dtype=float).reshape(-1, 4), 0, size_px)
    xs, ys = np.unique(boxes[:, [0, 2]]), np.unique(boxes[:, [1, 3]])
    area = 0.0
    for x0, x1 in itertools.pairwise(xs):
        for y0, y1 in itertools.pairwise(ys):
            area += (x1 - x0) * (y1 - y0) * inside((x0 + x1) / 2, (y0 + y1) / 2, boxes)
    return area / size_px**2


def covered_cells(boxes: Boxes, size_px: int, cells: int) -> float:
    """Share of the cells of a map whose centre lies in a box."""
    points = centres(size_px, cells)
    return float(np.mean([inside(x, y, boxes) for y in points for x in points]))


def resampled(saliency_map: np.ndarray, cells: int) -> np.ndarray:
    """A map (h, w) at the centres of `cells` x `cells` tiles, bilinear between the centres of its own cells, constant beyond them."""
    out = saliency_map
    for axis in (0, 1):
        n = out.shape[axis]
        at = np.clip((np.arange(cells) + 0.5) * n / cells - 0.5, 0, n - 1)
        low = np.minimum(np.floor(at).astype(int), max(n - 2, 0))
        share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
        upper = np.minimum(low + 1, n - 1)
        out = out.take(low, axis) * (1 - share) + out.take(upper, axis) * share
    return np.asarray(out)


def rank_correlation(grad_cam: np.ndarray, occlusion: np.ndarray) -> float:
    """Spearman's correlation of two maps of one case over the tiles of the second; NaN where either is constant."""
    a, b = resampled(grad_cam.astype(float), len(occlusion)).ravel(), occlusion.astype(float).ravel()
    return nan if is_constant(a) or is_constant(b) else float(stats.spearmanr(a, b).statistic)


def boxes_of(lesions: pd.DataFrame | None, *, local: bool = False) -> Mapping[str, Boxes]:
    """Case -> its boxes; `local`: without the signs that are everywhere."""
    if lesions is None or lesions.empty:
        return {}
    frame = lesions[~lesions["kind"].isin(DIFFUSE)] if local else lesions
    return {str(c): part[list(EDGES)].to_numpy(float) for c, part in frame.groupby("case_id", sort=True)}


def saliency_rows(
    network: str,
    case_ids: Sequence[str],
    grad_cam: np.ndarray,
    occlusion: np.ndarray,
    size_px: int,
    lesions: pd.DataFrame | None,
) -> list[dict[str, object]]:
    """Rows of saliency.csv for one network: of each case its Grad-CAM, and its occlusion where there is one (not NaN)."""
    every, local = boxes_of(lesions), boxes_of(lesions, local=True)
    rows: list[dict[str, object]] = []
    for case, cam, covered in zip(case_ids, grad_cam, occlusion, strict=True):
        occluded = not np.isnan(covered).any()
        mapped = not np.isnan(cam).any()  # a network without a convolutional map has none
        agreement = rank_correlation(cam, covered) if occluded and mapped else nan
        for method, saliency_map in zip(METHODS, (cam, covered), strict=True):
            if not (occluded if method == "occlusion" else mapped):
                continue
            top = peak(saliency_map, size_px)
            points = not isnan(top.x)
            hits = [inside(top.x, top.y, b[case]) if points and case in b else None for b in (every, local)]
            rows.append(
                {
                    "case_id": case, "network": network, "method": method, "x": top.x, "y": top.y, "maximum": top.value,
                    "map.side": len(saliency_map), "n.lesions": nan if lesions is None else float(len(every.get(case, ()))),
                    "hit": hits[0], "hit.local": hits[1], "rank.correlation": agreement,
                    "status": "ok" if points else "not_estimable", "warning": None if points else CONSTANT,
                }
            )  # fmt: skip
    return rows


def pointing_rows(
    saliency: pd.DataFrame, occluded: set[str], lesions: pd.DataFrame | None, size_px: int, confidence_level: float
) -> list[dict[str, object]]:
    """Rows of pointing.csv from those of saliency.csv: per network and method hits, n, Wilson's interval and what chance would give."""
    rows: list[dict[str, object]] = []
    for (network, method), part in saliency.groupby(["network", "method"], sort=False) if len(saliency) else ():
        for lesion, column in (("any", "hit"), ("local", "hit.local")):
            boxes = boxes_of(lesions, local=lesion == "local")
            for subset in ("test", "shown") if method == "grad_cam" else ("shown",):
                own = part[part["case_id"].isin(boxes) & (part["case_id"].isin(occluded) | (subset == "test"))]
                if own.empty:
                    continue
                pointed = own[own[column].notna()]
                proportion = wilson(int(pointed[column].astype(bool).sum()), len(pointed), confidence_level)
                side = int(own["map.side"].iloc[0])
                known = [boxes[str(c)] for c in pointed["case_id"]]
                cells = _mean([covered_cells(b, size_px, side) for b in known])
                coarse = cells == 0
                rows.append(
                    {
                        "network": network, "method": method, "lesion": lesion, "subset": subset, "estimate": proportion.estimate,
                        "conf.low": proportion.conf_low, "conf.high": proportion.conf_high, "conf.level": confidence_level,
                        "hits": proportion.numerator, "n": len(pointed), "n.without.maximum": len(own) - len(pointed),
                        "chance": _mean([covered_share(b, size_px) for b in known]),
                        "chance.cells": cells,
                        "centre": _mean([inside(size_px / 2, size_px / 2, b) for b in known]),
                        "status": "caution" if coarse else proportion.status, "warning": TOO_COARSE if coarse else None if len(pointed) else NOWHERE,
                    }
                )  # fmt: skip
    return rows


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else nan
