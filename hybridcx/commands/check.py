"""`hybridcx check FILE`: every problem of an experiment, a cohort manifest, a predictions or a ratings file, before anything runs.

The readers that the other commands use do the checking; this module finds out which kind of file it is, goes on after the first reader
that refuses, and collects. Nothing is written but temporary images, which are removed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

from hybridcx.analysis.published.printed import read_printed
from hybridcx.cohort.cohort import CROP, REQUIRED, Cohort
from hybridcx.cohort.files import safe_relative, split_frame
from hybridcx.cohort.manifest import read_manifest
from hybridcx.cohort.patient_tokens import image_like, patient_token_warnings
from hybridcx.commands.options import (
    CheckedFile,
    Columns,
    FileKind,
    Guess,
    Positive,
    ReportsProgress,
    Scale,
    ScoreKind,
    checked,
    documented,
)
from hybridcx.errors import InputError, MissingExtraError, Problem
from hybridcx.experiment.file import Experiment, read_experiment, with_changes
from hybridcx.experiment.partial import PartialExperiment, partial_experiment
from hybridcx.images.decode import decode_bytes
from hybridcx.images.duplicates import pixel_identical
from hybridcx.images.near_duplicates import near_duplicates, warnings
from hybridcx.images.prepare import prepare
from hybridcx.images.store import ImageStore, prepare_store
from hybridcx.pipeline import shortcuts
from hybridcx.pipeline.cases import check_heads
from hybridcx.pipeline.cohort import load_cohort
from hybridcx.pipeline.costs.limits import counts_of, limit_messages
from hybridcx.pipeline.costs.memory import Counts, drawn_counts
from hybridcx.pipeline.planned_models import check_plan, model_names
from hybridcx.pipeline.units import divisions_of, make_size_units, make_units
from hybridcx.progress import OfPython, Progress
from hybridcx.records.arrays import label_text
from hybridcx.records.cells import nearest, squash
from hybridcx.records.containers import PARQUET, is_stream, spooled
from hybridcx.records.file_kinds import READ, container_of, not_a_file
from hybridcx.records.layouts import SYNONYMS, Layout, parse_columns
from hybridcx.records.predictions import AS_LONG, read_predictions
from hybridcx.records.ratings import PREFIXES, long_columns, read_ratings
from hybridcx.records.strict_csv import MAX_COLUMNS, scan_csv
from hybridcx.store.artefacts import Store, cache_root
from hybridcx.vocabulary import networks
from hybridcx.vocabulary.extras import absent, remedy

Kind = Literal["experiment", "cohort", "predictions", "ratings"]
KINDS = ("experiment", "cohort", "predictions", "ratings")
NAMES = {
    "experiment": "an experiment",
    "cohort": "a cohort manifest",
    "predictions": "predictions",
    "ratings": "ratings",
    "unknown": "a file of a kind that cannot be told",
}
COLUMNS = ("severity", "file", "row", "column", "value", "problem", "remedy")
_SIGNS = {"cohort": ("patient_id", "image", "label"), "predictions": ("y_true", "model", "y_pred", "score")}
_PUBLISHED = ("model", "metric", "value")
NO_FILE = "there is no such file"
_SECRET = re.compile(r"[0-9A-Fa-f]{32,}")  # a key of pseudonyms is not to be shown
_TRIAL_PX = 128  # side of the images that are prepared to see whether they can be, and which are nearly the same


@dataclass
class Checked:
    """What was found: the kind of file, what it holds in a line, every problem, errors first, and what an experiment needs (`limits`).

    `unchecked`: what could not be looked at, since the extra `deep` is not installed.
    """

    kind: Kind | Literal["unknown"]
    holds: str = ""
    problems: list[Problem] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing would be refused; warnings do not count."""
        return not any(p.severity == "error" for p in self.problems)

    @property
    def table(self) -> pd.DataFrame:
        """The problems as a table, columns severity, file, row, column, value, problem, remedy."""
        rows = [(p.severity, p.file, p.row, p.column, p.value, p.rule, p.remedy) for p in self.problems]
        return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"row": "Int64"})

    def collect(self, work: Callable[[], object]) -> bool:
        """Do `work`, keep what it refuses, and return whether it refused nothing."""
        try:
            work()
        except InputError as error:
            self.problems += [p for p in error.problems if p not in self.problems]
            return False
        return True


