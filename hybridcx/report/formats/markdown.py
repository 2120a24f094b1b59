"""The report as Markdown: the page's own blocks, tables as pipe tables, every name as literal text.

Written for CommonMark with GitHub's tables; Pandoc reads it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hybridcx.report.blocks import Block, Figure
from hybridcx.report.content import Content, ReportData
from hybridcx.report.formats.html import literal
from hybridcx.report.formats.journal_style import emphasised
from hybridcx.report.numbers import Cell, Table

CASES_ELSEWHERE = "The cases with their pictures stand in report.html."
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&!^@#])|:(?=//)|(?<=www)\.")
_START = re.compile(r"^(?:[-+](?=\s|$)|=+$|\d+(?=[.)](?:\s|$)))")  # at the start of a line: a list, a rule, a heading


def escaped(text: str) -> str:
    """`text` so that Markdown shows it as it stands: no markup, no link, no entity, no formula, on one line."""
    text = literal(text).replace("\n", "\\n")
    text = _SPECIAL.sub(lambda m: "\\" + m.group(), text)
    return _START.sub(lambda m: m.group() + "\\" if m.group().isdecimal() else "\\" + m.group(), text)


def phrased(text: str, *, head: bool = False) -> str:
    """Escaped text with the style's italics."""
    return "".join(f"*{escaped(p)}*" if italic else escaped(p) for p, italic in emphasised(text, head=head))


def markdown(report: ReportData, content: Content, folder: str = "") -> str:
    """The report as one Markdown text; figures are shown from `folder` (their SVG files), or named by their captions alone."""
    first, sections = content
    out = [f"# {escaped(report.title)}", f"*hybridcx {report.command}: report*", f"## {escaped(report.question)}"]
    out += [phrased(b) for b in first.before]
    out += [f"**{phrased(first.lead)}**"] if first.lead else []
    out += _list([(f"**{escaped(s.strip())}** " if s else "") + phrased(rest.strip()) for s, rest in first.answers])
    out += [figure(first.forest, folder)] if first.forest else []
    for title, items in (("Caveats", first.caveats), ("Noted by the run", first.warnings)):
        out += [f"### {title}", *_list([phrased(i) for i in items])] if items else []
    for section in sections:
        out.append(f"## {escaped(section.title)}")
        for block in section.blocks:
            out += _block(block, folder)
    return "\n\n".join(out) + "\n"


def _block(block: Block, folder: str) -> list[str]:
    if block.kind == "table" and block.table is not None:
        return table(block.table, block.number)
    return {
        "casebook": [CASES_ELSEWHERE],
        "text": [phrased(block.text)],
        "heading": [f"### {escaped(block.text)}"],
        "list": _list([phrased(i) for i in block.items]),
        "figures": [figure(f, folder) for f in block.figures],
        "definitions": _list([f"**{escaped(name)}:** {escaped(value)}" for name, value in block.pairs]),
    }.get(block.kind, [])


def _list(items: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {i}" for i in items)] if items else []


def figure(f: Figure, folder: str) -> str:
    """A figure's caption, and the figure itself where its file lies in `folder`."""
    number = f"**{escaped(f.number)}.** " if f.number else ""
    source = f" ({escaped(f.source)})" if f.source else ""
    shown = f"![{escaped(f.alt)}]({folder}/{f.key}.svg)\n\n" if folder else ""
    return f"{shown}{number}{phrased(f.caption)}{source}"


def table(t: Table, number: str) -> list[str]:
    """Caption, pipe table, remark and notes."""
    name = f"**{escaped(number)}.** " if number else ""
    rows = [
        "| " + " | ".join(phrased(h, head=True) for h in t.head) + " |",
        "| " + " | ".join("---:" if n else ":---" for n in t.numeric) + " |",
        *("| " + " | ".join(_cell(c) for c in row) + " |" for row in t.rows),
    ]
    below = f"{t.remark} {t.source}".strip()
    return [
        name + phrased(t.caption),
        "\n".join(rows),
        *([phrased(below)] if below else []),
        *_list([f"({mark}) {phrased(text)}" for mark, text in t.notes]),
    ]


def _cell(c: Cell) -> str:
    marks = "".join(f" ({m})" for m in c.notes)
    return escaped(c.text) + (f" [{escaped(c.sub)}]" if c.sub else "") + marks
