"""A site at its last reading: what several tiles of a board share, read once."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import polars as pl

from assets.kpi.running_cost.interval_costs import NO_TARIFF
from assets.kpi.running_cost.month_to_date import RunningFigures, running_figures
from assets.sites.meter_tree import total_meters
from assets.stores.warehouse.marts import if_published
from data_quality.contracts.access.permissions import Permission, may
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_day
from orchestration.web.boards.board_figures import Show
from reports.figures.running import running_list, with_coarse_source
from reports.pages.address import Address, Compare, before
from reports.pages.chart import Energy, energy_of_kind
from reports.pages.page import Widget
from reports.pages.settings_list import PATH as SETTINGS
from reports.pages.widgets.live_kw import age_words
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import named, period_text

T = TypeVar("T")
STEP = timedelta(minutes=CANONICAL_MINUTES)
# Readings that are older are not what "now" means, and a tile says so.
LATE_H = 3.0
_MONTH_DAYS = 31


class SiteNow:
    """A site at its last reading: what several tiles of a board share is read once."""

    def __init__(self, show: Show) -> None:
        self.show, self.site = show, show.site
        self.scope = f"site:{show.site.site_id}"
        self.why_not = "no reading of the main meters is in the marts yet"
        self._kept: dict[str, Any] = {}

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Answer of `make`, made once for all tiles of the page."""
        if name not in self._kept:
            self._kept[name] = make()
        kept: T = self._kept[name]
        return kept

    def words(self, of: Period | Figure) -> str:
        """The days of a period, or of a figure, in few words."""
        return named(period_text(of.start, of.end, self.show.address.locale, is_short=True))

    @cached_property
    def plan(self) -> Plan | None:
        """The site's newest plan, as known at the instant of the address."""
        return self.show.ctx.project.plans.latest(self.site.site_id, self.show.address.as_of_utc)

    @cached_property
    def quarters(self) -> pl.DataFrame:
        """Quarter hours of the last months, of the main meters."""
        first = self.show.as_of_utc.date() - timedelta(days=62)
        newest = self.show.newest("mart_site__day_projection", "local_date")
        first = first if newest is None else min(first, newest - timedelta(days=62))
        years = range(first.year, self.show.as_of_utc.year + 2)
        return self.show.mart("mart_site__quarter_hour_running", pl.col("local_date") >= first, years=years)

    @cached_property
    def running(self) -> RunningFigures | None:
        """As `meterloom running` says it; None with `why_not` where the marts hold no reading."""
        try:
            if self.quarters.is_empty():
                return None
            # The two are published together: where one alone is gone, it is not that nothing was read.
            ahead = self.show.read("mart_site__day_projection", site_id=self.site.site_id)
            found = running_figures(self.site.site_id, self.quarters, ahead)
        except BadInput as fault:
            if fault.reason == "mart_missing":
                self.why_not = fault.message
            elif fault.reason != "nothing_known":
                raise
            return None
        # Days that are not published yet cannot be coarse.
        return if_published(lambda: with_coarse_source(found, self.site, self.show.read), lambda _: found)

    @cached_property
    def figures(self) -> Mapping[str, TileFigure]:
        """The running figures by field."""
        if self.running is None:
            return {}
        content = running_list(
            self.site, self.running, sources=self.show.sources, as_of_utc=self.show.as_of_utc,
            is_synthetic=self.site.is_simulated,
        )  # fmt: skip
        shown = {each.kpi: self.show.shown(each) for each in content.figures}
        return {field: each for field, each in shown.items() if each is not None}

    @property
    def day(self) -> date:
        """The local day of the last whole hour that is read; the present one where there is none. The first hour of
        a day shows the day before, which is complete.
        """
        at = self.show.as_of_utc if self.running is None else self.running.at_utc - timedelta(hours=1)
        return local_day(at, self.site.time_zone)

    @property
    def is_today(self) -> bool:
        """True where that hour is of the present local day."""
        return self.day == local_day(self.show.as_of_utc, self.site.time_zone)

    @property
    def read_to(self) -> date:
        """The day after the last one that is read as a whole."""
        return self.day if self.is_today else self.day + timedelta(days=1)

    @property
    def late(self) -> tuple[Finding, ...]:
        """A sentence about readings that ended hours ago: once a page, for it holds of every tile."""
        late_s = 0.0 if self.running is None else (self.show.as_of_utc - self.running.at_utc).total_seconds()
        message = Sentence("last value {0} old", age_words(late_s))
        is_late = late_s > LATE_H * 3600
        return (Finding(code="old_readings", message=message, scope=self.scope),) if is_late else ()

    def common(self, *measures: str) -> dict[str, Any]:
        """Inputs of every tile of the site. measures: the running figures that it shows, whose findings it has."""
        findings = self.running.touching(*measures) if self.running is not None else ()
        return {
            "address": self.show.address,
            "is_synthetic": self.site.is_simulated,
            "findings": findings,
            "reason": "" if self.running is not None else self.why_not,
            "next": self.tariff_step() if any(each.code == NO_TARIFF for each in findings) else None,
        }

    def tariff_step(self) -> tuple[Text, str]:
        """Link to add a tariff to the site's file for a person who may, else whom to ask."""
        if not may(self.show.ctx.person, Permission.WRITE):
            return "An engineer of this site can add a tariff.", ""
        place = f"{SETTINGS}/sites/{self.site.site_id}"
        return "Add tariff", Address(path=place, locale=self.show.address.locale).href()


