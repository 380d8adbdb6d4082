"""Events of demand response: the list of a site, and one with its course, commands, approvals, and how to stop it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from data_quality.contracts.baselines.event_baseline import EventInterval
from data_quality.contracts.control.curtailment import CurtailmentPlan
from data_quality.contracts.control.dr_event import DrEvent, EventCommand, EventState, Settlement
from data_quality.contracts.people import person_text
from data_quality.contracts.sentence import Sentence, Text, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import zone
from reports.pages.address import Address
from reports.pages.chart import Chart, ChartRow
from reports.pages.dr_event_acts import PATH, EventActor, acts_on
from reports.pages.energy import slot_of
from reports.pages.numbers import Number
from reports.pages.page import Cards, Form, Lack, Look, Page, Part, Widget
from reports.report_content import Cell, Table, table
from reports.texts.locales import format_number, moment, named

# Words of the states, and how they look.
STATES: Mapping[EventState, tuple[str, Look]] = {
    "created": ("called", "warn"), "proposed": ("waits for approval", "warn"), "approved": ("approved", "info"),
    "armed": ("armed", "info"), "active": ("active", "good"), "restore": ("loads come back", "info"),
    "settled": ("settled", "muted"), "lapsed": ("lapsed", "muted"), "stopped": ("stopped", "muted"),
    "opted_out": ("opted out", "muted"),
}  # fmt: skip


class CourseStep(NamedTuple):
    """A quarter hour around an event: usual and measured power of the site, kW; None: not known."""

    start_utc: datetime
    usual_kw: float | None
    measured_kw: float | None


class EventDetail(NamedTuple):
    """An event as its page is given it. programme: its title; names: of people by person_id; actor: who looks."""

    site: Site
    event: DrEvent
    programme: str
    course: Sequence[CourseStep]
    settlement: Settlement | None
    history: Sequence[DrEvent]
    names: Mapping[str, str]
    now_utc: datetime
    actor: EventActor


def events_page(
    site: Site,
    events: Sequence[DrEvent],
    settlements: Mapping[str, Settlement],
    programmes: Mapping[str, str],
    address: Address,
    *,
    lacks: Lack,
    record: Form | None = None,
) -> Page:
    """Events of a site, the newest first. programmes: titles by name; lacks: what the site has none of yet; record:
    the form of an event that a programme called.
    """
    # Four columns are what a phone shows side by side; the money stands on the event's own page.
    rows = [
        _listed(site, each, settlements.get(each.event_id), programmes, address)
        for each in sorted(events, key=lambda each: each.start_utc, reverse=True)
    ]
    none = "" if rows else "No event was called yet. Programmes call them."
    columns = ("Event", ("Target", "kW"), "State", ("Shed", "kWh"))
    listed = table("events", "Demand response", columns, rows, note=none)
    blocks = (listed,) if record is None else (listed, record)
    return Page(
        title=Sentence("Demand response: {0}", named(site.name)), address=address,
        parts=(Part(key="events", blocks=blocks),), lacks="" if rows else lacks,
        is_synthetic=site.is_simulated,
    )  # fmt: skip


def event_href(event: DrEvent, address: Address) -> str:
    """Address of the page of one event."""
    return address.href(f"{PATH}/{event.event_id}", site=event.site_id, scope=None, period=None)


def _listed(
    site: Site, event: DrEvent, settled: Settlement | None, programmes: Mapping[str, str], address: Address
) -> tuple[Cell | Text, ...]:
    locale = address.locale
    shed = settled.rule.shed_kwh if settled and settled.rule else None
    title = Sentence(programmes.get(event.programme, event.programme))
    return (
        Cell(text=Sentence("{0}, {1}", _window(site, event, locale), title), href=event_href(event, address)),
        _number(event.target_kw, locale), STATES[event.state][0], "–" if shed is None else _number(shed, locale),
    )  # fmt: skip


def event_page(detail: EventDetail, address: Address) -> Page:
    """One event: figures, the course against the target, exact commands, approvals and acts."""
    event, locale = detail.event, address.locale
    parts = [Part(key="event", blocks=(Cards(widgets=(*_figures(detail, locale), _course(detail, locale))),))]
    if event.plan is not None:
        parts.append(Part(key="plan", blocks=(_plan(detail, event.plan, locale),)))
    elif event.unplanned is not None:
        why = Widget(key="plan", title="Plan", state="none", reason=event.unplanned.message, span=12)
        parts.append(Part(key="plan", blocks=(Cards(widgets=(why,)),)))
    parts.append(Part(key="history", blocks=(_history(detail, locale),)))
    if acts := tuple(acts_on(event, detail.actor, address, detail.now_utc)):
        parts.append(Part(key="acts", title="Acts", blocks=acts))
    return Page(
        title=Sentence("Event of {0}", _window(detail.site, event, locale)), address=address, parts=tuple(parts),
        state=STATES[event.state], links=(("All events", address.href(PATH)),), is_synthetic=detail.site.is_simulated,
    )  # fmt: skip


def _window(site: Site, event: DrEvent, locale: str) -> str:
    local = zone(site.time_zone)
    ends = slot_of(event.end_utc, site.time_zone)
    return f"{moment(event.start_utc.astimezone(local), locale)}–{ends}"


def _figures(detail: EventDetail, locale: str) -> Iterator[Widget]:
    """Target, what is shed now or was shed, time left or income."""
    event, settled = detail.event, detail.settlement
    yield _figure("target", "Target", event.target_kw, "kW", Sentence(detail.programme), locale)
    if settled is not None:
        yield from _settled(settled, locale)
        return
    known = [each for each in detail.course if each.measured_kw is not None and each.start_utc >= event.start_utc]
    if known and known[-1].usual_kw is not None and known[-1].measured_kw is not None:
        least = known[-1].usual_kw - known[-1].measured_kw
        when = Sentence("against usual power, at {0}", slot_of(known[-1].start_utc, detail.site.time_zone))
        yield _figure("shed", "Shed", least, "kW", when, locale)
    if event.is_open:
        turn = event.start_utc if detail.now_utc < event.start_utc else event.end_utc
        left = max(turn - detail.now_utc, timedelta())
        title = "Time until begin" if turn == event.start_utc else "Time left"
        is_long = left >= timedelta(hours=2)
        value = left / timedelta(hours=1) if is_long else float(left // timedelta(minutes=1))
        yield _figure("left", title, value, "h" if is_long else "min", "", locale)


def _settled(settled: Settlement, locale: str) -> Iterator[Widget]:
    """Energy shed by the programme's rule and by the method with the least error for this meter, and the money."""
    for key, title, each in (("shed", "Shed", settled.rule), ("best", "Shed by the best method", settled.best)):
        if each is not None and (key == "shed" or settled.rule is None or each.method != settled.rule.method):
            low, high = (_number(edge, locale) for edge in each.interval_kwh or (0.0, 0.0))
            note = Sentence("by {0}, 90 %: {1} to {2} kWh", each.method, low, high)
            yield _figure(key, title, each.shed_kwh, "kWh", note, locale)
    if settled.income is not None:
        lost = Sentence("penalty {0}", _number(settled.penalty or 0.0, locale))
        yield _figure("income", "Income", settled.income, settled.currency, lost, locale)


