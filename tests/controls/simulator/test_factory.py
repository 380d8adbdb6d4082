"""The plant gives back the coefficients it was made of, improves as configured, and adds up."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from assets.sites.calendar import day_types
from controls.simulator.physics.grid import year_grid
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.worlds.factory import FactoryTruth, generate_factory_year, improvement_factors, production
from controls.simulator.worlds.generate import SEED, generate_site
from data_quality.contracts.site_file.site import Site

TRUTH = FactoryTruth()
ZONE = "Europe/Berlin"


def by_day(made: SimulatedSite, meters: list[str], year: int) -> pl.DataFrame:
    """local_date, kwh, count, hours running, mean degc, degc above and below the comfort band, quarter hours."""
    local = pl.col("timestamp").dt.convert_time_zone(ZONE).dt.date().alias("local_date")
    energy = made.meters.filter(pl.col("meter").is_in(meters)).group_by(local).agg(pl.col("kwh").sum())
    drivers = made.drivers.group_by(local).agg(
        pl.col("production_count").sum(),
        pl.col("operating_hours").sum(),
        pl.col("outdoor_degc").mean(),
        hours=pl.len() / 4,
    )
    days = energy.join(drivers, on="local_date").filter(pl.col("local_date").dt.year() == year).sort("local_date")
    return days.with_columns(
        hdd=(16.0 - pl.col("outdoor_degc")).clip(lower_bound=0.0),
        cdd=(pl.col("outdoor_degc") - 20.0).clip(lower_bound=0.0),
    )


def fit(days: pl.DataFrame, columns: list[str]) -> tuple[dict[str, float], float]:
    """Least squares with an intercept: coefficients by name and R2."""
    x = np.column_stack([np.ones(days.height), *(days[column].to_numpy() for column in columns)])
    y = days["kwh"].to_numpy()
    beta, *_ = np.linalg.lstsq(x, y, rcond=None)
    r2 = 1 - np.sum((y - x @ beta) ** 2) / np.sum((y - y.mean()) ** 2)
    return dict(zip(["intercept", *columns], beta.tolist(), strict=True)), float(r2)


def test_a_leap_year_has_8784_hours_of_every_meter(factory: SimulatedSite) -> None:
    of_2024 = factory.meters.filter(pl.col("timestamp").dt.convert_time_zone(ZONE).dt.year() == 2024)
    counts = of_2024.group_by("meter").len()
    assert counts["meter"].len() == 8
    assert set(counts["len"]) == {8784 * 4}


def test_the_main_meter_is_the_sum_and_a_small_rest(factory: SimulatedSite) -> None:
    wide = (
        factory.meters.with_columns(is_main=pl.col("meter") == "main")
        .group_by("timestamp", "is_main")
        .agg(pl.col("kwh").sum())
    )
    main = wide.filter("is_main").sort("timestamp")["kwh"]
    parts = wide.filter(~pl.col("is_main")).sort("timestamp")["kwh"]
    assert ((main - parts) > 0).all()
    assert 0.03 <= (main.sum() - parts.sum()) / main.sum() <= 0.05


def test_no_machine_exceeds_its_connected_load(factory: SimulatedSite, factory_site: Site) -> None:
    peaks = dict(factory.meters.group_by("meter").agg(pl.col("kwh").max() * 4).iter_rows())
    for meter in factory_site.meters:
        assert meter.connected_load_kw is not None
        assert 0.2 * meter.connected_load_kw < peaks[meter.meter_id] <= meter.connected_load_kw, meter.meter_id


def test_the_weekend_makes_three_tenths_of_a_working_day(factory: SimulatedSite, factory_site: Site) -> None:
    days = by_day(factory, ["main"], 2024).join(
        day_types(factory_site, date(2024, 1, 1), date(2025, 1, 1)), on="local_date"
    )
    work = days.filter(pl.col("day_type") == "weekday")["production_count"].mean()
    rest = days.filter(pl.col("day_type") != "weekday")["production_count"].mean()
    assert rest / work == pytest.approx(0.3, abs=0.02)
    # Working-day output per hour of the line stays in the band of the machine.
    assert 1000 <= work / 24 <= 1500


def test_the_night_shift_is_the_slowest(factory_site: Site) -> None:
    grid = year_grid(factory_site, 2024)
    count, running_h = production(grid, TRUTH, seed=SEED)
    pace = {name: count[mask].sum() / running_h[mask].sum() for name, mask in {
        "early": (grid.local_hour >= 6) & (grid.local_hour < 14),
        "late": (grid.local_hour >= 14) & (grid.local_hour < 22),
        "night": (grid.local_hour >= 22) | (grid.local_hour < 6),
    }.items()}  # fmt: skip
    assert pace["early"] > pace["late"] > pace["night"]
    assert pace["night"] / pace["early"] == pytest.approx(0.90, abs=0.01)


def test_compressors_give_back_their_true_coefficients(factory: SimulatedSite) -> None:
    days = by_day(factory, ["compressor_1", "compressor_2"], 2024)
    found, r2 = fit(days, ["production_count", "outdoor_degc"])
    assert r2 > 0.95
    assert found["production_count"] == pytest.approx(0.024 + 0.016, rel=0.03)
    assert found["outdoor_degc"] == pytest.approx(24 * (0.15 + 0.10), rel=0.15)
    assert found["intercept"] == pytest.approx(24 * (14 + 9), rel=0.05)


def test_hvac_gives_back_both_arms_of_its_v(factory: SimulatedSite) -> None:
    days = by_day(factory, ["hvac_main", "hvac_hall"], 2024)
    found, r2 = fit(days, ["hdd", "cdd"])
    assert r2 > 0.97
    assert found["hdd"] == pytest.approx(24 * (1.6 + 1.0), rel=0.03)
    assert found["cdd"] == pytest.approx(24 * (1.9 + 1.2), rel=0.10)
    assert found["intercept"] == pytest.approx(24 * (9 + 6), rel=0.05)
    # One straight line through a V is worse: the change point is real.
    assert fit(days, ["outdoor_degc"])[1] < r2 - 0.05


def test_the_line_gives_back_output_and_running_time(factory: SimulatedSite) -> None:
    days = by_day(factory, ["conveyor", "hydraulic_pump", "injection_moulding"], 2024)
    found, r2 = fit(days, ["production_count", "operating_hours"])
    assert r2 > 0.97
    assert found["production_count"] == pytest.approx(0.008 + 0.012 + 0.045, rel=0.10)
    assert found["operating_hours"] == pytest.approx(4 + 9 + 18, rel=0.30)


def test_the_second_year_uses_two_to_four_percent_less_for_the_same_drivers(factory: SimulatedSite) -> None:
    for meters, drivers in (
        (["compressor_1", "compressor_2"], ["production_count", "outdoor_degc"]),
        (["hvac_main", "hvac_hall"], ["hdd", "cdd"]),
        (["conveyor", "hydraulic_pump", "injection_moulding"], ["production_count", "operating_hours"]),
    ):
        found, _ = fit(by_day(factory, meters, 2024), drivers)
        later = by_day(factory, meters, 2025)
        expected = found["intercept"] * later.height + sum(found[name] * later[name].sum() for name in drivers)
        assert -0.04 <= later["kwh"].sum() / expected - 1 <= -0.02, meters


def test_improvement_is_drawn_for_each_machine_and_month() -> None:
    none = improvement_factors(TRUTH, year=2024, seed=SEED)
    assert all((factors == 1.0).all() for factors in none.values())
    drawn = improvement_factors(TRUTH, year=2025, seed=SEED)
    values = np.concatenate(list(drawn.values()))
    assert len(set(values.tolist())) == 7 * 12
    assert ((values >= 0.96) & (values <= 0.98)).all()


def test_without_improvement_the_second_year_saves_nothing(factory_site: Site) -> None:
    still = FactoryTruth(improvement_low=1.0, improvement_high=1.0)
    improved = generate_factory_year(factory_site, 2025, seed=SEED)
    unimproved = generate_factory_year(factory_site, 2025, seed=SEED, truth=still)
    ratio = improved.meters["kwh"].sum() / unimproved.meters["kwh"].sum()
    assert 0.96 <= ratio < 0.98


def test_the_same_seed_makes_the_same_plant_and_another_seed_another(factory_site: Site) -> None:
    first = generate_factory_year(factory_site, 2024, seed=1)
    assert first.meters.equals(generate_factory_year(factory_site, 2024, seed=1).meters)
    assert not first.meters.equals(generate_factory_year(factory_site, 2024, seed=2).meters)


def test_a_month_alone_equals_that_month_of_the_years(factory: SimulatedSite, factory_site: Site) -> None:
    start, end = date(2025, 3, 1), date(2025, 4, 1)
    alone = generate_site(factory_site, start=start, end=end)
    cut = factory.between(start, end, prices_end=end)
    assert alone.meters.equals(cut.meters)
    assert alone.drivers.equals(cut.drivers)
    # The last Sunday of March has 23 hours.
    assert alone.drivers.height == 4 * (31 * 24 - 1)
