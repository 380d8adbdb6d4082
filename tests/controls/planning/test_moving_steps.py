"""Steps that grow, plans that are stored over them, and what heats for a share of the long ones."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from controls.optimiser.backends.expressions import Floats, Linear
from controls.optimiser.backends.program import Program
from controls.optimiser.case import case_of
from controls.optimiser.devices.appliance import Appliance
from controls.optimiser.devices.device import CaseContext
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.heat_pump import HeatPump
from controls.optimiser.devices.tank import FreeTank
from controls.optimiser.moving_steps import (
    cuts_of,
    hours_of,
    laid_over,
    means_of,
    spans_of,
    with_moving_steps,
)
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.closed_loop.present_case import whole_relays
from controls.planning.execution import commands_until, not_renewed
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.replay.day_scenario import Readings, governed
from controls.planning.scenarios import with_scenarios
from controls.planning.tariff_terms import Offer, tariff_offer
from controls.planning.triggers import plan_window, planned_states
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import FORECAST_FROM, Plan, PlanRequest
from data_quality.contracts.control.plan_scenario import Risk
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from tests.controls.optimiser.rooms_toy import house, room
from tests.controls.optimiser.test_heat_pump import case_with as pump_case
from tests.controls.optimiser.test_heat_pump import pump
from tests.controls.optimiser.test_tank import case_with, tank
from tests.controls.planning.examples import HOME, NOW, forecast, inputs, published, request
from tests.controls.planning.test_bad_plans import Bed, bed, market
from tests.controls.planning.test_scenarios import uncertain_forecast
from tests.controls.planning.test_tariff_terms import POWER, home

__all__ = ["bed"]


@pytest.mark.parametrize("minute", [0, 15, 30, 45])
def test_steps_cover_two_days_and_long_ones_begin_on_the_hour(minute: int) -> None:
    spans = spans_of(datetime(2026, 1, 5, 3, minute, tzinfo=UTC), 192, cuts=[18])
    assert [first for first, _ in spans[1:]] == [after for _, after in spans[:-1]]
    assert (spans[0][0], spans[-1][1]) == (0, 192)
    assert 18 in {first for first, _ in spans}
    for first, after in spans:
        if after - first >= 4:
            assert (minute // 15 + first) % 4 == 0
    assert len(spans) < 45
    assert hours_of(spans).sum() == pytest.approx(48)
    values = np.arange(192.0)
    assert np.dot(means_of(values, spans), hours_of(spans)) == pytest.approx(values.sum() / 4)


def test_a_room_heats_for_a_share_of_long_steps_alone() -> None:
    steps = (0.25, 0.25, 1.0, 3.0)
    one = room(steps=4).model_copy(update={"duty_from_h": 0.5})
    program = Program()
    is_on = one.variables(program, CaseContext(np.array(steps), np.ones(4), np.ones(4)))["is_on"]
    assert program.arrays({}).is_integer[is_on.column].tolist() == [True, True, False, False]
    case = house(1, steps=4)
    case = case.model_copy(update={"step_h": steps, "devices": (*case.devices[:-1], one)})
    found = solve(case)
    assert isinstance(found, Solution)
    share = np.array(found.series.devices[one.device_id]["heating_kw"]) / one.heater_kw
    assert set(share[:2].round(6)) <= {0.0, 1.0}
    half = {name: list(values) for name, values in found.series.devices[one.device_id].items()}
    half["heating_kw"][0] = one.heater_kw / 2
    devices = found.series.devices | {one.device_id: {name: tuple(values) for name, values in half.items()}}
    broken = replay_case(case, found.series.model_copy(update={"devices": devices})).problems
    assert any("step 0: a heater that is neither on nor off" in sentence for sentence in broken)
    # A plan as it was ever stored holds nothing of it.
    assert "duty_from_h" not in room().model_dump()


def test_whole_relays_make_up_for_what_they_left_undone() -> None:
    tank = FreeTank(device_id="tank", draw_kw=(0.0,), max_kwh=10, init_kwh=5, end_min_kwh=0, relays_kw=(1.0, 1.0, 1.0))
    owed, done = 0.0, 0.0
    for _ in range(8):
        reported, owed = whole_relays(tank, 1.4, owed)
        done += sum(reported.values())
    assert done == pytest.approx(8 * 1.4, abs=0.51)


def moving(requested: PlanRequest, gap: float = 1e-9) -> Plan:
    """The plan of a request over moving steps, checked by what is written without its rows."""
    over = with_moving_steps(requested)
    found = solve(over, gap=gap)
    assert isinstance(found, Solution), found
    assert replay_case(case_of(over), found.series).problems == ()
    return make_plan(over, found, created_at_utc=NOW, version=1)


def test_a_stored_plan_of_moving_steps_costs_what_quarter_hours_do_and_tells_its_quarter_hours_alone() -> None:
    dispatch_request = request(horizon_h=48.0)
    made, fine = moving(dispatch_request), solve(dispatch_request, gap=1e-9)
    assert isinstance(fine, Solution)
    assert made.objective == pytest.approx(fine.objective, rel=1e-3)
    assert (len(dispatch_request.load_kw), len(made.steps)) == (152, 35)
    assert plan_window(made) == (made.request.start_utc, made.request.start_utc + timedelta(hours=38))
    assert published(made) == made
    commands = commands_of(made, HOME, epoch=0)
    assert {one.valid_until_utc - one.valid_from_utc for one in commands} == {timedelta(minutes=15)}
    assert max(one.valid_until_utc for one in commands) == made.request.start_utc + timedelta(hours=2)
    # Nobody renews it: after these two hours it sets nothing, although it reaches for two days.
    over_utc = made.request.start_utc + timedelta(hours=2)
    assert commands_until(made) == over_utc
    assert not_renewed(made, over_utc - timedelta(seconds=1)) is None
    late = not_renewed(made, over_utc)
    assert late is not None
    assert (late.code, late.message) == (
        "plan_not_renewed",
        "plan 1 of 2026-01-01 10:07Z sets no device since 12:00Z and no plan took its place:"
        " devices are at their safe values",
    )
    # Two hours of it can be judged, and no quarter hour of a long step.
    start_utc = made.request.start_utc
    assert len(governed([made], start_utc, start_utc + timedelta(hours=6))) == 8
    # Within a long step charge moves in a straight line.
    at_utc = next(step.start_utc for step in made.steps if step.end_utc - step.start_utc == timedelta(hours=3))
    (before, _), (middle, _), (after, _) = (
        planned_states(made, at_utc + timedelta(hours=hours))["battery"] for hours in (0, 1.5, 3 - 1e-6)
    )
    assert middle == pytest.approx((before + after) / 2, abs=1e-4)


def test_what_is_given_is_laid_over_as_energy_and_no_step_goes_over_the_end_of_published_prices() -> None:
    load, sun = uncertain_forecast("house", 0.8, seed=1), uncertain_forecast("pv", 0.3, seed=2)
    plain = request(horizon_h=48.0, load_forecast=load, pv_forecast=sun)
    first = f"{NOW.replace(minute=0) + timedelta(hours=30, minutes=15):%Y-%m-%dT%H:%MZ}"
    plain = plain.model_copy(update={"inputs": plain.inputs | {FORECAST_FROM: first}})
    dispatch_request = with_scenarios(plain, Risk(), {"load": load, "pv": sun}, price_forecast=None)
    over = with_moving_steps(dispatch_request)
    assert over.uncertain is not None
    assert dispatch_request.uncertain is not None
    for known, laid in zip(dispatch_request.uncertain.scenarios, over.uncertain.scenarios, strict=True):
        assert laid.weight == known.weight
        for name, values in known.series.items():
            assert np.dot(laid.series[name], over.steps_h) == pytest.approx(sum(values) / 4)
    assert f"{first[:16]}Z" in {f"{start:%Y-%m-%dT%H:%MZ}" for start, _ in case_of(over).windows_utc}
    found = solve(over)
    assert isinstance(found, Solution), found
    assert found.risk is not None


def test_cars_and_machines_keep_their_times_on_long_steps() -> None:
    steps = 192
    stay = {"from_step": 50, "to_step": 71, "min_kw": 1.4, "max_kw": 11.0, "energy_kwh": 9.0, "efficiency": 0.9}
    pace = tuple(0.1 * n for n in range(21))
    car = EvCharger.model_validate(
        {"device_id": "car", "sessions": ({**stay, "cap_kw": (3.0,) * 21, "pace_kwh": pace},)}
    )
    machine = Appliance(device_id="washer", programme_kw=(2.0, 0.5), windows=((30, 45), (110, 150)))
    spans = spans_of(datetime(2026, 1, 5, 3, tzinfo=UTC), steps, cuts_of([car, machine]))
    edges = [first for first, _ in spans]
    laid_car, laid_machine = laid_over(car, spans), laid_over(machine, spans)
    assert isinstance(laid_car, EvCharger)
    assert isinstance(laid_machine, Appliance)
    (found,) = laid_car.sessions
    assert (edges[found.from_step], edges[found.to_step]) == (50, 71)
    assert set(found.cap_kw) == {3.0}
    assert found.pace_kwh[-1] == 2.0
    assert [(edges[first], edges[after]) for first, after in laid_machine.windows] == [(30, 45), (110, 150)]
    laid_machine.fits(tuple(hours_of(spans).tolist()))


def test_relays_of_a_tank_are_whole_in_quarter_hours_and_shared_in_long_steps() -> None:
    steps = (0.25, 0.25, 1.0, 3.0)
    case = case_with((0.3, 0.2, 0.1, 0.2), draw_kw=(0.5,) * 4, relays_kw=(2.0, 2.0), max_kwh=2.0, min_on_h=0.5)
    (plain,) = case.devices
    whole = case.model_copy(update={"step_h": steps})
    # A relay on for three hours makes six kWh where two can be held.
    assert not isinstance(solve(whole), Solution)
    shared = whole.model_copy(update={"devices": (plain.model_copy(update={"duty_from_h": 0.5}),)})
    found = solve(shared)
    assert isinstance(found, Solution), found
    assert replay_case(shared, found.series).problems == ()
    columns = found.series.devices["tank"]
    assert set(columns["relay_01"][:2]) <= {0.0, 1.0}
    half = dict(columns, relay_01=(0.5, *columns["relay_01"][1:]))
    broken = replay_case(shared, found.series.model_copy(update={"devices": {"tank": half}})).problems
    assert any("step 0: a relay neither on nor off" in sentence for sentence in broken)
    assert "duty_from_h" not in tank(2).model_dump()


def test_a_site_asks_for_moving_steps_whatever_its_tariff(bed: Bed) -> None:
    bed.feed(market(2), first=0, sha="b")
    bed.site = bed.site.model_copy(update={"plan_steps": "moving"})
    made = bed.plan()
    assert isinstance(made, Plan), made
    assert sorted(set(made.request.steps_h))[:2] == [0.25, 1.0]
    assert made.steps[-1].end_utc - made.steps[0].start_utc > timedelta(hours=36)
    assert bed.plan() == made, "the same inputs twice are one plan"
    assert bed.release(made.plan_id).released
    bed.clock.advance(timedelta(hours=3))
    assert bed.release(made.plan_id).released == (), "a long step is planned again, or nobody is told to do it"
    content = bed.site.model_dump(mode="json", exclude_unset=True)
    dear = [one | {"demand": [POWER]} for one in content["tariffs"]]
    bed.site = Site.model_validate(content | {"plan_steps": "moving", "tariffs": dear})
    kept = bed.plan()
    assert isinstance(kept, Plan), kept
    assert (set(kept.request.steps_h), len(kept.request.bills)) == ({0.25, 1.0, 2.0, 3.0}, 1)
    assert published(kept) == kept


def test_a_peak_of_flat_load_costs_by_hand_what_it_costs_in_long_steps() -> None:
    dispatch_request = request(site=home({"demand": [POWER]}), horizon_h=48.0, pv_forecast=forecast("pv", 0.0))
    made, hours = moving(dispatch_request), len(dispatch_request.load_kw) / 4
    # 0.8 kW at 4.9, and as much is the peak at 100: a battery that must end as full has nothing to give.
    assert made.objective == pytest.approx(0.8 * hours * 4.9 + 0.8 * 100)
    assert made.costs["demand"] == pytest.approx(80)
    assert len(made.steps) == 35
    assert published(made) == made


@pytest.mark.parametrize("window_minutes", [15, 60])
@pytest.mark.parametrize("tiers", [False, True])
def test_a_peak_is_shaved_in_long_steps_as_in_quarter_hours(window_minutes: int, tiers: bool) -> None:
    """Load is flat within every step: the mean over a step of any plan of quarter hours is then no dearer."""
    periods = {"periods": [{"period_id": "all", "tiers": [{"price": 2, "up_to": 30}, {"price": 6}]}]} if tiers else {}
    site = home({"demand": [POWER | {"window_minutes": window_minutes}], **periods})
    flat = request(site=site, horizon_h=48.0, pv_forecast=forecast("pv", 0.0))
    spans = spans_of(flat.start_utc, len(flat.load_kw))
    high = {next(n for n, (first, after) in enumerate(spans) if after - first == long) for long in (4, 12)}
    load = [3.0 if n in high else 0.8 for n, (first, after) in enumerate(spans) for _ in range(first, after)]
    changed = flat.model_copy(update={"load_kw": tuple(load)})
    made, fine = moving(changed), solve(changed, gap=1e-9)
    assert isinstance(fine, Solution), fine
    assert made.objective == pytest.approx(fine.objective, rel=1e-6)
    assert made.costs == pytest.approx(dict(fine.costs), abs=1e-3)
    bought = [step.import_kw for step in made.steps]
    assert made.costs["demand"] == pytest.approx(100 * max(bought))
    assert max(bought) < 2.9, "a peak of three hours is shaved"
    # The same peak once a step: of twelve quarter hours at one power the first says it all.
    (bill,) = case_of(made.request).connection.priced
    powers = Linear.of(np.arange(len(made.steps)))
    peaks = [row for row in bill.rows(Linear.of(np.arange(99)), powers, powers) if row.name in bill.peaks]
    assert [row.constraint.linear.size for row in peaks] == [
        len(made.steps) if window_minutes == 15 else len(made.steps) - 6
    ]


def test_a_heat_pump_holds_its_set_point_in_long_steps_at_the_mean_of_what_each_quarter_hour_makes() -> None:
    """3 kWh of heat go in each hour, 1 kWh of electricity at a COP of 3: by hand, and as quarter hours have it."""
    steps, start = 192, datetime(2026, 1, 5, 3, tzinfo=UTC)
    spans = spans_of(start, steps)
    fine = pump_case((0.3,) * steps, end_min_kwh=6.0, min_state_h=0.25).model_copy(update={"step_h": (0.25,) * steps})
    (quarters,) = fine.devices
    long = fine.model_copy(
        update={
            "step_h": tuple(hours_of(spans).tolist()),
            "load_kw": (0.0,) * len(spans),
            "devices": (laid_over(quarters, spans),),
            "connection": fine.connection.over([(fine.connection, first) for first, _ in spans]),
        }
    )
    for case in (fine, long):
        found = solve(case, gap=1e-6)
        assert isinstance(found, Solution), found
        assert replay_case(case, found.series).problems == ()
        assert found.objective == pytest.approx(0.3 * 48.0, rel=1e-5)
    cops = tuple(2.0 + 2.0 * (n % 2) for n in range(steps))
    over = laid_over(quarters.model_copy(update={"cop": cops}), spans)
    assert isinstance(over, HeatPump)
    assert over.cop == means_of(cops, spans)
    # 2 kW in three hours: at COPs of 2 and 4 by turns 18 kWh of heat.
    assert 2.0 * 3.0 * np.broadcast_to(over.cop, len(spans))[-1] == pytest.approx(18.0)


@pytest.mark.parametrize("store_kwh", [0.5, 5.0, 11.0])
def test_a_sites_heat_pump_is_planned_for_two_days_from_whatever_it_holds(store_kwh: float) -> None:
    params = {"capacity_kwh": 12, "empty_degc": 30, "full_degc": 60, "normal_degc": 45, "normal_kw": 2.0}
    heats = {"asset_id": "hp", "kind": "heat_pump", "params": {**params, "forced_kw": 3.0, "draw_kw": 0.8}}
    site = Site.model_validate({**HOME.model_dump(), "assets": [*HOME.model_dump()["assets"], heats]})
    given = inputs(mode=Mode.FULL, horizon_h=48.0)
    request = plan_request(site, **given | {"states": given["states"] | {"hp": (store_kwh, 1.0)}})
    assert isinstance(request, PlanRequest), request
    made = moving(request, gap=1e-3)
    assert made.steps[-1].end_utc - made.steps[0].start_utc > timedelta(hours=36)
    assert {step.devices["hp"]["sg_ready_state"] for step in made.steps} <= {1.0, 2.0, 3.0, 4.0}


def test_a_past_plan_of_long_steps_is_billed_by_its_quarter_hours() -> None:
    site = home({"demand": [POWER]})
    dispatch_request = request(site=site, horizon_h=48.0, pv_forecast=forecast("pv", 0.0))
    case = case_of(with_moving_steps(dispatch_request))

    def bill(first_utc: datetime, net_kw: Floats, most_kw: float) -> Offer | Finding:
        assert net_kw == pytest.approx([0.8] * len(dispatch_request.load_kw))
        return tariff_offer(site, prices={}, start_utc=first_utc, net_kw=net_kw, most_kw=most_kw)

    second = Readings(load_kw={}, import_price={}, bill=bill).billed(case)
    assert not isinstance(second, Finding)
    assert second.connection.interval_steps == case.connection.interval_steps
    assert second.connection.import_price_per_kwh == pytest.approx(case.connection.import_price_per_kwh)
    answers = [solve(one, gap=1e-9) for one in (case, second)]
    assert len({round(found.objective, 6) for found in answers if isinstance(found, Solution)}) == 1


def test_a_heat_pump_that_begins_full_ends_where_a_long_step_can_end() -> None:
    full = pump(192, init_kwh=20.0, end_min_kwh=19.0)
    over = laid_over(full, spans_of(datetime(2026, 1, 5, 3, tzinfo=UTC), 192))
    # Three hours of three kilowatts are more than twenty kWh of heat: its own set-point is what can be asked for.
    assert isinstance(over, HeatPump)
    assert over.end_min_kwh == 6.0
