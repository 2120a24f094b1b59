"""Small images of two classes, and estimators that are fitted on them within a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from hybridcx import FineTunedNetwork, PenultimateFeatures

NAME = "squeezenet1_1"
COMMON = {"weights": "none", "image_size_px": 32, "device": "cpu", "threads": 1, "random_state": 0}


def pictures(n: int = 24, *, colour: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 40, 48), uint8, and their classes: `normal` and, brighter, `abnormal`, in turns."""
    rng = np.random.default_rng(0)
    y = np.tile(["normal", "abnormal"], n // 2)
    X = rng.integers(0, 120, (n, 40, 48, 3) if colour else (n, 40, 48), dtype=np.uint8)
    X[y == "abnormal"] += 100
    return X, y


def written(X: np.ndarray, folder: Path) -> list[str]:
    """The paths of the images as PNG files."""
    paths = [folder / f"{i}.png" for i in range(len(X))]
    for image, path in zip(X, paths, strict=True):
        Image.fromarray(image).save(path)
    return [str(path) for path in paths]


def network(**parameters: object) -> FineTunedNetwork:
    return FineTunedNetwork(**{"network": NAME, **COMMON, "epochs": 1, **parameters})


def features(**parameters: object) -> PenultimateFeatures:
    return PenultimateFeatures(**{"network": NAME, **COMMON, **parameters})
