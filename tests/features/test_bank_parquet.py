"""Banks in Parquet: read back equal, readable by others, refused when damaged."""

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tfxfer.core.concatenated import Concatenated
from tfxfer.core.errors import InputError
from tfxfer.features import Bank


@pytest.fixture
def bank():
    rng = np.random.default_rng(0)
    values = {
        "embedding": rng.normal(size=(7, 5)).astype(np.float32),
        "map": rng.normal(size=(7, 2, 3, 4)).astype(np.float16),
        "image": rng.integers(0, 256, (7, 4, 4, 1)).astype(np.uint8),
        "score": rng.normal(size=7),
        "row": rng.integers(0, 9, (7, 2)).astype(np.int32),
        "flag": rng.random(7) > 0.5,
    }
    return Bank(values, rng.integers(0, 3, 7), rng.permutation(7))


@pytest.mark.parametrize("suffix", ["npz", "parquet"])
@pytest.mark.parametrize("n", [7, 1, 0])
def test_a_bank_is_read_back_equal(bank, tmp_path, suffix, n):
    bank = bank[:n]
    bank.save(tmp_path / f"bank.{suffix}")
    again = Bank.load(tmp_path / f"bank.{suffix}")
    assert list(again.values) == list(bank.values)
    for name, value in bank.values.items():
        assert again[name].dtype == value.dtype
        np.testing.assert_array_equal(again[name], value)
        assert again[name].flags.writeable
    for name in ("labels", "ids"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bank, name))
        assert getattr(again, name).dtype == np.int64


def test_shards_are_one_column_and_others_read_it(bank, tmp_path):
    x = bank["embedding"]
    Bank({"embedding": Concatenated([x[:3], x[3:]])}, bank.labels, bank.ids).save(tmp_path / "bank.parquet")
    table = parquet.read_table(tmp_path / "bank.parquet")
    assert table.column_names == ["id", "label", "value/embedding"]
    assert table.column("value/embedding").to_pylist() == x.tolist()
    assert table.column("id").to_pylist() == bank.ids.tolist()


def test_other_and_damaged_files_are_refused(bank, tmp_path):
    path = tmp_path / "bank.parquet"
    with pytest.raises(InputError, match=r"bank\.parquet: not a feature bank"):
        Bank.load(path)
    bank.save(path)
    content = path.read_bytes()
    place = content.index(b"PAR1") + 60  # within the first page
    changed = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
    half = len(content) // 2
    for damaged in (changed, content[:-20], content[:half] + content[half + 9 :], b"", b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"bank\.parquet: not a feature bank"):
            Bank.load(path)
    parquet.write_table(pa.table({"id": [1]}), path)
    with pytest.raises(InputError, match=r"bank\.parquet: not a feature bank"):
        Bank.load(path)
    about = {b"tfxfer": b'{"embedding": {"shape": [5], "dtype": "object"}}'}
    parquet.write_table(parquet.read_table(path).replace_schema_metadata(about), path)
    with pytest.raises(InputError, match=r"bank\.parquet: not a feature bank"):
        Bank.load(path)
