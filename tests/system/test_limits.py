"""What a run needs, said before its first stage (bad_input.md 37, 43, 50): estimates against measured peaks, and refusals with their numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hybridcx.errors import InputError
from hybridcx.experiment.file import parse_experiment
from hybridcx.pipeline.costs.memory import (
    Counts,
    check_run,
    drawn_counts,
    head_problems,
    near_duplicates_bytes,
    parameters,
    run_needs,
)
from hybridcx.store.machine import Memory

GB = 10**9
PLENTY = Memory(1 << 45, 1 << 45)


def experiment(
    text: str = "", *, names: str = "squeezenet1_1", size_px: int = 64, heads: str = '["lda"]', **train: object
):
    options = "".join(f"{k} = {json.dumps(v)}\n" for k, v in train.items())
    return parse_experiment(
        f'name = "e"\n[cohort.phantom]\npatients = 100\n[images]\nsize_px = {size_px}\n'
        f'[networks]\nnames = ["{names}"]\nweights = "none"\n[heads]\nnames = {heads}\n[train]\n{options}{text}'
    )


# Estimates against what is measured

MEASURED = """
import json, resource, sys
from pathlib import Path
import numpy as np
from hybridcx.experiment.file import parse_experiment
what, name, size, n, text, folder = json.loads(sys.argv[1])
e = parse_experiment(text)
rng = np.random.default_rng(0)
if what == "training":
    from hybridcx.deep.finetune import finetune
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    finetune(name, images, np.arange(n) % 2, np.arange(n - 8), np.arange(n - 8, n), e.train_of(name), e.compute, seed=0, weights=None,
             folder=Path(folder), checkpoint_every_s=0)
elif what == "features":
    from hybridcx.deep.features import extract, untrained_state
    images = rng.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    extract(name, untrained_state(name, 0), images, e.compute)
else:
    import torch  # as in the process that runs
    from hybridcx.vocabulary.networks import network
    from hybridcx.heads.fit import fit_heads
    y = np.arange(n) % 2
    X = rng.normal(size=(n, network(name).feature_dim)).astype(np.float32) + y[:, None]
    fit_heads(e.heads.names, X, y, np.arange(n), folds=e.heads.folds, max_components=e.heads.max_components, seed=0)
