"""States of cumulative registers become intervals: one path for every format (formulas 5.1).

What a register does is judged in register_index.py; here states, events and what is known already come together, per
register, and rows, rejects, counts and findings come out.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import polars as pl

from assets.readings.cumulative.register_index import Counting, DatedEvent, Notice, index_of
from assets.readings.cumulative.register_steps import State, Step, steps_of_run
from assets.readings.parsed import PARSED_SCHEMA, REJECT_SCHEMA
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.meter import Carrier, Meter, Register
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS
from data_quality.rules.register_rules import GLITCH, IMPOSSIBLE_PER_HOUR, rate_limit, resolution_of

Stream = tuple[str, str]
Events = Mapping[Stream, Sequence[DatedEvent]]
# A clock that jumps must not make one amount of years.
# A yearly read that comes a month late still counts.
MAX_STEP_DAYS = 400
# What a person reads one by one; the rest is a number.
MAX_FINDINGS = 10
_KEY = ["meter_id", "register", "series"]
_REASON = {
    "register_reset_suspected": ("register_decrease", "a register that never falls, or a recorded event"),
    "register_exchange_suspected": ("register_decrease", "a register that never falls, or a recorded event"),
    "register_jump": ("register_jump", "no more than the meter can count, or a recorded event"),
    "register_glitch": ("register_glitch", "a read between those before and after it"),
}


@dataclass
class Intervals:
    """rows: PARSED_SCHEMA in the registers' units; rejects: REJECT_SCHEMA; findings: what happened, in order."""

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=PARSED_SCHEMA))
    rejects: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=REJECT_SCHEMA))
    warnings: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Series:
    """One count of one register: reads of the file and reads known before, each in time order, one per instant."""

    stream: Stream
    unit: str
    reads: list[State]
    known: list[State]
    is_sparse: bool


def site_events(site: Site) -> dict[Stream, list[DatedEvent]]:
    """Events of the site file per meter and register, in time order."""
    found: dict[Stream, list[DatedEvent]] = {}
    for meter in site.meters:
        for event in meter.events:
            moment = int(event.at_utc(site.time_zone).timestamp())
            found.setdefault((meter.meter_id, event.register_id), []).append(DatedEvent(moment, event))
    return {stream: sorted(events, key=lambda each: each.epoch_s) for stream, events in found.items()}


def counting_rules(site: Site) -> list[dict[str, Any]]:
    """Counting rules of cumulative registers by the site file, with their events; empty where it has none."""
    return [
        {"meter": meter.meter_id} | meter.model_dump(mode="json", include={"registers", "events"})
        for meter in site.meters
        if meter.events or any(register.kind == "cumulative" for register in meter.registers)
    ]


def to_intervals(
    states: pl.DataFrame, site: Site | None, *, known: pl.DataFrame | None = None, events: Events | None = None
) -> Intervals:
    """Amounts between quarter hours that the states tell, together with what is known already.

    states: STATE_SCHEMA, of one source; known: STATE_SCHEMA in the registers' units, the reads around and between
    them; a state of the source replaces a known one at its instant. events: per stream; the site file's where left
    out. Only amounts that a state of the source has a part in come out.
    """
    found = Intervals()
    if states.is_empty():
        return found
    events = events if events is not None else site_events(site) if site is not None else {}
    parts, rejects, findings = [], [], []
    # Once for all: a file may tell of hundreds of registers.
    before = {} if known is None else known.partition_by(_KEY, as_dict=True, maintain_order=True)
    for key, part in states.partition_by(_KEY, as_dict=True, maintain_order=True).items():
        stream: Stream = (str(key[0]), str(key[1]))
        register, meter = declared(site, stream, part["unit"][0])
        reads, doubles = _reads(part, register.unit)
        rejects += doubles
        taken = {read.epoch_s for read in reads}
        others = _reads(before[key], register.unit)[0] if key in before else []
        others = [state for state in others if state.epoch_s not in taken]
        series = _Series(stream, register.unit, reads, others, is_sparse=register.kind == "cumulative")
        steps, notices = _steps(series, register, meter, events.get(stream, ()))
        rows, long = _rows(steps, series)
        parts.append(rows)
        rejects += long + [reject for notice in notices if (reject := _reject(notice, series)) is not None]
        findings += _findings(notices, series)
        _count(found.warnings, notices, has_steps=bool(steps))
    rows, clashes = _without_clashes(pl.concat(parts))
    found.rows = rows
    found.rejects = pl.concat([pl.DataFrame(rejects, schema=REJECT_SCHEMA, orient="row"), clashes])
    found.findings = tuple(findings)
    return found


