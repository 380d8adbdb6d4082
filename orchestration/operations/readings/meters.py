"""`meterloom meters`: the hierarchy of a site, what discovery proposes for it, and who accepts it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from assets.sites.balance import balance, balance_findings, rest_profile
from assets.sites.discovery import LEAST_CONFIDENCE, STEP_MINUTES, Discovery, Proposal, discover
from assets.sites.edit_site import rewritten, text_sha256
from assets.sites.load_sites import load_site, site_file, site_sha256
from assets.sites.meter_tree import has_import, parent_of, primary_meters, total_meters
from assets.sites.patch import with_parent
from assets.sites.virtual import virtual_findings
from assets.stores.ledgers.meter_proposals import ProposalStore, StoredProposal
from assets.stores.web.audit_events import AuditEvent, note_event
from assets.stores.whole_file import unfinished_of
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Role
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table, finding_lines
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import OnlySiteOption, ReasonOption, SiteOption, period_or_none
from orchestration.operations.signing import Actor, actor, edit_record

PeriodOption = Annotated[str | None, Option("2025, 2025-Q1, 2025-03 or START/END; all readings if left out.")]
StepOption = Annotated[int, Option("Minutes of a slot that is compared.")]
LeastOption = Annotated[float, Option("Confidence 0-1 from which a place is proposed.")]
ProposalArgument = Annotated[str, Argument(metavar="ID")]
METERS = Table(
    "meters",
    "meter: {id} | carrier | parent: {parent:|-} | kind: {made} | site total: {counts}",
    made=lambda each: each["formula"] or each["kind"],
    counts=lambda each: (
        "energy and carrier" if each["in_energy_total"] else "carrier" if each["in_carrier_total"] else "-"
    ),
)
PROPOSALS = Table(
    "proposals",
    "id: {proposal_id} | site: {site_id} | meter: {child} | parent | confidence: {confidence:.3f} | state | "
    "by: {person_id:|-} | reason: {why}",
    why=lambda each: each.reason or each.facts.get("reason", ""),
)
DAYS = Table(
    "days",
    "parent | day | parent kWh: {parent_kwh:,.1f} | submeters kWh: {children_kwh:,.1f} | rest kWh: {rest_kwh:,.1f} | "
    "rest: {rest_share:.1%} | coverage: {coverage:.1%} | verdict",
)


@operation("meters list", takes=PROJECT, example="--site factory")
def meters_list(
    call: Call,
    site: SiteOption,
    on: Annotated[str | None, Option("Hierarchy on this local date; the last one if left out.")] = None,
) -> Answer:
    """List the meters of a site with parent, kind and whether they count towards the site's totals."""
    known = call.project.site(site)
    day = parse_period(on, known.time_zone).start if on else None
    totals = {name for carrier in {m.carrier for m in known.meters} for name in total_meters(known, carrier, day)}
    primary = set(primary_meters(known, day))
    found = [
        {
            "id": meter.meter_id,
            "name": meter.name,
            "carrier": meter.carrier.value,
            "parent": parent_of(known, meter.meter_id, day),
            "kind": "virtual" if meter.is_virtual else "secondary" if meter.is_made_on_site else "read",
            "formula": meter.formula,
            "made_from": list(meter.made_from),
            "has_import": has_import(meter),
            "in_carrier_total": meter.meter_id in totals,
            "in_energy_total": meter.meter_id in primary,
        }
        for meter in known.meters
    ]
    return Answer({"meters": found}, METERS)


@operation("meters discover", example="--site factory --json")
def meters_discover(
    call: Call,
    site: SiteOption,
    period: PeriodOption = None,
    step: StepOption = STEP_MINUTES,
    least: LeastOption = LEAST_CONFIDENCE,
) -> Answer:
    """Find submeters by correlation and energy balance, with a confidence. Nothing is stored or changed."""
    found = discovered(call, call.project.site(site), period, step=step, least=least)
    return Answer(found, text=words(found))


