"""`meterloom dr listen`: signals of the grid that a site's OpenADR servers send; capacity limits bind once stored."""

import os
import threading
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.job_outcomes import CALLS, NOTIFICATIONS, SIGNAL_SOURCES, record_obstacle
from data_quality.contracts.control.grid_signal import CAPACITY_LIMITS, EVENTS, GridSignal
from data_quality.contracts.errors import BadInput, Unreachable, WorldFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.live_source import Openadr2Source, RelaySource
from orchestration.operations.answer import UNREACHABLE, Answer, Table
from orchestration.operations.demand_response.dr_plan import dr_plan
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.options import SiteOption

if TYPE_CHECKING:
    from controls.programmes.listener import Listener
    from controls.programmes.relay import RelayListener
    from controls.programmes.vtn_client import VtnClient
    from data_quality.contracts.site_file.live_source import LimitSource, SignalSource, VtnSource
    from data_quality.contracts.site_file.site import Site

SIGNALS = Table(
    "signals",
    "source: {source_id} | event: {event_id} | kind | no.: {modification} | value: {values} | from: {begin} "
    "| {standing}",
    empty="nothing new",
    values=lambda signal: ", ".join(f"{each.value:g}" for each in signal.intervals if each.value is not None) or "-",
    begin=lambda signal: f"{signal.intervals[0].start_utc:%Y-%m-%d %H:%M} UTC" if signal.intervals else "-",
    standing=lambda signal: signal.refused or ("withdrawn" if signal.is_withdrawn else "in force"),
)
# A call without a plan is planned again so often.
_AGAIN_S = 60.0
# An event that has begun is planned from here on.
_LEAD, _LONGEST = timedelta(minutes=1), timedelta(hours=24)


@operation("dr listen", takes=PROJECT, example="--site tower --once", writes=True)
def dr_listen(
    call: Call, site: SiteOption, once: Annotated[bool, Option("Ask each source once and end.")] = False
) -> Answer:
    """Ask a site's OpenADR servers, store their signals and propose plans for events, until it is stopped.

    A capacity limit waits for no approval: the agent obeys it from when it is stored.
    """
    found = call.project.site(site)
    if not found.signal_sources:
        raise BadInput(f"site {site} has no signal source", reason="no_source", mend="add signal_sources to its file")
    listeners = {source.source_id: _listener(call, found, source) for source in found.signal_sources}
    if once:
        return _asked_once(call, found, listeners)
    sources = [_Looked(call, site, source, listeners[source.source_id]) for source in found.signal_sources]
    due_s = 0.0
    while True:
        for each in sources:
            each.go_on()
        if (now_s := time.monotonic()) >= due_s:
            due_s = now_s + _AGAIN_S
            for source in found.signal_sources:
                call_events(call, site, source)
        time.sleep(0.2)


class _Looked:
    """A source that is looked at every poll_s, and at once where its broker says that something changed."""

    def __init__(self, call: Call, site_id: str, source: "LimitSource", listener: "Listener | RelayListener") -> None:
        from controls.demand_response.notifier import Notifier
        from controls.gateways.open import broker_address
        from controls.programmes.vtn_client import VtnClient

        self._call, self._site_id, self._source, self._listener = call, site_id, source, listener
        self._due_s = 0.0
        self._told: str | None = None
        self._mute: str | None = None
        self._news = threading.Event()
        self._notifier: Notifier | None = None
        client = getattr(listener, "client", None)
        if isinstance(client, VtnClient) and client.source.broker:
            settings = call.project.project.settings
            own = broker_address(settings) if source.is_synthetic and settings.mqtt.password else None
            self._notifier = Notifier(client, self._news.set, own=own)

    def go_on(self) -> None:
        """Look where it is time."""
        now_s, poll_s = time.monotonic(), self._source.poll_s
        # A broker that chatters costs a look a second and no more.
        is_called = self._news.is_set() and now_s >= self._due_s - poll_s + 1.0
        if now_s >= self._due_s or is_called:
            self._news.clear()
            self._due_s = now_s + poll_s
            before, self._told = self._told, _look(self._call, self._source, self._listener, self._told)
            if self._told != before:
                _keep(self._call, SIGNAL_SOURCES, self._site_id, self._source, self._told)
        if self._notifier is not None and self._listener.programme_id:
            mute = self._notifier.keep(self._listener.programme_id)
            if mute != self._mute:
                self._call.say(f"{self._source.source_id}: {mute or 'notifications are heard'}")
                _keep(self._call, NOTIFICATIONS, self._site_id, self._source, mute)
            self._mute = mute


