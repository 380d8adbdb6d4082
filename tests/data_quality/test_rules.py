"""Each rule finds its fault where it is, and nothing in the same meter without it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.vee import Action, RuleFinding, ValidationRules
from data_quality.reading_grid import Grid, Stream, streams_of_site
from data_quality.rules.rule_table import BALANCE_RULES, RULES
from data_quality.rules.shared.energy_balance import Balance
from data_quality.rules.shared.grid_days import Days
from data_quality.validate import validate
from tests.data_quality.meters import START, grid, office

DAYS = 100
AT = 24 * 80 + 10  # a Thursday at ten

Change = Callable[[NDArray[np.float64]], None]


def found(values: NDArray[np.float64], **facts: object) -> list[RuleFinding]:
    """Findings of one hourly meter."""
    return list(validate([grid(values, **facts)]).findings)


def put(change: Change, days: int = DAYS) -> NDArray[np.float64]:
    """The office with a fault."""
    values = office(days)
    change(values)
    return values


def spike(values: NDArray[np.float64]) -> None:
    values[AT : AT + 2] = 95.0


def stuck(values: NDArray[np.float64]) -> None:
    values[AT : AT + 9] = values[AT]


def dead(values: NDArray[np.float64]) -> None:
    values[AT : AT + 5] = 0.0


def negative(values: NDArray[np.float64]) -> None:
    values[AT] = -5.0


def unit_scale(values: NDArray[np.float64]) -> None:
    values[AT : AT + 60] *= 1000


def out_of_range(values: NDArray[np.float64]) -> None:
    values[AT : AT + 6] = 150.0 + np.arange(6)


def clock_shift(values: NDArray[np.float64]) -> None:
    values[24 * 75 : 24 * 90] = np.roll(values, 3)[24 * 75 : 24 * 90]


CASES: dict[str, tuple[Change, int, int, Action]] = {
    "spike": (spike, AT, AT + 2, Action.EXCLUDE),
    "stuck": (stuck, AT, AT + 9, Action.EXCLUDE),
    "dead": (dead, AT, AT + 5, Action.EXCLUDE),
    "negative": (negative, AT, AT + 1, Action.EXCLUDE),
    "unit_scale": (unit_scale, AT, AT + 60, Action.HOLD),
    "range": (out_of_range, AT, AT + 6, Action.EXCLUDE),
    "clock_shift": (clock_shift, 24 * 75, 24 * 90, Action.FLAG),
}


def test_an_ordinary_meter_has_no_finding() -> None:
    assert found(office(DAYS)) == []


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_its_fault_and_no_other_rule_does(rule: str) -> None:
    change, first, end, action = CASES[rule]
    (only,) = found(put(change))
    assert (only.rule, only.action) == (rule, action)
    # A shifted clock and a wrong unit are told by days and hours; the others to the slot.
    slack = timedelta(days=3) if rule == "clock_shift" else timedelta(hours=2 if rule == "unit_scale" else 0)
    assert abs(only.start_utc - (START + timedelta(hours=first))) <= slack
    assert abs(only.end_utc - (START + timedelta(hours=end))) <= slack
    assert only.limit is not None
    assert only.limit.source.startswith("history 20")
    assert only.limit.reason


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_that_is_switched_off_finds_nothing(rule: str) -> None:
    declared = ValidationRules.model_validate(
        {"meters": [{"meter": "m0", "rules": [{"rule": rule, "enabled": False, "reason": "tested elsewhere"}]}]}
    )
    rules = {each.rule for each in validate([grid(put(CASES[rule][0]))], rules=declared).findings}
    assert rule not in rules


def test_the_rules_of_the_cases_and_of_the_table_are_the_same() -> None:
    assert set(CASES) | {"rate"} == set(RULES)
    assert set(BALANCE_RULES) == {"sum_check", "plant_balance"}


def test_one_jump_that_nothing_else_explains_is_a_rate() -> None:
    # The load stays: no spike, not beyond four times the usual rise, only a step as the meter never makes.
    values = office(DAYS)
    values[AT:] += 45
    rules = [each.rule for each in found(values)]
    assert rules.count("rate") >= 1
    assert "spike" not in rules


def test_a_plate_decides_before_any_history() -> None:
    values = office(2)
    values[30] = 40.0
    (only,) = [each for each in found(values, plate_kw=30.0) if each.rule == "range"]
    assert (only.value, only.limit and only.limit.source) == (40.0, "plate 30 kW")
    assert [each for each in found(values, plate_kw=34.0) if each.rule == "range"] == []


def test_a_meter_of_two_directions_has_no_negative_reading() -> None:
    values = office(DAYS)
    values[12::24] = -3.0
    assert "negative" not in {each.rule for each in found(values)}
    assert "negative" in {each.rule for each in found(values, is_one_way=True)}


def test_a_little_below_zero_is_an_inverter_at_night_and_three_percent_of_the_peak_is_not() -> None:
    values = office(DAYS)
    peak = float(values.max())
    for share, is_found in ((-0.015, False), (-0.03, True)):
        values[AT] = share * peak
        assert ("negative" in {each.rule for each in found(values)}) is is_found, share


def test_a_meter_that_is_steady_by_itself_is_stuck_after_twice_its_own_stretches() -> None:
    values = office(DAYS)
    night = np.arange(len(values)) % 24 < 5
    values[night] = 7.0
    assert found(values) == []
    # Five hours each night, so that ten are its limit: nine are its own, eleven are not.
    for hours, is_found in ((9, False), (11, True)):
        second = values.copy()
        second[AT : AT + hours] = 9.0
        rules = {each.rule: each for each in found(second)}
        assert ("stuck" in rules) is is_found, hours
    assert (rules["stuck"].slots, rules["stuck"].limit and rules["stuck"].limit.value) == (11, 10.0)


def test_a_meter_that_rests_by_itself_is_dead_after_twice_its_own_pauses() -> None:
    values = office(DAYS)
    night = np.arange(len(values)) % 24 < 8
    values[night] = 0.0
    assert found(values) == []
    values[24 * 80 : 24 * 80 + 20] = 0.0
    (only,) = found(values)
    # Eight hours each night, so that sixteen are its limit; it is named and still used.
    assert (only.rule, only.slots, only.action, only.limit and only.limit.value) == ("dead", 20, Action.FLAG, 16.0)


def test_zeros_of_what_may_rest_are_named_and_stay_and_one_that_is_stuck_does_not() -> None:
    (only,) = found(put(dead), may_rest=True)
    assert (only.rule, only.action) == ("dead", Action.FLAG)
    (only,) = found(put(stuck), may_rest=True)
    assert (only.rule, only.action) == ("stuck", Action.EXCLUDE)


def test_gas_heat_water_and_drivers_may_rest_and_electricity_may_not() -> None:
    meters = [{"meter_id": name, "carrier": name} for name in ("electricity", "heat", "water")]
    drivers = [{"driver_id": "parts", "unit": "count", "aggregation": "sum"}]
    drivers += [{"driver_id": "outdoor_degc", "unit": "degc", "aggregation": "mean"}]
    named = {"site_id": "s", "name": "S", "time_zone": "Europe/Berlin", "currency": "EUR", "country": "DE"}
    site = Site.model_validate(named | {"meters": meters, "drivers": drivers})
    assert [stream.meter_id for stream in streams_of_site(site) if stream.may_rest] == ["heat", "water", "parts"]


def test_a_meter_that_is_never_used_is_not_dead_and_a_constant_one_not_stuck() -> None:
    assert found(np.zeros(24 * DAYS)) == []
    assert found(np.full(24 * DAYS, 7.0)) == []


def test_a_season_that_begins_within_the_month_is_no_spike() -> None:
    values = office(DAYS)
    for day in range(60, DAYS):
        values[24 * day + 18] = 80.0
    assert "spike" not in {each.rule for each in found(values)}


def test_a_feast_that_runs_like_a_sunday_is_no_wrong_unit() -> None:
    values = office(DAYS, base_kw=10.0)
    weekend = np.arange(len(values)) // 24 % 7 >= 5
    values[weekend] = np.round(values[weekend] / 3.6, 3)
    values[24 * 80 : 24 * 81] = np.round(values[24 * 80 : 24 * 81] / 3.6, 3)
    assert "unit_scale" not in {each.rule for each in found(values)}


SHUT = slice(24 * 80, 24 * 90)


def of_site(*factors: float) -> list[RuleFinding]:
    """Wrong units of four meters, each with its load times its factor for ten days."""
    values = np.stack([office(DAYS) for _ in factors])
    values[:, SHUT] *= np.array(factors)[:, None]
    one = grid(values[0])
    streams = tuple(replace(one.streams[0], meter_id=f"m{row}") for row in range(len(factors)))
    whole = replace(one, streams=streams, values=np.round(values, 6))
    return [each for each in validate([whole]).findings if each.rule == "unit_scale"]


def test_a_site_that_shuts_down_has_no_wrong_unit() -> None:
    assert of_site(0.03, 0.06, 0.12, 0.4) == []
    assert {each.meter for each in of_site(0.03, 1.0, 1.0, 1.0)} == {"m0"}


def test_one_factor_for_all_meters_is_a_wrong_unit_and_no_shut_down() -> None:
    assert {each.meter for each in of_site(0.1, 0.1, 0.1, 0.1)} == {"m0", "m1", "m2", "m3"}
    # Meters that rise together do not rest.
    assert {each.meter for each in of_site(10.0, 30.0, 100.0, 1000.0)} == {"m0", "m1", "m2", "m3"}


def nights() -> NDArray[np.float64]:
    """Four meters, each with a night of its own."""
    is_night = np.arange(24 * DAYS) % 24 < 6
    return np.stack([office(DAYS, seed=row) * np.where(is_night, 1 / (1 + 2 * row), 1) for row in range(4)])


def wrong_units(values: NDArray[np.float64]) -> list[RuleFinding]:
    """Of a site's meters m0, m1 …"""
    return [each for each in validate([grid(*np.round(values, 6))]).findings if each.rule == "unit_scale"]


