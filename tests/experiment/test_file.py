"""The experiment file: every key typed and documented, every fault told at once with its line and the nearest name."""

from __future__ import annotations

import json
import os
import time
import tomllib
from pathlib import Path

import pytest

from hybridcx.errors import InputError
from hybridcx.experiment.file import Experiment, keys_table, parse_experiment, read_experiment
from hybridcx.experiment.partial import partial_experiment

ROOT = Path(__file__).parents[2]
BASE = 'name = "x"\n[cohort]\nmanifest = "m.csv"\n'


def refused(text):
    with pytest.raises(InputError) as e:
        parse_experiment(text, "e.toml")
    return e.value.problems


def test_the_defaults_are_table_ii_of_the_study():
    e = parse_experiment(BASE)
    assert e.networks.names == ["vgg16", "vgg19", "resnet101", "densenet201"]
    assert e.images.size_px == 224
    t = e.train
    assert (t.optimizer, t.momentum, t.batch_size, t.learning_rate) == ("sgd", 0.9, 16, 3e-4)
    assert (t.lr_drop_factor, t.lr_drop_epochs, t.weight_decay, t.epochs, t.validate_every) == (0.2, 8, 0.004, 20, 16)
    assert (e.split.train, e.split.validation, e.split.test) == (0.70, 0.15, 0.15)
    assert e.analysis.primary_metric == "accuracy"


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.toml")), ids=lambda p: p.name)
def test_the_shipped_experiments_are_valid(path):
    assert read_experiment(path).name


def test_the_packaged_demo_is_the_one_in_experiments():
    assert (ROOT / "hybridcx/commands/demo.toml").read_bytes() == (ROOT / "experiments/demo.toml").read_bytes()


def test_the_demo_trains_four_networks_from_random_weights():
    demo = read_experiment(ROOT / "experiments/demo.toml")
    assert demo.networks.names == ["vgg16", "vgg19", "resnet101", "densenet201"]
    assert (demo.networks.weights, demo.train.enabled) == ("none", True)


def test_residual_blocks_start_at_zero_only_in_networks_of_random_weights():
    text = BASE + "[networks]\nweights = '%s'\n[train.network.resnet101]\nzero_init_residual = true\n"
    assert "zero_init_residual" in refused(text % "imagenet")[0].rule
    own = parse_experiment(text % "none")
    assert (own.train_of("resnet101").zero_init_residual, own.train_of("vgg16").zero_init_residual) == (True, False)


def test_a_typo_gets_the_nearest_name_and_every_unknown_key_comes_in_one_go():
    found = refused(
        BASE + "[analysis]\nn_boostrap = 500\n[trian]\nepochs = 3\n[train]\nlearning_rat = 1\nseed = 1\nzzzz = 1\n"
    )
    by_key = {p.rule: p for p in found}
    assert len(found) == 5
    assert by_key["unknown key `analysis.n_boostrap`"].remedy == "did you mean `n_bootstrap`?"
    assert by_key["unknown key `analysis.n_boostrap`"].row == 5
    assert by_key["unknown key `trian`"].remedy == "did you mean `train`?"
    assert by_key["unknown key `trian`"].row == 6
    assert by_key["unknown key `train.learning_rat`"].remedy == "did you mean `learning_rate`?"
    assert "Its place is `seed`" in by_key["unknown key `train.seed`"].remedy
    assert "learning_rate" in by_key["unknown key `train.zzzz`"].remedy
    assert {p.file for p in found} == {"e.toml"}


def test_the_line_is_that_of_the_right_table():
    found = refused(BASE + "[train]\nmomentum = 0.5\n[train.network.vgg16]\nepochs = 0\n[compute]\nthreads = -1\n")
    assert {(p.rule.split("`")[1], p.row) for p in found} == {("train.network.vgg16.epochs", 7), ("compute.threads", 9)}


