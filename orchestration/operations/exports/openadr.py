"""`meterloom export openadr`: usage, demand and baseline of events and periods as OpenADR 3 reports."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from data_quality.contracts.baselines.baseline import canonical_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import CHECK_FAILED, DONE, UNREACHABLE, Answer, Table
from orchestration.operations.operation import READS_AND_ACTS, Call, Option, Written, operation
from orchestration.operations.options import AnyPeriodOption, AnySiteOption, period_or_none
from orchestration.operations.signing import pack_signer

if TYPE_CHECKING:
    from controls.programmes.openadr3 import Amount, Report
    from data_quality.contracts.control.dr_event import DrEvent
    from data_quality.contracts.site_file.live_source import SignalSource

REPORTS = Table("reports", "id | payload type: {payload_type} | resource | unit | intervals")
PUSHED = Table("reports", "id | payload type: {payload_type} | intervals | revision | sent: {state} | : {said}")


class _Made(NamedTuple):
    """Reports of a site, the digest of what they are of, intervals left out; synthetic readings, None: not counted."""

    site_id: str
    source_sha256: str
    reports: list["Report"]
    left_out: int
    synthetic: int | None


@operation("export openadr", takes=READS_AND_ACTS, example="--event d20261201 --to d20261201.json", writes=True)
def export_openadr(
    call: Call,
    to: Annotated[Path, Written("The JSON file; its manifest is written beside it.", metavar="FILE")],
    event: Annotated[str | None, Option("A settled event: usage, demand and its baseline.")] = None,
    site: AnySiteOption = None,
    meter: Annotated[str | None, Option("With --period: which meter.")] = None,
    period: AnyPeriodOption = None,
    event_id: Annotated[str, Option("Event of the VTN that asks for the report.")] = "",
    ven_name: Annotated[
        str, Option("Name of this node at the VTN; the site's id, or with --push the site file's.")
    ] = "",
    programme_id: Annotated[str, Option("Programme of the event, which a VTN of 3.0 wants; --push asks the VTN.")] = "",
    push: Annotated[bool, Option("Send them to the site's VTN, in the name of --as.")] = False,
    source: Annotated[str | None, Option("With --push: which of the site's VTNs.")] = None,
) -> Answer:
    """Write OpenADR 3 reports as the node sends them: of a settled event, or of a meter's period by quarter hours.

    An interval that nobody read is left out: OpenADR has no word for unknown.
    """
    if (event is None) == (period is None):
        raise BadInput("give --event, or --site, --meter and --period", reason="bad_request")
    if event is not None:
        made = _of_event(call, event, event_id, ven_name, is_sent=push)
    else:
        made = _of_period(call, site, meter, period, event_id, ven_name)
    server = _server(call, made, source) if push else None
    changes = {"programme_id": programme_id or None}
    changes |= {"client_name": server.ven_name} if server is not None and not ven_name else {}
    made = made._replace(reports=[each.model_copy(update=changes) for each in made.reports])
    rows = [_row(each) for each in made.reports]
    result = {"reports": rows, "left_out": made.left_out, "synthetic_readings": made.synthetic}
    result |= {"pushed": None, "waiting": None} | _written(call, to, made, rows)
    text = f"{to}: {len(rows)} reports of {made.site_id}"
    text += f"; {made.left_out} intervals without a value left out" if made.left_out else ""
    if made.synthetic:
        text += f"\n{made.synthetic:,} readings are synthetic; the manifest says so, OpenADR has no word for it"
    return Answer(result, REPORTS, text) if server is None else _pushed(call, made, server, result, text)


def _row(report: "Report") -> dict[str, Any]:
    (resource,), descriptors = report.resources, report.payload_descriptors or ()
    return {
        "id": f"{report.event_id}/{resource.resource_name}/{report.report_name}",
        "payload_type": descriptors[0].payload_type,
        "resource": resource.resource_name,
        "unit": descriptors[0].units,
        "intervals": len(resource.intervals),
    }


def _written(call: Call, to: Path, made: _Made, rows: list[dict[str, Any]]) -> dict[str, Any]:
    from orchestration.operations.exports.export_file import write_export

    bodies = ",\n".join(each.model_dump_json(by_alias=True, exclude_none=True) for each in made.reports)
    return write_export(
        to,
        [f"[\n{bodies}\n]\n"],
        pack_signer(call),
        format="openadr",
        site_id=made.site_id,
        source_sha256=made.source_sha256,
        as_of_utc=call.as_of_utc,
        synthetic_readings=made.synthetic,
        holds={"reports": rows, "left_out": made.left_out},
    )


def _server(call: Call, made: _Made, source_id: str | None) -> "SignalSource":
    """The server that the reports may be sent to. Raises BadInput before anything is written."""
    from orchestration.operations.exports.openadr_push import refuse_synthetic, server_of

    site = call.project.site(made.site_id)
    server = server_of(site, source_id)
    periods = [each.interval_period for report in made.reports for each in report.resources[0].intervals]
    starts = [each.start for each in periods if each is not None and each.start is not None]
    if not starts:
        raise BadInput(f"no interval of {made.site_id} has a value: there is nothing to send", reason="no_readings")
    refuse_synthetic(call, site, server, (min(starts), max(starts) + timedelta(minutes=15)))
    return server


def _pushed(call: Call, made: _Made, server: "SignalSource", result: dict[str, Any], text: str) -> Answer:
    """The answer with what became of each report; 3 where the server is away, 1 where it refuses one."""
    from orchestration.operations.exports.openadr_push import push_reports

    rows, site = result["reports"], call.project.site(made.site_id)
    sent = push_reports(call, site, server, [(row["id"], each) for row, each in zip(rows, made.reports, strict=True)])
    rows = [row | {"state": each.state, "revision": each.revision, "said": each.reason}
            for row, each in zip(rows, sent, strict=True)]  # fmt: skip
    count = Counter(each.state for each in sent)
    text += f"\n{server.url} has {count['sent']}"
    text += f"; {count['failed']} refused" if count["failed"] else ""
    text += f"; {count['pending']} wait: 'meterloom reports deliver' tries again" if count["pending"] else ""
    code = UNREACHABLE if count["pending"] else CHECK_FAILED if count["failed"] else DONE
    document = result | {"reports": rows, "pushed": count["sent"], "waiting": count["pending"]}
    return Answer(document, PUSHED, text, exit_code=code)


def _of_event(call: Call, name: str, event_id: str, ven_name: str, *, is_sent: bool) -> _Made:
    from assets.stores.ledgers.dr_events import DrEvents
    from controls.programmes.openadr3 import BASELINE, DEMAND, USAGE, Amount, energy_report

    events = DrEvents(call.project.store)
    event = events.named(name, as_of_utc=call.as_of_utc)
    settled = events.settlement(event.event_id, as_of_utc=call.as_of_utc)
    if settled is None or settled.rule is None:
        raise BadInput(
            f"event {event.event_id} is {event.state} and not settled by its programme's rule: no baseline stands",
            reason="not_settled",
            mend=f"meterloom dr event settle {event.event_id}",
        )
    its_id = event_id or _vtn_event(event)
    if is_sent and not its_id:
        raise BadInput(
            f"event {event.event_id} was called by no OpenADR server: give its id there as --event-id",
            reason="bad_request",
        )
    steps = settled.rule.intervals
    read = [Amount(each.start_utc, each.end_utc, each.actual_kwh) for each in steps]
    base = [Amount(each.start_utc, each.end_utc, each.baseline_kwh) for each in steps]
    named = {
        "event_id": its_id or event.event_id,
        "ven_name": ven_name or event.site_id,
        "resource": event.site_id,
    }
    made = [
        energy_report(spec, amounts, **named) for spec, amounts in ((USAGE, read), (DEMAND, read), (BASELINE, base))
    ]
    left = sum(each.kwh is None for each in (*read, *base))
    # A settlement does not count them.
    return _Made(event.site_id, canonical_sha256(settled.model_dump(mode="json")), made, left, None)


def _vtn_event(event: "DrEvent") -> str:
    """The VTN's id of an event that it called: of `openadr:SOURCE:EVENT:MODIFICATION:NUMBER`."""
    parts = event.source.split(":")
    return ":".join(parts[2:-2]) if parts[0] == "openadr" and len(parts) >= 5 else ""


