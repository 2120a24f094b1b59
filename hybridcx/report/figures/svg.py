"""matplotlib figures as SVG inside a page: text as text, the same bytes every time, no reference to anything outside.

Colours are CSS variables with a fallback, so that one drawing serves the light and the dark page. Ids begin with the figure's prefix, so that a
page can have several figures. Names from users are text, never mathematics.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK = "#1a1c20"
MUTED = "#5b616b"
RULE = "#d5d8dd"
PAPER = "#fefefe"
SERIES = ("#0072b2", "#c85200", "#00855f", "#a8467e", "#1a1c20", "#96690a", "#2383b4", "#6b6f76")
"""Okabe and Ito's colours for colour-blind readers, darkened to a contrast of 3:1 on white; the dark page has lighter ones under the same names."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
LINES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    *("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2))),
    *((0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (2, 4)), (0, (4, 1))),
)
_VARIABLES = {
    INK: "var(--ink, #1a1c20)",
    MUTED: f"var(--muted, {MUTED})",
    RULE: f"var(--rule, {RULE})",
    PAPER: f"var(--paper, {PAPER})",
    **{c: f"var(--s{i + 1}, {c})" for i, c in enumerate(SERIES) if c != INK},
}
_RC: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hybridcx",
    "text.parse_math": False,
    "text.usetex": False,
    "axes.formatter.use_mathtext": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.constrained_layout.use": False,
}
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "{http://www.w3.org/1999/xlink}href"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b")
_FONT = re.compile(r"font: ([^;']*?px) [^;]+")
_VARIABLE = re.compile(r"var\(--[a-z0-9]+, ([^()]+)\)")
_URL = re.compile(r"url\(#([^)]+)\)")
MAX_LABEL_CHARS = 34
MIN_WIDTH_PX = 520


_PNG_DPI = 200


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished figure: its `<svg>` element for the page, and the matplotlib figure from which `png` makes a bitmap."""

    svg: Markup
    figure: Figure

    def png(self) -> bytes:
        """The figure as PNG, 200 dots per inch, on white; the same figure gives the same bytes."""
        buffer = io.BytesIO()
        with style(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"Glyph .* missing")
            self.figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": None})
        return buffer.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """The settings of the figures, independent of the user's matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(cast(Any, _RC))
        yield


def new_figure(width: float, height: float, margins: tuple[float, float, float, float]) -> Figure:
    """A figure outside pyplot's state; sizes in inches (72 units of the drawing, 96 px on the page).

    `margins` (left, right, bottom, top) hold the text around the axes. They are fixed, because a layout engine depends on the fonts of the machine
    and draws twice.
    """
    figure = Figure(figsize=(width, height))
    FigureCanvasSVG(figure)
    left, right, bottom, top = margins
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    return figure


