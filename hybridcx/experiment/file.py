"""The experiment file (TOML): typed, every key documented, unknown keys refused with the nearest name.

One file says everything that decides a result. `Experiment.model_json_schema()` gives the JSON Schema for editors, and
`docs_table()` the table of all keys. Defaults are the options of the study's Table II (see experiments/cervical.toml) unless a key says otherwise.
"""

from __future__ import annotations

import difflib
import io
import json
import re
import tomllib
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema

from hybridcx.errors import InputError, Problem
from hybridcx.experiment.heads import ALL_HEADS as ALL_HEADS
from hybridcx.experiment.heads import ClassWeight
from hybridcx.experiment.heads import HeadName as HeadName
from hybridcx.experiment.names import NetworkName as NetworkName
from hybridcx.experiment.sections import EnsemblesSection, LabelsSection, RepeatSection, TrainingSizeSection
from hybridcx.experiment.train import Section as _Section
from hybridcx.experiment.train import TrainSection

FeatureSet = Literal["pretrained", "fine_tuned"]
STUDY_NETWORKS: tuple[NetworkName, ...] = ("vgg16", "vgg19", "resnet101", "densenet201")


class PhantomCohort(_Section):
    """A drawn cohort of lateral cervical radiographs instead of images of one's own."""

    patients: int = Field(416, ge=20, le=100_000, description="patients screened; 416 give 331 analysed")
    seed: int = Field(0, ge=0, description="seed of the drawing, apart from the experiment's seed")
    reliability_between: float = Field(0.92, gt=0, lt=1, description="expected ICC(2,1) between the two readers")
    reliability_within: float = Field(0.94, gt=0, lt=1, description="expected ICC(2,1) of a reader's two occasions")


class CohortSection(_Section):
    manifest: str | None = Field(None, description="path of the manifest (CSV), relative to the experiment file")
    positive: str | None = Field(None, description="the positive class; without it: abnormal, 1, true or positive")
    same_bytes: Literal["refuse", "warn"] = Field(
        "refuse",
        description="byte-identical images under two labels: refused, or said (for a published set whose faults are part of it)",
    )
    phantom: PhantomCohort | None = Field(None, description="draw a phantom cohort instead of reading a manifest")
    labels: LabelsSection = LabelsSection()

    @model_validator(mode="after")
    def _one_source(self) -> CohortSection:
        if (self.manifest is None) == (self.phantom is None):
            raise ValueError("give either `manifest` or a table [cohort.phantom], not both and not neither")
        return self


class ImagesSection(_Section):
    size_px: int = Field(224, ge=32, le=1024, description="side of the square image that the networks see")
    pad: Literal["white", "black", "edge", "none"] = Field(
        "white", description="how the crop becomes a square: padded at both sides, or `none` (stretched)"
    )
    resample: Literal["bilinear", "bicubic", "lanczos"] = Field(
        "bicubic", description="resize filter, with antialiasing"
    )


class SplitSection(_Section):
    method: Literal["stratified", "manifest"] = Field(
        "stratified", description="`stratified`: drawn by class, whole patients; `manifest`: the column `split`"
    )
    train: float = Field(0.70, gt=0, lt=1, description="share of the analysed cases")
    validation: float = Field(0.15, gt=0, lt=1, description="share of the analysed cases")
    test: float = Field(0.15, gt=0, lt=1, description="share of the analysed cases")

    @model_validator(mode="after")
    def _sums_to_one(self) -> SplitSection:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, not {self.train + self.validation + self.test:g}")
        return self


