"""Grid intensity by its own slots (15, 30 or 60 minutes), weighed to hours by the load within them.

A market settles by the half hour: the hour's factor is what its energy met, never the mean of two factors. Only where
the load is coarser than the factors (its course within the slot is not known) is each minute weighed the same.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import NamedTuple

from data_quality.contracts.units import EXACT


class Intensity(NamedTuple):
    """kgCO2e per kWh by UTC slot start."""

    step: timedelta
    values: Mapping[datetime, Decimal]


class HourFactors(NamedTuple):
    """By UTC hour start: weighed by the load, and by time. An hour with a slot that has no factor is in neither."""

    weighed: dict[datetime, Decimal]
    mean: dict[datetime, Decimal]


def hour_of(moment: datetime) -> datetime:
    """The start of its UTC hour."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def by_hour(load_kwh: Mapping[datetime, Decimal], step: timedelta, intensity: Intensity) -> HourFactors:
    """The factors of the load's hours. load_kwh: energy by slot start; step: its length, which divides an hour."""
    kgco2e: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    energy: defaultdict[datetime, Decimal] = defaultdict(Decimal)
    factors: defaultdict[datetime, list[Decimal]] = defaultdict(list)
    gaps: set[datetime] = set()
    with localcontext(EXACT):
        for moment, kwh in load_kwh.items():
            hour, factor = hour_of(moment), _of_slot(moment, step, intensity)
            # One slot without a factor makes the hour unknown: the mean of the others would be a guess.
            if factor is None:
                gaps.add(hour)
                continue
            energy[hour] += kwh
            kgco2e[hour] += kwh * factor
            factors[hour].append(factor)
        means = {hour: sum(values, Decimal(0)) / len(values) for hour, values in factors.items() if hour not in gaps}
        # Without energy there is nothing to weigh by; the mean multiplies zero.
        weighed = {hour: kgco2e[hour] / energy[hour] if energy[hour] else mean for hour, mean in means.items()}
    return HourFactors(weighed, means)


def _of_slot(moment: datetime, step: timedelta, intensity: Intensity) -> Decimal | None:
    """The factor of a slot of the load: that of the slot around it, or the mean of those within; None for a gap."""
    first = moment - timedelta(minutes=moment.minute % (intensity.step // timedelta(minutes=1)))
    # A load finer than the factors lies within one slot; a coarser one spans several.
    count = max(1, step // intensity.step)
    values = [intensity.values.get(first + number * intensity.step) for number in range(count)]
    found = [value for value in values if value is not None]
    return sum(found, Decimal(0)) / count if len(found) == count else None
