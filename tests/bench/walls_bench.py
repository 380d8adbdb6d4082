"""Rooms of simulated homes identified together and alone: walls found, and days ahead that no fit has seen.

Run: `.venv/bin/python -m tests.bench.walls_bench [homes]`. Two rooms of tests/ml/rooms_of_a_house.py, two weeks to
learn from and a third that judges; half of the homes have a wall of half a room's loss, half have none. Fails where
those with a wall are not foreseen better, or those without are foreseen worse by over a hundredth.
"""

import sys
import time

import numpy as np

from data_quality.contracts.finding import Finding
from ml.rooms.coupled_rooms import CoupledRooms, day_ahead_errors_k, identify_rooms
from tests.ml.rooms_of_a_house import house

HOMES, FIRST_SEED, DAYS = 20, 2000, 14


def main() -> int:
    """Print a line a kind of home."""
    homes, failed = int(sys.argv[1]) if len(sys.argv) > 1 else HOMES, 0
    for wall in (0.5, 0.0):
        begun, found, errors, ratio = time.process_time(), 0, [], []
        for n in range(homes):
            true, data = house(FIRST_SEED + n, wall=wall)
            cut = DAYS * 96
            identified = identify_rooms({name: each.between(0, cut) for name, each in data.items()})
            if isinstance(identified, Finding):
                print(f"wall {wall}, home {n}: {identified.message}")
                continue
            found += bool(identified.walls)
            ratio += [each.kw_per_k / true for each in identified.walls if true]
            # A fit of the same days without walls is what stands where none is found.
            own = day_ahead_errors_k(identified, data, first=cut)
            errors.append((sum(own.values()) / 2, sum(_alone(identified, data, cut).values()) / 2))
        with_walls, alone = np.array(errors).T
        gain = 1 - float(with_walls.sum() / alone.sum())
        failed += gain < (0.1 if wall else -0.01)
        size = f", {np.median(ratio):.2f} times the true one (median)" if ratio else ""
        print(
            f"{len(errors)} homes, walls of {wall:g} of a room's loss: found in {found}{size}; a day ahead errs by "
            f"{with_walls.mean():.3f} K, alone {alone.mean():.3f} K ({gain:+.1%}), worse than alone by over a "
            f"hundredth in {int(np.sum(with_walls > 1.01 * alone))}; {time.process_time() - begun:.0f} s of processor"
        )
    return failed


def _alone(reported: CoupledRooms, data: dict[str, object], cut: int) -> dict[str, float]:
    from ml.rooms.identify_room import RoomModel, identify

    if not reported.walls:
        return day_ahead_errors_k(reported, data, first=cut)
    rooms = {name: identify(each.between(0, cut)) for name, each in data.items()}
    alone = CoupledRooms(rooms={name: each for name, each in rooms.items() if isinstance(each, RoomModel)})
    return day_ahead_errors_k(alone, data, first=cut)


if __name__ == "__main__":
    sys.exit(main())
