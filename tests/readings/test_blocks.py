"""A long table looked at in blocks says what it says when it is read whole."""

import gzip
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.readings.bulk import table_blocks as blocks
from assets.readings.bulk.table_blocks import in_blocks, look_at
from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from assets.readings.tables import judged_table as tables
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import ColumnMap, Site

NOW_UTC = datetime(2026, 1, 1, tzinfo=UTC)
SITE = Site(
    site_id="plant",
    name="Plant",
    time_zone="Europe/Berlin",
    currency="EUR",
    country="DE",
    meters=(Meter(meter_id="main"), Meter(meter_id="press")),
)


def lines(meters: list[str], *, days: int = 2, unit: str = "kwh", seed: int = 1) -> list[str]:
    """Quarter hours of the meters; without a meter column where there is one without a name."""
    chance, first = random.Random(seed), datetime(2025, 1, 1, tzinfo=UTC)
    times = [first + timedelta(minutes=15 * place) for place in range(days * 96)]
    rows = [f"{meter},{at:%Y-%m-%dT%H:%M}Z,{chance.randint(0, 90000) / 1000:.3f}" for meter in meters for at in times]
    if meters == [""]:
        return [f"timestamp,{unit}", *(row.removeprefix(",") for row in rows)]
    return [f"meter,timestamp,{unit}", *rows]


def bad_cells() -> list[str]:
    """Lines that are no readings among those that are."""
    table = lines(["main", "Press 1", "press\xa0", ""])
    table[3] = table[3].rsplit(",", 1)[0] + ",abc"
    table[5] = table[5].rsplit(",", 1)[0] + ",nan"
    table[7] = table[7].replace("2025", "2099")
    table[9] += ",1"
    table[11], table[12] = table[12], table[11]
    table[20] = table[19]
    table[30] = table[29].rsplit(",", 1)[0] + ",1.001"
    del table[50:60]
    return table


TABLES: dict[str, tuple[list[str], ColumnMap | None]] = {
    "one meter": (lines([""]), None),
    "meters as they are called": (lines(["main", "Press 1", "{{ 7*7 }}", "ä'; drop table t"]), None),
    "power": (lines(["main"], unit="load_kw"), None),
    "volume": (lines(["main"], unit="m3"), None),
    "bad cells": (bad_cells(), None),
    "a map": (
        ["Name,Wann,Wert", *lines(["A", "B"])[1:]],
        ColumnMap(timestamp="Wann", meter="Name", value="Wert", unit="wh", meters={"A": "main", "B": "press"}),
    ),
    "a map of some": (
        ["Name,Wann,Wert", *lines(["A", "B"])[1:]],
        ColumnMap(timestamp="Wann", meter="Name", value="Wert", unit="kwh", meters={"A": "main"}, other_meters="skip"),
    ),
    "local times, date beside clock": (
        [
            "Zähler;Datum;Uhrzeit;Wirkarbeit",
            *(f"M1;26.10.2025;{hour:02}:{at:02};1,5" for hour in range(24) for at in (0, 30)),
        ],
        ColumnMap(
            timestamp="Datum",
            clock="Uhrzeit",
            date_format="%d.%m.%Y %H:%M",
            zone="Europe/Berlin",
            meter="Zähler",
            value="Wirkarbeit",
            unit="kwh",
            repeated_hour="second",
        ),
    ),
    "zeros and sentinels": (
        [*lines(["main"])[:90], "main,2025-01-02T00:00Z,0", "main,2025-01-02T00:15Z,-9999"],
        ColumnMap(meter="meter", value="kwh", missing=("-9999",), zero_is_missing=True),
    ),
}


def both(path: Path, mapping: ColumnMap | None, site: Site | None = None) -> tuple[SniffReport, SniffReport]:
    in_parts = look_at(path, mapping=mapping, site=site, now_utc=NOW_UTC, from_bytes=1)
    return in_parts, sniff_file(path, mapping=mapping, site=site, now_utc=NOW_UTC)


