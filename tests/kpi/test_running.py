"""Cost of each quarter hour of a supply: with the bill, over days of 23 and 25 hours, without a tariff."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from assets.bills.engine.bill_load import Load
from assets.bills.engine.book import calendar_months, carries_over
from assets.bills.engine.compute import make_bill
from assets.carbon.factor_choice.factor_view import factor_view
from assets.kpi.from_readings import COARSE
from assets.kpi.incremental.mart_sources import whole_site
from assets.kpi.mart_windows import Window
from assets.kpi.running_cost import interval_costs as interval_module
from assets.kpi.running_cost.demand_window import running_block
from assets.kpi.running_cost.interval_costs import NO_TARIFF, costs_of_months, interval_costs, main_meters
from assets.kpi.running_cost.month_to_date import running_figures
from assets.sites.calendar import day_types
from assets.sites.load_sites import load_site
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from assets.stores.warehouse.marts import read_mart, write_mart
from assets.stores.warehouse.warehouse_tables import SOURCE_SCHEMAS
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from orchestration.operations.answer import Table
from orchestration.operations.reports.running import running_parts
from reports.figures.running import running_now, running_result
from reports.recompute.computations import RUNNING
from tests.kpi.seeded import filled_lake, plant

D = Decimal
DEMO = Path(__file__).resolve().parents[2] / "assets" / "sites" / "demo"
MARCH, OCTOBER = (date(2025, 3, 1), date(2025, 4, 1)), (date(2025, 10, 1), date(2025, 11, 1))
QUARTER = timedelta(minutes=15)
RICH: dict[str, Any] = {
    "tariff_id": "rich",
    "valid_from": "2025-01-01",
    "valid_to": "2026-01-01",
    "periods": [{"period_id": "all", "price_per_kwh": 0.1234567}],
    "demand": [
        {
            "charge_id": "peak",
            "window_minutes": 30,
            "periods": [{"period_id": "all", "price_per_kw": 7.77}],
            "ratchet": {"share": 0.8, "months": 3},
        }
    ],
    "fixed": [{"charge_id": "base", "amount": 100, "per": "month"}],
    "taxes": [{"charge_id": "vat", "share": 0.19}],
}


def meter_rows(site: Site, start: date, end: date, *, seed: int, step: int = 1) -> pl.DataFrame:
    """Readings of every meter that imports or exports, and of a price stream, over local dates; every step-th row."""
    rng = np.random.default_rng(seed)
    at = local_midnight_utc(start, site.time_zone)
    count = (local_midnight_utc(end, site.time_zone) - at) // QUARTER
    streams = [(m.meter_id, r.register_id, "kwh") for m in site.meters for r in m.registers]
    streams = [(name, register, unit) for name, register, unit in streams if register in ("import", "export")]
    streams += [(site.price_stream, "value", "per_kwh")] if site.price_stream else []
    parts = [
        pl.DataFrame(
            {"meter_id": name, "register": register, "unit": unit, "interval_start_utc": at + QUARTER * number,
             "value": float(value) / 1e9 if unit == "kwh" else float(value % 10**6) / 1e6}
            for number, value in enumerate(rng.integers(0, 10**11, count))
            if number % step == 0 or unit == "per_kwh"
        )
        for name, register, unit in streams
    ]  # fmt: skip
    rows = pl.concat(parts).with_columns(
        site_id=pl.lit(site.site_id), interval_minutes=15, source_minutes=15, quality_code=0, source_line=1,
        is_synthetic=True, batch_id=pl.lit("b"), recorded_at_utc=pl.lit(datetime(2026, 1, 1, tzinfo=UTC)),
    )  # fmt: skip
    return rows.select(pl.col(name).cast(kind) for name, kind in LAKE_SCHEMA.items())


def netted(site: Site, rows: pl.DataFrame, start: date, end: date, register: str) -> Load:
    """One register of the main meters as a load, added up another way than the product does."""
    first = local_midnight_utc(start, site.time_zone)
    size = (local_midnight_utc(end, site.time_zone) - first) // QUARTER
    part = rows.filter(pl.col("meter_id").is_in(main_meters(site)) & (pl.col("register") == register))
    values = np.zeros(size, dtype=np.int64)
    for at, value in part.filter(pl.col("unit") == "kwh").select("interval_start_utc", "value").iter_rows():
        values[(at - first) // QUARTER] += round(value * 1e9)
    return Load(first, 15, values, np.ones(size, dtype=np.bool_))


@pytest.mark.parametrize("name", ["factory", "tower"])
@pytest.mark.parametrize("month", [MARCH, OCTOBER], ids=["March", "October"])
def test_the_costs_of_a_demo_month_add_up_to_its_bill(name: str, month: tuple[date, date]) -> None:
    site = load_site(DEMO / f"{name}.yaml")
    rows = meter_rows(site, *month, seed=3).filter(pl.col("register") == "import")
    found = costs_of_months(site, rows, [month], factors=factor_view(site))
    load = netted(site, rows, *month, "import")
    types = dict(day_types(site, *month).select("local_date", "day_type").iter_rows())
    bill = make_bill(
        site.tariffs, load, time_zone=site.time_zone, rounding="none", currency=site.currency, day_types=types
    )
    assert dict(found.schema) == SOURCE_SCHEMAS["interval_cost"]
    assert found.height == load.size
    lines = sum((line.amount.quantize(D("1e-9")) for line in bill.periods[0].lines), D(0))
    assert found["energy_cost"].sum() + found["other_cost"].sum() == lines
    assert abs(lines - bill.total) <= D("1e-9") * len(bill.periods[0].lines)
    assert found["import_kwh"].sum() == bill.periods[0].energy_kwh
    assert found["cost_finding"].null_count() == found.height


def test_a_supply_read_some_rows_at_a_time_is_the_same_supply(monkeypatch: pytest.MonkeyPatch) -> None:
    site, (start, end) = plant(), MARCH
    # Rows of a meter stand together: parts end within meters and between them.
    rows = meter_rows(site, start, end, seed=1, step=7)
    whole = interval_module.metered(site, rows, start, end)
    monkeypatch.setattr(interval_module, "_ROWS_AT_ONCE", 333)
    parts = interval_module.metered(site, rows, start, end)
    assert whole.load.load.sum() > 0
    assert (parts.is_read == whole.is_read).all()
    for name in ("load", "is_present", "generation"):
        assert np.array_equal(getattr(parts.load, name), getattr(whole.load, name))
    monkeypatch.setattr(interval_module, "nano", lambda values: 1 / 0 if values.sum() > 1e3 else values.astype("int64"))
    # What does not fit together is refused, however few rows are looked at.
    with pytest.raises(ZeroDivisionError):
        interval_module.metered(site, rows, start, end)


def test_the_demo_home_pays_the_price_of_its_stream_and_is_paid_for_what_it_exports() -> None:
    site, month = load_site(DEMO / "home.yaml"), MARCH
    rows = meter_rows(site, *month, seed=4)
    found = costs_of_months(site, rows, [month], factors=factor_view(site))
    prices = rows.filter(pl.col("unit") == "per_kwh").select(
        "interval_start_utc", price=pl.col("value").round(6).cast(pl.Decimal(12, 6))
    )
    joined = found.join(prices, on="interval_start_utc", how="left").select(
        "import_kwh", "export_kwh", "price", "energy_cost", "other_cost"
    )
    exact = sum((row[0] * row[2] - row[1] * D("0.6") for row in joined.iter_rows()), D(0))
    assert abs(joined["energy_cost"].sum() - exact) <= D("1e-9") * 2
    assert joined["other_cost"].sum() == 0
    assert found.height == 31 * 96 - 4


def test_a_price_that_lacks_leaves_its_quarter_hour_without_a_cost_and_the_others_as_they_are() -> None:
    site = load_site(DEMO / "home.yaml")
    every = meter_rows(site, *MARCH, seed=4)
    hole = datetime(2025, 3, 5, tzinfo=UTC)
    rows = every.filter((pl.col("unit") != "per_kwh") | (pl.col("interval_start_utc") != hole))
    found, whole = (costs_of_months(site, each, [MARCH], factors=factor_view(site)) for each in (rows, every))
    is_hole = pl.col("interval_start_utc") == hole
    assert found.filter(is_hole)["cost_finding"].to_list() == ["price_gap"]
    assert found.filter(is_hole)["energy_cost"].to_list() == [None]
    known, same = found.filter(~is_hole), whole.filter(~is_hole)
    assert known["cost_finding"].null_count() == known.height
    assert abs(known["energy_cost"].sum() - same["energy_cost"].sum()) <= D("1e-9") * 4
    assert known["other_cost"].to_list() == same["other_cost"].to_list()
    nothing = costs_of_months(site, every.filter(pl.col("unit") != "per_kwh"), [MARCH], factors=factor_view(site))
    assert nothing["cost_finding"].unique().to_list() == ["price_gap"]
    assert nothing["other_cost"].null_count() == 0


def test_reactive_energy_is_billed_where_it_is_read_and_missed_where_it_is_not() -> None:
    blind = RICH | {"reactive": [{"charge_id": "blind", "tan_phi": 0.5, "price_per_kvarh": 2}]}
    meters = [{"meter_id": "main", "registers": [{"register_id": "import"}, {"register_id": "q", "unit": "kvarh"}]}]
    site = plant(tariffs=[blind], meters=meters, seus=[])
    rows = meter_rows(site, *MARCH, seed=1)
    without = costs_of_months(site, rows, [MARCH], factors=factor_view(site))
    assert without["cost_finding"].unique().to_list() == ["no_reactive_energy"]
    assert without["energy_cost"].null_count() == 0
    kvarh = rows.with_columns(register=pl.lit("q"), unit=pl.lit("kvarh"))
    found = costs_of_months(site, pl.concat([rows, kvarh]), [MARCH], factors=factor_view(site))
    assert found["cost_finding"].null_count() == found.height
    # As many kvarh as kWh: half of them are beyond tan phi 0.5, two euros each, and the tax on them.
    more = found["other_cost"].sum() - without["other_cost"].sum()
    assert abs(more - found["import_kwh"].sum() * D("0.5") * 2 * D("1.19")) < D("1e-6")


def test_the_demand_window_is_that_of_the_charge_whose_hour_it_is() -> None:
    day = {"period_id": "day", "price_per_kw": 9, "start": "08:00", "end": "20:00"}
    charges = [
        {"charge_id": "peak", "window_minutes": 30, "periods": [day]},
        {"charge_id": "whole", "window_minutes": 60, "periods": [{"period_id": "all", "price_per_kw": 1}]},
    ]
    site = plant(tariffs=[RICH | {"demand": charges, "valid_from": "2025-03-16"}])
    found = costs_of_months(site, meter_rows(site, *MARCH, seed=1), [MARCH], factors=factor_view(site))
    local = found.with_columns(hour=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.hour())
    at = local.filter(pl.col("interval_start_utc") >= local_midnight_utc(date(2025, 3, 16), site.time_zone))
    is_day = pl.col("hour").is_between(8, 19)
    assert at.filter(is_day).select("demand_charge", "window_minutes").unique().rows() == [("peak", 30)]
    assert at.filter(~is_day).select("demand_charge", "window_minutes").unique().rows() == [("whole", 60)]
    before = local.filter(pl.col("interval_start_utc") < local_midnight_utc(date(2025, 3, 16), site.time_zone))
    assert before.select("demand_charge", "window_minutes").unique().rows() == [(None, 15)]
    assert set(at["block_minutes"]) == {15, 30, 45, 60}


@pytest.mark.parametrize(("month", "quarters"), [(MARCH, 31 * 96 - 4), (OCTOBER, 31 * 96 + 4)])
def test_months_of_a_clock_change_have_their_own_length(month: tuple[date, date], quarters: int) -> None:
    site = plant(tariffs=[RICH])
    found = costs_of_months(site, meter_rows(site, *month, seed=1), [month], factors=factor_view(site))
    assert found.height == quarters
    assert found["interval_start_utc"].is_unique().all()


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 1000), step=st.integers(1, 4), share=st.sampled_from([0.5, 0.8, 1.0]))
def test_demand_ratchet_fixed_amount_and_tax_are_laid_back_to_the_last_digit(
    seed: int, step: int, share: float
) -> None:
    rich = RICH | {"demand": [RICH["demand"][0] | {"ratchet": {"share": share, "months": 3}}]}
    site = plant(tariffs=[rich])
    months = calendar_months(date(2025, 3, 1), date(2025, 6, 1))
    rows = meter_rows(site, months[0][0], months[-1][1], seed=seed, step=step).filter(pl.col("register") == "import")
    found = costs_of_months(site, rows, months, factors=factor_view(site))
    load = netted(site, rows, months[0][0], months[-1][1], "import")
    bill = make_bill(site.tariffs, load, time_zone=site.time_zone, rounding="none", currency="EUR")
    for period, part in zip(bill.periods, found.partition_by("bill_start", maintain_order=True), strict=True):
        lines = sum((line.amount.quantize(D("1e-9")) for line in period.lines), D(0))
        assert part["energy_cost"].sum() + part["other_cost"].sum() == lines
        energy = sum((line.amount.quantize(D("1e-9")) for line in period.lines if line.component == "energy"), D(0))
        assert part["energy_cost"].sum() == energy


def test_days_without_a_tariff_have_no_cost_and_a_month_in_two_parts_two_bills() -> None:
    site = plant(tariffs=[RICH | {"valid_to": "2025-03-11"}])
    months = calendar_months(date(2025, 3, 1), date(2025, 5, 1))
    found = costs_of_months(
        site, meter_rows(site, months[0][0], months[-1][1], seed=1), months, factors=factor_view(site)
    )
    billed = found.filter(pl.col("interval_start_utc") < local_midnight_utc(date(2025, 3, 11), site.time_zone))
    assert billed.height == 10 * 96
    assert billed["energy_cost"].null_count() == 0
    rest = found.filter(pl.col("interval_start_utc") >= local_midnight_utc(date(2025, 3, 11), site.time_zone))
    assert rest["cost_finding"].unique().to_list() == [NO_TARIFF]
    assert rest["other_cost"].null_count() == rest.height
    assert rest["import_kwh"].null_count() == 0
    without = costs_of_months(plant(tariffs=[]), meter_rows(site, *MARCH, seed=1), [MARCH], factors=factor_view(site))
    assert without["cost_finding"].unique().to_list() == [NO_TARIFF]


def test_nothing_read_is_not_zero_and_half_of_the_supply_is_not_present() -> None:
    site = plant(tariffs=[RICH])
    rows = meter_rows(site, *MARCH, seed=1)
    start = local_midnight_utc(MARCH[0], site.time_zone)
    rows = rows.filter((pl.col("interval_start_utc") != start) & ~(
        (pl.col("interval_start_utc") == start + QUARTER) & (pl.col("meter_id") == "annex")
    ))  # fmt: skip
    found = costs_of_months(site, rows, [MARCH], factors=factor_view(site)).head(4)
    assert main_meters(site) == ("main", "annex", "pv")
    assert found["import_kwh"].is_null().to_list() == [True, False, False, False]
    assert found["is_present"].to_list() == [False, False, True, True]
    assert found["block_kwh"].is_null().to_list() == [True, True, False, False]
    assert found["block_minutes"].to_list() == [15, 30, 15, 30]
    assert found["block_kwh"][3] == found["import_kwh"][2] + found["import_kwh"][3]


def test_a_rolling_window_holds_the_last_minutes_and_a_fixed_one_begins_again() -> None:
    present = np.array([True, True, True, True, False, True])
    load = Load(datetime(2025, 1, 1, tzinfo=UTC), 15, np.array([1, 2, 4, 8, 0, 16]), present)
    assert [each.tolist() for each in running_block(load, 30)] == [[1, 3, 4, 12, -1, -1], [15, 30, 15, 30, 15, 30]]
    rolling = running_block(load, 30, is_rolling=True)
    assert [each.tolist() for each in rolling] == [[1, 3, 6, 12, -1, -1], [15, 30, 30, 30, 30, 30]]


def test_the_hours_own_factor_comes_from_the_stream_of_that_unit() -> None:
    driver = {"driver_id": "grid_co2", "unit": "kgco2e_per_kwh", "aggregation": "mean"}
    site = plant(drivers=[driver])
    rows = meter_rows(site, *MARCH, seed=1)
    hour = rows[:4].with_columns(
        meter_id=pl.lit("grid_co2"), register=pl.lit("value"), unit=pl.lit("kgco2e_per_kwh"), value=pl.lit(0.1234567)
    )
    found = costs_of_months(site, pl.concat([rows, hour]), [MARCH], factors=factor_view(site)).select(
        "kgco2e_per_kwh", "is_hourly_factor"
    )
    assert found.head(4).rows() == [(D("0.1234567"), True)] * 4
    # The day's own factor of the site file holds where no hour is known.
    assert found[4:].unique().rows() == [(D("0.38"), False)]


@pytest.mark.parametrize("tariffs", [plant().tariffs, (RICH,)], ids=["plain", "with a ratchet"])
def test_a_window_of_a_month_gives_what_the_whole_site_gives(lake: Lake, tariffs: Any) -> None:
    site = plant(tariffs=[t if isinstance(t, dict) else t.model_dump(exclude_unset=True) for t in tariffs])
    filled_lake(lake, site, seed=2)
    whole = whole_site(site, lake)
    assert whole is not None
    every = interval_costs(site, lake, [whole])
    month = interval_costs(site, lake, [Window(site_id="plant", first=OCTOBER[0], after=OCTOBER[1])])
    first = local_midnight_utc(OCTOBER[0], site.time_zone)
    assert_frame_equal(month, every.filter(pl.col("interval_start_utc") >= first).head(month.height))
    assert month.height == 31 * 96 + 4
    assert carries_over(site.tariffs) == (tariffs == (RICH,))
    assert interval_costs(site, lake, []).is_empty()
    assert interval_costs(plant(site_id="other"), lake, [whole]).is_empty()


def marts(*, is_present: bool = True) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two quarter hours of a month as the marts hold them, and one projection."""
    at = datetime(2025, 3, 1, tzinfo=UTC)
    common = {
        "site_id": "s",
        "local_date": date(2025, 3, 1),
        "currency": "EUR",
        "window_minutes": 30,
        "demand_charge": "peak",
    }
    rows = [
        common | {"interval_start_utc": at, "is_present": True, "energy_cost": D(1), "other_cost": D("0.5"),
                  "block_minutes": 15, "block_demand_kw": 40.0, "month_import_kwh": D(10), "month_cost": D("1.5"),
                  "month_emission_kgco2e": D(4), "month_peak_kw": None, "month_covered_minutes": 15,
                  "month_elapsed_minutes": 15, "month_uncosted_minutes": 0, "month_unfactored_minutes": 0,
                  "cost_finding": None},
        common | {"interval_start_utc": at + QUARTER, "is_present": is_present, "energy_cost": None,
                  "other_cost": None, "block_minutes": 30, "block_demand_kw": 60.0, "month_import_kwh": D(30),
                  "month_cost": D("1.5"), "month_emission_kgco2e": D(4), "month_peak_kw": 60.0,
                  "month_covered_minutes": 15 + 15 * is_present, "month_elapsed_minutes": 30,
                  "month_uncosted_minutes": 15, "month_unfactored_minutes": 15, "cost_finding": NO_TARIFF},
    ]  # fmt: skip
    ahead = {
        "site_id": "s", "local_date": date(2025, 3, 1), "projected_import_kwh": 310.0, "projected_cost": None,
        "projected_emission_kgco2e": 12.0, "projected_peak_kw": 70.0, "method": "m", "finding": "cost_unknown",
    }  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None), pl.DataFrame([ahead], infer_schema_length=None)


