"""Anomalies of a site in some months, as stored events with energy and cost; the same months twice add nothing."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import groupby
from typing import Any

import polars as pl

from assets.sites.meter_tree import ENERGY_UNIT, children_of
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger, Published
from assets.stores.ledgers.cause_models import CauseModels, CauseVersion
from assets.stores.transactions import Store
from assets.stores.warehouse.marts import ReadMart
from data_quality.contracts.errors import BadInput, OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.anomaly_event import COSTLY, SMALL, AnomalyEvent, event_id_of
from data_quality.contracts.reporting.open_finding import Severity
from data_quality.contracts.site_file.hierarchy import CONSUMPTION_REGISTER
from data_quality.contracts.site_file.meter import Carrier, Meter
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock, Period
from ml.anomalies import events as found_events
from ml.anomalies.logistic import learned
from ml.anomalies.monitor import watch
from ml.anomalies.params import DetectorParams
from ml.anomaly_causes.cause_model import CauseModel, LikelyCause, likely_cause, shipped_causes
from ml.anomaly_causes.event_features import features_of
from ml.anomaly_scoring.cause_facts import CauseFacts
from ml.anomaly_scoring.live_limits import SiteLimits, StreamLimits
from ml.features.civil import Civil, civil_of
from ml.features.series import QUARTER, Series, Stream, measured_on, series_of


def leading_causes(store: Store) -> CauseModel:
    """The version upon the shipped one that a person accepted last; a release with another shipped one begins anew.

    Raises OurFault where the stored parameters are not those of their digest.
    """
    shipped = shipped_causes()
    leads = CauseModels(store).leading(shipped.version)
    return shipped if leads is None else opened(leads)


def opened(version: CauseVersion) -> CauseModel:
    """The model of a stored version. Raises OurFault as above."""
    model = CauseModel.model_validate(version.parameters)
    if model.digest != version.digest:
        raise OurFault(f"the parameters of version {version.version} of the causes are not those of its digest")
    return model


# The weeks before a span that teach what is usual in it, and the days after it into which an event may reach.
BEFORE, AFTER = timedelta(days=84), timedelta(days=7)
COSTS, TEMPERATURE_UNIT = "mart_site__quarter_hour_running", "degc"
_DIGITS = 3
Calendar = Callable[[datetime, int], Civil]
PriceOf = Callable[[found_events.AnomalyEvent], tuple[float | None, str | None]]


@dataclass(frozen=True)
class SiteScored:
    """Outcome of a scoring. events: that share time with the span; findings: by meter, why one could not be judged;
    series: of the meters that have events, as they were judged. limits: for the minutes after the last reading.
    """

    events: tuple[AnomalyEvent, ...] = ()
    published: Published = field(default_factory=Published)
    judged: int = 0
    findings: dict[str, Finding] = field(default_factory=dict)
    series: dict[str, Series] = field(default_factory=dict)
    limits: SiteLimits | None = None


def score_site(
    site: Site,
    period: Period,
    *,
    lake: Lake,
    read: ReadMart,
    clock: Clock,
    params: DetectorParams | None = None,
) -> SiteScored:
    """Judge the meters of a site in whole local months, and store what is new. A stream is judged as known now."""
    params = params or DetectorParams()
    end_utc = min(period.end_utc + AFTER, clock.now_utc())
    names, start_utc = [each.meter_id for each, _ in scored_streams(site)], period.start_utc - BEFORE
    meters = [*names, *_outdoor(site)]
    readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc, meters=meters)
    last = readings.filter(pl.col("meter_id").is_in(names))["interval_start_utc"].max()
    if not isinstance(last, datetime):
        return SiteScored()
    end_utc = min(end_utc, last + QUARTER)
    calendar, led = cache(partial(civil_of, site)), weather_led(site)
    judged = _judged(site, period, readings, end_utc, params, calendar, led)
    prices = _prices(read, site, period)
    facts = CauseFacts(site, lake, start_utc, end_utc, judged.series, led)
    causes = leading_causes(lake.store)
    events = _with_causes(site, judged, facts, prices, params, calendar, causes)
    span: Any = {"start_utc": period.start_utc, "end_utc": period.end_utc, "seen_until_utc": end_utc}
    published = AnomalyLedger(lake.store).publish(site.site_id, events, **span, judged=judged.streams, clock=clock)
    price, reason = _newest_price(prices)
    for_minutes = SiteLimits(
        site_id=site.site_id, until_utc=end_utc, params=params, price_per_kwh=price, cost_finding=reason,
        streams=tuple(judged.limits), params_version=params_version(params, causes),
    )  # fmt: skip
    series = {meter.meter_id: judged.series[meter.meter_id] for meter, _ in judged.found}
    return SiteScored(tuple(events), published, len(judged.streams), judged.findings, series, for_minutes)


@dataclass
class _Judged:
    """Results of the detectors for a site's meters. found: events that share time with the span."""

    streams: set[tuple[str, str]] = field(default_factory=set)
    series: dict[str, Series] = field(default_factory=dict)
    found: list[tuple[Meter, found_events.AnomalyEvent]] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)
    limits: list[StreamLimits] = field(default_factory=list)


