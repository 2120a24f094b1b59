"""The reporting checklists: every item once, no evidence that the report does not have, no score, and places that exist."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sample import run_content

import hybridcx
from hybridcx.report.checklists.evidence import FACTS, GUIDELINES, checklist, guideline
from hybridcx.vocabulary.run import EVIDENCED, NOT_HERE, PARTLY

NUMBERS = {
    "tripod_ai": "1 2 3a 3b 3c 4 5a 5b 6a 6b 6c 7 8a 8b 8c 9a 9b 9c 10 11 12a 12b 12c 12d 12e 12f 12g 13 14 15 16 17 18a 18b 18c 18d 18e 18f 19 "
    "20a 20b 20c 21 22 23a 23b 24 25 26 27a 27b 27c",
    "stard_2015": "1 2 3 4 5 6 7 8 9 10a 10b 11 12a 12b 13a 13b 14 15 16 17 18 19 20 21a 21b 22 23 24 25 26 27 28 29 30",
    "claim_2024": " ".join(map(str, range(1, 45))),
}


@pytest.mark.parametrize("key", GUIDELINES)
def test_a_guideline_has_every_item_once_with_facts_that_exist(key):
    one = guideline(key)
    assert [i.number for i in one.items] == NUMBERS[key].split()
    assert all(set(i.evidence) <= set(FACTS) for i in one.items)
    assert all(i.evidence for i in one.items if i.whole)
    assert len(one.checked) >= 2
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for _, date in one.checked)
    assert one.doi in ("10.1136/bmj-2023-078378", "10.1136/bmj.h5527", "10.1148/ryai.240300")


def test_a_report_without_facts_evidences_nothing():
    bare = replace(
        run_content(),
        command="compare",
        tables={},
        question="",
        provenance={},
        cohort_flow=None,
        split_table=None,
        training_settings=None,
    )
    assert set(checklist(bare)["evidenced"]) == {NOT_HERE}
    assert checklist(bare)["evidence"].isna().all()


def test_an_item_is_evidenced_partly_unless_all_that_it_requires_is_there():
    full = run_content()
    status = checklist(full).set_index(["guideline", "item"])["evidenced"]
    assert status["STARD 2015", "23"] == EVIDENCED
    assert status["STARD 2015", "24"] == EVIDENCED
    assert status["STARD 2015", "18"] == PARTLY  # a detectable difference is no sample size calculation
    for item in ("17", "18a", "18b", "18d", "19", "25"):  # ethics, funding, interpretation
        assert status["TRIPOD+AI", item] == NOT_HERE
    without = replace(full, tables={k: v for k, v in full.tables.items() if k != "comparisons"})
    assert checklist(without).set_index(["guideline", "item"])["evidenced"]["STARD 2015", "14"] == PARTLY


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> hybridcx.Report:
    rows = []
    for i in range(60):
        for m, model in enumerate(("one", "two")):
            rows.append({"case_id": f"c{i}", "y_true": str(i % 2), "model": model, "score": ((i * (7 + m)) % 60) / 60})
    return hybridcx.compare(pd.DataFrame(rows), out=tmp_path_factory.mktemp("report") / "out", n_bootstrap=100)


def test_a_comparison_evidences_what_it_has_and_nothing_that_it_cannot_know(report):
    table = report.tables["checklist"]
    assert list(table.columns) == ["guideline", "item", "topic", "evidence", "location", "evidenced"]
    assert len(table) == 52 + 44 + 34
    page = report.page.read_text(encoding="utf-8")
    titles = set(re.findall(r'-title">([^<]+)</h2>', page)) | {"first screen"}
    for places in table["location"].dropna():
        for place in places.split("; "):
            assert place in titles or (report.folder / place).is_file(), place
    status = table.set_index(["guideline", "item"])["evidenced"]
    assert status["CLAIM 2024", "22"] == NOT_HERE  # nothing is known about the models
    assert status["CLAIM 2024", "23"] == PARTLY  # the software of the analysis, not that of the models
    assert status["CLAIM 2024", "32"] == NOT_HERE


def test_the_page_lists_evidenced_items_and_has_no_score(report):
    page = report.page.read_text(encoding="utf-8")
    own = page[page.index('<section id="checklists"') :]
    own = own[: own.index("</section>")]
    text = re.sub(r"<[^>]+>", " ", own)
    assert "There is no score." in text
    assert "Not evidenced here: 1, 2, 3a, 3b, 3c" in text
    assert not re.search(r"\d+\s*(%|of\s+(52|44|34))(?!\s*intervals)", text.replace("95% intervals", ""))
    assert "not against the article itself" in text  # the text that each list was checked against
    dictionary = pd.read_csv(report.folder / "data_dictionary.csv", keep_default_na=False)
    assert len(dictionary[dictionary["file"] == "checklist.csv"]) == 6


def test_a_comparison_with_its_checklist_is_verified(report):
    assert hybridcx.verify(report.folder).differences.empty


def test_the_guidelines_are_data_of_the_package():
    text = (Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    assert "report/checklists/*" in text
