"""Events of the Cambridge electricity meters of 2018 and 2019 as they are, a meter and month: false alarms at most.

Run: `.venv/bin/python -m tests.bench.anomaly_cambridge ../shared/data`. Real faults are among the events, and count
as false. Gaps up to six hours are filled; a zero there is no reading; years with a tenth of their hours missing are
left out.
"""

import sys
from pathlib import Path
from time import process_time

from ml.anomalies.monitor import watch
from ml.features.civil import civil_on
from ml.features.series import Series
from tests.ml.anomalies.office import types
from tests.ml.anomalies.real_meters import RealMeter, cambridge_years

# Days of a mean month.
DAYS = 365.25 / 12


def judged(meter: RealMeter) -> tuple[int, float]:
    """Events of one year by the product's monitor with its usual limits, and the months that it judged."""
    civil = civil_on(types, "UTC", meter.start_utc, len(meter.values))
    found = watch(Series(meter.start_utc, meter.values), civil)
    return len(found.events), found.days / DAYS


def main() -> int:
    """Print the figures; 2 where the words are not a folder."""
    if len(sys.argv) != 2:
        sys.stdout.write(f"{__doc__}\n")
        return 2
    meters = list(cambridge_years(Path(sys.argv[1])))
    begun, found = process_time(), [judged(each) for each in meters]
    seconds = (process_time() - begun) / len(meters)
    events, months = sum(count for count, _ in found), sum(each for _, each in found)
    worst = max(count / each for count, each in found)
    count = len({each.building for each in meters})
    sys.stdout.write(
        f"{count} meters, {months:.0f} months, {events} events: {events / months:.2f} a meter and month, "
        f"{worst:.2f} in the worst year of a meter; {seconds:.2f} s of processor a year\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
