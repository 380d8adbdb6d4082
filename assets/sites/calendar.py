"""The local calendar of a site: day types, public holidays, days of 23, 24 and 25 hours, quarter hours.

Home of the holidays library. Anything that depends on a tariff, a shift plan or a driver stands elsewhere.
"""

import hashlib
import zoneinfo
from collections import Counter
from datetime import date, timedelta
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from data_quality.contracts.billing.tariff_calendar import DayType
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_midnight_utc
from data_quality.contracts.work.offload import call
from data_quality.contracts.work.project_cache import Place

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HASHES: Place[tuple[Any, ...], str] = Place(16384)
DAY_TYPES_SCHEMA: dict[str, pl.DataType] = {
    "local_date": pl.Date(),
    "hours": pl.Float64(),
    "day_type": pl.String(),
    "holiday": pl.String(),
}


def day_types(site: Site, start: date, end: date) -> pl.DataFrame:
    """One row per local date of [start, end): local_date, hours (23, 24 or 25), day_type, holiday (name or null).

    day_type is holiday before weekend before weekday; the weekend is the site's `weekly_rest`. Raises BadInput.
    """
    names = _holidays(site, start, end)
    days = [start + timedelta(days=offset) for offset in range((end - start).days)]
    # A day is what lies between two midnights: 23 and 25 hours come of themselves, in any zone.
    midnights = [local_midnight_utc(day, site.time_zone) for day in [*days, end]]
    rows = [
        (day, (following - midnight) / timedelta(hours=1), _day_type(site, day, names), names.get(day))
        for day, midnight, following in zip(days, midnights, midnights[1:], strict=False)
    ]
    return pl.DataFrame(rows, schema=DAY_TYPES_SCHEMA, orient="row")


def types_around(site: Site, start: date, end: date, *, days: int = 1) -> dict[date, DayType]:
    """Day type by local date of [start, end) and of so many days on either side. Raises BadInput.

    Windows by the clock of standard time or UTC may reach into the days beside.
    """
    around = timedelta(days=days)
    return dict(day_types(site, start - around, end + around).select("local_date", "day_type").iter_rows())


def quarter_starts(site: Site, start: date, end: date) -> pl.DataFrame:
    """One row per quarter hour of the local dates [start, end): interval_start_utc."""
    starts = pl.datetime_range(
        local_midnight_utc(start, site.time_zone),
        local_midnight_utc(end, site.time_zone),
        interval=f"{CANONICAL_MINUTES}m",
        closed="left",
        time_unit="us",
        time_zone="UTC",
        eager=True,
    )
    return pl.DataFrame({"interval_start_utc": starts})


def quarter_hours(site: Site, start: date, end: date) -> pl.DataFrame:
    """One row per quarter hour of the local dates [start, end): site_id, interval_start_utc, local_date,
    local_time (wall clock; twice on the day that summer time ends), day_type. Raises BadInput.
    """
    types = day_types(site, start, end).select("local_date", "day_type")
    local = pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone)
    return (
        quarter_starts(site, start, end)
        .with_columns(site_id=pl.lit(site.site_id), local_date=local.dt.date(), local_time=local.dt.time())
        .join(types, on="local_date", how="left", maintain_order="left", validate="m:1")
        .select("site_id", "interval_start_utc", "local_date", "local_time", "day_type")
    )


def check_calendar(site: Site) -> None:
    """Raises BadInput where the site's country or subdivision has no holiday calendar."""
    # Any days do: what may be wrong are the names of country and subdivision.
    _holidays(site, date(2025, 1, 1), date(2025, 1, 2))


def calendar_versions() -> dict[str, str]:
    """Versions of what decides days: the holidays library, and the time zone database that zoneinfo reads."""
    for folder in map(Path, zoneinfo.TZPATH):
        if (folder / "UTC").is_file():
            # The system's own database stands before the package. Its first line is "# version 2025b".
            first = folder / "tzdata.zi"
            words = first.read_text("utf-8")[:60].split() if first.is_file() else []
            return {
                "holidays": _installed("holidays"),
                "tzdata": words[2] if words[1:2] == ["version"] else "of the system",
            }
    return {"holidays": _installed("holidays"), "tzdata": _installed("tzdata")}


@lru_cache
def _installed(package: str) -> str:
    """Version of an installed package: it stays while the process lives, and is slow to ask."""
    return version(package)


