"""The generated parts of docs/ are those that the code gives now."""

from __future__ import annotations

import importlib.util
import json
from importlib.metadata import version
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


def pages() -> dict[str, str]:
    script = DOCS.parent / "experiments/maintenance/make_docs.py"
    spec = importlib.util.spec_from_file_location("make_docs", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


@pytest.mark.parametrize(
    "name", ["experiment.md", "presets.md", "methods.md", "reference/files.md", "reference/vocabulary.md"]
)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name]


@pytest.mark.skipif(
    int(version("pydantic").split(".")[1]) < 12, reason="earlier pydantic words the same schema differently"
)
def test_the_schema_is_up_to_date() -> None:
    name = "experiment.schema.json"
    assert json.loads((DOCS / name).read_text(encoding="utf-8")) == json.loads(pages()[name])
