"""What an auditor asks first: are the chains whole, was the last pack good, who decided what, does it recompute."""

import random
import time
from collections.abc import Callable, Sequence

from assets.stores.published.publications import PublicationStore
from controls.ledger.chain import verify_chain
from data_quality.contracts.errors import MeterloomError
from orchestration.web.boards.show import Show
from reports.again.figure_again import announce, recompute
from reports.pages.address import Address
from reports.pages.page import Form, Input, Number, Part, Steps, Widget
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Paragraph, Tone
from reports.texts.numbers import MISSING

DRAWN = 10
# Of the ten seconds that a page may take; what is not reached is named as that.
WITHIN_S = 8.0
MOST_DECISIONS = 20


def chains(shows: Sequence[Show]) -> Widget:
    """The chain of figures and the chain of commands of each site: whole, or where it breaks."""
    rows, broken = [], 0
    for show in shows:
        project, site_id = show.ask.project, show.site.site_id
        figure = project.reports.broken_link(site_id)
        commands = verify_chain(project.store, site_id, project.project.anchors_dir)
        told = (("figures", "" if figure is None else f"broken at figure {figure}"),
                ("commands", commands[0] if commands else ""))  # fmt: skip
        broken += sum(1 for _, fault in told if fault)
        rows += [
            [Cell(text=show.site.name), Cell(text=name), Cell(text=fault or "whole", tone="bad" if fault else "good")]
            for name, fault in told
        ]
    text = "whole" if not broken else f"{broken} broken"
    tone: Tone = "bad" if broken else "good"
    return Widget(
        key="chains", title="Chains", state="finding" if broken else "value",
        value=Number(label="Chains", text=text, tone=tone, note="figures of reports, commands to devices"),
        table=table("chains", "Chains", [("Site", ""), ("Chain", ""), ("State", "")], rows),
    )  # fmt: skip


def packs(shows: Sequence[Show]) -> Widget:
    """The newest evidence pack of each site, and the command that verifies it anywhere."""
    rows = []
    for show in shows:
        made = PublicationStore(show.ask.project.store).packs(show.site.site_id)
        if made:
            last = made[-1]
            rows.append([
                Cell(text=show.site.name), Cell(text=f"{last.report_id}@{last.revision}"),
                Cell(text=str(last.position)),
                Cell(text=last.signer or "nobody"), Cell(text=f"{last.recorded_at_utc:%Y-%m-%d %H:%M} UTC"),
                Cell(text=last.manifest_sha256[:12]),
            ])  # fmt: skip
    if not rows:
        return Widget(key="packs", title="Evidence packs", state="none", reason="no report is packed yet")
    columns = [("Site", ""), ("Report", ""), ("Pack", ""), ("Signed by", ""), ("Made", ""), ("Manifest", "")]
    return Widget(
        key="packs", title="Evidence packs", state="value", table=table("packs", "Newest packs", columns, rows),
        value=Number(label="Packs", text=str(len(rows)), note="'meterloom verify FILE' verifies one on any machine"),
    )  # fmt: skip


def decisions(shows: Sequence[Show]) -> Part:
    """Who reviewed and published what, the newest first."""
    sites = {show.site.site_id for show in shows}
    project = shows[0].ask.project
    store = PublicationStore(project.store)
    keys = [key for key in store.statuses() if key[0].split("/")[1] in sites]
    found = sorted(
        (each for key in keys for each in store.decisions(*key)), key=lambda each: each.recorded_at_utc, reverse=True
    )
    rows = [
        [Cell(text=f"{each.recorded_at_utc:%Y-%m-%d %H:%M} UTC"), Cell(text=each.person_id), Cell(text=each.step),
         Cell(text=f"{each.report_id}@{each.revision}"), Cell(text=each.reason)]
        for each in found[:MOST_DECISIONS]
    ]  # fmt: skip
    columns = [("When", ""), ("Who", ""), ("What", ""), ("Report", ""), ("Why", "")]
    if not rows:
        blocks = (Paragraph(text="Nobody has decided on a report yet."),)
        return Part(key="decisions", title="Decisions", blocks=blocks)
    return Part(key="decisions", title="Decisions", blocks=(table("decisions", "Newest first", columns, rows),))


def drawn_again(
    shows: Sequence[Show], seed_text: str, address: Address, *, clock: Callable[[], float] = time.monotonic
) -> Part:
    """Ten stored figures at random, made again from their readings; without a seed the form that asks for them."""
    form = Form(
        key="draw", title="Recompute ten at random", action=address.path, method="get", submit="Recompute",
        fields=(Input(name="draw", label="Number that draws them", kind="number", value=seed_text or "1",
                      is_required=True, hint="the same number draws the same ten"),),
    )  # fmt: skip
    if not seed_text:
        return Part(key="again", title="Does it recompute?", blocks=(form,))
    shows_of = {show.site.site_id: show for show in shows}
    reports = shows[0].ask.project.reports
    stored = [each for each in reports.revisions(with_content=False) if each.site_id in shows_of]
    pool = [(each.site_id, figure) for each in stored for figure in reports.figures(each.report_id, each.revision)]
    # No secret hangs on it: whoever looks again is to see the same.
    chosen = random.Random(seed_text).sample(pool, min(DRAWN, len(pool)))  # noqa: S311
    began_s, kept, steps, equal = clock(), {}, [], 0
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
