"""Plans of rooms that touch: heat through a wall, reported at either end, and a neighbour that is no room."""

from typing import Any

import numpy as np
import pytest

from controls.optimiser.case import case_of
from controls.optimiser.devices.room import Room
from controls.planning.plan_inputs import plan_request
from controls.planning.surroundings import walls_of
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import PlanRequest
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from tests.controls.planning.examples import HOME, inputs
from tests.controls.planning.test_outdoor import ROOM, weather_issue

G = 0.02
QUARTER = np.full(96, 0.25)


def site(office: dict[str, float] | None = None, hall: dict[str, float] | None = None) -> Site:
    """A home with an office that is kept warm beside a hall that is not."""
    rooms = [
        ROOM | {"asset_id": name, "params": {**ROOM["params"], **more, **({"walls": walls} if walls else {})}}  # type: ignore[dict-item]
        for name, walls, more in (("office", office, {}), ("hall", hall, {"low_degc": 12, "high_degc": 24}))
    ]
    return Site.model_validate({**HOME.model_dump(), "assets": [*HOME.model_dump()["assets"], *rooms]})


def room_request(known: Site) -> PlanRequest:
    given = inputs(mode=Mode.FULL)
    states = given["states"] | {"office": (21.0, 1.0), "hall": (12.5, 1.0)}
    weather = (weather_issue([0.0] * 26),)
    found = plan_request(known, **given | {"states": states, "weather": weather})
    assert isinstance(found, PlanRequest), found
    return found


def room(found: PlanRequest, name: str) -> Room:
    return next(one for one in case_of(found).devices if isinstance(one, Room) and one.device_id == name)


def test_a_cold_neighbour_takes_heat_and_the_plan_says_by_which_wall() -> None:
    plain, walled = room_request(site()), room_request(site(office={"hall": G}))
    office, alone = room(walled, "office"), room(plain, "office")
    assert office.r_k_per_kw == pytest.approx(1 / (1 / 25 + G))
    # The hall falls from 12.5 degC to its band; at 0 degC outdoors it warms what the wall adds to the loss.
    assert office.gain_kw[0] == pytest.approx(G * 12.4, abs=0.01)
    assert office.gain_kw[-1] == pytest.approx(G * 12.0, abs=0.02)
    off = np.zeros(len(QUARTER))
    assert (office.temperatures_degc(off, QUARTER)[4:] < alone.temperatures_degc(off, QUARTER)[4:]).all()
    hall, cold = room(walled, "hall"), room(plain, "hall")
    assert (hall.temperatures_degc(off, QUARTER) > cold.temperatures_degc(off, QUARTER)).all()
    assert walled.inputs["office_walls"] == "hall 0.02 kW/K; each neighbour as its own thermostat holds it"
    assert [name for name in plain.inputs if name.endswith("_walls")] == []
    assert office.outdoor_degc == alone.outdoor_degc


def test_a_wall_is_the_equation_that_rooms_are_told_by() -> None:
    alone = room(room_request(site()), "office")
    neighbour = 12 + 3 * np.sin(np.arange(96) / 10)
    on = np.tile([1.0, 0.0, 0.0], 32)
    found = alone.with_walls([(G, neighbour), (2 * G, neighbour + 1)]).temperatures_degc(on, QUARTER)
    now, course = alone.init_degc, []
    for t in range(96):
        for _ in range(900):
            flow = (0.0 - now) / 25 + 1.2 * on[t] + G * (neighbour[t] - now) + 2 * G * (neighbour[t] + 1 - now)
            now += flow / 1.4 / 3600
        course.append(now)
    assert found == pytest.approx(course, abs=1e-3)


def test_a_wall_told_at_both_ends_is_one_wall() -> None:
    here, there, both = (
        room_request(site(*each)) for each in (({"hall": G}, None), (None, {"office": G}), ({"hall": G}, {"office": G}))
    )
    assert here.devices == there.devices == both.devices
    assert walls_of(site({"hall": G})) == {"office": {"hall": G}, "hall": {"office": G}}
    assert walls_of(site()) == {}


@pytest.mark.parametrize("name", ["office", "cellar", "battery"])
def test_a_neighbour_that_is_no_other_room_is_refused_by_name(name: str) -> None:
    with pytest.raises(BadInput, match=f"asset 'office': walls names {name!r}; expected another room: hall"):
        room_request(site({name: G}))


def test_a_wall_has_a_conductance_above_zero() -> None:
    wrong: dict[str, Any] = {"hall": -0.1}
    with pytest.raises(BadInput, match="walls"):
        room_request(site(wrong))
