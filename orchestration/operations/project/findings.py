"""`meterloom findings`: what needs somebody at a site, and what people did about it."""

from datetime import datetime
from typing import Annotated, Any

from assets.stores.ledgers.alert_events import AlertEvents
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.open_finding import SEVERITY_WORDS, FindingAct
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.operation import ACTS, Argument, Call, Option, operation
from orchestration.operations.options import ReasonOption, SiteOption, instant_or_none
from orchestration.views.open_findings import FindingsQuery, FindingStatus, open_findings, the_finding

FINDINGS = Table(
    "findings",
    "id: {finding_id} | severity: {severity_word} | state: {status} | source | finding: {with_mend} "
    "| loss a day: {money} | since: {at_utc:|-}",
    empty="nothing needs attention",
    with_mend=lambda row: "; ".join(filter(None, (row["what"], row["mend"]))),
    status=lambda row: f"muted until {row['until_utc']:%Y-%m-%d %H:%M}Z" if row["state"] == "muted" else row["state"],
    money=lambda row: "-" if row["loss_per_day"] is None else f"{row['loss_per_day']:,.2f} {row['currency']}",
)
IdArgument = Annotated[str, Argument("Of a finding, or how its id starts.", metavar="ID")]


@operation("findings list", example="--site factory")
def findings_list(
    call: Call,
    site: SiteOption,
    with_all: Annotated[bool, Option("Muted, explained and closed ones too.", "--all")] = False,
) -> Answer:
    """List what is open at a site by every source, the most severe first, with its state and who acted."""
    found = open_findings(_look(call, site, call.as_of_utc))
    shown = [each for each in found.standing if with_all or each.needs_someone]
    rows = [line(each) for each in sorted(shown, key=lambda each: (each.finding.severity, each.finding.source))]
    hidden = len(found.standing) - len(shown)
    text = [f"not asked: {source}: {why}" for source, why in found.silent]
    text += [f"{hidden} muted, explained or closed: --all shows them"] if hidden else []
    silent = [{"source": source, "reason": why} for source, why in found.silent]
    is_grave = any(each.finding.severity == 1 for each in shown)
    result = {"site": site, "findings": rows, "asked": list(found.asked), "silent": silent}
    return Answer(result, FINDINGS, "\n".join(text), CHECK_FAILED if is_grave else DONE)


@operation(
    "findings acknowledge", takes=ACTS, example='3f2a9c --site factory --as carla --reason "electrician ordered"'
)
def findings_acknowledge(call: Call, finding: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Say that somebody takes care of a finding. It stays on the list, with the name."""
    return _act(call, finding, site, "acknowledged", reason)


@operation(
    "findings mute", takes=ACTS, example='3f2a9c --site factory --until 2026-12-01 --as carla --reason "rebuilding"'
)
def findings_mute(
    call: Call,
    finding: IdArgument,
    site: SiteOption,
    reason: ReasonOption,
    until: Annotated[str, Option("Local day or time at which it is shown again.")],
) -> Answer:
    """Hide a finding until a time; then it is as it was before."""
    return _act(call, finding, site, "muted", reason, until=until)


@operation("findings explain", takes=ACTS, example='3f2a9c --site factory --as carla --reason "holiday works on 3 May"')
def findings_explain(call: Call, finding: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Give the cause of a finding that needs nobody. What is reported a day later or more is open again."""
    return _act(call, finding, site, "explained", reason)


@operation("findings close", takes=ACTS, example='3f2a9c --site factory --as carla --reason "valve replaced"')
def findings_close(call: Call, finding: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Say that a finding is dealt with. What is reported a day later or more is open again."""
    return _act(call, finding, site, "closed", reason)


@operation("findings reopen", takes=ACTS, example='3f2a9c --site factory --as carla --reason "it was not the valve"')
def findings_reopen(call: Call, finding: IdArgument, site: SiteOption, reason: ReasonOption) -> Answer:
    """Take back what was said about a finding: it is open again."""
    return _act(call, finding, site, "reopened", reason)


def line(found: FindingStatus) -> dict[str, Any]:
    """A finding in JSON."""
    event, finding = found.event, found.finding
    return {
        "finding_id": finding.finding_id,
        **finding.model_dump(),
        "loss_per_day": finding.loss_per_day,
        "severity_word": SEVERITY_WORDS[finding.severity],
        "state": found.state,
        "until_utc": event and event.until_utc,
        "person_id": event and event.person_id,
        "reason": event and event.reason,
        "acted_at_utc": event and event.recorded_at_utc,
    }


def _look(call: Call, site: str, as_of_utc: datetime | None = None) -> FindingsQuery:
    now_utc, sees_all = call.clock.now_utc(), call.sees_every_site
    return FindingsQuery(call.project, call.project.site(site), now_utc, as_of_utc, with_every_site=sees_all)


def _act(call: Call, finding_id: str, site: str, act: FindingAct, reason: str, *, until: str = "") -> Answer:
    person, look = call.known_person(), _look(call, site)
    found = the_finding(look, finding_id)
    if act == "reopened" and found.event is None:
        raise BadInput(f"finding {found.finding.finding_id} is open already", reason="open_already")
    until_utc = instant_or_none(until, look.site)
    events = AlertEvents(call.project.store)
    events.record(found.finding, act, person=person, reason=reason, clock=call.clock, until_utc=until_utc)
    after = the_finding(look, found.finding.finding_id)
    return Answer(
        {"findings": [line(after)]}, text=f"{person.name} {act} {after.finding.finding_id}: {after.finding.what}"
    )
