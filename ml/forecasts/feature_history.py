"""Features of a target by local day: kept at the first issue of each, and held against what came."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import numpy as np
import polars as pl

from assets.stores.feature_days import FeatureDays
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import WeatherStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from ml.features.feature import WEEK_DAYS
from ml.features.forecast_case import Case
from ml.features.matrix import FEATURES, Matrix, feature_matrix
from ml.features.series import HOUR, Index, Vector
from ml.forecasts.backtest import local_date
from ml.forecasts.issue import issue_case, short_history
from ml.forecasts.model_fallback import finding
from ml.forecasts.site_forecast import SiteInputs
from ml.forecasts.store_features import HEADS, feature_rows_ahead, names_of
from ml.forecasts.targets import Target, target_of

LEAST_DAYS = WEEK_DAYS
# Fewer say nothing: a week of mornings.
LEAST_ROWS = 42
ALL, BLOCK_H = "all", 6


class FeatureCorrelation(Model):
    """Rank correlation (Spearman) of one feature with the share of the level that came.

    by_lead: "all", then six-hour blocks of the day ahead; None where the feature never changed or is not known. n: rows
    with both; unit, known, source: as the registry has them.
    """

    feature: str
    unit: str
    known: str
    source: str
    n: int
    by_lead: Mapping[str, float | None]

    @property
    def rank(self) -> float | None:
        """Over all leads; None where nothing can be said."""
        return self.by_lead[ALL]


def correlations(matrix: Matrix, case: Case) -> list[FeatureCorrelation]:
    """Every feature of the matrix beside what came, strongest first; rows without a value are left out.

    matrix: of the day ahead, its rows within the series.
    """
    inside = matrix.step < len(case.series.values)
    came = np.full(len(matrix.step), np.nan)
    came[inside] = case.series.values[matrix.step[inside]] / matrix.level[inside]
    known, per_day = ~np.isnan(came), case.series.per_day
    hour = (matrix.lead - 1) * 24 // per_day
    blocks = {ALL: known}
    if per_day > 1:
        blocks |= {f"h{first:02}": known & (hour // BLOCK_H * BLOCK_H == first) for first in range(0, 24, BLOCK_H)}
    found = []
    for column, name in enumerate(matrix.names):
        values, feature = matrix.inputs[:, column], FEATURES[name]
        by_lead = {block: rank_correlation(values[rows], came[rows]) for block, rows in blocks.items()}
        attributes = {"unit": feature.unit, "known": feature.known.value, "source": feature.source}
        n = int(np.sum(known & ~np.isnan(values)))
        found.append(FeatureCorrelation(feature=name, n=n, by_lead=by_lead, **attributes))
    return sorted(found, key=lambda each: (-abs(each.rank or 0.0), each.feature))


def rank_correlation(one: Vector, other: Vector) -> float | None:
    """Spearman's, of the places where both are known; None for too few, or where either never changes."""
    from scipy.stats import rankdata

    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < LEAST_ROWS or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
        return None
    return float(np.corrcoef(rankdata(one[both]), rankdata(other[both]))[0, 1])


class FeatureHistory(Model):
    """Correlations of a target's features over some local days.

    kept: days as they were known at their issue; rebuilt: days without a kept issue, made of what is recorded today,
    each from what had ended (weather: become known) by its midnight.
    """

    target: str
    kept: tuple[date, ...]
    rebuilt: tuple[date, ...]
    correlations: tuple[FeatureCorrelation, ...]


class StoredFeature(Model):
    """Feature of a kept day. first, mean: of the kept rows; mean_now: made of what is recorded today.

    changed: steps of which today says something else: a reading or the calendar was corrected, or came late; None where
    nothing can be made of what is recorded today.
    """

    feature: str
    unit: str
    known: str
    first: float | None
    mean: float | None
    mean_now: float | None
    changed: int | None


class StoredFeatureDay(Model):
    """A kept day: its issue, until when readings and since when weather was known, and every feature.

    is_calendar_as_then: None where nothing can be made of what is recorded today.
    """

    target: str
    day: date
    issued_at_utc: datetime
    readings_until_utc: datetime | None
    weather_since_utc: datetime | None
    steps: int
    is_calendar_as_then: bool | None
    features: tuple[StoredFeature, ...]


