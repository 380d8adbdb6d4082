"""Pulse counters: what a pulse is worth, counters of 16 and 32 bits that begin again, and devices that forget."""

from decimal import Decimal
from typing import Any

import pytest

from assets.readings.ingest.ingest_file import IngestReport
from data_quality.contracts.live.sample_line import SampleHead, sample_line
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.site import Site
from tests.live.hall import QUARTER, sample
from tests.readings.rooms import Bench, plant


def yard(per_pulse: str, *, load_kw: float | None = None, **register: Any) -> Site:
    """A site whose main meter is read by a counter of pulses."""
    point = {"point": "n", "stream": "main", "what": "pulses", "unit": "kwh", "value_per_pulse": per_pulse}
    meter = {"meter_id": "main", "connected_load_kw": load_kw, "registers": [{"kind": "cumulative", **register}]}
    return plant(meters=(meter,), sources=[{"source_id": "yard", "kind": "mqtt", "points": [point | {"topic": "n"}]}])


def counted(bench: Bench, counts: list[int], site: Site, *, step_s: int) -> IngestReport:
    """Read the counter's states, step_s apart from the quarter hour's start."""
    head = SampleHead("plant", "yard", QUARTER, is_synthetic=False)
    samples = [sample("n", place * step_s, count, "count") for place, count in enumerate(counts)]
    return bench.ingest(head.lines() + "".join(f"{sample_line(each)}\n" for each in samples), site=site, name="n")


def turning(size: int, *, pulses: int = 900) -> list[int]:
    """A counter that begins again in the middle of a quarter hour, with a state of every second."""
    return [(size - pulses // 2 + place) % size for place in range(pulses + 1)]


@pytest.mark.parametrize(
    ("per_pulse", "impulses_per_kwh"),
    [("0.001", 1000), ("0.0008", 1250), ("0.0015625", 640), ("0.1", 10), ("2.5", 0.4)],
)
def test_a_pulse_is_worth_what_the_site_file_says_to_the_last_digit(
    bench: Bench, per_pulse: str, impulses_per_kwh: float
) -> None:
    report = counted(bench, [7_000_000 + place for place in range(901)], yard(per_pulse), step_s=1)
    assert report.verdict == "accept"
    assert [Decimal(str(value)) for value in bench.values()] == [900 * Decimal(per_pulse)]
    assert bench.values() == [pytest.approx(900 / impulses_per_kwh)]


@pytest.mark.parametrize("bits", [16, 32])
@pytest.mark.parametrize("per_pulse", ["0.001", "0.0008"])
def test_a_counter_that_is_declared_begins_again_and_no_pulse_is_lost(bench: Bench, bits: int, per_pulse: str) -> None:
    site = yard(per_pulse, wraps_at=str(2**bits * Decimal(per_pulse)))
    report = counted(bench, turning(2**bits), site, step_s=1)
    assert report.reasons == {}
    assert report.warnings == {"register_rollover": 1}
    assert bench.values() == [float(900 * Decimal(per_pulse))]


@pytest.mark.parametrize("bits", [16, 32])
def test_a_counter_that_nobody_declared_begins_again_where_the_plate_proves_it(bench: Bench, bits: int) -> None:
    report = counted(bench, turning(2**bits, pulses=100), yard("0.001", load_kw=0.5), step_s=9)
    assert (report.reasons, report.warnings, bench.values()) == ({}, {"register_rollover": 1}, [0.1])


def test_a_counter_that_nobody_declared_and_a_load_that_could_turn_it_by_chance_is_asked_about(bench: Bench) -> None:
    report = counted(bench, turning(2**16), yard("0.001", load_kw=4), step_s=1)
    assert (report.reasons, bench.values()) == ({"register_decrease": 1}, [0.45])


def test_a_counter_that_lost_its_count_is_no_rollover(bench: Bench) -> None:
    # Away from its end: the device began anew, and what it counted between is not known.
    counts = [30_000 + place for place in range(450)] + list(range(451))
    report = counted(bench, counts, yard("0.001", wraps_at="65.536", load_kw=4), step_s=1)
    assert report.reasons == {"register_decrease": 1}
    assert sum(bench.values()) <= 0.9


def test_a_counter_of_16_bits_that_was_not_asked_for_more_than_a_turn_says_so(bench: Bench) -> None:
    # 100 kW at 1000 pulses a kWh turn it over every 40 minutes: two states an hour apart prove nothing.
    report = counted(bench, [60_000, 30_000], yard("0.001", wraps_at="65.536", load_kw=100), step_s=3600)
    assert report.reasons == {"register_decrease": 1}
    assert bench.values() == []


def test_amounts_over_a_turn_are_not_measured_on_the_quarter_hour(bench: Bench) -> None:
    """States at odd seconds: the quarter hour between is interpolated, and says so."""
    counts = turning(65_536, pulses=2000)
    report = counted(bench, counts[::7], yard("0.001", wraps_at="65.536"), step_s=7)
    assert report.reasons == {}
    assert sum(bench.values()) == pytest.approx(1.8, abs=0.02)
    assert QualityCode.ESTIMATED_INTERPOLATED in set(bench.lake.current("plant")["quality_code"])
