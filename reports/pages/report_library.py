"""The library of reports: how far each has come, and the chosen one with its files, its acts and its life."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from assets.stores.published.report_ledger import Revision
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.time import local_day, zone
from reports.content.register import register_table
from reports.figures.trace import VersionChange
from reports.pages.address import Address
from reports.pages.chart import chart_of
from reports.pages.numbers import Number, Numbers
from reports.pages.page import Act, Entry, Form, Input, Library, LifeMark, Look, Option, Page, PageBlock, Part, Sheet
from reports.render.heading import facts_text, title_text
from reports.report_content import Block, Chart, LifeStep, Paragraph, Register, ReportContent, ReportState, Tiles
from reports.texts.locales import moment, named, short_date

PATH, NEW = "/reports", "/reports/new"
STATES = ("todo", "published")
NEW_REPORT = "New report"
# Made by commands and pages of every number that is kept: no report that somebody reads.
NO_REPORTS = ("kpis", "running", "why")
_NAMED_CHANGES = 3
# Of the whole report so many parts are shown beside the list: the head and what the first page has.
_SHOWN_PARTS = 3


class ReportRequest(NamedTuple):
    """A report that is asked for: name of its template, id of the site or organisation, period as it was written."""

    report: str = ""
    subject: str = ""
    period: str = ""

    def href(self, address: Address) -> str:
        """The form with these filled in, in the language of that address."""
        there = Address(path=NEW, site=self.subject, period=self.period, locale=address.locale)
        return there.href(report=self.report)


class ReportLine(NamedTuple):
    """One revision, or a report that is due (revision None, life empty). title: of its template; span: of its period,
    in words. is_newest: of its report. asks: for what is due. time_zone: by whose clock days are told.
    """

    title: str
    site_id: str
    span: str
    revision: Revision | None = None
    life: ReportState = ReportState()
    changes: Sequence[VersionChange] = ()
    is_newest: bool = True
    asks: ReportRequest = ReportRequest()
    time_zone: str = "UTC"

    @property
    def needs_someone(self) -> bool:
        """True where it waits for an act."""
        is_open = self.revision is None or self.life.status in ("draft", "reviewed", "returned")
        return self.is_newest and (is_open or bool(self.changes))

    @property
    def is_out(self) -> bool:
        """True where it is published, and not withdrawn."""
        return self.life.published is not None and self.life.withdrawn is None

    @property
    def name(self) -> str:
        """Name in commands; empty for what is due."""
        return f"{self.revision.report_id}@{self.revision.revision}" if self.revision else ""


class Chosen(NamedTuple):
    """The report that is looked at. files, acts, why_not: as Sheet has them."""

    line: ReportLine
    content: ReportContent
    made_at_utc: datetime
    files: tuple[tuple[str, str, str], ...]
    acts: tuple[Act, ...]
    why_not: str


def library_page(
    lines: Sequence[ReportLine],
    chosen: Chosen | None,
    address: Address,
    *,
    sites: Mapping[str, str],
    is_synthetic: bool,
    may_make: bool = False,
) -> Page:
    """The list and the chosen report beside it. lines: the newest first; sites: names by id; may_make: whether who
    looks may make one.
    """
    state, is_all = address.part("state"), address.part("all") == "1"
    newest = [each for each in lines if each.is_newest]
    shown = [each for each in (lines if is_all else newest) if _is(each, state)]
    options = tuple(
        Option(text=text, href=address.href(state=value or None, report=None), is_chosen=state == value)
        for value, text in (("", "All"), ("todo", "To do"), ("published", "Published"))
    )
    more = (
        ("Newest revisions only", address.href(all=None)) if is_all else ("All revisions", address.href(all="1"))
    )  # fmt: skip
    due = sum(each.revision is None for each in newest)
    made = len(newest) - due
    library = Library(
        title="Library",
        about=Sentence("{0} reports, {1} due", made, due) if made != 1 else Sentence("1 report, {0} due", due),
        options=options,
        entries=tuple(_entry(each, chosen, address, sites, may_make=may_make) for each in shown),
        note="" if shown else "No report is in this state." if lines else "No report is made yet.",
        more=more,
    )
    blocks: list[PageBlock] = [library, *([_sheet(chosen, address)] if chosen else [])]
    part = Part(key="reports", blocks=tuple(blocks))
    new = ReportRequest(subject=address.site).href(address)
    return Page(
        title="Reports", address=address, age=_summary(newest), parts=(part,), is_synthetic=is_synthetic,
        first=(NEW_REPORT, new) if may_make else None, lacks="" if lines or may_make else "readings",
    )  # fmt: skip


def new_report_page(
    wanted: ReportRequest,
    reports: Mapping[str, tuple[Text, Sequence[str]]],
    subjects: Mapping[str, str],
    address: Address,
    *,
    fault: str = "",
    mend: str = "",
) -> Page:
    """The form. reports: title and kinds of periods by name; subjects: names of sites and organisations by id; fault,
    mend: why what was asked for is not made, and what to do.
    """
    kinds = {name: sentences([Sentence(each) for each in periods], ", ") for name, (_, periods) in reports.items()}
    titles = [(name, Sentence("{0} ({1})", title, kinds[name])) for name, (title, _) in reports.items()]
    fields = (
        Input(name="report", label="Report", kind="select", value=wanted.report, options=tuple(titles)),
        Input(
            name="subject", label="Site or organisation", kind="select", value=wanted.subject,
            options=tuple((name, named(text)) for name, text in subjects.items()),
        ),
        Input(name="period", label="Period", value=wanted.period, is_required=True, hint="2025, 2025-Q1 or 2025-03"),
    )  # fmt: skip
    form = Form(
        key="new-report", title="What to report", action=Address(path=NEW, locale=address.locale).href(),
        fields=fields, submit="Make report", note="It is a draft until one person reviews and another publishes it.",
    )  # fmt: skip
    paragraphs = [Paragraph(text=text, tone=tone) for text, tone in ((fault, "bad"), (mend, "plain")) if text]
    return Page(
        title=NEW_REPORT, address=address, parts=(Part(key="new", blocks=(*paragraphs, form)),),
        links=(("Reports", Address(path=PATH, site=wanted.subject, locale=address.locale).href()),),
    )  # fmt: skip


def twin_of(revision: Revision, address: Address) -> str:
    """Address of a revision as a page."""
    place = f"{PATH}/{revision.report_id}@{revision.revision}"
    return Address(path=place, locale=address.locale).href()


def _summary(newest: Sequence[ReportLine]) -> str:
    waiting = sum(each.revision is not None and each.life.status in ("draft", "reviewed") for each in newest)
    due = sum(each.revision is None for each in newest)
    outdated = sum(bool(each.changes) and each.life.withdrawn is None for each in newest)
    return Sentence("{0} in review · {1} due · {2} outdated", waiting, due, outdated)


def _is(line: ReportLine, state: str) -> bool:
    return not state or (line.needs_someone if state == "todo" else line.is_out)


def _entry(
    line: ReportLine, chosen: Chosen | None, address: Address, sites: Mapping[str, str], *, may_make: bool
) -> Entry:
    place = named(sites.get(line.site_id, line.site_id))
    done, state, look = revision_progress(line)
    about = Sentence("{0} · {1}", place, line.span)
    if line.revision is not None:
        about = Sentence("{0} · {1} · r{2}", place, line.span, line.revision.revision)
    href = address.href(report=line.name) if line.name else line.asks.href(address) if may_make else ""
    return Entry(
        title=line.title, about=about, href=href, done=done,
        note=_last(line, address.locale), state=state, look=look,
        is_chosen=chosen is not None and chosen.line.name == line.name != "",
    )  # fmt: skip


def revision_progress(line: ReportLine) -> tuple[int, str, Look]:
    """Steps that are behind it, its state in a word, and how that looks."""
    life = line.life
    if line.revision is None:
        return 0, "Due", "warn"
    if life.withdrawn is not None:
        return 4, "Withdrawn", "bad"
    if life.returned is not None:
        return 2, "Returned", "warn"
    if not line.is_newest:
        return (4 if line.is_out else 2), "Superseded", "muted"
    if line.is_out:
        is_plain = life.status == "published"
        return (
            (4, "Outdated", "warn")
            if line.changes
            else (4, "Published" if is_plain else "Published (synthetic)", "good")
        )
    return (3, "To publish", "info") if life.reviewed is not None else (2, "To review", "info")


def _last(line: ReportLine, locale: str) -> str:
    """Person of the last step, and when."""
    life = line.life
    step = life.withdrawn or life.returned or life.published or life.reviewed
    if step is not None:
        return Sentence(
            "{0}, {1}", named(step.name or step.person_id), short_date(local_day(step.at_utc, line.time_zone), locale)
        )
    if line.revision is None:
        return "Not started"
    made = short_date(local_day(line.revision.recorded_at_utc, line.time_zone), locale)
    return Sentence("{0}, {1}", _maker(life), made)


def _maker(life: ReportState) -> str:
    """Person who made it; a run, and what asked for one, is nobody's name."""
    who = life.prepared
    if who is None or who.person_id == "run" or ":" in who.person_id:
        return Sentence("automatic")
    return named(who.name or who.person_id)


