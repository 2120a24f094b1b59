"""Pseudonyms that replace case ids: the same one in every file of a folder, computed with a key that stays outside it.

A pseudonym is `p` and the first 16 hexadecimal digits of HMAC-SHA256 (RFC 2104) of the id under a key of 32 random bytes. With the key and
the ids cases can be identified; with the folder alone they cannot, and every number can still be recomputed. Patients get codes in the same
way. Rows are in the order of the pseudonyms, since the order of the input would identify the cases.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from hybridcx.errors import InputError, Problem

if TYPE_CHECKING:
    from hybridcx.cohort.cohort import Cohort
    from hybridcx.cohort.splits import Split
    from hybridcx.images.store import ImageStore
    from hybridcx.pipeline.outcome import Outcome
    from hybridcx.records.predictions import Predictions
    from hybridcx.records.ratings import Ratings

KEY_BYTES, SHOWN_DIGITS = 32, 16
_KEY = re.compile(rf"[0-9a-fA-F]{{{2 * KEY_BYTES}}}\s*")
_QUOTED = ("label", "excluded", "split", "seed", "fold", "model", "y_true", "y_pred")
"""Columns whose values a warning may quote; a value of another column may hold an id or a name."""
_ORDER = ("model", "seed", "share", "fold", "split", "case_id")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """The pseudonyms that one key gives. `of` maps a case to its pseudonym."""

    key: bytes = field(repr=False)
    _ids: dict[str, str] = field(default_factory=dict, repr=False)
    _owners: dict[str, str] = field(default_factory=dict, repr=False)

    def of(self, case_id: str) -> str:
        """The pseudonym of a case. Raises InputError where two cases would share one."""
        known = self._ids.get(case_id)
        if known is None:
            known = self._ids[case_id] = self._digest("case", case_id)
            if self._owners.setdefault(known, case_id) != case_id:
                raise InputError(
                    Problem("two cases would have one pseudonym under this key", remedy="give a new key file")
                )
        return known

    def patient(self, patient_id: str) -> str:
        """The pseudonym of a patient."""
        return self._digest("patient", patient_id)

    def _digest(self, what: str, text: str) -> str:
        message = f"{what}\0{text}".encode("utf-8", "surrogatepass")
        return "p" + hmac.new(self.key, message, hashlib.sha256).hexdigest()[:SHOWN_DIGITS]

    def _column(self, values: pd.Series, what: str = "case") -> pd.Series:
        names = {
            v: (self.of(v) if what == "case" else self._digest(what, v)) for v in values.dropna().unique().tolist()
        }
        return values.map(names).astype(values.dtype)

    @property
    def described(self) -> dict[str, str]:
        """The record in provenance.json: the method, and the hash of the key, by which two folders with one key are recognised."""
        return {
            "method": f"HMAC-SHA256, {SHOWN_DIGITS} hexadecimal digits",
            "key_sha256": hashlib.sha256(self.key).hexdigest(),
        }

    def problems(self, warnings: Iterable[Problem]) -> tuple[Problem, ...]:
        """Warnings with pseudonyms for cases, and without values that may hold an id or a name."""
        return tuple(
            replace(
                p,
                cases=tuple(self.of(c) for c in p.cases),
                value=p.value if p.column is None or p.column in _QUOTED else None,
            )
            for p in warnings
        )

    def keys(self, by_case: Mapping[str, _T]) -> dict[str, _T]:
        """A mapping whose keys are cases."""
        return {self.of(case): value for case, value in by_case.items()}

    def predictions(self, read: Predictions, keep: Sequence[str] = ()) -> Predictions:
        """Predictions of pseudonyms. Further columns are left out unless they are readings or named in `keep`: they may hold an id."""
        frame = self.ledger(read.frame, keep)
        subgroups = tuple(c for c in read.subgroups if c in frame)
        return replace(read, frame=frame, subgroups=subgroups, warnings=self.problems(read.warnings))

    def ledger(self, frame: pd.DataFrame, keep: Sequence[str] = ()) -> pd.DataFrame:
        """Rows of predictions, with the columns that `predictions` keeps, in the order of model, seed, fold, split and pseudonym."""
        from hybridcx.records.predictions import OPTIONAL, REQUIRED

        columns = [c for c in frame if c in (*REQUIRED, *OPTIONAL, *keep) or str(c).startswith("reader_")]
        frame = frame[columns].assign(case_id=self._column(frame["case_id"]))
        if "patient_id" in frame:
            codes = pd.factorize(self._column(frame["patient_id"], "patient"), sort=True)[0]
            patients = [f"g{c:05d}" if c >= 0 else None for c in codes]
            frame["patient_id"] = pd.Series(patients, index=frame.index, dtype=object)
        order = [c for c in _ORDER if c in frame]
        return frame.sort_values(order, kind="stable", ignore_index=True)

    def ratings(self, read: Ratings) -> Ratings:
        """Ratings of pseudonyms, in their order."""
        index = pd.Index([self.of(c) for c in read.frame.index], name=read.frame.index.name)
        return replace(read, frame=read.frame.set_axis(index).sort_index(), warnings=self.problems(read.warnings))

    def cohort(self, cohort: Cohort) -> Cohort:
        """A cohort of pseudonyms for what is reported of it. Image paths are left out, ids within the reasons of exclusions replaced."""
        frame = cohort.frame
        names = {c: self.of(c) for c in frame["case_id"]}
        pseudonymous = frame.assign(
            case_id=self._column(frame["case_id"]),
            patient_id=self._column(frame["patient_id"], "patient"),
            image="",
            excluded=frame["excluded"].map({r: _words(str(r), names) for r in frame["excluded"].unique()}),
        )
        return replace(cohort, frame=pseudonymous, warnings=self.problems(cohort.warnings))

    def split(self, split: Split) -> Split:
        """A split of pseudonyms, in their order; its hash is that of what is written."""

        def renamed(series: pd.Series) -> pd.Series:
            index = pd.Index([self.of(c) for c in series.index], name=series.index.name)
            return series.set_axis(index).sort_index()

        return replace(split, assignment=renamed(split.assignment), disputed=renamed(split.disputed))

    def images(self, store: ImageStore) -> ImageStore:
        """The image store with pseudonyms. The array keeps its order."""
        notes = store.notes.assign(case_id=self._column(store.notes["case_id"]))
        return replace(store, case_ids=tuple(self.of(c) for c in store.case_ids), notes=notes)

    def pairs(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """Pairs of cases (near_duplicates.csv)."""
        return pairs.assign(**{c: self._column(pairs[c]) for c in ("case_id", "other_case_id")})

    def outcome(self, outcome: Outcome) -> Outcome:
        """The outcome of a run for its analysis and report. The warnings of the stages carry pseudonyms already."""
        from hybridcx.records.lineage import Lineage

        fits = [replace(f, case_ids=tuple(sorted(self.of(c) for c in f.case_ids))) for f in outcome.lineage]
        return replace(
            outcome,
            cohort=self.cohort(outcome.cohort),
            units=tuple(replace(u, split=self.split(u.split)) for u in outcome.units),
            ledger=self.ledger(outcome.ledger, list(map(str, outcome.ledger.columns))),
            lineage=Lineage(fits),
            near_duplicates=self.pairs(outcome.near_duplicates),
            sizes=self.ledger(outcome.sizes, list(map(str, outcome.sizes.columns)))
            if len(outcome.sizes)
            else outcome.sizes,
        )


def _words(text: str, names: dict[str, str]) -> str:
    """A sentence of the user with each word that is a case id replaced."""
    if text in names:
        return names[text]
    return re.sub(r"[^\s,;:()]+", lambda m: names.get(m[0], names.get(m[0].strip(".'\""), m[0])), text)


def pseudonyms(key_file: str | Path, folder: Path | None) -> Pseudonyms:
    """The pseudonyms of the key in `key_file`, which is created, readable by its owner only, where it is absent.

    Raises InputError for a key file that would lie inside `folder` (the report's), one that cannot be created or read, or is no key.
    """
    path = Path(key_file)
    if folder is not None and path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            Problem("the key would lie in the folder that it protects", str(path), remedy="keep it outside of --out")
        )
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            text = path.read_text(encoding="ascii", errors="replace")
        else:
            text = secrets.token_hex(KEY_BYTES)
            with os.fdopen(handle, "w", encoding="ascii", newline="\n") as file:
                file.write(text + "\n")
    except OSError as error:
        raise InputError(
            Problem(f"the key file cannot be used ({error.strerror})", str(path), remedy="name a file in a folder that exists")
        ) from None  # fmt: skip
    if not _KEY.fullmatch(text):
        rule = f"this is no key: {2 * KEY_BYTES} hexadecimal digits are expected"
        raise InputError(Problem(rule, str(path), remedy="name a file that does not exist yet, and a key is created"))
    return Pseudonyms(bytes.fromhex(text.strip()))
