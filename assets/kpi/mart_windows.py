"""Which local days a run of the marts computes: the months that changed, and what else changes with them. Pure.

A window is a span of whole local months of one site. The day, month and year that overlap a window are computed
again, everything else stands as it is. A projection looks back over LOOK_BACK_DAYS, so those days after a window are
looked ahead from again.

Marks keep a text of the emission factors, with a line `first day|day after the last|what the factor is for|value` for
each: only days on which the value of something differs are to be computed again.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from itertools import pairwise

from assets.carbon.factor_choice.factor_view import FactorView, exact_factor
from assets.stores.warehouse.marts import BuildNote, Built, BuiltSite
from data_quality.contracts.factor import Basis
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import months_after

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


def window_for(
    requested: Window, *, built: BuiltSite | None, now: BuiltSite, whole: Window | None, is_carried: bool = False
) -> Window:
    """The window that brings the requested months up to date.

    The whole site where it was never built, or its file or baselines changed since. Otherwise the requested months and
    those up to the readings that were there before: a month between them was outside of the site's span, and is
    now an empty month inside of it. whole: the site's calendar, None where the lake holds nothing of it. is_carried:
    bills hand something on to the bills after them, so every month after the asked ones is computed again too.
    """
    if whole is not None and (built is None or not built.is_like(now)):
        return whole
    first, after = requested.first.replace(day=1), requested.after
    if built is not None and built.first is not None and built.last is not None:
        if after < built.first:
            after = months_after(built.first - timedelta(days=1), 1)
        if first > built.last + timedelta(days=1):
            first = (built.last + timedelta(days=1)).replace(day=1)
        # What a bill hands on changes every bill after it, up to the last that was built.
        if is_carried:
            after = max(after, months_after(built.last, 1))
    return Window(site_id=requested.site_id, first=first, after=after)


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
            entry > max(complete_up_to(built, site_id, now[site_id]), _month_mark(built, name, now))
            or is_changed(name, refactored[site_id])
        ):
            found[name] = entry
    return found


def read_from(built: Built, site_id: str, now: BuiltSite) -> int:
    """The manifest entry above which months are looked at: all of them where a factor changed."""
    # An older entry may be of a month whose factor is another now.
    return 0 if _refactored(built, site_id, now) else complete_up_to(built, site_id, now)


def _refactored(built: Built, site_id: str, now: BuiltSite) -> list[tuple[date, date]]:
    known = built.sites.get(site_id)
    return [] if known is None else changed_days(known.factors, now.factors)


def complete_up_to(built: Built, site_id: str, now: BuiltSite) -> int:
    """The manifest entry up to which every month of the site is known; 0 where its file, baselines or SQL changed."""
    known = built.sites.get(site_id)
    return max(built.floor, known.entry) if known is not None and known.is_like(now) else 0


def after_publication(built: Built, note: BuildNote, touched: Mapping[str, int], now: Mapping[str, BuiltSite]) -> Built:
    """State of the marts once a build is published. The floor rises when nothing stale is left."""
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


_Spans = dict[str, list[tuple[date, date, str]]]


def factors_text(site: Site, view: FactorView) -> str:
    """The location-based factors of the carriers that the site meters."""
    metered = {meter.carrier for meter in site.meters}
    lines = [
        f"{each.valid_from}|{each.valid_to}|{each.carrier}/{each.calorific_basis}/{each.origin}|{exact_factor(each):f}"
        for each in view.entries
        if each.basis is Basis.LOCATION and each.carrier in metered
    ]
    return "\n".join(sorted(lines))


def changed_days(before: str, now: str) -> list[tuple[date, date]]:
    """Spans [first, after) of days on which a factor differs between the two texts."""
    if before == now:
        return []
    old, new = _spans(before), _spans(now)
    edges = sorted({day for spans in (old, new) for each in spans.values() for span in each for day in span[:2]})
    return [
        (first, after)
        for first, after in pairwise(edges)
        # Between two edges nothing changes: the first day speaks for all.
        if any(_on(old, name, first) != _on(new, name, first) for name in {*old, *new})
    ]


def spliced(before: str, now: str, first: date, after: date) -> str:
    """Build inputs once [first, after) is computed anew: the present factors on those days, the former on others."""
    inside = [_line(name, max(span[0], first), min(span[1], after), span[2]) for name, span in _each(now)]
    outside = [
        _line(name, start, end, span[2])
        for name, span in _each(before)
        for start, end in ((span[0], min(span[1], first)), (max(span[0], after), span[1]))
    ]
    return "\n".join(sorted(line for line in [*inside, *outside] if line))


def is_changed(month: str, spans: Iterable[tuple[date, date]]) -> bool:
    """True where a span has a day of the month `SITE|YYYY-MM`."""
    start = date.fromisoformat(f"{month.rpartition('|')[2]}-01")
    # 31 days after a first lie in the next month, whatever the length of this one.
    after = (start + timedelta(days=31)).replace(day=1)
    return any(one < after and start < other for one, other in spans)


def _spans(text: str) -> _Spans:
    found: _Spans = {}
    for line in text.splitlines():
        first, after, name, value = line.split("|")
        found.setdefault(name, []).append((date.fromisoformat(first), date.fromisoformat(after), value))
    return found


def _each(text: str) -> Iterable[tuple[str, tuple[date, date, str]]]:
    return [(name, span) for name, spans in _spans(text).items() for span in spans]


def _on(spans: _Spans, name: str, day: date) -> str | None:
    return next((value for first, after, value in spans.get(name, ()) if first <= day < after), None)


def _line(name: str, first: date, after: date, value: str) -> str:
    return f"{first}|{after}|{name}|{value}" if first < after else ""
