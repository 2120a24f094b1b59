"""Branch coverage of the tests, by rooms, held against what was promised: stats/, records/ and artefacts.py whole, all else outside deep/ 95 %.

    python experiments/maintenance/branch_coverage.py          runs the quick tests first (about three quarters of an hour on two cores)
    python experiments/maintenance/branch_coverage.py --read   reads the data of the run before

Processes that tests start are counted too. Exits with 1 where a room falls short; every file that is not whole is listed with its lines.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

PROMISED = {"stats": 1.0, "records": 1.0, "artefacts.py": 1.0, "deep": 0.0}
OTHERWISE = 0.95


def room(file: str) -> str:
    """The room of a file of the package."""
    first = Path(file).parts[1]
    return first if first in PROMISED else "the rest"


def main() -> None:
    """Run, combine, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", action="store_true", help="do not run the tests")
    parser.add_argument("tests", nargs="*", help="pytest's arguments in the place of the quick tests")
    o = parser.parse_args()
    coverage = [sys.executable, "-m", "coverage"]
    if not o.read:
        subprocess.run([*coverage, "erase"], check=True)
        subprocess.run([*coverage, "run", "-m", "pytest", "-q", *(o.tests or ["-m", "not slow"])], check=False)
        subprocess.run([*coverage, "combine", "-q"], check=True)
    written = subprocess.run([*coverage, "json", "-q", "-o", "-"], check=True, capture_output=True, text=True)
    of_room: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for file, found in sorted(json.loads(written.stdout)["files"].items()):
        s = found["summary"]
        hit, there = s["covered_lines"] + s["covered_branches"], s["num_statements"] + s["num_branches"]
        of_room[room(file)][0] += hit
        of_room[room(file)][1] += there
        if hit < there:
            missing = [*map(str, found["missing_lines"]), *(f"{a}->{b}" for a, b in found["missing_branches"])]
            print(f"{file}: {hit / there:.1%}: {', '.join(missing[:20])}{' …' if len(missing) > 20 else ''}")
    short = False
    for name, (hit, there) in sorted(of_room.items()):
        promised = PROMISED.get(name, OTHERWISE)
        met = hit >= promised * there
        short |= not met
        print(
            f"{name:14} {hit / there:7.2%} of {there:6,} lines and branches, promised {promised:.0%}{'' if met else ': MISSED'}"
        )
    sys.exit(int(short))


if __name__ == "__main__":
    main()
