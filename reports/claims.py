"""What forbids to print a saving of an energy use in any report: the gate of assets/kpi/claims, asked once a use."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from assets.kpi.claims.gate import against_claim, until
from assets.kpi.enpi import DayPair
from assets.kpi.project import project_pairs, project_use
from data_quality.contracts.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.mv_project import MvProject
from data_quality.contracts.site import Seu, Site
from data_quality.contracts.time import Period
from reports.sources import Sources


def known_span(site: Site, version: BaselineVersion, as_of_utc: datetime) -> Period:
    """Every day that speaks for or against a saving: from the baseline's first to the last that can be known."""
    last = as_of_utc.astimezone(ZoneInfo(site.time_zone)).date()
    start = version.baseline.train_start
    end = max(last + timedelta(days=1), version.baseline.train_end)
    return Period(start=start, end=end, time_zone=site.time_zone, label=f"{start} to {end}")


def against_saving(
    sources: Sources,
    site: Site,
    seu: Seu,
    version: BaselineVersion | None,
    *,
    end: date,
    as_of_utc: datetime,
    least_coverage: float,
    pairs: Callable[[Period], Sequence[DayPair]] | None = None,
) -> tuple[Finding, ...]:
    """Blocking findings against a saving of the use in a span that ends on `end` (exclusive), with its name.

    pairs: gives the days of a span, where the caller has them; else they come from the readings.
    """
    if version is None:
        return ()
    key = ("against saving", site.site_id, seu.seu_id, version.baseline_id, version.version, as_of_utc, least_coverage)
    found: tuple[Finding, ...] = sources.keep(
        key, lambda: _of_use(sources, site, seu, version, as_of_utc, least_coverage, pairs)
    )
    return until(found, end)


def _of_use(
    sources: Sources,
    site: Site,
    seu: Seu,
    version: BaselineVersion,
    as_of_utc: datetime,
    least_coverage: float,
    pairs: Callable[[Period], Sequence[DayPair]] | None,
) -> tuple[Finding, ...]:
    span, pinned = known_span(site, version, as_of_utc), (version.baseline_id, version.version)
    days = pairs(span) if pairs is not None else sources.pairs(site, seu.seu_id, pinned, span, as_of_utc)
    declared = [
        day
        for project in site.projects
        if project.seu == seu.seu_id
        for day in (project.installation_start, project.installation_end)
    ]
    found = against_claim(days, version.baseline, declared=declared, least_coverage=least_coverage)
    return _named(found, f"seu:{seu.seu_id}", seu.name)


def against_project(
    sources: Sources,
    site: Site,
    project: MvProject,
    version: BaselineVersion,
    *,
    end: date,
    as_of_utc: datetime,
    least_coverage: float,
) -> tuple[Finding, ...]:
    """The same for what is inside of a project's boundary; the days of its installation are the declared change."""
    key = ("against project", site.site_id, project.project_id, version.baseline_id, version.version, as_of_utc)
    found: tuple[Finding, ...] = sources.keep(
        key, lambda: _of_project(sources, site, project, version, as_of_utc, least_coverage)
    )
    return until(found, end)


def _of_project(
    sources: Sources,
    site: Site,
    project: MvProject,
    version: BaselineVersion,
    as_of_utc: datetime,
    least_coverage: float,
) -> tuple[Finding, ...]:
    span, use = known_span(site, version, as_of_utc), project_use(site, project)
    streams = [*use.meters, *(driver.driver_id for driver in use.drivers)]
    pairs = project_pairs(
        sources.stream_readings(site, streams, span.start, span.end, as_of_utc),
        site=site,
        project=project,
        version=version,
        adjustments=sources.adjustments(version.baseline_id, version.version, as_of_utc),
        start=span.start,
        end=span.end,
    )
    first, last = project.installation_start, project.installation_end
    inside = [each for each in pairs if not first <= each.local_date < last]
    found = against_claim(inside, version.baseline, declared=(first, last), least_coverage=least_coverage)
    return _named(found, f"project:{project.project_id}", project.name)


def _named(found: Sequence[Finding], scope: str, name: str) -> tuple[Finding, ...]:
    return tuple(
        each.model_copy(update={"scope": scope, "message": f"{name}: no saving is claimed. {each.message}"})
        for each in found
    )
