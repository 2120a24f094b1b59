"""Finished runs as input: seeds as seeds, other configurations as models of their own, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.cli.app import main
from hybridcx.errors import InputError
from hybridcx.records.lineage import Fit, Lineage
from hybridcx.store.artefacts import sha256_file


def ledger(
    seed: int, cases: range = range(60), models: tuple[str, ...] = ("vgg16", "vgg16+lda"), **columns: object
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for model in models:
        for i in cases:
            score = float(np.clip(rng.normal(0.4 + 0.2 * (i % 2), 0.2), 0, 1))
            truth = "abnormal" if i % 2 else "normal"
            rows.append({"case_id": f"c{i:02d}", "y_true": truth, "model": model, "y_pred": "abnormal" if score >= 0.5 else "normal",
                         "score": score, "patient_id": f"g{i:05d}", "split": "test"})  # fmt: skip
    return pd.DataFrame(rows).assign(**columns)


def a_run(folder: Path, frame: pd.DataFrame, seed: int = 1, **changes: object) -> Path:
    """The files of a finished run that a comparison reads."""
    folder.mkdir(parents=True)
    frame.to_parquet(folder / "predictions.parquet", index=False)
    pd.DataFrame({"model": ["vgg16"], "positive": ["abnormal"]}).to_csv(folder / "confusion.csv", index=False)
    seen = Lineage(Fit.of(model, "network", ["t1", "t2"]) for model in frame["model"].unique())
    (folder / "lineage.json").write_text(json.dumps(seen.to_dict()), encoding="utf-8")
    experiment = {"name": folder.name, "seed": seed, "train": {"epochs": 10, "optimizer": "adam"}}
    experiment["train"].update(changes)
    record = {
        "schema_version": 1,
        "command": "run",
        "options": {"experiment": experiment, "seed": seed, "plan_sha256": "x"},
        "inputs": {"manifest": "m"},
        "environment": {"hybridcx": "0.1.0", "code_sha256": "c", "packages": {"numpy": "2"}},
        "split_sha256": "s",
        "files": {f: sha256_file(folder / f) for f in ("predictions.parquet", "lineage.json")},
    }
    (folder / "provenance.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def compare(folders: list[Path], out: Path, **options: object) -> hybridcx.Report:
    return hybridcx.compare(folders, out=out, n_bootstrap=200, **options)


def test_two_seeds_of_one_experiment_are_seeds(tmp_path):
    a, b = a_run(tmp_path / "a", ledger(1), seed=1), a_run(tmp_path / "b", ledger(2), seed=2)
    made = compare([a, b], tmp_path / "out")
    metrics = made.tables["metrics"]
    assert set(metrics["model"]) == {"vgg16", "vgg16+lda"}
    assert len(made.tables["variance"])
    runs = pd.read_csv(made.folder / "runs.csv")
    assert set(runs["key"]) == {"experiment.name", "experiment.seed", "analysis.seed"}
    assert runs.set_index(["key", "run"])["value"]["experiment.seed", "b"] == "2"
    page = made.page.read_text(encoding="utf-8")
    assert "Runs compared" in page
    assert "2 seeds of one experiment: a (seed 1), b (seed 2)." in page
    assert set(pd.read_csv(made.folder / "predictions.csv")["seed"]) == {1, 2}


def test_seeds_that_drew_splits_of_their_own_are_repeated_holdout(tmp_path):
    a, b = (
        a_run(tmp_path / "a", ledger(1, range(40)), seed=1),
        a_run(tmp_path / "b", ledger(2, range(20, 60)), seed=2),
    )
    made = compare([a, b], tmp_path / "out", n_train=100)
    assert "20 cases are test cases of all" in made.page.read_text(encoding="utf-8")
    assert "nadeau_bengio" in set(made.tables["comparisons"]["method"])


def test_two_configurations_are_models_of_their_own(tmp_path):
    a, b = a_run(tmp_path / "a", ledger(1)), a_run(tmp_path / "b", ledger(2).iloc[::-1], epochs=20)
    made = compare([a, b], tmp_path / "out")
    assert set(made.tables["confusion"]["model"]) == {"a/vgg16", "a/vgg16+lda", "b/vgg16", "b/vgg16+lda"}
    runs = made.tables["runs"].set_index(["key", "run"])["value"]
    assert runs["experiment.train.epochs", "a"] == "10"
    assert runs["experiment.train.epochs", "b"] == "20"
    direct = hybridcx.compare(ledger(1), out=tmp_path / "direct", positive="abnormal", n_bootstrap=200)
    ours, theirs = (m.tables["metrics"].query("metric == 'auroc' and method == 'delong'") for m in (made, direct))
    pd.testing.assert_series_equal(
        ours.set_index("model")["estimate"][["a/vgg16", "a/vgg16+lda"]].reset_index(drop=True),
        theirs.set_index("model")["estimate"][["vgg16", "vgg16+lda"]].reset_index(drop=True),
    )


def test_one_run_and_a_comparison_as_input(tmp_path):
    one = compare([a_run(tmp_path / "a", ledger(1))], tmp_path / "one")
    assert "runs" not in one.tables
    again = hybridcx.compare(one.folder, out=tmp_path / "two", n_bootstrap=200)
    pd.testing.assert_frame_equal(one.tables["comparisons"], again.tables["comparisons"])


def test_names_are_as_long_as_tells_them_apart(tmp_path):
    a, b = a_run(tmp_path / "x" / "r", ledger(1)), a_run(tmp_path / "y" / "r", ledger(2), epochs=3)
    assert {m.rsplit("/", 1)[0] for m in compare([a, b], tmp_path / "out").tables["confusion"]["model"]} == {
        "x/r",
        "y/r",
    }


def refused(folders: list[Path], out: Path) -> str:
    with pytest.raises(InputError) as error:
        compare(folders, out)
    assert not (out / "report.html").exists()
    return str(error.value)


def test_what_is_refused(tmp_path):
    out = tmp_path / "out"
    a = a_run(tmp_path / "a", ledger(1))
    other = a_run(tmp_path / "other", ledger(1, range(30, 90)), epochs=2)
    assert "different test cases: a has 60, other has 60, 30 in common" in refused([a, other], out)
    wrong = a_run(
        tmp_path / "wrong",
        ledger(1).assign(y_true=lambda f: f["y_true"].where(f["case_id"] != "c03", "normal")),
        epochs=2,
    )
    assert "different truths for 1 test cases: c03" in refused([a, wrong], out)
    grouped = a_run(tmp_path / "grouped", ledger(1).assign(patient_id=lambda f: f["case_id"].str[:2]), epochs=2)
    assert "group cases into patients differently" in refused([a, grouped], out)
    assert "group cases into patients differently" in refused([grouped, a], out)
    (tmp_path / "empty").mkdir()
    newer = a_run(tmp_path / "newer", ledger(1))
    record = json.loads((newer / "provenance.json").read_text(encoding="utf-8"))
    (newer / "provenance.json").write_text(json.dumps({**record, "schema_version": 99}), encoding="utf-8")
    changed = a_run(tmp_path / "changed", ledger(1))
    ledger(3).to_parquet(changed / "predictions.parquet", index=False)
    said = refused([tmp_path / "empty", newer, changed], out)
    assert "no finished report" in said
    assert "newer hybridcx (schema 99" in said
    assert "not those that the report was made from" in said
    assert "a folder is named twice" in refused([a, a], out)
    assert "a file among folders of finished reports" in refused([a, tmp_path / "absent.csv"], out)
    assert "would replace a run" in refused([a], a)


def test_the_command_takes_several_folders(tmp_path, capsys, monkeypatch):
    a_run(tmp_path / "a", ledger(1))
    a_run(tmp_path / "b", ledger(2), epochs=20)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["compare", "a", "b", "--n-bootstrap", "100", "--quiet"])
    assert end.value.code == 0
    assert capsys.readouterr().out.strip() == str(Path("reports") / "a-b" / "report.html")


def test_a_comparison_of_runs_can_be_verified(tmp_path):
    a, b = a_run(tmp_path / "a", ledger(1)), a_run(tmp_path / "b", ledger(2), epochs=20)
    made = compare([a, b], tmp_path / "out")
    found = hybridcx.verify(made.folder)
    assert found.differences.empty, found.differences
