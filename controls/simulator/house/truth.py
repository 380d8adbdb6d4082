"""True parameters of the house: drawn from a seed around the figures of its site file, and equal to none of them.

Each room is air and walls. Air loses to the outdoors through windows and leaks, and trades with the walls, with its
neighbours and with the staircase, which nobody heats; walls lose to the outdoors.
"""

from dataclasses import dataclass

import numpy as np

from controls.simulator.house.nominal import Nominal
from controls.simulator.physics.noise import Series, generator

# Of a room's heat, in air and furniture; of its loss, straight from the air; of its heater and of the sun, to the air.
_IN_AIR, _DIRECT, _HEATER_TO_AIR, _SUN_TO_AIR = 0.2, 0.45, 0.35, 0.3
# Between air and walls, kW/K for each kW of its heater: the wider the room, the more of both.
_WALLS_PER_KW = 0.4
_FURTHEST = 0.2
# A tilted or an open window, kW/K for each kW of the heater.
_AIRED_PER_KW = 0.08


@dataclass(frozen=True)
class Truth:
    """Arrays have one value a room, the staircase last; nodes are all airs, then all walls.

    loss_kw_per_k: of nodes to the outdoors. between_kw_per_k: between nodes, symmetric. to_nodes: which share of a kW
    of each heater arrives where. aperture_m2: of windows; facing: 0 south, 1 east, 2 north, 3 west.
    """

    heat_kwh_per_k: Series
    loss_kw_per_k: Series
    between_kw_per_k: Series
    to_nodes: Series
    heaters_kw: Series
    aperture_m2: Series
    facing: tuple[int, ...]
    aired_kw_per_k: Series
    people_kw: float
    performance_ratio: float
    battery_kwh: float
    charge_efficiency: float
    discharge_efficiency: float
    tank_kwh_share: float
    tank_loss_share: float
    draw_share: float
    car_efficiency: float

    @property
    def rooms(self) -> int:
        """Number of them, the staircase included."""
        return len(self.facing)

    def sun_to_nodes(self, walls_w_per_m2: Series) -> Series:
        """KW of the sun to each node. walls_w_per_m2: one row an instant, one column a direction."""
        through = walls_w_per_m2[:, list(self.facing)] * self.aperture_m2 / 1000.0
        return np.hstack([_SUN_TO_AIR * through, (1 - _SUN_TO_AIR) * through])


def truth_of(nominal: Nominal, *, seed: int) -> Truth:
    """The house of a seed."""
    rng = generator(seed, "house truth")

    def about(count: int, most: float = _FURTHEST) -> Series:
        # Never within a tenth of that distance: what the site file says is not what is.
        away = rng.uniform(0.1 * most, most, count)
        found: Series = 1.0 + away * rng.choice([-1.0, 1.0], count)
        return found

    figures = list(nominal.rooms.values())
    count = len(figures)
    heaters = np.array(nominal.heaters_kw)
    loss = 1.0 / (np.array([each.r_k_per_kw for each in figures]) * about(count))
    heat = np.array([each.c_kwh_per_k for each in figures]) * about(count)
    # The staircase: as lossy as half a room, as heavy as a whole one.
    loss, heat = np.append(loss, loss.mean() / 2), np.append(heat, heat.mean())
    size_kw = np.append(heaters, heaters.mean())
    rooms = count + 1
    to_walls = _WALLS_PER_KW * size_kw * about(rooms)
    direct = _DIRECT * loss
    between = np.zeros((2 * rooms, 2 * rooms))
    for one in range(rooms):
        between[one, rooms + one] = to_walls[one]
    for one in range(count):
        # A ring of neighbours, and a door to the staircase.
        for other in ((one + 1) % count, count):
            between[one, other] = max(between[one, other], 0.5 * loss[one] * float(about(1)[0]))
    between = np.maximum(between, between.T)
    to_nodes = np.zeros((2 * rooms, count))
    to_nodes[np.arange(count), np.arange(count)] = _HEATER_TO_AIR
    to_nodes[rooms + np.arange(count), np.arange(count)] = 1 - _HEATER_TO_AIR
    true_kw = heaters * about(count, 0.04)
    share = about(8, 0.04)
    return Truth(
        heat_kwh_per_k=np.concatenate([_IN_AIR * heat, (1 - _IN_AIR) * heat]),
        # What goes through the walls goes from air to wall first: both in a row are the room's share.
        loss_kw_per_k=np.concatenate([direct, 1.0 / (1.0 / ((1 - _DIRECT) * loss) - 1.0 / to_walls)]),
        between_kw_per_k=between,
        to_nodes=to_nodes * true_kw,
        heaters_kw=true_kw,
        aperture_m2=rng.uniform(0.15, 0.45, rooms) * size_kw,
        facing=tuple((rng.permutation(4)[0] + np.arange(rooms)) % 4),
        aired_kw_per_k=_AIRED_PER_KW * size_kw,
        people_kw=0.09 * float(about(1)[0]),
        performance_ratio=0.88 * float(share[0]),
        battery_kwh=nominal.battery.capacity_kwh * float(rng.uniform(0.9, 0.98)),
        charge_efficiency=min(nominal.battery.charge_efficiency * float(rng.uniform(0.975, 0.995)), 1.0),
        discharge_efficiency=min(nominal.battery.discharge_efficiency * float(rng.uniform(0.975, 0.995)), 1.0),
        tank_kwh_share=float(share[3]),
        tank_loss_share=float(about(1)[0]),
        draw_share=float(about(1)[0]),
        car_efficiency=nominal.car.efficiency * float(share[4]),
    )


MINUTE_H = 1.0 / 60.0


@dataclass(frozen=True)
class HeatStep:
    """next = kept @ [nodes, heaters (0 or 1), kW that windows let in] + given @ kW of all else, a minute later.

    nodes: degC. The kW of all else hold what the outdoors give at 0 degC, so loss x outdoor temperature.
    """

    kept: Series
    given: Series


def heat_step(truth: Truth) -> HeatStep:
    """The matrices of a minute. Solves C dT/dt = -K T + kW by its exponential."""
    from scipy.linalg import expm, solve

    between, heat = truth.between_kw_per_k, truth.heat_kwh_per_k
    conducts = np.diag(truth.loss_kw_per_k + between.sum(axis=1)) - between
    rate = -conducts / heat[:, None]
    kept = expm(MINUTE_H * rate)
    # K is never singular: every node loses heat in the end.
    given = solve(conducts, heat[:, None] * (np.eye(heat.size) - kept) / heat[None, :])
    return HeatStep(kept=np.hstack([kept, given @ truth.to_nodes, given[:, : truth.rooms]]), given=given)
