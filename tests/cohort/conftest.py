"""A small cohort on disk: images of random pixels and a manifest that tests bend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HEADER = "case_id,patient_id,image,label"


@pytest.fixture
def write_manifest(tmp_path) -> Callable[..., Path]:
    """Return a function that writes images 1.png to n.png and a manifest with the given rows (default: n sound ones)."""

    def write(rows: list[str] | None = None, header: str = HEADER, n: int = 6) -> Path:
        rng = np.random.default_rng(0)
        (tmp_path / "images").mkdir(exist_ok=True)
        for i in range(1, n + 1):
            Image.fromarray(rng.integers(0, 256, (12, 10), dtype=np.uint8)).save(tmp_path / "images" / f"{i}.png")
        if rows is None:
            rows = [f"c{i},p{i},images/{i}.png,{'abnormal' if i % 2 else 'normal'}" for i in range(1, n + 1)]
        path = tmp_path / "manifest.csv"
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        return path

    return write
