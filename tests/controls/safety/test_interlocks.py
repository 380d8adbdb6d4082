"""Cases of each interlock worked out by hand: allowed, just inside, just outside, unknown, and no number at all."""

import math
from datetime import timedelta
from typing import Any

import pytest

from controls.safety.check import check_all
from controls.safety.interlocks.connection_limit import import_ceiling_kw
from controls.safety.interlocks.plausibility import wrong_way
from controls.safety.interlocks.ramp import ramped
from controls.safety.interlocks.soc import SocTrack
from controls.safety.limits import connection_of, limits_of
from controls.safety.restore import restore_delay_s
from controls.safety.verdict import Allow, Block, block
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import Mode
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Asset, Site
from tests.controls.ledger.rows_of import NOW, command
from tests.controls.safety.test_guards import GOOD, LIMITS

NAN, INF = math.nan, math.inf
# 35 A x 0.9 = 31.5 A a phase; 3 kW on three phases is 4.348 A on each, on one 13.043 A.
FUSES: dict[str, Any] = {"kw_per_unit": 1.0, "fuse_a": 35.0, "has_phase_meter": True}
GRID: dict[str, Any] = {"kw_per_unit": 1.0, "import_max_kw": 11.0, "export_max_kw": 9.0, "has_grid_meter": True}
DSO: dict[str, Any] = GRID | {"dso_failsafe_kw": 4.2}
PV: dict[str, Any] = {"kw_per_unit": -1.0, "is_limit": True, "min_value": 0.0, "max_value": 8.0, "safe_default": 8.0}
PUMP: dict[str, Any] = {"min_on_s": 600.0, "min_off_s": 300.0, "max_starts_per_hour": 4, "min_value": 0.0}
WARM: dict[str, Any] = {"min_value": -5.0, "min_degc": 40.0, "max_degc": 70.0}
RESTED: dict[str, Any] = {"is_on": False, "state_for_s": 3600.0, "starts_last_hour": 0}
RUNS: dict[str, Any] = {"is_on": True, "state_for_s": 3600.0, "starts_last_hour": 1}
AT_GRID: dict[str, Any] = {"grid_kw": 5.0, "grid_age_s": 1.0, "own_kw": 0.0}
PHASES: dict[str, Any] = {"phase_a": (10.0, 10.0, 10.0), "phase_age_s": 1.0, "own_kw": 0.0}
TEPID: dict[str, Any] = {"degc": 55.0, "degc_age_s": 1.0}
BUDGET: dict[str, Any] = {"writes_per_hour": 4, "writes_per_day": 20}
FEW: dict[str, Any] = {"writes_last_hour": 3, "writes_last_day": 19}
LATE: dict[str, Any] = {"valid_until_utc": NOW + timedelta(seconds=599)}


def _guard(limits: dict[str, Any], live: dict[str, Any], value: float, **changes: Any) -> str:
    """The id of the guard that blocks a command in mode FULL, or an empty text."""
    held = LIMITS.model_copy(update={"soc_min": None, "soc_max": None} | limits)
    seen = GOOD.model_copy(update={"mode": Mode.FULL} | live)
    verdict = check_all(command(value=value, epoch=3, **changes), seen, held, NOW)
    return verdict.guard_id if isinstance(verdict, Block) else ""


