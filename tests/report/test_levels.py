"""What a reader meets: the first screen in few words, few open tables and figures, the rest closed; and sentences without slips of the pen."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import sample

import hybridcx
from hybridcx.commands.result import Report
from hybridcx.report.formats.html import render
from hybridcx.report.page import assemble

FIRST_SCREEN_WORDS = 120
OPEN_TABLES, OPEN_FIGURES = 12, 8
SINGULARS = "pairs|cases|models|readers|seeds|folds|rows|points|comparisons|patients|images|negatives|positives|resamples|networks|trainings|calls"


class Counted(HTMLParser):
    """The words of a page and of its first screen besides the figure, and its tables and figures that are open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.first: list[str] = []
        self.tables = self.figures = 0
        self._inside = dict.fromkeys(("style", "script", "svg", "details", "figure", "answer"), 0)
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._inside:
            self._inside[tag] += 1
        if tag == "section":
            self._inside["answer"] = int(dict(attrs).get("id") == "answer")
        closed = self._inside["details"] > 0
        self.figures += tag == "figure" and not closed
        self.tables += tag == "table" and not closed and not self._inside["figure"]

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside[tag] -= 1
        if tag == "section":
            self._inside["answer"] = 0

    def handle_data(self, data: str) -> None:
        if any(self._inside[t] for t in ("style", "script", "svg")):
            return
        self.words += data.split()
        if self._inside["answer"] and not self._inside["figure"]:
            self.first += data.split()


def predictions(n: int, models: list[str], seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    positive, common = rng.random(n) < 0.45, rng.normal(size=n)
    parts = []
    for j, model in enumerate(models):
        z = (2 * positive - 1) * (0.8 + 0.2 * j / len(models)) + 0.7 * common + rng.normal(0, 0.9, n)
        score = (1 / (1 + np.exp(-z))).round(5)
        parts.append(
            pd.DataFrame(
                {
                    "case_id": range(n),
                    "y_true": np.where(positive, "abnormal", "normal"),
                    "model": model,
                    "score": score,
                }
            )
        )
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(
        sex=np.where(frame["case_id"] % 2, "f", "m"), site=np.array(["A", "B", "C"])[frame["case_id"] % 3]
    )


def page_of(report: Report) -> str:
    return render(assemble(report.content))


FOUR = ["vgg16", "vgg19", "resnet101", "densenet201"]


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Pages of every kind of report."""
    rng = np.random.default_rng(1)
    truth = rng.normal(50, 10, 40)
    measured = {f"reader_{r}_{o}": (truth + rng.normal(0, 3, 40)).round(1) for r in ("anna", "ben") for o in (1, 2)}
    seen = rng.random(40) < 0.5
    called = {f"reader_{r}": np.where(rng.random(40) < 0.9, seen, ~seen).astype(str) for r in "abc"}
    published = pd.DataFrame({"model": ["a", "b"], "metric": "accuracy", "value": ["90.0", "85.0"]})
    fast = {"n_bootstrap": 200}
    return {
        "thirty": page_of(hybridcx.compare(predictions(30, FOUR), **fast)),
        "four": page_of(hybridcx.compare(predictions(200, FOUR), by=["sex", "site"], margin=0.05, **fast)),
        "two": page_of(hybridcx.compare(predictions(120, ["rf", "cnn"]), **fast)),
        "one": page_of(hybridcx.compare(predictions(120, ["cnn"]), **fast)),
        "measurements": page_of(hybridcx.agreement(pd.DataFrame({"case_id": range(40), **measured}), **fast)),
        "two_readers": page_of(
            hybridcx.agreement(
                pd.DataFrame({"case_id": range(40), **{k: v for k, v in measured.items() if k.endswith("1")}}), **fast
            )
        ),
        "categories": page_of(hybridcx.agreement(pd.DataFrame({"case_id": range(40), **called}), **fast)),
        "audit": page_of(hybridcx.audit(published, positives=10, negatives=10)),
        "plan": page_of(hybridcx.plan.mcnemar(p10=0.15, p01=0.05)),
        "run": sample.html(sample.run_content(heads=7)),
    }


@pytest.mark.parametrize("name", ["thirty", "four", "two", "one", "measurements", "categories", "run"])
def test_the_first_screen_has_few_words(pages: dict[str, str], name: str) -> None:
    counted = Counted(pages[name])
    assert 20 < len(counted.first) <= FIRST_SCREEN_WORDS, " ".join(counted.first)


@pytest.mark.parametrize("name", ["thirty", "four", "two", "one", "run"])
def test_few_tables_and_figures_are_open(pages: dict[str, str], name: str) -> None:
    counted = Counted(pages[name])
    assert 2 <= counted.tables <= OPEN_TABLES
    assert 3 <= counted.figures <= OPEN_FIGURES


@pytest.mark.parametrize("name", ["measurements", "two_readers", "categories"])
def test_a_report_on_agreement_has_three_figures(pages: dict[str, str], name: str) -> None:
    assert Counted(pages[name]).figures >= 3


def test_at_most_twelve_cases_are_shown(pages: dict[str, str]) -> None:
    cases = re.search(r'<div class="table" id="cases">.*?</table>', pages["four"], re.DOTALL)
    assert cases
    assert 1 <= cases[0].count('<th scope="row"') <= 12


def test_the_page_of_sixty_models_is_small() -> None:
    names = [f"network{i // 8}:pretrained+head{i % 8}" for i in range(60)]
    page = sample.html(
        sample.content(sample.tables(names, pairs=[(names[0], m) for m in names[1:]]), primary_models=names[:12])
    )
    assert len(page.encode()) < 2_000_000
    assert Counted(page).tables <= OPEN_TABLES


def sentences(page: str) -> list[str]:
    """The texts of a page, one for each element that holds some."""
    body = re.sub(r"<(style|script|svg).*?</\1>", "", page, flags=re.DOTALL)
    parts = re.split(r"</?(?:p|li|h\d|td|th|caption|figcaption|dd|dt|summary|div|section)\b[^>]*>", body)
    texts = (" ".join(unescape(re.sub(r"<[^>]+>", "", part)).split()) for part in parts)
    return [t for t in texts if t]


@pytest.mark.parametrize(
    "name", ["thirty", "four", "two", "one", "measurements", "two_readers", "categories", "audit", "plan", "run"]
)
def test_plurals_clauses_and_parentheses(pages: dict[str, str], name: str) -> None:
    texts = sentences(pages[name])
    assert len(texts) > 20
    for text in texts:
        assert not re.search(rf"(?<![\d.,−-])\b1 (?:{SINGULARS})\b", text), text
        assert not re.search(r"; ?\)|\( ?;|;;|\.\.|, ,|,;|\(\)|: \.|\s[,;.](?:\s|$)", text.replace("…", "")), text
        assert not re.search(r"\b(\w{3,}): \1\b", text, re.IGNORECASE), text
        assert "of of" not in text
        clauses = [c.strip(" .").lower() for c in re.split(r"[;:.] ", text)]
        long = [c for c in clauses if len(c.split()) > 3]
        assert len(long) == len(set(long)), text
