"""The tower's meters add up, its physics behaves like a building's, and its gas is its volume times its heat."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from controls.simulator.physics.grid import year_grid
from controls.simulator.physics.simulated import UNITS_PER_KWH, SimulatedSite
from controls.simulator.worlds.generate import generate_site
from controls.simulator.worlds.tower import TowerTruth, generate_tower_year
from data_quality.contracts.site_file.site import Site

TRUTH = TowerTruth()
ZONE = "America/New_York"
TOP = [*TRUTH.tenants, "landlord", "lifts", "server_room", "hvac"]
HVAC = ["chiller", "ahu_low", "ahu_high"]


def units(made: SimulatedSite, meter: str, register: str = "import") -> np.ndarray:
    """Whole ten-thousandths of a kWh or m3, in order of time."""
    for frame, unit in ((made.meters, "kwh"), (made.volumes, "m3")):
        assert frame is not None
        found = frame.filter((pl.col("meter") == meter) & (pl.col("register") == register))
        if found.height:
            return np.rint(found.sort("timestamp")[unit].to_numpy() * UNITS_PER_KWH).astype(np.int64)
    raise AssertionError(f"no stream {meter}.{register}")


def daily(made: SimulatedSite, meter: str, register: str = "import") -> pl.DataFrame:
    """local_date, amount, mean outdoor_degc, mean occupancy."""
    local = pl.col("timestamp").dt.convert_time_zone(ZONE).dt.date().alias("local_date")
    amount = pl.Series("amount", units(made, meter, register) / UNITS_PER_KWH)
    frame = made.drivers.with_columns(amount)
    return (
        frame.group_by(local)
        .agg(pl.col("amount").sum(), pl.col("outdoor_degc").mean(), pl.col("occupancy").mean())
        .sort("local_date")
    )


def test_the_supply_is_what_the_parts_leave_and_a_stated_rest(tower: SimulatedSite) -> None:
    # Losses without load, then a share of everything that flows; what remains was never sub-metered.
    assert_balanced(tower, TOP)


@pytest.mark.parametrize("forgotten", TOP)
def test_a_forgotten_meter_would_be_noticed(forgotten: str, tower: SimulatedSite) -> None:
    with pytest.raises(AssertionError):
        assert_balanced(tower, [meter for meter in TOP if meter != forgotten])


def assert_balanced(made: SimulatedSite, meters: list[str]) -> None:
    """The rest is never negative and between two and three percent of what the building uses."""
    net = units(made, "main") - units(made, "main", "export") + units(made, "pv", "value")
    rest = net - sum(units(made, meter) for meter in meters)
    assert (rest > 0).all()
    assert 0.02 < rest.sum() / net.sum() < 0.04


def test_losses_and_rest_are_those_of_the_truth(tower_site: Site) -> None:
    lossless = TowerTruth(rest_kw=0, rest_day_kw=0, transformer_kw=0, loss_share=0)
    made = generate_tower_year(tower_site, 2025, seed=5, truth=lossless)
    net = units(made, "main") - units(made, "main", "export") + units(made, "pv", "value")
    assert (net == sum(units(made, meter) for meter in TOP)).all()


def test_the_plant_is_chiller_fans_and_pumps(tower: SimulatedSite) -> None:
    pumps = units(tower, "hvac") - sum(units(tower, meter) for meter in HVAC)
    assert pumps.min() >= 0.25 * TRUTH.pumps_kw * UNITS_PER_KWH - 1
    assert pumps.sum() < 0.2 * units(tower, "hvac").sum()


def test_import_and_export_never_flow_at_once(tower: SimulatedSite) -> None:
    both = np.minimum(units(tower, "main"), units(tower, "main", "export"))
    assert both.max() == 0
    assert units(tower, "main", "export").sum() > 0


def test_the_sun_does_not_shine_at_night(tower: SimulatedSite, tower_site: Site) -> None:
    grid = year_grid(tower_site, 2025)
    pv = units(tower, "pv", "value")
    month, hour = grid.month, grid.local_hour
    assert pv[(hour >= 22) | (hour < 4)].max() == 0
    assert pv[(month == 12) & ((hour >= 17) | (hour < 7))].max() == 0
    assert pv[(month == 6)].sum() > 2 * pv[month == 12].sum()
    # The sun is highest at about 13:00 where clocks are an hour ahead of it.
    by_hour = np.bincount(hour[month == 6].astype(np.int64), pv[month == 6])
    assert by_hour.argmax() in (12, 13)


def test_gas_and_steam_fall_with_temperature_down_to_hot_water(tower: SimulatedSite) -> None:
    for meter, summer_kwh in (("gas_boiler", 24 * (TRUTH.hot_water_kw + 8)), ("steam", 24 * TRUTH.steam_losses_kw)):
        days = daily(tower, meter)
        cold = days.filter(pl.col("outdoor_degc") < 8)
        warm = days.filter(pl.col("outdoor_degc") > 20)
        assert np.corrcoef(cold["outdoor_degc"], cold["amount"])[0, 1] < -0.85
        mean = warm["amount"].mean()
        assert isinstance(mean, float)
        assert mean == pytest.approx(summer_kwh, rel=0.5)
        assert cold["amount"].min() > 3 * mean  # type: ignore[operator]


def test_gas_in_kwh_is_its_volume_times_the_stated_heat(tower: SimulatedSite, tower_site: Site) -> None:
    stated = {each.multipliers["volume_m3"] for each in tower_site.column_maps if each.multipliers}
    assert stated == {TRUTH.calorific_kwh_per_m3}
    volume, energy = units(tower, "gas_boiler", "volume"), units(tower, "gas_boiler")
    assert (volume * 1066 == energy * 100).all()


def test_cooling_rises_with_temperature_and_the_chiller_is_better_on_cool_days(tower: SimulatedSite) -> None:
    cooling, electricity = daily(tower, "chilled_water"), daily(tower, "chiller")
    warm = cooling.filter(pl.col("outdoor_degc") > 19)
    assert np.corrcoef(warm["outdoor_degc"], warm["amount"])[0, 1] > 0.5
    cop = cooling["amount"] / electricity["amount"]
    assert (cop > 3.0).all()
    assert (cop <= 7.001).all()
    assert np.corrcoef(cooling["outdoor_degc"], cop)[0, 1] < -0.9


def test_tenants_follow_people_and_the_server_room_does_not(tower: SimulatedSite) -> None:
    office = daily(tower, "floors_05_08")
    assert np.corrcoef(office["occupancy"], office["amount"])[0, 1] > 0.95
    server = units(tower, "server_room")
    assert server.std() < 0.1 * server.mean()


def test_free_days_empty_the_floors_but_not_the_shop(tower: SimulatedSite, tower_site: Site) -> None:
    grid = year_grid(tower_site, 2025)
    for meter, least, most in (("floors_02_04", 0.0, 0.6), ("lobby_retail", 0.8, 1.2)):
        amounts = units(tower, meter)
        ratio = amounts[grid.is_free].mean() / amounts[~grid.is_free].mean()
        assert least < ratio < most, (meter, ratio)


def test_water_follows_people_and_never_quite_stops(tower: SimulatedSite) -> None:
    water = units(tower, "water")
    assert water.min() > 0
    people = daily(tower, "water").filter(pl.col("outdoor_degc") < 10)
    assert np.corrcoef(people["occupancy"], people["amount"])[0, 1] > 0.9


def test_no_meter_exceeds_its_connected_load_or_sleeps_below_it(tower: SimulatedSite, tower_site: Site) -> None:
    peaks = {
        (meter, register): 4 * kwh
        for meter, register, kwh in tower.meters.group_by("meter", "register").agg(pl.col("kwh").max()).iter_rows()
    }
    for meter in tower_site.meters:
        if meter.connected_load_kw is not None:
            peak_kw = max(value for (name, _), value in peaks.items() if name == meter.meter_id)
            assert 0.4 * meter.connected_load_kw < peak_kw <= meter.connected_load_kw, (meter.meter_id, peak_kw)


def test_every_stream_of_the_site_file_is_simulated_and_says_so(tower: SimulatedSite, tower_site: Site) -> None:
    named = {(meter.meter_id, register.register_id) for meter in tower_site.meters for register in meter.registers}
    assert tower.volumes is not None
    made = {*tower.meters.select("meter", "register").unique().iter_rows()}
    made |= {*tower.volumes.select("meter", "register").unique().iter_rows()}
    assert made == named
    assert set(tower.drivers.columns) - {"timestamp", "is_synthetic"} == {d.driver_id for d in tower_site.drivers}
    for frame in (tower.meters, tower.volumes, tower.drivers):
        assert frame["is_synthetic"].all()


def test_local_years_have_their_hours(tower: SimulatedSite) -> None:
    assert tower.drivers.height == 4 * 8760
    november = generate_site_days(tower, date(2025, 11, 2), date(2025, 11, 3))
    assert november == 4 * 25


def generate_site_days(made: SimulatedSite, start: date, end: date) -> int:
    """Quarter hours of local dates."""
    return made.between(start, end, prices_end=end).drivers.height


def test_the_same_seed_makes_the_same_tower_and_another_seed_another(tower_site: Site, tower: SimulatedSite) -> None:
    start, end = date(2025, 3, 1), date(2025, 4, 1)
    alone = generate_site(tower_site, start=start, end=end)
    cut = tower.between(start, end, prices_end=end)
    assert alone.meters.equals(cut.meters)
    assert alone.volumes is not None
    assert alone.volumes.equals(cut.volumes)
    other = generate_site(tower_site, start=start, end=end, seed=2)
    assert not alone.meters.equals(other.meters)
