"""Rows of the store about one meter: what was read, found and edited there goes; tables of months lose their lines."""

from collections.abc import Collection, Iterator
from typing import Any

import sqlalchemy as sa

from assets.stores.erasure.rows import GONE_WORD, RowChange, changed, gone, named_in
from assets.stores.erasure.subject import Subject
from assets.stores.schema.tables_advice import disaggregations
from assets.stores.schema.tables_baselines import forecast_drifts, forecast_scores, forecasts
from assets.stores.schema.tables_findings import anomaly_events, anomaly_labels
from assets.stores.schema.tables_readings import (
    batches,
    meter_decisions,
    meter_events,
    meter_proposals,
    month_validations,
    quarantine,
    reading_edits,
    register_reads,
)
from assets.stores.schema.tables_reports import site_versions
from assets.stores.transactions import Store


def meter_rows(store: Store, subject: Subject, sources: Collection[str], own: Collection[str]) -> Iterator[RowChange]:
    """Every change that the erasure of a meter makes.

    sources: SHA-256 of the files that brought readings of it; own: ids of batches that brought nothing else.
    """
    site_id, meter_id = subject.site_id, subject.own_id
    labelled = sa.select(anomaly_events.c.event_id).where(
        anomaly_events.c.site_id == site_id, anomaly_events.c.meter_id == meter_id
    )
    yield from gone("store", store, anomaly_labels, anomaly_labels.c.event_id.in_(labelled))
    for table in (anomaly_events, register_reads, reading_edits, meter_events):
        yield from gone("store", store, table, sa.and_(table.c.site_id == site_id, table.c.meter_id == meter_id))
    proposed = sa.and_(
        meter_proposals.c.site_id == site_id,
        sa.or_(meter_proposals.c.child == meter_id, meter_proposals.c.parent == meter_id),
    )
    ids = sa.select(meter_proposals.c.proposal_id).where(proposed)
    yield from gone("store", store, meter_decisions, meter_decisions.c.proposal_id.in_(ids))
    yield from gone("store", store, meter_proposals, proposed)
    circuit = sa.and_(disaggregations.c.site_id == site_id, disaggregations.c.circuit == meter_id)
    yield from gone("store", store, disaggregations, circuit)
    for table in (forecasts, forecast_scores, forecast_drifts):
        yield from gone(
            "store", store, table, sa.and_(table.c.site_id == site_id, table.c.target == f"meter:{meter_id}")
        )
    yield from _months(store, site_id, meter_id)
    yield from _files(store, site_id, sources, own)
    for row in store.rows(sa.select(site_versions).where(site_versions.c.site_id == site_id)):
        yield from changed("names", site_versions, row, {"site": subject.cleaned(row["site"])})
    yield from named_in("names", store, subject)


def _months(store: Store, site_id: str, meter_id: str) -> Iterator[RowChange]:
    for row in store.rows(sa.select(month_validations).where(month_validations.c.site_id == site_id)):
        kept = {name: [each for each in row[name] if not _is_about(each, meter_id)] for name in ("findings", "scores")}
        yield from changed("store", month_validations, row, kept)


def _is_about(entry: Any, meter_id: str) -> bool:
    """Whether a line of a month is of the meter: it says so itself, or by its scope."""
    if not isinstance(entry, dict):
        return False
    words = str(entry.get("scope", "")).replace(":", "/").split("/")
    return entry.get("meter_id") == meter_id or meter_id in words


def _files(store: Store, site_id: str, sources: Collection[str], own: Collection[str]) -> Iterator[RowChange]:
    """Names of files that held nothing else, and what was refused of any of its files."""
    for row in store.rows(sa.select(batches).where(batches.c.site_id == site_id)):
        if row["batch_id"] in own:
            yield from changed("store", batches, row, {"source_name": GONE_WORD, "mapping": None})
    for row in store.rows(sa.select(quarantine).where(quarantine.c.site_id == site_id)):
        if row["source_sha256"] in sources:
            yield from changed("store", quarantine, row, {"source_name": GONE_WORD, "message": GONE_WORD})
