"""Findings as a list, and one finding with its history and acts.

Widget 8: open findings, the most severe first, each with its acts; a source that could not be asked is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, FindingEvent, FindingState, OpenFinding
from data_quality.contracts.reporting.work_order import PRIORITIES
from data_quality.contracts.sentence import Sentence, Text, sentences
from reports.pages.address import Address
from reports.pages.anomaly import AnomalyDetail, anomaly_part, label_form
from reports.pages.numbers import Number
from reports.pages.page import Choice, Form, Input, Item, Option, Page, PageBlock, Part, Widget
from reports.pages.tasks import Task, finding_tasks, in_letters, task_form, title_of
from reports.pages.widgets.tile import Given, Shown, number
from reports.report_content import Cell, Column, Paragraph, Row, Table, Tone
from reports.texts.locales import long_date, named, short_date

TONES: dict[int, Tone] = {1: "bad", 2: "bad", 3: "caution", 4: "muted"}
# What people call a source, where it has another name.
SOURCES = {
    "EnPI alerts": "EnPI", "quarantine": "data quality", "validation": "data quality", "bill audits": "bills",
    "anomalies": "unusual use",
}  # fmt: skip
_ICONS = {
    "devices": "plug", "jobs and sources": "activity", "EnPI": "trending-down", "data quality": "database",
    "bills": "receipt", "unusual use": "activity",
    "alert rules": "gauge",
}  # fmt: skip
# What a finding is of, where its page is another than the finding's own.
_ABOUT: Mapping[str, tuple[tuple[str, str], ...]] = {
    "bills": (("Dispute", "#form-dispute"), ("Show lines", "")), "EnPI": (("Show use", ""),),
    "data quality": (("Review data", ""),), "unusual use": (("Show use", ""),),
}  # fmt: skip
MOST_ROWS, MOST_ACTS = 5, 2


class OpenFindings(Given):
    """asked: sources that were looked at; silent: those that could not be, with why. links: the page of each finding by
    its id, subjects: that of what it is about; worths: what it is worth by its id; may_act: whether the person may
    acknowledge and mute.
    """

    open: tuple[OpenFinding, ...] = ()
    asked: tuple[str, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    links: Mapping[str, str] = {}
    subjects: Mapping[str, str] = {}
    worths: Mapping[str, Shown] = {}
    may_act: bool = False


def findings_tile(given: OpenFindings) -> Widget:
    """The gravest, newest first. None open is said as that, with who was asked."""
    first = sorted(given.open, key=lambda each: (each.severity, -(each.at_utc.timestamp() if each.at_utc else 0.0)))
    sources = dict.fromkeys(SOURCES.get(each, each) for each in given.asked)
    listed = Sentence("sources: {0}", sentences([Sentence(each) for each in sources], ", "))
    numbers = [
        Number(label=SOURCES.get(source, source), text="not known", note=why, tone="caution")
        for source, why in given.silent
    ]
    lines = list(_lines(first, given))
    rest = len(lines) - MOST_ROWS
    note = Sentence("{0} more", rest) if rest > 0 else listed
    return Widget(
        key="open_findings", title="Needs attention", age=given.age, link=given.link, is_synthetic=given.is_synthetic,
        state="finding" if given.open or given.silent or given.findings else "value",
        value=Number(label="Open", text=Sentence("{0} open", len(given.open)), note=note),
        items=tuple(lines[:MOST_ROWS]), numbers=tuple(numbers), findings=given.findings,
    )  # fmt: skip


def _lines(found: Sequence[OpenFinding], given: OpenFindings) -> Iterable[Item]:
    """A line a finding, or one for those of a severity and source that are alike."""

    def alike(each: OpenFinding) -> tuple[object, ...]:
        return (each.severity, each.source, each.kind or each.finding_id)

    order = {key: at for at, key in enumerate(dict.fromkeys(map(alike, found)))}
    for _, run in groupby(sorted(found, key=lambda each: order[alike(each)]), key=alike):
        same = list(run)
        yield _item(same[0], given) if len(same) == 1 else _together(same, given)


def _together(same: Sequence[OpenFinding], given: OpenFindings) -> Item:
    """One line for all, which opens to each by the name of what it is of."""
    first = _item(same[0], given)
    names = sentences([named(each.of) for each in same], ", ")
    parts = tuple(_item(each, given).model_copy(update={"text": named(each.of), "worth": None}) for each in same)
    text = Sentence("{0}: {1}", same[0].kind, Sentence("{0} findings", len(same)))
    return first.model_copy(
        update={"text": text, "detail": sentences((names, first.detail), " · "), "href": "", "acts": (), "parts": parts}
    )


def _item(found: OpenFinding, given: OpenFindings) -> Item:
    source = SOURCES.get(found.source, found.source)
    parts: list[Text] = [Sentence(SEVERITY_WORDS[found.severity]), Sentence(source)]
    if found.at_utc is not None:
        parts.append(Sentence("since {0}", long_date(found.at_utc.date(), given.locale)))
    href, subject = given.links.get(found.finding_id, ""), given.subjects.get(found.finding_id, "")
    acts = [(verb, f"{subject}{form}") for verb, form in _ABOUT.get(source, ()) if subject]
    acts += [(verb, f"{href}#form-{verb.lower()}") for verb in ("Acknowledge", "Mute") if href]
    return Item(
        text=found.what, detail=sentences(parts, " · "), tone=TONES[found.severity], href=href,
        worth=_worth(found, subject, given), icon=_ICONS.get(source, "triangle-alert"),
        acts=tuple(acts[:MOST_ACTS]) if given.may_act else (),
    )  # fmt: skip


def _worth(found: OpenFinding, subject: str, given: OpenFindings) -> Number | None:
    """In money: of a figure of the page, or as the source has it."""
    if shown := given.worths.get(found.finding_id):
        return number("Excess cost", shown, given.locale)
    label = "Excess cost" if found.source == "anomalies" else "Difference"
    return Number(label=label, text=found.worth, why=subject) if found.worth else None


PATH, BILLS, ANOMALIES = "/findings", "bill audits", "anomalies"
NOBODY = "Nobody has acted on this finding yet."
ACTS = ("acknowledge", "mute", "explain", "reopen")
_TONES: dict[int, Tone] = {1: "bad", 2: "bad", 3: "caution", 4: "muted"}
_NEXT: dict[str, str] = {
    "acknowledge": "Acknowledge finding", "mute": "Mute finding", "explain": "Explain finding",
    "reopen": "Reopen finding",
}  # fmt: skip
_EFFECT: dict[str, str] = {
    "acknowledge": "It stays on the list, with your name.",
    "mute": "It leaves the list until that day, and is then as it was before.",
    "explain": "It leaves the list. What is reported a day later or more is open again.",
    "reopen": "It is on the list again, as open.",
}


class ListedFinding(Model):
    """A finding with its state, and the event that this rests on. who: of the event; until: end of a mute, as people
    of the site read it.
    """

    finding: OpenFinding
    state: FindingState
    event: FindingEvent | None = None
    who: str = ""
    until: str = ""

    @property
    def told(self) -> str:
        """State in words: muted until 2026-12-01 by Otto."""
        if self.event is None:
            return Sentence("open")
        if self.until:
            return Sentence("muted until {0} by {1}", self.until, named(self.who))
        return Sentence(f"{self.state} by {{0}}", named(self.who))


def findings_page(
    listed: Sequence[ListedFinding],
    address: Address,
    *,
    silent: Sequence[tuple[str, str]],
    is_synthetic: bool,
) -> Page:
    """The most severe first, newest first; muted and explained ones where they are asked for."""
    is_all = address.part("all") == "1"
    needs = [each for each in listed if each.state in ("open", "acknowledged")]
    shown = sorted(
        listed if is_all else needs,
        key=lambda each: (each.finding.severity, -each.finding.at_utc.timestamp() if each.finding.at_utc else 0.0),
    )
    options = (
        Option(text=Sentence("Needs attention ({0})", len(needs)), href=address.href(all=None), is_chosen=not is_all),
        Option(text=Sentence("all ({0})", len(listed)), href=address.href(all="1"), is_chosen=is_all),
    )
    blocks: list[PageBlock] = [Choice(label="Findings", options=options), _table(shown, address.locale)]
    blocks += [
        Paragraph(text=Sentence("{0} is not available: {1}", Sentence(source), Sentence(why)), tone="caution")
        for source, why in silent
    ]
    return Page(
        title="Needs attention", address=address, is_synthetic=is_synthetic,
        parts=(Part(key="findings", blocks=tuple(blocks)),), chips={"findings": 0},
        whys={each.finding.finding_id: address_of(each.finding, address) for each in shown},
    )  # fmt: skip


def address_of(finding: OpenFinding, address: Address) -> str:
    """Address of the page of one finding."""
    return address.href(f"{PATH}/{finding.finding_id}", site=finding.site_id, scope=None, period=None, as_of=None)


def use_of(finding: OpenFinding, address: Address) -> str:
    """Address of the energy page of an anomaly's meter over its days."""
    meter, _, span = finding.cause.partition(" ")
    return address.href("/energy", site=finding.site_id, scope=f"meter:{meter}", period=span, as_of=None)