@pytest.mark.parametrize(
    ("limits", "live", "value", "guard"),
    [
        # I02: 0.5 kW a second, and no more than a second counts.
        ({}, {}, 3.0, ""),
        ({"ramp_per_s": 0.5}, {"value_before": 2.5}, 3.0, ""),
        ({"ramp_per_s": 0.5}, {"value_before": 2.4}, 3.0, "I02"),
        ({"ramp_per_s": 0.5}, {"value_before": 3.6}, 3.0, "I02"),
        ({"ramp_per_s": 0.5}, {"value_before": 2.75, "since_write_s": 0.5}, 3.0, ""),
        ({"ramp_per_s": 0.5}, {"value_before": 2.7, "since_write_s": 0.5}, 3.0, "I02"),
        ({"ramp_per_s": 0.5}, {"value_before": 1.0, "since_write_s": 3600.0}, 3.0, "I02"),
        ({"ramp_per_s": 0.5}, {"value_before": None}, 0.0, "I02"),
        ({"ramp_per_s": 0.5}, {"value_before": NAN}, 0.0, "I02"),
        # I04: 10 A + 5 kW / 3 / 0.23 kV = 17.2 A.
        (FUSES, PHASES, 5.0, ""),
        (FUSES, PHASES | {"phase_a": (24.2, 0.0, 0.0)}, 5.0, ""),
        (FUSES, PHASES | {"phase_a": (24.3, 0.0, 0.0)}, 5.0, "I04"),
        (FUSES, PHASES | {"phase_a": (0.0, 0.0, 24.3)}, 5.0, "I04"),
        (FUSES, PHASES | {"phase_a": (24.3, 0.0, 0.0), "own_kw": 5.0}, 5.0, ""),
        (FUSES, PHASES | {"phase_a": (24.2, 0.0, 0.0), "own_kw": None}, 5.0, "I04"),
        (FUSES, PHASES | {"phase_a": (-24.3, 0.0, 0.0)}, -5.0, "I04"),
        (FUSES, PHASES | {"phase_a": (-24.3, 0.0, 0.0)}, 5.0, ""),
        (FUSES, PHASES | {"phase_a": (40.0, 0.0, 0.0)}, 0.0, ""),
        (FUSES, PHASES | {"phase_a": (40.0, 0.0, 0.0), "own_kw": 5.0}, 3.0, "I04"),
        (FUSES, PHASES | {"phase_a": None}, 1.0, "I04"),
        (FUSES, PHASES | {"phase_a": (NAN, 0.0, 0.0)}, 1.0, "I04"),
        (FUSES, PHASES | {"phase_a": (INF, 0.0, 0.0)}, 1.0, "I04"),
        (FUSES, PHASES | {"phase_age_s": 10.0}, 1.0, ""),
        (FUSES, PHASES | {"phase_age_s": 10.1}, 1.0, "I04"),
        (FUSES, PHASES | {"phase_age_s": None}, 1.0, "I04"),
        # One phase alone: 4.9 kW are 21.3 A. Without a meter only what the device itself draws counts.
        (FUSES | {"phase_share": (0.0, 1.0, 0.0)}, PHASES | {"phase_a": (31.0, 10.0, 31.0)}, 4.9, ""),
        (FUSES | {"phase_share": (0.0, 1.0, 0.0)}, PHASES | {"phase_a": (0.0, 10.5, 0.0)}, 4.9, "I04"),
        (FUSES | {"has_phase_meter": False}, {}, 5.0, ""),
        (FUSES | {"has_phase_meter": False, "fuse_a": 16.0, "phase_share": (1.0, 0.0, 0.0)}, {}, 5.0, "I04"),
        (FUSES | {"kw_per_unit": None}, {}, 5.0, ""),
        (FUSES | {"max_imbalance_a": 20.0, "phase_share": (1.0, 0.0, 0.0)}, PHASES, 4.6, ""),
        (FUSES | {"max_imbalance_a": 20.0, "phase_share": (1.0, 0.0, 0.0)}, PHASES, 4.7, "I04"),
        # I05: 5 kW now, up to 11 kW drawn and 9 kW fed in.
        (GRID, AT_GRID, 5.0, ""),
        (GRID, AT_GRID | {"grid_kw": 6.0}, 5.0, ""),
        (GRID, AT_GRID | {"grid_kw": 6.1}, 5.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": 11.0, "own_kw": 5.0}, 5.0, ""),
        (GRID, AT_GRID | {"grid_kw": 11.1, "own_kw": 5.0}, 5.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": 15.0}, 0.0, ""),
        (GRID, AT_GRID | {"grid_kw": 6.0, "own_kw": None}, 5.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": -4.0}, -5.0, ""),
        (GRID, AT_GRID | {"grid_kw": -4.1}, -5.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": None}, 1.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": NAN}, 1.0, "I05"),
        (GRID, AT_GRID | {"grid_age_s": 10.0}, 1.0, ""),
        (GRID, AT_GRID | {"grid_age_s": 10.1}, 1.0, "I05"),
        (GRID | {"has_grid_meter": False}, {}, 5.0, ""),
        (GRID | {"has_grid_meter": False, "import_max_kw": 4.9}, {}, 5.0, "I05"),
        # The network operator comes before contract and plan; its silence means the failsafe value.
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 1.0}, 5.0, ""),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 1.0, "dso_limit_kw": 5.0}, 5.0, ""),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 1.0, "dso_limit_kw": 4.9}, 5.0, "I05"),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 110.0}, 5.0, ""),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 110.1}, 5.0, "I05"),
        # A stored limit holds whatever is heard; under a ceiling of the operator the device keeps its floor.
        (GRID, AT_GRID | {"grid_kw": 0.0, "signal_import_kw": 4.9}, 5.0, "I05"),
        (GRID, AT_GRID | {"grid_kw": 0.0, "signal_import_kw": 5.0}, 5.0, ""),
        (GRID, AT_GRID | {"grid_kw": 0.0, "signal_import_kw": NAN}, 1.0, "I05"),
        (GRID | {"device_floor_kw": 4.2}, AT_GRID | {"signal_import_kw": 0.0}, 4.2, ""),
        (GRID | {"device_floor_kw": 4.2}, AT_GRID | {"signal_import_kw": 0.0}, 4.3, "I05"),
        (GRID | {"device_floor_kw": 4.2}, AT_GRID | {"grid_kw": 11.0}, 4.2, "I05"),
        (GRID, AT_GRID | {"grid_kw": 0.0, "signal_export_kw": 2.0}, -2.1, "I05"),
        (GRID, AT_GRID | {"grid_kw": 0.0, "signal_export_kw": 2.0}, -2.0, ""),
        (GRID | {"export_failsafe_kw": 1.0}, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 111.0}, -2.0, "I05"),
        (GRID | {"export_failsafe_kw": 1.0}, AT_GRID | {"grid_kw": 0.0, "dso_age_s": 1.0}, -2.0, ""),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": None}, 4.2, ""),
        (DSO, AT_GRID | {"grid_kw": 0.0, "dso_age_s": None}, 4.3, "I05"),
        # An inverter: less limit feeds in less; where it gives 6 kW now, a limit of 2 draws 4 kW more.
        (GRID | PV, AT_GRID | {"grid_kw": -6.0, "own_kw": -6.0}, 2.0, ""),
        (GRID | PV, AT_GRID | {"grid_kw": 7.5, "own_kw": -6.0}, 2.0, "I05"),
        (GRID | PV, AT_GRID | {"grid_kw": 6.5, "own_kw": -6.0}, 2.0, ""),
        # I06: a state that cannot be, or that its energy contradicts.
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc": 1.01}, -1.0, "I06"),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc": -0.01}, 1.0, "I06"),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc": NAN}, 1.0, "I06"),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc_age_s": NAN}, 1.0, "I06"),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc_drift": 0.05}, 1.0, ""),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc_drift": -0.051}, 1.0, "I06"),
        ({"soc_min": 0.1, "soc_max": 0.9}, {"soc_drift": NAN}, 1.0, "I06"),
        # I07: between 40 and 70 °C.
        (WARM, TEPID, 1.0, ""),
        (WARM, TEPID | {"degc": 69.9}, 1.0, ""),
        (WARM, TEPID | {"degc": 70.0}, 1.0, "I07"),
        (WARM, TEPID | {"degc": 75.0}, -1.0, ""),
        (WARM, TEPID | {"degc": 40.0}, -1.0, "I07"),
        (WARM, TEPID | {"degc": 20.0}, 0.0, ""),
        (WARM, TEPID | {"end_degc": 70.5}, 1.0, "I07"),
        (WARM, TEPID | {"degc": None}, 1.0, "I07"),
        (WARM, TEPID | {"degc": NAN}, 1.0, "I07"),
        (WARM, TEPID | {"degc_age_s": 300.0}, 1.0, ""),
        (WARM, TEPID | {"degc_age_s": 301.0}, 1.0, "I07"),
        ({}, {"is_hygiene_cycle": True}, -1.0, "I07"),
        ({}, {"is_hygiene_cycle": True}, 1.0, ""),
        ({"max_co2_ppm": 1000.0}, {"co2_ppm": 1000.0}, -1.0, ""),
        ({"max_co2_ppm": 1000.0}, {"co2_ppm": 1001.0}, -1.0, "I07"),
        ({"max_co2_ppm": 1000.0}, {"co2_ppm": None}, -1.0, "I07"),
        ({"max_humidity_percent": 60.0}, {"humidity_percent": 61.0}, -1.0, "I07"),
        # I08, I09, I10, I11.
        ({}, {"hold": "set at the wall switch"}, 1.0, "I08"),
        ({}, {"hold": "set at the wall switch"}, 0.0, "I08"),
        ({}, {"plan_hash": "h"}, 1.0, ""),
        ({}, {"plan_hash": "another"}, 1.0, "I09"),
        ({}, {"read_age_s": NAN}, 1.0, "I09"),
        ({}, {"clock_step_s": -3600.0}, 1.0, "I10"),
        ({}, {"clock_step_s": NAN}, 1.0, "I10"),
        ({}, {"reference_offset_s": INF}, 1.0, "I10"),
        ({}, {"other_active": ("set_heat_kw",)}, 0.0, ""),
        # I12: the fifth of an hour, the twenty-first of a day; the way home is never counted out.
        (BUDGET, FEW, 1.0, ""),
        (BUDGET, FEW | {"writes_last_hour": 4}, 1.0, "I12"),
        (BUDGET, FEW | {"writes_last_day": 20}, 1.0, "I12"),
        (BUDGET, FEW | {"writes_last_hour": None}, 1.0, "I12"),
        (BUDGET, {}, 0.0, ""),
        # I14: half a minute the wrong way.
        ({}, {"wrong_way_s": 29.9}, 1.0, ""),
        ({}, {"wrong_way_s": 30.0}, 1.0, "I14"),
        ({}, {"wrong_way_s": NAN}, 1.0, "I14"),
    ],
)
def test_a_case_ends_as_worked_out_by_hand(
    limits: dict[str, Any], live: dict[str, Any], value: float, guard: str
) -> None:
    assert _guard(limits, live, value) == guard


