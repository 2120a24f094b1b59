"""Presets: what wins over what, that their tables are valid, and that the report says what they assume and cannot do."""

from __future__ import annotations

import json

import pytest

from hybridcx.errors import InputError
from hybridcx.experiment.file import Experiment, parse_experiment
from hybridcx.experiment.presets import PRESETS, preset
from hybridcx.experiment.train import TrainSection
from hybridcx.narrative.training import training_methods, training_settings
from hybridcx.vocabulary.networks import NETWORKS

BASE = 'name = "x"\n[cohort]\nmanifest = "m.csv"\n'


def experiment(text):
    return parse_experiment(BASE + text)


@pytest.mark.parametrize("name", PRESETS)
def test_the_tables_are_valid_and_speak_of_known_networks(name):
    chosen = preset(name)
    train = TrainSection(preset=name)
    assert set(chosen.train) <= set(TrainSection.model_fields)
    for key, value in chosen.train.items():
        if key != "network":
            assert getattr(train, key) == value
    for statement in (*chosen.assumptions, *chosen.deviations):
        assert set(statement.networks) <= set(NETWORKS)
        assert statement.text
        assert statement.text[-1] != "."


def test_without_a_preset_nothing_is_filled_in():
    assert experiment("").train == TrainSection() == TrainSection(preset="none")
    with pytest.raises(InputError, match="preset"):
        experiment('[train]\npreset = "matlab_r2019a"\n')


def test_the_study_is_what_its_toolbox_did_network_by_network():
    e = experiment('[train]\npreset = "matlab_r2018b"\n')
    for name in e.networks.names:
        t = e.train_of(name)
        vgg = name.startswith("vgg")
        assert t.weight_decay_on == ("last_layer" if vgg else "weights_and_normalisation")
        assert t.convolution_biases == ("learn" if vgg else "frozen")
        assert t.dropout == (0.5 if vgg else None)
        assert (t.rate_in_velocity, t.shuffle, t.drop_last, t.keep) == (True, "once", True, "last")
        assert (t.head_rate_factor, t.last_layer_sd, t.batch_norm_statistics) == (10, 0.01, "training_set")
        assert (t.flip_horizontal, t.translate_px, t.augmentation_fill) == (0.5, 30, "black")


def test_the_file_wins_over_the_preset_and_a_network_over_both():
    text = '[train]\npreset = "matlab_r2018b"\nweight_decay_on = "all"\n[train.network.vgg16]\nepochs = 2\n[train.network.vgg19]\ndropout = 0.1\n'
    e = experiment(text)
    assert {e.train_of(n).weight_decay_on for n in e.networks.names} == {"all"}
    assert (e.train_of("vgg16").epochs, e.train_of("vgg16").dropout) == (2, 0.5)
    assert (e.train_of("vgg19").epochs, e.train_of("vgg19").dropout) == (20, 0.1)
    assert Experiment.model_validate_json(json.dumps(e.model_dump(mode="json"))) == e
    with pytest.raises(InputError, match="lerning_rate"):
        experiment('[train]\npreset = "matlab_r2018b"\nlerning_rate = 1\n')
    with pytest.raises(InputError, match=r"train\.network"):
        experiment('[train]\npreset = "matlab_r2018b"\nnetwork = 3\n')


def test_the_methods_say_what_is_assumed_what_deviates_and_what_was_changed():
    e = experiment('[networks]\nnames = ["vgg16", "densenet201"]\n[train]\npreset = "matlab_r2018b"\nepochs = 3\n')
    text = " ".join(training_methods(e))
    assert "preset matlab_r2018b" in text
    assert "Changed from the preset: epochs = 3 (preset: 20)." in text
    assert "standard deviation 0.01" in text
    assert "offset carry the L2 regularisation (densenet201)" in text
    assert "3 x 3 convolution" not in text  # ResNet-101 alone
    assert "Changed" not in " ".join(training_methods(experiment('[train]\npreset = "matlab_r2018b"\n')))
    own = experiment('[train]\npreset = "matlab_r2018b"\n[train.network.vgg16]\nepochs = 2\n')
    assert "Changed from the preset: vgg16: epochs = 2." in " ".join(training_methods(own))
    assert "preset" not in " ".join(training_methods(experiment("")))


def test_table_ii_sets_the_study_and_both_presets_side_by_side():
    e = experiment('[networks]\nnames = ["vgg16", "densenet201"]\n[train]\npreset = "matlab_r2018b"\nepochs = 3\n')
    table = training_settings(e).set_index("option")
    assert table.columns.tolist() == ["used here", "the study", "preset matlab_r2018b", "preset modern"]
    assert table.loc["momentum"].tolist() == ["0.9, rate inside the velocity", "0.9", "the same", "none"]
    assert table.loc["epochs"].tolist() == ["at most 3", "at most 20", "at most 20", "at most 20"]
    assert table.loc["gradual unfreezing"].tolist() == ["none", "", "the same", "a stage every epoch"]
    assert "last layer" in table.loc["vgg16 apart from that", "used here"]
    assert "resnet101 apart from that" not in table.index
    assert "mixup" not in table.index  # off everywhere


def test_the_modern_options_are_told():
    e = experiment('[train]\npreset = "modern"\nmixup = 0.2\n')
    text = " ".join(training_methods(e))
    for part in (
        "AdamW",
        "cosine",
        "Warm-up",
        "0.7 times the next",
        "one more stage every epoch",
        "Label smoothing 0.1",
        "moving average",
        "Mixup",
    ):
        assert part in text, part
    assert training_settings(e).set_index("option").loc["mixup", "used here"] == "Beta(0.2, 0.2)"
    frozen = experiment("[train]\ntrainable_stages = 0\ncached_copies = 4\n")
    text = " ".join(training_methods(frozen))
    assert "end to end" not in text
    assert "4 augmented copies" in text


def test_the_methods_say_how_the_networks_started():
    options = '[train.network.vgg16]\nlast_layer = "fitted"\n[train.network.resnet101]\nzero_init_residual = true\n'
    text = " ".join(training_methods(experiment('[networks]\nweights = "none"\n' + options)))
    assert "started from random weights" in text
    assert "(Goyal and others 2017): resnet101." in text
    assert "(Kumar and others 2022): vgg16." in text
    assert "random weights" not in " ".join(training_methods(experiment("")))
    fitted = training_settings(experiment('[train]\nlast_layer = "fitted"\n')).set_index("option")
    assert fitted.loc["last layer's initialisation", "used here"] == "fitted to the initial features"