@operation("meters propose", example="--site factory", writes=True)
def meters_propose(
    call: Call,
    site: SiteOption,
    period: PeriodOption = None,
    step: StepOption = STEP_MINUTES,
    least: LeastOption = LEAST_CONFIDENCE,
) -> Answer:
    """Discover, and keep what differs from the site file as proposals that a person may accept."""
    known = call.project.site(site)
    found = discovered(call, known, period, step=step, least=least)
    store = ProposalStore(call.project.store)
    digest = readings_digest(call, known, period)
    new = {
        store.add(
            known.site_id,
            child=each.child,
            parent=each.parent,
            confidence=each.confidence,
            facts=each.model_dump(mode="json") | {"site_sha256": site_sha256(known)},
            digest=digest,
            clock=call.clock,
        )
        for each in found.proposals
        if each.declared_parent != each.parent
    }
    kept = [each for each in store.proposals(known.site_id) if each.proposal_id in new]
    text = f"{len(found.proposals)} places found, {len(kept)} of them differ from the site file"
    return Answer({"proposals": kept, "discovery": found}, PROPOSALS, text)


@operation("meters proposals", example="--site factory")
def meters_proposals(call: Call, site: OnlySiteOption = None) -> Answer:
    """List proposals and what was decided."""
    kept = ProposalStore(call.project.store).proposals(site, as_of_utc=call.as_of_utc)
    return Answer({"proposals": kept}, PROPOSALS, "" if kept else "no proposals")


@operation("meters accept", takes=ACTS, example='4f1c2ab0 --as carla --reason "as wired"')
def meters_accept(call: Call, proposal_id: ProposalArgument, reason: ReasonOption) -> Answer:
    """Accept a proposal as a named engineer: the parent is written into the site file, which is then checked."""
    who = actor(call, Role.ENGINEER)
    store = ProposalStore(call.project.store)
    proposal = store.proposal(proposal_id)
    path = site_file(call.places.sites_dir, proposal.site_id, call.project.cache)
    child, parent = proposal.child, proposal.parent

    def placed(text: str) -> str:
        # Only here: a decision whose file was cut off is finished first.
        store.open_proposal(proposal.proposal_id)
        return with_parent(text, meter_id=child, parent=parent, file=str(path))

    # A loop or a second parent is refused here, before anything is recorded or replaced.
    with rewritten(path, load_site, placed, edit_record(call, proposal.site_id)):
        # Recorded before the file changes: a changed file with nobody's name behind it would be the worse half.
        file_sha256 = text_sha256(unfinished_of(path))
        decided = _decided(call, who, proposal.proposal_id, "accepted", reason, file_sha256=file_sha256)
    text = f"{who.person.name} accepted {decided.proposal_id}: {path} now says parent: {parent} for {child}"
    return Answer({"proposals": [decided], "site_file": str(path)}, text=text)


@operation("meters reject", takes=ACTS, example='4f1c2ab0 --as carla --reason "same hours"')
def meters_reject(call: Call, proposal_id: ProposalArgument, reason: ReasonOption) -> Answer:
    """Reject a proposal as a named engineer."""
    who = actor(call, Role.ENGINEER)
    decided = _decided(call, who, proposal_id, "rejected", reason)
    return Answer({"proposals": [decided]}, text=f"{who.person.name} rejected {decided.proposal_id}")


@operation("meters balance", example="--site factory --period 2025-03")
def meters_balance(call: Call, site: SiteOption, period: Annotated[str, Option("2025-03 or START/END.")]) -> Answer:
    """Hold every meter against its submeters, day by day, and show the unmetered rest."""
    known = call.project.site(site)
    span = parse_period(period, known.time_zone)
    readings = call.project.lake.current(
        known.site_id, start_utc=span.start_utc, end_utc=span.end_utc, as_of_utc=call.as_of_utc
    )
    table = balance(readings, known, span)
    findings = [*balance_findings(table), *virtual_findings(known, readings, span)]
    parents = table["parent"].unique(maintain_order=True).to_list()
    profiles = {name: rest_profile(readings, known, span, name).to_dicts() for name in parents}
    return Answer(
        {"days": table.to_dicts(), "rest_profile_kw": profiles, "findings": findings},
        DAYS,
        "\n".join(finding_lines(findings, indent="")),
        CHECK_FAILED if any(f.code == "children_exceed_parent" for f in findings) else DONE,
    )


