"""Saved estimators: the same bytes, the same predictions, and nothing is taken from a folder that was changed."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import skops.io
from estimator_samples import features, network, pictures, written
from safetensors.numpy import load_file
from sklearn.frozen import FrozenEstimator

from hybridcx import FineTunedNetwork, InputError, PenultimateFeatures
from hybridcx.deep.checkpoint import save_tensors
from hybridcx.deep.model import state_of

X, Y = pictures()
FILES = ("estimator.json", "weights.safetensors")
TRUSTED = ["hybridcx.estimators.network.FineTunedNetwork", "hybridcx.estimators.features.PenultimateFeatures"]


@pytest.fixture(scope="module")
def fitted():
    return network(train_options={"dropout": 0.1}, pixel_range=(0, 200)).fit(X, Y)


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "saved")
    return tmp_path / "saved"


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_saved_network_is_the_same(fitted, folder, tmp_path):
    again = FineTunedNetwork.load(folder)
    again.save(str(tmp_path / "again"))
    assert contents(folder) == contents(tmp_path / "again")
    assert set(contents(folder)) == set(FILES)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert again.get_params() == fitted.get_params()
    assert vars(again).keys() == vars(fitted).keys()
    pd.testing.assert_frame_equal(pd.DataFrame(again.history_), pd.DataFrame(fitted.history_))
    assert again.classes_.dtype == fitted.classes_.dtype
    fitted.save(folder)  # over an earlier one
    assert contents(folder) == contents(tmp_path / "again")


def test_the_weights_are_those_of_a_fine_tuning_file(fitted, folder, tmp_path):
    """Their file can be read by everything that reads a state dict of torchvision's names in safetensors."""
    save_tensors(tmp_path / "w.safetensors", state_of(fitted.weights_))
    ours, theirs = load_file(folder / "weights.safetensors"), load_file(tmp_path / "w.safetensors")
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[k], theirs[k]) for k in ours)


@pytest.mark.parametrize("labels", [pd.Series(Y), np.arange(24) % 2, np.arange(24) % 2 == 0, (np.arange(24) % 2) / 1.0])
def test_classes_of_every_type_come_back(labels, tmp_path):
    model = network().fit(X, labels)
    model.save(tmp_path / "a")
    again = FineTunedNetwork.load(tmp_path / "a")
    assert again.classes_.dtype == model.classes_.dtype
    assert np.array_equal(again.predict(X), model.predict(X))
    again.save(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_saved_features_are_the_same(fitted, tmp_path):
    frame = pd.DataFrame({"image": written(X, tmp_path)})
    transformers = {
        "fixed": features().fit(frame),
        "inside": PenultimateFeatures(network()).fit(frame, Y),
        "frozen": PenultimateFeatures(FrozenEstimator(fitted)).fit(frame),
        "table": features(image_shape=(40, -1)).fit(X.reshape(24, -1)),
    }
    for name, transformer in transformers.items():
        data = X.reshape(24, -1) if name == "table" else frame
        transformer.save(tmp_path / name)
        again = PenultimateFeatures.load(tmp_path / name)
        assert np.array_equal(again.transform(data), transformer.transform(data)), name
        assert again.n_features_in_ == transformer.n_features_in_
        assert type(again.network) is type(transformer.network)
        assert str(again) == str(transformer)
        again.save(tmp_path / f"{name} again")
        assert contents(tmp_path / name) == contents(tmp_path / f"{name} again")
    again = PenultimateFeatures.load(tmp_path / "inside").fit(X, Y)  # its network can be fitted anew
    assert np.array_equal(again.transform(X), transformers["inside"].transform(X))


@pytest.mark.parametrize("name", FILES)
def test_a_changed_or_missing_file_is_refused(folder, name):
    path = folder / name
    whole = path.read_bytes()
    for at in (0, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"damaged|another format"):
            FineTunedNetwork.load(folder)
    path.write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="damaged"):
        FineTunedNetwork.load(folder)
    path.unlink()
    with pytest.raises(InputError, match=f"{name}.*missing"):
        FineTunedNetwork.load(folder)


def test_a_foreign_folder_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match="no estimator was saved here"):
        FineTunedNetwork.load(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"this is a FineTunedNetwork.*FineTunedNetwork.load"):
        PenultimateFeatures.load(folder)
    for text in ("[]", "{}", '{"schema": 1}', "[" * 100_000):
        (folder / "estimator.json").write_text(text, encoding="utf-8")
        with pytest.raises(InputError):
            FineTunedNetwork.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(schema=2),
        lambda m: m.update(content=[]),
        lambda m: m["content"].pop("fitted"),
        lambda m: m["content"]["parameters"].update(strange=1),
        lambda m: m["content"]["parameters"].update(epochs="many"),
        lambda m: m["content"]["fitted"].pop("classes_"),
        lambda m: m["content"]["fitted"].update(predict=1),
        lambda m: m["content"]["fitted"].update(classes_={"dtype": "V8", "values": []}),
        lambda m: m["content"]["fitted"].update(classes_={"dtype": "nonsense", "values": []}),
        lambda m: m["content"]["fitted"]["classes_"].update(values=["a"]),
    ],
)
def test_a_folder_that_someone_wrote_with_right_hashes_is_refused(folder, change):
    path = folder / "estimator.json"
    meta = json.loads(path.read_text(encoding="utf-8"))
    change(meta)
    del meta["sha256"]
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()
    path.write_text(json.dumps({**meta, "sha256": digest}), encoding="utf-8")
    with pytest.raises(InputError, match=r"not what this version|another format"):
        FineTunedNetwork.load(folder)


def test_a_parameter_that_is_no_json_is_refused(tmp_path):
    model = network(random_state=np.random.RandomState(0)).fit(X, Y)
    with pytest.raises(InputError, match=r"random_state cannot be saved.*set_params\(random_state=None\)"):
        model.save(tmp_path / "a")
    assert not (tmp_path / "a").exists()
    model.set_params(random_state=None, weights=tmp_path, epochs=np.int64(1)).save(tmp_path / "a")
    assert FineTunedNetwork.load(tmp_path / "a").get_params()["weights"] == str(tmp_path)


def test_skops_reads_them_without_pickle(fitted):
    for estimator, use in (
        (fitted, "predict_proba"),
        (features().fit(X), "transform"),
        (PenultimateFeatures(network()).fit(X, Y), "transform"),
    ):
        data = skops.io.dumps(estimator)
        assert set(skops.io.get_untrusted_types(data=data)) <= set(TRUSTED)
        again = skops.io.loads(data, trusted=TRUSTED)
        assert np.array_equal(getattr(again, use)(X), getattr(estimator, use)(X))


def test_nothing_fitted_belongs_to_torch_or_names_a_folder(fitted):
    kinds = {type(v).__module__.split(".")[0] for v in vars(fitted).values()}
    assert kinds <= {"numpy", "builtins"}
    assert all(type(a) is np.ndarray for a in fitted.weights_.values())
    assert "tmp" not in json.dumps(fitted._content())