def _of_period(
    call: Call, site_id: str | None, meter: str | None, period: str | None, event_id: str, ven_name: str
) -> _Made:
    from controls.programmes.openadr3 import DEMAND, USAGE, energy_report
    from orchestration.operations.readings.meters import readings_digest

    if site_id is None or meter is None or not event_id:
        raise BadInput(
            "a period's report needs --site, --meter and --event-id: the event by which the VTN asks for it",
            reason="bad_request",
        )
    site = call.project.site(site_id)
    amounts, left, synthetic = _amounts(call, site, meter, period)
    named = {"event_id": event_id, "ven_name": ven_name or site.site_id, "resource": meter}
    made = [energy_report(spec, amounts, period=period or "", **named) for spec in (USAGE, DEMAND)]
    return _Made(site.site_id, readings_digest(call, site, period), made, left, synthetic)


def _amounts(call: Call, site: Site, meter: str, period: str | None) -> tuple[Sequence["Amount"], int, int]:
    """Quarter hours of a meter's consumption, how many of the period nobody read, and how many are synthetic."""
    from assets.sites.view import site_readings
    from controls.programmes.openadr3 import Amount

    if site.meter(meter) is None:
        known = ", ".join(each.meter_id for each in site.meters)
        raise BadInput(f"{meter!r} is no meter of {site.site_id}: {known}", reason="unknown_meter")
    span = period_or_none(period, site)
    if span is None:
        raise BadInput("give --period", reason="bad_request")
    span_asked: dict[str, Any] = {"start_utc": span.start_utc, "end_utc": span.end_utc, "as_of_utc": call.as_of_utc}
    rows = site_readings(call.project.lake, site, meters=[meter], **span_asked)
    rows = rows.filter(register=CONSUMPTION_REGISTER, unit="kwh")
    if rows.is_empty():
        raise BadInput(f"{meter} of {site.site_id} has no kWh in {period}", reason="no_readings")
    columns = rows.select("interval_start_utc", "interval_minutes", "value", "quality_code").iter_rows()
    found = [
        Amount(start, start + timedelta(minutes=minutes), value, code in ESTIMATED_CODES)
        for start, minutes, value, code in columns
    ]
    wanted = int((span.end_utc - span.start_utc) / timedelta(minutes=15))
    return found, max(wanted - len(found), 0), int(rows["is_synthetic"].sum())
