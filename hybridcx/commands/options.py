"""The options of every command: type, help text and permitted values, each written once.

An option is an alias such as `Threshold = Annotated[float | str, Option("...")]`. The signature of a command names the alias and sets the
default. From the two follow the option of the command line (`hybridcx.cli.signatures`), the parameter section of `help(hybridcx.compare)`
(`documented`), the check of the values (`value_problems`) and the record in provenance.json (`checked`), from which `hybridcx.verify` repeats
the call. This module imports neither pandas nor typer, so that `hybridcx --help` starts fast.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_args, get_origin

from hybridcx.errors import InputError, Problem, raise_if_any

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike
    from sklearn.base import BaseEstimator
    from sklearn.model_selection import BaseCrossValidator

    from hybridcx.experiment.file import Experiment
    from hybridcx.progress import Progress

F = TypeVar("F", bound=Callable[..., Any])

Group = Literal["Input", "Assumptions", "Analysis", "Output", "Computation", "General"]
"""The headings of a command's help, in their order. General: what every command has (`hybridcx.cli.signatures`)."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option, without its default, which stands in the signature.

    Parameters
    ----------
    help : one or two sentences, for the command line and for Python.
    parse : the type that the command line reads: str, int, float, bool or Path.
    flag : the name on the command line where it is not the parameter's; `--no-x` for a parameter that is True by default.
    metavar : what the help shows for the value.
    low, high : the range of the value, or of each of several; `open_ends` says which of the two limits are outside it.
    repeatable : whether the option may be given several times.
    cli : False for a parameter that Python alone has.
    recorded : whether provenance.json records the value; it records no paths.
    file : the value is an input file; provenance.json records its name as `<parameter>_file`.
    group : the heading under which the help of the command line lists it.
    """

    help: str
    parse: type = str
    flag: str | None = None
    metavar: str | None = None
    low: float | None = None
    high: float | None = None
    open_ends: Literal["", "low", "high", "both"] = ""
    repeatable: bool = False
    cli: bool = True
    recorded: bool = True
    file: bool = False
    group: Group = "Analysis"

    @property
    def range_words(self) -> str:
        """The range in words, "" without one."""
        if self.low is None:
            return ""
        if self.high is None:
            return f"{'above' if self.open_ends == 'low' else 'at least'} {self.low:,.10g}"
        low, high = f"{self.low:,.10g}", f"{self.high:,.10g}"
        return {
            "": f"between {low} and {high}",
            "low": f"above {low} and at most {high}",
            "high": f"at least {low} and below {high}",
            "both": f"between {low} and {high}, both excluded",
        }[self.open_ends]

    def contains(self, value: object) -> bool:
        """Whether a number is in the range, and whole where whole numbers are read. NaN and what is no number are not."""
        if isinstance(value, bool) or not isinstance(value, Real):
            return False
        number = float(value)
        if number != number or (self.parse is int and not number.is_integer()):
            return False
        if self.low is not None and (number < self.low or (number == self.low and self.open_ends in ("low", "both"))):
            return False
        outside = self.high is not None and (
            number > self.high or (number == self.high and self.open_ends in ("high", "both"))
        )
        return not outside


# What several commands share

DEFAULT_OUT = "reports/<name>"
"""The folder of a report where the command line names none; `<name>` becomes the name of the input."""
Out = Annotated[
    str | Path | None,
    Option(
        "Folder of the report; default of the command line reports/<name>, the name of the input. In Python nothing is written without it, except "
        "by run and demo.",
        Path,
        recorded=False,
        group="Output",
    ),
]
Seed = Annotated[int, Option("Seed of all random draws.", int, low=0, high=2**31 - 1, group="Computation")]
SeedOfFile = Annotated[
    int | None,
    Option(
        "Seed of all random draws; default the seed of the experiment file.",
        int,
        low=0,
        high=2**31 - 1,
        group="Computation",
    ),
]
Positive = Annotated[
    str | float | bool | None,
    Option(
        "The positive class; default abnormal, 1, true or positive, where exactly one of these is a label.",
        group="Input",
    ),
]
ConfidenceLevel = Annotated[
    float, Option("Confidence level of the intervals.", float, low=0.5, high=1, open_ends="both")
]
NBootstrap = Annotated[int, Option("Number of bootstrap resamples.", int, low=100, high=1_000_000, group="Computation")]
Pseudonymise = Annotated[
    str | Path | None,
    Option(
        "Replace every case id of the report by a pseudonym made with the key in this file. The file must lie outside of the report's folder and "
        "is created if it does not exist. Further columns that are not used are left out.",
        Path, metavar="KEYFILE", recorded=False, group="Output",
    ),
]  # fmt: skip
Also = Annotated[
    Sequence[str],
    Option(
        "Further formats of the report, separated by commas: summary, word, latex, figures, paper, or all; run also has onnx and tensorboard.",
        repeatable=True, recorded=False, group="Output",
    ),
]  # fmt: skip
ReportsProgress = Annotated[
    "Progress | None", Option("Receives messages and progress; silent by default.", cli=False, recorded=False)
]
ScoreKind = Annotated[
    Literal["probability", "rank", "percent", "logit", "confidence", "other-class"],
    Option(
        "What scores are: the positive class's probability; numbers of any range (rank: rank statistics alone); or what is converted to that "
        "probability: percentages, log odds (logit), the predicted class's probability (confidence), or the other class's.",
        group="Input",
    ),
]
Columns = Annotated[
    "Mapping[str, str | Sequence[str]] | str | Sequence[str] | None",
    Option(
        "Other column names, OURS=YOURS, separated by commas: y_true=label,score=prob,case_id=filename. score and y_pred may stand several times, "
        "once for the column of each model. In Python also a mapping.",
        metavar="OURS=YOURS", repeatable=True, group="Input",
    ),
]  # fmt: skip
Guess = Annotated[
    bool, Option("Take columns with usual names, such as y_score, label and filename, for ours.", bool, group="Input")
]
ModelNames = Annotated[
    Sequence[str],
    Option(
        "Model of a file without a column model; once for each file. Default the file's name.", flag="--model-name",
        repeatable=True, group="Input",
    ),
]  # fmt: skip
Scale = Annotated[
    Literal["measurement", "nominal", "ordinal"] | None,
    Option(
        "Scale of the ratings; default measurement for numbers, nominal for text; whole numbers from 0 to 10 are analysed as both measurement and "
        "ordinal. A cohort manifest has ratings (measurement) or calls.", group="Input"
    ),
]  # fmt: skip

# compare

Predictions = Annotated[
    "str | Path | pd.DataFrame | Sequence[str | Path] | None",
    Option(
        "Predictions: a file (CSV, .csv.gz, .xlsx, Parquet, Feather, .dta, .sav, a dataset folder, - for standard input) with a row per model and "
        "case or a column per model; or a file per model; or folders of finished reports of run or compare. In Python also a DataFrame, or y_true "
        "with scores or y_pred instead.",
        Path, repeatable=True, file=True,
    ),
]  # fmt: skip
YTrue = Annotated["ArrayLike | None", Option("Labels of the cases, shape (n,).", cli=False, recorded=False)]
Scores = Annotated[
    "Mapping[str, ArrayLike] | ArrayLike | None",
    Option(
        "Model -> scores, shape (n,), or as predict_proba gives them, shape (n, k), a column per label in sorted order; one array for a single "
        "model.",
        cli=False, recorded=False,
    ),
]  # fmt: skip
YPred = Annotated[
    "Mapping[str, ArrayLike] | ArrayLike | None",
    Option("Model -> predicted labels, shape (n,); one array for a single model.", cli=False, recorded=False),
]
Groups = Annotated[
    "ArrayLike | None",
    Option("Patient, or other cluster of dependent cases, of each case, shape (n,).", cli=False, recorded=False),
]
Subgroups = Annotated[
    "Mapping[str, ArrayLike] | pd.DataFrame | None",
    Option("Name -> values, shape (n,): variables that define subgroups.", cli=False, recorded=False),
]
CaseIds = Annotated[
    "ArrayLike | None",
    Option("Names of the cases, shape (n,); default the index of y_true where it is a Series, else 0 to n - 1.", cli=False, recorded=False),
]  # fmt: skip
Exported = Annotated[
    "str | Path | pd.DataFrame | Sequence[str | Path]",
    Option("A file in any container that predictions may have, a file per model, or a DataFrame.", Path, cli=False, recorded=False),
]  # fmt: skip
Truth = Annotated[
    "str | Path | pd.DataFrame | pd.Series | Mapping[str, object] | None",
    Option(
        "Labels of the cases where the export has none: a table with the columns case_id and y_true, a Series whose index has the case ids, or a "
        "mapping.",
        cli=False, recorded=False,
    ),
]  # fmt: skip
ReadScoreKind = Annotated[
    Literal["probability", "percent", "logit", "confidence", "other-class"],
    Option(
        "What scores are: the positive class's probability, or what is converted to it: percentages, log odds (logit), the predicted class's "
        "probability (confidence), or the other class's.",
        cli=False, recorded=False,
    ),
]  # fmt: skip
Threshold = Annotated[
    float | str,
    Option(
        "A score at or above the threshold is called positive. A number, or a rule that chooses each model's threshold on its validation rows: "
        "youden, sensitivity=0.95 or specificity=0.9."
    ),
]
Cluster = Annotated[str | None, Option("Column that identifies dependent cases; default patient_id.", group="Input")]
Readers = Annotated[
    "str | Path | pd.DataFrame | None",
    Option("Ratings of readers (CSV, one column per reader) to compare the models with, matched by case_id.", Path, file=True, group="Input"),
]  # fmt: skip
ReadersMadeTruth = Annotated[
    Literal["yes", "no", "unknown"],
    Option("Whether these readers determined the truth; if so they are not compared with models on it.", group="Input"),
]
By = Annotated[Sequence[str], Option("Column that defines subgroups. May be repeated.", repeatable=True)]
Prevalences = Annotated[
    Sequence[float],
    Option(
        "Predictive values are also given at this prevalence. May be repeated.",
        float, flag="--prevalence", low=0, high=1, open_ends="both", repeatable=True,
    ),
]  # fmt: skip
Margin = Annotated[
    float | None,
    Option("Margin of the tests of equivalence and non-inferiority.", float, low=0, high=1, open_ends="both"),
]
Reference = Annotated[
    str | None, Option("Compare every other model with this one; default every pair of up to 12 models.")
]
AllPairs = Annotated[bool, Option("Compare every pair, even of more than 12 models.", bool)]
Stratified = Annotated[bool, Option("Bootstrap within each class.", bool)]
SeedDesign = Annotated[
    Literal["nested", "crossed", "fixed"],
    Option(
        "What a seed is: a network trained separately for each model (nested), the same reader with every model, drawn from many (crossed), or "
        "these readers only (fixed)."
    ),
]
NTrain = Annotated[
    int | None,
    Option(
        "Number of training and validation cases of repeated hold-out, where the predictions do not contain these cases.",
        int, low=1,
    ),
]  # fmt: skip

# compare_estimators

Estimators = Annotated[
    "Mapping[str, BaseEstimator]",
    Option("Name -> classifier with scikit-learn's fit, predict and get_params; none of them is changed.", cli=False, recorded=False),
]  # fmt: skip
Features = Annotated[
    "ArrayLike | pd.DataFrame",
    Option("Features, n rows: an array, a sparse matrix or a DataFrame; or a list, of image files for example.", cli=False, recorded=False),
]  # fmt: skip
Target = Annotated["ArrayLike", Option("Labels of the cases, shape (n,).", cli=False, recorded=False)]
Cv = Annotated[
    "int | BaseCrossValidator | Iterable[tuple[ArrayLike, ArrayLike]]",
    Option(
        "A number of folds, stratified by class, with groups kept whole; or a splitter of scikit-learn; or pairs of positions (training, test).",
        cli=False, recorded=False,
    ),
]  # fmt: skip
Repeats = Annotated[
    int,
    Option("How often the folds are drawn; each repeat is a seed.", int, low=1, high=1000, cli=False, recorded=False),
]
OwnThreshold = Annotated[
    float | None,
    Option(
        "A score at or above the threshold is called positive; default the calls of predict.",
        float,
        low=0,
        high=1,
        cli=False,
    ),
]
NJobs = Annotated[
    int | None, Option("Number of processes for the fits, as joblib reads it.", int, cli=False, recorded=False)
]

# agreement, audit, check, verify, phantom

Ratings = Annotated[
    "str | Path | pd.DataFrame",
    Option(
        "Ratings (CSV): case_id and a column reader_<name> per reader (reader_<name>_<occasion> for several), or one row per reading: case_id, "
        "reader, rating. In Python also a DataFrame.",
        Path, file=True,
    ),
]  # fmt: skip
Published = Annotated[
    "str | Path | pd.DataFrame",
    Option("A published table (CSV): model, metric, value as printed; or one column per metric. In Python also a DataFrame.", Path, file=True),
]  # fmt: skip
Positives = Annotated[
    int | None, Option("Cases of the positive class, unless the table contains them.", int, group="Input")
]
Negatives = Annotated[
    int | None, Option("Cases of the negative class, unless the table contains them.", int, group="Input")
]
Unit = Annotated[
    str | Mapping[str, str] | Sequence[str] | None,
    Option(
        "percent or proportion for all metrics, or METRIC=percent for one, which may be repeated (in Python a mapping). Default: decided for "
        "each metric from its values.",
        repeatable=True,
        group="Input",
    ),
]
CheckedFile = Annotated[
    str | Path, Option("An experiment, a cohort manifest, predictions or ratings.", Path, recorded=False)
]
FileKind = Annotated[
    Literal["experiment", "cohort", "predictions", "ratings"] | None,
    Option("What the file is; default by its name and its columns.", group="Input"),
]
OwnCases = Annotated[
    str | Path | None,
    Option(
        "CSV of your own cases: command, file, metric, method, quantity, expected; optionally case, positive, model, comparator, readers, "
        "tolerance, source.",
        Path,
        file=True,
        group="Input",
    ),
]
Thorough = Annotated[bool, Option("Also simulate coverage and type I error.", bool, group="Computation")]
QualificationOut = Annotated[
    str | Path | None,
    Option(
        "Folder of the record; default of the command line reports/qualification.", Path, recorded=False, group="Output"
    ),
]
ReportFolder = Annotated[str | Path, Option("Folder of a finished report.", Path, recorded=False)]
NewFolder = Annotated[str | Path, Option("A new or an empty folder.", Path, recorded=False)]
Patients = Annotated[
    int, Option("Number of patients; 416 give 331 analysed cases.", int, low=20, high=100_000, group="Output")
]

# cohort

ImageFolder = Annotated[
    str | Path, Option("Folder of class folders, or of DICOM files in any arrangement.", Path, recorded=False)
]
ManifestOut = Annotated[
    str | Path | None,
    Option(
        "The manifest, in the folder of the images or above; default FOLDER/manifest.csv. A file that exists is not replaced.",
        Path, recorded=False, group="Output",
    ),
]  # fmt: skip
Labels = Annotated[
    str | Path | None,
    Option(
        "Table of labels, in any container that predictions may have; matched by path, file name, SOPInstanceUID, case id or patient id. "
        "Its further columns are kept.",
        Path, metavar="TABLE", file=True, group="Input",
    ),
]  # fmt: skip
LabelColumn = Annotated[
    str | None, Option("Column of the table with the label; default the only one with a usual name.", group="Input")
]
PatientPattern = Annotated[
    str | None,
    Option(
        "Regular expression whose first group is the patient id, searched in each path below the folder; default PatientID of DICOM.",
        metavar="REGEX", group="Input",
    ),
]  # fmt: skip

# run, demo, estimate

ExperimentFile = Annotated[
    "str | Path | Experiment", Option("An experiment file (TOML). In Python also an Experiment.", Path, recorded=False)
]
Base = Annotated[
    str | Path | None,
    Option("Folder in which relative paths of the experiment begin; default the folder of its file.", Path, cli=False),
]
Device = Annotated[
    str | None, Option("cpu, cuda, cuda:N or mps; default the device of the experiment file.", group="Computation")
]
Fresh = Annotated[
    bool, Option("Start again in a folder that contains a different experiment.", bool, group="Computation")
]
Images = Annotated[
    bool,
    Option(
        "Omit images of cases and saliency maps from the report; the numbers stay.",
        bool,
        flag="--no-images",
        group="Output",
    ),
]
Models = Annotated[
    bool,
    Option(
        "Leave the trained models out of the folder. Without them `predict` and `validate` cannot use the run.",
        bool,
        flag="--no-models",
        group="Output",
    ),
]
Cache = Annotated[
    str | Path | None,
    Option("Folder of the stages' results; default the user's cache folder. They contain the case ids.", Path, cli=False),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    Option(
        "Number of processes for trainings and fits; default one training at a time, and heads on all processors.",
        int, low=1, group="Computation",
    ),
]  # fmt: skip
Scheduler = Annotated[
    str | None,
    Option(
        "Run trainings and fits on this Dask cluster: tls://HOST:PORT, or tcp://127.0.0.1:PORT. The results are the same.", metavar="ADDRESS",
        group="Computation",
    ),
]  # fmt: skip
TrustLocalUsers = Annotated[
    bool,
    Option(
        "Allow --scheduler on this machine without TLS, by which every user of the machine can run programs under your name.",
        bool, group="Computation",
    ),
]  # fmt: skip

# predict, validate

RunFolder = Annotated[str | Path, Option("Folder of a finished run, with its trained models.", Path, recorded=False)]
NewCohort = Annotated[
    str | Path,
    Option(
        "Cohort manifest of the new images, as for a run. The column label may be empty or absent for predict; the labels are those of the run.",
        Path, file=True,
    ),
]  # fmt: skip
TrainingManifest = Annotated[
    str | Path | None,
    Option(
        "Manifest that the run was made from, to look for shared patients where the run was made on another machine, or with another cache.",
        Path, file=True, group="Input",
    ),
]  # fmt: skip
Recalibrate = Annotated[
    float,
    Option(
        "Share of the new patients on which the models are recalibrated; what that gains is measured on the others. A column split of the "
        "manifest (validation, test) decides instead where it has both values. 0: no recalibration.",
        float, low=0, high=0.9,
    ),
]  # fmt: skip

# plan

QUESTIONS = ("mcnemar", "precision", "noninferiority", "auc", "detectable")
"""The questions of `plan`, a function of `hybridcx.plan` each."""
CountMetric = Annotated[
    Literal["accuracy", "sensitivity", "specificity"],
    Option("Metric. Sizes for sensitivity or specificity count the cases of that class."),
]
DetectableMetric = Annotated[
    Literal["accuracy", "sensitivity", "specificity", "auroc"],
    Option("Metric; for sensitivity or specificity `n` counts the cases of that class."),
]
P10 = Annotated[
    float | None,
    Option("Share of cases that only the model classifies correctly.", float, low=0, high=1, group="Assumptions"),
]
P01 = Annotated[
    float | None,
    Option("Share of cases that only the comparator classifies correctly.", float, low=0, high=1, group="Assumptions"),
]
Difference = Annotated[
    float | None,
    Option(
        "p10 - p01, the difference of the accuracies; default 0 for noninferiority.", float, low=-1, high=1, open_ends="both",
        group="Assumptions",
    ),
]  # fmt: skip
Discordance = Annotated[
    float | None,
    Option(
        "p10 + p01, the share of cases that exactly one of the two classifies correctly.",
        float,
        low=0,
        high=1,
        group="Assumptions",
    ),
]
Discordances = Annotated[
    float | Sequence[float] | None,
    Option(
        "Share of cases that exactly one of the two classifies correctly; default 0.05, 0.1, 0.2, 0.3 and 0.4. May be repeated.",
        float, low=0, high=1, repeatable=True, group="Assumptions",
    ),
]  # fmt: skip
Power = Annotated[
    float | Sequence[float], Option("Power. May be repeated.", float, low=0, high=1, open_ends="both", repeatable=True)
]
Alpha = Annotated[float, Option("Two-sided level of the test.", float, low=0, high=0.5, open_ends="both")]
OneSidedAlpha = Annotated[float, Option("One-sided level of the test.", float, low=0, high=0.5, open_ends="both")]
PlanMargin = Annotated[
    float, Option("Largest loss that is tolerated, such as 0.05.", float, low=0, high=1, open_ends="both")
]
Proportion = Annotated[
    float | Sequence[float],
    Option("Anticipated proportion. May be repeated.", float, low=0, high=1, repeatable=True, group="Assumptions"),
]
Halfwidth = Annotated[
    float | Sequence[float],
    Option("Half of the interval's width, such as 0.05. May be repeated.", float, low=0, high=0.5, open_ends="both", repeatable=True),
]  # fmt: skip
PlanLevel = Annotated[float, Option("Confidence level of the interval.", float, low=0.5, high=1, open_ends="both")]
Auc = Annotated[
    float, Option("Anticipated AUROC of the model.", float, low=0, high=1, open_ends="both", group="Assumptions")
]
ComparatorAuc = Annotated[
    float, Option("Anticipated AUROC of the comparator.", float, low=0, high=1, open_ends="both", group="Assumptions")
]
AssumedAuc = Annotated[
    float | None,
    Option(
        "Anticipated AUROC of the comparator; for auroc.", float, low=0, high=1, open_ends="both", group="Assumptions"
    ),
]
Correlation = Annotated[
    float,
    Option(
        "Correlation of the two estimated AUROCs over samples of cases, often 0.4 to 0.7.", float, low=-1, high=1, open_ends="high",
        group="Assumptions",
    ),
]  # fmt: skip
SomeCorrelation = Annotated[
    float | None,
    Option(
        "Correlation of the two estimated AUROCs over samples of cases, often 0.4 to 0.7; for auroc.",
        float, low=-1, high=1, open_ends="high", group="Assumptions",
    ),
]  # fmt: skip
Ratio = Annotated[
    float | None,
    Option("Negative cases per positive case; default 1. Instead of the prevalence.", float, low=0, high=1e9, open_ends="both", group="Assumptions"),
]  # fmt: skip
PlanPrevalence = Annotated[
    float | None,
    Option(
        "Share of positive cases: for sensitivity and specificity it gives the cases of both classes, for AUROCs the ratio of the classes.",
        float, low=0, high=1, open_ends="both", group="Assumptions",
    ),
]  # fmt: skip
NCases = Annotated[
    int,
    Option("Cases of the test set; for sensitivity or specificity those of the class.", int, low=2, high=1e7, open_ends="high"),
]  # fmt: skip


# What follows from the options


def option_of(alias: str) -> tuple[Option, Any]:
    """The option with this alias, and its type."""
    kind, option, *_ = get_args(globals()[alias])
    return option, kind


def options_of(function: Callable[..., object]) -> dict[str, Option]:
    """The options of a command by parameter, in the order of its signature."""
    return {name: option_of(alias)[0] for name, alias in inspect.get_annotations(function).items() if name != "return"}


def choices_of(alias: str) -> tuple[str, ...]:
    """The permitted texts of an option; () where any text may be one."""
    kind = option_of(alias)[1]
    parts = [kind] if get_origin(kind) is Literal else list(get_args(kind))
    return tuple(text for part in parts if get_origin(part) is Literal for text in get_args(part))


def help_of(alias: str) -> str:
    """The help text of an option, with its choices or its range."""
    option, choices = option_of(alias)[0], choices_of(alias)
    limits = ", ".join(choices) if choices else option.range_words
    return f"{option.help} [{limits}]" if limits and option.high != 2**31 - 1 else option.help


def flag_of(name: str, option: Option) -> str:
    """The option's name on the command line."""
    return option.flag or "--" + name.replace("_", "-")


