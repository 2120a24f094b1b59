"""README: short, its two commands first, its example prints what it says, and no link of it or of docs/ leads nowhere."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_it_is_read_in_a_minute():
    assert len(README.split()) <= 700


def test_the_demo_and_the_tests_are_the_first_two_commands():
    demo, tests = re.findall(r"^```bash\n(.*?)^```", README, re.M | re.S)
    assert "hybridcx demo" in demo
    assert "pytest" in tests
    assert README.index("```bash") == README.index("```")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_example_prints_the_answer_beside_it():
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.M | re.S)
    (answer,) = re.findall(r"^```text\n(.*?)^```", README, re.M | re.S)
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue().split() == answer.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    local = [t for t in targets if not t.startswith(("http", "mailto"))]
    assert [t for t in local if not (page.parent / t).exists()] == []
