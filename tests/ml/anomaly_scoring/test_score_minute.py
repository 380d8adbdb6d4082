"""Minutes of the live board become the event that the night finds, with the same id; the night's word counts."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent
from data_quality.contracts.time import FixedClock, parse_period
from ml.anomalies.params import DetectorParams
from ml.anomaly_scoring.live_limits import SiteLimits, keep_limits, limits_of
from ml.anomaly_scoring.score_minute import MeterMinutes, SiteWatch, live_points
from ml.anomaly_scoring.score_site import SiteScored, score_site
from tests.kpi.seeded import fill
from tests.ml.anomaly_scoring.minutes import MINUTE, live_works, value
from tests.ml.anomaly_scoring.scored import NOW, ZONE, filled, priced, scored, works
from tests.ml.forecasts.issuing import readings

APRIL = parse_period("2025-04", ZONE)
# Of the press, from the minute NOW on: its usual 20 kW of a night, then two hours of 300 kW, then 20 kW again.
POWER = [20.0] * 10 + [300.0] * 120 + [20.0] * 60


@pytest.fixture
def limits(lake: Lake) -> SiteLimits:
    filled(lake, works(), ran=False)
    found = scored(lake, works(), APRIL).limits
    assert found is not None
    return found


def looks(watch: SiteWatch, power: list[float]) -> list[list[AnomalyEvent]]:
    """Events that each minute's look finds."""
    return [watch.look([value("press", kw, NOW + n * MINUTE)], NOW + (n + 0.9) * MINUTE) for n, kw in enumerate(power)]


def night(lake: Lake, power: list[float], read: Any = priced) -> SiteScored:
    """The next night's scoring, once the hours of these minutes are in the lake."""
    hours = np.array(power).reshape(-1, 60).mean(axis=1)
    rows = readings(works(), hours, "press", start=NOW).drop("batch_id", "recorded_at_utc")
    fill(lake, works(), rows.with_columns(is_correction=pl.lit(value=False)), clock=FixedClock(NOW), name="night")
    later = FixedClock(NOW + timedelta(hours=12))
    return score_site(works(), APRIL, lake=lake, read=read, clock=later)


def test_a_raised_load_is_an_event_with_its_third_minute_and_the_night_finds_the_same(
    lake: Lake, limits: SiteLimits
) -> None:
    found = looks(SiteWatch(live_works(), limits), POWER)
    assert [len(each) for each in found[:14]] == [0] * 12 + [1] * 2
    [first], [last] = found[12], found[-1]
    assert (first.kind, first.start_utc, first.end_utc) == ("spike", NOW, NOW + timedelta(hours=1))
    assert first.cost == pytest.approx((first.kwh or 0) * 0.22, rel=0.05), "the mean price of the last week"
    assert first.severity == 3
    assert {each[0].event_id for each in found[12:]} == {first.event_id}
    # It ends with the last hour above the limit: of its minutes ten were.
    assert last.end_utc == NOW + timedelta(hours=2)
    ledger, clock = AnomalyLedger(lake.store), FixedClock(NOW)
    assert ledger.note("works", [first], clock=clock) == 1
    assert ledger.note("works", [last], clock=clock) == 0
    assert night(lake, POWER + [20.0] * 50).published == (0, 1, 0)
    [standing] = ledger.current("works")
    assert (standing.event_id, standing.end_utc) == (first.event_id, last.end_utc)


def test_a_short_burst_that_the_hour_does_not_bear_out_is_gone_and_can_be_withdrawn(
    lake: Lake, limits: SiteLimits
) -> None:
    watch = SiteWatch(live_works(), limits)
    found = looks(watch, [20.0] * 5 + [300.0] * 4 + [20.0] * 55)
    assert [len(each) for each in found] == [0] * 7 + [1] * 5 + [0] * 52
    [event], clock, ledger = found[7], FixedClock(NOW), AnomalyLedger(lake.store)
    ledger.note("works", [event], clock=clock)
    assert watch.is_seen(event, NOW)
    ledger.note("works", [], gone=[event.event_id], clock=clock)
    assert ledger.current("works") == []


def test_a_meter_that_stands_still_is_an_event_with_its_eighth_equal_hour_and_the_night_finds_the_same(
    lake: Lake, limits: SiteLimits
) -> None:
    power = [20.0 + 0.01 * (n % 50) for n in range(60)] + [21.37] * (11 * 60)
    found = looks(SiteWatch(live_works(), limits), power)
    assert [bool(each) for each in found[: 9 * 60 + 1]] == [False] * 9 * 60 + [True]
    [first], [last] = found[9 * 60], found[-1]
    assert (first.kind, first.cause, first.cost_finding, first.severity) == (
        "stuck",
        "sensor_fault",
        "counted_wrong",
        3,
    )
    assert (first.event_id, first.start_utc) == (last.event_id, NOW + timedelta(hours=2))
    ledger = AnomalyLedger(lake.store)
    ledger.note("works", [last], clock=FixedClock(NOW))
    assert night(lake, power).published[0] == 0
    assert [each.event_id for each in ledger.current("works")] == [last.event_id]
    # Whole kilowatts stand still by themselves.
    coarse = looks(SiteWatch(live_works(), limits), [21.0] * 30 + [20.0] * (10 * 60))
    assert not any(coarse)


