"""Cost of a plan's steps by the site's own tariffs: prices where they say it all, else the bill's linear terms.

The tariffs are those of electricity, at the site's price stream where it buys by that: the same that its bills and its
cost KPI stand on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from assets.bills.engine.bill_load import Load
from assets.bills.engine.bill_terms import bill_terms
from assets.bills.engine.book import Book, Run, Span, book_of, calendar_months, carries_over, runs_of
from assets.bills.engine.compute import make_plan as bill_plan
from assets.bills.engine.compute import raw_bills
from assets.bills.engine.settle import Account
from assets.kpi.running_cost.interval_costs import metered, prices_of, supply_streams
from assets.kpi.running_cost.supply_terms import without_gaps
from assets.sites.calendar import types_around
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.tariffs.linear_evaluate import energy_prices, evaluate
from assets.tariffs.linear_model import LinearTerms, NotLinear
from assets.tariffs.price_series import PriceSeries
from controls.optimiser.backends.expressions import Floats
from data_quality.contracts.billing.tariff import Tariff
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, last_local_day, local_day, local_midnight_utc
from data_quality.contracts.units import of_quanta

STEP = timedelta(minutes=CANONICAL_MINUTES)
HOURS = CANONICAL_MINUTES / 60
# The longest that a ratchet or a year of credit looks back.
_MONTHS_BACK = 24


@dataclass(frozen=True)
class BillsSoFar:
    """Bills that a plan's steps belong to: the metered load before them, what earlier bills left.

    prices: past ones, by stream.
    """

    load: Load | None = None
    account: Account[Decimal] = field(default_factory=Account)
    prices: Mapping[str, PriceSeries] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """Marginal price of a kWh in each step, and the bills where that is not all. labels: for the inputs."""

    import_price_per_kwh: tuple[float, ...]
    export_price_per_kwh: tuple[float, ...]
    bills: tuple[LinearTerms, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


class _Part(NamedTuple):
    """Steps [start, end) of a plan that lie in one bill, under one tariff."""

    run: Run
    tariff: Tariff
    start_utc: datetime
    end_utc: datetime


# Reads are many: asked for only where a tariff looks at more than the hour.
ReadBills = Callable[[], BillsSoFar]


def so_far_reader(site: Site, lake: Lake, *, start_utc: datetime, as_of_utc: datetime | None = None) -> ReadBills:
    """A function that reads what is known of the bills before a plan that starts then."""

    # Once: a plan asks again where it needs its bills for a wider connection.
    @cache
    def read() -> BillsSoFar:
        book = book_of(site)
        span = lake.span(site.site_id, as_of_utc=as_of_utc)
        today = local_day(start_utc, site.time_zone)
        month = today.replace(day=1)
        if book is None or span is None:
            return BillsSoFar()
        first = month
        if carries_over(book.tariffs):
            months = calendar_months(max(span[0], month - timedelta(days=31 * _MONTHS_BACK)), month)
            # A month that the readings do not fill would hand on too low a peak, or a credit that it has not.
            first = next((begun for begun, _ in months if begun >= span[0]), month)
        rows = site_readings(
            lake, site, start_utc=local_midnight_utc(first, site.time_zone), end_utc=start_utc, as_of_utc=as_of_utc,
            meters=supply_streams(site),
        ).filter(pl.col("interval_start_utc") < start_utc)  # fmt: skip
        load, prices = metered(site, rows, first, today + timedelta(days=1)).load, prices_of(site, rows)
        account = Account()
        before = [run for begun in calendar_months(first, month) for run in runs_of(book, *begun) if run.has_tariff]
        if before:
            filled = without_gaps(book.tariffs, load, prices)[0]
            types = types_around(site, first, month)
            spans = [Span(run.start, run.end) for run in before]
            made = bill_plan(book, spans, step_minutes=load.step_minutes, prices=filled, day_types=types)
            list(raw_bills(made, load, accounts=[account]))
        return BillsSoFar(load, account, prices)

    return read


def tariff_findings(site: Site) -> list[Finding]:
    """Why the site's tariffs are none for a plan; empty where they are."""
    try:
        book = book_of(site)
    except BadInput as fault:
        return [_finding(fault.reason or "bad_tariff", str(fault))]
    if book is not None:
        return []
    others = sorted({tariff.commodity for tariff in site.tariffs})
    if others:
        sentence = f"the tariffs of site {site.site_id} are of {' and '.join(others)}, its plans are of electricity"
        return [_finding("no_electricity_tariff", f"{sentence}: a tariff of electricity or a price_stream is needed")]
    return [_finding("no_prices", f"site {site.site_id} has neither a tariff of electricity nor a price_stream")]


