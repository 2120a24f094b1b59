"""The text for a paper: names as text in Markdown, the sentences of the page, and citations."""

from __future__ import annotations

import re

import pytest
import sample
from markdown_it import MarkdownIt

from hybridcx import vocabulary
from hybridcx.report import answers
from hybridcx.report.blocks import Page
from hybridcx.report.content import Content
from hybridcx.report.formats.html import literal
from hybridcx.report.formats.paper import citations, escaped, paper, works
from hybridcx.report.page import assemble


@pytest.mark.parametrize("name", sample.HOSTILE_NAMES)
def test_a_name_is_text(name: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(escaped(name))
    plain = re.sub(r"^<p>(.*)</p>\n$", r"\1", html, flags=re.S)
    assert not re.search(r"<[a-z]", plain), html
    for entity, c in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        plain = plain.replace(entity, c)
    assert plain == literal(name).replace("\n", "\\n")


def test_every_word_of_the_vocabulary_has_a_name_and_all_works_are_cited() -> None:
    known = citations()
    groups = ("intervals", "differences", "tests", "omnibus", "adjustments", "agreement")
    for method in set(vocabulary.METHODS) - {"non_inferiority"}:
        assert any(method in known[g] for g in groups)
    assert set(vocabulary.AGREEMENT) == set(known["agreement"])
    assert set(vocabulary.ADJUSTMENTS) - {"none"} == set(known["adjustments"])
    assert set(known["metrics"]) <= set(vocabulary.METRICS)
    cited = {k for group in known.values() for _, *keys in group.values() for k in keys}
    assert cited == set(works())


def test_an_entry_for_one_metric_names_a_method_and_a_metric() -> None:
    own = [key for group in citations().values() for key in group if " " in key]
    assert {"wald auprc", "mover_wilson lr_positive", "permutation_paired auroc"} <= set(own)
    for key in own:
        method, metric = key.split()
        assert method in vocabulary.METHODS
        assert metric in vocabulary.METRICS


def test_works_have_authors_titles_and_years_and_their_dois_are_well_formed() -> None:
    for key, entry in works().items():
        assert re.search(r"\bauthor = \{.+\}", entry), key
        assert re.search(r"\btitle = \{.+\}", entry), key
        assert re.search(r"\byear = \{(\d{4})\}", entry).group(1) == key[-4:], key  # type: ignore[union-attr]
        for doi in re.findall(r"\bdoi = \{(.*)\}", entry):
            assert re.fullmatch(r"10\.\d{4,5}/\S+", doi), key


def test_results_are_the_sentences_of_the_page(content: Content, page: Page) -> None:
    files = paper(content, page)
    text = files["paper.md"]
    sentences = answers.sentences(content)
    assert answers.unbroken(sentences[0]) == page.first.lead
    for sentence in (*answers.before_results(content.primary_pairs), *sentences):
        assert f"\n\n{escaped(answers.unbroken(sentence))}\n\n" in text
    cited = set(re.findall(r"@([a-z]+\d{4})", "".join(re.findall(r"\[@[^\]]*\]", text))))
    assert cited == set(re.findall(r"^@[a-z]+\{([a-z0-9]+),", files["references.bib"], flags=re.M))
    assert {"wilson1927", "tango1998", "mcnemar1947", "fagerland2013", "holm1979", "delong1988"} <= cited
    assert "bland1986" not in cited
    assert "confirmatory, all others exploratory" in text


def test_a_paper_on_agreement_cites_its_coefficients() -> None:
    content = sample.content({"agreement": sample.agreement()}, command="agreement", methods=["Shrout."])
    text = paper(content, assemble(content))["paper.md"]
    assert "@shrout1979" in text
    assert "@tango1998" not in text