def calendar_sha256(site: Site, start: date, end: date) -> str:
    """Hash of what the calendar says of the local dates [start, end), and of the versions that say so. Raises BadInput.

    A newer version is another calendar even where its days are the same: who recomputes must see that it was another.
    """
    # What days and quarter hours are made of: sites that share it share the answer.
    versions = [f"{name} {number}" for name, number in calendar_versions().items()]
    key = (site.country, site.subdivision, site.time_zone, site.weekly_rest, start, end, *versions)
    if (known := _HASHES.get(key)) is not None:
        return known
    days = quarter_hours(site, start, end)
    rows = days.select("local_date", pl.col("local_time").dt.to_string("%H:%M"), "day_type")
    text = "\n".join([*versions, rows.write_csv()])
    return _HASHES.put(key, hashlib.sha256(text.encode()).hexdigest())


def usual_holidays(country: str, start: date, end: date) -> frozenset[date]:
    """Public holidays of the local dates [start, end) in most parts of a country, where its subdivision is not known.

    Raises BadInput for a country without a calendar.
    """
    import holidays

    # Without aliases: a country has one code in site files and hashes.
    parts = holidays.list_supported_countries(include_aliases=False).get(country)
    if parts is None:
        raise BadInput(f"no public-holiday calendar for country {country!r}", reason="unknown_country")
    years = range(start.year, end.year + 1)
    # A country without parts has one calendar.
    calendars = [holidays.country_holidays(country, subdiv=part, years=years) for part in parts or [None]]
    counts = Counter(day for calendar in calendars for day in calendar)
    return frozenset(day for day, count in counts.items() if 2 * count > len(calendars) and start <= day < end)


def school_holidays(site: Site, start: date, end: date) -> frozenset[date]:
    """Local dates of [start, end) on which schools are closed; empty where nobody says. Raises BadInput.

    Of a year for which the site file declares some, those alone; of others what the holidays library knows of the
    subdivision (Germany, Austria, Poland, the Netherlands, Belgium, …; it ends some years ahead).
    """
    declared = frozenset(day for span in site.school_holidays for day in span.dates)
    # Also says what is wrong with country or subdivision.
    _holidays(site, start, end)
    years = set(range(start.year, end.year + 1)) - {day.year for day in declared}
    known = (_known(site.country, site.subdivision, year, "school") for year in sorted(years))
    return frozenset(day for day in declared.union(*known) if start <= day < end)


def _day_type(site: Site, day: date, names: dict[date, str]) -> str:
    if day in names:
        return "holiday"
    return "weekend" if WEEKDAYS[day.weekday()] in site.weekly_rest else "weekday"


def _holidays(site: Site, start: date, end: date) -> dict[date, str]:
    """Public holidays by local date, for all years that the span touches."""
    names: dict[date, str] = {}
    # Year by year: spans differ from question to question, and years come again.
    for year in range(start.year, end.year + 1):
        names |= _known(site.country, site.subdivision, year, "public")
    return names


@lru_cache(maxsize=1024)
def _known(country: str, subdivision: str | None, year: int, kind: str) -> dict[date, str]:
    """`holidays_known` by date; callers must not change the result."""
    # The library's calendars of all countries take 15 MB, and are loaded for one.
    found = call(holidays_known, country=country, subdivision=subdivision, year=year, kind=kind)
    return {date.fromisoformat(day): name for day, name in found}


def holidays_known(country: str, subdivision: str | None, year: int, kind: str) -> list[tuple[str, str]]:
    """ISO date and name of what the library knows of one year. kind: public, or school: none where it has none.

    Raises BadInput for a country without a calendar, and for a part that it does not have.
    """
    import holidays

    countries = holidays.list_supported_countries(include_aliases=False)
    if country not in countries:
        raise BadInput(
            f"no public-holiday calendar for country {country!r}; known are {', '.join(sorted(countries))}",
            reason="unknown_country",
        )
    if subdivision is not None and subdivision not in countries[country]:
        allowed = ", ".join(sorted(countries[country])) or "none"
        raise BadInput(
            f"unknown subdivision {subdivision!r} of country {country}; known are {allowed}",
            reason="unknown_subdivision",
        )
    if kind not in holidays.country_holidays(country).supported_categories:
        return []
    # One language for all: sites of several countries stand in one report.
    found = holidays.country_holidays(
        country, subdiv=subdivision, years=year, categories=(kind,), language="en_US" if kind == "public" else None
    )
    return [(day.isoformat(), str(name)) for day, name in found.items()]
