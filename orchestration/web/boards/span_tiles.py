"""Tiles about spans that are over: by area, renewable shares, where it goes, savings, measures, all sites."""

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from assets.kpi.claims.mv_savings import reported_span
from assets.kpi.enpi_of_use.alert_marts import mart_alerts
from assets.sites.meter_tree import children_of, has_import, submeters_of
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.site_file.mv_project import MvProject
from data_quality.contracts.site_file.site import Seu
from data_quality.contracts.time import Period, months_after
from orchestration.web.boards.show import Show
from orchestration.web.boards.site_now import SiteNow, last_days, main_meters
from reports.again.computations import baseline_input
from reports.again.project_again import PLANNED
from reports.again.project_again import number as project_number
from reports.datasets.of_uses.enpi_figures import overlapping
from reports.make_report import project_baselines
from reports.pages.address import Compare, before
from reports.pages.widgets import projects, renewable, saved_energy, sites_table, submeters
from reports.pages.widgets.compared_span import Compared
from reports.pages.widgets.tile import Shown

WEEK = 7
FIELDS = ("expected_kwh", "actual_kwh", "uncertainty_kwh", "compared_days", "detectable_kwh")


def by_area(now: SiteNow, scope: str) -> Compared:
    """Widget 3: the twelve months that end with the newest whole one; which area it is stands beside it."""
    rows = now.show.mart("mart_scope__rolling_kpi", pl.col("scope") == scope)
    area = now.site.floor_area_definition
    named = {"key": "eui", "title": "Energy by floor area", "label": "Rolling 12 months"}
    common = now.common() | {"reason": "no month of the scope is published"} | named
    if rows.is_empty():
        return Compared(**common)
    [figure] = now.show.figures(rows.sort("period_end").tail(1))
    by = f"by {area} area" if area is not None else "the site file does not say which area"
    last = figure.end - timedelta(days=1)
    return Compared(**common, now=now.show.shown(figure), span=f"{figure.start} to {last}, {by}")


def compared(now: SiteNow, kpi: str, scope: str, period: Period, compare: Compare, *, key: str, title: str) -> Compared:
    """A KPI that adds up over a period, beside the one it is compared with; of a part of a site, its share of it."""
    show = now.show
    value, gaps = show.over(kpi, scope, period)
    former = before(period, compare)
    past, _ = show.over(kpi, scope, former) if former is not None else (None, ())
    change = show.pair("deviation_percent", value, past, "percent", f"change of {kpi} of {scope}")
    more: tuple[tuple[str, Shown | None, str], ...] = ()
    if scope != now.scope and not scope.startswith("meter:") and kpi == "consumption_kwh":
        whole, _ = show.over(kpi, now.scope, period)
        share = show.pair("percent_of", value, whole, "percent", f"share of {scope}")
        more = (("Share of the site", share, ""),)
    kept = period.label if "/" not in period.label else _text(period)
    against = "" if former is None else f"{former.start} to {former.end - timedelta(days=1)}"
    return Compared(
        **now.common() | {
            "reason": f"nothing of {scope} is published in {period.label}", "findings": gaps,
            "link": show.address.href("/energy", scope=scope, period=kept, compare=compare),
        },
        key=key, title=title, label=scope, span=f"{period.start} to {period.end - timedelta(days=1)}",
        now=value, before=past, change=change, against=against, more=more,
    )  # fmt: skip


def shares(now: SiteNow) -> renewable.Renewable:
    """Widget 10: of the newest month that is published."""
    rows = now.show.mart(
        "mart_site__kpi_values",
        (pl.col("scope") == now.scope) & (pl.col("grain") == "month") & pl.col("kpi").is_in(list(renewable.NAMES)),
    )
    common = now.common()
    if rows.is_empty():
        return renewable.Renewable(**common)
    last = rows.filter(pl.col("period_start") == rows["period_start"].max())
    found = {each.kpi: shown for each in now.show.figures(last) if (shown := now.show.shown(each)) is not None}
    label = f"{last['period_start'][0]:%Y-%m}"
    return renewable.Renewable(**common, shares=tuple(found.items()), span=label)


