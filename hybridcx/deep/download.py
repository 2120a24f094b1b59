"""Fetching a weights file: resumable, checked, and only when asked for.

urllib honours HTTPS_PROXY, HTTP_PROXY and NO_PROXY, and verifies TLS certificates with the system's authorities.
"""

from __future__ import annotations

import errno
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from hybridcx.deep.weights_file import WeightsFile, by_hand, is_published, published_as, sha256_of
from hybridcx.errors import InputError, Problem, StoppedError
from hybridcx.vocabulary.networks import WEIGHTS_URL, Network

CHUNK_BYTES = 1 << 20
TIMEOUT_S = 30
ATTEMPTS = 4
Progress = Callable[[int, int | None], None]


class RefusedAnswerError(Exception):
    """The server's answer is not the file."""


def fetch_file(
    row: Network, folder: Path, *, url_base: str | None = None, on_progress: Progress | None = None
) -> WeightsFile:
    """Download `row.weights_file` from `url_base` (default: torchvision's server) into `folder`.

    The bytes go to `<file>.part` beside the target. A transfer that breaks off is continued from there by an HTTP range request, now or
    by the next call; the file gets its name only when its SHA-256 is the published one. A file that is present and has the right hash is kept.

    `on_progress(bytes so far, bytes in all or None)` is called about every megabyte.

    Raises
    ------
    InputError
        if the server answers with a web page, with another file, or with "not found"; nothing is kept.
    StoppedError
        if there is no connection, if it keeps breaking off, or the disk is full; the partial file is kept, and the same call continues.
    """
    target = folder / row.weights_file
    if target.is_file() and is_published(row, sha256 := sha256_of(target)):
        return WeightsFile(row.name, target, sha256, published_as(row, sha256))
    url = f"{(url_base or WEIGHTS_URL).rstrip('/')}/{row.weights_file}"
    if not url.startswith(("https://", "http://")):
        raise InputError(Problem("weights are fetched by http or https", value=url))
    part = target.with_name(target.name + ".part")
    remedy = by_hand(row, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        resumed = part.exists()
        _complete(url, part, on_progress)
        sha256 = sha256_of(part)
        if not is_published(row, sha256) and resumed:
            # An earlier, different answer may lie at the beginning of the part file: once more from the first byte.
            part.unlink()
            _complete(url, part, on_progress)
            sha256 = sha256_of(part)
        if not is_published(row, sha256):
            part.unlink()
            rule = (
                f"the file from the server does not have the published SHA-256 ({row.sha256_prefix}…), so it is refused"
            )
            raise InputError(Problem(rule, url, value=sha256, remedy=remedy))
        part.replace(target)
    except RefusedAnswerError as error:
        part.unlink(missing_ok=True)
        raise InputError(Problem(f"{error}, so it is refused", url, remedy=remedy)) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise StoppedError(
                f"The disk is full: {part} is kept; make room and run the same command again."
            ) from error
        if isinstance(error, PermissionError):
            raise InputError(Problem("the weights folder cannot be written", str(folder), remedy=remedy)) from error
        reason = getattr(error, "reason", None) or error
        partial = f" {part.stat().st_size:,} bytes are kept and the same command continues." if part.exists() else ""
        raise StoppedError(f"{url} could not be fetched ({reason}).{partial} Or {remedy}.") from error
    return WeightsFile(row.name, target, sha256, published_as(row, sha256))


def _complete(url: str, part: Path, on_progress: Progress | None) -> None:
    """Bring `part` to its full length, in several attempts if the connection breaks."""
    for attempt in range(ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            if _transfer(url, part, before, on_progress):
                return
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            if attempt == ATTEMPTS - 1 or (part.stat().st_size if part.exists() else 0) == before:
                raise ConnectionError(getattr(error, "reason", None) or str(error)) from error
    raise ConnectionError(f"the connection broke off {ATTEMPTS} times")


def _transfer(url: str, part: Path, start: int, on_progress: Progress | None) -> bool:
    """One request. Returns whether the file is complete."""
    request = urllib.request.Request(url, headers={"User-Agent": "hybridcx", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        response = urllib.request.build_opener().open(request, timeout=TIMEOUT_S)  # reads the present proxy settings
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # nothing after `start`: the part file is complete, and its hash is checked
                return True
            if error.code < 500 and error.code not in (408, 429):
                raise RefusedAnswerError(f"the server answers with {error.code} {error.reason}") from None
            raise
    with response:
        if "html" in response.headers.get_content_type():
            raise RefusedAnswerError("the answer is a web page, not weights (a proxy's or a login page?)")
        if start and not (
            response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        ):
            start = 0  # the server sends the whole file
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        with part.open("ab" if start else "wb") as file:
            while chunk := response.read(CHUNK_BYTES):
                if done == 0 and chunk.lstrip()[:1] == b"<":
                    raise RefusedAnswerError("the answer is a web page, not weights (a proxy's or a login page?)")
                file.write(chunk)
                done += len(chunk)
                if on_progress is not None:
                    on_progress(done, total)
    return total is None or done >= total
