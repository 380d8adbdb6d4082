"""Landing files: whole or absent, the same bytes each time, one month each, and readable as plain files."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.readings.sniff_files import sniff_file
from controls.simulator.physics.simulated import SimulatedSite
from controls.simulator.simulated_files import write_files, write_site
from data_quality.contracts.site_file.site import Site
from orchestration.demonstration.demo_dates import months_with_faults


def test_a_file_holds_one_local_month_of_plain_rows(factory_site: Site, tmp_path: Path) -> None:
    paths = write_site(tmp_path, factory_site, start=date(2024, 1, 1), end=date(2024, 3, 1))
    assert [path.name for path in paths] == [
        "factory_2024-01_drivers.csv", "factory_2024-01_meters.csv",
        "factory_2024-02_drivers.csv", "factory_2024-02_meters.csv",
    ]  # fmt: skip
    lines = paths[1].read_text().splitlines()
    assert lines[0] == "meter,register,timestamp,kwh,is_synthetic"
    # Local midnight of the first of January in Berlin.
    assert lines[1].startswith("compressor_1,import,2023-12-31T23:00:00Z,")
    assert lines[1].endswith(",true")
    assert len(lines) == 1 + 8 * 31 * 96
    assert (
        paths[0].read_text().splitlines()[0] == "timestamp,production_count,operating_hours,outdoor_degc,is_synthetic"
    )


def test_prices_of_tomorrow_stand_in_a_file_of_their_own(home_site: Site, tmp_path: Path) -> None:
    paths = write_site(tmp_path, home_site, start=date(2025, 3, 1), end=date(2025, 4, 1))
    names = [path.name for path in paths]
    assert names == [
        "home_2025-03_drivers.csv", "home_2025-03_meters.csv", "home_2025-03_prices.csv", "home_2025-04_prices.csv",
    ]  # fmt: skip
    assert pl.read_csv(tmp_path / "home_2025-04_prices.csv").height == 96


@pytest.mark.parametrize(("intervals", "files"), [(1, 1), (2, 3)])
def test_a_month_begins_with_its_second_interval(home_site: Site, tmp_path: Path, intervals: int, files: int) -> None:
    # At 23:00 UTC December begins where the home stands.
    until_utc = datetime(2026, 11, 30, 23, 0, tzinfo=UTC) + timedelta(minutes=15 * intervals)
    start, end = date(2026, 11, 30), date(2026, 12, 2)
    write_site(tmp_path, home_site, start=start, end=end, until_utc=until_utc)
    assert len(list(tmp_path.glob("home_2026-12_*.csv"))) == files


def test_the_same_simulation_writes_the_same_bytes(home_site: Site, tmp_path: Path) -> None:
    first = write_site(tmp_path / "a", home_site, start=date(2025, 3, 1), end=date(2025, 3, 8))
    second = write_site(tmp_path / "b", home_site, start=date(2025, 3, 1), end=date(2025, 3, 8))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    # A later run that knows more keeps what stood before.
    longer = write_site(tmp_path / "c", home_site, start=date(2025, 3, 1), end=date(2025, 3, 9))
    assert longer[0].read_text().startswith(first[0].read_text())


def test_nothing_unfinished_is_left_or_seen(factory: SimulatedSite, tmp_path: Path) -> None:
    day = factory.between(date(2024, 5, 1), date(2024, 5, 2), prices_end=date(2024, 5, 2))
    write_files(tmp_path, day)
    write_files(tmp_path, day)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "factory_2024-05_drivers.csv",
        "factory_2024-05_meters.csv",
    ]


@pytest.mark.parametrize("site_name", ["factory_site", "home_site"])
def test_every_file_is_accepted_by_the_reader(site_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    site: Site = request.getfixturevalue(site_name)
    for path in write_site(tmp_path, site, start=date(2025, 3, 30), end=date(2025, 3, 31)):
        report = sniff_file(path, site=site)
        assert (report.verdict, report.rejected_rows, report.warnings) == ("accept", 0, {}), path.name


def test_late_files_of_the_plant_have_a_gap_a_day_of_estimates_and_rows_that_are_refused(
    factory_site: Site, tmp_path: Path
) -> None:
    months = months_with_faults(date(2026, 2, 20))
    assert months == (date(2026, 1, 1), date(2026, 2, 1))
    # Figures of the time before stand as shipped.
    assert months_with_faults(date(2026, 1, 1)) == (date(2026, 1, 1),)
    paths = write_site(tmp_path, factory_site, start=months[0], end=date(2026, 2, 12), faulty=months)
    # The second Tuesday of February is over, the day of its estimates is not.
    assert [path.name for path in paths if path.suffix == ".json"] == ["factory_2026-01_portal.json"]
    january = pl.read_csv(tmp_path / "factory_2026-01_meters.csv").group_by("meter").len().sort("meter")
    assert dict(january.iter_rows()) == dict.fromkeys(january["meter"], 31 * 96) | {
        "conveyor": 31 * 96 - 5 * 4, "hvac_hall": 30 * 96,
    }  # fmt: skip
    report = sniff_file(tmp_path / "factory_2026-01_portal.json", site=factory_site)
    assert report.rejected_rows == 6
    again = write_site(tmp_path / "again", factory_site, start=months[0], end=date(2026, 2, 12), faulty=months)
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
