"""Journal styles: p-values at the edges, intervals, nothing that does not exist made up, and the plain style as it was."""

from __future__ import annotations

from math import nan

import pytest
import sample

from hybridcx import vocabulary
from hybridcx.errors import InputError
from hybridcx.report import answers
from hybridcx.report import numbers as tables
from hybridcx.report.formats.html import render
from hybridcx.report.formats.journal_style import STYLES, current, emphasised, read_style, styled

P_VALUES = {
    "plain": ["0.0496", "<0.001", ">0.999", "1", "0.0502", "0.031", "0.009", "0.012", "0.050", "NA"],
    "ama": [".0496", "<.001", ">.99", ">.99", ".0502", ".03", ".009", ".01", ".05", "NA"],
    "apa": [".0496", "<.001", ">.999", ">.999", ".0502", ".031", ".009", ".012", ".050", "NA"],
}
GIVEN = [0.0496, 0.0004, 0.9996, 1.0, 0.0502, 0.0314, 0.0092, 0.0123, 0.05, nan]


@pytest.mark.parametrize("style", STYLES)
def test_p_values_at_the_edges(style: str) -> None:
    with styled(style):
        assert [tables.p_value(p) for p in GIVEN] == P_VALUES[style]


@pytest.mark.parametrize(
    ("style", "said"),
    [("plain", "p = 0.031"), ("ama", "P = .03"), ("apa", "p = .031")],
)
def test_a_p_value_in_a_sentence(style: str, said: str) -> None:
    with styled(style):
        assert tables.p_equals(0.0314) == said
        assert tables.p_equals(0.0004) == said[:2] + ("< 0.001" if style == "plain" else "< .001")
        assert tables.p_equals(0.0314, "mid-p") == "mid-" + said
        assert tables.p_heading("p, exact", "p") == [said[0] + ", exact", said[0]]


@pytest.mark.parametrize("style", ["ama", "apa"])
def test_no_p_value_is_printed_as_0_or_1(style: str) -> None:
    with styled(style):
        for p in (0.0, 1e-300, 0.00099, 0.995, 0.99949, 0.9995, 0.9999999, 1.0):
            assert tables.p_equals(p)[2:].strip("=<> ") not in (
                ".000",
                ".00",
                "0",
                "0.000",
                "1",
                "1.00",
                "1.000",
                "1.0",
            ), p
            assert not tables.p_value(p).startswith(("0", "1", "<0", ">0")), p


@pytest.mark.parametrize(
    ("style", "auroc", "share", "gap", "said"),
    [
        (
            "plain",
            "0.912 (0.840 to 0.960)",
            "93.9 (83.5 to 97.9)",
            "+0.052 (−0.010 to +0.114)",
            "95% CI −0.1 to +12.0",
        ),
        ("ama", "0.912 (0.840 to 0.960)", "93.9 (83.5 to 97.9)", "0.052 (−0.010 to 0.114)", "95% CI, −0.1 to 12.0"),
        ("apa", ".912 [.840, .960]", "93.9 [83.5, 97.9]", ".052 [−.010, .114]", "95% CI [−0.1, 12.0]"),
    ],
)
def test_intervals(style: str, auroc: str, share: str, gap: str, said: str) -> None:
    area, accuracy = vocabulary.metric("auroc"), vocabulary.metric("accuracy")
    with styled(style):
        assert tables.interval(area, 0.912, 0.84, 0.96) == auroc
        assert tables.interval(accuracy, 0.939, 0.835, 0.979) == share
        assert tables.difference_interval(area, 0.052, -0.01, 0.114) == gap
        limits = (tables.difference(accuracy, x) for x in (-0.001, 0.12))
        assert tables.confidence(0.95, *limits) == said


@pytest.mark.parametrize("style", STYLES)
def test_what_does_not_exist_is_na_in_every_style(style: str) -> None:
    accuracy = vocabulary.metric("accuracy")
    with styled(style):
        assert tables.interval(accuracy, nan, nan, nan) == "NA"
        assert tables.difference_interval(accuracy, nan, nan, nan) == "NA"
        assert tables.p_value(None) == tables.p_equals(nan)[4:] == "NA"
        assert "(" not in tables.interval(accuracy, 0.9, nan, 0.95)
        assert "[" not in tables.interval(accuracy, 0.9, nan, 0.95)


def test_what_can_exceed_1_keeps_its_zero() -> None:
    with styled("apa"):
        assert tables.value(vocabulary.metric("lr_negative"), 0.25) == "0.25"
        assert tables.value(vocabulary.metric("log_loss"), 0.25) == "0.250"
        assert tables.difference(vocabulary.metric("mcc"), 0.25) == "0.250"  # of two values in -1 to 1: up to 2
        assert tables.value(vocabulary.metric("mcc"), -0.25) == "−.250"
        assert tables.value(vocabulary.metric("auroc"), 1.0) == "1.000"
        assert tables.value(vocabulary.metric("auroc"), 0.99996) == ">.999"


def test_agreement_in_the_unit_of_the_readings_keeps_its_zero() -> None:
    with styled("apa"):
        assert tables.value(vocabulary.coefficient("icc2"), 0.912) == ".912"
        assert tables.value(vocabulary.coefficient("cohen_kappa"), 0.99996) == ">.999"
        assert tables.value(vocabulary.coefficient("sem"), 0.912) == "0.912"
        assert tables.value(vocabulary.coefficient("bland_altman_bias"), -0.7) == "−0.700"
    assert tables.value(vocabulary.coefficient("sem"), 0.99996) == "1.000"  # no bound to be kept away from


def test_each_style_says_its_source_and_what_was_not_checked() -> None:
    for name in STYLES:
        style = read_style(name)
        assert style.source
        assert style.date
        assert name == "plain" or "checked" in style.not_checked
    assert "11th ed" in read_style("ama").source
    assert "7th ed" in read_style("apa").source


def test_an_unknown_style_is_refused_and_the_one_in_force_stays() -> None:
    with pytest.raises(InputError, match="plain, ama or apa"), styled("vancouver"):
        pass
    assert current().name == "plain"


def test_italics_are_the_letter_alone() -> None:
    assert emphasised("McNemar mid-p = 0.2") == [("McNemar mid-p = 0.2", False)]
    with styled("ama"):
        pieces = emphasised("A P-type map: mid-P = .20; P < .001 (vgg_p = 3)")
        assert [p for p, italic in pieces if italic] == ["P", "P"]
        assert "".join(p for p, _ in pieces) == "A P-type map: mid-P = .20; P < .001 (vgg_p = 3)"
        assert emphasised("P, exact", head=True) == [("P", True), (", exact", False)]
        assert emphasised("Positive", head=True) == [("Positive", False)]


def test_the_page_in_each_style() -> None:
    report = sample.run_report(heads=1)
    plain, pages = render(report), {}
    for style in ("ama", "apa"):
        with styled(style):
            pages[style] = render(report)
            sentences = answers.answers(dict(report.tables), report.primary_metric)
        assert any("CI, " in s if style == "ama" else "CI [" in s for s in sentences)
    assert render(report) == plain
    assert "<i>" not in plain
    assert "<i>P</i>" in pages["ama"]
    assert "<i>p</i>" in pages["apa"]
    assert "95% CI +" not in pages["ama"]
