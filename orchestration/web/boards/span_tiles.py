"""Tiles about spans that are over: by area, renewable shares, where it goes, savings, measures, all sites."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import polars as pl

from assets.kpi.claims.mv_savings import reported_span
from assets.kpi.enpi.alerts import mart_alerts
from assets.sites.meter_tree import children_of, has_import, submeters_of
from assets.stores.warehouse.marts import if_published
from assets.tariffs.periods import price_stream_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.meter import Carrier
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period, months_after
from orchestration.web.boards.portfolio_tiles import PortfolioSums
from orchestration.web.boards.site_now import SiteNow, compared_words, last_days, main_meters, tariff_on, to_compare
from reports.assess import project_baselines
from reports.datasets.enpi_findings import overlapping
from reports.pages.address import Compare
from reports.pages.widgets import projects, renewable, saved_energy, sites_table, submeters
from reports.pages.widgets.compared_span import Compared
from reports.pages.widgets.tile import TileFigure
from reports.texts.locales import month_year
from reports.writer import words

WEEK = 7
# By so much a use may be another than its meters together, for each is rounded.
_LEAST_SHARE = Decimal("0.001")
PROJECT = {
    "saving": "savings_kwh", "band": "uncertainty_kwh", "days": "compared_days", "detectable": "detectable_kwh",
}  # fmt: skip


def by_area(now: SiteNow, scope: str, period: Period) -> Compared:
    """Widget 3: the twelve months that end with the newest whole one of the period, or before it; which area it is
    stands beside it.
    """
    is_known = (pl.col("scope") == scope) & _is_over(now) & (pl.col("period_end") <= period.end)
    rows = now.show.mart("mart_scope__rolling_kpi", is_known, scope=scope)
    area = now.site.floor_area_definition
    named = {"key": "eui", "title": "Energy by floor area", "label": "Rolling 12 months"}
    common = now.common() | {"reason": "no complete month yet"} | named
    if rows.is_empty():
        return Compared(**common)
    [figure] = now.show.figures(rows.sort("period_end").tail(1))
    period_words = now.words(figure)
    span = period_words if area is None else Sentence("{0}, by {1} area", period_words, area)
    return Compared(**common | {"reason": ""}, now=now.show.shown(figure), span=span)


def _is_over(now: SiteNow) -> pl.Expr:
    """Months that are over: that of today is not, and what is read of it makes no month or year whole."""
    return pl.col("period_end") <= now.day + timedelta(days=0 if now.is_today else 1)


def compared(now: SiteNow, kpi: str, scope: str, period: Period, compare: Compare, *, key: str, title: str) -> Compared:
    """A KPI that adds up over a period, beside the one it is compared with; of a part of a site, its share of it."""
    show = now.show
    value, gaps = show.over(kpi, scope, period)
    spans = to_compare(now, period, compare) or ()
    own, past = [value if each == period else show.over(kpi, scope, each)[0] for each in spans] or (None, None)
    change = show.pair("deviation_percent", own, past, "percent", f"change of {kpi} of {scope}")
    more: tuple[tuple[str, TileFigure | None, str], ...] = ()
    if scope != now.scope and not scope.startswith("meter:") and kpi == "consumption_kwh":
        whole, _ = show.over(kpi, now.scope, period)
        share = show.pair("percent_of", value, whole, "percent", f"share of {scope}")
        more = (("Share of the site", share, ""),)
    has_no_price = kpi == "cost" and price_stream_of(now.site) is None
    has_no_price = has_no_price and tariff_on(now, period.end - timedelta(days=1)) is None
    kept = period.label if "/" not in period.label else _text(period)
    return Compared(
        **now.common() | {
            "reason": "no data for this period", "findings": gaps, "next": now.tariff_step() if has_no_price else None,
            "link": show.address.href("/energy", scope=scope, period=kept, compare=compare),
        },
        key=key, title=title, label=words(scope), span=now.words(period),
        now=value, before=past, change=change, more=more, **compared_words(now, period, spans),
    )  # fmt: skip


def shares(now: SiteNow) -> renewable.Renewable:
    """Widget 10: of the newest month that is over, before the first one of the running month."""
    rows = now.show.mart(
        "mart_site__kpi_values",
        (pl.col("scope") == now.scope) & (pl.col("grain") == "month") & pl.col("kpi").is_in(list(renewable.NAMES)),
    )
    common = now.common()
    if rows.is_empty():
        return renewable.Renewable(**common)
    whole = rows.filter(_is_over(now))
    newest = (rows if whole.is_empty() else whole)["period_start"].max()
    last = rows.filter(pl.col("period_start") == newest)
    found = {each.kpi: shown for each in now.show.figures(last) if (shown := now.show.shown(each)) is not None}
    label = month_year(last["period_start"][0], now.show.address.locale)
    return renewable.Renewable(**common, shares=tuple(found.items()), span=label)


def where_it_goes(now: SiteNow, period: Period | None = None) -> submeters.Submeters:
    """Widget 11: uses and meters of a period, or of the last seven whole days, beside as many days before."""
    current = period or last_days(now, WEEK)
    if current is None:
        return submeters.Submeters(**now.common() | {"reason": "no whole day is published"})
    show, common = now.show, now.common() | {"reason": ""}
    back = timedelta(days=current.days)
    former = Period(label="", start=current.start - back, end=current.end - back, time_zone=current.time_zone)
    mains = main_meters(now)
    children = [now.site.meter(each) for main in mains for each in submeters_of(now.site, main, current.start)]
    # What a generator or a battery gives is in no import of the main meters: their difference would be no rest.
    every = [now.site.meter(each) for main in mains for each in children_of(now.site, main, current.start)]
    is_fed = any(each is not None and not has_import(each) for each in every)
    below = [each for each in children if each is not None and has_import(each)]
    uses = [seu for seu in now.site.seus if seu.is_active and not seu.is_aggregate]
    # Read or not: a use without energy gives no other one its colour.
    named = [(seu.name, f"seu:{seu.seu_id}", True) for seu in uses]
    named += [(meter.name or meter.meter_id, f"meter:{meter.meter_id}", False) for meter in below]
    parts, metered = [], []
    for place, (name, scope, is_use) in enumerate(named):
        energy, _ = show.over("consumption_kwh", scope, current)
        if energy is None:
            continue
        before, _ = show.over("consumption_kwh", scope, former)
        change = show.pair("deviation_percent", energy, before, "percent", f"change of {scope}")
        of = next((use.name for use in uses if not is_use and scope.removeprefix("meter:") in use.meters), "")
        part = submeters.Submeter(
            name=name, energy=energy, before=before, change=change, is_use=is_use, of=of, place=place
        )
        parts.append(part)
        metered += [] if is_use else [energy.figure]
    whole, gaps = show.over("consumption_kwh", now.scope, current)
    was, _ = show.over("consumption_kwh", now.scope, former)
    grown = show.pair("deviation_percent", whole, was, "percent", "change of the main meters")
    unmetered = None
    if whole is not None and metered and not is_fed:
        submetered = show.sum_of(metered, "meters below the main ones") if len(metered) > 1 else metered[0]
        unmetered = show.pair("difference", whole, TileFigure(figure=submetered, why=""), "kwh", "not metered below")
    if not parts and (named or every):
        # There are such meters: why there is nothing of them is another sentence.
        unread = Sentence("no data of the meters below the main one, {0}", now.words(current))
        common["reason"] = unread if named else "the meters below the main one measure no consumption"
    link = show.address.href("/energy", period=_text(current), grain="day", compare="previous")
    return submeters.Submeters(
        **common | {"findings": gaps, "link": link},
        whole=whole, before=was, change=grown, parts=tuple(parts), rest=unmetered,
        is_fed=is_fed, is_tree=_fits(now, parts) and unmetered is not None,
        span=Sentence("{0}, against the {1} days before", now.words(current), current.days),
    )  # fmt: skip


def _fits(now: SiteNow, parts: Sequence[submeters.Submeter]) -> bool:
    """True where each use is the sum of meters that stand beside it, none of which is in two."""
    uses = [seu for seu in now.site.seus if seu.is_active and not seu.is_aggregate]
    named = [meter for seu in uses for meter in seu.meters]
    if len(named) != len({*named}) or len({use.name for use in uses}) != len(uses):
        return False
    for use in (each for each in parts if each.is_use):
        own = [each.energy.figure.value for each in parts if each.of == use.name]
        energy = use.energy.figure.value
        if energy is None or abs(sum((each or 0 for each in own), start=Decimal(0)) - energy) > energy * _LEAST_SHARE:
            return False
    return True


def saved(sites: Sequence[SiteNow], period: Period) -> saved_energy.Savings:
    """Energy that uses of sites saved over a year or month of the marts, with the model's band, and what it is worth.

    Uses that share a meter are in no sum, nor several carriers, nor money of several currencies.
    """
    uses: list[saved_energy.Use] = []
    left: list[str] = []
    summed: list[saved_energy.Use] = []
    carriers: set[Carrier] = set()
    for now in sites:
        own, kept = _saved_of(now, period, f"{now.site.name}: " if len(sites) > 1 else "")
        uses += own
        left += [each.name for each in own if each.name not in {use.name for use, _ in kept}]
        summed += [use for use, _ in kept]
        carriers |= {carrier for _, carrier in kept}
    period_words = sites[0].words(period)
    common = sites[0].common() | {"reason": Sentence("no use is compared with a baseline in {0}", period_words)}
    data = saved_energy.Savings(**common, uses=tuple(uses), left_out=tuple(left), span=period_words)
    if len(carriers) > 1 or not summed:
        is_shared = any(use.saving is not None and use.saving.figure.value is not None for use in uses)
        why = "are of several carriers" if summed else "share meters, or hold one another"
        barred = sorted({words(each.saving.figure.status) for each in uses if each.saving is not None})
        listed = sentences([Sentence(each) for each in barred], ", ")
        undetermined = data.reason
        if barred:
            undetermined = Sentence("no saving of {0} can be determined: {1}", period_words, listed)
        reason = f"the uses {why}: their savings do not add up" if summed or is_shared else undetermined
        return data.model_copy(update={"reason": reason})
    all_ = PortfolioSums([now.show for now in sites])
    savings, bands, worths = (
        [shown.figure for each in summed if (shown := getattr(each, name)) is not None]
        for name in ("saving", "band", "worth")
    )
    has_worth = len(worths) == len(summed) and len({each.unit for each in worths}) == 1
    return data.model_copy(
        update={
            "total": all_.made("sum", savings, kpi="savings_kwh", unit="kwh"),
            "band": all_.made("root_sum_of_squares", bands, kpi="uncertainty_kwh", unit="kwh"),
            "worth": all_.made("sum", worths, kpi="savings_value", unit=worths[0].unit) if has_worth else None,
            "no_worth": "" if has_worth else "uses of several currencies, or without a price for each day",
        }
    )


def _saved_of(
    now: SiteNow, period: Period, before: str
) -> tuple[list[saved_energy.Use], list[tuple[saved_energy.Use, Carrier]]]:
    """Every active use of a site, and those whose savings add up: leaves with a saving that share no meter."""
    show, kpis = now.show, ("savings_kwh", "delta_percent")
    own = period.model_copy(update={"time_zone": now.site.time_zone})
    is_it = (pl.col("period_start") == own.start) & (pl.col("period_end") == own.end) & pl.col("kpi").is_in(list(kpis))
    rows = show.mart("mart_seu__kpi_values", is_it)
    uses: list[saved_energy.Use] = []
    summed: list[tuple[saved_energy.Use, Seu]] = []
    for seu in [seu for seu in now.site.seus if seu.is_active and rows.height]:
        scope = f"seu:{seu.seu_id}"
        mine = rows.filter(pl.col("scope") == scope).with_columns(
            carrier=pl.lit(seu.carrier.value), findings=pl.col("finding")
        )
        found = {each.kpi: show.shown(each) for each in show.figures(mine)}
        saving, off = (found.get(kpi) for kpi in kpis)
        is_saved = saving is not None and saving.figure.value is not None
        band, worth = (
            show.judged("enpi", name, scope, own) if is_saved else None for name in ("uncertainty_kwh", "savings_value")
        )
        use = saved_energy.Use(name=f"{before}{seu.name}", saving=saving, band=band, off=off, worth=worth)
        uses.append(use)
        summed += [(use, seu)] if is_saved and not seu.is_aggregate else []
    shared = {seu.seu_id for pair in overlapping([seu for _, seu in summed], now.site) for seu in pair}
    return uses, [(use, seu.carrier) for use, seu in summed if seu.seu_id not in shared]


def saved_by_month(sites: Sequence[SiteNow], period: Period) -> saved_energy.SavedMonths:
    """Savings of each month of a year by use, of uses that are no sum of others."""
    count = (period.end.year - period.start.year) * 12 + period.end.month - period.start.month
    months = [months_after(period.start, at) for at in range(count)]
    uses, place = [], -1
    for now in sites:
        show, before = now.show, f"{now.site.name}: " if len(sites) > 1 else ""
        is_it = (pl.col("grain") == "month") & (pl.col("kpi") == "savings_kwh") & pl.col("period_start").is_in(months)
        rows = show.mart("mart_seu__kpi_values", is_it)
        for seu in [each for each in now.site.seus if each.is_active and not each.is_aggregate]:
            place += 1
            if rows.is_empty():
                continue
            mine = rows.filter(pl.col("scope") == f"seu:{seu.seu_id}").with_columns(
                carrier=pl.lit(seu.carrier.value), findings=pl.col("finding")
            )
            found = {each.start: show.shown(each) for each in show.figures(mine)}
            if any(each is not None and each.figure.value is not None for each in found.values()):
                uses.append((f"{before}{seu.name}", place, tuple(found.get(month) for month in months)))
    names = tuple(month_year(each, sites[0].show.address.locale, is_short=True) for each in months)
    return saved_energy.SavedMonths(**sites[0].common(), months=names, uses=tuple(uses))


def measures(shows: Sequence[SiteNow]) -> projects.Projects:
    """Widget 12: every project of these sites by its baseline in force."""
    first = shows[0]
    found = [each for now in shows for each in _of_site(now)]
    return projects.Projects(**first.common() | {"reason": "", "age": ""}, projects=tuple(found))


def _of_site(now: SiteNow) -> list[projects.Project]:
    if not now.site.projects:
        return []
    versions = project_baselines(now.site, now.show.ctx.project.baselines, as_of_utc=now.show.ctx.address.as_of_utc)
    return [_project(now, each, versions.get(each.project_id)) for each in now.site.projects]


def _project(now: SiteNow, project: MvProject, version: BaselineVersion | None) -> projects.Project:
    first, after = project.reporting_period
    whole = Period(label="", start=first, end=after, time_zone=now.site.time_zone)
    period, name = reported_span(project, whole, now.show.as_of_utc), f"{now.site.name}: {project.name}"
    if version is None or period is None:
        verdict = "no baseline of the project is fitted" if version is None else "nothing is reported yet"
        return projects.Project(name=name, verdict=verdict)
    figures = {
        field: now.show.judged("project", measure, f"project:{project.project_id}", period)
        for field, measure in PROJECT.items()
    }
    barred = figures["saving"].figure.status if figures["saving"].figure.value is None else ""
    verdict = "baseline approved" if version.status.value == "approved" else f"baseline is {version.status.value}"
    sentence = sentences((Sentence(verdict), Sentence(words(barred))), ": ")
    return projects.Project(name=name, **figures, verdict=sentence)


def _site_row(now: SiteNow, period: Period) -> sites_table.SiteRow:
    """A site's row of the table of all sites."""
    show, project = now.show, now.show.ctx.project
    read_alerts = partial(mart_alerts, now.site, marts_dir=project.project.marts_dir, baselines=project.baselines)
    alerts = if_published(read_alerts, lambda _: {})
    over = [seu for seu, found in alerts.items() if found]
    status, tone = ("no alert", "good") if alerts else ("–", "muted")
    if over:
        status, tone = f"over its limit: {', '.join(over)}", "bad"
    parts = {kpi: show.over(kpi, now.scope, period)[0] for kpi in ("consumption_kwh", "cost", "emission_kgco2e")}
    return sites_table.SiteRow(
        name=now.site.name, energy=parts["consumption_kwh"], cost=parts["cost"],
        carbon=parts["emission_kgco2e"], eui=by_area(now, now.scope, period).now, status=status,
        tone=tone, href=show.address.href("/board/site", scope=None),
        months=show.months("consumption_kwh", now.scope, period),
    )  # fmt: skip


