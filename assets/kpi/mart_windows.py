"""Which local days a run of the marts computes: the months that changed, and what else changes with them. Pure.

A window is a span of whole local months of one site. The day, month and year that overlap a window are computed
again, everything else stands as it is. A projection looks back over LOOK_BACK_DAYS, so those days after a window are
looked ahead from again.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from assets.kpi.incremental.factor_days import changed_days, is_changed
from assets.stores.warehouse.marks import BuildNote, Built, BuiltSite
from data_quality.contracts.model import Model

# Four weeks hold each weekday four times; the projection's SQL looks back as far.
LOOK_BACK_DAYS = 28


class Window(Model):
    """Local days [first, after) of a site. A whole site also loses what it no longer has."""

    site_id: str
    first: date
    after: date
    is_whole_site: bool = False

    @property
    def years(self) -> range:
        """The calendar years that it touches."""
        return range(self.first.year, (self.after - timedelta(days=1)).year + 1)


def month_start(day: date) -> date:
    """First day of the day's month."""
    return day.replace(day=1)


def month_after(day: date) -> date:
    """First day of the month after the day's."""
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def window_for(
    asked: Window, *, built: BuiltSite | None, now: BuiltSite, whole: Window | None, is_carried: bool = False
) -> Window:
    """The window that brings the asked months up to date.

    The whole site where it was never built, or its file or baselines changed since. Otherwise the asked months and
    those up to the readings that were there before: a month between them was outside of the site's span, and is
    now an empty month inside of it. whole: the site's calendar, None where the lake holds nothing of it. is_carried:
    bills hand something on to the bills after them, so every month after the asked ones is computed again too.
    """
    if whole is not None and (built is None or not built.is_like(now)):
        return whole
    first, after = month_start(asked.first), asked.after
    if built is not None and built.first is not None and built.last is not None:
        if after < built.first:
            after = month_after(built.first - timedelta(days=1))
        if first > built.last + timedelta(days=1):
            first = month_start(built.last + timedelta(days=1))
        # What a bill hands on changes every bill after it, up to the last that was built.
        if is_carried:
            after = max(after, month_after(built.last))
    return Window(site_id=asked.site_id, first=first, after=after)


def span_after(
    built: BuiltSite | None, window: Window, energy: tuple[date, date] | None
) -> tuple[date | None, date | None]:
    """The local days with readings that the marts account for once the window is computed.

    energy: first and last day in the warehouse. It may reach further than what this stage has computed so far: a
    later window then still has to fill the months before it.
    """
    if energy is None:
        return None, None
    first, last = window.first, window.after - timedelta(days=1)
    if built is not None and built.first is not None and built.last is not None:
        first, last = min(first, built.first), max(last, built.last)
    # No further than energy reaches: a month that was asked for and is empty is not accounted for.
    return max(first, energy[0]), min(last, energy[1])


def years_by_site(windows: Iterable[Window]) -> dict[str, frozenset[int]]:
    """The calendar years that the windows touch, or look ahead into: computed again, so published again."""
    found: dict[str, set[int]] = {}
    for window in windows:
        ahead = window.after - timedelta(days=1)
        if not window.is_whole_site:
            ahead += timedelta(days=LOOK_BACK_DAYS)
        found.setdefault(window.site_id, set()).update(range(window.first.year, ahead.year + 1))
    return {site_id: frozenset(years) for site_id, years in found.items()}


def stale_months(built: Built, touched: Mapping[str, int], now: Mapping[str, BuiltSite]) -> dict[str, int]:
    """`SITE|YYYY-MM` that the marts do not know as they are, with the newest manifest entry that changed each.

    touched: month -> newest manifest entry that changed it, of every entry above `read_from` of its site. now:
    what each site would be built with today; sites that are not named are not looked at. A month is not known either
    where an emission factor of one of its days is another.
    """
    found = {}
    refactored = {site_id: _refactored(built, site_id, now[site_id]) for site_id in now}
    for name, entry in touched.items():
        site_id = name.split("|")[0]
        if site_id in now and (
            entry > max(known_up_to(built, site_id, now[site_id]), _month_mark(built, name, now))
            or is_changed(name, refactored[site_id])
        ):
            found[name] = entry
    return found


def read_from(built: Built, site_id: str, now: BuiltSite) -> int:
    """The manifest entry above which months are looked at: all of them where a factor changed."""
    # An older entry may be of a month whose factor is another now.
    return 0 if _refactored(built, site_id, now) else known_up_to(built, site_id, now)


def _refactored(built: Built, site_id: str, now: BuiltSite) -> list[tuple[date, date]]:
    known = built.sites.get(site_id)
    return [] if known is None else changed_days(known.factors, now.factors)


def known_up_to(built: Built, site_id: str, now: BuiltSite) -> int:
    """The manifest entry up to which every month of the site is known; 0 where its file, baselines or SQL changed."""
    known = built.sites.get(site_id)
    return max(built.floor, known.entry) if known is not None and known.is_like(now) else 0


def after_publication(built: Built, note: BuildNote, touched: Mapping[str, int], now: Mapping[str, BuiltSite]) -> Built:
    """What the marts know once a build is published. The floor rises when nothing stale is left."""
    months = {**built.months, **dict.fromkeys(note.months, note.entry)}
    sites = {site_id: site for site_id, site in {**built.sites, **note.sites}.items() if site_id in now}
    known = Built(floor=built.floor, months=months, sites=sites)
    # Marks of months fold into one number, so that the note does not grow with every late reading.
    is_all = set(now) <= set(sites) and not stale_months(known, touched, now)
    return Built(floor=note.entry, months={}, sites=sites) if is_all else known


def _month_mark(built: Built, name: str, now: Mapping[str, BuiltSite]) -> int:
    site_id = name.partition("|")[0]
    known = built.sites.get(site_id)
    return built.months.get(name, 0) if known is not None and known.is_like(now[site_id]) else 0
