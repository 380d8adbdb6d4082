"""Queries of figures: a number by measure, scope, span and grain, or an expression over several. As text, such as

    percent_of(sum(consumption_kwh@tenant:law@2025-01-01/2025-03-01@month),consumption_kwh@site:tower@2025)

A query is `measure@scope@span`, then, where it applies, `@grain` and `@site` where that is another than the asker's;
scopes joined by + are a query each.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from urllib.parse import quote

from pydantic import Field

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.reporting.figure import REGISTER_KPI, Figure
from data_quality.contracts.time import parse_instant

PAIRS = ("difference", "ratio", "product", "deviation_percent", "percent_of")
COMBINED = ("sum", "max", "root_sum_of_squares", *PAIRS)
ROWS = ("day", "month", "hour")
# Computation of a number that no mart holds -> the grain that asks for it.
COMPUTED: Mapping[str, str] = {
    "seu_assessment": "assessment", "savings_value": "assessment", "project_number": "project", "bill_number": "bill",
    "event_number": "event",
}  # fmt: skip
GRAINS = ("", *ROWS, "assessment", "project", "bill", "event")
# A question that names more is nobody's.
MOST_QUERIES, MOST_DEPTH = 200, 6
_TOKEN = re.compile(r"[(),]|[^(),]+")
Lookup = Callable[[str], Figure | None]


class Query(Model):
    """One number of each of its scopes, or the rows of a grain over its span.

    span: as people write it (2025-03, START/END); empty for a running figure. grain: empty for the very span's number,
    ROWS, a number that no mart holds (assessment, project, bill, event, running), or an instant: the hour from then.
    at_utc: the hour or the running figure's instant. site: empty for the asker's. baseline: `id@version` that an
    assessment is made by; the one in force without.
    """

    measure: str
    scopes: tuple[str, ...]
    span: str = ""
    grain: str = ""
    site: str = ""
    at_utc: datetime | None = None
    baseline: str = ""
    confidence: float = Field(default=0.9, gt=0, lt=1)

    def __str__(self) -> str:
        return "@".join((self.measure, "+".join(self.scopes), self.span, self.grain, self.site)).rstrip("@")


class Combined(Model):
    """Figure made of others, by a name of COMBINED."""

    of: str
    parts: tuple["Query | Combined", ...]

    def __str__(self) -> str:
        return f"{self.of}({','.join(map(str, self.parts))})"


Question = Query | Combined


def queries_in(question: Question) -> Iterator[Query]:
    """The queries of an expression, in order."""
    if isinstance(question, Query):
        yield question
        return
    for each in question.parts:
        yield from queries_in(each)


def question_of(figure: Figure, lookup: Lookup | None = None) -> Question | None:
    """Question that asks for the figure again; None where only its id does.

    lookup: gives the inputs of a combination (`FigureBook.by_id`); without it only stored combinations are explained.
    """
    trace, named = figure.trace, figure.trace.parameters
    # A saving that may not be claimed is the row of a mart too, and computed by nothing.
    is_row = trace.computation == "scope_kpi" or _is_of_register(figure)
    if is_row or (trace.computation == "nothing" and "kpi" in named):
        hour = named.get("hour_start_utc")
        at_utc = None if hour is None else parse_instant(hour)
        return Query(
            measure=named["kpi"], scopes=(named["scope"],), span=_span(named), site=named["site"], at_utc=at_utc
        )
    if trace.computation == "running_figure":
        at_utc = parse_instant(named["at_utc"])
        return Query(
            measure=named["field"], scopes=(named["scope"],), grain="running", site=named["site"], at_utc=at_utc
        )
    if trace.computation == "seu_assessment":
        return Query(
            measure=named["field"],
            scopes=(f"seu:{named['seu']}",),
            span=_span(named),
            grain="assessment",
            site=named["site"],
            baseline=next((given.id for given in trace.inputs if given.role == "baseline"), ""),
            confidence=float(named["confidence"]),
        )
    return _expression(figure, lookup or (lambda _: None))


def _is_of_register(figure: Figure) -> bool:
    """True for the energy of a register over days or an hour; a quarter hour is asked for by its id alone."""
    named = figure.trace.parameters
    return figure.kpi == REGISTER_KPI and "start" in named and "quarter_start_utc" not in named


def _expression(figure: Figure, lookup: Lookup) -> Question | None:
    """Question that asks for the figure as a part of an expression; None where something in it is in no query."""
    trace, named = figure.trace, figure.trace.parameters
    if _is_of_register(figure):
        grain = named.get("hour_start_utc", "")
        return Query(measure=REGISTER_KPI, scopes=(named["scope"],), span=_span(named), grain=grain, site=named["site"])
    if trace.computation == "scope_kpi":
        # The grain stands in the path: site/scope/grain/first day/kpi; a scope may hold strokes itself.
        grain = figure.path.split("/")[-3]
        grain = named.get("hour_start_utc") or (grain if grain in ROWS else "")
        return Query(measure=named["kpi"], scopes=(named["scope"],), span=_span(named), grain=grain, site=named["site"])
    if trace.computation in COMPUTED:
        kinds = ("seu", "project", "bill", "event")
        scope = named.get("scope") or next(f"{of}:{named[of]}" for of in kinds if of in named)
        if line := named.get("line"):
            # A tariff may call its charges by marks that part a term.
            scope += f"/{quote(line, safe='')}"
        measure, grain = named.get("field", figure.kpi), COMPUTED[trace.computation]
        return Query(measure=measure, scopes=(scope,), span=_span(named), grain=grain, site=named["site"])
    if trace.computation not in COMBINED:
        return None
    parts: list[Question] = []
    for given in trace.inputs:
        source = lookup(given.id)
        part = None if source is None else _expression(source, lookup)
        if part is None:
            return None
        joined = _joined(parts[-1], part) if parts and trace.computation not in PAIRS else None
        parts = [*parts, part] if joined is None else [*parts[:-1], joined]
    return Combined(of=trace.computation, parts=tuple(parts)) if parts else None


def _joined(one: Question, two: Question) -> Query | None:
    """Two neighbours as one query: spans of a grain that touch, hours of one day, scopes of one span."""
    if isinstance(one, Combined) or isinstance(two, Combined) or (one.measure, one.site) != (two.measure, two.site):
        return None
    (first, last), (start, end) = (each.span.split("/") for each in (one, two))
    if one.scopes == two.scopes and "T" in two.grain and (one.grain == "hour" or "T" in one.grain):
        # Of hours the local day is named: each that was read of it is meant.
        return one.model_copy(update={"grain": "hour", "span": f"{first}/{max(last, end)}"})
    if one.grain != two.grain:
        return None
    if one.scopes == two.scopes and one.grain in ("day", "month") and last == start:
        return one.model_copy(update={"span": f"{first}/{end}"})
    return one.model_copy(update={"scopes": one.scopes + two.scopes}) if one.span == two.span else None


def _span(named: Mapping[str, str]) -> str:
    return f"{named['start']}/{named['end']}"


def without_site(question: Question, site: str) -> Question:
    """The same for an asker of that site, which then need not be named."""
    if isinstance(question, Query):
        return question.model_copy(update={"site": "" if question.site == site else question.site})
    return question.model_copy(update={"parts": tuple(without_site(each, site) for each in question.parts)})


def read_question(text: str) -> Question:
    """The expression. Raises BadInput (bad_address) for what is none."""
    tokens = _TOKEN.findall(text)
    if sum("@" in each for each in tokens) > MOST_QUERIES:
        raise _wrong(f"an expression has at most {MOST_QUERIES} terms")
    found, rest = _read(tokens, 0)
    if rest:
        raise _wrong(f"the expression goes on after its end: {''.join(rest)[:40]!r}")
    return found


def _read(tokens: list[str], depth: int) -> tuple[Question, list[str]]:
    if not tokens or depth > MOST_DEPTH:
        raise _wrong("the expression ends too early" if not tokens else "the expression is nested too deeply")
    word, rest = tokens[0], tokens[1:]
    if "@" in word:
        measure, scopes, span, grain, site, *more = (*word.split("@"), "", "", "", "")
        if any(more) or not all((measure, scopes, span)) or (grain not in GRAINS and "T" not in grain):
            raise _wrong(f"a term is kpi@scope@span[@{'|'.join(GRAINS[1:])}, or an instant[@site]], got {word[:60]!r}")
        if grain not in GRAINS:
            parse_instant(grain)
        return Query(measure=measure, scopes=tuple(scopes.split("+")), span=span, grain=grain, site=site), rest
    if word not in COMBINED or rest[:1] != ["("]:
        raise _wrong(
            f"expected a term kpi@scope@span, or one of {', '.join(COMBINED)} with its parts, got {word[:40]!r}"
        )
    parts: list[Question] = []
    while rest[:1] == ["," if parts else "("]:
        part, rest = _read(rest[1:], depth + 1)
        parts.append(part)
    if rest[:1] != [")"]:
        raise _wrong(f"{word} has no closing bracket")
    if word in PAIRS and len(parts) != 2:
        raise _wrong(f"{word} is made of two parts, got {len(parts)}")
    return Combined(of=word, parts=tuple(parts)), rest[1:]


def _wrong(what: str) -> BadInput:
    return BadInput(what, reason="bad_address")
