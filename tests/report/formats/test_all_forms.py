"""Further forms of a report: named by the user, refused before anything runs, hashed, and gone when no longer wanted."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest
import sample

import hybridcx
from hybridcx.errors import InputError
from hybridcx.report.blocks import Page
from hybridcx.report.formats.all_forms import FORMS, forms_of, write_figures


def test_figures_are_documents_with_plain_colours_and_pictures(page: Page, tmp_path: Path) -> None:
    write_figures(tmp_path / "figures", page)
    keys = [f.key for f in page.figures]
    assert len(set(keys)) == len(keys) > 3
    for key in keys:
        text = (tmp_path / "figures" / f"{key}.svg").read_text(encoding="utf-8")
        assert "var(" not in text
        assert ET.fromstring(text.partition("\n")[2]).tag.endswith("svg")
        assert (tmp_path / "figures" / f"{key}.png").read_bytes().startswith(b"\x89PNG")


def test_forms_are_named() -> None:
    assert forms_of(["latex,word", "paper"]) == ("word", "latex", "paper")
    assert forms_of("all") == tuple(FORMS)
    assert forms_of(()) == ()
    with pytest.raises(InputError, match="pdf"):
        forms_of(["pdf"])


@pytest.mark.parametrize(("form", "program"), [("markdown", "Pandoc"), ("parquet", "andas writes")])
def test_forms_that_were_removed_have_a_remedy(form: str, program: str) -> None:
    with pytest.raises(InputError, match=program):
        forms_of([form])


def test_a_missing_extra_is_reported_before_anything_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("hybridcx.vocabulary.extras.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "hybridcx\[word\]"'):
        hybridcx.compare(predictions(), positive="1", out=tmp_path / "r", also=["word"])
    assert not (tmp_path / "r").exists()


def predictions() -> pd.DataFrame:
    y, scores = sample.simulate(["a", "b"])
    ids, truth = [f"c{i}" for i in range(len(y))], y.astype(int).astype(str)
    parts = [
        pd.DataFrame({"case_id": ids, "y_true": truth, "model": m, "score": s})
        for m, s in zip(["vgg_16 & more", "50% <b>"], scores, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def files_of(folder: Path, **options: object) -> dict[str, bytes]:
    """The files of a comparison with these options."""
    hybridcx.compare(predictions(), positive="1", n_bootstrap=200, out=folder, **options)  # type: ignore[arg-type]
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {k: v for k, v in files.items() if not k.startswith(".hybridcx")}


def test_a_report_with_all_forms_repeats_and_its_files_are_hashed(tmp_path: Path) -> None:
    plain, first = files_of(tmp_path / "plain"), files_of(tmp_path / "a", also=["all"])
    again = files_of(tmp_path / "b", also="all")
    record = json.loads(first.pop("provenance.json"))
    again.pop("provenance.json")
    assert first == again
    assert set(record["files"]) == set(first)
    assert record["forms"] == list(FORMS)
    extra = {k.split("/")[0] for k in first} - set(plain)
    assert extra == {"summary.html", "report.docx", "latex", "figures", "paper.md", "references.bib"}
    for name in set(plain) - {"provenance.json"}:
        assert first[name] == plain[name], name
    hybridcx.compare(predictions(), positive="1", n_bootstrap=200, out=tmp_path / "a")
    left = {p.name for p in (tmp_path / "a").iterdir()} - {".hybridcx"}
    assert left == {k.split("/")[0] for k in plain}
