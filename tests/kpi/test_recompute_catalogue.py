"""KPIs of the catalogue recomputed, on numbers that a person can add up."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.from_readings import source_streams
from assets.stores.lake.lake_block import LAKE_SCHEMA
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_midnight_utc
from tests.kpi.oracle.values import kpi_value
from tests.kpi.oracle.weather import degree_days
from tests.kpi.seeded import rich_plant

DAY = date(2025, 4, 1)
ZONE = "Europe/Berlin"
UNIT = {"reactive": "kvarh", "outdoor": "degc", "count": "count", "water": "m3"}
Stream = tuple[str, str, Sequence[float]]


def readings(*streams: Stream, start: date = DAY) -> pl.DataFrame:
    """LAKE_SCHEMA rows: meter, register, one value a quarter hour from the local midnight on."""
    first = local_midnight_utc(start, ZONE)
    rows: list[dict[str, Any]] = [
        {
            "site_id": "plant", "meter_id": meter, "register": register, "value": value,
            "interval_start_utc": first + timedelta(minutes=15 * slot), "interval_minutes": 15, "source_minutes": 15,
            "unit": UNIT.get(register, UNIT.get(meter, "kwh")), "quality_code": 0, "source_line": 1,
            "is_synthetic": False, "batch_id": "b", "recorded_at_utc": datetime(2025, 12, 1, tzinfo=UTC),
        }
        for meter, register, values in streams
        for slot, value in enumerate(values)
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=LAKE_SCHEMA, orient="row")


def value(kpi: str, rows: pl.DataFrame, scope: str, *, days: int = 1, site: Site | None = None) -> float | None:
    span = Period(label="", start=DAY, end=DAY + timedelta(days=days), time_zone=ZONE)
    place = site or rich_plant()
    found = kpi_value(kpi, site=place, scope=scope, period=span, readings=rows, factors=factor_view(place))
    return None if found is None else float(found)


def test_three_four_five_is_a_power_factor_of_four_fifths_and_a_gap_leaves_none() -> None:
    rows = readings(("main", "import", [4.0] * 96), ("main", "reactive", [3.0] * 96))
    assert value("power_factor", rows, "meter:main") == 0.8
    assert value("power_factor", rows[:-3], "meter:main") is None
    assert value("power_factor", rows, "meter:press") is None


def test_the_demand_factor_divides_by_the_connected_load_and_the_diversity_factor_by_the_coincident_peak() -> None:
    rows = readings(("main", "import", [2500.0625] + [1.0] * 95))
    assert value("demand_factor", rows, "meter:main") == 0.5
    assert value("demand_factor", rows, "site:plant") is None
    rows = readings(("press", "import", [10.0, 0.0] * 48), ("pump", "import", [0.0, 20.0] * 48))
    assert value("diversity_factor", rows, "seu:moulding") == 1.5
    assert value("diversity_factor", rows, "seu:pumping") is None


def test_energy_per_product_and_per_person_need_both_sides() -> None:
    rows = readings(("press", "import", [1.0] * 96), ("pump", "import", [2.0] * 96), ("count", "value", [12.0] * 96))
    assert value("kwh_per_product", rows, "seu:moulding/parts") == 0.25
    assert value("kwh_per_product", rows.filter(pl.col("meter_id") != "count"), "seu:moulding/parts") is None
    rows = readings(("main", "import", [5.0] * 96), ("annex", "import", [0.5] * 96))
    assert value("kwh_per_occupant", rows, "site:plant") == pytest.approx(5.5 * 96 / 55)
    assert value("kwh_per_occupant", rows, "building:old") is None


def test_of_ten_generated_six_are_used_and_make_six_of_sixteen() -> None:
    rows = readings(
        ("main", "import", [1.0] * 96), ("annex", "import", [0.0] * 96),
        ("main", "export", [0.4] * 96), ("pv", "export", [1.0] * 96),
    )  # fmt: skip
    assert value("self_consumption_rate", rows, "site:plant") == pytest.approx(0.6)
    assert value("self_sufficiency", rows, "site:plant") == pytest.approx(0.6 / 1.6)
    assert value("contractual_renewable_share", rows, "site:plant") == 0.75
    less = rows.filter(pl.col("meter_id") != "pv")
    assert value("self_sufficiency", less, "site:plant") is None


def test_water_is_in_cubic_metres_alone() -> None:
    rows = readings(("water", "import", [0.5] * 96))
    assert value("consumption_m3", rows, "site:plant/water") == 48
    assert value("consumption_kwh", rows, "meter:water") is None


def test_thirds_of_a_shared_meter_make_the_whole_to_the_last_digit() -> None:
    rows = readings(("press", "import", [0.000000001]), ("main", "import", [1.0]), ("annex", "import", [0.0]))
    parts = [
        kpi_value(
            "consumption_kwh",
            site=rich_plant(),
            scope=f"tenant:{name}",
            period=Period(label="", start=DAY, end=DAY + timedelta(days=1), time_zone=ZONE),
            readings=rows,
            factors=factor_view(rich_plant()),
        )
        for name in ("ann", "bob", "landlord")
    ]
    assert parts == [Decimal(0), Decimal(0), Decimal(1)]
    assert value("peak_15min_kw", rows, "tenant:bob") is None


def test_degree_days_of_a_day_around_the_base_differ_by_method() -> None:
    site = rich_plant()
    rule = site.premises.degree_days
    assert rule is not None
    rows = readings(("outdoor", "value", [10.5] * 48 + [20.5] * 48))
    span = Period(label="", start=DAY, end=DAY + timedelta(days=1), time_zone=ZONE)
    found = degree_days(rows, site=site, rule=rule, period=span)[DAY]
    assert (found["hdd_mean"], found["cdd_mean"]) == (0, 0)
    assert (found["hdd_hourly"], found["cdd_hourly"]) == (2_500_000_000, 1_250_000_000)
    assert found["hdd"] == found["hdd_hourly"]
    by_mean = degree_days(rows, site=site, rule=rule.model_copy(update={"method": "mean"}), period=span)
    assert by_mean[DAY]["hdd"] == 0
    assert degree_days(rows[:80], site=site, rule=rule, period=span) == {}


def test_the_slope_leaves_out_the_base_load_that_the_ratio_holds() -> None:
    # 96 kWh a day and 24 kWh for each of one or three heating degree days.
    cold = [1.0 if day % 2 else 3.0 for day in range(20)]
    rows = readings(
        ("gas", "import", [(96 + 24 * degree) / 96 for degree in cold for _ in range(96)]),
        ("outdoor", "value", [15.5 - degree for degree in cold for _ in range(96)]),
    )
    assert value("slope_kwh_per_hdd", rows, "site:plant/natural_gas", days=20) == pytest.approx(24)
    assert value("kwh_per_hdd", rows, "site:plant/natural_gas", days=20) == pytest.approx(72)
    assert value("kwh_per_cdd", rows, "site:plant/natural_gas", days=20) is None
    assert value("slope_kwh_per_hdd", rows, "site:plant/natural_gas", days=19) is None


@pytest.mark.parametrize(
    ("kpi", "scope", "streams"),
    [
        ("power_factor", "meter:main", ("main",)),
        ("kwh_per_product", "seu:moulding/parts", ("press", "pump", "count")),
        ("self_sufficiency", "site:plant", ("main", "annex", "pv")),
        ("kwh_per_hdd", "building:old", ("main", "outdoor")),
        ("consumption_m3", "site:plant/water", ("water",)),
    ],
)
def test_the_streams_behind_a_kpi_are_named(kpi: str, scope: str, streams: tuple[str, ...]) -> None:
    assert source_streams(kpi, site=rich_plant(), scope=scope) == streams
