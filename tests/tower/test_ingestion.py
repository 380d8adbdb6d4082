"""Ingestion of the tower's files: the promised verdicts, and a lake that is the truth but for the faults."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from controls.simulator.physics.faults import FaultKind, InjectedFault
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.generate import generate_site
from controls.simulator.worlds.tower_files import Delivery
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from tests.tower.conftest import END, START, Read

# Faults that readings still show after all files are in: value and register faults that no file repaired, and rows
# that were refused.
LASTING = (
    FaultKind.SPIKE,
    FaultKind.STUCK,
    FaultKind.DEAD,
    FaultKind.NEGATIVE,
    FaultKind.UNIT_SCALE,
    FaultKind.CLOCK_SHIFT,
    FaultKind.MISSING,
    FaultKind.RESET,
    FaultKind.EXCHANGE,
    FaultKind.CONFLICTING_DUPLICATES,
)
HOURLY = ("gas_boiler", "steam", "water")
Key = tuple[str, str]


@pytest.fixture(scope="module")
def made(tower_site: Site) -> SimulatedSite:
    """The truth: what the meters would have said."""
    return generate_site(tower_site, start=START, end=END)


def held(lake: Lake, site: Site, as_of_utc: datetime | None = None) -> pl.DataFrame:
    """The lake's view of the span."""
    span = {"start_utc": local_midnight_utc(START, site.time_zone), "end_utc": local_midnight_utc(END, site.time_zone)}
    return lake.current(site.site_id, **span, as_of_utc=as_of_utc)


def true_rows(made: SimulatedSite) -> pl.DataFrame:
    """meter_id, register, interval_start_utc, truth (kWh or m3)."""
    assert made.volumes is not None
    frames = [made.meters.rename({"kwh": "truth"}), made.volumes.rename({"m3": "truth"})]
    return pl.concat(frames).select(
        "register", "truth", meter_id="meter", interval_start_utc=pl.col("timestamp").cast(pl.Datetime("us", "UTC"))
    )


def test_each_file_gets_the_verdict_that_was_promised(delivery: Delivery, read: Read) -> None:
    fields = {name: (report.verdict, frozenset(report.reasons)) for name, report in read.reports.items()}
    assert fields == {file.name: (file.verdict, file.reasons) for file in delivery.files}


def test_all_four_verdicts_are_given(read: Read) -> None:
    verdicts = {report.verdict for report in read.reports.values()}
    assert verdicts == {"accept", "accept_with_warning", "quarantine", "reject"}


def test_what_was_refused_stands_in_quarantine(delivery: Delivery, read: Read) -> None:
    refused = {file.name for file in delivery.files if file.verdict in ("quarantine", "reject")}
    items = read.quarantine.items("tower")
    assert {item["source_name"] for item in items} == refused
    whole = {item["source_name"] for item in items if item["kind"] == "file"}
    assert whole == {file.name for file in delivery.files if file.verdict == "reject"}


def test_every_reading_is_synthetic_whatever_its_format(read: Read) -> None:
    frame = held(read.lake, read.site)
    assert frame["is_synthetic"].all()
    streams = {(meter.meter_id, each.register_id) for meter in read.site.meters for each in meter.registers}
    streams |= {(driver.driver_id, "value") for driver in read.site.drivers}
    assert set(frame.select("meter_id", "register").unique().iter_rows()) == streams


@pytest.fixture(scope="module")
def wrong(read: Read, made: SimulatedSite) -> pl.DataFrame:
    """Quarter hours at which the lake holds something else than the truth, or nothing."""
    frame = held(read.lake, read.site).select("meter_id", "register", "interval_start_utc", "value")
    key = ["meter_id", "register", "interval_start_utc"]
    truth = true_rows(made).filter(~pl.col("meter_id").is_in(HOURLY))
    both = truth.join(frame, on=key, how="left", validate="1:1")
    return both.filter(pl.col("value").is_null() | (pl.col("value") != pl.col("truth")))


def unexplained(wrong: pl.DataFrame, faults: list[InjectedFault]) -> pl.DataFrame:
    """Wrong quarter hours that no fault tells of."""
    reported = pl.lit(value=False)
    for fault in faults:
        reported = reported | (
            (pl.col("meter_id") == fault.meter)
            & (pl.col("interval_start_utc") >= fault.start_utc)
            & (pl.col("interval_start_utc") < fault.end_utc)
        )
    return wrong.filter(~reported)