@pytest.mark.parametrize(
    ("live", "value", "changes", "guard"),
    [
        (RESTED, 1.0, {}, ""),
        (RESTED | {"state_for_s": 300.0}, 1.0, {}, ""),
        (RESTED | {"state_for_s": 299.0}, 1.0, {}, "I03"),
        (RESTED | {"starts_last_hour": 3}, 1.0, {}, ""),
        (RESTED | {"starts_last_hour": 4}, 1.0, {}, "I03"),
        (RESTED | {"starts_last_hour": None}, 1.0, {}, "I03"),
        (RESTED | {"state_for_s": 1.0}, 0.0, {}, ""),
        (RUNS | {"state_for_s": 1.0}, 2.0, {}, ""),
        ({"is_on": None, "state_for_s": None}, 1.0, {}, "I03"),
        (RESTED | {"state_for_s": None}, 1.0, {}, "I03"),
        (RESTED | {"state_for_s": NAN}, 1.0, {}, "I03"),
        # Its window would end before the ten minutes for which it must run.
        (RESTED, 1.0, LATE, ""),
        (RESTED, 1.0, LATE | {"valid_from_utc": NOW - timedelta(seconds=301)}, "I03"),
    ],
)
def test_a_compressor_is_switched_only_after_its_time(
    live: dict[str, Any], value: float, changes: dict[str, Any], guard: str
) -> None:
    assert _guard(PUMP, live, value, **changes) == guard


