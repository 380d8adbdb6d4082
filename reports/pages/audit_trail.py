"""The audit trail in words: who did what, the newest first, by kind and a page at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from data_quality.contracts.sentence import Sentence
from data_quality.contracts.time import zone
from reports.pages.address import Address
from reports.pages.page import Choice, Option, Page, PageBlock, Part
from reports.report_content import Cell, Column, Paragraph, Row, Table
from reports.texts.locales import moment, named

PATH = "/audit"
Kind = Literal["", "reports", "baselines", "findings", "devices", "access"]
KINDS: tuple[str, ...] = get_args(Kind)
LINES = 50
_TEXTS = {
    "": "All", "reports": "Reports", "baselines": "Baselines", "findings": "Findings and bills", "devices": "Devices",
    "access": "Access",
}  # fmt: skip


class TrailLine(NamedTuple):
    """One thing that somebody did. what: the sentence; href: where it is seen; note: the reason, or an outcome."""

    at_utc: datetime
    what: str
    kind: Kind
    href: str = ""
    note: str = ""
    time_zone: str = "UTC"


def trail_page(lines: Sequence[TrailLine], address: Address) -> Page:
    """A page of the trail. lines: the newest first, also those of later pages."""
    kind = address.part("kind")
    options = tuple(
        Option(text=text, href=address.href(kind=name or None, before=None), is_chosen=name == kind)
        for name, text in _TEXTS.items()
    )
    blocks: list[PageBlock] = [Choice(label="Kind", options=options), trail_table(lines[:LINES], address)]
    links = [("Evidence and recomputation", address.href("/board/audit", kind=None, before=None))]
    if address.part("before"):
        links.append(("Newest", address.href(before=None)))
    if len(lines) > LINES:
        links.append(("Older", address.href(before=lines[LINES - 1].at_utc.isoformat())))
    part = Part(key="trail", blocks=tuple(blocks))
    return Page(title="Audit trail", address=address, parts=(part,), links=tuple(links), whys=whys(lines[:LINES]))


def trail_table(lines: Sequence[TrailLine], address: Address) -> PageBlock:
    """Lines as a table, each by the clock of its site."""
    if not lines:
        return Paragraph(text="No recorded activity yet")
    rows = []
    for at, each in enumerate(lines):
        text = moment(each.at_utc.astimezone(zone(each.time_zone)), address.locale)
        when = Sentence("{0} UTC", text) if each.time_zone == "UTC" else text
        what = Cell(text=each.what, figure_id=_key(at) if each.href else "")
        rows.append(
            Row(
                cells=(
                    Cell(text=when),
                    what,
                    Cell(text=each.note if isinstance(each.note, Sentence) else named(each.note)),
                )
            )
        )
    columns = (Column(title="When", weight=2), Column(title="Who did what", weight=5),
               Column(title="Reason or outcome", weight=3))  # fmt: skip
    return Table(key="trail", title="Newest first", sheet="trail", columns=columns, rows=tuple(rows))


def whys(lines: Sequence[TrailLine]) -> dict[str, str]:
    """Where the lines of the table lead."""
    return {_key(at): each.href for at, each in enumerate(lines) if each.href}


def _key(at: int) -> str:
    return f"trail{at}"
