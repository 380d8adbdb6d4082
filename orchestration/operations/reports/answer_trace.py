"""The trace of a number that a command printed and no report holds: its question, asked again of the same files."""

import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.stores.published.requested_figures import RequestedFigures
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from data_quality.contracts.reporting.figure import Figure, Trace, TraceInput
from data_quality.contracts.time import FixedClock
from orchestration.operations.answer_figures import (
    ANSWER,
    digest_of,
    may_repeat,
    may_repeat_in,
    number_parameters,
    placed,
    reader,
    unnamed_numbers,
)
from orchestration.operations.operation import OPERATIONS, Call, Operation
from orchestration.operations.run_call import RunCall
from orchestration.views.series_ids import row_of
from reports.figures.trace import TraceReport

_NOWHERE = Path("/dev/null")
# By the end of their names; of all else the name alone tells.
UNITS = ("kwh", "kw", "kgco2e", "percent")
_ROOM = "orchestration.operations."


def kept_answer(call: Call, figure_id: str) -> Figure | None:
    """The answer that the number of an id is of, as it is kept; None for an id of no answer."""
    answer_id = figure_id.partition("-")[0]
    kept = RequestedFigures(call.places.data_dir).figure(answer_id, now_utc=call.clock.now_utc())
    return kept if kept is not None and kept.trace.computation == ANSWER else None


def answer_trace(call: Call, figure_id: str) -> TraceReport | None:
    """The number of an answer, and what its question answers today as of then; None for an id of no answer.

    The number of an act is quoted: nothing is done again for its sake.

    Raises BadInput where a file that it was made of is gone or another, or the command is.
    """
    kept, row = kept_answer(call, figure_id), figure_id.partition("-")[2]
    if kept is None:
        return None
    named = dict(kept.trace.parameters)
    numbers = json.loads(named.pop("numbers"))
    if (numbered := row_of(numbers, row)) is None:
        return None
    operation, (place, number) = _operation(named["module"], named["operation"]), numbered
    named |= {"place": place, "command": _command(operation, json.loads(named["question"]))}
    # A number of a series is named as the series is.
    name = next(each for each in reversed(place.split("/")) if not each.isdecimal())
    value, recomputed = Decimal(repr(number)), None
    if is_repeated := "act" not in named:
        for each in kept.trace.inputs:
            _expect_same(call, figure_id, each)
        repeated = dict(unnamed_numbers(_repeated(call, operation, kept.trace))).get(place)
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
        text, names = arguments.get(each.name), each.option.names if each.option is not None else ()
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


def _expect_same(call: Call, figure_id: str, source: TraceInput) -> None:
    file = _at(call, Path(source.id))
    if file.is_file() and digest_of(file) == source.sha256:
        return
    state = "another" if file.is_file() else "gone"
    raise BadInput(
        f"figure {figure_id} was made of {file}, which is {state} now: expected the file with SHA-256 {source.sha256}",
        reason="changed_input",
    )


def _at(call: Call, path: Path) -> Path:
    found = (call.folder.resolve() / path).resolve()
    return found if found.exists() or len(path.parts) > 1 else path


def _repeated(call: Call, operation: Operation, trace: Trace) -> Any:
    """The answer as JSON, by the clock of then."""
    named = trace.parameters
    if not may_repeat(operation):
        raise _no_such_command(operation.name)
    values = _options(call, operation, json.loads(named["question"]))
    as_of = trace.as_of_utc.isoformat() if "as_of_" in operation.takes else None
    clock, person = FixedClock(trace.as_of_utc), named.get("person")
    if not operation.takes or not may_repeat_in(operation):
        # What writes in a project is asked where there is none, as what needs none.
        own_call = Call(_NOWHERE, as_of=as_of, person=person)
        own_call.clock = clock
    else:
        sites = tuple(json.loads(named.get("sites", "[]")))
        own_call = RunCall(call.project, clock, as_of=as_of, person=person, sites=sites)
    return plain(operation.function(own_call, **operation.question.filled(values)).result)


def _options(call: Call, operation: Operation, arguments: dict[str, str]) -> dict[str, Any]:
    """Arguments of the command, as its options read them today. Raises BadInput where they read them no more."""
    known = {each.name: each for each in number_parameters(operation)}
    needed = {name for name, each in known.items() if each.is_required}
    try:
        if not needed <= arguments.keys() <= known.keys():
            raise _no_such_command(operation.name)
        read = {name: reader(known[name].kind).validate_json(text) for name, text in arguments.items()}
    except ValidationError as fault:
        raise _no_such_command(operation.name) from fault
    return {name: placed(value, lambda path: _at(call, path)) for name, value in read.items()}


def _operation(module: str, name: str) -> Operation:
    held: list[Operation] = []
    with suppress(ModuleNotFoundError):
        held = OPERATIONS.get(import_module(module).__name__, []) if module.startswith(_ROOM) else []
    found = next((each for each in held if each.name == name), None)
    if found is None:
        raise _no_such_command(name)
    return found


def _no_such_command(name: str) -> BadInput:
    message = f"the figure was printed by meterloom {name} of another release; this one has no such command or option"
    return BadInput(message, reason="no_figure")
