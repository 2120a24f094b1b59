"""Pretrained weights: search, verification of the files, download.

A run never downloads anything. It looks for a file in a folder: under torchvision's file name, as `<network>.pth` or as
`<network>.safetensors`.

- A `.pth` file is a pickle. It is opened with `weights_only=True`, which builds only tensors, and only if its SHA-256 is verified: either it
  is a published one (torchvision gives its first eight hex digits in the file's name), or the user confirms it in a file `<file>.sha256`.
- A safetensors file holds only numbers and needs no verification. If a file `<file>.sha256` exists, the two must agree.
- A file that the experiment names itself (networks.file.NAME) needs no published hash; its SHA-256 is recorded, and compared where it is given.
- A first layer for one channel becomes one for three: a third of its weights in each, the same function of a grey image if mean and standard
  deviation are the same in the three.
- Names and shapes of the tensors are checked in all cases. Prefixes and other programs' names are understood and reported (`weights_names`).

Eight hex digits detect accidents (a truncated file, a proxy's error page), but not an attacker who searches for a file with the same eight.
The table of networks has the whole hash of some files; `origin` says which of the two was compared. A downloaded file is stored as
safetensors, with the SHA-256 of the original in its metadata.
"""

from __future__ import annotations

import difflib
import os
import pickle
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from hybridcx.deep.architectures import architecture
from hybridcx.deep.weights_file import WeightsFile, by_hand, is_published, published_as, sha256_of
from hybridcx.deep.weights_list import WeightsStatus, default_folder, find, hub_cache, place_of, status_of
from hybridcx.deep.weights_names import BESIDE, CONTAINERS, LEFT_OUT, looks_like_timm, torchvision_names
from hybridcx.errors import InputError, Problem, printable
from hybridcx.store.artefacts import write_atomic
from hybridcx.vocabulary.networks import NETWORKS, Network, network

WeightsSource = Literal["imagenet", "folder", "none"]
SHOWN = 20
"""Tensors that do not fit and are named each; the others are counted."""


def locate(name: str, source: WeightsSource, folder: Path | None) -> WeightsFile | None:
    """Find a network's pretrained weights and check their hash.

    Parameters
    ----------
    name : network
    source : `imagenet`: in `folder` if one is given, then in the default folder, then in torch's own cache (a network of timm: in that of
        huggingface_hub); `folder`: in `folder` alone; `none`: returns None
    folder : networks.weights_dir, resolved, or None

    Raises
    ------
    InputError
        if the file is absent or its hash is refused; the message says how to obtain it.
    """
    row = network(name)
    if source == "none":
        return None
    if source == "folder":
        if folder is None:
            raise InputError(Problem('networks.weights = "folder" needs networks.weights_dir'))
        folders = [folder]
    else:
        folders = [f for f in (folder, default_folder()) if f is not None]
    for place in folders:
        path = find(row, place)
        if path is not None:
            sha256 = sha256_of(path)
            return WeightsFile(name, path, sha256, _origin(row, path, sha256))
    path = _cached_elsewhere(row) if source == "imagenet" else None
    if path is not None:
        sha256 = sha256_of(path)
        return WeightsFile(name, path, sha256, _origin(row, path, sha256))
    raise InputError(
        Problem(f"the weights of {row.title} are not here", str(folders[0]), remedy=by_hand(row, folders[0]))
    )


def _cached_elsewhere(row: Network) -> Path | None:
    """The file where torch, or huggingface_hub for timm, has kept it."""
    if row.family == "timm":
        from hybridcx.deep.timm_models import hub_files

        return next(iter(hub_files(row.name)), None)
    path = hub_cache() / row.weights_file
    return path if path.is_file() else None


