"""Approvals that workflows of a site wait for, as pages show them to a person."""

from typing import TYPE_CHECKING

from assets.stores.ledgers.workflow_instances import WorkflowInstances
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.sentence import Sentence, sentences
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.workflow import ApprovalStep, Instance
from orchestration.workflows.run import workflows_of
from reports.pages.approvals import Asked
from reports.texts.locales import named

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject


def asked_of(project: "OpenProject", site: Site, person: Person) -> list[Asked]:
    """Everything that waits, the oldest first. A workflow whose file is gone waits for nobody."""
    waiting = [each for each in WorkflowInstances(project.store).standing(site.site_id) if each.state == "asked"]
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
                Asked(
                    instance_id=each.instance_id, site_id=site.site_id, title=workflow.title, told=_told(each),
                    roles=names, refusal=_refusal(each, person, names, has_role=bool(set(roles) & set(person.roles))),
                )
            )  # fmt: skip
    return found


def _told(instance: Instance) -> str:
    return sentences((named(instance.subject), *(each.sentence for each in instance.steps)))


def _refusal(instance: Instance, person: Person, roles: str, *, has_role: bool) -> str:
    if instance.person_id == person.person_id:
        return Sentence("You ran this workflow: another person approves it.")
    return "" if has_role else Sentence("It waits for the role {0}.", roles)
