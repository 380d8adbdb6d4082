"""Weather forecasts, append-only and bitemporal: a row an issue, queried as of any time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.journal import AppendOnly, Row, fields_of, row_of
from assets.stores.schema.column_types import sha256_of
from assets.stores.schema.tables_weather import weather_issues
from assets.stores.transactions import Repository
from data_quality.contracts.control.weather_issue import WeatherIssue
from data_quality.contracts.time import Clock


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
