"""The page in Chromium: three widths, light and dark, on paper; no findings of axe-core, no console messages, sorting and filtering."""

from __future__ import annotations

import html as escapes
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import sample

import hybridcx
from hybridcx.report.formats.html import render
from hybridcx.report.page import assemble

pytestmark = pytest.mark.browser
WIDTHS = (390, 768, 1280)
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


@pytest.fixture(scope="module")
def html() -> str:
    """The page of a run with every kind of block: figures, folded tables, cases, subgroups, footnotes."""
    tables = dict(sample.run_content(heads=6).tables)
    by_sex = [tables["comparisons"].assign(subgroup="sex", level=level) for level in ("f", "m")]
    tables["comparisons"] = pd.concat([tables["comparisons"], *by_sex], ignore_index=True)
    return sample.html(sample.run_content(heads=6, tables=tables))


@pytest.fixture(scope="module")
def axe() -> str:
    """The text of axe-core; `HYBRIDCX_AXE` names its file (`.ci/run` fetches it where npm is installed)."""
    path = os.environ.get("HYBRIDCX_AXE")
    if not path:
        pytest.skip("HYBRIDCX_AXE names no file of axe-core (npm pack axe-core): accessibility is not checked")
    return Path(path).read_text(encoding="utf-8")


def _chromium(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    browser = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
    if browser is None:
        pytest.fail("the browser tests need Chromium")
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    local = ["--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr"]
    return subprocess.run([browser, *quiet, *local, *options], capture_output=True, text=True, timeout=180, check=True)


def _framed(tmp_path: Path, page: str, width: int, script: str, *options: str) -> tuple[object, str]:
    """The value that `script` returns with the page in a frame of this width (`d` is its document), and Chromium's log."""
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="report.html" style="width:{width}px;height:900px;border:0"></iframe><p id="out">null</p><script>'
        "f.onload = async () => { const d = f.contentDocument, w = f.contentWindow; "
        f"out.textContent = JSON.stringify(await (async () => {{ {script} }})()); }}</script>",
        encoding="utf-8",
    )
    frame = (tmp_path / "frame.html").as_uri()
    done = _chromium(tmp_path, *options, "--window-size=1400,1000", "--virtual-time-budget=30000", "--dump-dom", frame)
    out = re.search(r'<p id="out">(.*?)</p>', done.stdout, re.DOTALL)
    assert out, done.stdout[-500:]
    return json.loads(escapes.unescape(out[1])), done.stderr


def _console(log: str) -> list[str]:
    """The messages of the page's console."""
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_console_message_and_no_horizontal_scroll(html: str, tmp_path: Path, width: int) -> None:
    script = "const e = d.documentElement; return [e.scrollWidth, e.clientWidth, e.lang];"
    (scroll_width, client_width, language), log = _framed(tmp_path, html, width, script)  # type: ignore[misc]
    assert scroll_width <= client_width <= width
    assert language == "en"
    assert _console(log) == []


def test_hostile_names_neither_run_nor_widen_the_page(tmp_path: Path) -> None:
    names = [
        "<script>document.title='broken'</script>",
        "x" * 5000,
        "نموذج",
        "{{7*7}}",
        '"><img src=x onerror=alert(2)>',
    ]
    page = sample.html(sample.run_content(heads=0, tables=sample.tables(names), primary_models=names))
    script = "return [d.documentElement.scrollWidth, d.title, Math.max(...[...d.querySelectorAll('tbody tr')].map((r) => r.offsetHeight))];"
    (width, title, tallest), log = _framed(tmp_path, page, 390, script)  # type: ignore[misc]
    assert width <= 390
    assert "broken" not in title
    assert tallest < 500  # 5,000 characters in four lines instead of a hundred
    assert _console(log) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(html: str, axe: str, tmp_path: Path, scheme: str) -> None:
    own = "<script>" + axe.replace("</script", "<\\/script") + "</script></body>"
    copy = POLICY.sub("", html).replace("</body>", own)
    script = f"const found = []; for (const width of {list(WIDTHS)}) {{ f.style.width = width + 'px'; "
    script += "d.querySelectorAll('details').forEach((x) => { x.open = true; }); const r = await w.axe.run(d, {resultTypes: ['violations']}); "
    script += "found.push([w.innerWidth, r.violations.map((v) => [v.id, v.nodes.map((n) => n.html.slice(0, 200))]), r.passes.length, "
    script += "w.matchMedia('(prefers-color-scheme: dark)').matches]); } return found;"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    found, _ = _framed(tmp_path, copy, WIDTHS[0], script, *dark)
    assert [width for width, *_ in found] == list(WIDTHS)  # type: ignore[attr-defined]
    for _, violations, passes, is_dark in found:  # type: ignore[attr-defined]
        assert violations == []
        assert passes > 20  # it did examine the page
        assert is_dark == (scheme == "dark")