def locate_own(name: str, path: Path, sha256: str | None) -> WeightsFile:
    """The file that an experiment names for a network itself (networks.file.NAME).

    It needs no published hash: the user named it. A `.pth` is opened as tensors alone (`weights_only=True`) all the same.

    Raises
    ------
    InputError
        if it is not there, is no `.pth`, `.pt`, `.bin` or `.safetensors` file, or has another SHA-256 than the one given.
    """
    key = f"networks.file.{name}"
    if path.suffix not in (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar"):
        raise InputError(
            Problem(
                "a file of weights ends in .safetensors, .pth, .pt, .bin, .ckpt or .tar",
                str(path),
                column=f"{key}.path",
                remedy="rename it, or give another file",
            )
        )
    if not path.is_file():
        raise InputError(
            Problem(
                "the file of weights is not there",
                str(path),
                column=f"{key}.path",
                remedy="give its path relative to the experiment file",
            )
        )
    found = sha256_of(path)
    if sha256 is not None and found != sha256.lower():
        raise InputError(
            Problem(
                f"the file's SHA-256 is not {key}.sha256",
                str(path),
                value=found,
                remedy="bring the file again, or correct the key",
            )
        )
    sure = "with the SHA-256 that it gives" if sha256 is not None else "whose SHA-256 is recorded"
    note = names_note(name, path)
    return WeightsFile(name, path, found, f"a file that the experiment names, {sure}{note and f' ({note})'}", own=True)


def _origin(row: Network, path: Path, sha256: str) -> str:
    sidecar = path.with_name(path.name + ".sha256")
    if path.suffix == ".safetensors" and not sidecar.is_file():
        return f"a safetensors file brought by the user, {names_note(row.name, path) or 'taken as it is'}"
    if path.suffix != ".safetensors" and is_published(row, sha256):
        return published_as(row, sha256)
    if sidecar.is_file():
        vouched = re.match(r"\s*([0-9a-fA-F]{64})\b", sidecar.read_text(encoding="utf-8", errors="replace"))
        if vouched and vouched[1].lower() == sha256:
            source = _original_sha256(path)
            if source is not None and is_published(row, source):
                return f"kept as safetensors since they were fetched: {published_as(row, source)}"
            note = names_note(row.name, path)
            return f"a file that the user vouches for in {sidecar.name}{note and f' ({note})'}"
        raise InputError(
            Problem(
                f"the file's SHA-256 is not the one in {sidecar.name}",
                str(path),
                value=sha256,
                remedy="bring the file again",
            )
        )
    with path.open("rb") as file:
        looks_like_page = file.read(256).lstrip()[:1] == b"<"
    what = (
        "this is a web page, not weights (a proxy's answer?)"
        if looks_like_page
        else "the SHA-256 of the weights is not the published one"
    )
    raise InputError(
        Problem(
            f"{what}, so the file is refused",
            str(path),
            value=sha256,
            remedy=f"delete it and {by_hand(row, path.parent)}. Weights of your own: as safetensors, or with {path.name}.sha256 beside them",
        )
    )


def _original_sha256(path: Path) -> str | None:
    """The SHA-256 of the original of a converted safetensors file, from its metadata; None for other files."""
    if path.suffix != ".safetensors":
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("made_from_sha256")
    except (SafetensorError, OSError):
        return None


def keep_as_safetensors(file: WeightsFile) -> WeightsFile:
    """Write a checked `.pth` file as `<network>.safetensors` beside it, with its SHA-256 in `<network>.safetensors.sha256`, and remove it.

    Tensors have torchvision's present names. The file is renamed when it is complete. A safetensors file from the user is never replaced;
    then the `.pth` file stays.

    Raises InputError as `load_state_dict` does; then the `.pth` file stays.
    """
    row = network(file.network)
    state = {name: tensor.contiguous() for name, tensor in load_state_dict(file, file.network).items()}
    target = file.path.with_name(f"{file.network}.safetensors")
    if target.exists() and _original_sha256(target) is None:
        return file
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        metadata = {
            "made_from_sha256": file.sha256
        }  # one key: the order of several keys in the file changes from call to call
        save_file(state, temporary, metadata=metadata)
        sha256 = sha256_of(temporary)
        write_atomic(target.with_name(target.name + ".sha256"), f"{sha256}  {target.name}\n")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    file.path.unlink()
    return WeightsFile(file.network, target, sha256, _origin(row, target, sha256))


def load_state_dict(source: Path | WeightsFile, name: str) -> dict[str, Tensor]:
    """Load a network's weights: float32 tensors under torchvision's present names, with the file's own last layer.

    Parameters
    ----------
    source : a path (its hash is checked here) or a located file
    name : network

    Raises
    ------
    InputError
        for a wrong hash, a pickle with other objects than tensors, a damaged file, missing or additional tensors, wrong shapes, NaN.
    """
    row = network(name)
    path = source.path if isinstance(source, WeightsFile) else source
    if not path.is_file():
        raise InputError(
            Problem(f"the weights of {row.title} are not here", str(path), remedy=by_hand(row, path.parent))
        )
    if not isinstance(source, WeightsFile):
        _origin(row, path, sha256_of(path))
    own = isinstance(source, WeightsFile) and source.own
    remedy = f"look at networks.file.{name}" if own else f"delete it and {by_hand(row, path.parent)}"
    try:
        loaded, _ = _tensors(path)
    except pickle.UnpicklingError:
        problem = Problem(
            "the file holds Python objects that could run code, not only tensors; it is refused",
            str(path),
            remedy=f"save the tensors alone, torch.save(model.state_dict(), path), or {remedy}",
        )
        raise InputError(problem) from None
    except Exception as error:  # whatever torch's unpickler meets in a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem("the weights cannot be read", str(path), value=reason, remedy=remedy)) from None
    return _checked(row, loaded, path)


def _tensors(path: Path) -> tuple[object, str]:
    """What a file of weights holds, and which of several state dicts was taken ("" where there is one).

    That is the state dict itself, also where a checkpoint has it under one of `CONTAINERS`.
    """
    if path.suffix == ".safetensors":
        return load_file(path), ""
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(loaded, Mapping) or _is_state_dict(loaded):
        return loaded, ""
    taken = next((k for k in CONTAINERS if _is_state_dict(loaded.get(k))), None)
    if taken is None:
        return loaded, ""
    others = [printable(k) for k, value in loaded.items() if k != taken and _is_state_dict(value)]
    return loaded[taken], f"of its state dicts {taken} is taken, not {', '.join(others)}" if others else ""


def _is_state_dict(value: object) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def names_note(name: str, path: Path) -> str:
    """How the names of a file's tensors are read, where they are not torchvision's; "" also for a file that cannot be read."""
    taken = ""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                shapes = {k: tuple(file.get_slice(k).get_shape()) for k in file.keys()}  # noqa: SIM118  (it is no dict)
        else:
            loaded, taken = _tensors(path)
            is_one = isinstance(loaded, Mapping) and _is_state_dict(loaded)
            shapes = {k: tuple(v.shape) for k, v in loaded.items()} if is_one else {}  # type: ignore[attr-defined]
    except Exception:  # whatever is wrong with it is reported where it is loaded
        return ""
    expected = expected_shapes(name)
    renamed, note = torchvision_names(list(shapes), expected, network(name).family, children_of(name))
    notes = [n for n in (taken, note) if n]
    left_out = [n for n in renamed.values() if _beside(n, expected, children_of(name))]
    if left_out:
        notes.append(f"{len(left_out)} tensors beside the network are left out, such as {left_out[0]}")
    if any(_one_channel(shape, expected.get(renamed[n], ())) for n, shape in shapes.items()):
        notes.append(
            "the first layer takes one channel: its weights, divided by three, stand in each of the three; mean and std "
            "are those of networks.file, "
            "without them ImageNet's"
        )
    return "; ".join(notes)


def _beside(name: str, expected: Mapping[str, tuple[int, ...]], parts: tuple[str, ...]) -> bool:
    """Whether a tensor is none of the network's: one of `LEFT_OUT`, or of a module that the network does not have (the loss of a trainer).

    A file of another network has all its tensors in modules of the same names, or lacks some: those of a deeper one are never left out.
    """
    module = name.partition(".")[0]
    of_trainer = bool(BESIDE.fullmatch(module)) and module not in parts
    return name not in expected and (of_trainer or bool(LEFT_OUT.fullmatch(name)))


def _one_channel(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether a convolution takes one channel where three are wanted: (k, 1, h, w) and (k, 3, h, w)."""
    return (
        len(found) == len(wanted) == 4
        and found[1] == 1
        and wanted[1] == 3
        and (found[0], *found[2:]) == (wanted[0], *wanted[2:])
    )


def _checked(row: Network, loaded: object, path: Path) -> dict[str, Tensor]:
    if not isinstance(loaded, Mapping) or not _is_state_dict(loaded):
        entries = (
            f", its entries are {', '.join(map(printable, list(loaded)[:8]))}" if isinstance(loaded, Mapping) else ""
        )
        rule = f"the file is no state dict (names with tensors){entries}"
        raise InputError(Problem(rule, str(path), remedy="save model.state_dict()"))
    expected = expected_shapes(row.name)
    renamed, note = torchvision_names(loaded.keys(), expected, row.family, children_of(row.name))
    parts = children_of(row.name)
    tensors = {renamed[k]: v for k, v in loaded.items() if not _beside(renamed[k], expected, parts)}
    unknown = [n for n in tensors if n not in expected]
    head = (f"{row.last_layer}.weight", f"{row.last_layer}.bias")
    problems: list[Problem] = []
    state: dict[str, Tensor] = {}
    for name, shape in expected.items():
        if name not in tensors:
            if name.endswith("num_batches_tracked"):  # PyTorch before 0.4.1 had no such counter
                state[name] = torch.zeros((), dtype=torch.long)
            elif name not in head:  # a file without a last layer serves as a backbone
                problems.append(
                    Problem(f"the tensor {name} is missing{_nearest(name, len(shape), unknown, tensors)}", str(path))
                )
            continue
        tensor = tensors[name]
        if tensor.dim() == 4 and len(shape) == 2:  # timm's fully connected layers of VGG
            tensor = tensor.flatten(1)
        if _one_channel(tuple(tensor.shape), shape):
            # Equal channels (a grey image, one mean and one standard deviation) then give what the one channel gave.
            tensor = (tensor.to(torch.float32) / 3).repeat(1, 3, 1, 1)
        # The number of classes may differ: the last layer is replaced.
        actual, wanted = (tensor.shape[1:], shape[1:]) if name == head[0] else (tensor.shape, shape)
        if tuple(actual) != tuple(wanted) and name != head[1]:
            problems.append(Problem(f"the tensor {name} has the shape {tuple(tensor.shape)}, not {shape}", str(path)))
        elif tensor.is_floating_point():
            state[name] = tensor.to(torch.float32)
            if not torch.isfinite(state[name]).all():
                problems.append(Problem(f"the tensor {name} holds values that are not finite", str(path)))
        else:
            state[name] = tensor
    problems += [Problem(f"{row.title} has no tensor {name}", str(path)) for name in unknown]
    if problems:
        first = problems[:SHOWN]
        if len(problems) > SHOWN:
            rule = f"this is not a state dict of {row.title}: {len(problems)} differences, of which {SHOWN} follow"
            first.insert(0, Problem(rule, str(path)))
        if note:
            rule = f"read as a state dict of {row.title}, but it has other tensors: {note}"
            first.insert(0, Problem(rule, str(path)))
        if row.family != "timm" and looks_like_timm(unknown):
            remedy = 'networks.names = ["timm:NAME"], with the name of the model there (extra `timm`)'
            first.append(Problem("the names are those of a model of timm", str(path), remedy=remedy))
        raise InputError(first)
    return state


def _nearest(name: str, dimensions: int, unknown: list[str], tensors: Mapping[str, Tensor]) -> str:
    """The tensor of the file that a missing one may be: of as many dimensions, the most similar name among those that the network does not have."""
    near = difflib.get_close_matches(name, [n for n in unknown if tensors[n].dim() == dimensions], n=1, cutoff=0.4)
    return f"; the file has {printable(near[0])} {tuple(tensors[near[0]].shape)}" if near else ""


@cache
def children_of(name: str) -> tuple[str, ...]:
    """The names of a network's children in their order."""
    return tuple(n for n, _ in architecture(network(name), 1000, on_meta=True).named_children())


@cache
def expected_shapes(name: str) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of a network's state dict with the 1000 classes of ImageNet."""
    return {k: tuple(v.shape) for k, v in architecture(network(name), 1000, on_meta=True).state_dict().items()}


def verify(folder: Path | None = None) -> list[WeightsStatus]:
    """As `list_weights`; every file is hashed, opened and compared with the names and shapes of its network."""
    return [_verified(row, folder or place_of(row)) for row in NETWORKS.values()]


def _verified(row: Network, folder: Path) -> WeightsStatus:
    path = find(row, folder)
    if path is None:
        return status_of(row, folder)
    size, sha256 = path.stat().st_size, sha256_of(path)
    try:
        file = WeightsFile(row.name, path, sha256, _origin(row, path, sha256))
        load_state_dict(file, row.name)
    except InputError as error:
        return WeightsStatus(row.name, path.name, "refused", size, sha256, str(error))
    return WeightsStatus(row.name, path.name, "ok", size, sha256, file.origin)


def fetch(
    name: str,
    folder: Path | None = None,
    *,
    url_base: str | None = None,
    on_progress: Callable[[int, int | None], None] | None = None,
) -> WeightsFile:
    """Download a network's weights into `folder` and store them as safetensors (procedure and errors: `download.fetch_file`).

    Intact weights that are already in `folder` (downloaded earlier, or copied under torchvision's name) are used without any request.
    """
    from hybridcx.deep import download  # imported late: it loads the network libraries

    row = network(name)
    if row.family == "timm":
        raise InputError(
            Problem("weights of timm are not fetched", value=name, remedy=by_hand(row, folder or default_folder()))
        )
    folder = folder or default_folder()
    target = folder / f"{name}.safetensors"
    source = _original_sha256(target) if target.is_file() else None
    if source is not None and is_published(row, source):
        sha256 = sha256_of(target)
        try:
            return WeightsFile(name, target, sha256, _origin(row, target, sha256))
        except InputError:
            target.unlink()  # damaged: download it again
    copied = folder / row.weights_file
    if copied.is_file() and is_published(row, sha256 := sha256_of(copied)):
        return WeightsFile(name, copied, sha256, published_as(row, sha256))
    return keep_as_safetensors(download.fetch_file(row, folder, url_base=url_base, on_progress=on_progress))
