"""Outputs get the permissions that the umask asks for, and what is temporary is removed, also where writing fails."""

from __future__ import annotations

import os
import stat

import pytest

import hybridcx
from hybridcx.store.artefacts import write_atomic

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")


@pytest.fixture(params=[0o077, 0o022, 0o002], ids=oct)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_every_output_follows_the_umask(umask, earlier, tmp_path):
    out = tmp_path / "out"
    hybridcx.compare(earlier.parent / "p.csv", out=out, n_bootstrap=100, also=("paper", "word", "latex", "figures"))
    assert sum(p.is_file() for p in out.rglob("*")) > 20
    wrong = {
        p.relative_to(out).as_posix(): oct(stat.S_IMODE(p.stat().st_mode))
        for p in (out, *out.rglob("*"))
        if stat.S_IMODE(p.stat().st_mode) != (0o777 if p.is_dir() else 0o666) & ~umask
    }
    assert not wrong
    assert not [p.name for p in out.rglob("*") if p.name.endswith((".tmp", ".partial"))]


def test_a_file_written_whole_follows_the_umask_and_leaves_nothing_beside_it(umask, tmp_path):
    for _ in range(2):  # a new file, and one that replaces another
        write_atomic(tmp_path / "a.csv", "x")
        assert stat.S_IMODE((tmp_path / "a.csv").stat().st_mode) == 0o666 & ~umask
        assert os.listdir(tmp_path) == ["a.csv"]  # noqa: PTH208


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_writing_that_fails_leaves_the_earlier_file_and_nothing_temporary(step, tmp_path, monkeypatch):
    write_atomic(tmp_path / "a.csv", "earlier")

    def fails(*_):
        raise OSError(28, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", fails)
    else:
        monkeypatch.setattr(type(tmp_path), "replace", fails)
    with pytest.raises(OSError, match="No space"):
        write_atomic(tmp_path / "a.csv", "later")
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "earlier"
