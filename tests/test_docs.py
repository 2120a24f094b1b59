"""The generated parts of docs/ are those that the code gives now."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from hybridcx.analysis.verdicts import STUDENT
from hybridcx.vocabulary.domains import DOMAINS
from hybridcx.vocabulary.methods import methods_of

DOCS = Path(__file__).resolve().parents[1] / "docs"


def make_docs() -> ModuleType:
    script = DOCS.parent / "experiments/maintenance/make_docs.py"
    spec = importlib.util.spec_from_file_location("make_docs", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def pages() -> dict[str, str]:
    return make_docs().pages()


def test_generated_pages_are_up_to_date() -> None:
    made = {name: text for name, text in pages().items() if name.endswith(".md")}
    committed = {name: (DOCS / name).read_text(encoding="utf-8") for name in made if (DOCS / name).exists()}
    assert [name for name in made if committed.get(name) != made[name]] == []
    assert {f"methods/{p.name}" for p in (DOCS / "methods").iterdir()} == {n for n in made if n.startswith("methods/")}


def test_every_method_has_notes_and_every_note_a_method() -> None:
    module = make_docs()
    assert set(module.NOTES) == set(module.method_groups())
    assert all(len(n["assumptions"]) > 10 and len(n["pitfalls"]) > 10 for n in module.NOTES.values())


@pytest.mark.skipif(
    int(version("pydantic").split(".")[1]) < 12, reason="earlier pydantic words the same schema differently"
)
def test_the_schema_is_up_to_date() -> None:
    name = "experiment.schema.json"
    assert json.loads((DOCS / name).read_text(encoding="utf-8")) == json.loads(pages()[name])


def test_which_test_when_links_every_method_that_can_carry_a_verdict() -> None:
    module = make_docs()
    carrying = {*STUDENT, *(d.method for d in DOMAINS), "tost", "non_inferiority"}
    needed = {module.page_of(m) for m in (*carrying, *methods_of("omnibus", "agreement"))}
    page = (DOCS / "which_test.md").read_text(encoding="utf-8")
    assert sorted(m for m in needed if f"(methods/{m}.md)" not in page) == []