status = Path("/proc/self/status")  # ru_maxrss remembers the process that this one was forked from
peak = [int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM")] if status.exists() else []
print(peak[0] if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""


def peak(what: str, name: str, size_px: int, n: int, text: str, folder: Path) -> int:
    """Peak memory in bytes of one stage in a process of its own."""
    arguments = json.dumps([what, name, size_px, n, text, str(folder)])
    done = subprocess.run([sys.executable, "-c", MEASURED, arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout.split()[-1])


def text_of(name: str, size_px: int, batch: int, heads: str) -> str:
    return (
        f'name = "e"\n[cohort.phantom]\npatients = 100\n[images]\nsize_px = {size_px}\n[networks]\nnames = ["{name}"]\nweights = "none"\n'
        f'[heads]\nnames = {heads}\nfeatures = ["pretrained"]\n[train]\nepochs = 2\nbatch_size = {batch}\n[compute]\ntraining_precision = "float32"\n'
    )


CASES = [
    ("training", "squeezenet1_1", 64, 32, 40, '["lda"]'),
    ("features", "squeezenet1_1", 96, 32, 64, '["lda"]'),
    ("heads", "squeezenet1_1", 64, 16, 20_000, '["lda", "logistic"]'),
    *(
        pytest.param(*case, marks=pytest.mark.slow)
        for case in [
            *(("training", name, 128, 16, 40, '["lda"]') for name in ("vgg16", "resnet101", "densenet201", "alexnet", "mobilenet_v2")),
            *(("features", name, 224, 16, 64, '["lda"]') for name in ("vgg16", "resnet101", "densenet201", "alexnet", "mobilenet_v2")),
            ("training", "squeezenet1_1", 224, 32, 40, '["lda"]'),
            ("training", "vgg16", 224, 16, 24, '["lda"]'),
            ("heads", "vgg16", 64, 16, 6_000, '["lda", "logistic", "xgboost"]'),
            ("heads", "squeezenet1_1", 64, 16, 60_000, '["lda", "random_forest"]'),
        ]
    ),
]  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="ru_maxrss is not there")
@pytest.mark.parametrize(("what", "name", "size_px", "batch", "n", "heads"), CASES)
def test_estimates_are_within_a_factor_of_two_of_the_measured_peak(what, name, size_px, batch, n, heads, tmp_path):
    text = text_of(name, size_px, batch, heads)
    counts = Counts(n, n - 8 if what == "training" else n, 8)
    needs = run_needs(parse_experiment(text), counts, 1, jobs=1).memory
    estimate = next(v for k, v in needs.items() if k.startswith({"training": "fine-tuning"}.get(what, what)))
    measured = peak(what, name, size_px, n, text, tmp_path)
    print(f"{what} {name} {size_px} px: estimated {estimate / GB:.2f} GB, measured {measured / GB:.2f} GB")
    assert 0.5 < estimate / measured < 2


def test_the_parameters_counted_are_those_of_the_network():
    import torch
    from torchvision.models import get_model

    from hybridcx.vocabulary.networks import NETWORKS

    for row in NETWORKS.values():
        with torch.device("meta"):
            model = get_model(row.name, weights=None, num_classes=2)
        assert sum(p.numel() for p in model.parameters()) == parameters(row), row.name


def test_more_cases_networks_and_models_need_more():
    small = run_needs(experiment(), Counts(100, 70, 15), 4)
    for other in (
        run_needs(experiment(), Counts(200, 140, 30), 4),
        run_needs(experiment(names="vgg16"), Counts(100, 70, 15), 4),
        run_needs(experiment(), Counts(100, 70, 15), 8),
    ):
        assert all(a >= b for a, b in zip(other.memory.values(), small.memory.values(), strict=True))
        assert other.report + sum(map(sum, (k.each for k in other.cache))) > small.report + sum(
            map(sum, (k.each for k in small.cache))
        )
    accelerator = run_needs(experiment(names="vgg16", size_px=224), Counts(100, 70, 15), 4, on_processor=False)
    assert accelerator.largest[1] < run_needs(experiment(names="vgg16", size_px=224), Counts(100, 70, 15), 4).largest[1]


def test_sizes_on_disk_are_those_of_the_files(tmp_path):
    """What is written for a network: images and features to the byte but for the header, weights but for the index of names."""
    from safetensors.torch import save_file

    counts = Counts(50, 35, 7)
    kinds = {k.what: k for k in run_needs(experiment(), counts, 3).cache}
    assert kinds["prepared images"].each == (50 * 64 * 64 * 3,)
    assert kinds["features"].each == (50 * 512 * 4, 50 * 512 * 4)
    from torchvision.models import get_model

    save_file(get_model("squeezenet1_1", weights=None, num_classes=2).state_dict(), tmp_path / "w")
    assert kinds["weights"].each[0] == pytest.approx((tmp_path / "w").stat().st_size, rel=0.01)


# Refusals


def test_a_run_that_cannot_fit_is_told_the_numbers_and_what_to_change(tmp_path):
    needs = run_needs(experiment(names="vgg16", size_px=224), Counts(1000, 700, 150), 4)
    said, problems = check_run(needs, tmp_path, tmp_path, machine=Memory(2 * GB, GB), free=lambda _: GB // 10)
    assert "2.0 GB, 1.0 GB of them free" in said[0]
    text = "\n".join(str(p) for p in problems)
    assert "fine-tuning vgg16 with mini-batches of 16 needs about 3." in text
    assert "this machine has 2.0 GB. Lower train.batch_size" in text
    assert "prepared images 0.2 GB" in text
    assert "0.1 GB are free. Free some space" in text


def test_little_that_is_free_is_a_warning_alone(tmp_path):
    needs = run_needs(experiment(), Counts(100, 70, 15), 4)
    said, problems = check_run(needs, tmp_path, tmp_path, machine=Memory(64 * GB, GB // 10))
    assert not problems
    assert said[-1].startswith("Warning: 0.1 GB of memory are free at the moment")


def test_what_is_in_the_cache_already_is_not_needed_again(tmp_path):
    needs = run_needs(experiment(enabled=False), Counts(50, 35, 7), 1)
    before = check_run(needs, tmp_path, tmp_path, machine=PLENTY)[0]
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "images-1.npy", np.zeros((50, 64, 64, 3), np.uint8))
    after = check_run(needs, tmp_path, tmp_path, machine=PLENTY)[0]
    assert "prepared images" in before[1]
    assert "prepared images" not in after[1]
    assert "features" in after[1]


def test_heads_have_limits_of_their_own():
    few, many = Counts(60_000, 50_000, 100), Counts(60_000, 50_001, 100)
    one = experiment(heads='["svm_rbf", "lda", "knn"]')
    assert not head_problems(one, few)
    (problem,) = head_problems(one, many)
    assert "50,001 cases; its limit is 50,000" in str(problem)
    from hybridcx.heads.fit import fit_heads

    n = 100_001
    with pytest.raises(InputError, match="100,001 cases; its limit is 100,000"):
        fit_heads(
            ["knn"], np.zeros((n, 1), np.float32), np.arange(n) % 2, np.arange(n), folds=2, max_components=2, seed=0
        )


def test_run_and_check_refuse_before_the_first_stage(here, call, monkeypatch):
    text = text_of("squeezenet1_1", 64, 16, '["lda"]')
    Path("e.toml").write_text(text, encoding="utf-8")
    code, out, err = call("check", "e.toml")
    assert code == 0
    assert "This run needs about" in out
    monkeypatch.setattr("hybridcx.pipeline.costs.memory.memory_there", lambda: Memory(GB // 2, GB // 2))
    code, out, err = call("run", "e.toml", "--out", "out")
    assert code == 2
    assert "and this machine has 0.5 GB" in err
    assert not Path("out").exists()
    assert not Path("cache").exists()
    code, out, err = call("check", "e.toml")
    assert code == 1
    assert "and this machine has 0.5 GB" in out
    monkeypatch.setattr("hybridcx.pipeline.costs.memory.memory_there", lambda: PLENTY)
    monkeypatch.setattr("hybridcx.pipeline.costs.memory.disk_free", lambda _: 1000)
    code, out, err = call("run", "e.toml", "--out", "out")
    assert code == 2
    assert "0.001 MB are free" in err
    assert not Path("out").exists()


def test_a_drawn_cohort_is_counted_before_it_is_drawn():
    assert drawn_counts(experiment()) == Counts(100, 70, 15, 15)


def test_the_search_in_a_large_cohort_is_counted_as_it_is_made():
    """Screened above 20,000 images: 50,000 took 1.44 GB with the libraries; holding all prints would be refused on most machines."""
    assert near_duplicates_bytes(20_000) > near_duplicates_bytes(50_000) / 2
    assert 1.44e9 / 2 < 0.65e9 + near_duplicates_bytes(50_000) < 1.44e9 * 2
    assert near_duplicates_bytes(500_000) < 5e9


def test_what_a_run_holds_for_each_case_counts_in_every_stage():
    """A run of 500,000 files took 9.5 GB, 1.9 of them mapped pages, where 4.7 were foreseen."""
    text = '[heads]\nnames = ["logistic", "lda"]\nfeatures = ["fine_tuned"]\n'
    made = parse_experiment(
        'name = "n"\n[cohort]\nmanifest = "m.csv"\n[networks]\nnames = ["squeezenet1_1"]\nweights = "none"\n' + text
    )
    few, many = (run_needs(made, Counts(n, n * 3 // 5, n // 5, n // 5), 3) for n in (500, 500_000))
    assert 9.5e9 / 2 < many.largest[1] < 2 * 9.5e9
    for needs, n in ((few, 500), (many, 500_000)):
        assert {stage: peak - needs.memory[stage] for stage, peak in needs.peaks.items()} == dict.fromkeys(
            needs.memory, 2_200 * n
        )


def test_trainings_side_by_side_need_memory_of_their_own():
    """A process each, never more than there are trainings; the heads of all seeds are fitted together."""
    counts, repeat = Counts(1000, 700, 150), "[repeat]\nseeds = 3\n"
    one = run_needs(experiment(repeat, names="vgg16"), counts, 4, jobs=1)
    two = run_needs(experiment(repeat, names="vgg16"), counts, 4, jobs=2)
    many = run_needs(experiment(repeat, names="vgg16"), counts, 4, jobs=16)
    alone = next(v for k, v in one.memory.items() if k.startswith("fine-tuning vgg16"))
    assert not any("trainings at once" in k for k in one.memory)
    assert 2 * alone < two.memory["2 trainings at once"] < 3 * alone
    assert many.memory["3 trainings at once"] - two.memory["2 trainings at once"] == alone
    assert "--jobs" in many.remedies["3 trainings at once"]
    assert two.passing == 2 * one.passing
    assert any(k.endswith(", 6 fits at once") for k in many.memory)  # two feature sets of each
    assert any(k.endswith(", 1 fits at once") for k in one.memory)
