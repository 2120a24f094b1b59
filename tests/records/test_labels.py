"""Which label is the positive class, and what is said where that cannot be known."""

import pytest

from hybridcx.errors import Problem
from hybridcx.records.labels import two_labels


def asked(labels, positive=None, one_vs_rest=False):
    return two_labels(labels, positive, file="f.csv", column="y_true", one_vs_rest=one_vs_rest)


@pytest.mark.parametrize(
    ("labels", "positive", "found"),
    [
        (["normal", "abnormal"], None, ("normal", "abnormal")),
        (["1", "0"], None, ("0", "1")),
        (["false", "true"], None, ("false", "true")),
        (["positive", "negative"], None, ("negative", "positive")),
        (["abnormal", "normal"], "normal", ("abnormal", "normal")),
        (["b", "a"], "a", ("b", "a")),
        ([], None, None),
        ([], "a", None),
    ],
)
def test_two_labels(labels, positive, found):
    assert asked(labels, positive) == (found, [])


def test_a_single_class():
    rule, remedy = "a single class: every case has the same label", "both classes are needed"
    assert asked(["a"], "a") == (None, [Problem(rule, "f.csv", column="y_true", value="a", remedy=remedy)])


@pytest.mark.parametrize(
    ("positive", "remedy"), [("abnormel", "did you mean 'abnormal'?"), ("zzz", "the labels are abnormal, normal")]
)
def test_a_positive_class_that_does_not_occur(positive, remedy):
    rule = "the positive class is none of the labels"
    assert asked(["normal", "abnormal"], positive) == (
        None,
        [Problem(rule, "f.csv", column="y_true", value=positive, remedy=remedy)],
    )


@pytest.mark.parametrize(
    ("labels", "rest"),
    [
        (["a", "b"], ""),
        (["positive", "1"], ""),  # two of the names that we would take
        (["a", "b", "c"], " (then it is one against the rest)"),
        (["abnormal", "b", "c"], " (then it is one against the rest)"),
    ],
)
def test_a_positive_class_that_cannot_be_known(labels, rest):
    rule = f"which label is the positive class? There are {len(labels)}: {', '.join(sorted(labels))}"
    remedy = "name it with --positive LABEL (in an experiment: cohort.positive)" + rest
    assert asked(labels, None, True) == (None, [Problem(rule, "f.csv", column="y_true", remedy=remedy)])
    if rest:  # where no class can be one against the rest, --positive would not help
        rule, remedy = "3 labels where two are needed", "recode the labels, or exclude the cases of the others"
        rule += f": {', '.join(sorted(labels))}"
    assert asked(labels, None, False) == (None, [Problem(rule, "f.csv", column="y_true", remedy=remedy)])


def test_more_than_two_labels():
    labels = ["c", "a", "b"]
    remedy = "recode the labels, or exclude the cases of the others"
    refused = Problem("3 labels where two are needed: a, b, c", "f.csv", column="y_true", remedy=remedy)
    assert asked(labels, "b") == (None, [refused])
    warned = Problem("3 labels: b against the rest (a, c)", "f.csv", column="y_true", severity="warning")
    assert asked(labels, "b", one_vs_rest=True) == (("not b", "b"), [warned])
