"""Class weights from the experiment file to the report of a run: training, heads, keys and notes."""

import json

import pandas as pd
import pytest
from shared import drawn_cohort

from hybridcx.commands.run import run
from hybridcx.errors import InputError
from hybridcx.experiment.file import parse_experiment

TEXT = """
name = "weighted"
[cohort]
manifest = "phantom/manifest.csv"
[images]
size_px = 32
[networks]
names = ["squeezenet1_1"]
weights = "none"
[train]
epochs = 1
{train}
[heads]
names = ["logistic", "knn"]
features = ["pretrained"]
folds = 2
{heads}
[compute]
device = "cpu"
threads = 1
training_precision = "float32"
[analysis]
n_bootstrap = 100
"""


def test_a_run_with_weights_says_so_and_shares_no_results_with_one_without(here, tmp_path_factory):
    cohort = drawn_cohort(tmp_path_factory, "imbalance")
    found = {}
    for name, train, heads in (
        ("plain", "", ""),
        ("weighted", "class_weights = [1, 4.5]", 'class_weight = "balanced"'),
        ("sampled", 'sampling = "balanced"', ""),
    ):
        (here / f"{name}.toml").write_text(TEXT.format(train=train, heads=heads), encoding="utf-8")
        run(str(here / f"{name}.toml"), base=cohort, out=str(here / name), images=False)
        found[name] = pd.read_csv(next((here / name).rglob("predictions.csv")))
    scores = {n: t.pivot_table(index="case_id", columns="model", values="score") for n, t in found.items()}
    for model in ("squeezenet1_1", "squeezenet1_1:untrained+logistic"):
        assert (scores["plain"][model] != scores["weighted"][model]).any()
    knn = "squeezenet1_1:untrained+knn"
    assert scores["plain"][knn].equals(scores["weighted"][knn])
    assert (scores["plain"]["squeezenet1_1"] != scores["sampled"]["squeezenet1_1"]).any()
    page = next((here / "weighted").rglob("report.html")).read_text(encoding="utf-8")
    for said in (
        "weighted the classes by 1 (negative) and 4.5 (positive)",
        "calibrate before use",
        "Both classes had the same weight in the fits of heads",
    ):
        assert said in page
    keys = {json.loads(p.read_text(encoding="utf-8"))["key"] for p in (here / "cache").rglob("heads/*/artefact.json")}
    assert len(keys) == 2


@pytest.mark.parametrize(("line", "said"), [
    ("class_weights = [0.0, 1.0]", "two numbers above 0"), ("class_weights = [1.0]", "two numbers above 0"),
    ('class_weights = "even"', "class_weights"),
    ('sampling = "some"', "sampling"),
])  # fmt: skip
def test_values_that_are_refused(line, said):
    with pytest.raises(InputError, match=said):
        parse_experiment(TEXT.format(train=line, heads=""))


def test_a_network_has_weights_of_its_own():
    text = (
        TEXT.format(train="", heads="") + '[train.network.squeezenet1_1]\nclass_weights = [1, 2]\nsampling = "none"\n'
    )
    assert parse_experiment(text).train_of("squeezenet1_1").class_weights == (1.0, 2.0)
