"""Months of marts and quarterly reports that are older than the lake. Nothing is recomputed here."""

from datetime import date

from assets.stores.warehouse.warehouse import built_with, target_of
from orchestration.month_keys import site_quarter_key
from orchestration.open_project import OpenProject


def stale_partitions(project: OpenProject) -> dict[str, set[str]]:
    """`SITE|YYYY-MM` that the jobs kpi and enpi must compute again, by job; nothing else needs a run."""
    kpi, enpi = project.stage("kpi"), project.stage("enpi")
    found = {"kpi": set(kpi.stale()), "enpi": set(enpi.stale())}
    # EnPIs rest on the KPI tables of the same warehouse: where those are gone they come first.
    if found["enpi"]:
        here = built_with(target_of(project.project))
        lost = {name for name in found["enpi"] if here.get(f"kpi|{name.split('|')[0]}") != kpi.fingerprint}
        found["kpi"] |= lost
    return found


def stale_reports(project: OpenProject) -> dict[str, list[str]]:
    """Partition key of each quarterly report that is stale while its marts are not, with what it rests on now."""
    from reports.figures.trace import stale_revisions
    from reports.lifecycle.changes import newest_stale

    sources, found = project.sources(), dict[str, list[str]]()
    stale = list(newest_stale(project.reports, stale_revisions(project.reports, sources), name="enpi_quarter"))
    if not stale:
        return found
    waiting = {name.partition("|")[0] for months in stale_partitions(project).values() for name in months}
    sites = project.sites
    for revision, changes in stale:
        first_day = quarter_start(revision.period)
        # A report over marts that are about to change would be stale as soon as it is made.
        if first_day is not None and revision.site_id in sites and revision.site_id not in waiting:
            found[site_quarter_key(revision.site_id, first_day)] = sorted(f"{each.id} {each.now}" for each in changes)
    return found


def quarter_start(period: str) -> date | None:
    """First day of a period label `2025-Q1`; None for a report over anything else, which no partition stands for."""
    year, _, quarter = period.partition("-Q")
    return date(int(year), int(quarter) * 3 - 2, 1) if year.isdigit() and quarter in {"1", "2", "3", "4"} else None