def test_what_the_night_has_not_read_yet_is_not_withdrawn_by_it(lake: Lake, limits: SiteLimits) -> None:
    event = looks(SiteWatch(live_works(), limits), POWER)[-1][0]
    ledger = AnomalyLedger(lake.store)
    ledger.note("works", [event], clock=FixedClock(NOW))
    assert scored(lake, works(), APRIL).published == (0, 0, 0)
    assert [each.event_id for each in ledger.current("works")] == [event.event_id]
    # Read, and as usual: the night withdraws it, and its limits take these hours from the minutes.
    after = night(lake, [20.0] * 240)
    assert after.published == (0, 0, 1)
    assert after.limits is not None
    watch = SiteWatch(live_works(), limits)
    looks(watch, POWER)
    watch.renew(after.limits)
    assert watch.look([], NOW + timedelta(hours=3)) == []
    assert not watch.is_seen(event, NOW + timedelta(hours=3))


def test_an_event_that_stands_is_never_shorter_by_a_look(lake: Lake, limits: SiteLimits) -> None:
    [event], ledger = looks(SiteWatch(live_works(), limits), POWER)[20], AnomalyLedger(lake.store)
    longer = event.model_copy(update={"end_utc": event.end_utc + timedelta(hours=3), "kwh": 99.0})
    ledger.note("works", [longer], clock=FixedClock(NOW))
    assert ledger.note("works", [event], clock=FixedClock(NOW)) == 0
    assert ledger.current("works") == [longer]
    # What another look had found under an id of its own is none of it.
    ledger.note("works", [], gone=["other"], clock=FixedClock(NOW))
    assert ledger.current("works") == [longer]


@pytest.mark.parametrize(
    ("what", "unit", "more", "per_minute"),
    [
        ("register", "wh", {}, 1000 / 60),
        ("pulses", "kwh", {"value_per_pulse": 0.01}, 100 / 60),
        ("interval", "kwh", {"interval_minutes": 1}, None),
    ],
)
def test_counters_and_amounts_open_an_event_once_their_energy_is_above_the_limit(
    limits: SiteLimits, what: str, unit: str, more: dict[str, Any], per_minute: float | None
) -> None:
    watch, count, opened = SiteWatch(live_works(what=what, unit=unit, **more), limits), 0.0, []
    for n, kw in enumerate([20.0] * 10 + [300.0] * 50):
        count = kw / 60 if per_minute is None else count + kw * per_minute
        sample = value("press", count, NOW + (n + 1) * MINUTE, unit=unit, what=what)
        opened.append(len(watch.look([sample], NOW + (n + 1) * MINUTE)))
    ceiling = max(each.ceiling_kwh[1] or 0 for each in limits.streams if each.stream_id == "press")
    needed = 10 + (ceiling - 20 / 6) / 5
    assert opened.index(1) == pytest.approx(needed, abs=2)


def test_a_doubtful_value_a_counter_that_falls_and_a_long_silence_are_no_power(limits: SiteLimits) -> None:
    watch = SiteWatch(live_works(what="register", unit="kwh"), limits)
    for n, count in ((0, 100.0), (1, 5.0), (2, 6.0), (20, 900.0), (21, 901.0)):
        at = NOW + n * MINUTE
        doubtful = value("main", 1e6 * n, at, unit="kwh", what="register").model_copy(update={"quality": "doubtful"})
        assert watch.look([value("press", count, at, unit="kwh", what="register"), doubtful], at) == []


def test_minutes_of_hours_that_are_over_are_kept_as_their_value_alone(limits: SiteLimits) -> None:
    _, point = live_points(live_works())["press"]
    minutes, start = MeterMinutes(point), NOW - timedelta(days=2)
    ceiling = np.full(100, 1000.0)
    for n in range(26 * 60):
        minutes.take(value("press", float(n // 60), NOW + n * MINUTE))
        found = minutes.series(start, NOW + n * MINUTE, ceiling)
    assert sum(map(len, minutes.hours.values())) <= 66
    assert found.values[48:73].tolist() == [float(each) for each in range(25)]
    # What comes too late changes no hour, and days that are over go.
    minutes.take(value("press", 1e6, NOW + MINUTE))
    later = minutes.series(NOW, NOW + timedelta(hours=26), ceiling)
    assert later.values[:26].tolist() == [float(each) for each in range(26)]


def test_points_prefer_power_and_leave_out_long_amounts() -> None:
    site = live_works(what="interval", unit="kwh", interval_minutes=15)
    assert live_points(site) == {}
    assert [each.what for _, each in live_points(live_works()).values()] == ["live", "live"]
    assert len(SiteWatch(works(), SiteLimits(site_id="works", until_utc=NOW, params=DetectorParams()))) == 0


def test_limits_are_kept_whole_never_replaced_by_older_ones_and_too_old_after_three_days(
    tmp_path: Path, limits: SiteLimits
) -> None:
    assert limits_of(tmp_path, "works") is None
    assert keep_limits(tmp_path, limits)
    assert limits_of(tmp_path, "works") == limits
    older = limits.model_copy(update={"until_utc": NOW - timedelta(days=9)})
    assert not keep_limits(tmp_path, older)
    assert limits_of(tmp_path, "works") == limits
    assert (limits.is_old(NOW + timedelta(days=3)), limits.is_old(NOW + timedelta(days=4))) == (False, True)
    (tmp_path / "works.json").write_text('{"version": 2}')
    with pytest.raises(BadInput, match="expected limits of version 1") as fault:
        limits_of(tmp_path, "works")
    assert fault.value.mend is not None
    assert keep_limits(tmp_path, older), "what cannot be read is written anew"
