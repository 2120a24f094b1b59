r"""The tables of a report for LaTeX: booktabs, with escaped names.

`tables.tex` has the tables, for `\input`; `tables_preamble.tex` has the lines of the preamble that it needs; `tables_document.tex` is a whole
document with all of them. Long tables break over pages (longtable); wide ones are scaled to the width of the line.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from hybridcx.report.blocks import Page
from hybridcx.report.formats.html import literal
from hybridcx.report.tables import Cell, Table

MAX_FLOAT_ROWS = 36
"""A table with more rows does not fit on one page."""
MAX_NAME_CHARS = 30
"""Longer names are broken, in a column of the width `NAME_WIDTH_EM`."""
NAME_WIDTH_EM = 12

_ASCII = {
    "\\": r"\textbackslash{}",
    **{c: "\\" + c for c in "{}$&#%_"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    # an asterisk or bracket after the end of a line would be its argument; pairs of the others would be ligatures
    **{c: f"{{{c}}}" for c in "*[]-,?!"},
}
_KNOWN = {
    "−": "$-$",
    "±": r"$\pm$",
    "∞": r"$\infty$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "\u2009": r"\,",
    "\u00a0": "~",
    "\u2011": r"\mbox{-}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "·": r"\textperiodcentered{}",
    "°": r"\textdegree{}",
    "µ": r"\textmu{}",
    "²": r"$^2$",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
}
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
_GREEK_OF = {
    unicodedata.lookup(f"GREEK SMALL LETTER {g.replace('lambda', 'lamda').upper()}"): g for g in _GREEK.split()
}
_LATIN = re.compile("[À-ÖØ-öø-ſ]")

PREAMBLE = r"""% What tables.tex needs in the preamble of your document. Written by hybridcx.
\usepackage{iftex}
\ifpdftex\usepackage[T1]{fontenc}\usepackage[utf8]{inputenc}\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}\else\usepackage{fontspec}\fi
\usepackage{textcomp}
\usepackage{array}
\usepackage{booktabs}
\usepackage{longtable}
\usepackage{graphicx}
% a letter beyond the Latin ones: itself where the engine and its font have it, its code under pdfTeX
\newcommand\hcxletter[1]{\ifpdftex U+#1\allowbreak\else\symbol{"#1}\fi}
% a table that is wider than the line is shrunk to it
\newcommand\hcxfit[1]{\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{#1}}
"""
DOCUMENT = r"""% All tables of the report in one document. Written by hybridcx.
\documentclass[10pt,a4paper]{article}
\usepackage[margin=20mm]{geometry}
\input{tables_preamble}
\begin{document}
\input{tables}
\end{document}
"""


def escaped(text: str) -> str:
    """`text` with every character that has a meaning in LaTeX escaped, on one line.

    >>> escaped("vgg16_a & 50% [x]")
    'vgg16\\\\_a \\\\& 50\\\\% {[}x{]}'
    """
    return "".join(map(_letter, unicodedata.normalize("NFC", literal(text).replace("\n", "\\n"))))


def _letter(c: str) -> str:
    if c in _ASCII:
        return _ASCII[c]
    if c in _KNOWN:
        return _KNOWN[c]
    if c in _GREEK_OF:
        return f"$\\{_GREEK_OF[c]}$"
    return c if c.isascii() or _LATIN.match(c) else f"\\hcxletter{{{ord(c):04X}}}"


def latex(page: Page) -> dict[str, str]:
    """File name -> text: the tables, the preamble that they need, and a document with all of them."""
    start = "% The tables of a report by hybridcx, numbered by LaTeX; the comment above each gives its number in the report.\n"
    return {
        "tables.tex": "\n".join([start, *(table(t, number) for number, t in page.tables)]),
        "tables_preamble.tex": PREAMBLE,
        "tables_document.tex": DOCUMENT,
    }


def single_table(t: Table) -> str:
    """One table for a document of its own; the lines of the preamble that it needs stand before it as a comment."""
    needs = "\n".join(f"% {line}" for line in PREAMBLE.splitlines() if not line.startswith("%"))
    return f"% A table by hybridcx. It needs these lines in the preamble:\n{needs}\n{table(t, '')}"


def table(t: Table, number: str) -> str:
    """One table with its caption, remark and notes."""
    columns = "".join("r" if n else _text_column(t, i) for i, n in enumerate(t.numeric))
    head = " & ".join(escaped(h) for h in t.head) + r" \\"
    rows = [line for row in t.rows for line in _lines(row)]
    caption = f"\\caption[]{{{escaped(t.caption)}}}\\label{{tab:{t.key}}}"
    notes = _notes(t)
    comment = f"% {literal(number) or t.key}"
    if len(rows) > MAX_FLOAT_ROWS:
        lines = [
            comment, r"{\scriptsize\setlength\tabcolsep{3pt}", f"\\begin{{longtable}}{{@{{}}{columns}@{{}}}}", caption + r"\\",
            r"\toprule", head, r"\midrule\endfirsthead", r"\toprule", head, r"\midrule\endhead", r"\bottomrule\endfoot",
            *rows, r"\end{longtable}", *notes, "}",
        ]  # fmt: skip
    else:
        lines = [
            comment, r"\begin{table}[htbp]", r"\centering\footnotesize", caption,
            f"\\hcxfit{{\\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", head, r"\midrule", *rows, r"\bottomrule",
            r"\end{tabular}}", *notes, r"\end{table}",
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _text_column(t: Table, i: int) -> str:
    """The type of a column of text: as wide as its text, or a fixed width in which long names are broken."""
    longest = max((len(row[i].text) for row in t.rows), default=0)
    return "l" if longest <= MAX_NAME_CHARS else f">{{\\raggedright\\arraybackslash}}p{{{NAME_WIDTH_EM}em}}"


def _broken(text: str) -> str:
    """Escaped text in which very long words may be broken."""
    return r"\allowbreak{}".join(map(escaped, re.findall(r"\S{1,14}\s*|\s+", literal(text))))


def _lines(row: Sequence[Cell]) -> list[str]:
    """A row, and below it the second line of its cells where there is one."""
    cells = [_broken(c.text) + (f"\\textsuperscript{{{','.join(c.notes)}}}" if c.notes else "") for c in row]
    below = [f"\\scriptsize {escaped(c.sub)}" if c.sub else "" for c in row]
    return [" & ".join(cells) + r" \\", *([" & ".join(below) + r" \\"] if any(below) else [])]


def _notes(t: Table) -> list[str]:
    notes = [escaped(f"{t.remark} {t.source}".strip())] if t.remark or t.source else []
    notes += [f"\\textsuperscript{{{mark}}}~{escaped(text)}" for mark, text in t.notes]
    if not notes:
        return []
    lines = "\\par\n".join(notes)
    return [r"\par\smallskip", r"\begin{minipage}{\linewidth}\raggedright\scriptsize", lines, r"\end{minipage}"]
