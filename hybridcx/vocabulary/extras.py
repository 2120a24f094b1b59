"""The extras of the package: what each is for, its packages, and the line that installs it. Every message about an absent package is made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

from hybridcx.errors import MissingExtraError


@dataclass(frozen=True, slots=True)
class Extra:
    """`packages`: the modules that are imported, with the names under which they are installed."""

    packages: Mapping[str, str]


EXTRAS: Mapping[str, Extra] = MappingProxyType(
    {
        "deep": Extra(
            {
                "torch": "torch",
                "torchvision": "torchvision",
                "sklearn": "scikit-learn",
                "xgboost": "xgboost",
                "safetensors": "safetensors",
                "skops": "skops",
                "joblib": "joblib",
            }
        ),
        "sklearn": Extra({"sklearn": "scikit-learn", "joblib": "joblib"}),
        "dicom": Extra({"pydicom": "pydicom"}),  # gdcm is asked for where a file is compressed
        "word": Extra({"docx": "python-docx"}),
        "excel": Extra({"openpyxl": "openpyxl"}),
        "spss": Extra({"pyreadstat": "pyreadstat"}),
        "timm": Extra({"timm": "timm"}),
        "onnx": Extra({"onnx": "onnx", "onnxscript": "onnxscript", "onnxruntime": "onnxruntime"}),
        "tensorboard": Extra({"tensorboard": "tensorboard"}),
        "dask": Extra({"distributed": "distributed"}),
    }
)


def install_line(extra: str) -> str:
    """The line to type, in the quotes that every shell understands.

    >>> install_line("deep")
    'pip install "hybridcx[deep]"'
    """
    return f'pip install "hybridcx[{extra}]"'


def absent(extra: str) -> tuple[str, ...]:
    """The packages of an extra that are not installed, under the names that are installed. Nothing is imported."""
    return tuple(name for module, name in EXTRAS[extra].packages.items() if not _installed(module))


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # an import hook blocks the module, or the module has no __spec__
        return False


def remedy(extra: str) -> str:
    """The remedy of a problem whose file needs an extra."""
    return f"run {install_line(extra)}"


def need(extra: str, what: str) -> None:
    """Return where all packages of the extra are installed.

    Raises MissingExtraError otherwise. `what` is a command, an option, or a piece of work.
    """
    if names := absent(extra):
        raise MissingExtraError(
            f"{what} needs packages that are not installed ({', '.join(names)})", extra, remedy(extra)
        )
