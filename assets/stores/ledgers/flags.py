"""Validation results per site and local month, append-only: the findings, the scores, and their inputs."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from assets.stores.journal import Ledger
from assets.stores.schema.tables_readings import month_validations
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.vee import RuleFinding
from data_quality.contracts.time import Clock


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


_VALIDATIONS = Ledger(month_validations, MonthValidation, order=("month", "id"))


def publish_findings(store: Store, validations: Sequence[MonthValidation], clock: Clock) -> int:
    """Record validations that say something new; the same input judged by the same rules is recorded once.

    Returns how many were recorded.
    """
    fresh = []
    for each in validations:
        known = latest_validations(store, each.site_id, months=[each.month])
        if not known or (known[0].input_digest, known[0].rules_version) != (each.input_digest, each.rules_version):
            fresh.append(each)
    return len(_VALIDATIONS.put(store, clock, *fresh))


def latest_validations(
    store: Store, site_id: str, *, months: Sequence[date] = (), as_of_utc: datetime | None = None
) -> list[MonthValidation]:
    """The newest validation of each month (of all, where none is named), as known at T, in order of the months."""
    # No months would mean none at all; None asks for every one.
    return _VALIDATIONS.all_as_of(store, "month", as_of_utc=as_of_utc, site_id=site_id, month=months or None)
