"""Small days whose optimum a person can add up, and changes that must move it."""

import pytest

from controls.optimiser.case import DispatchCase, without_control
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from tests.controls.optimiser.toys import TOY, changed, toy_series


def solved(case: DispatchCase, **options: object) -> Solution:
    """The solution of a case that has one."""
    answer = solve(case, **options)
    assert isinstance(answer, Solution), answer
    return answer


def assert_golden_day(case: DispatchCase) -> None:
    # Hour 1: 1 kW load + 1 kW charge at 0.10 = 0.20. 0.9 kWh arrive, 0.81 kWh come back.
    # Hour 2: (1 - 0.81) kW at 0.30 = 0.057, and 0.81 kWh of wear at 0.01 = 0.0081.
    assert solved(case).objective == pytest.approx(0.2651, abs=1e-6)


def test_golden_day() -> None:
    assert_golden_day(TOY)


def test_the_golden_day_is_charged_first_and_discharged_then() -> None:
    series = solved(TOY).series
    assert series.devices["bat"]["battery_charge_kw"] == (1.0, 0.0)
    assert series.devices["bat"]["battery_discharge_kw"] == pytest.approx((0.0, 0.81))
    assert series.devices["bat"]["soc_end_kwh"] == pytest.approx((0.9, 0.0))
    assert series.connection["import_kw"] == pytest.approx((2.0, 0.19))


MUTANTS: dict[str, dict[str, object]] = {
    "free charging": {"charge_efficiency": 1.0},
    "free discharging": {"discharge_efficiency": 1.0},
    "tiny charger": {"max_charge_kw": 0.5},
    "tiny discharger": {"max_discharge_kw": 0.5},
    "tiny battery": {"soc_max_kwh": 0.5},
    "a floor": {"soc_min_kwh": 0.5},
    "a wanted end": {"soc_end_min_kwh": 0.3},
    "a full start": {"soc_init_kwh": 1.0},
    "no wear": {"wear_per_kwh": 0.0},
    "a narrow connection": {"import_max_kw": 1.5},
    "half hours": {"step_h": (0.5, 0.5)},
    "sun": {"pv_kw": (0.0, 0.1)},
    "a price for the peak": {"demand_price_per_kw": 0.01},
}


@pytest.mark.parametrize("change", MUTANTS.values(), ids=list(MUTANTS))
def test_golden_day_notices(change: dict[str, object]) -> None:
    with pytest.raises(AssertionError):
        assert_golden_day(changed(TOY, **change))


def test_without_battery_the_golden_day_costs_its_load() -> None:
    assert solved(without_control(TOY)).objective == pytest.approx(0.4)


def test_the_counterfactual_widens_a_connection_that_only_the_battery_kept() -> None:
    narrow = changed(TOY, load_kw=(1.0, 1.4), import_max_kw=1.3, soc_init_kwh=1.0)
    assert solved(narrow).objective > 0
    assert solved(without_control(narrow)).objective == pytest.approx(0.1 + 0.42)


def test_pv_is_curtailed_where_export_costs_and_never_below_its_lowest_limit() -> None:
    noon = changed(TOY, battery=None, load_kw=(1.0, 1.0), pv_kw=(3.0, 3.0), export_price_per_kwh=(-0.10, -0.10))
    free = solved(noon)
    assert free.objective == pytest.approx(0.0)
    assert free.series.devices["pv"]["curtailed_kw"] == pytest.approx((2.0, 2.0))
    held = solved(changed(noon, limit_min_kw=2.5))
    assert held.series.devices["pv"]["curtailed_kw"] == pytest.approx((0.5, 0.5))
    assert held.objective == pytest.approx(2 * 1.5 * 0.10)


def test_import_and_export_at_once_would_pay_and_does_not_happen() -> None:
    # Both prices are -0.05: a site that could do both would import 10 kW and export 9 kW and earn nothing of it,
    # but curtailing the sun and importing the load earns 0.05 in the hour.
    odd = changed(
        TOY,
        battery=None,
        step_h=(1.0,),
        load_kw=(1.0,),
        pv_kw=(2.0,),
        import_price_per_kwh=(-0.20,),
        export_price_per_kwh=(-0.05,),
    )
    answer = solved(odd)
    assert answer.series.connection["import_kw"] == pytest.approx((1.0,))
    assert answer.series.connection["export_kw"] == (0.0,)
    assert answer.objective == pytest.approx(-0.20)


def test_charge_and_discharge_at_once_would_pay_and_does_not_happen() -> None:
    # Paid to consume, with a full battery: only "both at once" could burn energy in the losses.
    paid = changed(
        TOY,
        step_h=(1.0,),
        load_kw=(0.0,),
        pv_kw=(0.0,),
        import_price_per_kwh=(-1.0,),
        export_price_per_kwh=(-2.0,),
        soc_init_kwh=2.0,
        wear_per_kwh=0.0,
    )
    answer = solved(paid)
    assert answer.objective == pytest.approx(0.0)
    assert answer.series.devices["bat"]["battery_charge_kw"] == (0.0,)


def test_a_priced_peak_is_levelled() -> None:
    # Lossless: 4 kWh of load over two hours level at 2 kW: 0.10 * 4 + 1.0 * 2.
    levelled = changed(
        TOY,
        load_kw=(0.0, 4.0),
        import_price_per_kwh=(0.10, 0.10),
        demand_price_per_kw=1.0,
        charge_efficiency=1.0,
        discharge_efficiency=1.0,
        max_charge_kw=5.0,
        max_discharge_kw=5.0,
        wear_per_kwh=0.0,
    )
    answer = solved(levelled)
    assert answer.objective == pytest.approx(2.4, abs=1e-6)
    assert max(answer.series.connection["import_kw"]) == pytest.approx(2.0)


def test_steps_of_different_length_weigh_by_their_hours() -> None:
    # A quarter hour of charging at 1 kW stores 0.225 kWh, of which 0.2025 kWh come back in the hour after.
    answer = solved(changed(TOY, step_h=(0.25, 1.0)))
    expected = 0.10 * 0.25 * 2 + 0.30 * (1 - 0.2025) + 0.01 * 0.2025
    assert answer.objective == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("import_price", "export_price", "curtailed_kw"),
    [(0.1, 0.0, 0.5), (0.1, -0.1, 2.0), (-0.2, 0.0, 2.0)],
    ids=["free to export", "export costs", "import is paid"],
)
def test_pv_is_curtailed_only_for_a_reason(import_price: float, export_price: float, curtailed_kw: float) -> None:
    # 3 kW of sun, 1 kW of load, 1.5 kW may leave: 0.5 kW must go, the solver here took 2.
    case = changed(
        TOY,
        battery=None,
        step_h=(1.0,),
        load_kw=(1.0,),
        pv_kw=(3.0,),
        import_price_per_kwh=(import_price,),
        export_price_per_kwh=(export_price,),
        export_max_kw=1.5,
    )
    series = toy_series(case, charge_kw=[0.0], discharge_kw=[0.0], curtailed_kw=[2.0])
    assert series.devices["pv"]["curtailed_kw"] == (curtailed_kw,)
