"""The stream of the live board: order, replay, age, permission, and one reader for any number of viewers."""

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.live.live_store import LiveReader, LiveStore
from data_quality.contracts.live.live_value import LiveValue, band_of
from data_quality.contracts.time import FixedClock
from orchestration.web.boards import live_feed
from orchestration.web.boards.live_feed import LiveFeed
from tests.web.live_told import SITE, Event, events, put, read_until

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LiveStore]:
    store = LiveStore(tmp_path)
    yield store
    store.close()


class CountingReader(LiveReader):
    """Counts its queries."""

    asked = 0

    def changed(self, site_id: str, seen: dict[tuple[str, str], tuple[Any, ...]]) -> list[Any]:
        self.asked += 1
        return super().changed(site_id, seen)


@pytest.fixture
def feed(tmp_path: Path, clock: FixedClock, store: LiveStore) -> Iterator[LiveFeed]:
    put(store, NOW, a=1.0)
    feed = LiveFeed(CountingReader(tmp_path), clock)
    feed.watch(SITE)
    yield feed
    feed.close()


def streamed(
    feed: LiveFeed, *names: str, last: int | None = None, is_allowed: Callable[[], bool] = lambda: True
) -> AsyncIterator[bytes]:
    return feed.stream(SITE, names, last=last, is_allowed=is_allowed)


def test_values_come_as_they_are_told_with_numbers_that_grow(
    feed: LiveFeed, store: LiveStore, clock: FixedClock
) -> None:
    async def looked() -> list[Event]:
        stream = streamed(feed)
        found = await read_until(stream, "value", value=1.0)
        for number in range(2, 6):
            clock.advance(timedelta(seconds=1))
            put(store, clock.now_utc(), a=float(number))
            found += await read_until(stream, "value", value=float(number))
        return found

    told = [each for each in asyncio.run(looked()) if each.kind == "value"]
    assert [each.data["value"] for each in told] == [1.0, 2.0, 3.0, 4.0, 5.0]
    numbers = [each.number for each in told]
    assert numbers == sorted(set(numbers))
    assert told[0].data["point"] == "line/a"
    assert told[0].data["synthetic"] is True


def test_who_reads_slowly_loses_values_between_and_never_the_order(
    feed: LiveFeed, store: LiveStore, clock: FixedClock
) -> None:
    async def looked() -> tuple[list[Event], int]:
        slow, quick = streamed(feed), streamed(feed)
        first = await read_until(slow, "value", value=1.0)
        await read_until(quick, "value", value=1.0)
        for number in range(2, 8):
            clock.advance(timedelta(seconds=1))
            # Now both, now one alone: a point that is told again stands behind all that were told before.
            put(store, clock.now_utc(), a=float(number), **({"b": float(-number)} if number % 2 else {}))
            await read_until(quick, "value", point="line/a", value=float(number))
            if number % 2:
                await asyncio.sleep(0.3)
        return first + events((await anext(slow)).decode()), 7

    told, last = asyncio.run(looked())
    a = [each for each in told if each.data.get("point") == "line/a" and each.kind == "value"]
    assert [each.data["value"] for each in a] == [1.0, float(last)]
    assert [each.number for each in told] == sorted(each.number for each in told)


def test_a_browser_that_comes_back_is_told_what_it_missed_for_a_minute(
    feed: LiveFeed, store: LiveStore, clock: FixedClock
) -> None:
    async def looked() -> tuple[list[Event], list[Event]]:
        stream = streamed(feed)
        seen = await read_until(stream, "value", value=1.0)
        put(store, clock.now_utc(), b=7.0)
        await read_until(stream, "value", value=7.0)
        for number in (2.0, 3.0, 4.0):
            clock.advance(timedelta(seconds=1))
            put(store, clock.now_utc(), a=number)
            await read_until(stream, "value", value=number)
        again = await read_until(streamed(feed, last=seen[-1].number), "value", value=4.0)
        clock.advance(timedelta(seconds=90))
        put(store, clock.now_utc(), a=5.0)
        await read_until(stream, "value", value=5.0)
        late = await read_until(streamed(feed, last=seen[-1].number), "value", value=5.0)
        return again, late

    again, late = asyncio.run(looked())
    assert [each.data["value"] for each in again if each.kind == "value"] == [7.0, 2.0, 3.0, 4.0]
    # Longer ago than is kept: the newest of every point, also of one that was told in between alone.
    assert [each.data["value"] for each in late if each.kind == "value"] == [7.0, 5.0]