class OwnWeights(_Section):
    """The file of weights of one network, and how images are normalised for it."""

    path: str = Field(
        min_length=1, description="the file (.safetensors, .pth, .pt, .ckpt), relative to the experiment file"
    )
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-fA-F]{64}$", description="its SHA-256, compared; recorded in any case"
    )
    mean: list[float] | None = Field(
        None,
        min_length=3,
        max_length=3,
        description="mean of each channel of images scaled to 0..1, subtracted; default that of the network's own weights",
    )
    std: list[float] | None = Field(
        None, min_length=3, max_length=3, description="what each channel is divided by; default as for mean"
    )

    @field_validator("mean", "std")
    @classmethod
    def _finite(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not all(isfinite(x) for x in value):
            raise ValueError("finite numbers are expected")
        return value

    @field_validator("mean")
    @classmethod
    def _of_scaled_images(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and not all(0 <= x <= 1 for x in value):
            raise ValueError(
                "means of images scaled to 0..1 are expected: divide those of 0..255 by 255, and std as well"
            )
        return value

    @field_validator("std")
    @classmethod
    def _positive(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and min(value) <= 0:
            raise ValueError("numbers above 0 are expected")
        return value


class NetworksSection(_Section):
    names: list[NetworkName] = Field(
        list(STUDY_NETWORKS),
        min_length=1,
        description="networks, as torchvision names them; `timm:NAME` is a model of the package timm (docs/networks.md)",
    )
    weights: Literal["imagenet", "folder", "file", "none"] = Field(
        "imagenet",
        description="`imagenet`: torchvision's files from the weights folder (`hybridcx weights fetch` brings them, a run never does); "
        "`folder`: from `weights_dir` alone; `file`: from the file that [networks.file.NAME] names for each network; `none`: random initialisation",
    )
    weights_dir: str | None = Field(None, description="folder with weights, relative to the experiment file")
    file: dict[NetworkName, OwnWeights] = Field(
        {}, description='tables [networks.file.NAME], for weights = "file": one file for each network'
    )

    @model_validator(mode="after")
    def _folder_named(self) -> NetworksSection:
        if self.weights == "folder" and self.weights_dir is None:
            raise ValueError('weights = "folder" needs `weights_dir`')
        if len(set(self.names)) != len(self.names):
            raise ValueError("a network is named twice in `names`")
        if (self.weights == "file") != bool(self.file):
            raise ValueError('weights = "file" and tables [networks.file.NAME] belong together')
        for name in self.names if self.file else ():
            if name not in self.file:
                raise ValueError(
                    f'weights = "file" needs a table [networks.file."{name}"]'
                    if ":" in name
                    else f'weights = "file" needs a table [networks.file.{name}]'
                )
        if unused := [name for name in self.file if name not in self.names]:
            raise ValueError(f"[networks.file.{unused[0]}] belongs to no network of `names`")
        return self


class HeadsSection(_Section):
    names: list[HeadName] = Field(list(ALL_HEADS), description="heads on penultimate features; [] for none")
    features: list[FeatureSet] = Field(["fine_tuned", "pretrained"], min_length=1)
    folds: int = Field(5, ge=2, le=20, description="folds of the cross-validation that tunes and calibrates a head")
    max_components: int = Field(
        64, ge=2, le=512, description="PCA limit for XGBoost, LDA and the random forest on wide features"
    )
    networks: list[NetworkName] | None = Field(None, description="networks whose features get heads; default all")
    class_weight: ClassWeight = Field(
        "none",
        description="`balanced`: both classes have the same weight in every fit (kNN has no weights). Probabilities are then those of a population "
        "with equal classes, not of the cohort; those of the SVMs are not, as their calibration stays unweighted",
    )

    def on(self, network: str) -> list[FeatureSet]:
        """The feature sets of a network that get heads."""
        return self.features if self.names and (self.networks is None or network in self.networks) else []

    @field_validator("names", "features")
    @classmethod
    def _unique(cls, value: list[str]) -> list[str]:
        if len(set(value)) != len(value):
            raise ValueError("a repeated entry")
        return value


class ComputeSection(_Section):
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto, cpu, cuda, cuda:1 or mps; `--jobs` divides its processes among the CUDA devices of auto and cuda",
    )
    training_precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: bfloat16 autocast where the device computes in it, float16 on older CUDA devices, else float32",
    )
    ledger_precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="features and predictions that are kept"
    )
    channels_last: bool = Field(True)
    cuda_graphs: bool = Field(
        True, description="on CUDA devices, capture the steps of a training in a graph (docs/cluster.md); false: never"
    )
    threads: int = Field(
        0, ge=0, description="threads per task; 0: the physical cores. Results depend on it to the bit"
    )
    processes: int = Field(
        1,
        ge=1,
        le=1024,
        description="processes of one training, under torchrun: each takes its share of every mini-batch (docs/cluster.md)",
    )


