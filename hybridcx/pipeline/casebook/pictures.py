"""Pictures of cases as small files: the prepared image, and each map as a few coloured cells to lay over it. Names are running numbers."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

SIDE_PX = 224
"""Largest side of a thumbnail."""
FOR, AGAINST = (255, 106, 0), (0, 150, 255)
"""Orange speaks for the positive class, blue against it: a pair that colour-blind readers tell apart, and apart from grey."""
MAX_OPACITY = 150


def thumbnail(image: np.ndarray) -> bytes:
    """A prepared image (H, H, 3) uint8 as JPEG of at most `SIDE_PX`, grey where it is grey."""
    grey = bool((image == image[..., :1]).all())
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    if max(picture.size) > SIDE_PX:
        picture = picture.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def overlay(saliency_map: np.ndarray) -> bytes:
    """A map (h, w) as PNG of h x w pixels: its sign is the colour, its size in parts of its largest the opacity."""
    largest = float(np.abs(saliency_map).max())
    share = saliency_map / largest if largest > 0 else np.zeros_like(saliency_map)
    rgba = np.empty((*saliency_map.shape, 4), np.uint8)
    rgba[..., :3] = np.where((share >= 0)[..., None], np.array(FOR, np.uint8), np.array(AGAINST, np.uint8))
    rgba[..., 3] = np.round(np.abs(share) * MAX_OPACITY)
    out = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(out, "PNG", optimize=True)
    return out.getvalue()


def image_name(number: int) -> str:
    """001.jpg"""
    return f"{number:03d}.jpg"


def map_name(number: int, network: str, method: str) -> str:
    """001-vgg16-grad_cam.png; the colon of a network of timm is left to no file system: 001-timm_resnet50-grad_cam.png."""
    return f"{number:03d}-{network.replace(':', '_')}-{method}.png"


def pair_name(number: int, which: str) -> str:
    """pair-001-a.jpg: the first case of the first pair of nearly identical images."""
    return f"pair-{number:03d}-{which}.jpg"
