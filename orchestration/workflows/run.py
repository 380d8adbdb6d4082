"""Instances of workflows: seen, held until they are due, and their steps done, each once whatever is killed when.

The id of an instance is that of its trigger; ids of its order and its notices are made of it. A step and the row that
says so are one transaction.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from assets.stores.ledgers.work_orders import WorkflowInstances
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model_faults import did_you_mean
from data_quality.contracts.people import Person
from data_quality.contracts.quick_yaml import read_model
from data_quality.contracts.time import Clock
from data_quality.contracts.workflow import (
    ENDED,
    AnomalyOpen,
    ApprovalStep,
    Daily,
    EscalateStep,
    Instance,
    InstanceState,
    StepResult,
    Workflow,
    instance_id_of,
)
from orchestration.workflows.steps import do, of, order_of, prepared, subject_of
from orchestration.workflows.triggers import At, fresh, subjects_of

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


def due(project: "OpenProject", clock: Clock) -> Iterator[tuple[At, Instance]]:
    """Every instance of every enabled workflow and site that has a step to do now."""
    for workflow in workflows_of(project).values():
        for site in project.sites.values() if workflow.enabled else ():
            if not workflow.sites or site.site_id in workflow.sites:
                at = At(project, workflow, site, clock)
                yield from ((at, each) for each in look(at))


def look(at: At, *, by: Person | None = None) -> list[Instance]:
    """Record what meets the trigger now, and what no longer does. Returns the instances that have a step to do.

    by: who asks for it by hand: nothing is held then, and nothing is too old.
    """
    ledger, workflow, site = WorkflowInstances(at.project.store), at.workflow, at.site
    is_daily, now_utc = isinstance(workflow.trigger, Daily), at.clock.now_utc()
    subjects = subjects_of(workflow, at.project, site, now_utc, with_old=by is not None)
    known = ledger.current(site.site_id, workflow.name)
    if is_daily:
        subjects = fresh(subjects, [each.subject for each in known])
    steps = tuple(StepResult(name=each.name, step=each.step) for each in workflow.ordered())
    seen = [
        Instance(
            instance_id=instance_id_of(workflow.name, site.site_id, each.name), workflow=workflow.name,
            site_id=site.site_id, subject=each.name, state="watching", steps=steps,
            person_id=by.person_id if by is not None else "",
        )
        for each in subjects
    ]  # fmt: skip
    begun = {each.instance_id: each for each in [*known, *ledger.begin(seen, at.clock)]}
    here = {each.instance_id for each in seen}
    for name, each in begun.items():
        if each.state == "watching" and name not in here and not is_daily:
            begun[name] = ledger.put(each.model_copy(update={"state": "lapsed"}), at.clock)
    return [
        each
        for each in begun.values()
        if _is_due(at.project.store, each, workflow, now_utc, is_requested=by is not None)
    ]


def _is_due(store: Store, instance: Instance, workflow: Workflow, now_utc: datetime, *, is_requested: bool) -> bool:
    """True where it goes on and has waited for as long as its trigger says since it was first seen; one that asks
    a person, or waits for a task, has a step to do again once that was not done in time, or the task has ended.
    """
    seen_utc, trigger = instance.recorded_at_utc, workflow.trigger
    if instance.state == "asked" and seen_utc is not None:
        asking = next((each for each in workflow.steps if of(instance, each).state == "asked"), None)
        return not isinstance(asking, ApprovalStep) or now_utc - seen_utc > timedelta(hours=asking.within_hours)
    waiting = next((each for each in workflow.steps if of(instance, each).state == "waiting"), None)
    if isinstance(waiting, EscalateStep) and seen_utc is not None:
        return now_utc - seen_utc > timedelta(hours=waiting.hours) or not order_of(store, instance).is_open
    if instance.state != "watching" or is_requested or not isinstance(trigger, AnomalyOpen) or seen_utc is None:
        return instance.state not in ENDED
    # The store's clock may be some microseconds ahead.
    return not trigger.minutes or now_utc - seen_utc >= timedelta(minutes=trigger.minutes)


def advance(at: At, instance: Instance) -> Instance:
    """Do the steps that are left, each in a transaction of its own, until one waits for a person."""
    ledger, subject = WorkflowInstances(at.project.store), subject_of(at, instance)
    for step in at.workflow.ordered():
        # Long work is before the transaction, and the same when it is repeated.
        made = prepared(at, step, subject) if of(instance, step).state != "done" else None
        with at.project.store.together():
            # As it stands: another process may have done the step meanwhile.
            instance = ledger.named(instance.instance_id)
            if instance.state in ENDED:
                return instance
            before = of(instance, step)
            if before.state == "done":
                continue
            done, order_id = (made, "") if made is not None else do(at, step, instance, subject)
            if done != before:
                instance = ledger.put(_after(instance, done, order_id), at.clock)
        if instance.state in ("asked", "refused") or done.state == "waiting":
            break
    return instance


def decide(
    project: "OpenProject", instance: Instance, clock: Clock, *, person: Person, reason: str, is_approved: bool
) -> Instance:
    """Record the answer to an instance that asks. Raises BadInput for one that asks nothing or no longer, a person
    without the role, who ran it (own_work), and an answer without reason.
    """
    at = At(project, workflow_named(project, instance.workflow), project.site(instance.site_id), clock)
    # Silence for too long was a no already.
    instance = advance(at, instance)
    asking = [
        each for each in at.workflow.steps if isinstance(each, ApprovalStep) and of(instance, each).state == "asked"
    ]
    if instance.state != "asked" or not asking:
        raise BadInput(f"instance {instance.instance_id} is {instance.state} and asks nobody", reason="not_asked")
    roles = asking[0].roles[: of(instance, asking[0]).level + 1]
    if not set(roles) & set(person.roles):
        person.must_be(roles[-1])
    if person.person_id == instance.person_id:
        raise BadInput(f"{person.name} ran this workflow: another person approves it", reason="own_work")
    if not reason.strip():
        raise BadInput("an approval has a reason", reason="no_reason")
    word = "approved" if is_approved else "refused"
    done = of(instance, asking[0]).model_copy(
        update={"state": "done" if is_approved else "refused", "told": f"{word} by {person.person_id}"}
    )
    act = {"person_id": person.person_id, "reason": reason.strip()}
    with project.store.together():
        ledger = WorkflowInstances(project.store)
        if ledger.named(instance.instance_id) != instance:
            raise BadInput("somebody answered it a moment ago", reason="changed_since")
        ledger.put(_after(instance, done).model_copy(update=act), clock)
    return advance(at, instance)


def _after(instance: Instance, done: StepResult, order_id: str = "") -> Instance:
    """The instance after a step; a step that the definition has only since it began is added."""
    others = [each for each in instance.steps if each.name != done.name]
    place = next((at for at, each in enumerate(instance.steps) if each.name == done.name), len(others))
    steps = (*others[:place], done, *others[place:])
    state: InstanceState = "done" if all(each.state == "done" for each in steps) else "running"
    if done.state in ("asked", "refused"):
        state = "asked" if done.state == "asked" else "refused"
    return instance.model_copy(update={"steps": steps, "state": state, "order_id": order_id or instance.order_id})


SHIPPED = Path(__file__).parent
_FOLDER = "workflows"


def workflows_of(project: "OpenProject") -> dict[str, Workflow]:
    """By name. Raises BadInput: a file that cannot be read, whose name is not its workflow's, or that names a site or
    a person that there is not.
    """
    found = {}
    own = project.project.root / _FOLDER
    for path in (*sorted(SHIPPED.glob("*.yaml")), *sorted(own.glob("*.yaml"))):
        workflow = read_model(path, Workflow)
        if workflow.name != path.stem:
            raise BadInput(f"the workflow is called {workflow.name!r}, and its file is not", file=str(path))
        if path.parent == own:
            _expect_known(workflow, project, path)
        found[workflow.name] = workflow
    return found


def workflow_named(project: "OpenProject", name: str) -> Workflow:
    """One of them. Raises BadInput (no_workflow)."""
    known = workflows_of(project)
    if name not in known:
        mend = did_you_mean(name, list(known)) or "meterloom workflows list shows them"
        raise BadInput(f"there is no workflow {name!r}", reason="no_workflow", mend=mend)
    return known[name]


def _expect_known(workflow: Workflow, project: "OpenProject", path: Path) -> None:
    people = [name for step in workflow.steps if step.step == "notify" for name in step.people]
    for kind, names, known in (("site", workflow.sites, project.sites), ("person", people, project.people.names)):
        unknown = next((each for each in names if each not in known), None)
        if unknown is not None:
            mend = did_you_mean(unknown, list(known))
            message = f"workflow {workflow.name} names the {kind} {unknown!r}, which there is not"
            raise BadInput(message, file=str(path), mend=mend)
