"""The output folder: ours or empty, one writer, replaced when complete and never before."""

from __future__ import annotations

import json
import os
import platform
import shutil
from pathlib import Path

import pytest

from hybridcx.errors import InputError, StoppedError
from hybridcx.store.report_folder import COMMIT, INNER, PROVENANCE, STATE, file_hashes, open_output


def write_results(folder, files):
    """New results of `files` (name -> text), with the list that finds them again."""
    new = folder.begin()
    for name, text in files.items():
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        (new / name).write_text(text, encoding="utf-8")
    record = {"command": folder.command, "schema_version": 1, "files": file_hashes(new)}
    (new / PROVENANCE).write_text(json.dumps(record), encoding="utf-8")


def publish(path, files, command="compare"):
    with open_output(path, command) as folder:
        write_results(folder, files)
        folder.commit()


def visible(path):
    found = [p for p in path.rglob("*") if p.is_file() and INNER not in p.parts]
    return {p.relative_to(path).as_posix(): p.read_text(encoding="utf-8") for p in found}


def refused(path, command="compare"):
    with pytest.raises(InputError) as e, open_output(path, command):
        pass
    return str(e.value)


def test_new_results_take_the_place_of_the_earlier_ones(tmp_path):
    out = tmp_path / "reports" / "a"
    publish(out, {"metrics.csv": "1", "old.csv": "x", "sub/figure.svg": "s"})
    (out / "notes of the reader.txt").write_text("mine", encoding="utf-8")
    publish(out, {"metrics.csv": "2", "new.csv": "y"})
    found = visible(out)
    del found[PROVENANCE]
    assert found == {"metrics.csv": "2", "new.csv": "y", "notes of the reader.txt": "mine"}
    assert not (out / INNER / "new").exists()
    assert not (out / INNER / COMMIT).exists()


def test_an_existing_empty_folder_is_taken(tmp_path):
    publish(tmp_path, {"a": "1"})
    assert visible(tmp_path)["a"] == "1"


@pytest.mark.parametrize("error", [InputError("bad"), RuntimeError("a fault"), KeyboardInterrupt()])
def test_earlier_results_stay_when_the_command_fails(tmp_path, error):
    publish(tmp_path, {"metrics.csv": "1"})
    before = visible(tmp_path)
    with pytest.raises(type(error)), open_output(tmp_path, "compare") as folder:  # noqa: PT012
        write_results(folder, {"metrics.csv": "2"})
        raise error
    assert visible(tmp_path) == before
    publish(tmp_path, {"metrics.csv": "3"})
    assert visible(tmp_path)["metrics.csv"] == "3"


def test_bad_input_leaves_nothing_behind(tmp_path):
    out = tmp_path / "reports" / "a"
    with pytest.raises(InputError), open_output(out, "compare"):
        raise InputError("bad")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError), open_output(tmp_path / "mine", "compare"):
        raise InputError("bad")
    assert list((tmp_path / "mine").iterdir()) == []


# Whose folder


def test_a_foreign_folder_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.docx").write_bytes(b"1")
    text = refused(tmp_path)
    assert "hybridcx did not make it" in text
    assert "--out" in text
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.docx"]


@pytest.mark.parametrize("content", ["{}", "[]", "not json", '{"schema_version": 1}'])
def test_a_file_called_provenance_does_not_make_a_folder_ours(tmp_path, content):
    (tmp_path / PROVENANCE).write_text(content, encoding="utf-8")
    assert "hybridcx did not make it" in refused(tmp_path)
    assert not (tmp_path / INNER).exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "f").write_bytes(b"1")
    assert "a file, not a folder" in refused(tmp_path / "f")
    assert "cannot be written" in refused(tmp_path / "f" / "below")


def test_the_folder_of_another_command_is_refused(tmp_path):
    publish(tmp_path, {"agreement.csv": "1"}, "agreement")
    before = visible(tmp_path)
    assert "hybridcx agreement" in refused(tmp_path)
    shutil.rmtree(tmp_path / INNER)  # a report that was copied without its hidden folder
    assert "hybridcx agreement" in refused(tmp_path)
    assert visible(tmp_path) == before


