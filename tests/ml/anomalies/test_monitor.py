"""The monitor of a meter: each fault is one event of its kind, nothing is seen ahead, a quiet meter is left alone."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from ml.features.series import Vector
from tests.ml.anomalies.office import START, load, watched

# After the clocks have changed: hours are those of UTC.
BEGIN = 60 * 24


def put(values: Vector, begin: int, hours: int, change: Callable[[Vector], Vector]) -> Vector:
    changed = values.copy()
    changed[begin : begin + hours] = change(changed[begin : begin + hours])
    return changed


def at_night(values: Vector) -> Vector:
    hour = np.arange(len(values)) % 24
    return np.where((hour >= 20) | (hour < 6), 3.4 * values, values)


FAULTS: dict[str, tuple[int, Callable[[Vector], Vector]]] = {
    "spike": (2, lambda values: np.full_like(values, 400.0)),
    "dead": (20, np.zeros_like),
    "stuck": (30, lambda values: np.full_like(values, 63.25)),
    "unit_scale": (72, lambda values: values * 10),
    "night_waste": (5 * 24, at_night),
    "drift": (18 * 24, lambda values: values * (1 + np.linspace(0, 0.4, len(values)))),
}


def test_a_quiet_meter_has_no_event() -> None:
    found = watched(load())
    assert found.events == ()
    assert found.days == 120 - 28


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_one_event_of_its_kind(kind: str) -> None:
    hours, change = FAULTS[kind]
    found = [each for each in watched(put(load(), BEGIN, hours, change)).events if each.kind == kind]
    begin, end = START + timedelta(hours=BEGIN), START + timedelta(hours=BEGIN + hours)
    assert len(found) == 1
    assert found[0].start_utc < end
    assert found[0].end_utc > begin
    # A drift cannot be told from noise in its first days; all others begin within a day.
    assert abs(found[0].start_utc - begin) <= timedelta(days=8 if kind == "drift" else 1)
    assert found[0].score >= 1


def test_what_was_measured_and_expected_stands_in_the_event() -> None:
    (event,) = watched(put(load(), BEGIN + 10, 2, lambda values: np.full_like(values, 400.0))).events
    assert (event.hours, event.measured) == (2, 800.0)
    assert event.expected == pytest.approx(load()[BEGIN + 10 : BEGIN + 12].sum(), rel=0.15)
    assert event.ratio is not None
    assert event.ratio == pytest.approx(400 / (event.expected / 2), rel=0.2)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_day_sees_nothing_after_it(kind: str) -> None:
    hours, change = FAULTS[kind]
    values = put(load(), BEGIN, hours, change)
    whole = watched(values)
    for days in (61, 64, 70):
        cut = watched(values[: days * 24])
        poisoned = watched(put(values, days * 24, len(values) - days * 24, lambda rest: rest * 3 + 1))
        end = START + timedelta(days=days, hours=-1)
        for other in (whole, poisoned):
            # How an event is called may change with what follows; that it began was known by then.
            begun = {each.start_utc for each in other.events if each.start_utc < end}
            assert {each.start_utc for each in cut.events} <= begun


def test_what_a_meter_does_on_three_days_is_no_spike_any_more() -> None:
    values = load()
    for day in (60, 65, 70, 75, 80):
        values[day * 24 + 10] = 400.0
    days = [(each.start_utc - START).days for each in watched(values).events]
    assert days == [60, 65, 70]
    # What is higher still is one.
    values[90 * 24 + 10] = 800.0
    assert (watched(values).events[-1].start_utc - START).days == 90


def test_first_use_after_weeks_of_zeros_has_a_finite_score() -> None:
    values = np.zeros(24 * 80)
    values[50 * 24 + 9] = 12.0
    (event,) = [each for each in watched(values).events if each.kind == "spike"]
    assert np.isfinite(event.score)


def test_the_hour_that_clocks_repeat_or_skip_is_no_event() -> None:
    # 27 October 2024 has 25 hours in London, and 30 March 2025 has 23.
    assert watched(load(240)).events == ()


def test_more_sensitivity_reports_no_fewer_hours() -> None:
    values = put(load(), BEGIN, 4 * 24, lambda part: part * 1.9)
    hours = [sum(each.hours for each in watched(values, sensitivity=each).events) for each in (0.0, 0.5, 1.0)]
    assert hours == sorted(hours)
    assert hours[0] < hours[-1]


@pytest.mark.parametrize("values", [load(20), np.full(24 * 60, np.nan)], ids=["too short", "no reading"])
def test_too_little_is_a_finding(values: Vector) -> None:
    found = watched(values)
    assert (found.events, found.days) == ((), 0)
    assert [each.code for each in found.findings] == ["too_few_days"]


def test_a_constant_series_and_one_of_zeros_are_left_alone_and_said_to_be_so() -> None:
    # What was always so is usual for this meter.
    for value in (0.0, 5.0):
        found = watched(np.full(24 * 90, value))
        assert {each.kind for each in found.events} <= {"stuck"}
        assert [(each.code, each.facts) for each in found.findings] == [("constant_series", {"value": value})]
    assert watched(load()).findings == ()


def test_gaps_are_no_events() -> None:
    values = load()
    values[BEGIN : BEGIN + 50] = np.nan
    values[BEGIN + 300 : BEGIN + 303] = np.nan
    assert watched(values).events == ()


def test_quarter_hours_are_judged_by_their_hours() -> None:
    values = np.repeat(put(load(), BEGIN + 10, 2, lambda part: np.full_like(part, 400.0)) / 4, 4)
    (event,) = watched(values, step=timedelta(minutes=15)).events
    assert (event.kind, event.measured) == ("spike", pytest.approx(800.0))


def test_a_drift_that_returned_is_told_without_what_follows() -> None:
    hours, change = FAULTS["drift"]
    values = put(load(), BEGIN, hours, change)
    later = BEGIN + hours + 3 * 24
    cut = watched(values[:later]).events
    assert [each.kind for each in cut] == ["drift"]
    # Whatever comes after it changes neither its begin nor its end.
    for rest in (np.nan, 0.0, 1000.0):
        after = watched(np.append(values[:later], np.full(len(values) - later, rest))).events
        assert [(each.start_utc, each.end_utc) for each in after if each.kind == "drift"] == [
            (each.start_utc, each.end_utc) for each in cut
        ]
