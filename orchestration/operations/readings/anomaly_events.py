"""`meterloom anomalies list|ack|mute|explain|label|learn|accept`: stored events, what people did, what is learnt."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, get_args

from assets.stores.ledgers.alert_events import AlertEvents
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.published.event_figures import figures_quoting
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.reporting.anomaly_event import AnomalyEvent, Cause
from data_quality.contracts.reporting.open_finding import FindingAct, state_after
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer, Table, finding_lines
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.options import (
    AnyPeriodOption,
    AnySiteOption,
    ReasonOption,
    instant_or_none,
    period_or_none,
)
from orchestration.operations.signing import actor
from orchestration.views.finding_sources import finding_of, row
from orchestration.views.requested_figures import event_ids
from reports.gates import refuse_future, refuse_without_readings

EVENTS = Table(
    "events",
    "id | severity | state | site | meter | kind: {named} | cause: {cause:|-} | from: {start_utc} | to: {end_utc} "
    "| kwh: {kwh:,.0f} | cost: {money}",
    empty="no event is stored",
    named=lambda each: each["kind"].replace("_", " "),
    money=lambda each: "-" if each["cost"] is None else f"{each['cost']:,.2f} {each['currency']}",
)
IdArgument = Annotated[str, Argument("Of an event, or how its id starts.", metavar="ID")]


@operation("anomalies list", example="--site factory --period 2025-12", keeps=True)
def anomalies_list(
    call: Call,
    site: AnySiteOption = None,
    period: AnyPeriodOption = None,
    with_all: Annotated[bool, Option("Muted, explained and closed ones too.", "--all")] = False,
) -> Answer:
    """List stored events of a site, or of all, by time, with energy, cost and what people did about them."""
    sites = [call.project.site(site)] if site else list(call.project.sites.values())
    rows = [each for one in sites for each in _rows(call, one, period, call.as_of_utc)]
    shown = [each for each in rows if with_all or each["state"] in ("open", "acknowledged")]
    as_of_utc = call.as_of_or_now
    for one in sites:
        own = {each["id"]: each for each in shown if each["site"] == one.site_id}
        for name, ids in event_ids(call.project, one, list(own), as_of_utc=as_of_utc, clock=call.clock).items():
            own[name]["figures"] = ids
    hidden = len(rows) - len(shown)
    text = f"{hidden} muted, explained or closed: --all shows them" if hidden else ""
    return Answer({"site": site, "period": period, "events": shown}, EVENTS, text)


@operation("anomalies ack", takes=ACTS, example='3f2a9c --as carla --reason "electrician ordered"')
def anomalies_ack(call: Call, event: IdArgument, reason: ReasonOption, site: AnySiteOption = None) -> Answer:
    """Say that somebody takes care of an event. It stays on the list, with the name."""
    return _act(call, event, site, "acknowledged", reason)


@operation("anomalies mute", takes=ACTS, example='3f2a9c --until 2026-12-01 --as carla --reason "rebuilding"')
def anomalies_mute(
    call: Call,
    event: IdArgument,
    reason: ReasonOption,
    until: Annotated[str, Option("Local day or time at which it is shown again.")],
    site: AnySiteOption = None,
) -> Answer:
    """Hide an event until a time; then it is as it was before."""
    return _act(call, event, site, "muted", reason, until=until)


@operation("anomalies explain", takes=ACTS, example='3f2a9c --as carla --reason "holiday works on 3 May"')
def anomalies_explain(call: Call, event: IdArgument, reason: ReasonOption, site: AnySiteOption = None) -> Answer:
    """Give the reason for an event that needs nobody. One that goes on for a day or more is open again."""
    return _act(call, event, site, "explained", reason)


@operation("anomalies label", takes=ACTS, example='3f2a9c --cause waste --as carla --reason "fans ran all weekend"')
def anomalies_label(
    call: Call,
    event: IdArgument,
    cause: Annotated[Cause, Option(f"{', '.join(get_args(Cause))}.")],
    reason: ReasonOption,
    site: AnySiteOption = None,
    replace: Annotated[bool, Option("Take the place of a label with another cause.")] = False,
) -> Answer:
    """Say what caused an event, which is kept for training. A second cause must say that it replaces the first."""
    person, found = call.known_person(), the_event(call, event, site)
    ledger = AnomalyLedger(call.project.store)
    made = ledger.label(found, cause, person=person, reason=reason, clock=call.clock, replaces=replace)
    rows = [_row(call, call.project.site(found.site_id), found)]
    return Answer({"events": rows}, text=f"{person.name} labelled {found.event_id}: {made.cause.replace('_', ' ')}")


def score_stored(call: Call, site_id: str, period: str | None, sensitivity: float) -> Answer:
    """Score a site's meters for a period and store what is new. Raises BadInput without a period."""
    from assets.stores.warehouse.marts import MartReader
    from ml.anomalies.params import DetectorParams
    from ml.anomaly_scoring.live_limits import keep_limits
    from ml.anomaly_scoring.score_site import score_site

    project, site = call.project, call.project.site(site_id)
    span = period_or_none(period, site)
    if span is None:
        raise BadInput("the meters of a site are scored for a period", reason="no_period", mend="give --period 2025-12")
    refuse_future(span, call.clock.now_utc(), name="anomalies")
    refuse_without_readings(project.lake, site, span, name="anomalies")
    call.doing("judging the meters")
    found = score_site(
        site, span, lake=project.lake, read=MartReader(project.project.marts_dir), clock=call.clock,
        params=DetectorParams(sensitivity=sensitivity),
    )  # fmt: skip
    if found.limits is not None:
        keep_limits(project.project.limits_dir, found.limits)
    counts = found.published._asdict()
    rows = _rows(call, site, period)
    verdicts = ", ".join(f"{count} {word}" for word, count in counts.items())
    lines = [f"{site.site_id}: {found.judged} meters judged, {len(rows)} events; {verdicts}"]
    lines += finding_lines(found.findings.values())
    result = {"site": site_id, "period": span.label, "judged": found.judged, "events": rows, **counts}
    return Answer({**result, "findings": found.findings}, EVENTS if rows else None, "\n".join(lines))