def _decided(
    call: Call, who: Actor, proposal_id: str, verdict: Literal["accepted", "rejected"], reason: str, **facts: str
) -> StoredProposal:
    store, act = call.project.store, f"meters {verdict}"
    with store.together():
        done = ProposalStore(store).decide(proposal_id, verdict, person=who.person, reason=reason, clock=call.clock)
        if not who.sign(act, done.proposal_id, verdict=verdict, reason=reason, **facts) and facts:
            # Where nobody signs, the audit trail has the hash by which the next act knows the decision's file.
            event = AuditEvent(
                person_id=who.person.person_id, method="", route=act, subject=done.proposal_id, outcome="done",
                body_sha256=facts["file_sha256"],
            )  # fmt: skip
            note_event(store, call.clock, event)
    return done


def discovered(call: Call, site: Site, period: str | None, *, step: int, least: float) -> Discovery:
    """Discovery over the readings of a site as known at --as-of."""
    # Below a half the opposite is more likely.
    if not 0.5 <= least <= 1 or step not in (15, 30, 60):
        raise BadInput("--least is a confidence from 0.5 to 1, --step one of 15, 30, 60 minutes", reason="bad_option")
    span = period_or_none(period, site)
    readings = call.project.lake.current(
        site.site_id,
        start_utc=span.start_utc if span else None,
        end_utc=span.end_utc if span else None,
        as_of_utc=call.as_of_utc,
        meters=[meter.meter_id for meter in site.meters if not meter.is_virtual],
    )
    if readings.is_empty():
        raise BadInput(f"site {site.site_id!r} has no readings to discover from", reason="no_readings")
    return discover(readings, site=site, step_minutes=step, least_confidence=least)


def readings_digest(call: Call, site: Site, period: str | None) -> str:
    """Hash of the readings that a discovery looked at."""
    span = call.project.lake.span(site.site_id, as_of_utc=call.as_of_utc)
    if period:
        period_span = parse_period(period, site.time_zone)
        start_utc, end_utc = period_span.start_utc, period_span.end_utc
    else:
        # No readings: a day that nobody metered, whose digest is that of nothing.
        first, last = span or (date.min, date.min)
        start_utc, end_utc = (datetime.combine(day, time.min, tzinfo=UTC) for day in (first, last + timedelta(days=1)))
    return call.project.lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc, as_of_utc=call.as_of_utc)


def words(found: Discovery) -> str:
    """A discovery for people."""
    lines = [
        f"{each.child} below {each.parent}: {each.confidence:.3f}{_parent_note(each)}; {each.reason}"
        for each in found.proposals
    ]
    lines += [
        f"unsure: {each.child} below {each.parent}: {each.confidence:.3f}; {each.reason}" for each in found.weaker
    ]
    for rest in found.rests:
        share = "-" if rest.rest_share is None else f"{rest.rest_share:.1%}"
        hours = " ".join(f"{value:.2f}" for value in rest.profile_kw)
        lines.append(
            f"unmetered rest of {rest.parent}: {rest.rest_kwh:,.1f} of {rest.parent_kwh:,.1f} kWh ({share}); "
            f"mean kW by local hour 00 to 23: {hours}"
        )
    return "\n".join([*lines, *finding_lines(found.findings, indent="")]) or "no submeters found"


def _parent_note(proposal: Proposal) -> str:
    if proposal.declared_parent == proposal.parent:
        return " (as declared)"
    return f" (the site file says {proposal.declared_parent})" if proposal.declared_parent else " (new)"
