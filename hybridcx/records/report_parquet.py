"""Parquet files in the folder of a report, which may have come from someone else."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hybridcx.errors import InputError, Problem
from hybridcx.records.memory import check_memory
from hybridcx.records.tables import damaged_notes, long_text


def read_report_parquet(path: Path) -> pd.DataFrame:
    """A Parquet file of a report as pandas reads it.

    Raises InputError where it is damaged, holds texts that are no names, or needs more memory than there is; nothing of that size is decoded.
    """
    try:
        with pq.ParquetFile(path) as file:
            if problem := damaged_notes(file.schema_arrow, path.name) or long_text(path, file, path.name):
                raise InputError(problem)
        check_memory(path)
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise InputError(Problem("this is no Parquet file that can be read", path.name, value=why)) from None
