"""docs/tutorial.md: its commands and Python run one after another, and print the numbers that the page shows."""

from __future__ import annotations

import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from matplotlib import pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"\d+(?:\.\d+)*")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_tutorial(here, call):
    shutil.copy(DOCS / "tutorial/predictions.csv", here)
    names: dict[str, object] = {}
    printed, compared = (here / "predictions.csv").read_text(encoding="utf-8"), 0
    for language, text in BLOCK.findall((DOCS / "tutorial.md").read_text(encoding="utf-8")):
        if language == "sh":
            code, out, said = call(*text.split()[1:])
            assert code == 0, text
            printed = out + said
        elif language == "python":
            out = StringIO()
            with redirect_stdout(out):
                exec(compile(text, "tutorial.md", "exec"), names)
            printed = out.getvalue()
        else:
            shown = NUMBER.findall(text)
            assert NUMBER.findall(printed)[: len(shown)] == shown
            assert text.split()[:3] == printed.split()[:3]
            compared += 1
    plt.close("all")
    assert compared == 6
    assert "The report agrees" in call("verify", "reports/predictions")[1].splitlines()[-1]
    assert {p.name for p in here.iterdir()} == {"predictions.csv", "reports", "forest.png", "table.html"}
