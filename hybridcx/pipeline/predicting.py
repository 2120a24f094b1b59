"""The trained models of a run on new images: predictions, what made them, and overlap with the training data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logit

from hybridcx.analysis.repeats.ensembles import MEAN
from hybridcx.cohort.cohort import OPTIONAL, REQUIRED, Cohort
from hybridcx.deep.features import Extracted, extract, initial_state, softmax_positive
from hybridcx.deep.weights import WeightsFile
from hybridcx.errors import InputError
from hybridcx.experiment.file import Experiment
from hybridcx.heads.fitted import FittedHead
from hybridcx.heads.persist import META, UnusableHeadError, load_head
from hybridcx.heads.stack import Stack
from hybridcx.heads.table import HEADS
from hybridcx.images.store import ImageStore
from hybridcx.pipeline.ensembles import TINY
from hybridcx.pipeline.outcome import COPY, TrainedNetwork
from hybridcx.pipeline.trained_models import SharedPatients, TrainedModels
from hybridcx.pipeline.training import network_of
from hybridcx.progress import Progress
from hybridcx.records.lineage import Lineage
from hybridcx.records.model_names import CHOSEN
from hybridcx.vocabulary.external import COPY_FROM, IDENTICAL, MODELS, NEARLY, OF_TEST_SET, OVERLAP, PATIENT
from hybridcx.vocabulary.run import LEDGER

SEEN = "train"
"""The value of `split` of a case that the models know: its image, or its patient. It is not evaluated."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`ledger`: one row per model, training and new case. `models`: what made them. `overlap`: cases that share something with the training."""

    ledger: pd.DataFrame
    models: pd.DataFrame
    overlap: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Scores:
    """The scores of one model in one training, in the order of the images, and the row of `models.csv` about it."""

    model: str
    network: TrainedNetwork
    score: np.ndarray
    described: dict[str, object]


def apply_models(
    models: TrainedModels,
    experiment: Experiment,
    lineage: Lineage,
    cohort: Cohort,
    images: ImageStore,
    patients: SharedPatients | None,
    progress: Progress,
    *,
    apart_from_test: bool = False,
) -> Applied:
    """Score every image with every model of the run, at its locked threshold.

    `patients`: those of the new patients who are patients of the run too; None where this is not known. `apart_from_test`: cases that are, or share
    their patient with, a test case of the run are not evaluated either: what is compared with the test set has to be independent of it.

    In a cross-validation the models of
    every fold score all cases; the ledger's seed is then 100 x seed + fold, since each fold is a training of its own.
    """
    notes: list[str] = []
    scores = list(_all_scores(models, experiment, images, progress, notes))
    described = pd.DataFrame([{**s.described, **_fitted(lineage, s)} for s in scores]).reindex(columns=MODELS.header)
    overlap = overlap_of(models, cohort, images, patients)
    ledger = _ledger(models, cohort, images, scores, overlap, apart_from_test=apart_from_test)
    return Applied(ledger, described, overlap, tuple(dict.fromkeys(notes)))


def overlap_of(
    models: TrainedModels, cohort: Cohort, images: ImageStore, patients: SharedPatients | None
) -> pd.DataFrame:
    """New cases whose image is, or nearly is, one of the run, and those of its patients; columns of overlap.csv."""
    tested = models.test_images.copies(images)
    parts = [models.images.copies(images), tested.assign(overlap=tested["overlap"] + OF_TEST_SET)]
    if patients is not None:
        for shared, kind in ((patients.fitted, PATIENT), (patients.tested, PATIENT + OF_TEST_SET)):
            cases = cohort.analysed.loc[cohort.analysed["patient_id"].isin(shared), "case_id"]
            parts.append(pd.DataFrame({"case_id": cases, "overlap": kind}))
    table = pd.concat(parts, ignore_index=True).reindex(columns=OVERLAP.header)
    return table.sort_values(["case_id", "overlap"], kind="stable", ignore_index=True)


