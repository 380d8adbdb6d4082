"""`meterloom export openadr`: usage, demand and baseline of events and periods as OpenADR 3 reports."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.baselines.adjustment import canonical_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import ESTIMATED_CODES
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import READS_AND_ACTS, Call, Option, operation
from orchestration.operations.options import AnyPeriodOption, AnySiteOption, period_or_none
from orchestration.operations.signing import pack_signer

if TYPE_CHECKING:
    from controls.programmes.openadr3 import Report
    from controls.programmes.reports_of import Amount
    from data_quality.contracts.control.dr_event import DrEvent

REPORTS = Table("reports", "id | payload type: {payload_type} | resource | unit | intervals")


@operation("export openadr", takes=READS_AND_ACTS, example="--event d20261201 --to d20261201.json")
def export_openadr(
    call: Call,
    to: Annotated[Path, Option("--to", metavar="FILE", help="The JSON file; its manifest is written beside it.")],
    event: Annotated[str | None, Option("--event", help="A settled event: usage, demand and its baseline.")] = None,
    site: AnySiteOption = None,
    meter: Annotated[str | None, Option("--meter", help="With --period: which meter.")] = None,
    period: AnyPeriodOption = None,
    event_id: Annotated[str, Option("--event-id", help="Event of the VTN that asks for the report.")] = "",
    ven_name: Annotated[
        str, Option("--ven-name", help="Name of this node at the VTN; the site's id if left out.")
    ] = "",
) -> Answer:
    """Write OpenADR 3 reports as the node sends them: of a settled event, or of a meter's period by quarter hours.

    An interval that nobody read is left out: OpenADR has no word for unknown.
    """
    from orchestration.operations.exports.export_file import write_export

    if (event is None) == (period is None):
        raise BadInput("give --event, or --site, --meter and --period", reason="bad_request")
    if event is not None:
        of, made, left = _of_event(call, event, event_id, ven_name)
        # A settlement does not count them.
        synthetic = None
    else:
        of, made, left, synthetic = _of_period(call, site, meter, period, event_id, ven_name)
    rows = [
        {
            "id": f"{each.event_id}/{each.resources[0].resource_name}/{each.report_name}",
            "payload_type": each.report_name,
            "resource": each.resources[0].resource_name,
            "unit": each.payload_descriptors[0].units if each.payload_descriptors else None,
            "intervals": len(each.resources[0].intervals),
        }
        for each in made
    ]
    bodies = ",\n".join(each.model_dump_json(by_alias=True, exclude_none=True) for each in made)
    written = write_export(
        to,
        [f"[\n{bodies}\n]\n"],
        pack_signer(call),
        format="openadr",
        site_id=of[0],
        source_sha256=of[1],
        as_of_utc=call.as_of_utc,
        synthetic_readings=synthetic,
        holds={"reports": rows, "left_out": left},
    )
    text = f"{to}: {len(made)} reports of {of[0]}" + (f"; {left} intervals without a value left out" if left else "")
    if synthetic:
        text += f"\n{synthetic:,} readings are synthetic; the manifest says so, OpenADR has no word for it"
    return Answer({"reports": rows, "left_out": left, "synthetic_readings": synthetic} | written, REPORTS, text)


def _of_event(call: Call, name: str, event_id: str, ven_name: str) -> tuple[tuple[str, str], list["Report"], int]:
    """Site and digest of what the reports are of, the reports, and intervals left out."""
    from assets.stores.ledgers.dr_events import DrEvents
    from controls.programmes.reports_of import BASELINE, DEMAND, USAGE, Amount, energy_report

    events = DrEvents(call.project.store)
    event = events.named(name, as_of_utc=call.as_of_utc)
    settled = events.settlement(event.event_id, as_of_utc=call.as_of_utc)
    if settled is None or settled.rule is None:
        raise BadInput(
            f"event {event.event_id} is {event.state} and not settled by its programme's rule: no baseline stands",
            reason="not_settled",
            mend=f"meterloom dr event settle {event.event_id}",
        )
    steps = settled.rule.intervals
    read = [Amount(each.start_utc, each.end_utc, each.actual_kwh) for each in steps]
    base = [Amount(each.start_utc, each.end_utc, each.baseline_kwh) for each in steps]
    named = {
        "event_id": event_id or _vtn_event(event) or event.event_id,
        "ven_name": ven_name or event.site_id,
        "resource": event.site_id,
    }
    made = [
        energy_report(told, amounts, **named) for told, amounts in ((USAGE, read), (DEMAND, read), (BASELINE, base))
    ]
    left = sum(each.kwh is None for each in (*read, *base))
    return (event.site_id, canonical_sha256(settled.model_dump(mode="json"))), made, left


def _vtn_event(event: "DrEvent") -> str:
    """The VTN's id of an event that it called: of `openadr:SOURCE:EVENT:MODIFICATION:NUMBER`."""
    parts = event.source.split(":")
    return ":".join(parts[2:-2]) if parts[0] == "openadr" and len(parts) >= 5 else ""


def _of_period(
    call: Call, site_id: str | None, meter: str | None, period: str | None, event_id: str, ven_name: str
) -> tuple[tuple[str, str], list["Report"], int, int]:
    from controls.programmes.reports_of import DEMAND, USAGE, energy_report
    from orchestration.operations.readings.meters import readings_digest

    if site_id is None or meter is None or not event_id:
        raise BadInput(
            "a period's report needs --site, --meter and --event-id: the event by which the VTN asks for it",
            reason="bad_request",
        )
    site = call.project.site(site_id)
    amounts, left, synthetic = _amounts(call, site, meter, period)
    named = {"event_id": event_id, "ven_name": ven_name or site.site_id, "resource": meter}
    made = [energy_report(told, amounts, **named) for told in (USAGE, DEMAND)]
    return (site.site_id, readings_digest(call, site, period)), made, left, synthetic


def _amounts(call: Call, site: Site, meter: str, period: str | None) -> tuple[Sequence["Amount"], int, int]:
    """Quarter hours of a meter's consumption, how many of the period nobody read, and how many are synthetic."""
    from assets.sites.view import site_readings
    from controls.programmes.reports_of import Amount

    if site.meter(meter) is None:
        known = ", ".join(each.meter_id for each in site.meters)
        raise BadInput(f"{meter!r} is no meter of {site.site_id}: {known}", reason="unknown_meter")
    span = period_or_none(period, site)
    if span is None:
        raise BadInput("give --period", reason="bad_request")
    asked: dict[str, Any] = {"start_utc": span.start_utc, "end_utc": span.end_utc, "as_of_utc": call.as_of_utc}
    rows = site_readings(call.project.lake, site, meters=[meter], **asked)
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
