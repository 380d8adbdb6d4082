"""Marts, baselines and reports that are as new as the lake: made again here, in this process, where they are not."""

from collections.abc import Callable
from datetime import date

from assets.kpi.stale_baselines import stale_baselines
from assets.stores.warehouse import built_with, target_of
from orchestration.partitions import month_ranges, site_quarter_key
from orchestration.resources import ProjectResource


def stale_partitions(project: ProjectResource) -> dict[str, set[str]]:
    """`SITE|YYYY-MM` that the jobs kpi and enpi must compute again, by job; nothing else needs a run."""
    kpi, enpi = project.stage("kpi"), project.stage("enpi")
    found = {"kpi": set(kpi.stale()), "enpi": set(enpi.stale())}
    # EnPIs rest on the KPI tables of the same warehouse: where those are gone they come first.
    here = built_with(target_of(project.project))
    lost = {name.split("|")[0] for name in found["enpi"]}
    lost = {site_id for site_id in lost if here.get(f"kpi|{site_id}") != kpi.fingerprint}
    found["kpi"] |= {name for name in found["enpi"] if name.split("|")[0] in lost}
    return found


def stale_reports(project: ProjectResource) -> dict[str, list[str]]:
    """Partition key of each quarterly report that is stale while its marts are not, with what it rests on now."""
    from reports.changes import newest_stale
    from reports.sources import Sources
    from reports.trace import stale_revisions

    sources = Sources(lake=project.lake, sites=project.sites, baselines=project.baselines)
    waiting = {name.partition("|")[0] for months in stale_partitions(project).values() for name in months}
    found = {}
    for revision, changes in newest_stale(
        project.reports, stale_revisions(project.reports, sources), name="enpi_quarter"
    ):
        first_day = quarter_start(revision.period)
        if first_day is not None and revision.site_id in project.sites and revision.site_id not in waiting:
            found[site_quarter_key(revision.site_id, first_day)] = sorted(f"{each.id} {each.now}" for each in changes)
    return found


def quarter_start(period: str) -> date | None:
    """First day of a period label `2025-Q1`; None for a report over anything else, which no partition stands for."""
    year, _, quarter = period.partition("-Q")
    return date(int(year), int(quarter) * 3 - 2, 1) if year.isdigit() and quarter in {"1", "2", "3", "4"} else None


def refresh(project: ProjectResource, *, say: Callable[[str], None]) -> dict[str, list[str]]:
    """Make again what late readings left stale, and only that: marts, baselines, their EnPIs, quarterly reports.

    Returns the partitions that ran, by job, in order.
    """
    from orchestration.runner import open_runner

    ran: dict[str, list[str]] = {}
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job, say=say)
        for site_id, site in sorted(project.sites.items()):
            if stale_baselines(site, lake=project.lake, baselines=project.baselines):
                say(f"baseline: {site_id}")
                runner.run("baseline", partition=site_id)
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job, say=say)
        for key in stale_reports(project):
            say(f"report: {key}")
            runner.run("enpi_report", partition=key)
        for outcome in runner.outcomes:
            ran.setdefault(outcome.job, []).append(outcome.partition)
    return ran


def freshen_marts(project: ProjectResource, *, say: Callable[[str], None]) -> bool:
    """Compute and publish the months whose readings, site file or baselines changed. Returns whether there were any."""
    stale = stale_partitions(project)
    if not any(stale.values()):
        return False
    from orchestration.runner import open_runner

    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        for job, months in stale.items():
            runner.build_marts(month_ranges(months), job=job, say=say)
    return True
