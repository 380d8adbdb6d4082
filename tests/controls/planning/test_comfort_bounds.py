"""Comfort bounds that hands suggest: enough days, the right edge, and nothing that is changed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controls.optimiser.devices.room import RoomParams
from controls.planning.suggestions import BOUND_DAYS, BoundSuggestion, Override, suggested_bounds

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
ROOM = RoomParams.model_validate(
    {"heater_kw": 2, "r_k_per_kw": 40, "c_kwh_per_k": 0.6, "low_degc": [18] * 12 + [20] * 12, "high_degc": 24}
)
EVENING = NOW.replace(hour=18, minute=7)


def by_hand(value: float, *days_ago: int, capability: str = "set_switch_state", device: str = "hall") -> list[Override]:
    return [
        Override(device_id=device, capability=capability, at_utc=EVENING - timedelta(days=n), value=value)
        for n in days_ago
    ]


def suggested(overrides: list[Override], *degc: float, now: datetime = NOW) -> tuple[BoundSuggestion, ...]:
    known = {(each.device_id, each.at_utc): value for each, value in zip(overrides, degc, strict=False)}
    return suggested_bounds(overrides, {"hall": ROOM}, known, time_zone="Europe/Berlin", now_utc=now)


def test_a_room_that_is_heated_by_hand_on_three_evenings_suggests_a_higher_low_bound_with_count_and_expiry() -> None:
    [found] = suggested(by_hand(1, 1, 2, 9), 20.6, 21.2, 20.7)
    assert (found.edge, found.part_of_day, found.degc, found.present_degc) == ("low", "evenings", 21.0, 20.0)
    assert (found.on_days, found.of_days) == (3, BOUND_DAYS)
    # The ninth day before today falls out of the last 28 days in 19 days.
    assert found.until_utc.date().isoformat() == "2026-04-08"
    assert suggested(by_hand(1, 1, 2, 9), 20.6, 21.2, 20.7, now=found.until_utc - timedelta(hours=1))
    assert suggested(by_hand(1, 1, 2, 9), 20.6, 21.2, 20.7, now=found.until_utc + timedelta(hours=1)) == ()


def test_a_room_that_is_switched_off_by_hand_suggests_a_lower_high_bound() -> None:
    [found] = suggested(by_hand(0, 1, 2, 3), 22.9, 23.1, 22.6)
    assert (found.edge, found.degc, found.present_degc) == ("high", 22.5, 24.0)


def test_a_set_temperature_is_the_wish_itself_also_where_it_is_lower() -> None:
    [found] = suggested(by_hand(19, 1, 2, 3, capability="set_room_degc"))
    assert (found.edge, found.degc, found.present_degc) == ("low", 19.0, 20.0)


@pytest.mark.parametrize(
    ("overrides", "degc"),
    [
        (by_hand(1, 1, 2), (21, 21)),
        (by_hand(1, 1, 1, 1), (21, 21, 21)),
        (by_hand(1, 1, 2, BOUND_DAYS), (21, 21, 21)),
        (by_hand(1, 1, 2, 3), (21, 21)),
        (by_hand(1, 1, 2, 3), (17, 17, 17)),
        (by_hand(1, 1, 2, 3, device="bath"), (21, 21, 21)),
    ],
    ids=["two days", "one day thrice", "too long ago", "no temperature", "below the band already", "no room"],
)
def test_what_is_seldom_old_unknown_or_in_the_band_already_suggests_nothing(
    overrides: list[Override], degc: tuple[float, ...]
) -> None:
    assert suggested(overrides, *degc) == ()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from([0.0, 1.0]), st.floats(-10, 45)), max_size=30),
)
def test_a_suggestion_stays_within_the_other_edge_and_is_never_the_present_bound(
    acts: list[tuple[int, float, float]],
) -> None:
    overrides = [each for day, value, _ in acts for each in by_hand(value, day)]
    for each in suggested(overrides, *(degc for _, _, degc in acts)):
        assert 20 <= each.degc <= 24
        assert each.degc != each.present_degc
        assert each.on_days >= 3
