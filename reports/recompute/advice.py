"""Recommendations recomputed from readings, as known at an instant, and as stored: what figures of them trace to."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from assets.advice.advise import Advice, advise
from assets.advice.from_readings import site_hours
from assets.stores.ledgers.bill_ledger import notifications_of
from assets.stores.ledgers.recommendations import Recommendations
from assets.stores.ledgers.results import WhatIfs
from data_quality.contracts.baselines.baseline import BaselineType
from data_quality.contracts.control.what_if import WhatIfResult
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.figure import Trace, TraceInput
from data_quality.contracts.reporting.recommendation import Recommendation
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, local_day
from data_quality.contracts.units import ARITHMETIC
from reports.recompute.bill import dates_of, stored_bill
from reports.recompute.figure_sources import Sources, parse_dates, stored_sha256

# Role of an input: a recommendation as an act left it.
RECOMMENDATION = "recommendation"


class PeriodAdvice(NamedTuple):
    """All recommendations of a period, with the share of estimated readings and whether some are simulated."""

    advice: list[Advice]
    estimated_share: float
    is_synthetic: bool


def advice_of(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> PeriodAdvice:
    """Recommendations of a site and period as of an instant. Raises BadInput for tariffs that overlap."""

    def make() -> PeriodAdvice:
        in_force = sources.baselines.in_force(site.site_id, BaselineType.ENB, as_of_utc=as_of_utc)
        found = site_hours(
            site, period, sources.readings(site, period.start, period.end, as_of_utc),
            factors=sources.factors(site, as_of_utc),
            baselines=[each for each in in_force.values() if each.status.has_approval],
            overbilled=_overbilled(sources, site, period, as_of_utc),
            what_ifs=[one for each in _what_ifs(sources, site, period, as_of_utc) for one in each.variants],
            known_on=local_day(as_of_utc, site.time_zone),
        )  # fmt: skip
        advice = advise(found.hours, estimated_share=found.estimated_share)
        return PeriodAdvice(advice, found.estimated_share, found.is_synthetic)

    return sources.keep(("advice", site.site_id, period.start, period.end, as_of_utc), make)


def advice_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of a recommendation; None of one that is not recomputed.

    parameters: site, start, end, kind, scope, field.
    """
    named, site = trace.parameters, sources.site(trace.parameters["site"])
    start, end = parse_dates(named)
    period = Period(label="", start=start, end=end, time_zone=site.time_zone)
    made = advice_of(sources, site, period, trace.as_of_utc).advice
    found = next((each for each in made if (each.kind, each.scope) == (named["kind"], named["scope"])), None)
    return None if found is None else exact(found.value(named["field"]))


def measure_number(trace: Trace, sources: Sources) -> Decimal | None:
    """A number of a recommendation as it stands sealed; the figure that the input names traces it to the readings.

    parameters: site, recommendation, field.
    """
    found = stored_advice(sources, trace.parameters["recommendation"], trace.as_of_utc)
    figure = found.figure(trace.parameters["field"])
    return None if figure is None else figure.value


def stored_advice(sources: Sources, recommendation_id: str, as_of_utc: datetime | None) -> Recommendation:
    """A stored recommendation at an instant. Raises BadInput (no_recommendation)."""
    ledger = Recommendations(sources.lake.store)
    # All at once: each for itself would be proven against all others.
    known = sources.keep(
        (RECOMMENDATION, as_of_utc),
        lambda: {each.recommendation_id: each for each in ledger.current(as_of_utc=as_of_utc)},
    )
    return known.get(recommendation_id) or ledger.named(recommendation_id, as_of_utc=as_of_utc)


def advice_input(of: Recommendation, figure_id: str) -> TraceInput:
    """A stored recommendation as an input: its id, the hash of what stands, and its own figure of the number."""
    return TraceInput(
        kind="version", id=f"{of.site_id}/{of.recommendation_id}", role=RECOMMENDATION, sha256=_sha256(of),
        value=figure_id,
    )  # fmt: skip


def advice_input_today(given: TraceInput, sources: Sources, as_of_utc: datetime | None) -> str:
    """The digest that such an input has now, or had at an instant; empty where it is gone."""
    try:
        return _sha256(stored_advice(sources, given.id.partition("/")[2], as_of_utc))
    except BadInput:
        return ""


def _sha256(stored: Recommendation) -> str:
    return stored_sha256([stored], without={"recorded_at_utc"})


def exact(value: float | None) -> Decimal | None:
    """The shortest decimal that reads back as the same float."""
    return None if value is None else Decimal(repr(value))


def inputs_of(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> list[TraceInput]:
    """Readings, site file, calendar and what-ifs behind every number of the period's recommendations."""
    return [
        sources.lake_input(site, period.start, period.end, as_of_utc), sources.site_input(site),
        *sources.calendar_inputs(site, period.start, period.end),
        *(TraceInput(kind="version", id=each.result_id, role="what_if")
          for each in _what_ifs(sources, site, period, as_of_utc)),
    ]  # fmt: skip


def _what_ifs(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> list[WhatIfResult]:
    """Stored what-ifs whose readings end with the period or after it, each with the changes that none newer tries."""
    found, tried = list[WhatIfResult](), set[tuple[str, ...]]()
    for result in reversed(WhatIfs(sources.lake.store).of(site.site_id, as_of_utc=as_of_utc)):
        if result.end < period.end or result.currency != site.currency:
            continue
        new = tuple(each for each in result.variants if each.changes not in tried)
        tried.update(each.changes for each in new)
        if new:
            found.append(result.model_copy(update={"variants": new}))
    return found


def _overbilled(sources: Sources, site: Site, period: Period, as_of_utc: datetime) -> dict[str, Decimal]:
    """Excess of stored bills over their audits, by the newest notified variance."""
    found = {}
    for row in notifications_of(sources.lake.store, site.site_id, as_of_utc=as_of_utc):
        if row["kind"] != "bill_variance":
            continue
        dates = dates_of(stored_bill(sources, row["subject"]))
        if dates is not None and period.start <= dates[0] < period.end:
            found[str(row["subject"])] = Decimal(row["facts"]["delta_total"])
    return found


def net_present_value(operands: Sequence[tuple[str, Decimal | None]]) -> Decimal | None:
    """Savings of so many years, discounted to today, less the cost of today: -C + sum of S / (1 + r)^t, t = 1..n.

    operands, in this order: cost C, saving a year S, rate of a year in percent, whole years n. Savings come at the end
    of their year. Unknown as soon as one of them is.
    """
    cost, saving, percent, years = (value for _, value in operands)
    if cost is None or saving is None or percent is None or years is None:
        return None
    growth = ARITHMETIC.add(Decimal(1), ARITHMETIC.divide(percent, Decimal(100)))
    worth = Decimal(0)
    for _ in range(int(years)):
        worth = ARITHMETIC.divide(ARITHMETIC.add(worth, saving), growth)
    return ARITHMETIC.subtract(worth, cost)