def test_a_gateway_that_scales_all_meters_from_some_hour_of_the_night_on_is_no_shut_down() -> None:
    for hour in (1, 3, 6):
        values = nights()
        # On the first day each keeps its own night, and so has a share of its own.
        values[:, 24 * 80 + hour : 24 * 90] /= 1000
        assert {each.meter for each in wrong_units(values)} == {"m0", "m1", "m2", "m3"}, hour


def test_a_unit_that_goes_wrong_in_a_shut_down_is_told_once_the_others_are_back() -> None:
    values = nights()
    values[:, 24 * 80 : 24 * 87] *= np.array([0.5, 0.3, 0.4, 0.2])[:, None]
    values[0, 24 * 80 :] /= 1000
    assert {each.meter for each in wrong_units(values) if each.slots} == {"m0"}


def test_a_shut_down_of_two_weeks_whose_meters_go_flat_has_no_wrong_unit() -> None:
    values = nights()
    noise = np.random.default_rng(5).normal(1, 0.03, (4, 24 * 14))
    values[:, 24 * 77 : 24 * 91] = np.array([0.3, 0.9, 1.5, 4.0])[:, None] * noise
    assert {each.value for each in wrong_units(values) if each.value < 1} == set()


def test_a_lasting_change_of_unit_names_both_sides() -> None:
    values = office(DAYS)
    values[24 * 75 :] /= 35.3147
    after, before = sorted(
        (each for each in found(np.round(values, 6)) if each.rule == "unit_scale"), key=lambda each: -each.slots
    )
    assert "ft3 and m3" in after.message
    assert after.value == pytest.approx(1 / 35.3147, rel=0.05)
    assert before.slots == 0
    assert before.end_utc <= after.start_utc
    assert before.value == pytest.approx(35.3147, rel=0.05)


