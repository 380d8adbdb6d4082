"""Where a number's reason stands: the address of /why, which asks for the same number again and explains it.

A mart's number is not stored, so its address says what it is of. `of` names the computation where it is not one row
of a mart: `running`, `assessment`, or an expression over terms, such as

    percent_of(sum(consumption_kwh@tenant:law@2025-01-01/2025-03-01@month),consumption_kwh@site:tower@2025)

A term is `kpi@scope@span`, then, where it applies, `@how` (HOWS) and `@site` where that is another than the address's;
scopes joined by + are a term each. What fits none of these is asked for by its id, as stored figures are.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from pydantic import Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Figure, Trace
from data_quality.contracts.time import parse_instant
from reports.pages.address import Address

WHY = "/why"
TAKES = ("figure", "kpi", "at", "of", "baseline", "confidence")
# What each way to ask for a number reads of the address; what is beside it would change nothing.
_READ: Mapping[str, tuple[str, ...]] = {
    "row": ("site", "scope", "period", "kpi", "at", "of"),
    "running": ("site", "scope", "period", "kpi", "at", "of"),
    "assessment": ("site", "scope", "period", "kpi", "of", "baseline", "confidence"),
    "made": ("site", "of"),
    "figure": ("figure",),
}
PAIRS = ("difference", "ratio", "deviation_percent", "percent_of")
MADE = ("sum", "max", "root_sum_of_squares", *PAIRS)
# Rows of a grain over the span, hours that were read, or a number that no mart holds; without one: the very span's row.
# An instant in its place: the hour that begins then.
HOWS = ("", "day", "month", "hour", "assessment", "project")
GRAINS = ("day", "month", "hour")
LEAVES: Mapping[str, str] = {
    "seu_assessment": "assessment", "savings_value": "assessment", "project_number": "project",
}  # fmt: skip
# A question that names more is nobody's.
MOST_TERMS, MOST_DEPTH = 200, 6
_TOKEN = re.compile(r"[(),]|[^(),]+")
Lookup = Callable[[str], Figure | None]


class Term(Model):
    """One number, or the rows of a grain over its span, of each of its scopes. site: empty for the address's own."""

    kpi: str
    scopes: tuple[str, ...]
    period: str
    how: str = ""
    site: str = ""

    def __str__(self) -> str:
        return "@".join((self.kpi, "+".join(self.scopes), self.period, self.how, self.site)).rstrip("@")


class Made(Model):
    """What is made of others, by a name of MADE."""

    of: str
    parts: tuple["Term | Made", ...]

    def __str__(self) -> str:
        return f"{self.of}({','.join(map(str, self.parts))})"


def why_of(figure: Figure, address: Address, lookup: Lookup | None = None) -> str:
    """The address that explains the figure, in the state (as of, locale) of the page that shows it.

    lookup: gives the inputs of a combination (`FigureBook.by_id`); without it only stored combinations are explained.
    """
    asked = _asked(figure, lookup)
    if asked is None:
        asked = {"figure": figure.figure_id, "site": None, "scope": None, "period": None}
    return address.href(WHY, **{"grain": None, "compare": None, **asked})


def why_made(made: Term | Made, address: Address) -> str:
    """The address that asks for what an expression says."""
    return address.href(WHY, **{"grain": None, "compare": None, **_of_made(made)})


def _of_made(made: Term | Made) -> dict[str, str | None]:
    site = next(terms_of(made)).site
    return {**({"site": site} if site else {}), "scope": None, "period": None, "of": str(_within(made, site))}


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
    made = _made_of(figure, lookup or (lambda _: None))
    return None if made is None else _of_made(made)


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


def _made_of(figure: Figure, lookup: Lookup) -> Term | Made | None:
    """The expression that asks for the figure; None where something in it has no term."""
    trace, named = figure.trace, figure.trace.parameters
    if trace.computation == "scope_kpi":
        # The grain stands in the path: site/scope/grain/first day/kpi; a scope may hold strokes itself.
        grain = figure.path.split("/")[-3]
        how = named.get("hour_start_utc") or (grain if grain in GRAINS else "")
        return Term(kpi=named["kpi"], scopes=(named["scope"],), period=_span(named), how=how, site=named["site"])
    if trace.computation in LEAVES:
        scope = named.get("scope") or (f"seu:{named['seu']}" if "seu" in named else f"project:{named['project']}")
        kpi, how = named.get("field", figure.kpi), LEAVES[trace.computation]
        return Term(kpi=kpi, scopes=(scope,), period=_span(named), how=how, site=named["site"])
    if trace.computation not in MADE:
        return None
    parts: list[Term | Made] = []
    for given in trace.inputs:
        source = lookup(given.id)
        part = None if source is None else _made_of(source, lookup)
        if part is None:
            return None
        joined = _joined(parts[-1], part) if parts and trace.computation not in PAIRS else None
        parts = [*parts, part] if joined is None else [*parts[:-1], joined]
    return Made(of=trace.computation, parts=tuple(parts)) if parts else None