def where_it_goes(now: SiteNow, period: Period | None = None) -> submeters.Submeters:
    """Widget 11: uses and meters of a period, or of the last seven whole days, beside as many days before."""
    asked = period or last_days(now, WEEK)
    if asked is None:
        return submeters.Submeters(**now.common() | {"reason": "no whole day is published"})
    show, common = now.show, now.common() | {"reason": ""}
    back = timedelta(days=asked.days)
    former = Period(label="", start=asked.start - back, end=asked.end - back, time_zone=asked.time_zone)
    mains = main_meters(now)
    children = [now.site.meter(each) for main in mains for each in submeters_of(now.site, main, asked.start)]
    # What a generator or a battery gives is in no import of the main meters: their difference would be no rest.
    every = [now.site.meter(each) for main in mains for each in children_of(now.site, main, asked.start)]
    is_fed = any(each is not None and not has_import(each) for each in every)
    below = [each for each in children if each is not None and has_import(each)]
    named = [(seu.name, f"seu:{seu.seu_id}", True) for seu in now.site.seus if seu.is_active and not seu.is_aggregate]
    named += [(meter.name or meter.meter_id, f"meter:{meter.meter_id}", False) for meter in below]
    parts, metered = [], []
    for name, scope, is_use in named:
        energy, _ = show.over("consumption_kwh", scope, asked)
        if energy is None:
            continue
        before, _ = show.over("consumption_kwh", scope, former)
        change = show.pair("deviation_percent", energy, before, "percent", f"change of {scope}")
        parts.append(submeters.Submeter(name=name, energy=energy, before=before, change=change, is_use=is_use))
        metered += [] if is_use else [energy.figure]
    whole, gaps = show.over("consumption_kwh", now.scope, asked)
    rest = None
    if whole is not None and metered and not is_fed:
        seen = show.sum_of(metered, "meters below the main ones") if len(metered) > 1 else metered[0]
        rest = show.pair("difference", whole, Shown(figure=seen, why=""), "kwh", "not metered below")
    link = show.address.href("/energy", period=_text(asked), grain="day", compare="previous")
    return submeters.Submeters(
        **common | {"findings": gaps, "link": link},
        whole=whole, parts=tuple(parts), rest=rest,
        is_fed=is_fed,
        span=f"{asked.start} to {asked.end - timedelta(days=1)}, against the {asked.days} days before",
    )  # fmt: skip


def saved(now: SiteNow, period: Period) -> saved_energy.Savings:
    """What the uses of a site saved over a year or month of the marts; uses that share a meter are in no sum."""
    show = now.show
    uses = [seu for seu in now.site.seus if seu.is_active]
    rows = show.mart("mart_seu__kpi_values")
    common = now.common() | {"reason": f"no use of the site is compared with a baseline in {period.label}"}
    if rows.is_empty():
        return saved_energy.Savings(**common, span=period.label)
    inside = rows.filter(
        (pl.col("period_start") == period.start) & (pl.col("period_end") == period.end)
        & pl.col("kpi").is_in(["savings_kwh", "delta_percent"])
    ).with_columns(findings=pl.col("finding"))  # fmt: skip
    told: list[tuple[str, Shown | None, Shown | None]] = []
    summed: list[tuple[Seu, Figure]] = []
    for seu in uses:
        mine = inside.filter(pl.col("scope") == f"seu:{seu.seu_id}").with_columns(carrier=pl.lit(seu.carrier.value))
        found = {each.kpi: each for each in show.figures(mine)}
        saving = found.get("savings_kwh")
        told.append((seu.name, show.shown(saving), show.shown(found.get("delta_percent"))))
        if saving is not None and saving.value is not None and not seu.is_aggregate:
            summed.append((seu, saving))
    names = {seu.seu_id for seu, _ in summed}
    shared = overlapping([seu for seu, _ in summed], now.site) if summed else []
    kept = [] if shared or len({seu.carrier for seu, _ in summed}) > 1 else [figure for _, figure in summed]
    total = None if not kept else show.shown(_total(show, kept))
    if not kept and summed:
        common["reason"] = "the uses share meters or are of several carriers: their savings do not add up"
    left = [seu.name for seu in uses if seu.seu_id not in names]
    return saved_energy.Savings(**common, total=total, uses=tuple(told), left_out=tuple(left), span=period.label)


def _total(show: Show, parts: Sequence[Figure]) -> Figure:
    if len(parts) == 1:
        return parts[0]
    given = [("part", each) for each in parts]
    first = parts[0]
    return show.book.derive(
        f"saved/{first.start}", "sum", given, label="saved by uses that share no meter", kpi="savings_kwh",
        unit=first.unit, scope=f"site:{show.site.site_id}",
    )  # fmt: skip


def measures(shows: Sequence[SiteNow]) -> projects.Projects:
    """Widget 12: every project of these sites by its baseline in force."""
    first = shows[0]
    found = [each for now in shows for each in _of_site(now)]
    return projects.Projects(**first.common() | {"reason": "", "age": ""}, projects=tuple(found))


def _of_site(now: SiteNow) -> list[projects.Project]:
    if not now.site.projects:
        return []
    versions = project_baselines(now.site, now.show.ask.project.baselines, as_of_utc=now.show.ask.address.as_of_utc)
    return [_project(now, each, versions.get(each.project_id)) for each in now.site.projects]