def test_levels_are_judged_both_ways_and_never_dead_or_negative() -> None:
    hours = np.arange(24 * DAYS)
    rng = np.random.default_rng(2)
    values = np.round(2 + 4 * np.sin((hours % 24) / 24 * 2 * np.pi) + rng.normal(0, 0.2, len(hours)), 2)
    values[AT] = -60.0
    level = replace(grid(values), streams=(Stream("t", "value", "degc", 60),))
    (only,) = validate([level]).findings
    assert (only.rule, only.value, only.unit) == ("spike", -60.0, "degc")


def test_a_declared_limit_and_action_stand_before_ours() -> None:
    declared = ValidationRules.model_validate(
        {
            "meters": [
                {
                    "meter": "*",
                    "rules": [{"rule": "dead", "limit": 12, "action": "flag", "reason": "the kiln rests at noon"}],
                },
                {"meter": "m1", "rules": [{"rule": "dead", "limit": 4, "reason": "never rests"}]},
            ]
        }
    )
    one, two = put(dead), put(dead)
    (only,) = validate([grid(one, two)], rules=declared).findings
    assert (only.meter, only.action) == ("m1", Action.EXCLUDE)
    assert only.limit is not None
    assert (only.limit.value, only.limit.source, only.limit.reason) == (4.0, "declared", "never rests")


