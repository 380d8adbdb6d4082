"""Emission factors of meters and days: one view of site file and store, dated, unambiguous, with visible gaps."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from assets.carbon.factor_choice.factor_view import (
    applicable_factors,
    electricity_factors,
    exact_factor,
    factor_view,
    known_factors,
    meter_factors,
    version_text,
)
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Factor, FactorSet
from data_quality.contracts.time import FixedClock
from tests.kpi.seeded import plant

GAS = {"registers": [{"register_id": "volume", "unit": "m3"}, {"register_id": "import", "unit": "kwh"}]}


def entry(factor_id: str, start: str, end: str, **changes: object) -> dict[str, object]:
    return {
        "factor_id": factor_id,
        "kgco2e_per_kwh": 0.4,
        "valid_from": start,
        "valid_to": end,
        "source": "s",
    } | changes


def recorded(activity: str, value: str, *, unit: str = "kWh", year: int = 2025, **more: object) -> Factor:
    return Factor.model_validate(
        {
            "factor_id": f"{activity} {value}",
            "scope": 2,
            "activity": activity,
            "unit": unit,
            "kg_co2e_per_unit": value,
            "valid_from": date(year, 1, 1),
            "valid_to": date(year + 1, 1, 1),
        }
        | more
    )


def add(store: Store, *factors: Factor, day: int, tenant: str = "") -> None:
    clock = FixedClock(datetime(2026, 1, day, tzinfo=UTC))
    FactorStore(store).add(FactorSet(path="set.csv", sha256="a" * 64, factors=factors), clock=clock, tenant=tenant)


def test_each_day_has_the_factor_in_force() -> None:
    factors = electricity_factors(factor_view(plant()), date(2025, 9, 30), date(2025, 10, 2))
    assert factors["electricity_kgco2e_per_kwh"].to_list() == [Decimal("0.38"), Decimal("0.363001")]


def test_a_gap_between_factors_is_null_and_never_zero() -> None:
    site = plant(factors=[entry("a", "2025-01-01", "2025-01-02"), entry("b", "2025-01-03", "2025-01-04")])
    rows = electricity_factors(factor_view(site), date(2025, 1, 1), date(2025, 1, 5))
    assert rows["electricity_kgco2e_per_kwh"].to_list() == [Decimal("0.4"), None, Decimal("0.4"), None]


def test_a_site_without_factors_has_no_electricity_factor() -> None:
    factors = electricity_factors(factor_view(plant(factors=[])), date(2025, 1, 1), date(2025, 1, 3))
    assert factors["electricity_kgco2e_per_kwh"].to_list() == [None, None]


def test_every_meter_of_bought_energy_has_the_factor_of_its_carrier_and_water_none() -> None:
    gas = entry("g", "2025-01-01", "2026-01-01", carrier="natural_gas", kgco2e_per_kwh=0.18)
    site = plant(factors=[entry("a", "2025-01-01", "2025-07-01"), gas])
    found = {(each.meter_id, each.version.factor_id, each.end) for each in meter_factors(site, factor_view(site))}
    assert found == {
        *((name, "a", date(2025, 7, 1)) for name in ("main", "annex", "press", "pump", "pv")),
        ("gas", "g", date(2026, 1, 1)),
    }


def test_air_that_is_made_of_metered_energy_has_no_factor_of_its_own() -> None:
    site = plant(
        meters=[{"meter_id": "main"}, {"meter_id": "air", "carrier": "compressed_air"}],
        seus=[],
        factors=[entry("a", "2025-01-01", "2026-01-01", carrier="compressed_air")],
    )
    assert meter_factors(site, factor_view(site)) == []


def test_gas_goes_by_the_calorific_basis_that_its_meter_states_on_the_day(store: Store) -> None:
    factors = [{"valid_from": "2025-03-01", "calorific_value_mj_per_m3": 39.5, "basis": "net", "source": "s"}]
    meters = [{"meter_id": "main"}, {"meter_id": "gas", "carrier": "natural_gas", "gas_factors": factors, **GAS}]
    site = plant(meters=meters, seus=[], factors=[])
    add(store, recorded("natural gas", "0.18", unit="kWh gross CV", scope=1), day=1)
    add(store, recorded("natural gas", "0.2", unit="kWh net CV", scope=1), day=2)
    [found] = meter_factors(site, known_factors(site, store))
    assert (found.start, found.end, found.kgco2e_per_kwh) == (date(2025, 3, 1), date(2026, 1, 1), Decimal("0.2"))


def test_a_gas_meter_has_one_factor_a_day_though_file_and_store_differ_in_calorific_basis(store: Store) -> None:
    gross = [{"valid_from": "2025-01-01", "calorific_value_mj_per_m3": 39.5, "basis": "gross", "source": "s"}]
    meters = [{"meter_id": "main"}, {"meter_id": "gas", "carrier": "natural_gas", "gas_factors": gross, **GAS}]
    file = entry("file", "2025-01-01", "2025-07-01", carrier="natural_gas", kgco2e_per_kwh=0.2)
    site = plant(meters=meters, seus=[], factors=[file])
    add(store, recorded("natural gas", "0.183", unit="kWh gross CV", scope=1), day=1)

    def found() -> list[tuple[date, date, Decimal]]:
        return [each[1:4] for each in meter_factors(site, known_factors(site, store))]

    days = date(2025, 1, 1), date(2025, 7, 1), date(2026, 1, 1)
    assert found() == [(*days[:2], Decimal("0.2")), (*days[1:], Decimal("0.183"))]
    add(store, recorded("natural gas", "0.19", unit="kWh net CV", scope=1), day=2, tenant="plant")
    assert found() == [(*days[:2], Decimal("0.2")), (*days[1:], Decimal("0.183"))]
    add(store, recorded("natural gas", "0.18", unit="kWh gross CV", scope=1), day=3, tenant="plant")
    assert found() == [(days[0], days[2], Decimal("0.18"))]


def test_two_factors_of_one_carrier_on_one_day_are_refused() -> None:
    site = plant(factors=[entry("b", "2025-06-01", "2026-01-01"), entry("a", "2025-01-01", "2025-06-02")])
    with pytest.raises(BadInput, match=r"factors a and b for electricity \(location\) both hold on 2025-06-01"):
        factor_view(site)


def test_a_recorded_factor_fills_the_days_that_the_file_leaves_and_one_for_the_site_stands_before_it(
    store: Store,
) -> None:
    site = plant(factors=[entry("file", "2025-01-01", "2025-07-01")])
    add(store, recorded("electricity", "0.3"), day=1)
    days = date(2025, 6, 30), date(2025, 7, 2)
    view = known_factors(site, store)
    assert electricity_factors(view, *days)["electricity_kgco2e_per_kwh"].to_list() == [Decimal("0.4"), Decimal("0.3")]
    add(store, recorded("electricity", "0.2"), day=2, tenant="plant")
    assert (
        electricity_factors(known_factors(site, store), *days)["electricity_kgco2e_per_kwh"].to_list()
        == [Decimal("0.2")] * 2
    )
    then = known_factors(site, store, as_of_utc=datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert then == view
    [version] = applicable_factors(site, known_factors(site, store), ["main"], *days)
    assert version_text(version) == "electricity 2025-06-30/2025-07-02 0.2 electricity 0.2"
    assert (version.origin, version.recorded_at_utc) == ("tenant", datetime(2026, 1, 2, tzinfo=UTC))


def test_pounds_per_mwh_keep_their_fifteen_decimals_and_grams_are_refused(store: Store) -> None:
    site = plant(factors=[])
    add(store, recorded("electricity", "0.3706612349876545"), day=1)
    [entry_] = known_factors(site, store).entries
    assert exact_factor(entry_) == Decimal("0.370661234987655")
    add(store, recorded("electricity", "370661"), day=2)
    with pytest.raises(BadInput, match="comes to 370661 kgCO2e per kWh"):
        meter_factors(site, known_factors(site, store))
