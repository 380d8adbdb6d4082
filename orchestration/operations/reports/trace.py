"""`meterloom trace`: where a figure comes from, recomputed from its inputs; of a number that a command printed and no
report holds its question, asked again of the same files.
"""

import json
import shlex
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import ValidationError

from assets.stores.file_hashes import file_sha256
from assets.stores.published.requested_figures import KEPT_FOR, RequestedFigures
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.time import FixedClock, zone
from orchestration.operations.answer import CHECK_FAILED, DONE, Answer, Table
from orchestration.operations.answer_figures import (
    ANSWER,
    may_repeat,
    may_repeat_in,
    number_parameters,
    placed,
    reader,
    unnamed_numbers,
)
from orchestration.operations.commands import command
from orchestration.operations.operation import Argument, Call, Operation, Option, RunCall, operation
from orchestration.views.requested_figures import figure_lookup
from orchestration.views.restored_proof import erasure_notes
from orchestration.views.series_ids import row_of
from orchestration.views.what_if_trace import what_if_trace
from orchestration.warehouse.dbt import kpi_catalogue
from reports.figures.trace import (
    TraceReport,
    VersionChange,
    as_read,
    current_changes,
    known_figure,
    source_readings,
    trace_data,
    trace_figure,
)
from reports.texts.locales import exact_text, format_alike, unit_text
from reports.writer import words

SIMULATED = "simulated"
INPUTS = Table("inputs", "input: {kind} | what: {what} | id | sha256 or value: {hash_or_value}",
    what=lambda each: words(each["role"]),
    hash_or_value=lambda each: each["sha256"][:16] or each["value"],
)  # fmt: skip


@operation("trace", example="4f1c2ab09d3e77aa --rows", keeps=True)
def trace(
    call: Call,
    figure_id: Annotated[str, Argument(metavar="FIGURE_ID")],
    rows: Annotated[bool, Option("List the readings behind it.")] = False,
    versions: Annotated[bool, Option("Say what would change today.")] = False,
) -> Answer:
    """Walk a printed figure back to its inputs and recompute it from them, as known when it was made."""
    if (lived := answer_trace(call, figure_id)) is not None:
        return _of_no_report(call, lived)
    sources = call.sources
    reports = figure_lookup(call.project, sources, call.clock)
    if reports.figure(figure_id) is None:
        if (lived := what_if_trace(call.project.store, figure_id)) is not None:
            return _of_no_report(call, lived)
        raise BadInput(
            f"no figure {figure_id!r} is stored; a report's register lists its figures, and ids of other "
            f"numbers end {KEPT_FOR.days} days after they were printed", reason="no_figure",
        )  # fmt: skip
    _expect_made(call, known_figure(figure_id, reports))
    found = trace_figure(figure_id, reports=reports, sources=sources)
    figure = found.figure
    result = trace_data(found)
    parts: list[Table | str] = [*_verdict(found), "", INPUTS]
    if not found.is_equal and (erased := erasure_notes(call.project.store, found)):
        result["erased"] = erased
        parts = [*_verdict(found), *erased, "", INPUTS]
    if versions:
        result["changes"] = changes = current_changes(figure, reports=reports, sources=sources)
        parts += ["", *_today(changes)]
    if rows:
        frame = source_readings(figure, reports=reports, sources=sources)
        result["rows"] = frame.to_dicts()
        site = figure.trace.parameters.get("site")
        parts += ["", *_readings(frame, sources.site(site).time_zone if site else "UTC")]
    return Answer(result, parts, exit_code=DONE if found.is_equal else CHECK_FAILED)


def _expect_made(call: Call, figure: Figure) -> None:
    made_utc = figure.trace.as_of_utc
    if call.as_of_utc is not None and made_utc > call.as_of_utc:
        raise BadInput(
            f"figure {figure.figure_id} was not made yet at --as-of: it is of {made_utc:%Y-%m-%d %H:%M:%S}Z",
            reason="no_figure",
        )


def _of_no_report(call: Call, found: TraceReport) -> Answer:
    _expect_made(call, found.figure)
    exit_code = CHECK_FAILED if found.is_equal is False else DONE
    command = found.figure.trace.parameters.get("command")
    source = [f"the answer of: {command}"] if command else []
    return Answer(trace_data(found), [*_verdict(found), *source, "", INPUTS], exit_code=exit_code)


