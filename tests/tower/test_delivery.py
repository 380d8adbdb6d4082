"""The files of the tower: every fault is there with its truth, every file arrives in its turn, and all of it again."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import openpyxl
import pytest

from assets.readings.sniff_files import sniff_file
from controls.simulator.physics.faults import FaultKind, InjectedFault
from controls.simulator.worlds.tower_files import Delivery, deliver_tower, write_delivery
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from tests.tower.conftest import END, NOW_UTC, START

SENDERS = 9


def one(delivery: Delivery, kind: FaultKind) -> InjectedFault:
    """The first fault of that kind."""
    return next(fault for fault in delivery.truth if fault.kind is kind)


@pytest.mark.parametrize("kind", FaultKind, ids=[kind.value for kind in FaultKind])
def test_every_kind_of_fault_is_there_with_its_file_meter_and_time(kind: FaultKind, delivery: Delivery) -> None:
    files = {file.name for file in delivery.files}
    found = [fault for fault in delivery.truth if fault.kind is kind]
    assert found
    for fault in found:
        assert fault.file in files
        assert fault.repaired_by in {"", *files}
        assert fault.start_utc < fault.end_utc


def test_faults_of_one_meter_never_overlap(delivery: Delivery) -> None:
    by_meter: dict[str, list[InjectedFault]] = {}
    for fault in delivery.truth:
        if fault.meter:
            by_meter.setdefault(fault.meter, []).append(fault)
    for found in by_meter.values():
        ordered = sorted(found, key=lambda fault: fault.start_utc)
        assert all(one.end_utc <= two.start_utc for one, two in pairwise(ordered))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_faults(tower_site: Site, delivery: Delivery) -> None:
    second = deliver_tower(tower_site, start=START, end=END)
    assert second == delivery
    other = deliver_tower(tower_site, start=START, end=END, seed=7)
    assert other.truth != delivery.truth
    assert {fault.kind for fault in other.truth} == set(FaultKind)


def test_half_a_year_has_every_file_of_every_month_and_every_fault(tower_site: Site) -> None:
    made = deliver_tower(tower_site, start=date(2025, 1, 1), end=date(2025, 7, 1))
    # Re-sent: the cut file of the utility, and the plant's first month.
    assert len(made.files) == 6 * SENDERS + 2
    assert {fault.kind for fault in made.truth} == set(FaultKind)


def test_files_arrive_in_order_and_most_of_them_in_time(delivery: Delivery) -> None:
    arrivals = [file.arrives_at_utc for file in delivery.files]
    assert arrivals == sorted(arrivals)
    assert len(delivery.in_time()) == 2 * SENDERS - 1
    assert {file.name for file in delivery.afterwards()} == {
        "tower_2025-11_plant_v2.csv",
        "tower_2025-12_utility_resent.xml",
        "tower_2025-12_steam.csv",
    }


def test_the_late_file_comes_three_weeks_after_its_month(delivery: Delivery) -> None:
    fault = one(delivery, FaultKind.LATE)
    file = next(file for file in delivery.files if file.name == fault.file)
    assert file.arrives_at_utc - fault.end_utc == timedelta(weeks=3)


def test_files_are_written_whole_and_dated_at_their_arrival(delivery: Delivery, tmp_path: Path) -> None:
    write_delivery(tmp_path, delivery.files)
    paths = write_delivery(tmp_path, delivery.files)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)
    for path, file in zip(paths, delivery.files, strict=True):
        assert path.read_bytes() == file.content
        assert path.stat().st_mtime == file.arrives_at_utc.timestamp()


def test_the_workbook_is_one_for_other_programs_too(delivery: Delivery, tmp_path: Path) -> None:
    file = next(file for file in delivery.files if file.name.endswith(".xlsx"))
    (path,) = write_delivery(tmp_path, [file])
    book = openpyxl.load_workbook(path)
    rows = list(book["Readings"].values)
    book.close()
    assert rows[0] == ("Hour", "Volume m3")
    # November 2025 has 721 hours in New York.
    assert len(rows) == 1 + 721
    assert rows[1][0] == "2025-11-01 04:00"
    assert all(isinstance(row[1], float) for row in rows[1:])


def test_a_tenants_file_has_decimal_commas_and_a_plant_file_ends_its_intervals(delivery: Delivery) -> None:
    content = {file.name: file.content.decode() for file in delivery.files if file.name.endswith(".csv")}
    tenants = content["tower_2025-11_tenants.csv"].splitlines()
    assert tenants[0].startswith("Zeitpunkt;EG;")
    assert tenants[1].startswith("01.11.2025 00:00;")
    assert "," in tenants[1]
    assert "." not in tenants[1].partition(";")[2]
    plant = content["tower_2025-12_plant.csv"].splitlines()
    assert plant[1].startswith("12/01/2025 00:15,")
    assert plant[31 * 96].startswith("01/01/2026 00:00,")


@pytest.mark.parametrize(
    ("start", "end"),
    [(date(2025, 1, 1), date(2025, 2, 1)), (date(2025, 1, 2), date(2025, 4, 1)), (date(2025, 1, 1), date(2025, 3, 9))],
)
def test_part_months_and_a_single_month_are_refused(start: date, end: date, tower_site: Site) -> None:
    with pytest.raises(BadInput, match="two whole months or more"):
        deliver_tower(tower_site, start=start, end=end)


@pytest.mark.parametrize(
    ("start", "end", "seed"),
    [(date(2025, 11, 1), date(2026, 1, 1), 4), (date(2024, 3, 1), date(2024, 5, 1), 9)],
    ids=["autumn", "spring"],
)
def test_other_seeds_and_months_keep_the_promised_verdicts(
    start: date, end: date, seed: int, tower_site: Site, tmp_path: Path
) -> None:
    made = deliver_tower(tower_site, start=start, end=end, seed=seed)
    for path, file in zip(write_delivery(tmp_path, made.files), made.files, strict=True):
        report = sniff_file(path, site=tower_site, now_utc=NOW_UTC)
        assert (report.verdict, frozenset(report.reasons)) == (file.verdict, file.reasons), path.name


def test_a_verdict_that_nobody_promised_would_be_noticed(tower_site: Site, delivery: Delivery, tmp_path: Path) -> None:
    # Without its column map no sender's format is understood.
    bare = tower_site.model_copy(update={"column_maps": ()})
    found = {
        path.name: sniff_file(path, site=bare, now_utc=NOW_UTC).verdict
        for path in write_delivery(tmp_path, delivery.files)
    }
    assert {name for name, verdict in found.items() if verdict != "reject"} == {
        "tower_2025-11_drivers.csv",
        "tower_2025-11_pv.csv",
        "tower_2025-12_drivers.csv",
        "tower_2025-12_pv.csv",
    }
