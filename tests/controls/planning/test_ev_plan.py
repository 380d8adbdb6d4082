"""A site's car charger: when the car leaves, what its strategy allows, and what is reported where a fact is missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from controls.optimiser.case import case_of
from controls.optimiser.devices.device import AssetState
from controls.optimiser.devices.ev_charger import EvCharger
from controls.optimiser.devices.kinds import device_assets
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.context import measured_states
from controls.planning.frozen_plan import commands_of, make_plan
from controls.planning.plan_inputs import plan_request
from controls.planning.summary import summarise
from controls.planning.triggers import replan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.planning.examples import HOME, NOW, inputs, published

PARAMS = {
    "capacity_kwh": 40,
    "max_current_a": 16,
    "phases": 3,
    "efficiency": 1.0,
    "target_soc": 0.8,
    "departure": "07:30",
    "max_kw": 11.04,
}
PRAGUE = "Europe/Prague"


def charger(**params: object) -> Asset:
    return Asset.model_validate(
        {"asset_id": "car", "kind": "ev_charger", "template": "sim_ev_charger", "params": PARAMS | params}
    )


def given(
    start: str = "2026-01-15T17:00", *, state: float | None = 12.0, hours: int = 24, **changes: Any
) -> AssetState:
    """A plan of whole hours from a UTC instant, with the second half of it at half the price."""
    prices = tuple(0.4 if t < hours / 2 else 0.2 for t in range(hours))
    plain = {
        "site_id": "home",
        "state": state,
        "start_utc": datetime.fromisoformat(start).replace(tzinfo=UTC),
        "step_h": 1.0,
        "time_zone": PRAGUE,
        "load_kw": (1.0,) * hours,
        "pv_kw": (0.0,) * hours,
        "import_price_per_kwh": prices,
        "import_max_kw": 17.0,
    }
    return AssetState(**(plain | changes))


def car(asset: Asset, **changes: Any) -> EvCharger:
    return EvCharger.from_asset(asset, given(**changes))


def test_a_plugged_in_car_stays_until_the_next_local_departure_and_wants_its_share() -> None:
    (stay,) = car(charger()).sessions
    # 18:00 in Prague to 07:30: thirteen whole hours. 80 % of 40 kWh, less the 12 that it has.
    assert (stay.from_step, stay.to_step) == (0, 13)
    assert (stay.start_kwh, stay.energy_kwh, stay.ceiling_kwh) == pytest.approx((12.0, 20.0, 40.0))
    assert (stay.min_kw, stay.max_kw) == pytest.approx((4.14, 11.04))


@pytest.mark.parametrize(
    ("params", "ranges"),
    [
        ({"phases": 1}, [(1.38, 3.68)]),
        ({"phases": 1, "max_current_a": 32, "max_kw": None}, [(1.38, 7.36)]),
        ({"phases": 1, "max_current_a": 32, "max_kw": 7.0}, [(1.38, 7.0)]),
        ({"phases": 3, "max_current_a": 32, "max_kw": None}, [(4.14, 22.08)]),
        ({"phases": [1, 3]}, [(4.14, 11.04), (1.38, 3.68)]),
    ],
)
def test_currents_and_phases_are_powers(params: dict[str, Any], ranges: list[tuple[float, float]]) -> None:
    (stay,) = car(charger(**params)).sessions
    found = [stay, stay.one_phase] if stay.one_phase else [stay]
    assert [(one.min_kw, one.max_kw) for one in found] == [pytest.approx(each) for each in ranges]


@pytest.mark.parametrize(
    ("start", "departure", "hours"),
    [
        # In the night of 29 March 2026 an hour is left out, in that of 25 October one comes twice.
        ("2026-03-28T17:00", "07:30", 12),
        ("2026-10-24T16:00", "07:30", 14),
        # 02:30 does not exist, or is there twice: the earlier counts, for a late car is not ready.
        ("2026-03-28T17:00", "02:30", 7),
        ("2026-10-24T16:00", "02:30", 8),
        # Thursday evening.
        ("2026-01-15T17:00", {"thu": "06:00", "fri": "09:00"}, 15),
        ("2026-01-15T17:00", {"sat": "09:00"}, 24),
        ("2026-01-15T17:00", "2026-01-15T20:00", 2),
        ("2026-01-15T17:00", "2026-01-15T20:00+00:00", 3),
    ],
)
def test_departure_is_by_the_local_clock_also_on_the_days_of_23_and_25_hours(
    start: str, departure: str | dict[str, str], hours: int
) -> None:
    (stay,) = car(charger(departure=departure, target_soc=0.5), start=start).sessions
    assert stay.to_step == hours


def test_a_car_that_leaves_after_the_plan_must_have_by_its_end_what_cannot_wait() -> None:
    # Saturday at 09:00 is fifteen hours after the plan's end.
    (stay,) = car(charger(departure={"sat": "09:00"}, phases=1, max_current_a=6)).sessions
    assert stay.energy_kwh == pytest.approx(max(20.0 - 15 * 1.38, 0.0))
    (hungry,) = car(charger(departure={"sat": "09:00"}, phases=1, max_current_a=6), state=4.0).sessions
    assert hungry.energy_kwh == pytest.approx(28.0 - 15 * 1.38)


def test_a_departure_that_has_passed_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match=r"asset 'car', params\.departure: 2026-01-15T17:30 has passed at .* 18:00"):
        car(charger(departure="2026-01-15T17:30"))


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"departure": "half past seven"}, "params.departure"),
        ({"departure": {"mon": "25:00"}}, "mon: 25:00: expected days mon"),
        ({"departure": {}}, "nothing: expected days mon"),
        ({"capacity_kwh": 0}, "params.capacity_kwh"),
        ({"target_soc": 80}, "params.target_soc"),
        ({"target_soc": 0.9, "soc_max": 0.8}, "target_soc 0.9 is above soc_max 0.8"),
        ({"min_current_a": 20}, "min_current_a 20 is above max_current_a 16"),
        ({"max_kw": 3.7}, "max_kw 3.7 is below the power of 6 A"),
        ({"phases": 2}, "params.phases"),
        ({"strategy": "LATER"}, "params.strategy"),
        ({"v2g": {"max_kw": 0}}, "params.v2g.max_kw"),
    ],
)
def test_figures_that_make_no_charger_are_refused_by_name(params: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput) as refusal:
        car(charger(**params))
    assert words in str(refusal.value)
    assert "asset 'car'" in str(refusal.value)


@pytest.mark.parametrize(
    ("params", "changes", "words"),
    [
        ({}, {"state": None}, "no car is plugged in"),
        ({"departure": None}, {}, "no departure is known, so the car is charged by the end of the plan"),
        ({"departure": None, "strategy": "SOLAR_ONLY"}, {}, "so the car takes only what the sun leaves over"),
        ({"departure": "18:30"}, {}, "the car leaves within this step"),
        ({}, {"share": 0.3}, "30% of its rating are below the least power"),
        ({"phases": 1, "max_current_a": 32, "max_kw": None}, {"share": 0.2}, "so it gets 19.1 of 20.0 kWh"),
        ({"soc_max": 0.8}, {"state": 31.0}, "full to within one step at its least power"),
        ({"strategy": "SOLAR_ONLY"}, {}, "the sun alone does not suffice by the departure, so 13 h"),
    ],
)
def test_what_is_assumed_is_told(params: dict[str, Any], changes: dict[str, Any], words: str) -> None:
    (note,) = car(charger(**params), **changes).notes
    assert note.startswith("car: ")
    assert words in note


def planned_kw(strategy: str, departure: str | None = "07:30", **changes: Any) -> list[float]:
    """Powers of the stay in a house of 1 kW, solved with its own strategy."""
    what = given(**changes)
    device = EvCharger.from_asset(charger(strategy=strategy, departure=departure), what)
    case = case_of(
        PlanRequest(
            site_id="home", start_utc=what.start_utc, step_h=1.0, known_at_utc=what.start_utc, load_kw=what.load_kw,
            import_price_per_kwh=what.import_price_per_kwh, export_price_per_kwh=(0.0,) * len(what.load_kw),
            import_max_kw=what.import_max_kw, export_max_kw=17.0, currency="CZK",
            devices=(
                {"kind": "pv", "device_id": "pv", "figures": {"pv_kw": what.pv_kw}},
                {"kind": "ev_charger", "device_id": "car", "figures": device.model_dump(exclude={"device_id"})},
            ),
        )
    )  # fmt: skip
    answer = solve(case)
    assert isinstance(answer, Solution), answer
    return list(answer.series.devices["car"]["ev_kw"])


def test_the_four_strategies_charge_in_the_hours_that_they_say() -> None:
    # 13 hours, the last of them cheaper; 5 kW of sun over the load in the fourth and fifth.
    sun = {"pv_kw": (0.0,) * 3 + (6.0,) * 2 + (0.0,) * 19}
    smart = planned_kw("SMART", **sun)
    assert smart[3] == smart[4] == pytest.approx(5.0)
    assert smart[12] == pytest.approx(10.0)
    asap = planned_kw("ASAP", **sun)
    assert asap[:3] == pytest.approx([11.04, 8.96, 0.0])
    cheap = planned_kw("CHEAP_HOURS", **sun)
    # One cheap hour is not enough, and all the others cost the same: none of them is cheaper than another.
    assert sum(cheap) == pytest.approx(20.0)
    solar = planned_kw("SOLAR_ONLY", **sun, state=22.0)
    assert solar == pytest.approx([0.0] * 3 + [5.0] * 2 + [0.0] * 19)
    # It wants 20 kWh more, but by no time: no more than the sun gives.
    assert planned_kw("SOLAR_ONLY", None, **sun) == pytest.approx([0.0] * 3 + [5.0] * 2 + [0.0] * 19)


def test_cheap_hours_are_only_those_that_suffice() -> None:
    prices = tuple([0.5, 0.3, 0.4, 0.1] + [0.6] * 20)
    (stay,) = car(charger(strategy="CHEAP_HOURS"), import_price_per_kwh=prices).sessions
    assert np.flatnonzero(stay.cap_kw).tolist() == [1, 3]
    assert planned_kw("CHEAP_HOURS", import_price_per_kwh=prices)[:4] == pytest.approx([0.0, 8.96, 0.0, 11.04])


def test_a_full_car_in_a_hurry_rests() -> None:
    assert planned_kw("ASAP", state=40.0) == pytest.approx([0.0] * 24)


def test_as_early_as_possible_leaves_room_for_the_load() -> None:
    (stay,) = car(charger(strategy="ASAP"), import_max_kw=9.0).sessions
    # 8 kW beside 1 kW of load; the second hour leaves enough for the least power of the third.
    assert stay.pace_kwh[:4] == pytest.approx((20.0, 27.86, 32.0, 32.0))


def home(**params: Any) -> Site:
    own = {"asset_id": "car", "kind": "ev_charger", "template": "sim_ev_charger", "params": PARAMS | params}
    return Site.model_validate(HOME.model_dump() | {"assets": [*HOME.model_dump()["assets"], own]})


def car_request(site: Site, state: float | None, **changes: object) -> PlanRequest | Finding:
    known = inputs(mode=Mode.FULL, **changes)
    return plan_request(site, **known | {"states": known["states"] | {"car": (state, 5.0)}})


def test_a_charger_that_says_too_little_is_shown_and_not_planned() -> None:
    bare = {"asset_id": "car", "kind": "ev_charger", "params": {"max_kw": 7}}
    site = Site.model_validate(HOME.model_dump() | {"assets": [bare]})
    assert device_assets(site) == []


def test_a_home_with_a_car_is_planned_stored_and_commanded() -> None:
    request = car_request(home(), 20.0)
    assert isinstance(request, PlanRequest), request
    answer = solve(case_of(request))
    assert isinstance(answer, Solution), answer
    made = make_plan(request, answer, created_at_utc=NOW, version=1)
    assert published(made) == made
    assert made.objective < made.no_battery_cost
    sent = [one for one in commands_of(made, home(), epoch=1) if one.device_id == "car"]
    # 11:00 to 07:30 in Prague; after it nobody tells the charger anything.
    assert len(sent) == 82
    assert {(one.capability, one.unit) for one in sent} == {("set_charge_power_kw", "kw")}
    assert sum(one.value for one in sent) * 0.25 == pytest.approx(12.0, abs=0.05)
    assert all(one.value == 0 or one.value >= 4.139 for one in sent)


@pytest.mark.parametrize(
    ("state_kwh", "code"), [(48.0, "ev_soc_out_of_bounds"), (-1.0, "ev_soc_out_of_bounds"), (40.00001, None)]
)
def test_a_charge_outside_its_bounds_makes_no_plan(state_kwh: float, code: str | None) -> None:
    answer = car_request(home(), state_kwh)
    assert (answer.code if isinstance(answer, Finding) else None) == code
    if isinstance(answer, Finding):
        assert f"the car's charge is {state_kwh:.1f} kWh of a battery of 40 kWh" in answer.message


def test_a_car_that_comes_or_goes_asks_for_a_new_plan() -> None:
    def reason(planned: float | None, now: float | None) -> str:
        request = car_request(home(), planned)
        assert isinstance(request, PlanRequest), request
        answer = solve(case_of(request))
        assert isinstance(answer, Solution), answer
        return replan(
            make_plan(request, answer, created_at_utc=NOW, version=1), site_id="home", forecast_id=request.forecast_id,
            price_digest=request.inputs["prices"], mode=Mode.FULL, now_utc=NOW + timedelta(minutes=6),
            states={"car": now},
        ).reason  # fmt: skip

    assert reason(20.0, 20.0) == "the last plan still holds"
    assert reason(20.0, 24.0) == "the car's charge is +4.00 kWh off the plan"
    assert reason(20.0, None) == "car has gone, and the plan counts on it"
    assert reason(None, None) == "the last plan still holds"
    assert reason(None, 20.0) == "car is there now, and the plan did not count on it"


def test_what_is_assumed_stands_in_the_sentence_of_the_plan() -> None:
    request = car_request(home(), None)
    assert isinstance(request, PlanRequest), request
    answer = solve(case_of(request))
    assert isinstance(answer, Solution), answer
    summary = summarise(make_plan(request, answer, created_at_utc=NOW, version=1), time_zone=PRAGUE)
    assert summary.endswith(" Car: no car is plugged in, so nothing is planned for one.")


def test_a_car_that_is_not_there_has_no_state_and_that_is_no_fault() -> None:
    states = {"battery": (5.0, 1.0), "car": (None, 1.0)}
    assert measured_states(lambda: states, home()) == ({"battery": 5.0, "car": None}, {})
