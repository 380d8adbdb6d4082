"""The audit trail in words: who did what, the newest first, by kind and a page at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, get_args

from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.time import zone
from reports.pages.address import Address
from reports.pages.page import Cards, Choice, Item, Option, Page, PageBlock, Part, Widget
from reports.report_content import Paragraph
from reports.texts.locales import moment, named

PATH = "/audit"
Kind = Literal["", "reports", "baselines", "findings", "devices", "access"]
KINDS: tuple[str, ...] = get_args(Kind)
LINES = 50
_TEXTS = {
    "": "All", "reports": "Reports", "baselines": "Baselines", "findings": "Findings and bills", "devices": "Devices",
    "access": "Access",
}  # fmt: skip
ICONS = {
    "": "info", "reports": "file-text", "baselines": "target", "findings": "triangle-alert", "devices": "plug",
    "access": "user-round",
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
    blocks: list[PageBlock] = [Choice(label="Kind", options=options), trail_list(lines[:LINES], address)]
    links = [("Evidence and recomputation", address.href("/board/audit", kind=None, before=None))]
    if address.part("before"):
        links.append(("Newest", address.href(before=None)))
    if len(lines) > LINES:
        links.append(("Older", address.href(before=lines[LINES - 1].at_utc.isoformat())))
    part = Part(key="trail", blocks=tuple(blocks))
    return Page(title="Audit trail", address=address, parts=(part,), links=tuple(links))


def trail_list(lines: Sequence[TrailLine], address: Address, *, all_href: str = "") -> PageBlock:
    """A line each, with when by the clock of its site and the reason or outcome below it. all_href: where all are."""
    if not lines:
        return Paragraph(text="No recorded activity yet")
    items = tuple(_item(each, address.locale) for each in lines)
    rest = ("All activity", all_href) if all_href else None
    return Cards(widgets=(Widget(key="trail", title="Newest first", state="value", items=items, span=12, next=rest),))


def _item(line: TrailLine, locale: str) -> Item:
    when: Text = moment(line.at_utc.astimezone(zone(line.time_zone)), locale)
    when = Sentence("{0} UTC", when) if line.time_zone == "UTC" else when
    note = line.note if isinstance(line.note, Sentence) or not line.note else named(line.note)
    return Item(text=line.what, href=line.href, icon=ICONS[line.kind], detail=sentences((when, note), " · "))
