"""What the stages keep: written whole or not at all, found by content, checked by hash, pruned by age."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
import threading

import numpy as np
import pytest

from hybridcx.errors import InputError, StoppedError
from hybridcx.store.arrays import save_array
from hybridcx.store.artefacts import (
    RECORD,
    Store,
    cache_root,
    code_hash,
    content_key,
    exclusive,
    sha256_file,
    write_atomic,
)

KEY = "ab" * 32


def build(text="1"):
    def make(folder):
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "a.txt").write_text(text, encoding="utf-8")
        (folder / "sub" / "b.bin").write_bytes(b"\0" * 1000)

    return make


def never(folder):
    raise AssertionError("it is there already")


def test_sha256_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_content_keys():
    assert content_key({"a": 1, "b": [1, 2]}) == content_key({"b": [1, 2], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 2})
    assert content_key({"a": 1}) != content_key({"a": "1"})
    assert len(content_key({})) == 64


def test_code_hashes_differ_by_module_and_not_by_order():
    assert code_hash("streams", "errors") == code_hash("errors", "streams")
    assert code_hash("streams") != code_hash("errors")
    assert code_hash("stats") != code_hash("analysis")


def test_atomic_writing_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "x.json"
    write_atomic(path, "é\n")
    assert path.read_bytes() == b"\xc3\xa9\n"
    write_atomic(path, b"\r\n")
    assert path.read_bytes() == b"\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_keeps_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_atomic(path, "earlier")

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text(encoding="utf-8") == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.setenv("HYBRIDCX_CACHE", str(tmp_path / "here"))
    assert cache_root() == tmp_path / "here"
    monkeypatch.delenv("HYBRIDCX_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "hybridcx"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_root() == tmp_path / "local" / "hybridcx"
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path / "home")
    assert cache_root() == tmp_path / "home" / "Library" / "Caches" / "hybridcx"


# Locks


def test_a_lock_that_is_free_leaves_no_holder(tmp_path):
    with exclusive(tmp_path / "lock", "it is in use"):
        assert str(os.getpid()) in (tmp_path / "lock").with_suffix(".holder").read_text(encoding="utf-8")
    assert not (tmp_path / "lock").with_suffix(".holder").exists()
    with exclusive(tmp_path / "lock", "it is in use"):
        pass


def test_another_process_is_told_who_holds_the_lock(tmp_path):
    code = (
        "import sys; from pathlib import Path; from hybridcx.store.artefacts import exclusive\n"
        f"with exclusive(Path({str(tmp_path / 'lock')!r}), 'busy'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline().strip() == b"held"
        with (
            pytest.raises(InputError, match="the folder is in use") as e,
            exclusive(tmp_path / "lock", "the folder is in use"),
        ):
            pass
        assert f"process {other.pid}" in str(e.value)
        other.kill()  # a lock goes with its process, however it ends
        other.wait()
    said = []
    with exclusive(tmp_path / "lock", "busy", say=said.append):
        pass
    assert len(said) == 1
    assert f"process {other.pid} on {platform.node()}, since 20" in said[0]
    assert "ended without finishing; this one takes over" in said[0]
    with exclusive(tmp_path / "lock", "busy", say=said.append):  # nobody was killed
        pass
    assert len(said) == 1


@pytest.mark.parametrize("content", [b"\xff", b" ", None])
def test_a_holder_that_cannot_be_read_is_another_process(tmp_path, content):
    holder, said = tmp_path / "lock.holder", []
    holder.write_bytes(content) if content is not None else holder.mkdir()
    with contextlib.suppress(OSError), exclusive(tmp_path / "lock", "busy", say=said.append):
        pass
    assert said == ["The earlier run (another process) has ended without finishing; this one takes over."]


@pytest.mark.parametrize("shape", [(20468, 1), (3, 4, 2), (0, 5), (7,)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int64", "bool"])
def test_arrays_are_the_files_that_numpy_writes(tmp_path, shape, dtype):
    array = np.asfortranarray(np.arange(int(np.prod(shape))).reshape(shape).astype(dtype))
    save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", np.ascontiguousarray(array))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert np.array_equal(np.load(tmp_path / "a.npy", mmap_mode="r" if array.size else None), array)


# The store


def test_an_artefact_is_made_once(tmp_path):
    store = Store(tmp_path)
    assert store.find("features", KEY) is None
    made = store.make("features", KEY, build(), {"network": "vgg16"})
    assert made == tmp_path / "features" / KEY
    assert store.make("features", KEY, never, {}) == made
    record = json.loads((made / RECORD).read_text(encoding="utf-8"))
    assert record["made_from"] == {"network": "vgg16"}
    assert record["files"]["sub/b.bin"] == sha256_file(made / "sub" / "b.bin")
    assert sorted(p.name for p in (tmp_path / "features").iterdir()) == [KEY]


@pytest.mark.parametrize("damage", ["changed", "missing", "record", "record_json"])
def test_a_damaged_artefact_is_said_and_made_again(tmp_path, damage):
    said = []
    store = Store(tmp_path, say=said.append)
    made = store.make("features", KEY, build(), {})
    if damage == "changed":
        (made / "a.txt").write_text("2", encoding="utf-8")
    elif damage == "missing":
        (made / "sub" / "b.bin").unlink()
    else:
        (made / RECORD).write_text("{" if damage == "record" else "{}", encoding="utf-8")
    assert store.find("features", KEY) is None
    assert len(said) == 1
    assert "damaged" in said[0]
    assert KEY[:12] in said[0]
    assert (store.make("features", KEY, build(), {}) / "a.txt").read_text(encoding="utf-8") == "1"


def test_an_interrupted_build_is_not_found_and_continued(tmp_path):
    store = Store(tmp_path)

    def killed(folder):
        (folder / "epoch1").write_text("done", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.make("weights", KEY, killed, {})
    assert store.find("weights", KEY) is None

    def goes_on(folder):
        assert (folder / "epoch1").read_text(encoding="utf-8") == "done"
        (folder / "epoch2").write_text("done", encoding="utf-8")

    made = store.make("weights", KEY, goes_on, {})
    assert sorted(p.name for p in made.iterdir()) == sorted([RECORD, "epoch1", "epoch2"])


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_of_two_runs_that_make_one_artefact_the_second_waits_and_takes_or_continues_it(tmp_path, ends):
    under_way, waiting = threading.Event(), threading.Event()
    noticed, results = [], {}

    def first(folder):
        (folder / "epoch1").write_text("done", encoding="utf-8")
        under_way.set()
        assert waiting.wait(20)
        if ends == "badly":
            raise RuntimeError("a fault")
        build()(folder)

    def second(folder):
        assert ends == "badly"
        assert (folder / "epoch1").read_text(encoding="utf-8") == "done"
        build()(folder)

    def notice(text):
        noticed.append(text)
        waiting.set()

    def run(name, work, **told):
        try:
            results[name] = Store(tmp_path, **told).make("finetune", KEY, work, {"network": "vgg16"})
        except RuntimeError as error:
            results[name] = str(error)

    one = threading.Thread(target=run, args=("first", first))
    two = threading.Thread(target=run, args=("second", second), kwargs={"notice": notice})
    one.start()
    assert under_way.wait(20)
    two.start()
    one.join(20)
    two.join(20)
    made = tmp_path / "finetune" / KEY
    assert results == {"first": made if ends == "well" else "a fault", "second": made}
    assert noticed[0].startswith(f"Another run computes the fine-tuning of vgg16: held by process {os.getpid()} on ")
    assert noticed[0].endswith("Waiting for it.")
    assert (made / "sub" / "b.bin").exists()
    assert sorted(p.name for p in (tmp_path / "finetune").iterdir()) == [KEY]


def test_listing_and_pruning(tmp_path):
    assert Store(tmp_path / "absent").entries() == []
    store = Store(tmp_path)
    assert store.entries() == []
    for i, key in enumerate(("old", "middle", "new")):
        made = store.make("features", key, build(), {})
        os.utime(made / RECORD, (1000 + i, 1000 + i))
    assert [e.key for e in store.entries()] == ["old", "middle", "new"]
    assert all(e.complete and e.stage == "features" and e.size > 1000 for e in store.entries())
    store.find("features", "old")  # use makes it young again
    assert [e.key for e in store.entries()] == ["middle", "new", "old"]
    size = sum(e.size for e in store.entries())
    assert store.prune(size) == []
    assert [e.key for e in store.prune(size - 1)] == ["middle"]
    assert [e.key for e in store.prune(0)] == ["new", "old"]
    assert store.entries() == []
    assert not any(p.is_dir() for p in (tmp_path / "features").iterdir())


def test_what_is_being_made_is_not_pruned(tmp_path):
    store = Store(tmp_path)

    def meanwhile(folder):
        (folder / "half").write_bytes(b"0" * 100)
        assert [e.complete for e in store.entries()] == [False]
        assert Store(tmp_path).prune(0) == []
        assert (folder / "half").exists()

    store.make("finetune", KEY, meanwhile, {})
    assert [e.complete for e in store.entries()] == [True]


def test_what_a_working_run_has_used_is_not_pruned(tmp_path):
    notices: list[str] = []
    run, other = Store(tmp_path), Store(tmp_path, notice=notices.append)
    for key in ("before", "found", "unused"):
        made = run.make("features", key, build(), {})
        os.utime(made / RECORD, (1000, 1000))
    with run.in_use():
        assert run.find("features", "found") is not None
        run.make("heads", "made", build(), {})
        assert [e.key for e in other.prune(0)] == ["before", "unused"]
        assert notices == ["2 results stay: a run that is still working has used them."]
        assert run.find("features", "found") is not None
        assert run.make("features", "before", build(), {}).exists()  # made again
    assert {e.key for e in other.prune(0)} == {"found", "made", "before"}
    assert list((tmp_path / "leases").iterdir()) == []


def test_a_killed_run_holds_nothing_back(tmp_path):
    code = (
        "import os, pathlib, sys; from hybridcx.store.artefacts import Store; "
        "lease = Store(pathlib.Path(sys.argv[1])).in_use(); lease.__enter__(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 9
    assert len(list((tmp_path / "leases").iterdir())) == 1
    store = Store(tmp_path)
    store.make("features", KEY, build(), {})
    assert [e.key for e in store.prune(0)] == [KEY]
    assert list((tmp_path / "leases").iterdir()) == []


def test_what_is_pruned_while_it_is_looked_up_is_made_again(tmp_path, monkeypatch):
    store = Store(tmp_path)
    made = store.make("features", KEY, build(), {})

    def pruned_then(folder):
        Store(tmp_path).prune(0)
        return True

    with monkeypatch.context() as patched:
        patched.setattr("hybridcx.store.artefacts._is_sound", pruned_then)
        assert store.find("features", KEY) is None
    assert store.make("features", KEY, build(), {}) == made
    assert (made / RECORD).exists()


def test_files_of_the_image_store_are_listed_and_pruned_with_their_records(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for i, name in enumerate(("older", "newer", "unfinished")):
        (folder / f"{name}.npy").write_bytes(b"0" * 100)
        os.utime(folder / f"{name}.npy", (1000 + i, 1000 + i))
        if name != "unfinished":
            (folder / f"{name}.json").write_bytes(b"{}")
            os.utime(folder / f"{name}.json", (1000 + i, 1000 + i))
    store = Store(tmp_path)
    listed = [(e.stage, e.key, e.size, e.used, e.complete) for e in store.entries()]
    assert listed == [
        ("images", "older", 102, 1000, True),
        ("images", "newer", 102, 1001, True),
        ("images", "unfinished", 100, 1002, False),
    ]
    assert [e.key for e in store.prune(202)] == ["older"]
    assert sorted(p.name for p in folder.iterdir()) == ["newer.json", "newer.npy", "unfinished.npy"]
    assert [e.key for e in store.prune(0)] == ["newer", "unfinished"]
    assert list(folder.iterdir()) == []


def test_records_that_are_none_are_passed_over(tmp_path):
    store = Store(tmp_path)
    for key, change in (("a", {"made_from": [1]}), ("b", {"of": [1]}), ("c", {})):
        made = store.make("features", key, build(), {"k": key})
        record = json.loads((made / RECORD).read_text(encoding="utf-8"))
        (made / RECORD).write_text(json.dumps(record | change), encoding="utf-8")
    (tmp_path / "features" / "c" / RECORD).with_name("other").write_text("x", encoding="utf-8")
    assert [r["made_from"] for r in Store(tmp_path).records("features")] == [{"k": "c"}]


def test_what_cannot_be_read_is_not_taken_for_damaged(tmp_path, monkeypatch):
    """A share that answers late costs nobody a training of hours."""
    store = Store(tmp_path)
    made = store.make("features", KEY, build(), {})

    def stale(path):
        raise OSError(116, "Stale file handle", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("hybridcx.store.artefacts.sha256_file", stale)
        with pytest.raises(OSError, match="Stale"):
            store.find("features", KEY)
        with pytest.raises((OSError, StoppedError), match="Stale"):
            store.make("features", KEY, never, {})
    assert store.make("features", KEY, never, {}) == made


def test_what_another_run_has_made_again_meanwhile_is_kept(tmp_path):
    """Two runs find the same artefact damaged; the slower one comes to the lock when the other has replaced it."""
    said: list[str] = []
    slow, quick = Store(tmp_path, say=said.append), Store(tmp_path)
    made = slow.make("features", KEY, build(), {})
    (made / "a.txt").write_text("2", encoding="utf-8")
    assert slow.find("features", KEY) is None
    assert quick.make("features", KEY, build(), {}) == made
    assert slow.make("features", KEY, never, {}) == made
    assert len(said) == 1


def test_pretrained_weights_are_never_pruned(tmp_path):
    (tmp_path / "weights").mkdir()
    carried_in = tmp_path / "weights" / "vgg16-397923af.pth"
    carried_in.write_bytes(b"1")
    store = Store(tmp_path)
    made = store.make("features", KEY, build(), {})
    assert [e.path for e in store.entries()] == [made]
    store.prune(0)
    assert carried_in.exists()
    assert not made.exists()
