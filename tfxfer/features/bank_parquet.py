"""Feature banks as Parquet files, which pandas, DuckDB and viewers of embeddings open."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfxfer.core import atomic

if TYPE_CHECKING:
    import pyarrow

_ABOUT = b"tfxfer"
_DTYPES = ("float16", "float32", "float64", "uint8", "int32", "int64", "bool")


def column(values: np.ndarray) -> "pyarrow.Array":
    """An array (n, ...) as a column of Arrow: numbers for (n,), lists of one length, flattened, for more dimensions."""
    import pyarrow as pa

    values = np.ascontiguousarray(values)
    if values.ndim == 1:
        return pa.array(values)
    flat = values.reshape(len(values), math.prod(values.shape[1:]))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), flat.shape[1])


def write(path: Path, columns: dict[str, Any], about: dict[str, Any]) -> None:
    """Writes columns of Arrow, and what is known of them as JSON in the file's metadata; the file is complete or
    absent."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(about).encode()})
    with atomic.file(path) as beside:
        parquet.write_table(table, beside, compression="zstd", write_page_checksum=True)


def write_bank(path: Path, values: dict[str, np.ndarray], labels: np.ndarray, ids: np.ndarray) -> None:
    """Writes a bank's arrays: columns `id`, `label`, and one for each of its values."""
    arrays = {name: np.asarray(value) for name, value in values.items()}
    about = {name: {"shape": x.shape[1:], "dtype": x.dtype.name} for name, x in arrays.items()}
    columns = {f"value/{name}": column(x) for name, x in arrays.items()}
    write(path, {"id": column(ids), "label": column(labels), **columns}, about)


def read_bank(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Reads a file of `write_bank`.

    Returns:
        Arrays by name, labels int64 (n,) and ids int64 (n,).

    Raises:
        Exception: of pyarrow or of Python, if it is another file or a damaged one.
    """
    from pyarrow import parquet

    table = parquet.read_table(path, page_checksum_verification=True)
    about = json.loads(table.schema.metadata[_ABOUT])
    arrays = {name: _array(table.column(f"value/{name}"), **facts) for name, facts in about.items()}
    labels, ids = (_array(table.column(name), [], "int64") for name in ("label", "id"))
    if any(len(x) != len(labels) for x in (*arrays.values(), ids)):
        raise ValueError("columns of different lengths")
    return arrays, labels, ids


def _array(values: Any, shape: list[int], dtype: str) -> np.ndarray:
    if dtype not in _DTYPES or not all(isinstance(size, int) and size >= 0 for size in shape):
        raise ValueError(f"an array of {dtype} {shape}")
    whole = values.combine_chunks()
    flat = (whole.flatten() if shape else whole).to_numpy(zero_copy_only=False)
    if flat.dtype != dtype or len(flat) != len(values) * math.prod(shape):
        raise ValueError(f"{len(flat)} numbers of {flat.dtype}, expected {len(values)} times {shape} of {dtype}")
    return flat.reshape(len(values), *shape).copy()
