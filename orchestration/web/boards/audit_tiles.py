"""Tiles of an auditor: are the chains whole, and is the last pack as it was sealed."""

from collections.abc import Sequence
from pathlib import Path

from assets.stores.published.publications import PackLink, PublicationStore
from controls.ledger.chain import verify_chain
from orchestration.web.boards.board_figures import Show
from orchestration.web.work import work_of
from reports.evidence.manifest import pack_file
from reports.pages.page import Number, Widget
from reports.pages.widgets.tile import table
from reports.report_content import Cell, Tone
from reports.texts.locales import named


def chains(shows: Sequence[Show]) -> Widget:
    """The chain of figures and the chain of commands of each site: complete, or where it breaks."""
    rows, broken = [], 0
    for show in shows:
        project, site_id = show.ask.project, show.site.site_id
        figure = project.reports.broken_link(site_id)
        commands = verify_chain(project.store, site_id, project.project.anchors_dir)
        told = (("figures", "" if figure is None else f"broken at figure {figure}"),
                ("commands", commands[0] if commands else ""))  # fmt: skip
        broken += sum(1 for _, fault in told if fault)
        rows += [
            [
                Cell(text=named(show.site.name)),
                Cell(text=name),
                Cell(text=fault or "complete", tone="bad" if fault else "good"),
            ]
            for name, fault in told
        ]
    text = "complete" if not broken else f"{broken} broken"
    tone: Tone = "bad" if broken else "good"
    return Widget(
        key="chains", title="Evidence chains", state="finding" if broken else "value",
        value=Number(label="Evidence chains", text=text, tone=tone, note="figures of reports, commands to devices"),
        table=table("chains", "Evidence chains", [("Site", ""), ("Chain", ""), ("State", "")], rows),
    )  # fmt: skip


def packs(shows: Sequence[Show]) -> Widget:
    """The newest evidence pack of each site, and what `meterloom verify` last said of its file."""
    rows, told = [], []
    for show in shows:
        last = newest_pack(show)
        if last is not None:
            said, tone = _verified(show, last)
            told.append(tone)
            rows.append([
                Cell(text=named(show.site.name)), Cell(text=f"{last.report_id}@{last.revision}"),
                Cell(text=str(last.position)),
                Cell(text=named(last.signer.partition(" ")[0]) if last.signer else "nobody"),
                Cell(text=f"{last.recorded_at_utc:%Y-%m-%d %H:%M} UTC"),
                Cell(text=last.manifest_sha256[:12]), Cell(text=said, tone=tone),
            ])  # fmt: skip
    if not rows:
        return Widget(key="packs", title="Evidence packs", state="none", reason="no report is packed yet")
    columns = [
        ("Site", ""), ("Report", ""), ("Pack", ""), ("Signed by", ""), ("Made", ""), ("Manifest", ""), ("Verified", "")
    ]  # fmt: skip
    text = f"{told.count('good')} of {len(told)}"
    tone = "bad" if "bad" in told else "good" if set(told) == {"good"} else "plain"
    note = "newest packs as they were sealed; 'meterloom verify FILE' says so on any machine"
    return Widget(
        key="packs", title="Evidence packs", state="finding" if tone == "bad" else "value",
        table=table("packs", "Newest packs", columns, rows),
        value=Number(label="Packs verified", text=text, note=note, tone=tone),
    )  # fmt: skip


def newest_pack(show: Show) -> PackLink | None:
    """The site's last pack as known at the instant of the address."""
    as_of_utc = show.ask.address.as_of_utc
    made = PublicationStore(show.ask.project.store).packs(show.site.site_id)
    known = [each for each in made if as_of_utc is None or each.recorded_at_utc <= as_of_utc]
    return known[-1] if known else None


def verify_again(show: Show) -> None:
    """Have the file of the site's last pack verified, in a process of its own."""
    ask, last = show.ask, newest_pack(show)
    if last is not None and _file(show, last).is_file():
        work = work_of(ask.project)
        work.ask(_words(show, last), person_id=ask.person.person_id, now_utc=ask.now_utc)


def is_verifying(shows: Sequence[Show]) -> bool:
    """Whether the pack of any of them is being verified."""
    found = [(show, last) for show in shows if (last := newest_pack(show)) is not None]
    return any("being verified" in _verified(show, last)[0] for show, last in found)


def _file(show: Show, link: PackLink) -> Path:
    return pack_file(show.ask.project.project.reports_dir, link.report_id, link.revision)


def _words(show: Show, link: PackLink) -> tuple[str, ...]:
    people = show.ask.project.project.people_file
    vouched = ("--people", str(people.resolve())) if people.is_file() else ()
    return ("verify", str(_file(show, link).resolve()), *vouched)


def _verified(show: Show, link: PackLink) -> tuple[str, Tone]:
    """What was last found of the pack's file as it stands there."""
    path = _file(show, link)
    if not path.is_file():
        return "its file is not among the reports: 'meterloom verify FILE' where it lies", "muted"
    job = work_of(show.ask.project).last(_words(show, link))
    if job is None or path.stat().st_mtime > job.asked_at_utc.timestamp():
        return "not since these pages were started", "muted"
    if job.state in ("queued", "running"):
        return "being verified", "muted"
    outcome = job.future.result()
    if job.state == "failed":
        return f"cannot be: {outcome.said}", "bad"
    found, at = outcome.result, f"{job.asked_at_utc:%Y-%m-%d %H:%M} UTC"
    if not found["verified"]:
        first = found["problems"][0]
        return f"NOT as it was sealed: {first['file']}: {first['problem']} ({at})", "bad"
    if found["manifest_sha256"] != link.manifest_sha256:
        return f"whole, and NOT the pack that its chain names ({at})", "bad"
    equal = f"{found['recomputed']} of {found['figures']} figures made again, all equal"
    return f"{found['files']} files as they were sealed, {equal} ({at})", "good"