@pytest.mark.parametrize(("state_for_s", "guard"), [(600.0, ""), (599.0, "I03")])
def test_a_compressor_that_runs_by_itself_is_blocked_only_after_its_time(state_for_s: float, guard: str) -> None:
    sg_ready = PUMP | {"min_value": 1.0, "safe_default": 2.0, "unit": "state"}
    assert _guard(sg_ready, RUNS | {"state_for_s": state_for_s}, 1.0, unit="state") == guard


@pytest.mark.parametrize(
    ("before", "target", "passed_s", "step"),
    [(0.0, 5.0, 1.0, 0.5), (4.8, 5.0, 1.0, 5.0), (0.0, -5.0, 0.5, -0.25), (3.0, 3.0, 0.0, 3.0), (0.0, 5.0, 99.0, 0.5)],
)
def test_a_ramp_is_gone_in_steps_of_a_second_at_most(
    before: float, target: float, passed_s: float, step: float
) -> None:
    assert ramped(before, target, 0.5, passed_s) == pytest.approx(step)


def test_a_ramp_gone_step_by_step_arrives_and_is_never_refused() -> None:
    value, steps = 0.0, 0
    while value != 4.7:
        step = ramped(value, 4.7, 0.5, 1.0)
        assert _guard({"ramp_per_s": 0.5}, {"value_before": value, "since_write_s": 1.0}, step) == ""
        value, steps = step, steps + 1
    assert steps == 10, "4.7 kW at half a kilowatt a second"


