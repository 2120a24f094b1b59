"""Compares two installed versions of hybridcx cell by cell: do the CSVs of fixed inputs agree?

    python experiments/maintenance/compare_versions.py OLD_PYTHON NEW_PYTHON [--work FOLDER] [--only WORD]

OLD_PYTHON and NEW_PYTHON are the Python interpreters of two environments with different versions of hybridcx. Both run the same commands on the same
inputs: the reference cases of tests/reference/, drawn predictions with patients, seeds, folds and readers, the published tables, every question of
`plan`, and small runs that use every section of the experiment file. A cell counts as a last digit where both numbers agree within a relative
difference of 1e-12. Exit code 1 where a cell, a column, a row or a file differs in any other way. Columns of text (warnings, descriptions) are
counted apart: their wording may change.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference"
LAST_DIGITS = 1e-12
WORDS = {"warning", "description", "values", "step", "reason", "item", "evidence", "text", "notes", "why"}
"""Columns that hold sentences."""
NOT_COMPARED = {"provenance.json", "report.html", "recompute.R"}

SMALL_RUN = """
name = "{name}"
seed = 5
[cohort.phantom]
patients = 90
seed = 2
[cohort.labels]
rule = "agreement"
dispute_reasons = ["reader disagreement"]
[images]
size_px = 32
[networks]
names = ["squeezenet1_1", "mobilenet_v2"]
weights = "none"
[train]
epochs = 1
learning_rate = 0.003
validate_every = 4
[heads]
names = ["logistic", "lda", "xgboost"]
folds = 3
[compute]
device = "cpu"
threads = 1
training_precision = "float32"
[analysis]
n_bootstrap = 200
margin = 0.1
published = "published.csv"
"""
RUNS = {
    "run_split": "",
    "run_ensembles": '[ensembles]\nnetworks = ["mean", "stacking"]\n',
    "run_seeds": "[repeat]\nseeds = 2\n[ensembles]\nseeds = true\n[training_size]\nshares = [0.5]\n",
    "run_folds": '[repeat]\ndesign = "kfold"\nfolds = 3\n',
    "run_holdout": '[repeat]\ndesign = "holdout"\nseeds = 3\n',
}


def draw_predictions(
    path: Path,
    *,
    n: int,
    models: int,
    seed: int,
    patients: bool = False,
    seeds: int = 1,
    folds: int = 0,
    holdout: bool = False,
    calls: bool = True,
) -> None:
    """Predictions with correlated scores, ties and two subgroups."""
    rng = np.random.default_rng(seed)
    columns = ["case_id", "y_true", "model", "y_pred", "score", "site", "split"]
    columns += ["patient_id"] * patients + ["seed"] * (seeds > 1) + ["fold"] * bool(folds)
    rows = []
    pool = n * 2 if holdout else n
    y = rng.random(pool) < 0.4
    latent = y * 1.2 + rng.normal(size=pool)
    site = rng.choice(["a", "b"], pool)
    for s in range(seeds):
        test = np.sort(rng.choice(pool, n, replace=False)) if holdout else np.arange(n)
        for m in range(models):
            shift = rng.normal(scale=0.3)
            score = np.round(1 / (1 + np.exp(-(latent + shift + rng.normal(scale=0.5 + 0.2 * m, size=pool) - 0.6))), 3)
            for i in test:
                row = [
                    f"c{i:03d}",
                    ("normal", "abnormal")[int(y[i])],
                    f"m{m}",
                    ("normal", "abnormal")[int(score[i] >= 0.5)],
                ]
                row += [f"{score[i]:.3f}", site[i], "test"]
                row += (
                    [f"p{i // 2:03d}"] * patients + [str(s + 1)] * (seeds > 1) + ([str(i % folds + 1)] if folds else [])
                )
                rows.append(row)
            if s == 0 and not seeds > 1 and not folds:
                for i in range(40):
                    truth = rng.random() < 0.5
                    value = rng.random() * 0.6 + 0.3 * truth
                    label = ("normal", "abnormal")[int(truth)]
                    call = ("normal", "abnormal")[int(value >= 0.5)]
                    row = [f"v{i:03d}", label, f"m{m}", call, f"{value:.3f}", "a", "validation"]
                    rows.append(row + [f"pv{i:03d}"] * patients)
    truths = {}
    for row in rows:
        row[1] = truths.setdefault(row[0], row[1])
    if not calls:
        columns, rows = [c for c in columns if c != "y_pred"], [r[:3] + r[4:] for r in rows]
    _write(path, columns, rows)


def draw_ratings(path: Path, *, n: int, readers: list[str], seed: int, calls: bool) -> None:
    """Readings that share a latent value: numbers, or calls of two labels with some missing."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n)
    columns = ["case_id", *(f"reader_{r}" for r in readers)]
    cells = []
    for _ in readers:
        value = latent + rng.normal(scale=0.6, size=n)
        cells.append(np.where(value > 0, "abnormal", "normal") if calls else np.char.mod("%.2f", value * 10 + 50))
    _write(path, columns, [[f"c{i:03d}", *(c[i] for c in cells)] for i in range(n)])


