"""Every format has a sample, and every sample is known by its content as that format and no other."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from assets.readings.drafts.table_facts import TableReader
from assets.readings.parsed import Reader
from assets.readings.readers.reader_list import READERS, reader_for
from tests.readings.history_files import HISTORY
from tests.readings.recorder_files import Statistic, recorder

SAMPLES = Path(__file__).parent / "samples"
ROWS = [("2025-01-01T00:00Z", 1.5), ("2025-01-01T00:15Z", 2.5)]


def write_csv(path: Path) -> None:
    path.write_text("timestamp,kwh\n" + "".join(f"{moment},{value}\n" for moment, value in ROWS))


def write_parquet(path: Path) -> None:
    times = [datetime.fromisoformat(moment).astimezone(UTC) for moment, _ in ROWS]
    pl.DataFrame({"timestamp": times, "kwh": [value for _, value in ROWS]}).write_parquet(path)


def write_xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    for row in [("timestamp", "kwh"), *ROWS]:
        page.append(row)
    book.save(path)


def write_recorder(path: Path) -> None:
    recorder(path, Statistic("sensor.grid", "kWh", sums=[(1.0, 1.0), (2.0, 2.0)]))


WRITTEN: dict[str, Callable[[Path], None]] = {
    "csv": write_csv,
    "home_assistant": write_recorder,
    "home_assistant_history": lambda path: (path.write_text(HISTORY), None)[1],
    "json_table": lambda path: (path.write_text('{"rows": [{"at": "2025-03-01T00:00Z", "kwh": 1}]}'), None)[1],
    "parquet": write_parquet,
    "xlsx": write_xlsx,
}


def sample(name: str, folder: Path) -> Path:
    """A sample of the format under a name that says nothing."""
    path = folder / "download"
    if name in WRITTEN:
        WRITTEN[name](path)
    else:
        shutil.copyfile(sorted(SAMPLES.glob(f"{name}*"))[0], path)
    return path


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_reader_knows_its_sample_by_content(reader: Reader, tmp_path: Path) -> None:
    assert reader_for(sample(reader.name, tmp_path)) is reader
    assert reader.version


def test_no_sample_is_without_a_reader() -> None:
    names = {reader.name for reader in READERS}
    assert {path.name.split("_")[0] for path in SAMPLES.iterdir()} <= names


def test_only_tables_are_proposed_a_column_map() -> None:
    assert {reader.name for reader in READERS if isinstance(reader, TableReader)} == {
        "csv", "json_table", "parquet", "xlsx",
    }  # fmt: skip