def value_problems(function: Callable[..., object], values: Mapping[str, object]) -> list[Problem]:
    """Every value of a call that is outside its range or is none of its choices. None stands for an option that is not used."""
    problems = []
    for name, alias in inspect.get_annotations(function).items():
        value = values.get(name)
        if name == "return" or value is None:
            continue
        option, choices = option_of(alias)[0], choices_of(alias)
        if choices and value not in choices:
            remedy = f"choose {', '.join(choices)}"
            problems.append(Problem(f"{flag_of(name, option)} has no such value", value=value, remedy=remedy))
        elif option.parse in (int, float):
            several = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
            limits = option.range_words or ("a whole number" if option.parse is int else "a number")
            verb = "lies" if limits.startswith("between") else "is"
            problems += [
                Problem(f"{flag_of(name, option)} {verb} {limits}", value=v) for v in several if not option.contains(v)
            ]
    return problems


def checked(function: Callable[..., object], values: Mapping[str, object]) -> dict[str, object]:
    """The options of a call as provenance.json records them: `checked(compare, locals())` in the first line of `compare`.

    Raises InputError for every value outside its range or choices.
    """
    raise_if_any(value_problems(function, values))
    return recorded(function, values)


def recorded(function: Callable[..., object], values: Mapping[str, object]) -> dict[str, object]:
    """The options of a call as JSON values. Of an input file its name is recorded, of a DataFrame or several folders nothing."""
    record: dict[str, object] = {}
    for name, option in options_of(function).items():
        value = values[name]
        if option.file:
            is_file = isinstance(value, (str, Path)) and not Path(value).is_dir()
            record[f"{name}_file"] = Path(str(value)).name if is_file else None
        elif option.recorded:
            record[name] = _json(value)
    return record