class AnalysisSection(_Section):
    """The plan. It is hashed and locked before the first stage; what it names is confirmatory, everything else exploratory (`locking`)."""

    confidence_level: float = Field(0.95, gt=0.5, lt=1)
    n_bootstrap: int = Field(2000, ge=100, le=1_000_000, description="bootstrap resamples")
    threshold: float = Field(0.5, gt=0, lt=1, description="a score at or above it is called positive")
    primary_metric: Literal["accuracy", "sensitivity", "specificity", "auroc"] = Field(
        "accuracy", description="the metric of the plan's comparisons that is confirmatory"
    )
    comparisons: list[tuple[str, str]] | None = Field(
        None, description="pairs of models; default the networks with each other and each with its cross-validated head"
    )
    margin: float | None = Field(None, gt=0, lt=1, description="margin of equivalence and non-inferiority")
    label_rule: Literal["given", "agreement", "majority", "reader", "adjudicated"] | None = Field(
        None,
        description="the labelling rule that the plan is about; must be that of `cohort.labels.rule` (which is locked with the plan in any case)",
    )
    published: str | None = Field(
        None,
        description="a published table (CSV: model, metric, value) to set beside what is found here, relative to the experiment file",
    )
    # Files and reports of version 0.3 name the correction, which is always Holm's.
    p_adjust: SkipJsonSchema[Literal["holm"]] = Field("holm", exclude=True)


