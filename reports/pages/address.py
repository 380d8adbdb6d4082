"""The address of a page is its whole state: site, scope, period, grain, what it is compared with, as of when, locale.

Periods are the site's local days, whatever the browser's zone (law 5 of face.md). Beside those of the command line
(2025, 2025-Q1, 2025-03, 2025-03-30, START/END) a page knows `today`, `yesterday`, `7d` and `30d`.
"""

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Period, parse_instant, parse_period, zone
from reports.texts.locales import languages

PageGrain = Literal["quarter", "hour", "day", "month", "year"]
Compare = Literal["none", "previous", "year", "baseline"]
# A period longer than this is no question that somebody has.
MOST_DAYS = 3700
MOST_TEXT = 200
# What a number is made of may name many of its parts; a whole address still fits into 8 kB.
MOST_OF: Mapping[str, int] = {"of": 4000}
_BACK = {"today": (0, 1), "yesterday": (1, 1), "7d": (6, 7), "30d": (29, 30)}


# So long an act is offered to be undone.
FRESH = timedelta(seconds=60)


def is_fresh(at_utc: datetime, now_utc: datetime) -> bool:
    """Whether something was done a moment ago."""
    return timedelta(0) <= now_utc - at_utc <= FRESH


class Address(Model):
    """What a page is asked. period: as it was written; `span` gives its days. more: what one page alone knows."""

    path: str
    site: str = ""
    scope: str = ""
    period: str = ""
    grain: PageGrain | None = None
    compare: Compare = "none"
    as_of_utc: datetime | None = None
    locale: str = "en"
    more: tuple[tuple[str, str], ...] = ()

    def href(self, path: str = "", **changes: str | None) -> str:
        """The address of a page with these changes; empty parts are left out. `path` names another page."""
        known: dict[str, str | None] = {
            "site": self.site,
            "scope": self.scope,
            "period": self.period,
            "grain": self.grain,
            "compare": None if self.compare == "none" else self.compare,
            "as_of": None if self.as_of_utc is None else f"{self.as_of_utc:%Y-%m-%dT%H:%M:%S.%fZ}",
            "locale": None if self.locale == "en" else self.locale,
            # What one page alone knows means nothing to another.
            **({} if path and path != self.path else dict(self.more)),
            **changes,
        }
        told = urlencode({name: value for name, value in known.items() if value})
        return f"{path or self.path}{'?' if told else ''}{told}"

    def part(self, name: str) -> str:
        """One of `more`, or nothing."""
        return dict(self.more).get(name, "")


KNOWN = ("site", "scope", "period", "grain", "compare", "as_of", "locale")


def read_address(
    path: str, query: list[tuple[str, str]], *, takes: tuple[str, ...] = (), shared: tuple[str, ...] = KNOWN
) -> Address:
    """The address of a request. takes: what it knows beside `shared`; shared: of KNOWN what means something there.

    Raises BadInput (reason bad_address) for what is doubled, empty, over-long, unknown or no such value.
    """
    found: dict[str, str] = {}
    for name, value in query:
        if name not in (*shared, *takes):
            known = ", ".join((*shared, *takes)) or "none"
            raise _wrong(f"there is no parameter {name[:40]!r} here; there are {known}")
        if name in found:
            raise _wrong(f"{name} stands twice in the address")
        most = MOST_OF.get(name, MOST_TEXT)
        if len(value) > most or not value.isprintable():
            raise _wrong(f"{name} is longer than {most} characters, or holds what nobody can print")
        found[name] = value.strip()
    as_of = found.pop("as_of", "")
    more = tuple((name, found.pop(name)) for name in takes if found.get(name))
    return Address(
        path=path,
        site=found.get("site", ""),
        scope=found.get("scope", ""),
        period=found.get("period", ""),
        grain=_one_of("grain", found, get_args(PageGrain)),
        compare=_one_of("compare", found, get_args(Compare)) or "none",
        as_of_utc=_known_at(as_of) if as_of else None,
        locale=_one_of("locale", found, languages()) or "en",
        more=more,
    )


def _known_at(text: str) -> datetime:
    found = parse_instant(text)
    if found.year in (MINYEAR, MAXYEAR):
        raise BadInput(f"as_of {text!r} has no days before or after it that could be counted", reason="bad_as_of")
    return found


def span(address: Address, *, time_zone: str, now_utc: datetime, usual: str) -> Period:
    """The local days that are asked for; `usual` where the address names none. Raises BadInput (bad_period)."""
    text = address.period or usual
    today = now_utc.astimezone(zone(time_zone)).date()
    if text in _BACK:
        back, days = _BACK[text]
        start = today - timedelta(days=back)
        return Period(label=text, start=start, end=start + timedelta(days=days), time_zone=time_zone)
    found = parse_period(text, time_zone)
    if found.days > MOST_DAYS:
        raise BadInput(f"period {text!r} is longer than {MOST_DAYS} days", reason="bad_period")
    return found


def before(period: Period, compare: Compare) -> Period | None:
    """The days to compare with: as many just before, or those of the year before on the same weekdays (52 weeks back
    for weeks and days; the same months where the period is whole months). None for `none` and `baseline`.
    """
    if compare == "previous":
        return _moved(period, period.days)
    if compare != "year":
        return None
    if period.start.day == 1 and period.end.day == 1:
        start, end = (day.replace(year=day.year - 1) for day in (period.start, period.end))
        return Period(label=f"{start}/{end}", start=start, end=end, time_zone=period.time_zone)
    return _moved(period, 364)


def _moved(period: Period, days: int) -> Period:
    start, end = period.start - timedelta(days=days), period.end - timedelta(days=days)
    return Period(label=f"{start}/{end}", start=start, end=end, time_zone=period.time_zone)


def _one_of(name: str, found: Mapping[str, str], allowed: tuple[str, ...]) -> Any:
    value = found.get(name, "")
    if value and value not in allowed:
        raise _wrong(f"{name} is one of {', '.join(allowed)}, got {value[:40]!r}")
    return value or None


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