def test_the_lake_is_the_truth_but_for_the_faults_that_last(delivery: Delivery, wrong: pl.DataFrame) -> None:
    lasting = [fault for fault in delivery.truth if fault.kind in LASTING and not fault.repaired_by]
    assert {fault.kind for fault in lasting} == set(LASTING)
    assert unexplained(wrong, lasting).is_empty()
    # And each of them does show: a fault without an effect would be none.
    for fault in lasting:
        others = [other for other in lasting if other is not fault]
        assert not unexplained(wrong, others).is_empty(), fault


def test_hourly_meters_keep_their_energy_to_the_last_digit(read: Read, made: SimulatedSite) -> None:
    frame = held(read.lake, read.site).filter(pl.col("meter_id").is_in(HOURLY))
    quanta = (pl.col("value") * 10**9).round().cast(pl.Int64)
    stored = dict(_sums(frame.select("meter_id", "register", "interval_start_utc", quanta=quanta)))
    truth = true_rows(made).filter(pl.col("meter_id").is_in(HOURLY))
    expected = dict(_sums(truth.with_columns(quanta=(pl.col("truth") * 10**9).round().cast(pl.Int64))))
    assert stored == expected
    assert len(stored) > 4 * 1400


def _sums(frame: pl.DataFrame) -> list[tuple[tuple[str, str, datetime], int]]:
    hours = frame.group_by("meter_id", "register", pl.col("interval_start_utc").dt.truncate("1h")).agg(
        pl.col("quanta").sum()
    )
    return [((row[0], row[1], row[2]), row[3]) for row in hours.iter_rows()]


def test_a_register_that_rolls_over_loses_nothing(delivery: Delivery, read: Read, made: SimulatedSite) -> None:
    fault = next(fault for fault in delivery.truth if fault.kind is FaultKind.ROLLOVER)
    at = (pl.col("meter_id") == fault.meter) & (pl.col("interval_start_utc") == fault.start_utc)
    (stored,) = held(read.lake, read.site).filter(at)["value"].to_list()
    (true,) = true_rows(made).filter(at)["truth"].to_list()
    assert stored == true


def test_no_meter_reads_a_negative_or_an_absurd_amount(read: Read) -> None:
    frame = held(read.lake, read.site).filter(pl.col("unit").is_in(["kwh", "m3"]))
    assert frame["value"].min() >= 0  # type: ignore[operator]
    # A quarter hour at the supply's whole load: the spike alone goes beyond what the building can take.
    above = frame.filter(pl.col("value") > 1250 / 4)
    assert set(above["meter_id"]) <= {"floors_05_08"}


def test_the_corrected_month_changes_the_plants_meters_of_that_month_only(read: Read) -> None:
    report = read.reports["tower_2025-11_plant_v2.csv"]
    assert report.partitions == ("tower|2025-11",)
    # A clock an hour ahead lost four quarter hours, which are new; everything else that differs is a correction.
    assert report.new_rows == 4
    assert report.corrected_rows > 96
    assert report.new_rows + report.corrected_rows + report.unchanged_rows == 7 * 721 * 4


def test_late_and_resent_files_touch_their_own_month_only(read: Read) -> None:
    for name, rows in (("tower_2025-12_steam.csv", 31 * 96), ("tower_2025-12_utility_resent.xml", 2 * 31 * 96)):
        report = read.reports[name]
        assert (report.partitions, report.new_rows, report.corrected_rows) == (("tower|2025-12",), rows, 0)


def test_before_the_late_files_the_lake_knew_less(read: Read, delivery: Delivery) -> None:
    batches = {entry["batch_id"]: entry["recorded_at_utc"] for entry in read.lake.manifest("tower")}
    late = [read.reports[file.name].batch_id for file in delivery.afterwards()]
    first = min(batches[batch_id] for batch_id in late if batch_id is not None)
    before = held(read.lake, read.site, as_of_utc=first - timedelta(microseconds=1))
    december = local_midnight_utc(date(2025, 12, 1), read.site.time_zone)
    known = before.filter(pl.col("interval_start_utc") >= december)
    assert "steam" not in set(known["meter_id"])
    assert "main" not in set(known["meter_id"])
    assert {"steam", "main"} <= set(held(read.lake, read.site)["meter_id"])


def test_the_same_files_again_change_nothing(read: Read, delivery: Delivery) -> None:
    names = ["tower_2025-11_plant.csv", "tower_2025-12_tenants.csv", "tower_2025-12_utility.xml"]
    before = held(read.lake, read.site)
    for name in names:
        second = read.ingest(name)
        assert (second.new_rows, second.corrected_rows) == (0, 0)
        assert second.is_repeat == (second.verdict != "reject")
    assert held(read.lake, read.site).equals(before)
