"""The section on training sizes: its conditional sentence, its tables, and the look of the extrapolated part."""

from __future__ import annotations

from math import inf, nan

import pandas as pd
import pytest
import sample

from hybridcx import vocabulary
from hybridcx.report.sections.training_size import figure, needed_table, section, sentence, size_table, unsettled
from hybridcx.vocabulary.tables import TABLES

ACCURACY = vocabulary.metric("accuracy")
BEYOND = "beyond the sizes that were trained: it holds only if the power law goes on"
BOUND = "46 % of the resamples lie on a bound of the fit"


def point(model, n, kind, estimate, warning=None, **more):
    """One row of training_size.csv."""
    row = dict.fromkeys(TABLES["training_size"].columns, nan)
    limits = {"conf.low": estimate - 0.05, "conf.high": estimate + 0.05}
    identity = {
        "model": model,
        "metric": "accuracy",
        "n.train": float(n),
        "share": n / 200,
        "kind": kind,
        "conf.level": 0.95,
    }
    spread = {"seed.min": estimate - 0.02, "seed.max": estimate + 0.02} if kind == "observed" else {}
    status = "caution" if warning else "ok"
    return row | identity | limits | spread | {"estimate": estimate, "status": status, "warning": warning} | more


def points(model="vgg16"):
    """The curve of one model: three sizes, the fitted law and its continuation."""
    observed = [point(model, n, "observed", v) for n, v in ((50, 0.62), (100, 0.69), (200, 0.73))]
    fitted = [point(model, n, "fitted", v) for n, v in ((50, 0.62), (80, 0.67), (200, 0.735))]
    predicted = [
        point(model, n, "predicted", v, f"{BEYOND}; {BOUND}") for n, v in ((300, 0.75), (400, 0.76), (800, 0.77))
    ]
    return pd.DataFrame(observed + fitted + predicted)


def terms(model="vgg16", n=540.2, low=292.1, high=inf, bound=0.46):
    """The fitted law of one model; n, low and high are the cases for a gain of 0.02."""
    row = {"model": model, "metric": "accuracy", "on.bound": bound, "conf.level": 0.95, "warning": f"{BEYOND}; {BOUND}"}
    gains = {"0.01": (260.0, 240.0, 300.0), "0.02": (n, low, high), "0.05": (inf, 500.0, inf)}
    rows = [{"term": "asymptote", "estimate": 0.78, "conf.low": 0.7, "conf.high": 1.0}]
    rows += [
        {"term": f"n_for_plus_{g}", "estimate": e, "conf.low": a, "conf.high": b} for g, (e, a, b) in gains.items()
    ]
    return pd.DataFrame([row | r for r in rows])


def test_the_sentence_has_the_observed_values_and_the_condition_of_the_others():
    assert sentence(points(), terms(), "vgg16", ACCURACY) == (
        "vgg16: accuracy 62.0\u00a0% (57.0 to 67.0) with 50 training cases, 73.0\u00a0% (68.0 to 78.0) with all 200. If the fitted power law "
        "continues, twice as many would give 76.0\u00a0% (71.0 to 81.0), and 2 points more would take 541 training cases (293 to ∞)."
    )
    never = sentence(points(), terms(n=inf), "vgg16", ACCURACY)
    assert never.endswith("and no number of training cases is enough for 2 points more (293 to ∞).")
    far = sentence(points(), terms(n=1e9), "vgg16", ACCURACY)
    assert "would take >100 times as many training cases" in far


def test_without_a_curve_the_sentence_has_the_reason():
    observed = points()
    observed = observed[observed["kind"] == "observed"]
    predicted = [point("vgg16", n, "predicted", nan, "a power law has three parameters") for n in (300, 400, 800)]
    both = pd.concat([observed, pd.DataFrame(predicted)], ignore_index=True)
    assert sentence(both, terms(n=nan), "vgg16", ACCURACY).endswith(
        "No curve is fitted: a power law has three parameters."
    )
    no_law = terms().assign(estimate=nan)
    assert needed_table(both, no_law, ["vgg16"], ACCURACY) is None
    svg = figure(both, ["vgg16"], ACCURACY).svg
    assert "stroke-dasharray: 6" not in svg


@pytest.mark.parametrize(("bounds", "share"), [((0.01,), ""), ((0.46,), "46 % of"), ((0.1, 0.5), "10 to 50 % of")])
def test_many_fits_on_a_bound_are_a_caution(bounds, share):
    text = unsettled(pd.concat([terms(bound=b) for b in bounds]))
    assert (text == "") if not share else (f"how the curves continue: {share} the resamples" in text)


def test_tables_have_a_row_per_model_and_rows_share_their_notes():
    both = pd.concat([points("vgg16"), points("vgg16+lda")], ignore_index=True)
    sizes = size_table(both, ["vgg16+lda", "vgg16"], ACCURACY)
    assert sizes.head == ("Model", "50", "100", "200", "300, predicted", "400, predicted", "800, predicted")
    assert [r[0].text for r in sizes.rows] == ["vgg16+lda", "vgg16"]
    assert (sizes.rows[0][3].text, sizes.rows[0][3].sub, sizes.rows[0][3].notes) == ("73.0", "(68.0 to 78.0)", ())
    assert sizes.rows[0][4].notes == ("a", "b")
    assert [text for _, text in sizes.notes] == [BEYOND, BOUND]
    needed = needed_table(both, pd.concat([terms("vgg16"), terms("vgg16+lda")]), ["vgg16", "vgg16+lda"], ACCURACY)
    assert needed.head == ("Model", "+1 point", "+2 points", "+5 points")
    assert [(c.text, c.sub) for c in needed.rows[0][1:]] == [
        ("260", "(240 to 300)"),
        ("541", "(293 to ∞)"),
        ("∞", "(500 to ∞)"),
    ]


def test_the_figure_draws_the_extrapolated_part_pale_and_dashed():
    svg = figure(points(), ["vgg16"], ACCURACY).svg
    assert "stroke-opacity: 0.55" in svg
    assert svg.count("stroke-dasharray: 6") == 1
    assert "vgg16 62.0" in svg  # the description for a screen reader


def test_the_section_has_the_metric_of_the_answer_and_is_empty_without_sizes():
    other = points().assign(metric="auroc", estimate=0.1)
    tables = {"training_size": pd.concat([points(), other]), "training_size_fit": terms()}
    blocks = section(sample.content(tables, primary_models=["vgg16"], primary_metric="accuracy")).blocks
    assert [b.kind for b in blocks] == ["list", "text", "figures", "table", "table"]
    assert section(sample.content({}, primary_models=["vgg16"])).blocks == []
    models = [f"m{i}" for i in range(8)]
    many = {
        "training_size": pd.concat([points(m) for m in models], ignore_index=True),
        "training_size_fit": pd.concat([terms(m) for m in models]),
    }
    blocks = section(sample.content(many, primary_metric="accuracy", command="run")).blocks
    assert len(blocks[0].items) == 6
    assert "6 of 8 models; the file has all." in blocks[2].figures[0].caption
    assert len(blocks[3].table.rows) == 8