def _project(now: SiteNow, project: MvProject, version: BaselineVersion | None) -> projects.Project:
    show, site = now.show, now.site
    first, after = project.reporting_period
    whole = Period(label="", start=first, end=after, time_zone=site.time_zone)
    period = reported_span(project, whole, show.as_of_utc)
    if version is None or period is None:
        verdict = "no baseline of the project is fitted" if version is None else "nothing is reported yet"
        return projects.Project(name=f"{site.name}: {project.name}", verdict=verdict)
    made: dict[str, Figure] = {}
    sources = show.sources
    inputs = [
        sources.lake_input(site, period.start, period.end, show.as_of_utc), sources.site_input(site),
        baseline_input(version),
        sources.adjustments_input(version.baseline_id, version.version, show.as_of_utc),
    ]  # fmt: skip
    span = {"site": site.site_id, "start": str(period.start), "end": str(period.end)}
    for field in FIELDS:
        named = span | {
            "project": project.project_id, "field": field, "adjustment": "", "status": version.status.value
        }  # fmt: skip
        value = project_number(
            sources, site, project.project_id, version, period, show.as_of_utc, field=field, adjustment_id=""
        )
        made[field] = show.book.add(
            f"project/{project.project_id}/{field}", value, label=f"{field} of {project.name}", kpi=field,
            scope=f"project:{project.project_id}", start=period.start, end=period.end,
            unit="days" if field == "compared_days" else "kwh", computation="project_number", parameters=named,
            inputs=inputs[1:3] if field in PLANNED else inputs, status="" if value is not None else "missing",
        )  # fmt: skip
    saving = show.book.derive(
        f"project/{project.project_id}/savings_kwh", "difference",
        [("expected", made["expected_kwh"]), ("actual", made["actual_kwh"])],
        label=f"avoided by {project.name}", kpi="savings_kwh", unit="kwh",
    )  # fmt: skip
    why = show.address.href("/reports", scope=None, period=None)
    return projects.Project(
        name=f"{site.name}: {project.name}",
        **{
            name: Shown(figure=figure, why=why)
            for name, figure in (
                ("saving", saving), ("band", made["uncertainty_kwh"]), ("days", made["compared_days"]),
                ("detectable", made["detectable_kwh"]),
            )
        },
        verdict="baseline approved" if version.status.value == "approved" else f"baseline is {version.status.value}",
    )  # fmt: skip


def site_row(now: SiteNow, period: Period, status: tuple[str, str]) -> sites_table.SiteRow:
    """A site's row of the table of all sites. status: word and tone of its uses, the gravest."""
    show = now.show
    parts = {kpi: show.over(kpi, now.scope, period)[0] for kpi in ("consumption_kwh", "cost", "emission_kgco2e")}
    return sites_table.SiteRow(
        name=now.site.name, currency=now.site.currency, energy=parts["consumption_kwh"], cost=parts["cost"],
        carbon=parts["emission_kgco2e"], eui=by_area(now, now.scope).now, status=status[0],
        tone=status[1], href=show.address.href("/board/site", scope=None),
    )  # fmt: skip


def newest_year(now: SiteNow) -> Period:
    """The newest local year of which a month is published; the present one where none is."""
    rows = now.show.mart("mart_scope__year_kpi", pl.col("scope") == now.scope)
    newest = rows["period_start"].max() if rows.height else None
    year = newest.year if isinstance(newest, date) else now.day.year
    return Period(label=str(year), start=date(year, 1, 1), end=date(year + 1, 1, 1), time_zone=now.site.time_zone)


def _text(period: Period) -> str:
    return f"{period.start}/{period.end}"


def all_sites(sites: Sequence[SiteNow], period: Period) -> sites_table.SitesTable:
    """A row a site, over the period in its own days."""
    rows = []
    for now in sites:
        own = period.model_copy(update={"time_zone": now.site.time_zone})
        try:
            alerts = mart_alerts(
                now.site, marts_dir=now.show.ask.project.project.marts_dir, baselines=now.show.ask.project.baselines
            )
        except BadInput as fault:
            if fault.reason != "mart_missing":
                raise
            alerts = {}
        over = [seu for seu, found in alerts.items() if found]
        status = (
            (f"over its limit: {', '.join(over)}", "bad")
            if over
            else ("no alert", "good")
            if alerts
            else ("–", "muted")
        )
        rows.append(site_row(now, own, status))
    synthetic = any(now.site.is_simulated for now in sites)
    return sites_table.SitesTable(
        address=sites[0].show.address, rows=tuple(rows), span=period.label, is_synthetic=synthetic
    )


def newest_month(now: SiteNow) -> Period:
    """The newest local month that is published; the present one where none is."""
    rows = now.show.mart("mart_scope__month_kpi", pl.col("scope") == now.scope)
    newest = rows["period_start"].max() if rows.height else None
    start = newest if isinstance(newest, date) else now.day.replace(day=1)
    return Period(label=f"{start:%Y-%m}", start=start, end=months_after(start, 1), time_zone=now.site.time_zone)
