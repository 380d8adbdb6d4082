"""Meters that only a live source tells: what of the live board guards and proofs may believe, and for how long."""

import math
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from assets.stores.live.live_store import FILE, LiveReader, LiveStore
from assets.stores.transactions import Store
from controls.agent.site_values import SiteValues
from controls.collector.live_board import Board
from controls.safety.limits import connection_of, grid_asset
from controls.safety.live_meters import LivePowers, live_meters
from controls.safety.meter_proof import meters_of
from controls.templates.load_templates import load_template
from data_quality.contracts.control.command import CommandState
from data_quality.contracts.live.sample import Sample
from data_quality.contracts.site_file.site import Site
from tests.controls.agent.plant import Time
from tests.controls.safety.house import House, site

KW = {"point": "kw", "stream": "grid", "what": "live", "unit": "kw", "topic": "main/kw"}
DSMR = [
    {"point": "in", "stream": "grid", "what": "live", "unit": "kw", "obis": "1-0:1.7.0"},
    {"point": "out", "stream": "grid", "what": "live", "unit": "kw", "obis": "1-0:2.7.0"},
]


def watched(*sources: dict[str, Any], meter: str | None = "grid", **changes: Any) -> Site:
    """The house, whose meter at the grid is read by the collector alone."""
    document = site().model_dump(mode="json", exclude_unset=True)
    assets = [each for each in document["assets"] if each["asset_id"] != "meter"]
    assets.append({"asset_id": "meter", "kind": "grid_meter", "meter": meter})
    streams = [{"source_id": f"line{n}", "kind": "mqtt", "points": [KW]} | each for n, each in enumerate(sources)]
    return Site.model_validate(document | {"assets": assets, "sources": streams} | changes)


class Collected:
    """The house's meter as the collector shows it: the real board in the real store."""

    def __init__(self, made: Site, folder: Path, time: Time) -> None:
        self.board, self.store, self.time = Board(made), LiveStore(folder), time

    def sample(self, kw: float, *, point: str = "kw", late_s: float = 0.0, quality: str = "measured") -> None:
        now = self.time.wall
        self.board.take("line0", [Sample(point, now - timedelta(seconds=late_s), kw, "kw", now, None, quality)])
        self.store.put(self.board.changed())


@pytest.fixture
def house(store: Store, tmp_path: Path) -> Iterator[tuple[House, Collected]]:
    """A house whose grid meter is on the live board alone, and that board."""
    made = House(store, watched({}))
    collected = Collected(made.site, tmp_path, made.time)
    made.values = SiteValues(made.site, load_template, board=LiveReader(tmp_path))
    made.context.site = made.values
    made.agent.context.site = made.values
    yield made, collected
    collected.store.close()


