"""Structure of a PNG file: its chunks, and the declared bits of its samples (sBIT)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from hybridcx.images.decoded import RefusedError

_MAX_CHUNKS = 100_000


@dataclass(frozen=True, slots=True)
class Png:
    """`depth`: bits of a sample. `significant`: bits that sBIT declares for the first channel, or None. `trailing`: bytes behind the end chunk."""

    depth: int
    significant: int | None
    trailing: bytes


def read_png(data: bytes) -> Png:
    """Read the chunks up to IEND and check their checksums, which Pillow does not for the pixels.

    Raises ValueError where one is wrong or the file ends before IEND, RefusedError for too many chunks.
    """
    at, n, significant = 8, 0, None
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        name, end = data[at + 4 : at + 8], at + 8 + length
        n += 1
        if n > _MAX_CHUNKS:
            raise RefusedError(
                f"a PNG of more than {_MAX_CHUNKS:,} chunks, not decoded",
                "write it again, or check whether it is an image",
            )
        if end + 4 > len(data) or zlib.crc32(memoryview(data)[at + 4 : end]) != int.from_bytes(
            data[end : end + 4], "big"
        ):
            break
        if name == b"sBIT" and length:
            significant = data[at + 8]
        if name == b"IEND":
            return Png(data[24], significant, data[end + 4 :])
        at = end + 4
    raise ValueError("a chunk that is cut off or has a wrong checksum")
