"""The drawings: text as text, unique ids, the same bytes, nothing global, names never interpreted."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import sample

from hybridcx.report.figures import plots as figures
from hybridcx.report.figures import svg
from hybridcx.report.figures.flow import _kinds, cohort_flow

NAMES = ["<script>1</script>", r"$\frac{1}{2}$", "_x", "{{7*7}}"]


@pytest.fixture(scope="module")
def found() -> dict[str, pd.DataFrame]:
    return sample.tables(NAMES)


@pytest.fixture(scope="module")
def drawn(found: dict[str, pd.DataFrame]) -> dict[str, str]:
    return _all(found)


def _all(found: dict[str, pd.DataFrame]) -> dict[str, str]:
    flow = pd.DataFrame({"step": ["screened", NAMES[0], "analysed", *NAMES[1:3]], "n": [416, 85, 331, 170, 161]})
    tango = found["comparisons"].query("metric == 'accuracy' and method == 'tango'")
    return {
        "forest": figures.forest(tango, margin=0.1),
        "roc": figures.roc(found["roc"]),
        "calibration": figures.calibration(found["calibration"]),
        "decision": figures.decision_curve(found["decision_curve"]),
        "learning": figures.learning_curves(sample.history(1), name=NAMES[0]),
        "confusion": figures.confusion(found["confusion"]),
        "flow": cohort_flow(flow),
        "bland-altman": figures.bland_altman([1, 2], [0.1, -0.1], {"bias": 0.0, NAMES[1]: 0.2}),
    }


def _texts(drawing: str) -> list[str]:
    return ["".join(e.itertext()) for e in ET.fromstring(drawing).iter("text")]


def test_every_figure_is_well_formed_named_and_self_contained(drawn: dict[str, str]) -> None:
    ids: list[str] = []
    for key, drawing in drawn.items():
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
        assert _texts(drawing)
    assert len(ids) == len(set(ids))


def test_names_are_text(drawn: dict[str, str]) -> None:
    for key in ("roc", "calibration", "decision", "confusion"):
        said = _texts(drawn[key])
        assert all(n in said for n in NAMES), key
    assert f"− {NAMES[2]}" in " ".join(_texts(drawn["forest"]))


def test_the_same_rows_give_the_same_bytes(found: dict[str, pd.DataFrame], drawn: dict[str, str]) -> None:
    assert _all(found) == drawn


def test_a_users_matplotlibrc_changes_nothing_and_is_left_alone(found: dict[str, pd.DataFrame]) -> None:
    plain = figures.roc(found["roc"])
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert figures.roc(found["roc"]) == plain
        assert mpl.rcParams["font.size"] == 30


def test_only_the_asked_models_are_drawn_and_never_more_than_can_be_told_apart(found: dict[str, pd.DataFrame]) -> None:
    said = _texts(figures.roc(found["roc"], models=[NAMES[1], "absent"]))
    assert NAMES[1] in said
    assert NAMES[2] not in said
    many = pd.concat([found["roc"].assign(model=f"m{i}") for i in range(12)])
    assert sum(t.startswith("m") for t in _texts(figures.roc(many))) == figures.MAX_SERIES


def test_an_estimate_that_does_not_exist_is_said(found: dict[str, pd.DataFrame]) -> None:
    row = {"model": "a", "comparator": "b", "estimate": np.nan, "conf.low": np.nan, "conf.high": np.nan}
    assert "not estimable" in _texts(figures.forest(pd.DataFrame([row])))


@pytest.mark.parametrize(
    ("n", "kinds"),
    [
        ([416, 80, 5, 331, 170, 161], ["kept", "excluded", "excluded", "kept", "class", "class"]),
        ([331, 331], ["kept", "kept"]),
        ([10, 3, 7], ["kept", "excluded", "kept"]),
        ([10], ["kept"]),
    ],
)
def test_kinds_of_a_flow_follow_from_its_numbers(n: list[float], kinds: list[str]) -> None:
    assert _kinds(n) == kinds


def test_labels_are_cut_and_control_characters_shown() -> None:
    assert svg.label("x" * 60) == "x" * (svg.MAX_LABEL_CHARS - 1) + "…"
    assert svg.label("a\u202eb\x1b") == "a\\u202eb\\x1b"
    with pytest.raises(ValueError, match="prefix"):
        svg.to_svg(svg.new_figure(1, 1, (0, 0, 0, 0)), "Bad prefix", "t", "d")


def test_as_file_is_a_document(found: dict[str, pd.DataFrame]) -> None:
    text = svg.as_file(figures.roc(found["roc"]))
    assert ET.fromstring(text.encode()).tag == "{http://www.w3.org/2000/svg}svg"


def test_the_median_of_trainings_ends_where_the_first_of_them_does():
    from hybridcx.report.figures.plots import _of_trainings

    parts = [sample.history(k).assign(seed=k, fold=None) for k in (1, 2, 3)]
    parts[1] = parts[1][parts[1]["iteration"] <= 160]  # early stopping
    parts[2].loc[parts[2]["iteration"] == 48, "validation_loss"] = np.nan  # validated at other iterations
    median, low, high = _of_trainings(pd.concat(parts, ignore_index=True))
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
