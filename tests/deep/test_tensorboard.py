"""The learning curves as TensorBoard reads them."""

import socket

import numpy as np
import pandas as pd
import pytest

from hybridcx.deep.tensorboard import TAGS, write_curves

tensorboard = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def history(seed):
    numbers = np.random.default_rng(seed).random((6, 5))
    table = pd.DataFrame(numbers, columns=list(TAGS.values())).assign(seed=seed, fold=None, iteration=range(1, 7))
    table.loc[[1, 2, 4], ["validation_loss", "validation_accuracy"]] = np.nan
    return table


def test_every_number_is_there_and_no_other(tmp_path):
    two = pd.concat([history(1), history(2)], ignore_index=True)
    write_curves({"resnet101": history(1), "timm:vit": two}, tmp_path)
    folders = {p.name: p for p in tmp_path.iterdir()}
    assert set(folders) == {"resnet101", "timm-vit-seed-1", "timm-vit-seed-2"}
    for name, seed in (("resnet101", 1), ("timm-vit-seed-2", 2)):
        events = tensorboard.EventAccumulator(str(folders[name])).Reload()
        assert set(events.Tags()["scalars"]) == set(TAGS)
        for tag, column in TAGS.items():
            expected = history(seed).set_index("iteration")[column].dropna()
            found = events.Scalars(tag)
            assert [e.step for e in found] == list(expected.index)
            np.testing.assert_allclose([e.value for e in found], expected, rtol=1e-6)
    files = [p for folder in folders.values() for p in folder.iterdir()]
    assert all(
        socket.gethostname() not in p.name and socket.gethostname().encode() not in p.read_bytes() for p in files
    )
