"""Plain files become a case: units, steps, zones, weather columns, and one sentence for what cannot be used."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import ColumnMap
from ml.baselines.usage_tables.read_usage import Source
from ml.forecasts.file_case import FileCase, read_case

START = datetime(2025, 1, 1, tzinfo=UTC)


def table(path: Path, column: str, values: list[float], *, minutes: int = 60, start: datetime = START) -> Path:
    times = [start + timedelta(minutes=minutes * n) for n in range(len(values))]
    rows = [f"{time:%Y-%m-%dT%H:%MZ},{value}" for time, value in zip(times, values, strict=True)]
    path.write_text("\n".join([f"timestamp,{column}", *rows]) + "\n")
    return path


def read(energy: Path, weather: Path | None = None, **options: Any) -> FileCase:
    query = {"horizon": timedelta(hours=24), "zone": "Europe/London", "zero_is_missing": True, **options}
    return read_case(Source(energy), None if weather is None else Source(weather), **query)


@pytest.mark.parametrize(
    ("column", "minutes", "unit", "per_day", "first"),
    [
        ("kwh", 60, "kwh", 24, 2.0),
        ("mwh", 60, "kwh", 24, 2000.0),
        ("kwh", 15, "kwh", 96, 2.0),
        ("kw", 15, "kw", 96, 2.0),
        ("w", 15, "kw", 96, 0.002),
        ("m3", 60, "m3", 24, 2.0),
        # Finer readings become quarter hours: an amount adds up, a power is averaged.
        ("kwh", 5, "kwh", 96, 6.0),
        ("kw", 5, "kw", 96, 2.0),
        ("kwh", 30, "kwh", 48, 2.0),
    ],
)
def test_a_file_is_a_series_in_its_own_unit_and_step(
    tmp_path: Path, column: str, minutes: int, unit: str, per_day: int, first: float
) -> None:
    found = read(table(tmp_path / "e.csv", column, [2.0] * 400, minutes=minutes)).case
    assert (found.series.unit, found.series.per_day) == (unit, per_day)
    assert found.series.values[0] == pytest.approx(first)
    assert found.series.start_utc == START
    # Calendar and weather reach a day past the end.
    assert len(found.civil) > len(found.series.values) + per_day - 1


def test_csv_and_parquet_and_gzip_are_the_same_case(tmp_path: Path) -> None:
    import gzip

    plain = table(tmp_path / "e.csv", "kwh", [float(n % 24 + 1) for n in range(200)])
    packed = tmp_path / "e.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    parquet = tmp_path / "e.parquet"
    pl.read_csv(plain).with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC")).write_parquet(parquet)
    digests = {read(path).case.series.digest() for path in (plain, packed, parquet)}
    assert len(digests) == 1


def test_zero_is_a_gap_or_a_value_as_was_asked_and_negative_net_load_stays(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", "kwh", [1.0, 0.0, -3.0, *[1.0] * 100])
    gaps = read(path)
    assert np.isnan(gaps.case.series.values[1])
    assert gaps.case.series.values[2] == -3.0
    assert {each.code for each in gaps.findings} >= {"zeros_as_missing", "negative_energy"}
    assert read(path, zero_is_missing=False).case.series.values[1] == 0.0


def test_the_calendar_is_local_and_has_the_holidays_of_the_zone_s_country(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", "kwh", [1.0] * 2000, start=datetime(2025, 3, 29, tzinfo=UTC))
    civil = read(path).case.civil
    # Good Friday; on 30 March the clocks go forward.
    friday = civil.day_type[24 * 20 + 12]
    assert friday == 2
    assert read(path, country="").case.civil.day_type[24 * 20 + 12] == 0
    assert civil.hour[30] == 7


def test_nothing_behind_the_issue_is_in_the_case_and_its_grid_reaches_up_to_it(tmp_path: Path) -> None:
    path = table(tmp_path / "e.csv", "kwh", [float(n + 1) for n in range(100)])
    early = read(path, until_utc=START + timedelta(hours=50, minutes=30)).case.series
    assert len(early.values) == 50
    assert early.values[-1] == 50.0
    late = read(path, until_utc=START + timedelta(hours=120)).case.series
    assert len(late.values) == 120
    assert np.isnan(late.values[100:]).all()


def test_weather_columns_are_known_by_their_usual_names_and_units(tmp_path: Path) -> None:
    energy = table(tmp_path / "e.csv", "kwh", [1.0] * 96)
    rows = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%MZ},50,0.5,101300,fine" for n in range(130)]
    weather = tmp_path / "w.csv"
    weather.write_text("\n".join(["timestamp,temp_degf,humidity_fraction,pressure_pa,sky", *rows]) + "\n")
    found = read(energy, weather)
    known = found.case.weather
    assert known.names == ("temperature_degc", "humidity_percent", "pressure_hpa")
    assert known.at(np.array([119]), np.array([0])).tolist() == [pytest.approx([10.0, 50.0, 1013.0])]
    assert found.weather_until == len(found.case.civil)


@pytest.mark.parametrize(("minutes", "expected"), [(60, [0, 0, 0, 0, 1, 1]), (15, [0, 1, 2, 3, 4, 5])])
def test_weather_of_other_steps_comes_onto_the_grid_of_the_energy(
    tmp_path: Path, minutes: int, expected: list[float]
) -> None:
    energy = table(tmp_path / "e.csv", "kwh", [1.0] * 96, minutes=15)
    weather = table(tmp_path / "w.csv", "temp_degc", [float(n) for n in range(200)], minutes=minutes)
    known = read(energy, weather).case.weather
    assert known.at(np.arange(6), np.zeros(6, dtype=np.int64))[:, 0].tolist() == expected


def test_a_column_map_names_the_weather_columns(tmp_path: Path) -> None:
    energy = table(tmp_path / "e.csv", "kwh", [1.0] * 96)
    weather = table(tmp_path / "w.csv", "Aussen", [4.0] * 200)
    mapping = ColumnMap(timestamp="timestamp", values={"Aussen": "temp_degc"})
    given: dict[str, Any] = {"horizon": timedelta(hours=1), "zone": "UTC"}
    assert read_case(Source(energy), Source(weather, mapping), **given).case.weather.names == ("temperature_degc",)
    wrong = ColumnMap(timestamp="timestamp", values={"Aussen": "warmth"})
    with pytest.raises(BadInput, match="the column map names warmth; expected one of temperature_degc"):
        read_case(Source(energy), Source(weather, wrong), **given)


def test_what_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    energy = table(tmp_path / "e.csv", "kwh", [1.0] * 96)
    hours, later = energy.read_text(), START + timedelta(days=4)
    quarters = table(tmp_path / "q.csv", "kwh", [1.0] * 400, minutes=15, start=later)
    (tmp_path / "mixed.csv").write_text(hours + quarters.read_text().split("\n", 1)[1])
    with pytest.raises(BadInput, match="its readings are 15, 60 minutes apart; expected one step throughout"):
        read(tmp_path / "mixed.csv")
    with pytest.raises(BadInput, match="1440 minutes apart; expected hours or quarter hours"):
        read(table(tmp_path / "d.csv", "kwh", [1.0] * 50, minutes=1440))
    with pytest.raises(BadInput, match="is before the first reading"):
        read(energy, until_utc=START - timedelta(hours=1))
    with pytest.raises(BadInput, match="no step in common"):
        read(energy, table(tmp_path / "w.csv", "temp_degc", [1.0] * 50, start=START - timedelta(days=90)))
    with pytest.raises(BadInput, match="there is no column temp_degc, outdoor_degc"):
        read(energy, quarters)
    (tmp_path / "naive.csv").write_text("timestamp,kwh\n2025-01-01 00:00,1\n2025-01-01 01:00,1\n")
    with pytest.raises(BadInput, match="times have no offset"):
        read(tmp_path / "naive.csv", zone=None)
