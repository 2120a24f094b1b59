"""One thing is changed at a time: what depends on it is made again and nothing else, and it is said in what the kept results differ.

The further changes (minutes): pytest -m slow tests/pipeline/test_remade.py
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

import hybridcx
from hybridcx.experiment.file import Experiment, parse_experiment, with_changes
from hybridcx.progress import Progress
from hybridcx.store import provenance
from hybridcx.store.artefacts import RECORD, Store
from hybridcx.store.differences import difference_words, nearest, result_words

A, B = "squeezenet1_1", "mobilenet_v2"
TEXT = f"""name = "small"
seed = 5
[cohort]
manifest = "phantom/manifest.csv"
[images]
size_px = 32
[networks]
names = ["{A}", "{B}"]
weights = "none"
[train]
epochs = 1
validate_every = 50
[heads]
names = ["logistic"]
folds = 2
[compute]
device = "cpu"
threads = 1
training_precision = "float32"
"""
UNTRAINED = {("untrained", n, None) for n in (A, B)}
INITIAL = {("features", n, "initial") for n in (A, B)} | UNTRAINED
TUNED = {("finetune", n, None) for n in (A, B)} | {("features", n, "trained") for n in (A, B)}
HEADS = {("heads", n, w) for n in (A, B) for w in ("initial", "trained")}
IMAGES = {("images", None, None)}


def of_network(stages: set, network: str) -> set:
    return {s for s in stages if s[1] == network}


def kept(cache: Path) -> dict[Path, tuple]:
    """The complete artefacts: path -> (stage, network, which features)."""
    found: dict[Path, tuple] = dict.fromkeys(cache.glob("images/*.npy"), ("images", None, None))
    for path in cache.glob(f"*/*/{RECORD}"):
        record = json.loads(path.read_text(encoding="utf-8"))
        about = {**record["made_from"], **record.get("of", {})}
        found[path.parent] = (record["stage"], about["network"], about.get("which"))
    return found


def stages(experiment: Experiment, base: Path, cache: Path) -> str:
    """All stages of a run before its statistics; what was said."""
    from hybridcx.pipeline import units
    from hybridcx.pipeline.cohort import load_cohort, prepare_images
    from hybridcx.pipeline.stages import run_stages

    with Progress(quiet=True) as progress:
        store = Store(cache, progress.say, progress.notice)
        cohort = load_cohort(experiment, base, store, progress)
        parts = units.make_units(experiment, cohort)
        images = prepare_images(experiment, cohort.to_score(units.scored_disputed(parts)), store, progress)
        run_stages(experiment, cohort, parts, images, base, store, progress)
        return progress.log


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    hybridcx.phantom(folder / "given" / "phantom", patients=60, seed=3)
    said = stages(parse_experiment(TEXT), folder / "given", folder / "cache")
    assert "the cached result differs" not in said
    assert set(kept(folder / "cache").values()) == IMAGES | INITIAL | TUNED | HEADS
    return folder


def one_image(base, monkeypatch):
    rows = pd.read_csv(base / "phantom/manifest.csv", dtype=str, keep_default_na=False)
    path = base / "phantom" / rows.loc[rows["excluded"] == "", "image"].iloc[0]
    with Image.open(path) as image:
        image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(path)


def one_label(base, monkeypatch):
    path = base / "phantom/manifest.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    row = rows.index[rows["excluded"] == ""][0]
    rows.loc[row, "label"] = {"normal": "abnormal", "abnormal": "normal"}[rows.loc[row, "label"]]
    rows.to_csv(path, index=False)


def other_version(package):
    def change(base, monkeypatch):
        installed = provenance.package_versions()
        monkeypatch.setattr(provenance, "package_versions", lambda: {**installed, package: "9.9"})

    return change


def other_code(room):
    def change(base, monkeypatch):
        from hybridcx.store.artefacts import code_hash

        for name, module in list(sys.modules.items()):
            if name.startswith("hybridcx.") and getattr(module, "code_hash", None) is code_hash:
                monkeypatch.setattr(
                    module, "code_hash", lambda *rooms: code_hash(*rooms) + ("changed" if room in rooms else "")
                )

    return change


def option(**changes):
    return changes


CHANGES = {
    "an image": (
        one_image,
        (IMAGES | INITIAL | TUNED | HEADS) - UNTRAINED,
        "The images: prepared again, since the cached result differs in 1 of ",
    ),
    "a label": (one_label, TUNED | HEADS, "the cases, their labels or the split"),
    "an option of one network": (
        option(train={"epochs": 1, "validate_every": 50, "network": {B: {"weight_decay": 0.01}}}),
        of_network(TUNED, B) | {("heads", B, "trained")},
        f"The fine-tuning of {B}: computed again, since the cached result differs in train.weight_decay (",
    ),
    "a head more": (
        option(heads={"names": ["logistic", "lda"], "folds": 2}),
        HEADS,
        f"The heads of {A} on fine-tuned features: computed again, since the cached result differs in "
        "names (logistic in the cache, logistic, lda now).",
    ),
    "table of networks": (other_code("vocabulary/networks"), INITIAL | TUNED | HEADS, "the code of hybridcx"),
}
SLOW = {
    "folds of heads": (option(heads={"names": ["logistic"], "folds": 3}), HEADS, "folds (2 in the cache, 3 now)"),
    "scikit-learn": (other_version("scikit-learn"), HEADS, "the version of scikit-learn ("),
    "shares": (option(split={"train": 0.6, "validation": 0.2, "test": 0.2}), TUNED | HEADS, "the cases, their labels or the split"),
    "seed": (option(seed=6), INITIAL | TUNED | HEADS, "seed (5 in the cache, 6 now)"),
    "batch size": (
        option(train={"epochs": 1, "validate_every": 50, "batch_size": 8}),
        TUNED | {h for h in HEADS if h[2] == "trained"},
        "train.batch_size (16 in the cache, 8 now)",
    ),
    "threads": (
        option(compute={"device": "cpu", "threads": 2, "training_precision": "float32"}),
        (INITIAL | TUNED | HEADS) - UNTRAINED,
        "compute.threads (1 in the cache, 2 now)",
    ),
    "precision": (
        option(compute={"device": "cpu", "threads": 1, "training_precision": "bfloat16"}),
        (INITIAL | TUNED | HEADS) - UNTRAINED,
        "compute.training_precision (float32 in the cache, bfloat16 now)",
    ),
    "CUDA graphs": (
        option(compute={"device": "cpu", "threads": 1, "training_precision": "float32", "cuda_graphs": False}),
        set(),
        "",
    ),
    "torch": (other_version("torch"), INITIAL | TUNED | HEADS, "the version of torch ("),
    "code of networks": (other_code("deep"), INITIAL | TUNED | HEADS, "the code of hybridcx"),
    "code of heads": (other_code("heads"), HEADS, "the code of hybridcx"),
}  # fmt: skip


def features_sha(cache: Path, path: Path) -> str:
    return json.loads((path / RECORD).read_text(encoding="utf-8"))["files"]["features.npy"]


@pytest.mark.parametrize(
    ("change", "remade", "said"),
    [
        *(pytest.param(*row, id=name) for name, row in CHANGES.items()),
        *(pytest.param(*row, id=name, marks=pytest.mark.slow) for name, row in SLOW.items()),
    ],
)
def test_a_change_remakes_what_depends_on_it_and_says_why(first, tmp_path, monkeypatch, change, remade, said):
    for name in ("given", "cache"):
        shutil.copytree(first / name, tmp_path / name)
    base, cache, experiment = tmp_path / "given", tmp_path / "cache", parse_experiment(TEXT)
    if callable(change):
        change(base, monkeypatch)
    else:
        experiment = with_changes(experiment, change)
    before = kept(cache)
    log = stages(experiment, base, cache)
    after = kept(cache)
    made = [about for path, about in after.items() if path not in before]
    # heads hang on the bytes of the features: where these come out the same, the heads hold
    earlier = {features_sha(cache, p) for p, about in before.items() if about[0] == "features"}
    new = {
        about[1:]: features_sha(cache, p) for p, about in after.items() if about[0] == "features" and p not in before
    }
    direct = change is not one_label and not any(about[0] == "features" for about in remade)
    same = set() if direct or change is one_label else {("heads", *k) for k, sha in new.items() if sha in earlier}
    assert set(made) == remade - same
    assert len(made) == len(set(made)), "made twice"
    assert said in log
    told = [line for line in log.splitlines() if "the cached result differs" in line]
    assert len(told) == len(made)  # one sentence each
    ids = pd.read_csv(base / "phantom/manifest.csv", dtype=str)[["case_id", "patient_id", "image"]].to_numpy().ravel()
    assert not [i for i in ids if any(i in line for line in told)]
    assert str(tmp_path) not in "".join(told)
    again = stages(experiment, base, cache)  # nothing is made of what is there
    assert "the cached result differs" not in again
    assert set(kept(cache)) == set(after)


def test_a_head_more_leaves_the_fitted_ones_as_they_are(first, tmp_path):
    for name in ("given", "cache"):
        shutil.copytree(first / name, tmp_path / name)
    before = {p.read_bytes() for p in (tmp_path / "cache").glob("heads/*/logistic/pipeline.skops")}
    experiment = with_changes(parse_experiment(TEXT), {"heads": {"names": ["lda", "logistic"], "folds": 2}})
    stages(experiment, tmp_path / "given", tmp_path / "cache")
    after = list((tmp_path / "cache").glob("heads/*/logistic/pipeline.skops"))
    assert len(before) == 4
    assert len(after) == 8
    assert {p.read_bytes() for p in after} == before  # skops files of two fits differ: these were copied
    assert len(list((tmp_path / "cache").glob("heads/*/lda/pipeline.skops"))) == 4


def test_the_statistics_alone_are_made_again_for_another_number_of_resamples(first, tmp_path):
    shutil.copytree(first / "cache", tmp_path / "cache")
    before = {p: p.stat().st_ino for p in kept(tmp_path / "cache")}
    small = with_changes(parse_experiment(TEXT), {"analysis": {"n_bootstrap": 110}})
    hybridcx.run(small, base=first / "given", out=tmp_path / "out", cache=tmp_path / "cache", images=False)
    found = {
        p: p.stat().st_ino for p, about in kept(tmp_path / "cache").items() if about[0] not in ("saliency", "casebook")
    }
    assert found == before


def test_words_say_parts_without_hashes_or_cases():
    then = {"code": "a" * 64, "rows": [1, 2], "train": {"epochs": 3, "options": "x" * 50}, "packages": {"numpy": "2.0"}}
    now = {"code": "b" * 64, "rows": [1, 3], "train": {"epochs": 4, "options": "y" * 50}, "packages": {"numpy": "2.1"}}
    assert difference_words(then, then) == ""
    assert difference_words(then, now) == (
        "the code of hybridcx, the version of numpy (2.0 in the cache, 2.1 now), the cases to fit on, train.epochs (3 in the cache, 4 now) and 1 more"
    )
    assert (
        result_words("heads", {"network": "vgg16", "which": "trained"}) == "the heads of vgg16 on fine-tuned features"
    )


def test_the_nearest_differs_in_the_fewest_parts_and_is_the_youngest_of_equals():
    one, two, three = {"a": 1, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 9, "c": 3}
    assert nearest({"a": 1, "b": 3, "c": 3}, [one, two, three]) == two
    assert nearest({"a": 1}, []) is None