def _figure(key: str, title: str, value: float | None, unit: str, note: Text, locale: str) -> Widget:
    text = "–" if value is None else _number(value, locale)
    number = Number(label=title, text=text, unit=unit, note=note)
    return Widget(key=key, title=title, state="value", value=number, span=3)


def _number(value: float, locale: str) -> str:
    return format_number(value, decimals=0 if abs(value) >= 100 or value == int(value) else 1, locale=locale)


def _course(detail: EventDetail, locale: str) -> Widget:
    """Usual, measured and allowed power by quarter hours."""
    event = detail.event
    if not any(each.usual_kw is not None or each.measured_kw is not None for each in detail.course):
        reason = "No readings of the main meters around this event."
        return Widget(key="course", title="Power of the site", state="none", reason=reason, span=12)
    inside = [event.start_utc <= each.start_utc < event.end_utc for each in detail.course]
    allowed = tuple(
        each.usual_kw - event.target_kw if is_in and each.usual_kw is not None else None
        for each, is_in in zip(detail.course, inside, strict=True)
    )
    usual = tuple(each.usual_kw for each in detail.course)
    measured = tuple(each.measured_kw for each in detail.course)
    labels = [slot_of(each.start_utc, detail.site.time_zone) for each in detail.course]
    hours = tuple((n, label) for n, label in enumerate(labels) if label[3:5] == "00")
    begins, ends = inside.index(True), len(inside) - 1 - inside[::-1].index(True)
    best = detail.settlement.best if detail.settlement else None
    settled = {each.start_utc: each for each in best.intervals} if best else {}
    baseline = tuple(_kw_of(settled.get(each.start_utc)) for each in detail.course)
    chart = Chart(
        kind="line", key="course", title="Power of the site", unit="kw", x=tuple(labels), x_title="Time",
        rows=(
            ChartRow(label="Usual", values=usual, role="expected", style="steps"),
            ChartRow(label="Measured", values=measured, style="steps"),
            ChartRow(label="Usual less target", values=allowed, role="third", style="steps"),
            *([ChartRow(label="Baseline", values=baseline, role="saved", style="steps")] if best else []),
        ),
        ticks=hours, locale=locale, events=((begins, "Begin"), (min(ends + 1, len(labels) - 1), "End")),
        note="Usual: by local hour and kind of day. The settlement is by the programme's rule.",
    )  # fmt: skip
    return Widget(key="course", title=chart.title, hint="kW", state="value", chart=chart, span=12)


