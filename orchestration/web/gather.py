"""Reads what pages and answers are made of: marts that stay in memory, readings, and how old both are.

Nothing here draws or decides; a mart is never made anew for a question, its stale months are named instead.
"""

from collections.abc import Hashable, Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.sites.load_sites import site_sha256
from assets.stores.lake.lake import newest_entry
from assets.stores.warehouse.mart_reader import MartReader, mart_reader
from assets.stores.warehouse.marts import mart_stamp, published_at, read_mart
from data_quality.contracts.access.permissions import sees_scope
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, zone
from orchestration.views.scope_names import scope_names
from orchestration.web.ask import Ask
from reports.pages.address import span
from reports.pages.header import header_blocks
from reports.pages.page import PageBlock

_QUARTER = timedelta(minutes=CANONICAL_MINUTES)
NAMED_MONTHS = 3
# While nothing was recorded, what is stale is looked up again so often: a factor that begins to hold says nothing.
_STALE_FOR = timedelta(minutes=5)


class _Key:
    """A question that equals another by its key alone; what it carries answers it, and lives as long as the answer."""

    def __init__(self, carried: Any, *key: Hashable) -> None:
        self.carried, self.key = carried, key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


class Age(NamedTuple):
    """How old what is shown is. readings_to_utc: end of the newest reading in the marts; stale: months `2025-03`."""

    readings_to_utc: datetime | None
    marts_utc: datetime | None
    stale: tuple[str, ...] = ()

    def words(self, time_zone: str) -> str:
        """`readings to 2025-03-17 14:00, marts of 2025-03-17 14:07 (Europe/Berlin)`."""
        if self.marts_utc is None:
            return "no marts published"
        local = zone(time_zone)
        marts = f"marts of {self.marts_utc.astimezone(local):%Y-%m-%d %H:%M} ({time_zone})"
        if self.readings_to_utc is None:
            return marts
        return f"readings to {self.readings_to_utc.astimezone(local):%Y-%m-%d %H:%M}, {marts}"


def marts_of(ask: Ask) -> MartReader:
    """The project's marts; every page of this process reads them through one memory."""
    return mart_reader(ask.project.project.marts_dir)


def stamp_of(ask: Ask, site: Site) -> str:
    """What everything shown of a site rests on: another text as soon as marts, readings or the site file are others."""
    entry = newest_entry(ask.project.store, site.site_id)
    return f"{mart_stamp(ask.project.project.marts_dir, site.site_id)}|{entry}|{_sha256(_Key(site, id(site)))}"


@lru_cache(maxsize=256)
def _sha256(asked: _Key) -> str:
    return site_sha256(asked.carried)


def scopes_of(ask: Ask, site: Site) -> dict[str, str]:
    """The scopes of the site that the person sees, and what they are called."""
    return {
        scope: name
        for scope, name in _names(_Key(site, id(site))).items()
        if sees_scope(ask.person, site.site_id, scope)
    }


@lru_cache(maxsize=256)
def _names(asked: _Key) -> Mapping[str, str]:
    return scope_names(asked.carried)


def scope_of(ask: Ask, site: Site) -> str:
    """The scope that is asked for. Raises BadInput (unknown_scope) for none of the site's that the person sees."""
    scope, known = ask.scope(), scopes_of(ask, site)
    if scope in known:
        return scope
    near = get_close_matches(scope, known, n=1)
    raise BadInput(
        f"site {site.site_id!r} has no scope {scope!r}",
        reason="unknown_scope",
        mend=f"did you mean {near[0]!r}?" if near else "",
    )


def age_of(ask: Ask, site: Site) -> Age:
    """How old the site's marts are, and which months of them wait to be made anew."""
    project, stamp = ask.project.project, stamp_of(ask, site)
    turn = int(ask.now_utc.timestamp() // _STALE_FOR.total_seconds())
    return Age(
        readings_to_utc=_readings_to(project.marts_dir, site.site_id, stamp),
        marts_utc=published_at(project.marts_dir, site.site_id),
        stale=_stale_of(_Key(ask.project, str(project.root), site.site_id, stamp, turn), site.site_id),
    )


@lru_cache(maxsize=64)
def _stale_of(asked: _Key, site_id: str) -> tuple[str, ...]:
    months = asked.carried.stage("kpi", site_id=site_id).stale()
    return tuple(sorted(name.partition("|")[2] for name in months))


@lru_cache(maxsize=64)
def _readings_to(marts_dir: Path, site_id: str, _stamp: str) -> datetime | None:
    """The end of the last quarter hour of the supply that was read; of a site without one, None."""
    try:
        rows = read_mart(marts_dir, "mart_site__quarter_hour_running", site_id=site_id, where=pl.col("is_present"))
    except BadInput:
        return None
    last = rows["interval_start_utc"].max()
    return last + _QUARTER if isinstance(last, datetime) else None


def stale_finding(age: Age, period: Period) -> tuple[Finding, ...]:
    """A sentence about months of the period whose marts are older than their readings; none where all are fresh."""
    months = [each for each in age.stale if f"{period.start:%Y-%m}" <= each < f"{period.end:%Y-%m-%d}"]
    if not months:
        return ()
    named = ", ".join(months[:NAMED_MONTHS]) + (
        f" and {len(months) - NAMED_MONTHS} more" if len(months) > NAMED_MONTHS else ""
    )
    message = f"The marts of {named} are older than what they rest on: they are being made anew, or wait for it."
    return (Finding(code="stale_marts", message=message, facts={"months": len(months)}),)


def period_of(ask: Ask, site: Site, age: Age) -> Period:
    """The days that are asked for; where none are named the last seven, of readings that ended before the last seven
    with readings.
    """
    usual, newest = "7d", newest_day(site, age)
    if newest is not None and newest < ask.now_utc.astimezone(zone(site.time_zone)).date() - timedelta(days=7):
        usual = f"{newest - timedelta(days=6)}/{newest + timedelta(days=1)}"
    return span(ask.address, time_zone=site.time_zone, now_utc=ask.now_utc, usual=usual)


def newest_day(site: Site, age: Age) -> date | None:
    """The last local day with readings."""
    if age.readings_to_utc is None:
        return None
    return (age.readings_to_utc - _QUARTER).astimezone(zone(site.time_zone)).date()


def header_of(
    ask: Ask, site: Site, scope: str, period: Period, age: Age, *, grains: tuple[str, ...] = (), grain: str = ""
) -> tuple[PageBlock, ...]:
    """The pickers of a page of the site."""
    return header_blocks(
        ask.address,
        sites={each: known.name for each, known in ask.sites().items()},
        site_id=site.site_id,
        scopes=scopes_of(ask, site),
        scope=scope,
        period=period,
        newest=newest_day(site, age),
        now_utc=ask.now_utc,
        grains=grains,
        grain=grain,
    )