def _sheet(chosen: Chosen, address: Address) -> Sheet:
    content, line = chosen.content, chosen.line
    assert line.revision is not None  # noqa: S101 - only what was made is chosen
    whole = twin_of(line.revision, address)
    twin = report_twin_page(content, address)
    return Sheet(
        title=Sentence("{0}, {1}", line.title, line.span),
        about=Sentence("Revision {0}", content.revision),
        files=chosen.files, acts=chosen.acts, why_not=chosen.why_not, whole=whole,
        preview=twin.model_copy(update={"parts": tuple(map(_lighter, twin.parts[:_SHOWN_PARTS]))}),
        life=_life(chosen, address.locale),
    )  # fmt: skip


def _lighter(part: Part) -> Part:
    """A part without its heat maps, whose tables of hours would be most of the page."""
    return part.model_copy(update={"blocks": tuple(each for each in part.blocks if each.kind != "heat")})


def _life(chosen: Chosen, locale: str) -> tuple[LifeMark, ...]:
    life, content = chosen.line.life, chosen.content
    here = zone(content.time_zone)
    text = Sentence("{0}, {1}", moment(chosen.made_at_utc.astimezone(here), locale), _maker(life))
    blocking = sum(each.is_blocking for each in content.findings)
    warnings = sum(each.severity == "warning" for each in content.findings)
    found = Sentence("Blocking: {0}, warnings: {1}", blocking, warnings)
    marks = [
        LifeMark(name="Created", text=text, more=Sentence("{0} figures", len(content.figures)), look="good"),
        LifeMark(name="Checked", text="automatically", more=found, look="warn" if blocking else "good"),
    ]
    steps: tuple[tuple[str, LifeStep | None, Look], ...] = (
        ("Reviewed", life.reviewed, "good"), ("Returned", life.returned, "warn"),
        ("Published", life.published, "good"), ("Withdrawn", life.withdrawn, "bad"),
    )  # fmt: skip
    for name, step, look in steps:
        if step is not None:
            marks.append(_mark(name, step, look, moment(step.at_utc.astimezone(here), locale)))
    if life.returned is None and life.reviewed is None:
        marks.append(LifeMark(name="Review", text="by another person than the one who made it", look="info"))
    if life.returned is None and life.published is None:
        marks.append(LifeMark(name="Publish", text="by a second person than the reviewer", look="muted"))
    if chosen.line.changes:
        moved = ", ".join(each.name for each in chosen.line.changes[:_NAMED_CHANGES])
        more = len(chosen.line.changes) - _NAMED_CHANGES
        changed = Sentence("{0} and {1} more", moved, more) if more > 0 else moved
        marks.append(LifeMark(name="Outdated", text=Sentence("changed since: {0}", changed), look="warn"))
    return tuple(marks)


