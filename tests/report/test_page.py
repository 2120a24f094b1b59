"""The page: nothing interpreted, nothing loaded, in order, numbered as the study, the same bytes."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from collections import Counter
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import sample

from hybridcx.report.content import ReportData
from hybridcx.report.formats.html import render

CANARIES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{7*7}}", r"$\frac$", "_x", "a\u202eb"]


class Page(HTMLParser):
    """Tags, attributes, ids and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [a for t, a in self.tags if t in names]

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(scope="module")
def report() -> ReportData:
    return sample.run_report(heads=2)


@pytest.fixture(scope="module")
def html(report: ReportData) -> str:
    return render(report)


@pytest.fixture(scope="module")
def hostile() -> str:
    return render(_hostile())


def _hostile() -> ReportData:
    found = sample.tables(CANARIES)
    found["confusion"]["positive"] = CANARIES[0]
    found["disagreements"] = found["disagreements"].assign(case_id=CANARIES[1], y_true=CANARIES[2])
    found["metrics"]["warning"], found["metrics"]["status"] = CANARIES[0], "caution"
    found["metrics"] = pd.concat([found["metrics"], found["metrics"].assign(subgroup=CANARIES[1], level=CANARIES[3])])
    return ReportData(
        title=CANARIES[0],
        command="compare",
        question=CANARIES[1],
        tables=found,
        caveats=CANARIES,
        heads_table=pd.DataFrame([CANARIES], columns=[f"{c}{i}" for i, c in enumerate(CANARIES)]),
        split_table=pd.DataFrame([[CANARIES[0], 1]], columns=["label", CANARIES[1]]),
        cohort_flow=pd.DataFrame({"step": CANARIES, "n": range(6)}),
        histories={CANARIES[0]: sample.history(0)},
        training_settings=[(CANARIES[0], CANARIES[1], CANARIES[2])],
        methods=CANARIES,
        provenance={CANARIES[0]: {CANARIES[1]: CANARIES[2]}},
        warnings=CANARIES,
    )


def test_names_made_to_break_the_page_are_text(hostile: str) -> None:
    page = Page(hostile)
    assert not page.all("img", "iframe", "object", "embed", "form", "base")
    assert page.all("script") == [{}]  # ours
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    for canary in CANARIES[:5]:
        assert page.text.count(canary) > 3, canary
    assert "\u202e" not in hostile
    assert "a\\u202eb" in page.text


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    page = Page(html)
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert not re.findall(r"url\((?!#)", html)
    for attrs in (a for _, a in page.tags):
        for name in ("src", "href", "srcset", "data", "action"):
            assert (attrs.get(name) or "#").startswith(("#", "data:,"))
    (policy,) = [a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    allowed = policy["content"] or ""
    assert allowed.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "unsafe" not in allowed.split("script-src")[1]


def test_the_policy_allows_the_one_script_of_the_page_and_no_other(html: str, hostile: str) -> None:
    for page in (html, hostile):
        (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'; img-src" in page
        assert not re.search(r"\b(eval|fetch|XMLHttpRequest|localStorage|innerHTML|setTimeout)\b", script)


@pytest.mark.parametrize("which", ["html", "hostile"])
def test_ids_are_unique_and_every_link_and_label_has_its_target(which: str, request: pytest.FixtureRequest) -> None:
    page = Page(request.getfixturevalue(which))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    for _, attrs in page.tags:
        link = attrs.get("href") or ""
        assert not link.startswith("#") or link[1:] in ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids)


def test_headings_are_in_order_and_landmarks_are_there(html: str) -> None:
    page = Page(html)
    levels = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert all(len(page.all(tag)) == 1 for tag in ("header", "main", "nav", "footer", "h1"))
    assert page.all("html")[0]["lang"] == "en"
    assert any(a.get("name") == "viewport" for a in page.all("meta"))


def test_sections_stand_in_the_order_in_which_they_are_read_and_the_contents_list_matches(html: str) -> None:
    order = [
        "cohort",
        "training",
        "leakage",
        "agreement",
        "performance",
        "comparisons",
        "hybrid",
        "roc",
        "readers",
        "calibration",
        "utility",
    ]
    order += ["variance", "label-rules", "subgroups", "disagreements", "casebook", "methods", "provenance"]
    page = Page(html)
    sections = [a["id"] for a in page.all("section")]
    assert sections[0] == "answer"
    assert sections[1:] == [key for key in order if key in sections]
    nav = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r'href="#([^"]+)"', nav) == sections[1:]


