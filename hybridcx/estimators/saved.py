"""Fitted estimators in a folder: `estimator.json` and `weights.safetensors`. Reading them cannot execute code.

`weights.safetensors` holds the network's tensors under torchvision's names, so that other programs, and `weights=` of an estimator, read it.
`estimator.json` has the parameters, the other fitted attributes, and the SHA-256 of the weights and of itself. The same estimator gives the
same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator

from hybridcx.estimators.refusal import RefusedInputError, refused
from hybridcx.store.artefacts import write_atomic
from hybridcx.store.provenance import version

SCHEMA = 1
META, WEIGHTS = "estimator.json", "weights.safetensors"
TUPLES = ("image_shape", "pixel_range")
KINDS = "biufUO"
OF_TABLES = ("n_features_in_", "feature_names_in_")
"""Fitted attributes where X was a table or a column."""
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Saved:
    """What a folder holds: `content` with the parts that the estimator wrote, `weights` by torchvision's names."""

    content: Mapping[str, dict[str, object]]
    weights: dict[str, np.ndarray]


def write(
    folder: str | os.PathLike[str], kind: str, content: Mapping[str, Json], weights: Mapping[str, np.ndarray]
) -> None:
    """Write an estimator of the class `kind` into `folder` (made if absent); one that is there is replaced."""
    from safetensors.numpy import save

    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    data = save(dict(weights))
    meta: dict[str, object] = {
        "schema": SCHEMA,
        "kind": kind,
        "hybridcx": version(),
        "weights_sha256": hashlib.sha256(data).hexdigest(),
        "content": content,
    }
    text = json.dumps({**meta, "sha256": _hash(meta)}, indent=1, allow_nan=False)
    (place / META).unlink(missing_ok=True)  # until the new one is complete, there is none
    write_atomic(place / WEIGHTS, data)
    write_atomic(place / META, text + "\n")


def read(folder: str | os.PathLike[str], kind: str) -> Saved:
    """Read an estimator of the class `kind`. Every file is checked against its hash before anything is taken from it.

    Raises
    ------
    RefusedInputError
        if a file is missing or changed, or the folder holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    place = Path(folder)
    meta = _meta(place)
    if meta["kind"] != kind:
        raise _unusable(f"this is a {meta['kind']}, not a {kind}", place / META, f"read it with {meta['kind']}.load")
    try:
        data = (place / WEIGHTS).read_bytes()
    except OSError:
        raise _unusable("the file is missing or cannot be read", place / WEIGHTS) from None
    if hashlib.sha256(data).hexdigest() != meta["weights_sha256"]:
        raise _unusable(
            "the file does not have the hash that was recorded when it was saved: it is damaged or was changed",
            place / WEIGHTS,
        )
    try:
        weights = load(data)
    except (SafetensorError, ValueError, KeyError):
        raise _unusable("the file is no safetensors file", place / WEIGHTS) from None
    content = meta["content"]
    if not isinstance(content, dict) or not all(isinstance(part, dict) for part in content.values()):
        raise foreign(place)
    return Saved(content, weights)


def foreign(folder: str | os.PathLike[str]) -> RefusedInputError:
    """The error for a folder whose hashes are right, but which no `save` of this version wrote."""
    return _unusable("the file is not what this version of hybridcx saves", Path(folder) / META)


def parameters_out(parameters: Mapping[str, object]) -> dict[str, object]:
    """Parameters as JSON values.

    Raises
    ------
    RefusedInputError
        for one that is none, such as a RandomState.
    """
    out: dict[str, object] = {}
    for name, value in parameters.items():
        try:
            out[name] = json.loads(json.dumps(value, allow_nan=False, default=_plain))
        except (TypeError, ValueError):
            remedy = (
                f"call set_params({name}=None) before saving"
                if name == "random_state"
                else "give numbers, texts, tuples and mappings"
            )
            raise refused(f"the parameter {name} cannot be saved", type(value).__name__, remedy) from None
    return out


def parameters_in(parameters: Mapping[str, object]) -> dict[str, object]:
    """The inverse of `parameters_out`."""
    return {k: tuple(v) if k in TUPLES and isinstance(v, list) else v for k, v in parameters.items()}


def fitted_out(estimator: BaseEstimator, names: Sequence[str]) -> dict[str, object]:
    """The fitted attributes `names`, and those of `OF_TABLES` that the estimator has, as JSON values; NaN is null."""
    return {
        name: _out(getattr(estimator, name))
        for name in (*names, *OF_TABLES)
        if name in names or hasattr(estimator, name)
    }


def set_fitted(estimator: BaseEstimator, fitted: Mapping[str, object], names: Sequence[str]) -> None:
    """Give an estimator the fitted attributes that `fitted_out` wrote: all of `names`, and of `OF_TABLES` those that are there.

    Raises KeyError, TypeError or ValueError for others.
    """
    if missing_or_unknown := set(names) ^ (set(fitted) - set(OF_TABLES)):
        raise KeyError(sorted(missing_or_unknown)[0])
    for name, value in fitted.items():
        setattr(estimator, name, _in(value))


def _out(value: object) -> object:
    if isinstance(value, np.ndarray):
        values = [None if isinstance(v, float) and v != v else v for v in value.tolist()]
        return {"dtype": value.dtype.str if value.dtype.kind != "O" else "O", "values": values}
    return {k: _out(v) for k, v in value.items()} if isinstance(value, dict) else value


def _in(value: object) -> object:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        dtype = np.dtype(str(value["dtype"]))
        if dtype.kind not in KINDS:
            raise TypeError(dtype)
        return np.array(value["values"], dtype=dtype)
    return {k: _in(v) for k, v in value.items()}


def _meta(folder: Path) -> dict[str, object]:
    path = folder / META
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise _unusable("the file is missing or cannot be read: no estimator was saved here", path) from None
    except (ValueError, RecursionError):
        raise _unusable("the file is not valid JSON: it is damaged", path) from None
    if not isinstance(meta, dict) or not {"schema", "kind", "weights_sha256", "content", "sha256"} <= set(meta):
        raise foreign(folder)
    if meta["schema"] != SCHEMA:
        raise _unusable(
            f"the file is of another format ({meta['schema']})",
            path,
            "read it with the version of hybridcx that wrote it",
        )
    if meta["sha256"] != _hash({k: v for k, v in meta.items() if k != "sha256"}):
        raise _unusable("the file does not have the hash that stands in it: it is damaged or was changed", path)
    return meta


def _unusable(
    rule: str, path: Path, remedy: str = "save the estimator again, or copy the folder again"
) -> RefusedInputError:
    return refused(rule, remedy=remedy, where=str(path))


def _hash(meta: Json) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(type(value).__name__)