def test_running_figures_are_those_of_the_last_quarter_hour_that_is_over() -> None:
    quarters, ahead = marts()
    first = running_figures("s", quarters, ahead, at_utc=datetime(2025, 3, 1, 0, 29, tzinfo=UTC))
    assert (first.import_kwh, first.cost, first.block_demand_kw, first.block_minutes) == (10, D("1.5"), 40, 15)
    assert [finding.code for finding in first.findings] == ["cost_unknown"]
    now = running_figures("s", quarters, ahead)
    assert now.at_utc == datetime(2025, 3, 1, 0, 30, tzinfo=UTC)
    assert (now.import_kwh, now.energy_cost, now.other_cost, now.peak_kw) == (30, 1, D("0.5"), 60)
    assert (now.projected_import_kwh, now.projected_cost, now.projected_on) == (310, None, date(2025, 3, 1))
    assert [finding.code for finding in now.findings] == [NO_TARIFF, "no_factor", "cost_unknown"]


def test_a_finding_stands_at_the_figures_that_it_touches_and_at_no_other() -> None:
    quarters, ahead = marts()
    found = running_figures("s", quarters, ahead).with_coarse_source()
    codes = {field: [each.code for each in found.touching(field)] for field in RUNNING}
    assert codes["cost"] == codes["energy_cost"] == codes["other_cost"] == [NO_TARIFF]
    assert codes["projected_cost"] == [NO_TARIFF, "cost_unknown"]
    assert codes["emission_kgco2e"] == codes["projected_emission_kgco2e"] == ["no_factor"]
    assert codes["peak_kw"] == codes["block_demand_kw"] == codes["projected_peak_kw"] == [COARSE]
    assert codes["import_kwh"] == codes["projected_import_kwh"] == []
    gap = running_figures("s", *marts(is_present=False), at_utc=datetime(2025, 3, 1, 0, 30, tzinfo=UTC))
    assert {each.code for each in gap.touching("import_kwh")} == {"gap"}
    assert {each.code for each in gap.touching("peak_kw")} == {"gap"}
    # Nothing that was stored before a finding named its figures reads or digests otherwise.
    assert "measures" not in Finding(code="gap", message="").model_dump_json()


