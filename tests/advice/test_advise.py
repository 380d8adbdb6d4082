"""Recommendations of simulated site-years against the truth of their generator, and the rules that hold for any."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.advice.advise import COST_OUTDATED, Advice, advise
from assets.advice.advise import KINDS as MODULE_KINDS
from assets.advice.catalogue import catalogue, roles_of
from assets.advice.estimate import Estimate, two_levels
from assets.advice.kinds.from_what_ifs import KINDS as RELIVED
from assets.advice.site_hours import SiteHours
from data_quality.contracts.billing.tariff_charges import CapacityCharge
from data_quality.contracts.control.what_if import Change, Price, WhatIfVariant
from data_quality.contracts.site_file.measure_cost import MeasureCost
from tests.advice.site_years import KINDS, LATER, site_year
from tests.bench.advice_bench import score


def test_every_kind_of_the_catalogue_has_a_file_and_a_waste_of_the_generator() -> None:
    assert tuple(catalogue().kinds) == tuple(MODULE_KINDS) == (*KINDS, *LATER, *RELIVED)


@pytest.mark.parametrize("kind", [*KINDS, *LATER])
def test_a_waste_is_found_as_what_it_is_and_with_what_it_took(kind: str) -> None:
    site, truth = site_year(7, wasted=(kind,))
    [found] = advise(site)
    assert found.kind == kind
    name = "savings_kwh" if truth.kwh[kind] else "savings_money"
    true = (truth.kwh if truth.kwh[kind] else truth.money)[kind]
    assert found.value(name) == pytest.approx(true, rel=0.25)


def test_twenty_site_years_are_advised_as_their_truth_says() -> None:
    found = score(range(2000, 2020))
    assert found.recall >= 0.9
    assert found.precision >= 0.8
    assert found.top >= 0.9 * found.best


def test_a_site_year_without_waste_has_no_more_than_one_recommendation() -> None:
    assert score(range(2000, 2010), wasted=()).false.total() <= 10


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_all_recommendations_together_never_save_more_than_was_used(seed: int) -> None:
    site, _ = site_year(seed)
    # Bands that hide an overlap would hide it here too: one kind is asked twice, and another claims everything.
    made = advise(site)
    used = sum(float(each.kwh.sum()) for each in site.meters if each.is_leaf)
    assert sum(each.value("savings_kwh") or 0 for each in made) <= used + 1e-6


def test_an_hour_that_two_recommendations_claim_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from assets.advice import advise as module

    site, _ = site_year(3, wasted=())
    fans = site.meter("fans")
    assert fans is not None
    every = {"fans": fans.kwh}
    over = {"main": next(each.kwh for each in site.meters if each.meter_id == "main")}
    claims = [("base_load", Estimate("meter:fans", every)), ("start_stop", Estimate("meter:fans", every)),
              ("demand_charge", Estimate("site:site", over))]  # fmt: skip
    kept = dict(module._netted(site, claims))
    total = sum(each.total_kwh for each in kept.values())
    assert total == pytest.approx(float(over["main"].sum()))
    assert "start_stop" not in kept


def only(site: SiteHours, kind: str) -> Advice:
    return next(each for each in advise(site) if each.kind == kind)


def test_a_tariff_without_demand_charge_gives_no_advice_on_peaks() -> None:
    site, _ = site_year(7, wasted=("demand_charge",))
    assert site.supply is not None
    bare = tuple(each.model_copy(update={"demand": ()}) for each in site.supply.tariffs)
    assert advise(replace(site, supply=replace(site.supply, tariffs=bare))) == []


def test_without_a_baseline_there_is_no_advice_on_setpoints() -> None:
    site, _ = site_year(7, wasted=("setpoint",))
    assert advise(replace(site, slopes=())) == []


def test_days_whose_temperature_is_not_known_are_left_out_and_the_advice_stands() -> None:
    site, _ = site_year(7, wasted=("setpoint",))
    assert site.outdoor_degc is not None
    gap = site.outdoor_degc.copy()
    gap[100 * 24 : 103 * 24] = np.nan
    whole = only(site, "setpoint").value("savings_kwh") or 0
    assert 0.97 * whole < (only(replace(site, outdoor_degc=gap), "setpoint").value("savings_kwh") or 0) < whole
    # A heater that the cold of a night turns on was not left on; the boiler of the setpoint has no readings then.
    night = (site.hour >= 22) | (site.hour < 5)
    cold = np.bincount(site.day, site.outdoor_degc) / 24 < 3
    fans = site.meter("fans")
    assert fans is not None
    heater = replace(fans, kwh=np.where(night & cold[site.day], 8.0, np.where(night, 1.0, 10.0)))
    for degc in (site.outdoor_degc, gap):
        assert "base_load" not in [each.kind for each in advise(replace(site, meters=(heater,), outdoor_degc=degc))]


def test_an_hour_without_a_price_leaves_the_money_unknown_and_the_energy_known() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    nothing = np.full(site.hour.size, np.nan)
    blind = replace(site, meters=tuple(replace(each, price_per_kwh=nothing) for each in site.meters))
    found = only(blind, "start_stop")
    assert found.value("savings_money") is None
    assert found.value("savings_kwh") == only(site, "start_stop").value("savings_kwh")


def stated(**fields: Any) -> MeasureCost:
    known: dict[str, Any] = {"cost_id": "c", "kind": "start_stop", "money": 1000, "most_money": 2000, "currency": "EUR",
                             "source": "Offer of a fitter", "stated_on": date(2025, 6, 1)}  # fmt: skip
    return MeasureCost.model_validate(known | fields)


def test_a_cost_that_is_not_stated_has_no_payback_and_one_that_is_has_an_interval() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    assert only(site, "start_stop").value("payback_months") is None
    found = only(replace(site, costs=(stated(),), known_on=date(2026, 1, 1)), "start_stop")
    low, mid, high = (found.value(f"{end}payback_months") or 0 for end in ("low_", "", "high_"))
    assert 0 < low <= mid <= high
    assert low == pytest.approx(1000 / (found.value("high_savings_money") or 0) * 12, rel=1e-2)
    assert mid == pytest.approx(1500 / (found.value("savings_money") or 0) * 12, rel=1e-2)
    assert high == pytest.approx(2000 / (found.value("low_savings_money") or 0) * 12, rel=1e-2)
    assert found.texts["cost_source"] == "Offer of a fitter"


def test_a_stated_cost_holds_for_its_kind_its_meter_and_its_days_alone() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    meter = only(site, "start_stop").scope.removeprefix("meter:")
    own = stated(meter=meter, money=10, most_money=None)

    def found(*costs: MeasureCost, on: date = date(2026, 1, 1)) -> Advice:
        return only(replace(site, costs=costs, known_on=on), "start_stop")

    assert found(stated(), own).value("cost_money") == 10
    for other in (stated(kind="base_load"), stated(meter="another"), stated(stated_on=date(2026, 1, 2))):
        assert (found(other).value("cost_money"), found(other).texts.get(COST_OUTDATED)) == (None, None)
    over = found(stated(valid_until=date(2025, 12, 31)))
    assert (over.value("cost_money"), over.texts[COST_OUTDATED]) == (None, "Offer of a fitter")
    assert found(stated(valid_until=date(2026, 1, 1))).value("cost_money") == 1500


def variant(name: str, change: Change, saving: float, **extra: Any) -> WhatIfVariant:
    return WhatIfVariant(
        name=name, changes=(change,), cost=1000 - saving, without=1000, saving=saving,
        interval=extra.pop("interval", (saving * 0.8, saving * 1.1)), cost_interval=(0, 1), policy="plain", months=(),
        **extra,
    )  # fmt: skip


def test_a_stored_what_if_is_advised_with_its_own_interval_cost_and_payback() -> None:
    site, _ = site_year(7, wasted=())
    price = Price(low=400, high=600, source="Offer")
    pays = variant("pv 4kW", "pv", 100.0, price=price, payback_years=5.0, payback_interval=(3.6, 7.5))
    more = variant("pv 8kW", "pv", 150.0, price=price, payback_years=9.0, payback_interval=(7, 12))
    unsure, both = variant("tariff x", "tariff", 80.0, interval=(-5.0, 90.0)), variant("b", "battery", 300.0)
    [found] = advise(
        replace(site, what_ifs=(more, pays, unsure, both.model_copy(update={"changes": ("battery", "pv")}))),
    )
    assert (found.kind, found.texts["variant"], found.texts["cost_source"]) == ("pv", "pv 4kW", "Offer")
    assert [found.value(f"{end}savings_money") for end in ("low_", "", "high_")] == [80.0, 100.0, 110.0]
    assert [found.value(f"{end}payback_months") for end in ("low_", "", "high_")] == [43.2, 60.0, 90.0]
    assert (found.value("low_cost_money"), found.value("high_cost_money")) == (400.0, 600.0)
    assert found.value("savings_kwh") == 0
    # A what-if that knows a price keeps it; one without takes what the site states for its variant.
    costs = (stated(kind="pv", variant="pv 4kW", money=900, most_money=None), stated(kind="pv", money=99))
    bare = pays.model_copy(update={"price": None, "payback_years": None, "payback_interval": None})
    for each, cost in ((pays, 500.0), (bare, 900.0)):
        [found] = advise(replace(site, what_ifs=(each,), costs=costs, known_on=date(2026, 1, 1)))
        assert found.value("cost_money") == cost
    assert found.value("payback_months") == pytest.approx(900 / 100 * 12)


def test_of_two_that_save_the_same_lines_of_a_bill_both_together_save_as_the_greater_does() -> None:
    site, _ = site_year(7, wasted=("demand_charge",))
    [peaks] = advise(site)
    alone = peaks.value("savings_money") or 0
    own = {"price": Price(low=900, high=1100, source="Offer"), "payback_years": 500 / alone,
           "payback_interval": (400 / alone, 600 / alone)}  # fmt: skip
    battery = variant("battery 20kWh", "battery", 2 * alone, **own)
    both = advise(replace(site, what_ifs=(battery,)))
    assert {each.kind for each in both} == {"demand_charge", "battery"}
    less = next(each for each in both if each.kind == "battery")
    # What is left of its saving pays for the whole of its cost.
    assert less.value("payback_months") == pytest.approx(1000 / (less.value("savings_money") or 0) * 12, rel=1e-3)
    assert sum(each.value("savings_money") or 0 for each in both) == pytest.approx(2 * alone, rel=1e-3)
    small = variant("battery 5kWh", "battery", 1.1 * alone)
    assert [each.kind for each in advise(replace(site, what_ifs=(small,)))] == ["demand_charge"]


def test_an_excess_that_another_contract_avoids_is_not_saved_again_by_fewer_peaks() -> None:
    # Peaks of 124 kW over a contract of 37: raising it and shaving them would each save the whole excess.
    site, _ = site_year(7, wasted=("demand_charge",))

    def with_contract(kw: float) -> dict[str, Advice]:
        assert site.supply is not None
        charge = CapacityCharge(
            charge_id="contract", contracted=Decimal(str(kw)), price_per_unit=Decimal(4), window_minutes=60,
            excess_price_per_unit=Decimal(12),
        )  # fmt: skip
        tariffs = tuple(each.model_copy(update={"capacity": (charge,)}) for each in site.supply.tariffs)
        return {each.kind: each for each in advise(replace(site, supply=replace(site.supply, tariffs=tariffs)))}

    both = with_contract(37)
    assert both.keys() == {"contracted_power", "demand_charge"}
    # Whoever follows the first finds the second worth what was said of it.
    followed = with_contract(both["contracted_power"].value("best_kw") or 0)
    assert followed.keys() == {"demand_charge"}
    assert followed["demand_charge"].value("savings_money") == both["demand_charge"].value("savings_money")


def test_a_contract_without_a_charge_for_excess_has_no_best_level() -> None:
    site, _ = site_year(7, wasted=("contracted_power",))
    assert site.supply is not None
    free = tuple(
        each.model_copy(update={"capacity": tuple(one.model_copy(update={"excess_price_per_unit": Decimal(0)})
                                                  for one in each.capacity)})
        for each in site.supply.tariffs
    )  # fmt: skip
    assert advise(replace(site, supply=replace(site.supply, tariffs=free))) == []


def test_a_car_that_charges_in_its_cheapest_hours_is_not_advised() -> None:
    site, _ = site_year(7, wasted=("ev_hours",))
    flat = tuple(replace(each, price_per_kwh=np.full(site.hour.size, 0.2)) for each in site.meters)
    assert advise(replace(site, meters=flat)) == []
    # What the site itself made was not bought dearly.
    sun = tuple(
        replace(each, kwh=np.zeros(site.hour.size)) if each.meter_id == "main" else each for each in site.meters
    )
    assert "ev_hours" not in [each.kind for each in advise(replace(site, meters=sun))]


def test_readings_that_are_estimated_take_from_the_confidence() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    [sure], [less] = advise(site), advise(site, estimated_share=0.4)
    assert less.confidence == pytest.approx(0.6 * sure.confidence, abs=1e-3)


def test_a_bill_in_favour_of_the_site_is_no_saving() -> None:
    site, _ = site_year(7, wasted=())
    assert advise(replace(site, overbilled={"b": Decimal("-80")})) == []


def test_a_sample_of_one_level_is_not_split() -> None:
    rng = np.random.default_rng(1)
    for sample in (rng.normal(0, 1, 365), rng.random(365), np.zeros(365)):
        assert two_levels(sample, least_share=0.03, most_share=0.75, least_gap=5.0) is None


def test_roles_are_of_whole_words_of_an_id() -> None:
    assert roles_of("heater_shop") == frozenset()
    assert roles_of("main-boiler") == {"heating"}
