"""`meterloom advise`: recommendations of a site with their sentences and figures, and what people do with them."""

from datetime import date, datetime
from typing import Annotated, Any

from assets.stores.ledgers.recommendations import Recommendations
from data_quality.contracts.access.permissions import Permission, expect
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.recommendation import Recommendation, RecommendationState
from data_quality.contracts.time import parse_period
from orchestration.operations.answer import Answer, Table
from orchestration.operations.operation import ACTS, READS, READS_AND_ACTS, Argument, Call, Option, operation
from orchestration.operations.options import (
    AnySiteOption,
    OnlySiteOption,
    PeriodOption,
    ReasonOption,
    SiteOption,
    day_or_none,
)
from orchestration.views import advice
from orchestration.views.advice_order import ordered
from orchestration.views.advice_wording import approved_wordings, request_wordings
from reports.gates import refuse_future, refuse_without_readings

LIST = Table(
    "recommendations",
    "id | site | kind | scope | status | saves (kWh): {savings_kwh:,.0f} | money: {savings_money:,.0f|-} | "
    "currency | confidence: {confidence_label} | difficulty",
    empty="no recommendation is known",
)
SENTENCES = Table(
    "sentences", "sentence: {sentence} | figures: {ids}", sentence=lambda each: each["wording"] or each["text"],
    ids=lambda each: " ".join(each["figure_ids"]) or "-",
)  # fmt: skip
COMPUTED = Table("sentences", "sentence: {text} | figures: {ids}", ids=SENTENCES.functions["ids"])
HISTORY = Table("history", "at: {at} | status | person: {person:|-} | reason: {reason:|-}")
IdArgument = Annotated[str, Argument("Of a recommendation, or how its id starts.", metavar="ID")]


@operation("advise run", takes=ACTS, example="--site factory --period 2025 --as ben")
def advise_run(call: Call, site: SiteOption, period: PeriodOption) -> Answer:
    """Find what a site's readings of a period say could be saved, and record what is new."""
    where = call.project.site(site)
    expect(call.known_person(), Permission.AI_RUN)
    span = parse_period(period, where.time_zone)
    # Of days that nobody read, no recommendation is no answer.
    refuse_future(span, call.clock.now_utc(), name="advise run")
    refuse_without_readings(call.project.lake, where, span, name="advise run")
    found = advice.run(call.project, where, span, call.clock, sources=call.sources)
    request_wordings(call.project, where, found, call.clock)
    return _listed(call, found, "")


@operation("advise list", takes=READS_AND_ACTS, repeats=True, example="--site factory --status new --search compressor")
def advise_list(
    call: Call,
    site: AnySiteOption = None,
    status: Annotated[str | None, Option("Only of this status.")] = None,
    kind: Annotated[str | None, Option("Only of this kind.")] = None,
    search: Annotated[str, Option("Only with this text in id, kind, scope or sentences.")] = "",
    page: Annotated[int, Option("Which page, from 1.")] = 1,
    size: Annotated[int, Option("Recommendations a page.")] = 50,
) -> Answer:
    """List recommendations, the largest saving of money first; for a person (--as), by what they answered before."""
    if page < 1 or not 1 <= size <= 500:
        raise BadInput("--page begins at 1, --size is 1 to 500", reason="bad_number")
    where = call.project.site(site).site_id if site else None
    found = [
        each
        for each in Recommendations(call.project.store).current(where, as_of_utc=call.as_of_utc)
        if status in (None, each.status) and kind in (None, each.kind) and _has(call, each, search, call.as_of_utc)
    ]
    person_id = call.known_person().person_id if call.person else ""
    found = ordered(
        call.project.store, found, person_id=person_id, now_utc=call.clock.now_utc(), as_of_utc=call.as_of_utc
    )
    shown = found[(page - 1) * size : page * size]
    text = f"{len(found)} recommendations, page {page} of {max(-(-len(found) // size), 1)}"
    return _listed(call, shown, text, as_of_utc=call.as_of_utc)


@operation("advise show", takes=READS, example="3f2a9c")
def advise_show(
    call: Call,
    recommendation: IdArgument,
    site: OnlySiteOption = None,
    computed: Annotated[bool, Option("The computed sentences, where a language model words them.")] = False,
) -> Answer:
    """Show a recommendation: its sentences, each with the figures that `meterloom trace` opens, and its history."""
    ledger = Recommendations(call.project.store)
    where = None if site is None else call.project.site(site).site_id
    found = ledger.named(recommendation, where, as_of_utc=call.as_of_utc)
    history = [
        {"at": each.recorded_at_utc, "status": each.status, "person": each.person_id, "reason": each.reason}
        for each in ledger.history(found, as_of_utc=call.as_of_utc)
    ]
    shown = _row(call, found, call.as_of_utc)
    head = f"{found.recommendation_id} {found.kind} {found.scope}: {found.status}, confidence {found.confidence_label}"
    result = {"recommendations": [shown], "sentences": shown["sentences"], "history": history}
    return Answer(result, (head, COMPUTED if computed else SENTENCES, HISTORY), _measured(shown))


