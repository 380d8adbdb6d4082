"""Record of a site's agent in the month so far, as the operations report counts it."""

from datetime import datetime
from typing import Any

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period, zone
from reports.recompute.computations import ratio_of
from reports.recompute.dispatch_again import FIELDS, REVERTS, number
from reports.recompute.figure_sources import Sources


def agent_record(sources: Sources, site: Site, at_utc: datetime) -> dict[str, Any]:
    """Counts of the local month of an instant, known then; availability None where no command waited for an agent."""
    month = f"{at_utc.astimezone(zone(site.time_zone)):%Y-%m}"
    period = parse_period(month, site.time_zone)

    counts = {name: number(sources, site.site_id, period, at_utc, name) for name in FIELDS}
    kept, missed = counts["kept_quarter_hours"], counts["missed_quarter_hours"]
    share = ratio_of([("kept", kept), ("wanted", kept + missed)])
    return {
        "month": month,
        "availability": None if share is None else float(share),
        "wanted_quarter_hours": int(kept + missed),
        "missed_quarter_hours": int(missed),
        "takings_over": int(counts["takings_over"]),
        "longest_wait_s": int(counts["longest_wait_s"]),
        "reverted": {name: int(counts[f"reverted_{name}"]) for name in REVERTS},
    }


def record_line(found: dict[str, Any]) -> str:
    """The same for people."""
    if found["availability"] is None:
        return f"no command waited for an agent in {found['month']}: its availability is not known"
    wanted, missed = found["wanted_quarter_hours"], found["missed_quarter_hours"]
    reasons = ", ".join(f"{count} {name}" for name, count in found["reverted"].items() if count)
    return (
        f"agent available in {found['availability']:.2%} of {wanted} quarter hours of {found['month']} with released "
        f"commands, {missed} missed, {found['takings_over']} takings over; put back: {reasons or 'none'}"
    )
