"""Instants as the site's clock shows them: labels of rows, slots of a day, ticks of an axis. Days have 23 to 25 hours.

The hour that a clock change repeats reads `02:00 A` and `02:00 B`; one that it skips is nowhere.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from data_quality.contracts.time import Period, zone
from reports.pages.address import PageGrain
from reports.texts.locales import day_of_month

# More than these no axis of a page has room for.
MOST_TICKS = 16
_STEPS_H = (1, 2, 3, 6, 12)
_STEPS_D = (1, 2, 7, 14)
_STEPS_M = (1, 2, 3, 6, 12, 24, 60)


def slot_of(at_utc: datetime, time_zone: str) -> str:
    """The time of day by the site's clock, `14:15`; of a repeated hour with its pass, `02:00 B`."""
    local = at_utc.astimezone(zone(time_zone))
    return f"{local:%H:%M}{_pass_of(local)}"


def label_of(at_utc: datetime, grain: PageGrain, time_zone: str) -> str:
    """What an interval of that grain is called: its first local moment, day or month."""
    local = at_utc.astimezone(zone(time_zone))
    if grain in ("month", "year"):
        return f"{local:%Y-%m}" if grain == "month" else f"{local:%Y}"
    return f"{local:%Y-%m-%d}" if grain == "day" else f"{local:%Y-%m-%d} {slot_of(at_utc, time_zone)}"


def slots_in_order(slots: set[str]) -> list[str]:
    """Slots as a day has them; the first pass of a repeated hour stands where other days have theirs."""
    return sorted(slots, key=lambda slot: (slot[:2], slot[6:], slot[3:5]))


def same_slot(slot: str) -> str:
    """The slot by which days are compared: the first pass of a repeated hour is the hour of other days."""
    return slot.removesuffix(" A")


def ticks(period: Period, locale: str = "en") -> tuple[tuple[int, str], ...]:
    """Where the axis of a period is labelled, seconds since 1970, and how: local hours, days, months or years."""
    if period.days <= 4:
        step = next((each for each in _STEPS_H if period.days * 24 / each <= MOST_TICKS), _STEPS_H[-1])
        return tuple(_hours(period, step, locale))
    if period.days <= MOST_TICKS * _STEPS_D[-1]:
        step = next(each for each in _STEPS_D if period.days / each <= MOST_TICKS)
        return tuple(_at(day, period, day_of_month(day, locale)) for day in _every(period, step))
    step = next((each for each in _STEPS_M if period.days / 30 / each <= MOST_TICKS), _STEPS_M[-1])
    return tuple(
        _at(day, period, f"{day:%Y}" if step % 12 == 0 else f"{day:%Y-%m}")
        for day in _every(period, 1)
        if day.day == 1 and (day.year * 12 + day.month - 1) % step == 0
    )


def _hours(period: Period, step: int, locale: str) -> Iterator[tuple[int, str]]:
    """Every so many hours of the clock, so that a changed day has its ticks where other days have theirs."""
    at_utc = period.start_utc
    while at_utc < period.end_utc:
        local = at_utc.astimezone(zone(period.time_zone))
        if local.minute == 0 and local.hour % step == 0:
            is_first = at_utc == period.start_utc or local.hour == 0
            yield (
                int(at_utc.timestamp()),
                day_of_month(local.date(), locale) if is_first else slot_of(at_utc, period.time_zone),
            )
        at_utc += timedelta(minutes=15)


def _every(period: Period, days: int) -> Iterator[date]:
    for place in range(0, period.days, days):
        yield period.start + timedelta(days=place)


def _at(day: date, period: Period, text: str) -> tuple[int, str]:
    midnight = datetime.combine(day, time.min, tzinfo=zone(period.time_zone))
    return int(midnight.astimezone(UTC).timestamp()), text


def _pass_of(local: datetime) -> str:
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return ""
    return " B" if local.fold else " A"
