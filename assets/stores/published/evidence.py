"""Rows of the store that leave with an evidence pack, and a store made of them on another machine.

Rows travel as JSON with the columns' own meaning; a table or column that this version does not know is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from assets.stores.column_types import UtcDateTime
from assets.stores.published.report_ledger import figure_link
from assets.stores.published.trace_rows import figure_rows_where
from assets.stores.schema.tables_reports import figures
from assets.stores.seals import append
from assets.stores.tables import BY_NAME
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput

# Tables whose rows of one site go along whole, where this version has them, with the column that names the site.
BY_SITE = {
    "meter_events": "site_id",
    "tariff_overrides": "site_id",
    "adjustments": "site_id",
    "emission_factors": "tenant",
}
ALL_SITES = ""


def carried_rows(store: Store, table: str, condition: Mapping[str, Iterable[Any]], *, until: datetime) -> Sequence[Any]:
    """Rows of a table whose columns have one of the values, recorded until then, in the order of the key; as JSON."""
    found = BY_NAME[table]
    query = sa.select(found).order_by(*found.primary_key.columns)
    for name, values in condition.items():
        query = query.where(found.c[name].in_(sorted(values)))
    if "recorded_at_utc" in found.c:
        query = query.where(found.c.recorded_at_utc <= until)
    return [{name: _plain(value) for name, value in row.items()} for row in store.rows(query)]


def restore(store: Store, rows: Mapping[str, Any]) -> None:
    """Fill an empty store with carried rows. Raises BadInput for a table, column or value of another form."""
    with store.begin() as connection:
        for name, given in rows.items():
            table = BY_NAME.get(name)
            if table is None or not isinstance(given, list):
                raise BadInput(f"no table {name!r} is known here", reason="unknown_table")
            if given:
                # With seals of this store: a read of these tables refuses a row without one.
                append(connection, table, [_typed(table, row) for row in given])


def figure_rows(store: Store, report_id: str, revision: int) -> list[dict[str, Any]]:
    """A revision's figures as the chain holds them: position, prev_hash, hash, figure (JSON), inputs, in order."""
    return figure_rows_where(store, sa.and_(figures.c.report_id == report_id, figures.c.revision == revision))


def figure_rows_by_id(store: Store, figure_ids: Iterable[str]) -> list[dict[str, Any]]:
    """The same for figures by their ids; an unknown one is missing."""
    return figure_rows_where(store, figures.c.figure_id.in_(sorted(figure_ids)))


def broken_figure(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Id of the first figure whose hash, place or predecessor does not fit; None for an unbroken run of the chain."""
    before: Mapping[str, Any] | None = None
    for row in rows:
        # A run of figures may begin anywhere in its site's chain: what came before is not in the pack.
        follows = before is None or (row["position"], row["prev_hash"]) == (before["position"] + 1, before["hash"])
        if not follows or row["hash"] != figure_link(dict(row), list(row["inputs"])):
            return str(row["figure_id"])
        before = row
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return UtcDateTime().process_bind_param(value, None)
    return value.isoformat() if isinstance(value, date) else value


def _typed(table: sa.Table, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or not set(row) <= set(table.c.keys()):
        raise BadInput(f"a row of {table.name!r} has columns that are not known here", reason="unknown_column")
    try:
        return {name: _value(table.c[name].type, value) for name, value in row.items()}
    except (TypeError, ValueError) as error:
        raise BadInput(f"a row of {table.name!r} holds a value that does not fit", reason="bad_value") from error


def _value(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if isinstance(kind, sa.Date) else value
