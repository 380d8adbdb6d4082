"""Recomputed KPIs on numbers that a person can add up."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest

from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.from_readings import scope_meters, source_streams
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Period, local_midnight_utc, parse_period
from tests.kpi.oracle.values import kpi_value
from tests.kpi.seeded import plant

DAY = parse_period("2025-04-01", "Europe/Berlin")


def rows(*values: tuple[str, int, float], start: date = date(2025, 4, 1), **changes: object) -> pl.DataFrame:
    """LAKE_SCHEMA rows: (meter, quarter hour of the local day, kWh)."""
    first = local_midnight_utc(start, "Europe/Berlin")
    base = {
        "site_id": "plant", "register": "import", "interval_minutes": 15, "source_minutes": 15, "unit": "kwh",
        "quality_code": 0, "source_line": 1, "is_synthetic": False, "batch_id": "b",
        "recorded_at_utc": datetime(2025, 5, 1, tzinfo=UTC),
    }  # fmt: skip
    made = [
        base | {"meter_id": meter, "interval_start_utc": first + timedelta(minutes=15 * slot), "value": value} | changes
        for meter, slot, value in values
    ]
    return pl.DataFrame(made, schema=LAKE_SCHEMA, orient="row")


def value(
    kpi: str, readings: pl.DataFrame, *, scope: str = "meter:main", period: Period = DAY, **more: object
) -> object:
    return kpi_value(
        kpi, site=plant(), scope=scope, period=period, readings=readings, factors=factor_view(plant()), **more
    )  # type: ignore[arg-type]


def test_consumption_is_exact_where_doubles_are_not() -> None:
    assert value("consumption_kwh", rows(("main", 0, 0.1), ("main", 1, 0.2))) == Decimal("0.3")


def test_a_corrected_reading_counts_once_with_its_newest_value() -> None:
    newer = rows(("main", 0, 5.0), recorded_at_utc=datetime(2025, 6, 1, tzinfo=UTC))
    assert value("consumption_kwh", pl.concat([newer, rows(("main", 0, 9.0))])) == 5


@pytest.mark.parametrize("change", [{"register": "export"}, {"unit": "m3"}, {"site_id": "other"}])
def test_only_import_in_kwh_of_the_site_is_consumption(change: dict[str, object]) -> None:
    assert value("consumption_kwh", rows(("main", 0, 9.0), **change)) is None


def test_readings_outside_the_local_day_do_not_count() -> None:
    assert (
        value("consumption_kwh", rows(("main", -1, 9.0), ("main", 0, 1.0), ("main", 95, 2.0), ("main", 96, 9.0))) == 3
    )


def test_the_peak_is_four_times_the_highest_quarter_hour_of_all_meters_together() -> None:
    readings = rows(("press", 0, 1.0), ("pump", 0, 2.0), ("press", 1, 2.5), ("pump", 1, 1.0), ("press", 2, 99.0))
    assert value("peak_15min_kw", readings, scope="seu:moulding") == 14


def test_a_scope_that_is_never_complete_has_no_peak_and_no_load_factor() -> None:
    readings = rows(("press", 0, 1.0), ("pump", 1, 2.0))
    assert value("peak_15min_kw", readings, scope="seu:moulding") is None
    assert value("load_factor", readings, scope="seu:moulding") is None
    assert value("consumption_kwh", readings, scope="seu:moulding") == 3


def test_the_load_factor_of_the_golden_month() -> None:
    # 120,000 kWh, 300 kW, 744 h: 75 kWh in one quarter hour, the rest even.
    january = parse_period("2025-01", "Europe/Berlin")
    even = round((120_000 - 75) / (744 * 4 - 1), 9)
    readings = rows(("main", 0, 75.0), *(("main", slot, even) for slot in range(1, 744 * 4)), start=date(2025, 1, 1))
    found = value("load_factor", readings, period=january)
    assert float(found) == pytest.approx(0.5376, abs=5e-5)  # type: ignore[arg-type]


def test_cost_and_emission_are_exact_products() -> None:
    readings = rows(("main", 0, 1.5), ("main", 40, 2.000000001))  # night and day
    assert value("cost", readings) == Decimal("1.5") * Decimal("0.1987") + Decimal("2.000000001") * Decimal("0.312345")
    assert value("emission_kgco2e", readings) == Decimal("3.500000001") * Decimal("0.38")


def test_cost_is_unknown_and_not_zero_without_a_tariff() -> None:
    period = parse_period("2025-11-01", "Europe/Berlin")
    assert value("cost", rows(("main", 0, 1.0), start=date(2025, 11, 1)), period=period) is None


def test_gas_has_no_electricity_price() -> None:
    assert value("cost", rows(("gas", 0, 1.0)), scope="meter:gas") is None
    assert value("consumption_kwh", rows(("gas", 0, 1.0)), scope="meter:gas") == 1


def test_the_eui_needs_a_year_of_days() -> None:
    year = parse_period("2025", "Europe/Berlin")
    # 123.45 kWh a day over 1,234.5 m2; the annex stands still.
    main, annex = (
        [(name, slot, kwh) for slot in range(365 * 96)] for name, kwh in (("main", 1.2859375), ("annex", 0.0))
    )
    full = rows(*main, *annex, start=date(2025, 1, 1))
    assert value("eui_kwh_per_m2", full, scope="site:plant", period=year) == Decimal("36.5")
    assert value("eui_kwh_per_m2", full.filter(pl.col("meter_id") == "main"), scope="site:plant", period=year) is None
    day_lost = full.filter(pl.col("interval_start_utc") >= datetime(2025, 1, 1, 23, tzinfo=UTC))
    assert value("eui_kwh_per_m2", day_lost, scope="site:plant", period=year) is None
    assert value("eui_kwh_per_m2", full, scope="meter:main", period=year) is None


def test_delta_and_savings_have_opposite_signs_and_skip_days_with_holes() -> None:
    two_days = Period(label="", start=date(2025, 4, 1), end=date(2025, 4, 3), time_zone="Europe/Berlin")
    readings = rows(*(("pump", slot, 1.0) for slot in range(96)), *(("pump", 96 + slot, 1.0) for slot in range(86)))
    expected = pl.DataFrame({"local_date": [date(2025, 4, 1), date(2025, 4, 2)], "expected_kwh": [100.0, 100.0]})
    more = {"scope": "seu:pumping", "period": two_days, "expected": expected}
    assert value("delta_kwh", readings, **more) == -4
    assert value("savings_kwh", readings, **more) == 4
    assert value("delta_kwh", readings[:80], **more) is None
    with pytest.raises(BadInput, match="needs the expected days"):
        value("delta_kwh", readings, scope="seu:pumping")


def test_streams_behind_a_cost_include_the_price_stream() -> None:
    spot = plant(drivers=[{"driver_id": "spot", "unit": "per_kwh", "aggregation": "mean"}], price_stream="spot")
    assert source_streams("cost", site=spot, scope="site:plant") == ("main", "annex", "spot")
    assert source_streams("consumption_kwh", site=spot, scope="site:plant") == ("main", "annex")


@pytest.mark.parametrize("scope", ["meter:nope", "seu:nope", "site:other", "everything"])
def test_an_unknown_scope_is_refused_by_name(scope: str) -> None:
    with pytest.raises(BadInput, match=f"unknown scope '{scope}' at site plant"):
        scope_meters(plant(), scope)


def test_an_unknown_kpi_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="unknown KPI 'profit'"):
        value("profit", rows())
