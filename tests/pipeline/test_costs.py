"""The estimate of what a run costs: by hand, against what training really does, and that a dry run leaves nothing behind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import hybridcx
from hybridcx.cli.app import main
from hybridcx.deep.finetune import finetune
from hybridcx.deep.task import batches_of
from hybridcx.experiment.file import ComputeSection, TrainSection, parse_experiment
from hybridcx.pipeline.costs.estimate import Speed, cost, passes_of, read_speeds
from hybridcx.pipeline.costs.memory import Counts, counts_by_shares, parameters, run_needs
from hybridcx.vocabulary.networks import NETWORKS

FILE = """
name = "cost"
[cohort.phantom]
patients = 416
[networks]
names = ["resnet101", "densenet201"]
weights = "none"
"""
SPEED = Speed("a machine, 2 threads", "resnet101", 224, "bfloat16", 8.0, "float32", 10.0, "2026-11-25")
BOTH = (SPEED, replace(SPEED, network="densenet201", training_images_per_s=16.0, extraction_images_per_s=20.0))


STUDY = Counts(331, 232, 49, 50)


def table_of(more: str = "", speeds=BOTH):
    return cost(parse_experiment(FILE + more), STUDY, speeds).set_index("network")


def test_by_hand():
    experiment = parse_experiment(FILE)
    sizes = counts_by_shares(experiment, 331)
    assert sizes == STUDY
    # 14 whole mini-batches of 16 an epoch, 280 in all; validated are iteration 1, 16, ..., 272 and 280: 19 times 49 images; then all 331
    assert passes_of(experiment.train, sizes) == (20 * 224, 19 * 49 + 331)
    table = table_of()
    resnet = table.loc["resnet101"]
    assert resnet["training.hours"] == pytest.approx(4480 / 8 / 3600)
    # features before fine-tuning once more, and 16 cases x 50 passes for the maps
    assert resnet["features.hours"] == pytest.approx((19 * 49 + 331 + 331 + 800) / 10 / 3600)
    assert resnet["total.hours"] == pytest.approx(resnet["training.hours"] + resnet["features.hours"])
    assert resnet["disk.gib"] == pytest.approx((parameters(NETWORKS["resnet101"]) + 2 * 331 * 2048) * 4 / 2**30)
    assert table.loc["densenet201", "total.hours"] == pytest.approx(resnet["total.hours"] / 2)
    assert table.loc["all", "total.hours"] == pytest.approx(1.5 * resnet["total.hours"])
    assert table.loc["all", "peak.gib"] == max(table["peak.gib"][:2])
    # the memory is the one that the run itself is held against
    stages = run_needs(experiment, sizes, 4).memory
    assert resnet["peak.gib"] * 2**30 == max(v for k, v in stages.items() if "resnet101" in k and "heads" not in k)


def test_units_batch_and_size_scale_it():
    one, many = table_of(), table_of("[repeat]\nseeds = 10\n")
    folds = parse_experiment(FILE + '[repeat]\ndesign = "kfold"\nseeds = 3\nfolds = 4\n')
    assert folds.trainings == 12
    # 300 to learn from, of which 0.70 / 0.85 to train on
    assert counts_by_shares(folds, 400) == Counts(400, 247, 53, 100)
    assert many.loc["all", "training.hours"] == pytest.approx(10 * one.loc["all", "training.hours"])
    half = table_of("[images]\nsize_px = 112\n")
    assert half.loc["all", "total.hours"] == pytest.approx(one.loc["all", "total.hours"] / 4)
    assert half.loc["all", "peak.gib"] < one.loc["all", "peak.gib"]
    assert table_of("[train]\nbatch_size = 32\n").loc["resnet101", "peak.gib"] > one.loc["resnet101", "peak.gib"]


def test_shares_of_the_training_cases_are_trainings_of_their_own():
    seeds = "[repeat]\nseeds = 3\n"
    resnet, whole = (table_of(more).loc["resnet101"] for more in (seeds + "[training_size]\nshares = [0.5]\n", seeds))
    assert (resnet["trainings"], whole["trainings"]) == (6, 3)
    # 116 cases: 7 whole mini-batches of 16 an epoch, 140 in all; validated are iteration 1, 16, ..., 128 and 140
    assert resnet["training.hours"] == pytest.approx(whole["training.hours"] + 3 * 20 * 112 / 8 / 3600)
    assert resnet["features.hours"] == pytest.approx(whole["features.hours"] + 3 * (10 * 49 + 331) / 10 / 3600)
    assert resnet["disk.gib"] > whole["disk.gib"]


def test_what_was_not_measured_is_na_with_a_reason():
    table = table_of(speeds=(SPEED,))
    assert math.isnan(table.loc["densenet201", "total.hours"])
    assert table.loc["densenet201", "note"] == "not measured on this machine"
    assert math.isnan(table.loc["all", "total.hours"])
    assert table.loc["all", "note"]
    assert table.loc["resnet101", "total.hours"] > 0


def test_an_experiment_of_unmeasured_networks_alone_is_na(tmp_path, capsys):
    table = table_of(speeds=(replace(SPEED, network="vgg16"),))
    assert table["total.hours"].isna().all()
    assert (table["peak.gib"] > 0).all()
    file = tmp_path / "e.toml"
    file.write_text(FILE.replace('"resnet101", "densenet201"', '"squeezenet1_1"'), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), "--dry-run"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "NA: the network was not measured on that machine." in said
    assert said.count("  not measured on this machine") == len({s.machine for s in read_speeds()})


@pytest.mark.parametrize(
    "keys",
    [{}, {"validate_every": 1}, {"validate_every": 2}, {"drop_last": False}, {"batch_size": 17}, {"batch_size": 40}],
)
def test_the_passes_are_those_of_a_training(tmp_path, keys):
    train = TrainSection(**{"epochs": 2, "batch_size": 6, "validate_every": 4, **keys})
    images = np.random.default_rng(0).integers(0, 256, (26, 32, 32, 3), dtype=np.uint8)
    found = finetune(
        "squeezenet1_1", images, np.arange(26) % 2, np.arange(18), np.arange(18, 26), train, ComputeSection(device="cpu", threads=1),
        seed=0, weights=None, folder=tmp_path,
    )  # fmt: skip
    validated = sum(not math.isnan(v) for v in found.history["validation_loss"])
    trained = 2 * sum(len(b) for b in batches_of(np.arange(18), train))
    assert passes_of(train, Counts(26, 18, 8)) == (trained, validated * 8 + 26)


def test_the_speeds_that_come_with_hybridcx():
    speeds = read_speeds()
    assert {s.network for s in speeds} >= {"vgg16", "vgg19", "resnet101", "densenet201"}
    for s in speeds:
        assert s.network in NETWORKS
        assert min(s.training_images_per_s, s.extraction_images_per_s, s.size_px) > 0


def test_a_dry_run_trains_and_leaves_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HYBRIDCX_CACHE", str(tmp_path / "cache"))
    (tmp_path / "e.toml").write_text(FILE + "[repeat]\nseeds = 10\n", encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["run", "e.toml", "--dry-run", "--quiet"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert "Estimate; nothing was trained" in said
    assert "331 cases, 232 to train on and 49 to validate in each of 10 trainings of a network" in said
    assert [p.name for p in tmp_path.iterdir()] == ["e.toml"]


def test_a_manifest_is_divided_as_a_run_would(tmp_path):
    made = hybridcx.phantom(tmp_path / "cohort", patients=40)
    text = FILE.replace("[cohort.phantom]\npatients = 416", '[cohort]\nmanifest = "cohort/manifest.csv"')
    found = hybridcx.estimate(parse_experiment(text), base=tmp_path)
    assert f"{(made['excluded'] == '').sum()} cases, " in found.text
    (tmp_path / "cohort" / "manifest.csv").unlink()
    with pytest.raises(hybridcx.InputError):
        hybridcx.estimate(parse_experiment(text), base=tmp_path)
