"""From anatomy to thickness: how many mm of bone and of soft tissue the beam crosses at every pixel.

Every bone is a signed distance (mm, negative inside) turned into a thickness along the beam: an outline that is smooth over
`EDGE_MM`, a spongy core, and a cortical shell that is densest at the rim, where the beam runs along it. Thicknesses of overlapping
structures add, as they do in a projection. Bones are drawn in windows of their own; soft tissue, which is smooth, on a grid
four times coarser.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.interpolate import PchipInterpolator

from hybridcx.phantoms.geometry import Anatomy, Vertebra

Map = NDArray[np.float32]
Point = tuple[float, float]
Rod = tuple[list[Point], list[float]]
EDGE_MM = 0.5
COARSE = 4


@dataclass(frozen=True, slots=True)
class View:
    """Geometry of the film: its size in pixels, mm a pixel, the pixel of the patient's origin, the in-plane turn (radians)."""

    height_px: int
    width_px: int
    mm_per_px: float
    origin_row: float
    origin_column: float
    turn: float

    def to_pixels(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Patient's mm (k, 2) as (x, y) to pixel coordinates (k, 2) as (column, row)."""
        c, s = np.cos(self.turn), np.sin(self.turn)
        x, y = points[:, 0], points[:, 1]
        column = self.origin_column + (c * x - s * y) / self.mm_per_px
        row = self.origin_row + (s * x + c * y) / self.mm_per_px
        return np.stack([column, row], axis=1)

    def grid(self, rows: slice, columns: slice, step: float = 1.0) -> tuple[Map, Map]:
        """Patient's mm (x, y) of the pixels rows x columns (in steps of `step` pixels)."""
        r = ((np.arange(rows.start, rows.stop) + 0.5) * step - 0.5 - self.origin_row) * self.mm_per_px
        q = ((np.arange(columns.start, columns.stop) + 0.5) * step - 0.5 - self.origin_column) * self.mm_per_px
        c, s = np.cos(self.turn), np.sin(self.turn)
        x = (c * q)[None, :] + (s * r)[:, None]
        y = (-s * q)[None, :] + (c * r)[:, None]
        return x.astype(np.float32), y.astype(np.float32)


class BoneMap:
    """Thickness of bone (mm of solid cortical bone) that structures are added to."""

    def __init__(self, view: View):
        self.view = view
        self.thickness: Map = np.zeros((view.height_px, view.width_px), dtype=np.float32)

    def window(self, points: NDArray[np.float64], margin: float) -> tuple[tuple[slice, slice], Map, Map] | None:
        """The window around `points` (k, 2) with a margin in mm: slices and the patient's x and y; None where off the film."""
        px = self.view.to_pixels(points)
        low = np.floor(px.min(axis=0) - margin / self.view.mm_per_px).astype(int)
        high = np.ceil(px.max(axis=0) + margin / self.view.mm_per_px).astype(int) + 1
        columns = slice(max(low[0], 0), min(high[0], self.view.width_px))
        rows = slice(max(low[1], 0), min(high[1], self.view.height_px))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return None
        return (rows, columns), *self.view.grid(rows, columns)

    def rods(self, parts: list[Rod], core: float, shell: float, rim: float = 1.0) -> None:
        """Add one bone that is the union of rods, each a line of points (mm) with a radius at each point."""
        found = self.window(np.array([p for points, _ in parts for p in points]), max(max(r) for _, r in parts) + 2.0)
        if found is None:
            return
        where, x, y = found
        d = np.full(x.shape, np.inf, dtype=np.float32)
        for points, radii in parts:
            for j in range(len(points) - 1):
                a, b = np.asarray(points[j], dtype=np.float64), np.asarray(points[j + 1], dtype=np.float64)
                d = np.minimum(d, tapered(x, y, a, b, radii[j], radii[j + 1]))
        self.thickness[where] += solid(d, core, shell, rim)

    def rod(self, points: list[Point], radii: list[float], core: float, shell: float, rim: float = 1.0) -> None:
        """Add a bone of round section along `points` (mm), with a radius at each point."""
        self.rods([(points, radii)], core, shell, rim)


def cover(d: Map) -> Map:
    """Share of a pixel inside an outline at signed distance `d`."""
    share: Map = np.clip(0.5 - d / np.float32(2.0 * EDGE_MM), np.float32(0.0), np.float32(1.0))
    return share


def solid(d: Map, core: float, shell: float, rim: float) -> Map:
    """Thickness of a bone at signed distance `d`: `core` inside, `shell` more at the rim, falling off over `rim` mm."""
    depth = np.maximum(-d, np.float32(0.0))
    spongy = np.float32(core) * np.minimum(np.float32(1.0), np.float32(0.45) + depth / np.float32(6.0))
    thickness = cover(d) * (spongy + np.float32(shell) * np.exp(-depth / np.float32(rim)))
    return thickness.astype(np.float32, copy=False)


def tapered(x: Map, y: Map, a: NDArray[np.float64], b: NDArray[np.float64], ra: float, rb: float) -> Map:
    """Signed distance to a rod from `a` to `b` whose radius goes from ra to rb."""
    ax, ay = np.float32(a[0]), np.float32(a[1])
    bx, by = np.float32(b[0]) - ax, np.float32(b[1]) - ay
    dx, dy = x - ax, y - ay
    t = dx * (bx / (bx * bx + by * by))
    t += dy * (by / (bx * bx + by * by))
    np.clip(t, 0.0, 1.0, out=t)
    dx -= t * bx
    dy -= t * by
    t *= np.float32(rb - ra)
    t += np.float32(ra)
    return _length(dx, dy) - t


def _length(x: Map, y: Map) -> Map:
    return np.sqrt(
        x * x + y * y
    )  # np.hypot guards against overflow that millimetres cannot reach, at five times the time


def _box(u: Map, v: Map, half_u: Map | float, half_v: Map | float, r: float) -> Map:
    qu, qv = np.abs(u) - half_u + r, np.abs(v) - half_v + r
    return _length(np.maximum(qu, 0.0), np.maximum(qv, 0.0)) + np.minimum(np.maximum(qu, qv), 0.0) - r


def _own_axes(x: Map, y: Map, centre: NDArray[np.float64], tilt: float) -> tuple[Map, Map]:
    c, s = np.float32(np.cos(tilt)), np.float32(np.sin(tilt))
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    return c * dx - s * dy, s * dx + c * dy


def _point(p: NDArray[np.float64]) -> Point:
    return float(p[0]), float(p[1])


def _body(bone: BoneMap, b: Vertebra, scale: float, dens: bool = False) -> None:
    window = bone.window(b.centre[None, :], max(b.depth, b.height) / 2 + (28.0 if dens else 10.0))
    if window is None:
        return
    where, x, y = window
    u, v = _own_axes(x, y, b.centre, b.tilt)
    hu, hv = b.depth / 2, b.height / 2
    t = np.clip(u / hu, -1.0, 1.0)
    # End plates: concave; the lower front edge hangs down as a lip, the upper one slopes: the body is an oblique quadrilateral.
    v = v - np.float32(0.9 * scale) * (-t)
    w = 0.93 + 0.07 * np.clip(v / hv, -1.0, 1.0) ** 2
    d = _box(u, v, hu * w, hv - np.float32(0.75 * scale) * (1.0 - t * t), 1.6)
    for side, signs in ((-1.0, b.upper), (1.0, b.lower)):
        for front, severity in ((-1.0, signs[0]), (1.0, signs[1])):
            if severity > 0.02:
                reach = (8.0 if front < 0 else 5.0) * severity * scale
                root = np.array([front * (hu - 2.0), side * (hv - 2.0)])
                tip = np.array([front * (hu + reach), side * (hv + 0.10 * reach)])
                d = np.minimum(d, tapered(u, v, root, tip, 2.0, 0.6))
    if dens:
        for a, c, ra, rc in ((-5.0, -12.0, 6.4, 4.9), (-12.0, -19.0, 4.9, 4.6), (-19.0, -23.5, 4.6, 3.8)):
            start, stop = np.array([-0.5, a * scale]), np.array([-0.5 + 0.10 * (-5.0 - c), c * scale])
            d = np.minimum(d, tapered(u, v, start, stop, ra * scale, rc * scale))
    depth = np.maximum(-d, 0.0)
    # The end plates lie along the beam and shine more than the curved front; sclerosis thickens and widens them.
    plate = np.exp(-np.maximum(hv - 0.75 * scale - np.abs(v), 0.0) / 1.1) * (np.abs(u) < hu + 1.0)
    if dens:
        plate = plate * (v > 0)
    thickness = 5.6 * np.minimum(1.0, 0.60 + depth / 9.0) + 3.0 * np.exp(-depth / 0.9) + 2.4 * plate
    for side, signs in ((-1.0, b.upper), (1.0, b.lower)):
        if signs[2] > 0.02:
            away = np.maximum(hv - side * v, 0.0)
            thickness = thickness + 6.5 * signs[2] * np.exp(-((away / 3.2) ** 2))
    bone.thickness[where] += cover(d) * thickness


def _posterior(bone: BoneMap, a: Anatomy, i: int) -> None:
    """Articular pillar (a lozenge that slopes down and back, the two sides not quite covering each other), lamina, spinous process."""
    b, k = a.vertebrae[i], a.scale
    hu = b.depth / 2
    if i > 0:
        for offset, shift in ((0.0, 0.0), (1.6, 1.2)):
            centre = b.at(hu + 7.5 * k + offset, 0.8 + shift)
            window = bone.window(centre[None, :], 14.0 * k)
            if window is not None:
                where, x, y = window
                u, v = _own_axes(x, y, centre, b.tilt)
                d = _box(u, v - np.tan(a.facet_tilt) * u, 6.0 * k, 6.6 * k, 1.5) * np.float32(np.cos(a.facet_tilt))
                bone.thickness[where] += solid(d, 2.0, 2.0, 0.8)
        # The pedicle joins body and pillar.
        bone.rod([_point(b.at(hu - 2.0, -1.5)), _point(b.at(hu + 5.0 * k, -1.0))], [3.4 * k, 3.2 * k], 1.2, 0.8)
    length = b.spinous - 10.0 * k
    start = b.at(hu + 14.5 * k, 0.5)
    end = b.at(hu + 14.5 * k + length, length * (0.10, 0.16, 0.22, 0.30, 0.38, 0.42)[i] + 4.0)
    thick = (4.6, 2.6, 2.7, 3.0, 3.6, 4.0)[i] * k
    middle = 0.55 * start + 0.45 * end + np.array([0.0, -0.6])
    lamina = [_point(b.at(hu + 13.4 * k, -5.5 * k)), _point(b.at(hu + 15.5 * k, 5.0 * k))]
    process = [_point(start), _point(middle), _point(end)]
    bone.rods([(process, [1.3 * thick, 0.85 * thick, 1.2 * thick]), (lamina, [1.6 * k, 2.2 * k])], 3.2, 2.8, 0.9)
    # The spinolaminar line: the inner cortex of the lamina, seen edge on.
    bone.rod(lamina, [0.8, 0.8], 2.0, 1.6)


def _upper(bone: BoneMap, a: Anatomy) -> None:
    """Dens, ring of C1, base and vault of the skull, jaws, teeth and hyoid."""
    c2, k = a.vertebrae[0], a.scale
    hv = c2.height / 2
    dens = c2.at(-0.5, -hv - 10.0 * k)
    t = 0.5 * (c2.tilt + a.head_tilt)
    ring = Vertebra("C1", dens, t, 0, 0, 0, c2.upper, c2.upper)
    bone.rod([_point(ring.at(-8.6 * k, -4.0 * k)), _point(ring.at(-8.8 * k, 3.0 * k))], [3.2 * k, 3.6 * k], 5.0, 3.0)
    bone.rod([_point(ring.at(-3.0 * k, 1.0)), _point(ring.at(9.0 * k, 1.5 * k))], [6.0 * k, 5.2 * k], 4.0, 1.4)
    back = [(9.0, 0.5), (20.0, 1.2), (31.0, -0.5), (37.0, -1.0)]
    bone.rod([_point(ring.at(p * k, q * k)) for p, q in back], [3.4 * k, 2.3 * k, 3.0 * k, 3.8 * k], 3.4, 2.4)

    head = Vertebra("head", a.head, a.head_tilt, 0, 0, 0, c2.upper, c2.upper)

    def h(p: float, q: float) -> tuple[float, float]:
        x, y = head.at(p * k, q * k)
        return float(x), float(y)

    # Vault: two walls of bone inside, a bright rim where the beam runs along them.
    vault = np.array(h(22.0, -106.0))
    window = bone.window(np.array([h(-75, -40), h(120, -25), h(120, -180), h(-75, -180)]), 4.0)
    if window is not None:
        where, x, y = window
        u, v = _own_axes(x, y, vault, a.head_tilt)
        rho = _length(u / np.float32(94.0 * k), v / np.float32(73.0 * k))
        d = ((rho - 1.0) * 78.0 * k).astype(np.float32)
        bone.thickness[where] += cover(d / 2.0) * (6.0 + 10.0 * np.exp(-np.maximum(-d, 0.0) / 3.0))
    # Petrous pyramids, condyles and clivus, mastoid tip: lumps that lie over one another.
    bone.rod([h(-10, -52), h(6, -45), h(22, -52)], [7.0 * k, 9.0 * k, 6.0 * k], 5.0, 2.0, 2.0)
    bone.rod([h(4, -42), h(20, -38), h(40, -46)], [6.0 * k, 7.0 * k, 5.0 * k], 3.5, 1.5, 2.0)
    bone.rod([h(-4, -38), h(6, -34)], [5.5 * k, 5.0 * k], 3.5, 1.5, 1.5)
    bone.rod([h(16, -40), h(15, -27)], [9.0 * k, 4.0 * k], 3.2, 1.4, 1.5)
    bone.rod([h(-6, -38), h(-26, -56)], [4.5 * k, 6.0 * k], 6.0, 3.0)
    drop = a.jaw_drop
    for s, dy in ((0.0, 0.0), (3.5, 2.5)):
        angle = h(-29 - s, 8 + 0.7 * drop)
        ramus = ([h(-15 - s, -38), h(-24 - s, -8 + 0.4 * drop), angle], [4.5 * k, 9.0 * k, 6.5 * k])
        jaw = ([angle, h(-62, 18 + drop + dy), h(-92, 21 + 1.2 * drop)], [6.5 * k, 7.0 * k, 9.0 * k])
        bone.rods([ramus, jaw], 2.8, 2.2)
    bone.rod([h(-40, -20), h(-92, -18)], [1.8, 2.2], 4.0, 2.0)
    for j in range(6):
        p, root = -47.0 - 8.2 * j, (8.0, 9.5, 8.5, 9.0, 10.0, 11.0)[j]
        wide = (4.0, 4.1, 3.6, 3.2, 3.0, 2.8)[j] * k
        bone.rod([h(p - 1.0, -5 - root), h(p, -6.5), h(p, -4)], [0.5 * wide, 0.9 * wide, wide], 4.5, 3.0)
        bone.rod(
            [h(p + 2.0, 0.5 + 0.8 * drop), h(p + 2.5, 3 + 0.8 * drop), h(p + 3.5, 3 + root + drop)],
            [wide, 0.9 * wide, 0.5 * wide],
            4.5,
            3.0,
        )
    c4 = a.vertebrae[2]
    bone.rod([_point(c4.at(-20.0 * k, -7.0)), _point(c4.at(-36.0 * k, -2.0))], [1.8 * k, 2.8 * k], 2.2, 1.4)


def bone_thickness(anatomy: Anatomy, view: View) -> Map:
    """Bone along the beam (mm of cortical bone), shape (height_px, width_px)."""
    bone = BoneMap(view)
    _upper(bone, anatomy)
    for i, body in enumerate(anatomy.vertebrae):
        _body(bone, body, anatomy.scale, dens=i == 0)
        _posterior(bone, anatomy, i)
    # T1 and T2, the first ribs and the clavicle behind the shoulders.
    c7, k = anatomy.vertebrae[5], anatomy.scale
    below = c7
    for name in ("T1", "T2"):
        tilt = below.tilt + 0.05
        gap = below.height / 2 + 5.5 * k + 7.6 * k
        below = Vertebra(name, below.at(0.0, gap), tilt, 18.0 * k, 15.2 * k, 44.0 * k, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        _body(bone, below, k)
        bone.rod([_point(below.at(22 * k, 2.0)), _point(below.at(54 * k, 24.0))], [4.5 * k, 4.2 * k], 3.4, 2.0)
    bone.rod(
        [_point(c7.at(14 * k, 20 * k)), _point(c7.at(-20 * k, 34 * k)), _point(c7.at(-50 * k, 46 * k))],
        [3.6 * k, 3.4 * k, 3.4 * k],
        2.0,
        1.6,
    )
    sx, sy = anatomy.shoulder
    bone.rod(
        [(sx - 62 * k, sy + 34 * k), (sx - 15 * k, sy + 24 * k), (sx + 30 * k, sy + 30 * k)],
        [5.0 * k, 4.2 * k, 5.5 * k],
        2.6,
        2.0,
    )
    return bone.thickness


def soft_thickness(anatomy: Anatomy, view: View) -> Map:
    """Soft tissue along the beam (mm), air of pharynx and trachea taken out, shape (height_px, width_px)."""
    a, k = anatomy, anatomy.scale
    rows, columns = -(-view.height_px // COARSE), -(-view.width_px // COARSE)
    x, y = view.grid(slice(0, rows), slice(0, columns), float(COARSE))
    # Skin of the neck, front and back, from under the chin to the chest; nape and front curve outwards at both ends.
    hx, hy = a.head
    sx, sy = a.shoulder
    span = sy - hy
    knots = np.array([hy - 40, hy + 5, hy + 22, hy + 0.45 * span, hy + 0.75 * span, sy, sy + 30, sy + 90])
    line = np.interp(knots, [hy, sy], [hx, sx])
    front = line - np.array(
        [100, 98, 84 * k + 0.2 * a.jaw_drop, a.neck_front + 3, a.neck_front - 3, a.neck_front, a.neck_front + 14, 110]
    )
    back = line + np.array([112, 92, 80, a.neck_back + 4, a.neck_back + 8, a.neck_back + 20, a.neck_back + 42, 140])
    xa = PchipInterpolator(knots, front)(np.clip(y, knots[0], knots[-1]))
    xp = PchipInterpolator(knots, back)(np.clip(y, knots[0], knots[-1]))
    q = (2.0 * x - xa - xp) / (xp - xa)
    neck = a.neck_width * np.sqrt(np.clip(1.0 - q * q, 0.0, 1.0))
    skull = (
        148.0
        * k
        * np.sqrt(np.clip(1.0 - ((x - hx - 18 * k) / (98 * k)) ** 2 - ((y - hy + 104 * k) / (80 * k)) ** 2, 0.0, 1.0))
    )
    face = (
        95.0
        * k
        * np.sqrt(np.clip(1.0 - ((x - hx + 50 * k) / (56 * k)) ** 2 - ((y - hy + 18 * k) / (52 * k)) ** 2, 0.0, 1.0))
    )
    soft = np.maximum(np.maximum(neck, skull), face)
    # Shoulders: a slope that begins at C6 to T1 and takes in the whole width of the body.
    ridge = sy + 6.0 + 0.0035 * (x - sx) ** 2
    soft = soft + 95.0 / (1.0 + np.exp(np.clip(-(y - ridge - 16.0) / 8.0, -30, 30)))

    def column(points: list[NDArray[np.float64]], radii: list[float]) -> Map:
        d = np.full(x.shape, np.inf, dtype=np.float32)
        for j in range(len(points) - 1):
            d = np.minimum(d, tapered(x, y, points[j], points[j + 1], radii[j], radii[j + 1]))
        return d

    r = a.airway_width / 2
    v = a.vertebrae
    path = [
        a.head + np.array([-24.0, -26.0]) * k,
        v[0].at(-v[0].depth / 2 - 5 - r, -10),
        v[1].at(-v[1].depth / 2 - 5 - r, 0),
    ]
    path += [
        v[2].at(-v[2].depth / 2 - 7 - r, 0),
        v[3].at(-v[3].depth / 2 - 12 - r, 0),
        v[4].at(-v[4].depth / 2 - 14 - r, 0),
    ]
    path += [v[5].at(-v[5].depth / 2 - 14 - r, 0), v[5].at(-v[5].depth / 2 - 13 - r, 45 * k)]
    d = column(path, [0.8 * r, r, 1.1 * r, 1.05 * r, 0.75 * r, 1.15 * r, 1.2 * r, 1.2 * r])
    air = 2.0 * np.sqrt(np.maximum(-d, 0.0) * (2 * 1.3 * r)) * 1.15
    soft = np.maximum(soft - air, 0.0) * (soft > 0)
    # Fat lies between the muscles of the nape and thins the shadow in streaks along the neck.
    streak = np.sin(7.0 * q + 0.02 * y) * np.exp(-(((q - 0.55) / 0.28) ** 2))
    soft = soft * (1.0 - 0.045 * streak)
    image = Image.fromarray(soft.astype(np.float32)).resize(
        (columns * COARSE, rows * COARSE), Image.Resampling.BILINEAR
    )
    return np.asarray(image, dtype=np.float32)[: view.height_px, : view.width_px]
