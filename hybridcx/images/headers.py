"""What a cohort manifest needs of an image file, from its beginning: kind, number of frames, and the identifiers of a DICOM file."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from hybridcx.cohort.folder_files import Header
from hybridcx.images import tiff
from hybridcx.images.decode import image_kind
from hybridcx.images.decoded import RefusedError
from hybridcx.vocabulary.extras import remedy

_HEAD_BYTES = 4096


def header_of(path: Path) -> Header:
    """Read the header of an image file; a file that is none, or cannot be read, has a reason in `refused`."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            kind = image_kind(head)
            if kind == "DICOM":
                from hybridcx.images.dicom_ids import (
                    HEADER_BYTES,
                    dicom_header,
                )  # pydicom: only where a DICOM file is met

                return dicom_header(head + file.read(HEADER_BYTES))
            n_frames = 1
            if kind == "TIFF":
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    n_frames = _n_directories(data)
            elif kind == "PNG" and (at := head.find(b"acTL")) > 0:
                n_frames = int.from_bytes(head[at + 4 : at + 8], "big")
            return Header(kind, n_frames)
    except RefusedError as e:
        return Header("", refused=e.rule, remedy=e.remedy)
    except ImportError:
        return Header("", refused="a DICOM file, and pydicom is not installed", remedy=remedy("dicom"))
    except OSError as e:
        return Header("", refused=f"cannot be read: {e.strerror or type(e).__name__}")


def _n_directories(data: bytes | mmap.mmap) -> int:
    """The frames of a TIFF; 1 where the file is damaged, which `hybridcx check` reports when it decodes the image."""
    try:
        return max(len(tiff.directories(data)), 1)
    except (ValueError, IndexError, struct.error):
        return 1