def known_years(now: SiteNow) -> list[int]:
    """The local years of which a month is published, in order; the present one where none is."""
    rows = now.show.mart("mart_scope__year_kpi", pl.col("scope") == now.scope, scope=now.scope)
    return rows["period_start"].dt.year().unique().sort().to_list() if rows.height else [now.day.year]


def newest_year(now: SiteNow) -> Period:
    """The last of the known years."""
    year = known_years(now)[-1]
    return Period(label=str(year), start=date(year, 1, 1), end=date(year + 1, 1, 1), time_zone=now.site.time_zone)


def _text(period: Period) -> str:
    return f"{period.start}/{period.end}"


def all_sites(sites: Sequence[SiteNow], period: Period) -> sites_table.SitesTable:
    """A row a site, over the period in its own days."""
    rows = tuple(_site_row(now, period.model_copy(update={"time_zone": now.site.time_zone})) for now in sites)
    synthetic = any(now.site.is_simulated for now in sites)
    return sites_table.SitesTable(
        address=sites[0].show.address, rows=rows, span=sites[0].words(period), is_synthetic=synthetic
    )


def newest_month(now: SiteNow) -> Period:
    """The newest local month that is published; the present one where none is."""
    rows = now.show.mart("mart_scope__month_kpi", pl.col("scope") == now.scope, scope=now.scope)
    newest = rows["period_start"].max() if rows.height else None
    start = newest if isinstance(newest, date) else now.day.replace(day=1)
    return Period(label=f"{start:%Y-%m}", start=start, end=months_after(start, 1), time_zone=now.site.time_zone)
