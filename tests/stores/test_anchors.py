"""Decisions and acceptances are anchored outside of the store: a store that was put back, or cut, is seen."""

import json
import multiprocessing
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from assets.stores.anchors import ACTS, ANCHORED, FILE, Anchors, Place, ThreadedAnchors
from assets.stores.audit import bad_rows
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_ledger import adopt
from assets.stores.seals import append
from assets.stores.tables import PROTECTED
from assets.stores.transactions import Store, open_store, site_transaction
from assets.stores.trust import ACTS as SIGNED
from controls.ledger.ledger_trust import distrusted
from controls.ledger.modes import current_mode, set_mode
from data_quality.contracts.control.command import Mode
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from orchestration.doctor.kept_checks import check_trust
from tests.conftest import ROOT
from tests.contracts.test_lake import changes, write
from tests.controls.ledger.rows_of import CARLA
from tests.stores.combinations import copied
from tests.stores.everything import ALL, any_row


@pytest.fixture
def anchored(tmp_path: Path) -> Iterator[Store]:
    """A store with anchors in two places."""
    yield (store := opened(tmp_path))
    store.close()


def opened(folder: Path, name: str = "store") -> Store:
    store = open_store(f"sqlite:///{folder / name}.db")
    store.anchors = Anchors(store, [folder / "anchors", folder / "also"])
    return store


def lines(folder: Path, name: str = "anchors") -> list[dict]:
    return [json.loads(line) for line in (folder / name / FILE).read_text().splitlines()]


def record(store: Store, *names: str) -> None:
    """A row of each of these tables."""
    with store.begin() as connection:
        for name in names:
            append(connection, ALL[name], [any_row(ALL[name], 1)])


def mode(store: Store, clock: FixedClock, wanted: Mode) -> None:
    clock.advance(timedelta(minutes=1))
    set_mode(store, "home", mode=wanted, person=CARLA, reason="test", clock=clock)


def test_a_process_that_loaded_no_other_table_notes_what_all_of_them_sealed(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        record(store, *sorted(ANCHORED))
    code = (
        "import sys; from pathlib import Path; from assets.stores.transactions import connect_store; "
        "from assets.stores.anchors import Anchors; "
        "Anchors(connect_store(sys.argv[1]), [Path(sys.argv[2])]).note({'batches'})"
    )
    words = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'store.db'}", str(tmp_path / "anchors")]
    subprocess.run(words, cwd=ROOT, check=True)
    assert {each["kind"] for each in lines(tmp_path)} == ANCHORED


