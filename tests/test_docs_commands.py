"""Every command in docs/ parses, files of the repository that it names exist, and it runs on small inputs, unless NOT_RUN says why not."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from parsed_commands import parse, unknown_options
from PIL import Image

import hybridcx

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```$", re.M | re.S)
INLINE = re.compile(r"`(hybridcx [a-z][^`\n]*)`")
TRAINS = "trains networks: tests/pipeline/ runs the command on small experiments"
CLUSTER = "needs a running Dask cluster: tests/workers/ and tests/system/ start one"
INSTALLS = "changes the start-up file of the user's shell: tests/cli/test_help.py asks for completions"
SIMULATES = "simulates for a minute; tests/qualification has both options"
DICOM = "needs DICOM files: tests/cohort/test_folders.py writes some"
NOT_RUN = {
    "hybridcx run study.toml --pseudonymise ../study.key": TRAINS,
    "hybridcx run experiment.toml --jobs 4": TRAINS,
    "hybridcx run experiment.toml --scheduler tls://127.0.0.1:8786": CLUSTER,
    "hybridcx cohort dicom --labels labels.csv --out cohort.csv": DICOM,
    "hybridcx --install-completion": INSTALLS,
    "hybridcx qualify --out qualification --thorough --cases our_cases.csv": SIMULATES,
}
"""Commands in blocks that are only parsed -> why."""


def pages() -> list[Path]:
    return sorted(p for p in (ROOT / "docs").rglob("*.md") if p.name != "tutorial.md")  # which has a test of its own


def in_blocks(page: Path) -> list[str]:
    """The lines of code blocks that call hybridcx, without their comments."""
    blocks = BLOCK.findall(page.read_text(encoding="utf-8"))
    lines = [line.strip() for language, block in blocks if language in ("", "sh") for line in block.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.startswith("hybridcx ")]


def in_prose(page: Path) -> list[str]:
    """Commands between backticks, some of them without their arguments."""
    return INLINE.findall(page.read_text(encoding="utf-8"))


BLOCKS = {page: lines for page in pages() if (lines := in_blocks(page))}
COMMANDS = sorted({line for lines in BLOCKS.values() for line in lines})


@pytest.mark.parametrize("page", pages(), ids=lambda p: p.relative_to(ROOT / "docs").as_posix())
def test_commands_parse(page):
    for line in in_blocks(page):
        if line != "hybridcx --install-completion":  # which would do it
            parse(line)
    assert [(line, unknown) for line in in_prose(page) if (unknown := unknown_options(line))] == []
    for line in [*in_blocks(page), *in_prose(page)]:
        for word in line.split():
            if word.startswith(("experiments/", "docs/")):
                assert (ROOT / word).exists(), word


def test_the_commands_that_are_not_run_are_shown():
    assert set(NOT_RUN) <= set(COMMANDS)


def predictions(models=("vgg", "resnet")) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    truth = np.arange(60) % 2
    rows = []
    for k, model in enumerate(models):
        score = 1 / (1 + np.exp(-(rng.normal(0, 1, 60) + (1.2 + 0.4 * k) * (2 * truth - 1))))
        rows += [(f"c{i:02d}", ("normal", "abnormal")[truth[i]], model, round(float(score[i]), 4)) for i in range(60)]
    return pd.DataFrame(rows, columns=["case_id", "y_true", "model", "score"])


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with every file that the pages name."""
    folder = tmp_path_factory.mktemp("inputs")
    long = predictions()
    long.to_csv(folder / "predictions.csv", index=False)
    for model, rows in long.groupby("model"):
        rows.drop(columns="model").to_csv(folder / f"{model}.csv", index=False)
    seeds = [
        predictions(("alone", "with_model")).assign(seed=r, score=lambda d, r=r: (d.score + r / 97) % 1)
        for r in range(1, 6)
    ]
    pd.concat(seeds).to_csv(folder / "readings.csv", index=False)
    rng = np.random.default_rng(6)
    ids = long["case_id"].unique()
    base = rng.normal(40, 10, len(ids))
    readers = {f"reader_{r}_{o}": base + rng.normal(0, 3, len(ids)) for r in ("anna", "ben") for o in (1, 2)}
    pd.DataFrame({"case_id": ids, **readers}).round(2).to_csv(folder / "ratings.csv", index=False)
    calls = {n.rpartition("_")[0]: np.where(v > 40, "abnormal", "normal") for n, v in readers.items()}
    pd.DataFrame({"case_id": ids, **calls}).to_csv(folder / "calls.csv", index=False)
    (folder / "experiments/published").mkdir(parents=True)
    shutil.copy(ROOT / "experiments/published/cervical_table3.csv", folder / "experiments/published")
    hybridcx.compare(folder / "predictions.csv", out=folder / "reports/study", n_bootstrap=100)
    return folder


def prepare(line: str, folder: Path) -> None:
    """The files that one command wants in another form."""
    if "results.csv" in line:
        wide = predictions().pivot(index=["case_id", "y_true"], columns="model", values="score").reset_index()
        columns = {"true_label": wide["y_true"], "filename": wide["case_id"], "prob_pneumonia": wide["vgg"]}
        if "score=prob_a" in line:
            columns = {
                "case_id": wide["case_id"],
                "label": wide["y_true"],
                "prob_a": wide["vgg"],
                "prob_b": wide["resnet"],
            }
        if "--guess" in line:
            columns = {"filename": wide["case_id"], "label": wide["y_true"], "y_score": wide["vgg"]}
        pd.DataFrame(columns).to_csv(folder / "results.csv", index=False)
    if "images" in line:
        rng = np.random.default_rng(7)
        for label in ("benign", "malignant", "normal") if "malignant" in line else ("abnormal", "normal"):
            (folder / "images" / label).mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(0, 256, (40, 40), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "images" / label / f"person{i}_{label}_{i}.png")
    if "manifest.csv" in line:
        hybridcx.cohort(folder / "images", out=folder / "images/manifest.csv")


@pytest.mark.parametrize("line", [c for c in COMMANDS if c not in NOT_RUN])
def test_commands_run(inputs, tmp_path, monkeypatch, call, line):
    folder = tmp_path / "work"
    shutil.copytree(inputs, folder)
    monkeypatch.chdir(folder)
    prepare(line, folder)
    code, _, err = call(*shlex.split(line)[1:])
    assert code == (1 if " audit " in line else 0), err


def test_planning_prints_what_the_page_shows(here, call):
    shown = re.findall(
        r"^```sh\n(.*?)```\n+```text\n(.*?)```", (ROOT / "docs/planning.md").read_text(encoding="utf-8"), re.M | re.S
    )
    assert len(shown) == 4
    for command, sentence in shown:
        printed = call(*shlex.split(command, comments=True)[1:])[1]
        assert " ".join(sentence.split()) in " ".join(printed.split())


def test_the_audit_says_what_the_page_shows(here):
    (shown,) = re.findall(r"^```text\n(.*?)```", (ROOT / "docs/audit.md").read_text(encoding="utf-8"), re.M | re.S)
    audit = hybridcx.audit(ROOT / "experiments/published/cervical_table3.csv", positives=25, negatives=24)
    assert " ".join(shown.split()) in " ".join(audit.summary().split())
