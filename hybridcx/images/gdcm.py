"""Stored values of a DICOM file, decoded by GDCM."""

from __future__ import annotations

import io
import logging

import numpy as np
import pydicom
from pydicom.pixels import get_decoder

HEADER = (
    "SOPClassUID", "Modality", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "NumberOfFrames",
    "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "PixelPaddingValue", "PixelPaddingRangeLimit", "BurnedInAnnotation", "RecognizableVisualFeatures",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
    "RedPaletteColorLookupTableDescriptor", "GreenPaletteColorLookupTableDescriptor", "BluePaletteColorLookupTableDescriptor",
    "RedPaletteColorLookupTableData", "GreenPaletteColorLookupTableData", "BluePaletteColorLookupTableData",
    "ExtendedOffsetTable", "ExtendedOffsetTableLengths", "PixelData", "FloatPixelData", "DoubleFloatPixelData",
)  # fmt: skip
"""The fields that are read, by DICOM's keywords. Before adding a field, check that it cannot identify a patient."""

OVERLAY_BIT_POSITIONS = tuple(0x60000102 + (group << 16) for group in range(0, 32, 2))
"""Of the 16 overlays that a file may have: the bit of the pixels that holds it, 0 where it is stored apart."""

HEADER_TAGS = [*(pydicom.datadict.tag_for_keyword(keyword) or 0 for keyword in HEADER), *OVERLAY_BIT_POSITIONS]


# pydicom quotes header values in its log and warnings, where a person's name must not appear.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("pydicom").setLevel(logging.CRITICAL)


def stored_by_gdcm(data: bytes, index: int) -> np.ndarray:
    """Return the stored values of one frame as GDCM decodes them; called in a separate process."""
    ds = pydicom.dcmread(io.BytesIO(data), specific_tags=HEADER_TAGS)
    decoder = get_decoder(ds.file_meta.TransferSyntaxUID)
    return np.asarray(decoder.as_array(ds, raw=False, index=index, decoding_plugin="gdcm")[0])
