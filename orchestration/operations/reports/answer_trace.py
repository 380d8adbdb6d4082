"""The trace of a number that a command printed and no report holds: its question, asked again of the same files."""

import json
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

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
    told = json.loads(named["question"])
    values = {
        each.name: placed(reader(each.kind).validate_json(told[each.name]), lambda path: _at(call, path))
        for each in asked_of(operation)
        if each.name in told
    }
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
    held = OPERATIONS[import_module(module).__name__] if module.startswith(_ROOM) else []
    found = next((each for each in held if each.name == name), None)
    if found is None or not may_repeat(found):
        raise BadInput(f"the figure was printed by meterloom {name}, which this release has not", reason="no_figure")
    return found