def run(house: House, collected: Collected, seconds: int, kw: float | None) -> None:
    """Let the agent work while the meter tells its power every two seconds; None: while nobody tells anything."""
    for _ in range(seconds // 2):
        if kw is not None:
            collected.sample(kw)
        house.run(2)


def test_the_meter_at_the_grid_is_believed_as_long_as_its_live_value_is_young(house: tuple[House, Collected]) -> None:
    made, collected = house
    run(made, collected, 6, 1.0)
    made.plan("c1", 1.4, minutes=60)
    run(made, collected, 6, 1.0)
    assert made.state("c1") is CommandState.VERIFIED
    # The collector is gone; what it showed last stands in the store for ever.
    run(made, collected, 20, None)
    assert (made.state("c1"), made.guard("c1")) == (CommandState.REVERTED, "I05")
    made.plan("c2", 1.4, minutes=60)
    run(made, collected, 6, None)
    assert (made.state("c2"), made.guard("c2")) == (CommandState.BLOCKED, "I05")


@pytest.mark.parametrize("kw", [13.8, math.nan])
def test_what_the_live_meter_shows_bounds_a_command(house: tuple[House, Collected], kw: float) -> None:
    made, collected = house
    run(made, collected, 6, 1.0 if math.isnan(kw) else kw)
    if math.isnan(kw):
        # Its own device doubts it: not known, and no zero.
        collected.sample(0.0, quality="doubtful")
        made.run(2)
    made.plan("c1", 1.4, minutes=60)
    made.run(3)
    assert (made.state("c1"), made.guard("c1")) == (CommandState.BLOCKED, "I05")


def test_a_live_store_that_cannot_be_read_is_a_meter_that_is_not_known(
    house: tuple[House, Collected], tmp_path: Path
) -> None:
    made, collected = house
    run(made, collected, 6, 1.0)
    collected.store.close()
    (tmp_path / FILE).write_bytes(b"no database" * 500)
    made.run(20)
    made.plan("c1", 1.4, minutes=60)
    made.run(3)
    assert (made.state("c1"), made.guard("c1")) == (CommandState.BLOCKED, "I05")
    assert made.agent.trouble == ""


def shown(made: Site, *samples: tuple[str, float, float, str]) -> list[tuple[float, float]]:
    """kW and age of the readings that samples (point, value, age in s, quality) make, each look two seconds later."""
    time, board, powers = Time(), Board(made), LivePowers(made)
    found: list[tuple[float, float]] = []
    with_store: dict[tuple[str, str], Any] = {}
    for point, value, age_s, quality in samples:
        at = time.wall - timedelta(seconds=age_s)
        board.take("line0", [Sample(point, at, value, "kw", time.wall, None, quality)])
        with_store |= {(row[1], row[2]): row for row in board.changed()}  # type: ignore[misc]
        values = [_value(row) for row in with_store.values()]
        found += [(each.kw, time.mono - each.at_s) for each in powers.news(values, now_utc=time.wall, now_s=time.mono)]
        time.pass_(2)
    return found


def _value(row: Any) -> Any:
    from assets.stores.live.live_store import _value as of_row

    return of_row(row[1:])


def test_a_value_ages_by_the_monotonic_clock_and_counts_once() -> None:
    made, time = watched({}), Time()
    board, powers = Board(made), LivePowers(made)
    board.take("line0", [Sample("kw", time.wall - timedelta(seconds=3), 2.0, "kw", time.wall, None)])
    (row,) = board.changed()
    (first,) = powers.news([_value(row)], now_utc=time.wall, now_s=time.mono)
    assert (first.kw, time.mono - first.at_s) == (2.0, 3.0)
    # An hour back: by the wall clock it would be from the future, and of no age for an hour.
    time.pass_(10)
    time.wall -= timedelta(hours=1)
    assert powers.news([_value(row)], now_utc=time.wall, now_s=time.mono) == []
    # Seen first by a new process, it is not believed at all.
    (fresh,) = LivePowers(made).news([_value(row)], now_utc=time.wall, now_s=time.mono)
    assert math.isnan(fresh.kw)


def test_import_and_export_of_a_smart_meter_are_one_power_and_as_old_as_the_older() -> None:
    made = watched({"kind": "p1_tcp", "host": "bridge", "points": DSMR})
    assert shown(made, ("in", 0.0, 4.0, "measured"), ("out", 2.5, 0.0, "measured")) == [(-2.5, 6.0)]


@pytest.mark.parametrize(
    ("sources", "changes"),
    [
        # Of a smart meter's two powers one alone says nothing: it is 0 while the other flows.
        ([{"kind": "p1_tcp", "host": "bridge", "points": DSMR[:1]}], {}),
        ([{"points": [KW | {"unit": "kvar"}]}], {}),
        ([{"points": [KW | {"what": "register", "unit": "kwh"}]}], {"meters": [
            {"meter_id": "grid", "registers": [{"kind": "cumulative"}]}]}),
        # Made up, and the site is real.
        ([{"is_synthetic": True}], {}),
        # Pushed and pulled values are no live ones of the collector.
        ([{"kind": "push", "points": [{key: KW[key] for key in ("point", "stream", "what", "unit")}]}], {}),
        ([], {}),
    ],
)  # fmt: skip
def test_what_tells_no_power_is_no_meter(sources: list[dict[str, Any]], changes: dict[str, Any]) -> None:
    made = watched(*sources, **changes)
    assert (live_meters(made), grid_asset(made), meters_of(made)) == ({}, None, {})
    assert connection_of(made, load_template)["has_grid_meter"] is False


def test_of_two_sources_of_one_meter_the_first_speaks_and_a_device_before_both() -> None:
    made = watched({}, {"source_id": "second"})
    assert live_meters(made) == {"meter": {("line0", "kw"): 1.0}}
    assert connection_of(made, load_template)["has_grid_meter"] is True
    assert {device: meter.asset_id for device, meter in meters_of(made).items()} == {
        "battery": "meter",
        "pump": "meter",
    }
    query = {"asset_id": "own", "kind": "grid_meter", "template": "meter_sdm630", "meter": "grid"}
    both = made.model_dump(mode="json", exclude_unset=True)
    found = Site.model_validate(both | {"assets": [*both["assets"], query]})
    assert live_meters(found) == {}
    assert getattr(grid_asset(found), "asset_id", None) == "own"


def test_a_site_without_such_a_meter_never_opens_the_live_store(tmp_path: Path) -> None:
    values = SiteValues(site(), load_template, board=LiveReader(tmp_path))
    assert len(values.sensors) == 1
