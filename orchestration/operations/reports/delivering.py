"""Delivers published revisions of a project: what `meterloom reports deliver` and the delivery schedule do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from data_quality.contracts.errors import BadInput

if TYPE_CHECKING:
    from assets.stores.published.deliveries import Delivery
    from assets.stores.published.report_ledger import Revision
    from orchestration.notices.courier import Courier, Parcel
    from orchestration.operations.operation import Call

PUBLISHED_FOLDER = "published"


def deliver_revision(call: "Call", revision: str, channels: Sequence[str] | None) -> "list[Delivery]":
    """Ask for the delivery of a published revision, and try.

    Raises BadInput for one that is not published, and for an unknown channel.
    """
    from orchestration.notices.courier import CHANNELS
    from reports.lifecycle.changes import parse_revision

    chosen = parse_revision(revision, call.project.reports)
    courier, parcel = courier_of(call), parcel_of(call, chosen)
    unknown = [each for each in channels or () if each not in CHANNELS]
    if unknown:
        raise BadInput(f"unknown channel {unknown[0]!r}; there are {', '.join(CHANNELS)}", reason="unknown_channel")
    deliveries = courier.ask(parcel, [each for each in CHANNELS if not channels or each in channels])
    # Asked for in full before the first is tried: what a crash leaves waits in the outbox.
    return [courier.send(each, parcel) for each in deliveries]


def deliver_waiting(call: "Call") -> "list[Delivery]":
    """Try again everything that was asked for and is not sent; of reports to OpenADR servers none that was refused.

    Raises BadInput (already_running) where these are being pushed at this moment; the others were tried then.
    """
    from assets.stores.published.deliveries import OPENADR
    from orchestration.operations.exports.openadr_push import send_waiting

    courier, reports = courier_of(call), call.project.reports
    # Published reports first: a push that is under way holds up the others alone.
    return [
        courier.send(each, parcel_of(call, reports.get(each.report_id, each.revision)))
        for each in courier.outbox.waiting()
        if each.channel != OPENADR
    ] + send_waiting(call)


def courier_of(call: "Call") -> "Courier":
    """The project's courier."""
    from assets.stores.published.deliveries import DeliveryStore
    from orchestration.notices.courier import Courier

    project = call.project
    return Courier(
        settings=project.project.settings.delivery,
        root=project.project.root,
        outbox=DeliveryStore(project.store),
        clock=call.clock,
    )


def parcel_of(call: "Call", revision: "Revision") -> "Parcel":
    """The published files of a revision, rendered again: the same bytes as when they were published."""
    from assets.stores.published.publications import PUBLISHED_SYNTHETIC, PublicationStore
    from orchestration.notices.courier import Parcel
    from reports.evidence.lifecycle import life_at
    from reports.lifecycle.revise import stored_content
    from reports.make_report import render_now

    project = call.project
    name = f"{revision.report_id}@{revision.revision}"
    life = life_at(PublicationStore(project.store), revision.report_id, revision.revision, project.names)
    if life.published is None or life.withdrawn is not None:
        raise BadInput(f"{name} is {life.status}; only what is published is delivered", reason="not_published")
    stored = stored_content(project.reports, revision.report_id, revision.revision)
    folder = project.project.reports_dir / PUBLISHED_FOLDER
    content, files = render_now(stored, project.reports, folder, ("pdf", "xlsx"), call.clock, project.names)
    title = f"{content.title}, {content.site_name}, {content.period}"
    mark = " (simulated readings)" if life.status == PUBLISHED_SYNTHETIC else ""
    return Parcel(revision.report_id, revision.revision, title + mark, tuple(files.values()))
