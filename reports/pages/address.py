"""The address of a page is its whole state: site, scope, period, grain, what it is compared with, as of when, locale.

Periods are the site's local days, whatever the browser's zone (law 5 of face.md). Beside those of the command line
(2025, 2025-Q1, 2025-03, 2025-03-30, START/END) a page knows `today`, `yesterday`, `7d` and `30d`.

A mart's number is not stored, so the address of its reason (/why) says what it is of. `of` names the computation where
it is not one row of a mart: `running`, `assessment`, or an expression (figures/query.py). What fits none of these is
asked for by its id, as stored figures are.
"""

from collections.abc import Mapping
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import Figure
from data_quality.contracts.time import Period, local_day, parse_instant, parse_period
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
from reports.texts.locales import languages

PageGrain = Literal["quarter", "hour", "day", "month", "year"]
Compare = Literal["none", "previous", "year", "baseline"]
# A period longer than this is no question that somebody has.
MOST_DAYS = 3700
MOST_TEXT = 200
# What a number is made of may name many of its parts; a whole address still fits into 8 kB.
MOST_OF: Mapping[str, int] = {"of": 4000}
_BACK = {"today": (0, 1), "yesterday": (1, 1), "7d": (6, 7), "30d": (29, 30)}


# So long an act is offered to be undone.
FRESH = timedelta(seconds=60)


def is_fresh(at_utc: datetime, now_utc: datetime) -> bool:
    """True where something was done a moment ago."""
    return timedelta(0) <= now_utc - at_utc <= FRESH


class Address(Model):
    """Query of a page. period: as it was written; `span` gives its days. more: what one page alone knows."""

    path: str
    site: str = ""
    scope: str = ""
    period: str = ""
    grain: PageGrain | None = None
    compare: Compare = "none"
    as_of_utc: datetime | None = None
    locale: str = "en"
    more: tuple[tuple[str, str], ...] = ()

    def href(self, path: str = "", **changes: str | None) -> str:
        """The address of a page with these changes; empty parts are left out. `path` names another page."""
        known: dict[str, str | None] = {
            "site": self.site,
            "scope": self.scope,
            "period": self.period,
            "grain": self.grain,
            "compare": None if self.compare == "none" else self.compare,
            "as_of": None if self.as_of_utc is None else f"{self.as_of_utc:%Y-%m-%dT%H:%M:%S.%fZ}",
            "locale": None if self.locale == "en" else self.locale,
            # What one page alone knows means nothing to another.
            **({} if path and path != self.path else dict(self.more)),
            **changes,
        }
        query = urlencode({name: value for name, value in known.items() if value})
        return f"{path or self.path}{'?' if query else ''}{query}"

    def part(self, name: str) -> str:
        """One of `more`, or nothing."""
        return dict(self.more).get(name, "")


KNOWN = ("site", "scope", "period", "grain", "compare", "as_of", "locale")


def read_address(
    path: str, query: list[tuple[str, str]], *, takes: tuple[str, ...] = (), shared: tuple[str, ...] = KNOWN
) -> Address:
    """The address of a request. takes: what it knows beside `shared`; shared: of KNOWN what means something there.

    Raises BadInput (reason bad_address) for what is doubled, empty, over-long, unknown or no such value.
    """
    found: dict[str, str] = {}
    for name, value in query:
        if name not in (*shared, *takes):
            known = ", ".join((*shared, *takes)) or "none"
            raise _wrong(f"there is no parameter {name[:40]!r} here; there are {known}")
        if name in found:
            raise _wrong(f"{name} appears twice in the address")
        most = MOST_OF.get(name, MOST_TEXT)
        if len(value) > most or not value.isprintable():
            raise _wrong(f"{name} is longer than {most} characters, or holds characters that cannot be printed")
        found[name] = value.strip()
    as_of = found.pop("as_of", "")
    more = tuple((name, found.pop(name)) for name in takes if found.get(name))
    return Address(
        path=path,
        site=found.get("site", ""),
        scope=found.get("scope", ""),
        period=found.get("period", ""),
        grain=_one_of("grain", found, get_args(PageGrain)),
        compare=_one_of("compare", found, get_args(Compare)) or "none",
        as_of_utc=_known_at(as_of) if as_of else None,
        locale=_one_of("locale", found, languages()) or "en",
        more=more,
    )


