"""`meterloom dr loads list|test|accept` and `dr plan`: a site's loads, tests of them, and a plan for an event."""

from typing import TYPE_CHECKING, Annotated, Any

from assets.stores.ledgers.dr_events import AcceptedLoads
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.control.curtailment import CurtailmentPlan, Preference
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.accepted_load import AcceptedLoad, stated_sensitivity
from data_quality.contracts.time import weekday_clock
from orchestration.operations.answer import CHECK_FAILED, Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Call, Option, operation
from orchestration.operations.options import AnySiteOption, ReasonOption, SiteOption, event_span
from orchestration.operations.signing import actor

if TYPE_CHECKING:
    from data_quality.contracts.site_file.sheddable_load import SheddableLoad
    from data_quality.contracts.site_file.site import Site
    from ml.event_baselines.settled_events import LoadTest

LOADS = Table(
    "loads",
    "id | site | asset: {asset:|by hand} | meter | most kW: {max_shed_kw:,.1f} | min: {max_minutes} "
    "| rest: {rest_minutes:|-} | notice: {notice_minutes} | rebound: {rebound_share:.0%} | cost: {cost_per_kwh:g} "
    "| evidence: {ground} | accepted: {accepted_by}",
    empty="no site file has sheddable_loads",
    accepted_by=lambda each: _accepted_text(each["accepted"]),
    ground=lambda each: f"{each['evidence']['basis']} ± {each['evidence']['half_width_share']:.0%}",
)
LoadOption = Annotated[str, Option("Which sheddable load was down, by its id.")]
TestOption = Annotated[str, Option("START/END of the test, past; without offset by the site's clock.")]
_STEPS = "load | from: {start} | to: {end} | kW: {kw:,.1f} | by: {asset:|hand}"


@operation("dr loads list", repeats=True, takes=PROJECT, example="--site tower")
def dr_loads_list(call: Call, site: AnySiteOption = None) -> Answer:
    """List the sheddable loads of a site, or of all, with their terms, the evidence behind them, and accepted tests."""
    known = [call.project.site(site)] if site else list(call.project.sites.values())
    ledger, rows = AcceptedLoads(call.project.store), list[dict[str, Any]]()
    for each in known:
        accepted, used = ledger.in_force(each), ledger.site(each)
        rows += [_row(load, used) | {"accepted": accepted.get(load.load_id)} for load in used.sheddable_loads]
    return Answer({"site": site, "loads": rows}, LOADS)


@operation("dr loads test", takes=PROJECT, example="--site tower --load fans --event 2026-11-24T14:00/2026-11-24T16:00")
def dr_loads_test(
    call: Call,
    site: SiteOption,
    load: LoadOption,
    event: TestOption,
) -> Answer:
    """Measure a load in a planned test shed, and propose its power with interval for a person. Changes nothing."""
    tested, verdict = _tested(call, site, load, event)
    if isinstance(tested, Finding):
        return Answer({"test": None, "findings": [tested]}, text=tested.message, exit_code=CHECK_FAILED)
    low, high = tested.interval_kw
    lines = [
        f"{load}: {tested.shed_kw:,.1f} kW shed ({low:,.1f} to {high:,.1f}, 90 %), the site file says "
        f"{verdict.highest_kw:,.1f} kW at most",
        "proposed; nothing was changed: 'meterloom dr loads accept' takes it over, or the site file:",
        f"  max_shed_kw: {tested.shed_kw:.1f}",
        "  evidence: {{basis: {basis}, on: {on}, half_width_share: {half_width_share}}}".format_map(
            dict(tested.evidence)
        ),
    ]
    if tested.ramp_flag:
        lines.append("  the load before the test was above the usual: repeat the test on an ordinary day")
    return Answer({"test": tested, "findings": []}, text="\n".join(lines))


@operation(
    "dr loads accept",
    takes=ACTS,
    example='--site tower --load fans --event 2026-11-24T14:00/2026-11-24T16:00 --as anna --reason "an ordinary day"',
)
def dr_loads_accept(
    call: Call, site: SiteOption, load: LoadOption, event: TestOption, reason: ReasonOption
) -> Answer:  # fmt: skip
    """Accept what a test of a load measured: plans use it, as tested, until the site file says something else."""
    who = actor(call)
    expect(who.person, Permission.DR_PROFILE_UPDATE)
    if not reason.strip():
        raise BadInput("an accepted test has a reason", reason="missing_reason")
    tested, verdict = _tested(call, site, load, event)
    if isinstance(tested, Finding):
        return Answer({"accepted": None, "findings": [tested]}, text=tested.message, exit_code=CHECK_FAILED)
    if not isinstance(verdict.max_shed_kw, float):
        raise BadInput(
            f"what load {load!r} gives is a function in the site file, and a test is one point of it",
            reason="one_point", mend="change that point in the site file",
        )  # fmt: skip
    wanted = AcceptedLoad(
        site_id=site, load_id=load, max_shed_kw=round(tested.shed_kw, 1), evidence=tested.evidence,
        start_utc=tested.start_utc, end_utc=tested.end_utc, replaces=stated_sensitivity(verdict),
        person_id=who.person.person_id, reason=reason.strip(),
    )  # fmt: skip
    with call.project.store.together():
        made, is_new = AcceptedLoads(call.project.store).accept(wanted, call.clock)
        if is_new:
            who.sign("dr loads accept", f"{site}:{load}", max_shed_kw=made.max_shed_kw, reason=made.reason)
    share = made.evidence.half_width_share
    text = f"{load}: plans use {made.max_shed_kw:,.1f} kW ± {share:.0%}, tested; accepted by {made.person_id}"
    return Answer({"accepted": made, "findings": []}, text=text)


