"""Reports of templates that end with a month, and making them: the files of a monthly run of a site."""

from collections.abc import Mapping
from datetime import date

from data_quality.contracts.errors import BadInput, OurFault, RunFailed
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, span
from reports.datasets.base import ReportInput, shifted
from reports.datasets.bills import BillData
from reports.make_report import ReportRequest, StoredReport, make_report
from reports.recompute.event import events_in, events_of

# Cheap to make and always possible: that it is there says that the month was made (orchestration/schedules.py).
MONTHLY = ("data_quality",)
QUARTERLY = ("executive_summary",)
YEARLY = ("executive_summary", "ghg_inventory")


def reports_ending(
    site: Site, month: Period, *, has_bills: bool = False, has_events: bool = False
) -> list[tuple[str, Period]]:
    """Name and span of every report that ends with this local month. Raises OurFault for what is no month.

    A reconciliation where a bill ends in the month, a register where an anomaly begins in it; an annual energy report
    where the site has uses.
    """
    after = month.end
    if month.start.day != 1 or after.day != 1 or shifted(month, "previous").end != month.start:
        raise OurFault(f"{month.start} to {month.end} is no calendar month")
    found = [(name, month) for name in MONTHLY]
    if has_bills:
        found.append(("bill_reconciliation", month))
    if has_events:
        found.append(("anomalies", month))
    # The month that begins now opens a quarter, so the one that ended closed one.
    if after.month % 3 == 1:
        index = after.year * 12 + after.month - 1 - 3
        quarter = span(date(index // 12, index % 12 + 1, 1), after, site.time_zone)
        found += [(name, quarter) for name in QUARTERLY]
    if after.month == 1:
        year = span(date(after.year - 1, 1, 1), after, site.time_zone)
        found += [(name, year) for name in YEARLY]
        found += [("enpi_year", year)] if site.seus else []
    return found


def actor_of(tags: Mapping[str, str]) -> str:
    """The maker of what a run makes: the schedule or sensor that asked for it, else the run itself.

    No person has such a name, so that whoever reviews and whoever publishes did not make the report.
    """
    for kind in ("schedule", "sensor"):
        if name := tags.get(f"dagster/{kind}_name"):
            return f"{kind}:{name}"
    return "run"


def make_reports_ending(site: Site, month: Period, request: ReportRequest) -> list[StoredReport]:
    """Make, store and render them, as known now. Raises RunFailed, once the others are made, naming those of a span
    without readings.
    """
    sources, known_at = request.sources, request.reports.store.known_at(request.clock)
    given = ReportInput(site=site, period=month, as_of_utc=known_at, sources=sources, versions={})
    events = events_in(events_of(sources, site.site_id, known_at), month)
    wanted = reports_ending(site, month, has_bills=bool(BillData(given).of_period(month)), has_events=bool(events))
    made, refused = list[StoredReport](), list[BadInput]()
    for name, period in wanted:
        try:
            made.append(make_report(name, site, period, request))
        except BadInput as fault:
            if fault.reason != "no_readings":
                raise
            refused.append(fault)
    if refused:
        # Behind the others: a quarter that nobody read is no reason against its year.
        raise RunFailed("; ".join(map(str, refused)))
    return made
