"""Days on which reports became stale, by what their inputs were at the end of each day since they were made."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from assets.stores.published.report_ledger import Revision
from data_quality.contracts.site_file.site import Site

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

Key = tuple[str, int]
Rows = list[dict[str, Any]]


class StaleSpan(NamedTuple):
    """A revision whose inputs changed. start_utc: begin of that day, or None where of its inputs no time is kept (site
    file, definitions); end_utc: when another revision took its place, None while it stands.
    """

    report_id: str
    start_utc: datetime | None
    end_utc: datetime | None


@dataclass
class _Case:
    """A revision with the inputs that may have changed. first, last: days between which the first change is."""

    of: Revision
    end_utc: datetime | None
    inputs: Rows
    first: int = 0
    last: int = 0

    @property
    def middle(self) -> int:
        """The day that halves what is left."""
        return (self.first + self.last) // 2


Changed = Callable[[Iterable[tuple[datetime | None, _Case]]], dict[Key, Rows]]


def stale_spans(project: "OpenProject", site: Site, days: Sequence[datetime]) -> list[StaleSpan] | None:
    """The stale revisions of a site's reports between the first and the last of these midnights; None: no reports.

    All are looked at together: each instant costs one look, however many reports are asked about at it.
    """
    made: dict[str, list[Revision]] = {}
    for each in project.reports.revisions(site.site_id, with_content=False):
        made.setdefault(each.report_id, []).append(each)
    spans = [
        (each, after.recorded_at_utc if after is not None else None)
        for revisions in made.values()
        for each, after in zip(revisions, [*revisions[1:], None], strict=True)
        if after is None or after.recorded_at_utc > days[0]
    ]
    inputs: defaultdict[Key, Rows] = defaultdict(list)
    for row in project.reports.distinct_inputs([(each.report_id, each.revision) for each, _ in spans]):
        inputs[_key(row)].append(row)
    cases = [_Case(each, end_utc, inputs[each.report_id, each.revision]) for each, end_utc in spans]
    return _stale(cases, _changed(project), days) if made else None


def _stale(cases: list[_Case], changed: Changed, days: Sequence[datetime]) -> list[StaleSpan]:
    stale = _kept(cases, changed((each.end_utc, each) for each in cases))
    # What differs from the first moment on has no time: it is looked at as it is today. Readings are looked at as then.
    versions = [_Case(each.of, None, [row for row in each.inputs if row["kind"] != "lake"]) for each in stale]
    timeless = changed((each.of.recorded_at_utc, each) for each in versions if each.inputs)
    found, undated = list[_Case](), list[StaleSpan]()
    for each in stale:
        then = timeless.get((each.of.report_id, each.of.revision), [])
        each.inputs = [row for row in each.inputs if row not in then]
        if each.inputs:
            each.first = bisect_left(days, each.of.recorded_at_utc)
            each.last = len(days) if each.end_utc is None else bisect_left(days, each.end_utc)
            found.append(each)
        elif each.end_utc is None:
            undated.append(StaleSpan(each.of.report_id, None, None))
    _halve(found, changed, days)
    return [StaleSpan(each.of.report_id, _begin(each, days), each.end_utc) for each in found] + undated


def _halve(cases: list[_Case], changed: Changed, days: Sequence[datetime]) -> None:
    """Narrow each case to the first day on which it is changed. Readings are only added: changed once stays so."""
    while open_cases := [each for each in cases if each.first < each.last]:
        found = changed((days[each.middle], each) for each in open_cases)
        for each in open_cases:
            if found.get((each.of.report_id, each.of.revision)):
                each.last = each.middle
            else:
                each.first = each.middle + 1


def _begin(case: _Case, days: Sequence[datetime]) -> datetime:
    return max(days[case.first - 1] if case.first else days[0], case.of.recorded_at_utc)


def _kept(cases: list[_Case], found: dict[Key, Rows]) -> list[_Case]:
    """Cases of which something changed, with that alone."""
    kept = [(each, found.get((each.of.report_id, each.of.revision))) for each in cases]
    return [_Case(each.of, each.end_utc, rows) for each, rows in kept if rows]


def _changed(project: "OpenProject") -> Changed:
    """Looks at inputs as they were at instants: by revision those that were others by then."""
    from reports.figures.trace import differing

    sources = project.sources(keeps=False)

    def changed(pairs: Iterable[tuple[datetime | None, _Case]]) -> dict[Key, Rows]:
        by_instant, found = defaultdict[datetime | None, Rows](list), defaultdict[Key, Rows](list)
        for as_of_utc, case in pairs:
            by_instant[as_of_utc] += case.inputs
        for as_of_utc, rows in by_instant.items():
            for row, _ in differing(rows, sources, as_of_utc=as_of_utc):
                found[_key(row)].append(row)
        return found

    return changed


def _key(row: dict[str, Any]) -> Key:
    return row["report_id"], row["revision"]
