"""A plan is frozen by content, and its commands say exactly what it says."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning import frozen_plan as plan_module
from controls.planning.frozen_plan import commands_of, input_digest, make_plan, unplanned_cost, watts_toward_zero
from controls.planning.plan_inputs import plan_request
from controls.planning.summary import summarise
from controls.planning.triggers import planned_states
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from tests.controls.planning.examples import HOME, NOW, device, forecast, inputs, paid, plan, prices, published, request


def test_a_plan_survives_its_json() -> None:
    made = plan()
    assert published(made) == made


def test_the_same_inputs_make_the_same_plan_id_whenever_they_are_read() -> None:
    made = plan()
    later = plan(
        created_at_utc=NOW + timedelta(seconds=40), version=7, now_utc=NOW + timedelta(seconds=30), soc_age_s=3.0
    )
    assert later.plan_id == made.plan_id
    assert later.input_digest == made.input_digest
    assert later.steps == made.steps


@pytest.mark.parametrize(
    "changes",
    [
        {"soc_kwh": 5.1},
        {"prices": prices(day=5.01)},
        {"load_forecast": forecast("house", 0.9)},
        {"mode": Mode.FULL},
        {"now_utc": NOW + timedelta(minutes=15)},
    ],
    ids=["charge", "price", "forecast", "mode", "slot"],
)
def test_another_input_makes_another_plan(changes: dict) -> None:
    assert input_digest(request(**changes)) != input_digest(request())


def test_the_plan_hash_covers_request_and_steps() -> None:
    dispatch_request = request()
    solution = solve(dispatch_request)
    made = make_plan(dispatch_request, solution, created_at_utc=NOW, version=1)
    moved = solution.series.model_copy(
        update={"devices": solution.series.devices | {"pv": {"curtailed_kw": (0.1,) * 96}}}
    )
    other = make_plan(dispatch_request, solution.model_copy(update={"series": moved}), created_at_utc=NOW, version=1)
    assert other.plan_hash != made.plan_hash
    second = make_plan(dispatch_request, solution, created_at_utc=NOW + timedelta(hours=1), version=2)
    assert second.plan_hash == made.plan_hash


def test_the_saving_is_what_shifting_to_the_night_earns() -> None:
    # Flat house 0.8 kW, sun 0.3 kW: 0.5 kW are bought, 18 h at 5 and 6 h at 1 CZK.
    dispatch_request = request()
    assert unplanned_cost(dispatch_request, plan_module.series_of(plan())) == pytest.approx(0.5 * (18 * 5 + 6 * 1))
    made = plan()
    assert made.objective < made.no_battery_cost
    assert made.steps[-1].total("soc_end_kwh") >= 5.0 - 1e-6
    assert made.no_battery_cost == pytest.approx(48.0)


def test_a_counterfactual_without_solution_is_our_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = Finding(code="infeasible", message="no plan keeps import_limit", severity="blocking")
    monkeypatch.setattr(plan_module, "solve", lambda case: nothing)
    with pytest.raises(OurFault, match="no plan keeps import_limit"):
        unplanned_cost(request(), plan_module.series_of(plan()))


def test_there_is_one_command_a_step_and_device_with_the_plans_value() -> None:
    made = plan()
    commands = commands_of(made, HOME, epoch=3)
    assert len(commands) == 2 * 96
    battery = [command for command in commands if command.device_id == "battery"]
    for command, step in zip(battery, made.steps, strict=True):
        assert command.value == pytest.approx(
            step.total("battery_charge_kw") - step.total("battery_discharge_kw"), abs=1e-3
        )
        assert (command.valid_from_utc, command.valid_until_utc) == (step.start_utc, step.end_utc)
        assert (command.capability, command.unit, command.ttl_s) == ("set_charge_power_kw", "kw", 45.0)
        assert command.plan_hash == made.plan_hash
    assert {command.value for command in battery} >= {1.5}
    assert min(command.value for command in battery) < 0
    assert {command.epoch for command in commands} == {3}


def test_sequence_numbers_grow_per_device_and_keys_are_unique() -> None:
    commands = commands_of(plan(), HOME, epoch=0)
    for name in ("battery", "pv"):
        assert [command.seq for command in commands if command.device_id == name] == list(range(96))
    assert len({command.idempotency_key for command in commands}) == len(commands)
    assert len({command.command_id for command in commands}) == len(commands)
    first = commands[0]
    assert first.idempotency_key == f"{first.plan_id}:battery:set_charge_power_kw:2026-01-01T10:00:00Z"


def test_the_same_plan_makes_the_same_commands() -> None:
    made = plan()
    assert commands_of(made, HOME, epoch=0) == commands_of(made, HOME, epoch=0)


def test_pv_gets_its_rating_unless_it_is_curtailed() -> None:
    assert {c.value for c in commands_of(plan(), HOME, epoch=0) if c.device_id == "pv"} == {8.0}
    # Feeding in costs 1 CZK, the sun gives 7 kW: whatever neither house nor battery take is cut.
    made = plan(site=paid(-1), pv_forecast=forecast("pv", 7.0), mode=Mode.FULL)
    limits = [c.value for c in commands_of(made, HOME, epoch=0) if c.device_id == "pv"]
    for limit, step in zip(limits, made.steps, strict=True):
        expected = 7.0 - step.total("curtailed_kw") if step.total("curtailed_kw") > 0.001 else 8.0
        assert limit == pytest.approx(expected, abs=1e-3)
    assert min(limits) < 1.0


def test_in_partial_no_command_leaves_the_envelope() -> None:
    commands = commands_of(plan(site=paid(-5), pv_forecast=forecast("pv", 7.0)), HOME, epoch=0)
    for command in commands:
        if command.device_id == "battery":
            assert abs(command.value) <= 0.3 * 5
        else:
            assert command.value >= 0.7 * 8 - 1e-6


def test_a_device_without_template_is_not_commanded() -> None:
    silent = HOME.model_dump()
    for asset in silent["assets"]:
        asset["template"] = ""
    assert commands_of(plan(), Site.model_validate(silent), epoch=0) == []


@given(st.floats(-100, 100))
def test_rounding_to_watts_never_makes_a_value_larger(power_kw: float) -> None:
    rounded = watts_toward_zero(power_kw)
    assert abs(rounded) <= abs(power_kw) + 1e-9
    assert abs(rounded - power_kw) < 0.001 + 1e-9


def test_a_value_just_below_a_watt_keeps_it() -> None:
    assert watts_toward_zero(1.4999999999) == 1.5
    assert watts_toward_zero(-1.4999999999) == -1.5


def test_the_summary_says_when_at_which_price_and_what_it_costs() -> None:
    made = plan(version=4)
    text = summarise(made, time_zone="Europe/Prague")
    assert text.startswith("Plan 4 for 24 h charges ")
    # The night ends at 06:00 UTC on Friday; in Prague that is 07:00.
    assert "at 1.000 CZK/kWh" in text
    assert "Fri 0" in text
    assert "; discharges " in text
    assert text.endswith(f"it costs {made.objective:.2f} CZK against 48.00 CZK with nothing planned.")


def test_a_plan_that_does_nothing_says_so_and_curtailing_is_told() -> None:
    flat = plan(prices=prices(night=3.0, day=3.0))
    assert "leaves the battery idle" in summarise(flat, time_zone="UTC")
    sunny = plan(site=paid(-5), pv_forecast=forecast("pv", 7.0), mode=Mode.FULL)
    assert "curtails" in summarise(sunny, time_zone="UTC")


def test_surplus_that_is_stored_counts_at_what_a_sale_would_pay_and_what_it_saves_at_what_would_be_bought() -> None:
    flat = forecast("pv", 0.0)
    sun = flat.model_copy(
        update={"rows": tuple(e.model_copy(update={"p50": 4.0}) if 9 <= e.time_utc.hour < 12 else e for e in flat.rows)}
    )
    made = plan(site=paid(0.5), prices=prices(night=3.0, day=3.0), pv_forecast=sun, mode=Mode.FULL)
    text = summarise(made, time_zone="UTC")
    found = set(re.findall(r"((?:dis)?charges) \S+ kWh from .{19,24} at (\S+) CZK/kWh", text))
    assert found == {("charges", "0.500"), ("discharges", "3.000")}, text


def test_two_batteries_and_two_pv_systems_of_one_site_are_all_planned_and_commanded() -> None:
    battery, sun = HOME.model_dump()["assets"]
    assets = [battery, battery | {"asset_id": "garage"}, sun | {"meter": "house"}]
    assets.append(sun | {"asset_id": "roof", "meter": "house", "params": {"peak_kw": 24}})
    site = Site.model_validate(HOME.model_dump() | {"assets": assets})
    sunny = forecast("pv", 0.4)
    given = inputs() | {"device_forecasts": {"pv": sunny, "roof": sunny}}
    request = plan_request(site, **given)
    assert isinstance(request, Finding)
    assert (request.code, request.message) == (
        "no_garage_soc",
        "the state of charge of 'garage', or its age, is not known",
    )
    request = plan_request(site, **given | {"states": {"battery": (5.0, 1.0), "garage": (2.0, 2.0)}})
    assert isinstance(request, PlanRequest), request
    assert (request.inputs["roof_pv_forecast"], request.inputs["garage_soc_age_s"]) == ("fc-pv", "2")
    # One forecast of one meter is shared by rating, 8 to 24 kW.
    assert device(request, "pv").pv_kw[0] == pytest.approx(0.1)
    assert device(request, "roof").pv_kw[0] == pytest.approx(0.3)
    solution = solve(request)
    assert isinstance(solution, Solution), solution
    made = make_plan(request, solution, created_at_utc=NOW, version=1)
    assert made.steps[-1].devices["garage"]["soc_end_kwh"] >= 2.0 - 1e-6
    moved = {c.device_id for c in commands_of(made, site, epoch=0) if c.capability == "set_charge_power_kw" and c.value}
    assert moved == {"battery", "garage"}
    assert list(planned_states(made, NOW)) == ["battery", "garage"]
    assert "garage charges" in summarise(made, time_zone="UTC")


def test_a_plan_of_an_earlier_version_is_read_as_the_same_plan() -> None:
    """Stored when a plan knew one PV system and one battery, in shares of its capacity."""
    query = {
        "site_id": "home",
        "start_utc": "2026-01-01T10:00:00Z",
        "step_h": 0.25,
        "known_at_utc": "2026-01-01T10:07:00Z",
        "load_kw": [0.8, 0.8],
        "pv_kw": [0.3, 0.3],
        "import_price_per_kwh": [1.0, 5.0],
        "export_price_per_kwh": [0.0, 0.0],
        "import_max_kw": 17.0,
        "export_max_kw": 17.0,
        "battery": {
            "capacity_kwh": 10.0, "max_charge_kw": 5.0, "max_discharge_kw": 5.0, "soc_min": 0.1, "soc_max": 0.95,
            "charge_efficiency": 0.975, "discharge_efficiency": 0.975, "wear_per_kwh": 0.4,
        },
        "soc_init_kwh": 5.0,
        "soc_end_min_kwh": 5.0,
        "currency": "CZK",
        "pv_limit_min_kw": 5.6,
        "forecast_id": "fc-house",
        "inputs": {"mode": "PARTIAL"},
        "is_synthetic": True,
    }  # fmt: skip
    step = {
        "start_utc": "2026-01-01T10:00:00Z", "end_utc": "2026-01-01T10:15:00Z", "import_kw": 1.5, "export_kw": 0.0,
        "curtailed_kw": 0.0, "battery_charge_kw": 1.0, "battery_discharge_kw": 0.0, "soc_end_kwh": 5.24375,
    }  # fmt: skip
    frame = {
        "plan_id": "p", "plan_hash": "h", "version": 3, "site_id": "home", "created_at_utc": "2026-01-01T10:07:00Z",
        "status": "optimal", "objective": 1.0, "bound": 1.0, "gap": 0.0, "no_battery_cost": 2.0, "currency": "CZK",
        "input_digest": "d", "solver": "HiGHS",
    }  # fmt: skip
    old = Plan.model_validate(frame | {"request": query, "steps": [step]})
    assert device(old.request, "battery").soc_max_kwh == 9.5
    assert device(old.request, "pv").limit_min_kw == 5.6
    assert old.steps[0].total("soc_end_kwh") == 5.24375
    expected, _ = planned_states(old, NOW.replace(minute=15) - timedelta(minutes=7, seconds=30))["battery"]
    assert expected == pytest.approx((5.0 + 5.24375) / 2)
    assert isinstance(solve(old.request), Solution)
    assert published(old) == old
