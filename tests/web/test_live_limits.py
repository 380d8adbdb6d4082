"""The age limit of a live value follows how often its source is asked; tile, grid and stream say the same."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from assets.stores.live.live_store import LiveReader, LiveStore
from data_quality.contracts.live.live_value import band_of, limits_s
from data_quality.contracts.live.source_state import SourceState
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.web.boards.live_feed import LiveFeed
from reports.pages.address import Address
from reports.pages.live_points import live_page
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.live_told import read_until, row
from tests.web.marts_world import Asking, make_project, plant_of_the_web

OLLI = Person(person_id="olli", name="Olli", roles=(Role.OPERATOR,))


@pytest.mark.parametrize(
    ("every_s", "limits"),
    [(0, (5, 60)), (1, (5, 60)), (2.5, (5, 60)), (10, (20, 60)), (30, (60, 120)), (3600, (7200, 14_400))],
)
def test_a_value_is_grey_after_five_seconds_or_twice_the_beat(every_s: float, limits: tuple[float, float]) -> None:
    assert limits_s(every_s) == limits
    ages = (limits[0], limits[0] + 0.1, limits[1], limits[1] + 0.1)
    assert [band_of(age_s, every_s) for age_s in ages] == ["fresh", "old", "old", "gone"]


def test_a_meter_that_is_asked_every_half_minute_is_not_grey_in_between(tmp_path: Path) -> None:
    source = {
        "source_id": "line", "name": "Filling line",
        "kind": "modbus", "address": "127.0.0.1:5020/1", "template": "meter_sdm630", "every_s": 30,
        "points": [{"point": "kw", "stream": "main", "what": "live", "unit": "kw", "value_name": "read_power_kw"}],
    }  # fmt: skip
    project = make_project(tmp_path / "p", plant_of_the_web(sources=[source]), has_marts=False, has_readings=False)
    store = LiveStore(project.project.live_dir)
    store.put([(*row("kw", 412.0, plant.NOON, site="plant")[:3], "main", *row("kw", 412.0, plant.NOON)[4:])])
    store.close()

    def tile(path: str, age_s: int) -> tuple[str, str]:
        clock = FixedClock(plant.NOON + timedelta(seconds=age_s))
        page = Asking(project, clock, OLLI).get(path, [PAGE], site="plant").text
        card = re.search(r'<(article|tr)\b[^>]*data-live="plant/line/kw".*?</\1>', page, re.DOTALL)
        assert card
        assert 'data-live-limits="60.0 120.0"' in card[0]
        band = re.search(r'class="(?:card c\d+ )?live-(\w+)"', card[0])
        told = re.findall(r"(?<=>)\d+ \w+ old[^<]*", card[0])
        assert band
        # One age, and a reason that names none.
        assert len(told) == 1, told
        assert "stale since 2" in card[0]
        return band[1], told[0]

    try:
        for path in ("/board/ops", "/live"):
            assert tile(path, 31) == ("fresh", "31 s old, polled every 30 s")
            assert tile(path, 61) == ("old", "61 s old, polled every 30 s")
            assert tile(path, 121) == ("gone", "2 min old, polled every 30 s")
        page = Asking(project, FixedClock(plant.NOON), OLLI).get("/live", [PAGE], site="plant").text
        assert re.search(r'<th scope="rowgroup" colspan="5">Filling line <span class="chip', page)
        # One table, whose age is each row's own.
        assert (page.count("<thead>"), page.count("data-live-age>")) == (1, page.count('<tr class="live-'))
    finally:
        project.close()


def test_where_no_source_sends_it_is_said_once_above_all_of_them() -> None:
    site, states = (
        plant_of_the_web(),
        [SourceState(source_id=each, kind="mqtt", state="live") for each in ("line", "roof")],
    )

    def strips_of(ages_s: tuple[float, float]) -> list[str]:
        heard = [(plant.NOON - timedelta(seconds=age), each) for age, each in zip(ages_s, states, strict=True)]
        page = live_page(
            Address(path="/live", site="plant"), site=site, values=(), received=heard, minutes={}, now_utc=plant.NOON,
            has_sources=True, every_s={},
        )  # fmt: skip
        blocks = page.parts[0].blocks
        strips = [each.text for each in blocks if each.kind == "strip"]
        [table] = [each for each in blocks if each.kind == "points"]
        return [*strips, *(each.about for each in table.sources)]

    both = strips_of((300, 240))
    assert both == ["No source has sent a value for 4 min. Start the collector: meterloom up", "", ""]
    one = strips_of((300, 1))
    assert len(one) == 2
    assert "No values received for 5 min" in one[0]


def test_the_stream_tells_an_age_by_the_beat_of_the_source(tmp_path: Path) -> None:
    clock, store = FixedClock(plant.NOON), LiveStore(tmp_path)
    store.put([row("kw", 1.0, plant.NOON)])
    feed = LiveFeed(LiveReader(tmp_path), clock)
    feed.watch("plant", {"line": 30.0})

    async def looked() -> list[str]:
        stream = feed.stream("plant", (), last=None, is_allowed=lambda: True)
        found = await read_until(stream, "value")
        clock.advance(timedelta(seconds=31))
        await asyncio.sleep(0.6)
        clock.advance(timedelta(seconds=30))
        found += await read_until(stream, "age")
        return [f"{each.kind} {each.data['age_s']}" for each in found]

    try:
        assert asyncio.run(looked()) == ["value 0.0", "age 61.0"]
    finally:
        feed.close()
        store.close()
