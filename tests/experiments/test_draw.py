"""The draw of an experiment: the same from its seed, balanced, never above its share, and before its first day."""

from collections import Counter
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.experiments.experiment_days import draw_experiment
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone

HERE = "Europe/Prague"
NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)


def drawn(days: int = 60, share: float = 0.3, seed: int = 1, *, half_days: bool = False) -> Experiment:
    return draw_experiment(
        "home", HERE, first=date(2026, 10, 5), days=days, share=share, seed=seed, now_utc=NOW, half_days=half_days
    )


@settings(max_examples=50, deadline=None)
@given(st.integers(28, 200), st.floats(0.1, 0.3), st.integers(0, 10**6), st.booleans())
def test_a_draw_never_exceeds_its_share_and_gives_each_weekday_its_part(
    days: int, share: float, seed: int, half_days: bool
) -> None:
    made = drawn(days, share, seed, half_days=half_days)
    habit = [one for one in made.spans if one.arm == "habit"]
    count = days * (1 + half_days)
    assert len(made.spans) == count
    assert len(habit) == int(share * count + 1e-9)
    of_day = Counter(one.start_utc.astimezone(zone(HERE)).weekday() for one in habit)
    all_of_day = Counter(one.start_utc.astimezone(zone(HERE)).weekday() for one in made.spans)
    # Of a day that has two halves each of them is to within one.
    for weekday, whole in all_of_day.items():
        assert abs(of_day[weekday] - len(habit) / count * whole) < 1 + half_days
    assert made == drawn(days, share, seed, half_days=half_days)


def test_every_day_has_the_same_chance() -> None:
    often = Counter(n for seed in range(500) for n, one in enumerate(drawn(seed=seed).spans) if one.arm == "habit")
    # 150 of 500, and four standard deviations.
    assert min(often.values()) > 150 - 41
    assert max(often.values()) < 150 + 41


def test_days_of_23_and_25_hours_are_whole_days_and_halves_part_at_noon() -> None:
    made = drawn()
    hours = Counter((one.end_utc - one.start_utc).total_seconds() / 3600 for one in made.spans)
    assert hours == {24.0: 59, 25.0: 1}
    halves = drawn(half_days=True)
    assert {one.start_utc.astimezone(zone(HERE)).hour for one in halves.spans} == {0, 12}
    assert halves.at(made.start_utc) == halves.spans[0]
    assert made.at(made.end_utc) is None


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"share": 0.31}, "bad_share"),
        ({"share": 0.0}, "bad_share"),
        ({"share": 0.05, "days": 20}, "bad_share"),
        ({"days": 13}, "span_too_short"),
        ({"days": 366}, "span_too_short"),
        ({"first": date(2026, 10, 1)}, "day_begun"),
    ],
)
def test_a_draw_that_cannot_be_is_refused_in_one_sentence(wrong: dict[str, object], reason: str) -> None:
    asked = {"first": date(2026, 10, 5), "days": 60, "share": 0.3, "seed": 1, "now_utc": NOW} | wrong
    with pytest.raises(BadInput) as refused:
        draw_experiment("home", HERE, **asked)  # type: ignore[arg-type]
    assert refused.value.reason == reason
    assert "\n" not in str(refused.value)