def known_cases(overlap: pd.DataFrame, of: str = "") -> set[str]:
    """The new cases that are cases of the run: by an identical image, a copy of one (`COPY_FROM`), or their patient. `of`: `OF_TEST_SET`, or ""."""
    copies = (overlap["overlap"] == NEARLY + of) & (overlap["correlation"] >= COPY_FROM)
    return set(overlap.loc[overlap["overlap"].isin((IDENTICAL + of, PATIENT + of)) | copies, "case_id"])


def _all_scores(
    models: TrainedModels, experiment: Experiment, images: ImageStore, progress: Progress, notes: list[str]
) -> Iterator[_Scores]:
    by_unit: dict[str, list[_Scores]] = {}
    for i, network in enumerate(models.networks, 1):
        progress.say(
            f"Network {i} of {len(models.networks)}: {network.network}{f' ({network.unit})' if network.unit else ''}."
        )
        for scores in _network_scores(models, network, experiment, images, progress, notes):
            by_unit.setdefault(network.unit, []).append(scores)
            yield scores
    for own in by_unit.values():
        yield from _ensembles(models, own)
        yield from _chosen(models, own)


def _network_scores(
    models: TrainedModels,
    network: TrainedNetwork,
    experiment: Experiment,
    images: ImageStore,
    progress: Progress,
    notes: list[str],
) -> Iterator[_Scores]:
    """The softmax of a network, and its heads."""
    row = network_of(experiment, network.network)
    known: dict[str, Extracted] = {}
    if network.weights is not None:
        tuned = extract(
            row, network.weights, images.images, experiment.compute,
            on_progress=progress.track(f"{network.network}: fine-tuned features"),
        )  # fmt: skip
        known["fine_tuned"] = tuned
        assert tuned.logits is not None
        yield _scores(network.network, network, softmax_positive(tuned.logits), models, "fine_tuned", None, "softmax")
    if network.initial is not None:
        digest = models.hash_of(network.initial)
        pretrained = (
            WeightsFile(network.network, network.initial, digest, "the run's")
            if network.source == "pretrained"
            else None
        )
        state = network.initial if pretrained is None else initial_state(row, network.seed, pretrained)
        known["initial"] = extract(
            row, state, images.images, experiment.compute, trained_head=False,
            on_progress=progress.track(f"{network.network}: {network.source} features"),
        )  # fmt: skip
    for extracted in known.values():
        notes += extracted.notes
    for head in network.heads:
        fitted = _head(head.folder)
        calibration = "of the estimator" if HEADS[head.head].has_probabilities else "sigmoid (fitted in training)"
        score = fitted.predict_proba_positive(known[head.features].features)
        yield _scores(head.model, network, score, models, head.features, head.head, calibration)


def _head(folder: Path) -> FittedHead:
    """A fitted head of the run. Raises InputError where it cannot be read, with what to do: it is not fitted again here."""
    try:
        return load_head(folder)
    except UnusableHeadError as error:
        remedy = (
            "install the versions in the run's provenance.json, or make the run again with those that are installed"
        )
        raise InputError(replace(p, remedy=remedy) for p in error.problems) from None


def _scores(
    model: str, network: TrainedNetwork, score: np.ndarray, models: TrainedModels, features: str, head: str | None, calibration: str
) -> _Scores:  # fmt: skip
    weights = network.weights if features == "fine_tuned" else network.initial
    folder = next((h.folder for h in network.heads if h.model == model), None)
    return _Scores(
        model,
        network,
        score,
        {
            "model": model,
            "seed": training_number(network),
            "network": network.network,
            "weights.sha256": None if weights is None else models.hash_of(weights),
            "head": head,
            "head.sha256": None if folder is None else models.hash_of(folder / META),
            "calibration": calibration,
            "threshold": models.threshold,
        },
    )


def training_number(network: TrainedNetwork) -> int:
    """The seed of a row: that of the training, or 100 x seed + fold."""
    return network.seed if network.fold is None else 100 * network.seed + network.fold


