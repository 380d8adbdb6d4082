"""Marts that are as new as the lake: rebuilt here, in this process, where they are not."""

from collections.abc import Callable

from assets.stores.lake import newest_entry
from assets.stores.marks import get_mark
from orchestration.partitions import month_ranges
from orchestration.resources import ProjectResource
from orchestration.sensors.lake_changes import touched_months


def freshen_marts(project: ProjectResource, *, say: Callable[[str], None]) -> bool:
    """Rebuild and publish the KPI marts where readings came since. Returns whether anything had to be done."""
    known, newest = get_mark(project.project.marts_dir), newest_entry(project.store)
    if newest <= known:
        return False
    from orchestration.runner import open_runner

    touched, _ = touched_months(project, after_id=known)
    with open_runner(project.project) as runner:
        runner.know_sites(sorted(project.sites))
        runner.build_marts(month_ranges(touched), say=say)
    return True
