"""The live board: the newest value of each point, in order, with age and quality; and its store."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.stores.live.live_store import FILE, LiveReader, LiveStore
from controls.collector.live_board import Board
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.site_file.site import Site
from tests.live.live_sites import site_of

START = datetime(2026, 3, 4, 12, 0, 10, tzinfo=UTC)


@pytest.fixture
def site() -> Site:
    return site_of(2)


def at(seconds: float, value: float, *, late_s: float = 0.0, quality: str = "measured") -> Sample:
    at_utc = START + timedelta(seconds=seconds)
    return Sample("m0.kwh", at_utc, value, "kwh", at_utc + timedelta(seconds=late_s), None, quality)


def shown(board: Board, folder: Path) -> list[tuple[str, float, int]]:
    LiveStore(folder).put(board.changed())
    return [(each.point, each.value, each.minute_count) for each in LiveReader(folder).values("plant")]


def test_the_newest_value_stands_whatever_the_order(site: Site, tmp_path: Path) -> None:
    board = Board(site)
    board.take("line", [at(1, 5.0), at(3, 7.0), at(2, 6.0)])
    LiveStore(tmp_path).put(board.changed())
    (found,) = LiveReader(tmp_path).values("plant")
    assert (found.value, found.at_utc) == (7.0, START + timedelta(seconds=3))
    assert (found.minute_mean, found.minute_min, found.minute_max, found.minute_count) == (6.0, 5.0, 7.0, 3)
    assert found.minute_utc == START.replace(second=0)
    assert (found.stream, found.register_id, found.what, found.is_synthetic) == ("m0", "import", "register", True)
    assert found.age_s(START + timedelta(seconds=10)) == 7.0
    assert found.age_s(START) == 0.0
    assert board.changed() == []


def test_a_new_minute_begins_anew_and_an_old_one_changes_nothing(site: Site, tmp_path: Path) -> None:
    board = Board(site)
    board.take("line", [at(0, 1.0), at(60, 2.0)])
    assert shown(board, tmp_path) == [("m0.kwh", 2.0, 1)]
    board.take("line", [at(0, 9.0)])
    assert board.changed() == []


def test_a_clock_that_is_ahead_is_doubtful_and_does_not_hold_the_board(site: Site, tmp_path: Path) -> None:
    board = Board(site)
    ahead = at(0, 1.0)._replace(at_utc=START + timedelta(days=3650))
    board.take("line", [ahead])
    LiveStore(tmp_path).put(board.changed())
    (found,) = LiveReader(tmp_path).values("plant")
    assert (found.quality, found.at_utc) == ("doubtful", START)
    board.take("line", [at(1, 2.0)])
    LiveStore(tmp_path).put(board.changed())
    assert [(each.value, each.quality) for each in LiveReader(tmp_path).values("plant")] == [(2.0, "measured")]


def test_what_the_site_file_no_longer_has_goes(site: Site, tmp_path: Path) -> None:
    board, store = Board(site), LiveStore(tmp_path)
    board.take("line", [at(0, 1.0), at(0, 2.0)._replace(point="m1.kwh")])
    store.put(board.changed())
    store.keep_only("plant", Board(site_of(1)).points)
    assert [each.point for each in LiveReader(tmp_path).values("plant")] == ["m0.kwh"]
    assert LiveReader(tmp_path).values("other") == []


def test_states_are_told_with_their_time(tmp_path: Path) -> None:
    assert LiveReader(tmp_path).states("plant") == []
    store = LiveStore(tmp_path)
    for state in ("starting", "live"):
        store.put_states("plant", [SourceState(source_id="line", kind="mqtt", state=state, accepted=3)], now_utc=START)
    ((told_utc, found),) = LiveReader(tmp_path).states("plant")
    assert (told_utc, found.state, found.accepted) == (START, "live", 3)


def test_a_broken_file_is_begun_anew(site: Site, tmp_path: Path) -> None:
    board, store = Board(site), LiveStore(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database at all, and longer than a hundred bytes" * 20)
    board.take("line", [at(0, 1.0)])
    rows = board.changed()
    with pytest.raises(Unreachable, match="not a database"):
        store.put(rows)
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(Unreachable):
        LiveReader(tmp_path).values("plant")
    (tmp_path / FILE).unlink()
    board.mark_all_changed()
    store.put(board.changed())
    assert len(LiveReader(tmp_path).values("plant")) == 1