def the_event(call: Call, event_id: str, site_id: str | None) -> AnomalyEvent:
    """The stored event whose id starts so. Raises BadInput (no_event) for none, or several."""
    known = AnomalyLedger(call.project.store).current(site_id)
    found = [each for each in known if event_id and each.event_id.startswith(event_id)]
    if len(found) != 1:
        raise BadInput(
            f"{len(found) or 'no'} event{'s' if len(found) > 1 else ''} with an id that starts with {event_id!r}",
            reason="no_event",
            mend="meterloom anomalies list --all shows those that are stored",
        )
    return found[0]


def _rows(call: Call, site: Site, period: str | None, as_of_utc: datetime | None = None) -> list[dict[str, Any]]:
    """The stored events of a site that share time with a period."""
    span = period_or_none(period, site)
    known = AnomalyLedger(call.project.store).current(site.site_id, as_of_utc=as_of_utc)
    quoting = figures_quoting(call.project.store, site.site_id)
    return [
        _row(call, site, each, as_of_utc, quoting.get(each.event_id, ()))
        for each in known
        if span is None or (each.start_utc < span.end_utc and each.end_utc > span.start_utc)
    ]


def _row(
    call: Call, site: Site, event: AnomalyEvent, as_of_utc: datetime | None = None, figure_ids: Sequence[str] = ()
) -> dict[str, Any]:
    store = call.project.store
    acts = AlertEvents(store).of_site(site.site_id, as_of_utc=as_of_utc).get(event.event_id, [])
    label = AnomalyLedger(store).labels(site.site_id, as_of_utc=as_of_utc).get(event.event_id)
    state, _ = state_after(acts, at_utc=event.end_utc, now_utc=call.clock.now_utc())
    return row(event, state, label, figure_ids)


def _act(call: Call, event_id: str, site_id: str | None, act: FindingAct, reason: str, *, until: str = "") -> Answer:
    person, event = call.known_person(), the_event(call, event_id, site_id)
    site = call.project.site(event.site_id)
    finding, until_utc = finding_of(event, site), instant_or_none(until, site)
    AlertEvents(call.project.store).record(
        finding, act, person=person, reason=reason, clock=call.clock, until_utc=until_utc
    )
    return Answer({"event": _row(call, site, event)}, text=f"{person.name} {act} {event.event_id}: {finding.what}")


@operation("anomalies learn", takes=ACTS, example="--as ben")
def anomalies_learn(call: Call) -> Answer:
    """Learn causes from the labels of all sites. What is better than what was shipped leads once another accepts it.

    Each event is judged by a model that neither it nor what shares its time taught. The same labels add nothing.
    """
    from ml.anomaly_scoring.learn_project import learn_project
    from orchestration.previews import confusion_png

    person, project = call.known_person(), call.project
    expect(person, Permission.ANOMALY_UPDATE)
    call.doing("learning from labels")
    found = learn_project(
        project.sites.values(), project.lake, tracker=call.project.tracker, clock=call.clock, draw=confusion_png,
        person_id=person.person_id,
    )  # fmt: skip
    version, figures = found.version, {} if found.finding else found.version.figures
    # taken: whether what these labels made leads; proposed: whether it may.
    is_taken, is_better = not found.finding and version.is_taken, not found.finding and found.reason == "better"
    model = {
        "version": version.version, "digest": version.digest, "labels": found.labels,
        "macro_f1": figures.get("macro_f1"), "shipped_macro_f1": figures.get("shipped_macro_f1"),
        "ece": figures.get("ece"), "taken": is_taken, "proposed": is_better and not is_taken, "reason": found.reason,
        "figures": figures, "run_id": version.run_id, "recorded_at_utc": version.recorded_at_utc,
    }  # fmt: skip
    answer = {"model": model, "new": found.is_new, "findings": [found.finding] if found.finding else []}
    if found.finding:
        text = f"nothing was learned; version {version.version} leads"
        return Answer(answer, text="\n".join([text, *finding_lines([found.finding])]))
    waits = f"waits for 'meterloom anomalies accept {version.version}'" if is_better else "does not lead"
    text = (
        f"version {version.version} of {found.labels} labels {'leads' if is_taken else waits}: macro-F1 "
        f"{figures['macro_f1']:.2f}, as shipped {figures['shipped_macro_f1']:.2f}; calibration error "
        f"{figures['ece']:.2f}"
    )
    return Answer(answer, text=text)


@operation("anomalies accept", takes=ACTS, example='2.1 --as anna --reason "night shifts are known now"')
def anomalies_accept(
    call: Call,
    version: Annotated[str, Argument("As 'anomalies learn' names it, or the shipped one.", metavar="VERSION")],
    reason: ReasonOption,
) -> Answer:
    """Let a version of the model of causes lead from the next scoring on. Who taught it cannot accept it."""
    from ml.anomaly_scoring.learn_project import accept_causes

    who = actor(call, Role.APPROVER)
    with call.project.store.together():
        found = accept_causes(
            call.project.lake, version, tracker=call.project.tracker, person=who.person, reason=reason, clock=call.clock
        )
        who.sign("anomalies accept", f"causes@{found.version}", reason=reason, digest=found.digest)
    document = found.model_dump(mode="json", exclude={"parameters", "recorded_at_utc"})
    return Answer(
        {"model": document}, text=f"version {found.version} of the causes leads, says {who.person.name}: {reason}"
    )
