"""Rooms coupled through their walls, identified together by one likelihood and one Kalman filter for all.

C_i dT_i/dt = (outdoor - T_i) / R_i + sum_j g_ij (T_j - T_i) + heater_i + gain_i + aperture_i x sun, exact over each
step (matrix exponential), g_ij = g_ji >= 0 in kW/K. A wall stays only where its interval leaves zero and where days
that the fit has not seen are foreseen better with it; without any, every room is what it is alone (identify_room.py),
to the last digit. Rooms that warm up together for another reason look coupled, so the interval alone does not decide.
State space by statsmodels (Durbin and Koopman 2012).
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field
from scipy.linalg import expm

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from ml.rooms.identify_room import (
    LEAST_H,
    NAMES,
    Floats,
    Interval,
    RoomData,
    RoomModel,
    RoomState,
    ahead,
    identify,
    model_of,
    reach_of,
    state_of,
    without_sun,
)

if TYPE_CHECKING:
    from statsmodels.tsa.statespace.mlemodel import MLEModel

# Every further room makes three more figures of a wall, and a day of readings tells only so many.
MOST_ROOMS = 4
# Of a room's own figures, as identify_room.py has them: four and two deviations.
_OWN = len(NAMES) + 2
# Where the search for a wall begins, as a share of what the room loses to the outdoors.
_SHARE, _ITERATIONS, _TIMES = 0.3, 200, 2
_W_PER_KW = 1000.0
# Of the mean error of days that the fit has not seen, walls must take so much.
LEAST_GAIN = 0.02
Pair = tuple[int, int]
Rooms = Mapping[str, RoomData]


class Wall(Model):
    """Conductance between two rooms, kW/K, with its interval."""

    rooms: tuple[str, str]
    kw_per_k: float = Field(ge=0)
    interval: Interval


class CoupledRooms(Model):
    """Rooms and the walls between them, identified from their temperatures. rooms: by name; walls: none where none is.

    errors_k: mean error of each room over 24 hours, from each midnight, each half foreseen by a fit of the other;
    alone_errors_k: without any wall. Heaters, sun and outdoors are taken as they were. Empty: not judged, since no wall
    is told or there are too few days.
    """

    rooms: dict[str, RoomModel]
    walls: tuple[Wall, ...] = ()
    errors_k: dict[str, float] = {}
    alone_errors_k: dict[str, float] = {}

    @property
    def between_kw_per_k(self) -> Floats:
        """(rooms, rooms), symmetric, in the order of `rooms`."""
        names, found = list(self.rooms), np.zeros((len(self.rooms), len(self.rooms)))
        for wall in self.walls:
            one, other = (names.index(each) for each in wall.rooms)
            found[one, other] = found[other, one] = wall.kw_per_k
        return found


def identify_rooms(data: Rooms, *, confidence: float = 0.9) -> CoupledRooms | Finding:
    """The rooms behind the readings and the walls between them, or why one of them is not identifiable.

    data: by name, on one grid, at most MOST_ROOMS. confidence: of the intervals, a share. Raises BadInput.
    """
    if not 1 <= len(data) <= MOST_ROOMS:
        raise BadInput(
            f"{len(data)} rooms at once: expected at most {MOST_ROOMS} that touch each other", reason="too_many_rooms"
        )
    grids = {(each.step_h, each.indoor_degc.size) for each in data.values()}
    if len(grids) > 1:
        raise BadInput("the rooms have other steps: expected one grid for all of them", reason="mixed_steps")
    alone: dict[str, RoomModel] = {}
    for name, each in data.items():
        found = identify(each, confidence=confidence)
        if isinstance(found, Finding):
            return found.model_copy(update={"scope": name, "message": f"{name}: {found.message}"})
        alone[name] = found
    house, walled = CoupledRooms(rooms=alone), _walled(data, alone, confidence)
    if not walled.walls:
        return house
    names = list(walled.rooms)
    errors, alone_errors = _unseen_errors_k(
        data, alone, [(names.index(wall.rooms[0]), names.index(wall.rooms[1])) for wall in walled.walls]
    )
    # Who cannot be judged by days that were not seen has no walls.
    if not errors or sum(errors.values()) > (1 - LEAST_GAIN) * sum(alone_errors.values()):
        return house.model_copy(update={"errors_k": alone_errors, "alone_errors_k": alone_errors})
    return walled.model_copy(update={"errors_k": errors, "alone_errors_k": alone_errors})


def _walled(data: Rooms, alone: Mapping[str, RoomModel], confidence: float) -> CoupledRooms:
    """The house with walls whose intervals leave zero; the others are left out, the rest is fitted again."""
    pairs = list(combinations(range(len(data)), 2))
    while pairs:
        house, low = _fitted(data, alone, pairs, confidence)
        standing = [pair for pair, bound in zip(pairs, low.tolist(), strict=True) if bound > 0]
        if len(standing) == len(pairs):
            return house
        pairs = standing
    return CoupledRooms(rooms=dict(alone))


def _unseen_errors_k(
    data: Rooms, alone: Mapping[str, RoomModel], pairs: Sequence[Pair]
) -> tuple[dict[str, float], dict[str, float]]:
    """Errors of a day ahead with these walls and without any: each half foreseen by a fit of the other."""
    one = next(iter(data.values()))
    day, steps = round(24 / one.step_h), one.indoor_degc.size
    half = steps // 2 // day * day
    if half * one.step_h < LEAST_H:
        return {}, {}
    parts = [{name: each.between(*span) for name, each in data.items()} for span in ((0, half), (half, steps))]
    found = []
    for walls in (pairs, ()):
        own = []
        for learnt, judged in (parts, parts[::-1]):
            params, _ = _params(_state_space(learnt, walls), _start(alone, walls), has_errors=False)
            own.append(day_ahead_errors_k(_house(learnt, params, np.zeros(params.size), walls, 0.5), judged))
        found.append({name: (own[0][name] + own[1][name]) / 2 for name in data} if all(own) else {})
    return found[0], found[1]


def states_of(house: CoupledRooms, data: Rooms) -> dict[str, RoomState]:
    """The temperatures behind noisy and missing readings: a reading of one room informs about its neighbours too."""
    if not house.walls:
        return {name: state_of(model, data[name]) for name, model in house.rooms.items()}
    kept, settles, disturbed, sensor = _matrices(house, data)
    readings = np.array([data[name].indoor_degc for name in house.rooms])
    now = np.array([_first(readings[at], settles[at, 0]) for at in range(len(readings))])
    variance = np.eye(len(now))
    degc, sd = np.zeros(settles.shape), np.zeros(settles.shape)
    for t in range(settles.shape[1]):
        seen = np.isfinite(readings[:, t])
        if seen.any():
            part = variance[:, seen]
            gain = part @ np.linalg.inv(variance[np.ix_(seen, seen)] + np.diag(sensor[seen]))
            now = now + gain @ (readings[seen, t] - now[seen])
            variance = variance - gain @ part.T
        degc[:, t], sd[:, t] = now, np.sqrt(np.diag(variance))
        now = kept @ now + settles[:, t]
        variance = kept @ variance @ kept.T + np.diag(disturbed)
    return {name: RoomState(degc[at], sd[at]) for at, name in enumerate(house.rooms)}


def rooms_ahead(house: CoupledRooms, start: Mapping[str, tuple[float, float]], data: Rooms) -> dict[str, RoomState]:
    """Temperatures at the end of each step to come. start: by room, temperature and its standard deviation before."""
    if not house.walls:
        return {name: ahead(model, start[name], data[name]) for name, model in house.rooms.items()}
    kept, settles, disturbed, _ = _matrices(house, data)
    now = np.array([start[name][0] for name in house.rooms])
    variance = np.diag([start[name][1] ** 2 for name in house.rooms])
    degc, sd = np.zeros(settles.shape), np.zeros(settles.shape)
    for t in range(settles.shape[1]):
        now = kept @ now + settles[:, t]
        variance = kept @ variance @ kept.T + np.diag(disturbed)
        degc[:, t], sd[:, t] = now, np.sqrt(np.diag(variance))
    return {name: RoomState(degc[at], sd[at]) for at, name in enumerate(house.rooms)}


def day_ahead_errors_k(house: CoupledRooms, data: Rooms, *, first: int = 0) -> dict[str, float]:
    """Mean error of each room over 24 hours, from each midnight of the days from step `first` on; empty: no such day.

    Heaters, sun and outdoors are taken as they were: it is the rooms that are judged.
    """
    one = next(iter(data.values()))
    day, steps = round(24 / one.step_h), one.indoor_degc.size
    states, errors = states_of(house, data), {name: list[float]() for name in data}
    for midnight in range(first, steps - day, day):
        start = {name: (float(each.degc[midnight]), float(each.sd_k[midnight])) for name, each in states.items()}
        some = {name: each.between(midnight, midnight + day) for name, each in data.items()}
        for name, foreseen in rooms_ahead(house, start, some).items():
            # At the end of a step stands the reading at the start of the next.
            away = np.abs(foreseen.degc - data[name].indoor_degc[midnight + 1 :][:day])
            if np.isfinite(away).any():
                errors[name].append(float(np.nanmean(away)))
    return {name: float(np.mean(own)) for name, own in errors.items()} if all(errors.values()) else {}


def _fitted(
    data: Rooms, alone: Mapping[str, RoomModel], pairs: Sequence[Pair], confidence: float
) -> tuple[CoupledRooms, Floats]:
    """The rooms with walls between these pairs, and the lower bound of each conductance; 0 where it reaches zero."""
    params, errors = _params(_state_space(data, pairs), _start(alone, pairs), has_errors=True)
    if not all(np.isfinite(_own_of(each, params, errors, at)).all() for at, each in enumerate(data.values())):
        # Without finite standard errors of its rooms there is no wall either.
        return CoupledRooms(rooms=dict(alone)), np.zeros(len(pairs))
    house = _house(data, params, errors, pairs, confidence)
    return house, np.array([wall.interval.low for wall in house.walls])


def _params(space: "MLEModel", start: Floats, *, has_errors: bool) -> tuple[Floats, Floats]:
    """The likeliest parameters and their standard errors; zeros where not requested: they take long."""
    for _ in range(_TIMES):
        fitted = space.fit(
            start, disp=0, maxiter=_ITERATIONS, method="lbfgs", warn_convergence=False,
            cov_type=None if has_errors else "none",
        )  # fmt: skip
        start = np.asarray(fitted.params)
        if fitted.mle_retvals["converged"]:
            break
    return start, np.asarray(fitted.bse) if has_errors else np.zeros(start.size)


def _own_of(data: RoomData, params: Floats, errors: Floats, at: int) -> tuple[Floats, Floats]:
    part = slice(_OWN * at, _OWN * (at + 1))
    return without_sun(data, params[part], errors[part])


def _house(data: Rooms, params: Floats, errors: Floats, pairs: Sequence[Pair], confidence: float) -> CoupledRooms:
    names = list(data)
    rooms = {
        name: model_of(each, *_own_of(each, params, errors, at), confidence)
        for at, (name, each) in enumerate(data.items())
    }
    root = np.abs(params[_OWN * len(data) :])
    # A wall is identified from both its rooms, and each has as many observations as days.
    reach = reach_of(next(iter(data.values())), errors[_OWN * len(data) :], confidence)
    # Where the reach is not finite, the wall reaches zero.
    reach = np.where(np.isfinite(reach), reach, root)
    low, high = np.maximum(root - reach, 0.0) ** 2, (root + reach) ** 2
    walls = tuple(
        Wall(
            rooms=(names[one], names[other]),
            kw_per_k=float(root[at] ** 2),
            interval=Interval(low=float(low[at]), high=float(high[at])),
        )
        for at, (one, other) in enumerate(pairs)
    )
    return CoupledRooms(rooms=rooms, walls=walls)


def _start(alone: Mapping[str, RoomModel], pairs: Sequence[Pair]) -> Floats:
    own = [
        [np.log(each.r_k_per_kw), np.log(each.c_kwh_per_k), each.aperture_m2, each.gain_kw,
         np.log(max(each.disturbance_k, 1e-4)), np.log(max(each.sensor_k, 1e-4))]
        for each in alone.values()
    ]  # fmt: skip
    loss = [1 / each.r_k_per_kw for each in alone.values()]
    roots = [np.sqrt(_SHARE * min(loss[one], loss[other])) for one, other in pairs]
    return np.array([*np.ravel(own), *roots])


def _matrices(house: CoupledRooms, data: Rooms) -> tuple[Floats, Floats, Floats, Floats]:
    """Share of the temperatures that a step keeps, what it adds (rooms × steps), variances of step and reading."""
    models, each = list(house.rooms.values()), [data[name] for name in house.rooms]
    r, c, aperture, gain = (np.array([getattr(model, name) for model in models]) for name in NAMES)
    kept, added = _step(each, r, c, aperture, gain, house.between_kw_per_k)
    disturbed, sensor = (np.array([getattr(m, name) ** 2 for m in models]) for name in ("disturbance_k", "sensor_k"))
    return kept, added, disturbed, sensor


def _step(data: Sequence[RoomData], r: Any, c: Any, aperture: Any, gain: Any, between: Any) -> tuple[Any, Any]:
    """Exact over a step with constant outdoors, heaters and sun. Parameters may be complex, for derivatives."""
    moves = (between - np.diag(1 / r + between.sum(axis=1))) / c[:, None]
    kept = expm(moves * data[0].step_h)
    outdoor, heating, sun = (
        np.array([getattr(each, name) for each in data]) for name in ("outdoor_degc", "heating_kw", "sun_w_per_m2")
    )
    heat = heating + gain[:, None] + aperture[:, None] * sun / _W_PER_KW
    pushed = (outdoor / r[:, None] + heat) / c[:, None]
    return kept, np.linalg.solve(moves, (kept - np.eye(len(r))) @ pushed)


def _state_space(data: Rooms, pairs: Sequence[Pair]) -> "MLEModel":
    from statsmodels.tsa.statespace.mlemodel import MLEModel

    each, count = list(data.values()), len(data)
    readings = np.array([one.indoor_degc for one in each]).T

    class RoomsSpace(MLEModel):  # type: ignore[misc]  # the library has no types
        """The figures of each room as identify_room.py has them, then the root of each conductance."""

        start_params = np.zeros(_OWN * count + len(pairs))

        def __init__(self) -> None:
            super().__init__(readings, k_states=count, k_posdef=count)
            self["design"] = self["selection"] = np.eye(count)
            self.ssm.initialize_known(np.array([_first(one, 20.0) for one in readings.T]), np.eye(count))

        @property
        def param_names(self) -> list[str]:
            return [f"p{number}" for number in range(_OWN * count + len(pairs))]

        def update(self, params: Floats, **options: Any) -> None:
            """The matrices at some parameters."""
            params = super().update(params, **options)
            own = params[: _OWN * count].reshape(count, _OWN)
            between = np.zeros((count, count), dtype=params.dtype)
            for (one, other), root in zip(pairs, params[_OWN * count :], strict=True):
                between[one, other] = between[other, one] = root**2
            r, c = np.exp(own[:, 0]), np.exp(own[:, 1])
            self["transition"], self["state_intercept"] = _step(each, r, c, own[:, 2], own[:, 3], between)
            self["state_cov"], self["obs_cov"] = np.diag(np.exp(2 * own[:, 4])), np.diag(np.exp(2 * own[:, 5]))

    return RoomsSpace()


def _first(readings: Floats, otherwise: float) -> float:
    known = readings[np.isfinite(readings)]
    return float(known[0]) if known.size else otherwise
