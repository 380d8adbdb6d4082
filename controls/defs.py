"""Shells: the plan of a site, and the release of its commands. The agent does the rest."""

import time
from datetime import timedelta

import dagster as dg

from assets.stores.transactions import Store
from controls.agent.planned import planned_check
from controls.ledger.chain_marks import anchor_chain
from controls.ledger.device_holds import manual_settings
from controls.ledger.ledger_trust import distrusted
from controls.ledger.outbox import release, wait_for_results
from controls.ledger.proof import unproven
from controls.ledger.rows import read_commands
from controls.optimiser.devices.kinds import KINDS
from controls.planning.closed_loop.promise import coverage_sentence
from controls.planning.execution import Executed, execution_of, not_renewed, off_plan
from controls.planning.make import make_plan_now
from controls.planning.mends import sentence_of
from controls.planning.plan_inputs import quarter_start
from controls.planning.plan_picture import picture_of_plan
from controls.planning.replay.cross_check import cross_checked, keep_cross_check
from controls.planning.replay.replay_plan import replay_plan
from controls.planning.suggestions import overrides_of, suggestions
from controls.planning.summary import WHY, plan_facts, why_rows
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import Clock
from orchestration.partitions import SITES, site_mapping
from orchestration.previews import embedded, table
from orchestration.previews_plan import execution_picture, plan_picture
from orchestration.resources import ProjectResource

_EXECUTED = ("from", "device", "told", "read back", "states", "evidence", "planned kWh", "executed kWh", "shown by")
_OPTIMA = ("site", "plan", "planned", "CBC", "CBC's bound", "currency")
# Long enough for the agent's poll, the write and the template's read-back time.
PROOF_WITHIN_S = 30.0


class PlanConfig(dg.Config):
    """Configuration of a plan run: its trigger."""

    because: str = "it was asked for by hand"


@dg.asset(
    group_name="control",
    kinds={"highs"},
    owners=["team:control"],
    partitions_def=SITES,
    deps=["core_site__day_ahead_forecast", "core_site__reference"],
)
def core_site__plan(
    context: dg.AssetExecutionContext, config: PlanConfig, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """The optimised plan of the next 24 hours, stored together with its commands; nothing is sent from here."""
    site = project.site(context.partition_key)
    made = make_plan_now(project.planning_context(site, clock), because=config.because)
    if isinstance(made, Finding):
        # No retry: the same inputs would find the same thing missing, and the sensor asks again when they change.
        raise dg.Failure(description=sentence_of(made, site), metadata=dict(made.facts), allow_retries=False)
    picture = plan_picture(picture_of_plan(made), title=f"Plan of {site.name}", time_zone=site.time_zone)
    # What it promises, and how often the plans before it kept theirs.
    risk = made.risk and {
        "promised_cost": made.risk.promised_cost,
        "promised_level": made.risk.level,
        "value_of_scenarios": made.risk.value,
        "promises": coverage_sentence(site, project.lake, project.plans, now_utc=clock.now_utc()),
    }
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.plan_hash),
        metadata={
            **plan_facts(made, time_zone=site.time_zone),
            "picture": embedded(picture, title=f"Plan of {site.name}"),
            "why": table(WHY, why_rows(made)),
            **(risk or {}),
        },
    )