def test_submeters_above_their_parent_are_named_with_the_worst_day() -> None:
    parent, one, two = office(40), office(40, seed=2) / 2, office(40, seed=3) / 2
    two[24 * 30 : 24 * 32] *= 1.3
    balance = [Balance("sum_check", "m0", ("m1", "m2"), ("m0",))]
    (only,) = [each for each in validate([grid(parent, one, two)], balances=balance).findings if each.slots == 0]
    assert (only.rule, only.meter) == ("sum_check", "m0")
    assert (only.start_utc, only.end_utc) == (START + timedelta(days=30), START + timedelta(days=32))
    assert only.value > 0
    assert validate([grid(parent, one, office(40, seed=3) / 2)], balances=balance).findings == ()


def test_a_gap_in_the_parent_is_no_excess_of_its_submeters() -> None:
    parent, part = office(40), office(40, seed=2) * 0.9
    parent[24 * 30 : 24 * 30 + 12] = np.nan
    balance = [Balance("sum_check", "m0", ("m1",), ("m0",))]
    assert [each.rule for each in validate([grid(parent, part)], balances=balance).findings] == []


def test_a_balance_holds_on_its_days_only() -> None:
    parent, part = office(40), office(40, seed=2) * 2
    until = Balance("plant_balance", "seu", ("m1",), ("m0",), valid_to=date(2024, 1, 5))
    (only,) = [each for each in validate([grid(parent, part)], balances=[until]).findings if each.slots == 0]
    assert (only.rule, only.end_utc) == ("plant_balance", datetime(2024, 1, 5, tzinfo=UTC))


def test_local_days_have_23_24_and_25_hours() -> None:
    values = np.ones((1, 24 * 366 * 4))
    days = Days(Grid((Stream("a"),), datetime(2023, 12, 31, 23, tzinfo=UTC), 15, values), "Europe/Berlin")
    hours = dict(zip(days.dates, np.diff(days.edges) / 4, strict=True))
    assert (hours[date(2024, 3, 31)], hours[date(2024, 10, 27)], hours[date(2024, 7, 1)]) == (23, 25, 24)
    assert days.known.sum() == values.size
    assert days.sums[0, days.dates.index(date(2024, 10, 27))] == 100.0
