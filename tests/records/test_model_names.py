"""Names of models as the contract writes them, read in one place; the run's own names come back whole."""

import pytest

from hybridcx.experiment.file import ALL_HEADS, CohortSection, Experiment, NetworksSection, PhantomCohort
from hybridcx.records.model_names import HEADS, SOFTMAX, hybrids, parse_model_name


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vgg16", ("vgg16", "fine_tuned", "softmax")),
        ("vgg16+xgboost", ("vgg16", "fine_tuned", "xgboost")),
        ("vgg16:pretrained+svm_rbf", ("vgg16", "pretrained", "svm_rbf")),
        ("squeezenet1_1:untrained+lda", ("squeezenet1_1", "untrained", "lda")),
        ("a radiologist's own", ("a radiologist's own", "fine_tuned", "softmax")),
    ],
)
def test_a_name_is_read_as_the_contract_writes_it(name, parts):
    found = parse_model_name(name)
    assert (found.network, found.features, found.head) == parts


@pytest.mark.parametrize(
    "name", ["vgg16+resnet101", "vgg16:tuned+lda", "a:b", "+lda", "vgg16+lda+knn", "vgg16:pretrained", ""]
)
def test_what_is_no_name_of_the_scheme_is_none(name):
    assert parse_model_name(name) is None


@pytest.mark.parametrize("weights", ["imagenet", "none"])
def test_every_name_that_a_run_makes_is_read_back(weights):
    from hybridcx.pipeline.planned_models import model_names

    experiment = Experiment(
        name="x", cohort=CohortSection(phantom=PhantomCohort()), networks=NetworksSection(weights=weights)
    )
    found = hybrids(model_names(experiment))
    assert found.heads == HEADS == ALL_HEADS
    assert found.features == ("fine_tuned", "untrained" if weights == "none" else "pretrained")
    assert len(found.cells) == 4 * 7 * 2
    assert set(found.softmax.values()) == set(found.networks)
    for (network, head, features), model in found.cells.items():
        parts = parse_model_name(model)
        assert (parts.network, parts.head, parts.features) == (network, head, features)


def test_models_without_heads_are_no_grid_and_a_lone_network_is_not_in_it():
    assert hybrids(["vgg16", "resnet101", "expert+novice"]) is None
    found = hybrids(["resnet101", "vgg16", "vgg16+lda"])
    assert found.networks == ("vgg16",)
    assert found.softmax == {"vgg16": "vgg16"}
    assert parse_model_name("resnet101").head == SOFTMAX


def test_only_heads_that_occur_are_listed():
    grid = hybrids(["vgg16", "vgg16+lda", "vgg16+knn"])
    assert grid.heads == ("knn", "lda")
    assert hybrids(["vgg16+lda"]).heads == ("lda",)