def _verdict(found: TraceReport) -> list[str]:
    """Equal or not, first; then what it is a figure of."""
    figure = found.figure
    value, recomputed = exact_text(figure.value, figure.unit), exact_text(found.recomputed, figure.unit)
    if found.is_equal is None:
        verdict = f"as it was printed: {value}; an act is not done again for the sake of a number"
    elif found.is_equal:
        verdict = f"recomputed equal: {value}"
    elif found.difference is None:
        verdict = f"DIFFERS: recomputed {recomputed}, stored {value}"
    else:
        verdict = f"DIFFERS by {exact_text(found.difference, figure.unit)}: recomputed {recomputed}, stored {value}"
    last = figure.end - timedelta(days=1)
    known = f"as known at {figure.trace.as_of_utc:%Y-%m-%d %H:%M:%S}Z"
    # Those of `kpis` are named by their codes.
    label = figure.label.replace(figure.kpi, kpi_catalogue().get(figure.kpi, {}).get("title", figure.kpi))
    named = label if figure.scope in label else f"{label} of {figure.scope}"
    with_care = [f"to be read with: {', '.join(map(words, figure.findings))}"] if figure.findings else []
    return [
        verdict,
        f"{named}, {figure.start}{f' to {last}' if last != figure.start else ''} (local days)",
        f"computed by {figure.trace.computation}, {known}{'; readings are simulated' if figure.is_synthetic else ''}",
        *with_care,
        *_uncertainty(found),
    ]


def _uncertainty(found: TraceReport) -> list[str]:
    """Its band, where there is one, and what is not in it."""
    band = found.band
    if band is None or band.half is None or found.figure.value is None:
        return []
    left_out = ", ".join(dict.fromkeys(words(each.code) for each in band.left_out))
    not_in = f"; not in it: {left_out}" if left_out else ""
    half, low, high = format_alike([band.half, band.low, band.high], found.figure.unit)
    return [f"uncertainty: ± {half}, from {low} to {high} at {band.coverage:.0%}{not_in}"]


def _today(changes: list[VersionChange]) -> list[str]:
    if not changes:
        return ["made today it would be the same"]
    return [
        "made today it may differ:",
        *(f"  {each.name} is {each.now[:16] or 'gone'}, was {each.then[:16]}" for each in changes),
    ]


def _readings(frame: pl.DataFrame, time_zone: str) -> list[Table | str]:
    """The readings as their source had them, an hour in one row, in local time and words."""
    if frame.is_empty():
        return ["it rests on no reading"]
    read = as_read(frame)
    # No digit more than the longest has, and no binary noise of parts that were added up.
    least = min(Decimal(repr(round(each, 6))).normalize().as_tuple().exponent for each in read["value"])
    decimals = max(-int(least), 0)
    shown: list[dict[str, Any]] = [
        {
            **row,
            "start": row["start_utc"].astimezone(zone(time_zone)).strftime("%Y-%m-%d %H:%M %Z"),
            "quality": words(QualityCode(row["quality_code"]).name.lower())
            + (f", {SIMULATED}" if row["is_synthetic"] else ""),
            "unit": unit_text(row["unit"]),
            # An edit stands in no line: its source is the person and the reason.
            "source": ":".join(str(each) for each in (row["source_name"], row["source_line"]) if each is not None),
        }
        for row in read.iter_rows(named=True)
    ]
    columns = (
        f"meter: {{meter_id}} | register | from ({time_zone}): {{start}} | minutes | "
        f"value: {{value:,.{decimals}f}} | unit | "
        "quality | file and line: {source} | recorded_at_utc"
    )
    counts = f"{len(shown):,} readings" + (f", {len(frame):,} quarter hours" if len(frame) != len(shown) else "")
    return [counts, Table(shown, columns)]


_NOWHERE = Path("/dev/null")
# By the end of their names; of all else the name alone tells.
UNITS = ("kwh", "kw", "kgco2e", "percent")


def stored_answer(call: Call, figure_id: str) -> Figure | None:
    """The answer that the number of an id is of, as it is kept; None for an id of no answer."""
    answer_id = figure_id.partition("-")[0]
    kept = RequestedFigures(call.places.data_dir).figure(answer_id, now_utc=call.clock.now_utc())
    return kept if kept is not None and kept.trace.computation == ANSWER else None


