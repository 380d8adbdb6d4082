"""Due reports of a site, by its lake and its revisions; the schedules and the pages go by the same."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from assets.stores.lake.merges import newest_entry
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import last_local_day, local_day, months_after, parse_period, period_key
from reports.lifecycle.due import due_periods, first_of_period

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

# By whose absence a period counts as not made: report -> months of its period.
MARKS = {"enpi_quarter": 3, "data_quality": 1}


def due_starts(project: "OpenProject", site: Site, now_utc: datetime, *, report: str, months: int) -> list[date]:
    """First local days of the periods whose report of the site is due, newest first."""
    revisions = project.reports.revisions(site.site_id, name=report, with_content=False)
    starts = (parse_period(each.period, site.time_zone) for each in revisions)
    return due_periods(
        now_utc=now_utc,
        time_zone=site.time_zone,
        months=months,
        known=local_days(project, site, months),
        made={each.start for each in starts if each.end == months_after(each.start, months)},
    )


def last_whole(project: "OpenProject", sites: Iterable[Site], now_utc: datetime, *, months: int) -> str:
    """The last period of so many months that is over and that readings of these sites reach to the end of, as people
    write it; by the clock alone where there are no readings, empty where they begin behind it.
    """
    sites = list(sites)
    spans = [span for each in sites if (span := local_days(project, each, months)) is not None]
    end = local_day(now_utc, sites[0].time_zone)
    if spans:
        end = min(end, max(last for _, last in spans) + timedelta(days=1))
    start = months_after(first_of_period(end, months), -months)
    after = months_after(start, months)
    return "" if spans and after <= min(first for first, _ in spans) else period_key(start, after)


def local_days(project: "OpenProject", site: Site, months: int) -> tuple[date, date] | None:
    """First and last local day with readings: the lake files them by UTC days, which lie in two local ones."""

    def found() -> tuple[date, date] | None:
        known = project.lake.span(site.site_id)
        if known is None:
            return None
        return _local(project, site, known[0], months, min), _local(project, site, known[1], months, max)

    key = (site.site_id, site.time_zone, months, newest_entry(project.store, site.site_id))
    return project.cache.once("local_days", key, found)


def _local(project: "OpenProject", site: Site, day: date, months: int, edge: Callable[[Iterable[date]], date]) -> date:
    """The first or last local day of a UTC day's readings; read only where its local days are of two periods."""
    start = datetime.combine(day, time(), UTC)
    end, here = start + timedelta(days=1), site.time_zone
    local = [local_day(start, here), last_local_day(end, here)]
    if len({first_of_period(each, months) for each in local}) == 1:
        return edge(local)
    times = project.lake.current(site.site_id, start_utc=start, end_utc=end, columns=())["interval_start_utc"]
    return edge([local_day(at, here) for at in (times.min(), times.max()) if isinstance(at, datetime)] or local)
