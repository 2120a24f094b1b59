"""The models of a finished run on new images: the same scores, lineage, overlap with the training, external validation, added test cases."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from shared import drawn_cohort
from small_run import small_experiment

import hybridcx
from hybridcx.errors import InputError
from hybridcx.experiment.file import (
    CohortSection,
    EnsemblesSection,
    HeadsSection,
    NetworksSection,
    RepeatSection,
    SplitSection,
)
from hybridcx.pipeline.trained_models import TrainedModels, load_models

HEADS = HeadsSection(names=["logistic", "svm_linear", "xgboost"], folds=3, networks=["mobilenet_v2"])
OURS = {
    "cohort": CohortSection(manifest="phantom/inside.csv"),
    "split": SplitSection(method="manifest"),
    "networks": NetworksSection(names=["squeezenet1_1", "mobilenet_v2"], weights="none"),
    "heads": HEADS,
    "ensembles": EnsemblesSection(networks=["mean", "stacking"]),
}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the drawn images and two manifests: `inside.csv` with a split, and `outside.csv` with 40 other patients."""
    folder = drawn_cohort(tmp_path_factory, "two_sides", patients=140, seed=4)
    whole = pd.read_csv(folder / "phantom/manifest.csv", dtype=str, keep_default_na=False)
    whole = whole[[c for c in whole if not c.startswith(("reader_", "rating_"))]]
    whole = whole[whole["excluded"] == ""].drop(columns="excluded").reset_index(drop=True)
    rng = np.random.default_rng(0)
    whole["site"] = rng.choice(["A", "B"], len(whole))
    whole["age"] = rng.integers(20, 80, len(whole)).astype(str)
    patients = whole["patient_id"].unique()
    apart = set(patients[-40:])
    inside = whole[~whole["patient_id"].isin(apart)]
    parts = dict(
        zip(
            inside["patient_id"].unique(),
            np.resize(["train", "train", "validation", "test"], len(inside)),
            strict=False,
        )
    )
    inside.assign(split=inside["patient_id"].map(parts)).to_csv(folder / "phantom/inside.csv", index=False)
    whole[whole["patient_id"].isin(apart)].to_csv(folder / "phantom/outside.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def finished(cohort: Path) -> Path:
    """The folder of the run; its cache lies beside it."""
    hybridcx.run(
        small_experiment(**OURS), base=cohort, out=cohort / "run", cache=cohort / "cache", jobs=1, images=False
    )
    return cohort / "run"


@pytest.fixture(scope="module")
def predicted(finished: Path, cohort: Path):
    return hybridcx.predict(finished, cohort / "phantom/outside.csv", out=cohort / "new", cache=cohort / "cache")


def models_of(folder: Path) -> TrainedModels:
    record = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return load_models(folder, record["files"])


def ledger(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "predictions.parquet")


def test_the_runs_own_images_get_the_same_scores(finished, cohort):
    again = hybridcx.predict(finished, cohort / "phantom/inside.csv", cache=cohort / "cache").predictions
    before = ledger(finished)
    both = before.merge(again, on=["case_id", "model"], suffixes=("", "_again"))
    assert len(both) == len(before)
    softmax = both["model"].isin(["squeezenet1_1", "mobilenet_v2"])
    assert (both.loc[softmax, "score"] == both.loc[softmax, "score_again"]).all()
    assert np.allclose(both["score"], both["score_again"], rtol=0, atol=1e-9)  # heads on other numbers of rows
    assert (both["y_pred"] == both["y_pred_again"]).all()


def test_cases_of_the_training_are_recognised(finished, cohort):
    again = hybridcx.predict(finished, cohort / "phantom/inside.csv", cache=cohort / "cache")
    manifest = pd.read_csv(cohort / "phantom/inside.csv", dtype=str)
    trained = set(manifest.loc[manifest["split"] != "test", "case_id"])
    kinds = again.overlap.groupby("overlap")["case_id"].agg(set)
    assert trained <= kinds["identical image"]
    assert trained <= kinds["same patient"]
    assert set(again.predictions.loc[again.predictions["split"] == "train", "case_id"]) == trained
    tested = set(manifest["case_id"]) - trained
    assert kinds["identical image, test set"] == tested
    assert any(note.startswith("New cases that are cases of the training:") for note in again.notes)
    assert any("of the run's test set" in note and note.endswith("They are evaluated.") for note in again.notes)


def test_the_runs_test_cases_are_no_external_cohort(finished, cohort, tmp_path):
    """Inside and outside are compared as independent: a test case of the run, a darker copy of one, and its patients are left out."""
    manifest, outside = (pd.read_csv(cohort / f"phantom/{name}.csv", dtype=str) for name in ("inside", "outside"))
    tested = manifest[manifest["split"] == "test"].drop(columns="split")
    tested.to_csv(cohort / "phantom/again.csv", index=False)
    with pytest.raises(InputError, match="cases of the run left out"):
        hybridcx.validate(finished, cohort / "phantom/again.csv", cache=cohort / "cache")
    copy = tested.iloc[0].copy()
    with Image.open(cohort / "phantom" / copy["image"]) as image:
        Image.fromarray((np.asarray(image.convert("L")) * 0.9).astype(np.uint8)).save(cohort / "phantom/copy.png")
    copy[["case_id", "patient_id", "image"]] = "copied", "someone", "copy.png"
    mixed = pd.concat([outside, tested.iloc[1:2], pd.DataFrame([copy])])
    mixed.to_csv(cohort / "phantom/mixed.csv", index=False)
    report = hybridcx.validate(finished, cohort / "phantom/mixed.csv", cache=cohort / "cache")
    overlap = report.tables["overlap"].groupby("case_id")["overlap"].agg(list)
    assert overlap["copied"] == ["nearly identical image, test set"]
    assert overlap[tested.iloc[1]["case_id"]] == ["identical image, test set", "same patient, test set"]
    assert set(report.tables["validation"]["n.outside"]) <= set(range(len(outside) + 1))
    assert report.tables["validation"]["n.outside"].max() == len(outside)


def test_what_compare_says_of_predictions_without_labels(finished, cohort, tmp_path):
    outside = pd.read_csv(cohort / "phantom/outside.csv", dtype=str)
    for name, blank in (("some", outside.index[:3]), ("none", outside.index)):
        outside.assign(label=outside["label"].mask(outside.index.isin(blank), "")).to_csv(
            cohort / f"phantom/{name}.csv", index=False
        )
        hybridcx.predict(finished, cohort / f"phantom/{name}.csv", out=tmp_path / name, cache=cohort / "cache")
    compared = hybridcx.compare(tmp_path / "some", n_bootstrap=100)
    assert any(c.startswith(f"3 of {len(outside)} predicted cases have no label") for c in compared.content.caveats)
    with pytest.raises(InputError, match="these predictions have no labels"):
        hybridcx.compare(tmp_path / "none")


def test_new_cases_are_predicted_with_their_lineage(predicted, finished, cohort):
    new = ledger(cohort / "new")
    manifest = pd.read_csv(cohort / "phantom/outside.csv", dtype=str)
    assert set(new["case_id"]) == set(manifest["case_id"])
    assert set(new["model"]) == set(ledger(finished)["model"])
    assert {"site", "age"} <= set(new)
    assert not set(new["patient_id"]) & set(manifest["patient_id"])
    models = pd.read_csv(cohort / "new/models.csv")
    assert len(models) == new["model"].nunique()
    recorded = models_of(finished)
    weights = {n.network: recorded.hash_of(n.weights) for n in recorded.networks}
    own = models[models["head"].isna() & models["network"].isin(weights)].set_index("model")
    assert {m: own.loc[m, "weights.sha256"] for m in weights} == weights
    assert models.loc[models["head"] == "svm_linear", "calibration"].eq("sigmoid (fitted in training)").all()


def test_no_patient_id_is_in_the_run_or_in_the_predictions(predicted, finished, cohort):
    ids = pd.read_csv(cohort / "phantom/inside.csv", dtype=str)["patient_id"].unique()
    for path in [
        *(finished / "models").rglob("*.json"),
        *(finished / "models").rglob("*.npz"),
        cohort / "new/predictions.csv",
    ]:
        content = path.read_bytes()
        words = set(re.findall(rb"[A-Za-z0-9]+", content))  # a whole word: a hash may begin like an id
        assert not any(patient.encode() in words for patient in ids), path


def test_predictions_are_ready_for_compare(predicted, cohort):
    report = hybridcx.compare(cohort / "new", reference="squeezenet1_1", n_bootstrap=100)
    assert report.metrics["n"].max() == 40 or report.metrics["n"].max() == len(
        pd.read_csv(cohort / "phantom/outside.csv")
    )
    assert len(
        hybridcx.compare(
            predicted.predictions, positive=predicted.positive, reference="squeezenet1_1", n_bootstrap=100
        ).metrics
    )


def test_without_labels_there_is_a_ledger_alone(finished, cohort):
    manifest = pd.read_csv(cohort / "phantom/outside.csv", dtype=str).drop(columns="label")
    manifest.to_csv(cohort / "phantom/unlabelled.csv", index=False)
    predictions = hybridcx.predict(finished, cohort / "phantom/unlabelled.csv", cache=cohort / "cache").predictions
    assert predictions["y_true"].isna().all()
    assert predictions["score"].notna().all()
    with pytest.raises(InputError, match="no new case has a label"):
        hybridcx.validate(finished, cohort / "phantom/unlabelled.csv", cache=cohort / "cache")


def test_a_foreign_label_is_refused(finished, cohort):
    manifest = pd.read_csv(cohort / "phantom/outside.csv", dtype=str)
    manifest.assign(label=manifest["label"].replace("abnormal", "sick")).to_csv(
        cohort / "phantom/foreign.csv", index=False
    )
    with pytest.raises(InputError, match="a label that the run does not know"):
        hybridcx.predict(finished, cohort / "phantom/foreign.csv", cache=cohort / "cache")


@pytest.mark.parametrize(
    "name", ["models/models.json", "models/squeezenet1_1/weights.safetensors", "experiment.json", "lineage.json"]
)
def test_a_changed_file_of_the_run_is_refused(finished, cohort, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    content = bytearray((copy / name).read_bytes())
    content[-3] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"missing or changed|not the one that the run wrote"):
        hybridcx.predict(copy, cohort / "phantom/outside.csv", cache=cohort / "cache")


def test_a_run_without_models_says_how_to_get_them(finished, cohort, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, ignore=shutil.ignore_patterns("models"))
    with pytest.raises(InputError, match="no trained models"):
        hybridcx.predict(copy, cohort / "phantom/outside.csv", cache=cohort / "cache")


def test_on_another_machine_shared_patients_need_the_manifest(finished, cohort, tmp_path):
    elsewhere = hybridcx.predict(finished, cohort / "phantom/inside.csv", cache=tmp_path)
    assert "same patient" not in set(elsewhere.overlap["overlap"])
    assert any("Shared patients were not looked for" in note for note in elsewhere.notes)
    given = hybridcx.predict(
        finished, cohort / "phantom/inside.csv", cache=tmp_path, training=cohort / "phantom/inside.csv"
    )
    assert "same patient" in set(given.overlap["overlap"])
    with pytest.raises(InputError, match="not the manifest that the run was made from"):
        hybridcx.predict(
            finished, cohort / "phantom/outside.csv", cache=tmp_path, training=cohort / "phantom/outside.csv"
        )


@pytest.fixture(scope="module")
def validated(finished: Path, cohort: Path):
    return hybridcx.validate(
        finished, cohort / "phantom/outside.csv", out=cohort / "validation", cache=cohort / "cache", by=["site"]
    )


def test_inside_is_the_run_and_outside_the_comparison(validated, finished, predicted):
    table = validated.validation
    inside = pd.read_csv(finished / "metrics.csv")
    shown = inside[(inside["metric"] == "auroc") & (inside["method"] == "delong_logit") & inside["subgroup"].isna()]
    run = shown.set_index("model")["estimate"]
    auroc = table[table["metric"] == "auroc"].set_index("model")
    assert set(auroc.index) == set(run.index)
    assert np.allclose(auroc["inside"], run[auroc.index])
    truth = (predicted.predictions.drop_duplicates("case_id").set_index("case_id")["y_true"] == "abnormal").sort_index()
    for model in auroc.index:
        own = predicted.predictions[predicted.predictions["model"] == model].set_index("case_id")["score"].sort_index()
        assert auroc.loc[model, "outside"] == pytest.approx(hybridcx.stats.auroc(truth.to_numpy(), own.to_numpy()))
    assert np.allclose(auroc["estimate"], auroc["outside"] - auroc["inside"])


def test_the_case_mix_has_the_columns_of_the_manifest(validated):
    mix = validated.case_mix
    assert {"cases", "patients", "prevalence", "site", "age"} <= set(mix["variable"])
    assert mix.loc[mix["variable"] == "age", ["inside", "outside"]].notna().all(axis=None)


def test_recalibration_is_fitted_and_measured_on_different_cases(validated):
    rows = validated.recalibration
    n = len(validated.predictions["case_id"].unique())
    assert (rows["n.fitted"] + rows["n"] == n).all()
    assert set(rows["update"]) == {"intercept", "logistic"}
    sound = rows[(rows["update"] == "intercept") & (rows["metric"] == "brier")]
    assert (sound["slope"] == 1).all()


def test_a_split_of_the_manifest_decides_what_is_recalibrated_on(finished, cohort):
    manifest = pd.read_csv(cohort / "phantom/outside.csv", dtype=str)
    parts = np.where(np.arange(len(manifest)) % 4 == 0, "validation", "test")
    by_patient = dict(zip(manifest["patient_id"], parts, strict=True))
    manifest["split"] = manifest["patient_id"].map(by_patient)
    manifest.to_csv(cohort / "phantom/divided.csv", index=False)
    report = hybridcx.validate(finished, cohort / "phantom/divided.csv", cache=cohort / "cache")
    n_test = int((manifest["split"] == "test").sum())
    assert (report.validation["n.outside"] == n_test).all()
    assert (report.recalibration["n"].dropna() == n_test).all()


def test_the_validation_is_recomputed_from_its_folder(validated, cohort):
    assert hybridcx.verify(cohort / "validation").agrees


@pytest.mark.slow
def test_a_changed_prediction_inside_is_found(validated, cohort):
    path = cohort / "validation/inside_predictions.csv"
    before = path.read_text(encoding="utf-8")
    lines = before.splitlines()
    header = lines[0].split(",")
    cells = lines[1].split(",")
    cells[header.index("score")] = "0.123456789"
    path.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n", encoding="utf-8")
    try:
        assert not hybridcx.verify(cohort / "validation").agrees
    finally:
        path.write_text(before, encoding="utf-8", newline="\n")


def test_the_page_and_the_checklists_say_what_was_validated(validated, cohort):
    page = (cohort / "validation/report.html").read_text(encoding="utf-8")
    assert "Inside against outside" in page
    assert "Case mix" in page
    items = validated.checklist.set_index(["guideline", "item"])
    assert "new cases" in items.loc[("CLAIM 2024", "33"), "evidence"]
    assert items.loc[("TRIPOD+AI", "16"), "evidence"]
    record = json.loads((cohort / "validation/provenance.json").read_text(encoding="utf-8"))
    assert "run models/models.json" in record["inputs"]


def test_added_test_cases_are_scored_without_training(finished, cohort, tmp_path):
    whole = pd.concat(
        [
            pd.read_csv(cohort / "phantom/inside.csv", dtype=str),
            pd.read_csv(cohort / "phantom/outside.csv", dtype=str).head(8),
        ],
        ignore_index=True,
    )
    whole["split"] = whole["split"].fillna("test")
    whole.to_csv(cohort / "phantom/more.csv", index=False)
    kept = {stage: {p.name for p in (cohort / "cache" / stage).iterdir()} for stage in ("finetune", "heads")}
    experiment = small_experiment(**{**OURS, "cohort": CohortSection(manifest="phantom/more.csv")})
    hybridcx.run(experiment, base=cohort, out=tmp_path / "more", cache=cohort / "cache", jobs=1, images=False)
    assert {stage: {p.name for p in (cohort / "cache" / stage).iterdir()} for stage in kept} == kept
    before, after = ledger(finished), ledger(tmp_path / "more")
    both = before.merge(after, on=["case_id", "model"], suffixes=("", "_after"))
    assert len(both) == len(before)
    assert np.allclose(both["score"], both["score_after"], rtol=0, atol=1e-9)
    assert after["case_id"].nunique() == before["case_id"].nunique() + 8


@pytest.mark.slow
def test_every_fold_of_a_cross_validation_is_a_training_of_its_own(cohort, tmp_path):
    experiment = small_experiment(
        cohort=CohortSection(manifest="phantom/inside.csv"),
        repeat=RepeatSection(design="kfold", folds=2),
        heads=HeadsSection(names=["logistic", "lda"], features=["pretrained"], folds=3),
    )
    hybridcx.run(experiment, base=cohort, out=tmp_path / "folds", cache=cohort / "cache", jobs=1, images=False)
    predicted = hybridcx.predict(tmp_path / "folds", cohort / "phantom/outside.csv", cache=cohort / "cache")
    assert set(predicted.predictions["seed"]) == {501, 502}
    assert "squeezenet1_1+chosen" in set(predicted.predictions["model"])
    assert len(hybridcx.validate(tmp_path / "folds", cohort / "phantom/outside.csv", cache=cohort / "cache").validation)


@pytest.mark.parametrize("network", ["mobilenet_v2", "squeezenet1_1"])
def test_the_lines_of_the_documentation_open_the_weights_in_torchvision(finished, cohort, network):
    """docs/networks.md, as it stands: the softmax of plain torchvision is that of the run; SqueezeNet's without its extra line is not."""
    import torch
    from safetensors import safe_open

    page = (Path(__file__).parents[2] / "docs/networks.md").read_text(encoding="utf-8")
    section = page.split("## A run's weights in torchvision")[1]
    lines, more = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    file = finished / f"models/{network}/weights.safetensors"
    code = lines.replace("mobilenet_v2", network).replace("reports/study", str(finished))
    names: dict[str, object] = {}
    exec(compile(code, "networks.md", "exec"), names)
    model = names["model"]
    with safe_open(file, "pt") as opened:
        described = json.loads(opened.metadata()["hybridcx"])
    assert described["network"] == network
    before = ledger(finished)
    own = before[before["model"] == network].set_index("case_id")["score"]
    images = np.load(run_images(finished, cohort))
    x = torch.from_numpy(images[:6]).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(described[k]).view(1, 3, 1, 1) for k in ("mean", "std"))
    cases = sorted(pd.read_csv(cohort / "phantom/inside.csv", dtype=str)["case_id"])[:6]
    scored = [i for i, c in enumerate(cases) if c in own.index]
    assert scored

    def softmax() -> np.ndarray:
        with torch.inference_mode():
            return torch.softmax(model((x - mean) / std), 1)[:, 1].numpy()

    expected = own[[cases[i] for i in scored]].to_numpy()
    plain = softmax()[scored]
    if described["differs"]:
        assert not np.allclose(plain, expected, atol=1e-3)
        exec(compile(more, "networks.md", "exec"), names)
        plain = softmax()[scored]
    assert np.allclose(plain, expected, rtol=0, atol=2e-5)


