"""`meterloom dr baseline`: events of a meter's file settled by baselines side by side. Nothing is stored."""

import re
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import parse_day
from orchestration.operations.answer import CHECK_FAILED, Answer, Table, finding_lines
from orchestration.operations.control.forecast_stateless import MeterFiles
from orchestration.operations.operation import STATELESS, Call, Option, operation
from orchestration.operations.options import event_span

if TYPE_CHECKING:
    from data_quality.contracts.baselines.event_baseline import MethodScore, SettledEvent
    from ml.event_baselines.event_case import EventCase

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)/([01]\d|2[0-3]):([0-5]\d)")
_EVENTS = (
    "event: {since} | method | baseline kWh: {baseline_kwh:,.1f} | measured kWh: {actual_kwh:,.1f} "
    "| shed kWh: {shed_kwh:,.1f} | 90 %: {band} | rebound kWh: {rebound_kwh:,.1f} | ramp: {ramp}"
)
_METHODS = (
    "method: {name} | eligible: {usable} | days: {n_days} | bias: {bias:+.1%} | error: {mae:.1%} | RRMSE: {rrmse:.1%} "
    "| 90 % holds: {coverage:.0%} | best: {best}"
)
YEAR_DAYS = 365


@operation(
    "dr baseline",
    takes=STATELESS,
    example="--energy meter.csv --weather weather.csv --event 2025-11-05T16:00/2025-11-05T19:00 --tz Europe/London",
)
def dr_baseline(
    call: Call,
    files: MeterFiles,
    event: Annotated[
        list[str] | None, Option("An event START/END (ISO 8601; without offset in --tz). Repeatable.")
    ] = None,
    method: Annotated[list[str] | None, Option("Settle by this one. Repeatable; all if none.")] = None,
    adjust: Annotated[
        str | None, Option("Adjustment hours HH:MM/HH:MM, local; else three that end an hour before the event.")
    ] = None,
    exclude: Annotated[
        Path | None, Option("File of days that no baseline may use: a date or START/END a line.")
    ] = None,
    placebo: Annotated[
        bool, Option("Measure the methods on all days behind a first quarter, not the last 130.")
    ] = False,
    placebo_period: Annotated[str | None, Option("Measure them on the local dates START/END, END excluded.")] = None,
) -> Answer:
    """Settle demand-response events by baselines side by side, each measured on the meter's own days without an event.

    The rule of a programme is settled as written; the method with the least error for this meter is marked.
    """
    from ml.event_baselines.event_case import event_case
    from ml.event_baselines.settle import METHODS, settle
    from ml.event_baselines.settled_events import findings_of, settled_events

    if not event:
        raise BadInput("expected an event", reason="bad_request", mend="give --event START/END")
    unknown = [name for name in method or [] if name not in METHODS]
    if unknown:
        raise BadInput(f"--method {unknown[0]!r}: expected one of {', '.join(METHODS)}", reason="unknown_method")
    clock, excluded = _clock(adjust), _excluded(exclude)
    call.doing("reading the files")
    known = files.case(country=files.country or "none")
    case = event_case(known, [event_span(text, known.zone) for text in event], adjust=clock, excluded=excluded)
    call.doing("settling the events")
    measured = _measured(case, placebo, placebo_period)
    settled = settle(case.grid, case.events, methods=method or (), placebo=measured)
    findings = [*known.findings, *findings_of(case, settled)]
    if files.country is None:
        note = "no country is given: only Saturday and Sunday are days off, and public holidays count as business days."
        findings.append(Finding(code="no_holidays", message=note))
    rows, scores = settled_events(case, settled), settled.scores
    result = {"target": known.target, "zone": known.zone, "events": rows, "methods": scores, "findings": findings}
    head = f"{known.target}: {len(case.events)} event{'' if len(case.events) == 1 else 's'}, {known.zone}"
    if not rows:
        return Answer(
            result, text="\n".join([f"{head}; no baseline", *finding_lines(findings)]), exit_code=CHECK_FAILED
        )
    return Answer(result, _tables(rows, scores, known.zone), "\n".join([head, *finding_lines(findings)]))


def _tables(rows: "list[SettledEvent]", scores: "tuple[MethodScore, ...]", zone_name: str) -> list[Table | str]:
    from data_quality.contracts.time import zone

    local = zone(zone_name)

    def band(row: "SettledEvent") -> str:
        if row.interval_kwh is None:
            return "none"
        return f"{row.interval_kwh[0]:,.1f} to {row.interval_kwh[1]:,.1f}"

    def ramp(row: "SettledEvent") -> str:
        return "no" if not row.ramp_flag else f"yes, adds {row.ramp_added_kwh or 0:,.1f} kWh"

    events = Table(
        rows, _EVENTS, since=lambda row: f"{row.start_utc.astimezone(local):%Y-%m-%d %H:%M}", band=band, ramp=ramp
    )
    methods = Table(
        scores,
        _METHODS,
        usable=lambda score: "yes" if score.eligible else "no",
        best=lambda score: "yes" if score.chosen else "",
    )
    return [events, "", "Errors on the meter's own days without an event:", methods]


def _clock(text: str | None) -> tuple[time, time] | None:
    """Local times of --adjust, or none. Raises BadInput."""
    if text is None:
        return None
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise BadInput(f"--adjust {text!r}: expected HH:MM/HH:MM such as 12:00/15:00", reason="bad_clock")
    hours = [int(part) for part in found.groups()]
    return time(hours[0], hours[1]), time(hours[2], hours[3])


def _excluded(path: Path | None) -> set[date]:
    """Local dates of a file with a date, or START/END with END excluded, a line; # begins a remark. Raises BadInput."""
    from datetime import timedelta

    if path is None:
        return set()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("cannot be read; expected a text file of dates", file=str(path), reason="no_file") from error
    days: set[date] = set()
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if text:
            start, _, end = text.partition("/")
            first = parse_day(start.strip(), f"{path}, line {number}")
            until = parse_day(end.strip(), f"{path}, line {number}") if end else first + timedelta(days=1)
            if until <= first:
                raise BadInput(
                    f"{path}, line {number}: expected a date behind {first}, got {until}", reason="bad_period"
                )
            days.update(first + timedelta(days=n) for n in range((until - first).days))
    return days


def _measured(case: "EventCase", is_whole: bool, period: str | None) -> tuple[int, int] | None:
    """Days to measure the methods on, as positions; None: the last ones. Raises BadInput."""
    from orchestration.operations.baselines.baseline_options import dates_of

    if period is not None:
        start, end = dates_of(period, "--placebo-period")
        first, until = (start - case.first_day).days, (end - case.first_day).days
        if not case.grid.counts[max(first, 0) : max(until, 0)].any():
            raise BadInput(f"--placebo-period {period}: no day of the file counts in it", reason="no_placebo_days")
        return first, until
    # The first quarter of the file, a year at the most, only teaches; what follows the last event is not looked at.
    last = max(event.day for event in case.events) + 1
    return (min(len(case.grid.is_off) // 4, YEAR_DAYS), last) if is_whole else None
