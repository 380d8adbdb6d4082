"""Rows of the store that an erasure takes away or changes, and the one transaction that does it under seals.

An append-only table refuses both by its triggers; inside of this transaction they are lifted, and every other writer
waits. What other hashes are over is left as it is and counted; tables of months lose only their lines of a meter.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.column_types import JsonText
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
from assets.stores.seals import ERASED, ERASED_BY, REDACTED_BY, Key, erase, key_of, raw_select, seal
from assets.stores.tables import TABLES
from assets.stores.transactions import Store

GONE_WORD = "erased"
# Other hashes are over their rows: chains of commands, versions that figures pin.
PINNED = frozenset({
    "revision_inputs", "command_events", "commands", "row_seals", "plans", "forecasts",
    "baseline_versions", "lake_manifest", "lake_merges", "evidence_packs", "chain_marks", "store_revisions",
    "ledger_identity", "recorded_clock", "rendered_files", "emission_factors", "dr_events", "erasures", "removals",
})  # fmt: skip
_CHUNK = 300
Row = Mapping[str, Any]


class RowChange(NamedTuple):
    """One row of the store. name: the class that the answer counts it in; values: its columns from then on, as Python
    has them; None: the row goes.
    """

    name: str
    table: sa.Table
    key: Key
    values: Mapping[str, Any] | None
    size_bytes: int


def gone(name: str, store: Store, table: sa.Table, where: sa.ColumnElement[bool]) -> Iterator[RowChange]:
    """Rows that go."""
    for row in store.rows(raw_select(table).where(where)):
        yield RowChange(name, table, key_of(table, row), None, _size(row.values()))


def changed(name: str, table: sa.Table, row: Row, values: Mapping[str, Any]) -> Iterator[RowChange]:
    """A row with other values, where they are others. row: all columns as a query gives them."""
    other = {column: value for column, value in values.items() if value != row[column]}
    if other:
        key = tuple(_raw(column, row[column.name]) for column in table.primary_key)
        yield RowChange(name, table, key, other, _size(row[column] for column in other))


def named_in(store: Store, subject: Subject) -> Iterator[RowChange]:
    """Rows of any table whose texts hold the subject's name, with its id in place of it; pinned ones are left out."""
    for table in TABLES:
        texts = _texts(table)
        if not subject.needles or not texts or table.name in PINNED:
            continue
        holds = sa.or_(
            *(sa.type_coerce(each, sa.Text).contains(needle, autoescape=True)
              for each in texts for needle in subject.needles)
        )  # fmt: skip
        for row in store.rows(sa.select(table).where(holds)):
            # A signed text is its own affair (`people_rows.py`).
            own = [each.name for each in texts if (table.name, each.name) != ("signatures", "action")]
            yield from changed("names", table, row, {each: subject.cleaned(row[each]) for each in own})


def pinned_rows(store: Store, subject: Subject) -> int:
    """Number of rows that hold the name and stay, since other hashes are over them."""
    found = 0
    for table in (each for each in TABLES if each.name in PINNED and subject.needles):
        texts = [sa.type_coerce(each, sa.Text) for each in _texts(table)]
        holds = [each.contains(needle, autoescape=True) for each in texts for needle in subject.needles]
        if holds:
            found += int(
                store.rows(sa.select(sa.func.count().label("n")).select_from(table).where(sa.or_(*holds)))[0]["n"]
            )
    return found


def merged(changes: Iterable[RowChange]) -> list[RowChange]:
    """One change a row: a row that goes is not changed too, and of one column the first word holds."""
    found: dict[tuple[str, Key], RowChange] = {}
    for each in changes:
        at = (each.table.name, each.key)
        before = found.get(at)
        if before is None or each.values is None:
            found[at] = each if before is None else each._replace(name=before.name)
        elif before.values is not None:
            found[at] = before._replace(values={**each.values, **before.values})
    return list(found.values())


def apply(connection: sa.Connection, changes: Sequence[RowChange], erasure_id: str) -> None:
    """Take the rows away, or change them, each table's under one seal; in the caller's transaction."""
    tables: dict[str, list[RowChange]] = defaultdict(list)
    for each in changes:
        tables[each.table.name].append(each)
    for name in sorted(tables):
        table = tables[name][0].table
        with lifted(connection, table):
            keys = [each.key for each in tables[name] if each.values is None]
            note = ERASED if table.info.get("is_erasable") else f"{ERASED_BY}{erasure_id}"
            for start in range(0, len(keys), _CHUNK):
                where = _are(table, keys[start : start + _CHUNK])
                if table.info.get("is_sealed"):
                    erase(connection, table, where, note=note)
                else:
                    connection.execute(table.delete().where(where))
            _redact(connection, table, [each for each in tables[name] if each.values is not None], erasure_id)


def _redact(connection: sa.Connection, table: sa.Table, changes: Sequence[RowChange], erasure_id: str) -> None:
    rows = []
    for each in changes:
        where = _are(table, [each.key])
        connection.execute(table.update().where(where).values(**(each.values or {})))
        rows += [dict(row) for row in connection.execute(raw_select(table).where(where)).mappings()]
    if rows and table.info.get("is_sealed"):
        seal(connection, table, rows, note=f"{REDACTED_BY}{erasure_id}")


@contextmanager
def lifted(connection: sa.Connection, table: sa.Table) -> Iterator[None]:
    """Let the table be changed in this transaction; where it is rolled back, nothing was lifted."""
    if not table.info.get("is_append_only"):
        yield
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
        yield
        connection.exec_driver_sql(f"ALTER TABLE {table.name} ENABLE TRIGGER USER")
        return
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :name ORDER BY rowid")
    triggers = connection.execute(query, {"name": table.name}).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, statement in triggers:
        connection.exec_driver_sql(str(statement))


def _are(table: sa.Table, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    columns = [sa.type_coerce(each, sa.types.NullType()) for each in table.primary_key]
    kinds: dict[bool, Any] = {True: sa.Integer(), False: sa.Text()}
    return sa.or_(
        *(
            sa.and_(*(a == sa.literal(b, kinds[isinstance(b, int)]) for a, b in zip(columns, key, strict=True)))
            for key in keys
        )
    )


def _texts(table: sa.Table) -> list[sa.Column[Any]]:
    """Columns that may hold words of people: no keys, no times, no hashes."""
    return [
        each for each in table.c
        if not each.primary_key and isinstance(each.type, JsonText | sa.Text | sa.String)
        and "sha256" not in each.name
    ]  # fmt: skip


def _raw(column: sa.Column[Any], value: Any) -> Any:
    kind: Any = column.type
    raw: Any = value if not isinstance(value, datetime | date) else value.isoformat()
    return kind.process_bind_param(value, None) if isinstance(value, datetime) else raw


def _size(values: Iterable[Any]) -> int:
    return sum(len(str(each).encode()) for each in values if each is not None)


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
    yield from named_in(store, subject)


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
