"""Below an auditor's tiles: what people did last, and what is made again before the auditor's eyes."""

import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text
from orchestration.web.boards.board_figures import Show
from orchestration.web.library.audit_lines import trail
from reports.figures.trace import InHand
from reports.pages.address import Address
from reports.pages.audit_trail import PATH, trail_table
from reports.pages.page import Form, Input, Part, Steps
from reports.recompute.figure_again import announce, recompute
from reports.report_content import Paragraph, Tone
from reports.texts.locales import named
from reports.texts.numbers import MISSING, format_alike, unit_text

DRAWN = 10
# Of the ten seconds that a page may take; what is not reached is named as that.
WITHIN_S = 8.0
MOST_LINES = 20


def below(shows: Sequence[Show], address: Address) -> list[Part]:
    """All of it, in reading order."""
    return [drawn_again(shows, address.part("draw"), address), packs_again(address), activity(shows, address)]


def packs_again(address: Address) -> Part:
    """The act that has the last packs verified."""
    form = Form(
        key="verify", title="Verify the last packs", action=address.href("/board/audit/verify", draw=None),
        method="post", submit="Verify", fields=(),
        note="every byte, hash and signature of the file, and twenty of its figures",
    )  # fmt: skip
    return Part(key="verify", title="Verify evidence packs", blocks=(form,))


def activity(shows: Sequence[Show], address: Address) -> Part:
    """The last things that people did, and where all of them are."""
    ask = shows[0].ask
    sites = {show.site.site_id: show.site for show in shows}
    lines = [each._replace(href="") for each in trail(ask, sites, "", None)[:MOST_LINES]]
    href = address.href(PATH, draw=None, scope=None, period=None, grain=None, compare=None)
    blocks = (trail_table(lines, address), Steps(title="More", steps=(("All", "activity, by kind", href),)))
    return Part(key="events", title="Who did what", blocks=blocks)


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
    steps: list[tuple[Text, Text, str]] = []
    began_s, equal = clock(), 0
    lookup = InHand(reports, {}).figure
    announce([figure for _, figure in chosen], sources=shows[0].sources, lookup=lookup)
    for _, figure in chosen:
        why = address.href("/why", figure=figure.figure_id, draw=None, site=None)
        name = named(f"{figure.label} ({figure.figure_id})")
        if clock() - began_s > WITHIN_S:
            text = Sentence("{0}: the time of this page ({1} s) was over", name, f"{WITHIN_S:g}")
            steps.append(("Not reached", text, why))
            continue
        try:
            value = recompute(figure, sources=shows[0].sources, lookup=lookup, kept=kept)
        except MeterloomError as fault:
            steps.append(("Not recomputed", Sentence("{0}: {1}", name, named(str(fault))), why))
            continue
        equal += value == figure.value
        steps.append(("Equal" if value == figure.value else "Differs", _values(name, figure, value, address), why))
    pattern = "{0} of {1} are equal to the last digit, of {2} stored figures."
    said = Sentence(pattern, equal, len(chosen), len(pool))
    tone: Tone = "good" if equal == len(chosen) else "bad"
    blocks = (form, Paragraph(text=said, tone=tone), Steps(title="Drawn figures", steps=tuple(steps)))
    return Part(key="again", title="Does it recompute?", blocks=blocks)


def _values(name: str, figure: Figure, again: Decimal | None, address: Address) -> Text:
    """The value as people read it; where it differs both to the last digit."""
    if again == figure.value:
        [text] = format_alike([figure.value], figure.unit, locale=address.locale)
        return Sentence("{0}: {1} {2}", name, text, unit_text(figure.unit))
    stored, made = (MISSING if each is None else f"{each:f}" for each in (figure.value, again))
    return Sentence("{0}: stored {1} {3}, recomputed {2} {3}", name, stored, made, unit_text(figure.unit))
