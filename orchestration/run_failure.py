"""Why a run failed, from the events that Dagster kept of it: the fault that the failed step raised."""

from collections.abc import Iterable
from typing import NamedTuple

import dagster as dg

from data_quality.contracts.errors import BadInput, MeterloomError, OurFault, RunFailed, Unreachable, WorldFault


class StepFailure(NamedTuple):
    """step: its key. kind: BadInput, Unreachable, RunFailed where the step or a check says so, else OurFault."""

    step: str
    kind: type[MeterloomError]
    sentence: str


def failure_of(events: Iterable[dg.DagsterEvent]) -> StepFailure | None:
    """The first step that failed; None where none did, as of a run whose process died."""
    for event in events:
        if not event.is_step_failure:
            continue
        error = event.step_failure_data.error
        # Dagster wraps a step's error in its own; behind the one that was raised stands what led to it.
        while error is not None and error.cause is not None and str(error.cls_name).startswith("Dagster"):
            error = error.cause
        name, text = ("", "no error stored") if error is None else (str(error.cls_name), error.message.strip())
        # By name: the event log keeps errors as text, the class before the sentence.
        kind, sentence = _kinds().get(name, OurFault), text.splitlines()[-1]
        sentence = sentence if kind is OurFault else sentence.partition(f"{name}: ")[2] or sentence
        return StepFailure(event.step_key or "", kind, sentence)
    return None


def _kinds() -> dict[str, type[MeterloomError]]:
    """Error class for the caller, by the class name of a step's error."""
    faults = [WorldFault]
    # The list grows while it is walked: subclasses of subclasses.
    for each in faults:
        faults += each.__subclasses__()
    kinds: dict[str, type[MeterloomError]] = dict.fromkeys((each.__name__ for each in faults), BadInput)
    return kinds | {"Unreachable": Unreachable} | dict.fromkeys(("Failure", "DagsterAssetCheckFailedError"), RunFailed)