def grid(figure: Figure, rows: int, columns: int, gap: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Axes of equal size with shared scales, shape (rows, columns); `gap`: inches between them, across and down."""
    width, height = figure.get_size_inches()
    p = figure.subplotpars
    each = (
        (width * (p.right - p.left) - gap[0] * (columns - 1)) / columns,
        (height * (p.top - p.bottom) - gap[1] * (rows - 1)) / rows,
    )
    figure.subplots_adjust(wspace=gap[0] / each[0], hspace=gap[1] / each[1])
    return figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)


def label(text: object, max_chars: int = MAX_LABEL_CHARS) -> str:
    """A text in a figure: control and direction characters escaped, cut to `max_chars`. Tables have the whole text."""
    escaped = "".join(
        c if not unicodedata.category(c).startswith("C") else c.encode("unicode_escape").decode() for c in str(text)
    )
    return escaped if len(escaped) <= max_chars else escaped[: max_chars - 1] + "…"


def add_line(ax: Axes, i: int, x: np.ndarray, y: np.ndarray, **options: object) -> None:
    """Draw a line in the colour and dashes of series `i`; `add_legend` lists it."""
    ax.plot(x, y, color=SERIES[i], linestyle=LINES[i], gid="series", **options)  # type: ignore[arg-type]


def add_legend(ax: Axes, names: Sequence[str], *, location: str = "", max_chars: int = MAX_LABEL_CHARS) -> None:
    """A legend of the series, beside the axes or at a `location` of matplotlib's inside them.

    The texts are set afterwards, because matplotlib hides labels that begin with "_".
    """
    handles = [line for line in ax.lines if line.get_gid() == "series"]
    place: dict[str, Any] = {"loc": location} if location else {"loc": "center left", "bbox_to_anchor": (1.02, 0.5)}
    legend = ax.legend(handles, ["."] * len(handles), handlelength=2.6, **place)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(label(name, max_chars))


def rows_on_y(ax: Axes, names: Sequence[str]) -> None:
    """One row of the figure for each name, the first at the top, with a grid for the values."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.grid(axis="x")
    ax.set_axisbelow(True)


def outer_labels(figure: Figure, x: str, y: str) -> None:
    """One label for the shared axes of a grid."""
    width, height = figure.get_size_inches()
    p = figure.subplotpars
    figure.text((p.left + p.right) / 2, 0.08 / height, x, ha="center", va="bottom", fontsize=9)
    figure.text(0.06 / width, (p.bottom + p.top) / 2, y, ha="left", va="center", rotation=90, fontsize=9)


def drawing(figure: Figure, prefix: str, title: str, description: str) -> Drawing:
    """The finished figure. `prefix` (lower-case letters, digits, hyphens) makes its ids unique; screen readers read `title` and `description`."""
    return Drawing(Markup(_svg(figure, prefix, title, description)), figure)


def _svg(figure: Figure, prefix: str, title: str, description: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", prefix):
        raise ValueError(f"the prefix of a figure has lower-case letters, digits and hyphens, unlike {prefix!r}")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing")  # browsers bring their own fonts
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    prefix = f"svg-{prefix}"  # other ids than the anchors of the page
    root = ET.fromstring(buffer.getvalue())
    _clean(root, prefix)
    box = root.get("viewBox", "0 0 1 1").split()
    width = float(box[2]) * 4 / 3
    top = ET.Element(
        "svg",
        {
            "viewBox": root.get("viewBox", ""),
            "width": f"{width:.0f}",
            "height": f"{float(box[3]) * 4 / 3:.0f}",
            "role": "img",
            "aria-labelledby": f"{prefix}-title",
            "aria-describedby": f"{prefix}-desc",
            # on a narrow screen the figure scrolls: shrunk, its text would be too small to read
            "style": f"stroke-linejoin: round; stroke-linecap: butt; min-width: {min(width, MIN_WIDTH_PX):.0f}px",
        },
    )
    for name, text in (("title", title), ("desc", description)):
        child = ET.SubElement(top, name, {"id": f"{prefix}-{name}"})
        child.text = "".join(label(c, 1) for c in text)
    top.extend(list(root))
    return ET.tostring(top, encoding="unicode")


def as_file(svg: str) -> str:
    """An SVG file of an `<svg>` element; colours and fonts are plain values, for programs without CSS variables."""
    svg = _VARIABLE.sub(r"\1", svg)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="{_SVG}"' + svg.removeprefix("<svg") + "\n"


def _clean(root: ET.Element, prefix: str) -> None:
    """Remove global styles, metadata and namespaces; prefix ids; turn colours into variables."""
    for parent in list(root.iter()):
        for child in list(parent):
            name = child.tag.rpartition("}")[2] if isinstance(child.tag, str) else ""
            if name in ("metadata", "style", ""):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.text = None if element.tag != "text" and not (element.text or "").strip() else element.text
        element.tail = None if not (element.tail or "").strip() else element.tail
        if "id" in element.attrib:
            if element.tag == "g" or element.tag == "text":
                del element.attrib["id"]
            else:
                element.set("id", f"{prefix}-{element.attrib['id']}")
        if _XLINK in element.attrib:
            element.set("href", f"#{prefix}-{element.attrib.pop(_XLINK)[1:]}")
        for key in ("style", "clip-path", "fill", "stroke"):
            if key in element.attrib:
                element.set(key, _restyled(element.attrib[key], prefix))


def _restyled(text: str, prefix: str) -> str:
    text = _COLOUR.sub(lambda m: _VARIABLES.get(m.group().lower(), m.group()), text)
    text = _FONT.sub(r"font: \1 var(--sans, sans-serif)", text)
    return _URL.sub(rf"url(#{prefix}-\1)", text)
