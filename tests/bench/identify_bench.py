"""A hundred rooms identified from two weeks of temperatures: how many true figures lie in their 90 % intervals.

Run: `.venv/bin/python -m tests.bench.identify_bench [rooms]`. The rooms are those of tests/ml/test_rooms.py: one mass,
by minutes, people and clouds, a thermometer of tenths of a degree; seeds that the suite does not use.
"""

import sys
import time

from data_quality.contracts.finding import Finding
from ml.rooms.identify_room import identify
from tests.ml.test_rooms import lived_in

ROOMS, FIRST_SEED, WANTED = 100, 1000, 0.85


def main() -> int:
    """Print how far it is every ten rooms, and the shares at the end; 1 where fewer than 85 % lie inside."""
    rooms = int(sys.argv[1]) if len(sys.argv) > 1 else ROOMS
    hits, untold = {"r_k_per_kw": 0, "c_kwh_per_k": 0}, 0
    begun = time.process_time()
    for n in range(rooms):
        true, data = lived_in(FIRST_SEED + n)
        found = identify(data)
        if isinstance(found, Finding):
            # Said to be unknown is no hit.
            untold += 1
        else:
            for name, value in true.items():
                hits[name] += found.intervals[name].low <= value <= found.intervals[name].high
        if (n + 1) % 10 == 0:
            print(f"{n + 1} rooms: {hits}, {untold} not told, {time.process_time() - begun:.0f} s of processor")
    share = sum(hits.values()) / (2 * rooms)
    print(f"true R and C inside their 90 % intervals: {share:.1%} of {2 * rooms} (wanted: {WANTED:.0%})")
    return int(share < WANTED)


if __name__ == "__main__":
    sys.exit(main())