def test_without_a_ramp_a_value_is_written_at_once() -> None:
    assert ramped(0.0, 5.0, None, 0.0) == 5.0


def test_a_refusal_about_no_number_can_be_stored() -> None:
    assert block("I06", "x", soc=NAN, soc_age_s=1.0).facts == {"soc": None, "soc_age_s": 1.0}


def _tracked(*looks: tuple[float, float], step_s: float = 60.0) -> SocTrack:
    """A battery of 10 kWh followed over looks of (state of charge, kW), one a minute."""
    track = SocTrack(soc=looks[0][0], since_s=0.0, at_s=0.0)
    for number, (soc, kw) in enumerate(looks[1:], start=1):
        track = track.after(soc, kw, number * step_s, capacity_kwh=10.0, allowed=0.05)
    return track


def test_a_state_of_charge_that_follows_its_energy_does_not_drift() -> None:
    # 5 kW for a minute are 0.8333 % of 10 kWh; a tenth of it is lost on the way, for an hour and a half.
    looks = [(0.1 + 0.9 * number * 5 / 60 / 10, 5.0) for number in range(90)]
    assert max(abs(_tracked(*looks[:n]).drift) for n in range(1, 90)) < 0.02


def test_a_state_of_charge_that_is_frozen_or_jumps_drifts() -> None:
    assert _tracked((0.4, 0.0), (0.9, 0.0)).drift == pytest.approx(0.5)
    # Seven minutes at 5 kW: 5.8 % have gone in and do not show.
    assert _tracked(*[(0.4, 5.0)] * 8).drift == pytest.approx(-7 * 5 / 60 / 10)
    assert _tracked(*[(0.4, 5.0)] * 40).drift < -0.05, "it does not begin anew while it is wrong"


def test_a_jump_that_holds_for_an_hour_is_believed() -> None:
    assert _tracked((0.4, 0.0), *[(0.9, 0.0)] * 59).drift == pytest.approx(0.5)
    assert _tracked((0.4, 0.0), *[(0.9, 0.0)] * 60).drift == 0.0