def _judged(
    site: Site,
    period: Period,
    readings: pl.DataFrame,
    end_utc: datetime,
    params: DetectorParams,
    calendar: Calendar,
    led: set[str],
) -> _Judged:
    """Every scored meter, with the site's outdoor temperature where it has one."""
    judged, by_meter = _Judged(), readings.partition_by("meter_id", as_dict=True)
    warmth = next((by_meter[(name,)] for name in _outdoor(site) if (name,) in by_meter), None)
    for meter, stream in scored_streams(site):
        own = by_meter.get((meter.meter_id,))
        known = None if own is None else series_of(own, site=site, stream=stream, end_utc=end_utc)
        if known is None or not len(known.values):
            continue
        judged.series[meter.meter_id] = known
        judged.streams.add((stream.stream_id, stream.register))
        degc = None if warmth is None else measured_on(warmth, site=site, grid=known, unit=TEMPERATURE_UNIT)
        watched = watch(known, calendar(known.start_utc, len(known.values)), params, temperature=degc)
        for each in watched.findings:
            judged.findings[meter.meter_id] = each
        limits = StreamLimits.of(stream.stream_id, stream.register, watched, params)
        if limits is not None and known.unit == ENERGY_UNIT:
            judged.limits.append(limits)
        inside = [
            each for each in watched.events if each.start_utc < period.end_utc and each.end_utc > period.start_utc
        ]
        if meter.meter_id in led and any(each.kind == "drift" for each in inside):
            inside = [each for each in inside if each.kind != "drift"]
            message = (
                f"{meter.meter_id}: a slow change is not separated from the weather, which drives this use; "
                "its EnPI does that"
            )
            judged.findings[meter.meter_id] = Finding(code="weather_led", severity="info", message=message)
        judged.found += [(meter, each) for each in inside]
    return judged


def _with_causes(
    site: Site,
    judged: _Judged,
    facts: CauseFacts,
    prices: pl.DataFrame | str,
    params: DetectorParams,
    calendar: Calendar,
    causes: CauseModel,
) -> list[AnomalyEvent]:
    """The events with cause, energy and cost, by meter."""
    events, priced, version = list[AnomalyEvent](), partial(_price, prices=prices), params_version(params, causes)
    for meter, of_meter in groupby(judged.found, key=lambda each: each[0]):
        known = judged.series[meter.meter_id]
        civil = calendar(known.start_utc, len(known.values))
        context = facts.context(meter.meter_id, civil)
        for _, event in of_meter:
            likely = likely_cause(features_of(event, known, civil, context), causes)
            events.append(stored(event, likely, site, meter, known.unit, priced, version))
    return events


def _outdoor(site: Site) -> list[str]:
    """The site's outdoor temperature."""
    return [each.driver_id for each in site.drivers if each.unit == TEMPERATURE_UNIT][:1]


def scored_streams(site: Site) -> list[tuple[Meter, Stream]]:
    """Electricity of every meter that is read. Heat follows the weather, which the detectors do not look at, and what a
    plan moves differs from day to day by itself.
    """
    planned = {each.meter for each in site.assets}
    return [
        (meter, Stream(meter.meter_id, CONSUMPTION_REGISTER))
        for meter in site.meters
        if meter.formula is None
        and meter.carrier is Carrier.ELECTRICITY
        and meter.meter_id not in planned
        and any(each.register_id == CONSUMPTION_REGISTER for each in meter.registers)
    ]


def weather_led(site: Site) -> set[str]:
    """Meters of uses that a temperature drives, by the site file, and all below them; of what overlaps other uses the
    meters alone.
    """
    temperatures = {each.driver_id for each in site.drivers if each.unit == TEMPERATURE_UNIT}
    uses = [seu for seu in site.seus if any(each.driver_id in temperatures for each in seu.drivers)]
    led = {name for seu in uses if seu.is_aggregate for name in seu.meters}
    waiting = [name for seu in uses if not seu.is_aggregate for name in seu.meters]
    while waiting:
        name = waiting.pop()
        led.add(name)
        waiting += children_of(site, name)
    return led


def params_version(params: DetectorParams, causes: CauseModel) -> str:
    """Versions of the parameters and models used: eight digits for the detectors, and that of the cause model."""
    text = f"{params.model_dump_json()} {learned().version}"
    return f"{hashlib.sha256(text.encode()).hexdigest()[:8]}-{causes.name}"