def run_images(finished: Path, cohort: Path) -> Path:
    """The prepared images of the run, by the hash in its provenance."""
    digest = json.loads((finished / "provenance.json").read_text(encoding="utf-8"))["inputs"]["images"]
    for file in (cohort / "cache/images").glob("images-*.json"):
        if json.loads(file.read_text(encoding="utf-8"))["sha256"] == digest:
            return file.with_suffix(".npy")
    raise AssertionError("the run's images are not in its cache")


def test_a_model_card_stands_beside_the_weights(finished, cohort):
    card = (finished / "models/mobilenet_v2/card.md").read_text(encoding="utf-8")
    for said in ("tells abnormal (positive) from normal", "## Training data", "| mobilenet_v2+logistic |", "## Limits"):
        assert said in card
    assert models_of(finished).networks[1].network == "mobilenet_v2"


@pytest.mark.slow
def test_onnx_computes_what_we_compute(finished, cohort, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    experiment = small_experiment(**{**OURS, "heads": HeadsSection(names=[]), "ensembles": EnsemblesSection()})
    out = tmp_path / "exported"
    hybridcx.run(
        experiment, base=cohort, out=out, cache=cohort / "cache", jobs=1, images=False, also="onnx,tensorboard"
    )
    record = json.loads((out / "models/onnx.json").read_text(encoding="utf-8"))
    assert set(record) == {"models/mobilenet_v2/model.onnx", "models/squeezenet1_1/model.onnx"}
    for compared in record.values():
        assert 0 <= compared["largest_difference_of_a_probability"] <= 1e-4
        assert 0 < compared["largest_difference_of_a_feature"] <= 1e-4
    assert {p.parent.name for p in out.glob("tensorboard/*/*tfevents*")} == {"mobilenet_v2", "squeezenet1_1"}
    session = onnxruntime.InferenceSession(
        str(out / "models/mobilenet_v2/model.onnx"), providers=["CPUExecutionProvider"]
    )
    images = np.load(run_images(out, cohort))[:5].transpose(0, 3, 1, 2).astype(np.float32) / 255
    logits, features = session.run(None, {"images": images})
    assert features.shape == (5, 1280)
    score = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    own = ledger(out)
    own = own[own["model"] == "mobilenet_v2"].set_index("case_id")["score"]
    cases = sorted(pd.read_csv(cohort / "phantom/inside.csv", dtype=str)["case_id"])[:5]
    both = [(score[i], own[c]) for i, c in enumerate(cases) if c in own.index]
    assert both
    assert all(abs(a - b) < 1e-4 for a, b in both)


def test_exports_belong_to_a_run(predicted):
    with pytest.raises(InputError, match="exports what was trained"):
        hybridcx.compare(predicted.predictions, positive="abnormal", also="onnx")
