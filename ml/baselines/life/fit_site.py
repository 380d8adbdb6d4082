"""From the lake to registered baselines: every SEU of a site, and the expected energy of every day it has."""

from collections.abc import Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from assets.kpi.enpi_of_use.adjust import adjusted_days
from assets.kpi.enpi_of_use.daily import seu_days
from assets.kpi.enpi_of_use.expected_energy import expected_days
from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.adjustments import AdjustmentStore
from assets.stores.ledgers.baselines import BaselineStore
from data_quality.contracts.baselines.adjustment import Adjustment
from data_quality.contracts.baselines.baseline import BaselineVersion
from data_quality.contracts.baselines.expected import ExpectedDay
from data_quality.contracts.finding import Finding
from data_quality.contracts.frames import empty
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Seu, Site
from data_quality.contracts.time import Clock, local_midnight_utc
from ml.baselines.models.ols import fit_daily
from ml.tracker import Tracker, log_baseline


class FitReport(Model):
    """What became of each SEU: registered, or refused with a finding."""

    fitted: tuple[BaselineVersion, ...] = ()
    refused: dict[str, Finding] = {}


def fit_site(
    site: Site,
    *,
    lake: Lake,
    store: BaselineStore,
    tracker: Tracker,
    clock: Clock,
    fitted_by: str,
    seu_id: str | None = None,
    confidence: float = 0.9,
) -> FitReport:
    """Fit and register the energy baseline of every active SEU that names a baseline period, or of one SEU.

    The same data and the same rules give the version that is already registered. Raises Unreachable.
    """
    fitted, refused = [], {}
    for seu in site.seus:
        if seu_id not in (None, seu.seu_id) or not seu.is_active:
            continue
        if seu.baseline is None:
            refused[seu.seu_id] = _no_period(seu)
            continue
        start, end = seu.baseline.start, seu.baseline.end
        start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (start, end))
        readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc)
        days = seu_days(readings, site=site, seu=seu, start=start, end=end)
        answer = fit_daily(
            days,
            site=site,
            seu=seu,
            start=start,
            end=end,
            today=clock.now_utc().astimezone(ZoneInfo(site.time_zone)).date(),
            lake_digest=lake.digest(site.site_id, start_utc=start_utc, end_utc=end_utc),
            confidence=confidence,
        )
        if isinstance(answer, Finding):
            refused[seu.seu_id] = answer
            continue
        logged = log_baseline(tracker, answer, fitted_by=fitted_by)
        fitted.append(store.add(answer, logged.run_id, logged.checksum, fitted_by, clock))
    return FitReport(fitted=tuple(fitted), refused=refused)


def fitted_days(site: Site, version: BaselineVersion, *, lake: Lake) -> pl.DataFrame:
    """What a use took on the days of its training beside what the model says of them: seu_id, local_date, energy_kwh,
    expected_kwh. Empty where the site file names the use no more.
    """
    baseline = version.baseline
    start_utc, end_utc = (local_midnight_utc(day, site.time_zone) for day in (baseline.train_start, baseline.train_end))
    readings = site_readings(lake, site, start_utc=start_utc, end_utc=end_utc)
    parts = [
        days.select("local_date", "energy_kwh").with_columns(
            expected_kwh=expected_days(baseline, days)["expected_kwh"], seu_id=pl.lit(seu.seu_id)
        )
        for seu in site.seus
        if seu.seu_id == baseline.seu_id
        for days in [seu_days(readings, site=site, seu=seu, start=baseline.train_start, end=baseline.train_end)]
    ]
    return pl.concat(parts) if parts else pl.DataFrame()


def expected_of_site(site: Site, *, lake: Lake, store: BaselineStore) -> pl.DataFrame:
    """Expected energy of each local day that the lake holds, by the newest version of each SEU (ExpectedDay).

    Approved adjustments are in it, as known now.
    """
    parts = [empty(ExpectedDay)]
    span = lake.span(site.site_id)
    if span is None:
        return parts[0]
    # The lake's days are UTC's: local ones begin up to a day before them and end up to a day behind.
    first, last = span[0] - timedelta(days=1), span[1] + timedelta(days=2)
    readings = site_readings(lake, site)
    # A provisional one rather than no line at all: whoever judges by it asks for its status.
    versions = store.in_force(site.site_id)
    for seu in site.seus:
        if (version := versions.get(seu.seu_id)) is not None:
            given = AdjustmentStore(store.store).in_force(version.baseline_id, version.baseline)
            parts.append(_expected(readings, site, seu, version, (first, last), given))
    return pl.concat(parts)


def _expected(
    readings: pl.DataFrame,
    site: Site,
    seu: Seu,
    version: BaselineVersion,
    span: tuple[date, date],
    given: Sequence[Adjustment],
) -> pl.DataFrame:
    days = seu_days(readings, site=site, seu=seu, start=span[0], end=span[1])
    return (
        adjusted_days(expected_days(version.baseline, days), given)
        .with_columns(
            site_id=pl.lit(site.site_id),
            seu_id=pl.lit(seu.seu_id),
            baseline_id=pl.lit(version.baseline_id),
            baseline_version=pl.lit(version.version, dtype=pl.Int64),
        )
        .select(list(ExpectedDay.model_fields))
    )


def _no_period(seu: Seu) -> Finding:
    return Finding(
        code="no_baseline_period",
        message=f"SEU {seu.seu_id} names no baseline period in the site file",
        severity="blocking",
        scope=f"seu:{seu.seu_id}",
    )
