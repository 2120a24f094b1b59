"""The whole run on a small drawn cohort with a small network: files, repetition to the byte, continuation, refusals, leakage."""

from __future__ import annotations

import csv
import datetime
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from shared import drawn_cohort
from small_run import contents, run_experiment

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment.file import (
    AnalysisSection,
    HeadsSection,
    NetworksSection,
    TrainSection,
)
from hybridcx.progress import Progress

FILES = [
    "metrics",
    "comparisons",
    "verdicts",
    "multiplicity",
    "omnibus",
    "confusion",
    "disagreements",
    "calibration",
    "roc",
    "decision_curve",
    "agreement",
    "flow",
    "label_rules",
    "split",
    "heads",
    "learning_curves",
    "data_dictionary",
    "predictions",
]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return drawn_cohort(tmp_path_factory, "cohort")


@pytest.fixture(scope="module")
def finished(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, hybridcx.Report]:
    folder = tmp_path_factory.mktemp("run")
    report = hybridcx.run(run_experiment(), base=cohort, out=folder / "report", cache=folder / "cache")
    return folder / "report", folder / "cache", report


def test_run_writes_every_file_and_names_models_as_the_contract_does(finished):
    folder, _, report = finished
    assert {f"{f}.csv" for f in FILES} <= {p.name for p in folder.iterdir()}
    assert set(report.tables["metrics"]["model"]) == {
        "squeezenet1_1",
        "squeezenet1_1+logistic",
        "squeezenet1_1+lda",
        "squeezenet1_1:untrained+logistic",
        "squeezenet1_1:untrained+lda",
    }
    assert report.page == folder / "report.html"
    assert "store" not in json.loads((folder / "provenance.json").read_text(encoding="utf-8"))  # whose cache it was


def test_the_result_of_a_run_is_that_of_a_comparison(finished, tmp_path):
    folder, _, report = finished
    assert len(repr(report)) <= 600
    assert "squeezenet1_1" in report.summary()
    assert "srcdoc" in report._repr_html_()
    assert report.plot.roc().has_data()
    plt.close("all")
    assert "squeezenet1_1" in report.table(["auroc"]).to_frame().index
    assert report.to_html(tmp_path / "page.html").read_bytes() == report.page.read_bytes()
    saved = report.save(tmp_path / "saved").folder
    assert contents(saved) == contents(folder)
    assert (saved / "provenance.json").read_bytes() == (folder / "provenance.json").read_bytes()
    assert hybridcx.verify(saved).agrees


def test_ledger_has_every_case_of_every_model_and_the_softmax_adds_up(finished, cohort):
    folder, _, report = finished
    ledger = pd.read_csv(folder / "predictions.csv", dtype={"case_id": str}, float_precision="round_trip")
    manifest = pd.read_csv(cohort / "phantom/manifest.csv", keep_default_na=False)
    analysed = manifest[manifest["excluded"] == ""]
    assert len(ledger) == len(analysed) * 5
    assert ledger["score"].between(0, 1).all()
    called = np.where(ledger["score"] >= 0.5, "abnormal", "normal")
    assert (called == ledger["y_pred"]).all()
    test = ledger[(ledger["split"] == "test") & (ledger["model"] == "squeezenet1_1")]
    accuracy = report.tables["metrics"].query("model == 'squeezenet1_1' and metric == 'accuracy' and recommended")
    accuracy = accuracy[accuracy["label.rule"].isna()]
    assert accuracy["estimate"].item() == pytest.approx((test["y_pred"] == test["y_true"]).mean())
    parquet = pd.read_parquet(folder / "predictions.parquet")
    assert parquet["score"].tolist() == ledger["score"].tolist()


def test_lineage_keeps_test_cases_out_of_every_fit(finished):
    folder, _, _ = finished
    split = pd.read_csv(folder / "split.csv").set_index("case_id")["split"]
    from hybridcx.records.lineage import Lineage

    lineage = Lineage.from_dict(json.loads((folder / "lineage.json").read_text(encoding="utf-8")))
    assert {f.kind for f in lineage} == {"network", "head"}
    for model in lineage.models():
        assert "test" not in set(split[sorted(lineage.saw(model))])
    on_tuned = {split[c] for f in lineage if f.model == "squeezenet1_1+lda" for c in f.case_ids}
    assert on_tuned == {"validation"}  # its network has seen the training cases


