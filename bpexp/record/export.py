"""Tables of a run as Parquet files beside its journal."""

from __future__ import annotations

from pathlib import Path

from bpexp.record.files import replacing
from bpexp.record.journal import History
from bpexp.record.metrics import layer_columns, spectrum_columns

LAYERS = "layers.parquet"
SPECTRA = "spectra.parquet"


def write_tables(history: History, folder: Path) -> None:
    """Write the run's whole layer-by-step table as Parquet, and that of its spectra if any."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = {LAYERS: layer_columns(history), SPECTRA: spectrum_columns(history)}
    for name, columns in tables.items():
        if len(columns["step"]):
            with replacing(folder / name) as file:
                pq.write_table(pa.table(columns), file)
