"""Mutation test of some files of stats/ and records/: which changes of the code does no test notice?

    python -m pip install "mutmut>=3.8"
    mutmut run --max-children 2          about 20 minutes on two cores; the files and tests are in pyproject.toml, [tool.mutmut]
    python experiments/maintenance/mutation.py       the counts of each file, and the survivors that are not about wording

mutmut (BSD-3) changes one thing at a time and runs the tests that reach it. Survivors that differ inside a string alone (messages, mostly with XX
about them or in another case) are counted as wording. `--all` lists those too.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from pathlib import Path

_STRING = re.compile(r"""[rf]*"(?:[^"\\]|\\.)*"|[rf]*'(?:[^'\\]|\\.)*'""")
_UNTESTED = 33  # mutmut's exit code where no test reaches a mutant
_TIMED_OUT = (-24, 24, 36)


def changed_lines(diff: str) -> tuple[list[str], list[str]]:
    """The lines that a unified diff takes away and adds."""
    lines = diff.splitlines()[2:]
    return [x[1:].strip() for x in lines if x.startswith("-")], [x[1:].strip() for x in lines if x.startswith("+")]


def is_wording(before: list[str], after: list[str]) -> bool:
    """Whether lines differ inside strings alone."""
    return _STRING.sub('""', "\n".join(before)) == _STRING.sub('""', "\n".join(after))


def main() -> None:
    """Read mutmut's results and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="only files with one of these in their path")
    parser.add_argument("--all", action="store_true", help="wording too")
    o = parser.parse_args()
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    total: Counter[str] = Counter()
    for meta in sorted(Path("mutants").rglob("*.meta")):
        file = meta.relative_to("mutants").with_suffix("")
        found = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not found or (o.files and not any(part in str(file) for part in o.files)):
            continue
        counts: Counter[str] = Counter()
        for mutant, code in found.items():
            if code is None:
                counts["not run"] += 1
            elif code == _UNTESTED:
                counts["without a test"] += 1
            elif code:
                counts["timed out" if code in _TIMED_OUT else "killed"] += 1
            else:
                before, after = changed_lines(get_diff_for_mutant(mutant, path=str(file)))
                wording = is_wording(before, after)
                counts["wording" if wording else "survived"] += 1
                if o.all or not wording:
                    print(mutant, *(f"    - {x}" for x in before), *(f"    + {x}" for x in after), sep="\n")
        print(
            f"{file}: {sum(counts.values())} mutants, " + ", ".join(f"{n} {what}" for what, n in counts.most_common())
        )
        total += counts
    print(f"in all: {sum(total.values())} mutants, " + ", ".join(f"{n} {what}" for what, n in total.most_common()))


if __name__ == "__main__":
    main()
