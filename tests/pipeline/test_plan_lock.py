"""The lock of the plan: the first plan of a network's predictions is confirmatory, one that is made after results never is."""

from __future__ import annotations

import json

import pytest

from hybridcx.errors import InputError
from hybridcx.experiment.file import AnalysisSection, parse_experiment
from hybridcx.pipeline import plan_lock as locking
from hybridcx.store.artefacts import RECORD, Store

DATA = {"manifest": "m1", "images": "i1", "published table": "t1"}
TEXT = """
name = "x"
seed = 3
[cohort]
manifest = "m.csv"
[networks]
names = ["vgg16", "vgg19"]
[analysis]
primary_metric = "{metric}"
"""


def experiment(metric="accuracy", **changes):
    return parse_experiment(TEXT.format(metric=metric)).model_copy(update=changes)


class Clock:
    """A clock of which every look is a minute later."""

    def __init__(self):
        self.minute = 0

    def __call__(self):
        self.minute += 1
        return f"2026-01-01T00:{self.minute:02d}:00+00:00"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(locking, "now", Clock())


def run(store, folder, planned, data=DATA, *, finish=True):
    """Lock, and note the predictions unless the run is killed before; `folder` is the state that stays in it."""
    lock, plans = locking.lock_plan(planned, data, [(planned.seed, "split")], store, folder.get("plans"))
    folder["plans"] = plans
    if finish:
        keys = locking.network_keys(planned, data, [(planned.seed, "split")])
        folder["plans"] = locking.note_predictions(lock, plans, keys, store)
    return lock


def test_the_first_plan_is_confirmatory_and_locked_before_its_predictions(tmp_path):
    store, folder = Store(tmp_path), {}
    lock = run(store, folder, experiment())
    assert lock.confirmatory
    for entries in folder["plans"].values():
        (entry,) = entries
        assert entry["locked_at"] == lock.locked_at < entry["predictions_at"]
        assert entry["plan"]["primary_metric"] == "accuracy"
    again = run(store, folder, experiment())
    assert (again.confirmatory, again.locked_at, again.sha256) == (True, lock.locked_at, lock.sha256)


@pytest.mark.parametrize("where", ["same folder and cache", "another folder", "another cache"])
def test_a_plan_changed_after_results_is_exploratory_wherever_it_is_run(tmp_path, where):
    store, folder = Store(tmp_path / "a"), {}
    first = run(store, folder, experiment())
    if where == "another folder":
        folder = {}
    if where == "another cache":
        store = Store(tmp_path / "b")
    folder = json.loads(json.dumps(folder))  # as the file keeps it
    changed = run(store, folder, experiment("auroc"))
    assert not changed.confirmatory
    assert [e["sha256"] for e in changed.earlier] == [first.sha256]
    assert changed.record()["results_existed"] is True
    assert first.sha256[:12] in changed.changed()
    assert "everything is exploratory" in changed.words()
    assert run(store, folder, experiment("auroc")).earlier == changed.earlier  # for good
    assert run(store, folder, experiment()).confirmatory  # the first plan stays what it was


def test_a_plan_changed_before_any_prediction_is_confirmatory(tmp_path):
    store, folder = Store(tmp_path), {}
    run(store, folder, experiment(), finish=False)
    assert run(store, folder, experiment("auroc")).confirmatory


def test_one_network_that_was_seen_is_enough(tmp_path):
    store = Store(tmp_path)
    run(store, {}, experiment(networks=experiment().networks.model_copy(update={"names": ["vgg19"]})))
    assert not run(store, {}, experiment("auroc")).confirmatory


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 4},
        {"train": experiment().train.model_copy(update={"epochs": 3})},
        {"networks": experiment().networks.model_copy(update={"names": ["alexnet"]})},
    ],
)
def test_other_networks_are_another_study(tmp_path, other):
    store = Store(tmp_path)
    run(store, {}, experiment())
    assert run(store, {}, experiment("auroc", **other)).confirmatory
    assert run(store, {}, experiment("auroc"), {**DATA, "images": "i2"}).confirmatory


@pytest.mark.parametrize(
    "same", [{"title": "t"}, {"name": "y"}, {"heads": experiment().heads.model_copy(update={"names": ["lda"]})}]
)
def test_name_and_heads_do_not_make_old_networks_new(tmp_path, same):
    store = Store(tmp_path)
    run(store, {}, experiment())
    assert not run(store, {}, experiment("auroc", **same)).confirmatory


@pytest.mark.parametrize(
    "change",
    [
        {"primary_metric": "sensitivity"},
        {"margin": 0.1},
        {"confidence_level": 0.9},
        {"threshold": 0.4},
        {"n_bootstrap": 500},
        {"comparisons": [("vgg16", "vgg19")]},
    ],
)
def test_everything_of_the_plan_is_in_its_hash(change):
    plan = locking.content_key(locking.plan_of(experiment()))
    other = experiment(analysis=AnalysisSection(**change))
    assert locking.content_key(locking.plan_of(other)) != plan


def test_what_is_no_plan_is_not_in_its_hash():
    other = experiment(analysis=AnalysisSection(published="table.csv"), title="t")
    assert locking.plan_of(other) == locking.plan_of(experiment())


def test_a_damaged_list_of_plans_is_said_and_the_folder_still_knows(tmp_path):
    said = []
    store, folder = Store(tmp_path, say=said.append), {}
    run(store, folder, experiment())
    for path in (tmp_path / locking.PLANS).glob("*.json"):
        path.write_text("{", encoding="utf-8")
    assert not run(store, folder, experiment("auroc")).confirmatory
    assert "damaged" in said[0]


def test_pruning_the_cache_leaves_the_plans(tmp_path):
    store = Store(tmp_path)
    run(store, {}, experiment())
    store.prune(0)
    assert not store.entries()
    assert not run(store, {}, experiment("auroc")).confirmatory


def test_networks_that_a_run_without_a_plan_trained_are_named(tmp_path):
    store, planned = Store(tmp_path), experiment()
    made_from = {
        "network": "vgg16",
        "images": "i1",
        "seed": 3,
        "train": planned.train_of("vgg16").model_dump(mode="json"),
        "code": "old",
    }
    store.root.joinpath("finetune", "k").mkdir(parents=True)
    (store.root / "finetune" / "k" / RECORD).write_text(json.dumps({"made_from": made_from}), encoding="utf-8")
    lock = run(store, {}, planned)
    assert lock.trained_before == ("vgg16",)
    assert "vgg16 had been trained before" in lock.words()
    assert run(store, {}, planned).trained_before == ("vgg16",)


def test_the_words_name_the_whole_plan():
    chosen = AnalysisSection(primary_metric="auroc", comparisons=[("vgg16", "vgg19")], margin=0.05)
    words = locking.Lock(locking.plan_of(experiment(analysis=chosen)), "abc", "t").words()
    for text in (
        "auroc",
        "vgg16 with vgg19",
        "0.05",
        "0.95",
        "Holm",
        "'given'",
        "abc",
        "before any test prediction existed",
    ):
        assert text in words


def test_a_labelling_rule_in_the_plan_that_is_not_the_one_used_is_refused():
    text = TEXT.format(metric="accuracy") + 'label_rule = "agreement"\n'
    with pytest.raises(InputError, match=r"label_rule = 'agreement', but cohort\.labels\.rule is 'given'"):
        parse_experiment(text)
    assert parse_experiment(text.replace('"agreement"', '"given"')).analysis.label_rule == "given"
