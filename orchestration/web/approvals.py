"""Approvals that workflows of a site wait for, as pages show them to a person, and answers to them, each once."""

from typing import TYPE_CHECKING

from assets.stores.ledgers.work_orders import WorkflowInstances
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.workflow import ApprovalStep, Instance
from orchestration.web.problems import with_remedies
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Context
from orchestration.workflows.run import decide, workflows_of
from reports.pages.tasks import WaitingApproval
from reports.texts.locales import named

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

REMEDIES = {
    "own_work": "Another person with that role signs in and answers.",
    "not_asked": "Open Tasks again: it shows what waits now.",
    "no_reason": "Go back and write a reason.",
}


def approvals_waiting(project: "OpenProject", site: Site, person: Person) -> list[WaitingApproval]:
    """Everything that waits, the oldest first. A workflow whose file is gone waits for nobody."""
    waiting = [each for each in WorkflowInstances(project.store).current(site.site_id) if each.state == "asked"]
    if not waiting:
        return []
    try:
        known = workflows_of(project)
    except BadInput:
        return []
    found = []
    for each in waiting:
        if (workflow := known.get(each.workflow)) is not None:
            places = {one.name: one.level for one in each.steps if one.state == "asked"}
            steps = [one for one in workflow.steps if isinstance(one, ApprovalStep) and one.name in places]
            roles = [role for one in steps[:1] for role in one.roles[: places[one.name] + 1]]
            names = sentences([Sentence(role.value) for role in roles], ", ")
            found.append(
                WaitingApproval(
                    instance_id=each.instance_id, site_id=site.site_id, title=workflow.title, summary=_course(each),
                    roles=names, refusal=_refusal(each, person, names, has_role=bool(set(roles) & set(person.roles))),
                )
            )  # fmt: skip
    return found


def _course(instance: Instance) -> str:
    return sentences((named(instance.subject), *(each.sentence for each in instance.steps)))


def _refusal(instance: Instance, person: Person, roles: str, *, has_role: bool) -> str:
    if instance.person_id == person.person_id:
        return Sentence("You ran this workflow: another person approves it.")
    return "" if has_role else Sentence("It waits for the role {0}.", roles)


def answered(ctx: Context, instance_id: str, *, reason: str, is_approved: bool) -> Instance:
    """The instance after a person's answer; after the same answer once more, as it stands.

    Raises BadInput: no_instance at the site, and as `decide`.
    """
    site = whole_site(ctx)
    standing = WorkflowInstances(ctx.project.store).current(site.site_id)
    found = next((each for each in standing if each.instance_id == instance_id), None)
    if found is None:
        raise BadInput(f"site {site.site_id} has no instance {instance_id[:20]!r}", reason="no_instance")
    mine = f"{'approved' if is_approved else 'refused'} by {ctx.person.person_id}"
    if found.state != "asked" and any(each.told == mine for each in found.steps):
        return found
    with with_remedies(REMEDIES):
        return decide(ctx.project, found, ctx.clock, person=ctx.person, reason=reason, is_approved=is_approved)
