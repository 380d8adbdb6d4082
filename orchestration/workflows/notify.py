"""Notices of workflows: to whom a step speaks, over which of their channels, through the one outbox."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from data_quality.contracts.access.permissions import sees_site
from data_quality.contracts.reporting.notice import Notice, id_of
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.workflow import Instance, NotifyStep
from orchestration.notices.choices import choices_of, may_be_told
from orchestration.notices.decide import quiet_end
from reports.pages.tasks import PATH
from reports.texts.locales import page_word

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SOURCE = "workflows"


def notices_to(
    project: "OpenProject",
    site: Site,
    step: NotifyStep,
    instance: Instance,
    worded: Callable[[str], str],
    now_utc: datetime,
    *,
    severity: Severity,
) -> list[Notice]:
    """Notices of a step, one a channel of each person whom it names, by id or role, and who sees the site.

    A workflow names its people, so their severity limit does not count; a list of sources does, and quiet hours do.
    """
    made = []
    for person in project.people.people:
        is_named = person.person_id in step.people or set(step.roles) & set(person.roles)
        if not is_named or not may_be_told(person) or not sees_site(person, site.site_id):
            continue
        choices = choices_of(project.store, person.person_id)
        text = page_word(worded(choices.locale), choices.locale) if choices.ways else ""
        held_utc = quiet_end(choices.quiet, site.time_zone, now_utc) if severity > 1 else None
        for way in choices.ways:
            if way.sources and SOURCE not in way.sources:
                continue
            made.append(
                Notice(
                    notice_id=id_of(instance.instance_id, step.name, person.person_id, way.channel, way.address),
                    person_id=person.person_id, site_id=site.site_id, finding_id=instance.instance_id,
                    channel=way.channel, address=way.address, severity=severity, text=text,
                    cause=f"{site.site_id} {SOURCE} {instance.workflow}", per_hour=choices.per_hour,
                    link=f"{project.project.settings.server.web_url}{PATH}?site={site.site_id}",
                    next_utc=held_utc or now_utc, kind="workflow",
                )
            )  # fmt: skip
    return made
