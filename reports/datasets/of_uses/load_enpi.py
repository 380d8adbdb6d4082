"""Reads what the EnPI report is made of: published marts, checked against the readings; or the readings alone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.carbon.factor_choice.factor_view import FactorView
from assets.carbon.factor_choice.meter_factors import electricity_factors
from assets.kpi.enpi_of_use.enpi_result import DayPair, EnpiRule, exact_kwh
from assets.kpi.from_readings import AskedKpi, findings_of
from assets.kpi.scope_streams import FACTORED
from assets.stores.warehouse.marts import read_mart
from assets.tariffs.periods import known_prices
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.figure import TraceInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, months_of
from reports.again.claims import against_use
from reports.again.figure_sources import KpiBasis, Sources
from reports.datasets.of_uses.enpi_inputs import SITE_KPIS, EnpiInputs, SiteSpan

BATCH_FIELDS = ("files", "accepted_rows", "rejected_rows")
# KPI -> column of mart_scope__month_kpi; all exact decimals.
MART_COLUMNS = {
    "consumption_kwh": "energy_kwh",
    "peak_15min_kw": "peak_kw",
    "cost": "cost",
    "emission_kgco2e": "emission_kgco2e",
}


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

    versions: SEU -> the baseline that expects. With `marts_dir` the numbers are the published marts', and they must
    be those that the readings give: raises BadInput (stale_marts) naming the first that is not. Without it, they
    come from the readings, which answers for any instant in the past.
    """
    used = rule or EnpiRule()
    months = months_of(period)
    # Read once as a whole: everything below is a part of it.
    readings = sources.readings(site, period.start, period.end, as_of_utc)
    whole, *spans = _site_spans(site, [period, *months], sources, as_of_utc)
    pairs = {
        seu.seu_id: sources.pairs(site, seu.seu_id, _pin(versions.get(seu.seu_id)), period, as_of_utc)
        for seu in site.seus
    }
    if marts_dir is not None:
        spans = [_same_span(site, span, marts_dir) for span in spans]
        _refuse_other_marts(site, period, versions, pairs, marts_dir)
    return EnpiInputs(
        site=site,
        period=period,
        as_of_utc=as_of_utc,
        months=spans,
        whole=whole,
        pairs=pairs,
        versions=dict(versions),
        lake={
            (span.start, span.end): sources.lake_input(site, span.start, span.end, as_of_utc)
            for span in [period, *months]
        },
        factors=_factors(site, [period, *months], sources, as_of_utc),
        site_input=sources.site_input(site),
        definition=sources.definition_input(),
        calendar=sources.calendar_inputs(site, period.start, period.end),
        batch_counts={name: sources.batch_count(site, period, as_of_utc, name) for name in BATCH_FIELDS},
        is_synthetic=bool(readings["is_synthetic"].any()) or any(v.baseline.is_synthetic for v in versions.values()),
        synthetic_rows=_synthetic_rows(readings),
        rule=used,
        confidence=confidence,
        findings=_gaps(site, period, sources, as_of_utc),
        adjustments=_adjustments(versions, sources, as_of_utc),
        against_savings=_against_savings(site, [period, *months], versions, sources, as_of_utc, used),
        review_due=frozenset(
            seu_id for seu_id, each in versions.items() if sources.is_review_due(site, seu_id, each, period, as_of_utc)
        ),
    )