def finding_page(
    shown: ListedFinding,
    history: Sequence[tuple[str, FindingEvent, str]],
    address: Address,
    *,
    may_act: bool,
    is_synthetic: bool,
    undo: str = "",
    anomaly: AnomalyDetail | None = None,
    tasks: Sequence[Task] = (),
    people: Mapping[str, str] | None = None,
) -> Page:
    """One finding. history: when by the site's clock, the event, and the name of who acted, the oldest first. undo: the
    stamp of an act that the person did a moment ago. tasks: that were made of it; people: who may do one, by id.
    """
    finding = shown.finding
    severity = Sentence(SEVERITY_WORDS[finding.severity])
    source = Sentence(SOURCES.get(finding.source, finding.source))
    facts = sentences((severity, source, shown.told, finding.worth), " · ")
    summary, acts = Paragraph(text=facts, tone=_TONES[finding.severity]), history_table(history)
    parts = [Part(key="finding", blocks=(summary, acts))]
    if anomaly is not None:
        parts = [Part(key="finding", blocks=(summary,)), anomaly_part(anomaly, address.locale)]
        parts.append(Part(key="history", blocks=(acts,)))
    made, whys = finding_tasks(tasks, address)
    parts += [Part(key="tasks", blocks=tuple(made))] if made else []
    if may_act:
        offered = [each for each in ACTS if (each == "reopen") == (shown.state not in ("open", "acknowledged"))]
        forms = [_form(each, shown, undo) for each in offered] + ([label_form(anomaly)] if anomaly is not None else [])
        title = in_letters(title_of(finding, anomaly.cause if anomaly is not None else None), address.locale)
        where = f"{PATH}/{finding.finding_id}/task?site={finding.site_id}"
        forms.append(task_form(where, people=people or {}, title=title, priority=PRIORITIES[finding.severity - 1]))
        parts.append(Part(key="acts", title="Acts", blocks=tuple(forms)))
    else:
        why = "Analysts, operators and engineers act on findings."
        parts.append(Part(key="acts", blocks=(Paragraph(text=why, tone="muted"),)))
    links = [("All findings", address.href(PATH))]
    if finding.source == BILLS:
        links.insert(0, ("Open bill", address.href(f"/bills/{finding.cause}", site=finding.site_id)))
    if finding.source == ANOMALIES:
        links.insert(0, ("Show use", use_of(finding, address)))
    return Page(
        title=finding.what, address=address, parts=tuple(parts), links=tuple(links), is_synthetic=is_synthetic,
        whys=whys,
    )  # fmt: skip


