"""Steps that grow, and rooms that heat for a share of the long ones."""

from datetime import UTC, datetime

import numpy as np
import pytest

from controls.optimiser.backends.program import Program
from controls.optimiser.check_solution import replay_case
from controls.optimiser.devices.device import Around
from controls.optimiser.devices.tank import FreeTank
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.closed_loop.moving_steps import hours_of, means_of, spans_of
from controls.planning.closed_loop.present_case import whole_relays
from tests.controls.optimiser.rooms_toy import house, room


@pytest.mark.parametrize("minute", [0, 15, 30, 45])
def test_steps_cover_two_days_and_long_ones_begin_on_the_hour(minute: int) -> None:
    spans = spans_of(datetime(2026, 1, 5, 3, minute, tzinfo=UTC), 192, cuts=[18])
    assert [first for first, _ in spans[1:]] == [after for _, after in spans[:-1]]
    assert (spans[0][0], spans[-1][1]) == (0, 192)
    assert 18 in {first for first, _ in spans}
    for first, after in spans:
        if after - first >= 4:
            assert (minute // 15 + first) % 4 == 0
    assert len(spans) < 45
    assert hours_of(spans).sum() == pytest.approx(48)
    values = np.arange(192.0)
    assert np.dot(means_of(values, spans), hours_of(spans)) == pytest.approx(values.sum() / 4)


def test_a_room_heats_for_a_share_of_long_steps_alone() -> None:
    steps = (0.25, 0.25, 1.0, 3.0)
    one = room(steps=4).model_copy(update={"duty_from_h": 0.5})
    program = Program()
    is_on = one.variables(program, Around(np.array(steps), np.ones(4), np.ones(4)))["is_on"]
    assert program.arrays({}).is_integer[is_on.column].tolist() == [True, True, False, False]
    case = house(1, steps=4)
    case = case.model_copy(update={"step_h": steps, "devices": (*case.devices[:-1], one)})
    found = solve(case)
    assert isinstance(found, Solution)
    share = np.array(found.series.devices[one.device_id]["heating_kw"]) / one.heater_kw
    assert set(share[:2].round(6)) <= {0.0, 1.0}
    half = {name: list(values) for name, values in found.series.devices[one.device_id].items()}
    half["heating_kw"][0] = one.heater_kw / 2
    devices = found.series.devices | {one.device_id: {name: tuple(values) for name, values in half.items()}}
    broken = replay_case(case, found.series.model_copy(update={"devices": devices})).problems
    assert any("step 0: a heater that is neither on nor off" in sentence for sentence in broken)
    # A plan as it was ever stored holds nothing of it.
    assert "duty_from_h" not in room().model_dump()


def test_whole_relays_make_up_for_what_they_left_undone() -> None:
    tank = FreeTank(device_id="tank", draw_kw=(0.0,), max_kwh=10, init_kwh=5, end_min_kwh=0, relays_kw=(1.0, 1.0, 1.0))
    owed, done = 0.0, 0.0
    for _ in range(8):
        told, owed = whole_relays(tank, 1.4, owed)
        done += sum(told.values())
    assert done == pytest.approx(8 * 1.4, abs=0.51)
