"""The trace of a number that a command printed and no report holds: its question, asked again of the same files."""

import json
from contextlib import suppress
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from assets.stores.published.requested_figures import RequestedFigures
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Trace, TraceInput
from data_quality.contracts.time import FixedClock
from orchestration.operations.answer import plain
from orchestration.operations.answer_figures import (
    ANSWER,
    asked_of,
    digest_of,
    may_repeat,
    placed,
    reader,
    unnamed_numbers,
)
from orchestration.operations.operation import OPERATIONS, Call, Operation
from orchestration.operations.run_call import RunCall
from reports.figures.trace import TraceReport

_NOWHERE = Path("/dev/null")
_ROOM = "orchestration.operations."


def answer_trace(call: Call, figure_id: str) -> TraceReport | None:
    """The number of an answer, and what its question answers today as of then; None for an id of no answer.

    Raises BadInput where a file that it was made of is gone or another, or the command is.
    """
    kept = RequestedFigures(call.places.data_dir).figure(figure_id, now_utc=call.clock.now_utc())
    if kept is None or kept.trace.computation != ANSWER:
        return None
    for each in kept.trace.inputs:
        _expect_same(call, figure_id, each)
    again = dict(unnamed_numbers(_asked_again(call, kept.trace))).get(kept.path)
    value, recomputed = kept.value, None if again is None else Decimal(repr(again))
    return TraceReport(
        figure=kept,
        inputs=kept.trace.inputs,
        versions={},
        recomputed=recomputed,
        is_equal=value == recomputed,
        difference=None if value is None or recomputed is None else recomputed - value,
    )


def _expect_same(call: Call, figure_id: str, given: TraceInput) -> None:
    file = _at(call, Path(given.id))
    if file.is_file() and digest_of(file) == given.sha256:
        return
    state = "another" if file.is_file() else "gone"
    raise BadInput(
        f"figure {figure_id} was made of {file}, which is {state} now: expected the file with SHA-256 {given.sha256}",
        reason="changed_input",
    )


def _at(call: Call, path: Path) -> Path:
    found = (call.folder.resolve() / path).resolve()
    return found if found.exists() or len(path.parts) > 1 else path


def _asked_again(call: Call, trace: Trace) -> Any:
    """The answer as JSON, by the clock of then."""
    named = trace.parameters
    operation = _operation(named["module"], named["operation"])
    # Arguments of the command, as its options read them today. Raises BadInput where they read them no more.
    told = json.loads(named["question"])
    known = {each.name: each for each in asked_of(operation)}
    needed = {name for name, each in known.items() if each.is_required}
    try:
        if not needed <= told.keys() <= known.keys():
            raise _gone(operation.name)
        read = {name: reader(known[name].kind).validate_json(said) for name, said in told.items()}
    except ValidationError as fault:
        raise _gone(operation.name) from fault
    values = {name: placed(value, lambda path: _at(call, path)) for name, value in read.items()}
    as_of = trace.as_of_utc.isoformat() if "as_of_" in operation.takes else None
    clock, person = FixedClock(trace.as_of_utc), named.get("person")
    if operation.writes or not operation.takes:
        # What writes in a project is asked where there is none, as what needs none.
        asked = Call(_NOWHERE, as_of=as_of, person=person)
        asked.clock = clock
    else:
        asked = RunCall(call.project, clock, as_of=as_of, person=person)
    return plain(operation.function(asked, **operation.question.filled(values)).result)


def _operation(module: str, name: str) -> Operation:
    held: list[Operation] = []
    with suppress(ModuleNotFoundError):
        held = OPERATIONS.get(import_module(module).__name__, []) if module.startswith(_ROOM) else []
    found = next((each for each in held if each.name == name), None)
    if found is None or not may_repeat(found):
        raise _gone(name)
    return found


def _gone(name: str) -> BadInput:
    message = f"the figure was printed by meterloom {name} of another release; this one has no such command or option"
    return BadInput(message, reason="no_figure")