SORT = """
const t = d.querySelector('#pairs-accuracy table'), i = [...t.tHead.rows[0].cells].findIndex((c) => c.textContent === 'p, mid\u2011p');
const column = () => [...t.tBodies[0].rows].map((r) => r.cells[i].textContent);
const states = [], button = t.tHead.rows[0].cells[i].querySelector('button'), live = d.querySelector('main > [role=status]');
for (let k = 0; k < 3; k++) { button.click(); states.push([t.tHead.rows[0].cells[i].getAttribute('aria-sort'), column(), live.textContent]); }
button.focus();
return [states, d.activeElement === button];
"""


def test_a_table_sorts_announces_it_and_returns_to_its_order(html: str, tmp_path: Path) -> None:
    (states, focused), log = _framed(tmp_path, html, 1280, SORT)  # type: ignore[misc]
    (up, rising, announced), (down, falling, _), (none, before, back) = states
    assert (up, down, none) == ("ascending", "descending", None)
    numbers = [float(x.lstrip("<>")) for x in rising]
    assert numbers == sorted(numbers)
    assert numbers != [float(x.lstrip("<>")) for x in before]
    assert sorted(falling) == sorted(rising)
    assert float(falling[0].lstrip("<>")) == max(numbers)
    assert announced == "Sorted by p, mid\u2011p, ascending"
    assert back == "In the report's order"
    assert focused
    assert _console(log) == []


def test_cases_are_filtered_and_the_count_is_announced(html: str, tmp_path: Path) -> None:
    script = """
    const t = d.querySelector('table[data-filter]'), i = d.querySelector('.filter input');
    const id = t.tBodies[0].rows[1].cells[0].textContent;
    i.value = id; i.dispatchEvent(new Event('input'));
    const shown = [...t.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.cells[0].textContent);
    return [id, shown, d.querySelector('.filter [role=status]').textContent, t.tBodies[0].rows.length, i.labels[0].textContent];
    """
    (case, shown, announced, total, label), _ = _framed(tmp_path, html, 1280, script)  # type: ignore[misc]
    assert shown == [case]
    assert announced == f"1 of {total} shown"
    assert label.startswith("Filter the cases")


