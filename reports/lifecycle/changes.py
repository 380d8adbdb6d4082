"""Changes of a stored report: figures and data points that would be others today, or differ between revisions."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from assets.stores.published.report_ledger import ReportStore, Revision
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.disclosure import Datum
from data_quality.contracts.reporting.figure import Figure, TraceInput
from reports.figures.trace import VersionChange, current_sha256
from reports.recompute.figure import prefetch, recompute
from reports.recompute.figure_sources import Sources

FEW = 5
NUMBERS = ("figure", "table")


class FigureChange(Model):
    """One figure that has another value. was, now: None where it is unknown or not there."""

    figure_id: str
    path: str
    label: str
    kpi: str
    scope: str
    start: date
    end: date
    unit: str
    was: Decimal | None
    now: Decimal | None


class DatumChange(Model):
    """One data point of a pack that says something else. was, now: None where there is no answer."""

    framework: str
    edition: str
    id: str
    item: str
    label: str
    unit: str
    was: Decimal | str | None
    now: Decimal | str | None


def what_changed(
    figures: Iterable[Figure], changes: Iterable[VersionChange], *, sources: Sources, as_of_utc: datetime
) -> list[FigureChange]:
    """The figures that rest on a changed input and have another value as known at `as_of_utc`, in their order.

    figures: of one revision, inputs before what is made of them. changes: as trace.stale_revisions gives them. Each
    affected figure is computed again from its own trace, over the readings and the site file of then; the baseline
    versions stay those that it names.
    """
    moved = {(change.kind, change.id) for change in changes}
    figures = list(figures)
    # Inputs stand before what is made of them: one pass finds everything that is touched.
    touched: dict[str, Figure] = {}
    for figure in figures:
        if any((each.kind, each.id) in moved or each.id in touched for each in figure.trace.inputs):
            touched[figure.figure_id] = figure
    renewed = {figure.figure_id: _renewed(figure, sources, as_of_utc) for figure in touched.values()}
    untouched = {figure.figure_id: figure for figure in figures if figure.figure_id not in touched}
    # Nothing below these has moved, so they need not be recomputed.
    kept: dict[str, Decimal | None] = {figure_id: figure.value for figure_id, figure in untouched.items()}
    prefetch(renewed.values(), sources=sources, lookup=renewed.get)
    found = []
    for figure_id, figure in touched.items():
        value = recompute(renewed[figure_id], sources=sources, lookup=(renewed | untouched).get, kept=kept)
        if value != figure.value:
            found.append(_change(figure, was=figure.value, now=value))
    return found


def between_revisions(before: Iterable[Figure], after: Iterable[Figure]) -> list[FigureChange]:
    """Figures at one place of two revisions whose values differ, in the newer one's order; then those that went."""
    old = {figure.path: figure for figure in before}
    new = {figure.path: figure for figure in after}
    found = []
    for path, figure in new.items():
        was = old[path].value if path in old else None
        if was != figure.value:
            found.append(_change(figure, was=was, now=figure.value))
    gone = [figure for path, figure in old.items() if path not in new and figure.value is not None]
    return found + [_change(figure, was=figure.value, now=None) for figure in gone]


def data_of(revision: Revision) -> list[Datum]:
    """The data points of a stored revision; none of a report that is no pack."""
    return [Datum.model_validate(each) for each in revision.content.get("data", ())]


def data_moved(data: Iterable[Datum], changes: Iterable[FigureChange]) -> list[DatumChange]:
    """The data points of a pack whose figure is among the changes, in their order. What is said in words beside a
    figure is not recomputed: words of two revisions are compared by `data_between`.
    """
    by_figure = {each.figure_id: each for each in changes}
    return [
        _datum_change(each, was=moved.was, now=moved.now)
        for each in data
        if each.kind in NUMBERS and (moved := by_figure.get(each.figure_id)) is not None
    ]


def data_between(before: Iterable[Datum], after: Iterable[Datum]) -> list[DatumChange]:
    """Data points that say something else in a newer revision, in its order; then those that went."""
    old, new = ({(each.key, each.item): each for each in data} for data in (before, after))
    found = [
        _datum_change(each, was=None if key not in old else old[key].value, now=each.value)
        for key, each in new.items()
        if key not in old or (old[key].value, old[key].source) != (each.value, each.source)
    ]
    return found + [_datum_change(each, was=each.value, now=None) for key, each in old.items() if key not in new]


def parse_revision(text: str, reports: ReportStore, *, as_of_utc: datetime | None = None) -> Revision:
    """The revision that `REPORT_ID@NUMBER` names; without a number the newest. Raises BadInput naming what there is."""
    report_id, _, number = text.rpartition("@") if "@" in text else (text, "", "")
    every = reports.stored_keys(as_of_utc=as_of_utc)
    chosen = [key for key in every if key[0] == report_id and (not number or str(key[1]) == number)]
    if not chosen:
        known = sorted(f"{stored}@{revision}" for stored, revision in every)
        # A project has thousands of them: a sentence names those that were probably meant.
        named = known if len(known) <= FEW else difflib.get_close_matches(text, known, n=FEW)
        others = f" and {len(known) - len(named)} others" if len(named) < len(known) else ""
        raise BadInput(
            f"no revision {text!r}; there are {', '.join(named) or ('none' if not known else 'none like it')}{others}",
            reason="unknown_revision",
            mend="'meterloom reports list' names them",
        )
    return reports.get(*max(chosen, key=lambda key: key[1]))


def newest_stale(
    reports: ReportStore, stale: Mapping[tuple[str, int], list[VersionChange]], *, name: str
) -> list[tuple[Revision, list[VersionChange]]]:
    """The newest revision of each report of that name that no longer holds, with why. Older ones are history."""
    newest: dict[str, Revision] = {}
    for each in reports.revisions(name=name):
        newest[each.report_id] = max(newest.get(each.report_id, each), each, key=lambda one: one.revision)
    return [(each, stale[key]) for each in newest.values() if stale.get(key := (each.report_id, each.revision))]


def _renewed(figure: Figure, sources: Sources, as_of_utc: datetime) -> Figure:
    """The figure with its inputs as they are at that instant."""
    inputs = tuple(_input(each, sources, as_of_utc) for each in figure.trace.inputs)
    trace = figure.trace.model_copy(update={"inputs": inputs, "as_of_utc": as_of_utc})
    return figure.model_copy(update={"trace": trace})


def _input(given: TraceInput, sources: Sources, as_of_utc: datetime) -> TraceInput:
    if given.kind not in {"lake", "version"}:
        return given
    return given.model_copy(update={"sha256": current_sha256(given, sources, as_of_utc=as_of_utc)})


def _datum_change(datum: Datum, *, was: Decimal | str | None, now: Decimal | str | None) -> DatumChange:
    named = {name: getattr(datum, name) for name in ("framework", "edition", "item", "label", "unit")}
    return DatumChange(id=datum.key, was=was, now=now, **named)


def _change(figure: Figure, *, was: Decimal | None, now: Decimal | None) -> FigureChange:
    named = {name: getattr(figure, name) for name in FigureChange.model_fields if name not in {"was", "now"}}
    return FigureChange(**named, was=was, now=now)
