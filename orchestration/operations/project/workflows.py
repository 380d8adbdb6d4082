"""`meterloom workflows`: definitions with their next time, instances with their steps, runs by hand, approvals."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from assets.stores.ledgers.work_orders import WorkflowInstances
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.time import zone
from data_quality.contracts.workflow import Daily, Instance, Workflow
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, PROJECT, Argument, Call, Option, operation
from orchestration.operations.options import OnlySiteOption, ReasonOption, SiteOption
from orchestration.workflows.run import advance, decide, look, workflow_named, workflows_of
from orchestration.workflows.triggers import At

WORKFLOWS = Table(
    "workflows", "name | enabled | trigger | last run: {last_run:|-} | next: {next_due:|-}",
)  # fmt: skip
INSTANCES = Table(
    "instances",
    "id | workflow | site | subject | state | steps: {step_states} | order: {order:|-}",
    empty="it has not run",
    step_states=lambda each: ", ".join(f"{one['name']} {one['state']}" for one in each["steps"]),
)
NameArgument = Annotated[str, Argument("Of a workflow.", metavar="NAME")]


@operation("workflows list", takes=PROJECT, example="--project demo")
def workflows_list(call: Call) -> Answer:
    """List workflows: what sets each off, when one ran last, and when a daily one is next due."""
    return Answer({"workflows": [_row(call, each) for each in workflows_of(call.project).values()]}, WORKFLOWS)


@operation("workflows show", takes=PROJECT, example="anomaly_response")
def workflows_show(
    call: Call,
    name: NameArgument,
    site: OnlySiteOption = None,
    most: Annotated[int, Option("The newest so many instances.", min=1, max=10_000)] = 50,
) -> Answer:
    """Show a workflow with its newest instances and their steps."""
    workflow = workflow_named(call.project, name)
    found = WorkflowInstances(call.project.store).current(site, workflow=name)[::-1][:most]
    steps = [each.model_dump() for each in workflow.ordered()]
    result = {"workflows": [_row(call, workflow)], "steps": steps, "instances": [instance_row(each) for each in found]}
    return Answer(result, INSTANCES, f"{workflow.name}: {workflow.trigger}")


@operation("workflows run", takes=ACTS, example="daily_digest --site factory --as carla")
def workflows_run(call: Call, name: NameArgument, site: SiteOption) -> Answer:
    """Run a workflow now for what meets its trigger at a site, without waiting. What ran runs no second time."""
    person = call.known_person()
    expect(person, Permission.ANOMALY_UPDATE)
    at = At(call.project, workflow_named(call.project, name), call.project.site(site), call.clock)
    done = [advance(at, each) for each in look(at, by=person)]
    text = f"{len(done)} run" if done else "nothing meets its trigger that it did not run for"
    return Answer({"instances": [instance_row(each) for each in done]}, INSTANCES if done else None, text)


@operation("workflows approve", takes=ACTS, example='3f2a9c --as dirk --reason "seen"')
def workflows_approve(
    call: Call,
    instance: Annotated[str, Argument("Of an instance, or how its id starts.", metavar="ID")],
    reason: ReasonOption,
    refuse: Annotated[bool, Option("Say no.")] = False,
) -> Answer:
    """Answer an instance that asks for an approval: another person than who ran it, with the role that it asks for."""
    found = WorkflowInstances(call.project.store).named(instance)
    made = decide(
        call.project, found, call.clock, person=call.known_person(), reason=reason, is_approved=not refuse
    )  # fmt: skip
    return Answer({"instances": [instance_row(made)]}, INSTANCES)


def _row(call: Call, workflow: Workflow) -> dict[str, Any]:
    """A workflow in JSON."""
    runs = [
        each
        for each in WorkflowInstances(call.project.store).current(workflow=workflow.name)
        if each.state != "watching"
    ]
    last = max((each.recorded_at_utc for each in runs if each.recorded_at_utc), default=None)
    return {
        "name": workflow.name, "title": workflow.title, "trigger": str(workflow.trigger), "enabled": workflow.enabled,
        "last_run": last, "next_due": _next(call, workflow),
    }  # fmt: skip


def _next(call: Call, workflow: Workflow) -> datetime | None:
    """Next due instant of a daily workflow at the first of its sites; None for one that waits for an event."""
    zones = [
        each.time_zone for name, each in call.project.sites.items() if not workflow.sites or name in workflow.sites
    ]
    if not isinstance(workflow.trigger, Daily) or not workflow.enabled:
        return None
    now_utc, found = call.clock.now_utc(), []
    for each in map(zone, zones):
        today = now_utc.astimezone(each).date()
        times = [datetime.combine(today + timedelta(days=ahead), workflow.trigger.at, each) for ahead in (0, 1)]
        found.append(next(time.astimezone(now_utc.tzinfo) for time in times if time > now_utc))
    return min(found, default=None)


def instance_row(instance: Instance) -> dict[str, Any]:
    """An instance in JSON."""
    return {
        "id": instance.instance_id, "workflow": instance.workflow, "site": instance.site_id,
        "subject": instance.subject, "state": instance.state, "steps": [each.model_dump() for each in instance.steps],
        "order": instance.order_id or None, "person": instance.person_id, "reason": instance.reason,
        "recorded_at_utc": instance.recorded_at_utc,
    }  # fmt: skip
