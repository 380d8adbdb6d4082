"""Alerts from the published month marts: quarters that are complete there, judged without a look at the readings."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.kpi.enpi.alerts import EnpiAlert, QuarterStatus, alerts_of, quarter_label
from assets.kpi.enpi.enpi_result import EnpiRule, exact_kwh, judged_span, rule_of
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import months_after

MART = "mart_seu__month_enpi"
_MONTHS = 3
_SUMMED = ("actual_kwh", "expected_kwh", "compared_days", "period_days")


def mart_alerts(
    site: Site, *, marts_dir: Path, baselines: BaselineStore, with_earlier: bool = False
) -> dict[str, tuple[EnpiAlert, ...]]:
    """SEU -> alerts of its newest complete quarter, or of every one; empty where there is none. Raises BadInput
    without marts.

    A quarter counts where its three months are there, are of one approved version, and where enough of its days are
    compared; a quarter by a provisional baseline alarms nobody.
    """
    rows = read_mart(marts_dir, MART, site_id=site.site_id).sort("month_start")
    versions = {(each.baseline_id, each.version): each for each in baselines.versions(site.site_id)}
    found = {}
    for seu in (each for each in site.seus if each.is_active):
        used, by_quarter = rule_of(seu), dict[str, list[dict[str, Any]]]()
        for row in rows.filter(pl.col("seu_id") == seu.seu_id).iter_rows(named=True):
            by_quarter.setdefault(quarter_label(row["month_start"]), []).append(row)
        quarters = [_quarter(months, versions, used) for months in by_quarter.values() if len(months) == _MONTHS]
        newest = quarters[-1].label if quarters else ""
        every = alerts_of(seu.seu_id, quarters, limit_percent=used.crit_percent)
        found[seu.seu_id] = tuple(each for each in every if with_earlier or each.quarter == newest)
    return found


def _quarter(
    months: list[dict[str, Any]], versions: Mapping[tuple[str, int], BaselineVersion], rule: EnpiRule
) -> QuarterStatus:
    named = {(row["baseline_id"], row["baseline_version"]) for row in months}
    # Months by two versions are no quarter of either: their expectations are not one scale.
    version = versions.get(named.pop()) if len(named) == 1 else None
    actual, expected, compared, days = (_sum(months, name) for name in _SUMMED)
    start: date = months[0]["month_start"]
    span = (start, months_after(start, _MONTHS))
    judged, reason = judged_span(span, actual, expected, (int(compared), int(days)), version, rule)
    return QuarterStatus(
        **judged.model_dump(exclude={"days", "compared_days"}),
        label=quarter_label(start),
        baseline_id="" if version is None else version.baseline_id,
        baseline_version=0 if version is None else version.version,
        reason=reason,
    )


def _sum(months: list[dict[str, Any]], name: str) -> Decimal:
    values = [Decimal(str(row[name])) for row in months if row[name] is not None]
    return exact_kwh(sum(values, start=Decimal(0))) or Decimal(0)
