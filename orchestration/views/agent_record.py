"""Record of a site's agent in the month so far, as the operations report counts it."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import parse_period, zone
from reports.datasets.dispatch import REVERT_WORDS
from reports.recompute.computations import ratio_of
from reports.recompute.dispatch import counts_of, events_of
from reports.recompute.figure_sources import Sources


def agent_record(sources: Sources, site: Site, at_utc: datetime) -> dict[str, Any]:
    """Counts of the local month of an instant, known then; availability None where no command waited for an agent."""
    month = f"{at_utc.astimezone(zone(site.time_zone)):%Y-%m}"
    period = parse_period(month, site.time_zone)
    counts = counts_of(events_of(sources, site.site_id, period, at_utc), period.start_utc)
    kept, missed = counts["kept_quarter_hours"], counts["missed_quarter_hours"]
    share = ratio_of([("kept", Decimal(kept)), ("wanted", Decimal(kept + missed))])
    return {
        "month": month,
        "availability": None if share is None else float(share),
        "wanted_quarter_hours": kept + missed,
        "missed_quarter_hours": missed,
        "takings_over": counts["takings_over"],
        "longest_wait_s": counts["longest_wait_s"],
        "reverted": {name: counts[f"reverted_{name}"] for name in REVERT_WORDS},
    }


def record_line(found: dict[str, Any]) -> str:
    """The same for people."""
    reasons = "; ".join(f"{count} × {REVERT_WORDS[name]}" for name, count in found["reverted"].items() if count)
    put_back = f"commands put back: {reasons or 'none'}"
    if found["availability"] is None:
        return f"no command waited for an agent in {found['month']}: its availability is not known; {put_back}"
    waited = f", longest wait {found['longest_wait_s']} s" if found["takings_over"] else ""
    return (
        f"agent available in {found['availability']:.2%} of the quarter hours of {found['month']} with released "
        f"commands ({found['wanted_quarter_hours']}, {found['missed_quarter_hours']} missed); "
        f"an agent took over from the one before {found['takings_over']} times{waited}; {put_back}"
    )
