"""Months of marts and quarterly reports that are older than the lake, and marts made again in this process."""

from collections.abc import Iterable, Mapping
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from assets.stores.warehouse.warehouse import built_with, target_of
from data_quality.contracts.errors import RunFailed
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from orchestration.month_keys import month_ranges, months_of_range, site_quarter_key, split_key
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


# Sites of one build: as many as fit into its memory.
METER_MONTHS, CALENDAR = 1000, 12
TITLES = {"kpi": "KPIs", "enpi": "EnPIs"}


class Doing(Protocol):
    """Receiver of progress: a text, a part of it, and how many of how many equal parts are done."""

    def __call__(self, text: str, part: str = "", *, done: int = 0, of: int | None = None) -> None:
        """Say it."""


def freshen_marts(project: OpenProject, *, clock: Clock, doing: Doing) -> bool:
    """Compute and publish the months whose readings, site file or baselines changed. Returns whether there were any.

    Many sites are one build. Raises RunFailed, behind the last build, where a site could not be built.
    """
    waiting = [
        (stage, each)
        for stage, months in stale_partitions(project).items()
        if months
        for each in builds_of(months, project.sites)
    ]
    is_any, done, red = bool(waiting), 0, list[RunFailed]()
    while waiting:
        from orchestration.warehouse.local_build import PARTS, build_site_marts

        stage, ranges = waiting.pop(0)
        begins, ends = min(split_key(first)[0] for first, _ in ranges), max(split_key(last)[0] for _, last in ranges)
        months = f"{begins:%Y-%m}" + ("" if begins == ends else f" to {ends:%Y-%m}")
        sites = split_key(ranges[0][0])[1] if len(ranges) == 1 else f"{len(ranges)} sites"
        text = f"{sites}: making the {TITLES[stage]} of {months}"
        try:
            for number, part in enumerate(build_site_marts(project, stage, ranges, clock=clock)):
                doing(text, part, done=done * PARTS + number, of=(done + 1 + len(waiting)) * PARTS)
        except RunFailed as fault:
            if len(ranges) == 1:
                red.append(fault)
                # What rests on a site's marts is not made of those that it lacks.
                site_id = split_key(ranges[0][0])[1]
                waiting = [
                    (later, others)
                    for later, those in waiting
                    if (others := [each for each in those if split_key(each[0])[1] != site_id])
                ]
            # What is wrong with one site is no reason for the others to wait: each that is left is asked alone.
            left = project.stage(stage).stale() if len(ranges) > 1 else {}
            waiting = [(stage, [each]) for each in ranges if left.keys() & {*months_of_range(*each)}] + waiting
        done += 1
    if red:
        raise red[0]
    return is_any


def builds_of(months: Iterable[str], sites: Mapping[str, Site]) -> list[list[tuple[str, str]]]:
    """The ranges of stale months (`SITE|YYYY-MM`) as builds: in each a range a site, and METER_MONTHS at most where it
    has several sites.
    """
    builds: list[list[tuple[str, str]]] = []
    layers: dict[str, int] = {}
    ranges = []
    for each in month_ranges(months):
        site_id = split_key(each[0])[1]
        layers[site_id] = layers.get(site_id, -1) + 1
        ranges.append((layers[site_id], site_id, each))
    for _, members in groupby(sorted(ranges), key=itemgetter(0)):
        room = 0
        for _, site_id, each in members:
            # Each site brings the calendar of a year with it, as long as a year of readings.
            size = len(sites[site_id].meters) * len(months_of_range(*each)) + CALENDAR
            if size > room:
                builds.append([])
                room = METER_MONTHS
            builds[-1].append(each)
            room -= size
    return builds
