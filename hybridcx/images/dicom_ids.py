"""The identifiers of a DICOM file that a cohort manifest needs: PatientID and SOPInstanceUID. Nothing else that identifies somebody is read.

The file is not read beyond the number of rows, so that neither pixels nor what hides behind them is touched.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

from pydicom import uid
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_partial

from hybridcx.cohort.folder_files import Header
from hybridcx.images.decoded import RefusedError
from hybridcx.images.dicom import DAMAGED, refuse_hidden_size

_FIELDS: list[Any] = [tag_for_keyword(k) for k in ("SOPClassUID", "SOPInstanceUID", "PatientID", "NumberOfFrames", "Rows")]  # fmt: skip
_LAST = max(_FIELDS)
HEADER_BYTES = 1 << 22
"""The identifiers stand before the pixels, and seldom behind more than some kilobytes of private fields."""


def dicom_header(data: bytes) -> Header:
    """The header from the first bytes of a DICOM file. Raises RefusedError: damaged, no image, a header of a size that is not known."""
    refuse_hidden_size(data)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")
    try:
        ds = read_partial(io.BytesIO(data), stop_when=lambda tag, vr, length: tag > _LAST, specific_tags=_FIELDS)
        directory = ds.file_meta.get("MediaStorageSOPClassUID") == uid.MediaStorageDirectoryStorage
        if not directory and ds.get("Rows") is None and len(data) > HEADER_BYTES:
            raise RefusedError(f"a DICOM header of more than {HEADER_BYTES:,} bytes", "export it again from its source")
        if not directory and ds.get("Rows") is None and "SOPClassUID" not in ds:
            raise RefusedError(*DAMAGED)
        if directory or ds.get("Rows") is None:
            raise RefusedError("a DICOM object without an image (a report, a plan, a DICOMDIR?)", "")
        n_frames = int(ds.get("NumberOfFrames") or 1)
        return Header("DICOM", n_frames, _text(ds.get("PatientID")), _text(ds.get("SOPInstanceUID")))
    except RefusedError:
        raise
    except (
        Exception
    ):  # pydicom raises almost every kind of error on damaged files, and quotes the header in its messages
        refusal = RefusedError(*DAMAGED)
    raise refusal


def _text(value: object) -> str:
    return "" if value is None else str(value).strip("\0 \t\r\n")
