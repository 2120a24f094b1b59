"""The section on training sizes: what its sentence promises, its tables, and that what lies beyond the sizes looks like another thing."""

from __future__ import annotations

from math import inf, nan

import pandas as pd
import pytest

from hybridcx import vocabulary
from hybridcx.report.blocks import Numbers
from hybridcx.report.sections.training_size import figure, needed_table, section, sentence, size_table, unsettled
from hybridcx.vocabulary.tables import TABLES

ACCURACY = vocabulary.metric("accuracy")
BEYOND = "beyond the sizes that were trained: it holds only if the power law goes on"
BOUND = "46 % of the resamples lie on a bound of the fit"


def point(model, n, kind, estimate, warning=None, **more):
    row = dict.fromkeys(TABLES["training_size"].columns, nan)
    limits = {"conf.low": estimate - 0.05, "conf.high": estimate + 0.05}
    about = {
        "model": model,
        "metric": "accuracy",
        "n.train": float(n),
        "share": n / 200,
        "kind": kind,
        "conf.level": 0.95,
    }
    spread = {"seed.min": estimate - 0.02, "seed.max": estimate + 0.02} if kind == "observed" else {}
    status = "caution" if warning else "ok"
    return row | about | limits | spread | {"estimate": estimate, "status": status, "warning": warning} | more


def points(model="vgg16"):
    seen = [point(model, n, "observed", v) for n, v in ((50, 0.62), (100, 0.69), (200, 0.73))]
    within = [point(model, n, "fitted", v) for n, v in ((50, 0.62), (80, 0.67), (200, 0.735))]
    ahead = [point(model, n, "predicted", v, f"{BEYOND}; {BOUND}") for n, v in ((300, 0.75), (400, 0.76), (800, 0.77))]
    return pd.DataFrame(seen + within + ahead)


def terms(model="vgg16", n=540.2, low=292.1, high=inf, bound=0.46):
    row = {"model": model, "metric": "accuracy", "on.bound": bound, "conf.level": 0.95, "warning": f"{BEYOND}; {BOUND}"}
    gains = {"0.01": (260.0, 240.0, 300.0), "0.02": (n, low, high), "0.05": (inf, 500.0, inf)}
    found = [{"term": "asymptote", "estimate": 0.78, "conf.low": 0.7, "conf.high": 1.0}]
    found += [
        {"term": f"n_for_plus_{g}", "estimate": e, "conf.low": a, "conf.high": b} for g, (e, a, b) in gains.items()
    ]
    return pd.DataFrame([row | f for f in found])


def test_the_sentence_says_what_was_seen_and_what_is_conditional():
    assert sentence(points(), terms(), "vgg16", ACCURACY) == (
        "vgg16: accuracy 62.0\u00a0% (57.0 to 67.0) with 50 training cases, 73.0\u00a0% (68.0 to 78.0) with all 200. If the fitted power law goes "
        "on, twice as many would give 76.0\u00a0% (71.0 to 81.0), and 2 points more would take 541 training cases (293 to ∞)."
    )
    never = sentence(points(), terms(n=inf), "vgg16", ACCURACY)
    assert never.endswith("and no number of training cases is enough for 2 points more (293 to ∞).")
    far = sentence(points(), terms(n=1e9), "vgg16", ACCURACY)
    assert "would take >100 times as many training cases" in far


def test_without_a_curve_the_reason_stands_in_its_place():
    seen = points()
    seen = seen[seen["kind"] == "observed"]
    ahead = [point("vgg16", n, "predicted", nan, "a power law has three parameters") for n in (300, 400, 800)]
    both = pd.concat([seen, pd.DataFrame(ahead)], ignore_index=True)
    assert sentence(both, terms(n=nan), "vgg16", ACCURACY).endswith(
        "No curve is fitted: a power law has three parameters."
    )
    nothing = terms().assign(estimate=nan)
    assert needed_table(both, nothing, ["vgg16"], ACCURACY) is None
    svg = figure(both, ["vgg16"], ACCURACY)
    assert "stroke-dasharray: 6" not in svg


@pytest.mark.parametrize(("bounds", "said"), [((0.01,), ""), ((0.46,), "46 % of"), ((0.1, 0.5), "10 to 50 % of")])
def test_fits_on_a_bound_are_said(bounds, said):
    text = unsettled(pd.concat([terms(bound=b) for b in bounds]))
    assert (text == "") if not said else (f"how the curves go on: {said} the resamples" in text)


def test_tables_have_a_row_a_model_and_share_their_notes():
    both = pd.concat([points("vgg16"), points("vgg16+lda")], ignore_index=True)
    made = size_table(both, ["vgg16+lda", "vgg16"], ACCURACY)
    assert made.head == ("Model", "50", "100", "200", "300, predicted", "400, predicted", "800, predicted")
    assert [r[0].text for r in made.rows] == ["vgg16+lda", "vgg16"]
    assert (made.rows[0][3].text, made.rows[0][3].sub, made.rows[0][3].notes) == ("73.0", "(68.0 to 78.0)", ())
    assert made.rows[0][4].notes == ("a", "b")
    assert [text for _, text in made.notes] == [BEYOND, BOUND]
    needed = needed_table(both, pd.concat([terms("vgg16"), terms("vgg16+lda")]), ["vgg16", "vgg16+lda"], ACCURACY)
    assert needed.head == ("Model", "+1 point", "+2 points", "+5 points")
    assert [(c.text, c.sub) for c in needed.rows[0][1:]] == [
        ("260", "(240 to 300)"),
        ("541", "(293 to ∞)"),
        ("∞", "(500 to ∞)"),
    ]


def test_the_figure_tells_the_extrapolated_part_from_the_fitted():
    svg = figure(points(), ["vgg16"], ACCURACY)
    assert "stroke-opacity: 0.55" in svg  # paler, and
    assert svg.count("stroke-dasharray: 6") == 1  # dashed
    assert "vgg16 62.0" in svg  # the description for a screen reader


def test_the_section_is_about_one_metric_and_absent_without_sizes():
    other = points().assign(metric="auroc", estimate=0.1)
    found = {"training_size": pd.concat([points(), other]), "training_size_fit": terms()}
    made = section(found, ["vgg16"], "accuracy", Numbers(study=False))
    kinds = [b.kind for b in made.blocks]
    assert kinds == ["list", "text", "figures", "table", "table"]
    assert made.title == "How many more cases would help"
    assert section({}, ["vgg16"], "accuracy", Numbers(study=False)).blocks == []
    many = pd.concat([points(f"m{i}") for i in range(8)], ignore_index=True)
    made = section(
        {"training_size": many, "training_size_fit": pd.concat([terms(f"m{i}") for i in range(8)])},
        [],
        "accuracy",
        Numbers(study=True),
    )
    assert len(made.blocks[0].items) == 6
    assert "6 of 8 models; the file has all." in made.blocks[2].figures[0].caption
    assert len(made.blocks[3].table.rows) == 8
