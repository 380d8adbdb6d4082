"""Where a number's reason stands: the address of /why, which asks for the same number again and explains it.

A mart's number is not stored, so its address says what it is of. `of` names the computation where it is not one row
of a mart: `running`, `assessment`, or an expression (asked/query.py). What fits none of these is asked for by its id,
as stored figures are.
"""

from collections.abc import Mapping

from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import parse_instant
from reports.figures.query import (
    COMBINED,
    Combined,
    Lookup,
    Query,
    Question,
    queries_in,
    question_of,
    read_question,
    without_site,
)
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


def why_of(figure: Figure, address: Address, lookup: Lookup | None = None) -> str:
    """The address that explains the figure, in the state (as of, locale) of the page that shows it. lookup: as
    `question_of` takes it.
    """
    question = question_of(figure, lookup)
    if question is not None:
        return why_asked(question, address)
    asked = {"figure": figure.figure_id, "site": None, "scope": None, "period": None}
    return address.href(WHY, **{"grain": None, "compare": None, **asked})


def why_asked(question: Question, address: Address) -> str:
    """The address that asks for what a question says. A query of a grain of rows is asked as an expression."""
    return address.href(WHY, **{"grain": None, "compare": None, **_told(question)})


def _told(question: Question) -> dict[str, str | None]:
    if isinstance(question, Combined) or question.grain not in ("", "running", "assessment") or not question.site:
        site = next(queries_in(question)).site
        named = {"site": site} if site else {}
        return {**named, "scope": None, "period": None, "of": str(without_site(question, site))}
    at = None if question.at_utc is None else f"{question.at_utc:%Y-%m-%dT%H:%MZ}"
    told: dict[str, str | None] = {
        "site": question.site, "scope": question.scopes[0], "period": question.span or None, "kpi": question.measure,
    }  # fmt: skip
    if question.grain == "assessment":
        return told | {
            "of": "assessment", "baseline": question.baseline or None, "confidence": str(question.confidence),
        }  # fmt: skip
    return told | {"at": at} | ({"of": "running"} if question.grain else {})


def read_why(address: Address, *, site: str, scope: str) -> Question:
    """What the address asks for of a site and scope that were judged already. Raises BadInput (bad_address)."""
    of = address.part("of") or "row"
    if "@" in of:
        return read_question(of)
    if of not in ("row", "running", "assessment"):
        raise _wrong(f"of is one of running, assessment and expressions of {', '.join(COMBINED)}, got {of[:40]!r}")
    if not address.part("kpi"):
        raise _wrong("name a number: kpi, or figure for one that is kept")
    if address.grain is not None:
        raise _wrong(f"a number has no grain: ask for its period, or for sum(…@{address.grain})")
    if (of == "running") != (not address.period):
        raise _wrong("name the period of the number; a running figure has an instant (at) instead")
    at = address.part("at")
    try:
        return Query(
            measure=address.part("kpi"),
            scopes=(scope,),
            span=address.period,
            grain="" if of == "row" else of,
            site=site,
            at_utc=parse_instant(at) if at else None,
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


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
