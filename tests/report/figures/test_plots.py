"""The figures: unique ids, the same bytes, names as text, only the models that can be told apart."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sample

from hybridcx.report.figures import plots
from hybridcx.report.figures.flow import cohort_flow

NAMES = ["<script>1</script>", r"$\frac{1}{2}$", "_x", "{{7*7}}"]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return sample.tables(NAMES)


@pytest.fixture(scope="module")
def drawings(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    return draw_all(tables)


def draw_all(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    flow = pd.DataFrame({"step": ["screened", NAMES[0], "analysed", *NAMES[1:3]], "n": [416, 85, 331, 170, 161]})
    tango = tables["comparisons"].query("metric == 'accuracy' and method == 'tango'")
    drawn = {
        "forest": plots.forest(tango, margin=0.1),
        "roc": plots.roc(tables["roc"]),
        "calibration": plots.calibration(tables["calibration_curve"]),
        "decision": plots.decision_curve(tables["decision_curve"]),
        "learning": plots.learning_curves({NAMES[0]: sample.history(1)}),
        "confusion": plots.confusion(tables["confusion"]),
        "flow": cohort_flow(flow),
    }
    return {key: str(drawing.svg) for key, drawing in drawn.items()}


def texts(drawing: str) -> list[str]:
    """The texts of an SVG."""
    return ["".join(e.itertext()) for e in ET.fromstring(drawing).iter("text")]


def test_every_figure_is_well_formed_has_a_title_and_refers_to_nothing_outside(drawings: dict[str, str]) -> None:
    ids: list[str] = []
    for key, drawing in drawings.items():
        root = ET.fromstring(drawing)
        assert root.get("role") == "img"
        assert root.get("aria-labelledby") == f"svg-{key}-title"
        assert root.find("title") is not None
        assert root.find("desc") is not None
        assert not [e for e in root.iter() if e.tag in ("style", "script", "metadata", "image", "a")]
        assert "http" not in drawing
        own = re.findall(r'\bid="([^"]+)"', drawing)
        ids += own
        for target in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', drawing):
            assert "".join(target) in own
        assert texts(drawing)
    assert len(ids) == len(set(ids))


def test_names_are_text(drawings: dict[str, str]) -> None:
    for key in ("roc", "calibration", "decision", "confusion"):
        assert set(NAMES) <= set(texts(drawings[key])), key
    assert f"− {NAMES[2]}" in " ".join(texts(drawings["forest"]))


def test_the_same_rows_give_the_same_bytes(tables: dict[str, pd.DataFrame], drawings: dict[str, str]) -> None:
    assert draw_all(tables) == drawings


def test_a_users_matplotlibrc_changes_nothing_and_is_left_alone(tables: dict[str, pd.DataFrame]) -> None:
    plain = plots.roc(tables["roc"])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert plots.roc(tables["roc"]).svg == plain.svg
        assert plain.png() == plots.roc(tables["roc"]).png()
        assert mpl.rcParams["font.size"] == 30
    assert plain.png() == plots.roc(tables["roc"]).png()


def test_only_the_named_models_are_drawn_and_never_more_than_can_be_told_apart(tables: dict[str, pd.DataFrame]) -> None:
    labels = texts(plots.roc(tables["roc"], models=[NAMES[1], "absent"]).svg)
    assert NAMES[1] in labels
    assert NAMES[2] not in labels
    many = pd.concat([tables["roc"].assign(model=f"m{i}") for i in range(12)])
    assert sum(t.startswith("m") for t in texts(plots.roc(many).svg)) == plots.MAX_SERIES
    assert plots.omitted_note(many, None) == " 8 of 12 models; the file has all."
    assert plots.omitted_note(many, ["m1", "m2"]) == " 2 of 12 models; the file has all."
    assert plots.omitted_note(tables["decision_curve"], None) == ""


def test_a_missing_estimate_is_labelled() -> None:
    row = {"model": "a", "comparator": "b", "estimate": np.nan, "conf.low": np.nan, "conf.high": np.nan}
    assert "not estimable" in texts(plots.forest(pd.DataFrame([row])).svg)


def test_the_median_of_trainings_ends_with_the_shortest_of_them() -> None:
    parts = [sample.history(k).assign(seed=k, fold=None) for k in (1, 2, 3)]
    parts[1] = parts[1][parts[1]["iteration"] <= 160]  # early stopping
    parts[2].loc[parts[2]["iteration"] == 48, "validation_loss"] = np.nan  # validated at other iterations
    median, low, high = plots.over_trainings(pd.concat(parts, ignore_index=True))
    for table in (median, low, high):
        assert table["iteration"].tolist() == list(range(1, 161))
        assert table.loc[table["iteration"] == 48, "validation_loss"].isna().all()
        assert table.loc[table["iteration"] == 32, "validation_loss"].notna().all()
    at = pd.concat(parts).query("iteration == 20")["train_loss"]
    assert (low["train_loss"][19], median["train_loss"][19], high["train_loss"][19]) == (
        at.min(),
        at.median(),
        at.max(),
    )