def never(*_: object, **__: object) -> SniffReport:
    raise AssertionError("read whole")


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "packed"])
def test_a_table_looked_at_in_blocks_is_reported_as_when_it_is_read_whole(
    name: str, is_packed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, mapping = TABLES[name]
    path = tmp_path / ("table.csv.gz" if is_packed else "table.csv")
    data = ("\n".join(table) + "\n").encode()
    path.write_bytes(gzip.compress(data) if is_packed else data)
    whole = sniff_file(path, mapping=mapping, now_utc=NOW_UTC)
    monkeypatch.setattr(blocks, "sniff_file", never)
    assert look_at(path, mapping=mapping, now_utc=NOW_UTC, from_bytes=1) == whole
    assert whole.accepted_rows


def test_local_times_of_a_zone_that_the_command_names_are_read_in_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(line.replace("Z,", ",") for line in lines(["main"])) + "\n")
    whole = sniff_file(path, tz="Europe/Berlin", now_utc=NOW_UTC)
    monkeypatch.setattr(blocks, "sniff_file", never)
    assert look_at(path, tz="Europe/Berlin", now_utc=NOW_UTC, from_bytes=1) == whole
    assert whole.channels[0].start_utc == datetime(2024, 12, 31, 23, tzinfo=UTC)


def test_with_a_site_its_meters_are_the_ones_that_count(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines(["main", "stranger"])) + "\n")
    in_parts, whole = both(path, None, SITE)
    assert in_parts == whole
    assert in_parts.reasons == {"unknown_meter": 192}


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,a_kwh,b_kwh\n" + "2025-01-01T00:00Z,1,2\n2025-01-01T00:15Z,1,2\n" * 9,
        "timestamp,kwh\n" + "2025-01-01T00:00,1\n" * 9,
        "timestamp,temp_degc\n" + "2025-01-01T00:00Z,1\n" * 9,
        "timestamp,kwh\n",
        "timestamp,furlongs\n2025-01-01T00:00Z,1\n",
        'meter,timestamp,kwh\n"main",2025-01-01T00:00Z,1\n' * 9,
    ],
    ids=["wide", "without offset", "a level", "no rows", "an odd unit", "quotes"],
)
def test_what_is_no_regular_table_is_read_whole(text: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    in_parts, whole = both(path, None)
    assert in_parts == whole


def test_a_packed_file_that_is_cut_is_refused_by_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    data = gzip.compress(("\n".join(lines(["main"])) + "\n").encode())
    path.write_bytes(data[: len(data) // 2])
    in_parts, whole = both(path, None)
    assert in_parts == whole
    assert in_parts.reasons == {"truncated": 1}
    assert str(path) in in_parts.message


def test_a_packed_table_of_a_site_is_read_in_blocks_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(("\n".join(lines(["main", "press"])) + "\n").encode()))
    with in_blocks(path, site=SITE, mapping=None, now_utc=NOW_UTC, from_bytes=1) as file:
        assert file is not None
        assert file.report == sniff_file(path, site=SITE, now_utc=NOW_UTC)


def wide(meters: int) -> str:
    """Hours of some meters, with holes, bad cells, a doubled row and one out of order."""
    chance, first = random.Random(7), datetime(2025, 1, 1, tzinfo=UTC)
    odd = ["", "abc", "-1", "nan", "1e10"]
    rows = [
        f"{first + timedelta(hours=at):%Y-%m-%dT%H:%M}Z,"
        + ",".join(chance.choice(odd) if chance.random() < 0.05 else f"{chance.random():.3f}" for _ in range(meters))
        for at in range(40)
    ]
    rows += [rows[3], rows[5].rsplit(",", 1)[0] + ",9"]
    return "\n".join([",".join(["timestamp", *(f"m{n}_kwh" for n in range(meters))]), *rows, ""])


def test_a_wide_table_judged_in_shares_is_the_one_judged_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(wide(11))
    at_once = read_file(path, now_utc=NOW_UTC)
    assert len(at_once.report.reasons) > 3
    monkeypatch.setattr(tables, "CELLS_AT_ONCE", 100)
    in_shares = read_file(path, now_utc=NOW_UTC)
    assert in_shares.report == at_once.report
    assert in_shares.rows.equals(at_once.rows)
    order = ["source_line", "reason", "got"]
    assert in_shares.rejects.sort(order).equals(at_once.rejects.sort(order))


def test_a_table_that_would_take_more_memory_than_a_file_may_is_refused_with_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(wide(100))
    monkeypatch.setattr(tables, "MAX_BYTES", 1_000_000)
    report = sniff_file(path, now_utc=NOW_UTC)
    assert report.reasons == {"too_large": 1}
    assert "4,200 values in a table that has to be seen whole" in report.message
    assert "split it by months or by meters" in report.message