def _json(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_json(v) for v in value]
    if isinstance(value, bool) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def documented(function: F) -> F:
    """Add the section Parameters, made from the options, to the docstring of a command (before Returns and Raises)."""
    lines = ["Parameters", "----------"]
    for name, parameter in inspect.signature(function).parameters.items():
        option, kind = option_of(str(parameter.annotation))
        default = "" if parameter.default is parameter.empty else f", default {parameter.default!r}"
        meaning = (
            option.help.removeprefix("Omit ") if option.flag == f"--no-{name}" else help_of(str(parameter.annotation))
        )
        if option.flag == f"--no-{name}":
            meaning = f"False omits {meaning}"
        lines += [
            f"{name} : {_type_words(kind)}{default}",
            *textwrap.wrap(meaning, 110, initial_indent="    ", subsequent_indent="    "),
        ]
    text = inspect.cleandoc(function.__doc__ or "")
    starts = [at for heading in ("Returns\n---", "Raises\n---") if (at := text.find(heading)) >= 0]
    at = min(starts, default=len(text))
    function.__doc__ = "\n".join([text[:at].rstrip(), "", *lines, "", text[at:]]).strip() + "\n"
    return _lenient(function)


def _lenient(function: F) -> F:
    """The function as Python and R call it: 200.0 stands for 200, one value for a list of one, and messages have the names of parameters.

    The command line passes `progress` and gets the names of its own options.
    """
    aliases = {n: str(p.annotation) for n, p in inspect.signature(function).parameters.items()}
    options = {n: option_of(alias)[0] for n, alias in aliases.items()}
    flags = {flag_of(n, o): n for n, o in options.items() if o.cli}
    named = re.compile(
        "|".join(rf"{re.escape(flag)}(?![\w-])" for flag in sorted(flags, key=len, reverse=True)) or "(?!)"
    )

    def plainly(text: str) -> str:
        return named.sub(lambda m: flags[m.group()], text)

    @wraps(function)
    def call(*arguments: object, **given: object) -> object:
        values = {n: _plain(options[n], v) if n in options else v for n, v in given.items()}
        try:
            return function(*arguments, **values)
        except InputError as error:
            if "progress" in given or isinstance(error, ImportError):
                raise
            error.problems = tuple(
                replace(p, rule=plainly(p.rule), remedy=p.remedy and plainly(p.remedy)) for p in error.problems
            )
            error.args = ("\n".join(map(str, error.problems)),)
            raise

    call.__signature__ = _readable(function)  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]


def _readable(function: Callable[..., object]) -> inspect.Signature:
    """The signature with types in place of the names of options."""
    signature = inspect.signature(function)
    parameters = [
        p.replace(annotation=_type_words(option_of(str(p.annotation))[1])) for p in signature.parameters.values()
    ]
    return signature.replace(parameters=parameters)


def _plain(option: Option, value: object) -> object:
    if (
        option.repeatable
        and option.parse in (str, float)
        and isinstance(value, str | int | float)
        and not isinstance(value, bool)
    ):
        return [value]
    if isinstance(value, list | tuple) and option.parse is int:
        return [_plain(option, v) for v in value]
    if option.parse is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _type_words(kind: Any) -> str:
    """A type as it is written in a signature."""
    if isinstance(kind, type):
        return kind.__name__
    text = getattr(kind, "__forward_arg__", None) or str(kind)
    for prefix in ("collections.abc.", "typing.", "pathlib.", "pd."):
        text = text.replace(prefix, "")
    return text.replace("_local.", "")
