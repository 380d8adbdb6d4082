"""Green Button bills cut at fixed hours: the hour of a clock change between one period and the next."""

from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as clock
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assets.readings.sniff_files import SniffReport, read_file, sniff_file
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.rooms import Bench, plant
from tests.readings.test_espi import document, only, reading

ZONES = ("America/New_York", "America/Los_Angeles", "Europe/Berlin", "Australia/Sydney")
# Offsets of half hours; on Lord Howe Island the change too is half an hour.
HALF_HOURS = ("America/St_Johns", "Australia/Adelaide", "Australia/Lord_Howe")
DST_US = {"dstEndRule": "B40E2000", "dstOffset": "3600", "dstStartRule": "360E2000", "tzOffset": "-18000"}
LENGTHS = (35, 28, 30, 33, 27, 30, 33, 29, 29, 30, 32, 30)
THERM = "<uom>169</uom>"


def days_of(first: date, lengths: tuple[int, ...], count: int) -> list[date]:
    days = [first]
    for month in range(count):
        days.append(days[-1] + timedelta(days=lengths[month % len(lengths)]))
    return days


def periods(zone: str, days: list[date], *, cut: str, hour: int = 0) -> list[tuple[int, int]]:
    """(start, duration) of each bill as suppliers write them.

    cut `local`: starts are local times, durations count days of 24 h. Cut `standard` or `utc`: starts are of a clock
    without summer time, durations are what passed between the local ones.
    """
    local = [int(datetime.combine(day, clock(hour), ZoneInfo(zone)).timestamp()) for day in days]
    if cut == "local":
        return [(at, (b - a).days * 86_400) for at, (a, b) in zip(local, pairwise(days), strict=False)]
    winter = min(datetime(2022, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() or timedelta() for month in (1, 7))
    fixed = UTC if cut == "utc" else timezone(winter)
    starts = [int(datetime.combine(day, clock(hour), fixed).timestamp()) for day in days]
    return [(at, b - a) for at, (a, b) in zip(starts, pairwise(local), strict=False)]


def bills(path: Path, of: list[tuple[int, int]], local_time: dict[str, str] | None = None) -> Path:
    """A Green Button file of these bills; the value of each is its number."""
    text = document("".join(reading(at, n, length) for n, (at, length) in enumerate(of, 1)), THERM, service="1")
    leaves = "".join(f"<{name}>{value}</{name}>" for name, value in (local_time or {}).items())
    entry = f"<entry><content><LocalTimeParameters>{leaves}</LocalTimeParameters></content></entry>\n</feed>"
    path.write_text(text.replace("</feed>", entry) if local_time is not None else text)
    return path


def hours(report: SniffReport) -> list[tuple[str, str, int]]:
    """(kind, day of the clock change, minutes) of each finding about an hour."""
    found = [each.facts for each in report.findings if each.code == "clock_change_hour"]
    return [(str(at["kind"]), str(at["clock_change"]), int(str(at["minutes"]))) for at in found]


@pytest.mark.parametrize("cut", ["local", "standard", "utc"])
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("stated", [True, False], ids=["zone stated", "no zone"])
def test_thirty_five_bills_count_whole_whatever_clock_they_are_cut_by(
    tmp_path: Path, zone: str, cut: str, stated: bool
) -> None:
    days = days_of(date(2021, 5, 26), LENGTHS, 35)
    path = bills(tmp_path / "bills.xml", periods(zone, days, cut=cut))
    found = read_file(path, tz=zone if stated else None)
    assert (found.report.verdict, found.report.reasons) == ("accept_with_warning", {})
    assert (only(found.report).intervals, only(found.report).sum) == (35, sum(range(1, 36)))
    shifts = [datetime.combine(day, clock(12), ZoneInfo(zone)).utcoffset() for day in days]
    later, earlier = ("overlap", "gap") if cut == "local" else ("gap", "overlap")
    kinds = [later if (b or timedelta()) > (a or timedelta()) else earlier for a, b in pairwise(shifts[:-1]) if a != b]
    assert [kind for kind, _, _ in hours(found.report)] == kinds
    assert {minutes for _, _, minutes in hours(found.report)} == {60}
    ends = found.rows.select(end=pl.col("interval_start_utc") + pl.duration(minutes="source_minutes"))["end"]
    assert ends.to_list()[:-1] == found.rows["interval_start_utc"].to_list()[1:]


def test_the_finding_names_period_kind_minutes_and_clock_change(tmp_path: Path) -> None:
    of = periods("America/New_York", days_of(date(2021, 10, 26), (30, 31), 2), cut="utc")
    found = sniff_file(bills(tmp_path / "bills.xml", of), tz="America/New_York").findings
    assert [each.message for each in found] == [
        "the period from 2021-10-26 00:00Z to 2021-11-25 01:00Z overlaps the next by 60 min, the hour of the clock "
        "change on 2021-11-07 (America/New_York): it counts whole and lasts until 2021-11-25 00:00Z"
    ]


def test_bills_of_a_site_reach_the_lake_whole_and_the_ingestion_names_the_hours(bench: Bench, tmp_path: Path) -> None:
    meter = Meter(meter_id="gas", carrier=Carrier.NATURAL_GAS, registers=(Register(unit="therm"),))
    mapping = ColumnMap(match="*.xml", meters={"u/1": "gas"})
    site = plant(meters=(meter,), drivers=(), column_maps=(mapping,))
    days = days_of(date(2021, 5, 26), LENGTHS, 35)
    report = bench.ingest(bills(tmp_path / "bills.xml", periods(site.time_zone, days, cut="utc")), site=site)
    assert (report.accepted_rows, report.rejected_rows, len(hours(report))) == (35, 0, 5)
    assert sum(bench.values("gas", "import")) == pytest.approx(sum(range(1, 36)) * 29.3071, rel=1e-9)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*ZONES, "Europe/London", "America/Santiago", "Pacific/Auckland", *HALF_HOURS]),
    st.sampled_from(["local", "standard", "utc"]),
    st.dates(date(2015, 1, 1), date(2022, 1, 1)),
    st.lists(st.integers(28, 33), min_size=35, max_size=35),
    st.sampled_from([0, 6, 23]),
)
def test_no_bill_is_left_out_for_a_clock_change_of_its_zone(
    tmp_path: Path, zone: str, cut: str, first: date, lengths: list[int], hour: int
) -> None:
    days = days_of(first, tuple(lengths), 35)
    report = sniff_file(bills(tmp_path / "bills.xml", periods(zone, days, cut=cut, hour=hour)), tz=zone)
    assert (report.rejected_rows, only(report).sum) == (0, sum(range(1, 36)))


