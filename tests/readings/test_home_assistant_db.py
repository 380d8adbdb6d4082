"""Home Assistant's recorder database: sums become energy; what is unclear is refused by its name."""

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from assets.readings.sniff_files import sniff_file
from data_quality.contracts.site_file.site import ColumnMap
from tests.readings.recorder_files import START, Statistic, add_statistic, recorder
from tests.readings.rooms import Bench, plant

GRID = "sensor.grid_import"
MAP = ColumnMap(values={GRID: "main", "sensor.outdoor": "outdoor_degc"}, other_meters="skip")


def growing(hours: int, first: float = 100.0, step: float = 1.5) -> list[tuple[float, float]]:
    """(state, sum): the meter stands 5000 above Home Assistant's sum."""
    return [(5000 + first + step * n, first + step * n) for n in range(hours)]


def house(path: Path, **changes: object) -> Path:
    sums = Statistic(GRID, "kWh", sums=growing(6))._replace(**changes)  # type: ignore[arg-type]
    outdoor = Statistic("sensor.outdoor", "°C", means=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    return recorder(path, sums, outdoor, Statistic("sensor.cost", "EUR", sums=growing(6)))


def test_sums_become_the_energy_between_them_across_a_clock_change(bench: Bench) -> None:
    report = bench.ingest(house(bench.folder / "ha.db"), mapping=MAP)
    assert (report.format, report.verdict, report.rejected_rows) == ("home_assistant", "accept_with_warning", 0)
    # The sum of an hour is that of its end: the first hour's own energy is not known.
    assert bench.values() == [0.375] * 20
    assert bench.starts()[0] == START.replace(hour=23)
    assert bench.values("outdoor_degc", "value") == [each for hour in range(1, 7) for each in [float(hour)] * 4]
    assert report.warnings == {"other_meters": 1}


def test_a_multiplier_of_the_column_map_counts_for_sums_and_means(bench: Bench) -> None:
    scaled = MAP.model_copy(update={"multipliers": {GRID: 40.0, "sensor.outdoor": 0.01}})
    bench.ingest(house(bench.folder / "ha.db"), mapping=scaled)
    assert bench.values() == [15.0] * 20
    assert bench.values("outdoor_degc", "value")[:4] == [0.01] * 4


def test_five_minutes_tell_quarter_hours_and_their_later_loss_changes_nothing(bench: Bench) -> None:
    short = [(0.0, 99.0 + 0.1 * n) for n in range(13)]
    sums = [(0.0, 100.1), (0.0, 101.6)]
    report = bench.ingest(house(bench.folder / "a.db", sums=sums, short=short), mapping=MAP)
    assert report.verdict == "accept_with_warning"
    fine = bench.values()
    assert fine[:3] == pytest.approx([0.3, 0.3, 0.3])
    # Ten days later Home Assistant has forgotten the five minutes.
    second = bench.ingest(house(bench.folder / "b.db", sums=sums), mapping=MAP)
    assert (second.new_rows, second.corrected_rows) == (0, 0)
    assert bench.values() == fine


def test_a_meter_that_began_anew_is_counted_and_costs_nothing(bench: Bench) -> None:
    sums = [(10.0, 100.0), (11.0, 101.0), (0.5, 101.5), (1.5, 102.5)]
    report = bench.ingest(house(bench.folder / "ha.db", sums=sums), mapping=MAP)
    assert report.warnings["register_reset"] == 1
    assert sum(bench.values()) == pytest.approx(2.5)


def test_a_sum_that_falls_is_a_reset_with_its_count_and_never_negative(bench: Bench) -> None:
    sums = [(0.0, value) for value in (100.0, 101.0, 0.0, 1.0, 2.0)]
    report = bench.ingest(house(bench.folder / "ha.db", sums=sums), mapping=MAP)
    assert report.reasons == {"register_decrease": 1}
    assert [finding.code for finding in report.findings] == ["register_reset_suspected"]
    assert bench.values() == [0.25] * 12


def test_hours_that_home_assistant_missed_keep_their_energy(bench: Bench) -> None:
    sums = [*growing(2), None, None, (5107.5, 107.5)]
    bench.ingest(house(bench.folder / "ha.db", sums=sums), mapping=MAP)
    assert sum(bench.values()) == pytest.approx(7.5)


def test_a_database_that_is_held_is_read_with_its_log_and_without_a_write(bench: Bench) -> None:
    path = house(bench.folder / "ha.db")

    def marks() -> dict[str, tuple[int, str]]:
        return {
            each.name: (each.stat().st_mtime_ns, hashlib.sha256(each.read_bytes()).hexdigest())
            for each in bench.folder.glob("ha.db*")
        }

    with closing(sqlite3.connect(path, isolation_level=None)) as running:
        running.execute("PRAGMA wal_autocheckpoint=0")
        before = bench.ingest(path, mapping=MAP)
        running.execute("BEGIN IMMEDIATE")
        query = "INSERT INTO statistics (metadata_id, start_ts, state, sum) VALUES (1, ?, 0, 108.5)"
        running.execute(query, (START.timestamp() + 6 * 3600,))
        running.execute("COMMIT")
        running.execute("BEGIN IMMEDIATE")
        held = marks()
        report = bench.ingest(path, mapping=MAP)
        assert marks() == held
        running.execute("ROLLBACK")
    assert set(held) == {"ha.db", "ha.db-wal", "ha.db-shm"}
    assert (before.new_rows, report.new_rows, report.is_repeat) == (44, 4, False)
    assert sum(bench.values()) == pytest.approx(8.5)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_half_a_database_is_refused_whole(bench: Bench, share: float) -> None:
    path = house(bench.folder / "ha.db")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    report = bench.ingest(path, mapping=MAP)
    assert (report.verdict, report.reasons) == ("reject", {"truncated": 1})
    assert "cut or broken" in report.message
    assert not list((bench.folder / "quarantine").rglob("ha.db"))


def test_pages_that_were_overwritten_are_refused(bench: Bench) -> None:
    path = house(bench.folder / "ha.db", sums=growing(3000))
    body = bytearray(path.read_bytes())
    body[-60_000:] = b"\xff" * 60_000
    path.write_bytes(body)
    assert bench.ingest(path, mapping=MAP).reasons == {"truncated": 1}


def test_what_is_not_clear_is_refused_by_its_name(bench: Bench) -> None:
    path = recorder(
        bench.folder / "ha.db",
        Statistic(GRID, "kWh", sums=growing(3)),
        Statistic("sensor.gallons", "gal", sums=growing(3)),
        Statistic("sensor.stored", "kWh", means=[4.0, 5.0]),
        Statistic("sensor.forgotten", "kWh", sums=growing(3)),
        Statistic("sensor.radio", "dBm", means=[-60.0]),
    )
    values = {GRID: "main", "sensor.gallons": "gas", "sensor.stored": "press"}
    report = bench.ingest(path, mapping=ColumnMap(values=values))
    assert report.reasons == {"unit_kind_mismatch": 1, "unknown_meter": 1, "unknown_unit": 1}
    messages = {item["message"] for item in bench.quarantine.items("plant")}
    for name in ("sensor.gallons: gal", "sensor.stored: mean of kWh", "sensor.forgotten"):
        assert any(name in each for each in messages), name
    assert bench.values() == [0.375] * 8


def test_milliwatts_are_no_megawatts(bench: Bench) -> None:
    path = recorder(bench.folder / "ha.db", Statistic("sensor.standby", "mW", means=[500.0]))
    report = bench.ingest(path, mapping=ColumnMap(values={"sensor.standby": "press"}))
    assert report.reasons == {"unknown_unit": 1}


def test_two_of_one_name_or_of_one_register_are_refused(bench: Bench) -> None:
    path = house(bench.folder / "ha.db")
    both = ColumnMap(values={GRID: "main", "sensor.cost": "main"}, units={"sensor.cost": "kwh"})
    assert "both belong to main.import" in bench.ingest(path, mapping=both).message
    near = bench.ingest(path, mapping=ColumnMap(values={"sensor.grid_imprt": "main"})).message
    assert f"names 'sensor.grid_imprt', which the file does not have; did you mean '{GRID}'?" in near
    twice = recorder(bench.folder / "two.db", Statistic(GRID, "kWh"), Statistic(GRID, "kWh"), unique=False)
    assert "appears twice in statistics_meta (ids 1, 2)" in bench.ingest(twice, mapping=MAP).message


def test_a_database_of_another_program_is_named(bench: Bench) -> None:
    path = bench.folder / "evcc.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE sessions (id INTEGER PRIMARY KEY)")
    report = bench.ingest(path)
    assert report.reasons == {"document": 1}
    assert "export the charging sessions as CSV" in report.message
    with closing(sqlite3.connect(bench.folder / "old.db")) as connection:
        connection.executescript("CREATE TABLE statistics_meta (id INTEGER); CREATE TABLE statistics (id INTEGER);")
    assert "Home Assistant 2023.3 or later" in bench.ingest(bench.folder / "old.db").message


