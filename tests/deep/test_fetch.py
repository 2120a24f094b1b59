"""`weights fetch` from end to end: kept as safetensors, found damaged, not fetched twice; through a proxy; on the command line."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model
from weights_server import serving

from hybridcx.deep import download, weights
from hybridcx.errors import InputError, StoppedError
from hybridcx.vocabulary.networks import NETWORKS

SHARED = Path(__file__).parents[2] / "../shared/data/weights/squeezenet1_1.pth"
NAME = "squeezenet1_1"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def published(monkeypatch):
    """A state dict of random numbers that passes for the published one, and a server that has it."""
    torch.manual_seed(0)
    state = get_model(NAME, weights=None).state_dict()
    out = io.BytesIO()
    torch.save(state, out)
    content = out.getvalue()
    row = replace(NETWORKS[NAME], weights_file=f"{NAME}-{hashlib.sha256(content).hexdigest()[:8]}.pth", known_sha256=())
    monkeypatch.setattr(weights, "network", lambda _: row)
    with serving(content) as server:
        yield server, state, row


def test_what_is_fetched_is_kept_as_safetensors_and_not_fetched_twice(published, tmp_path):
    server, state, row = published
    found = weights.fetch(NAME, tmp_path, url_base=server.url)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{NAME}.safetensors", f"{NAME}.safetensors.sha256"]
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()
    assert f"by the eight digits of their SHA-256 that it publishes ({row.sha256_prefix})" in found.origin
    loaded = weights.load_state_dict(found, NAME)
    assert all(torch.equal(loaded[k], v) for k, v in state.items())
    assert weights.locate(NAME, "folder", tmp_path) == found
    assert weights.fetch(NAME, tmp_path, url_base=server.url) == found
    assert len(server.ranges) == 1


def test_a_kept_file_that_was_damaged_is_refused_and_fetched_again(published, tmp_path):
    server, _, _ = published
    found = weights.fetch(NAME, tmp_path, url_base=server.url)
    data = bytearray(found.path.read_bytes())
    data[-1] ^= 1
    found.path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"is not the one in squeezenet1_1\.safetensors\.sha256"):
        weights.locate(NAME, "folder", tmp_path)
    status = {s.network: s for s in weights.verify(tmp_path)}[NAME]
    assert status.status == "refused"
    assert weights.fetch(NAME, tmp_path, url_base=server.url) == found
    assert len(server.ranges) == 2


def test_files_that_the_user_brought_are_left_alone(published, tmp_path):
    server, state, row = published
    carried = tmp_path / "carried"
    carried.mkdir()
    (carried / row.weights_file).write_bytes(server.content)
    assert weights.fetch(NAME, carried, url_base=server.url).path == carried / row.weights_file
    own = tmp_path / "own"
    own.mkdir()
    weights.save_file(state, own / f"{NAME}.safetensors")
    before = (own / f"{NAME}.safetensors").read_bytes()
    assert weights.fetch(NAME, own, url_base=server.url).path.name == row.weights_file
    assert (own / f"{NAME}.safetensors").read_bytes() == before


def test_a_fetched_pickle_that_runs_code_is_refused_and_does_not_run(published, tmp_path, monkeypatch):
    """Somebody found a file with the same eight digits: it is opened as tensors alone."""
    server, _, _ = published
    canary = tmp_path / "canary"

    class Evil:
        def __reduce__(self):
            return (Path.touch, (canary,))

    out = io.BytesIO()
    torch.save({"features.0.weight": Evil()}, out)
    server.content = out.getvalue()
    row = replace(NETWORKS[NAME], weights_file=f"{NAME}-{hashlib.sha256(server.content).hexdigest()[:8]}.pth")
    monkeypatch.setattr(weights, "network", lambda _: row)
    with pytest.raises(InputError, match="run code"):
        weights.fetch(NAME, tmp_path / "folder", url_base=server.url)
    assert not canary.exists()
    assert not (tmp_path / "folder" / f"{NAME}.safetensors").exists()


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
def test_https_goes_through_the_proxy_and_its_refusal_is_said(published, tmp_path, monkeypatch, variable):
    server, _, row = published
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(variable, server.url.removesuffix("/models"))
    with pytest.raises(StoppedError, match=r"could not be fetched.*by hand"):
        download.fetch_file(row, tmp_path, url_base="https://weights.invalid/models")
    assert server.tunnels == ["weights.invalid:443"]


def test_how_sure_a_hash_is_stands_in_the_words():
    row = NETWORKS["vgg16"]
    assert "whole SHA-256" in weights.published_as(row, row.known_sha256[0])
    assert "eight digits" in weights.published_as(NETWORKS["vgg19"], "dcbb9e9d" + "0" * 56)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/data/weights is not beside the checkout")
def test_the_command_line_with_real_weights_through_a_proxy_that_breaks_off(tmp_path, monkeypatch, call):
    folder = tmp_path / "w"
    with serving(SHARED.read_bytes()) as server:
        server.cuts = [1_000_000, 2_000_000]
        monkeypatch.setenv("HTTP_PROXY", server.url.removesuffix("/models"))
        monkeypatch.setenv("no_proxy", "")

        def command(*arguments: str) -> tuple[int, str, str]:
            return call("weights", *arguments, "--dir", str(folder))

        mirror = ("--from", "http://weights.invalid/models")
        code, out, _ = command("fetch", NAME, *mirror)
        assert (code, out.strip()) == (0, str(folder / f"{NAME}.safetensors"))
        assert server.ranges == [None, "bytes=1000000-", "bytes=3000000-"]
        code, out, _ = command("verify")
        assert code == 0
        assert f"{NAME:<18} ok" in out
        assert "whole SHA-256" in out
        server.mode = "html"
        code, _, err = command("fetch", "alexnet", *mirror)
        assert code == 2
        assert "web page" in err
        assert "by hand" in err
        (folder / f"{NAME}.safetensors").write_bytes(b"<html>")
        code, out, _ = command("verify")
        assert code == 1
        assert "refused" in out
        assert command("list")[0] == 0