@pytest.mark.parametrize(
    ("local_time", "verdict"),
    [
        (DST_US, "accept_with_warning"),
        # Senders turn the sign of the zone round, or leave a template's zone: the days of the changes stand.
        (DST_US | {"tzOffset": "18000"}, "accept_with_warning"),
        (DST_US | {"tzOffset": "-28800"}, "accept_with_warning"),
        (DST_US | {"dstStartRule": "B40E2000"}, "quarantine"),
        (DST_US | {"dstOffset": "0"}, "quarantine"),
        (DST_US | {"dstStartRule": "spring"}, "quarantine"),
        # The last Sundays of March and October: no change lies in these bills.
        (DST_US | {"dstStartRule": "3E0E2000", "dstEndRule": "AE0E2000"}, "quarantine"),
        ({}, "quarantine"),
        (None, "quarantine"),
    ],
    ids=[
        "right",
        "sign turned",
        "of another zone",
        "one rule twice",
        "no summer time",
        "no rule",
        "Europe",
        "",
        "none",
    ],
)
def test_a_single_odd_hour_counts_where_the_files_own_clock_changes_there(
    tmp_path: Path, local_time: dict[str, str] | None, verdict: str
) -> None:
    of = periods("America/New_York", days_of(date(2022, 1, 24), (31, 29, 31, 30), 4), cut="local")
    report = sniff_file(bills(tmp_path / "bills.xml", of, local_time))
    assert report.verdict == verdict
    assert hours(report) == ([("overlap", "2022-03-13", 60)] if verdict == "accept_with_warning" else [])


def test_a_clock_stated_wrongly_by_the_file_does_not_cost_a_bill(tmp_path: Path) -> None:
    of = periods("Europe/Berlin", days_of(date(2021, 5, 12), (30,), 38), cut="local")
    report = sniff_file(bills(tmp_path / "bills.xml", of, DST_US | {"dstStartRule": "3E0E2000"}))
    assert (report.reasons, len(hours(report))) == ({}, 6)
    assert {day for _, day, _ in hours(report)} >= {"2021-10-31", "2022-03-27"}


