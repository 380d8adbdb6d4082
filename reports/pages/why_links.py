"""Where a number's reason stands: the address of /why, which asks for the same number again and explains it.

A mart's number is not stored, so its address says what it is of. `of` names the computation where it is not one row
of a mart: `running`, `assessment`, or a combination of one or two spans, each a row (`grain` empty) or the sum or the
largest (`each`) of its grain's rows. What fits none of these is asked for by its id, as stored figures are.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise

from data_quality.contracts.reporting.figure import Figure, Trace
from reports.pages.address import Address

WHY = "/why"
TAKES = ("figure", "kpi", "at", "of", "each", "against", "against_kpi", "against_scope", "baseline", "confidence")
PARTS = ("sum", "max")
PAIRS = ("difference", "ratio", "deviation_percent", "percent_of")
Lookup = Callable[[str], Figure | None]


def why_of(figure: Figure, address: Address, lookup: Lookup | None = None) -> str:
    """The address that explains the figure, in the state (as of, locale) of the page that shows it.

    lookup: gives the inputs of a combination (`FigureBook.by_id`); without it only stored combinations are explained.
    """
    asked = _asked(figure, lookup)
    if asked is None:
        asked = {"figure": figure.figure_id, "site": None, "scope": None, "period": None}
    return address.href(WHY, **{"grain": None, "compare": None, **asked})


def _asked(figure: Figure, lookup: Lookup | None) -> Mapping[str, str | None] | None:
    trace = figure.trace
    if trace.computation == "scope_kpi":
        return _of_row(trace)
    if trace.computation == "running_figure":
        named = trace.parameters
        asked = {"scope": named["scope"], "kpi": named["field"], "at": named["at_utc"], "of": "running"}
        return {"site": named["site"], "period": None, **asked}
    if trace.computation == "seu_assessment":
        return _of_assessment(trace)
    return None if lookup is None else _of_combination(figure, lookup)


def _of_row(trace: Trace) -> dict[str, str | None]:
    named = trace.parameters
    asked = {"site": named["site"], "scope": named["scope"], "kpi": named["kpi"], "period": _span(named)}
    return asked | {"at": named.get("hour_start_utc")}


def _of_assessment(trace: Trace) -> dict[str, str | None]:
    named = trace.parameters
    return {
        "site": named["site"],
        "scope": f"seu:{named['seu']}",
        "kpi": named["field"],
        "period": _span(named),
        "of": "assessment",
        "baseline": next((given.id for given in trace.inputs if given.role == "baseline"), None),
        "confidence": named["confidence"],
    }


def _of_combination(figure: Figure, lookup: Lookup) -> Mapping[str, str | None] | None:
    """One or two spans of rows under one combination; None for what is made in any other way."""
    computation = figure.trace.computation
    if computation in PARTS:
        whole = _of_parts(figure, lookup)
        return None if whole is None else whole | {"of": computation, "each": None}
    inputs = [lookup(given.id) for given in figure.trace.inputs]
    if computation not in PAIRS or len(inputs) != 2:
        return None
    sides = [None if each is None else _side(each, lookup) for each in inputs]
    first, second = sides
    # One word tells the grain of both: sides of two grains have no such address.
    if first is None or second is None or any(first.get(key) != second.get(key) for key in ("site", "grain", "each")):
        return None
    against = {"against": second["period"]}
    for key in ("kpi", "scope"):
        against[f"against_{key}"] = None if second[key] == first[key] else second[key]
    return {**first, "of": computation, **against}


def _side(figure: Figure, lookup: Lookup) -> dict[str, str | None] | None:
    if figure.trace.computation == "scope_kpi":
        asked = _of_row(figure.trace)
        return None if asked["at"] else asked
    return _of_parts(figure, lookup) if figure.trace.computation in PARTS else None


def _of_parts(figure: Figure, lookup: Lookup) -> dict[str, str | None] | None:
    """A sum or maximum of rows of one KPI, scope and grain that follow one another without a hole."""
    parts = [lookup(given.id) for given in figure.trace.inputs]
    known = [part for part in parts if part is not None and part.trace.computation == "scope_kpi"]
    named = [part.trace.parameters for part in known]
    # The grain stands in the path: site/scope/grain/first day/kpi; a scope may hold strokes itself.
    grains = {part.path.split("/")[-3] for part in known}
    alike = {(each["site"], each["scope"], each["kpi"]) for each in named}
    touching = all(first["end"] == second["start"] for first, second in pairwise(named))
    if not known or len(known) != len(parts) or len(alike) != 1 or not touching or not grains <= {"day", "month"}:
        return None
    if len(grains) != 1:
        return None
    ((site, scope, kpi),) = alike
    span = f"{named[0]['start']}/{named[-1]['end']}"
    return {
        "site": site,
        "scope": scope,
        "kpi": kpi,
        "period": span,
        "grain": grains.pop(),
        "each": figure.trace.computation,
    }


def _span(named: Mapping[str, str]) -> str:
    return f"{named['start']}/{named['end']}"
