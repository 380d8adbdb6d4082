"""Where a number's reason stands: the address of /why, which asks for the same number again and explains it.

A mart's number is not stored, so its address says what it is of. `of` names the computation where it is not one row
of a mart: `running`, `assessment`, or a combination of one or two spans, each a row (`grain` empty) or the sum or the
largest (`each`) of its grain's rows. What fits none of these is asked for by its id, as stored figures are.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Literal

from pydantic import Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.time import parse_instant
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
    # A saving that may not be claimed is the row of a mart too, and computed by nothing.
    if trace.computation == "scope_kpi" or (trace.computation == "nothing" and "kpi" in trace.parameters):
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


class WhyAsked(Model):
    """What an address of /why asks for. period: as it is written there; the site's zone makes days of it."""

    site: str
    scope: str
    kpi: str
    period: str = ""
    at_utc: datetime | None = None
    of: Literal["row", "running", "assessment", "sum", "max", "difference", "ratio", "deviation_percent", "percent_of"]
    grain: Literal["", "day", "month"] = ""
    each: Literal["sum", "max"] = "sum"
    against: str = ""
    against_kpi: str = ""
    against_scope: str = ""
    baseline: str = ""
    confidence: float = Field(default=0.9, gt=0, lt=1)


def read_why(address: Address, *, site: str, scope: str) -> WhyAsked:
    """What the address asks for of a site and scope that were judged already. Raises BadInput (bad_address)."""
    kinds = ("running", "assessment", *PARTS, *PAIRS)
    of = address.part("of") or "row"
    if of not in (*kinds, "row"):
        raise _wrong(f"of is one of {', '.join(kinds)}, got {of[:40]!r}")
    if not address.part("kpi"):
        raise _wrong("name a number: kpi, or figure for one that is kept")
    if address.grain not in (None, "day", "month"):
        raise _wrong(f"a number is made of days or months, not of each {address.grain}")
    if of in PAIRS and not address.part("against"):
        raise _wrong(f"{of} compares two periods: name the other as against")
    if (of == "running") != (not address.period):
        raise _wrong("name the period of the number; a running figure has an instant (at) instead")
    at = address.part("at")
    named = {name: address.part(name) for name in ("against", "against_kpi", "against_scope", "baseline")}
    confidence = address.part("confidence") or "0.9"
    try:
        return WhyAsked(
            site=site,
            scope=scope,
            kpi=address.part("kpi"),
            period=address.period,
            at_utc=parse_instant(at) if at else None,
            of=of,
            grain=address.grain or ("month" if of in PARTS else ""),
            each=address.part("each") or (of if of in PARTS else "sum"),
            confidence=float(confidence),
            **named,
        )
    except ValueError as fault:
        raise _wrong("each is sum or max, confidence a share between 0 and 1") from fault


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