def test_no_patient_id_reaches_any_file(finished, cohort):
    folder, _, _ = finished
    manifest = pd.read_csv(cohort / "phantom/manifest.csv", keep_default_na=False)
    canary = manifest["patient_id"].tolist()
    text = b"\n".join(contents(folder).values()) + (folder / "provenance.json").read_bytes()
    assert not [
        p for p in canary if f">{p}<".encode() in text or f",{p},".encode() in text or f'"{p}"'.encode() in text
    ]


def test_the_folder_is_recomputed_from_what_lies_in_it(finished, tmp_path):
    found = hybridcx.verify(finished[0])
    assert found.agrees
    assert found.how.startswith("compared exactly")
    left = set(found.not_recomputed["file"])
    assert {
        "cohort.csv",
        "heads.csv",
        "learning_curves.csv",
        "lineage.json",
        "near_duplicates.csv",
        "report.html",
    } <= left
    assert not left & {f"{f}.csv" for f in FILES} - {"heads.csv", "learning_curves.csv", "data_dictionary.csv"}
    assert (found.not_recomputed["reason"] != "").all()
    held = found.numbers.set_index("file")["numbers"]
    assert (held[["metrics.csv", "comparisons.csv", "flow.csv", "agreement.csv"]] > 0).all()
    folder = Path(shutil.copytree(finished[0], tmp_path / "copy"))
    for name, old, new in (
        ("flow.csv", "screened,screened,NA,NA,NA,80,", "screened,screened,NA,NA,NA,81,"),
        ("split.csv", ",test\n", ",train\n"),
    ):
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")
    changed = hybridcx.verify(folder)
    assert changed.differences["file"].tolist() == ["flow.csv", "split.csv"]
    text = (folder / "cohort.csv").read_text(encoding="utf-8")
    (folder / "cohort.csv").write_text(text.replace(",test,NA,FALSE", ",train,NA,FALSE", 1), encoding="utf-8")
    assert "predictions.csv" in hybridcx.verify(folder).differences["file"].tolist()


@pytest.mark.r
def test_r_recomputes_the_folder(finished):
    command = shutil.which("Rscript")
    assert command, "Rscript is not installed"
    done = subprocess.run(
        [command, "--vanilla", str(finished[0] / "recompute.R")], capture_output=True, text=True, check=False, timeout=300
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    for key in (
        "metrics.csv wilson",
        "comparisons.csv tango",
        "agreement.csv icc2 anova",
        "agreement.csv gwet_ac1 unweighted",
    ):
        assert re.search(rf"^PASS  \d+ numbers  {key}$", done.stdout, re.M)


def test_the_same_again_is_taken_from_the_cache_and_repeats_to_the_byte(finished, cohort, tmp_path):
    _, cache, _ = finished
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*.safetensors")}
    hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "again", cache=cache)
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*.safetensors")} == before
    assert contents(tmp_path / "again") == contents(finished[0])


def test_lines_say_what_is_trained_and_what_comes_from_the_cache(cohort, tmp_path, capsys):
    def lines(out):
        with Progress() as progress:
            hybridcx.run(run_experiment(), base=cohort, out=out, cache=tmp_path / "cache", progress=progress)
        return capsys.readouterr().err.splitlines(), progress.log

    first, log = lines(tmp_path / "first")
    epochs = run_experiment().train_of("squeezenet1_1").epochs
    assert sum("fine-tuning squeezenet1_1, network 1 of 1: epoch" in line for line in first) == epochs
    assert not any(line.startswith("From the cache") for line in first)
    second, log_again = lines(tmp_path / "second")
    assert [line for line in second if line.startswith("From the cache") or "epoch" in line] == [
        "From the cache: features of squeezenet1_1 before fine-tuning.",
        "From the cache: fine-tuning squeezenet1_1.",
        "From the cache: features of squeezenet1_1 after fine-tuning.",
        "From the cache: 4 of 4 heads.",
        "From the cache: saliency of squeezenet1_1.",
    ]
    assert not re.search("From the cache|epoch", log + log_again)  # the log of a repetition is the same
    manifest = pd.read_csv(cohort / "phantom/manifest.csv", dtype=str)
    words = set(re.findall(r"\w+", "\n".join(first + second)))
    assert not words & {*manifest["case_id"], *manifest["patient_id"]}