def without_reported(rows: pl.DataFrame, counted: Intervals) -> Intervals:
    """counted, without registers of which the source tells amounts too (rows, PARSED_SCHEMA): these stand."""
    kept = counted.rows.join(rows, on=["meter_id", "register"], how="anti", maintain_order="left")
    return counted if kept.height == counted.rows.height else replace(counted, rows=kept)


def declared(site: Site | None, stream: Stream, unit: str) -> tuple[Register, Meter | None]:
    """The register as the site file has it; one that only counts, in the states' unit, where it has none."""
    meter = site.meter(stream[0]) if site is not None else None
    for register in meter.registers if meter is not None else ():
        if register.register_id == stream[1] and not UNITS[register.unit].is_power:
            return register, meter
    return Register(register_id="import", unit=unit), meter


def in_own_unit(value: Decimal, unit: str, own: str) -> Decimal:
    """A state in the register's own unit, to the quantum."""
    if unit != own:
        # Through text: the float 0.001 is not the decimal that it stands for.
        value = value * Decimal(str(UNITS[unit].factor)) / Decimal(str(UNITS[own].factor))
    return round(value, QUANTUM_DECIMALS)


def _reads(part: pl.DataFrame, own: str) -> tuple[list[State], list[tuple[Any, ...]]]:
    """(one state per instant in time order, rejects of instants that have two different ones)."""
    by_time: dict[int, list[State]] = {}
    if (part["unit"] == own).all():
        # A decimal of nine places is a whole number of quanta as it stands.
        quanta = part["value"].to_physical()
    else:
        values = (in_own_unit(value, unit, own) for value, unit in part.select("value", "unit").iter_rows())
        quanta = pl.Series([int(value.scaleb(QUANTUM_DECIMALS)) for value in values], dtype=pl.Int128)
    # Reads that were kept earlier have no line in the file at hand.
    columns = (part["at_utc"].dt.epoch("s"), quanta, part["source_line"].fill_null(0))
    for epoch_s, count, line in zip(*(column.to_list() for column in columns), strict=True):
        by_time.setdefault(epoch_s, []).append(State(epoch_s, count, line))
    reads, doubles = [], []
    for moment in sorted(by_time):
        same = by_time[moment]
        if len({state.quanta for state in same}) == 1:
            reads.append(same[0])
            continue
        doubles += [
            (each.line, "duplicate_conflict", "one value per meter and time", f"{part['meter_id'][0]} = {_text(each)}")
            for each in same
        ]
    return reads, doubles


def _steps(
    series: _Series, register: Register, meter: Meter | None, events: Sequence[DatedEvent]
) -> tuple[list[Step], list[Notice]]:
    """The amounts and notices that the source has a part in."""
    if not series.reads:
        return [], []
    merged = sorted([*series.reads, *series.known], key=lambda state: state.epoch_s)
    index = index_of(merged, _counting(merged, register, meter), events)
    first, last = series.reads[0].epoch_s, series.reads[-1].epoch_s
    before = [state.epoch_s for state in series.known if state.epoch_s < first]
    after = [state.epoch_s for state in series.known if state.epoch_s > last]
    begins = before[-1] if before else None
    # The known read after the source's last may have to be judged anew, and with it the amount that follows.
    ends = after[1] if len(after) > 1 else None
    steps = [
        step
        for run in index.runs
        for step in steps_of_run(run, is_sparse=series.is_sparse)
        if (begins is None or step.start_s + 60 * step.minutes > begins) and (ends is None or step.start_s < ends)
    ]
    # The last read before the source is reported once; only now can it turn out to contradict its neighbours.
    notices = [
        notice
        for notice in index.notices
        if (begins is None or notice.epoch_s > begins or (notice.epoch_s == begins and notice.rule == GLITCH))
        and (not after or notice.epoch_s <= after[0])
    ]
    return steps, notices


def _counting(reads: Sequence[State], register: Register, meter: Meter | None) -> Counting:
    """Count of the register: as declared, else as its own reads show."""
    unit, multiplier = UNITS[register.unit], float(register.multiplier)
    per_canonical = 10**QUANTUM_DECIMALS / (unit.factor * multiplier)
    # The plate is electrical: of a gas or heat meter it bounds nothing.
    load = meter.connected_load_kw if meter is not None and meter.carrier is Carrier.ELECTRICITY else None
    rates = [(b.quanta - a.quanta) * 3600 / (b.epoch_s - a.epoch_s) for a, b in pairwise(reads) if b.quanta > a.quanta]
    wraps_at = register.wraps_at or (None if register.digits is None else Decimal(10) ** register.digits)
    resolution = None if register.resolution is None else int(register.resolution.scaleb(QUANTUM_DECIMALS))
    return Counting(
        modulus=None if wraps_at is None else int(wraps_at.scaleb(QUANTUM_DECIMALS)),
        resolution=resolution or resolution_of(state.quanta for state in reads),
        multiplier=register.multiplier,
        limit=rate_limit(
            plate_per_hour=load * per_canonical if load is not None and unit.canonical == "kwh" else None,
            rates=rates,
            impossible_per_hour=IMPOSSIBLE_PER_HOUR * per_canonical,
        ),
    )


