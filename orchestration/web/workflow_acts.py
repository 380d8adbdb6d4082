"""Answers to workflows that ask for an approval, over pages and API: the operation of the command, each once."""

from assets.stores.ledgers.workflow_instances import WorkflowInstances
from data_quality.contracts.errors import BadInput
from data_quality.contracts.workflow import Instance
from orchestration.web.problems import led_on
from orchestration.web.queries import whole_site
from orchestration.web.request_context import Ask
from orchestration.workflows.run import decide

WAY_ON = {
    "own_work": "Another person with that role signs in and answers.",
    "not_asked": "Open Tasks again: it shows what waits now.",
    "no_reason": "Go back and write a reason.",
}


def answered(ask: Ask, instance_id: str, *, reason: str, is_approved: bool) -> Instance:
    """The instance after a person's answer; after the same answer once more, as it stands.

    Raises BadInput: no_instance at the site, and as `decide`.
    """
    site = whole_site(ask)
    standing = WorkflowInstances(ask.project.store).standing(site.site_id)
    found = next((each for each in standing if each.instance_id == instance_id), None)
    if found is None:
        raise BadInput(f"site {site.site_id} has no instance {instance_id[:20]!r}", reason="no_instance")
    mine = f"{'approved' if is_approved else 'refused'} by {ask.person.person_id}"
    if found.state != "asked" and any(each.told == mine for each in found.steps):
        return found
    with led_on(WAY_ON):
        return decide(ask.project, found, ask.clock, person=ask.person, reason=reason, is_approved=is_approved)
