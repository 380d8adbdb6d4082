"""The saving of an experiment: what the days say, with carry-over, and nothing where they are too few."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from assets.experiments.experiment_days import draw_experiment
from assets.experiments.saving import Saving, SpanOutcome, saving_of
from data_quality.contracts.control.experiment import Arm, Experiment
from data_quality.contracts.finding import Finding

FIRST = date(2026, 10, 5)


def design(seed: int, days: int = 60) -> Experiment:
    now = datetime(2026, 10, 1, tzinfo=UTC)
    return draw_experiment("home", "UTC", first=FIRST, days=days, share=0.3, seed=seed, now_utc=now)


def seen(made: Experiment, *, own: float, left: float, noise: float = 0.3, seed: int = 0) -> list[SpanOutcome]:
    """Days whose habit costs so much more on its own day, and so much more on the next."""
    chance = np.random.default_rng([seed, made.seed])
    found, before = list[SpanOutcome](), "plan"
    for span in made.spans:
        degc, price = float(chance.normal(5, 4)), float(chance.normal(0.3, 0.05))
        cost = 5 - 0.4 * degc + 8 * price + own * (span.arm == "habit") + left * (before == "habit")
        arm: Arm = span.arm
        found.append(
            SpanOutcome(
                start_utc=span.start_utc, arm=arm, before="habit" if before == "habit" else "plan",
                cost=cost + float(chance.normal(0, noise)), known={"outdoor_degc": degc, "price": price},
            )
        )  # fmt: skip
        before = arm
    return found


def saving(made: Experiment, outcomes: list[SpanOutcome], until: datetime | None = None) -> Saving:
    found = saving_of(made, outcomes, until or made.end_utc)
    assert isinstance(found, Saving), found
    return found


def test_a_saving_counts_the_day_itself_and_what_is_left_for_the_next() -> None:
    found = [saving(design(seed), seen(design(seed), own=1.0, left=0.5)) for seed in range(12)]
    assert np.mean([one.saving for one in found]) == pytest.approx(1.5, abs=0.1)
    assert sum(one.interval[0] <= 1.5 <= one.interval[1] for one in found) >= 9
    assert {one.verdict for one in found} == {"saves"}
    assert found[0].adjusted_for == ("outdoor_degc", "price")


def test_bands_hold_and_nothing_is_claimed_where_nothing_is() -> None:
    found = [saving(design(seed), seen(design(seed), own=0.0, left=0.0, noise=1.0)) for seed in range(100)]
    claims = sum(one.verdict == "saves" for one in found)
    covered = sum(one.interval[0] <= 0 <= one.interval[1] for one in found)
    # 5 % and 90 % with three standard deviations of 100.
    assert claims <= 11
    assert covered >= 81


def test_a_control_that_costs_more_is_said_to() -> None:
    made = design(1)
    assert saving(made, seen(made, own=-3.0, left=0.0)).verdict == "costs"


def test_a_look_is_at_its_time_whoever_asks_when() -> None:
    made = design(2)
    outcomes = seen(made, own=1.0, left=0.0)
    half = made.spans[29].end_utc
    early = saving(made, outcomes, half)
    assert [look.until_utc for look in early.looks] == [look.until_utc for look in saving(made, outcomes).looks][:2]
    assert saving(made, outcomes, half + timedelta(days=3)) == early


def test_what_was_decided_is_not_taken_back() -> None:
    made = design(3)
    outcomes = seen(made, own=5.0, left=0.0)
    later = [
        one
        if one.start_utc < made.spans[45].end_utc
        else SpanOutcome(one.start_utc, one.arm, one.before, one.cost - 40.0 * (one.arm == "habit"), one.known)
        for one in outcomes
    ]
    found = saving(made, later)
    assert (found.verdict, found.decided_utc) == ("saves", saving(made, outcomes, made.spans[29].end_utc).decided_utc)
    assert found.interval[0] < 0


def test_too_few_days_are_insufficient() -> None:
    made = design(4)
    nothing = saving_of(made, [], made.end_utc)
    soon = saving_of(made, seen(made, own=1, left=0), made.start_utc + timedelta(days=3))
    for found in (nothing, soon):
        assert isinstance(found, Finding)
        assert found.code == "insufficient"


def test_halves_of_days_tell_the_saving_of_a_day() -> None:
    now = datetime(2026, 10, 1, tzinfo=UTC)
    made = draw_experiment("home", "UTC", first=FIRST, days=40, share=0.3, seed=5, now_utc=now, half_days=True)
    assert saving(made, seen(made, own=1.0, left=0.0, noise=0.05)).saving == pytest.approx(2.0, abs=0.2)
