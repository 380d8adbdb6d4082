"""The local calendar that files without a site bring with them: their zone, and the public holidays of its country."""

import gzip
import re
import zoneinfo
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from assets.sites.calendar import day_types, usual_holidays
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone as known_zone

# 32 MiB hold years of quarter hours: enough to see both offsets of a zone.
_HEAD_BYTES = 1 << 25
_STAMP = re.compile(rb"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::\d{2}(?:\.\d+)?)?\s?(Z|[+-]\d{2}:?\d{2})")
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Calendar:
    """zone: IANA name; country: ISO 3166 code where all zones that fit lie in one; finding: how the zone was found."""

    zone: str
    country: str | None
    finding: Finding | None = None


def zone_of_files(paths: Iterable[Path], zone: str | None) -> Calendar:
    """The zone named, or the one whose offsets the files' times have: a zone that fits them all gives the same days.

    Raises BadInput for an unknown name, for times without offset and no zone named, and for offsets of no zone.
    """
    if zone is not None:
        known_zone(zone)
        countries = {country for country, name in _countries() if name == zone}
        return Calendar(zone, countries.pop() if len(countries) == 1 else None)
    paths = list(paths)
    pairs: dict[str, set[datetime]] = {}
    for path in paths:
        for mark, moments in _offsets(path).items():
            pairs.setdefault(mark, set()).update(moments)
    marks = set(pairs)
    if not marks:
        raise BadInput(
            "times have no offset: the zone of the calendar must be named",
            file=str(paths[0]),
            reason="no_zone",
            mend="give --tz, for instance --tz Europe/Berlin",
        )
    # London in winter has it too; files that are so throughout are mostly in UTC, and the finding says that it was
    # assumed.
    if marks == {"+0000"}:
        return Calendar("UTC", None, _assumed("UTC", "all times are in UTC; --tz names another calendar"))
    fits = [(country, name) for country, name in _countries() if _fits(name, pairs)]
    if not fits:
        shown = ", ".join(sorted(marks))
        raise BadInput(
            f"times have the offsets {shown}, as in no zone of the calendar",
            file=str(paths[0]),
            reason="no_zone",
            mend="give --tz",
        )
    # Zones that fit have the same days here; the first by name, so that the same files give the same zone.
    names, countries = sorted({name for _, name in fits}), {country for country, _ in fits}
    others = ", ".join(names[1 : 1 + _SHOWN])
    message = f"the offsets in the files are those of {names[0]}" + (f" (and {others} …)" if others else "")
    return Calendar(names[0], countries.pop() if len(countries) == 1 else None, _assumed(names[0], message))


def holidays_of(country: str, subdivision: str | None, start: date, end: date) -> tuple[date, ...]:
    """Public holidays of the local dates from `start` to `end`, a day around them included. Raises BadInput.

    Without a subdivision, those that most parts of the country keep.
    """
    # The days are those of instants in UTC; their local dates lie up to a day beside.
    first, after = start - timedelta(days=1), end + timedelta(days=2)
    if subdivision is None:
        return tuple(sorted(usual_holidays(country, first, after)))
    # Holidays are asked of a site, so here is one that is nothing but its calendar.
    site = Site(
        site_id="calendar",
        name="calendar",
        time_zone="UTC",
        currency="EUR",
        country=country,
        subdivision=subdivision,
        meters=(Meter(meter_id="m"),),
    )
    days = day_types(site, first, after)
    return tuple(days.filter(days["holiday"].is_not_null())["local_date"].to_list())


def _assumed(zone: str, message: str) -> Finding:
    text = message[0].upper() + message[1:] + "."
    return Finding(code="zone_from_offsets", message=text, severity="info", facts={"zone": zone})


def _offsets(path: Path) -> dict[str, set[datetime]]:
    """First and last instants of each month written with each offset (±hhmm)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            text = file.read(_HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise BadInput("cannot be read", file=str(path), reason="no_such_file") from error
    found: dict[str, dict[str, list[str]]] = {}
    for match in _STAMP.finditer(text):
        day, clock, mark = (part.decode() for part in match.groups())
        mark = "+0000" if mark in ("Z", "-00:00", "-0000") else mark.replace(":", "")
        ends = found.setdefault(mark, {}).setdefault(day[:7], [f"{day}T{clock}", ""])
        ends[1] = f"{day}T{clock}"
    return {
        mark: {
            datetime.fromisoformat(f"{stamp}{mark[:3]}:{mark[3:]}").astimezone(UTC)
            for ends in months.values()
            for stamp in ends
        }
        for mark, months in found.items()
    }


def _fits(name: str, pairs: dict[str, set[datetime]]) -> bool:
    place = ZoneInfo(name)
    return all(f"{moment.astimezone(place):%z}" == mark for mark, moments in pairs.items() for moment in moments)


def _countries() -> list[tuple[str, str]]:
    """(country, zone) of the time zone database's table."""
    for folder in map(Path, zoneinfo.TZPATH):
        table = folder / "zone.tab"
        if table.is_file():
            return _rows(table.read_text("utf-8"))
    from importlib.resources import files

    return _rows((files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8"))


def _rows(text: str) -> list[tuple[str, str]]:
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [(fields[0], fields[2]) for fields in lines]
