"""The examples of docs/python.md run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

PAGE = Path(__file__).parents[1] / "docs/python.md"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
    names: dict[str, object] = {}
    exec(compile(code, PAGE.name, "exec"), names)
    plt.close("all")
    written = {p.name for p in tmp_path.iterdir()}
    assert written == {"figure1.pdf", "table1.html", "table1.tex", "table1.docx", "reports", "page.html"}
