"""Recommendations of simulated site-years against the truth of their generator, and the rules that hold for any."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.advice.advise import Advice, advise
from assets.advice.catalogue import Cost, catalogue, roles_of
from assets.advice.estimate import Estimate, two_levels
from assets.advice.site_hours import SiteHours
from tests.advice.site_years import KINDS, site_year
from tests.bench.advice_bench import score


def test_every_kind_of_the_catalogue_has_a_file_and_a_waste_of_the_generator() -> None:
    assert tuple(catalogue().kinds) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_waste_is_found_as_what_it_is_and_with_what_it_took(kind: str) -> None:
    site, truth = site_year(7, wasted=(kind,))
    [found] = advise(site, currency="EUR")
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
    made = advise(site, currency="EUR")
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
    return next(each for each in advise(site, currency="EUR") if each.kind == kind)


def test_a_tariff_without_demand_charge_gives_no_advice_on_peaks() -> None:
    site, _ = site_year(7, wasted=("demand_charge",))
    assert site.supply is not None
    bare = tuple(each.model_copy(update={"demand": ()}) for each in site.supply.tariffs)
    assert advise(replace(site, supply=replace(site.supply, tariffs=bare)), currency="EUR") == []


def test_without_a_baseline_there_is_no_advice_on_setpoints() -> None:
    site, _ = site_year(7, wasted=("setpoint",))
    assert advise(replace(site, slopes=()), currency="EUR") == []


def test_an_hour_without_a_price_leaves_the_money_unknown_and_the_energy_known() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    nothing = np.full(site.hour.size, np.nan)
    blind = replace(site, meters=tuple(replace(each, price_per_kwh=nothing) for each in site.meters))
    found = only(blind, "start_stop")
    assert found.value("savings_money") is None
    assert found.value("savings_kwh") == only(site, "start_stop").value("savings_kwh")


def test_a_cost_that_is_not_known_has_no_payback_and_one_that_is_has_an_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    assert only(site, "start_stop").value("payback_months") is None
    kinds: Any = dict(catalogue().kinds)
    cost = Cost(fixed=1000, currency="EUR", source="Offer of a fitter")
    kinds["start_stop"] = kinds["start_stop"].model_copy(update={"cost": cost})
    known = catalogue().model_copy(update={"kinds": kinds})
    monkeypatch.setattr("assets.advice.advise.catalogue", lambda: known)
    found = only(site, "start_stop")
    low, mid, high = (found.value(f"{end}payback_months") or 0 for end in ("low_", "", "high_"))
    assert 0 < low <= mid <= high
    assert mid == pytest.approx(1000 / (found.value("savings_money") or 0) * 12, rel=1e-2)


def test_readings_that_are_estimated_take_from_the_confidence() -> None:
    site, _ = site_year(7, wasted=("start_stop",))
    [sure], [less] = advise(site, currency="EUR"), advise(site, currency="EUR", estimated_share=0.4)
    assert less.confidence == pytest.approx(0.6 * sure.confidence, abs=1e-3)


def test_a_bill_in_favour_of_the_site_is_no_saving() -> None:
    site, _ = site_year(7, wasted=())
    assert advise(replace(site, overbilled={"b": Decimal("-80")}), currency="EUR") == []


def test_a_sample_of_one_level_is_not_split() -> None:
    rng = np.random.default_rng(1)
    for sample in (rng.normal(0, 1, 365), rng.random(365), np.zeros(365)):
        assert two_levels(sample, least_share=0.03, most_share=0.75, least_gap=5.0) is None


def test_roles_are_of_whole_words_of_an_id() -> None:
    assert roles_of("heater_shop") == frozenset()
    assert roles_of("main-boiler") == {"heating"}