def answer_trace(call: Call, figure_id: str) -> TraceReport | None:
    """The number of an answer, and what its question answers today as of then; None for an id of no answer.

    The number of an act is quoted: nothing is done again for its sake.

    Raises BadInput where a file that it was made of is gone or another, or the command is.
    """
    kept, row = stored_answer(call, figure_id), figure_id.partition("-")[2]
    if kept is None:
        return None
    named = dict(kept.trace.parameters)
    numbers = json.loads(named.pop("numbers"))
    if (numbered := row_of(numbers, row)) is None:
        return None
    try:
        operation = command(named["operation"])
    except KeyError as fault:
        raise _no_such_command(named["operation"]) from fault
    # Earlier releases kept the module, too, in which the command stood.
    named.pop("module", None)
    place, number = numbered
    named |= {"place": place, "command": _command(operation, json.loads(named["question"]))}
    # A number of a series is named as the series is.
    name = next(each for each in reversed(place.split("/")) if not each.isdecimal())
    value, recomputed = Decimal(repr(number)), None
    if is_repeated := "act" not in named:
        repeated = dict(unnamed_numbers(_repeated(call, operation, kept.trace, figure_id))).get(place)
        recomputed = None if repeated is None else Decimal(repr(repeated))
    changes = {
        "figure_id": figure_id, "path": place, "label": f"{place.strip('/')} of {kept.label}", "kpi": name,
        "value": value, "unit": next((each for each in UNITS if name.endswith(each)), ""),
        "trace": kept.trace.model_copy(update={"parameters": named}),
    }  # fmt: skip
    return TraceReport(
        figure=kept.model_copy(update=changes),
        inputs=kept.trace.inputs,
        versions={},
        recomputed=recomputed,
        is_equal=value == recomputed if is_repeated else None,
        difference=None if recomputed is None else recomputed - value,
    )


def _command(operation: Operation, arguments: Mapping[str, str]) -> str:
    """The question as somebody types it, without what is usual."""
    words = ["meterloom", *operation.name.split()]
    for each in number_parameters(operation):
        text, names = arguments.get(each.name), each.names
        if text is None or (not each.is_required and text == reader(each.kind).dump_json(each.default).decode()):
            continue
        value = json.loads(text)
        # A switch of two names says the other one where it is off.
        on, _, off = names[0].partition("/") if names else ("", "", "")
        for one in value if isinstance(value, list) else [value]:
            switch = one if isinstance(one, bool) else True
            words += [each for each in [on if switch else off] if each]
            words += [] if isinstance(one, bool) else [str(one)]
    return shlex.join(words)


def _at(call: Call, path: Path) -> Path:
    found = (call.folder.resolve() / path).resolve()
    return found if found.exists() or len(path.parts) > 1 else path


def _repeated(call: Call, operation: Operation, trace: Trace, figure_id: str) -> Any:
    """The answer as JSON, by the clock of then. Raises BadInput where a file that it was made of is gone or another."""
    for source in trace.inputs:
        file = _at(call, Path(source.id))
        if not file.is_file() or file_sha256(file) != source.sha256:
            state = "another" if file.is_file() else "gone"
            raise BadInput(
                f"figure {figure_id} was made of {file}, which is {state} now: expected the file with SHA-256 "
                f"{source.sha256}",
                reason="changed_input",
            )
    named = trace.parameters
    if not may_repeat(operation):
        raise _no_such_command(operation.name)
    arguments = json.loads(named["question"])
    known = {each.name: each for each in number_parameters(operation)}
    needed = {name for name, each in known.items() if each.is_required}
    try:
        # As its options read them today.
        if not needed <= arguments.keys() <= known.keys():
            raise _no_such_command(operation.name)
        read = {name: reader(known[name].kind).validate_json(text) for name, text in arguments.items()}
    except ValidationError as fault:
        raise _no_such_command(operation.name) from fault
    values = {name: placed(value, lambda path: _at(call, path)) for name, value in read.items()}
    as_of = trace.as_of_utc.isoformat() if "as_of_" in operation.takes else None
    clock, person = FixedClock(trace.as_of_utc), named.get("person")
    if not operation.takes or not may_repeat_in(operation):
        # What writes in a project is asked where there is none, as what needs none.
        own_call = Call(_NOWHERE, as_of=as_of, person=person)
        own_call.clock = clock
    else:
        sites = tuple(json.loads(named.get("sites", "[]")))
        own_call = RunCall(call.project, clock, as_of=as_of, person=person, sites=sites)
    return plain(operation.function(own_call, **operation.filled(values)).result)


def _no_such_command(name: str) -> BadInput:
    message = f"the figure was printed by meterloom {name} of another release; this one has no such command or option"
    return BadInput(message, reason="no_figure")