def _tested(call: Call, site: str, load: str, event: str) -> "tuple[LoadTest | Finding, SheddableLoad]":
    """The test of a load, and the load as the site file has it. Raises BadInput."""
    from ml.event_baselines.settled_events import load_test
    from orchestration.views.usual_load import readings_around_test

    found, (start, end) = call.project.site(site), event_span(event, call.project.site(site).time_zone)
    wanted = next((each for each in found.sheddable_loads if each.load_id == load), None)
    if wanted is None or wanted.meter is None:
        why = f"site {site} has no sheddable load {load!r}" if wanted is None else f"load {load!r} names no meter"
        raise BadInput(f"{why}, so no test of it can be measured", reason="no_load", mend="meterloom dr loads list")
    if end > call.clock.now_utc():
        raise BadInput("--event: the test has not ended yet", reason="event_ahead")
    call.doing("reading the meter of the load")
    readings = readings_around_test(call.project.lake, found, wanted.meter, end)
    return load_test(readings, found, load, wanted.meter, start, end), wanted


@operation(
    "dr plan",
    repeats=True,
    takes=PROJECT,
    example="--site tower --event 2026-12-01T14:00/2026-12-01T16:00 --target-kw 60",
)
def dr_plan(
    call: Call,
    site: SiteOption,
    event: Annotated[str, Option("START/END, ISO 8601; without offset by the site's clock.")],
    target_kw: Annotated[float, Option("Power to be shed over the whole event, kW.")],
    prefer: Annotated[Preference, Option("Least cost, order of the site file, or comfort.")] = "cost",
) -> Answer:
    """Plan which loads are shed for an event: expected shed with interval, cost, rebound, limits. Commands nothing."""
    from controls.demand_response.curtailment import Event, check_event
    from orchestration.views.usual_load import proposed_curtailment

    found, now_utc = call.project.site(site), call.clock.now_utc()
    wanted = Event(*event_span(event, found.time_zone), target_kw)
    check_event(wanted, now_utc=now_utc)
    call.doing("reading what the loads usually draw")
    plan, limits, _ = proposed_curtailment(call.project, found, wanted, now_utc, preference=prefer)
    if isinstance(plan, Finding):
        result: dict[str, Any] = {"plan": None, "limits": limits, "findings": [plan]}
        return Answer(result, text="\n".join([f"no plan: {plan.message}", *_noted(limits)]), exit_code=CHECK_FAILED)
    return Answer({"plan": plan, "findings": []}, plan_parts(plan, found.time_zone))


def plan_parts(plan: CurtailmentPlan, time_zone: str) -> list[Table | str]:
    """Steps of a plan by the site's clock, then what it is expected to shed, what it costs, and its limits."""
    low, high = plan.interval_kwh
    lines = [
        f"{plan.id}: {plan.expected_kwh:,.1f} kWh expected ({low:,.1f} to {high:,.1f}), cost {plan.cost:,.2f} "
        f"{plan.currency}, {plan.rebound_kwh:,.1f} kWh drawn again afterwards",
        *_noted((*plan.limits, *filter(None, [plan.gap_text]))),
    ]
    steps = Table(
        plan.steps, _STEPS,
        start=lambda each: weekday_clock(each.start_utc, time_zone),
        end=lambda each: weekday_clock(each.end_utc, time_zone),
    )  # fmt: skip
    return [steps, "\n".join(lines)]


def _row(load: "SheddableLoad", site: "Site") -> dict[str, Any]:
    """A load in JSON; max_shed_kw: the most of any hour or value, `by` says of what it is a function."""
    limits = load.model_dump(mode="json", exclude={"load_id", "max_shed_kw"})
    return {"id": load.load_id, "site": site.site_id, "max_shed_kw": load.highest_kw,
            "by": load.model_dump(mode="json")["max_shed_kw"]} | limits  # fmt: skip


def _accepted_text(accepted: AcceptedLoad | None) -> str:
    """Tested power with its 90 % interval, who accepted it, and when."""
    if accepted is None or accepted.recorded_at_utc is None:
        return "-"
    low, high = accepted.interval_kw
    return (
        f"{accepted.max_shed_kw:,.1f} kW ({low:,.1f} to {high:,.1f}), {accepted.person_id}, "
        f"{accepted.recorded_at_utc:%Y-%m-%d}"
    )


def _noted(limits: tuple[str, ...]) -> list[str]:
    return [f"  {each}" for each in limits]
