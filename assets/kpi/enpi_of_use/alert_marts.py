"""Alerts from the published month marts: quarters that are complete there, judged without a look at the readings."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

from assets.kpi.enpi_of_use.alerts import EnpiAlert, QuarterStatus, alerts_of, quarter_label
from assets.kpi.enpi_of_use.enpi_result import EnpiRule, deviation_percent, enpi_ratio, exact_kwh, rule_of, status
from assets.stores.ledgers.baselines import BaselineStore
from assets.stores.warehouse.marts import read_mart
from data_quality.contracts.baselines.baseline import BaselineStatus, BaselineVersion
from data_quality.contracts.site_file.site import Site

MART = "mart_seu__month_enpi"
_MONTHS = 3


def mart_alerts(site: Site, *, marts_dir: Path, baselines: BaselineStore) -> dict[str, tuple[EnpiAlert, ...]]:
    """SEU -> alerts of its newest complete quarter; empty where there is none. Raises BadInput without marts.

    A quarter counts where its three months are there, are of one approved version, and where enough of its days are
    compared; a quarter by a provisional baseline alarms nobody.
    """
    rows = read_mart(marts_dir, MART, site_id=site.site_id)
    versions = {(each.baseline_id, each.version): each for each in baselines.versions(site.site_id)}
    found = {}
    for seu in (each for each in site.seus if each.is_active):
        used = rule_of(seu)
        quarters = mart_quarters(rows.filter(pl.col("seu_id") == seu.seu_id), versions, used)
        newest = quarters[-1].label if quarters else ""
        every = alerts_of(seu.seu_id, quarters, limit_percent=used.crit_percent)
        found[seu.seu_id] = tuple(each for each in every if each.quarter == newest)
    return found


def mart_quarters(
    rows: pl.DataFrame, versions: Mapping[tuple[str, int], BaselineVersion], rule: EnpiRule
) -> list[QuarterStatus]:
    """Complete quarters of one SEU, oldest first. rows: of the month mart, unique by month_start."""
    by_quarter: dict[str, list[dict[str, object]]] = {}
    for row in rows.sort("month_start").iter_rows(named=True):
        by_quarter.setdefault(quarter_label(row["month_start"]), []).append(row)
    return [_quarter(label, months, versions, rule) for label, months in by_quarter.items() if len(months) == _MONTHS]


def _quarter(
    label: str,
    months: list[dict[str, object]],
    versions: Mapping[tuple[str, int], BaselineVersion],
    rule: EnpiRule,
) -> QuarterStatus:
    actual, expected = (_sum(months, name) for name in ("actual_kwh", "expected_kwh"))
    named = {(row["baseline_id"], row["baseline_version"]) for row in months}
    # Months by two versions are no quarter of either: their expectations are not one scale.
    baseline_id, number = next(iter(named)) if len(named) == 1 else (None, None)
    version = None if baseline_id is None or number is None else versions.get((str(baseline_id), int(str(number))))
    share = float(_sum(months, "compared_days") / _sum(months, "period_days"))
    reason = ""
    if version is None:
        reason = "no_baseline"
    elif version.status is BaselineStatus.PROVISIONAL:
        reason = "provisional"
    elif share < rule.min_days_share:
        reason = "coverage"
    deviation = deviation_percent(actual, expected)
    judged = None if reason else deviation
    first, last = (date.fromisoformat(str(months[at]["month_start"])) for at in (0, -1))
    return QuarterStatus(
        label=label,
        start=first,
        end=date(last.year + last.month // 12, last.month % 12 + 1, 1),
        baseline_id="" if version is None else version.baseline_id,
        baseline_version=0 if version is None else version.version,
        actual_kwh=actual,
        expected_kwh=expected,
        enpi=enpi_ratio(actual, expected),
        deviation_percent=deviation,
        status=status(
            judged, policy=rule.policy, warn=rule.warn_percent, crit=rule.crit_percent, target=rule.target_percent
        ),
        reason=reason,
    )


def _sum(months: list[dict[str, object]], name: str) -> Decimal:
    values = [Decimal(str(row[name])) for row in months if row[name] is not None]
    return exact_kwh(sum(values, start=Decimal(0))) or Decimal(0)
