"""The anatomy of a lateral cervical spine as plain geometry, in millimetres, before anything is drawn.

Frame of the patient: the patient faces left, x grows backwards (posterior), y grows downwards, the origin is the middle of the chord
from the centre of C2 to the centre of C7. An angle is the tilt of a vertebra's own "up" from the vertical, positive towards the
front. Sizes are those of adults (vertebral bodies 15 to 18 mm deep and 12 to 15 mm high, discs of 5 to 6 mm), varied by a body
scale; the lordosis is the C2 to C7 angle.

The chord's length, place and lean, the head and the shoulders are drawn independently of the disease: a lost lordosis bends the
spine between its ends and moves neither the skull nor the shoulders, so that the margins of the picture carry no information on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hybridcx.phantoms.pathology import LEVELS

Vec = NDArray[np.float64]

NORMAL_LORDOSIS_DEG = 36.0
LORDOSIS_LOST_PER_SEVERITY_DEG = 50.0
LORDOSIS_SD_DEG = 4.5
# Share of the C2-C7 angle by which each vertebra is turned against the chord, C2 first; C7 minus C2 is 1.
_TURN = np.array([-0.45, -0.32, -0.13, 0.10, 0.33, 0.55])
_DEPTH = np.array([16.0, 16.0, 16.2, 16.8, 17.4, 17.8])
_HEIGHT = np.array([15.0, 13.6, 13.2, 12.8, 13.0, 14.0])
_DISC = np.array([5.4, 5.7, 5.9, 6.0, 6.0])
_SPINOUS = np.array([28.0, 22.0, 24.0, 28.0, 35.0, 40.0])


@dataclass(frozen=True, slots=True)
class Vertebra:
    """A vertebral body (C2 to C7) with its signs: centre (x, y) and sizes in mm, tilt in radians, severities in 0 to 1.

    `upper` and `lower` hold (anterior osteophyte, posterior osteophyte, sclerosis) at the two end plates.
    """

    name: str
    centre: Vec
    tilt: float
    depth: float
    height: float
    spinous: float
    upper: tuple[float, float, float]
    lower: tuple[float, float, float]

    def at(self, u: float, v: float) -> Vec:
        """The point u mm behind and v mm below the centre, in the body's own axes, in the patient's frame."""
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        point: Vec = self.centre + np.array([c * u + s * v, -s * u + c * v])
        return point


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One patient. `head` and `shoulder` are (x, y) anchors, angles in radians, `scale` multiplies adult mean sizes."""

    vertebrae: tuple[Vertebra, ...]
    disc_centres: NDArray[np.float64]
    scale: float
    lordosis_deg: float
    head: Vec
    head_tilt: float
    jaw_drop: float
    shoulder: Vec
    neck_front: float
    neck_back: float
    neck_width: float
    airway_width: float
    facet_tilt: float

    def disc_box(self, level: int) -> NDArray[np.float64]:
        """Corners (4, 2) of the disc space `level` (index of `LEVELS`) between its two bodies."""
        up, low = self.vertebrae[level], self.vertebrae[level + 1]
        return np.array([b.at(u * b.depth / 2, v * b.height / 2) for b, v in ((up, 1), (low, -1)) for u in (-1, 1)])

    def sign_points(self, kind: str, level: str) -> NDArray[np.float64]:
        """Points (k, 2) whose bounding box is the region of a sign (`pathology.Severities.signs`)."""
        if kind == "lordosis_loss":
            return np.array(
                [b.at(u * b.depth / 2, v * b.height / 2) for b in self.vertebrae for u in (-1, 1) for v in (-1, 1)]
            )
        j = LEVELS.index(level)
        up, low = self.vertebrae[j], self.vertebrae[j + 1]
        if kind == "narrowing":
            return self.disc_box(j)
        if kind == "sclerosis":
            edge = [b.at(u * b.depth / 2, v * (b.height / 2 - 4.0)) for b, v in ((up, 1), (low, -1)) for u in (-1, 1)]
            return np.array(edge)
        if kind not in ("osteophyte_anterior", "osteophyte_posterior"):
            raise ValueError(f"no sign is called {kind!r}")
        side = -1.0 if kind == "osteophyte_anterior" else 1.0
        reach = 6.0 if side < 0 else 4.0
        corner = [
            b.at(side * u, v * (b.height / 2 - w)) for b, v in ((up, 1), (low, -1)) for u, w in _spur_span(b, reach)
        ]
        return np.array(corner)