def _form(act: str, shown: ListedFinding, undo: str) -> Form:
    finding, is_undo = shown.finding, bool(undo) and act == "reopen"
    fields = [Input(name="reason", label="Reason", value="undone" if is_undo else "", is_required=True)]
    if is_undo:
        fields.append(Input(name="seen", label="", kind="hidden", value=undo))
    if act == "mute":
        fields.insert(0, Input(name="until", label="Until", kind="date", is_required=True))
    return Form(
        key=act, title=_NEXT[act], action=f"{PATH}/{finding.finding_id}/{act}?site={finding.site_id}", method="post",
        fields=tuple(fields), submit=_NEXT[act], note=_EFFECT[act],
        undoes=Sentence("The finding is {0}.", shown.told) if is_undo else "",
    )  # fmt: skip


def _table(shown: Sequence[ListedFinding], locale: str) -> Table:
    columns = (
        Column(title="Severity"), Column(title="Finding", weight=4), Column(title="Amount", is_number=True),
        Column(title="Source"), Column(title="State", weight=2), Column(title="Since"),
    )  # fmt: skip
    rows = tuple(
        Row(
            cells=(
                Cell(text=SEVERITY_WORDS[each.finding.severity], tone=_TONES[each.finding.severity]),
                Cell(text=each.finding.what, figure_id=each.finding.finding_id),
                Cell(text=each.finding.worth or "–"),
                Cell(text=SOURCES.get(each.finding.source, each.finding.source)),
                Cell(text=each.told, tone="plain" if each.event is None else "muted"),
                Cell(text=_day(each.finding, locale)),
            )
        )
        for each in shown
    )
    note = "" if rows else "Nothing needs attention."
    return Table(key="findings", title="Findings", sheet="findings", columns=columns, rows=rows, note=note)


def _day(finding: OpenFinding, locale: str) -> str:
    """The day since when it is open, which is not broken over two lines."""
    return short_date(finding.at_utc.date(), locale).replace(" ", "\N{NO-BREAK SPACE}") if finding.at_utc else "–"


def history_table(history: Sequence[tuple[str, FindingEvent, str]], none: str = NOBODY) -> Table:
    """Acts of people: when by the site's clock, the event, and the name of who acted."""
    columns = (Column(title="When"), Column(title="Act"), Column(title="Who"), Column(title="Reason", weight=4))
    rows = tuple(
        Row(
            cells=(
                Cell(text=at), Cell(text=each.act), Cell(text=named(who)),
                Cell(text=named(each.reason)),
            )
        )
        for at, each, who in history
    )  # fmt: skip
    note = "" if rows else none
    return Table(key="history", title="History", sheet="history", columns=columns, rows=rows, note=note)