@operation("advise acknowledge", takes=ACTS, example='3f2a9c --as ben --reason "seen"')
def advise_acknowledge(call: Call, recommendation: IdArgument, reason: ReasonOption) -> Answer:
    """Note that somebody has seen a recommendation."""
    return _moved(call, recommendation, "acknowledged", reason)


@operation("advise schedule", takes=ACTS, example='3f2a9c --due 2027-03-01 --as ben --reason "next shutdown"')
def advise_schedule(
    call: Call,
    recommendation: IdArgument,
    reason: ReasonOption,
    due: Annotated[str, Option("Local day on which it is decided.")],
) -> Answer:
    """Put a recommendation off to a day."""
    return _moved(call, recommendation, "scheduled", reason, due=day_or_none(due, "--due"))


@operation("advise dismiss", takes=ACTS, example='3f2a9c --as ben --reason "the room is used at night"')
def advise_dismiss(call: Call, recommendation: IdArgument, reason: ReasonOption) -> Answer:
    """Dismiss a recommendation with its reason."""
    return _moved(call, recommendation, "dismissed", reason)


@operation("advise accept", takes=ACTS, example='3f2a9c --as dirk --reason "agreed"')
def advise_accept(call: Call, recommendation: IdArgument, reason: ReasonOption) -> Answer:
    """Accept a recommendation: the M&V baseline is fitted before anything changes, and a work order is opened."""
    found = Recommendations(call.project.store).named(recommendation)
    after, finding = advice.accept(
        call.project, found, call.clock, person=call.known_person(), reason=reason,
        tracker=call.project.tracker,
    )  # fmt: skip
    baseline = f"no baseline: {finding.message}" if finding else f"baseline {after.baseline}"
    result = {"recommendations": [_row(call, after)], "findings": [finding] if finding else []}
    return Answer(result, text=f"{after.recommendation_id} accepted: work order {after.order_id}, {baseline}")


@operation("advise measure", takes=ACTS, example='3f2a9c --as ben --reason "after three months"')
def advise_measure(
    call: Call,
    recommendation: IdArgument,
    reason: ReasonOption,
    first: Annotated[
        str | None, Option("Local day from which it counts; else that after the order was closed.", "--from")
    ] = None,
) -> Answer:
    """Measure what was saved since the work order was done, beside the estimate."""
    found = Recommendations(call.project.store).named(recommendation)
    after = advice.measure(
        call.project, found, call.clock, person=call.known_person(), reason=reason, first=day_or_none(first, "--from")
    )
    shown = _row(call, after)
    return Answer({"recommendations": [shown]}, text=_measured(shown))


def _moved(
    call: Call, recommendation: str, status: RecommendationState, reason: str, *, due: date | None = None
) -> Answer:
    person = call.known_person()
    expect(person, Permission.ANOMALY_UPDATE)
    ledger = Recommendations(call.project.store)
    facts: dict[str, Any] = {"due": due} if due else {}
    after = ledger.move(
        ledger.named(recommendation), status, call.clock, person_id=person.person_id, reason=reason, **facts
    )
    return Answer({"recommendations": [_row(call, after)]}, text=f"{after.recommendation_id} {after.status}")


def _listed(call: Call, found: list[Recommendation], text: str, *, as_of_utc: datetime | None = None) -> Answer:
    return Answer({"recommendations": [_row(call, each, as_of_utc) for each in found]}, LIST, text)


def _row(call: Call, found: Recommendation, as_of_utc: datetime | None = None) -> dict[str, Any]:
    site = call.project.site(found.site_id)
    row = advice.row(site, found, site.locale)
    row["figures"] = {each.path.rpartition("/")[2]: each.figure_id for each in found.figures}
    wordings = approved_wordings(call.project, site, found, site.locale, as_of_utc=as_of_utc)
    for each in row["sentences"]:
        each["wording"] = wordings.get(each["text"])
    return row


def _has(call: Call, found: Recommendation, search: str, as_of_utc: datetime | None) -> bool:
    texts = [found.recommendation_id, found.kind, found.scope]
    if search and not any(search.lower() in each.lower() for each in texts):
        texts += [each["text"] for each in _row(call, found, as_of_utc)["sentences"]]
    return any(search.lower() in each.lower() for each in texts)


def _measured(shown: dict[str, Any]) -> str:
    saved = shown["measured"]
    if not saved:
        return ""
    band = saved["interval_kwh"]
    within = "no interval" if band is None else f"{band[0]:,.0f} to {band[1]:,.0f}"
    blockers = "; ".join(str(each["message"]) for each in saved["findings"]) or "its baseline is not approved"
    barred = "" if saved["claimed_kwh"] is not None else f"\nnot to be claimed: {blockers}"
    return (
        f"saved {saved['savings_kwh']:,.0f} kWh ({within}) on {saved['days']} days; "
        f"estimated for as many days: {saved['estimated_kwh']:,.0f} kWh{barred}"
    )
