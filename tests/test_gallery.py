"""The finished reports of reports/gallery: small, of the page as it is now, each with its row in the list; and the README's pictures of a page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

GALLERY = Path(__file__).parents[1] / "reports/gallery"
PAGES = sorted(GALLERY.glob("*/report.html"))


def test_the_readme_lists_every_folder() -> None:
    linked = re.findall(
        r"^\| \[[^\]]+\]\((\w+)/report\.html\) \|", (GALLERY / "README.md").read_text(encoding="utf-8"), re.M
    )
    assert sorted(linked) == [p.parent.name for p in PAGES] == sorted(p.name for p in GALLERY.iterdir() if p.is_dir())
    assert len(linked) >= 3


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.parent.name)
def test_a_page_is_small_alone_and_of_the_current_template(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [p.name for p in page.parent.iterdir()] == ["report.html"]
    assert len(text.encode()) < 2_000_000
    assert re.search(r'<h2 id="answer-title" class="lead">\w', text)
    assert '<nav aria-label="Contents">' in text
    assert not re.search(r"/(?:home|work|tmp|Users)/", re.sub(r'data:image/[^"]+', "", text))


def test_the_page_of_the_ultrasounds_has_no_picture_of_them() -> None:
    text = (GALLERY / "ultrasound/report.html").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "data:image" not in text
    assert "<image" not in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pictures_of_a_page_are_small(scheme: str) -> None:
    picture = GALLERY.parents[1] / f"docs/pictures/report_{scheme}.png"
    assert picture.stat().st_size < 150_000
    with Image.open(picture) as image:
        assert image.width == 1280
        corner = image.convert("L").getpixel((0, 0))
    assert corner > 200 if scheme == "light" else corner < 60