class Experiment(_Section):
    name: str = Field(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\- ]*$",
        description="name of the report's folder",
    )
    title: str | None = Field(None, max_length=300, description="title of the report")
    seed: int = Field(0, ge=0, lt=2**31, description="one seed for everything that is drawn after the cohort")
    cohort: CohortSection
    images: ImagesSection = ImagesSection()
    split: SplitSection = SplitSection()
    repeat: RepeatSection = RepeatSection()
    ensembles: EnsemblesSection = EnsemblesSection()
    training_size: TrainingSizeSection = TrainingSizeSection()
    networks: NetworksSection = NetworksSection()
    train: TrainSection = TrainSection()
    heads: HeadsSection = HeadsSection()
    compute: ComputeSection = ComputeSection()
    analysis: AnalysisSection = AnalysisSection()

    @model_validator(mode="after")
    def _planned_labels_are_those_used(self) -> Experiment:
        planned, used = self.analysis.label_rule, self.cohort.labels.rule
        if planned not in (None, used):
            raise ValueError(f"the plan names analysis.label_rule = {planned!r}, but cohort.labels.rule is {used!r}")
        return self

    @model_validator(mode="after")
    def _divisions_are_drawn(self) -> Experiment:
        if self.split.method == "manifest" and self.repeat.several_divisions:
            raise ValueError(
                f"repeat.design = {self.repeat.design!r} draws its own divisions, but split.method is 'manifest': "
                "the manifest's split would not be used"
            )
        return self

    @model_validator(mode="after")
    def _ensembles_have_members(self) -> Experiment:
        options = self.ensembles
        if options.networks and (len(self.networks.names) < 2 or not self.train.enabled):
            raise ValueError("ensembles.networks takes the softmax of two or more fine-tuned networks together")
        if options.seeds and self.repeat.seeds < 2:
            raise ValueError("ensembles.seeds needs repeat.seeds = 2 or more")
        if options.seeds and self.repeat.design not in ("split", "kfold"):
            raise ValueError(
                f"ensembles.seeds needs seeds that share their division of the cohort, but repeat.design is {self.repeat.design!r}"
            )
        return self

    @model_validator(mode="after")
    def _sizes_share_a_test_set(self) -> Experiment:
        if self.training_size.shares and self.repeat.design != "split":
            raise ValueError(
                f"training_size.shares needs repeat.design = 'split', not {self.repeat.design!r}: sizes are compared on one shared test set"
            )
        return self

    @property
    def trainings(self) -> int:
        """Trainings of each network: seeds times folds, on all training cases and on each share of them."""
        return self.repeat.trainings * (1 + len(self.training_size.shares))

    @model_validator(mode="after")
    def _shared_trainings_are_whole(self) -> Experiment:
        train = self.train
        if self.compute.processes > 1 and (train.trainable_stages is not None or train.unfreeze_every):
            raise ValueError(
                "compute.processes above 1 trains whole networks: leave out train.trainable_stages and train.unfreeze_every"
            )
        return self

    @model_validator(mode="after")
    def _residual_blocks_start_at_random(self) -> Experiment:
        if self.networks.weights != "none" and any(self.train_of(n).zero_init_residual for n in self.networks.names):
            raise ValueError(
                'train.zero_init_residual starts from random weights: set networks.weights = "none", or leave it out'
            )
        return self

    def train_of(self, network: str) -> TrainSection:
        """The options of fine-tuning for one network: the section's, with the network's own.

        Parameters
        ----------
        network : its name.
        """
        own = {
            k: v
            for name, o in self.train.network.items()
            if name == network
            for k, v in o.model_dump().items()
            if v is not None
        }
        return self.train.model_copy(update={**own, "network": {}})


def _known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    """The keys that `model` has at `path`, following nested sections."""
    steps = iter(path)
    for step in steps:
        field = model.model_fields.get(str(step))
        if field is None:
            return []
        if get_origin(field.annotation) is dict:
            next(steps, None)  # the name that the file chooses
        kinds = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if not nested:
            return []
        model = nested[0]
    return list(model.model_fields)


MAX_BYTES = 1_000_000
MAX_LINE_CHARS = 10_000
MAX_KEY_PARTS = 20
MAX_PROBLEMS = 100
_PART = r"""(?:[\w-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_LONG_KEY = re.compile(rf"(?:^|[\[{{,])\s*{_PART}(?:\s*\.\s*{_PART}){{{MAX_KEY_PARTS}}}")
"""A dotted key of more parts, at the beginning of a line, in a header, or in an inline table."""


_TABLE = re.compile(r"^\s*\[\[?([^\]]+)\]")
_ASSIGNED = re.compile(r"^\s*([\w.\"'-]+)\s*=")


def _line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line that assigns the key at `path`, or as much of its path as the text has; a help for the reader, not a parser."""
    wanted = tuple(step for step in path if isinstance(step, str))
    table: tuple[str, ...] = ()
    best, depth = None, 0
    for i, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = here = _steps(found[1])
        elif found := _ASSIGNED.match(line):
            here = table + _steps(found[1])
        else:
            continue
        if depth < len(here) and here == wanted[: len(here)]:
            best, depth = i, len(here)
    return best


def _steps(dotted: str) -> tuple[str, ...]:
    return tuple(step.strip(" \"'") for step in dotted.split("."))


_TYPES = {
    "string": "a text in quotes is expected",
    "int": "a whole number is expected",
    "float": "a number is expected",
    "bool": "true or false is expected, without quotes",
    "list": "a list in square brackets is expected",
    "tuple": "a list in square brackets is expected",
    "dict": "a section or an inline table { ... } is expected",
    "model": "a section is expected",
    "finite": "a finite number is expected",
}
_RANGES = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


