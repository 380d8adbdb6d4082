"""`meterloom quality`: what validation finds in one file or in a site's readings, and how good the readings are."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.vee import RuleFinding
from data_quality.contracts.time import zone
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import Call, Option, operation
from orchestration.operations.options import MapOption, column_map
from orchestration.views.quality_view import judged_days, quality_result

if TYPE_CHECKING:
    from data_quality.validate import Validation

# A bad year has thousands: nobody reads them on a terminal, and --json has all.
_SHOWN_PER_TABLE = 200


@operation("quality", example="--energy meters.csv --tz Europe/Berlin --json")
def quality(
    call: Call,
    site: Annotated[str | None, Option("A site of the project.")] = None,
    energy: Annotated[Path | None, Option("One meter file; no project is needed.")] = None,
    start: Annotated[str | None, Option("First local date, with --site.", "--from")] = None,
    end: Annotated[str | None, Option("Local date after the last one, with --site.", "--to")] = None,
    tz: Annotated[str | None, Option("Zone of the calendar and of times without offset.")] = None,
    mapping: MapOption = None,
) -> Answer:
    """Validate readings: spikes, stuck and dead meters, wrong units, shifted clocks, sums that do not fit.

    Nothing is changed. A finding is not a failure of the command: its exit code is 0.
    """
    if (site is None) == (energy is None):
        raise BadInput("give --energy FILE or --site SITE", reason="bad_request")
    if energy is not None:
        if start is not None or end is not None:
            raise BadInput("--from and --to go with --site", reason="bad_request")
        from assets.readings.ingest.judge_site import rows_to_judge
        from data_quality.reading_grid import grids_of
        from data_quality.validate import validate

        known = column_map(mapping)
        zone_name = tz or (known.zone if known is not None else None) or "UTC"
        zone(zone_name)
        rows = rows_to_judge(energy, mapping=known, tz=tz, now_utc=call.clock.now_utc())
        found = validate(grids_of(rows.readings), time_zone=zone_name)
        return _answer(found, found.findings, zone_name, {"rejected_rows": rows.rejected})
    if tz is not None or mapping is not None:
        raise BadInput("--tz and --map go with --energy; a site file has its own", reason="bad_request")
    return _of_site(call, str(site), start, end)


def _of_site(call: Call, site_id: str, start: str | None, end: str | None) -> Answer:
    site = call.project.site(site_id)
    judged, findings = judged_days(call.project.lake, site, start, end, as_of_utc=call.as_of_utc)
    return _answer(judged, findings, site.time_zone, {})


def _answer(
    judged: "Validation | None", findings: tuple[RuleFinding, ...], zone_name: str, more: dict[str, Any]
) -> Answer:
    found = quality_result(judged, findings) | more
    from reports.texts.locales import format_alike, unit_text
    from reports.writer import words

    local = zone(zone_name)
    table = Table(
        findings[:_SHOWN_PER_TABLE],
        "rule: {named} | meter: {stream} | from: {since} | for: {lasting} | value: {size} | action | why: {message}",
        named=lambda each: words(each.rule),
        stream=lambda each: f"{each.meter}{'' if each.register_id == 'import' else f'.{each.register_id}'}",
        since=lambda each: f"{each.start_utc.astimezone(local):%Y-%m-%d %H:%M}",
        lasting=lambda each: _lasting(each.end_utc - each.start_utc),
        size=lambda each: f"{format_alike([each.value], each.unit)[0]} {unit_text(each.unit)}",
    )
    times_in = f"\ntimes are of {zone_name}" if findings else ""
    return Answer(found, table if findings else None, _summary(judged, len(findings), more) + times_in)


def _lasting(span: timedelta) -> str:
    """A span in the greatest unit that leaves no fraction of a quarter hour."""
    minutes = int(span.total_seconds() // 60)
    days, hours = minutes / 1440, minutes / 60
    return f"{days:.1f} d" if days >= 2 else f"{hours:g} h" if minutes >= 60 else f"{minutes} min"


def _summary(judged: "Validation | None", findings: int, more: dict[str, Any]) -> str:
    if judged is None or judged.score is None or judged.coverage is None:
        return "no readings: nothing to judge"
    lines = []
    if findings > _SHOWN_PER_TABLE:
        lines.append(f"{findings - _SHOWN_PER_TABLE} more findings; --json gives all")
    lines += [f"{count} rows could not be read: {reason}" for reason, count in more.get("rejected_rows", {}).items()]
    lines.append(
        f"score {judged.score:.3f}, coverage {judged.coverage:.2%}, {findings} finding{'' if findings == 1 else 's'}"
    )
    return "\n".join(lines)