def in_force(site: Site, steps: Sequence[datetime]) -> set[datetime]:
    """The steps on whose local day a tariff of the site holds."""
    book, zone = book_of(site), ZoneInfo(site.time_zone)
    tariffs = book.tariffs if book is not None else ()
    days = {step: step.astimezone(zone).date() for step in steps}
    return {step for step, day in days.items() if any(tariff.is_in_force(day) for tariff in tariffs)}


def tariff_offer(
    site: Site,
    *,
    prices: Mapping[datetime, float],
    start_utc: datetime,
    net_kw: Floats,
    most_kw: float,
    read_bills: ReadBills | None = None,
) -> Offer | Finding:
    """Prices of the steps from start_utc on by the site's tariffs.

    prices: of the price stream by quarter hour (site's currency per kWh). net_kw: load less PV as forecast, one value
    a step; at it the prices of the offer are those of the next kWh. most_kw: that the connection carries, either way.
    A tariff that is not in force on a step, or that has no exact linear form, is a finding that names what and why.
    """
    try:
        return _offer(site, prices, start_utc, net_kw, most_kw, read_bills)
    except BadInput as fault:
        return _finding(fault.reason or "bad_tariff", str(fault))


def _offer(
    site: Site,
    prices: Mapping[datetime, float],
    start_utc: datetime,
    net_kw: Floats,
    most_kw: float,
    read_bills: ReadBills | None,
) -> Offer | Finding:
    book, end_utc = book_of(site), start_utc + net_kw.size * STEP
    assert book is not None  # noqa: S101 - tariff_findings has said so
    parts = [
        part for run in _runs(site, book, start_utc, end_utc) for part in _parts(site, book, run, start_utc, end_utc)
    ]
    known = BillsSoFar()
    found = _terms(site, book, parts, prices, known, most_kw)
    if not isinstance(found, NotLinear) and any(terms.objective for terms in found) and read_bills is not None:
        known = read_bills()
        found = _terms(site, book, parts, prices, known, most_kw)
    if isinstance(found, NotLinear):
        names = " and ".join(dict.fromkeys(part.tariff.tariff_id for part in parts))
        sentence = f"tariff {names} has no exact form for a plan: {found.component}: {found.why}"
        return _finding("tariff_not_linear", sentence, tariff=names, component=found.component)
    bought, sold = np.maximum(net_kw, 0.0) * HOURS, np.maximum(-net_kw, 0.0) * HOURS
    at = np.cumsum([0, *(terms.size for terms in found)])
    rates = [energy_prices(each, bought[a:b], sold[a:b]) for each, a, b in zip(found, at[:-1], at[1:], strict=True)]
    buy, sell = (tuple((np.concatenate(side) + 0.0).tolist()) for side in zip(*rates, strict=True))
    if not any(terms.objective for terms in found):
        return Offer(buy, sell)
    return Offer(buy, sell, bills=found, labels=_labels(site, found, known, start_utc))


def _terms(
    site: Site,
    book: Book,
    parts: Sequence[_Part],
    prices: Mapping[datetime, float],
    known: BillsSoFar,
    most_kw: float,
) -> tuple[LinearTerms, ...] | NotLinear:
    found = []
    for run, tariff, first_utc, last_utc in parts:
        if tariff.metering.arrangement == "buy_all_sell_all" and any(asset.kind == "pv" for asset in site.assets):
            return NotLinear(component="metering", why="load and generation have a meter each, a plan one connection")
        is_whole = last_utc >= local_midnight_utc(run.end, site.time_zone)
        series: dict[str, PriceSeries] = {**known.prices, **_with_plan(site, prices, known)}
        begun = local_midnight_utc(run.start, site.time_zone)
        past = known.load.between(begun, first_utc) if known.load is not None and begun < first_utc else None
        if past is not None:
            # Of past hours without a price only the constant lacks something; what a plan may change it does not touch.
            series = without_gaps(book.tariffs, past, series)[0]
        terms = bill_terms(
            book.tariffs if is_whole else _without_minimum(book.tariffs),
            time_zone=site.time_zone, start=run.start, end=run.end, step_minutes=CANONICAL_MINUTES,
            horizon=(first_utc, last_utc), known=known.load, account=known.account, prices=series,
            kvarh=None if past is None or past.kvarh is None else of_quanta(int(past.kvarh.sum())),
            max_import_kw=Decimal(str(most_kw)), max_export_kw=Decimal(str(most_kw)), currency=site.currency,
            credits_beyond="leave_out", day_types=types_around(site, run.start, run.end),
        )  # fmt: skip
        if isinstance(terms, NotLinear):
            return terms
        if not is_whole and (tariff.minimum.monthly or tariff.minimum.daily):
            why = "whether the bill comes up to it the hours after the plan decide: every kWh counts at its price"
            left = (*terms.left_out, NotLinear(component="minimum", why=why))
            terms = terms.model_copy(update={"left_out": left})
        if tariff.metering.netting_minutes > CANONICAL_MINUTES:
            why = "the bill nets what is fed in over whole hours, the plan each quarter hour"
            terms = terms.model_copy(update={"left_out": (*terms.left_out, NotLinear(component="metering", why=why))})
        found.append(terms)
    return tuple(found)