def _known_at(text: str) -> datetime:
    found = parse_instant(text)
    if found.year in (MINYEAR, MAXYEAR):
        raise BadInput(f"as_of {text!r} has no days before or after it that could be counted", reason="bad_as_of")
    return found


def span(address: Address, *, time_zone: str, now_utc: datetime, usual: str) -> Period:
    """The local days that are asked for; `usual` where the address names none. Raises BadInput (bad_period)."""
    text = address.period or usual
    today = local_day(now_utc, time_zone)
    if text in _BACK:
        back, days = _BACK[text]
        start = today - timedelta(days=back)
        return Period(label=text, start=start, end=start + timedelta(days=days), time_zone=time_zone)
    found = parse_period(text, time_zone)
    if found.days > MOST_DAYS:
        raise BadInput(f"period {text!r} is longer than {MOST_DAYS} days", reason="bad_period")
    return found


def before(period: Period, compare: Compare) -> Period | None:
    """The days to compare with: as many just before, or those of the year before on the same weekdays (52 weeks back
    for weeks and days; the same months where the period is whole months). None for `none` and `baseline`.
    """
    if compare == "previous":
        return _moved(period, period.days)
    if compare != "year":
        return None
    if period.start.day == 1 and period.end.day == 1:
        start, end = (day.replace(year=day.year - 1) for day in (period.start, period.end))
        return Period(label=f"{start}/{end}", start=start, end=end, time_zone=period.time_zone)
    return _moved(period, 364)


def _moved(period: Period, days: int) -> Period:
    start, end = period.start - timedelta(days=days), period.end - timedelta(days=days)
    return Period(label=f"{start}/{end}", start=start, end=end, time_zone=period.time_zone)


def _one_of(name: str, found: Mapping[str, str], allowed: tuple[str, ...]) -> Any:
    value = found.get(name, "")
    if value and value not in allowed:
        raise _wrong(f"{name} is one of {', '.join(allowed)}, got {value[:40]!r}")
    return value or None


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
        return why_address(question, address)
    changes = {"figure": figure.figure_id, "site": None, "scope": None, "period": None}
    return address.href(WHY, **{"grain": None, "compare": None, **changes})


def why_address(question: Question, address: Address) -> str:
    """The address that asks for what a question says. A query of a grain of rows is asked as an expression."""
    return address.href(WHY, **{"grain": None, "compare": None, **_parts(question)})


def why_measure(address: Address, site_id: str, seu_id: str, measure: str, span: Period, baseline: str) -> str:
    """The address that explains a number of a use against a version of its baseline."""
    named = {"site": site_id, "scope": f"seu:{seu_id}", "kpi": measure, "period": f"{span.start}/{span.end}"}
    kept = {"grain": None, "compare": None}
    return address.href(WHY, **kept, **named, of="assessment", baseline=baseline or None)


def _parts(question: Question) -> dict[str, str | None]:
    if isinstance(question, Combined) or question.grain not in ("", "running", "assessment") or not question.site:
        site = next(queries_in(question)).site
        named = {"site": site} if site else {}
        return {**named, "scope": None, "period": None, "of": str(without_site(question, site))}
    at = None if question.at_utc is None else f"{question.at_utc:%Y-%m-%dT%H:%MZ}"
    parts: dict[str, str | None] = {
        "site": question.site, "scope": question.scopes[0], "period": question.span or None, "kpi": question.measure,
    }  # fmt: skip
    if question.grain == "assessment":
        return parts | {
            "of": "assessment", "baseline": question.baseline or None, "confidence": str(question.confidence),
        }  # fmt: skip
    return parts | {"at": at} | ({"of": "running"} if question.grain else {})


def read_why(address: Address, *, site: str, scope: str) -> Question:
    """Question of the address about a site and scope that were judged already. Raises BadInput (bad_address)."""
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
    given = {name: getattr(address, name, "") or address.part(name) for name in ("site", "scope", "period", *TAKES)}
    unused = [name for name, text in given.items() if text and name not in _READ.get(of, given)]
    if unused:
        raise _wrong(f"{', '.join(unused)} would change nothing here: {of} reads {', '.join(_READ[of])}")


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
