"""Findings as a list, and one finding with its history and acts.

Widget 8: open findings, the most severe first, each with its acts; a source that could not be asked is named.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import get_args

from data_quality.contracts.model import Model
from data_quality.contracts.reporting.open_finding import (
    SEVERITY_WORDS,
    FindingEvent,
    FindingState,
    OpenFinding,
    Tab,
    tab_of,
)
from data_quality.contracts.reporting.work_order import PRIORITIES
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.time import last_local_day, local_day
from reports.figures.query import read_question
from reports.pages.address import Address, why_address
from reports.pages.anomaly import AnomalyDetail, anomaly_part, label_form
from reports.pages.numbers import Number, State
from reports.pages.page import Cards, Choice, Form, Input, Item, Option, Page, PageBlock, Part, Widget
from reports.pages.tasks import Task, in_letters, task_form, tasks_table, title_of
from reports.pages.widgets.tile import TileInput
from reports.report_content import Paragraph, Table, Tone, table
from reports.texts.locales import format_alike, long_date, named, unit_text

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
    "bills": (("Dispute", "#form-dispute"), ("Show lines", "")), "data quality": (("Review data", ""),),
}  # fmt: skip
# What somebody has to go and mend, so that a task is the first thing to do.
_MENDED = ("EnPI", "unusual use")
MOST_ROWS, MOST_ACTS = 5, 2


class OpenFindings(TileInput):
    """asked: sources that were looked at; silent: those that could not be, with why. links: the page of each finding by
    its id, subjects: that of what it is about; may_act: whether the person may act on findings. told: of a list, the
    state of each by its id, in words; verbs: all that can be done with each, where two are not enough.
    """

    open: tuple[OpenFinding, ...] = ()
    asked: tuple[str, ...] = ()
    silent: tuple[tuple[str, str], ...] = ()
    links: Mapping[str, str] = {}
    subjects: Mapping[str, str] = {}
    may_act: bool = False
    told: Mapping[str, Text] = {}
    verbs: Mapping[str, tuple[str, ...]] = {}


def findings_tile(given: OpenFindings) -> Widget:
    """The gravest, newest first. None open is said as that, with who was asked."""
    first = _gravest(given.open)
    sources = dict.fromkeys(SOURCES.get(each, each) for each in given.asked)
    listed = Sentence("sources: {0}", sentences([Sentence(each) for each in sources], ", "))
    numbers = [
        Number(label=SOURCES.get(source, source), text="not known", note=why, tone="caution")
        for source, why in given.silent
    ]
    lines = list(_lines(first, given))
    rest = len(lines) - MOST_ROWS
    losses, currencies = _losses(given.open), {each.currency for each in given.open if each.loss_per_day}
    text: Text = Sentence("{0} open", len(given.open))
    if losses and len(currencies) == 1:
        [amount] = format_alike([sum(losses)], min(currencies), locale=given.locale)
        money = f"{amount}\N{NO-BREAK SPACE}{unit_text(min(currencies))}"
        text = sentences([text, Sentence("{0}/day", money)], " · ")
    counted = [Sentence("{0} with a loss", len(losses))] if 0 < len(losses) < len(given.open) else []
    note = sentences([*counted, Sentence("{0} more", rest) if rest > 0 else listed], " · ")
    return Widget(
        key="open_findings", title="Needs attention", age=given.age, link=given.link, is_synthetic=given.is_synthetic,
        state="finding" if given.open or given.silent or given.findings else "value",
        value=Number(label="Open", text=text, note=note),
        items=tuple(lines[:MOST_ROWS]), numbers=tuple(numbers), findings=given.findings,
    )  # fmt: skip


def _losses(found: Sequence[OpenFinding]) -> list[float]:
    """Losses a day that may be added up: unusual use may be energy of a use that is over its limit at that site."""
    uses = {each.site_id for each in found if each.loss_per_day and each.source == "EnPI alerts"}
    counts = (each for each in found if each.source != ANOMALIES or each.site_id not in uses)
    return [each.loss_per_day for each in counts if each.loss_per_day]


def _gravest(found: Iterable[OpenFinding]) -> list[OpenFinding]:
    """The most severe first, the newest of them first."""
    return sorted(found, key=lambda each: (each.severity, -(each.at_utc.timestamp() if each.at_utc else 0.0)))


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
    source, told = SOURCES.get(found.source, found.source), given.told.get(found.finding_id)
    parts: list[Text] = [Sentence(SEVERITY_WORDS[found.severity]), Sentence(source), *([told] if told else [])]
    if found.at_utc is not None:
        day_of = last_local_day if found.is_end else local_day
        parts.append(Sentence("since {0}", long_date(day_of(found.at_utc, found.time_zone), given.locale)))
    href, subject = given.links.get(found.finding_id, ""), given.subjects.get(found.finding_id, "")
    acts = [(verb, f"{subject}{form}") for verb, form in _ABOUT.get(source, ()) if subject]
    usual = ("Create task" if source in _MENDED else "Acknowledge", "Mute")
    verbs = given.verbs.get(found.finding_id, usual)
    acts += [(verb, f"{href}#form-{_KEYS.get(verb, verb.lower())}") for verb in verbs if href]
    return Item(
        text=found.what, detail=sentences([*parts, total_of(found, given.locale)], " · "),
        more=cause_of(found) or found.mend,
        tone=TONES[found.severity], href=href, worth=_worth(found, subject, given),
        icon=_ICONS.get(source, "triangle-alert"),
        acts=tuple(acts if given.verbs else acts[:MOST_ACTS]) if given.may_act else (),
    )  # fmt: skip


def cause_of(found: OpenFinding) -> Text:
    """The likely cause in one line; of a bill its sentence says it."""
    return Sentence("Likely cause: {0}", found.why) if found.why and found.source != BILLS else ""


def total_of(found: OpenFinding, locale: str) -> Text:
    """The loss and the days that it is spread over; nothing where no money is known."""
    if found.loss is None or found.loss_days is None:
        return ""
    [amount] = format_alike([found.loss], found.currency, locale=locale)
    total = f"{amount} {unit_text(found.currency)}"
    return Sentence("{0} in {1} days", total, found.loss_days) if found.loss_days > 1 else total


def loss_of(found: OpenFinding, why: str, locale: str) -> Number | None:
    """Cost of the finding a day. why: the page that the number leads to where it is no figure."""
    if found.loss_per_day is None:
        return None
    [text] = format_alike([found.loss_per_day], found.currency, locale=locale)
    return Number(label="Loss a day", text=text, unit=Sentence("{0}/day", unit_text(found.currency)), why=why)


def _worth(found: OpenFinding, subject: str, given: OpenFindings) -> Number | None:
    """Money a day; a difference that is no loss as its source has it."""
    here = given.address.model_copy(update={"site": found.site_id})
    why = why_address(read_question(found.loss_of), here) if found.loss_of else subject
    if shown := loss_of(found, why, given.locale):
        return shown
    return Number(label="Difference", text=found.worth, why=subject) if found.worth else None


def subject_of(found: OpenFinding, address: Address) -> str:
    """The page of what a finding is about; nothing where it is about nothing that has one."""
    source, cause = found.source, found.cause.partition(" ")[0]
    paths = {
        BILLS: f"/bills/{cause}", "EnPI alerts": f"/enpi/{found.site_id}/{cause}", "validation": "/data",
        "quarantine": "/data",
    }  # fmt: skip
    if source == ANOMALIES:
        return use_of(found, address)
    cleared = {"scope": None, "period": None, "as_of": None}
    return address.href(paths[source], site=found.site_id, **cleared) if source in paths else ""


PATH, BILLS, ANOMALIES = "/findings", "bill audits", "anomalies"
NOBODY = "Nobody has acted on this finding yet."
ACTS = ("acknowledge", "mute", "explain", "close", "reopen")
# Verbs whose form has another name than the verb.
_KEYS = {"Create task": "task"}
_TABS: Mapping[str, str] = {"open": "Open ({0})", "muted": "Muted ({0})", "closed": "Closed ({0})"}
_NEXT: dict[str, str] = {
    "acknowledge": "Acknowledge finding", "mute": "Mute finding", "explain": "Explain finding",
    "close": "Close finding", "reopen": "Reopen finding",
}  # fmt: skip
_EFFECT: dict[str, str] = {
    "acknowledge": "It stays on the list, with your name.",
    "mute": "It leaves the list until that day, and is then as it was before.",
    "explain": "It leaves the list. What is reported a day later or more is open again.",
    "close": "It leaves the list as dealt with. What is reported a day later or more is open again.",
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
    may_act: bool,
) -> Page:
    """The most severe first, newest first, of the state that the address names; open ones where it names none."""
    chosen, by_tab = address.part("state") or "open", {each: list[ListedFinding]() for each in get_args(Tab)}
    for each in listed:
        by_tab[tab_of(each.state)].append(each)
    options = tuple(
        Option(
            text=Sentence(_TABS[tab], len(mine)), href=address.href(state=None if tab == "open" else tab),
            is_chosen=tab == chosen,
        )
        for tab, mine in by_tab.items()
    )  # fmt: skip
    shown = [each.finding for each in by_tab[chosen]]
    given = OpenFindings(
        address=address, open=tuple(shown), may_act=may_act, is_synthetic=is_synthetic,
        links={each.finding_id: address_of(each, address) for each in shown},
        subjects={each.finding_id: href for each in shown if (href := subject_of(each, address))},
        told={each.finding.finding_id: each.told for each in by_tab[chosen]},
        verbs={each.finding.finding_id: tuple(map(_verb, offered(each.state, "task"))) for each in by_tab[chosen]},
    )  # fmt: skip
    items = tuple(_item(each, given) for each in _gravest(shown))
    reason = "" if items else "Nothing needs attention." if chosen == "open" else "No finding is in this state."
    state: State = "value" if items else "none"
    widget = Widget(key="findings", title="Findings", state=state, reason=reason, items=items, span=12)
    blocks: list[PageBlock] = [Choice(label="Findings", options=options), Cards(widgets=(widget,))]
    blocks += [
        Paragraph(text=Sentence("{0} is not available: {1}", Sentence(source), Sentence(why)), tone="caution")
        for source, why in silent
    ]
    return Page(
        title="Needs attention", address=address, is_synthetic=is_synthetic,
        parts=(Part(key="findings", blocks=tuple(blocks)),),
    )  # fmt: skip


def offered(state: FindingState, *more: str) -> list[str]:
    """Acts on a finding of a state, by their words in addresses."""
    acts = [each for each in ACTS if (each == "reopen") == (tab_of(state) != "open")]
    return [*acts, *more]


def _verb(act: str) -> str:
    return next((verb for verb, key in _KEYS.items() if key == act), act.capitalize())


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
    loss = loss_of(finding, "", address.locale)
    a_day = Sentence("{0} {1}/day", loss.text, unit_text(finding.currency)) if loss else ""
    money = sentences((total_of(finding, address.locale) or finding.worth, a_day), ", ")
    facts = sentences((severity, source, shown.told, money), " · ")
    summary, acts = Paragraph(text=facts, tone=TONES[finding.severity]), history_table(history)
    mend = (Paragraph(text=finding.mend),) if finding.mend else ()
    parts = [Part(key="finding", blocks=(summary, *mend, acts))]
    if anomaly is not None:
        parts = [Part(key="finding", blocks=(summary,)), anomaly_part(anomaly, address.locale)]
        parts.append(Part(key="history", blocks=(acts,)))
    parts += [Part(key="tasks", blocks=(tasks_table(tasks, address),))] if tasks else []
    if may_act:
        forms = [_form(each, shown, undo) for each in offered(shown.state)]
        forms += [label_form(anomaly)] if anomaly is not None else []
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
    )  # fmt: skip


def _form(act: str, shown: ListedFinding, undo: str) -> Form:
    finding, is_undo = shown.finding, bool(undo) and act == "reopen"
    fields = [Input(name="reason", label="Reason", value="undone" if is_undo else "", is_required=True)]
    if is_undo:
        fields.append(Input(name="seen", kind="hidden", value=undo))
    if act == "mute":
        fields.insert(0, Input(name="until", label="Until", kind="date", is_required=True))
    return Form(
        title=_NEXT[act], action=f"{PATH}/{finding.finding_id}/{act}?site={finding.site_id}", fields=tuple(fields),
        note=_EFFECT[act], undoes=Sentence("The finding is {0}.", shown.told) if is_undo else "",
    )  # fmt: skip


def history_table(history: Sequence[tuple[str, FindingEvent, str]], none: str = NOBODY) -> Table:
    """Acts of people: when by the site's clock, the event, and the name of who acted."""
    rows = [(at, each.act, named(who), named(each.reason)) for at, each, who in history]
    return table("history", "History", ("When", "Act", "Who", "Reason"), rows, note="" if rows else none)