def feature_history(
    site: Site, name: str, *, lake: Lake, weather: WeatherStore, store: FeatureDays, now_utc: datetime, days: int
) -> FeatureHistory | Finding:
    """Features of the day ahead over the last local days beside what came. Raises BadInput for an unknown target.

    A finding where too few days have both.
    """
    target, inputs = target_of(site, name), SiteInputs(site, lake, weather, now_utc)
    end_utc = inputs.end_utc.replace(minute=0, second=0, microsecond=0) if target.step == HOUR else inputs.end_utc
    case = _case(inputs, target, end_utc)
    if isinstance(case, Finding):
        return case
    per_day, length = case.series.per_day, len(case.series.values)
    midnights = case.civil.midnights
    midnights = midnights[(midnights + per_day <= length) & (midnights >= WEEK_DAYS * per_day)][-days:]
    by_day = {local_date(case.civil, int(step)): int(step) for step in midnights}
    kept = [day for day in store.days(site.site_id, target.family) if day in by_day]
    rebuilt = [day for day in by_day if day not in set(kept)]
    if len(by_day) < LEAST_DAYS:
        message = f"{len(by_day)} whole days can be looked at; {LEAST_DAYS} are needed."
        return finding("short_history", message, target.name, days_found=len(by_day))
    parts = [
        _kept(store.read(site.site_id, target.family, kept), case),
        feature_matrix(case, np.array([by_day[day] for day in rebuilt], dtype=np.int64), per_day, names_of(case)),
    ]
    found = correlations(_joined(parts, names_of(case)), case)
    return FeatureHistory(target=target.name, kept=tuple(kept), rebuilt=tuple(rebuilt), correlations=tuple(found))


def stored_feature_day(
    site: Site, name: str, day: date, *, lake: Lake, weather: WeatherStore, store: FeatureDays
) -> StoredFeatureDay:
    """A kept day beside what is recorded today. Raises BadInput for an unknown target or a day that is not kept."""
    target = target_of(site, name)
    if not store.has(site.site_id, target.family, day):
        there = store.days(site.site_id, target.family)
        held = f"{len(there)} are, {there[0]} to {there[-1]}" if there else "none is yet"
        raise BadInput(f"no features of {target.name} are kept of {day}: {held}", reason="unknown_item")
    rows = store.read(site.site_id, target.family, [day])
    head = rows.row(0, named=True)
    names = [each for each in rows.columns if each not in HEADS and each in FEATURES]
    # From where the issue looked back: a day of long ago has its lags too.
    issued_at_utc, now = head["issued_at_utc"], None
    case = _case(SiteInputs(site, lake, weather, issued_at_utc), target, issued_at_utc)
    if isinstance(case, Case) and short_history(case.series, target.name) is None:
        origin = case.series.index(head["time_utc"])
        now = feature_rows_ahead(case, origin, rows.height, issued_at_utc=issued_at_utc)
    features = []
    for each in names:
        then = rows[each].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        today = None if now is None or each not in now.columns else now[each].to_numpy()
        feature = FEATURES[each]
        features.append(
            StoredFeature(
                feature=each, unit=feature.unit, known=feature.known.value, first=_mean_of_known(then[:1]),
                mean=_mean_of_known(then),
                mean_now=None if today is None else _mean_of_known(today),
                changed=None if today is None else int(np.sum(~np.isclose(then, today, equal_nan=True, rtol=1e-9))),
            )
        )  # fmt: skip
    return StoredFeatureDay(
        target=target.name,
        day=day,
        issued_at_utc=issued_at_utc,
        readings_until_utc=head["readings_until_utc"],
        weather_since_utc=head["weather_since_utc"],
        steps=rows.height,
        is_calendar_as_then=None if now is None else bool(now["calendar_sha256"][0] == head["calendar_sha256"]),
        features=tuple(features),
    )


def _case(inputs: SiteInputs, target: Target, end_utc: datetime) -> Case | Finding:
    readings = inputs.readings(target)
    return issue_case(readings, site=inputs.site, target=target, issued_at_utc=end_utc, weather=inputs.weather)


def _kept(rows: pl.DataFrame, case: Case) -> Matrix | None:
    """Rows of the day ahead of kept days on the grid of a case."""
    if rows.is_empty():
        return None
    rows = rows.filter(pl.col("steps_ahead") <= case.series.per_day)
    names = tuple(each for each in rows.columns if each not in HEADS and each in FEATURES)
    inputs = rows.select(pl.col(names).cast(pl.Float64).fill_null(float("nan"))).to_numpy()
    step: Index = np.array([case.series.index(at) for at in rows["time_utc"]], dtype=np.int64)
    return Matrix(names, inputs, rows["level"].to_numpy(), step, rows["steps_ahead"].to_numpy())


def _joined(parts: Sequence[Matrix | None], names: tuple[str, ...]) -> Matrix:
    """All rows under these names; NaN where a part has not the feature."""
    some = [part for part in parts if part is not None and len(part.step)]
    inputs = []
    for part in some:
        found: Vector = np.full((len(part.step), len(names)), np.nan)
        for column, name in enumerate(names):
            if name in part.names:
                found[:, column] = part.inputs[:, part.names.index(name)]
        inputs.append(found)
    level, step, lead = (np.concatenate([getattr(part, each) for part in some]) for each in ("level", "step", "lead"))
    return Matrix(names, np.concatenate(inputs), level, step, lead)


def _mean_of_known(values: Vector) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