def test_the_last_minute_is_kept_in_little_room_and_no_more_is_kept_after(clock: FixedClock) -> None:
    class Moving(LiveReader):
        def changed(self, site_id: str, seen: object) -> list[LiveValue]:
            now_utc = clock.now_utc()
            minute = {f"minute_{what}": now_utc.second * 0.37 for what in ("mean", "min", "max")}
            return [
                LiveValue(
                    source_id="broker", point=f"m{each:03d}_power", stream=f"m{each:03d}", register_id="power",
                    what="power", unit="kw", is_synthetic=False, value=each + now_utc.second * 0.37, at_utc=now_utc,
                    received_utc=now_utc, quality="ok", minute_utc=now_utc.replace(second=0), minute_count=1, **minute,
                )
                for each in range(60)
            ]  # fmt: skip

    feed = LiveFeed(Moving(Path("/nowhere")), clock)
    feed._seen[SITE] = {}
    taken_mb = []
    tracemalloc.start()
    try:
        for second in range(1, 91):
            clock.advance(timedelta(seconds=1))
            feed.tick()
            if second in (2, 65, 90):
                taken_mb.append(tracemalloc.get_traced_memory()[0] / 2**20)
    finally:
        tracemalloc.stop()
    # As they are, sixty points of a minute take 1.6 MB.
    assert taken_mb[1] - taken_mb[0] < 0.6
    assert taken_mb[2] < taken_mb[1] * 1.05


def test_a_new_process_goes_on_behind_the_numbers_of_the_one_before(
    feed: LiveFeed, tmp_path: Path, clock: FixedClock
) -> None:
    async def looked(of: LiveFeed, last: int | None = None) -> list[Event]:
        return await read_until(streamed(of, last=last), "value", value=1.0)

    before = asyncio.run(looked(feed))[-1].number
    clock.advance(timedelta(seconds=5))
    other = LiveFeed(LiveReader(tmp_path), clock)
    other.watch(SITE)
    try:
        assert asyncio.run(looked(other, last=before))[-1].number > before
    finally:
        other.close()


def test_a_value_that_grows_old_says_so_twice(feed: LiveFeed, clock: FixedClock) -> None:
    async def looked() -> list[Event]:
        stream = streamed(feed)
        found = await read_until(stream, "value")
        clock.advance(timedelta(seconds=7))
        found += await read_until(stream, "age", band="old")
        clock.advance(timedelta(seconds=60))
        found += await read_until(stream, "age", band="gone")
        return found

    assert [each.kind for each in asyncio.run(looked())] == ["value", "age", "age"]
    assert [band_of(age_s) for age_s in (0, 5, 5.1, 60, 60.1)] == ["fresh", "fresh", "old", "old", "gone"]


def test_a_stream_names_its_points_and_is_given_no_other(feed: LiveFeed, store: LiveStore, clock: FixedClock) -> None:
    async def looked() -> list[Event]:
        stream = streamed(feed, "line/b")
        put(store, clock.now_utc(), a=2.0, b=3.0)
        return await read_until(stream, "value")

    assert [each.data["point"] for each in asyncio.run(looked())] == ["line/b"]


def test_who_may_no_longer_look_is_told_goodbye(feed: LiveFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_feed, "ALLOWED_AGAIN_S", 0.2)

    async def looked() -> list[Event]:
        allowed = [True, False]
        return await read_until(streamed(feed, is_allowed=lambda: allowed.pop(0)), "bye")

    assert asyncio.run(looked())[-1].data == {"reason": "no_permission"}


def test_the_end_of_the_process_is_a_goodbye_and_a_quiet_stream_beats(
    feed: LiveFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_feed, "HEARTBEAT_S", 0.3)

    async def looked() -> list[Event]:
        stream = streamed(feed)
        found = await read_until(stream, "heartbeat")
        feed.close()
        return found + await read_until(stream, "bye")

    assert [each.kind for each in asyncio.run(looked())][-1] == "bye"


def test_one_reader_serves_any_number_of_viewers(feed: LiveFeed) -> None:
    async def looked(viewers: int) -> tuple[int, float]:
        streams = [streamed(feed) for _ in range(viewers)]
        for each in streams:
            await read_until(each, "value")
        before = feed._reader.asked  # type: ignore[attr-defined]
        began_s = time.monotonic()
        await asyncio.sleep(1.5)
        asked: int = feed._reader.asked - before  # type: ignore[attr-defined]
        return asked, time.monotonic() - began_s

    asked, passed_s = asyncio.run(looked(30))
    assert asked <= passed_s / live_feed.POLL_S + 3


def test_a_board_that_cannot_be_read_is_a_finding_and_comes_back(
    feed: LiveFeed, store: LiveStore, tmp_path: Path, clock: FixedClock
) -> None:
    async def looked() -> list[Event]:
        stream = streamed(feed)
        found = await read_until(stream, "value")
        store.close()
        for path in tmp_path.glob("live.db*"):
            path.rename(path.with_name(f"away-{path.name}"))
        (tmp_path / "live.db").write_bytes(b"no database, and longer than its head" * 100)
        found += await read_until(stream, "finding", state="unreachable")
        (tmp_path / "live.db").unlink()
        clock.advance(timedelta(seconds=1))
        put(store, clock.now_utc(), a=9.0)
        return found + await read_until(stream, "value", value=9.0)

    kinds = [(each.kind, each.data.get("state", "")) for each in asyncio.run(looked())]
    assert ("finding", "unreachable") in kinds
    assert kinds[-1] == ("value", "")
