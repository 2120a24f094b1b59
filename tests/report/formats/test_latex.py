"""The tables for LaTeX: names as text, every row of the page, and a document that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sample

from hybridcx.report.blocks import Page
from hybridcx.report.formats import latex
from hybridcx.report.formats.html import literal


def unescaped(text: str) -> str:
    """The text that LaTeX prints, by the commands that `escaped` uses."""
    words = {
        "textbackslash": "\\",
        "textasciicircum": "^",
        "textasciitilde": "~",
        "textless": "<",
        "textgreater": ">",
        "textbar": "|",
        "textquotedbl": '"',
        "textquotesingle": "'",
        "textasciigrave": "`",
    }
    pattern = r"\\hcxletter\{([0-9A-F]+)\}|\\([a-z]+)\{\}|\\([{}$&#%_])|\{([*\[\]\-,?!])\}|(.)"

    def letter(m: re.Match[str]) -> str:
        code, command, escape, grouped, plain = m.groups()
        return chr(int(code, 16)) if code else words[command] if command else escape or grouped or plain

    return re.sub(pattern, letter, text, flags=re.S)


@pytest.mark.parametrize("name", [*sample.HOSTILE_NAMES, "".join(map(chr, range(32, 127)))])
def test_a_name_is_text(name: str) -> None:
    text = latex.escaped(name)
    assert unescaped(text) == literal(name).replace("\n", "\\n")
    bare = re.sub(r"\\hcxletter\{[0-9A-F]+\}|\\[a-z]+\{\}|\\[{}$&#%_]|\{[*\[\]\-,?!]\}", "", text)
    assert not re.search(r"[\\{}$&#%_^~<>|\"'`*\[\]?!]|--|,,", bare), bare
    assert text.isascii() or re.search("[À-ſ]", text)


def test_every_table_is_there_with_its_rows(page: Page) -> None:
    text = latex.latex(page)["tables.tex"]
    assert text.count(r"\toprule") >= len(page.tables)
    for number, table in page.tables:
        own = latex.table(table, number)
        assert own in text
        short = len(table.rows) <= latex.MAX_FLOAT_ROWS / 2
        body = own.split(r"\midrule")[1].split(r"\bottomrule")[0] if short else own
        assert body.count(r"\\") >= len(table.rows)
        for row in table.rows:
            for c in row:
                assert latex._broken(c.text) in own


@pytest.mark.latex
def test_the_document_compiles(tmp_path: Path, page: Page) -> None:
    if shutil.which("pdflatex") is None:
        pytest.fail("pdflatex is needed (Debian: texlive-latex-recommended)")
    for name, text in latex.latex(page).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables_document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-2000:]
    assert (tmp_path / "tables_document.pdf").stat().st_size > 10_000
