"""Queries behind pages and API responses: marts kept in memory, readings, and the age of both.

Nothing here draws or decides; a mart is never made anew for a question, its stale months are named instead.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from assets.sites.load_sites import site_sha256
from assets.sites.scopes import register_scopes, scope_spans
from assets.stores.lake.merges import newest_entry
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.warehouse.marts import MOST_BYTES, MartReader, mart_stamp, published_at, read_mart
from data_quality.contracts.access.permissions import sees_scope
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import once
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.premises import REMAINDER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period, local_day, months_after, zone
from orchestration.open_project import OpenProject
from orchestration.warehouse.marts_as_of import is_built, past_folder, seconds_to_build
from orchestration.web.request_context import Context
from orchestration.web.work import BeingBuilt, work_of
from reports.assess import Asking
from reports.pages.address import span
from reports.pages.header import header_blocks
from reports.pages.page import PageBlock
from reports.recompute.figure_sources import Sources
from reports.texts.locales import days_of, moment, until

_QUARTER = timedelta(minutes=CANONICAL_MINUTES)
NAMED_MONTHS = 3
# Builds of marts of the past at once, and how long one that failed is not tried again.
PAST_AT_ONCE, _AGAIN_AFTER = 2, timedelta(minutes=1)
# While nothing was recorded, what is stale is looked up again so often: a factor that begins to hold says nothing.
_STALE_FOR = timedelta(minutes=5)
# The whole before its parts.
KINDS = ("site", "building", "zone", "tenant", "seu", "asset", "meter")


class Age(NamedTuple):
    """Age of the data shown. readings_to_utc: end of the newest reading in the marts; stale: months `2025-03`."""

    readings_to_utc: datetime | None
    marts_utc: datetime | None
    stale: tuple[str, ...] = ()
    is_past: bool = False

    def words(self, time_zone: str, locale: str) -> str:
        """`Data to 31 December 2025`: up to when there are readings."""
        if self.readings_to_utc is None:
            return "no data yet" if self.marts_utc is None else ""
        return Sentence("Data to {0}", until(self.readings_to_utc.astimezone(zone(time_zone)), locale))

    def made(self, time_zone: str, locale: str) -> str:
        """`calculated 23 November 2025, 18:27 (Europe/Berlin)`, or as of when."""
        if self.marts_utc is None:
            return ""
        pattern = "as known at {0} ({1})" if self.is_past else "calculated {0} ({1})"
        return Sentence(pattern, moment(self.marts_utc.astimezone(zone(time_zone)), locale), time_zone)


def marts_of(ctx: Context, site: Site) -> MartReader:
    """The site's marts; every page of this process reads them through one memory. Raises as marts_dir_of."""
    folder, cache = marts_dir_of(ctx, site), ctx.project.cache
    if ctx.address.as_of_utc is None:
        return cache.once("marts", folder, lambda: MartReader(folder))
    # Of past instants one looks at few, and not for long.
    return cache.once("past_marts", folder, lambda: MartReader(folder, most_bytes=MOST_BYTES // 4))


def marts_dir_of(ctx: Context, *sites: Site) -> Path:
    """The folder of the marts as known at the instant of the address, or now.

    Raises BeingBuilt where they are not there, BadInput (bad_as_of, nothing_known) for an instant that has none.
    """
    if ctx.address.as_of_utc is None:
        return ctx.project.project.marts_dir
    folder = past_folder(ctx.project, sites, instant_of(ctx))
    if is_built(folder):
        return folder
    at, named = f"{ctx.address.as_of_utc:%Y-%m-%dT%H:%M:%S.%fZ}", [each.site_id for each in sites]
    words = ("web", "past", *(word for each in named for word in ("--site", each)), "--as-of", at)
    job = work_of(ctx.project).ask(
        words, person_id=ctx.person.person_id, now_utc=ctx.now_utc, at_once=PAST_AT_ONCE, again_after=_AGAIN_AFTER
    )
    if job.state == "failed":
        why = job.future.exception() or job.future.result().message
        raise BadInput(f"the marts of then cannot be built: {why}", reason="refused")
    about_s = seconds_to_build(ctx.project) - (ctx.now_utc - job.asked_at_utc).total_seconds()
    raise BeingBuilt(job, Sentence("Marts of {0} as known at {1}Z", ", ".join(named), at[:19]), max(about_s, 1))


def instant_of(ctx: Context) -> datetime:
    """The instant whose knowledge answers. Raises BadInput (bad_as_of) for one that is yet to come."""
    as_of, known_at = ctx.address.as_of_utc, ctx.project.store.known_at(ctx.clock)
    if as_of is not None and as_of > known_at:
        raise BadInput(f"as_of {as_of:%Y-%m-%d %H:%M:%S}Z is yet to come", reason="bad_as_of")
    return as_of or known_at


def asking(ctx: Context, sources: Sources | None = None) -> Asking:
    """Inputs of numbers of the requested site. Raises BadInput for an instant that is yet to come."""
    project, site = ctx.project, ctx.site()

    def read(name: str, **parts: Any) -> pl.DataFrame:
        # Only who asks the marts waits for those of the past: what a use is held against is made from its readings.
        return marts_of(ctx, ctx.sites().get(parts.get("site_id", ""), site))(name, **parts)

    return Asking(
        # First: what is of the future is refused before anything is opened.
        as_of_utc=instant_of(ctx),
        site=site,
        sources=sources or project.sources(keeps=False),
        marts_dir=ctx.marts_now,
        read=read,
    )


def sites_as_of(ctx: Context, sites: Iterable[Site]) -> list[Site]:
    """The sites of which anything was known at the instant of the address; of now all of them."""
    as_of_utc = ctx.address.as_of_utc
    if as_of_utc is None:
        return list(sites)
    return [each for each in sites if newest_entry(ctx.project.store, each.site_id, as_of_utc=as_of_utc)]


def expect_marts(ctx: Context, sites: Iterable[Site]) -> None:
    """Have the marts of each built where they are not there, not one after the other. Raises as marts_dir_of."""
    waiting: BeingBuilt | None = None
    for each in sites:
        try:
            marts_dir_of(ctx, each)
        except BeingBuilt as fault:
            waiting = fault
        except BadInput as fault:
            # As many wait as may wait: the others are asked for when the page is opened again.
            if waiting is None or fault.reason != "busy":
                raise
    if waiting is not None:
        raise waiting


def stamp_of(ctx: Context, site: Site) -> str:
    """Stamp of all that is shown of a site: another text as soon as marts, readings or the site file are others."""
    if ctx.address.as_of_utc is not None:
        # The past is over: its name says all.
        return past_folder(ctx.project, [site], instant_of(ctx)).name
    # Once an answer, which is of one state of things: it asks the store and looks at every file.
    if site.site_id not in ctx.stamps:
        entry = newest_entry(ctx.project.store, site.site_id)
        marts = mart_stamp(ctx.project.project.marts_dir, site.site_id)
        ctx.stamps[site.site_id] = f"{marts}|{entry}|{site_sha256(site)}"
    return ctx.stamps[site.site_id]


def stamp_of_uses(ctx: Context, sites: Iterable[Site]) -> str:
    """As stamp_of, for answers about energy uses: their baselines and adjustments are a part of it."""
    known, project = list(sites), ctx.project
    # Once an answer, as stamp_of: several tiles of a board ask it.
    key = f"uses of {' '.join(each.site_id for each in known)}"
    if key in ctx.stamps:
        return ctx.stamps[key]
    # Of the past they are made from readings, which are what they were then: no marts of it are waited for.
    is_past = ctx.address.as_of_utc is not None
    stamps = [site_sha256(each) if is_past else stamp_of(ctx, each) for each in known]
    for site in known:
        for each in project.baselines.versions(site.site_id):
            codes = [found.code for found in each.baseline.findings]
            stamps.append(f"{each.baseline_id}@{each.version} {each.status} {each.approved_at_utc} {codes}")
    records = AdjustmentStore(project.store).records(site_id=[each.site_id for each in known])
    stamps += [f"{each.adjustment.adjustment_id} {each.status}" for each in records]
    ctx.stamps[key] = "|".join(stamps)
    return ctx.stamps[key]


def scopes_of(ctx: Context, site: Site, *, has_registers: bool = False) -> dict[str, str]:
    """The scopes of the site that the person sees, and what they are called. has_registers: those of single registers
    too, of which there is energy and no KPI.
    """
    names = {**scope_names(site), **(register_names(site) if has_registers else {})}
    return {scope: name for scope, name in names.items() if sees_scope(ctx.person, site.site_id, scope)}


def scope_of(ctx: Context, site: Site, *, has_registers: bool = False) -> str:
    """The scope that is asked for, of scopes_of. Raises BadInput (unknown_scope) for none of them."""
    scope, known = ctx.scope(), scopes_of(ctx, site, has_registers=has_registers)
    if scope in known:
        return scope
    near = get_close_matches(scope, known, n=1)
    raise BadInput(
        f"site {site.site_id!r} has no scope {scope!r}",
        reason="unknown_scope",
        mend=f"did you mean {near[0]!r}?" if near else "",
    )


def whole_site(ctx: Context) -> Site:
    """The site, for who sees all of it. Raises BadInput (unknown_scope) for who sees a part."""
    site = ctx.site()
    whole = ctx.of(scope=f"site:{site.site_id}")
    scope_of(whole, site)
    return site


def age_of(ctx: Context, site: Site) -> Age:
    """Age of the site's marts, and the months of them that wait to be made anew."""
    marts_dir, stamp, site_id, cache = marts_dir_of(ctx, site), stamp_of(ctx, site), site.site_id, ctx.project.cache
    readings_to_utc = cache.once("readings_to", (marts_dir, site_id, stamp), lambda: _readings_to(marts_dir, site_id))
    if ctx.address.as_of_utc is not None:
        return Age(readings_to_utc, ctx.address.as_of_utc, is_past=True)
    turn = int(ctx.now_utc.timestamp() // _STALE_FOR.total_seconds())
    months = cache.once("stale_months", (site_id, stamp, turn), lambda: _stale_of(ctx.project, site_id))
    return Age(readings_to_utc, published_at(marts_dir, site_id), months)


def _stale_of(project: OpenProject, site_id: str) -> tuple[str, ...]:
    return tuple(sorted(name.partition("|")[2] for name in project.stage("kpi", site_id=site_id).stale()))


def _readings_to(marts_dir: Path, site_id: str) -> datetime | None:
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
    firsts = [date.fromisoformat(f"{each}-01") for each in months[:NAMED_MONTHS]]
    listed: str = sentences([days_of(each, months_after(each, 1)) for each in firsts], ", ")
    if len(months) > NAMED_MONTHS:
        listed = Sentence("{0} and {1} more", listed, len(months) - NAMED_MONTHS)
    message = Sentence("The figures of {0} are out of date: they are being recalculated, or wait for it.", listed)
    return (Finding(code="stale_marts", message=message, facts={"months": len(months)}),)


def period_of(ctx: Context, site: Site, age: Age) -> Period:
    """The days that are asked for; where none are named the last seven, of readings that ended before the last seven
    with readings.
    """
    usual, newest = "7d", newest_day(site, age)
    if newest is not None and newest < local_day(ctx.as_of_or_now, site.time_zone) - timedelta(days=7):
        usual = f"{newest - timedelta(days=6)}/{newest + timedelta(days=1)}"
    return span(ctx.address, time_zone=site.time_zone, now_utc=ctx.as_of_or_now, usual=usual)


def newest_day(site: Site, age: Age) -> date | None:
    """The last local day with readings."""
    if age.readings_to_utc is None:
        return None
    return local_day(age.readings_to_utc - _QUARTER, site.time_zone)


def header_of(
    ctx: Context,
    site: Site,
    scope: str,
    period: Period,
    age: Age,
    *,
    grains: tuple[str, ...] = (),
    grain: str = "",
    has_registers: bool = False,
) -> tuple[PageBlock, ...]:
    """The pickers of a page of the site. has_registers: as scopes_of."""
    return header_blocks(
        ctx.address,
        site_id=site.site_id,
        scopes=scopes_of(ctx, site, has_registers=has_registers),
        scope=scope,
        period=period,
        newest=newest_day(site, age),
        now_utc=ctx.as_of_or_now,
        grains=grains,
        grain=grain,
    )


@once
def scope_names(site: Site) -> Mapping[str, str]:
    """Scope -> its name, as `Compressed air`; where two are called alike each says its kind. The site comes first."""
    known = _own_names(site)
    kinds = {span.scope: span.kind for span in scope_spans(site)}
    # A site without a single reading has a picker too.
    kinds.setdefault(f"site:{site.site_id}", "site")
    found = {scope: _name(scope, known) for scope in sorted(kinds, key=lambda each: KINDS.index(kinds[each]))}
    twice = {name for name in found.values() if list(found.values()).count(name) > 1}
    return {scope: f"{name} ({kinds[scope]})" if name in twice else name for scope, name in found.items()}


@once
def register_names(site: Site) -> Mapping[str, str]:
    """Scope of a register -> its name, as `Grid connection, export`."""
    known = _own_names(site)
    return {scope: _name(scope, known) for scope in register_scopes(site)}


def _name(scope: str, known: Mapping[str, str]) -> str:
    whole, _, part = scope.partition("/")
    name = known.get(whole) or whole.partition(":")[2]
    return f"{name}, {part.replace('_', ' ')}" if part else name


def _own_names(site: Site) -> dict[str, str]:
    found = {f"site:{site.site_id}": site.name}
    found |= {f"meter:{each.meter_id}": each.name or each.meter_id for each in site.meters}
    found |= {f"seu:{each.seu_id}": each.name for each in site.seus}
    for kind, parts in site.premises.parts().items():
        found |= {f"{kind}:{part.part_id}": part.name or part.part_id for part in parts}
    for kind, rest in REMAINDER.items():
        found.setdefault(f"{kind}:{rest}", f"{rest} (no {kind})")
    return found