def _without_minimum(tariffs: Sequence[Tariff]) -> list[Tariff]:
    # Early in a month no kWh would seem to cost anything, for the bill so far is below its minimum.
    return [
        each.model_copy(
            update={"minimum": each.minimum.model_copy(update={"monthly": Decimal(0), "daily": Decimal(0)})}
        )
        for each in tariffs
    ]


def _runs(site: Site, book: Book, start_utc: datetime, end_utc: datetime) -> list[Run]:
    """The bills that the steps belong to. Raises BadInput where a step has no tariff."""
    first, after = local_day(start_utc, site.time_zone), last_local_day(end_utc, site.time_zone) + timedelta(days=1)
    runs = [run for month in calendar_months(first, after) for run in runs_of(book, *month)]
    found = [run for run in runs if run.start < after and run.end > first]
    if lacking := next((run for run in found if not run.has_tariff), None):
        raise BadInput(f"no tariff is in force on {max(first, lacking.start)}", reason="no_tariff_in_force")
    return found


def _parts(site: Site, book: Book, run: Run, start_utc: datetime, end_utc: datetime) -> list[_Part]:
    """A bill's steps under each of its tariffs."""
    found = []
    for tariff, first, last in book.parts(Span(run.start, run.end)):
        begun, ended = (local_midnight_utc(day, site.time_zone) for day in (first, last))
        edges = max(begun, start_utc), min(ended, end_utc)
        if edges[0] < edges[1]:
            found.append(_Part(run, tariff, *edges))
    return found


def _with_plan(site: Site, prices: Mapping[datetime, float], known: BillsSoFar) -> dict[str, PriceSeries]:
    """The price stream with what is known of the plan's steps, published or forecast."""
    if site.price_stream is None:
        return {}
    future = pl.DataFrame(
        {"interval_start_utc": list(prices), "price_per_kwh": [float(price) for price in prices.values()]},
        schema={"interval_start_utc": pl.Datetime("us", "UTC"), "price_per_kwh": pl.Float64},
    ).with_columns(minutes=pl.lit(CANONICAL_MINUTES))
    ahead, past = PriceSeries.of(site.price_stream, future), known.prices.get(site.price_stream)
    if past is None or not past.start_us.size:
        return {site.price_stream: ahead}
    is_before = past.start_us < (ahead.start_us[0] if ahead.start_us.size else np.iinfo(np.int64).max)
    start_us, minutes, price_nano = (
        np.concatenate([before[is_before], after])
        for before, after in (
            (past.start_us, ahead.start_us), (past.minutes, ahead.minutes), (past.price_nano, ahead.price_nano),
        )
    )  # fmt: skip
    return {site.price_stream: PriceSeries(site.price_stream, start_us, minutes, price_nano, currency=site.currency)}


def _labels(site: Site, bills: tuple[LinearTerms, ...], known: BillsSoFar, start_utc: datetime) -> dict[str, str]:
    """Which bills, what they come to without these steps, how much of them was read, and what is not counted."""
    nothing = sum(evaluate(terms, np.zeros(terms.size), np.zeros(terms.size)) for terms in bills)
    found = {
        "tariff": ", ".join(dict.fromkeys(terms.tariff_id for terms in bills)),
        "bill_without_these_steps": f"{nothing:.2f}",
    }
    begun = local_midnight_utc(bills[0].start, site.time_zone)
    past = (start_utc - begun) // STEP
    if known.load is not None and past:
        read = int(known.load.between(begun, start_utc).is_present.sum())
        found["bill_to_date"] = f"{read} of {past} quarter hours since {bills[0].start}"
    elif past:
        found["bill_to_date"] = f"0 of {past} quarter hours since {bills[0].start}"
    left_out = dict.fromkeys(f"{each.component}: {each.why}" for terms in bills for each in terms.left_out)
    return found | ({"tariff_leaves_out": "; ".join(left_out)} if left_out else {})


def _finding(code: str, message: str, **facts: str) -> Finding:
    return Finding(code=code, message=message, severity="blocking", facts=dict(facts))
