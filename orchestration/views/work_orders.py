"""Work orders as pages, commands and notices show them, and what people do with one: by permission, name and reason."""

import csv
import io
from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from assets.stores.ledgers.work_orders import WorkOrders
from assets.stores.published.event_figures import figures_quoting
from data_quality.contracts.access.permissions import Permission, expect, sees_site, sees_whole_site
from data_quality.contracts.errors import BadInput
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.open_finding import OpenFinding
from data_quality.contracts.reporting.work_order import PRIORITIES, OrderState, Priority, WorkOrder
from data_quality.contracts.sentence import Sentence, parts_of
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, zone
from orchestration.views.open_findings import FindingStatus
from reports.pages.energy import defused
from reports.pages.tasks import Task, in_letters, title_text
from reports.texts.locales import moment

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject

SOURCE = "tasks"
COLUMNS = (
    "id", "site", "priority", "state", "title", "due", "assignee", "source_kind", "source", "figure_ids", "person",
    "reason", "recorded_at_utc",
)  # fmt: skip


def row(order: WorkOrder) -> dict[str, Any]:
    """An order by the keys of its JSON and CSV."""
    values = (
        order.order_id, order.site_id, order.priority, order.state, order.title, order.due, order.assignee,
        order.source_kind, order.source_id, list(order.figure_ids), order.person_id, order.reason,
        order.recorded_at_utc,
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def priority_of(text: str) -> Priority:
    """The priority of an option or a field. Raises BadInput."""
    found = next((each for each in PRIORITIES if each == text.upper()), None)
    if found is None:
        raise BadInput(f"priority: expected one of {', '.join(PRIORITIES)}, got {text[:20]!r}", reason="bad_request")
    return found


def create(
    project: "OpenProject",
    site: Site,
    clock: Clock,
    *,
    person: Person,
    title: str,
    priority: Priority,
    reason: str,
    finding_id: str = "",
    recommendation: str = "",
    due: date | None = None,
    assignee: str = "",
) -> WorkOrder:
    """Record an order, of the finding or the recommendation that is named, if one is. Raises BadInput for who may not,
    for an order without title or reason, and an assignee who does not see the site. title: a person's, or a sentence
    that stays one for who reads it.
    """
    expect(person, Permission.ANOMALY_UPDATE)
    is_ours = isinstance(title, Sentence)
    if not title.strip() or not reason.strip() or (len(title) > 200 and not is_ours):
        raise BadInput("a work order has a title of at most 200 letters and a reason", reason="no_title")
    if (finding_id and recommendation) or len(recommendation) > 64:
        raise BadInput(
            "a work order is of a finding or of a recommendation of at most 64 letters", reason="bad_request"
        )
    quoted = figures_quoting(project.store, site.site_id).get(finding_id, []) if finding_id else []
    wanted = WorkOrder(
        order_id="", site_id=site.site_id, title=in_letters(title, site.locale).strip() if is_ours else title.strip(),
        title_parts=parts_of(title) if is_ours else None, priority=priority, due=due,
        assignee=_known(project, site, assignee),
        source_kind="finding" if finding_id else "recommendation" if recommendation else "",
        source_id=finding_id or recommendation, figure_ids=tuple(quoted),
        person_id=person.person_id, reason=reason.strip(),
    )  # fmt: skip
    return WorkOrders(project.store).create(wanted, clock)


def move(
    project: "OpenProject",
    order: WorkOrder,
    state: OrderState,
    clock: Clock,
    *,
    person: Person,
    reason: str,
    assignee: str = "",
    due: date | None = None,
    seen: str | None = None,
) -> WorkOrder:
    """Assign or end an order. Raises BadInput as the store does, for who may not, and for an unknown assignee."""
    expect(person, Permission.ANOMALY_UPDATE)
    if state == "assigned" and not assignee:
        raise BadInput("a work order is assigned to a person", reason="no_assignee")
    known = _known(project, project.site(order.site_id), assignee)
    return WorkOrders(project.store).move(
        order, state, person_id=person.person_id, reason=reason, clock=clock, assignee=known, due=due, seen=seen
    )


def tasks_of(
    project: "OpenProject", site: Site, finding_id: str = "", *, as_of_utc: datetime | None = None
) -> list[Task]:
    """Orders of a site as pages show them, or those that were made of a finding."""
    known = WorkOrders(project.store).current(site.site_id, as_of_utc=as_of_utc)
    return [task_of(project, site, each) for each in known if finding_id in ("", each.source_id)]


def task_of(project: "OpenProject", site: Site, order: WorkOrder, locale: str = "en") -> Task:
    """An order with names and the site's clock, as people of the locale write it."""
    at_utc, names = order.recorded_at_utc, project.names
    return Task(
        order=order, who=names.get(order.assignee, order.assignee), by=names.get(order.person_id, order.person_id),
        at="" if at_utc is None else moment(at_utc.astimezone(zone(site.time_zone)), locale),
    )  # fmt: skip


def people_of(project: "OpenProject", site: Site) -> dict[str, str]:
    """People who may be given an order of a site: names by id."""
    found = (each for each in project.people.people if sees_site(each, site.site_id) and sees_whole_site(each))
    return {each.person_id: each.name for each in found}


def orders_csv(orders: Iterable[WorkOrder]) -> str:
    """Orders as CSV, a line each; a text that a spreadsheet would compute begins with an apostrophe."""
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(COLUMNS)
    for each in orders:
        fields = row(each) | {"figure_ids": " ".join(each.figure_ids)}
        fields["recorded_at_utc"] = each.recorded_at_utc and f"{each.recorded_at_utc:%Y-%m-%dT%H:%M:%SZ}"
        lines.writerow([defused(value) if isinstance(value, str) else value for value in fields.values()])
    return out.getvalue()


def orders_to_notify(
    project: "OpenProject", site: Site, person_id: str, notified: Collection[str]
) -> list[tuple[FindingStatus, str]]:
    """Open orders for the notices of a person, each with the name of its case.

    Their own, and those that nobody has who is told of anything; an order that is given to another is another case.
    """
    return [
        (
            FindingStatus(
                OpenFinding(
                    site_id=site.site_id, source=SOURCE, cause=each.order_id, severity=each.severity,
                    stored_id=each.order_id, what=Sentence("Task {0}: {1}", each.priority, title_text(each)),
                ),
                "open",
                None,
            ),
            f"{each.state}.{each.assignee}",
        )
        for each in WorkOrders(project.store).current(site.site_id)
        if each.is_open and (each.assignee == person_id or each.assignee not in notified)
    ]  # fmt: skip


def _known(project: "OpenProject", site: Site, assignee: str) -> str:
    if assignee and not sees_site(project.people.known(assignee), site.site_id):
        raise BadInput(f"{assignee} does not see the site {site.site_id}", reason="unknown_person")
    return assignee
