"""What made a result: versions, machine, clock; and nothing that names the person or the computer."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import platform
import re
import socket

import pytest

from hybridcx.store import provenance


def test_environment_can_be_written_and_says_what_counts():
    found = provenance.environment()
    assert json.loads(json.dumps(found)) == found
    assert re.fullmatch(r"[0-9a-f]{64}", found["code_sha256"])
    assert found["hybridcx"] == provenance.version()
    assert found["python"] == platform.python_version()
    assert found["processor"]
    assert {"numpy", "pandas", "scipy", "torch"} <= set(found["packages"])


def test_versions_are_those_of_the_installed_packages():
    import numpy
    import pandas

    found = provenance.package_versions()
    assert found["numpy"] == numpy.__version__
    assert found["pandas"] == pandas.__version__
    assert set(found) <= set(provenance.PACKAGES)


def test_packages_that_are_absent_are_left_out(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "hybridcx-no-such-package"))
    assert list(provenance.package_versions()) == ["numpy"]


def test_the_clock_is_utc_to_the_second():
    now = dt.datetime.fromisoformat(provenance.now())
    assert now.utcoffset() == dt.timedelta(0)
    assert now.microsecond == 0
    assert abs((dt.datetime.now(dt.UTC) - now).total_seconds()) < 5


def test_neither_the_user_nor_the_host_is_named():
    text = json.dumps(provenance.environment())
    names = [socket.gethostname()]
    try:
        names.append(getpass.getuser())
    except (OSError, KeyError):  # a container without users
        pytest.skip("no user to look for")
    for name in names:
        if len(name) > 4:  # "root" or "ci" may stand within another word
            assert name not in text