def call_events(call: Call, site_id: str, source: "LimitSource") -> list[Finding]:
    """Events of a source's open signals that were not called or have no plan, once more; why some still have none is
    kept among the findings of the site until all have one. Nothing is done to an event that has a plan.
    """
    from assets.stores.ledgers.grid_signals import GridSignals

    if isinstance(source, RelaySource) or source.settles_by is None:
        return []
    try:
        known = GridSignals(call.project.store).open(site_id, call.clock.now_utc())
        mine = [each for each in known if each.source_id == source.source_id]
        found = [each for signal in mine for each in event_of_signal(call, signal, source)]
        short = sorted(
            {str(each.message) for each in found if each.code not in ("plan_proposed", "signal_not_planned")}
        )
        _keep(call, CALLS, site_id, source, "; ".join(short))
    except WorldFault as fault:
        call.say(f"{source.source_id}: {fault}")
        return []
    return found


def event_of_signal(call: Call, signal: GridSignal, source: "LimitSource") -> list[Finding]:
    """Proposals for a signal that asks for a reduction: a plan of each of its intervals, or why there is none.

    A capacity limit is a ceiling and is never planned for as a reduction.
    """
    if signal.kind not in EVENTS or not signal.is_understood or isinstance(source, RelaySource):
        return []
    if signal.kind != "SIMPLE" or source.shed_kw is None:
        why = "no loads are planned to a set-point" if signal.kind != "SIMPLE" else "its source states no shed_kw"
        return [_finding("signal_not_planned", f"{signal.kind} of event {signal.event_id}: {why}", signal)]
    now_utc, findings = call.clock.now_utc(), list[Finding]()
    for number, each in enumerate(signal.intervals):
        start = max(each.start_utc, now_utc + _LEAD)
        end = each.end_utc or start + _LONGEST
        if not each.value or end <= start:
            continue
        wanted_kw = source.shed_kw[int(each.value) - 1]
        try:
            findings += _planned(call, signal, source, number, (start, end), wanted_kw)
        except WorldFault as fault:
            findings.append(_finding("event_not_planned", f"event {signal.event_id}: {fault}", signal))
    return findings


def _planned(
    call: Call,
    signal: GridSignal,
    source: "VtnSource",
    number: int,
    span: tuple[datetime, datetime],
    wanted_kw: float,
) -> list[Finding]:
    """A plan of one interval: as an event of the programme that the source settles by, where it names one."""
    start, end = span
    if source.settles_by is None:
        answer: Any = dr_plan(call, signal.site_id, f"{start.isoformat()}/{end.isoformat()}", wanted_kw).result
        plan, event_id, found = answer["plan"], "", list[Finding](answer["findings"])
        digest = plan.digest if plan is not None else ""
    else:
        from orchestration.demand_response.acts import create_event, propose_event

        name = f"openadr:{source.source_id}:{signal.event_id}:{signal.modification}:{number}"
        event, _ = create_event(
            call.project, signal.site_id, source.settles_by, span, wanted_kw, clock=call.clock, source=name
        )
        if event.state != "created":
            return []
        made = propose_event(call.project, event.event_id, clock=call.clock, reason=f"signal of {source.source_id}")
        if isinstance(made, Finding):
            why = f"event {event.event_id} has no plan, and is planned again in a minute: {made.message}"
            return [made.model_copy(update={"message": why})]
        plan, event_id, digest, found = made.plan, made.event_id, made.digest, []
    if plan is None:
        return found
    next_step = f"meterloom dr event show {event_id}" if event_id else "nothing is sent"
    message = f"plan {plan.id} is proposed for event {signal.event_id}: {plan.expected_kwh:.1f} kWh; {next_step}"
    facts = {"digest": digest, "expected_kwh": plan.expected_kwh, "target_kw": wanted_kw}
    return [*found, _finding("plan_proposed", message, signal, **facts | ({"event_id": event_id} if event_id else {}))]


