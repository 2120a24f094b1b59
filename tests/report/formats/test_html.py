"""The page as HTML: names are text, nothing is loaded, headings and landmarks, the same bytes for the same content."""

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

from hybridcx.report.content import Content

CANARIES = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "{{7*7}}", r"$\frac$", "_x", "a\u202eb"]


class Parsed(HTMLParser):
    """Tags, attributes and text of a page."""

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
def content() -> Content:
    return sample.run_content(heads=2)


@pytest.fixture(scope="module")
def html(content: Content) -> str:
    return sample.html(content)


@pytest.fixture(scope="module")
def hostile() -> str:
    """A page whose texts all are names that break what does not escape them."""
    tables = sample.tables(CANARIES)
    tables["confusion"]["positive"] = CANARIES[0]
    tables["disagreements"] = tables["disagreements"].assign(case_id=CANARIES[1], y_true=CANARIES[2])
    metrics = tables["metrics"].assign(warning=CANARIES[0], status="caution")
    tables["metrics"] = pd.concat([metrics, metrics.assign(subgroup=CANARIES[1], level=CANARIES[3])])
    content = sample.content(
        tables,
        title=CANARIES[0],
        question=CANARIES[1],
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
    return sample.html(content)


def test_hostile_names_are_text(hostile: str) -> None:
    page = Parsed(hostile)
    assert not page.all("img", "iframe", "object", "embed", "form", "base")
    assert page.all("script") == [{"type": "application/json", "data-curves": None}, {}]  # data, and ours
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    for canary in CANARIES[:5]:
        assert page.text.count(canary) > 3, canary
    assert "\u202e" not in hostile
    assert "a\\u202eb" in page.text


def test_nothing_is_loaded_from_anywhere(html: str) -> None:
    page = Parsed(html)
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


def test_the_content_security_policy_allows_only_the_script_of_the_page(html: str, hostile: str) -> None:
    for page in (html, hostile):
        (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'; img-src" in page
        assert not re.search(r"\b(eval|fetch|XMLHttpRequest|localStorage|innerHTML|setTimeout)\b", script)


@pytest.mark.parametrize("which", ["html", "hostile"])
def test_ids_are_unique_and_every_link_and_label_has_its_target(which: str, request: pytest.FixtureRequest) -> None:
    page = Parsed(request.getfixturevalue(which))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert [i for i, n in Counter(ids).items() if n > 1] == []
    for _, attrs in page.tags:
        link = attrs.get("href") or ""
        assert not link.startswith("#") or link[1:] in ids
        for name in ("aria-labelledby", "aria-describedby"):
            assert set((attrs.get(name) or "").split()) <= set(ids)


def test_headings_are_in_order_and_landmarks_are_there(html: str) -> None:
    page = Parsed(html)
    levels = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    assert all(len(page.all(tag)) == 1 for tag in ("header", "main", "nav", "footer", "h1"))
    assert page.all("html")[0]["lang"] == "en"
    assert any(a.get("name") == "viewport" for a in page.all("meta"))


def test_the_contents_list_has_the_sections_of_the_page(html: str) -> None:
    sections = [a["id"] for a in Parsed(html).all("section")]
    assert sections[0] == "answer"
    nav = html[html.index("<nav") : html.index("</nav>")]
    assert re.findall(r'href="#([^"]+)"', nav) == sections


def test_every_figure_names_its_file(html: str) -> None:
    captions = re.findall(r"<figcaption.*?</figcaption>", html, re.DOTALL)
    assert len(captions) > 5
    # the sample has no files of its flow and histories; a run has both (flow.csv, learning_curves.csv)
    without = [c for c in captions if 'class="source"' not in c]
    assert all("Flow of the cohort" in c or "loss in training" in c or "First minus second" in c for c in without)


def test_tables_have_captions_scopes_and_a_way_to_scroll_by_keyboard(html: str) -> None:
    page = Parsed(html)
    forests = [a for a in page.all("table") if "data-metric" in a]  # their caption is that of the figure
    assert all(a.get("aria-labelledby") == "figure-forest-caption" for a in forests)
    assert len(page.all("table")) - len(forests) == len(page.all("caption")) > 8
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    regions = [a for a in page.all("div") if a.get("class") == "scroll"]
    assert len(regions) == len(page.all("caption")) + len(page.all("figure")) - 1
    assert all(a.get("tabindex") == "0" and a.get("role") == "region" and a.get("aria-labelledby") for a in regions)
    assert len(page.all("figcaption")) == len(page.all("figure"))


def test_values_are_those_of_the_tables(content: Content, html: str) -> None:
    row = content.tables["metrics"].query("model == 'vgg16' and metric == 'accuracy' and method == 'wilson'").iloc[0]
    text = f"{100 * row['estimate']:.1f} ({100 * row['conf.low']:.1f}\u00a0to\u00a0{100 * row['conf.high']:.1f})"
    assert f"{text}<small>{row['numerator']:.0f}/49</small>" in html


def test_sections_without_data_are_neither_on_the_page_nor_in_its_contents_list() -> None:
    page = Parsed(sample.html(sample.content({"agreement": sample.agreement()}, command="agreement")))
    links = [a["href"] or "" for a in page.all("a")]
    assert [x for x in links if x != "#answer" and "note" not in x] == ["#agreement"]
    empty = Parsed(sample.html(sample.content({"metrics": pd.DataFrame()})))
    assert not empty.all("nav")


def test_tables_of_the_commands_are_shown_with_their_index() -> None:
    counts = pd.DataFrame({"train": [119, 113, 232], "total": [170, 161, 331]}, index=["abnormal", "normal", "total"])
    settings = pd.DataFrame({"option": ["mini-batch"], "value": ["16"]})
    content = sample.content({}, command="run", split_table=counts, training_settings=settings)
    page = Parsed(sample.html(content))
    assert "abnormal" in page.text
    assert "mini-batch" in page.text


def test_a_missing_number_has_a_note_with_its_reason() -> None:
    metrics = sample.tables(["vgg16", "vgg19"])["metrics"]
    at = metrics.index[(metrics["model"] == "vgg16") & (metrics["metric"] == "ppv")]
    metrics.loc[at, ["estimate", "conf.low", "conf.high"]] = np.nan
    metrics["warning"] = metrics["warning"].astype(object)
    metrics.loc[at, "status"], metrics.loc[at, "warning"] = "not_estimable", "no predicted positive"
    html = sample.html(sample.content({"metrics": metrics}, command="run"))
    assert re.search(r'NA<sup><a href="#table-iii-note-a"', html)
    assert "not estimable: no predicted positive" in html


@pytest.mark.parametrize(("error", "said"), [(0.00123, False), (0.1, True)])
def test_a_monte_carlo_error_is_mentioned_where_it_is_large(error: float, said: bool) -> None:
    metrics = sample.tables(["a", "b"])["metrics"]
    resampled = metrics["method"] == "bootstrap_bca"
    assert resampled.sum() == 2
    metrics = metrics.assign(**{f"mc.error.{s}": np.where(resampled, error, np.nan) for s in ("low", "high")})
    html = sample.html(sample.content({"metrics": metrics}))
    assert ("Monte Carlo error of a limit up to 0.1000" in html) == said
    assert ("Monte Carlo" in html) == said


def test_equal_contents_give_equal_bytes(content: Content, html: str) -> None:
    assert sample.html(content) == html


def test_the_page_of_thirty_two_models_is_small() -> None:
    assert len(sample.html(sample.run_content(heads=7)).encode()) < 2_000_000
