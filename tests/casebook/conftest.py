"""Whole runs of these tests work in one process and probe for shortcuts with few trees; both have tests of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_runs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hybridcx.heads.probe.TREES", 5)
        patch.setattr("hybridcx.workers.local.default_jobs", lambda: 1)
        yield
