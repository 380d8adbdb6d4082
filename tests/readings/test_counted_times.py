"""Times that are counted: seconds and milliseconds since 1970, and the numbers of a day's hours or periods."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from pydantic import ValidationError

from assets.readings.drafts.map_draft import FileFacts
from assets.readings.sniff_files import read_file, sniff_file
from data_quality.contracts.site_file.site import ColumnMap

START = datetime(2025, 3, 3, tzinfo=UTC)
EPOCHS = {
    "%s": lambda at: f"{at.timestamp():.0f}",
    "%s ": lambda at: f"{at.timestamp():.1f}",
    "%Q": lambda at: f"{at.timestamp() * 1000:.0f}",
    "%Q ": lambda at: f"{at.timestamp() * 1000:.9e}",
}


def found_by_draft(path: Path, tz: str) -> tuple[dict[datetime, float], ColumnMap]:
    """Values by start, as the drafted map reads them, which leaves nothing open."""
    report = sniff_file(path, tz=tz, facts=FileFacts(tz=tz))
    assert report.draft is not None, report.message
    assert report.questions == ()
    mapping = report.draft.column_map()
    found = read_file(path, mapping=mapping)
    assert found.report.rejected_rows == 0
    return dict(found.rows.select("interval_start_utc", "value").iter_rows()), mapping


@pytest.mark.parametrize("form", EPOCHS)
@pytest.mark.parametrize("name", ["ts", "time", "Datum", "t", "of"])
def test_numbers_since_1970_are_times_of_utc_whatever_the_zone(tmp_path: Path, form: str, name: str) -> None:
    truth = {START + timedelta(minutes=30 * n): 0.25 + n % 5 for n in range(48)}
    path = tmp_path / "m.csv"
    path.write_text(f"{name},kWh\n" + "".join(f"{EPOCHS[form](at)},{value}\n" for at, value in truth.items()))
    values, mapping = found_by_draft(path, "America/Lima")
    assert (values, mapping.date_format, mapping.zone) == (truth, form.strip(), None)
    declared = ColumnMap(timestamp=name, value="kWh", date_format=form.strip(), zone="Asia/Tokyo")
    assert set(read_file(path, mapping=declared).rows["interval_start_utc"]) == set(truth)


def test_numbers_since_1970_in_json_and_parquet(tmp_path: Path) -> None:
    rows = [{"t": int(START.timestamp() * 1000) + 3_600_000 * n, "kwh": 1.5 + n} for n in range(24)]
    (tmp_path / "m.json").write_text(json.dumps(rows))
    pl.DataFrame(rows).write_parquet(tmp_path / "m.parquet")
    for name in ("m.json", "m.parquet"):
        values, _ = found_by_draft(tmp_path / name, "UTC")
        assert values == {START + timedelta(hours=n): 1.5 + n for n in range(24)}


def test_a_number_out_of_time_is_a_reject_with_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("ts,kWh\n1740960000,1\n1740963600,2\n-5,3\n1e300,4\nnan,5\n")
    found = read_file(path, mapping=ColumnMap(timestamp="ts", value="kWh", date_format="%s"))
    assert found.report.reasons == {"bad_timestamp": 3}
    assert found.rejects["got"].to_list() == ["-5", "1e300", "nan"]


@pytest.mark.parametrize(
    ("name", "number"), [("EAN", lambda n: 1_541_440_000_012), ("kWh total", lambda n: 1_500_000_000 + n * n * 7)]
)
def test_long_numbers_that_name_a_meter_or_count_are_no_times(tmp_path: Path, name: str, number: object) -> None:
    path = tmp_path / "m.csv"
    times = [f"2025-03-0{1 + n // 24} {n % 24:02}:00" for n in range(96)]
    path.write_text(f"{name},Zeit,kWh\n" + "".join(f"{number(n)},{at},1.5\n" for n, at in enumerate(times)))  # type: ignore[operator]
    report = sniff_file(path, tz="Europe/Berlin")
    assert report.draft is not None
    assert report.draft.keys["timestamp"] == "Zeit"


# Zone, first of three days with a change of the clock on the second, minutes.
DAYS = [
    ("Europe/Madrid", (2025, 2, 14), 60),
    ("Europe/Madrid", (2025, 3, 29), 60),
    ("Europe/Madrid", (2025, 10, 25), 60),
    ("Atlantic/Canary", (2025, 10, 25), 60),
    ("Europe/London", (2025, 3, 29), 30),
    ("Europe/London", (2025, 10, 25), 30),
    ("Europe/Rome", (2025, 10, 25), 15),
]


def days_of(zone: str, day: tuple[int, int, int], minutes: int) -> list[tuple[str, int, datetime]]:
    """Date, number within the day from 1, and start of every interval of three local days."""
    place = ZoneInfo(zone)
    firsts = [datetime(*day, tzinfo=place) + timedelta(days=n) for n in range(4)]
    return [
        (f"{first:%d/%m/%Y}", n + 1, first.astimezone(UTC) + timedelta(minutes=minutes * n))
        for first, after in pairwise(firsts)
        for n in range(int((after.astimezone(UTC) - first.astimezone(UTC)) / timedelta(minutes=minutes)))
    ]


@pytest.mark.parametrize(("zone", "day", "minutes"), DAYS)
@pytest.mark.parametrize("name", ["Hora", "Settlement Period"])
def test_numbers_of_a_day_count_what_has_passed_since_midnight(
    tmp_path: Path, zone: str, day: tuple[int, int, int], minutes: int, name: str
) -> None:
    rows = days_of(zone, day, minutes)
    path = tmp_path / "m.csv"
    lines = (f"ES0021;{date};{number};{number},5\n" for date, number, _ in rows)
    path.write_text(f"CUPS;Fecha;{name};Consumo kWh\n" + "".join(lines))
    values, mapping = found_by_draft(path, zone)
    assert values == {at: number + 0.5 for _, number, at in rows}
    assert (mapping.clock, mapping.clock_from, mapping.interval_minutes) == (name, 1, minutes)


@pytest.mark.parametrize(("day", "rows"), [((2025, 3, 29), 71), ((2025, 10, 25), 73)])
def test_hours_of_the_clock_may_number_what_has_passed_since_midnight(
    tmp_path: Path, day: tuple[int, int, int], rows: int
) -> None:
    hours = days_of("Europe/Madrid", day, 60)
    path = tmp_path / "m.csv"
    lines = (f"ES0021,{date},{number:02}:00,{number}.5,Real\n" for date, number, _ in hours)
    path.write_text("cups,fecha,hora,consumo_kWh,metodoObtencion\n" + "".join(lines))
    values, mapping = found_by_draft(path, "Europe/Madrid")
    assert values == {at: number + 0.5 for _, number, at in hours}
    assert (len(values), mapping.clock_from, mapping.label) == (rows, 1, "start")


@pytest.mark.parametrize(("day", "rows"), [(30, 71), (1, 72)])
def test_ends_on_the_wall_stay_the_clock_where_the_day_ends_with_24(tmp_path: Path, day: int, rows: int) -> None:
    place = ZoneInfo("Europe/Madrid")
    ends = [
        (date, hour)
        for date in (datetime(2025, 3, day, tzinfo=place) + timedelta(days=n) for n in (-1, 0, 1))
        for hour in range(1, 25)
        if (date.day, hour) != (30, 2)
    ]
    path = tmp_path / "m.csv"
    path.write_text("fecha,hora,kWh\n" + "".join(f"{date:%d/%m/%Y},{hour:02}:00,1.5\n" for date, hour in ends))
    values, mapping = found_by_draft(path, "Europe/Madrid")
    assert (len(values), mapping.clock_from, mapping.label) == (rows, None, "end")


def test_numbers_of_the_clock_on_the_wall_leave_out_the_hour_that_spring_skips(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    hours = [(day, hour) for day in (29, 30, 31) for hour in range(24) if (day, hour) != (30, 2)]
    path.write_text("Date,Hour,kWh\n" + "".join(f"{day}/03/2025,{hour},1.5\n" for day, hour in hours))
    values, mapping = found_by_draft(path, "Europe/Berlin")
    place = ZoneInfo("Europe/Berlin")
    assert set(values) == {datetime(2025, 3, d, h, tzinfo=place).astimezone(UTC) for d, h in hours}
    assert mapping.clock_from == 0


def test_a_number_that_the_day_does_not_have_is_a_reject(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("Fecha;Hora;kWh\n" + "".join(f"2025-02-14;{n};1\n" for n in (0, 1, 2, 24, 25, "x")))
    mapping = ColumnMap(
        timestamp="Fecha", clock="Hora", clock_from=1, interval_minutes=60, value="kWh", zone="Europe/Madrid"
    )
    found = read_file(path, mapping=mapping)
    assert found.report.accepted_rows == 3
    assert found.rejects["got"].to_list() == ["2025-02-14 0", "2025-02-14 25", "2025-02-14 x"]
    with pytest.raises(ValidationError, match="clock_from needs clock and interval_minutes"):
        ColumnMap(clock_from=1, clock="Hora")


def test_the_times_of_a_table_are_not_those_of_its_query(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = (f",,0,2025-03-03T00:00:00Z,{START + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ},{n},kwh\n" for n in range(24))
    path.write_text(",result,table,_start,_time,_value,_field\n" + "".join(rows))
    report = sniff_file(path, tz="UTC")
    assert report.proposal["timestamp"] == "_time"