@pytest.mark.parametrize(
    ("readings", "seconds"),
    [
        # Charging with 3 kW should raise the meter by 3; 10 % of 5 kW are 0.5.
        ([5.0, 5.0, 5.0, 5.0], 0.0),
        ([1.4, 1.4, 1.4, 1.4], 30.0),
        ([1.5, 1.5, 1.5, 1.5], 0.0),
        ([1.4, 5.0, 1.4, 1.4], 10.0),
        ([1.4, 1.4, 1.4, NAN], 0.0),
        ([], 0.0),
    ],
)
def test_the_wrong_way_is_timed_from_where_it_began(readings: list[float], seconds: float) -> None:
    samples = [(10.0 * number, kw) for number, kw in enumerate(readings)]
    found = wrong_way(samples, before_kw=2.0, expected_kw=3.0, rating_kw=5.0)
    assert found[0] == seconds
    assert found[1] == pytest.approx(0.6 if seconds else 0.0)


def test_the_other_way_round_is_wrong_for_discharging() -> None:
    samples = [(0.0, 2.6), (40.0, 2.6)]
    assert wrong_way(samples, before_kw=2.0, expected_kw=-3.0, rating_kw=5.0)[0] == 40.0
    assert wrong_way(samples, before_kw=2.0, expected_kw=0.0, rating_kw=5.0)[0] == 0.0


def test_word_of_the_network_operator_that_is_no_number_counts_as_silence() -> None:
    live = GOOD.model_copy(update={"dso_age_s": 1.0, "dso_limit_kw": NAN})
    assert import_ceiling_kw(live, LIMITS.model_copy(update=DSO)) == 4.2


# --- From template and site file to limits -------------------------------------------------------------------------
def _site(*assets: Asset, **meter: Any) -> Site:
    grid = Meter.model_validate({"meter_id": "grid"} | meter)
    return Site(
        site_id="s", name="S", time_zone="Europe/Prague", currency="CZK", country="CZ", meters=(grid,), assets=assets
    )


def test_of_template_and_asset_the_stricter_slow_limit_counts() -> None:
    plain = load_template("sim_heat_pump_sg_ready")
    place = plain.capabilities["set_sg_ready_state"].model_copy(
        update={"min_on_s": 600.0, "max_starts_per_hour": 4, "ramp_per_s": 1.0}
    )
    template = plain.model_copy(update={"capabilities": plain.capabilities | {"set_sg_ready_state": place}})
    own = {"min_on_s": 300, "min_off_s": 120, "max_starts_per_hour": 3, "ramp_per_s": 2.0, "writes_per_day": 50}
    asset = Asset(asset_id="hp", kind="heat_pump", template=plain.template, params=dict(own))
    limits = limits_of(asset, template, "set_sg_ready_state")
    assert (limits.min_on_s, limits.min_off_s, limits.max_starts_per_hour) == (600.0, 120.0, 3)
    assert (limits.ramp_per_s, limits.writes_per_day, limits.writes_per_hour) == (1.0, 50, None)


def test_what_a_connection_carries_comes_from_its_meter_and_the_lower_figure_counts() -> None:
    meter = Asset(
        asset_id="m", kind="grid_meter", template="sim_grid_meter", params={"export_max_kw": 5, "max_imbalance_a": 20}
    )
    found = connection_of(_site(meter, fuse_a=25), load_template)
    assert found == {
        "fuse_a": 25.0,
        "import_max_kw": pytest.approx(3 * 0.23 * 25),
        "export_max_kw": 5.0,
        "max_imbalance_a": 20.0,
        "has_grid_meter": True,
        "has_phase_meter": False,
        "dso_failsafe_kw": None,
        "export_failsafe_kw": None,
        "device_floor_kw": None,
    }


