"""A year replayed: as it is it gives its bill, a larger battery is never worse; intervals and paybacks."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.stores.lake.lake import Lake
from controls.optimiser.case import DispatchCase
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.pv import Pv
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.trial import TrialRun, cost_by_day, running_bill
from controls.planning.what_if.bands import (
    figures_of,
    month_draws,
    over_paths,
    path_paybacks,
    payback_by,
    payback_interval,
    yearly,
)
from controls.planning.what_if.relive import what_if
from controls.planning.what_if.relived_inputs import Relived, relived_inputs, with_variant
from controls.planning.what_if.variants import Variant, price_of, size_of
from data_quality.contracts.control.what_if import Price, PricePath, WhatIfMonth
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.measure_cost import MeasureCost
from tests.controls.optimiser.toys import TOY, TOY_BATTERY
from tests.controls.planning.lived_year import home, live

TODAY = date(2026, 1, 10)
MONTHS = [date(2025, month, 1) for month in range(1, 13)]


@pytest.fixture
def october(lake: Lake) -> Relived:
    """The demo home in two weeks of October, in which the clock goes back."""
    live(lake, home(), date(2025, 10, 8), date(2025, 10, 29))
    known = relived_inputs(home(), lake, date(2025, 10, 15), date(2025, 10, 29))
    assert isinstance(known, Relived)
    return known


def cost(known: Relived, variant: Variant | None, policy: str) -> float:
    """The bill of all days."""
    inputs = known.trial if variant is None else with_variant(known, variant)
    run = TrialRun(inputs, policy)
    for day in inputs.days:
        assert run.go_on(day) is None
    return sum(cost_by_day(inputs, run.bill).values())


def test_the_present_configuration_by_its_own_rule_costs_what_was_billed(october: Relived) -> None:
    billed = sum(cost_by_day(october.trial, running_bill(october.trial, october.metered)).values())
    assert cost(october, None, "self_consumption") == pytest.approx(billed, rel=0.01)


@pytest.mark.parametrize("policy", ["self_consumption", "perfect_foresight"])
def test_a_doubled_battery_is_not_worse_on_the_days_of_the_home(october: Relived, policy: str) -> None:
    once, twice = (cost(october, Variant(name="b", battery_kwh=size), policy) for size in (10, 20))
    # A plan may be 1 % from the best of its 36 hours.
    assert twice <= once + 0.01 * abs(once)


def test_plans_that_are_not_proven_in_time_are_told_by_the_one_farthest_from_its_best(october: Relived) -> None:
    run = TrialRun(october.trial, "perfect_foresight")
    assert run.go_on(october.trial.days[0]) is None
    assert run.not_proven() is None
    run.unproven += [(0.02, run.today), (0.05, run.today)]
    found = run.not_proven()
    assert found is not None
    assert (found.code, found.severity, found.facts["gap"]) == ("plan_not_proven", "warning", 0.05)
    assert found.message.startswith(f"perfect_foresight, 2 plans of {len(october.trial.days)} days: ")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.floats(-0.2, 1), st.floats(-0.3, 0.5)), min_size=4, max_size=12
    ),
    st.floats(0.0, 1.0),
)
def test_a_doubled_battery_is_never_worse_where_the_day_is_known(
    steps: list[tuple[float, float, float, float]], held: float
) -> None:
    load, sun, buy, less = zip(*steps, strict=True)
    sell = tuple(min(price, price - each) for price, each in zip(buy, less, strict=True))
    # The charge that it begins with and is to leave lies at the same share of its window.
    once = TOY_BATTERY.model_copy(update={"soc_init_kwh": 2 * held, "soc_end_min_kwh": 2 * held})
    twice = once.model_copy(
        update={
            "max_charge_kw": 2.0, "max_discharge_kw": 2.0, "soc_max_kwh": 4.0,
            "soc_init_kwh": 4 * held, "soc_end_min_kwh": 4 * held,
        }
    )  # fmt: skip
    found = []
    for battery in (once, twice):
        connection = Connection(
            import_price_per_kwh=buy, export_price_per_kwh=sell, import_max_kw=20.0, export_max_kw=20.0
        )
        case = DispatchCase(
            case_id="day", currency="EUR", start_utc=TOY.start_utc, step_h=(1.0,) * len(load), load_kw=load,
            connection=connection, devices=(Pv(device_id="pv", pv_kw=sun), battery),
        )  # fmt: skip
        answer = solve(case, gap=0.0, is_relaxed_first=True)
        assert isinstance(answer, Solution)
        plain = solve(case, gap=0.0)
        assert isinstance(plain, Solution)
        assert answer.objective == pytest.approx(plain.objective, abs=1e-6)
        found.append(answer.objective)
    assert found[1] <= found[0] + 1e-6


def test_a_heat_pump_of_no_weather_is_refused_and_one_of_the_home_draws_less(october: Relived) -> None:
    changed = with_variant(october, Variant(name="h", heat_pump_kw=20))
    heated = sum(october.heat_kw.get(at, 0.0) for at in changed.load_kw)
    saved = sum(october.trial.load_kw.values()) - sum(changed.load_kw.values())
    # Of mild days: a COP between 2 and 6.
    assert 0.5 * heated < saved < 5 / 6 * heated
    with pytest.raises(BadInput, match="has no outdoor temperature"):
        with_variant(october._replace(outdoor_degc={}), Variant(name="h", heat_pump_kw=20))


def test_pv_grows_with_its_size_and_without_a_meter_or_weather_is_refused(october: Relived) -> None:
    changed = with_variant(october, Variant(name="pv", pv_kw=16))
    once, twice = (sum(each.sun_kw["pv"].values()) for each in (october.trial, changed))
    assert twice == pytest.approx(2 * once)
    bare = october.trial.site.model_copy(update={"assets": ()})
    no_pv = october._replace(trial=october.trial._replace(site=bare, sun_kw={}))
    flat = with_variant(no_pv, Variant(name="pv", pv_kw=8)).sun_kw["what_if_pv"]
    assert sum(flat.values()) == pytest.approx(once, rel=0.1)
    with pytest.raises(BadInput, match="a PV meter of its own or a driver of irradiance"):
        with_variant(no_pv._replace(ghi_w_per_m2={}), Variant(name="pv", pv_kw=8))


def test_a_year_that_was_not_read_is_a_finding(lake: Lake) -> None:
    live(lake, home(), date(2025, 12, 1), date(2025, 12, 3))
    span = {"start": date(2025, 1, 1), "end": date(2026, 1, 1), "today": TODAY}
    found = what_if(home(), lake, [Variant(name="b", battery_kwh=20)], **span)
    assert isinstance(found, Finding)
    assert found.code == "readings_missing"
    with pytest.raises(BadInput, match="whole years of calendar months"):
        what_if(home(), lake, [], start=date(2025, 1, 1), end=date(2025, 7, 1), today=TODAY)


def test_a_battery_that_nobody_meters_is_not_replaced_in_thought(lake: Lake) -> None:
    live(lake, home(), date(2025, 10, 8), date(2025, 10, 29))
    assets = tuple(a.model_copy(update={"meter": None}) if a.kind == "battery" else a for a in home().assets)
    site = home().model_copy(update={"assets": assets})
    known = relived_inputs(site, lake, date(2025, 10, 15), date(2025, 10, 29))
    assert isinstance(known, Relived)
    assert [each.scope for each in known.trial.findings] == ["battery"]
    with pytest.raises(BadInput, match="has no meter, so what it did is not known"):
        with_variant(known, Variant(name="b", battery_kwh=20))


@pytest.mark.parametrize("text", ["10", "-3kWh", "0kWh", "10 kW", "ten kWh", "1e3kWh", ""])
def test_a_size_without_its_unit_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="expected a number above 0 with its unit, as 10kWh"):
        size_of(text, "kWh", "--battery")


def test_a_size_has_any_unit_of_its_kind() -> None:
    assert [size_of(each, "kWh", "--battery") for each in ("10kWh", "1.5 MWh", "500Wh")] == [10, 1500, 0.5]
    assert size_of("4kWp", "kW", "--pv") == 4


def test_an_interval_holds_the_mean_year_and_is_the_same_for_the_same_seed() -> None:
    values = np.array([40.0, 35, 30, 20, 10, 5, 4, 5, 12, 22, 33, 41])
    low, high = month_draws(MONTHS, 1)(values)
    assert low < yearly(MONTHS, values) < high
    assert (low, high) == month_draws(MONTHS, 1)(values)
    # Months that are all alike leave no doubt but the days of their neighbours.
    same = np.array([31.0, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
    assert month_draws(MONTHS, 1)(same) == pytest.approx((365, 365))


def test_figures_are_made_of_the_months_and_a_payback_needs_a_price() -> None:
    months = [WhatIfMonth(month=each, cost=80, without=100, kgco2e=8, kgco2e_without=10) for each in MONTHS]
    found = figures_of(months, Price(low=960, high=1440, source="given"), seed=1)
    assert (found["cost"], found["saving"], found["saving_kgco2e"], found["payback_years"]) == (960, 240, 24, 5)
    assert figures_of(months, None, seed=1)["payback_years"] is None
    assert payback_interval(None, (1, 2)) is None
    assert payback_interval(Price(low=10, high=20, source="given"), (-1, 5)) == (2, None)


def test_a_price_is_the_catalogues_in_its_currency_or_the_given_one_and_never_a_guess() -> None:
    site, euro = home(), home().model_copy(update={"currency": "EUR"})
    bigger = Variant(name="pv", pv_kw=10)
    found = price_of(bigger, euro, TODAY)
    assert found is not None
    # Two kW more than the eight that are there.
    assert (found.low, found.high) == (1060, 3200)
    assert price_of(bigger, site, TODAY) is None
    assert price_of(Variant(name="b", battery_kwh=20), euro, TODAY) is None
    assert price_of(Variant(name="b", battery_kwh=20, cost=5000), site, TODAY) == Price(
        low=5000, high=5000, source="given"
    )


def test_a_cost_that_the_site_states_comes_before_the_catalogue_while_it_holds() -> None:
    fields = {"currency": "EUR", "source": "Offer of a fitter", "stated_on": "2025-11-01", "valid_until": "2026-01-31"}
    stated = [
        {"cost_id": "a", "kind": "pv", "money": 1000, "most_money": 1200, "per": "kw"} | fields,
        {"cost_id": "b", "kind": "battery", "variant": "battery 20kWh", "money": 7000} | fields,
    ]
    euro = home().model_copy(
        update={"currency": "EUR", "measure_costs": tuple(MeasureCost.model_validate(each) for each in stated)}
    )
    pv, battery = Variant(name="pv", pv_kw=10), Variant(name="battery 20kWh", battery_kwh=20)
    assert price_of(pv, euro, TODAY) == Price(low=2000, high=2400, source="Offer of a fitter")
    assert price_of(battery, euro, TODAY) == Price(low=7000, high=7000, source="Offer of a fitter")
    assert price_of(battery.model_copy(update={"name": "battery 30kWh"}), euro, TODAY) is None
    later = date(2026, 2, 1)
    assert price_of(battery, euro, later) is None
    found = price_of(pv, euro, later)
    assert found is not None
    assert found.low == 1060


def going(percent: float) -> PricePath:
    return PricePath(name="path", percent_a_year=percent)


@given(
    price=st.floats(1, 1e6), saving=st.floats(1, 1e5), steep=st.floats(-20, 20), flat=st.floats(-20, 20),
)  # fmt: skip
def test_dearer_energy_never_pays_back_later_and_what_is_saved_until_then_is_the_price(
    price: float, saving: float, steep: float, flat: float
) -> None:
    low, high = sorted((steep, flat))
    late, soon = payback_by(price, saving, going(low)), payback_by(price, saving, going(high))
    if late is not None:
        assert soon is not None
        assert soon <= late + 1e-9
        whole = int(late)
        saved = sum(saving * (1 + low / 100) ** k for k in range(whole))
        assert saved + (late - whole) * saving * (1 + low / 100) ** whole == pytest.approx(price, rel=1e-6)


def test_of_level_prices_a_path_is_the_plain_payback_and_falling_ones_may_never_pay() -> None:
    price = Price(low=900, high=1100, source="given")
    level, falling = going(0), PricePath(name="falling", percent_a_year=-20)
    found = path_paybacks(price, 200, (150, 250), (level, falling))
    assert [each.payback_years for each in found] == [5.0, None]
    assert found[0].payback_interval == pytest.approx(payback_interval(price, (150, 250)))
    assert over_paths(found) == (pytest.approx(3.6), None)
    assert path_paybacks(None, 200, (150, 250), (level,)) == ()
    assert over_paths(()) is None
    assert payback_by(100, 0, level) is None
