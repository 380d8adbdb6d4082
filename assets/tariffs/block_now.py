"""The periods of a tariff that hold at an instant, until when, and what follows; days and holidays are its own."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from assets.tariffs.calendar_layout import FREE
from assets.tariffs.compiled import Grid, compile_tariff
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.billing.tariff_calendar import QUARTER_MINUTES, DayType
from data_quality.contracts.billing.tariff_charges import TouPeriod
from data_quality.contracts.time import local_midnight_utc

# A long weekend with holidays at both ends has passed by then.
LOOK_DAYS = 9
_STEP = timedelta(minutes=QUARTER_MINUTES)


class Holding(NamedTuple):
    """One charge's period. until_utc: None where none other begins within LOOK_DAYS; following is then None too."""

    charge_id: str
    period: TouPeriod
    until_utc: datetime | None
    following: TouPeriod | None

    @property
    def price(self) -> Decimal | None:
        """Its one price of a kWh; None where it has tiers."""
        return self.period.price


def holding_at(
    tariff: Tariff, now_utc: datetime, *, time_zone: str, day_types: Mapping[date, DayType]
) -> list[Holding]:
    """What holds at the instant, by charge in the tariff's order; charges by reference or register are left out.

    day_types: the site's, of the days around; LOOK_DAYS and one more behind it.
    """
    seconds = int(now_utc.timestamp()) // (QUARTER_MINUTES * 60) * QUARTER_MINUTES * 60
    start_utc = datetime.fromtimestamp(seconds, UTC)
    # Behind the tariff's end another holds: what this one would say there is nobody's price.
    last = min(start_utc + timedelta(days=LOOK_DAYS), local_midnight_utc(tariff.valid_to, time_zone))
    size = max(1, int((last - start_utc) / _STEP))
    zone_name = tariff.time_zone or time_zone
    compiled = compile_tariff(tariff, Grid(start_utc, QUARTER_MINUTES, size, zone_name), day_types=dict(day_types))
    found = []
    for charge in tariff.energy_charges:
        slots = compiled.energy[charge.charge_id]
        if slots is None or slots[0] == FREE:
            continue
        changes = np.flatnonzero(slots != slots[0])
        at = int(changes[0]) if changes.size else None
        following = None if at is None else charge.all_periods[int(slots[at])]
        until = None if at is None else start_utc + at * _STEP
        if at is None and size < LOOK_DAYS * 24 * 60 // QUARTER_MINUTES:
            until = last
        found.append(Holding(charge.charge_id, charge.all_periods[int(slots[0])], until, following))
    return found
