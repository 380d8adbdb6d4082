"""Reads what the EnPI report is made of: rows of published marts, and what no mart holds from the readings."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView
from assets.carbon.factor_choice.meter_factors import electricity_factors
from assets.kpi.enpi_of_use.enpi_result import EnpiRule
from assets.kpi.from_readings import AskedKpi, findings_of
from assets.kpi.scope_streams import FACTORED
from assets.tariffs.periods import known_prices
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_of
from reports.again.claims import against_use
from reports.again.figure_sources import Sources, seu_of
from reports.assess import is_review_due
from reports.datasets.kpi_rows import KpiRows
from reports.datasets.load_hours import load_by_hour
from reports.datasets.of_uses.enpi_inputs import SITE_KPIS, EnpiInputs, SiteSpan
from reports.datasets.of_uses.use_days import UseDays

BATCH_FIELDS = ("files", "accepted_rows", "rejected_rows")


def enpi_inputs(
    site: Site,
    period: Period,
    *,
    sources: Sources,
    versions: Mapping[str, BaselineVersion],
    as_of_utc: datetime,
    marts_dir: Path | None = None,
    rule: EnpiRule | None = None,
    confidence: float = 0.9,
) -> EnpiInputs:
    """Inputs of the report as known at `as_of_utc`.

    versions: SEU -> the baseline that expects. marts_dir: published marts that are fresh, whose numbers are taken;
    without it they come from the readings, by the same SQL, which answers for any instant in the past.
    """
    used = rule or EnpiRule()
    months = months_of(period)
    spans = [period, *months]
    rows = KpiRows(
        site,
        sources=sources,
        as_of_utc=as_of_utc,
        marts_dir=marts_dir,
        kpis=SITE_KPIS,
        scope=f"site:{site.site_id}",
    )
    whole, *by_month = _site_spans(site, spans, rows, sources, as_of_utc)
    days = UseDays(site, period, sources=sources, versions=versions, as_of_utc=as_of_utc, marts_dir=marts_dir)
    simulated = _synthetic_rows(site, period, sources, as_of_utc)
    return EnpiInputs(
        site=site,
        period=period,
        as_of_utc=as_of_utc,
        months=by_month,
        whole=whole,
        pairs={seu.seu_id: days.pairs(seu, period) for seu in site.seus},
        versions=dict(versions),
        lake={(span.start, span.end): sources.lake_input(site, span.start, span.end, as_of_utc) for span in spans},
        factors=_factors(site, spans, sources, as_of_utc),
        site_input=sources.site_input(site),
        definition=sources.definition_input(),
        calendar=sources.calendar_inputs(site, period.start, period.end),
        batch_counts={name: sources.batch_count(site, period, as_of_utc, name) for name in BATCH_FIELDS},
        is_synthetic=bool(simulated) or any(v.baseline.is_synthetic for v in versions.values()),
        synthetic_rows=simulated,
        rule=used,
        confidence=confidence,
        findings=_gaps(site, period, sources, as_of_utc),
        adjustments=_adjustments(versions, sources, as_of_utc),
        against_savings=_against_savings(days, spans, used),
        load_kw=load_by_hour(sources, site, period, as_of_utc),
        review_due=frozenset(
            seu_id
            for seu_id, each in versions.items()
            if is_review_due(sources, seu_of(site, seu_id), each, period, as_of_utc)
        ),
    )


def _against_savings(
    days: UseDays, spans: Iterable[Period], rule: EnpiRule
) -> dict[tuple[str, date], tuple[Finding, ...]]:
    return {
        (seu.seu_id, end): against_use(
            days.sources,
            days.site,
            seu,
            days.versions.get(seu.seu_id),
            end=end,
            as_of_utc=days.as_of_utc,
            least_coverage=rule.min_day_coverage,
            pairs=partial(days.pairs, seu),
        )
        for seu in days.site.seus
        for end in {span.end for span in spans}
    }


def _factors(
    site: Site, spans: Iterable[Period], sources: Sources, as_of_utc: datetime
) -> dict[tuple[date, date], list[TraceInput]]:
    """The emission factors behind the site's electricity, by span."""
    scope = f"site:{site.site_id}"
    return {
        (span.start, span.end): sources.factor_inputs(site, FACTORED[0], scope, span.start, span.end, as_of_utc)
        for span in spans
    }