@dg.asset_check(asset="core_site__plan", blocking=False)
def stored_plans_give_their_hash(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
    """Every plan of the last day, solved again from its stored inputs, is the stored plan; asked once a day."""
    now = clock.now_utc()
    # In the order of the sites, so that two days of one cause read alike.
    found = [
        replay_plan(stored)
        for site_id in sorted(project.sites)
        for stored in project.plans.begun(site_id, now - timedelta(days=1), now)
    ]
    others = [each for each in found if not each.is_same]
    return dg.AssetCheckResult(
        passed=not others,
        # Another solver may take another of two plans that cost the same; a plan that was altered is worse.
        severity=dg.AssetCheckSeverity.WARN if all(each.is_whole for each in others) else dg.AssetCheckSeverity.ERROR,
        metadata={"plans": len(found), "others": "; ".join(f"{each.plan_id} {each.sentence}" for each in others[:20])},
    )


@dg.asset_check(asset="core_site__plan", blocking=False)
def optimum_agrees_with_cbc(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
    """The newest plan of the last day of every site costs what CBC finds, within 0.002 %; asked once a day."""
    now = clock.now_utc()
    begun = {site_id: project.plans.begun(site_id, now - timedelta(days=1), now) for site_id in sorted(project.sites)}
    found = [cross_checked(stored[-1].plan) for stored in begun.values() if stored]
    doubts = [each for each in found if not each.is_passed]
    for each in found:
        keep_cross_check(project.store, each, clock)
    rows = [[each.site_id, each.plan_id, each.objective, each.optimum, each.bound, each.currency] for each in found]
    return dg.AssetCheckResult(
        passed=not doubts,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "plans": len(found),
            "optima": table(_OPTIMA, rows),
            "findings": "; ".join(each.finding.message for each in found if each.finding),
        },
    )


@dg.asset(
    group_name="control", kinds={"sqlite"}, owners=["team:control"], partitions_def=SITES, deps=["core_site__plan"]
)
def core_site__released_commands(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """The commands of the current slot, released to the agent; their proof as far as it came in time."""
    site, store = project.site(context.partition_key), project.store
    plan = project.plans.latest(site.site_id)
    if plan is None:
        raise dg.Failure(description=f"site {site.site_id} has no plan to release", allow_retries=False)
    report = release(store, site.site_id, plan.plan_id, clock=clock, check=planned_check(site))
    unanchored = anchor_chain(store, site.site_id, project.project.anchors_dir, clock.now_utc())
    if unanchored is not None:
        context.log.warning(unanchored.message)
    states = _proof(store, site.site_id, list(report.released))
    rows = [list(each) for each in states.items()]
    return dg.MaterializeResult(
        metadata={
            "plan_id": plan.plan_id,
            "mode": report.mode.name,
            "released": len(report.released),
            "advised": len(report.advised),
            "blocked": len(report.blocked),
            "findings": "" if unanchored is None else unanchored.message,
            "states": table(["command", "state"], rows),
        }
    )


def _proof(store: Store, site_id: str, released: list[str]) -> dict[str, str]:
    if not released:
        return {}
    found = wait_for_results(
        store, site_id, released, timeout_s=PROOF_WITHIN_S, monotonic=time.monotonic, sleep=time.sleep
    )
    return {command_id: state.value for command_id, state in dict(found).items()}


@dg.asset_check(asset="core_site__released_commands", blocking=False)
def released_commands_are_proven(
    context: dg.AssetCheckExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.AssetCheckResult:
    """Every command that was released is read back from the device or has ended; an acknowledgement is no proof."""
    doubtful = unproven(project.store, site_ids=list(project.sites), now_utc=clock.now_utc())
    return dg.AssetCheckResult(
        passed=not doubtful, severity=dg.AssetCheckSeverity.ERROR, metadata={"unproven": sorted(doubtful)}
    )


@dg.asset_check(asset="core_site__released_commands", blocking=False)
def store_is_as_it_was_written(project: ProjectResource) -> dg.AssetCheckResult:
    """Every row on which safety, money or approval rests fits its seal and its signature; asked once a day."""
    found = distrusted(project.store, project.project.anchors_dir)
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"count": len(found), "rows": "; ".join(found[:20])},
    )


@dg.asset(
    group_name="control",
    kinds={"polars"},
    owners=["team:control"],
    partitions_def=SITES,
    deps=["core_site__released_commands", site_mapping("core_lake__15min_readings")],
)
def core_site__execution(
    context: dg.AssetExecutionContext, project: ProjectResource, clock: dg.ResourceParam[Clock]
) -> dg.MaterializeResult:
    """Execution of the plans of the last 24 hours by quarter hour and device, and frequent manual overrides."""
    site = project.site(context.partition_key)
    slots = _execution(project, clock, site.site_id)
    advised = suggestions(
        overrides_of(read_commands(project.store, site.site_id), manual_settings(project.store, site.site_id)),
        time_zone=site.time_zone,
        now_utc=clock.now_utc(),
    )
    drawn = execution_picture(slots, title=f"Planned and executed, {site.name}", time_zone=site.time_zone)
    return dg.MaterializeResult(
        metadata={
            "quarter_hours": len({slot.start_utc for slot in slots}),
            "off_plan_kwh": off_plan(slots),
            "not_shown": sum(slot.executed_kwh is None for slot in slots),
            "suggestions": "\n".join(each.sentence for each in advised) or "nothing was set by hand again and again",
            "slots": table(_EXECUTED, [_executed_row(slot) for slot in reversed(slots)], limit=200),
            **({"picture": embedded(drawn, title=f"Planned and executed, {site.name}")} if slots else {}),
        }
    )


def _execution(project: ProjectResource, clock: Clock, site_id: str) -> tuple[Executed, ...]:
    site, now = project.site(site_id), clock.now_utc()
    start_utc = quarter_start(now) - timedelta(days=1)
    return execution_of(
        site,
        lake=project.lake,
        plans=project.plans,
        ledger=read_commands(project.store, site_id),
        start_utc=start_utc,
        until_utc=now,
    )


def _executed_row(slot: Executed) -> list[object]:
    evidence = "none" if slot.evidence is None else f"{int(slot.evidence)} {slot.evidence.name.lower()}"
    sent, read = (
        ", ".join(f"{name} {value:g}" for name, value in values.items()) for values in (slot.set_points, slot.read_back)
    )
    states = ", ".join(dict.fromkeys(slot.states)) or "no command"
    energies = (slot.planned_kwh, slot.executed_kwh)
    return [f"{slot.start_utc:%Y-%m-%d %H:%MZ}", slot.device_id, sent, read, states, evidence, *energies, slot.shown_by]


@dg.asset_check(asset="core_site__execution", blocking=False)
def plans_are_followed(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
    """No device was further off its plans of the last 24 hours than losses and meters explain."""
    found = {
        f"{site_id} {name}": kwh
        for site_id in sorted(project.sites)
        for name, kwh in off_plan(_execution(project, clock, site_id)).items()
    }
    return dg.AssetCheckResult(passed=not found, severity=dg.AssetCheckSeverity.WARN, metadata={"off_plan_kwh": found})


@dg.asset_check(asset="core_site__execution", blocking=False)
def plans_are_renewed(project: ProjectResource, clock: dg.ResourceParam[Clock]) -> dg.AssetCheckResult:
    """No site with a plan is left to safe values because nobody planned it anew; one whose devices are gone is over."""
    planned = [name for name, site in sorted(project.sites.items()) if any(one.kind in KINDS for one in site.assets)]
    plans = map(project.plans.latest, planned)
    late = [found.message for plan in plans if plan and (found := not_renewed(plan, clock.now_utc()))]
    return dg.AssetCheckResult(passed=not late, severity=dg.AssetCheckSeverity.WARN, metadata={"late": "; ".join(late)})
