"""Layouts of predictions: the same numbers from each, and a message for everything that was inferred."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import hybridcx
from hybridcx.errors import InputError
from hybridcx.records.layouts import Layout, parse_columns
from hybridcx.records.predictions import predictions_from_frame, read_predictions

N = 24
TRUTH = np.array(["normal", "abnormal"], dtype=object)[np.arange(N) % 3 % 2]
IDS = np.array([f"c{i:02d}" for i in range(N)], dtype=object)
RNG = np.random.default_rng(5)
SCORES = {m: np.clip(RNG.normal(0.3 + 0.3 * (TRUTH == "abnormal"), 0.25), 0.01, 0.99).round(3) for m in ("rf", "cnn")}
CALLS = {m: np.where(s >= 0.4, "abnormal", "normal") for m, s in SCORES.items()}
CASES = {"case_id": IDS, "y_true": TRUTH}


def read(frame, guess=False, columns=None, **options):
    return predictions_from_frame(pd.DataFrame(frame), layout=Layout(parse_columns(columns), guess), **options)


def refused(frame, **options):
    with pytest.raises(InputError) as error:
        read(frame, **options)
    return str(error.value)


def warned(predictions):
    return "\n".join(map(str, predictions.warnings))


def assert_scores(predictions, models=("rf", "cnn")):
    matrices = predictions.matrices()
    assert matrices.models == models
    np.testing.assert_array_equal(matrices.case_ids, IDS)
    np.testing.assert_array_equal(matrices.y_true, TRUTH == "abnormal")
    for model, row in zip(models, matrices.y_score, strict=True):
        np.testing.assert_array_equal(row, SCORES.get(model, SCORES["rf"]))


@pytest.mark.parametrize(
    "form", ["{}", "score_{}", "{}_score", "prob_{}", "{}_prob", "p_{}", "y_score_{}", "{}.proba", "probability-{}"]
)
def test_a_column_of_scores_per_model(form):
    read_wide = read(CASES | {form.format(m): s for m, s in SCORES.items()} | {"sex": ["F", "M"] * (N // 2)})
    assert_scores(read_wide)
    assert "read as a wide table, scores of 2 models" in warned(read_wide)
    assert read_wide.subgroups == ("sex",)


@pytest.mark.parametrize("form", ["{}", "pred_{}", "{}_pred", "y_pred_{}", "predicted_label_{}", "{}_call"])
def test_a_column_of_calls_per_model(form):
    calls = read(CASES | {form.format(m): c for m, c in CALLS.items()})
    assert calls.models == ("rf", "cnn")
    np.testing.assert_array_equal(calls.matrices().y_pred, [CALLS["rf"] == "abnormal", CALLS["cnn"] == "abnormal"])
    assert not calls.has_score


def test_scores_and_calls_per_model():
    both = read(CASES | {f"{m}_prob": s for m, s in SCORES.items()} | {f"{m}_pred": c for m, c in CALLS.items()})
    assert_scores(both)
    np.testing.assert_array_equal(both.matrices().y_pred[1], CALLS["cnn"] == "abnormal")
    assert both.threshold is None
    text = refused(CASES | {"rf_prob": SCORES["rf"], "cnn_prob": SCORES["cnn"], "rf_pred": CALLS["rf"]})
    assert "models without a column of calls: cnn" in text


def test_calls_of_0_and_1():
    truth = (TRUTH == "abnormal").astype(int)
    calls = {m: (c == "abnormal").astype(int) for m, c in CALLS.items()}
    cases = {"case_id": IDS, "y_true": truth}
    assert read(cases | calls).models == ("rf", "cnn")
    # 0 and 1 beside anything else could be a covariate, and are asked for
    covariate = {"age": np.arange(N) + 40}
    assert "a required column is absent" in refused(cases | calls | covariate)
    named = read(cases | calls | covariate, columns="y_pred=rf,y_pred=cnn")
    assert named.models == ("rf", "cnn")
    assert named.subgroups == ("age",)
    assert read(cases | {"sex": truth[::-1]} | SCORES).models == ("rf", "cnn")


def test_columns_of_models_by_name():
    frame = CASES | {"probability of rf": SCORES["rf"], "second, model": SCORES["cnn"], "third": SCORES["cnn"] / 2}
    named = read(frame, columns="score=probability of rf,score=second, model")
    assert named.models == ("rf", "second, model")
    mapping = read(frame, columns={"score": ["probability of rf", "second, model"]})
    np.testing.assert_array_equal(named.matrices().y_score, mapping.matrices().y_score)


def test_blank_cells_of_a_wide_table_are_cases_that_the_model_lacks():
    text = refused(CASES | {"rf": SCORES["rf"], "cnn": np.where(np.arange(N) == 3, np.nan, SCORES["cnn"])})
    assert "cnn lacks 1 of 24 test cases: c03" in text


@pytest.mark.parametrize(
    "names", [("prob_normal", "prob_abnormal"), ("abnormal", "normal"), ("0", "1"), ("proba_0", "proba_1")]
)
def test_both_columns_of_predict_proba(names):
    positive = SCORES["rf"]
    columns = {
        n: positive if n.endswith(("abnormal", "0")) else 1 - positive for n in names
    }  # abnormal < normal: class 0
    read_both = read(CASES | columns, model_names=["rf"])
    assert_scores(read_both, ("rf",))
    assert "add up to 1, one per class" in warned(read_both)


def test_columns_of_all_classes_beside_the_calls():
    classes = np.array(["a", "b", "c"], dtype=object)
    p = RNG.dirichlet([1, 1, 1], N).round(4)
    truth = classes[np.arange(N) % 3]
    frame = {"case_id": IDS, "y_true": truth, "y_pred": classes[p.argmax(axis=1)], "correct": 1}
    for names in (
        [f"prob_{c}" for c in classes],
        [f"Confidence_Class{i}" for i in range(3)],
        [f"{c} probability" for c in classes],
    ):
        one = read(frame | dict(zip(names, p.T, strict=True)), positive="b")
        np.testing.assert_array_equal(one.matrices().y_score[0], p[:, 1])
        np.testing.assert_array_equal(one.matrices().y_true, truth == "b")
        assert "add up to 1, one per class: score is" in warned(one)
    assert "which label is the positive class" in refused(frame | dict(zip(names, p.T, strict=True)))


def test_the_confidence_of_more_than_two_classes_is_not_a_score():
    classes = np.array(["a", "b", "c"], dtype=object)
    frame = {
        "filename": IDS,
        "true_label": classes[np.arange(N) % 3],
        "predicted_label": classes[np.arange(N) // 3 % 3],
        "confidence": 0.7,
    }
    guessed = read(frame, guess=True, positive="b")
    assert not guessed.has_score
    assert "confidence" not in refused(frame, positive="b").split("These look right")[1]
    named = {"columns": "y_true=true_label,case_id=filename,y_pred=predicted_label,score=confidence", "positive": "b"}
    assert "with 3 labels the confidence in the predicted class does not give" in refused(
        frame, score_kind="confidence", **named
    )


def test_columns_that_add_up_to_1_without_the_names_of_the_classes_are_asked_for():
    frame = CASES | {"out_a": SCORES["rf"], "out_b": 1 - SCORES["rf"]}
    text = refused(frame)
    assert "they are the two classes of one model" in text
    assert "--columns score=out_b or --columns score=out_a" in text
    assert_scores(read(frame, columns="score=out_a", model_names=["rf"]), ("rf",))


def test_no_ids():
    numbered = read({"y_true": TRUTH} | SCORES)
    np.testing.assert_array_equal(numbered.matrices().case_ids, [f"{i + 1:02d}" for i in range(N)])
    assert "the rows are numbered as cases" in warned(numbered)
    long = pd.DataFrame({"y_true": TRUTH} | SCORES).melt("y_true", var_name="model", value_name="score")
    assert "column case_id" in refused(long)  # which rows are one case cannot be known


def test_row_names_are_ids_where_there_are_no_others(tmp_path):
    frame = pd.DataFrame({"y_true": TRUTH} | SCORES, index=IDS)
    frame.to_csv(tmp_path / "p.csv")
    named = read_predictions(tmp_path / "p.csv")
    assert_scores(named)
    assert "the row names are taken" in warned(named)


FOREIGN = {"filename": IDS, "true_label": TRUTH, "predicted_label": CALLS["rf"], "prob_pneumonia": SCORES["rf"]}


def test_other_names_are_proposed_as_a_command_and_taken_when_asked():
    text = refused(FOREIGN | {"probability": SCORES["rf"]})
    command = "--columns y_true=true_label,case_id=filename,y_pred=predicted_label,score=probability"
    assert command in text
    assert "--guess" in text
    guessed = read(FOREIGN | {"probability": SCORES["rf"]}, guess=True, model_names=["rf"])
    assert_scores(guessed, ("rf",))
    assert "columns taken by --guess: y_true=true_label" in warned(guessed)
    assert_scores(read(FOREIGN, columns=command.removeprefix("--columns ").replace("=probability", "=prob_pneumonia"),
                       model_names=["rf"]), ("rf",))  # fmt: skip


def test_every_synonym_is_known_in_any_case():
    for name in ("Y_Score", "y-proba", "Probability", "PROB", "predicted probability", "score "):
        if name == "score ":
            continue
        frame = {"Image Name": IDS, "Ground-Truth": TRUTH, "Classifier": "rf", name: SCORES["rf"]}
        assert_scores(read(frame, guess=True), ("rf",))


def test_problems_name_the_columns_of_the_file():
    bad = FOREIGN | {"prob_pneumonia": [2.0, *SCORES["rf"][1:]]}
    text = refused(bad, columns="y_true=true_label,case_id=filename,score=prob_pneumonia")
    assert "column prob_pneumonia: a score outside 0 to 1" in text


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("y_true", "without a name on both sides of ="),
        ("truth=label", "names no column of predictions"),
        ("y_true=lable", "Did you mean 'label'?"),
        ("case_id=a,case_id=b", "maps case_id to several columns"),
    ],
)
def test_mappings_that_are_refused(columns, words):
    assert words in refused({"case_id": IDS, "label": TRUTH, "rf": SCORES["rf"]}, columns=columns)


def test_a_mapped_column_replaces_one_of_its_name():
    frame = CASES | {"score": 1 - SCORES["rf"], "prob": SCORES["rf"]}
    mapped = read(frame, columns="score=prob", model_names=["rf"])
    assert_scores(mapped, ("rf",))
    assert "columns not used, since --columns takes others for them: score" in warned(mapped)


def test_unused_columns_that_look_used():
    long = CASES | {"model": "rf", "y_pred": CALLS["rf"]}
    text = warned(read(long | {"y_score": SCORES["rf"]}))
    assert "this column looks like score and is not used: the report has no AUROC" in text
    assert "--columns score=y_score" in text
    patients = {"Subject": np.repeat(np.arange(N // 2), 2)}
    text = warned(read(long | patients))
    assert "12 different values are treated as independent" in text
    assert "--cluster Subject" in text
    assert "independent" not in warned(read(long | patients, cluster="Subject"))
    assert "independent" not in warned(read(long | {"patient": np.arange(N)}))
    splits = {"subset": np.where(np.arange(N) < 12, "test", "train")}
    assert "training and validation cases are evaluated with the test cases" in warned(read(long | splits))
    text = warned(read(CASES | {"model": "rf", "score": SCORES["rf"], "prediction": CALLS["rf"]}))
    assert "looks like y_pred and is not used" in text


# Headers of files in public repositories

POSITIVE = (TRUTH == "abnormal").astype(int)


def coded(model):
    return (CALLS[model] == "abnormal").astype(int)


def test_a_truth_in_words_beside_calls_in_numbers():
    frame = {"Image Name": IDS, "Patient": np.arange(N) // 2, "Label": np.where(POSITIVE, "GON+", "GON-"), "label_numeric": POSITIVE,
             "image_path": IDS, "prediction": coded("rf"), "probability": SCORES["rf"], "correct": "True"}  # fmt: skip
    guessed = read(frame, guess=True, model_names=["rf"])
    assert_scores(guessed, ("rf",))
    assert guessed.clustered
    assert "y_true=label_numeric,case_id=Image Name,y_pred=prediction,score=probability,patient_id=Patient" in warned(
        guessed
    )


def test_two_columns_that_could_be_the_score_are_asked_for():
    frame = {"image_path": IDS, "true_label": POSITIVE, "raw_probability": SCORES["rf"], "cal_probability": SCORES["cnn"],
             "risk_score": 100 * SCORES["cnn"], "prediction": coded("rf"), "outcome": "TP"}  # fmt: skip
    text = refused(frame)
    assert (
        "--columns y_true=true_label,case_id=image_path,y_pred=prediction, with score=raw_probability or score=cal_probability"
        in text
    )
    mapped = read(
        frame,
        columns="y_true=true_label,case_id=image_path,y_pred=prediction,score=raw_probability",
        model_names=["rf"],
    )
    assert_scores(mapped, ("rf",))


def test_scores_and_calls_of_networks_with_odd_names():
    frame = {"filename": IDS, "class": TRUTH, "group_id": np.arange(N) // 3, "y_true": POSITIVE}
    for name, model in (("ResNet50", "rf"), ("ViT-B/16", "cnn")):
        frame |= {f"{name}_prob": SCORES[model], f"{name}_pred": coded(model)}
    text = refused(frame)
    assert "--columns case_id=filename,patient_id=group_id" in text
    guessed = read(frame, guess=True)
    assert guessed.models == ("ResNet50", "ViT-B/16")
    np.testing.assert_array_equal(guessed.matrices().y_score, [SCORES["rf"], SCORES["cnn"]])
    assert guessed.clustered


def test_a_score_named_after_its_class_and_no_ids():
    frame = {"Actual": POSITIVE, "Predicted": coded("rf"), "Probability_Malignant": SCORES["rf"]}
    assert "--columns y_true=Actual,y_pred=Predicted,score=Probability_Malignant" in refused(frame)
    np.testing.assert_array_equal(read(frame, guess=True).matrices().y_score, [SCORES["rf"]])


def test_no_model_is_lost_without_a_word():
    damaged = np.array([f"{v}" for v in SCORES["cnn"]], dtype=object)
    damaged[4] = "error"
    assert "column cnn: a score that is no finite number (found: 'error')" in refused(
        CASES | {"rf": SCORES["rf"], "cnn": damaged}
    )
    for other in (100 * SCORES["cnn"], np.log(SCORES["cnn"])):
        text = warned(read(CASES | {"rf": SCORES["rf"], "cnn": other}))
        assert "columns not taken as models: cnn" in text
        assert "--columns score=cnn" in text
    assert "not taken as models: rf, cnn" in warned(read(CASES | {"y_pred": CALLS["rf"]} | SCORES))
    assert "not taken" not in warned(read(CASES | {"rf": SCORES["rf"], "sex": "F", "note": IDS}))


def test_columns_of_classes_that_are_none():
    logits = {"logit_0": np.log(SCORES["rf"]), "logit_1": -np.log(SCORES["rf"])}
    assert "do not add up to 1" in refused(CASES | {"y_true": POSITIVE} | logits)
    top = {"prob_0": np.maximum(SCORES["rf"], 1 - SCORES["rf"]), "prob_1": np.minimum(SCORES["rf"], 1 - SCORES["rf"])}
    assert "the most probable classes in their order" in refused({"case_id": IDS, "y_true": POSITIVE} | top)


def test_tidymodels_and_keras():
    tidy = {
        ".pred_class": CALLS["rf"],
        ".pred_abnormal": SCORES["rf"],
        ".pred_normal": 1 - SCORES["rf"],
        "truth": TRUTH,
    }
    guessed = read(tidy, guess=True)
    np.testing.assert_array_equal(guessed.matrices().y_score, [SCORES["rf"]])
    keras = {"filename": IDS, "class": POSITIVE, "prediction": SCORES["rf"]}
    assert "score=prediction" in refused(keras)
    np.testing.assert_array_equal(read(keras, guess=True).matrices().y_score, [SCORES["rf"]])


def test_the_confidence_of_many_classes_is_not_advised():
    classes = np.array(["a", "b", "c"], dtype=object)
    frame = {
        "case_id": IDS,
        "y_true": classes[np.arange(N) % 3],
        "model": "m",
        "y_pred": classes[np.arange(N) // 3 % 3],
        "confidence": 0.7,
    }
    assert "score=confidence" not in warned(read(frame, positive="a"))


@pytest.mark.parametrize("name", ["PatientID", "mrn", "StudyInstanceUID", "slide"])
def test_other_columns_that_group_cases(name):
    frame = CASES | {"model": "m", "score": SCORES["rf"], name: np.repeat(np.arange(N // 3), 3)}
    if name != "PatientID":
        assert f"--columns patient_id={name}" in warned(read(frame))
    assert read(frame, cluster=name).clustered


# Several files


def write(folder, name, frame):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(frame).to_csv(folder / name, index=False)
    return folder / name


def test_a_file_per_model(tmp_path):
    files = [write(tmp_path, f"{m}.csv", CASES | {"score": s}) for m, s in SCORES.items()]
    assert_scores(read_predictions(files))
    named = read_predictions(files, model_names=["A", "B"])
    assert named.models == ("A", "B")
    single = write(
        tmp_path,
        "long.csv",
        pd.DataFrame(CASES | SCORES).melt(["case_id", "y_true"], var_name="model", value_name="score"),
    )
    options = {"n_bootstrap": 100, "seed": 3}
    first = hybridcx.compare(files, out=tmp_path / "a", **options)
    second = hybridcx.compare(single, out=tmp_path / "b", **options)
    for name in ("metrics.csv", "comparisons.csv", "verdicts.csv", "roc.csv"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()
    assert hybridcx.verify(first.folder).agrees


def test_columns_that_one_file_has_count_for_the_cases_of_all(tmp_path):
    rf = write(tmp_path, "rf.csv", CASES | {"score": SCORES["rf"], "patient_id": np.arange(N) // 2, "sex": "F"})
    cnn = write(tmp_path, "cnn.csv", CASES | {"score": SCORES["cnn"]})
    both = read_predictions([cnn, rf])
    assert both.clustered
    assert both.subgroups == ("sex",)


def test_files_that_are_refused_together(tmp_path):
    rf = write(tmp_path, "rf.csv", CASES | {"score": SCORES["rf"]})
    bad = write(tmp_path, "bad.csv", CASES | {"score": [2.0, *SCORES["rf"][1:]]})
    few = write(tmp_path, "few.csv", {k: v[1:] for k, v in (CASES | {"score": SCORES["rf"]}).items()})
    other = write(tmp_path, "other.csv", {"case_id": IDS, "y_true": np.roll(TRUTH, 1), "score": SCORES["rf"]})
    noid = write(tmp_path, "noid.csv", {"y_true": TRUTH, "score": SCORES["rf"]})
    again = write(tmp_path / "sub", "rf.csv", CASES | {"score": SCORES["cnn"]})
    long = write(tmp_path, "long.csv", CASES | {"model": "rf", "score": SCORES["rf"]})
    for files, words in (
        ([rf, bad], "bad.csv, line 2, column score: a score outside 0 to 1"),
        ([rf, few], "few lacks 1 of 24 test cases: c00"),
        ([rf, other], "two truths"),
        ([rf, noid], "noid.csv, line 1, column case_id: a required column is absent"),
        ([rf, rf], "several files would be one model"),
        ([rf, long], "a model stands in several files: rf"),
    ):
        with pytest.raises(InputError) as error:
            read_predictions(files)
        assert words in str(error.value)
    assert read_predictions([rf, again]).models[1] == "sub/rf"
    with pytest.raises(InputError, match="given 1 times for 2 files"):
        read_predictions([rf, again], model_names=["a"])


def test_check_takes_the_same_options_and_knows_the_kind(tmp_path):
    path = write(tmp_path, "p.csv", FOREIGN)
    report = hybridcx.check(path)
    assert report.kind == "predictions"
    assert "--columns y_true=true_label,case_id=filename" in str(report.problems[0])
    assert hybridcx.check(path, columns="y_true=true_label,case_id=filename,score=prob_pneumonia").sound
    assert hybridcx.check(path, guess=True).sound
