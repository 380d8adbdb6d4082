"""Clock shifts are flagged where a clock is wrong, and not where times are declared as what they are."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from data_quality.contracts.site_file.vee import RuleFinding
from data_quality.reading_grid import Grid, Stream, streams_of_site
from data_quality.validate import validate
from tests.conftest import SHARED_DATA
from tests.data_quality.meters import office, wide
from tests.readings.rooms import plant

BERLIN = "Europe/Berlin"
START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS, LATITUDE_DEG = 366, 50.0
Values = NDArray[np.float64]


def found(values: Values, *, zone: str, stream: Stream | None = None) -> list[RuleFinding]:
    grid = Grid((stream or Stream("m0", cadence_minutes=60),), START, 60, values[None, :])
    return [each for each in validate([grid], time_zone=zone).findings if each.rule == "clock_shift"]


def hours_by(clock: str) -> Values:
    """The office's energy of each hour, which begins by this clock, as its people live by the clock of Berlin."""
    by_wall_clock = office(DAYS + 2)
    zone, home = ZoneInfo(clock), ZoneInfo(BERLIN)
    walls = []
    for hour in range(24 * DAYS):
        stamp = (START + timedelta(hours=hour)).replace(tzinfo=zone)
        walls.append(stamp.astimezone(home).replace(tzinfo=UTC) - START)
    return np.array([by_wall_clock[max(0, round(wall / timedelta(hours=1)))] for wall in walls])


def of_people() -> Values:
    """Per UTC hour: what a meter tells whose times are read as they are."""
    return hours_by("UTC")


def of_a_roof(seed: int) -> Values:
    """Per UTC hour the energy of a clear and cloudy year's sun, kWh."""
    rng = np.random.default_rng(seed)
    hour = np.arange(24 * DAYS)
    day = hour // 24
    declination = np.radians(-23.44 * np.cos(2 * np.pi * (day + 10) / 365))
    latitude, angle = np.radians(LATITUDE_DEG), np.radians(15 * (hour % 24 + 0.5 - 12))
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(declination) * np.cos(angle)
    clouds = rng.beta(3, 1.2, DAYS)[day] * (0.9 + 0.1 * rng.random(len(hour)))
    return np.round(10 * np.maximum(height, 0) ** 1.2 * clouds, 3)


def test_local_times_declared_as_local_are_not_flagged_on_any_day_of_a_year() -> None:
    assert found(of_people(), zone=BERLIN) == []


def test_local_times_declared_as_utc_are_flagged_after_each_change_of_summer_time() -> None:
    # Stamps by the clock on the wall, taken for UTC.
    spring, autumn = found(office(DAYS), zone=BERLIN)
    assert (spring.value, autumn.value) == (1.0, -1.0)
    assert datetime(2024, 3, 31, tzinfo=UTC) <= spring.start_utc < datetime(2024, 4, 7, tzinfo=UTC)
    assert datetime(2024, 10, 27, tzinfo=UTC) <= autumn.start_utc < datetime(2024, 11, 3, tzinfo=UTC)
    assert "since the local clock was put forward: " in spring.message
    assert "local times read as UTC" in spring.message
    assert "put back" in autumn.message


def test_a_meters_clock_that_keeps_standard_time_is_flagged_and_named() -> None:
    # Stamps of UTC+1 all year, read as times of Berlin: in summer each hour stands one hour early.
    standard = hours_by("Etc/GMT-1")
    zone = ZoneInfo(BERLIN)
    walls = [(START + timedelta(hours=hour)).astimezone(zone).replace(tzinfo=UTC) - START for hour in range(24 * DAYS)]
    values = np.array([standard[min(round(wall / timedelta(hours=1)), 24 * DAYS - 1)] for wall in walls])
    spring, autumn = found(values, zone=BERLIN)
    assert (spring.value, autumn.value) == (-1.0, 1.0)
    assert "a meter's clock that keeps standard time, read as local time" in spring.message


def test_a_site_of_people_whose_zone_is_left_at_utc_is_flagged_without_a_word_on_summer_time() -> None:
    shifts = found(of_people(), zone="UTC")
    assert {each.value for each in shifts} == {-1.0, 1.0}
    assert not any("local clock" in each.message for each in shifts)


@pytest.mark.parametrize("hours", [3, -2, 1])
def test_a_clock_that_is_set_wrong_is_flagged(hours: int) -> None:
    values = of_people()
    first, end = 24 * 150, 24 * 170
    values[first:end] = np.roll(values, hours)[first:end]
    (only,) = found(values, zone=BERLIN)
    assert only.value == hours
    assert abs(only.start_utc - START - timedelta(hours=first)) <= timedelta(days=3)


def test_roofs_keep_the_suns_time_and_are_flagged_only_where_their_clock_is_wrong() -> None:
    roof = Stream("pv", "export", cadence_minutes=60)
    assert [each for seed in range(6) for each in found(of_a_roof(seed), zone=BERLIN, stream=roof)] == []
    values = of_a_roof(1)
    first, end = 24 * 160, 24 * 185
    values[first:end] = np.roll(values, 3)[first:end]
    assert 3.0 in {each.value for each in found(values, zone=BERLIN, stream=roof)}


def test_a_meter_of_a_pv_asset_is_known_by_the_site() -> None:
    site = plant(assets=[{"asset_id": "roof", "kind": "pv", "meter": "pv"}])
    assert {each.meter_id for each in streams_of_site(site) if each.is_solar} == {"pv"}


def test_earlier_opening_is_no_clock() -> None:
    values = office(DAYS)
    hour = np.arange(24 * DAYS) % 24
    # Three weeks before Christmas people come two hours earlier and leave when they always do.
    is_early = (np.arange(24 * DAYS) // 24 >= 339) & (np.arange(24 * DAYS) // 24 < 357)
    before_noon = is_early & (hour >= 6) & (hour < 13)
    values[before_noon] = np.roll(values, -2)[before_noon]
    assert found(values, zone="UTC") == []


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the shared data folder is not beside this checkout")
def test_of_real_local_meters_those_whose_clock_ignores_summer_time_are_flagged_and_no_others() -> None:
    table = pl.read_parquet(SHARED_DATA / "sites_bdg2" / "electricity_hourly.parquet")
    meters = table.with_columns(pl.col("building_id").cast(pl.String))
    flagged: dict[str, set[str]] = {}
    for place in ("Fox", "Rat"):
        own = meters.filter(pl.col("building_id").str.starts_with(place))
        # Phoenix has no summer time, and the clocks of Rat have none: both are read as they stand.
        whole = wide(own, name="building_id", time="timestamp_local", value="kwh")
        findings = validate([whole], time_zone="UTC").findings
        flagged[place] = {each.meter for each in findings if each.rule == "clock_shift"}
    assert flagged["Fox"] == set()
    assert flagged["Rat"] == {"Rat_education_Carmela", "Rat_education_Willie", "Rat_public_Yessenia"}
