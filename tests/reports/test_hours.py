"""The hourly match of the inventory: certificates in their hour, months that add up, hours that nobody knows."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from assets.carbon.by_hour.site_match import local_hour, site_hours
from assets.stores.lake.lake import KEY
from assets.stores.ledgers.factor_ledger import FactorStore
from data_quality.contracts.factor import Basis, Factor, FactorSet
from data_quality.contracts.site_file.meter import HourlyInstrument
from data_quality.contracts.site_file.site import Driver, Site
from data_quality.contracts.time import Period, local_midnight_utc
from reports.recompute.figure import recompute
from reports.report_content import ReportContent
from tests.reports import plant
from tests.reports.year_world import Year, close, make_year, year_rows, year_site

END = date(2025, 4, 1)


def hourly_site(**changes: object) -> Site:
    """The plant with the grid's factor by interval and a wind contract whose hours are a stream."""
    site = year_site()
    drivers = (
        *site.drivers,
        Driver(driver_id="grid", unit="kgco2e_per_kwh", aggregation="mean"),
        Driver(driver_id="wind", unit="kwh", aggregation="sum"),
    )
    held = (HourlyInstrument(factor_id="wind-2025", stream="wind"),)
    return Site.model_validate({**dict(site), "drivers": drivers, "hourly_certificates": held, **changes})


def hourly_rows(*, lost: date | None = None) -> pl.DataFrame:
    """A quarter: the grid at 0.3 by day (local 6 to 18) and 0.5 by night; wind of 20 kWh a quarter hour by night."""
    rows = year_rows(END, lost=())
    clock = rows.filter(pl.col("meter_id") == "gas")
    hour = pl.col("interval_start_utc").dt.convert_time_zone(plant.ZONE).dt.hour()
    is_day = (hour >= 6) & (hour < 18)
    grid = clock.with_columns(
        meter_id=pl.lit("grid"), register=pl.lit("value"), unit=pl.lit("kgco2e_per_kwh"),
        value=pl.when(is_day).then(0.3).otherwise(0.5),
    )  # fmt: skip
    if lost is not None:
        start = local_midnight_utc(lost, plant.ZONE)
        grid = grid.filter(pl.col("interval_start_utc") != start)
    wind = clock.filter(~is_day).with_columns(
        meter_id=pl.lit("wind"), register=pl.lit("value"), unit=pl.lit("kwh"), value=pl.lit(20.0)
    )
    return pl.concat([rows, grid, wind]).sort(KEY)


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Year]:
    """The quarter with a recorded contract of 50 MWh and a residual mix."""
    made = make_year(tmp_path_factory.mktemp("hours"), site=hourly_site(), rows=hourly_rows())
    rows = [
        _factor("wind-2025", Basis.CONTRACT, Decimal("0.01"), Decimal(50_000)),
        _factor("rest-2025", Basis.RESIDUAL, Decimal("0.6"), None),
    ]
    kept = FactorSet(path="f.csv", sha256="0" * 64, factors=tuple(rows))
    FactorStore(made.world.lake.store).add(kept, clock=made.world.clock, tenant="plant")
    made.world.clock.advance(timedelta(minutes=1))
    yield made
    close(made)


def _factor(name: str, basis: Basis, value: Decimal, kwh: Decimal | None) -> Factor:
    return Factor(
        factor_id=name, scope=2, activity="electricity", unit="kWh", kg_co2e_per_unit=value, basis=basis,
        valid_from=date(2025, 1, 1), valid_to=date(2026, 1, 1), instrument_kwh=kwh,
    )  # fmt: skip


def of(content: ReportContent, kpi: str) -> Decimal:
    """A figure of the whole span."""
    found = next(f.value for f in content.figures if f.kpi == kpi and f.path.startswith("hours/") and f.end == END
                 and f.start == date(2025, 1, 1))  # fmt: skip
    assert found is not None, kpi
    return found