def test_sniff_without_a_site_tells_every_statistic(tmp_path: Path) -> None:
    report = sniff_file(house(tmp_path / "ha.db"))
    assert report.reasons == {"unknown_unit": 1}
    channels = {(each.meter, each.channel, each.unit) for each in report.channels}
    assert channels >= {(GRID, "sum", "kwh"), ("sensor.outdoor", "mean", "degc"), ("sensor.cost", "sum", "EUR")}


def test_a_transaction_cut_short_is_undone_and_not_read(bench: Bench) -> None:
    path = house(bench.folder / "ha.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as running:
        running.execute("PRAGMA journal_mode=DELETE")
        running.execute("PRAGMA cache_size=1")
        running.execute("BEGIN IMMEDIATE")
        add_statistic(running, 9, Statistic("sensor.half", "kWh", sums=growing(5000)), START)
        cut = bench.folder / "cut.db"
        cut.write_bytes(path.read_bytes())
        journal = (bench.folder / "ha.db-journal").read_bytes()
        (bench.folder / "cut.db-journal").write_bytes(journal)
        running.execute("ROLLBACK")
    report = bench.ingest(cut, mapping=MAP, site=plant())
    assert report.warnings == {"other_meters": 1}
    assert bench.values() == [0.375] * 20
    assert (bench.folder / "cut.db-journal").read_bytes() == journal
