"""Write docs/experiment.md, the table of every key of the experiment file, docs/presets.md, and docs/experiment.schema.json for editors.

    python experiments/make_docs.py

A test holds the committed files equal to what this makes.
"""

from __future__ import annotations

import json
from pathlib import Path

from hybridcx.experiment.file import Experiment, keys_table
from hybridcx.experiment.presets import PRESETS, preset
from hybridcx.experiment.train import TrainSection

DOCS = Path(__file__).resolve().parent.parent / "docs"


PLAN = (
    "## The plan",
    "",
    "`[analysis]`, `[repeat]`, `[ensembles]`, `[training_size]` and the labelling rule are the plan of the analysis. `hybridcx run` locks it, with",
    "its SHA-256 and the time, before the first stage: in the output folder, in the cache and in provenance.json (`plan`). The primary metric of its",
    "comparisons, and of the models in them, is",
    "`confirmatory` (column `role` of metrics.csv, comparisons.csv, verdicts.csv and hybrid_matrix.csv); everything else is `exploratory`.",
    "",
    "A changed plan is a new analysis. It needs another `--out`, or `--fresh`, and trains nothing again. Where predictions of one of the networks",
    "(same data, split, seed, weights and training) already existed under another plan, the report says that the plan was changed after results",
    "existed, and everything in it is exploratory, whatever the folder. The first plan stays confirmatory when run again. Not part of the plan:",
    "`published`, the names, the heads that are fitted. What cannot be known: results seen with another cache, or on another machine.",
)


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
    lines += ["", *PLAN]
    return "\n".join(lines) + "\n"


def presets() -> str:
    """The Markdown page of the presets: every key on which they or the defaults differ, then their assumptions and deviations."""
    columns = {"none": TrainSection()} | {name: TrainSection.model_validate({"preset": name}) for name in PRESETS}
    lines = [
        "# Presets of fine-tuning",
        "",
        "Made by `python experiments/make_docs.py` from the tables in `hybridcx/experiment/presets`, whose comments say where each value is from.",
        "`train.preset` fills in the keys that the experiment file leaves out; a key in the file wins, also over what the preset says for",
        "single networks. Keys that are the same in all columns are left out.",
        "",
        "| key | " + " | ".join(f"`{name}`" for name in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for key in TrainSection.model_fields:
        values = [getattr(options, key) for options in columns.values()]
        if key not in ("preset", "network") and any(v != values[0] for v in values):
            lines.append(f"| `{key}` | " + " | ".join(json.dumps(v) for v in values) + " |")
    networks = dict.fromkeys(n for options in columns.values() for n in options.network)
    for network in networks:
        own = [
            o.network[network].model_dump(exclude_none=True) if network in o.network else {} for o in columns.values()
        ]
        said = [", ".join(f"{k} = {json.dumps(v)}" for k, v in o.items()) for o in own]
        lines.append(f"| `network.{network}` | " + " | ".join(said) + " |")
    for name in PRESETS:
        chosen = preset(name)
        lines += ["", f"## {name}", "", f"{chosen.title[:1].upper()}{chosen.title[1:]}."]
        for heading, statements in (("Assumptions", chosen.assumptions), ("Deviations", chosen.deviations)):
            if statements:
                lines += ["", f"{heading}:", ""]
                lines += [f"- {s.text}" + (f" ({', '.join(s.networks)})" if s.networks else "") for s in statements]
    return "\n".join(lines) + "\n"


def schema() -> str:
    """The JSON Schema."""
    return json.dumps(Experiment.model_json_schema(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    DOCS.mkdir(exist_ok=True)
    (DOCS / "experiment.md").write_text(table(), encoding="utf-8", newline="\n")
    (DOCS / "presets.md").write_text(presets(), encoding="utf-8", newline="\n")
    (DOCS / "experiment.schema.json").write_text(schema(), encoding="utf-8", newline="\n")