def main_meters(now: SiteNow) -> list[str]:
    """Meters that what the site uses of electricity comes through."""
    return list(total_meters(now.site, Carrier.ELECTRICITY, now.day))


def energy_of_meter(site: Site, meter_id: str, mains: frozenset[str]) -> Energy:
    """The energy of a meter, by the devices that stand behind it. mains: of the grid connection."""
    if meter_id in mains:
        return "grid"
    return next((energy_of_kind(each.kind) for each in site.assets if each.meter == meter_id), "other")


def tariff_on(now: SiteNow, day: date) -> Tariff | None:
    """The tariff that is in force on a local day."""
    return next((each for each in now.site.tariffs if each.is_in_force(day) and each.commodity == "electricity"), None)


def last_days(now: SiteNow, count: int) -> Period | None:
    """The last whole days that are published, at most so many."""
    end = now.show.newest("mart_scope__day_kpi")
    if end is None:
        return None
    end = min(end, now.read_to)
    start = end - timedelta(days=count)
    return Period(label=f"{start}/{end}", start=start, end=end, time_zone=now.site.time_zone)


def to_compare(now: SiteNow, period: Period, compare: Compare) -> tuple[Period, Period] | None:
    """The period as far as it is read, and the days that it is compared with; None where nothing is to be compared.

    Of more than a month whole months are compared, else whole days: eleven months are not held against twelve.
    """
    mine, end = period, now.read_to
    if end < period.end:
        end = end.replace(day=1) if period.days > _MONTH_DAYS else end
        mine = period.model_copy(update={"end": end, "label": f"{period.start}/{end}"})
    former = before(mine, compare) if mine.days > 0 else None
    return None if former is None else (mine, former)


def compared_words(now: SiteNow, period: Period, spans: Sequence[Period]) -> dict[str, Text]:
    """Words of the spans of `to_compare` for a tile: of the former one, and of the own where it is a part."""
    if not spans:
        return {}
    return {"against": now.words(spans[1]), "of": "" if spans[0] == period else now.words(spans[0])}


class BoardQuery(NamedTuple):
    """Query of a board: its sites (the first is the chosen one), scope, period and what it is compared with."""

    sites: Sequence[SiteNow]
    scope: str
    period: Period
    compare: Compare

    @property
    def site(self) -> SiteNow:
        """The chosen one."""
        return self.sites[0]

    @property
    def is_part(self) -> bool:
        """True where it is asked of a part of the site alone."""
        return self.scope != self.site.scope


class Tile(NamedTuple):
    """Maker of a tile. is_of_part: a tenant sees it too, for a scope of theirs."""

    needs: Permission
    make: Callable[[BoardQuery], Widget]
    is_of_part: bool = False
