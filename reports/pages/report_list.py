"""The list of reports: what was said, how far it has come, and which rests on what has changed since."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from assets.stores.published.report_ledger import Revision
from data_quality.contracts.sentence import Sentence
from reports.figures.trace import VersionChange
from reports.pages.address import Address
from reports.pages.page import Choice, Option, Page, PageBlock, Part
from reports.report_content import Cell, Column, LifeStep, Paragraph, ReportLife, Row, Table, Tone
from reports.texts.locales import named

STATES = ("draft", "reviewed", "published", "stale")
# Made by commands and pages of every number that is kept: no report that somebody reads.
NO_REPORTS = ("kpis", "running", "why")
_NAMED_CHANGES = 3


class ReportLine(NamedTuple):
    """One revision. titles: its template's name in words. is_newest: of its report."""

    revision: Revision
    life: ReportLife
    changes: Sequence[VersionChange]
    title: str
    is_newest: bool


def report_page(lines: Sequence[ReportLine], address: Address, *, sites: Mapping[str, str], is_synthetic: bool) -> Page:
    """The newest revisions first, one of each report unless all are asked for; stale ones with reason. sites: names
    by id.
    """
    state, is_all = address.part("state"), address.part("all") == "1"
    shown = [each for each in lines if is_all or each.is_newest]
    counts: Mapping[str, int] = {name: sum(_is(each, name) for each in shown) for name in STATES}
    chosen = [each for each in shown if not state or _is(each, state)]
    options = [Option(text=Sentence("all ({0})", len(shown)), href=address.href(state=None), is_chosen=not state)]
    options += [
        Option(text=Sentence(f"{name} ({{0}})", counts[name]), href=address.href(state=name), is_chosen=state == name)
        for name in STATES
    ]
    stale = [each for each in shown if each.changes]
    said: str = "All up to date."
    if stale:
        listed = ", ".join(_id(each) for each in stale[:_NAMED_CHANGES])
        more = f" and {len(stale) - _NAMED_CHANGES} more." if len(stale) > _NAMED_CHANGES else ""
        said = Sentence("Stale: {0}", listed + more)
    blocks: list[PageBlock] = [
        Paragraph(text=said, tone="caution" if stale else "good"),
        Choice(label="State", options=tuple(options)),
        _table(chosen, sites),
    ]
    link = ("Newest revisions only", address.href(all=None)) if is_all else ("All revisions", address.href(all="1"))
    return Page(
        title="Reports", address=address, parts=(Part(key="reports", blocks=tuple(blocks)),), links=(link,),
        whys={_id(each): twin_of(each.revision, address) for each in chosen}, is_synthetic=is_synthetic,
        hints={name: site_id for site_id, name in sites.items()},
    )  # fmt: skip


def twin_of(revision: Revision, address: Address) -> str:
    """Where a revision is read as a page."""
    place = f"/reports/{revision.report_id}@{revision.revision}"
    return Address(path=place, locale=address.locale).href()


def _id(line: ReportLine) -> str:
    return f"{line.revision.report_id}@{line.revision.revision}"


def _is(line: ReportLine, state: str) -> bool:
    return bool(line.changes) if state == "stale" else line.life.status.startswith(state)


def _table(lines: Sequence[ReportLine], sites: Mapping[str, str]) -> Table:
    columns = (
        Column(title="Report", weight=2), Column(title="Site"), Column(title="Period"),
        Column(title="Revision", is_number=True), Column(title="Status", weight=2), Column(title="Reviewed", weight=2),
        Column(title="Published", weight=2), Column(title="Up to date", weight=4),
    )  # fmt: skip
    rows = [
        Row(
            cells=(
                Cell(text=each.title, figure_id=_id(each)),
                Cell(text=named(sites.get(each.revision.site_id, each.revision.site_id))),
                Cell(text=each.revision.period),
                Cell(text=str(each.revision.revision)),
                Cell(text=each.life.text, tone=_TONES[each.life.status.split()[0]]),
                _step(each.life.reviewed), _step(each.life.published), _holds(each),
            )
        )
        for each in lines
    ]  # fmt: skip
    note = "" if lines else "No report is in this state."
    return Table(key="reports", title="Reports", sheet="reports", columns=columns, rows=tuple(rows), note=note)


_TONES: dict[str, Tone] = {"draft": "muted", "reviewed": "plain", "published": "good"}


def _step(step: LifeStep | None) -> Cell:
    if step is None:
        return Cell(text="–", tone="muted")
    return Cell(text=f"{step.who}, {step.at_utc:%Y-%m-%d}{'' if step.is_signed else ', unsigned'}")


def _holds(line: ReportLine) -> Cell:
    if not line.changes:
        return Cell(text="yes", tone="good")
    named = ", ".join(f"{each.kind} {each.id}" for each in line.changes[:_NAMED_CHANGES])
    more = len(line.changes) - _NAMED_CHANGES
    told = f"{named} and {more} more" if more > 0 else named
    return Cell(text=Sentence("stale: {0} changed since", told), tone="bad")
