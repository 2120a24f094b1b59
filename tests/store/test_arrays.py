"""Arrays written block by block."""

from __future__ import annotations

import numpy as np
import pytest

from hybridcx.store.arrays import array_in_pieces


@pytest.mark.parametrize("shape", [(7, 3), (0, 4), (5,), (4, 2, 2)])
def test_the_bytes_are_those_of_numpy(shape, tmp_path):
    whole = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    with array_in_pieces(tmp_path / "a.npy", shape, np.float32) as append:
        append(whole[:2])
        append(whole[2:, ...])
    np.save(tmp_path / "b.npy", whole)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize("block", [np.zeros((2, 3)), np.zeros((2, 4), np.float32), np.zeros((1, 3), np.float32)])
def test_what_does_not_make_up_the_array_is_refused(block, tmp_path):
    with pytest.raises(ValueError), array_in_pieces(tmp_path / "a.npy", (2, 3), np.float32) as append:
        append(block)
