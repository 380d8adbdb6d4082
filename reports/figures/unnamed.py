"""Traces without the sites that somebody may not see: of ranks the peers, whose use and number stay, of a project's
comparison group what its members' numbers rest on.
"""

import hashlib
import json
from collections.abc import Callable, Iterable

from data_quality.contracts.reporting.figure import Figure, TraceInput
from reports.figures.trace import TraceReport, VersionChange
from reports.recompute.figure_sources import parse_span

Sees = Callable[[str], bool]
_PEER = "peer_place"
# Role of the input that stands for all that is of unseen peers.
PEERS = "peers"


def unnamed(figure: Figure, sees: Sees) -> Figure:
    """The figure with a trace that names no site but those that are seen; itself where there is none to hide.

    sees: whether somebody may see a site. Recomputed is the stored figure, not this one.
    """
    trace = figure.trace
    if trace.computation != _PEER:
        if all(_is_seen(each, sees) for each in trace.inputs):
            return figure
        return figure.model_copy(update={"trace": trace.model_copy(update={"inputs": _inputs(trace.inputs, sees)})})
    uses: dict[str, str] = json.loads(trace.parameters["peers"])
    if all(sees(each) for each in uses):
        return figure
    use = uses.get(trace.parameters["site"], "")
    peers = json.dumps({"group": use, "sites": list(uses.values()).count(use)}, ensure_ascii=False)
    # Opening hours of the peers are in the same case.
    kept = {name: text for name, text in trace.parameters.items() if name != "hours"}
    shown = trace.model_copy(update={"parameters": {**kept, "peers": peers}, "inputs": _inputs(trace.inputs, sees)})
    return figure.model_copy(update={"trace": shown})


def unnamed_trace(found: TraceReport, sees: Sees) -> TraceReport:
    """The same of a trace that was walked and recomputed."""
    gone = {f"{each.role}/{each.id}" for each in found.inputs if not _is_seen(each, sees)}
    return found.model_copy(
        update={
            "figure": unnamed(found.figure, sees),
            "inputs": _inputs(found.inputs, sees),
            "versions": {name: sha256 for name, sha256 in found.versions.items() if name not in gone},
        }
    )


def unnamed_changes(changes: Iterable[VersionChange], found: TraceReport, sees: Sees) -> list[VersionChange]:
    """Changes since; those of unseen sites under the name of all peers. found: the trace as it was walked."""
    hidden = {each.id for each in found.inputs if not _is_seen(each, sees)}
    return [each.model_copy(update={"id": PEERS}) if each.id in hidden else each for each in changes]


def _inputs(inputs: Iterable[TraceInput], sees: Sees) -> tuple[TraceInput, ...]:
    """The inputs of seen sites and of none, and one that stands for all others with a digest over theirs."""
    kept, gone = list[TraceInput](), list[TraceInput]()
    for each in inputs:
        (kept if _is_seen(each, sees) else gone).append(each)
    if gone:
        digest = hashlib.sha256("".join(each.sha256 for each in gone).encode()).hexdigest()
        kept.append(TraceInput(kind="version", id=PEERS, role=PEERS, sha256=digest))
    return tuple(kept)


def _is_seen(each: TraceInput, sees: Sees) -> bool:
    if each.kind == "lake":
        return sees(parse_span(each.id)[0])
    if each.role in {"baseline", "adjustments"}:
        return sees(each.id.partition("/")[0])
    return each.role != "site" or sees(each.id)
