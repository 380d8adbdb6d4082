"""Which reports of a site are due, asked of its lake and its revisions; the schedules and the pages go by the same."""

from datetime import date, datetime
from typing import TYPE_CHECKING

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import months_after, parse_period
from reports.life.due import due_periods

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
        known=project.lake.span(site.site_id),
        made={each.start for each in starts if each.end == months_after(each.start, months)},
    )
