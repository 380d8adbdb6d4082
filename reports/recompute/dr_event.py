"""Stored events of demand response and their settlements as known at an instant, and what readings say of them again.

A baseline of an event stands as it was settled, sealed by version; what was measured is made from the readings anew.
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal

import polars as pl

from assets.kpi.running_cost.interval_costs import main_meters
from assets.stores.ledgers.dr_events import DrEvents
from data_quality.contracts.baselines.event_baseline import EventInterval, MethodScore, SettledEvent
from data_quality.contracts.control.dr_event import DrEvent, Settlement
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, local_day
from reports.recompute.figure_sources import Sources, stored_sha256

RULE, BEST = "rule", "best"
# Roles of inputs: an event as an act left it, and the newest version of its settlement.
DR_EVENT, DR_SETTLEMENT = "dr_event", "dr_settlement"
OF_EVENT = ("target_kw", "planned_kwh", "planned_low_kwh", "planned_high_kwh")
OF_SETTLEMENT = ("target_kwh", "least_kw", "income", "penalty")
OF_SETTLED = ("baseline_kwh", "actual_kwh", "low_kwh", "high_kwh", "rebound_kwh", "ramp_added_kwh")
OF_SCORE = ("n_days", "bias", "mae", "rrmse", "coverage")
STEP = timedelta(minutes=CANONICAL_MINUTES)


def event_at(sources: Sources, event_id: str, as_of_utc: datetime | None) -> DrEvent:
    """A stored event at an instant. Raises BadInput (no_event)."""
    key = ("dr event", event_id, as_of_utc)
    return sources.keep(key, lambda: DrEvents(sources.lake.store).named(event_id, as_of_utc=as_of_utc))


def settlement_at(sources: Sources, event_id: str, as_of_utc: datetime | None) -> Settlement:
    """The newest settlement of an event at an instant. Raises BadInput (not_settled)."""

    def read() -> Settlement:
        found = DrEvents(sources.lake.store).settlement(event_id, as_of_utc=as_of_utc)
        if found is None:
            mend = f"meterloom dr event settle {event_id}"
            raise BadInput(f"event {event_id} is not settled", reason="not_settled", mend=mend)
        return found

    return sources.keep(("dr settlement", event_id, as_of_utc), read)


def part_of(settled: Settlement, part: str) -> EventInterval | MethodScore | None:
    """`rule` or `best`, a step `rule/3` of one, or the score of a method by its name; None where it is not there."""
    name, _, step = part.partition("/")
    if name not in (RULE, BEST):
        return next((each for each in settled.methods if each.name == name), None)
    found = settled.rule if name == RULE else settled.best
    if found is None or not step:
        return found
    return found.intervals[int(step)]


def number(
    sources: Sources, site: Site, event_id: str, as_of_utc: datetime, *, part: str, field: str
) -> Decimal | None:
    """A number of an event, of its settlement, or of a part of that (`part_of`). Raises OurFault for another field."""
    if field in OF_EVENT:
        event = event_at(sources, event_id, as_of_utc)
        if field == "target_kw":
            return _exact(event.target_kw)
        if event.plan is None:
            return None
        low, high = event.plan.interval_kwh
        planned = {"planned_kwh": event.plan.expected_kwh, "planned_low_kwh": low, "planned_high_kwh": high}
        return _exact(planned[field])
    settled = settlement_at(sources, event_id, as_of_utc)
    if field in OF_SETTLEMENT:
        return _exact(getattr(settled, field))
    found = part_of(settled, part or RULE)
    if found is None:
        return None
    if field == "actual_kwh" and isinstance(found, EventInterval):
        return measured_kwh(sources, site, _known(found), as_of_utc)
    if field in ("low_kwh", "high_kwh") and isinstance(found, EventInterval):
        return None if found.interval_kwh is None else _exact(found.interval_kwh[field == "high_kwh"])
    if field not in (OF_SCORE if isinstance(found, MethodScore) else OF_SETTLED):
        raise OurFault(f"{field!r} is not a number of an event's {part or RULE}")
    return _exact(getattr(found, field))


def measured_kwh(
    sources: Sources, site: Site, spans: Iterable[EventInterval], as_of_utc: datetime
) -> Decimal | None:  # fmt: skip
    """Energy that the main meters counted in these spans, kWh; None where a quarter hour of one was not read."""
    found = Decimal(0)
    for each in spans:
        known = quarters_kwh(sources, site, each.start_utc, each.end_utc, as_of_utc)
        if not known or None in known:
            return None
        found += sum((value for value in known if value is not None), Decimal(0))
    return found


def quarters_kwh(
    sources: Sources, site: Site, start_utc: datetime, end_utc: datetime, as_of_utc: datetime
) -> list[Decimal | None]:
    """The quarter hours of [start_utc, end_utc): kWh of the main meters together; None where one was not read."""
    roots = main_meters(site)
    first, last = local_day(start_utc, site.time_zone), local_day(end_utc - STEP, site.time_zone)
    rows = sources.stream_readings(site, sorted(roots), first, date.fromordinal(last.toordinal() + 1), as_of_utc)
    known = rows.filter(
        pl.col("meter_id").is_in(roots)
        & (pl.col("register") == CONSUMPTION_REGISTER)
        & pl.col("interval_start_utc").is_between(start_utc, end_utc, closed="left")
    )
    by_step: dict[datetime, list[Decimal]] = {}
    for at, value in known.select("interval_start_utc", "value").iter_rows():
        by_step.setdefault(at, []).append(Decimal(repr(value)))
    steps = [start_utc + n * STEP for n in range((end_utc - start_utc) // STEP)]
    return [
        sum(by_step[each], Decimal(0)) if len(by_step.get(each, ())) == len(roots) else None for each in steps
    ]  # fmt: skip


def event_input(event: DrEvent) -> TraceInput:
    """An event as an input: its id, its state, and the hash of what is stored of it."""
    return TraceInput(
        kind="version",
        id=f"{event.site_id}/{event.event_id}",
        role=DR_EVENT,
        sha256=stored_sha256([event]),
        value=event.state,
    )


def settlement_input(settled: Settlement) -> TraceInput:
    """The newest settlement of an event as an input."""
    return TraceInput(
        kind="version", id=f"{settled.site_id}/{settled.event_id}", role=DR_SETTLEMENT, sha256=stored_sha256([settled]),
        value=f"version {settled.version}",
    )  # fmt: skip


def dr_input_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    """The digest that an input of these roles has now, or had at an instant; empty where it is gone."""
    event_id = given.id.partition("/")[2]
    try:
        if given.role == DR_EVENT:
            return stored_sha256([event_at(sources, event_id, as_of_utc)])
        return stored_sha256([settlement_at(sources, event_id, as_of_utc)])
    except BadInput:
        return ""


def _known(found: EventInterval) -> list[EventInterval]:
    """Steps whose energies are summed: those with a baseline and a reading."""
    if not isinstance(found, SettledEvent):
        return [found]
    return [each for each in found.intervals if each.baseline_kwh is not None and each.actual_kwh is not None]


def _exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))
