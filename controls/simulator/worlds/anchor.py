"""The day before which the demo's data end: site files are shipped for one such day, and dated anew for any other."""

import re
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from data_quality.contracts.errors import BadInput

# The files of assets/sites/demo are written for data up to the day before it.
ANCHOR = date(2026, 1, 1)
# Of dates and of names after a year; the digits behind a decimal point are a price.
_YEAR = re.compile(r"(?<![\d.])202[4-7](?!\d)")
# Seldom and early enough for every zone and calendar that the demo has.
_FIRST = date(2010, 1, 1)
# As contracts write an end that nobody knows.
_OPEN = date(2200, 1, 1)
# Where the day of the three sites begins last.
_LAST_ZONE = ZoneInfo("America/New_York")


def anchored(text: str, until: date) -> str:
    """A shipped site file for data that end before `until`; at ANCHOR it is as shipped.

    Else all its years move together, and what holds at the end of the data holds on: the home is planned today.
    """
    if until == ANCHOR:
        return text
    shift = until.year - ANCHOR.year
    moved = _YEAR.sub(lambda year: str(int(year[0]) + shift), text)
    for last in (until.year, until.year + 1):
        moved = moved.replace(f"valid_to: {last}-01-01", f"valid_to: {_OPEN}")
    head = f"# Dated for data up to {until - timedelta(days=1)}: what held last holds on, as invented as the rest."
    return f"{head}\n{moved}"


def demo_day(now_utc: datetime) -> date:
    """The day that has begun at every demo site, so that the one before it is over everywhere."""
    return now_utc.astimezone(_LAST_ZONE).date()


def check_until(until: date, now_utc: datetime) -> None:
    """Raises BadInput for an end of the data that is still to come, or before the calendars of the demo."""
    if not _FIRST <= until <= demo_day(now_utc):
        raise BadInput(
            f"the demo's data cannot end before {until}: expected a day from {_FIRST} to {demo_day(now_utc)}",
            reason="bad_period",
        )
