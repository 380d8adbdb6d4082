"""A lake belongs to one ledger: another store, or an older one, writes nothing to it, and no file is ever lost."""

import hashlib
import shutil
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.stores.lake import lake_files
from assets.stores.lake.compact import compact, sweep
from assets.stores.lake.lake import Lake
from assets.stores.lake.lake_ledger import KEY, adopt, restore
from assets.stores.lake.set_aside import FOLDER, WHY
from assets.stores.transactions import Store, open_store
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock, parse_period
from orchestration.doctor.kept_checks import check_lake
from reports.gates import refuse_without_readings
from tests.contracts.test_lake import changes, write
from tests.stores.combinations import copied

MILL = Site.model_validate(
    {"site_id": "mill", "name": "Mill", "time_zone": "UTC", "currency": "EUR", "country": "DE"}
    | {"meters": [{"meter_id": "m1"}]}
)
LATE = datetime.now(UTC) + timedelta(days=2)


def contents(folder: Path) -> Counter[str]:
    """Every file of readings below the folder, by its content."""
    return Counter(hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.parquet"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of nine files, its store after nine and after five of them, one that went on from the latter, and another
    project's.
    """
    tmp_path, clock = tmp_path_factory.mktemp("made"), FixedClock(datetime(2026, 1, 1, tzinfo=UTC))
    stores = {name: tmp_path / f"{name}.db" for name in ("now", "older", "other", "apart")}
    opened = open_store(f"sqlite:///{stores['now']}")
    lake = Lake(tmp_path / "lake", opened)
    for n in range(9):
        if n == 5:
            copied(stores["now"], stores["older"])
            copied(stores["now"], stores["apart"])
        write(lake, clock, changes((n, n)), f"{n:x}")
    opened.close()
    for name, root in (("other", "elsewhere"), ("apart", "elsewhere, too")):
        opened = open_store(f"sqlite:///{stores[name]}")
        for n in range(6):
            lake = Lake(tmp_path / root, opened)
            (lake.root / KEY).unlink(missing_ok=True)
            adopt(opened, lake.kept)
            write(lake, clock, changes((n, n)), f"{n:x}")
        opened.close()
    return tmp_path


@pytest.fixture
def lake_of(made: Path, tmp_path: Path):
    """The lake as seen with one of the stores; `new`: an empty one."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    opened: list[Store] = []

    def lake_of(name: str) -> Lake:
        opened.append(open_store(f"sqlite:///{tmp_path / name}.db"))
        return Lake(tmp_path / "lake", opened[-1])

    yield lake_of
    for each in opened:
        each.close()


SAID = {
    "new": "is a new one without batches: the store was deleted, or database.url is wrong",
    "other": "it is another project's, or database.url is wrong",
    "older": "it is an older store, as after a restore",
    "apart": "has another history since: work went on with an older store, as after a restore",
}


@pytest.mark.parametrize("name", SAID)
def test_a_store_that_is_not_the_lakes_own_writes_nothing_and_takes_no_file_away(
    name: str, lake_of, clock: FixedClock
) -> None:
    lake = lake_of(name)
    before = contents(lake.root)
    acts = {
        "ingest": lambda: write(lake, clock, changes((50, 1)), "f"),
        "sweep": lambda: sweep(lake, now_utc=LATE),
        "restore": lambda: restore(lake.store, lake.kept),
    }
    if name == "older":
        acts["compact"] = lambda: list(compact(lake, clock=clock))
    for act in acts.values():
        with pytest.raises(Unreachable) as error:
            act()
        assert "\n" not in str(error.value)
        assert SAID[name] in str(error.value)
        assert "'meterloom lake adopt', which deletes no file" in str(error.value)
    assert contents(lake.root) == before
    assert not (lake.root / FOLDER).exists()
    [line] = check_lake(lake, ["plant"])
    assert (line["status"], SAID[name] in line["detail"]) == ("fail", True)
    write(lake_of("now"), clock, changes((50, 1)), "f")
    assert contents(lake.root) > before


def test_an_older_store_that_is_adopted_loses_no_file_and_the_newer_one_gets_them_all_back(
    lake_of, clock: FixedClock
) -> None:
    lake = lake_of("older")
    before = contents(lake.root)
    found = adopt(lake.store, lake.kept)
    assert (len(found.returned), len(found.set_aside), found.missing) == (0, 4, ())
    [reason] = lake.root.rglob(WHY)
    assert "lake adopt" in reason.read_text()
    assert contents(lake.root) == before
    assert lake.current("plant")["value"].to_list() == [0, 1, 2, 3, 4]
    newer = lake_of("now")
    # One was altered where it lay: it does not come back.
    bad = lake.root / found.set_aside[0]
    bad.write_bytes(bad.read_bytes()[:-1])
    back = restore(newer.store, newer.kept)
    assert (len(back.returned), back.missing) == (3, tuple(key.split("/", 2)[2] for key in found.set_aside[:1]))
    assert len(list((lake.root / FOLDER).rglob("*.parquet"))) == 1


def test_an_older_store_gets_files_out_of_a_merged_one_where_they_were_swept_since(
    lake_of, clock: FixedClock, tmp_path: Path
) -> None:
    lake = lake_of("now")
    before = lake.current("plant").drop("batch_id")
    copied(tmp_path / "now.db", tmp_path / "before.db")
    list(compact(lake, clock=FixedClock(datetime.now(UTC))))
    assert [each.is_merged for each in sweep(lake, now_utc=LATE)] == [True] * 9
    assert len(contents(lake.root)) == 1
    older = lake_of("before")
    with pytest.raises(Unreachable, match="as after a restore"):
        write(older, clock, changes((50, 1)), "f")
    found = adopt(older.store, older.kept)
    assert (len(found.returned), len(found.set_aside), found.missing) == (9, 1, ())
    assert older.current("plant").drop("batch_id").equals(before)
    assert older.damage("plant") == []


def test_the_next_batch_of_the_right_store_gives_files_their_place_back(lake_of, clock: FixedClock) -> None:
    older = lake_of("older")
    adopt(older.store, older.kept)
    newer = lake_of("now")
    write(newer, clock, changes((50, 1)), "f")
    assert newer.current("plant").height == 10
    assert newer.damage("plant") == []


@pytest.mark.parametrize("name", ["new", "other"])
def test_who_asks_a_store_without_readings_for_figures_is_told_that_the_lake_is_not_its_own(name: str, lake_of) -> None:
    lake, period = lake_of(name), parse_period("2024", "UTC")
    with pytest.raises(BadInput, match="site 'mill' has no readings at all") as error:
        refuse_without_readings(lake, MILL, period, name="kpis")
    assert SAID[name] in error.value.mend
    assert "takes them in" not in error.value.mend


def test_a_process_that_took_a_file_out_of_a_merged_one_still_tidies_with_its_first_batch(
    lake_of, clock: FixedClock
) -> None:
    lake = lake_of("now")
    left = lake.root / "readings/site=plant/m=2025-01/part-left.parquet"
    left.write_bytes(b"left")
    # As `Lake.mended` does.
    with lake_files.writing(lake.root):
        pass
    write(lake, clock, changes((50, 1)), "f")
    assert (left.exists(), len(list((lake.root / FOLDER).rglob(left.name)))) == (False, 1)


def test_a_store_deleted_and_adopted_leaves_every_file_where_a_person_finds_it(lake_of, clock: FixedClock) -> None:
    lake = lake_of("new")
    before = contents(lake.root)
    assert len(adopt(lake.store, lake.kept).set_aside) == 9
    write(lake, clock, changes((0, 7)))
    assert lake.current("plant")["value"].to_list() == [7]
    assert contents(lake.root / FOLDER) == before
    now = lake_of("now")
    with pytest.raises(Unreachable, match="it is another project's, or database"):
        restore(now.store, now.kept)
    found = adopt(now.store, now.kept)
    assert (len(found.returned), len(found.set_aside), found.missing) == (9, 1, ())


def test_a_lake_of_an_earlier_version_is_taken_by_the_store_that_fits_alone(lake_of, clock: FixedClock) -> None:
    lake = lake_of("now")
    (lake.root / KEY).unlink()
    left = lake.root / "readings/site=plant/m=2025-01/part-left.parquet"
    left.write_bytes(b"left")
    before = contents(lake.root)
    for name, reported in (("new", "the lake has 10 file(s) and the store names none"), ("other", "6 are missing (")):
        with pytest.raises(Unreachable, match="does not say whose it is and does not fit the store") as error:
            write(lake_of(name), clock, changes((50, 1)), "f")
        assert reported in str(error.value)
        assert contents(lake.root) == before
    write(lake_of("now"), clock, changes((50, 1)), "f")
    assert contents(lake.root) > before
    assert (left.exists(), len(list((lake.root / FOLDER).rglob("part-left.parquet")))) == (False, 1)
    assert (lake.root / KEY).exists()


def test_a_lake_whose_disk_is_not_there_gets_no_second_one_in_its_place(lake_of, clock: FixedClock) -> None:
    lake = lake_of("now")
    shutil.rmtree(lake.root)
    with pytest.raises(Unreachable, match=r"of 9 files that the store names 9 are missing"):
        write(lake, clock, changes((50, 1)), "f")
    assert not list(lake.root.rglob("*.parquet"))


def test_files_stay_where_nobody_knows_whether_the_commit_that_names_them_was_taken(
    lake_of, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of("now")
    begin = Store.begin

    @contextmanager
    def answer_lost(store: Store):
        with begin(store) as connection:
            yield connection
        raise Unreachable("the server closed the connection")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "begin", answer_lost)
        with pytest.raises(Unreachable, match="closed the connection"):
            write(lake, clock, changes((50, 1)), "f")
    assert lake.damage("plant") == []
    assert lake.current("plant").height == 10
