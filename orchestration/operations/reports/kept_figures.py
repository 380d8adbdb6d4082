"""Figures that a command prints are kept with their traces; of a project that cannot be written they are only shown."""

from collections.abc import Callable

from data_quality.contracts.site_file.site import Site
from orchestration.operations.operation import Call
from reports.lifecycle.revise import store_revision, unstored
from reports.report_content import ReportContent


def keep_figures(call: Call, build: Callable[[int], ReportContent], site: Site | None) -> ReportContent:
    """The content, stored so that each figure can be walked back, or shown with a word on that."""
    reports, unwritable = call.project.reports, call.project.store.read_only
    if unwritable is None:
        return store_revision(build, reports, call.clock, site=site)[0]
    call.say(f"{unwritable.path.parent} cannot be written: figures that are not stored yet have no trace")
    return unstored(build, reports)
