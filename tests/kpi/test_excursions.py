"""Excursions over a limit: never below it, one each, no flapping within the hysteresis, in any order of rows."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from assets.kpi.alert_rules.rule_rows import Excursion, Row, excursions, open_excursion
from data_quality.contracts.reporting.open_finding import KEPT_FOR
from data_quality.contracts.site_file.alert_rule import ThresholdRule

START, HOUR = datetime(2025, 3, 29, tzinfo=UTC), timedelta(hours=1)
VALUES = st.lists(st.one_of(st.none(), st.integers(-5, 15)), max_size=40)
RULES = st.builds(
    lambda limit, hysteresis, hold_h, side: ThresholdRule(
        rule_id="r", kind="threshold", measure="consumption_kwh", unit="kwh", limit=limit, hysteresis=hysteresis,
        hold_h=hold_h, side=side,
    ),
    st.integers(0, 10), st.integers(0, 5), st.integers(0, 6), st.sampled_from(["above", "below"]),
)  # fmt: skip


def rule(**more: object) -> ThresholdRule:
    facts = {"rule_id": "r", "kind": "threshold", "measure": "consumption_kwh", "unit": "kwh", "limit": 10.0}
    return ThresholdRule.model_validate(facts | more)


def rows(values: list[int | None]) -> list[Row]:
    """A value an hour; None is a gap."""
    hours = (START + place * HOUR for place in range(len(values)))
    return [Row(at, at + HOUR, float(each)) for at, each in zip(hours, values, strict=True) if each is not None]


def spans(found: list[Excursion]) -> list[tuple[int, int, float]]:
    return [((each.start_utc - START) // HOUR, (each.end_utc - START) // HOUR, each.value) for each in found]


def slowly(values: list[int | None], given: ThresholdRule) -> list[tuple[int, int, float]]:
    """The same in other words: from each hour over the limit, look how far it goes."""
    sign, known = 1 if given.side == "above" else -1, [(at, each) for at, each in enumerate(values) if each is not None]
    found, place = [], 0
    while place < len(known):
        after, fired = place, False
        while after < len(known):
            over = sign * (known[after][1] - given.limit)
            if not (over > 0 or (fired and over > -given.hysteresis)):
                break
            after += 1
            fired = fired or after - place >= given.hold_h
        run = [each for _, each in known[place:after]]
        if run and fired:
            found.append((known[place][0], known[after - 1][0] + 1, float(max(run) if sign > 0 else min(run))))
        place = max(after, place + 1)
    return found


@given(VALUES, RULES)
def test_it_is_what_a_slow_look_finds(values: list[int | None], given_rule: ThresholdRule) -> None:
    assert spans(excursions(rows(values), given_rule)) == slowly(values, given_rule)


@given(VALUES, RULES, st.integers())
def test_the_order_of_rows_does_not_matter(values: list[int | None], given_rule: ThresholdRule, seed: int) -> None:
    mixed = rows(values)
    Random(seed).shuffle(mixed)
    assert excursions(mixed, given_rule) == excursions(rows(values), given_rule)


@given(VALUES, RULES)
def test_no_event_is_on_the_right_side_of_the_limit_and_two_are_apart(
    values: list[int | None], given_rule: ThresholdRule
) -> None:
    sign, known = 1 if given_rule.side == "above" else -1, rows(values)
    found = excursions(known, given_rule)
    for each in found:
        over = [one for one in known if each.start_utc <= one.start_utc < each.end_utc]
        assert sign * (over[0].value - given_rule.limit) > 0
        assert sign * (each.value - given_rule.limit) > 0
        assert each.fired_utc - each.start_utc >= timedelta(hours=given_rule.hold_h)
    for one, two in pairwise(found):
        between = [each.value for each in known if one.end_utc <= each.start_utc < two.start_utc]
        assert any(sign * (value - given_rule.limit) <= -given_rule.hysteresis for value in between)


def test_a_hysteresis_makes_one_event_of_a_value_that_swings_about_the_limit() -> None:
    swings = rows([11, 9, 12, 9, 11, 7, 11])
    assert len(excursions(swings, rule())) == 4
    assert spans(excursions(swings, rule(hysteresis=2))) == [(0, 5, 12.0), (6, 7, 11.0)]


def test_a_hold_counts_hours_that_were_read_and_a_gap_ends_nothing() -> None:
    nights = rows([11, None, None, 11, 11, 5])
    assert spans(excursions(nights, rule(hold_h=3))) == [(0, 5, 11.0)]
    assert excursions(nights, rule(hold_h=4)) == []


def test_at_the_limit_is_not_over_it() -> None:
    assert excursions(rows([10, 10]), rule()) == []


def test_one_that_is_over_is_shown_for_a_day() -> None:
    def shown(*after: int) -> bool:
        return open_excursion(rows([11, *after]), rule(), shown_for=KEPT_FOR) is not None

    assert [shown(), shown(5), shown(*[5] * 23), shown(*[5] * 24)] == [True, True, True, False]
    assert open_excursion([], rule(), shown_for=KEPT_FOR) is None