def _adjustments(
    versions: Mapping[str, BaselineVersion], sources: Sources, as_of_utc: datetime
) -> dict[str, TraceInput]:
    return {
        seu_id: sources.adjustments_input(each.baseline_id, each.version, as_of_utc)
        for seu_id, each in versions.items()
    }


def _gaps(site: Site, period: Period, sources: Sources, as_of_utc: datetime) -> tuple[Finding, ...]:
    readings = sources.site_streams(site, period.start, period.end, as_of_utc)
    return tuple(price_gaps(site, period, readings, factors=sources.factors(site, as_of_utc)))


def _synthetic_rows(site: Site, period: Period, sources: Sources, as_of_utc: datetime) -> dict[str, int]:
    """Synthetic readings by the batch that brought them, the oldest batch first."""
    # Every stream of a site is much to read; most sites have no batch of simulated rows at all.
    if not sources.has_synthetic(site, period, as_of_utc):
        return {}
    rows = sources.readings(site, period.start, period.end, as_of_utc).filter("is_synthetic")
    batches = rows.group_by("batch_id").agg(pl.len(), pl.col("recorded_at_utc").min())
    return dict(batches.sort("recorded_at_utc", "batch_id").select("batch_id", "len").iter_rows())


def price_gaps(site: Site, period: Period, readings: pl.DataFrame, *, factors: FactorView) -> list[Finding]:
    """Cost and emissions cover only what has a price and a factor; what has none is said, not taken for free."""
    priced = known_prices(site, period.start, period.end, readings).with_columns(
        local_date=pl.col("interval_start_utc").dt.convert_time_zone(site.time_zone).dt.date()
    )
    by_day = electricity_factors(factors, period.start, period.end)
    prices, known = priced["price_per_kwh"], by_day["electricity_kgco2e_per_kwh"]
    found = []
    if prices.null_count():
        found.append(
            Finding(
                code="price_gap",
                message="Energy at times without a known price is in no cost.",
                facts={
                    "quarter_hours_without_price": prices.null_count(),
                    "quarter_hours": prices.len(),
                    **_span_of(priced.filter(pl.col("price_per_kwh").is_null())),
                },
            )
        )
    below = priced.filter(pl.col("price_per_kwh") < 0)
    if below.height:
        found.append(
            Finding(
                code="negative_price",
                message="Some prices are below zero: energy at those times lowers the cost.",
                facts={"quarter_hours_below_zero": below.height, "quarter_hours": prices.len(), **_span_of(below)},
            )
        )
    if known.null_count():
        found.append(
            Finding(
                code="factor_gap",
                message="Energy on days without an emission factor in force is in no emission.",
                facts={
                    "days_without_factor": known.null_count(),
                    "days": known.len(),
                    **_span_of(by_day.filter(known.is_null())),
                },
            )
        )
    return found


def _span_of(rows: pl.DataFrame) -> dict[str, str | float | int | bool | None]:
    days = rows["local_date"]
    return {"first_day": str(days.min()), "last_day": str(days.max())}


def _site_spans(
    site: Site, spans: Sequence[Period], rows: KpiRows, sources: Sources, as_of_utc: datetime
) -> list[SiteSpan]:
    scope = f"site:{site.site_id}"
    rows.want(AskedKpi(kpi, scope, span.start, span.end) for span in spans for kpi in SITE_KPIS)
    found = []
    for span in spans:
        # The site's total and its price are few of a large site's streams.
        readings = sources.site_streams(site, span.start, span.end, as_of_utc)
        known = {kpi: rows.of(scope, kpi, span) for kpi in SITE_KPIS}
        found.append(
            SiteSpan(
                start=span.start,
                end=span.end,
                values={kpi: None if row is None else row.value for kpi, row in known.items()},
                coverage=sources.coverage(site, span, readings),
                findings={kpi: findings_of(row) for kpi, row in known.items()},
            )
        )
    return found
