"""Fitted heads on disk: skops for scikit-learn's part, XGBoost's own .ubj, and a JSON file. Loading them cannot execute code.

A folder holds `pipeline.skops` (without the last step for XGBoost), `model.ubj` (XGBoost alone) and `head.json`, which is written last and carries
the SHA-256 of the others and of its own content.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import sklearn
from sklearn.pipeline import Pipeline

from hybridcx.errors import InputError, Problem
from hybridcx.heads.decision import Sigmoid
from hybridcx.heads.fitted import Candidate, CvScore, FittedHead
from hybridcx.heads.table import HEADS, Head

SCHEMA = 1
META, PIPELINE, BOOSTER = "head.json", "pipeline.skops", "model.ubj"
TRUSTED = ("hybridcx.heads.rowspace.RowSpace", "sklearn.tree._tree.Tree")
"""The only types that are loaded besides those that skops itself trusts. Fixed here, never taken from the file."""


class UnusableHeadError(InputError):
    """A saved head that is absent, damaged, of another version or of a type that is not trusted. Fit it again; that is safe and quick."""


def save_head(fitted: FittedHead, folder: Path) -> Path:
    """Write `fitted` into `folder` (made if absent) and return the path of its `head.json`. Files of an earlier head there are replaced.

    The files are not byte-identical between two saves of one head (skops stores addresses and times); their predictions are.
    """
    head = HEADS[fitted.name]
    folder.mkdir(parents=True, exist_ok=True)
    for name in (META, PIPELINE, BOOSTER):
        (folder / name).unlink(missing_ok=True)
    kept = fitted.pipeline
    if head.has_own_format:
        # not save_model: XGBoost does not notice that the disk is full when it writes the last 4096 bytes
        (folder / BOOSTER).write_bytes(fitted.pipeline[-1].get_booster().save_raw(raw_format="ubj"))
        kept = Pipeline(fitted.pipeline.steps[:-1])
    import skops.io  # imported here, because it imports every estimator of scikit-learn, which takes a second

    skops.io.dump(kept, folder / PIPELINE)
    files = {name: _sha256((folder / name).read_bytes()) for name in (PIPELINE, BOOSTER) if (folder / name).exists()}
    meta: dict[str, Any] = {
        "schema": SCHEMA,
        "name": fitted.name,
        "versions": _versions(head),
        "files": files,
        "sigmoid": None if fitted.sigmoid is None else _sigmoid_out(fitted.sigmoid),
        "best_params": dict(fitted.best_params),
        "candidates": [_candidate_out(c) for c in fitted.candidates],
        "cv_score": {"auroc": fitted.cv_score.auroc, "log_loss": fitted.cv_score.log_loss, "brier": fitted.cv_score.brier,
                     "n_folds": fitted.cv_score.n_folds},
        "out_of_fold": fitted.out_of_fold.tolist(),
        "n_cases": fitted.n_cases,
        "n_patients": fitted.n_patients,
        "n_features": fitted.n_features,
        "seed": fitted.seed,
        "threads": fitted.threads,
        "notes": list(fitted.notes),
    }  # fmt: skip
    meta["sha256"] = _meta_hash(meta)
    path = folder / META
    path.write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n", encoding="utf-8", newline="\n")
    return path


def load_head(folder: Path) -> FittedHead:
    """Read a head back; its predictions are those of the saved one to the bit (same machine, same versions).

    Every file is checked against its hash before anything is parsed from it.

    Raises
    ------
    UnusableHeadError
        if a file is missing or changed, the head was saved by another version of scikit-learn, XGBoost or this format, or it holds a type
        that is not in `TRUSTED`. The caller fits the head again and reports it.
    """
    meta = _read_meta(folder)
    name = str(meta["name"])
    if name not in HEADS:
        raise _unusable("the saved head is none that this version knows", folder, META, name)
    head = HEADS[name]
    if meta["versions"] != _versions(head):
        versions = ", ".join(f"{k} {v}" for k, v in meta["versions"].items())
        raise _unusable("the head was saved by other versions, whose numbers may differ", folder, META, versions)
    expected = {PIPELINE, BOOSTER} if head.has_own_format else {PIPELINE}
    if set(meta["files"]) != expected:
        raise _unusable("the list of files does not belong to this head", folder, META, sorted(meta["files"]))
    content = {}
    for file, digest in meta["files"].items():
        try:
            content[file] = (folder / file).read_bytes()
        except OSError:
            raise _unusable("the file is missing or cannot be read", folder, file) from None
        if _sha256(content[file]) != digest:
            raise _unusable(
                "the file does not have the hash that was recorded when it was saved: it is damaged or was changed",
                folder,
                file,
            )
    pipeline = _load_pipeline(content[PIPELINE], folder)
    if head.has_own_format:
        pipeline = Pipeline([*pipeline.steps, ("estimator", _load_booster(head, content[BOOSTER], folder))])
    score, sigmoid = meta["cv_score"], meta["sigmoid"]
    return FittedHead(
        name=name,
        pipeline=pipeline,
        sigmoid=None if sigmoid is None else _sigmoid_in(sigmoid),
        best_params=meta["best_params"],
        candidates=tuple(_candidate_in(c) for c in meta["candidates"]),
        cv_score=CvScore(score["auroc"], score["log_loss"], score["brier"], score["n_folds"]),
        out_of_fold=np.asarray(meta["out_of_fold"], dtype=np.float64),
        n_cases=meta["n_cases"],
        n_patients=meta["n_patients"],
        n_features=meta["n_features"],
        seed=meta["seed"],
        threads=meta["threads"],
        notes=tuple(meta["notes"]),
    )


def _load_pipeline(content: bytes, folder: Path) -> Pipeline:
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        pipeline = skops.io.loads(content, trusted=list(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise _unusable(f"the file holds a type that is not trusted ({error})", folder, PIPELINE) from None
    except Exception as error:
        # skops, zipfile and json each raise their own errors; any of them means that the file is not one that we wrote.
        raise _unusable(
            f"the file cannot be read as a scikit-learn pipeline ({type(error).__name__})", folder, PIPELINE
        ) from None
    if not isinstance(pipeline, Pipeline):
        raise _unusable("the file holds something else than a pipeline", folder, PIPELINE, type(pipeline).__name__)
    return pipeline


def _load_booster(head: Head, content: bytes, folder: Path) -> Any:
    module, _, kind = head.estimator.rpartition(".")
    model = getattr(importlib.import_module(module), kind)()
    try:
        model.load_model(bytearray(content))
    except Exception as error:
        raise _unusable(f"XGBoost cannot read the file ({type(error).__name__})", folder, BOOSTER) from None
    return model


def _read_meta(folder: Path) -> dict[str, Any]:
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
    except OSError:
        raise _unusable("the file is missing or cannot be read", folder, META) from None
    except ValueError:
        raise _unusable("the file is not valid JSON: it is damaged", folder, META) from None
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        raise _unusable("the file is of another format", folder, META)
    if meta.get("sha256") != _meta_hash(meta):
        raise _unusable("the file does not have the hash that stands in it: it is damaged or was changed", folder, META)
    return cast(dict[str, Any], meta)


def _unusable(rule: str, folder: Path, file: str, value: object = None) -> UnusableHeadError:
    return UnusableHeadError(Problem(rule, str(folder / file), value=value, remedy="the head has to be fitted again"))


def _versions(head: Head) -> dict[str, str]:
    versions = {"scikit-learn": sklearn.__version__}
    if head.has_own_format:
        versions["xgboost"] = str(importlib.import_module(head.estimator.partition(".")[0]).__version__)
    return versions


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _meta_hash(meta: Mapping[str, Any]) -> str:
    return _sha256(json.dumps({k: v for k, v in meta.items() if k != "sha256"}, sort_keys=True).encode())


def _sigmoid_out(s: Sigmoid) -> dict[str, Any]:
    if not (math.isfinite(s.slope) and math.isfinite(s.intercept)):
        raise InputError(
            Problem(
                "a calibration with a coefficient that is not finite cannot be saved", value=f"{s.slope}, {s.intercept}"
            )
        )
    return {"slope": s.slope, "intercept": s.intercept, "flat": s.flat, "case_ids": list(s.case_ids)}


def _sigmoid_in(d: Mapping[str, Any]) -> Sigmoid:
    return Sigmoid(d["slope"], d["intercept"], d["flat"], tuple(d["case_ids"]))


def _candidate_out(c: Candidate) -> dict[str, Any]:
    return {"params": dict(c.params), "log_loss": c.log_loss, "auroc": c.auroc, "brier": c.brier,
            "fold_log_loss": list(c.fold_log_loss), "fold_auroc": list(c.fold_auroc)}  # fmt: skip


def _candidate_in(d: Mapping[str, Any]) -> Candidate:
    return Candidate(
        d["params"], d["log_loss"], d["auroc"], d["brier"], tuple(d["fold_log_loss"]), tuple(d["fold_auroc"])
    )
