"""Counts of a site's dispatch from its ledger of command events: whether an agent was there, and what it put back."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from assets.stores.schema.tables_control import command_events
from assets.stores.transactions import read_rows
from data_quality.contracts.control.command import BY_HAND, CommandState
from data_quality.contracts.errors import OurFault
from data_quality.contracts.reporting.figure import Trace, TraceInput
from data_quality.contracts.time import CANONICAL_MINUTES, Period, parse_period
from reports.recompute.figure_sources import Sources, parse_dates

# Role of the input: the events of a span.
DISPATCH = "dispatch"
# Of a command its plan is told when it is proposed, which is as long before as a plan reaches.
REACH = timedelta(days=2)
STEP = timedelta(minutes=CANONICAL_MINUTES)
# A command may be released a little before its quarter hour begins.
_EARLY = timedelta(minutes=1)
REVERTS = ("interlock", "mode", "person", "stop", "recovery", "device", "other")
FIELDS = (
    "kept_quarter_hours", "missed_quarter_hours", "takings_over", "longest_wait_s",
    *(f"reverted_{each}" for each in REVERTS),
)  # fmt: skip
_RELEASED, _EXPIRED, _ISSUED = CommandState.RELEASED, CommandState.EXPIRED, CommandState.ISSUED
# The agent's own words for a revert, by how they begin.
_BEGINNINGS = (
    ("the mode is", "mode"), ("emergency stop", "stop"), ("the agent was stopped", "stop"),
    ("given back to the plan", "person"), ("after-recovery", "recovery"),
    ("the device returned", "device"), ("the agent brought it to its safe default", "interlock"),
)  # fmt: skip
Event = Mapping[str, Any]


def events_of(sources: Sources, site_id: str, period: Period, as_of_utc: datetime | None) -> Sequence[Event]:
    """Command events of a site in a period and in the two days before it, as of an instant, in their order."""

    def read() -> Sequence[Event]:
        columns, end_utc = command_events.c, period.end_utc
        query = command_events.select().where(
            columns.site_id == site_id, columns.at_utc >= period.start_utc - REACH, columns.at_utc < end_utc
        )
        if as_of_utc is not None:
            query = query.where(columns.at_utc <= as_of_utc)
        return read_rows(sources.lake.store, query.order_by(columns.position))

    return sources.keep(("dispatch events", site_id, period.start, period.end, as_of_utc), read)


def revert_of(event: Event) -> str:
    """Cause that put a device back, one of REVERTS."""
    if "guard" in event["facts"]:
        return "interlock"
    return next((name for begin, name in _BEGINNINGS if event["reason"].startswith(begin)), "other")


def counts_of(events: Sequence[Event], start_utc: datetime) -> Mapping[str, int]:
    """Every field of FIELDS over the events from start_utc on; longest_wait_s in whole seconds.

    A quarter hour is kept where somebody took a command of a plan in hand that was released for it, and missed where
    such commands only expired; what a newer plan replaced counts for neither. A taking over is a command that is
    issued under a higher epoch than the one before.
    """
    found = Counter[str](dict.fromkeys(FIELDS, 0))
    by_hand = {event["command_id"] for event in events if event["facts"].get("plan_id") == BY_HAND}
    released: dict[str, datetime] = {}
    taken, lost, epoch = set[datetime](), set[datetime](), 0
    for event in events:
        name, is_counted = event["command_id"], event["at_utc"] >= start_utc
        if event["to_state"] == _RELEASED:
            released[name] = event["at_utc"]
        elif is_counted and event["to_state"] == CommandState.REVERTED:
            found[f"reverted_{revert_of(event)}"] += 1
        if event["from_state"] == _RELEASED and is_counted and name in released and name not in by_hand:
            at_utc = released[name] + _EARLY
            quarter = at_utc.replace(minute=at_utc.minute - at_utc.minute % CANONICAL_MINUTES, second=0, microsecond=0)
            if event["to_state"] == _EXPIRED:
                lost.add(quarter)
            elif event["to_state"] != CommandState.SUPERSEDED:
                taken.add(quarter)
        if event["to_state"] == _ISSUED:
            now = int(event["facts"].get("epoch") or 0)
            if is_counted and epoch and now > epoch:
                waited = event["at_utc"] - released.get(name, event["at_utc"])
                found["takings_over"] += 1
                found["longest_wait_s"] = max(found["longest_wait_s"], int(waited.total_seconds()))
            epoch = max(epoch, now)
    return found | {"kept_quarter_hours": len(taken), "missed_quarter_hours": len(lost - taken)}


def number(sources: Sources, site_id: str, period: Period, as_of_utc: datetime, field: str) -> Decimal:
    """One of FIELDS over a period. Raises OurFault for another."""
    if field not in FIELDS:
        raise OurFault(f"{field!r} is not counted of a dispatch")
    return Decimal(counts_of(events_of(sources, site_id, period, as_of_utc), period.start_utc)[field])


def dispatch_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A count of the ledger of commands. parameters: site, start, end, field."""
    named = trace.parameters
    first, after = parse_dates(named)
    period = parse_period(f"{first}/{after}", sources.site(named["site"]).time_zone)
    return number(sources, named["site"], period, trace.as_of_utc, named["field"])


def dispatch_input(sources: Sources, site_id: str, period: Period, as_of_utc: datetime) -> TraceInput:
    """The command events of a period as an input `site/start/end`, with the hash of their hashes."""
    return TraceInput(
        kind="version", id=f"{site_id}/{period.start}/{period.end}", role=DISPATCH,
        sha256=_sha256(events_of(sources, site_id, period, as_of_utc)),
    )  # fmt: skip


def dispatch_input_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    """The digest that such an input has now, or had at an instant; empty where its site is gone."""
    site_id, start, end = given.id.split("/")
    if site_id not in sources.sites:
        return ""
    period = parse_period(f"{start}/{end}", sources.sites[site_id].time_zone)
    return _sha256(events_of(sources, site_id, period, as_of_utc))


def carried(rows: Sequence[Event], given: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    """Of rows of command events, as JSON, those that inputs of a trace name, and some days around."""
    spans = [each["id"].split("/") for each in given if each["role"] == DISPATCH]
    for row in rows:
        at = datetime.fromisoformat(row["at_utc"]).date()
        for site_id, start, end in spans:
            first, after = (datetime.fromisoformat(day).date() for day in (start, end))
            if row["site_id"] == site_id and first - REACH - timedelta(days=1) <= at <= after:
                yield row
                break


def _sha256(events: Sequence[Event]) -> str:
    return hashlib.sha256("\n".join(event["hash"] for event in events).encode()).hexdigest()
