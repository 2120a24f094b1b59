"""The one table of measured figures, figures.csv: every benchmark adds what it measured, and docs/figures.md shows the latest of each.

A row says what was measured, when and where: machine, load, versions. A peer that was measured in the same run stands beside it, with the ratio of
both, so that above 1 is better than the peer: peer / ours, and ours / peer for rates and other figures of which more is better.
"""

from __future__ import annotations

import csv
import os
import platform
from datetime import date
from importlib import metadata
from math import isnan, nan
from pathlib import Path

from hybridcx.store.provenance import processor

TABLE = Path(__file__).with_name("figures.csv")
COLUMNS = (
    "date", "benchmark", "case", "figure", "unit", "peer", "peer.figure", "ratio", "processor", "cores", "load", "hybridcx", "python",
    "numpy", "torch",
)  # fmt: skip


def keep(
    benchmark: str, case: str, figure: float, unit: str, peer: str = "", peer_figure: float = nan, *, more_is_better: bool = False
) -> None:  # fmt: skip
    """Add a figure to the table.

    Parameters
    ----------
    benchmark, case : the script without its ending, and what it measured
    figure, unit : such as 12.3 and "s", "s processor", "GB", "images/s"
    peer, peer_figure : what was measured beside it in the same run
    """
    ratio = nan if isnan(peer_figure) else figure / peer_figure if more_is_better else peer_figure / figure
    row = {
        "date": date.today().isoformat(),
        "benchmark": benchmark,
        "case": " ".join(case.split()),
        "figure": _text(figure),
        "unit": unit,
        "peer": peer or "NA",
        "peer.figure": _text(peer_figure),
        "ratio": _text(ratio),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "NA",
        "hybridcx": metadata.version("hybridcx"),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("numpy", "torch")},
    }
    new = not TABLE.exists()
    with TABLE.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def _text(value: float) -> str:
    return "NA" if isnan(value) else f"{value:.4g}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "NA"
