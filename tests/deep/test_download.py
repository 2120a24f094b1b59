"""Fetching from a real HTTP server on this machine: whole, resumed, truncated, replaced by a page, absent."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from weights_server import serving

from hybridcx.deep import download
from hybridcx.errors import InputError, StoppedError
from hybridcx.vocabulary.networks import NETWORKS

CONTENT = np.random.default_rng(0).bytes(3_000_000)
ROW = replace(
    NETWORKS["squeezenet1_1"],
    weights_file=f"squeezenet1_1-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth",
    known_sha256=(),
)


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(CONTENT) as server:
        yield server


def get(server, folder, **keys):
    return download.fetch_file(ROW, folder, url_base=server.url, **keys)


def test_whole_file_with_progress_and_not_twice(server, tmp_path):
    seen = []
    found = get(server, tmp_path / "new", on_progress=lambda done, total: seen.append((done, total)))
    assert found.path.read_bytes() == CONTENT
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == [ROW.weights_file]
    get(server, tmp_path / "new")
    assert server.ranges == [None]


def test_truncated_answers_are_continued(server, tmp_path):
    server.cuts = [1_200_000, 900_000]
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1200000-", "bytes=2100000-"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.resumes, server.cuts = False, [1_200_000]
    assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_broken_off_for_good_keeps_what_came_and_the_next_call_goes_on(server, tmp_path):
    server.cuts = [500_000, 0, 0, 0, 0, 0]
    with pytest.raises(StoppedError, match="500,000 bytes are kept") as error:
        get(server, tmp_path)
    assert str(tmp_path) in str(error.value)
    assert not (tmp_path / ROW.weights_file).exists()
    server.cuts = []
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=500000-"


def test_a_complete_part_file_needs_no_byte_more(server, tmp_path):
    (tmp_path / (ROW.weights_file + ".part")).write_bytes(CONTENT)
    assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_a_part_file_of_something_else_is_dropped(server, tmp_path):
    (tmp_path / (ROW.weights_file + ".part")).write_bytes(b"x" * 1000)
    assert get(server, tmp_path).path.read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/octet-stream"])
def test_a_web_page_is_refused(server, tmp_path, kind):
    server.mode, server.html_kind = "html", kind
    with pytest.raises(InputError, match="web page") as error:
        get(server, tmp_path)
    assert "by hand" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused_by_its_hash(server, tmp_path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(InputError, match="does not have the published SHA-256"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ROW.weights_file).write_bytes(b"old and wrong")
    server.content = CONTENT
    assert get(server, tmp_path).path.read_bytes() == CONTENT


def test_absent_busy_and_no_server(server, tmp_path):
    server.mode = "absent"
    with pytest.raises(InputError, match="404"):
        get(server, tmp_path)
    server.mode = "busy"
    with pytest.raises(StoppedError, match="could not be fetched"):
        get(server, tmp_path)
    with pytest.raises(StoppedError, match="could not be fetched"):
        download.fetch_file(ROW, tmp_path, url_base="http://127.0.0.1:9")
    with pytest.raises(InputError, match="http or https"):
        download.fetch_file(ROW, tmp_path, url_base="file:///etc")


def test_a_proxy_from_the_environment_is_used(server, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/models"))
    found = download.fetch_file(ROW, tmp_path, url_base="http://weights.invalid/models")
    assert found.path.read_bytes() == CONTENT
