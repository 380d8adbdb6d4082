"""Tiles of an auditor: are the chains whole, and is the last pack as it was sealed."""

import random
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

from assets.stores.published.publications import PackLink, PublicationStore
from controls.ledger.chain import verify_chain
from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.sentence import Sentence, Text
from orchestration.web.boards.board_figures import Show
from orchestration.web.library.audit_lines import trail
from orchestration.web.work import work_of
from reports.evidence.manifest import pack_file
from reports.figures.trace import WalkedFigures
from reports.pages.address import Address
from reports.pages.audit_trail import PATH, trail_list
from reports.pages.numbers import Number
from reports.pages.page import Form, Input, Part, Steps, Widget
from reports.recompute.figure import prefetch, recompute
from reports.report_content import Cell, Paragraph, Tone, table
from reports.texts.locales import MISSING, format_alike, moment, named, unit_text

DRAWN = 10
# Of the ten seconds that a page may take; what is not reached is named as that.
WITHIN_S = 8.0
MOST_LINES = 20


def chains(shows: Sequence[Show]) -> Widget:
    """The chain of figures and the chain of commands of each site: complete, or where it breaks."""
    rows, broken = [], 0
    for show in shows:
        project, site_id = show.ctx.project, show.site.site_id
        figure = project.reports.broken_link(site_id)
        commands = verify_chain(project.store, site_id, project.project.anchors_dir)
        faults = (("figures", "" if figure is None else f"broken at figure {figure}"),
                ("commands", commands[0] if commands else ""))  # fmt: skip
        broken += sum(1 for _, fault in faults if fault)
        rows += [
            (named(show.site.name), name, Cell(text=fault or "complete", tone="bad" if fault else "good"))
            for name, fault in faults
        ]
    text = "complete" if not broken else f"{broken} broken"
    tone: Tone = "bad" if broken else "good"
    return Widget(
        key="chains", title="Evidence chains", state="finding" if broken else "value",
        value=Number(label="Evidence chains", text=text, tone=tone, note="figures of reports, commands to devices"),
        table=table("chains", "Evidence chains", ("Site", "Chain", "State"), rows),
    )  # fmt: skip


def packs(shows: Sequence[Show]) -> Widget:
    """The newest evidence pack of each site, and what `meterloom verify` last said of its file."""
    rows, tones = [], []
    for show in shows:
        last = newest_pack(show)
        if last is not None:
            verdict, tone = _verified(show, last)
            tones.append(tone)
            rows.append((
                named(show.site.name), f"{last.report_id}@{last.revision}", str(last.position),
                named(last.signer.partition(" ")[0]) if last.signer else "nobody",
                f"{moment(last.recorded_at_utc, show.ctx.address.locale)} UTC",
                last.manifest_sha256[:12], Cell(text=verdict, tone=tone),
            ))  # fmt: skip
    if not rows:
        return Widget(key="packs", title="Evidence packs", state="none", reason="no report is packed yet")
    columns = ("Site", "Report", "Pack", "Signed by", "Made", "Manifest", "Verified")
    text = f"{tones.count('good')} of {len(tones)}"
    tone = "bad" if "bad" in tones else "good" if set(tones) == {"good"} else "plain"
    note = "newest packs as they were sealed; 'meterloom verify FILE' says so on any machine"
    return Widget(
        key="packs", title="Evidence packs", state="finding" if tone == "bad" else "value",
        table=table("packs", "Newest packs", columns, rows),
        value=Number(label="Packs verified", text=text, note=note, tone=tone),
    )  # fmt: skip


def newest_pack(show: Show) -> PackLink | None:
    """The site's last pack as known at the instant of the address."""
    as_of_utc = show.ctx.address.as_of_utc
    made = PublicationStore(show.ctx.project.store).packs(show.site.site_id)
    known = [each for each in made if as_of_utc is None or each.recorded_at_utc <= as_of_utc]
    return known[-1] if known else None


def verify_last_pack(show: Show) -> None:
    """Have the file of the site's last pack verified, in a process of its own."""
    ctx, last = show.ctx, newest_pack(show)
    if last is not None and _file(show, last).is_file():
        work = work_of(ctx.project)
        work.ask(_words(show, last), person_id=ctx.person.person_id, now_utc=ctx.now_utc)


def is_verifying(shows: Sequence[Show]) -> bool:
    """True where the pack of any of them is being verified."""
    found = [(show, last) for show in shows if (last := newest_pack(show)) is not None]
    return any("being verified" in _verified(show, last)[0] for show, last in found)


def _file(show: Show, link: PackLink) -> Path:
    return pack_file(show.ctx.project.project.reports_dir, link.report_id, link.revision)


def _words(show: Show, link: PackLink) -> tuple[str, ...]:
    people = show.ctx.project.project.people_file
    vouched = ("--people", str(people.resolve())) if people.is_file() else ()
    return ("verify", str(_file(show, link).resolve()), *vouched)