def check_file(
    path: Path,
    *,
    kind: Kind | None = None,
    positive: str | None = None,
    score_kind: ScoreKind = "probability",
    layout: Layout = AS_LONG,
    scale: Scale | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Check a file as the command that reads it would, and what it refers to. See `hybridcx.check`.

    An empty file, or one whose kind is not recognised, is a finding like any other (kind "unknown"). Raises InputError where
    there is no such file, which is no finding about one.
    """
    if is_stream(path):
        with spooled(path) as (copy, name):
            if kind in ("experiment", "cohort") or (kind is None and _refers_to_files(copy)):
                rule = "an experiment or a cohort manifest, which names files relative to its own folder"
                raise InputError(Problem(rule, name, remedy="give its path instead of a pipe"))
            found = check_file(copy, kind=kind, positive=positive, score_kind=score_kind, layout=layout, scale=scale)
            found.problems = [_of_stream(p, copy, name) for p in found.problems]
            return found
    if problem := not_a_file(path):
        raise InputError(problem)
    progress = progress or OfPython()
    found = Checked(kind or "unknown")
    recognised: list[Kind] = []
    if kind is None and found.collect(lambda: recognised.append(recognise(path))):
        found.kind = recognised[0]
    if found.kind == "experiment":
        _experiment(path, found, progress)
    elif found.kind == "cohort":
        _cohort(path, found, lambda: read_manifest(path, positive=positive), progress)
    elif found.kind == "predictions":
        found.collect(lambda: _predictions(path, found, positive, score_kind, layout))
    elif found.kind == "ratings":
        found.collect(lambda: _ratings(path, found, scale))
    if names := absent("deep"):
        what = f"not checked without {', '.join(names)}: {', '.join(found.unchecked)}" if found.unchecked else ""
        if found.kind == "experiment":
            what = "`hybridcx run` needs packages that are not installed" + (f"; {what}" if what else "")
        if what:
            found.problems.append(Problem(what, path.name, remedy=remedy("deep"), severity="warning"))
    found.problems.sort(key=lambda p: (p.severity != "error", p.file or "", p.row or 0))
    return found


def _refers_to_files(path: Path) -> bool:
    """Whether a file is a cohort manifest; False where its kind is not recognised."""
    try:
        return recognise(path) == "cohort"
    except InputError:
        return False


def _of_stream(problem: Problem, copy: Path, name: str) -> Problem:
    """The problem of the temporary copy of a stream, with the name of the stream."""
    prefix = next((p for p in (str(copy), copy.name) if (problem.file or "").startswith(p)), None)
    return problem if prefix is None else replace(problem, file=name + str(problem.file)[len(prefix) :])


def recognise(path: Path) -> Kind:
    """The kind of a file: by its ending (.toml), its container, otherwise by its columns, misspelt ones and usual other names included.

    Raises InputError where the columns say nothing or two things at once.
    """
    if path.suffix.lower() == ".toml":
        return "experiment"
    with path.open("rb") as file:
        data = file.read(65_536)
    if not data.strip():
        raise InputError(Problem("an empty file", str(path), remedy="check how it was written"))
    if path.suffix.lower() in PARQUET or container_of(data) in READ:
        return "predictions"
    utf16 = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    lines = data.decode("utf-16" if utf16 else "utf-8-sig", errors="replace").splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("sep=")), "")
    separator = max(",;\t", key=first.count)
    columns = [c.strip().strip('"') for c in first.split(separator)][:MAX_COLUMNS]
    names = {squash(c) for c in columns}
    roles = {role for role, synonyms in SYNONYMS.items() if names & set(synonyms)}
    signs: dict[Kind, float] = {
        "cohort": sum(nearest(c, _SIGNS["cohort"]) is not None for c in columns) / 3,
        "predictions": max(
            sum(nearest(c, _SIGNS["predictions"]) is not None for c in columns) / 3,
            0.5 * ("y_true" in roles) + 0.25 * len(roles & {"y_pred", "score"}),
        ),
        "ratings": 1.0 if long_columns(columns) else sum(c.startswith(PREFIXES) for c in columns) / 2,
    }
    if max(signs["cohort"], signs["predictions"]) > 0.6:
        signs["ratings"] = 0  # both may carry readings
    best = max(signs.values())
    which = [k for k, v in signs.items() if v == best]
    if best > 0.3 and len(which) == 1 and not set(_PUBLISHED) <= set(columns):
        return which[0]
    container = f" ({container_of(data)})" if container_of(data) else ""
    published = " (a published table? `hybridcx audit` checks that)" if set(_PUBLISHED) <= set(columns) else ""
    raise InputError(
        Problem(
            f"the kind of this file is not recognised{published or container}",
            str(path),
            1,
            value=None if _SECRET.fullmatch(first.strip()) else first,
            remedy="a cohort has the columns patient_id, image and label; predictions have y_true and model; ratings have reader_<name>; an "
            f"experiment is a .toml file. Say which it is with --kind {'|'.join(KINDS)}",
        )
    )


def _predictions(path: Path, found: Checked, positive: str | None, score_kind: ScoreKind, layout: Layout) -> None:
    read = read_predictions(path, positive=positive, score_kind=score_kind, layout=layout)
    found.holds = f"{len(read.models)} model{'' if len(read.models) == 1 else 's'} on {read.n_cases} test cases, positive class {read.positive!r}"
    found.problems += read.warnings
    cases = read.frame.drop_duplicates("case_id")
    found.problems += patient_token_warnings(cases, image_like(cases.columns), file=path.name)


def _ratings(path: Path, found: Checked, scale: Scale | None) -> None:
    read = read_ratings(path, scale=scale)
    scales = "measurement or ordinal" if read.maybe_codes else read.scale
    found.holds = f"{len(read.readers)} readers, {read.n_cases} cases, scale {scales}"
    found.problems += read.warnings


def _cohort(path: Path, found: Checked, read: Callable[[], Cohort], progress: Progress) -> Cohort | None:
    """Check a manifest and decode its images, those of cases in dispute too. Returns the cohort, None where the manifest is refused."""
    made: list[Cohort] = []
    if not found.collect(lambda: made.append(read())):
        _images_of_rows(path, found)
        return None
    cohort = made[0]
    found.holds = f"{len(cohort.frame)} cases, {len(cohort.analysed)} analysed, positive class {cohort.positive!r}"
    found.problems += cohort.warnings
    found.problems += patient_token_warnings(cohort.analysed, ["image", "case_id"], file=path.name)
    everyone = cohort.to_score(cohort.in_dispute["case_id"].tolist())
    stores: list[ImageStore] = []
    with tempfile.TemporaryDirectory() as scratch:

        def decode() -> None:
            stores.append(
                prepare_store(
                    everyone,
                    size_px=_TRIAL_PX,
                    channels=1,
                    cache=scratch,
                    on_progress=progress.track("decoding images"),
                )
            )

        if found.collect(decode):
            store = stores[0]
            labels = everyone.analysed.set_index("case_id")["label"].where(lambda t: t != "", "in dispute")
            splits = everyone.analysed.set_index("case_id")["split"] if cohort.has_split else None
            found.problems += [*store.cautions, *pixel_identical(store, labels, splits, file=path.name)]
            patients = everyone.analysed.set_index("case_id")["patient_id"]
            pairs = near_duplicates(store, labels, splits, patients=patients)
            found.problems += warnings(pairs, file=path.name)
            if absent("deep"):
                found.unchecked.append("marks that predict the label")
            else:
                found.problems += shortcuts.warnings_of(shortcuts.shortcuts(cohort, store, seed=0), file=path.name)
    return cohort


def _images_of_rows(path: Path, found: Checked) -> None:
    """Decode the images of a manifest that is refused, as far as it can be read, so that their faults are told in the same go."""
    table, _ = scan_csv(path, REQUIRED, (*CROP, "split", "excluded"))
    if table is None:
        return
    excluded = table.frame["excluded"] if "excluded" in table.frame else pd.Series("", index=table.frame.index)
    told = {(p.row, p.column) for p in found.problems}
    for i, (text, reason, row) in enumerate(zip(table.frame["image"], excluded, table.rows.tolist(), strict=True)):
        named, frame = split_frame(text)
        file = path.parent / PurePosixPath(named)
        inside = named.strip() and safe_relative(named) is None and file.resolve().is_relative_to(path.parent.resolve())
        if reason.strip() or not inside or (row, "image") in told or not file.is_file():
            continue
        edges = [table.frame[c].iloc[i].strip() for c in CROP] if set(CROP) <= set(table.frame.columns) else []
        whole = len(edges) == 4 and all(e.isdecimal() for e in edges) and (row, "crop_left") not in told
        left, top, right, bottom = (int(e) for e in edges) if whole else (0, 0, 0, 0)
        try:
            decoded = decode_bytes(file.read_bytes(), named, frame=frame)
            prepare(decoded.pixels, (left, top, right, bottom) if whole else None, size_px=_TRIAL_PX)
        except InputError as error:
            found.problems += [
                Problem(p.rule, path.name, row, "crop_left" if p.value else "image", p.value or text, p.remedy)
                for p in error.problems
            ]
        except OSError:
            continue  # the manifest's reader has said so


def _experiment(path: Path, found: Checked, progress: Progress) -> None:
    read: list[Experiment] = []
    if found.collect(lambda: read.append(read_experiment(path))):
        counts = _of_experiment(PartialExperiment(read[0], frozenset()), path.parent, str(path), found, progress)
        if counts is not None:
            if absent("deep"):
                found.unchecked.append("memory and disk")
            else:
                found.collect(lambda: found.needs.extend(limit_messages(read[0], counts, cache_root(), Path())))
        return
    if (partial := partial_experiment(path)) is not None:
        _of_experiment(partial, path.parent, str(path), found, progress)
    found.holds = ""


def _of_experiment(
    partial: PartialExperiment, base: Path, file: str, found: Checked, progress: Progress
) -> Counts | None:
    """Check what an experiment says and names, as far as its keys are known; how many cases it has, where that can be told."""
    experiment, sure = partial.experiment, partial.sure_of
    if sure("networks.names", "heads", "train.enabled", "analysis.comparisons"):
        found.collect(lambda: check_plan(experiment))
    _networks(partial, base, found)
    published = experiment.analysis.published
    if published is not None and sure("analysis.published"):
        found.collect(lambda: read_printed(base / published))
    models = f"{len(model_names(experiment))} models"
    if experiment.cohort.manifest is None:
        found.holds = f"{models}, on a phantom cohort that is drawn when it runs"
        return drawn_counts(experiment)
    manifest = base / experiment.cohort.manifest
    if not manifest.is_file():
        rule = "there is no such manifest"
        found.problems.append(
            Problem(rule, file, None, "cohort.manifest", experiment.cohort.manifest, "check the path")
        )
        return None
    if not sure("cohort.positive", "cohort.labels", "cohort.same_bytes"):
        _images_of_rows(manifest, found)
        return None
    store = Store(Path(tempfile.gettempdir()) / "hybridcx-check")  # asked for phantoms alone, and there is none
    cohort = _cohort(manifest, found, lambda: load_cohort(experiment, base, store, progress), progress)
    found.holds = f"{models}; {found.holds}" if found.holds else models
    if cohort is None or not sure("split", "repeat", "training_size", "heads", "train.enabled", "seed"):
        return None
    counts: list[Counts] = []

    def split() -> None:
        try:
            units = make_units(experiment, cohort)
        except MissingExtraError:
            found.unchecked.append("the folds that are drawn")
            return
        counts.append(counts_of(units))
        found.problems.extend(dict.fromkeys(p for split in divisions_of(units) for p in split.warnings))
        check_heads(experiment, cohort, [*units, *make_size_units(experiment, cohort, units)])

    found.collect(split)
    return counts[0] if counts else None


def experiment_of(path: Path, progress: Progress) -> Experiment:
    """Read an experiment file, or refuse it with all that `check` knows of it and of what it names."""
    try:
        return read_experiment(path)
    except InputError as error:
        found = Checked("experiment")
        if path.is_file():
            _experiment(path, found, progress)
        raise InputError([p for p in found.problems if p.severity == "error"] or error.problems) from None


def asked_for(
    experiment: str | Path | Experiment,
    base: str | Path | None,
    seed: int | None,
    device: str | None,
    progress: Progress,
) -> tuple[Experiment, Path, str]:
    """The experiment, with a seed and a device that win over its own, the folder that its paths start from, and what it is called in messages."""
    source = None if isinstance(experiment, Experiment) else Path(experiment)
    read = experiment if isinstance(experiment, Experiment) else experiment_of(Path(experiment), progress)
    changes: dict[str, object] = {}
    if seed is not None:
        changes["seed"] = seed
    if device is not None:
        changes["compute"] = {**read.compute.model_dump(), "device": device}
    folder = Path(base) if base is not None else (source.parent if source is not None else Path())
    return with_changes(read, changes) if changes else read, folder, "the experiment" if source is None else str(source)


@contextmanager
def with_every_problem(experiment: Experiment, base: Path, file: str, progress: Progress) -> Iterator[None]:
    """Refuse an experiment with all that `check` knows of it, not with the problems of the stage alone that met the first one."""
    try:
        yield
    except InputError as error:
        found = Checked("experiment")
        _of_experiment(PartialExperiment(experiment, frozenset()), base, file, found, progress)
        known = [p for p in found.problems if p.severity == "error"]
        # An absent manifest has been named with the key that names it.
        known += [p for p in error.problems if p not in known and not (known and p.rule == NO_FILE)]
        raise InputError(known) from None


def _networks(partial: PartialExperiment, base: Path, found: Checked) -> None:
    """Weights (hash, content, names and shapes), sizes of images, and the device."""
    experiment, sure = partial.experiment, partial.sure_of
    for name in experiment.networks.names if sure("networks.names", "images.size_px") else ():
        if name.startswith(networks.TIMM):
            if absent("deep"):
                continue
            import hybridcx.deep  # noqa: F401  (makes the rows of timm's networks known)
        found.collect(lambda n=name: networks.check_size(networks.network(n), experiment.images.size_px))  # type: ignore[misc]
    if absent("deep"):
        found.unchecked += ["the device", *(["the weights"] if experiment.networks.weights != "none" else [])]
        return
    from hybridcx.deep import devices, weights
    from hybridcx.pipeline.stages import locate_weights

    if sure("compute"):
        found.collect(lambda: devices.resolve(experiment.compute))
    if not sure("networks"):
        return

    def located() -> None:
        for network, file in locate_weights(experiment, base).items():
            if file is not None:
                found.collect(lambda f=file, n=network: weights.load_state_dict(f, n))  # type: ignore[misc]
                if note := weights.names_note(network, file.path):
                    found.problems.append(Problem(f"names of tensors: {note}", str(file.path), severity="warning"))

    found.collect(located)


@documented
def check(
    file: CheckedFile,
    *,
    kind: FileKind = None,
    positive: Positive = None,
    score_kind: ScoreKind = "probability",
    columns: Columns = None,
    guess: Guess = False,
    scale: Scale = None,
    progress: ReportsProgress = None,
) -> Checked:
    """List every problem of an input file before anything runs.

    An experiment is checked with its manifest, images (all are decoded), splits, weights, plan and device. On the command line the exit code is
    1 if there is a problem.

    Returns
    -------
    Checked: `table` has one row per problem; `sound` is True where no command would refuse the file.

    Raises
    ------
    InputError
        where there is no such file, or an option has a wrong value. A file of an unknown kind is a finding (kind "unknown").
    """
    checked(check, locals())
    layout = Layout(parse_columns(columns), guess)
    return check_file(
        Path(file),
        kind=kind,
        positive=label_text(positive),
        score_kind=score_kind,
        layout=layout,
        scale=scale,
        progress=progress,
    )
