r"""File names and case ids that repeat a token which looks like a patient: `person12_bacteria_3.png` and `person12_bacteria_7.png`.

A token is a word with a number (`person12`, `P-0012`, `IM-0115`) or the number that a name begins with (`00000013_005`). Two rules keep false
alarms rare. Words that name a patient (person, patient, subject ...) count whenever a token is shared by cases of different `patient_id`, or stands
in two splits. Any other word, and a leading number, counts only where `patient_id` distinguishes every case and the tokens are many, each of few
images with different names; words for other things (slice, view, site, age ...), years and dates do not count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from hybridcx.errors import Problem
from hybridcx.records.cells import some, squash
from hybridcx.records.layouts import SYNONYMS

_TOKEN = re.compile(r"(?<![A-Za-z0-9])(?P<word>[A-Za-z]*)(?P<gap>[-_. ]?)(?P<number>[0-9]{1,20})(?![A-Za-z0-9])")
_DATE = re.compile(r"(19|20)[0-9]{2}((0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01]))?")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PATIENT_WORDS = _words(
    "person patient patientid patid pat pt pid subject subjectid subj sub sbj participant proband volunteer case"
)
_SHORT_WORDS = frozenset(("p", "id"))
"""May stand for a patient, or for a phase or a protocol: counted where the numbers have three digits, or are many."""
_OTHER_WORDS = _words(
    "slice slices frame frames view views series study scan scans fold folds crop aug augmented rot rotated angle level page part patch tile "
    "copy mask masks seg v ver version x y z t size px site center centre hospital clinic scanner device machine batch age year month week day date "
    "time visit session run rep repeat seed epoch class label grade stage birads kl channel ch layer split set group region roi"
)
_FEW, _MANY = 3, 10
_IMAGES_PER_TOKEN = 10


@dataclass
class _Slot:
    """The tokens of one word (or of leading numbers, with the depth of their folder): where they stand, and how they are written."""

    word: str
    depth: int
    at: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    forms: Counter[str] = field(default_factory=Counter)
    long: int = 0
    """How many tokens have at least three digits."""
    numbered: int = 0
    """How many of these have a further number behind them."""

    @property
    def pattern(self) -> str:
        """The regular expression whose first group is the token, for `--patient-pattern`."""
        if not self.word:
            return rf"(?:^|/)(\d+)[^/]*{'/[^/]*' * self.depth}$"
        gaps = {form[len(self.word) :] for form in self.forms}
        gap = next(iter(gaps)).replace(".", r"\.") if len(gaps) == 1 else "[-_. ]?"
        token = rf"({self.forms.most_common(1)[0][0][: len(self.word)]}{gap}\d+)"
        return token if len(self.word) > 3 else f"(?:^|[^A-Za-z0-9]){token}"


@dataclass(frozen=True, slots=True)
class _Shared:
    """How often the tokens of a slot are shared: by cases of different patients, and by splits."""

    slot: _Slot
    n_tokens: int
    n_cases: int
    n_across: int
    example: str


def patient_token_warnings(
    frame: pd.DataFrame, columns: Sequence[str], *, file: str | None, remedy: str = ""
) -> list[Problem]:
    """Return at most one warning: the first of `columns` in which names repeat a patient-like token.

    `frame`: one row per case, with `case_id`, the `columns`, and where known `patient_id` and `split` (empty or missing: not known). `remedy`
    precedes the pattern that the message proposes.
    """
    patients = frame["patient_id"] if "patient_id" in frame else pd.Series(pd.NA, index=frame.index)
    unknown = (patients.isna() | (patients == "")).to_numpy(dtype=bool)
    codes = pd.factorize(patients.astype("object").where(~unknown, frame["case_id"].astype("object")))[0]
    splits = frame["split"].fillna("").astype(str) if "split" in frame else pd.Series("", index=frame.index)
    split_codes = pd.factorize(splits)[0]
    for column in columns:
        shared = _shared(frame[column].fillna("").astype(str).tolist(), codes, split_codes)
        if shared is not None:
            return [_warning(shared, column, file, remedy, bool(unknown.all()))]
    return []


def image_like(columns: Iterable[str]) -> list[str]:
    """The columns that name an image or a case by their usual names, `case_id` first.

    >>> image_like(["age", "filename", "case_id"])
    ['case_id', 'filename']
    """
    names = {squash(c): c for c in columns}
    return [names[s] for s in SYNONYMS["case_id"] if s in names]


def proposed_pattern(names: Sequence[str]) -> str | None:
    """The pattern for `--patient-pattern` that the names of independent images propose, or None."""
    shared = _shared(list(names), np.arange(len(names)), np.zeros(len(names), dtype=np.int64))
    return None if shared is None else shared.slot.pattern


def _warning(shared: _Shared, column: str, file: str | None, remedy: str, unknown: bool) -> Problem:
    tokens = "1 token that looks" if shared.n_tokens == 1 else f"{shared.n_tokens:,} tokens that look"
    whose = "and there is no patient_id" if unknown else "with different patient_id"
    across = f", {shared.n_across:,} of the tokens in more than one split" if shared.n_across else ""
    rule = (
        f"{tokens} like a patient (such as {shared.example}) in the names of {shared.n_cases:,} cases {whose}{across}. Images of one patient "
        "would be taken as independent, which makes intervals too short"
        + (", and training and test would share patients" if shared.n_across else "")
    )
    option = f'--patient-pattern "{shared.slot.pattern}"'
    remedy = (
        f"{remedy} {option} (its group is the patient)"
        if remedy
        else f"if it is the patient, make it the patient_id (in `hybridcx cohort`: {option})"
    )
    return Problem(rule, file, column=column, severity="warning", remedy=remedy)


def _shared(names: list[str], patients: np.ndarray, splits: np.ndarray) -> _Shared | None:
    """The slot that looks most like a patient and is shared by different patients or splits, or None."""
    independent = len(np.unique(patients)) == len(patients)
    sure: list[_Shared] = []
    likely: list[_Shared] = []
    for slot in _slots(names):
        n_distinct = len(set(slot.tokens))
        patient = slot.word in _PATIENT_WORDS and n_distinct > 1
        if slot.word in _SHORT_WORDS:
            patient = n_distinct >= _MANY // 2 or (n_distinct > 1 and slot.long > len(slot.at) / 2)
        if not patient and (
            not independent
            or n_distinct < (_FEW if slot.numbered > len(slot.at) / 2 else _MANY)
            or len(slot.at) > _IMAGES_PER_TOKEN * n_distinct
            or len(slot.at) < 0.2 * len(names)
        ):
            continue
        if (counted := _count(slot, names, patients, splits, alike=patient)) is not None:
            (sure if patient else likely).append(counted)
    if sure:
        return max(sure, key=lambda s: s.n_cases)
    return max(likely, key=lambda s: len(set(s.slot.tokens)), default=None)


def _slots(names: list[str]) -> list[_Slot]:
    """The tokens of all names by word: the first of each word in each name."""
    slots: dict[tuple[str, int], _Slot] = {}
    for i, name in enumerate(names):
        seen = set()
        for match in _TOKEN.finditer(name):
            word, start = match["word"].lower(), match.start()
            leading = not word and not match["gap"] and (start == 0 or name[start - 1] == "/")
            date = word not in _PATIENT_WORDS and _DATE.fullmatch(match["number"])
            if (not word and not leading) or word in _OTHER_WORDS or date:
                continue
            depth = name.count("/", match.end()) if leading else 0
            if (word, depth) in seen:
                continue
            seen.add((word, depth))
            slot = slots.setdefault((word, depth), _Slot(word, depth))
            slot.at.append(i)
            slot.tokens.append(match[0])
            slot.forms[match["word"] + match["gap"]] += 1
            long = len(match["number"]) > 2
            slot.long += long
            slot.numbered += long and any(c.isdigit() for c in name[match.end() :])
    return list(slots.values())


def _count(slot: _Slot, names: list[str], patients: np.ndarray, splits: np.ndarray, *, alike: bool) -> _Shared | None:
    """Count the shared tokens. Unless `alike`, a token counts where the names of its files differ: numbers that begin anew in every folder do not."""
    at = np.asarray(slot.at)
    stems = [names[i].rpartition("/")[2].rpartition(".")[0] or names[i] for i in slot.at]
    table = pd.DataFrame(
        {"token": [t.lower() for t in slot.tokens], "stem": stems, "patient": patients[at], "split": splits[at]},
    )
    each = table.groupby("token", sort=False).agg(
        n=("stem", "size"), stems=("stem", "nunique"), patients=("patient", "nunique"), splits=("split", "nunique")
    )
    each = each[(each["patients"] > 1) & ((each["stems"] > 1) | alike)]
    if each.empty:
        return None
    example = next(t for t in slot.tokens if t.lower() == each.index[0])
    return _Shared(slot, len(each), int(each["n"].sum()), int((each["splits"] > 1).sum()), some([example]))
