"""Forecasts of loads and weather as issued, which model leads, scores over time and what drifted; append-only."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import sha256_of
from assets.stores.journal import AppendOnly, Ledger, Row, fields_of, row_of
from assets.stores.ledgers.cause_models import CAUSE_MODEL
from assets.stores.schema.tables_baselines import forecast_drifts, forecast_scores, forecasts, promotions
from assets.stores.schema.tables_weather import weather_issues
from assets.stores.transactions import Repository
from data_quality.contracts.control.forecast import SHADOW, Forecast
from data_quality.contracts.control.forecast_score import ForecastDrift, ForecastScore
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.time import Clock

_FORECASTS = Ledger(forecasts, Forecast, "forecast", order=("issued_at_utc", "recorded_at_utc"))
_PROMOTIONS = AppendOnly(promotions, dict, order=("id",))
_SCORES = Ledger(forecast_scores, ForecastScore, "score")
_DRIFTS = Ledger(forecast_drifts, ForecastDrift, "drift", order=("recorded_at_utc", "target"))
# What one score is about; of rows about the same the last counts.
_KEY = ("site_id", "target", "local_day", "lead", "model_name", "model_version", "is_shadow")


class ForecastStore(Repository):
    """Store of forecasts with the times of issue and recording; their champions, scores and drifts."""

    def add(self, forecast: Forecast, clock: Clock) -> bool:
        """Append a forecast. False where the same forecast_id is there already (nothing is written)."""
        # Under a target of its own: no query for the target ever returns a challenger's forecast.
        target = _filed(forecast.target, is_shadow=forecast.is_shadow)
        return _FORECASTS.add_once(self.store, clock, _FORECASTS.row(forecast, target=target))

    def latest(self, site_id: str, target: str, *, as_of_utc: datetime | None = None) -> Forecast | None:
        """The leading model's forecast issued last (of two for one instant, the one recorded last), or None."""
        return _FORECASTS.latest(self.store, as_of_utc=as_of_utc, site_id=site_id, target=target)

    def get(self, forecast_id: str, *, as_of_utc: datetime | None = None) -> Forecast | None:
        """The forecast of that id, or None."""
        return _FORECASTS.latest(self.store, as_of_utc=as_of_utc, forecast_id=forecast_id)

    def issued(
        self, site_id: str, target: str, *, since_utc: datetime, as_of_utc: datetime | None = None
    ) -> list[Forecast]:
        """Every forecast of the target issued since then, of challengers and of the leading model, oldest first."""
        targets = [_filed(target, is_shadow=each) for each in (False, True)]
        query = _FORECASTS.select(as_of_utc=as_of_utc, site_id=site_id, target=targets)
        rows = self.store.rows(query.where(forecasts.c.issued_at_utc >= since_utc))
        return [_FORECASTS.read(row) for row in rows]

    def add_promotion(self, model_name: str, decision: Mapping[str, Any], clock: Clock) -> None:
        """Append one decision about the leading model of a target, whichever way it went."""
        _PROMOTIONS.add(self.store, clock, {"model_name": model_name, "decision": dict(decision)})

    def promotions(self, model_name: str | None = None) -> list[dict[str, Any]]:
        """Decisions in the order they were taken: model_name, decision, recorded_at_utc."""
        return [
            each for each in _PROMOTIONS.rows(self.store, model_name=model_name) if each["model_name"] != CAUSE_MODEL
        ]

    def add_scores(self, scores: Iterable[ForecastScore], clock: Clock) -> int:
        """Append those that are new or have changed since they were last recorded. Returns how many."""
        # Asked and added in one write transaction: two processes that score the same day write it once.
        with self.store.together():
            given = list(scores)
            days, of = sorted({each.local_day for each in given}), {(each.site_id, each.target) for each in given}
            known = {each for site, target in of for each in self.scores(site, target, days=days)}
            return len(_SCORES.put(self.store, clock, *(each for each in given if each not in known)))

    def scores(
        self,
        site_id: str,
        target: str | None = None,
        *,
        days: Iterable[date] | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[ForecastScore]:
        """The last score of each local day, lead and version as of then, in the order first recorded."""
        wanted = None if days is None else list(days)
        return _SCORES.all_as_of(
            self.store, *_KEY, as_of_utc=as_of_utc, site_id=site_id, target=target, local_day=wanted
        )

    def add_drift(self, drift: ForecastDrift, clock: Clock) -> bool:
        """Append what drifted. False where that target's local day has an entry already (nothing is written)."""
        return _DRIFTS.add_once(self.store, clock, _DRIFTS.row(drift))

    def drifts(
        self, site_id: str, *, target: str | None = None, as_of_utc: datetime | None = None
    ) -> list[ForecastDrift]:
        """Drifts of forecasts of a site, oldest first."""
        return _DRIFTS.history(self.store, site_id=site_id, target=target, as_of_utc=as_of_utc)


def _filed(target: str, *, is_shadow: bool) -> str:
    return f"{SHADOW} {target}" if is_shadow else target


def _issue(row: Row) -> WeatherIssue:
    return fields_of(WeatherIssue)({**row, "values": row["weather"]})


_ISSUES = AppendOnly(weather_issues, _issue, order=("issued_at_utc", "available_at_utc", "recorded_at_utc"))
HEADS = [column.name for column in weather_issues.c if column.name != "weather"]


class WeatherStore(Repository):
    """Issues of weather forecasts of all sites."""

    def add(self, site_id: str, issues: Sequence[WeatherIssue], clock: Clock) -> int:
        """Append the issues that say something new. Returns how many these were.

        The same issue with the same values is there already; of a service that names no issue, the same values as the
        last time are no new one.
        """
        # Asked and added in one transaction: of two processes with the same issue only one finds it missing.
        with self.store.together():
            known = self.heads(site_id, source={each.source for each in issues})
            there = {(row["source"], row["issued_at_utc"], row["content_sha256"]) for row in known}
            newest = {row["source"]: row["content_sha256"] for row in known}
            rows = []
            for issue in sorted(issues, key=lambda each: each.issued_at_utc):
                content = content_sha256(issue)
                key = (issue.source, issue.issued_at_utc, content)
                if key in there or ("issued_as_fetched" in issue.labels and newest.get(issue.source) == content):
                    continue
                there.add(key)
                newest[issue.source] = content
                additional = {"site_id": site_id, "content_sha256": content, "weather": issue.values}
                rows.append(row_of(weather_issues, issue, **additional, end_utc=issue.end_utc))
            if rows:
                _ISSUES.add(self.store, clock, *rows)
        return len(rows)

    def known(
        self,
        site_id: str,
        *,
        start_utc: datetime,
        end_utc: datetime,
        available_by_utc: datetime | None = None,
        as_of_utc: datetime | None = None,
    ) -> list[WeatherIssue]:
        """Issues that tell of the span and were known by then, in the order of their issue. A year takes a second.

        as_of_utc: recorded by then as well. A file of past issues says when they were known, but a forecast that was
        made before the file came did not see it.
        """
        table = weather_issues
        query = _ISSUES.select(as_of_utc=as_of_utc, site_id=site_id)
        query = query.where(table.c.end_utc > start_utc, table.c.start_utc < end_utc)
        if available_by_utc is not None:
            query = query.where(table.c.available_at_utc <= available_by_utc)
        return [_issue(row) for row in self.store.rows(query)]

    def heads(self, site_id: str, **conditions: Any) -> list[dict[str, Any]]:
        """All columns of the issues but their values, in the order of their issue."""
        return _ISSUES.rows(self.store, *HEADS, site_id=site_id, **conditions)

    def newest_available_utc(self, site_id: str) -> datetime | None:
        """When the last issue of a site became known; None before the first."""
        query = sa.select(sa.func.max(weather_issues.c.available_at_utc).label("last"))
        (found,) = self.store.rows(query.where(weather_issues.c.site_id == site_id))
        last: datetime | None = found["last"]
        return last


def content_sha256(issue: WeatherIssue) -> str:
    """Digest of the steps and values that an issue tells, whenever it was issued."""
    return sha256_of([issue.start_utc.isoformat(), issue.step_minutes, dict(issue.values)])
