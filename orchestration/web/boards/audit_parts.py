"""Below an auditor's tiles: who decided what, who did what in the pages, and what is made again before their eyes."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from assets.stores.published.publications import PublicationStore
from assets.stores.web.audit_events import newest_events
from data_quality.contracts.errors import BadInput, MeterloomError
from data_quality.contracts.people import person_text
from orchestration.web.boards.board_figures import Show
from reports.evidence.lifecycle import names_then
from reports.pages.address import Address
from reports.pages.page import Form, Input, PageBlock, Part, Steps
from reports.pages.widgets.tile import table
from reports.recompute.figure_again import announce, recompute
from reports.report_content import Cell, Paragraph, Tone
from reports.texts.locales import named
from reports.texts.numbers import MISSING

DRAWN = 10
# Of the ten seconds that a page may take; what is not reached is named as that.
WITHIN_S = 8.0
MOST_LINES = 20


def below(shows: Sequence[Show], address: Address) -> list[Part]:
    """All of it, in reading order."""
    return [drawn_again(shows, address.part("draw"), address), packs_again(address), events(shows, address),
            decisions(shows)]  # fmt: skip


def packs_again(address: Address) -> Part:
    """The act that has the last packs verified."""
    form = Form(
        key="verify", title="Verify the last packs", action=address.href("/board/audit/verify", draw=None, before=None),
        method="post", submit="Verify", fields=(),
        note="every byte, hash and signature of the file, and twenty of its figures",
    )  # fmt: skip
    return Part(key="verify", title="Verify evidence packs", blocks=(form,))


def _who(person_id: str, names: Mapping[str, str]) -> str:
    return named(person_text(person_id, names.get(person_id)))


def decisions(shows: Sequence[Show]) -> Part:
    """Who reviewed and published what, the newest first."""
    sites = {show.site.site_id for show in shows}
    as_of_utc, store = shows[0].ask.address.as_of_utc, PublicationStore(shows[0].ask.project.store)
    keys = [key for key in store.statuses(as_of_utc=as_of_utc) if key[0].split("/")[1] in sites]
    every = (each for key in keys for each in store.decisions(*key, as_of_utc=as_of_utc))
    found = sorted(every, key=lambda each: each.recorded_at_utc, reverse=True)
    names = shows[0].ask.project.names
    rows = [
        [Cell(text=f"{each.recorded_at_utc:%Y-%m-%d %H:%M} UTC"),
         Cell(text=_who(each.person_id, names_then([each], names))),
         Cell(text=each.step), Cell(text=f"{each.report_id}@{each.revision}"), Cell(text=named(each.reason))]
        for each in found[:MOST_LINES]
    ]  # fmt: skip
    columns = [("When", ""), ("Who", ""), ("What", ""), ("Report", ""), ("Why", "")]
    if not rows:
        blocks = (Paragraph(text="No approvals yet"),)
        return Part(key="decisions", title="Decisions", blocks=blocks)
    return Part(key="decisions", title="Decisions", blocks=(table("decisions", "Newest first", columns, rows),))


def events(shows: Sequence[Show], address: Address) -> Part:
    """Who did what in the pages, the newest first; older lines behind a link."""
    ask, before = shows[0].ask, address.part("before")
    if before and not (before.isascii() and before.isdecimal() and len(before) < len("1234567890")):
        raise BadInput(f"before is the number of a line, got {before[:20]!r}", reason="bad_address")
    # Who may see some sites alone is told what was done about them.
    sites = ask.person.sites or ((ask.address.site,) if ask.address.site else ())
    found = newest_events(
        ask.project.store, most=MOST_LINES + 1, sites=sites, before=int(before) if before else None,
        as_of_utc=ask.address.as_of_utc,
    )  # fmt: skip
    names = ask.project.names
    rows = [
        [Cell(text=f"{each['recorded_at_utc']:%Y-%m-%d %H:%M:%S} UTC"),
         Cell(text=_who(each["person_id"], names) + (f" by key {each['key_id']}" if each["key_id"] else "")),
         Cell(text=f"{each['method']} {each['route']}"), Cell(text=named(each["subject"])), Cell(text=each["outcome"])]
        for each in found[:MOST_LINES]
    ]  # fmt: skip
    columns = [("When", ""), ("Who", ""), ("What", ""), ("About", ""), ("Outcome", "")]
    blocks: list[PageBlock] = [Paragraph(text="No recorded activity yet")]
    if rows:
        blocks = [table("events", "Newest first", columns, rows)]
    if len(found) > MOST_LINES:
        href = address.href(before=str(found[MOST_LINES - 1]["id"]), draw=None)
        blocks.append(Steps(title="More", steps=(("Older", "acts before these", href),)))
    return Part(key="events", title="Who did what", blocks=tuple(blocks))


def drawn_again(
    shows: Sequence[Show], seed_text: str, address: Address, *, clock: Callable[[], float] = time.monotonic
) -> Part:
    """Ten stored figures at random, made again from their readings; without a seed the form that asks for them."""
    form = Form(
        key="draw", title="Recompute 10 random figures", action=address.href("/board/audit/draw"), method="post",
        submit="Recompute",
        fields=(Input(name="draw", label="Seed", kind="number", value=seed_text or "1",
                      is_required=True, hint="the same seed draws the same figures"),),
    )  # fmt: skip
    if not seed_text:
        return Part(key="again", title="Does it recompute?", blocks=(form,))
    shows_of = {show.site.site_id: show for show in shows}
    reports = shows[0].ask.project.reports
    every = reports.revisions(as_of_utc=address.as_of_utc, with_content=False)
    stored = [each for each in every if each.site_id in shows_of]
    pool = [(each.site_id, figure) for each in stored for figure in reports.figures(each.report_id, each.revision)]
    # No secret hangs on it: whoever looks again is to see the same.
    chosen = random.Random(seed_text).sample(pool, min(DRAWN, len(pool)))  # noqa: S311
    kept: dict[str, Decimal | None] = {}
    began_s, steps, equal = clock(), [], 0
    announce([figure for _, figure in chosen], sources=shows[0].sources, lookup=reports.figure)
    for _, figure in chosen:
        why = address.href("/why", figure=figure.figure_id, draw=None, site=None)
        name = f"{figure.label} ({figure.figure_id})"
        if clock() - began_s > WITHIN_S:
            steps.append(("Not reached", f"{name}: the {WITHIN_S:g} s of this page were over", why))
            continue
        try:
            value = recompute(figure, sources=shows[0].sources, lookup=reports.figure, kept=kept)
        except MeterloomError as fault:
            steps.append(("Cannot", f"{name}: {fault}", why))
            continue
        equal += value == figure.value
        told = MISSING if figure.value is None else f"{figure.value:f} {figure.unit}"
        again = MISSING if value is None else f"{value:f}"
        steps.append(("Equal", f"{name}: {told}", why) if value == figure.value
                     else ("DIFFERS", f"{name}: stored {told}, made again {again}", why))  # fmt: skip
    said = f"{equal} of {len(chosen)} are equal to the last digit, of {len(pool)} stored figures."
    tone: Tone = "good" if equal == len(chosen) else "bad"
    blocks = (form, Paragraph(text=said, tone=tone), Steps(title="Drawn figures", steps=tuple(steps)))
    return Part(key="again", title="Does it recompute?", blocks=blocks)