def _listener(call: Call, site: "Site", source: "LimitSource") -> "Listener | RelayListener":
    from assets.stores.ledgers.grid_signals import GridSignals
    from assets.stores.live.live_store import LiveReader
    from controls.programmes.listener import Listener
    from controls.programmes.openadr2 import Openadr2Client
    from controls.programmes.relay import RelayListener

    signals = GridSignals(call.project.store)
    if isinstance(source, RelaySource):
        board = LiveReader(call.project.project.live_dir)
        return RelayListener(site.site_id, source, board, signals, call.clock, takes_synthetic=site.is_simulated)
    if isinstance(source, Openadr2Source):
        return Listener(site.site_id, Openadr2Client(source), signals, call.clock)
    return Listener(site.site_id, vtn_client(source), signals, call.clock)


def vtn_client(source: "SignalSource", *, for_reports: bool = False) -> "VtnClient":
    """Client of an OpenADR 3 server with its secret of the environment. for_reports: takes the time that long ones
    need. Raises BadInput (no_secret).
    """
    from controls.programmes.vtn_client import PATIENCE, REPORTS_PATIENCE, VtnClient

    secret = os.environ.get(source.secret_env, "")
    if not secret:
        raise BadInput(
            f"signal source {source.source_id!r}: {source.secret_env} is not set", reason="no_secret",
            mend=f"put the secret of {source.client_id!r} into the environment variable {source.secret_env}",
        )  # fmt: skip
    return VtnClient(source, secret, patience=REPORTS_PATIENCE if for_reports else PATIENCE)


def _asked_once(call: Call, site: "Site", listeners: "dict[str, Listener | RelayListener]") -> Answer:
    """One look at each source. A source that is away does not hide what others said."""
    signals, findings, rows, is_away = list[GridSignal](), list[Finding](), list[dict[str, Any]](), False
    for source in site.signal_sources:
        row: dict[str, Any] = {"source_id": source.source_id, "n_events": None, "error": None}
        try:
            found = listeners[source.source_id].poll()
        except Unreachable as fault:
            is_away, row["error"] = True, str(fault)
        else:
            signals += found.new
            row |= {"n_events": found.n_events, "error": found.unsent or None}
            if isinstance(source, RelaySource) or source.settles_by is None:
                findings += [each for signal in found.new for each in event_of_signal(call, signal, source)]
        findings += call_events(call, site.site_id, source)
        rows.append(row)
    result = {"site": site.site_id, "sources": rows, "signals": signals, "findings": findings}
    lines = [f"{row['source_id']}: {row['error']}" for row in rows if row["error"]]
    text = "\n".join([*lines, *(str(each.message) for each in findings)])
    return Answer(result, SIGNALS, text, exit_code=UNREACHABLE if is_away else 0)


def _look(call: Call, source: "LimitSource", listener: "Listener | RelayListener", last_trouble: str | None) -> str:
    """One look of many, told once where it is as before. Returns what hinders it, empty where nothing does."""
    try:
        found = listener.poll()
        trouble = found.unsent
    except WorldFault as fault:
        found, trouble = None, str(fault)
    if trouble != last_trouble:
        call.say(f"{source.source_id}: {trouble or 'heard'}")
    for signal in found.new if found is not None else ():
        bound = "; the agent obeys it from now on" if signal.kind in CAPACITY_LIMITS and signal.is_understood else ""
        state = signal.refused or ("withdrawn" if signal.is_withdrawn else f"modification {signal.modification}")
        call.say(f"{source.source_id}: {signal.kind} of event {signal.event_id}: {state}{bound}")
        for finding in event_of_signal(call, signal, source):
            call.say(f"{source.source_id}: {finding.message}")
    return trouble


def _keep(call: Call, word: str, site_id: str, source: "LimitSource", sentence: str) -> None:
    """Keep a trouble of a source among the findings of its site, or, with an empty sentence, that it is over."""
    try:
        record_obstacle(call.project.store, f"{word} {source.source_id}", site_id,
                      sentence and f"{source.source_id}: {sentence}", call.clock)  # fmt: skip
    except Unreachable as fault:
        call.say(f"{source.source_id}: {fault}")


def _finding(code: str, message: str, signal: GridSignal, **facts: str | float) -> Finding:
    scope = f"site:{signal.site_id}/signal:{signal.event_id}"
    severity = "info" if code == "plan_proposed" else "warning"
    return Finding(code=code, message=message, severity=severity, scope=scope, facts=dict(facts))