def test_behind_every_figure_stands_a_file_or_a_table(html: str) -> None:
    captions = re.findall(r"<figcaption.*?</figcaption>", html, re.DOTALL)
    assert len(captions) > 8
    # the sample hands its flow and its histories over without their files; a run has both (flow.csv, learning_curves.csv)
    without = [c for c in captions if 'class="source"' not in c]
    assert all("Flow of the cohort" in c or "accuracy and loss in training" in c for c in without)


def test_tables_have_captions_scopes_and_a_way_to_scroll_by_keyboard(html: str) -> None:
    page = Page(html)
    assert len(page.all("table")) == len(page.all("caption")) > 8
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(page.all("table")) + len(page.all("figure"))
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" and a.get("aria-labelledby") for a in regions)
    assert len(page.all("figcaption")) == len(page.all("figure"))


def test_a_run_keeps_the_studys_numbers(html: str) -> None:
    numbers = re.findall(r"<b>((?:Table|Figure) \w+)\.</b> (\w+)", html)
    assert numbers[:3] == [("Figure 1", "Flow"), ("Table I", "Cases"), ("Table II", "Training")]
    assert [n for n, first in numbers if first in sample.NETWORKS] == [f"Figure {i}" for i in (2, 3, 4, 5)]
    assert ("Figure 6", "Confusion") in numbers
    assert ("Table III", "Performance") in numbers
    assert len({n for n, _ in numbers}) == len(numbers)


def test_values_are_those_of_the_tables(report: ReportData, html: str) -> None:
    row = report.tables["metrics"].query("model == 'vgg16' and metric == 'accuracy' and method == 'wilson'").iloc[0]
    shown = f"{100 * row['estimate']:.1f} ({100 * row['conf.low']:.1f} to {100 * row['conf.high']:.1f})"
    assert f"{shown}<small>{row['numerator']:.0f}/49</small>" in html


def test_sections_without_content_are_left_out_of_page_and_contents() -> None:
    page = Page(
        render(ReportData(title="t", command="agreement", question="q", tables={"agreement": sample.agreement()}))
    )
    assert [a["href"] for a in page.all("a") if a["href"] != "#answer" and "note" not in (a["href"] or "")] == [
        "#agreement"
    ]
    empty = Page(render(ReportData(title="t", command="compare", question="q", tables={"metrics": pd.DataFrame()})))
    assert not empty.all("nav")


def test_tables_as_the_rest_of_hybridcx_hands_them_over() -> None:
    counts = pd.DataFrame({"train": [119, 113, 232], "total": [170, 161, 331]}, index=["abnormal", "normal", "total"])
    settings = pd.DataFrame({"option": ["mini-batch"], "value": ["16"]})
    report = ReportData(
        title="t", command="run", question="q", tables={}, split_table=counts, training_settings=settings
    )
    page = Page(render(report))
    assert "abnormal" in page.text
    assert "mini-batch" in page.text


def test_a_caution_and_a_number_that_does_not_exist_have_their_reason_beside_them() -> None:
    metrics = sample.tables(["vgg16", "vgg19"])["metrics"]
    at = metrics.index[(metrics["model"] == "vgg16") & (metrics["metric"] == "ppv")]
    metrics.loc[at, ["estimate", "conf.low", "conf.high"]] = np.nan
    metrics["warning"] = metrics["warning"].astype(object)
    metrics.loc[at, "status"], metrics.loc[at, "warning"] = "not_estimable", "no predicted positive"
    html = render(ReportData(title="t", command="run", question="q", tables={"metrics": metrics}))
    assert re.search(r'NA<sup><a href="#table-iii-note-a"', html)
    assert "not estimable: no predicted positive" in html


def test_monte_carlo_error_stands_beside_resampled_limits() -> None:
    metrics = sample.tables(["a", "b"])["metrics"]
    resampled = metrics["method"] == "bootstrap_bca"
    metrics = metrics.assign(**{f"mc.error.{s}": np.where(resampled, 0.00123, np.nan) for s in ("low", "high")})
    html = render(ReportData(title="t", command="compare", question="q", tables={"metrics": metrics}))
    assert html.count("<small>MC error 0.0012, 0.0012</small>") == resampled.sum() == 2


def test_the_same_report_gives_the_same_bytes(report: ReportData, html: str) -> None:
    assert render(report) == html


def test_thirty_two_models_stay_small() -> None:
    assert len(render(sample.run_report(heads=7)).encode()) < 2_000_000