def _against_savings(
    site: Site,
    spans: Iterable[Period],
    versions: Mapping[str, BaselineVersion],
    sources: Sources,
    as_of_utc: datetime,
    rule: EnpiRule,
) -> dict[tuple[str, date], tuple[Finding, ...]]:
    return {
        (seu.seu_id, end): against_use(
            sources,
            site,
            seu,
            versions.get(seu.seu_id),
            end=end,
            as_of_utc=as_of_utc,
            least_coverage=rule.min_day_coverage,
        )
        for seu in site.seus
        # What speaks against a saving depends on the end alone: spans that share one share the answer.
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


def _synthetic_rows(readings: pl.DataFrame) -> dict[str, int]:
    """Synthetic readings by the batch that brought them, the oldest batch first."""
    batches = readings.filter("is_synthetic").group_by("batch_id").agg(pl.len(), pl.col("recorded_at_utc").min())
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


def _pin(version: BaselineVersion | None) -> tuple[str, int] | None:
    return None if version is None else (version.baseline_id, version.version)


def _site_spans(site: Site, spans: Iterable[Period], sources: Sources, as_of_utc: datetime) -> list[SiteSpan]:
    """The site's KPIs of each span, by one run of the SQL."""
    every, scope = list(spans), f"site:{site.site_id}"
    asked = [AskedKpi(kpi, scope, span.start, span.end) for span in every for kpi in SITE_KPIS]
    sources.want(KpiBasis(site.site_id, as_of_utc), asked)
    return [_site_span(site, span, sources, as_of_utc) for span in every]


def _site_span(site: Site, period: Period, sources: Sources, as_of_utc: datetime) -> SiteSpan:
    # The site's total and its price are few of a large site's streams.
    readings = sources.site_streams(site, period.start, period.end, as_of_utc)
    rows = {kpi: sources.kpi_of(site, f"site:{site.site_id}", kpi, period, as_of_utc) for kpi in SITE_KPIS}
    return SiteSpan(
        start=period.start,
        end=period.end,
        values={kpi: None if row is None else row.value for kpi, row in rows.items()},
        coverage=sources.coverage(site, period, readings),
        findings={kpi: findings_of(row) for kpi, row in rows.items()},
    )


def _same_span(site: Site, span: SiteSpan, marts_dir: Path) -> SiteSpan:
    """The span with the mart's numbers, after comparing them with the readings'."""
    rows = read_mart(marts_dir, "mart_scope__month_kpi", site_id=site.site_id).filter(
        (pl.col("scope") == f"site:{site.site_id}") & (pl.col("period_start") == span.start)
    )
    row: dict[str, Any] = rows.row(0, named=True) if rows.height else {}
    values = dict(span.values)
    for kpi, column in MART_COLUMNS.items():
        values[kpi] = _same(row.get(column), span.values[kpi], f"{kpi} of {site.site_id}, {span.start:%Y-%m}")
    return replace(span, values=values)


def _refuse_other_marts(
    site: Site,
    period: Period,
    versions: Mapping[str, BaselineVersion],
    pairs: Mapping[str, list[DayPair]],
    marts_dir: Path,
) -> None:
    """The marts must expect by these versions, and hold these days. Raises BadInput."""
    _refuse_other_baselines(site, period, versions, marts_dir)
    approved = {seu_id for seu_id, each in versions.items() if each.status is not BaselineStatus.PROVISIONAL}
    for seu_id, days in pairs.items():
        _refuse_other_days(site, seu_id, days, marts_dir, period=period, must_expect=seu_id in approved)


def _refuse_other_days(
    site: Site, seu_id: str, days: list[DayPair], marts_dir: Path, *, period: Period, must_expect: bool
) -> None:
    """Every day's energies must be the mart's.

    Marts may hold no expectation at all where the baseline is provisional: the readings' is shown then, not judged.
    """
    rows = read_mart(marts_dir, "mart_seu__day_enpi", site_id=site.site_id).filter(
        (pl.col("seu_id") == seu_id) & pl.col("local_date").is_between(period.start, period.end, closed="left")
    )
    # All or nothing: one expected day in the mart means that the others must be there too.
    is_fed = must_expect or bool(rows["expected_kwh"].is_not_null().any())
    stored: dict[date, tuple[Decimal | None, Decimal | None]] = {
        day: (exact_kwh(actual), exact_kwh(expected))
        for day, actual, expected in rows.select("local_date", "actual_kwh", "expected_kwh").iter_rows()
    }
    for pair in days:
        actual, expected = stored.get(pair.local_date, (None, None))
        where = f"{seu_id} of {site.site_id}, {pair.local_date}"
        _same(actual, pair.actual_kwh, f"energy of {where}")
        if is_fed and pair.actual_kwh is not None:
            _same(expected, pair.expected_kwh, f"expected energy of {where}")


def _refuse_other_baselines(
    site: Site, period: Period, versions: Mapping[str, BaselineVersion], marts_dir: Path
) -> None:
    """The marts must expect by the very versions that the report names."""
    rows = (
        read_mart(marts_dir, "mart_seu__day_enpi", site_id=site.site_id)
        .filter(pl.col("local_date").is_between(period.start, period.end, closed="left"))
        .drop_nulls("baseline_id")
        .select("seu_id", "baseline_id", "baseline_version")
        .unique()
        .sort("seu_id", "baseline_version")
    )
    for seu_id, baseline_id, number in rows.iter_rows():
        version = versions.get(seu_id)
        wanted = "none" if version is None else f"{version.baseline_id} version {version.version}"
        if wanted != f"{baseline_id} version {number}":
            raise BadInput(
                f"the marts expect {seu_id} by {baseline_id} version {number}, the registry by {wanted}",
                reason="stale_marts",
                mend="build the marts again",
            )


def _same(stored: Decimal | None, computed: Decimal | None, what: str) -> Decimal | None:
    """The number, once both agree on it; written as the readings give it, whatever scale the mart keeps."""
    if stored != computed:
        raise BadInput(
            f"the marts say {stored} for {what}, the readings say {computed}",
            reason="stale_marts",
            mend="build the marts again: readings, baseline or site file changed after they were built",
        )
    return computed
