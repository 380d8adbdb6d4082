"""What validation found per site and local month, append-only: the findings, the scores, and what they were made of."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.tables_readings import batches, month_validations
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock
from data_quality.contracts.vee import RuleFinding


class MonthValidation(Model):
    """One validation of one month. scores: rows of meter_id, register, score, completeness, excluded, held, flagged."""

    site_id: str
    month: date
    rules_version: str
    input_digest: str
    score: float | None
    coverage: float | None
    findings: tuple[RuleFinding, ...]
    scores: tuple[dict[str, Any], ...]
    batch_id: str | None = None
    recorded_at_utc: datetime | None = None


def publish_findings(store: Store, validations: Sequence[MonthValidation], clock: Clock) -> int:
    """Record validations that say something new; the same input judged by the same rules is recorded once.

    Returns how many were recorded.
    """
    fresh = []
    for each in validations:
        known = latest_validations(store, each.site_id, months=[each.month])
        if not known or (known[0].input_digest, known[0].rules_version) != (each.input_digest, each.rules_version):
            fresh.append(each)
    if not fresh:
        return 0
    with store.begin() as connection:
        recorded_at = next_recorded_at(connection, clock.now_utc())
        rows = [each.model_dump(mode="json") | {"month": each.month, "recorded_at_utc": recorded_at} for each in fresh]
        connection.execute(month_validations.insert(), rows)
    return len(fresh)


def latest_validations(
    store: Store, site_id: str, *, months: Sequence[date] = (), as_of_utc: datetime | None = None
) -> list[MonthValidation]:
    """The newest validation of each month (of all, where none is named), as known at T, in order of the months."""
    table = month_validations
    query = sa.select(table).where(table.c.site_id == site_id).order_by(table.c.month, table.c.id)
    if months:
        query = query.where(table.c.month.in_(list(months)))
    if as_of_utc is not None:
        query = query.where(table.c.recorded_at_utc <= as_of_utc)
    newest = {row["month"]: row for row in store.rows(query)}
    return [
        MonthValidation.model_validate({key: value for key, value in row.items() if key != "id"})
        for row in newest.values()
    ]


def batches_of_reader(store: Store, site_id: str, reader: str) -> list[str]:
    """Ids of the site's batches that this reader wrote."""
    query = sa.select(batches.c.batch_id).where(batches.c.site_id == site_id, batches.c.reader == reader)
    return [str(row["batch_id"]) for row in store.rows(query)]