def _expected(kind: str, context: Mapping[str, Any]) -> str | None:
    """What a key expects, in words, for a kind of error of pydantic; None where our own check has written the message.

    >>> _expected("less_than", {"lt": 1.0})
    'a number below 1 is expected'
    """
    if kind == "literal_error":
        return f"one of {str(context['expected']).replace(' or ', ', ')} is expected"
    if kind in _RANGES:
        limit, words = _RANGES[kind]
        return f"a number {words} {context[limit]:g} is expected"
    if kind in ("too_short", "string_too_short"):
        return "an empty text or list; at least one element is expected"
    if kind in ("too_long", "string_too_long"):
        return f"too long: at most {context['max_length']} are expected"
    if kind == "string_pattern_mismatch":
        return f"another form is expected: {context['pattern']}"
    return None if kind in ("value_error", "assertion_error") else _TYPES.get(kind.split("_")[0])


def _toml_remedy(error: tomllib.TOMLDecodeError) -> str | None:
    if "Unescaped '\\'" in str(error) or "Invalid hex value" in str(error):
        return "write a path with forward slashes (C:/data/images), or in single quotes"
    return None


def _problems(error: ValidationError, file: str | None, text: str) -> list[Problem]:
    found = []
    errors = error.errors(include_url=False)
    for e in errors[:MAX_PROBLEMS]:
        loc = tuple(step for step in e["loc"] if step != "[key]")  # of a table that the file names
        name = ".".join(str(s) for s in loc)
        last = str(next((s for s in reversed(loc) if isinstance(s, str)), ""))
        row = _line_of(text, loc)
        if e["type"] == "extra_forbidden":
            known = _known_keys(Experiment, loc[:-1])
            near = difflib.get_close_matches(last, known, n=1)
            elsewhere = difflib.get_close_matches(last, {k.split(".")[-1]: k for k, *_ in keys_table()}, n=1)
            if near:
                remedy = f"did you mean `{near[0]}`?"
            elif elsewhere:
                full = next(k for k, *_ in keys_table() if k.split(".")[-1] == elsewhere[0])
                remedy = f"did you mean `{elsewhere[0]}`? Its place is `{full}`"
            else:
                remedy = f"known keys here: {', '.join(known)}"
            found.append(Problem(f"unknown key `{name}`", file, row, remedy=remedy))
        elif e["type"] == "missing":
            found.append(
                Problem(f"the key `{name}` is missing", file, row, remedy="add it; experiments/demo.toml is an example")
            )
        else:
            message = _expected(e["type"], e.get("ctx", {})) or e["msg"].removeprefix("Value error, ")
            value = None if isinstance(e["input"], dict) else e["input"]
            found.append(Problem(f"`{name}`: {message}" if name else message, file, row, value=value))
    if len(errors) > MAX_PROBLEMS:
        found.append(Problem(f"{len(errors) - MAX_PROBLEMS:,} more problems", file))
    return found


def parse_experiment(text: str, file: str = "experiment.toml") -> Experiment:
    """Parse the text of an experiment file.

    Raises
    ------
    InputError
        with every problem of the file: bad TOML (line and column), unknown keys with the nearest known name, wrong types and values.
    """
    _refuse_costly(text, file)
    try:
        data: dict[str, Any] = tomllib.loads(text)
        as_json = json.dumps(data, default=str)
    except tomllib.TOMLDecodeError as error:
        raise InputError(Problem(f"this is not valid TOML: {error}", file, remedy=_toml_remedy(error))) from None
    except RecursionError:
        raise InputError(_too_deep(file)) from None
    except ValueError:  # int() of thousands of digits, and dates that no calendar has
        raise InputError(
            Problem("a number or a date that is out of all range", file, remedy="write a smaller one")
        ) from None
    try:
        # TOML has no tuples and an int is a valid float there, so types are checked as JSON would check them.
        return Experiment.model_validate_json(as_json)
    except ValidationError as error:
        if error.errors(include_input=False)[0]["type"] == "json_invalid":  # pydantic's limit is lower than Python's
            raise InputError(_too_deep(file)) from None
        raise InputError(_problems(error, file, text)) from None