def test_a_typo_in_the_options_of_one_network():
    (found,) = refused(BASE + "[train.network.vgg16]\nepohcs = 3\n")
    assert found.remedy == "did you mean `epochs`?"
    (found,) = refused(BASE + "[train.network.vgg61]\nepochs = 3\n")
    assert found.rule == "`train.network.vgg61`: there is no network of this name; did you mean `vgg19`?"
    assert found.row == 4


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[train]\nepochs = "20"\n', "train.epochs"),
        ("[train]\nepochs = true\n", "train.epochs"),
        ("[train]\nepochs = 2.5\n", "train.epochs"),
        ("[train]\nepochs = 1979-05-27\n", "train.epochs"),
        ("[train]\nmomentum = 1\n", "train.momentum"),
        ("[train]\nlearning_rate = inf\n", "train.learning_rate"),
        ("[analysis]\nmargin = nan\n", "analysis.margin"),
        ("[analysis]\nconfidence_level = 95\n", "analysis.confidence_level"),
        ('[compute]\ndevice = "gpu"\n', "compute.device"),
        ('[networks]\nnames = ["vgg16", "vgg61"]\n', "networks.names.1"),
        ("[networks]\nnames = []\n", "networks.names"),
        ('[networks]\nnames = ["vgg16", "vgg16"]\n', "networks"),
        ('[networks]\nweights = "folder"\n', "networks"),
        ('[heads]\nnames = ["lda", "lda"]\n', "heads.names"),
        ("[split]\ntrain = 0.5\n", "split"),
        ('[analysis]\ncomparisons = [["vgg16"]]\n', "analysis.comparisons.0.1"),
    ],
)
def test_values_that_cannot_be(text, key):
    (found,) = refused(BASE + text)
    assert f"`{key}`" in found.rule
    assert found.row in (4, 5)


def test_whole_numbers_are_fine_where_a_number_is_asked_for():
    assert parse_experiment(BASE + "[train]\nrotate_deg = 10\n").train.rotate_deg == 10


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x\\ny", "C:x"])
def test_names_that_could_leave_their_folder(name):
    (found,) = refused(BASE.replace('"x"', json.dumps(name).replace("\\\\n", "\\n")))
    assert "`name`" in found.rule


def test_missing_keys_and_sources():
    assert [p.rule for p in refused("seed = 1\n")] == ["the key `name` is missing", "the key `cohort` is missing"]
    (found,) = refused('name = "x"\n[cohort]\n')
    assert "not both and not neither" in found.rule
    (found,) = refused(BASE + "[cohort.phantom]\npatients = 50\n")
    assert "not both and not neither" in found.rule


def test_text_that_is_no_toml():
    (found,) = refused('name = "x"\n[cohort\n')
    assert "not valid TOML" in found.rule
    assert "line 2" in found.rule
    assert "not valid TOML" in refused('name = "x"\nname = "y"\n')[0].rule


def test_files(tmp_path):
    path = tmp_path / "e.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    assert read_experiment(path).name == "x"
    path.write_bytes(BASE.encode("utf-16"))
    for at, text in ((path, "not UTF-8"), (tmp_path / "none.toml", "does not exist"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=text) as e:
            read_experiment(at)
        assert at.name in str(e.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with a name")
def test_pipes_and_devices_are_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "e.toml")
    for path in (tmp_path / "e.toml", Path("/dev/zero")):
        with pytest.raises(InputError, match="a named pipe or a device, not a file"):
            read_experiment(path)
        assert partial_experiment(path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a" + ".a" * 50_000 + " = 1\n", "a line of more than 10,000 characters"),
        ("[" + ".".join(["a"] * 4000) + "]\n", "a key of more than 20 parts"),
        ("[[a" + ' . "\\"b"' * 500 + "]]\n", "a key of more than 20 parts"),
        ("x = {b = 1, c" + ".'d'" * 20 + " = 1}\n", "a key of more than 20 parts"),
        ("# long\n" * 150_000, "more than 1,000,000 bytes"),
    ],
)
def test_files_that_would_take_minutes_to_parse_are_refused(tmp_path, text, message):
    path = tmp_path / "e.toml"
    path.write_text(text, encoding="utf-8")
    begun = time.perf_counter()
    with pytest.raises(InputError, match=message):
        read_experiment(path)
    assert partial_experiment(path) is None
    assert time.perf_counter() - begun < 2