def _spur_span(body: Vertebra, reach: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return (body.depth / 2 - 2.0, 2.5), (body.depth / 2 + reach, -0.5)


def build_anatomy(
    rng: np.random.Generator,
    *,
    lordosis: float,
    narrowing: NDArray[np.float64],
    osteophyte_anterior: NDArray[np.float64],
    osteophyte_posterior: NDArray[np.float64],
    sclerosis: NDArray[np.float64],
    male: bool,
) -> Anatomy:
    """Build one patient from severities (`lordosis` a number, the others of shape (5,), levels C2/3 to C6/7).

    The C2-C7 angle is 36 degrees less 50 per unit of lost lordosis (beyond 0.72 the curve is kyphotic), give or take 4.5;
    a disc loses up to 80 % of its height. Everything else comes from `rng` in a fixed order, whatever the severities are.
    """
    scale = float((1.04 if male else 0.96) * np.exp(0.04 * rng.standard_normal()))
    jitter = rng.standard_normal(24)
    uniform = rng.random(8)
    angle_deg = NORMAL_LORDOSIS_DEG - LORDOSIS_LOST_PER_SEVERITY_DEG * lordosis + LORDOSIS_SD_DEG * jitter[0]
    angle = np.deg2rad(angle_deg)
    lean = np.deg2rad(9.0 + 4.5 * jitter[1])
    wave = np.deg2rad(2.2 * jitter[2]) * np.array([0.3, 1.0, 0.6, -0.6, -1.0, -0.3])
    turn = _TURN * angle + wave + np.deg2rad(1.4) * jitter[3:9]
    depth = _DEPTH * scale * (1.0 + 0.02 * jitter[9:15]) * (1.0 + 0.02 * jitter[15])
    height = _HEIGHT * scale * (1.0 + 0.015 * jitter[16:22])
    disc = _DISC * scale * (1.0 + 0.05 * jitter[22]) * (1.0 - 0.80 * narrowing)

    # From C7 upwards: half a body along its own up, the disc along the mean up of its neighbours.
    up = np.stack([-np.sin(turn), -np.cos(turn)], axis=1)
    centre = np.zeros((6, 2))
    middle = np.zeros((5, 2))
    for i in range(4, -1, -1):
        between = up[i] + up[i + 1]
        between /= np.hypot(*between)
        top = centre[i + 1] + up[i + 1] * height[i + 1] / 2
        middle[i] = top + between * disc[i] / 2
        centre[i] = top + between * disc[i] + up[i] * height[i] / 2

    # Turn the whole chain so that its chord leans as drawn, and put the chord's middle at the origin.
    chord = centre[0] - centre[5]
    swing = lean - np.arctan2(-chord[0], -chord[1])
    c, s = np.cos(swing), np.sin(swing)
    rotation = np.array([[c, s], [-s, c]])  # y points down: a positive swing moves the top forwards
    origin = (centre[0] + centre[5]) / 2
    centre = (centre - origin) @ rotation.T
    middle = (middle - origin) @ rotation.T
    tilt = turn + swing

    spurs = np.stack([osteophyte_anterior, osteophyte_posterior, sclerosis], axis=1)
    none = (0.0, 0.0, 0.0)
    vertebrae = tuple(
        Vertebra(
            name=f"C{i + 2}",
            centre=centre[i],
            tilt=float(tilt[i]),
            depth=float(depth[i]),
            height=float(height[i]),
            spinous=float(_SPINOUS[i] * scale),
            upper=tuple(map(float, spurs[i - 1])) if i > 0 else none,  # type: ignore[arg-type]
            lower=tuple(map(float, spurs[i])) if i < 5 else none,  # type: ignore[arg-type]
        )
        for i in range(6)
    )
    # The head rests on the end of a chord of nominal length, so that a narrowed disc does not pull it down.
    nominal = 0.985 * float((_HEIGHT.sum() - (_HEIGHT[0] + _HEIGHT[5]) / 2 + _DISC.sum()) * scale) / 2
    along = np.array([-np.sin(lean), -np.cos(lean)])
    return Anatomy(
        vertebrae=vertebrae,
        disc_centres=middle,
        scale=scale,
        lordosis_deg=float(angle_deg),
        head=nominal * along,
        head_tilt=float(np.deg2rad(5.0) * jitter[23]),
        jaw_drop=float(8.0 * uniform[0]),
        shoulder=-nominal * along + np.array([0.0, 2.0 + 16.0 * uniform[1]]),
        neck_front=float(scale * (47.0 + 10.0 * uniform[2])),
        neck_back=float(scale * (56.0 + 14.0 * uniform[3])),
        neck_width=float(scale * (100.0 + 35.0 * uniform[4])),
        airway_width=float(scale * (11.0 + 5.0 * uniform[5])),
        facet_tilt=float(np.deg2rad(34.0 + 8.0 * uniform[6])),
    )
