"""The rules about cumulative registers, each at its edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_quality.rules.register_rules import (
    RateLimit,
    is_glitch,
    is_jitter,
    looks_like_reset,
    modulus_across,
    rate_limit,
    resolution_of,
)

UNIT = 10**9
PLATE = RateLimit(30.0 * UNIT, "3 x connected load", is_evidence=True)
NOTHING = RateLimit(1e6 * UNIT, "1 GW", is_evidence=False)


def across(before: float, after: float, *, modulus: int | None, limit: RateLimit, hours: float = 1) -> int | None:
    found = modulus_across(
        round(before * UNIT),
        round(after * UNIT),
        modulus=None if modulus is None else modulus * UNIT,
        resolution=UNIT,
        limit=limit,
        hours=hours,
    )
    return None if found is None else found // UNIT


@pytest.mark.parametrize(
    ("before", "after", "modulus", "limit", "hours", "found"),
    [
        (99_990, 22, 100_000, PLATE, 1, 100_000),  # 32 kWh: 30 and two digits
        (99_990, 23, 100_000, PLATE, 1, None),
        (99_999, 0, 100_000, PLATE, 1, 100_000),
        (100_000, 0, 100_000, PLATE, 1, None),  # a display of five digits never showed it
        (900, 100, 1000, PLATE, 33, 1000),  # 992 kWh: less than a turn
        (900, 100, 1000, PLATE, 34, None),
        (90_000, 10_000, 100_000, NOTHING, 1, 100_000),
        (89_999, 10_000, 100_000, NOTHING, 1, None),
        (90_000, 10_001, 100_000, NOTHING, 1, None),
        (65_530, 6, None, PLATE, 1, 65_536),
        (9_990, 6, None, PLATE, 1, 10_000),
        (990, 6, None, PLATE, 1, None),  # 30 of 1000 may be chance
        (65_530, 6, None, NOTHING, 1, None),
    ],
)
def test_a_rollover_is_proven_or_it_is_none(
    before: float, after: float, modulus: int | None, limit: RateLimit, hours: float, found: int | None
) -> None:
    assert across(before, after, modulus=modulus, limit=limit, hours=hours) == found


def test_the_plate_speaks_before_history_and_history_before_the_impossible() -> None:
    rates = [1.0] * 30
    assert rate_limit(plate_per_hour=10.0, rates=rates, impossible_per_hour=1e6).per_hour == 30.0
    by_history = rate_limit(plate_per_hour=None, rates=rates, impossible_per_hour=1e6)
    assert (by_history.per_hour, by_history.is_evidence) == (20.0, True)
    assert "30" in by_history.source
    unknown = rate_limit(plate_per_hour=None, rates=rates[:23] + [0.0] * 50, impossible_per_hour=1e6)
    assert (unknown.per_hour, unknown.is_evidence) == (1e6, False)


def test_two_faults_in_a_history_do_not_make_themselves_usual() -> None:
    found = rate_limit(plate_per_hour=None, rates=[1e9, 1e8, *[2.0] * 40], impossible_per_hour=1e12)
    assert found.per_hour == 40.0


def test_a_limit_over_seconds_leaves_the_display_its_digits() -> None:
    assert PLATE.between(1 / 3600, UNIT) == PLATE.between(0.25, UNIT) == round(7.5 * UNIT) + 2 * UNIT


@pytest.mark.parametrize(
    ("reads", "found"),
    [
        ([100 * UNIT, 105 * UNIT], UNIT),
        ([1_500_000_000, 2 * UNIT], UNIT // 10),
        ([1, 10], 1),
        ([], UNIT),
        ([0, 0], UNIT),
        ([5_000 * UNIT, 10_000 * UNIT], UNIT),
    ],
)
def test_the_last_digit_is_read_off_the_reads_and_is_at_most_a_unit(reads: list[int], found: int) -> None:
    assert resolution_of(reads) == found


def test_jitter_is_two_digits_and_no_more() -> None:
    assert is_jitter(2 * UNIT, UNIT)
    assert not is_jitter(2 * UNIT + 1, UNIT)


def test_neighbours_contradict_a_read_only_where_they_go_on_plausibly() -> None:
    given = {"limit": PLATE, "resolution": UNIT, "hours": 2.0}
    assert is_glitch(100 * UNIT, 162 * UNIT, **given)
    assert not is_glitch(100 * UNIT, 163 * UNIT, **given)
    assert not is_glitch(100 * UNIT, 99 * UNIT, **given)


def test_a_reset_counted_no_more_than_it_can_since() -> None:
    assert looks_like_reset(500 * UNIT, 32 * UNIT, limit=PLATE, resolution=UNIT, hours=1)
    assert not looks_like_reset(500 * UNIT, 33 * UNIT, limit=PLATE, resolution=UNIT, hours=1)
    assert looks_like_reset(500 * UNIT, 50 * UNIT, limit=NOTHING, resolution=UNIT, hours=1)
    assert not looks_like_reset(500 * UNIT, 51 * UNIT, limit=NOTHING, resolution=UNIT, hours=1)


@given(
    before=st.integers(0, 99_999),
    after=st.integers(0, 99_999),
    hours=st.floats(0.1, 1000),
    modulus=st.sampled_from([None, 100_000]),
)
def test_what_crosses_a_rollover_is_never_negative_and_never_above_the_limit(
    before: int, after: int, hours: float, modulus: int | None
) -> None:
    if after >= before:
        return
    found = across(before, after, modulus=modulus, limit=PLATE, hours=hours)
    if found is not None:
        assert 0 <= (after + found - before) * UNIT <= PLATE.between(hours, UNIT)