def _of_training(entry: dict[str, object], network: TrainedNetwork) -> bool:
    return entry["seed"] == network.seed and entry["fold"] == network.fold


def _ensembles(models: TrainedModels, own: list[_Scores]) -> Iterator[_Scores]:
    by_model = {s.model: s for s in own}
    first = own[0]
    for entry in models.ensembles:
        if not _of_training(dict(entry), first.network):
            continue
        members = [by_model[m] for m in str(entry["members"]).split(", ")]
        scores = np.stack([m.score for m in members], axis=1)
        if entry["model"] == MEAN:
            score, how = scores.mean(axis=1), "mean"
        else:
            stack = Stack(np.asarray(json.loads(entry["weights"]), dtype=float), float(entry["intercept"]))
            score = stack.predict_proba_positive(logit(np.clip(scores, TINY, 1 - TINY)))
            how = "logistic regression"
        yield _Scores(
            str(entry["model"]),
            first.network,
            score,
            {
                "model": entry["model"],
                "seed": training_number(first.network),
                "network": entry["members"],
                "calibration": how,
                "threshold": models.threshold,
            },
        )


def _chosen(models: TrainedModels, own: list[_Scores]) -> Iterator[_Scores]:
    by_model = {s.model: s for s in own}
    for entry in models.chosen:
        if _of_training(dict(entry), own[0].network) and entry["model"] in by_model:
            chosen, name = by_model[str(entry["model"])], f"{entry['network']}+{CHOSEN}"
            yield _Scores(name, chosen.network, chosen.score, {**chosen.described, "model": name})


def _fitted(lineage: Lineage, scores: _Scores) -> dict[str, object]:
    from hybridcx.records.lineage import cases_sha256

    seen = lineage.saw(scores.model, scores.network.unit)
    return {"n.fitted": len(seen), "cases.sha256": cases_sha256(seen)}


def _ledger(
    models: TrainedModels,
    cohort: Cohort,
    images: ImageStore,
    scores: list[_Scores],
    overlap: pd.DataFrame,
    *,
    apart_from_test: bool,
) -> pd.DataFrame:
    frame = cohort.analysed.set_index("case_id").loc[list(images.case_ids)].reset_index()
    label = frame["label"].astype(object).where(frame["label"].str.strip() != "", None)
    codes = pd.factorize(frame["patient_id"], sort=True)[0]
    copied = set(overlap.loc[overlap["overlap"].isin((IDENTICAL, NEARLY)), "case_id"])
    seen = known_cases(overlap) | (known_cases(overlap, OF_TEST_SET) if apart_from_test else set())
    parts = frame["split"].where(frame["split"] != "", "test").mask(frame["case_id"].isin(seen), SEEN)
    base = pd.DataFrame(
        {
            "case_id": frame["case_id"].astype(object),
            "y_true": label,
            "patient_id": pd.Series([f"g{c:05d}" for c in codes], dtype=object),
            "split": parts.astype(object),
        }
    )
    if copied:
        base[COPY] = frame["case_id"].isin(copied).map({True: "yes", False: "no"})
    further = [
        c for c in frame if c not in (*REQUIRED, *OPTIONAL, *LEDGER) and not str(c).startswith(("reader_", "rating_"))
    ]
    for column in further:
        text = frame[column].astype(object)
        base[column] = text.where(text.notna() & (text.astype(str).str.strip() != ""), None)
    names = np.array(models.labels, dtype=object)
    tables = [
        base.assign(
            model=s.model,
            y_pred=names[(s.score >= models.threshold).astype(int)],
            score=s.score.astype(np.float64),
            seed=training_number(s.network),
        )
        for s in scores
    ]
    order = ["case_id", "y_true", "model", "y_pred", "score", "patient_id", "split", "seed"]
    whole = pd.concat(tables, ignore_index=True)
    return whole[[*order, *(c for c in whole if c not in order)]]
