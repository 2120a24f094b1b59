"""The audit of the packages never calls clean what it could not look up."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / ".ci/known_vulnerabilities.py"
CLEAN = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("rows", "optional", "required", "said"),
    [
        ([CLEAN], 0, 0, ["1 packages looked up, 0 known vulnerabilities"]),
        ([CLEAN, BAD], 1, 1, ["KNOWN b 2: X-1, mended in 3", "2 packages looked up, 1 known vulnerabilities"]),
        ([CLEAN, SKIPPED], 0, 1, ["NOT AUDITED: 1 of 2 packages could not be looked up (c)", "1 packages looked up, 0 known vulnerabilities"]),
        ([SKIPPED], 0, 1, ["NOT AUDITED: 1 of 1 packages could not be looked up (c)"]),
        ([], 0, 1, ["NOT AUDITED: 0 of 0 packages could not be looked up (none was listed)"]),
    ],
)  # fmt: skip
def test_what_was_not_looked_up_is_not_clean(rows, optional, required, said):
    judged = runpy.run_path(str(SCRIPT))["judged"]
    assert judged({"dependencies": rows}) == (optional, said)
    assert judged({"dependencies": rows}, required=True) == (required, said)
