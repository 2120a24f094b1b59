"""The report's other forms: the page's own numbers, names as text, the same bytes. bad_input.md 47 to 49 by their names."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import docx
import pandas as pd
import pytest
import sample
from docx.oxml.ns import qn
from markdown_it import MarkdownIt

import hybridcx
from hybridcx import vocabulary
from hybridcx.errors import InputError
from hybridcx.report.content import Content, ReportData
from hybridcx.report.figures import svg
from hybridcx.report.formats import all_forms as hand_on
from hybridcx.report.formats import latex, markdown
from hybridcx.report.formats.all_forms import FORMS, figures_of, forms_of, handing_on
from hybridcx.report.formats.html import content_of
from hybridcx.report.formats.journal_style import styled
from hybridcx.report.formats.paper import _citations, _works, paper
from hybridcx.report.formats.parquet import parquet
from hybridcx.report.formats.word import word
from hybridcx.report.numbers import Table

NAMES = [
    *(
        "<script>alert(1)</script>",
        "a|b",
        "under_score_x",
        "*50% off*",
        "A & B &amp;",
        "back\\slash\\",
        "$\\frac{1}{2}$",
    ),
    *("{{7*7}}", "=cmd()", "[x](http://y.z)", "`tick` ~ ^ # \"q\" 'z' -- ,, <<", "a\u202eb", "two\nlines", "nul\x00x"),
    *("موذج", "é ß Ł ı", "1. list", "- item", "very" + "long" * 40, "+", "www.a.b @c !d"),
]


@pytest.fixture(scope="module")
def report() -> ReportData:
    """A report whose models have names that were chosen to break what prints them."""
    models = sample.models(1)[:3] + NAMES
    found = sample.tables(models, pairs=[(models[0], m) for m in models[1:]])
    return ReportData(
        title=f"Of {NAMES[0]} & {NAMES[11]}",
        command="compare",
        question=f"Which is better, {NAMES[2]} or {NAMES[1]}?",
        tables=found,
        caveats=NAMES,
        methods=["Proportions: Wilson (1927).", *NAMES],
        study_methods=["The positive class is 'a_b & c'."],
        primary_models=models[:8],
        provenance={"hybridcx": "1.2.3", NAMES[0]: NAMES[1]},
    )


@pytest.fixture(scope="module")
def drawn(report: ReportData) -> tuple[Content, dict[str, bytes]]:
    with svg.pictures() as pictures:
        content = content_of(report)
    return content, pictures


def _tables(content: Content) -> list[tuple[Table, str]]:
    return [(b.table, b.number) for s in content[1] for b in s.blocks if b.table is not None]


def _shown(text: str) -> str:
    """A name as every form shows it: literal, without control characters."""
    return markdown.literal(text)


# --- Word


@pytest.fixture(scope="module")
def document(report: ReportData, drawn: tuple[Content, dict[str, bytes]]) -> object:
    return docx.Document(io.BytesIO(word(report, *drawn)))


def test_word_has_the_pages_tables_cell_by_cell(document: object, drawn: tuple[Content, dict[str, bytes]]) -> None:
    made = document.tables  # type: ignore[attr-defined]
    wanted = _tables(drawn[0])
    assert len(made) == len(wanted) > 5
    for have, (table, number) in zip(made, wanted, strict=True):
        grid = [[c.text for c in row.cells] for row in have.rows]
        assert grid[0] == [_shown(h) for h in table.head]
        for line, row in zip(grid[1:], table.rows, strict=True):
            assert line == [
                _shown(c.text) + ",".join(c.notes) + (f"\n{_shown(c.sub)}" if c.sub else "") for c in row
            ], table.key
        assert have._tbl.tr_lst[0].trPr.find(qn("w:tblHeader")) is not None
        assert have._tbl.tblPr.find(qn("w:tblCaption")).get(qn("w:val")).startswith(number)
        order = [e.tag.rpartition("}")[2] for e in have._tbl.tblPr]
        assert order.index("tblBorders") < order.index("tblLook") < order.index("tblCaption")


def test_word_has_headings_captions_and_figures_in_words(
    document: object, drawn: tuple[Content, dict[str, bytes]], report: ReportData
) -> None:
    paragraphs = document.paragraphs  # type: ignore[attr-defined]
    headings = [p.text for p in paragraphs if p.style.name == "Heading 1"]
    assert headings == [_shown(report.question), *(s.title for s in drawn[0][1])]
    captions = [p.text for p in paragraphs if p.style.name == "Caption"]
    for table, number in _tables(drawn[0]):
        assert f"{number}. {_shown(table.caption)}" in captions
    alts = [s._inline.docPr.get("descr") for s in document.inline_shapes]  # type: ignore[attr-defined]
    assert alts == [f.alt for f in figures_of(drawn[0])]
    assert all(alts)
    lead = drawn[0][0].lead
    assert lead in [p.text for p in paragraphs]


def test_word_repeats_to_the_byte_and_has_no_clock(report: ReportData, drawn: tuple[Content, dict[str, bytes]]) -> None:
    first, again = word(report, *drawn), word(report, *drawn)
    assert first == again
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        core = archive.read("docProps/core.xml").decode()
    assert set(re.findall(r"20\d\d-\d\d", core)) == {"2000-01"}
    assert "python-docx" not in core


# --- Markdown


def _parsed(text: str) -> list[list[list[str]]]:
    """The tables of a Markdown text as a parser of CommonMark and GitHub's tables reads them."""
    grids: list[list[list[str]]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    for i, token in enumerate(tokens):
        if token.type == "table_open":
            grids.append([])
        elif token.type == "tr_open":
            grids[-1].append([])
        elif token.type in ("td_open", "th_open"):
            inline = tokens[i + 1]
            assert {c.type for c in inline.children or []} <= {"text", "text_special"}, inline.content
            grids[-1][-1].append("".join(c.content for c in inline.children or []))
    return grids


def test_markdown_tables_parse_to_the_pages_cells(report: ReportData, drawn: tuple[Content, dict[str, bytes]]) -> None:
    grids = _parsed(markdown.markdown(report, drawn[0]))
    wanted = _tables(drawn[0])
    assert len(grids) == len(wanted)
    for grid, (table, _) in zip(grids, wanted, strict=True):
        said = [
            [
                (
                    _shown(c.text).replace("\n", "\\n")
                    + (f" [{c.sub}]" if c.sub else "")
                    + "".join(f" ({m})" for m in c.notes)
                )
                for c in row
            ]
            for row in table.rows
        ]
        assert [[" ".join(c.split()) for c in row] for row in grid[1:]] == [
            [" ".join(c.split()) for c in row] for row in said
        ], table.key


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_markdown_is_text(name: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(markdown.escaped(name))
    plain = re.sub(r"^<p>(.*)</p>\n$", r"\1", html, flags=re.S)
    assert not re.search(r"<[a-z]", plain), html
    for entity, c in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        plain = plain.replace(entity, c)
    assert plain == _shown(name).replace("\n", "\\n")


# --- LaTeX


def _unescaped(text: str) -> str:
    """LaTeX's own reading of escaped text, by the commands that are used."""
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


@pytest.mark.parametrize("name", [*NAMES, "".join(map(chr, range(32, 127)))])
def test_a_name_in_latex_is_text(name: str) -> None:
    text = latex.escaped(name)
    assert _unescaped(text) == _shown(name).replace("\n", "\\n")
    bare = re.sub(r"\\hcxletter\{[0-9A-F]+\}|\\[a-z]+\{\}|\\[{}$&#%_]|\{[*\[\]\-,?!]\}", "", text)
    assert not re.search(r"[\\{}$&#%_^~<>|\"'`*\[\]?!]|--|,,", bare), bare
    assert text.isascii() or re.search("[À-ſ]", text)


def test_latex_has_every_table_with_its_rows(drawn: tuple[Content, dict[str, bytes]]) -> None:
    text = latex.latex(drawn[0])["tables.tex"]
    wanted = _tables(drawn[0])
    assert text.count(r"\toprule") >= len(wanted)
    for table, number in wanted:
        made = latex.table(table, number)
        assert made in text
        body = (
            made.split(r"\midrule")[1].split(r"\bottomrule")[0] if len(table.rows) <= latex.MAX_FLOAT_ROWS / 2 else made
        )
        assert body.count(r"\\") >= len(table.rows)
        for row in table.rows:
            for c in row:
                assert latex._broken(c.text) in made


@pytest.mark.latex
@pytest.mark.parametrize("style", ["plain", "ama", "apa"])
def test_latex_compiles(tmp_path: Path, report: ReportData, style: str) -> None:
    if shutil.which("pdflatex") is None:
        pytest.fail("pdflatex is needed (Debian: texlive-latex-recommended)")
    with styled(style):
        for name, text in latex.latex(content_of(report)).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables_document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-2000:]
    assert (tmp_path / "tables_document.pdf").stat().st_size > 10_000


# --- Figures, Parquet


def test_figures_are_documents_with_plain_colours_and_pictures(
    drawn: tuple[Content, dict[str, bytes]], tmp_path: Path
) -> None:
    content, pictures = drawn
    hand_on._write_figures(tmp_path / "figures", content, pictures)
    keys = [f.key for f in figures_of(content)]
    assert len(set(keys)) == len(keys) > 3
    for key in keys:
        text = (tmp_path / "figures" / f"{key}.svg").read_text(encoding="utf-8")
        assert "var(" not in text
        assert ET.fromstring(text.partition("\n")[2]).tag.endswith("svg")
        png = (tmp_path / "figures" / f"{key}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        assert b"tEXt" not in png[:200]
        assert b"tIME" not in png


def test_pictures_repeat_to_the_byte_and_cost_nothing_unasked(
    report: ReportData, drawn: tuple[Content, dict[str, bytes]]
) -> None:
    with svg.pictures() as again:
        content_of(report)
    assert again == drawn[1]
    with svg.pictures(keep=False) as none:
        content_of(report)
    assert none == {}


def test_parquet_has_the_values_of_the_csv(report: ReportData, tmp_path: Path) -> None:
    for name, table in report.tables.items():
        data = parquet(name, table)
        assert parquet(name, table) == data
        read = pd.read_parquet(io.BytesIO(data))
        hybridcx.report.formats.csv.write_tables(tmp_path, {name: table}, command="compare")
        with (tmp_path / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)  # not pandas, whose versions differ in the last digit and at NUL
        assert list(read.columns) == header
        for column, cells in zip(header, zip(*rows, strict=True), strict=True):
            a, there = read[column], [c for c in cells if c != "NA"]
            assert a.isna().tolist() == [c == "NA" for c in cells], (name, column)
            if pd.api.types.is_bool_dtype(a.dtype):
                assert a.dropna().astype(str).str.lower().tolist() == [c.lower() for c in there]
            elif pd.api.types.is_numeric_dtype(a.dtype):
                assert a.dropna().to_numpy(float).tolist() == [float(c) for c in there], (name, column)
            else:
                assert a.dropna().astype(str).tolist() == there, (name, column)


# --- A paper's text


def test_every_word_of_the_vocabulary_has_its_name_and_its_work_where_there_is_one() -> None:
    known = _citations()
    groups = ("intervals", "differences", "tests", "omnibus", "adjustments", "agreement")
    for method in vocabulary.METHODS:
        assert any(method in known[g] for g in groups) or method == "non_inferiority"
    assert set(vocabulary.AGREEMENT) == set(known["agreement"])
    assert set(vocabulary.ADJUSTMENTS) - {"none"} == set(known["adjustments"])
    assert set(known["metrics"]) <= set(vocabulary.METRICS)
    cited = {k for group in known.values() for _, *keys in group.values() for k in keys}
    assert cited == set(_works())


def test_works_are_whole_and_their_dois_well_formed() -> None:
    for key, entry in _works().items():
        assert re.search(r"\bauthor = \{.+\}", entry), key
        assert re.search(r"\btitle = \{.+\}", entry), key
        assert re.search(r"\byear = \{(\d{4})\}", entry).group(1) == key[-4:], key  # type: ignore[union-attr]
        for doi in re.findall(r"\bdoi = \{(.*)\}", entry):
            assert re.fullmatch(r"10\.\d{4,5}/\S+", doi), key


def test_a_papers_results_are_the_pages_sentences(report: ReportData, drawn: tuple[Content, dict[str, bytes]]) -> None:
    made = paper(report, drawn[0])
    text, works = made["paper.md"], made["references.bib"]
    first = drawn[0][0]
    assert first.lead
    for said in (first.lead, *first.before, *(a + rest for a, rest in first.answers)):
        assert f"\n\n{markdown.phrased(said)}\n\n" in text
    cited = set(re.findall(r"@([a-z]+\d{4})", "".join(re.findall(r"\[@[^\]]*\]", text))))
    assert cited == set(re.findall(r"^@[a-z]+\{([a-z0-9]+),", works, flags=re.M))
    assert {"wilson1927", "tango1998", "mcnemar1947", "fagerland2013", "holm1979", "delong1988"} <= cited
    assert "bland1986" not in cited
    assert "confirmatory, all others exploratory" in text


def test_a_paper_on_agreement_cites_its_coefficients() -> None:
    data = ReportData("Agreement", "agreement", "How well?", {"agreement": sample.agreement()}, methods=["Shrout."])
    text = paper(data, content_of(data))["paper.md"]
    assert "@shrout1979" in text
    assert "@tango1998" not in text


# --- Asking for them


def test_forms_are_asked_for_by_name() -> None:
    assert forms_of(["latex,word", "paper"]) == ("word", "latex", "paper")
    assert forms_of("all") == tuple(FORMS)
    assert forms_of(()) == ()
    with pytest.raises(InputError, match="pdf"):
        forms_of(["pdf"])


def test_a_missing_extra_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    frame = _predictions()
    with pytest.raises(InputError, match=r"pip install 'hybridcx\[word\]'"):
        hybridcx.compare(frame, positive="1", out=tmp_path / "r", also=["word"])
    assert not (tmp_path / "r").exists()


def _predictions() -> pd.DataFrame:
    y, scores = sample.simulate(["a", "b"])
    parts = [
        pd.DataFrame(
            {"case_id": [f"c{i}" for i in range(len(y))], "y_true": y.astype(int).astype(str), "model": m, "score": s}
        )
        for m, s in zip(["vgg_16 & more", "50% <b>"], scores, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_report_with_all_forms_repeats_and_its_files_are_hashed(tmp_path: Path) -> None:
    def made(name: str, **options: object) -> dict[str, bytes]:
        folder = tmp_path / name
        hybridcx.compare(_predictions(), positive="1", n_bootstrap=200, out=folder, **options)  # type: ignore[arg-type]
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        return {k: v for k, v in files.items() if not k.startswith(".hybridcx")}

    plain, first, again = made("plain"), made("a", also=["all"], style="apa"), made("b", also="all", style="apa")
    record = json.loads(first.pop("provenance.json"))
    again.pop("provenance.json")
    assert first == again
    assert set(record["files"]) == set(first)
    assert record["style"] == "apa"
    assert record["forms"] == list(FORMS)
    extra = {k.split("/")[0] for k in first} - set(plain)
    assert extra == {"report.docx", "report.md", "latex", "figures", "parquet", "paper.md", "references.bib"}
    for name in plain:  # no CSV knows a style
        if name.endswith(".csv"):
            assert first[name] == plain[name], name
    assert b"[." in first["report.html"]
    # asked for no longer, they go
    hybridcx.compare(_predictions(), positive="1", n_bootstrap=200, out=tmp_path / "a")
    left = {p.name for p in (tmp_path / "a").iterdir()} - {".hybridcx"}
    assert left == {k.split("/")[0] for k in plain}


def test_nothing_is_asked_for_outside_the_block() -> None:
    with handing_on(["paper"], "ama"):
        assert hand_on.wanted() == ("paper",)
    assert hand_on.wanted() == ()
