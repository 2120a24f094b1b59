"""A head comes back with the same bits, and nothing that was touched comes back at all."""

import json

import numpy as np
import pytest
import skops.io
from head_samples import make_features
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from hybridcx.heads import persist
from hybridcx.heads.fit import fit_heads
from hybridcx.heads.persist import BOOSTER, META, PIPELINE, UnusableHeadError, load_head, save_head
from hybridcx.heads.table import HEADS


@pytest.fixture(scope="module")
def fitted(overlapping, few_trees_module):
    X, y = overlapping
    return fit_heads(HEADS, X, y, np.arange(len(y)), folds=2, max_components=16, seed=2)


@pytest.mark.parametrize("name", HEADS)
def test_predictions_after_reading_back_are_the_same_bits(name, fitted, tmp_path):
    new, _ = make_features(50, 120, 2.5, seed=4)
    save_head(fitted[name], tmp_path / "head")
    back = load_head(tmp_path / "head")
    np.testing.assert_array_equal(back.predict_proba_positive(new), fitted[name].predict_proba_positive(new))
    np.testing.assert_array_equal(back.out_of_fold, fitted[name].out_of_fold)
    for field in (
        "name",
        "sigmoid",
        "best_params",
        "candidates",
        "cv_score",
        "n_cases",
        "n_patients",
        "n_features",
        "notes",
    ):
        assert getattr(back, field) == getattr(fitted[name], field)
    assert {p.name for p in (tmp_path / "head").iterdir()} == {META, PIPELINE} | (
        {BOOSTER} if name == "xgboost" else set()
    )


@pytest.mark.parametrize("file", [PIPELINE, BOOSTER, META])
@pytest.mark.parametrize("how", ["bit", "cut", "empty", "gone"])
def test_damage_is_found_before_anything_is_parsed(file, how, fitted, tmp_path):
    save_head(fitted["xgboost"], tmp_path)
    path = tmp_path / file
    content = bytearray(path.read_bytes())
    if how == "gone":
        path.unlink()
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes({"bit": bytes(content), "cut": bytes(content[:-7]), "empty": b""}[how])
    with pytest.raises(UnusableHeadError, match="fitted again") as error:
        load_head(tmp_path)
    assert file in str(error.value)


def reseal(folder, **changes):
    """Change head.json and give it the hash of its new content, as an attacker would."""
    meta = json.loads((folder / META).read_text(encoding="utf-8"))
    meta.update(changes)
    meta["sha256"] = persist._meta_hash(meta)
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")


def test_a_type_that_is_not_trusted_is_refused(fitted, tmp_path):
    save_head(fitted["logistic"], tmp_path)
    evil = Pipeline(
        [("scale", FunctionTransformer(np.ctypeslib.load_library)), ("estimator", fitted["logistic"].pipeline[-1])]
    )
    skops.io.dump(evil, tmp_path / PIPELINE)
    reseal(tmp_path, files={PIPELINE: persist._sha256((tmp_path / PIPELINE).read_bytes())})
    with pytest.raises(UnusableHeadError, match="not trusted"):
        load_head(tmp_path)


def test_a_pickle_in_its_place_is_refused(fitted, tmp_path):
    import pickle

    save_head(fitted["logistic"], tmp_path)
    (tmp_path / PIPELINE).write_bytes(pickle.dumps(fitted["logistic"].pipeline))
    reseal(tmp_path, files={PIPELINE: persist._sha256((tmp_path / PIPELINE).read_bytes())})
    with pytest.raises(UnusableHeadError, match="cannot be read as a scikit-learn pipeline"):
        load_head(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": {"scikit-learn": "0.1"}}, "other versions"),
        ({"name": "perceptron"}, "none that this version knows"),
        ({"schema": 99}, "another format"),
        ({"files": {}}, "list of files"),
        ({"files": {PIPELINE: "0", "../../etc/passwd": "0"}}, "list of files"),
    ],
)
def test_a_head_of_another_version_is_refused(changes, words, fitted, tmp_path):
    save_head(fitted["logistic"], tmp_path)
    reseal(tmp_path, **changes)
    with pytest.raises(UnusableHeadError, match=words):
        load_head(tmp_path)


def test_saving_over_another_head_leaves_nothing_of_it(fitted, tmp_path):
    save_head(fitted["xgboost"], tmp_path)
    save_head(fitted["logistic"], tmp_path)
    assert not (tmp_path / BOOSTER).exists()
    assert load_head(tmp_path).name == "logistic"
