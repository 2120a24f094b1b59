"""The nearest training cases of a case in a network's feature space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

N_NEIGHBOURS = 3


def cosine_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cos of the angle between every row of `a` (m, d) and of `b` (n, d), in float64; NaN where a row is 0.

    The cosine and not the Euclidean distance: a feature vector's length differs between networks and carries little information on the image.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = [np.asarray(m, float) / np.linalg.norm(np.asarray(m, float), axis=1, keepdims=True) for m in (a, b)]
    return np.clip(1.0 - unit[0] @ unit[1].T, 0.0, 2.0)


def neighbour_rows(
    network: str,
    which: str,
    case_ids: Sequence[str],
    features: np.ndarray,
    training_ids: Sequence[str],
    training: np.ndarray,
    label_of: Mapping[str, str],
    k: int = N_NEIGHBOURS,
) -> list[dict[str, object]]:
    """Rows of neighbours.csv for one network: the `k` nearest training cases of each case, equal ones by their ids."""
    if not len(case_ids) or not len(training_ids):
        return []
    distance = cosine_distances(features, training)
    by_id = np.argsort(np.asarray(training_ids, dtype=object), kind="stable")
    rows: list[dict[str, object]] = []
    for case, own in zip(case_ids, distance, strict=True):
        order = by_id[
            np.argsort(np.round(own[by_id], 12), kind="stable")
        ]  # beyond 12 digits the order depends on rounding
        for rank, j in enumerate(order[:k].tolist(), 1):
            rows.append(
                {
                    "case_id": case, "network": network, "features": which, "rank": rank, "neighbour": training_ids[j],
                    "neighbour.label": label_of[training_ids[j]], "method": "cosine", "distance": float(own[j]),
                }
            )  # fmt: skip
    return rows
