"""Damaged experiments, cohorts, images, weights, cache and records, given to whole commands: `run`, `check`, `compare` and `verify`.

A run is followed up to its first network (which is replaced here, so that a sound case costs no training): bad input stops it with exit code 2 before
that, sound input reaches it. No traceback, no exit code 70, 10 s and 2 GiB a case. CI runs some dozens of each, `-m slow` hundreds to thousands.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import warnings
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from dicom_files import made
from hypothesis import given
from hypothesis import strategies as st
from mutations import BYTES, TEXT, TOML, bounded, damaged, damages, examples
from PIL import Image
from safetensors.torch import save_file

from hybridcx.commands import finished_runs as run_folders
from hybridcx.deep import weights
from hybridcx.deep.model import initial_state
from hybridcx.errors import InputError, StoppedError
from hybridcx.pipeline import networks as network_stage
from hybridcx.records.finished_lineage import lineage_problems
from hybridcx.records.lineage import Fit, Lineage
from hybridcx.store.artefacts import Store, content_key, sha256_file

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")
REACHED = "the first network was reached"
EXPERIMENT = """name = "fuzz"
seed = 3

[cohort]
manifest = "manifest.csv"
positive = "ill"

[images]
size_px = 32

[networks]
names = ["squeezenet1_1"]
weights = "none"

[train]
enabled = false

[heads]
names = ["knn", "lda"]
features = ["pretrained"]
folds = 3

[compute]
device = "cpu"
threads = 1

[analysis]
n_bootstrap = 100
"""
N = 24


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 cases in six formats, readers among the columns, and an experiment of heads on random features."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    rows = [
        "case_id,patient_id,image,label,crop_left,crop_top,crop_right,crop_bottom,split,excluded,reader_a,rating_a_1"
    ]
    for i in range(N):
        grey = rng.integers(0, 256, (40, 36), dtype=np.uint8)
        name = f"{i}.{('png', 'jpg', 'tif', 'dcm')[i % 4]}"
        if name.endswith(".dcm"):
            (folder / name).write_bytes(made(grey.astype(np.uint16) * 16))
        else:
            Image.fromarray(grey if i % 3 else np.stack([grey] * 3, axis=-1)).save(folder / name)
        label = ("well", "ill")[i // 4 % 2]
        rows.append(f"c{i},p{i},{name},{label},0,0,30,30,{('train', 'train', 'test')[i // 8]},,{label},{i / 2}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "experiment.toml").write_text(EXPERIMENT.replace("[split]", ""), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def workspace(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which one file at a time is damaged."""
    return Path(shutil.copytree(cohort, tmp_path_factory.mktemp("workspace") / "cohort"))


@pytest.fixture
def stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(self: object) -> None:
        raise StoppedError(REACHED)

    monkeypatch.setattr(network_stage.NetworkStage, "run", reached)