def _kw_of(step: EventInterval | None) -> float | None:
    """Baseline of a step as mean power."""
    if step is None or step.baseline_kwh is None:
        return None
    return step.baseline_kwh / ((step.end_utc - step.start_utc) / timedelta(hours=1))


def _plan(detail: EventDetail, plan: CurtailmentPlan, locale: str) -> Table:
    """Steps of the plan, each with the device that is commanded; without one somebody switches the load."""
    titles = {each.load_id: each.title for each in detail.site.sheddable_loads}
    sent = {(each.load, each.from_utc): each for each in detail.event.commands}
    at = detail.site.time_zone
    rows = [
        (
            named(titles.get(each.load, each.load)), named(each.asset) if each.asset else "switched by hand",
            slot_of(each.start_utc, at), slot_of(command.ends_utc if command else each.end_utc, at),
            _number(each.kw, locale), _outcome(command),
        )
        for each in plan.steps
        for command in (sent.get((each.load, each.start_utc)),)
    ]  # fmt: skip
    low, high = (_number(each, locale) for each in plan.interval_kwh)
    sums = (_number(plan.expected_kwh, locale), low, high, f"{plan.cost:.2f} {plan.currency}", detail.event.digest[:12])
    note = Sentence("Expected shed {0} kWh (90 %: {1} to {2}), cost {3}. Digest of exactly these steps: {4}.", *sums)
    noted = sentences((note, plan.gap_text), " ")
    return table("plan", "Plan", ("Load", "Device", "From", "Until", "Sheds, kW", "State"), rows, note=noted)


def _outcome(command: EventCommand | None) -> str:
    if command is None:
        return "–"
    return command.outcome_text or ("sent" if command.sent else "not sent")


def _history(detail: EventDetail, locale: str) -> Table:
    local = zone(detail.site.time_zone)
    rows = [
        (
            moment(each.recorded_at_utc.astimezone(local), locale) if each.recorded_at_utc else "–",
            STATES[each.state][0],
            person_text(each.person_id, detail.names.get(each.person_id)) if each.person_id else "–",
            named(each.reason) if each.reason else "–",
        )
        for each in detail.history
    ]
    return table("history", "History", ("When", "State", "Who", "Reason"), rows)