def test_a_gap_is_a_coverage_and_an_instant_outside_of_the_marts_is_refused() -> None:
    quarters, ahead = marts(is_present=False)
    late = running_figures("s", quarters, ahead.clear(), at_utc=datetime(2025, 3, 1, 0, 30, tzinfo=UTC))
    assert late.coverage == 0.5
    assert late.findings[-1].facts == {"minutes": 15, "elapsed_minutes": 30, "coverage": 0.5}
    assert (late.method, late.projected_on) == ("", None)
    assert running_figures("s", quarters, ahead).at_utc == datetime(2025, 3, 1, 0, 15, tzinfo=UTC)
    with pytest.raises(BadInput, match="do not reach 2025-03-01 01:00 UTC"):
        running_figures("s", quarters, ahead, at_utc=datetime(2025, 3, 1, 1, tzinfo=UTC))
    with pytest.raises(BadInput, match="no reading of its main meters yet"):
        running_figures("s", quarters.clear(), ahead)


def test_the_command_prints_units_and_what_is_not_known(tmp_path: Path) -> None:
    quarters, ahead = marts()
    write_mart(quarters, tmp_path, "mart_site__quarter_hour_running", years=None)
    write_mart(ahead, tmp_path, "mart_site__day_projection", years=None)
    found = running_now(partial(read_mart, tmp_path), "s", None)
    result, parts = (make(found, "Europe/Berlin", {"cost": "f1"}) for make in (running_result, running_parts))
    [table] = [each for each in parts if isinstance(each, Table)]
    text = str(parts[-1])
    assert table.cells(result)[1] == ["Energy cost", "€", "1.50", "–", "f1"]
    assert result["month_to_date"]["import_kwh"] == 30
    assert result["demand"] == {"block_kw": 60, "block_minutes": 30, "window_minutes": 30, "charge": "peak"}
    assert result["projection"]["cost"] is None
    assert "demand of the last 30 of 30 minutes: 60 kW (peak)" in text
    assert "no tariff in force: no tariff of the site file is in force" in text