def test_a_site_that_says_nothing_of_its_connection_is_not_limited_by_it() -> None:
    found = connection_of(_site(), load_template)
    assert found["fuse_a"] is found["import_max_kw"] is found["export_max_kw"] is None
    assert found["has_grid_meter"] is False


@pytest.mark.parametrize(
    ("kind", "template", "capability", "params", "per_unit", "switched", "share"),
    [
        ("battery", "sim_battery_10kwh", "set_charge_power_kw", {}, 1.0, None, (1 / 3, 1 / 3, 1 / 3)),
        ("battery", "sim_battery_10kwh", "set_charge_power_kw", {"on_phases": [2]}, 1.0, None, (0.0, 1.0, 0.0)),
        ("ev_charger", "sim_ev_charger", "set_charge_power_kw", {"phase_count": 1}, 1.0, None, (1.0, 0.0, 0.0)),
        ("pv", "sim_pv_inverter", "set_power_limit_kw", {}, -1.0, None, (1 / 3, 1 / 3, 1 / 3)),
        ("tank", "sim_relay_bank_16", "set_relay_02_state", {"relays_kw": [1, 2.5]}, None, 2.5, (1 / 3, 1 / 3, 1 / 3)),
        ("tank", "sim_relay_bank_16", "set_relay_03_state", {"relays_kw": [1, 2.5]}, None, None, (1 / 3, 1 / 3, 1 / 3)),
    ],
)
def test_what_a_value_draws_is_known_by_kind_unit_and_params(
    kind: str,
    template: str,
    capability: str,
    params: dict[str, Any],
    per_unit: float | None,
    switched: float | None,
    share: tuple[float, float, float],
) -> None:
    asset = Asset(asset_id="x", kind=kind, template=template, params=params)
    limits = limits_of(asset, load_template(template), capability)
    assert (limits.kw_per_unit, limits.switched_kw, limits.phase_share) == (per_unit, switched, share)
    assert limits.is_limit is (kind in ("pv", "ev_charger"))


def test_the_band_of_a_tank_is_the_one_its_plan_keeps() -> None:
    asset = Asset(asset_id="t", kind="tank", template="sim_relay_bank_16", params={"empty_degc": 45, "full_degc": 75})
    limits = limits_of(asset, load_template(asset.template), "set_relay_01_state")
    assert (limits.min_degc, limits.max_degc) == (45.0, 75.0)


# --- Back after an outage (F81) -----------------------------------------------------------------------------------
HOUSES = tuple(f"heat_pump_{number:02}" for number in range(50))


def _rebound(delays_s: list[float], *, surge_s: float = 10.0, surge: float = 2.0) -> float:
    """The highest draw of devices that take twice their power for ten seconds when they come back, against before."""
    most = 0.0
    for now_s in sorted({at_s + offset for at_s in delays_s for offset in (0.0, surge_s - 1e-6)}):
        most = max(most, sum(surge if at_s <= now_s < at_s + surge_s else 1.0 for at_s in delays_s if at_s <= now_s))
    return most / len(delays_s)


def test_fault_f81_fifty_devices_come_back_with_a_tenth_more_at_most() -> None:
    for epoch in range(20):
        delays = [restore_delay_s(name, HOUSES, epoch=epoch, spread_s=600.0) for name in HOUSES]
        assert _rebound(delays) <= 1.1
        assert 0.0 == min(delays) < max(delays) < 600.0
    assert _rebound([0.0] * 50) == 2.0, "without it they come back all at once"


def test_the_order_of_coming_back_changes_with_the_epoch_and_not_with_who_asks() -> None:
    first, second, other = (
        [restore_delay_s(name, names, epoch=epoch, spread_s=600.0) for name in HOUSES]
        for names, epoch in ((HOUSES, 1), (HOUSES[::-1], 1), (HOUSES, 2))
    )
    assert first == second
    assert first != other


def test_an_allowed_command_is_allowed_by_name() -> None:
    assert isinstance(check_all(command(epoch=3), GOOD, LIMITS, NOW), Allow)
