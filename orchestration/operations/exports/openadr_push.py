"""OpenADR reports in the outbox of deliveries: asked for in a person's name, sent to the site's server, answered.

What is sent stands as a file of its digest beside the rows, so that what waits goes out as it was asked for.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from assets.stores.published.deliveries import OPENADR, Delivery, DeliveryStore
from assets.stores.whole_file import write_whole
from controls.programmes.openadr3 import Body, Report
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput, Unreachable
from data_quality.contracts.reporting.notice import id_of
from data_quality.contracts.site_file.live_source import SignalSource
from data_quality.contracts.site_file.site import Site
from orchestration.instance.start_lock import taken
from orchestration.operations.signing import Actor, actor

if TYPE_CHECKING:
    from controls.programmes.vtn_client import VtnClient
    from orchestration.operations.operation import Call

_LONGEST_NAME = 128


class Packet(Body):
    """A report, and the server that it is for."""

    site_id: str
    source_id: str
    report: Report


def server_of(site: Site, source_id: str | None) -> SignalSource:
    """The site's OpenADR 3 server: the one of that id, or its only one. Raises BadInput (no_source)."""
    there = {each.source_id: each for each in site.signal_sources if isinstance(each, SignalSource)}
    if not there:
        raise BadInput(
            f"site {site.site_id} takes part in no programme of an OpenADR 3 server, so nobody takes its reports",
            reason="no_source", mend="add signal_sources to its file",
        )  # fmt: skip
    if source_id is None and len(there) == 1:
        return next(iter(there.values()))
    if source_id not in there:
        known = ", ".join(there)
        reason = "name one of its servers" if source_id is None else f"{source_id!r} is none of its servers"
        raise BadInput(f"site {site.site_id}: {reason} by --source: {known}", reason="no_source")
    return there[source_id]


def refuse_synthetic(call: "Call", site: Site, source: SignalSource, span: tuple[datetime, datetime]) -> None:
    """Raises BadInput (synthetic) where made-up readings would go to a real server: OpenADR has no word for them."""
    from assets.sites.view import site_readings

    if source.is_synthetic:
        return
    rows = site_readings(call.project.lake, site, start_utc=span[0], end_utc=span[1], as_of_utc=call.as_of_utc)
    count = int(rows["is_synthetic"].sum())
    if count or site.is_simulated:
        why = f"{count:,} of its readings there are synthetic" if count else "it is simulated"
        raise BadInput(
            f"site {site.site_id}: {why}, and {source.source_id} is a real server: OpenADR has no word for synthetic",
            reason="synthetic",
        )


def push_reports(call: "Call", site: Site, source: SignalSource, made: Sequence[tuple[str, Report]]) -> list[Delivery]:
    """Ask in the name of --as that reports, each under its name, are sent, and try. What is sent already is not sent
    again; one whose content changed is a new revision. Raises BadInput (nobody_acts, missing_role, no_secret,
    already_running).
    """
    from orchestration.operations.demand_response.dr_listen import vtn_client

    who = actor(call)
    expect(who.person, Permission.DR_EXECUTE)
    client = vtn_client(source, for_reports=True)
    with taken(call.places, "push"):
        # Asked for in full before the first is tried: what a crash leaves waits in the outbox.
        queued = [_ask(call, who, source, name, Packet(site_id=site.site_id, source_id=source.source_id, report=report))
                 for name, report in made]  # fmt: skip
        return _sent(call, queued, {(site.site_id, source.source_id): client})


def send_waiting(call: "Call") -> list[Delivery]:
    """Try again those that wait; none that was refused. Raises BadInput (already_running) beside another push."""
    outbox = DeliveryStore(call.project.store)

    def waiting() -> list[Delivery]:
        return [each for each in outbox.waiting() if each.channel == OPENADR and each.state == "pending"]

    if not waiting():
        return []
    with taken(call.places, "push"):
        # Asked for again: what another push has sent meanwhile waits no more.
        return _sent(call, waiting(), {})