def test_made_anew_it_repeats_to_the_byte(finished, cohort, tmp_path):
    hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "anew", cache=tmp_path / "cache")
    assert contents(tmp_path / "anew") == contents(finished[0])


def test_a_changed_experiment_is_refused_with_what_changed_and_fresh_starts_it_anew(finished, cohort, tmp_path):
    _, cache, _ = finished
    out = tmp_path / "report"
    hybridcx.run(run_experiment(), base=cohort, out=out, cache=cache)
    earlier = contents(out)
    changed = run_experiment(heads=HeadsSection(names=["logistic"], folds=3))
    with pytest.raises(InputError, match=r"experiment\.heads\.names"):
        hybridcx.run(changed, base=cohort, out=out, cache=cache)
    assert contents(out) == earlier
    report = hybridcx.run(changed, base=cohort, out=out, cache=cache, fresh=True)
    assert "squeezenet1_1+lda" not in set(report.tables["metrics"]["model"])


def test_adding_a_head_changes_no_other_models_predictions_and_analytic_rows(finished, cohort, tmp_path):
    _, cache, report = finished
    more = run_experiment(heads=HeadsSection(names=["logistic", "lda", "knn"], folds=3))
    second = hybridcx.run(more, base=cohort, out=tmp_path / "more", cache=cache)
    keys = ["model", "metric", "method", "label.rule"]
    a, b = (t.tables["metrics"].set_index(keys)[["estimate", "conf.low", "conf.high"]] for t in (report, second))
    rows = [k for k in a.index if not k[2].startswith("bootstrap")]
    # other labels are tried for the plan's models alone: for the head that was chosen, which may be another one now
    rows = [k for k in rows if pd.isna(k[3]) or k in b.index]
    assert {k[0] for k in rows} == set(a.index.get_level_values("model"))
    pd.testing.assert_frame_equal(a.loc[rows], b.loc[rows], check_exact=True)
    assert "squeezenet1_1+knn" in set(second.tables["metrics"]["model"])


def test_a_damaged_artefact_is_found_and_made_again(finished, cohort, tmp_path):
    import shutil

    cache = tmp_path / "cache"
    shutil.copytree(finished[1], cache)
    damaged = next(cache.glob("features/*/features.npy"))
    data = bytearray(damaged.read_bytes())
    data[-1] ^= 1
    damaged.write_bytes(bytes(data))
    hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "report", cache=cache)
    assert contents(tmp_path / "report").keys() == contents(finished[0]).keys()
    assert "damaged" in (tmp_path / "report/hybridcx.log").read_text(encoding="utf-8")
    mine = {k: v for k, v in contents(tmp_path / "report").items() if k.endswith(".csv")}
    assert mine == {k: v for k, v in contents(finished[0]).items() if k.endswith(".csv")}


def test_a_diverging_training_stops_and_says_what_to_change(cohort, tmp_path):
    from hybridcx.errors import StoppedError

    wild = run_experiment(train=TrainSection(epochs=3, learning_rate=1e12))
    with pytest.raises(StoppedError, match="learning_rate"):
        hybridcx.run(wild, base=cohort, out=tmp_path / "report", cache=tmp_path / "cache")


def test_too_few_cases_for_heads_are_said_before_training(tmp_path):
    hybridcx.phantom(tmp_path / "phantom", patients=24, seed=3)
    with pytest.raises(InputError, match="fine-tuned features are tuned on the validation cases"):
        hybridcx.run(run_experiment(), base=tmp_path, out=tmp_path / "report", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("finetune/*"))


def test_a_device_that_does_not_exist_is_bad_input(cohort, tmp_path):
    with pytest.raises(InputError, match=r"compute\.device"):
        hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache", device="abacus")