def test_modes_and_batches_are_anchored_in_order_in_each_place(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    mode(anchored, clock, Mode.PARTIAL)
    write(Lake(tmp_path / "lake", anchored), clock, changes((0, 1)))
    found = lines(tmp_path)
    assert [(each["number"], each["kind"], each["site_ids"]) for each in found] == [
        (1, "mode_events", ["home"]),
        (2, "batches", ["plant"]),
    ]
    assert found == lines(tmp_path, "also")
    assert distrusted(anchored) == []
    assert {name for name in SIGNED if name not in ANCHORED} == set()
    assert {table.name for table in PROTECTED} >= ANCHORED > ACTS


def test_a_store_that_is_put_back_shows_no_mode_of_before_and_takes_no_act(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    mode(anchored, clock, Mode.PARTIAL)
    copied(tmp_path / "store.db", tmp_path / "older.db")
    mode(anchored, clock, Mode.SIMULATION)
    older = opened(tmp_path, "older")
    assert current_mode(older, "home") is Mode.SIMULATION
    with pytest.raises(Unreachable, match=r"older.db ends at .*: it is an older store, as after a restore"):
        mode(older, clock, Mode.PARTIAL)
    with pytest.raises(Unreachable, match="as after a restore"):
        write(Lake(tmp_path / "lake", older), clock, changes((0, 1)))
    # To stop is always possible.
    mode(older, clock, Mode.SIMULATION)
    [line] = check_trust(older, tmp_path / "anchors")
    assert line["status"] == "fail"
    assert (
        "mode_events 2 of home (2026-01-01T00:02:00.000000Z) is not in the store any more, says line 2"
        in line["detail"]
    )
    older.close()
    assert [each["status"] for each in check_trust(anchored, tmp_path / "anchors")] == ["ok"]


def test_a_tail_that_is_cut_with_all_that_proves_it_is_named_row_by_row(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    write(Lake(tmp_path / "lake", anchored), clock, changes((0, 1)))
    with closing(sqlite3.connect(tmp_path / "store.db")) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        counts = {name: file.execute(f"SELECT max(rowid) FROM {name}").fetchone()[0] or 0 for name in tables}
    record(anchored, "report_revisions", "figures", "report_decisions", "evidence_packs")
    write(Lake(tmp_path / "lake", anchored), clock, changes((1, 1)), "1")
    whole = distrusted(anchored)
    anchored.close()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as file:
        triggers = file.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            file.execute(f"DROP TRIGGER {name}")
        for name, count in counts.items():
            file.execute(f"DELETE FROM {name} WHERE rowid > {count}")
        for _, statement in triggers:
            file.execute(statement)
    cut = opened(tmp_path)
    assert (whole, bad_rows(cut)) == ([], [])
    kinds = ["report_revisions", "report_decisions", "evidence_packs", "batches"]
    assert [each.split()[0] for each in distrusted(cut)] == kinds
    cut.close()


def test_another_store_is_told_by_the_sites_that_it_lacks_until_it_is_adopted(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    lake = Lake(tmp_path / "lake", anchored)
    write(lake, clock, changes((0, 1)))
    mode(anchored, clock, Mode.PARTIAL)
    other = opened(tmp_path, "other")
    found = distrusted(other)
    assert [each.split(" (")[0].split()[0::3] for each in found[:2]] == [["batches", "plant"], ["mode_events", "home"]]
    assert all("is of another ledger" in each for each in found)
    adopt(other, lake.kept)
    assert distrusted(other) == []
    mode(other, clock, Mode.ADVISORY)
    assert current_mode(other, "home") is Mode.ADVISORY
    assert current_mode(anchored, "home") is Mode.SIMULATION
    assert [each["kind"] for each in lines(tmp_path)] == ["batches", "mode_events", "adopted", "mode_events"]
    other.close()


def edited(file: Path) -> None:
    file.write_text(file.read_text().replace('"home"', '"barn"', 1))


def cut(file: Path) -> None:
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))


def edited_last(file: Path) -> None:
    first, last = file.read_text().splitlines()
    file.write_text(f"{first}\n{last.replace('home', 'barn')}\n")


@pytest.mark.parametrize("act", [edited, cut, edited_last])
def test_a_file_of_anchors_that_was_cut_or_edited_is_named_with_its_line(
    act, anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    mode(anchored, clock, Mode.PARTIAL)
    mode(anchored, clock, Mode.ADVISORY)
    act(tmp_path / "also" / FILE)
    number = 2 if act is edited_last else 1
    assert distrusted(anchored) == [
        f"{tmp_path / 'also' / FILE}, line {number}: it is not as it was written, or one before it was removed"
    ]


def test_an_act_that_cannot_be_anchored_is_refused_and_a_stop_and_a_batch_are_not(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    mode(anchored, clock, Mode.PARTIAL)
    (tmp_path / "also" / FILE).rename(tmp_path / "kept")
    (tmp_path / "also" / FILE).mkdir()
    mend = "without an anchor outside the store nothing is approved, raised or published: correct paths.anchors"
    with pytest.raises(Unreachable, match=mend):
        record(anchored, "report_decisions")
    assert anchored.rows(sa.select(ALL["report_decisions"])) == []
    with pytest.raises(Unreachable, match=mend):
        set_mode(anchored, "yard", mode=Mode.ADVISORY, person=CARLA, reason="test", clock=clock)
    mode(anchored, clock, Mode.SIMULATION)
    write(Lake(tmp_path / "lake", anchored), clock, changes((0, 1)))
    assert [each["status"] for each in check_trust(anchored, tmp_path / "anchors")] == ["fail"]
    (tmp_path / "also" / FILE).rmdir()
    (tmp_path / "kept").rename(tmp_path / "also" / FILE)
    # What could not be noted is noted now.
    assert [each["status"] for each in check_trust(anchored, tmp_path / "anchors")] == ["ok"]
    assert lines(tmp_path, "also") == lines(tmp_path)
    assert len(lines(tmp_path)) == 3


def test_half_a_line_of_a_writer_that_was_killed_is_written_again_whole(
    anchored: Store, tmp_path: Path, clock: FixedClock
) -> None:
    mode(anchored, clock, Mode.PARTIAL)
    whole = (tmp_path / "anchors" / FILE).read_bytes()
    (tmp_path / "anchors" / FILE).write_bytes(whole[: len(whole) // 2])
    assert distrusted(anchored) == []
    mode(anchored, clock, Mode.ADVISORY)
    assert (tmp_path / "anchors" / FILE).read_bytes().startswith(whole)
    assert lines(tmp_path) == lines(tmp_path, "also")


def _lower(folder: str, number: int) -> None:
    store, clock = opened(Path(folder)), FixedClock(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number))
    for _ in range(8):
        mode(store, clock, Mode.SIMULATION)
    store.close()


def test_several_processes_write_one_chain(anchored: Store, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_lower, args=(str(tmp_path), n)) for n in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    assert [each.exitcode for each in workers] == [0, 0, 0]
    found, problems = Place(tmp_path / "anchors").lines()
    assert (len(found), problems) == (24, [])
    assert [line.seal for line in found] == sorted({line.seal for line in found})


def test_an_agent_is_held_up_by_no_place_and_learns_of_a_store_that_was_put_back(
    tmp_path: Path, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path)
    mode(first, clock, Mode.PARTIAL)
    copied(tmp_path / "store.db", tmp_path / "older.db")
    agents = open_store(f"sqlite:///{tmp_path / 'older'}.db")
    agents.anchors = ThreadedAnchors(agents, [tmp_path / "anchors"], every_s=0.05)
    assert current_mode(agents, "home") is Mode.PARTIAL
    mode(first, clock, Mode.SIMULATION)
    ends = time.monotonic() + 10
    while current_mode(agents, "home") is not Mode.SIMULATION and time.monotonic() < ends:
        time.sleep(0.02)
    assert current_mode(agents, "home") is Mode.SIMULATION
    agents.close()
    # A share that hangs.
    hangs, gone = threading.Event(), Place.last
    monkeypatch.setattr(Place, "last", lambda place: (hangs.wait(20), gone(place))[1])
    agents = open_store(f"sqlite:///{tmp_path / 'store'}.db")
    began = time.monotonic()
    agents.anchors = ThreadedAnchors(agents, [tmp_path / "anchors"], every_s=0.05)
    with site_transaction(agents, "home"):
        pass
    mode(agents, clock, Mode.SIMULATION)
    assert time.monotonic() - began < 5
    hangs.set()
    agents.close()
    first.close()
