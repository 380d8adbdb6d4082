"""Validation as a whole: a month is judged alike alone or with all others, and nothing is changed on the way."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from data_quality.contracts.time import local_midnight_utc
from data_quality.reading_grid import Grid, Stream
from data_quality.validate import history_start, validate
from tests.data_quality.flags import BITS, flags_of
from tests.data_quality.meters import START, grid, office

FAULTS = st.lists(
    st.tuples(
        st.sampled_from(["spike", "stuck", "dead", "negative", "scale", "gap"]),
        st.integers(24 * 20, 24 * 150),
        st.integers(1, 130),
    ),
    max_size=6,
)


def with_faults(faults: list[tuple[str, int, int]], seed: int) -> Grid:
    """Two hourly meters of 160 days, the first with the faults."""
    values = office(160, seed=seed)
    for kind, first, hours in faults:
        part = values[first : first + hours]
        if kind == "spike":
            values[first : first + min(hours, 3)] = 90.0
        elif kind == "scale":
            part *= 10
        elif kind == "negative":
            values[first] = -1.0
        else:
            part[:] = {"stuck": values[first], "dead": 0.0, "gap": np.nan}[kind]
    return grid(values, office(160, seed=seed + 1))


# Without shrinking: each example costs four validations, and a failing one is readable as it is.
@settings(
    max_examples=8,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(FAULTS, st.integers(0, 50), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
def test_a_month_after_its_history_gets_the_flags_of_all_at_once(
    faults: list[tuple[str, int, int]], seed: int, zone_name: str
) -> None:
    whole = with_faults(faults, seed)
    flags = flags_of(validate([whole], time_zone=zone_name).judged[0])
    for month in (1, 3, 5):
        start = local_midnight_utc(date(2024, month, 1), zone_name)
        end = local_midnight_utc(date(2024, month + 1, 1), zone_name)
        part = whole.between(history_start(start, zone_name), end)
        alone = flags_of(validate([part], time_zone=zone_name, since_utc=start).judged[0])
        first, at = max(0, part.slot_from(start)), max(0, whole.slot_from(start))
        own = alone[:, first:]
        assert np.array_equal(own, flags[:, at : at + own.shape[1]]), (month, faults)


def test_the_future_does_not_change_the_past() -> None:
    whole = with_faults([("dead", 24 * 100, 100), ("scale", 24 * 130, 90)], 3)
    until = whole.slot(datetime(2024, 4, 1, tzinfo=UTC))
    early = flags_of(validate([whole.between(START, datetime(2024, 4, 1, tzinfo=UTC))]).judged[0])
    assert np.array_equal(flags_of(validate([whole]).judged[0])[:, :until], early)


def test_validation_changes_no_reading() -> None:
    whole = with_faults([("spike", 24 * 100, 2)], 4)
    before = whole.values.copy()
    validate([whole])
    assert np.array_equal(before, whole.values, equal_nan=True)


def test_an_event_over_the_end_of_a_month_is_one_finding() -> None:
    values = office(120)
    first = (datetime(2024, 3, 31, tzinfo=UTC) - START) // timedelta(hours=1)
    values[first : first + 48] = 0.0
    (only,) = validate([grid(values)]).findings
    assert (only.slots, only.end_utc - only.start_utc) == (48, timedelta(hours=48))


def test_flags_of_a_slot_name_their_rules() -> None:
    values = office(100)
    values[24 * 80] = 90.0
    flags = flags_of(validate([grid(values)]).judged[0])
    assert np.flatnonzero(flags[0]).tolist() == [24 * 80]
    assert flags[0, 24 * 80] == BITS["spike"]


def test_a_score_says_what_is_missing_and_what_may_not_be_believed() -> None:
    values = office(100)
    values[24 * 80 : 24 * 80 + 6] = np.nan
    values[24 * 81 : 24 * 81 + 12] = 0.0
    found = validate([grid(values)])
    scores = dict(zip(found.scores["local_date"], found.scores["score"], strict=True))
    assert scores[date(2024, 3, 21)] == 18 / 24
    assert scores[date(2024, 3, 22)] == 0.5
    assert scores[date(2024, 3, 23)] == 1.0
    assert found.coverage == (2400 - 6) / 2400
    assert found.score == (98 + 0.75 + 0.5) / 100


def test_daily_sources_are_judged_by_size_and_not_by_shape() -> None:
    daily = np.repeat(np.round(office(100).reshape(-1, 24).sum(axis=1), 3) / 24, 24)
    stream = Stream("d", cadence_minutes=1440)
    assert validate([Grid((stream,), START, 60, daily[None])]).findings == ()


def test_nothing_to_judge_has_no_score() -> None:
    found = validate([])
    assert (found.score, found.coverage, found.findings) == (None, None, ())
