"""Reports due at an instant, in a site's own local time. Pure: a tick that was missed changes nothing.

Nothing counts ticks: what is due follows from what has ended, what the lake knows and which reports there are. So a
tick after an outage of two quarters asks for both, and one that comes twice asks for nothing new.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta

from data_quality.contracts.time import months_after, zone

# Late readings of a period's last days have had time to arrive.
DAYS_AFTER = 4
LOCAL_HOUR = time(6)
# More than two years of quarters at once is no outage but a new history, which somebody starts on purpose.
MAX_BACK = 8


def due_periods(
    *,
    now_utc: datetime,
    time_zone: str,
    months: int,
    known: tuple[date, date] | None,
    made: Collection[date],
) -> list[date]:
    """First local days of the periods of so many months whose report is due, newest first.

    A period is due from 06:00 local time of the fifth day after it. known: first and last local day with readings;
    a period without any is not asked for. made: first days of periods that have a report; the period whose due day is
    today is asked for even so, since its late readings came after an earlier report.
    """
    if known is None:
        return []
    local = now_utc.astimezone(zone(time_zone)).replace(tzinfo=None)
    found = []
    for start in _ended(local, months):
        if months_after(start, months) <= known[0]:
            break
        is_today = local.date() == due_day(start, months)
        if start <= known[1] and (is_today or start not in made):
            found.append(start)
    return found


def due_day(start: date, months: int) -> date:
    """The local day on which the period that starts then is due."""
    return months_after(start, months) + timedelta(days=DAYS_AFTER)


def due_since_utc(now_utc: datetime, time_zone: str) -> datetime:
    """The instant at which the present local day's requests began, or now where they have not begun."""
    local = now_utc.astimezone(zone(time_zone))
    return min(datetime.combine(local.date(), LOCAL_HOUR, tzinfo=local.tzinfo).astimezone(UTC), now_utc)


def _ended(local: datetime, months: int) -> Iterator[date]:
    """Periods whose due time has come, newest first, at most MAX_BACK."""
    start = first_of_period(local.date(), months)
    count = 0
    while count < MAX_BACK:
        start = months_after(start, -months)
        # Wall time on both sides: it is right on days of 23, 24 and 25 hours, and where a day is skipped.
        if datetime.combine(due_day(start, months), LOCAL_HOUR) <= local:
            yield start
            count += 1


def first_of_period(day: date, months: int) -> date:
    """First day of the period of so many months that the day lies in."""
    return date(day.year, (day.month - 1) // months * months + 1, 1)
