"""Small images of two classes, and estimators that are fitted on them within a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybridcx import FineTunedNetwork, PenultimateFeatures

NAME = "squeezenet1_1"
SHARED = Path(__file__).parents[2] / "../shared/data"
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


def scans_and_photographs() -> tuple[np.ndarray, np.ndarray, str]:
    """24 real ultrasound scans and 24 tiles of photographs, (48, 96, 96) uint8, what each is, and the folder with real weights."""
    if not SHARED.exists():
        pytest.skip("../shared/data is not here: real weights were not used")
    paths = sorted((SHARED / "busi/images").glob("*.jpg"))[::30][:24]
    scans = [np.asarray(Image.open(p).convert("L").resize((96, 96))) for p in paths]
    photos = [
        np.asarray(Image.open(SHARED / f"weights/{n}.png").convert("L").resize((384, 288)))
        for n in ("chelsea", "coffee")
    ]
    tiles = [
        photo[t : t + 96, left : left + 96] for photo in photos for t in range(0, 288, 96) for left in range(0, 384, 96)
    ]
    return np.stack([*scans, *tiles]), np.repeat(["scan", "photograph"], 24), str(SHARED / "weights")


def network(**parameters: object) -> FineTunedNetwork:
    return FineTunedNetwork(**{"network": NAME, **COMMON, "epochs": 1, **parameters})


def features(**parameters: object) -> PenultimateFeatures:
    return PenultimateFeatures(**{"network": NAME, **COMMON, **parameters})