def _rows(steps: Sequence[Step], series: _Series) -> tuple[pl.DataFrame, list[tuple[Any, ...]]]:
    """(PARSED_SCHEMA, rejects of amounts over too long a time)."""
    times = [state.epoch_s for state in series.reads]
    rows, long = [], []
    for step in steps:
        # An amount that a known read or an event ends stands where the source's nearest state does.
        place = min(bisect_left(times, step.start_s + 60 * step.minutes), len(times) - 1)
        line = step.line or series.reads[place].line
        if step.minutes > MAX_STEP_DAYS * 1440:
            got = f"{step.minutes // 1440} days before {Decimal(step.quanta).scaleb(-QUANTUM_DECIMALS):f} more"
            long.append((line, "unknown_interval", f"states at most {MAX_STEP_DAYS} days apart", got))
            continue
        moment, value = datetime.fromtimestamp(step.start_s, UTC), float(Decimal(step.quanta).scaleb(-QUANTUM_DECIMALS))
        rows.append((*series.stream, moment, step.minutes, value, series.unit, int(step.quality), line))
    return pl.DataFrame(rows, schema=PARSED_SCHEMA, orient="row"), long


def _without_clashes(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Two counts of one register (two tariff sums, say) must not both speak of one time, unless they say the same."""
    key = ["meter_id", "register"]
    rows = rows.sort(*key, "interval_start_utc", "source_line")
    same = ["meter_id", "register", "interval_start_utc", "source_minutes", "value"]
    rows = rows.unique(subset=same, keep="first", maintain_order=True)
    end = pl.col("interval_start_utc") + pl.duration(minutes="source_minutes")
    reached, following = end.cum_max().shift(1).over(key), pl.col("interval_start_utc").shift(-1).over(key)
    # Both sides of an overlap: which of two counts is right the file does not say.
    overlaps = pl.any_horizontal(pl.col("interval_start_utc") < reached, following < end).fill_null(value=False)
    clash = rows.filter(overlaps).select(
        "source_line",
        reason=pl.lit("overlapping_interval"),
        expected=pl.lit("one count per register and time"),
        got=pl.col("interval_start_utc").dt.to_string("iso:strict"),
    )
    return rows.filter(~overlaps), clash.cast(REJECT_SCHEMA)  # type: ignore[arg-type]


def _reject(notice: Notice, series: _Series) -> tuple[Any, ...] | None:
    """The read that a notice is about as a reject, where it is one of the source's and is not explained."""
    if notice.line == 0 or notice.rule not in _REASON:
        return None
    reason, expected = _REASON[notice.rule]
    return notice.line, reason, expected, f"{'.'.join(series.stream)}: {notice.text}"


def _findings(notices: Sequence[Notice], series: _Series) -> list[Finding]:
    found: list[Finding] = []
    for rule in dict.fromkeys(notice.rule for notice in notices):
        of_rule = [notice for notice in notices if notice.rule == rule]
        found += [_finding(notice, series) for notice in of_rule[:MAX_FINDINGS]]
        if len(of_rule) > MAX_FINDINGS:
            rest = len(of_rule) - MAX_FINDINGS
            found.append(
                _finding(of_rule[-1], series).model_copy(update={"message": f"{rest} more", "facts": {"count": rest}})
            )
    return found


def _finding(notice: Notice, series: _Series) -> Finding:
    moment = datetime.fromtimestamp(notice.epoch_s, UTC)
    before, after = (None if q is None else q / 10**QUANTUM_DECIMALS for q in (notice.before, notice.after))
    facts = {"at_utc": moment.isoformat(), "before": before, "after": after, "unit": series.unit, "line": notice.line}
    return Finding(
        code=notice.rule,
        message=f"{moment:%Y-%m-%d %H:%M:%S}Z: {notice.text} ({series.unit})",
        severity="info" if notice.is_settled else "warning",
        scope=".".join(series.stream),
        facts=facts,
    )


def _count(warnings: dict[str, int], notices: Sequence[Notice], *, has_steps: bool) -> None:
    for notice in notices:
        if notice.rule not in _REASON:
            warnings[notice.rule] = warnings.get(notice.rule, 0) + 1
    if not has_steps:
        warnings["single_register_read"] = warnings.get("single_register_read", 0) + 1


def _text(state: State) -> str:
    return f"{Decimal(state.quanta).scaleb(-QUANTUM_DECIMALS).normalize():f}"