def _printed(page: str, tmp_path: Path) -> list[str]:
    """The text of each printed page."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (Debian: poppler-utils): the printed page is not read")
    (tmp_path / "report.html").write_text(page, encoding="utf-8")
    _chromium(
        tmp_path,
        "--no-pdf-header-footer",
        f"--print-to-pdf={tmp_path / 'page.pdf'}",
        (tmp_path / "report.html").as_uri(),
    )
    done = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\f\n").split("\f")


def test_on_paper_the_answer_is_one_page_and_details_are_printed_where_they_are_open(html: str, tmp_path: Path) -> None:
    pages = _printed(html, tmp_path)
    summary = re.search(r"<summary><b>Table \d+\.</b> (Paired comparisons of sensitivity[^<]*?) <", html)
    assert summary
    text = "\n".join(pages)
    assert "Caveats" in pages[0]
    assert "The answer in full" in pages[1]
    assert summary[1] not in text
    assert "Filter the cases" not in text
    assert "at another threshold" not in text
    for i, page in enumerate(pages, 1):
        assert re.search(rf"{i} ?/ ?{len(pages)}\s*$", page), page[-200:]
        assert page.lstrip().startswith("Phantom cervical radiographs")  # the running title
    with_cases = [p for p in pages if len(re.findall(r"^ *case\d+", p, re.MULTILINE)) > 3]
    assert len(with_cases) > 0
    assert all(re.search(r"Case +Truth", p) for p in with_cases)
    opened = _printed(html.replace("<details", "<details open"), tmp_path)
    assert summary[1] in "\n".join(opened)


def test_the_summary_is_one_printed_page(tmp_path: Path) -> None:
    page = assemble(sample.run_content(heads=1))
    (printed,) = _printed(render(page, summary=True), tmp_path)
    assert "Figure 1." in printed
    assert "Caveats" in printed


def test_another_metric_is_shown_in_the_forest_plot(html: str, tmp_path: Path) -> None:
    script = """
    const s = d.querySelector('.choice select'), charts = [...d.querySelectorAll('[data-forest] table')];
    const shown = () => charts.filter((t) => !t.hidden).map((t) => t.dataset.metric);
    const first = shown(); s.value = 'auroc'; s.dispatchEvent(new Event('change'));
    return [first, shown(), s.labels[0].textContent.slice(0, 6), d.querySelector('main > [role=status]').textContent];
    """
    (first, then, label, announced), log = _framed(tmp_path, html, 1280, script)  # type: ignore[misc]
    assert (first, then) == (["accuracy"], ["auroc"])
    assert (label, announced) == ("Metric", "Comparisons of AUROC")
    assert _console(log) == []


def test_a_threshold_updates_counts_that_are_those_of_the_scores(html: str, tmp_path: Path) -> None:
    script = """
    const i = d.querySelector('.slider input'), cells = (r) => [...r.cells].map((c) => c.textContent);
    const rows = () => [...d.querySelectorAll('.slider tbody tr')].map(cells);
    i.value = '0.5'; i.dispatchEvent(new Event('input')); const half = [Number(i.value), rows()];
    i.value = '0.8'; i.dispatchEvent(new Event('input')); return [half, [Number(i.value), rows()]];
    """
    found, log = _framed(tmp_path, html, 1280, script)
    names = sample.models(6)
    y, scores = sample.simulate(names)
    for threshold, rows in found:  # type: ignore[attr-defined]
        assert len(rows) >= 4
        for name, *cells in rows:
            called = scores[names.index(name)] >= threshold
            counts = [
                int((called & y).sum()),
                int((~called & y).sum()),
                int((called & ~y).sum()),
                int((~called & ~y).sum()),
            ]
            assert cells[:4] == [str(n) for n in counts], (name, threshold)
            assert cells[4] == f"{100 * counts[0] / (counts[0] + counts[1]):.1f}"
    assert _console(log) == []


def test_the_contents_mark_the_section_that_is_read(html: str, tmp_path: Path) -> None:
    script = """
    const now = () => (d.querySelector('nav a[aria-current]') || {}).hash;
    for (let k = 0; k < 30 && now() !== '#calibration'; k++) {
      d.querySelector('#calibration').scrollIntoView(); await new Promise((r) => w.setTimeout(r, 100));
    }
    return now();
    """
    found, _ = _framed(tmp_path, html, 1280, script)
    assert found == "#calibration"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_table_is_wider_than_its_place(html: str, tmp_path: Path, width: int) -> None:
    script = "d.querySelectorAll('details').forEach((x) => { x.open = true; }); return [...d.querySelectorAll('.table .scroll')]"
    script += ".filter((s) => s.scrollWidth > s.clientWidth + 1).map((s) => [s.parentElement.id, s.scrollWidth, s.clientWidth]);"
    found, _ = _framed(tmp_path, html, width, script)
    assert found == []


@pytest.mark.parametrize(("width", "dark"), [(1100, False), (480, True)])
def test_the_view_in_a_notebook_fits_its_frame(tmp_path, width, dark):
    rows = pd.DataFrame(
        {"case_id": range(40), "y_true": [0, 1] * 20, "a": [0.2, 0.9] * 20, "b": [0.3, 0.8, 0.6, 0.4] * 10}
    )
    view = hybridcx.compare(rows, n_bootstrap=100)._repr_html_()
    script = (
        "const wait = ms => new Promise(done => setTimeout(done, ms)); window.onload = async () => {"
        "await wait(500); const f = document.querySelector('iframe'), d = f.contentDocument.documentElement;"
        "const fits = [f.clientHeight - d.offsetHeight, d.scrollHeight - f.clientHeight, d.scrollWidth - f.clientWidth];"
        "out.textContent = JSON.stringify(fits); }"
    )
    (tmp_path / "notebook.html").write_text(
        f'<meta charset="utf-8"><div style="width:{width}px">{view}</div><p id="out">null</p><script>{script}</script>',
        encoding="utf-8",
    )
    colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
    address = (tmp_path / "notebook.html").as_uri()
    done = _chromium(
        tmp_path, *colours, "--window-size=1400,1000", "--virtual-time-budget=30000", "--dump-dom", address
    )
    out = re.search(r'<p id="out">(.*?)</p>', done.stdout, re.DOTALL)
    assert out
    assert json.loads(escapes.unescape(out[1])) == [2, 0, 0]
    assert "CONSOLE" not in done.stderr