def _verified(show: Show, link: PackLink) -> tuple[str, Tone]:
    """Last result on the pack's file as it stands there."""
    path = _file(show, link)
    if not path.is_file():
        return "its file is not among the reports: 'meterloom verify FILE' where it lies", "muted"
    job = work_of(show.ctx.project).last(_words(show, link))
    if job is None or path.stat().st_mtime > job.asked_at_utc.timestamp():
        return "not since these pages were started", "muted"
    if job.state in ("queued", "running"):
        return "being verified", "muted"
    outcome = job.future.result()
    if job.state == "failed":
        return f"cannot be: {outcome.message}", "bad"
    found, at = outcome.result, f"{moment(job.asked_at_utc, show.ctx.address.locale)} UTC"
    if not found["verified"]:
        first = found["problems"][0]
        return f"NOT as it was sealed: {first['file']}: {first['problem']} ({at})", "bad"
    if found["manifest_sha256"] != link.manifest_sha256:
        return f"whole, and NOT the pack that its chain names ({at})", "bad"
    equal = f"{found['recomputed']} of {found['figures']} figures recomputed, all equal"
    return f"{found['files']} files as they were sealed, {equal} ({at})", "good"


def below(shows: Sequence[Show], address: Address) -> list[Part]:
    """All of it, in reading order."""
    drawn = recompute_sample(shows, address.part("draw"), address)
    if any(map(newest_pack, shows)):
        drawn = drawn.model_copy(update={"blocks": (*drawn.blocks, verify_packs_act(address))})
    return [drawn, activity(shows, address)]


def verify_packs_act(address: Address) -> Form:
    """The act that has the last packs verified."""
    return Form(
        title="Verify evidence packs", action=address.href("/board/audit/verify", draw=None), submit="Verify",
        note="every byte, hash and signature of the file, and twenty of its figures",
    )  # fmt: skip


def activity(shows: Sequence[Show], address: Address) -> Part:
    """The last things that people did, and where all of them are."""
    ctx = shows[0].ctx
    sites = {show.site.site_id: show.site for show in shows}
    lines = [each._replace(href="") for each in trail(ctx, sites, "", None)[:MOST_LINES]]
    href = address.href(PATH, draw=None, scope=None, period=None, grain=None, compare=None)
    return Part(key="events", title="Who did what", blocks=(trail_list(lines, address, all_href=href),))


def recompute_sample(
    shows: Sequence[Show], seed_text: str, address: Address, *, clock: Callable[[], float] = time.monotonic
) -> Part:
    """Ten stored figures at random, recomputed from their readings; without a seed the form that asks for them."""
    form = Form(
        title="Recompute 10 random figures", action=address.href("/board/audit/draw"), submit="Recompute",
        fields=(Input(name="draw", label="Seed", kind="number", value=seed_text or "1",
                      is_required=True, hint="the same seed draws the same figures"),),
    )  # fmt: skip
    if not seed_text:
        return Part(key="again", title="Does it recompute?", blocks=(form,))
    shows_of = {show.site.site_id: show for show in shows}
    reports = shows[0].ctx.project.reports
    every = reports.revisions(as_of_utc=address.as_of_utc, with_content=False)
    stored = [each for each in every if each.site_id in shows_of]
    pool = [(each.site_id, figure) for each in stored for figure in reports.figures(each.report_id, each.revision)]
    # No secret hangs on it: whoever looks again is to see the same.
    chosen = random.Random(seed_text).sample(pool, min(DRAWN, len(pool)))  # noqa: S311
    kept: dict[str, Decimal | None] = {}
    steps: list[tuple[Text, Text, str]] = []
    began_s, equal = clock(), 0
    lookup = WalkedFigures(reports, {}).figure
    prefetch([figure for _, figure in chosen], sources=shows[0].sources, lookup=lookup)
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
    result = Sentence(pattern, equal, len(chosen), len(pool))
    tone: Tone = "good" if equal == len(chosen) else "bad"
    blocks = (form, Paragraph(text=result, tone=tone), Steps(title="Drawn figures", steps=tuple(steps)))
    return Part(key="again", title="Does it recompute?", blocks=blocks)


def _values(name: str, figure: Figure, recomputed: Decimal | None, address: Address) -> Text:
    """The value as people read it; where it differs both to the last digit."""
    if recomputed == figure.value:
        [text] = format_alike([figure.value], figure.unit, locale=address.locale)
        return Sentence("{0}: {1} {2}", name, text, unit_text(figure.unit))
    stored, made = (MISSING if each is None else f"{each:f}" for each in (figure.value, recomputed))
    return Sentence("{0}: stored {1} {3}, recomputed {2} {3}", name, stored, made, unit_text(figure.unit))
