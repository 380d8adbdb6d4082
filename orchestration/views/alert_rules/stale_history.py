"""Days on which reports became stale, by what their inputs were at the end of each day since they were made."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from assets.stores.published.report_ledger import Revision
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


class StaleSpan(NamedTuple):
    """A revision whose inputs changed. start_utc: begin of that day, or None where of its inputs no time is kept (site
    file, definitions); end_utc: when another revision took its place, None while it stands.
    """

    report_id: str
    start_utc: datetime | None
    end_utc: datetime | None


def stale_spans(project: "OpenProject", site: Site, days: Sequence[datetime]) -> list[StaleSpan] | None:
    """The stale revisions of a site's reports between the first and the last of these midnights; None: no reports."""
    made: dict[str, list[Revision]] = {}
    for each in project.reports.revisions(site.site_id, with_content=False):
        made.setdefault(each.report_id, []).append(each)
    spans = [
        (each, after.recorded_at_utc if after is not None else None)
        for revisions in made.values()
        for each, after in zip(revisions, [*revisions[1:], None], strict=True)
        if after is None or after.recorded_at_utc > days[0]
    ]
    found = (_stale(project, revision, end_utc, days) for revision, end_utc in spans)
    return [each for each in found if each is not None] if made else None


def _stale(
    project: "OpenProject", of: Revision, end_utc: datetime | None, days: Sequence[datetime]
) -> StaleSpan | None:
    from reports.figures.trace import stale_revisions

    sources, key = project.sources(keeps=False), (of.report_id, of.revision)

    def changed(as_of_utc: datetime | None) -> set[tuple[str, str]]:
        found = stale_revisions(project.reports, sources, as_of_utc=as_of_utc, only=[key])[key]
        return {(each.kind, each.id) for each in found}

    at_end = changed(end_utc)
    if not at_end:
        return None
    # What differs from the first moment on has no time: it is looked at as it is today.
    timeless = changed(of.recorded_at_utc)
    if at_end <= timeless:
        return StaleSpan(of.report_id, None, None) if end_utc is None else None
    first = bisect_left(days, of.recorded_at_utc)
    last = len(days) if end_utc is None else bisect_left(days, end_utc)
    # Readings are only added: what has changed once stays so.
    place = bisect_left(days, True, first, last, key=lambda day: not changed(day) <= timeless)
    begin_utc = days[place - 1] if place else days[0]
    return StaleSpan(of.report_id, max(begin_utc, of.recorded_at_utc), end_utc)
