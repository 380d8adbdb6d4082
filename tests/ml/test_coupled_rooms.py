"""Rooms identified together: walls where there are some, none where there are none, and a reading of another room."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from ml.rooms.coupled_rooms import CoupledRooms, day_ahead_errors_k, identify_rooms, rooms_ahead, states_of
from ml.rooms.identify_room import RoomData, RoomModel, ahead, identify, state_of
from tests.ml.rooms_of_a_house import house
from tests.orchestration.test_cli import run

LEARNT = 14 * 96
Rooms = dict[str, RoomData]


@pytest.fixture(scope="module")
def walled() -> tuple[float, CoupledRooms, Rooms]:
    """A home with a wall, told by two weeks of three."""
    true, data = house(1, wall=0.5)
    found = identify_rooms({name: each.between(0, LEARNT) for name, each in data.items()})
    assert isinstance(found, CoupledRooms)
    return true, found, data


def alone(data: Rooms) -> CoupledRooms:
    return CoupledRooms.model_validate(
        {"rooms": {name: identify(each.between(0, LEARNT)) for name, each in data.items()}}
    )


def test_a_wall_is_found_and_a_week_that_was_not_seen_is_foreseen_better(
    walled: tuple[float, CoupledRooms, Rooms],
) -> None:
    true, found, data = walled
    (wall,) = found.walls
    assert wall.rooms == ("room0", "room1")
    assert 0.5 * true < wall.kw_per_k < 2 * true
    assert 0 < wall.interval.low < wall.kw_per_k < wall.interval.high
    together, apart = (day_ahead_errors_k(each, data, first=LEARNT) for each in (found, alone(data)))
    assert sum(together.values()) < 0.85 * sum(apart.values())
    assert sum(found.errors_k.values()) < 0.98 * sum(found.alone_errors_k.values())


def test_a_home_without_walls_is_what_its_rooms_are_alone() -> None:
    _, data = house(2, wall=0.0, days=14)
    found = identify_rooms(data)
    assert isinstance(found, CoupledRooms)
    assert found.walls == ()
    assert found.errors_k == found.alone_errors_k
    for name, each in data.items():
        own = identify(each)
        assert isinstance(own, RoomModel)
        assert found.rooms[name] == own
        assert np.array_equal(states_of(found, data)[name].degc, state_of(own, each).degc)


def test_one_room_is_told_as_ever() -> None:
    _, data = house(2, wall=0.5, days=14)
    one = {"room0": data["room0"]}
    found = identify_rooms(one)
    assert isinstance(found, CoupledRooms)
    assert found.rooms["room0"] == identify(one["room0"])
    start = {"room0": (20.0, 0.1)}
    own = ahead(found.rooms["room0"], start["room0"], one["room0"])
    assert np.array_equal(rooms_ahead(found, start, one)["room0"].degc, own.degc)


def test_a_room_without_readings_is_followed_by_what_its_neighbour_says(
    walled: tuple[float, CoupledRooms, Rooms],
) -> None:
    _, found, data = walled
    day = slice(LEARNT, LEARNT + 96)
    silent = data["room1"].indoor_degc.copy()
    silent[day] = np.nan
    gap = data | {"room1": replace(data["room1"], indoor_degc=silent)}
    known, blind = states_of(found, data)["room1"], states_of(found, gap)["room1"]
    both = replace(data["room0"], indoor_degc=np.where(np.isnan(silent), np.nan, data["room0"].indoor_degc))
    dark = states_of(found, gap | {"room0": both})["room1"]
    # The neighbour's readings leave less doubt than nobody's, and more than its own.
    last = LEARNT + 95
    assert known.sd_k[last] < blind.sd_k[last] < dark.sd_k[last]
    away = np.abs(blind.degc[day] - data["room1"].indoor_degc[day])
    assert (away < 3 * np.hypot(blind.sd_k[day], found.rooms["room1"].sensor_k)).mean() > 0.95


def test_heat_that_one_room_gains_is_lost_by_the_other(walled: tuple[float, CoupledRooms, Rooms]) -> None:
    _, found, data = walled
    some = {name: each.between(0, 96) for name, each in data.items()}
    start = dict.fromkeys(data, (18.0, 0.0))
    warm = start | {"room0": (24.0, 0.0)}
    cold, hot = (rooms_ahead(found, each, some) for each in (start, warm))
    assert (hot["room1"].degc > cold["room1"].degc).all()
    # A step is exact: two half steps are one.
    halves = {name: each.model_copy(update={"step_h": 0.125}) for name, each in found.rooms.items()}
    half = {name: replace(each, step_h=0.125).between(0, 1) for name, each in some.items()}
    middle = rooms_ahead(found.model_copy(update={"rooms": halves}), warm, half)
    then = {name: (float(each.degc[0]), 0.0) for name, each in middle.items()}
    end = rooms_ahead(found.model_copy(update={"rooms": halves}), then, half)
    for name in data:
        assert end[name].degc[0] == pytest.approx(hot[name].degc[0], abs=1e-12)


def test_what_cannot_be_told_names_its_room() -> None:
    _, data = house(2, wall=0.5, days=14)
    still = data | {"room1": replace(data["room1"], heating_kw=np.zeros(data["room1"].heating_kw.size))}
    found = identify_rooms(still)
    assert isinstance(found, Finding)
    assert (found.code, found.scope) == ("room_heater_constant", "room1")
    with pytest.raises(BadInput, match="5 rooms at once: expected at most 4"):
        identify_rooms({f"room{n}": data["room0"] for n in range(5)})
    with pytest.raises(BadInput, match="expected one grid for all"):
        identify_rooms(data | {"room1": data["room1"].between(0, 96)})


def written(folder: Path, name: str, data: RoomData, *, later_h: int = 0) -> str:
    start = datetime(2026, 1, 5, tzinfo=UTC)
    times = [start + timedelta(minutes=15 * t) for t in range(data.indoor_degc.size)]
    columns = {
        "indoor_degc": data.indoor_degc, "outdoor_degc": data.outdoor_degc, "heating_kw": data.heating_kw,
        "ghi_w_per_m2": data.sun_w_per_m2,
    }  # fmt: skip
    frame = pl.DataFrame({"timestamp": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in times], **columns})
    frame[4 * later_h :].write_csv(folder / f"{name}.csv")
    return str(folder / f"{name}.csv")


def test_files_of_rooms_that_touch_are_told_together(tmp_path: Path) -> None:
    true, data = house(1, wall=0.5, days=14)
    hall = written(tmp_path, "hall", data["room0"])
    # It begins six hours later: what all of them know counts.
    bath = written(tmp_path, "bath", data["room1"], later_h=6)
    code, out, error = run("rooms", "fit", hall, "--beside", bath, "--json")
    assert code == 0, error
    found = json.loads(out)
    ((wall,)) = found["walls"]
    assert wall["rooms"] == ["hall", "bath"]
    assert 0.5 * true < wall["kw_per_k"] < 2 * true
    assert found["figures"][-1]["figure"] == "wall_kw_per_k"
    assert found["rooms"]["hall"]["n"] == (14 * 24 - 6) * 4
    assert sum(found["errors_k"].values()) < 0.98 * sum(found["alone_errors_k"].values())
    code, _, error = run("rooms", "fit", hall, "--beside", hall)
    assert (code, "two rooms have one name" in error) == (2, True)
    short = written(tmp_path, "attic", data["room1"].between(0, 200))
    code, out, _ = run("rooms", "fit", hall, "--beside", short, "--json")
    assert (code, json.loads(out)["findings"][0]["code"]) == (1, "room_too_short")