def _too_large(file: str) -> Problem:
    return Problem(f"more than {MAX_BYTES:,} bytes", file, remedy="check whether this is the experiment file")


def _refuse_costly(text: str, file: str) -> None:
    """Refuse what a parser of TOML would take minutes and gigabytes for: its time grows with the square of the parts of a key."""
    if len(text) > MAX_BYTES:
        raise InputError(_too_large(file))
    for row, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE_CHARS:
            rule, remedy = f"a line of more than {MAX_LINE_CHARS:,} characters", "break the list into lines"
            raise InputError(Problem(rule, file, row, remedy=remedy))
        if line.count(".") >= MAX_KEY_PARTS and _LONG_KEY.search(line):
            rule, remedy = f"a key of more than {MAX_KEY_PARTS} parts", "no key needs more than four"
            raise InputError(Problem(rule, file, row, remedy=remedy))


def _too_deep(file: str) -> Problem:
    return Problem("values nested too deeply to be read", file, remedy="no key needs more than two levels")


def read_experiment(path: str | Path) -> Experiment:
    """Read an experiment file.

    Parameters
    ----------
    path : the file, TOML in UTF-8.

    Raises
    ------
    InputError
        with every problem of the file: keys and values that are unknown or contradict each other, no TOML, a missing or unreadable file.
    """
    return parse_experiment(read_text(Path(path)), str(path))


def read_text(path: Path) -> str:
    """The text of an experiment file. Raises InputError for what is no such file, and for text that would take too long to parse."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # reading a pipe or a device could wait for ever
            rule = "a named pipe or a device, not a file"
            raise InputError(Problem(rule, str(path), remedy="give the experiment as a file"))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise InputError(_too_large(str(path)))
        text = io.StringIO(data.decode("utf-8-sig"), newline=None).read()
    except FileNotFoundError:
        raise InputError(Problem("the file does not exist", str(path))) from None
    except UnicodeDecodeError:
        raise InputError(Problem("the file is not UTF-8", str(path), remedy="save it as UTF-8")) from None
    except OSError as error:
        raise InputError(Problem(f"the file cannot be read ({error.strerror})", str(path))) from None
    _refuse_costly(text, str(path))
    return text


def with_changes(
    experiment: Experiment, changes: Mapping[str, object], source: str | None = "command line"
) -> Experiment:
    """The experiment with some top-level keys replaced, checked again.

    Raises InputError for keys and values that are not allowed; `source` stands in its problems in place of the file.
    """
    try:
        return Experiment.model_validate({**experiment.model_dump(), **changes})
    except ValidationError as error:
        raise InputError(_problems(error, source, "")) from None


def keys_table() -> list[tuple[str, str, str, str]]:
    """(key, type, default, description) of every key, for the documentation."""
    rows = []

    def walk(model: type[BaseModel], prefix: str) -> None:
        for name, field in model.model_fields.items():
            if field.exclude:
                continue
            nested = [
                k
                for k in (field.annotation, *getattr(field.annotation, "__args__", ()))
                if isinstance(k, type) and issubclass(k, BaseModel)
            ]
            if nested:
                walk(nested[0], f"{prefix}{name}." + ("NAME." if get_origin(field.annotation) is dict else ""))
                continue
            kind = (
                re.sub(r"typing\.|Literal|NoneType", "", str(field.annotation).replace(str(NetworkName), "network"))
                .replace("<class '", "")
                .replace("'>", "")
            )
            default = "required" if field.is_required() else json.dumps(field.default)
            rows.append((prefix + name, kind, default, field.description or ""))

    walk(Experiment, "")
    return rows