def test_a_newer_schema_is_refused_and_an_older_one_replaced(tmp_path):
    publish(tmp_path, {"a": "1"})
    for name in (f"{INNER}/{STATE}", PROVENANCE):
        record = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        (tmp_path / name).write_text(json.dumps({**record, "schema_version": 99}), encoding="utf-8")
    assert "newer hybridcx (schema 99" in refused(tmp_path)
    for name in (f"{INNER}/{STATE}", PROVENANCE):
        record = json.loads((tmp_path / name).read_text(encoding="utf-8"))
        (tmp_path / name).write_text(json.dumps({**record, "schema_version": 0}), encoding="utf-8")
    publish(tmp_path, {"a": "2"})
    assert visible(tmp_path)["a"] == "2"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_said_before_any_work(tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert "cannot be written" in refused(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_cannot_be_written_is_said_before_any_work(tmp_path, monkeypatch):
    def read_only(self, *args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "write_bytes", read_only)
    assert "Read-only file system" in refused(tmp_path / "out")


def test_one_writer_at_a_time(tmp_path):
    publish(tmp_path, {"a": "1"})
    with open_output(tmp_path, "compare"):
        text = refused(tmp_path)
    assert "is in use" in text
    assert f"held by process {os.getpid()} on {platform.node()}, since 20" in text
    assert visible(tmp_path)["a"] == "1"


def test_who_comes_second_does_not_remove_the_first_ones_folder(tmp_path):
    out = tmp_path / "out"
    with open_output(out, "compare") as folder:
        refused(out)
        write_results(folder, {"a": "1"})
        folder.commit()
    assert visible(out)["a"] == "1"


# Killed at any moment


def test_killed_before_its_first_note_the_same_command_continues(tmp_path):
    (tmp_path / INNER).mkdir()
    (tmp_path / INNER / "lock").write_bytes(b"")
    publish(tmp_path, {"a": "1"})
    assert visible(tmp_path)["a"] == "1"


FILES = ["a.csv", "b.csv", "sub/c.csv", PROVENANCE]


@pytest.mark.parametrize("moved", range(len(FILES) + 1))
def test_an_interrupted_replacement_is_rolled_forward(tmp_path, moved):
    publish(tmp_path, {"a.csv": "1", "b.csv": "1", "gone.csv": "1"})
    with open_output(tmp_path, "compare") as folder:
        write_results(folder, {"a.csv": "2", "b.csv": "2", "sub/c.csv": "2"})
        # as far as `commit` comes before it is killed: the list is written, some files are moved
        plan = {"files": FILES, "earlier": ["a.csv", "b.csv", "gone.csv", PROVENANCE]}
        (folder.inner / COMMIT).write_text(json.dumps(plan), encoding="utf-8")
        for name in FILES[:moved]:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (folder.new / name).replace(tmp_path / name)
    with open_output(tmp_path, "compare"):
        pass
    found = visible(tmp_path)
    listed = json.loads(found.pop(PROVENANCE))["files"]
    assert found == {"a.csv": "2", "b.csv": "2", "sub/c.csv": "2"}
    assert set(listed) == set(found)
    assert not (tmp_path / INNER / COMMIT).exists()


def test_killed_before_the_list_was_written_the_earlier_results_count(tmp_path):
    publish(tmp_path, {"a.csv": "1"})
    before = visible(tmp_path)
    with open_output(tmp_path, "compare") as folder:
        write_results(folder, {"a.csv": "2"})  # killed before commit
    with open_output(tmp_path, "compare") as folder:
        assert visible(tmp_path) == before
        assert list(folder.begin().iterdir()) == []


def test_a_file_that_is_open_elsewhere_stops_the_command_and_the_next_one_goes_on(tmp_path, monkeypatch):
    publish(tmp_path, {"a.csv": "1", "b.csv": "1"})
    replace = Path.replace

    def opened_in_a_spreadsheet(self, target):
        if Path(target).name == "b.csv":
            raise PermissionError(13, "The process cannot access the file")
        return replace(self, target)

    with monkeypatch.context() as m:
        m.setattr(Path, "replace", opened_in_a_spreadsheet)
        with pytest.raises(StoppedError, match=r"b\.csv") as e:
            publish(tmp_path, {"a.csv": "2", "b.csv": "2"})
        assert "close the program" in str(e.value).lower()
    with open_output(tmp_path, "compare"):
        pass
    assert {k: v for k, v in visible(tmp_path).items() if k != PROVENANCE} == {"a.csv": "2", "b.csv": "2"}


def test_a_damaged_list_is_said(tmp_path):
    publish(tmp_path, {"a.csv": "1"})
    (tmp_path / INNER / COMMIT).write_text("{", encoding="utf-8")
    assert "damaged" in refused(tmp_path)
    assert visible(tmp_path)["a.csv"] == "1"


@pytest.mark.parametrize("escape", ["../outside.txt", "sub/../../outside.txt", "..\\outside.txt", "ABSOLUTE"])
def test_a_report_from_elsewhere_cannot_make_us_remove_other_files(tmp_path, escape):
    outside, out = tmp_path / "outside.txt", tmp_path / "out"
    outside.write_text("mine", encoding="utf-8")
    publish(out, {"a.csv": "1"})
    record = json.loads((out / PROVENANCE).read_text(encoding="utf-8"))
    record["files"][str(outside) if escape == "ABSOLUTE" else escape] = "0" * 64
    (out / PROVENANCE).write_text(json.dumps(record), encoding="utf-8")
    (out / "sub").mkdir()
    publish(out, {"a.csv": "2"})
    assert outside.read_text(encoding="utf-8") == "mine"


# State and hashes


def test_notes_for_the_next_run(tmp_path):
    with open_output(tmp_path, "run") as folder:
        folder.write_state({"data": {"sha": "1"}})
    with open_output(tmp_path, "run") as folder:
        assert folder.read_state()["data"] == {"sha": "1"}
        (folder.inner / STATE).write_text("{", encoding="utf-8")
        with pytest.raises(InputError, match="damaged"):
            folder.read_state()
        (folder.inner / STATE).unlink()
        assert folder.read_state() == {}


def test_hashes_have_names_that_mean_the_same_everywhere(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b").write_bytes(b"abc")
    assert list(file_hashes(tmp_path)) == ["sub/b"]