def test_the_seed_of_the_call_wins(finished, cohort, tmp_path):
    other = hybridcx.run(run_experiment(), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache", seed=6)
    assert json.loads((other.folder / "experiment.json").read_text(encoding="utf-8"))["seed"] == 6
    assert (other.folder / "split.csv").read_bytes() != (finished[0] / "split.csv").read_bytes()


def test_one_network_may_have_its_own_options():
    train = TrainSection.model_validate({"epochs": 9, "network": {"vgg16": {"epochs": 1}}})
    experiment = run_experiment(train=train)
    assert experiment.train_of("vgg16").epochs == 1
    assert experiment.train_of("vgg19").epochs == 9


def test_absent_weights_stop_the_run_before_anything_is_trained(cohort, tmp_path):
    with pytest.raises(InputError, match="weights"):
        hybridcx.run(
            run_experiment(networks=NetworksSection(names=["squeezenet1_1"], weights="folder", weights_dir="nowhere")),
            base=cohort, out=tmp_path / "report", cache=tmp_path / "cache",
        )  # fmt: skip
    assert not list((tmp_path / "cache").glob("finetune/*"))


def test_a_plan_that_names_no_model_is_refused_before_training(cohort, tmp_path):
    plan = AnalysisSection(n_bootstrap=200, comparisons=[("squeezenet1_1", "vgg61")])
    with pytest.raises(InputError, match="vgg61"):
        hybridcx.run(run_experiment(analysis=plan), base=cohort, out=tmp_path / "report", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("finetune/*"))


def test_primary_metric_of_the_plan_is_confirmatory_and_nothing_else(finished):
    compared = finished[2].tables["comparisons"]
    confirmatory = compared[compared["role"] == "confirmatory"]
    assert set(confirmatory["metric"]) == {"accuracy"}
    assert len(compared[["model", "comparator"]].drop_duplicates()) == 1  # the chosen head with its network


def test_the_plan_is_locked_before_the_predictions_and_a_changed_one_is_exploratory(finished, cohort, tmp_path):
    folder, cache, report = finished
    lock = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["plan"]
    assert (lock["role"], lock["results_existed"], lock["earlier_plans"]) == ("confirmatory", False, [])
    trained = min(p.stat().st_ctime for p in cache.glob("finetune/*/artefact.json"))
    assert datetime.datetime.fromisoformat(lock["locked_at"]).timestamp() <= trained + 1
    metrics = report.tables["metrics"]
    named = metrics[metrics["role"] == "confirmatory"]
    assert set(named["metric"]) == {"accuracy"}
    assert named["label.rule"].isna().all()

    changed = run_experiment(analysis=AnalysisSection(n_bootstrap=200, primary_metric="sensitivity"))
    before = {p: p.stat().st_mtime_ns for p in cache.rglob("*.safetensors")}
    out = tmp_path / "changed"
    again = hybridcx.run(changed, base=cohort, out=out, cache=cache)
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*.safetensors")} == before  # nothing was trained again
    for name in ("metrics", "comparisons", "verdicts", "hybrid_matrix"):
        assert set(again.tables[name]["role"]) == {"exploratory"}
    record = json.loads((out / "provenance.json").read_text(encoding="utf-8"))["plan"]
    assert (record["role"], record["results_existed"]) == ("exploratory", True)
    assert [e["sha256"] for e in record["earlier_plans"]] == [lock["sha256"]]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert (
        f"The plan was changed after results existed (earlier plan {lock['sha256'][:12]}): everything is exploratory."
        in page
    )
    assert record["locked_at"][:10] not in page  # the page has no clock
    with pytest.raises(InputError, match="changed plan is a new analysis"):
        hybridcx.run(run_experiment(), base=cohort, out=out, cache=cache)
    first = hybridcx.run(run_experiment(), base=cohort, out=out, cache=cache, fresh=True)
    assert "confirmatory" in set(first.tables["comparisons"]["role"])


def test_the_packaged_demo_is_the_one_in_experiments():
    root = Path(__file__).resolve().parents[2]
    assert (root / "experiments/demo.toml").read_bytes() == (root / "hybridcx/commands/demo.toml").read_bytes()


@pytest.mark.shared
@pytest.mark.slow
def test_busi_with_real_weights_reaches_what_was_seen(tmp_path):
    root = Path(__file__).resolve().parents[2]
    if not (root / "../shared/data/busi").is_dir():
        pytest.skip("the shared data are not beside the checkout")
    report = hybridcx.run(root / "experiments/busi_squeezenet.toml", out=tmp_path / "report", cache=tmp_path / "cache")
    rows = report.tables["metrics"].query("metric == 'auroc' and recommended")
    metrics = rows[rows["subgroup"].isna() & rows["label.rule"].isna()].set_index("model")["estimate"]
    assert metrics["squeezenet1_1:pretrained+logistic"] > 0.88
    assert metrics["squeezenet1_1"] > 0.85
    with (tmp_path / "report/confusion.csv").open(encoding="utf-8", newline="") as fh:
        assert {int(r["tp"]) + int(r["fn"]) for r in csv.DictReader(fh)} == {42}