def usual_of(series: Series, site: Site, start_utc: datetime, end_utc: datetime) -> list[float | None]:
    """Usual value of each step of a span: the median of its local hour on days of its type in the 42 days before."""
    civil = civil_of(site, series.start_utc, len(series.values))
    rows = pl.DataFrame(
        {
            "day": civil.day, "minute": civil.minute, "is_off": civil.day_type > 0,
            "value": pl.Series(series.values).fill_nan(None),
        }
    )  # fmt: skip
    first, after = max(series.index(start_utc), 0), min(series.index(end_utc), len(series.values))
    before = rows.filter(pl.col("day").is_between(rows["day"][first] - 42, rows["day"][first] - 1))
    usual = before.group_by("minute", "is_off").agg(usual=pl.col("value").median())
    joined = rows[first:after].join(usual, on=["minute", "is_off"], how="left", maintain_order="left")
    return joined["usual"].to_list()


def _prices(read: ReadMart, site: Site, period: Period) -> pl.DataFrame | str:
    """Energy price of each quarter hour around the period, or why none is known."""
    is_near = pl.col("interval_start_utc").is_between(period.start_utc - BEFORE, period.end_utc + AFTER)
    try:
        rows = read(COSTS, site_id=site.site_id, where=is_near & (pl.col("import_kwh") > 0))
    except BadInput as fault:
        return fault.reason or "mart_missing"
    price = pl.col("energy_cost").cast(pl.Float64) / pl.col("import_kwh").cast(pl.Float64)
    return rows.select("interval_start_utc", price=price).drop_nulls()


def stored(
    event: found_events.AnomalyEvent,
    likely: LikelyCause,
    site: Site,
    meter: Meter,
    unit: str,
    price_of: PriceOf,
    version: str,
) -> AnomalyEvent:
    """The event with its id, energy and cost. price_of: the price of a kWh of the event, or why there is none.

    version: of what judged (params_version).
    """
    kwh = round(event.measured - event.expected, _DIGITS) if unit == ENERGY_UNIT else None
    # The meter counted wrong: no energy was bought that a price would hold for.
    is_fault = likely.cause == "sensor_fault"
    price, finding = (None, "not_energy") if kwh is None else (None, "counted_wrong") if is_fault else price_of(event)
    cost = None if kwh is None or price is None else round(kwh * price, 2)
    figures: Sequence[tuple[str, float | None, str]] = (
        ("measured", event.measured, unit), ("expected", event.expected, unit),
        ("median_ratio", event.ratio, "1"), ("score", event.score, "1"),
        ("energy_price", price, f"{site.currency}/kwh"),
    )  # fmt: skip
    stream = (site.site_id, meter.meter_id, CONSUMPTION_REGISTER)
    return AnomalyEvent(
        event_id=event_id_of(*stream, event.kind, event.start_utc), site_id=stream[0], meter_id=stream[1],
        register_id=stream[2], kind=event.kind, cause=likely.cause, confidence=likely.confidence,
        severity=severity_of(cost, is_fault=is_fault), start_utc=event.start_utc, end_utc=event.end_utc, kwh=kwh,
        cost=cost, currency=site.currency, cost_finding=finding, params_version=version,
        evidence=tuple(
            {"name": name, "value": round(value, 6), "unit": unit} for name, value, unit in figures if value is not None
        ) + likely.evidence,
    )  # fmt: skip


def _price(event: found_events.AnomalyEvent, prices: pl.DataFrame | str) -> tuple[float | None, str | None]:
    """The energy price of an event's hours, each as its part of the energy, or why this energy has no cost."""
    if isinstance(prices, str):
        return None, prices
    sign = 1 if event.measured >= event.expected else -1
    # Hours that differ the other way, as by day between two nights of waste, say nothing of its price.
    parts = {at: max(sign * each, 0.0) for at, each in event.more.items()}
    hour = pl.col("interval_start_utc").dt.truncate("1h")
    hours = prices.with_columns(part=hour.replace_strict(parts, default=0.0, return_dtype=pl.Float64))
    part = float(hours["part"].sum())
    return (float((hours["price"] * hours["part"]).sum()) / part, None) if part > 0 else (None, "no_price")


def _newest_price(prices: pl.DataFrame | str) -> tuple[float | None, str | None]:
    """The mean energy price of the newest week of costs: of hours whose own is not known yet."""
    if isinstance(prices, str):
        return None, prices
    at = pl.col("interval_start_utc")
    price = prices.filter(at > at.max() - timedelta(days=7))["price"].mean()
    return (float(price), None) if isinstance(price, float) else (None, "no_price")


def severity_of(cost: float | None, *, is_fault: bool) -> Severity:
    """High from COSTLY on, Info where little or nothing was lost, Medium between and for a meter that counts wrong."""
    if cost is None:
        return 3 if is_fault else 4
    return 2 if cost >= COSTLY else 3 if cost >= SMALL else 4
