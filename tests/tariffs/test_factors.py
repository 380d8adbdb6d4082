"""Emission factors by local day: dated, unambiguous, with visible gaps."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from assets.carbon.factors import day_factors, electricity_factors
from data_quality.contracts.errors import BadInput
from tests.kpi.seeded import plant


def entry(factor_id: str, start: str, end: str, **changes: object) -> dict[str, object]:
    return {
        "factor_id": factor_id,
        "kgco2e_per_kwh": 0.4,
        "valid_from": start,
        "valid_to": end,
        "source": "s",
    } | changes


def test_each_day_has_the_factor_in_force() -> None:
    factors = electricity_factors(plant(), date(2025, 9, 30), date(2025, 10, 2))
    assert factors["electricity_kgco2e_per_kwh"].to_list() == [Decimal("0.38"), Decimal("0.363001")]


def test_a_gap_between_factors_is_null_and_never_zero() -> None:
    site = plant(factors=[entry("a", "2025-01-01", "2025-01-02"), entry("b", "2025-01-03", "2025-01-04")])
    rows = day_factors(site, date(2025, 1, 1), date(2025, 1, 5)).filter(pl.col("carrier") == "electricity")
    assert rows["kgco2e_per_kwh"].to_list() == [Decimal("0.4"), None, Decimal("0.4"), None]
    assert rows["factor_id"].to_list() == ["a", None, "b", None]


def test_every_metered_carrier_has_a_row_per_day() -> None:
    rows = day_factors(plant(), date(2025, 1, 1), date(2025, 1, 3))
    assert rows.group_by("carrier").len().sort("carrier").rows() == [
        ("electricity", 2),
        ("natural_gas", 2),
        ("water", 2),
    ]


def test_two_factors_of_one_carrier_on_one_day_are_refused() -> None:
    site = plant(factors=[entry("b", "2025-06-01", "2026-01-01"), entry("a", "2025-01-01", "2025-06-02")])
    with pytest.raises(BadInput, match="factors a and b for electricity both hold on 2025-06-01"):
        day_factors(site, date(2025, 1, 1), date(2025, 1, 2))


def test_factors_of_two_carriers_may_hold_on_one_day() -> None:
    gas = entry("g", "2025-01-01", "2026-01-01", carrier="natural_gas", kgco2e_per_kwh=0.18)
    site = plant(factors=[entry("a", "2025-01-01", "2026-01-01"), gas])
    rows = day_factors(site, date(2025, 1, 1), date(2025, 1, 2)).drop_nulls()
    assert rows["factor_id"].to_list() == ["a", "g"]


def test_a_site_without_factors_has_no_electricity_factor() -> None:
    factors = electricity_factors(plant(factors=[]), date(2025, 1, 1), date(2025, 1, 3))
    assert factors.height == 2
    assert factors["electricity_kgco2e_per_kwh"].is_null().all()