def test_many_unknown_keys_are_counted():
    found = refused(BASE + "".join(f"zz{i} = 1\n" for i in range(3000)))
    assert len(found) == 101
    assert found[-1].rule == "2,900 more problems"


def test_the_correction_that_files_of_version_0_3_name_is_accepted_and_not_recorded():
    plain = 'name = "x"\n[cohort.phantom]\npatients = 60\n[networks]\nnames = ["vgg16"]\n[analysis]\n'
    experiment = parse_experiment(plain + 'p_adjust = "holm"\n')
    assert experiment == parse_experiment(plain)
    assert "p_adjust" not in experiment.model_dump(mode="json")["analysis"]
    assert not any("p_adjust" in key for key, *_ in keys_table())
    with pytest.raises(InputError, match=r"analysis\.p_adjust"):
        parse_experiment(plain + 'p_adjust = "bonferroni"\n')


def test_options_of_one_network():
    e = parse_experiment(BASE + "[train]\nepochs = 5\n[train.network.vgg16]\nepochs = 2\nlearning_rate = 0.1\n")
    assert (e.train_of("vgg16").epochs, e.train_of("vgg16").learning_rate) == (2, 0.1)
    assert e.train_of("vgg19").epochs == 5
    assert e.train_of("vgg16").batch_size == e.train.batch_size


def test_every_key_is_documented_and_typed():
    rows = keys_table()
    keys = [k for k, *_ in rows]
    assert len(keys) == len(set(keys))
    assert {"name", "train.learning_rate", "analysis.n_bootstrap", "train.network.NAME.epochs", "cohort.phantom.patients"} <= set(keys)  # fmt: skip
    for key, kind, default, _ in rows:
        assert kind, key
        assert default == "required" or json.loads(default) is not Ellipsis
    schema = Experiment.model_json_schema()
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Experiment.model_fields)


def test_an_experiment_survives_the_way_through_json():
    for path in (ROOT / "experiments").glob("*.toml"):
        e = read_experiment(path)
        assert Experiment.model_validate_json(json.dumps(e.model_dump(mode="json"))) == e
        assert set(tomllib.loads(path.read_text(encoding="utf-8"))) <= set(e.model_dump())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("seed = " + "[" * 9_000, "nested too deeply"),
        ("seed = " + "9" * 5000, "out of all range"),
        ("seed = 2026-02-31", "TOML"),
    ],
    ids=["nested", "digits", "date"],
)
def test_values_beyond_measure_are_refused(line, said):
    """Found by fuzzing: Python's parser leaves these with RecursionError and ValueError."""
    with pytest.raises(InputError, match=said):
        parse_experiment(line)


def test_messages_are_sentences_of_ours():
    text = """name = "a/b"
seed = "seven"
[cohort]
manifest = "m.csv"
positive = ["a"]
[images]
size_px = "large"
pad = "mirror"
[networks]
names = []
[train]
epochs = -2
learning_rate = true
[compute]
device = "tpu"
[analysis]
margin = 3
"""
    problems = {p.rule.split(":")[0]: p.rule for p in refused(text)}
    for key, words in {
        "`name`": "another form is expected",
        "`seed`": "a whole number is expected",
        "`cohort.positive`": "a text in quotes is expected",
        "`images.size_px`": "a whole number is expected",
        "`images.pad`": "one of 'white', 'black', 'edge', 'none' is expected",
        "`networks.names`": "at least one element is expected",
        "`train.epochs`": "a number of at least 1 is expected",
        "`train.learning_rate`": "a number is expected",
        "`compute.device`": "another form is expected",
        "`analysis.margin`": "a number below 1 is expected",
    }.items():
        assert words in problems[key]
    assert not any("Input should" in rule or "String should" in rule for rule in problems.values())


@pytest.mark.parametrize("path", [r"C:\data\images", r"C:\Users\x", r"C:\users\x"])
def test_a_windows_path_in_quotes_is_named(path):
    (problem,) = refused(f'name = "{path}"\n')
    assert "not valid TOML" in problem.rule
    assert "forward slashes" in problem.remedy
