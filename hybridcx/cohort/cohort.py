"""The cohort: its cases, labels and splits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from hybridcx.cohort.files import split_frame
from hybridcx.errors import Problem
from hybridcx.experiment.sections import LabelsSection

REQUIRED = ("case_id", "patient_id", "image", "label")


CROP = ("crop_left", "crop_top", "crop_right", "crop_bottom")


OPTIONAL = (*CROP, "split", "excluded")


SPLITS = ("train", "validation", "test")


GIVEN = LabelsSection()


@dataclass(frozen=True, slots=True)
class Cohort:
    """A cohort that passed every check.

    `frame`: one row per screened case in the manifest's order, columns `case_id, patient_id, image, label`, the crop box
    (`crop_left` ... `crop_bottom`, Int64 pixels, NA where none), `split` and `excluded` (text, "" where none), then the
    further ones as text. `rows`: the manifest's line of each case. `root`: the folder that image paths are relative to.
    `labels`: (negative, positive), the two labels of the analysed cases. `source`: the manifest.
    `image_sha256`: of each analysed case's file. `sha256`: of the manifest's bytes and those of the images together.
    `labels_by`: the rule for the labels. `disputed`: (n,) bool, the cases in dispute (their `excluded` says why), or None where
    there are none. `disputed_sha256`: of their files. `given_labels`: the manifest's column `label`, where a rule derives the labels.
    `votes`: the columns of the readings that the rule uses.
    """

    frame: pd.DataFrame
    rows: np.ndarray
    root: Path
    source: Path
    labels: tuple[str, str]
    warnings: tuple[Problem, ...] = ()
    image_sha256: tuple[str, ...] = ()
    sha256: str = ""
    labels_by: LabelsSection = GIVEN
    disputed: np.ndarray | None = None
    disputed_sha256: tuple[str, ...] = ()
    given_labels: pd.Series | None = None
    votes: tuple[str, ...] = ()

    @property
    def positive(self) -> str:
        """The label of the positive class."""
        return self.labels[1]

    @property
    def analysed(self) -> pd.DataFrame:
        """The cases that are not excluded, in the manifest's order."""
        return self.frame[self.frame["excluded"] == ""]

    @property
    def in_dispute(self) -> pd.DataFrame:
        """The cases on which there is no consensus, in the manifest's order: no label, never fitted on."""
        return self.frame.iloc[:0] if self.disputed is None else self.frame[self.disputed]

    def to_score(self, case_ids: Collection[str]) -> Cohort:
        """The same cohort with these disputed cases added to the analysed ones, for preparing images and computing scores."""
        if self.disputed is None or not len(case_ids):
            return self
        wanted = self.disputed & self.frame["case_id"].isin(list(case_ids)).to_numpy()
        digests = dict(zip(self.analysed.index, self.image_sha256, strict=True))
        digests |= dict(zip(self.in_dispute.index, self.disputed_sha256, strict=True))
        frame = self.frame.assign(excluded=self.frame["excluded"].mask(wanted, ""))
        images = tuple(digests[i] for i in frame.index[frame["excluded"] == ""])
        return replace(self, frame=frame, image_sha256=images, disputed=None, disputed_sha256=())

    @property
    def analysed_rows(self) -> np.ndarray:
        """The manifest's line of each analysed case, (n,)."""
        return self.rows[(self.frame["excluded"] == "").to_numpy()]

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """The image file of each analysed case."""
        return tuple(self.root / PurePosixPath(split_frame(p)[0]) for p in self.analysed["image"])

    @property
    def frames(self) -> tuple[int | None, ...]:
        """The frame of each analysed case's file that is its image (`image.dcm#frame=3`, from 1), or None."""
        return tuple(split_frame(p)[1] for p in self.analysed["image"])

    @property
    def y_true(self) -> np.ndarray:
        """Truth of the analysed cases, (n,) bool, True for the positive class."""
        return np.asarray(self.analysed["label"] == self.positive, dtype=bool)

    @property
    def groups(self) -> np.ndarray:
        """Patient codes of the analysed cases, (n,) int, in sorted order of the patient ids."""
        return pd.factorize(self.analysed["patient_id"], sort=True)[0].astype(np.int64)

    @property
    def has_split(self) -> bool:
        """Whether the manifest gives a split."""
        return bool((self.analysed["split"] != "").any())