def _joined(one: Term | Made, two: Term | Made) -> Term | None:
    """Two neighbours as one term: spans of a grain that touch, hours of one day, scopes of one span."""
    if isinstance(one, Made) or isinstance(two, Made) or (one.kpi, one.site) != (two.kpi, two.site):
        return None
    (first, last), (start, end) = (each.period.split("/") for each in (one, two))
    if one.scopes == two.scopes and "T" in two.how and (one.how == "hour" or "T" in one.how):
        # Of hours the local day is named: each that was read of it is meant.
        return one.model_copy(update={"how": "hour", "period": f"{first}/{max(last, end)}"})
    if one.how != two.how:
        return None
    if one.scopes == two.scopes and one.how in ("day", "month") and last == start:
        return one.model_copy(update={"period": f"{first}/{end}"})
    return one.model_copy(update={"scopes": one.scopes + two.scopes}) if one.period == two.period else None


def terms_of(made: Term | Made) -> Iterator[Term]:
    """Its terms, in order."""
    if isinstance(made, Term):
        yield made
        return
    for each in made.parts:
        yield from terms_of(each)


def _within(made: Term | Made, site: str) -> Term | Made:
    """The same where the site need not be named."""
    if isinstance(made, Term):
        return made.model_copy(update={"site": "" if made.site == site else made.site})
    return made.model_copy(update={"parts": tuple(_within(each, site) for each in made.parts)})


def _span(named: Mapping[str, str]) -> str:
    return f"{named['start']}/{named['end']}"


class WhyAsked(Model):
    """What an address of /why asks for. period: as it is written there; the site's zone makes days of it."""

    site: str
    scope: str
    kpi: str
    period: str = ""
    at_utc: datetime | None = None
    of: Literal["row", "running", "assessment", "made"] = "row"
    made: Term | Made | None = None
    baseline: str = ""
    confidence: float = Field(default=0.9, gt=0, lt=1)


def read_why(address: Address, *, site: str, scope: str) -> WhyAsked:
    """What the address asks for of a site and scope that were judged already. Raises BadInput (bad_address)."""
    of = address.part("of") or "row"
    if "@" in of:
        return WhyAsked(site=site, scope=scope, kpi="", of="made", made=read_made(of))
    if of not in ("row", "running", "assessment"):
        raise _wrong(f"of is one of running, assessment and expressions of {', '.join(MADE)}, got {of[:40]!r}")
    if not address.part("kpi"):
        raise _wrong("name a number: kpi, or figure for one that is kept")
    if address.grain is not None:
        raise _wrong(f"a number has no grain: ask for its period, or for sum(…@{address.grain})")
    if (of == "running") != (not address.period):
        raise _wrong("name the period of the number; a running figure has an instant (at) instead")
    at = address.part("at")
    try:
        return WhyAsked(
            site=site,
            scope=scope,
            kpi=address.part("kpi"),
            period=address.period,
            at_utc=parse_instant(at) if at else None,
            of=of,
            baseline=address.part("baseline"),
            confidence=float(address.part("confidence") or "0.9"),
        )
    except ValueError as fault:
        raise _wrong("confidence is a share between 0 and 1") from fault


def expect_read(address: Address) -> None:
    """Raises BadInput (bad_address) for a part of the address that its way to ask for a number does not read."""
    named = address.part("of") or "row"
    of = "figure" if address.part("figure") else "made" if "@" in named else named
    told = {name: getattr(address, name, "") or address.part(name) for name in ("site", "scope", "period", *TAKES)}
    beside = [name for name, text in told.items() if text and name not in _READ.get(of, told)]
    if beside:
        raise _wrong(f"{', '.join(beside)} would change nothing here: {of} reads {', '.join(_READ[of])}")


def read_made(text: str) -> Term | Made:
    """The expression. Raises BadInput (bad_address) for what is none."""
    tokens = _TOKEN.findall(text)
    if sum("@" in each for each in tokens) > MOST_TERMS:
        raise _wrong(f"an expression has at most {MOST_TERMS} terms")
    found, rest = _read(tokens, 0)
    if rest:
        raise _wrong(f"the expression goes on after its end: {''.join(rest)[:40]!r}")
    return found


def _read(tokens: list[str], depth: int) -> tuple[Term | Made, list[str]]:
    if not tokens or depth > MOST_DEPTH:
        raise _wrong("the expression ends too early" if not tokens else "the expression is nested too deeply")
    word, rest = tokens[0], tokens[1:]
    if "@" in word:
        return _term(word), rest
    if word not in MADE or rest[:1] != ["("]:
        raise _wrong(f"expected a term kpi@scope@span, or one of {', '.join(MADE)} with its parts, got {word[:40]!r}")
    parts: list[Term | Made] = []
    while rest[:1] == ["," if parts else "("]:
        part, rest = _read(rest[1:], depth + 1)
        parts.append(part)
    if rest[:1] != [")"]:
        raise _wrong(f"{word} has no closing bracket")
    if word in PAIRS and len(parts) != 2:
        raise _wrong(f"{word} is made of two parts, got {len(parts)}")
    return Made(of=word, parts=tuple(parts)), rest[1:]


def _term(text: str) -> Term:
    kpi, scopes, period, how, site, *more = (*text.split("@"), "", "", "", "")
    if any(more) or not all((kpi, scopes, period)) or (how not in HOWS and "T" not in how):
        raise _wrong(f"a term is kpi@scope@span[@{'|'.join(HOWS[1:])}, or an instant[@site]], got {text[:60]!r}")
    if how not in HOWS:
        parse_instant(how)
    return Term(kpi=kpi, scopes=tuple(scopes.split("+")), period=period, how=how, site=site)


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
