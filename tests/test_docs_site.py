"""The site builds without a warning (pages, links, anchors) and loads nothing from other hosts. Needs the extra docs, which .ci/run installs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the extra docs is not installed")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    r = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert r.returncode == 0, r.stdout + r.stderr
    return folder


def test_every_page_of_docs_is_built(site):
    pages = [p.relative_to(ROOT / "docs") for p in (ROOT / "docs").rglob("*.md")]
    built = [site / (p.parent / "index.html" if p.name == "README.md" else p.with_suffix(".html")) for p in pages]
    assert [str(p) for p in built if not p.exists()] == []


def test_pages_load_nothing_from_other_hosts(site):
    loads = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\ssrc(?:set)?=[\"']?(?:https?:)?//[^\"'> ]+|<link[^>]*href=[\"']?(?:https?:)?//[^\"'> ]+"
    )
    found = {
        m
        for p in site.rglob("*.html")
        for m in loads.findall(p.read_text(encoding="utf-8"))
        if 'rel="canonical"' not in m
    }
    assert found == set()
    styles = [p.read_text(encoding="utf-8") for p in site.rglob("*.css")]
    assert styles
    assert [m for text in styles for m in re.findall(r"(?:url\(|@import\s)[\"']?(?:https?:)?//[^)\"' ]+", text)] == []


def test_files_outside_docs_are_pages_with_links_that_lead_back(site):
    changes = (site / "project/CHANGELOG.html").read_text(encoding="utf-8")
    assert 'href="../r.html"' in changes
    assert 'href="gallery/readers.html"' in (site / "project/gallery.html").read_text(encoding="utf-8")
    assert (site / "project/gallery/readers.html").is_file()
    assert 'href="project/CHANGELOG.html"' in (site / "statistics.html").read_text(encoding="utf-8")
