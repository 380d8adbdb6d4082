"""`meterloom anomalies`: anomalies of a meter's file as events, or of a site's meters, which are stored."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer, Table, finding_lines
from orchestration.operations.operation import PROJECT, Call, Option, operation
from orchestration.operations.options import AnyPeriodOption, AnySiteOption, MapOption, column_map
from orchestration.operations.readings.anomaly_events import score_stored

if TYPE_CHECKING:
    from ml.anomalies.events import AnomalyEvent
    from ml.anomalies.monitor import Watched
    from ml.anomaly_causes.cause_model import LikelyCause
    from ml.forecasts.file_case import FileCase

_COLUMNS = (
    "kind: {named} | cause: {why} | from: {since} | to: {until} | hours | measured: {measured} "
    "| expected: {expected} | score: {score:.1f}"
)


@operation(
    "anomalies",
    repeats=True,
    takes=PROJECT,
    example="--energy meter.csv --weather weather.csv --tz Europe/London --country GB",
)
def anomalies(
    call: Call,
    energy: Annotated[Path | None, Option("Energy: timestamp,<kwh|kw|m3 …>.")] = None,
    weather: Annotated[Path | None, Option("Weather: timestamp,temp_degc. What it explains is marked.")] = None,
    sensitivity: Annotated[float, Option("0 reports least, 1 most.")] = 0.5,
    meter: Annotated[str | None, Option("Which meter of the energy file.")] = None,
    tz: Annotated[str | None, Option("Zone of the local calendar (IANA).")] = None,
    mapping: MapOption = None,
    weather_map: Annotated[Path | None, Option("Column map (YAML) of the weather file.")] = None,
    country: Annotated[str | None, Option("Whose public holidays count (ISO 3166); 'none' for no holidays.")] = None,
    subdivision: Annotated[str | None, Option("Part of the country with its holidays.")] = None,
    site: AnySiteOption = None,
    period: AnyPeriodOption = None,
) -> Answer:
    """Find anomalies in a meter's file: spikes, dead and stuck meters, wrong units, waste at night, drift.

    With --site and --period the meters of a site are judged, and their events stored with energy and cost.

    Each day is judged by the days before it; the first four weeks only teach what is usual. A finding is not a failure
    of the command: its exit code is 0.
    """
    from ml.anomalies.monitor import watch
    from ml.anomalies.params import DetectorParams
    from ml.baselines.usage_tables.read_usage import Source
    from ml.forecasts.file_case import read_case

    if not 0 <= sensitivity <= 1:
        raise BadInput(f"--sensitivity {sensitivity:g}: expected 0 to 1", reason="bad_number")
    if energy is None and weather is not None:
        raise BadInput("--weather without an energy file", reason="no_rows", mend="give --energy FILE")
    if energy is None and site is not None:
        return score_stored(call, site, period, sensitivity)
    if energy is None:
        raise BadInput("expected an energy file", reason="no_rows", mend="give --energy FILE")
    call.doing("reading the file")
    known = read_case(
        Source(energy, column_map(mapping), meter),
        None if weather is None else Source(weather, column_map(weather_map)),
        horizon=timedelta(hours=1),
        zone=tz,
        country="" if country == "none" else country,
        subdivision=subdivision,
        zero_is_missing=False,
    )
    if weather is not None and known.temperature_degc is None:
        raise BadInput("it has no temperature; expected a column temp_degc", file=str(weather), reason="no_temperature")
    call.doing("judging the days")
    found = watch(
        known.case.series,
        known.case.civil,
        DetectorParams(sensitivity=sensitivity),
        temperature=known.temperature_degc,
    )
    return _answer(known, found)


def _answer(known: "FileCase", found: "Watched") -> Answer:
    """The events of a file with their likely causes as JSON, and as people see them."""
    from ml.anomaly_causes.cause_model import likely_cause
    from ml.anomaly_causes.event_features import CauseContext, by_hour, features_of

    series, (hourly, civil) = known.case.series, by_hour(known.case.series, known.case.civil)
    outdoor = known.temperature_degc
    warmth = None if outdoor is None else by_hour(replace(series, values=outdoor), known.case.civil)[0].values
    likely = [likely_cause(features_of(each, hourly, civil, CauseContext(warmth))) for each in found.events]
    rows = [_row(*each, series.unit) for each in zip(found.events, likely, strict=True)]
    findings = [*found.findings, *known.findings]
    result = {
        "target": known.target,
        "unit": series.unit,
        "zone": known.zone,
        "days": found.days,
        "events": rows,
        "findings": findings,
    }
    local = zone(known.zone)
    table = Table(
        rows,
        _COLUMNS,
        named=lambda each: each["kind"].replace("_", " "),
        why=lambda each: f"{each['cause'].replace('_', ' ')} ({each['confidence']:.0%})",
        since=lambda each: f"{each['start_utc'].astimezone(local):%Y-%m-%d %H:%M}",
        until=lambda each: f"{each['end_utc'].astimezone(local):%Y-%m-%d %H:%M}",
        measured=lambda each: f"{each['evidence'][0]['value']:,.0f}",
        expected=lambda each: f"{each['evidence'][1]['value']:,.0f}",
    )
    count = len(found.events)
    head = f"{known.target}: {count} event{'' if count == 1 else 's'} on {found.days} days, {series.unit}, {known.zone}"
    return Answer(result, table if found.events else None, "\n".join([head, *finding_lines(findings)]))


def _row(event: "AnomalyEvent", likely: "LikelyCause", unit: str) -> dict[str, Any]:
    """An event by the contract's keys."""
    return {
        "start_utc": event.start_utc,
        "end_utc": event.end_utc,
        "kind": event.kind,
        "cause": likely.cause,
        "confidence": likely.confidence,
        "score": event.score,
        "hours": event.hours,
        "evidence": [
            {"name": "measured", "value": event.measured, "unit": unit},
            {"name": "expected", "value": event.expected, "unit": unit},
            {"name": "median_ratio", "value": event.ratio, "unit": "1"},
            *likely.evidence,
        ],
    }
