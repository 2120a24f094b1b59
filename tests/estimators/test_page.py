"""The examples of docs/scikit_learn.md run as they stand, with a small network of random weights in place of ResNet-101."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from estimator_samples import pictures, written

PAGE = Path(__file__).parents[2] / "docs/scikit_learn.md"
SMALL = {
    '"resnet101"': '"squeezenet1_1", weights="none", image_size_px=32, threads=1',
    "epochs=5": "epochs=1",
    "RandomForestClassifier(50)": "RandomForestClassifier(5)",
    "    cv=5,\n    repeats=2,": "    cv=3,\n    repeats=2,",
}


@pytest.mark.filterwarnings("ignore:No case validates:UserWarning")
def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X, y = pictures(24)
    pd.DataFrame({"image": written(X, tmp_path), "label": y, "patient": np.arange(24) // 3}).to_csv(
        "cases.csv", index=False
    )
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    for large, small in SMALL.items():
        code = code.replace(large, small)
    names: dict[str, object] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    assert len(names["scores"]["test_score"]) == 3
    assert (tmp_path / "model/estimator.json").exists()
