"""What a reader must know beside a KPI: the codes that its mart row carries, from rows of the lake.

The marts name the first code that holds (macros/kpi_rows.sql); a figure names all. A test holds the two together.
"""

from collections.abc import Iterable

import polars as pl

from assets.carbon.factors import meter_factors
from assets.carbon.view import FactorView
from assets.kpi.recompute import FACTORED, scope_meters
from assets.kpi.scope_amounts import ScopeUse, current, factored, priced, scope_use
from assets.sites.virtual import streams_for
from assets.tariffs.periods import PRICE_DECIMALS, known_prices
from data_quality.contracts.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Period

# KPIs in which the highest quarter hour stands: a source that reads less often hides it.
PEAKS = ("peak_15min_kw", "load_factor", "demand_factor")
COARSE, UNREAD = "coarse_source", "no_readings"


def kpi_findings(
    kpis: Iterable[str], *, site: Site, scope: str, period: Period, readings: pl.DataFrame, factors: FactorView
) -> dict[str, tuple[str, ...]]:
    """KPI -> codes that stand beside its value over the period; no code of why another KPI has no value.

    readings: LAKE_SCHEMA rows of the scope's streams and of the price stream; superseded ones may be among them.
    Raises BadInput for an unknown scope.
    """
    use = scope_use(readings, site=site, scope=scope, period=period)
    common = [code for code, holds in _of_scope(use) if holds]
    found = {}
    for kpi in kpis:
        codes = list(common)
        if kpi in PEAKS and is_coarse(readings, site=site, scope=scope, period=period):
            codes.insert(0, COARSE)
        if kpi == "cost" and _unpriced(use, readings):
            codes.insert(0, "no_price")
        if kpi in FACTORED and factored(use, meter_factors(site, factors))[1]:
            codes.insert(0, "no_factor")
        found[kpi] = (UNREAD,) if use.rows.is_empty() else tuple(codes)
    return found


def is_coarse(
    readings: pl.DataFrame, *, site: Site, scope: str, period: Period, minutes: int = CANONICAL_MINUTES
) -> bool:
    """True where a reading of the scope's meters, or of what virtual ones are made of, took more minutes than that."""
    streams = streams_for(site, scope_meters(site, scope))
    rows = current(readings, site=site, period=period).filter(pl.col("meter_id").is_in(list(streams)))
    return bool((rows["source_minutes"] > minutes).any())


def codes_of(finding: str | None, coverage: float | None) -> tuple[str, ...]:
    """Codes of a mart's row: the one that it names, and behind a coarse source, which comes first, a gap."""
    if not finding:
        return ()
    return (finding, "gap") if finding == COARSE and (coverage or 0) < 1 else (finding,)


def _of_scope(use: ScopeUse) -> Iterable[tuple[str, bool]]:
    yield "gap", use.covered_minutes < use.expected_minutes
    yield "partial_scope", use.scope_days < len(use.quarter_hours)
    is_remainder = any(member.sign < 0 for span in use.spans for member in span.members)
    yield "negative_remainder", is_remainder and (use.nano_kwh() or 0) < 0


def _unpriced(use: ScopeUse, readings: pl.DataFrame) -> bool:
    """True where a quarter hour that was read has no price."""
    meters = set(use.rows["meter_id"])
    carriers = sorted({meter.carrier for meter in use.site.meters if meter.meter_id in meters})
    prices = [
        known_prices(use.site, use.period.start, use.period.end, readings, carrier=carrier).with_columns(
            carrier=pl.lit(carrier.value)
        )
        for carrier in carriers
    ]
    return bool(prices) and priced(use, pl.concat(prices), price_decimals=PRICE_DECIMALS)[1] > 0