def _ask(call: "Call", who: Actor, source: SignalSource, name: str, packet: Packet) -> Delivery:
    """The delivery of a report as it stands, with a new row and the person's signature where there was none."""
    content = packet.model_dump_json(by_alias=True, exclude_none=True).encode()
    name = name if len(name) <= _LONGEST_NAME else f"{name[:95]}/{id_of(name)}"
    target = _target(source, packet.site_id)
    outbox = DeliveryStore(call.project.store)
    with call.project.store.together():
        before = [each for each in outbox.deliveries(name) if (each.channel, each.target) == (OPENADR, target)]
        if before and before[-1].delivery_id == _id(before[-1], content):
            return before[-1]
        number = len(before) + 1
        for each in before:
            if each.state == "pending":
                outbox.record(each.delivery_id, "failed", f"revision {number} takes its place", call.clock)
        new = Delivery(delivery_id="", channel=OPENADR, target=target, report_id=name, revision=number)
        new = new.model_copy(update={"delivery_id": _id(new, content)})
        write_whole(_file(call, new), content)
        outbox.request(new, call.clock)
        facts = {"delivery_id": new.delivery_id, "target": target, "sha256": sha256(content).hexdigest()}
        who.sign("export openadr", f"{name}@{number}", **facts)
    return new


def _sent(call: "Call", queued: Sequence[Delivery], open_clients: "dict[tuple[str, str], VtnClient]") -> list[Delivery]:
    """Try those that are not sent. One that the server refuses has failed; a server that is away leaves its own as
    they are. open_clients: by site and source; those that are opened here come to them.
    """
    outbox, away, found = DeliveryStore(call.project.store), set[str](), list[Delivery]()
    for each in queued:
        state = each
        if each.state != "sent" and each.target not in away:
            try:
                packet = _packet(call, each)
                answer = _client(call, each, packet, open_clients).bring_report(packet.report)
                state = outbox.record(each.delivery_id, "sent", f"kept as {answer}", call.clock)
            except Unreachable as fault:
                away.add(each.target)
                state = outbox.record(each.delivery_id, "pending", str(fault), call.clock)
            except BadInput as fault:
                waits = fault.reason == "no_secret"
                state = outbox.record(each.delivery_id, "pending" if waits else "failed", str(fault), call.clock)
        found.append(state)
    return found


def _client(call: "Call", delivery: Delivery, packet: Packet, there: "dict[tuple[str, str], VtnClient]") -> "VtnClient":
    """Client of the server that a report was asked to be sent to. Raises BadInput where the site file has no such."""
    from orchestration.operations.demand_response.dr_listen import vtn_client

    key = (packet.site_id, packet.source_id)
    if key not in there:
        there[key] = vtn_client(server_of(call.project.site(packet.site_id), packet.source_id), for_reports=True)
    now = _target(there[key].source, packet.site_id)
    if now != delivery.target:
        raise BadInput(f"it was for {delivery.target}, and the site file has {now}: push it again", reason="moved")
    return there[key]


def _target(source: SignalSource, site_id: str) -> str:
    return f"{source.url} ({site_id}/{source.source_id})"


def _packet(call: "Call", delivery: Delivery) -> Packet:
    """The report of a delivery as it was asked for. Raises BadInput (changed_file)."""
    path = _file(call, delivery)
    content = path.read_bytes() if path.exists() else b""
    if _id(delivery, content) != delivery.delivery_id:
        raise BadInput("is not what was asked to be sent: push it again", file=str(path), reason="changed_file")
    return Packet.model_validate_json(content)


def _id(delivery: Delivery, content: bytes) -> str:
    return id_of(delivery.report_id, str(delivery.revision), delivery.target, sha256(content).hexdigest())


def _file(call: "Call", delivery: Delivery) -> Path:
    return call.project.project.data_dir / OPENADR / f"{delivery.delivery_id}.json"
