"""Figures that a command prints: of marts made fresh, or built as they would have been at --as-of, and kept with their
traces; of a project that cannot be written they are only shown.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from data_quality.contracts.site_file.site import Site
from orchestration.operations.operation import Call
from reports.lifecycle.revise import store_revision, unstored
from reports.report_content import ReportContent


def marts_then(call: Call, sites: Sequence[Site], name: str) -> tuple[Path, datetime]:
    """Folder of the marts and the instant that they are as known at. name: of the sites, for the progress line."""
    if call.as_of_utc is None:
        call.doing(f"{name}: looking for what changed", is_brief=True)
        if call.project.store.read_only is not None:
            return _unwritten(call, sites)
        from orchestration.warehouse.fresh import freshen_marts

        freshen_marts(call.project, clock=call.clock, doing=call.doing)
        # After the marts were made: their instant must not lie before what they hold.
        return call.project.project.marts_dir, call.project.reports.known_at(call.clock)
    from orchestration.warehouse.marts_as_of import marts_as_of

    call.doing(f"looking for the marts of {name} as known at {call.as_of_utc:%Y-%m-%d %H:%M:%S}Z")
    return marts_as_of(call.project, sites, call.as_of_utc), call.as_of_utc


def _unwritten(call: Call, sites: Sequence[Site]) -> tuple[Path, datetime]:
    """Those of a project that cannot be written: as published, or made of the same readings in the user's cache."""
    from orchestration.warehouse.stale import stale_partitions

    stale, asked = stale_partitions(call.project), {site.site_id for site in sites}
    now_utc = call.project.reports.known_at(call.clock)
    if not asked & {month.partition("|")[0] for months in stale.values() for month in months}:
        return call.project.project.marts_dir, now_utc
    from orchestration.warehouse.marts_as_of import marts_as_of

    return marts_as_of(call.project, sites, now_utc), now_utc


def keep_figures(call: Call, build: Callable[[int], ReportContent], site: Site | None) -> ReportContent:
    """The content, stored so that each figure can be walked back, or shown with a word on that."""
    reports, unwritable = call.project.reports, call.project.store.read_only
    if unwritable is None:
        return store_revision(build, reports, call.clock, site=site)[0]
    call.say(f"{unwritable.path.parent} cannot be written: figures that are not stored yet have no trace")
    return unstored(build, reports)
