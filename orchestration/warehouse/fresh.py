"""Marts, baselines and reports that are as new as the lake: made again here, in this process, where they are not."""

from collections.abc import Callable
from typing import Protocol

from assets.kpi.enpi_of_use.stale_baselines import stale_baselines
from data_quality.contracts.time import Clock
from orchestration.month_keys import month_ranges, split_key
from orchestration.open_project import OpenProject
from orchestration.warehouse.stale import stale_partitions, stale_reports


def refresh(project: OpenProject, *, say: Callable[[str], None]) -> dict[str, list[str]]:
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
        # Once more: a new baseline version makes the EnPIs of its months stale.
        for job, months in stale_partitions(project).items():
            runner.build_marts(month_ranges(months), job=job, say=say)
        for key in stale_reports(project):
            say(f"report: {key}")
            runner.run("enpi_report", partition=key)
        for outcome in runner.outcomes:
            ran.setdefault(outcome.job, []).append(outcome.partition)
    return ran


TITLES = {"kpi": "KPIs", "enpi": "EnPIs"}


class Doing(Protocol):
    """Where work says what it is at: a text, a part of it, and how many of how many equal parts are behind it."""

    def __call__(self, text: str, part: str = "", *, done: int = 0, of: int | None = None) -> None:
        """Say it."""


def freshen_marts(project: OpenProject, *, clock: Clock, doing: Doing) -> bool:
    """Compute and publish the months whose readings, site file or baselines changed. Returns whether there were any."""
    stale = stale_partitions(project)
    ranges = [(stage, *each) for stage, months in stale.items() for each in month_ranges(months)]
    for place, (stage, first, last) in enumerate(ranges):
        from orchestration.warehouse.made_here import PARTS, make_marts

        (begins, site_id), (ends, _) = split_key(first), split_key(last)
        until = "" if first == last else f" to {ends:%Y-%m}"
        text = f"{site_id}: making the {TITLES[stage]} of {begins:%Y-%m}{until}"
        for number, part in enumerate(make_marts(project, stage, first, last, clock=clock)):
            doing(text, part, done=place * PARTS + number, of=len(ranges) * PARTS)
    return bool(ranges)
