"""A large site is read by blocks of meters: verdicts, findings and scores are those of reading it whole."""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from assets.kpi.incremental.month_gates import MonthGates
from assets.readings.ingest.judge_site import judge_site
from assets.sites.view import site_readings, summed_readings
from assets.stores.lake import meter_blocks as blocks
from assets.stores.lake.lake import Lake
from data_quality.contracts.time import FixedClock, parse_period
from tests.kpi.seeded import filled_lake, plant

PLANT = plant(validation={"gate": "warn"})
APRIL = parse_period("2025-04", PLANT.time_zone)
CLOCK = FixedClock(datetime(2025, 5, 2, tzinfo=UTC))


@pytest.fixture
def filled(lake: Lake) -> Lake:
    return filled_lake(lake, PLANT, seed=3)


def test_every_meter_of_the_span_is_in_one_block_and_a_small_site_is_one(
    filled: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    span = {"start_utc": APRIL.start_utc, "end_utc": APRIL.end_utc}
    assert blocks.meter_blocks(filled, "plant", **span) == [None]
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 500)
    found = blocks.meter_blocks(filled, "plant", **span)
    assert len(found) > 2
    names = [name for block in found for name in block or ()]
    assert names == sorted(set(filled.current("plant", start_utc=APRIL.start_utc, end_utc=APRIL.end_utc)["meter_id"]))


def test_the_checks_of_a_month_say_the_same_of_blocks(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    # A meter that nobody has read yet stands in no block.
    site = plant(meters=[*(meter.model_dump(exclude_unset=True) for meter in PLANT.meters), {"meter_id": "aaa_silent"}])
    whole = MonthGates(site, APRIL, filled, CLOCK).before()
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 500)
    parts = MonthGates(site, APRIL, filled, CLOCK).before()
    assert "aaa_silent" in str(whole["meters_report"].verdict.facts["worst"])
    assert parts == whole


def test_validation_finds_the_same_in_blocks(filled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    span = {"start_utc": APRIL.start_utc, "end_utc": APRIL.end_utc}
    whole = judge_site(filled, PLANT, **span)
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 500)
    parts = judge_site(filled, PLANT, **span)
    assert whole.findings == parts.findings
    assert whole.scores.equals(parts.scores)
    assert date(2025, 4, 2) in whole.scores["local_date"]
    assert parts.scores.schema["meter_id"] == pl.String


@pytest.mark.parametrize("meters", [["main", "pv", "outdoor_temp"], ["main"], ["nobody"]])
def test_rows_to_be_summed_are_the_same_rows_in_the_same_order_in_blocks(
    filled: Lake, monkeypatch: pytest.MonkeyPatch, meters: list[str]
) -> None:
    span = {"start_utc": APRIL.start_utc, "end_utc": APRIL.end_utc}
    every = sorted({*filled.current("plant", **span)["meter_id"]})
    streams = every if len(meters) > 1 else meters
    whole = site_readings(filled, PLANT, meters=streams, **span)
    assert summed_readings(filled, PLANT, streams, **span).equals(whole)
    monkeypatch.setattr(blocks, "ROWS_AT_ONCE", 500)
    parts = summed_readings(filled, PLANT, streams, **span)
    names = ["meter_id", "register", "unit"]
    assert parts.height == whole.height
    assert parts.with_columns(pl.col(names).cast(pl.String)).select(parts.columns).equals(whole.select(parts.columns))