def _mark(name: str, step: LifeStep, look: Look, at: str) -> LifeMark:
    text = Sentence("{0} by {1}", at, named(step.name or step.person_id))
    signed = "signed" if step.is_signed else "without a signature"
    return LifeMark(name=name, text=text, more=Sentence("{0}: {1}", Sentence(signed), named(step.reason)), look=look)


def report_twin_page(content: ReportContent, address: Address, links: tuple[tuple[str, str], ...] = ()) -> Page:
    """The page of a revision. links: its files and what may be done with it."""
    whys = {each.figure_id: address.href("/why", figure=each.figure_id) for each in content.figures}
    parts = [
        Part(
            key=f"part-{section.key}",
            # The first section stands under the report's own title, as on paper.
            title=section.title if at else "",
            blocks=tuple(_block(block, content, whys) for block in section.blocks),
        )
        for at, section in enumerate(content.sections)
        if section.blocks
    ]
    head = Part(key="head", blocks=(Paragraph(text=facts_text(content), tone="muted"),))
    return Page(
        title=title_text(content),
        address=address,
        parts=(head, *parts),
        links=links,
        whys=whys,
        quoted_locale=content.locale,
        is_synthetic=content.is_synthetic,
    )


def _block(block: Block, content: ReportContent, whys: dict[str, str]) -> PageBlock:
    if isinstance(block, Tiles):
        numbers = (Number(**tile.model_dump(), why=whys.get(tile.figure_id, "")) for tile in block.tiles)
        return Numbers(numbers=tuple(numbers))
    if isinstance(block, Register):
        return register_table(block, content.figures, content.spoken)
    if isinstance(block, Chart):
        return chart_of(block)
    return block
