"""Write docs/experiment.md, the table of every key of the experiment file, and docs/experiment.schema.json for editors.

    python experiments/make_docs.py

A test holds the committed files equal to what this makes.
"""

from __future__ import annotations

import json
from pathlib import Path

from hybridcx.experiment import Experiment, keys_table

DOCS = Path(__file__).resolve().parent.parent / "docs"


def table() -> str:
    """The Markdown page."""
    lines = [
        "# Keys of the experiment file",
        "",
        "Made by `python experiments/make_docs.py` from `hybridcx/experiment.py`. The file is TOML; a dotted name is a key in a table:",
        "`images.size_px` stands under `[images]`. Paths are relative to the experiment file.",
        "",
        "| key | values | default | meaning |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{k}` | {v} | `{d}` | {t} |"
        for k, v, d, t in ((k, v.replace("|", "or"), d, t) for k, v, d, t in keys_table())
    ]
    return "\n".join(lines) + "\n"


def schema() -> str:
    """The JSON Schema."""
    return json.dumps(Experiment.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    (DOCS / "experiment.md").write_text(table(), encoding="utf-8", newline="\n")
    (DOCS / "experiment.schema.json").write_text(schema(), encoding="utf-8", newline="\n")
