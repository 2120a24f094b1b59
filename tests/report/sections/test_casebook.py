"""The section on single cases, with tables written by hand: filters, links, hostile names, pictures, and cases that are not shown."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pandas as pd
import pytest
import sample
from PIL import Image

from hybridcx.analysis.cases import BAND, MAX_SHOWN
from hybridcx.report.casebook_view import CasebookView
from hybridcx.report.sections import casebook

EVIL = '<script>alert(1)</script>"><img onerror=x>'


def tables(n: int = 6, a: str = "a", b: str = "b", case: str = "c{}") -> dict[str, pd.DataFrame]:
    """The casebook of two models, of which `a` is wrong in every second and `b` right in every third of `n` cases."""
    ids = [case.format(i) for i in range(n)]
    rows = []
    for i, c in enumerate(ids):
        for m, other, right in ((a, b, i % 2 == 0), (b, a, i % 3 == 0)):
            differ = (i % 2 == 0) != (i % 3 == 0)
            rows.append(
                {
                    "case_id": c, "y_true": "abnormal", "model": m, "score": 0.52, "y_pred": "abnormal" if right else "normal",
                    "correct": right, "near.threshold": i == 0, "only.right.against": other if differ and right else None,
                    "only.wrong.against": other if differ and not right else None, "n.models.wrong": (i % 2 != 0) + (i % 3 != 0),
                    "all.wrong": i % 2 != 0 and i % 3 != 0, "readings": "A: abnormal", "number": i + 1.0, "seed": None,
                }
            )  # fmt: skip
    cell = {
        (True, True): "both_right",
        (True, False): "only_model",
        (False, True): "only_comparator",
        (False, False): "both_wrong",
    }
    cells = [
        {"model": a, "comparator": b, "cell": cell[i % 2 == 0, i % 3 == 0], "case_id": c, "seed": None}
        for i, c in enumerate(ids)
    ]
    return {"casebook": pd.DataFrame(rows), "case_cells": pd.DataFrame(cells)}


def page_of(tables: dict[str, pd.DataFrame], view: CasebookView = CasebookView(None, 8, "abnormal")) -> str:  # noqa: B008
    return sample.html(sample.content(tables, casebook=view))


def test_filters_count_their_cases_and_the_style_sheet_knows_each():
    page = casebook.casebook_page(sample.content(tables()))
    counts = dict(page.filters)
    assert counts == {
        "all shown": 6,
        "discordant in a pair": 3,
        "wrong by every model": 2,
        "near a threshold": 1,
        "a against b": 3,
    }
    filters = {c.number: set(c.filters.split()) for c in page.cases}
    assert filters[1] == {"k3"}
    assert filters[2] == {"k2"}
    assert filters[3] == {"k1", "k4"}
    html = page_of(tables())
    for k in range(1, casebook.MAX_FILTERS + 1):
        assert f".casebook:has(#casebook-show-{k}:checked) .case:not(.k{k})" in html
    assert html.count('type="radio"') == 5


def test_the_text_names_the_band_that_the_analysis_uses():
    assert f"within {BAND:g} of" in page_of(tables())


def test_a_case_that_is_not_shown_is_counted_and_has_no_link():
    book = tables()
    book["casebook"].loc[book["casebook"]["case_id"] == "c5", "number"] = None
    html = page_of(book)
    assert html.count("<article") == 5
    assert "5 of 6 noteworthy cases are shown" in html
    assert "1 more is in casebook.csv" in html
    assert 'href="#case-6"' not in html
    ids = re.findall(r'id="([^"]+)"', html)
    assert all(link in ids for link in re.findall(r'href="#([^"]+)"', html))
    assert len(ids) == len(set(ids))


def test_hostile_names_are_text():
    html = page_of(tables(a=EVIL, b="{{7*7}}", case=EVIL + "{}"))
    assert html.count("<script") == html.count("<script>// Sorts") == 1  # that of the page
    assert "<img" not in html
    assert "{{7*7}}" in html


def test_pictures_are_found_by_number_and_each_prepared_image_is_in_the_page_once(tmp_path: Path):
    for i in range(1, 7):
        buffer = io.BytesIO()
        Image.new("L", (8, 8), 10 * i).save(buffer, "JPEG")
        (tmp_path / f"{i:03d}.jpg").write_bytes(buffer.getvalue())
    buffer = io.BytesIO()
    Image.new("RGBA", (7, 7)).save(buffer, "PNG")
    (tmp_path / "001-vgg16-grad_cam.png").write_bytes(buffer.getvalue())
    book = tables()
    book["saliency"] = pd.DataFrame(
        [
            {
                "case_id": "c0", "network": "vgg16", "method": "grad_cam", "x": 4.0, "y": 4.0, "maximum": 1.0, "map.side": 7,
                "n.lesions": 1.0, "hit": True, "hit.local": None, "rank.correlation": float("nan"), "number": 1.0, "status": "ok",
                "warning": None,
            }
        ]
    )  # fmt: skip
    lesion = {
        "case_id": "c0",
        "kind": "narrowing",
        "level": "C5/6",
        "severity": 0.5,
        "left": 2.0,
        "top": 2.0,
        "right": 6.0,
        "bottom": 4.0,
    }
    book["lesions"] = pd.DataFrame([lesion])
    html = page_of(book, CasebookView(tmp_path, 8, "abnormal"))
    assert html.count("data:image/jpeg") == 6
    assert html.count("data:image/png") == 1
    assert html.count('<use href="#case-1-image"/>') == 1
    assert 'x="25.0" y="25.0" width="50.0" height="25.0"' in html
    assert "Grad-CAM hits a sign" in html
    assert "narrowing C5/6 (0.50)" in html
    assert all('role="img" aria-label="' in svg for svg in re.findall(r"<svg[^>]*viewBox=\"0 0 100 100\"[^>]*>", html))
    without_images = page_of(book, CasebookView(None, 8, "abnormal"))
    assert "data:image" not in without_images
    assert "hits a sign" in without_images


@pytest.mark.parametrize("missing", ["casebook", "number"])
def test_without_cases_there_is_no_section(missing):
    book = tables()
    if missing == "casebook":
        book = {}
    else:
        book["casebook"]["number"] = float("nan")
    assert casebook.section(sample.content(book)).blocks == []


def test_a_casebook_of_sixty_models_without_images_is_small():
    models = [f"network{i}+head" for i in range(58)]
    book = tables(MAX_SHOWN)
    more = [book["casebook"][book["casebook"]["model"] == "a"].assign(model=m) for m in models]
    book["casebook"] = pd.concat([book["casebook"], *more], ignore_index=True).sort_values("case_id", kind="stable")
    assert len(page_of(book)) < 0.6e6