def command(call, folder: Path, name: str) -> tuple[int, str]:
    """`check` or `run` of the experiment in `folder`, within the bounds: its exit code and what it said."""
    options = ("--out", folder / "out", "--fresh") if name == "run" else ()
    shutil.rmtree(folder / "out", ignore_errors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with bounded(
            60 if name == "check" else 30
        ):  # the bound of a reader is 10 s on a machine of its own; here 24 images, probes and imports
            code, out, err = call(name, folder / "experiment.toml", *options, "--quiet")
    said = out + err
    assert "Traceback" not in said
    assert code in ((0, 1) if name == "check" else (2, 3)), said
    if name == "run":
        assert (REACHED in said) == (code == 3), said
        assert not list(folder.glob("out/*.csv"))
    return code, said


WHAT = {"experiment": ("experiment.toml", TOML), "manifest": ("manifest.csv", TEXT), "image": (None, BYTES)}


def fuzz_command(name: str, what: str, n: int, workspace: Path, call) -> dict[int, int]:
    """Damage one file of the cohort, call, and put it back. How often each exit code came."""
    file, mutations = WHAT[what]
    seen: dict[int, int] = {}

    @examples(n)
    @given(damage=damages(mutations), which=st.integers(0, N - 1))
    def holds(damage, which):
        path = workspace / file if file else next(workspace.glob(f"{which}.*"))
        sound = path.read_bytes()
        path.write_bytes(damaged(sound, damage))
        try:
            code, _ = command(call, workspace, name)
        finally:
            path.write_bytes(sound)
        seen[code] = seen.get(code, 0) + 1

    holds()
    return seen


def test_the_sound_cohort_reaches_the_first_network_and_check_finds_nothing(workspace, call, here, stopping):
    assert command(call, workspace, "run")[0] == 3
    assert command(call, workspace, "check")[0] == 0


@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", ["check", "run"])
def test_damaged_cohorts(name, what, workspace, call, here, stopping):
    fuzz_command(name, what, 6, workspace, call)


@pytest.mark.slow
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("name", ["check", "run"])
def test_many_damaged_cohorts(name, what, workspace, call, here, stopping):
    print(name, what, fuzz_command(name, what, 400, workspace, call))


# Weights: whose hash is vouched for, so that their content is read


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("weights")
    state = dict(initial_state("squeezenet1_1", 1, None))
    torch.save(state, folder / "squeezenet1_1.pth")
    save_file(state, folder / "squeezenet1_1.safetensors")
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


def fuzz_weights(files: dict[str, bytes], n: int, folder: Path) -> dict[bool, int]:
    """Also damage near the ends, where the indices of both formats lie. How many were taken, and refused."""
    seen = {True: 0, False: 0}

    @examples(n)
    @given(
        name=st.sampled_from(sorted(files)),
        damage=damages(BYTES),
        seed=st.integers(0, 2**32 - 1),
        vouched=st.booleans(),
    )
    def holds(name, damage, seed, vouched):
        rng, data = Random(seed), bytearray(files[name])
        where = rng.choice(("anywhere", "head", "tail"))
        if where == "anywhere":
            data = bytearray(damaged(bytes(data), damage))
        else:
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(min(len(data), 4000))
                data[at if where == "head" else -at - 1] = rng.randrange(256)
        path = folder / name
        path.write_bytes(data)
        beside = path.with_name(name + ".sha256")
        beside.write_text(sha256_file(path) if vouched else "0" * 64, encoding="utf-8")
        try:
            with bounded(), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                weights.load_state_dict(path, "squeezenet1_1")
        except InputError:
            seen[False] += 1
        else:
            assert vouched or sha256_file(path) == "0" * 64
            seen[True] += 1
        finally:
            path.unlink()
            beside.unlink()

    holds()
    return seen


def test_damaged_weights(trained, tmp_path):
    for name, data in trained.items():
        (tmp_path / name).write_bytes(data)
        (tmp_path / f"{name}.sha256").write_text(sha256_file(tmp_path / name), encoding="utf-8")
        assert len(weights.load_state_dict(tmp_path / name, "squeezenet1_1")) == 52
    fuzz_weights(trained, 20, tmp_path)


@pytest.mark.slow
def test_thousands_of_damaged_weights(trained, tmp_path):
    print("weights taken, refused", fuzz_weights(trained, 3000, tmp_path))


# Cache


def json_damage(data: object, rng: Random) -> object:
    """One value of a JSON document replaced, dropped or nested."""
    hostile = (
        None,
        [],
        {},
        "",
        -1,
        10**30,
        1.5,
        True,
        "../../x",
        "x" * 5000,
        [[[]]],
        {"a": None},
        "\x1b[2J",
        "<script>",
    )
    if isinstance(data, dict) and data and rng.random() < 0.85:
        key = rng.choice(sorted(data))
        if rng.random() < 0.1:
            return {k: v for k, v in data.items() if k != key}
        return {**data, key: json_damage(data[key], rng)}
    if isinstance(data, list) and data and rng.random() < 0.8:
        i = rng.randrange(len(data))
        return [*data[:i], json_damage(data[i], rng), *data[i + 1 :]]
    return rng.choice(hostile)


def json_or_bytes(data: bytes, damage, seed: int, as_json: bool) -> bytes:
    if not as_json:
        return damaged(data, damage)
    return json.dumps(json_damage(json.loads(data), Random(seed))).encode()


def fuzz_cache(n: int, root: Path) -> int:
    """An artefact whose file or record is damaged is made again, and what is then there is what was there. How often it was made again."""
    again = 0

    def build(folder: Path) -> None:
        nonlocal again
        again += 1
        (folder / "a.npy").write_bytes(bytes(range(256)) * 4)
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub/b.json").write_text('{"x": [1, 2]}', encoding="utf-8")

    key = content_key({"k": 1})
    store = Store(root)
    folder = store.make("features", key, build, {"k": 1})
    sound = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    held = {n: d for n, d in sound.items() if n != "artefact.json"}
    again = 0

    @examples(n)
    @given(
        name=st.sampled_from(sorted(sound)),
        damage=damages(BYTES),
        seed=st.integers(0, 2**32 - 1),
        as_json=st.booleans(),
    )
    def holds(name, damage, seed, as_json):
        data = json_or_bytes(sound[name], damage, seed, as_json and name.endswith("artefact.json"))
        (folder / name).write_bytes(data)
        with bounded():
            found = store.make("features", key, build, {"k": 1})
        there = {n: (found / n).read_bytes() for n in held}
        if name != "artefact.json":
            assert there == held
        for n, d in sound.items():
            (folder / n).write_bytes(d)

    holds()
    return again


def test_damaged_cache_entries(tmp_path):
    assert fuzz_cache(100, tmp_path) > 50


@pytest.mark.slow
def test_thousands_of_damaged_cache_entries(tmp_path):
    print("made again", fuzz_cache(3000, tmp_path))


# The records of a finished run


@pytest.fixture(scope="module")
def finished(earlier: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison as if a run had made it: a lineage beside it."""
    folder = Path(shutil.copytree(earlier, tmp_path_factory.mktemp("finished") / "run"))
    lineage = Lineage(
        [
            Fit.of("vgg16", "network", ["t1", "t2"]), Fit.of("vgg16", "early_stopping", ["v1"]),
            Fit.of("lda", "head", ["v1", "v2"], parents=["vgg16"]),
        ]
    )  # fmt: skip
    (folder / "lineage.json").write_text(json.dumps(lineage.to_dict()), encoding="utf-8")
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    record["command"] = "run"
    record["files"]["lineage.json"] = sha256_file(folder / "lineage.json")
    record["options"]["experiment"] = {"name": "x", "seed": 1}
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def fuzz_records(n: int, finished: Path, folder: Path) -> dict[str, int]:
    """lineage.json and provenance.json as `compare` reads them. How many were refused and taken."""
    copy = Path(shutil.copytree(finished, folder / "run"))
    names = ("lineage.json", "provenance.json")
    sound = {name: (copy / name).read_bytes() for name in names}
    seen = {"refused": 0, "taken": 0}
    assert not lineage_problems(copy / "lineage.json", run_folders.joined([copy]).frame)

    @examples(n)
    @given(
        name=st.sampled_from(names),
        damage=damages(BYTES),
        seed=st.integers(0, 2**32 - 1),
        as_json=st.booleans(),
        vouched=st.booleans(),
    )
    def holds(name, damage, seed, as_json, vouched):
        (copy / name).write_bytes(json_or_bytes(sound[name], damage, seed, as_json))
        if name == "lineage.json" and vouched:
            record = json.loads(sound["provenance.json"])
            record["files"][name] = sha256_file(copy / name)
            (copy / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
        said = ""
        try:
            with bounded():
                run_folders.joined([copy])
            seen["taken"] += 1
        except InputError as refusal:
            seen["refused"] += 1
            said = str(refusal)
        finally:
            for other, data in sound.items():
                (copy / other).write_bytes(data)
        assert "\x1b" not in said

    holds()
    return seen


def test_damaged_records(finished, tmp_path):
    fuzz_records(80, finished, tmp_path)


@pytest.mark.slow
def test_thousands_of_damaged_records(finished, tmp_path):
    print("records", fuzz_records(4000, finished, tmp_path))


def fuzz_verify(n: int, earlier: Path, folder: Path, call) -> dict[int, int]:
    """provenance.json as `verify` reads it: 0, 1 or 2."""
    copy = Path(shutil.copytree(earlier, folder / "out"))
    place, seen = copy / "provenance.json", {}
    sound = place.read_bytes()

    @examples(n)
    @given(damage=damages(BYTES), seed=st.integers(0, 2**32 - 1), as_json=st.booleans())
    def holds(damage, seed, as_json):
        place.write_bytes(json_or_bytes(sound, damage, seed, as_json))
        with bounded(60):  # a folder that can be recomputed is recomputed whole
            code, _, err = call("verify", copy, "--quiet")
        assert "Traceback" not in err
        assert code in (0, 1, 2), err
        seen[code] = seen.get(code, 0) + 1

    holds()
    return seen


def test_damaged_provenance(earlier, tmp_path, call):
    fuzz_verify(4, earlier, tmp_path, call)


@pytest.mark.slow
def test_hundreds_of_damaged_provenances(earlier, tmp_path, call):
    print("verify", fuzz_verify(300, earlier, tmp_path, call))