def test_an_hour_in_june_stays_a_reject_in_a_file_whose_other_hours_are_clock_changes(tmp_path: Path) -> None:
    of = periods("America/New_York", days_of(date(2021, 5, 26), LENGTHS, 35), cut="local")
    june = next(n for n, (at, _) in enumerate(of) if at > datetime(2022, 6, 1, tzinfo=UTC).timestamp())
    of[june] = (of[june][0], of[june][1] + 3600)
    for zone in ("America/New_York", None):
        report = sniff_file(bills(tmp_path / "bills.xml", of), tz=zone)
        assert (report.reasons, report.accepted_rows, len(hours(report))) == ({"overlapping_interval": 2}, 33, 6)


@pytest.mark.parametrize(
    ("zone", "begins", "warnings", "rejected"),
    [
        ("America/New_York", "2025-03-12T04:00Z", {"clock_change_mended": 1}, False),
        ("America/New_York", "2025-03-12T04:30Z", {}, True),
        ("America/New_York", "2025-03-12T03:00Z", {}, True),
        ("America/New_York", "2025-03-13T04:00Z", {}, False),
        ("Etc/GMT+5", "2025-03-12T04:00Z", {}, True),
        ("Europe/Berlin", "2025-03-12T04:00Z", {}, True),
    ],
    ids=["the change", "half of it", "twice it", "a day later", "a clock without summer time", "a clock of elsewhere"],
)
def test_an_overlap_that_no_clock_change_explains_stays_a_reject(
    tmp_path: Path, zone: str, begins: str, warnings: dict[str, int], rejected: bool
) -> None:
    first, second = (int(datetime.fromisoformat(at).timestamp()) for at in ("2025-02-10T05:00Z", begins))
    of = [(first, 30 * 86_400), (second, 30 * 86_400)]
    report = sniff_file(bills(tmp_path / "bills.xml", of), tz=zone)
    assert (report.warnings, "overlapping_interval" in report.reasons) == (warnings, rejected)


def test_an_hour_of_an_hourly_series_is_no_clock_change_of_a_bill(tmp_path: Path) -> None:
    change = int(datetime(2022, 3, 13, 7, tzinfo=UTC).timestamp())
    of = [(change - 7200, 7200), (change - 3600, 7200), (change + 7200, 3600)]
    report = sniff_file(bills(tmp_path / "hours.xml", of), tz="America/New_York")
    assert (report.reasons, report.findings) == ({"overlapping_interval": 2}, ())


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*ZONES, "Pacific/Auckland", *HALF_HOURS]),
    st.sampled_from(["local", "standard", "utc"]),
    st.dates(date(2015, 1, 1), date(2022, 1, 1)),
    st.integers(2, 14),
    st.integers(0, 23),
)
@example("America/New_York", "local", date(2015, 2, 2), 2, 0)
def test_every_bill_of_a_file_without_a_zone_is_read_or_quarantined_with_its_mend(
    tmp_path: Path, zone: str, cut: str, first: date, count: int, hour: int
) -> None:
    path = bills(tmp_path / "bills.xml", periods(zone, days_of(first, LENGTHS, count), cut=cut, hour=hour))
    report = sniff_file(path)
    if report.verdict == "reject":
        # The two overlap each other, so that no bill is left: the file is refused whole, by the same sentence.
        assert (count, report.reasons) == (2, {"overlapping_interval": 1})
        assert "the zone whose clock change this is" in report.message
        with pytest.raises(BadInput, match="no row can be used"):
            read_file(path)
        return
    found = read_file(path)
    refused = found.rejects.filter(pl.col("reason") == "overlapping_interval")
    lines = [*found.rows["source_line"].to_list(), *refused["source_line"].to_list()]
    assert len(set(lines)) == len(lines) == count
    assert found.report.reasons == ({"overlapping_interval": refused.height} if refused.height else {})
    # Each names its mend, and so does a finding: the same file with its zone counts whole.
    assert set(refused["expected"]) <= {"rows that do not overlap, or the zone whose clock change this is"}
    assert not refused.height or "clock_unknown" in {each.code for each in found.report.findings}


@pytest.mark.parametrize("cut", ["local", "standard", "utc"])
def test_bills_of_a_clock_that_changes_by_half_an_hour_show_it_themselves(tmp_path: Path, cut: str) -> None:
    of = periods("Australia/Lord_Howe", days_of(date(2021, 5, 26), LENGTHS, 35), cut=cut)
    report = sniff_file(bills(tmp_path / "bills.xml", of))
    assert (report.reasons, only(report).sum) == ({}, sum(range(1, 36)))
    assert {minutes for _, _, minutes in hours(report)} == {30}
