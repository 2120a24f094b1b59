"""Known vulnerabilities of the packages in constraints.txt, by pip-audit.

    python .ci/known_vulnerabilities.py            # 0: none known, or the service cannot be reached (said); 1: some are known
    python .ci/known_vulnerabilities.py --required # 1 as well where a package could not be looked up

pip-audit itself ends with 0 when an index cannot answer for a package; here such packages are counted and named, and never called clean.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
NAMED = 5


def judged(report: dict[str, list[dict[str, object]]], *, required: bool = False) -> tuple[int, list[str]]:
    """Exit code and lines for pip-audit's JSON: dependencies with `vulns` (id, fix_versions) or a `skip_reason`."""
    rows = report.get("dependencies", [])
    skipped = [str(r["name"]) for r in rows if "skip_reason" in r]
    looked_up, lines, found = len(rows) - len(skipped), [], 0
    for r in rows:
        vulns = r.get("vulns") or []
        assert isinstance(vulns, list)
        for v in vulns:
            found += 1
            lines.append(
                f"KNOWN {r['name']} {r.get('version')}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version'}"
            )
    if skipped or not rows:
        few = ", ".join(skipped[:NAMED]) + (f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else "")
        lines.append(
            f"NOT AUDITED: {len(skipped)} of {len(rows)} packages could not be looked up ({few or 'none was listed'})"
        )
    if looked_up:
        lines.append(f"{looked_up} packages looked up, {found} known vulnerabilities")
    return (1 if found or (required and (skipped or not rows)) else 0), lines


def main() -> int:
    """Ask for every package of constraints.txt, as it is named there."""
    required = "--required" in sys.argv[1:]
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "-r",
        str(CONSTRAINTS),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner",
        "off",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        report = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(
            f"NOT AUDITED: pip-audit gave no answer ({type(error).__name__}); its service is not reachable, or it is not installed"
        )
        return 1 if required else 0
    code, lines = judged(report, required=required)
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main())
