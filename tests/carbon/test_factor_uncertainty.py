"""Uncertainty of an emission factor: as whoever states it says, or by its tier; kept from file to figure."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from assets.carbon.factor_choice.factor_view import factor_view
from assets.carbon.files.carbon_files import factor_csv, read_factor_set
from assets.stores.ledgers.factor_ledger import FactorStore
from assets.stores.transactions import open_store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.factor import Basis
from data_quality.contracts.site_file.accuracy import TIERS, factor_limit
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.time import FixedClock
from tests.conftest import ROOT
from tests.reports import plant

HEAD = (
    "scope,activity,unit,kg_co2e_per_unit,valid_from,valid_to,factor_id,source,"
    "uncertainty_percent,uncertainty_source,tier"
)
ROWS = (
    "2,electricity,kWh,0.4,2026-01-01,2027-01-01,grid,authority,4.5,authority annex 3,",
    "1,natural gas,kWh,0.2,2025-01-01,2026-01-01,gas,IPCC,,,1",
    "2,heat,kWh,0.1,2025-01-01,2026-01-01,heat,supplier,,,1",
)


def written(folder: Path, *rows: str) -> Path:
    path = folder / "factors.csv"
    path.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return path


def test_it_comes_back_from_file_ledger_and_view_as_it_was_stated(tmp_path: Path) -> None:
    given = read_factor_set(written(tmp_path, *ROWS))
    (tmp_path / "again.csv").write_text(factor_csv(given), encoding="utf-8")
    second = read_factor_set(tmp_path / "again.csv")
    assert [each.stated for each in second.factors] == [each.stated for each in given.factors]
    store = open_store(f"sqlite:///{tmp_path / 'store.db'}")
    FactorStore(store).add(given, clock=FixedClock(datetime(2025, 1, 1, tzinfo=UTC)))
    view = factor_view(plant.plant_site(), FactorStore(store).known())
    store.close()
    found = {each.factor_id: factor_limit(each.carrier.value, each) for each in view.entries if each.origin == "store"}
    assert found["grid"] == (4.5, "authority annex 3")
    # The default factor of natural gas has an interval of its own; heat has none, whatever its tier.
    assert found["gas"] is not None
    assert found["gas"].percent == pytest.approx(100 * (58_300 - 54_300) / 2 / 56_100, abs=0.01)
    assert found["heat"] is None
    [own] = view.of(Carrier.ELECTRICITY, Basis.LOCATION)[:1]
    assert factor_limit("electricity", own) is None


# IPCC 2006 Guidelines, volume 2, table 2.2, natural gas: default, lower and upper limit of the 95 % interval, kg CO2/TJ
# of net calorific value, as transcribed in gjardad/inferring_emissions (14_build_emission_factors_ipcc.R).
DEFAULT, LOWER, UPPER = 56_100.0, 54_300.0, 58_300.0
NET_TO_GROSS, KWH_OF_TJ = 0.9, 1e6 / 3.6


def test_the_band_of_a_tier_is_that_of_the_published_table_and_no_other_fuel_has_one() -> None:
    assert set(TIERS) == {("natural_gas", 1)}
    half = TIERS["natural_gas", 1].percent / 100 * DEFAULT
    assert half == pytest.approx((UPPER - LOWER) / 2, rel=0.002)
    # The table is uneven: an even band of its width lies lower by 200 kg/TJ at either end.
    assert (LOWER - (DEFAULT - half), UPPER - (DEFAULT + half)) == pytest.approx((200, 200), abs=5)


@pytest.mark.parametrize(
    ("kgco2e_per_kwh_gross", "above_percent"),
    [(0.18293, 0.64), (0.181, -0.42)],  # UK government 2023; the demo's tower, illustrative
)
def test_gas_factors_that_are_shipped_or_read_lie_in_the_interval_of_the_table(
    kgco2e_per_kwh_gross: float, above_percent: float
) -> None:
    low, default, high = (each / KWH_OF_TJ * NET_TO_GROSS for each in (LOWER, DEFAULT, UPPER))
    assert low < kgco2e_per_kwh_gross < high
    assert 100 * (kgco2e_per_kwh_gross / default - 1) == pytest.approx(above_percent, abs=0.01)


def test_no_shipped_site_states_another_gas_factor() -> None:
    sites = [yaml.safe_load(each.read_text()) for each in (ROOT / "assets" / "sites" / "demo").glob("*.yaml")]
    factors = [each for site in sites for each in site.get("factors", ())]
    assert {each["kgco2e_per_kwh"] for each in factors if each.get("carrier") == "natural_gas"} == {0.181}


def test_a_factor_that_states_nothing_is_written_as_before() -> None:
    [own] = plant.plant_site().factors
    assert {"uncertainty_percent", "uncertainty_source", "tier"} & set(own.model_dump()) == set()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2,electricity,kWh,0.4,2025-01-01,2026-01-01,grid,authority,4.5,,", "belong together"),
        ("2,electricity,kWh,0.4,2025-01-01,2026-01-01,grid,authority,120,annex,", "less than 100"),
        ("2,electricity,kWh,0.4,2025-01-01,2026-01-01,grid,authority,,,4", "tier: expected 1, 2 or 3, got '4'"),
        ("2,electricity,kWh,0.4,2025-01-01,2026-01-01,grid,authority,-1,annex,", "is negative"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as fault:
        read_factor_set(written(tmp_path, row))
    assert fault.value.line == 2