def test_the_match_is_what_hand_arithmetic_makes_of_the_quarter_hours(year: Year) -> None:
    content = year.report("ghg_inventory", "2025-Q1")
    rows = hourly_rows().filter(pl.col("meter_id") == "main")
    zone = ZoneInfo(plant.ZONE)
    load: dict[datetime, Decimal] = {}
    location, by_day = Decimal(0), Decimal(0)
    for at_utc, kwh in rows.select("interval_start_utc", "value").iter_rows():
        exact = Decimal(repr(kwh)).quantize(Decimal("1e-9"))
        local = at_utc.astimezone(zone)
        is_day = 6 <= local.hour < 18
        location += exact * (Decimal("0.3") if is_day else Decimal("0.5"))
        by_day += exact if is_day else 0
        if not is_day:
            hour = local_hour(at_utc, zone)
            load[hour] = load.get(hour, Decimal(0)) + exact
    left, matched = Decimal(50_000), Decimal(0)
    for hour in sorted(load):
        wind = min(Decimal(80), left)
        left -= wind
        matched += min(wind, load[hour])
    total = by_day + sum(load.values())
    assert of(content, "load_kwh") == total
    assert of(content, "matched_kwh") == matched
    assert abs(of(content, "location_kgco2e") - location) < Decimal("1e-20")
    rest = (total - matched) * Decimal("0.6") + matched * Decimal("0.01")
    assert abs(of(content, "market_kgco2e") - rest) < Decimal("1e-20")
    assert of(content, "volumetric_kwh") == min(Decimal(50_000), total)
    assert of(content, "matched_kwh") <= of(content, "volumetric_kwh")
    assert "hourly_instrument_overdrawn" in {each.code for each in content.findings}


def test_months_add_up_and_every_number_is_made_again(year: Year) -> None:
    content = year.report("ghg_inventory", "2025-Q1")
    hours = [f for f in content.figures if f.path.startswith("hours/")]
    for kpi in ("load_kwh", "matched_kwh", "volumetric_kwh", "location_kgco2e", "market_kgco2e"):
        months = [f.value or 0 for f in hours if f.kpi == kpi and (f.end - f.start).days < 32]
        assert len(months) == 3
        assert sum(months) == of(content, kpi)
    for each in hours:
        assert recompute(each, sources=year.sources(), lookup=content.figure) == each.value, each.path


def test_an_hour_without_a_factor_makes_its_month_unknown_and_says_so(tmp_path: Path) -> None:
    rows = hourly_rows(lost=date(2025, 2, 3))
    made = make_year(tmp_path, site=hourly_site(hourly_certificates=()), rows=rows)
    content = made.report("ghg_inventory", "2025-Q1")
    by_month = {
        f.start.month: f.value
        for f in content.figures
        if f.kpi == "location_kgco2e" and f.path.startswith("hours/") and (f.end - f.start).days < 32
    }
    assert by_month[2] is None
    assert by_month[1] is not None
    said = next(each for each in content.findings if each.code == "hourly_factor_gap")
    assert said.facts["hours_without_factor"] == 1
    assert of(content, "matched_kwh") == 0
    close(made)


def test_a_site_without_hours_says_that_they_are_not_known(tmp_path: Path) -> None:
    made = make_year(tmp_path, rows=year_rows(END, lost=()))
    content = made.report("ghg_inventory", "2025-Q1")
    assert "hours_not_known" in {each.code for each in content.findings}
    shown = {row.cells[0].text: row.cells[1].text for t in content.tables() if t.key == "hourly" for row in t.rows}
    assert shown["Scope 2 by the hour, location-based"] == "–"
    assert shown["Hourly match"] == "0.00 %"
    close(made)


def test_an_hour_of_the_local_clock_lies_in_one_month_whatever_the_offset() -> None:
    zone = ZoneInfo("Asia/Kolkata")
    midnight = local_midnight_utc(date(2025, 2, 1), "Asia/Kolkata")
    assert local_hour(midnight, zone) == midnight
    assert local_hour(midnight - timedelta(minutes=15), zone) == midnight - timedelta(hours=1)


def test_the_hours_of_a_change_of_clock_are_all_there() -> None:
    site, rows = hourly_site(), hourly_rows()
    day = Period(label="", start=date(2025, 3, 30), end=date(2025, 3, 31), time_zone=plant.ZONE)
    start, end = day.start_utc, day.end_utc
    small = rows.filter((pl.col("interval_start_utc") >= start) & (pl.col("interval_start_utc") < end))
    found = site_hours(small, site=site, period=day)
    assert len(found.load_kwh) == 23
    assert not found.gaps
