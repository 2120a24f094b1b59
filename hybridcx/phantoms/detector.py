"""From thickness to a film: Beer-Lambert attenuation, scatter, blur, quantum and electronic noise, display, JPEG.

    N = N0 (exp(-mu_s t_s - mu_b t_b) + SPR x haze),   pixel = N + sqrt(N) z1 + sigma_e z2

t: mm along the beam; mu: linear attenuation at about 65 keV effective (mu_s 0.020, mu_b the excess 0.048 per mm); haze: the primary
beam blurred over centimetres (scatter that no grid removed); z: standard normal. The Poisson count is drawn by its normal
approximation, which is good at the hundreds to thousands of quanta that a pixel gets here. Display: -log of the count, part of
its large-scale variation taken out (the equalisation that digital systems do), a window set from the film's own percentiles, a
gamma, collimator borders. Exposure, pose and processing come from streams of their own, which are independent of the disease.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from hybridcx.phantoms.attenuation import Map, View

MU_SOFT_PER_MM = 0.020
MU_BONE_PER_MM = 0.048
JPEG_QUALITY = 90
SCANNERS: dict[str, tuple[float, float, float]] = {
    # name: (blur in mm, share of large-scale variation removed, gamma)
    "A": (0.30, 0.55, 1.55),
    "B": (0.38, 0.62, 1.70),
    "C": (0.26, 0.48, 1.42),
}


@dataclass(frozen=True, slots=True)
class Exposure:
    """How one film was taken and processed: quanta per open pixel, scatter-to-primary ratio, electronic noise (quanta), blur and
    texture (mm), the share of large-scale variation removed, gamma, display limits (percentiles of the film), collimator
    borders (share of the film: left, top, right, bottom) and their grey (0 black to 1)."""

    quanta: float
    scatter: float
    electronic: float
    blur_mm: float
    equalise: float
    gamma: float
    window: tuple[float, float]
    border: tuple[float, float, float, float]
    border_grey: float


def draw_exposure(rng: np.random.Generator, scanner: str) -> Exposure:
    """Draw the exposure of one film on a scanner (a key of `SCANNERS`)."""
    blur, equalise, gamma = SCANNERS[scanner]
    u = rng.random(12)
    border = [float(0.07 * (w - 0.45) / 0.55) if w > 0.45 else 0.0 for w in u[:4]]
    return Exposure(
        quanta=float(np.exp(np.log(9_000.0) + 0.9 * (u[4] - 0.5))),
        scatter=float(0.10 + 0.25 * u[5]),
        electronic=float(2.0 + 3.0 * u[6]),
        blur_mm=float(blur * (0.85 + 0.3 * u[7])),
        equalise=float(equalise + 0.12 * (u[8] - 0.5)),
        gamma=float(gamma * np.exp(0.25 * (u[9] - 0.5))),
        window=(float(0.5 + 3.0 * u[10]), float(98.0 + 1.6 * u[11])),
        border=(border[0], border[1], border[2], border[3]),
        border_grey=float(0.02 if rng.random() < 0.75 else 0.9),
    )


def _coarse(image: Map, factor: int) -> Map:
    size = (max(image.shape[1] // factor, 1), max(image.shape[0] // factor, 1))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), dtype=np.float32)


def _fine(image: Map, shape: tuple[int, int], how: Image.Resampling = Image.Resampling.BILINEAR) -> Map:
    return np.asarray(Image.fromarray(image).resize((shape[1], shape[0]), how), dtype=np.float32)


def _smooth_far(image: Map, sigma_px: float, factor: int = 8) -> Map:
    """Gaussian blur of many pixels, done on a coarse grid."""
    small = gaussian_filter(_coarse(image, factor), sigma_px / factor, mode="nearest", truncate=3.0)
    return _fine(small, image.shape)


def texture(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, ...]) -> Map:
    """Smooth noise of about unit variance: octaves with `cells` cells along the height, each 0.6 times as strong as the one before."""
    finest = (4 * cells[-1], max(4 * cells[-1] * shape[1] // shape[0], 2))
    out = np.zeros(finest, dtype=np.float32)
    for j, n in enumerate(cells):
        grid = rng.standard_normal((n, max(n * shape[1] // shape[0], 2)), dtype=np.float32)
        out += _fine(grid, finest, Image.Resampling.BICUBIC) * np.float32(0.6**j)
    return _fine(out, shape)


def expose(soft: Map, bone: Map, view: View, exposure: Exposure, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Expose and develop one film: uint8 of shape (height_px, width_px), bone bright.

    `soft` and `bone` are mm along the beam (`attenuation`); texture of tissue and trabeculae and all noise come from `rng`.
    """
    shape = soft.shape
    soft = soft * (1.0 + 0.030 * texture(rng, shape, (6, 16, 40)))
    grain = rng.standard_normal((110, max(110 * shape[1] // shape[0], 2)), dtype=np.float32)
    bone = bone * (1.0 + 0.11 * _fine(grain, shape))
    primary = np.exp(-(MU_SOFT_PER_MM * soft + MU_BONE_PER_MM * bone))
    haze = _smooth_far(primary, 14.0 / view.mm_per_px)
    signal = gaussian_filter(primary, exposure.blur_mm / view.mm_per_px, mode="nearest", truncate=3.0)
    count = exposure.quanta * (signal + exposure.scatter * haze)
    # Two independent normals add to one: z1 and z2 are drawn together.
    count += np.sqrt(count + np.float32(exposure.electronic**2)) * rng.standard_normal(shape, dtype=np.float32)
    log = -np.log(np.maximum(count, 1.0) / exposure.quanta)
    # Direct exposure beside the neck would pull the local mean down along the skin: it is lifted before the mean is taken.
    log -= exposure.equalise * _smooth_far(np.maximum(log, np.float32(0.9)), 22.0 / view.mm_per_px)
    inner = log[shape[0] // 10 : -shape[0] // 10 : 3, shape[1] // 10 : -shape[1] // 10 : 3]
    low, high = np.percentile(inner, exposure.window)
    # A shoulder on the display curve: what is brighter than the window is pressed together, not cut. As a table, for speed.
    curve = np.linspace(0.0, 2.5, 4096)
    curve = np.where(curve > 0.7, 1.0 - 0.3 * np.exp(-np.maximum(curve - 0.7, 0.0) / 0.3), curve) ** exposure.gamma
    step = np.clip((log - low) * (4095.0 / 2.5 / (high - low)), 0.0, 4095.0).astype(np.int16)
    display = curve.astype(np.float32)[step]
    left, top, right, bottom = exposure.border
    h, w = shape
    grey = exposure.border_grey
    for where, share, size in (
        (np.s_[:, : round(left * w)], left, w),
        (np.s_[: round(top * h), :], top, h),
        (np.s_[:, w - round(right * w) :], right, w),
        (np.s_[h - round(bottom * h) :, :], bottom, h),
    ):
        if round(share * size):
            display[where] = grey + 0.012 * rng.standard_normal(display[where].shape, dtype=np.float32)
    film: NDArray[np.uint8] = (np.clip(display, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return film


def jpeg_bytes(film: NDArray[np.uint8]) -> bytes:
    """Encode as a grey JPEG of fixed quality, without metadata: the same film gives the same bytes with one Pillow build."""
    buffer = io.BytesIO()
    Image.fromarray(film).save(buffer, format="JPEG", quality=JPEG_QUALITY, optimize=False, progressive=False)
    return buffer.getvalue()