def _write(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_inputs(folder: Path) -> None:
    """All inputs that are drawn or reshaped, into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_predictions(folder / "independent.csv", n=120, models=3, seed=1)
    draw_predictions(folder / "scores.csv", n=120, models=3, seed=1, calls=False)
    draw_predictions(folder / "clustered.csv", n=140, models=3, seed=2, patients=True)
    draw_predictions(folder / "seeds.csv", n=90, models=2, seed=3, seeds=4)
    draw_predictions(folder / "clustered_seeds.csv", n=90, models=2, seed=4, seeds=3, patients=True)
    draw_predictions(folder / "folds.csv", n=120, models=2, seed=5, folds=4)
    draw_predictions(folder / "holdout.csv", n=60, models=2, seed=6, seeds=5, holdout=True)
    draw_ratings(folder / "readers.csv", n=120, readers=["ann", "bob", "cy"], seed=7, calls=True)
    draw_ratings(folder / "occasions.csv", n=60, readers=["ann_1", "ann_2", "bob_1", "bob_2"], seed=8, calls=False)
    for source in sorted((REFERENCE / "agreement").glob("called_*.csv")) + sorted(
        (REFERENCE / "agreement").glob("measured_*.csv")
    ):
        with source.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        if any(not r for r in rows):
            continue
        columns = ["case_id", *(f"reader_{name}" for name in header)]
        _write(folder / source.name, columns, [[f"c{i:03d}", *r] for i, r in enumerate(rows)])
    with (REFERENCE / "factorial" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    long = [[r[0], r[1], m, s] for r in rows for m, s in zip(header[2:], r[2:], strict=True)]
    _write(folder / "factorial.csv", ["case_id", "y_true", "model", "score"], long)
    (folder / "published.csv").write_text(
        "model,metric,value\nsqueezenet1_1,accuracy,80.0\nsqueezenet1_1,sensitivity,75.0\n", encoding="utf-8"
    )
    for name, extra in RUNS.items():
        (folder / f"{name}.toml").write_text(SMALL_RUN.format(name=name) + extra, encoding="utf-8")


def commands(inputs: Path) -> dict[str, list[str]]:
    """Case -> arguments of hybridcx, without `--out`."""
    cases: dict[str, list[str]] = {}
    for source in sorted((REFERENCE / "r").glob("*.csv")):
        if source.stem.startswith("pred"):
            cases[source.stem] = ["compare", str(source), "--positive", "abnormal"]
        elif source.stem.startswith("rate"):
            cases[source.stem] = ["agreement", str(source)]
        elif source.stem.startswith("cat"):
            cases[source.stem] = ["agreement", str(source), "--scale", "ordinal"]
    few = ["--n-bootstrap", "500"]
    drawn = {
        "independent": [
            "--margin",
            "0.05",
            "--prevalence",
            "0.1",
            "--by",
            "site",
            "--readers",
            str(inputs / "readers.csv"),
        ],
        "clustered": ["--margin", "0.1", "--stratified", "--by", "site"],
        "seeds": ["--margin", "0.1", "--by", "site"],
        "clustered_seeds": ["--seed-design", "crossed"],
        "folds": ["--margin", "0.1"],
        "holdout": ["--n-train", "200"],
        "factorial": ["--positive", "1", "--all-pairs"],
    }
    for name, options in drawn.items():
        cases[name] = ["compare", str(inputs / f"{name}.csv"), *few, *options]
    plain = ["compare", str(inputs / "independent.csv"), *few]
    scores = ["compare", str(inputs / "scores.csv"), *few]
    cases["youden"] = [*scores, "--threshold", "youden", "--reference", "m0"]
    cases["sensitivity_rule"] = [*scores, "--threshold", "sensitivity=0.9", "--all-pairs", "--confidence-level", "0.9"]
    cases["rank"] = [*plain, "--score-kind", "rank", "--seed", "9"]
    cases["seeds_fixed"] = ["compare", str(inputs / "seeds.csv"), *few, "--seed-design", "fixed"]
    for source in sorted(inputs.glob("called_*.csv")):
        cases[source.stem] = ["agreement", str(source), "--scale", "ordinal", *few]
        cases[f"{source.stem}_nominal"] = ["agreement", str(source), "--scale", "nominal", *few]
    for source in sorted(inputs.glob("measured_*.csv")):
        cases[source.stem] = ["agreement", str(source), "--scale", "measurement", *few]
    cases["readers"] = ["agreement", str(inputs / "readers.csv"), *few]
    cases["occasions"] = ["agreement", str(inputs / "occasions.csv"), *few]
    published = str(ROOT / "experiments" / "published" / "cervical_table3.csv")
    cases["audit"] = ["audit", published, "--positives", "25", "--negatives", "24"]
    cases["audit_percent"] = ["audit", published, "--positives", "24", "--negatives", "25", "--unit", "percent"]
    cases["plan_mcnemar"] = ["plan", "mcnemar", "--p10", "0.15", "--p01", "0.05", "--power", "0.8", "--power", "0.9"]
    cases["plan_sensitivity"] = [
        "plan",
        "mcnemar",
        "--difference",
        "0.1",
        "--discordance",
        "0.2",
        "--metric",
        "sensitivity",
        "--prevalence",
        "0.3",
    ]
    cases["plan_precision"] = ["plan", "precision", "--proportion", "0.9", "--halfwidth", "0.05"]
    cases["plan_noninferiority"] = ["plan", "noninferiority", "--margin", "0.05", "--discordance", "0.1"]
    cases["plan_auc"] = [
        "plan",
        "auc",
        "--auc",
        "0.90",
        "--comparator-auc",
        "0.85",
        "--correlation",
        "0.5",
        "--prevalence",
        "0.3",
    ]
    cases["plan_detectable"] = ["plan", "detectable", "--n", "49"]
    cases["plan_detectable_auroc"] = [
        "plan",
        "detectable",
        "--n",
        "331",
        "--metric",
        "auroc",
        "--comparator-auc",
        "0.85",
        "--correlation",
        "0.5",
    ]
    for name in RUNS:
        cases[name] = ["run", str(inputs / f"{name}.toml"), "--no-images"]
    cases["finished_runs"] = ["compare", "{out}/run_split", "{out}/run_ensembles", *few, "--all-pairs"]
    return cases


def run_cases(python: str, cases: dict[str, list[str]], out: Path) -> dict[str, str]:
    """Case -> first line of standard error where the command failed; reports go to `out`."""
    failures = {}
    environment = {**os.environ, "HYBRIDCX_CACHE": str(out / "cache"), "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    for name, arguments in cases.items():
        shutil.rmtree(out / name, ignore_errors=True)  # a run refuses the folder of another experiment
        filled = [a.replace("{out}", str(out)) for a in arguments]
        command = [python, "-m", "hybridcx", *filled, "--out", str(out / name), "--quiet"]
        end = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=out, stdin=subprocess.DEVNULL, check=False
        )
        if end.returncode not in (0, 1):
            failures[name] = f"exit {end.returncode}: {end.stderr.strip()[-300:]}"
    return failures


def compare_cell(old: str, new: str) -> str:
    """`same`, `last digits` or `different`."""
    if old == new:
        return "same"
    try:
        a, b = float(old), float(new)
    except ValueError:
        return "different"
    return "last digits" if abs(a - b) <= LAST_DIGITS * max(abs(a), abs(b)) else "different"


def compare_files(old: Path, new: Path) -> tuple[Counter[str], list[str]]:
    """Cells by kind of agreement, and each difference in words."""
    tables = []
    for path in (old, new):
        with path.open(newline="", encoding="utf-8") as file:
            tables.append(list(csv.reader(file)))
    (header, *a), (new_header, *b) = tables
    if header != new_header:
        lost, added = [c for c in header if c not in new_header], [c for c in new_header if c not in header]
        if lost or not added:
            return Counter(columns=1), [f"columns: lost {lost}, added {added}"]
        keep = [new_header.index(c) for c in header]
        b = [[r[k] for k in keep] for r in b]
    if len(a) != len(b):
        return Counter(rows=1), [f"{len(a)} rows before, {len(b)} after"]
    counts: Counter[str] = Counter()
    differences = []
    for i, (x, y) in enumerate(zip(a, b, strict=True), 2):
        for column, p, q in zip(header, x, y, strict=True):
            kind = compare_cell(p, q)
            if kind == "different" and (column in WORDS or old.name in ("data_dictionary.csv", "checklist.csv")):
                kind = "wording"
            counts[kind] += 1
            if kind in ("different", "last digits"):
                differences.append(
                    f"line {i}, {column}: {p} before, {q} after" + (" (last digits)" if kind == "last digits" else "")
                )
    return counts, differences


def main() -> int:
    """Run both versions and print what differs; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("/tmp/compare_versions"),
        help="folder of inputs and reports; old reports in it are used again",
    )
    parser.add_argument("--only", default="", help="only cases whose name contains this word")
    options = parser.parse_args()
    inputs = options.work.resolve() / "inputs"
    write_inputs(inputs)
    cases = {n: c for n, c in commands(inputs).items() if options.only in n}
    folders = {}
    for version, python in (("old", options.old), ("new", options.new)):
        folders[version] = options.work.resolve() / version
        folders[version].mkdir(exist_ok=True)
        record = folders[version] / "failures.json"
        known = json.loads(record.read_text()) if version == "old" and record.exists() else {}
        todo = {
            n: c for n, c in cases.items() if version == "new" or not ((folders[version] / n).exists() or n in known)
        }
        failures = known | run_cases(python, todo, folders[version])
        record.write_text(json.dumps(failures, indent=1))
        for name in sorted(set(failures) & set(cases)):
            print(f"{version} {name}: {failures[name]}")
    total: Counter[str] = Counter()
    identical = files = 0
    for name in cases:
        old, new = (folders[v] / name for v in ("old", "new"))
        before, after = ({p.name for p in f.glob("*.csv")} - NOT_COMPARED if f.is_dir() else set() for f in (old, new))
        for lost in sorted(before - after):
            total["files lost"] += 1
            print(f"{name}/{lost}: LOST")
        for added in sorted(after - before):
            print(f"{name}/{added}: added")
        for file in sorted(before & after):
            files += 1
            if (old / file).read_bytes() == (new / file).read_bytes():
                identical += 1
                continue
            counts, differences = compare_files(old / file, new / file)
            total += counts
            print(f"{name}/{file}: {', '.join(f'{k} {n}' for k, n in counts.items() if k != 'same')}")
            for line in differences[:5]:
                print(f"    {line}")
    print(
        f"{len(cases)} cases, {files} CSV files, {identical} identical to the byte; in the others: {dict(total) or 'nothing'}"
    )
    wrong = total["different"] + total["columns"] + total["rows"] + total["files lost"]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
