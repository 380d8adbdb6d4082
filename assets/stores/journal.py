"""The base of the stores over append-only tables: rows are added under one recorded time, and read as known at any.

Imports nothing heavier than SQLAlchemy: the agent's stores rest on it too.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from assets.stores.schema.column_types import JsonText
from assets.stores.seals import append
from assets.stores.transactions import Store, next_recorded_at
from assets.stores.trust import must_be_proven
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

Row = Mapping[str, Any]
M = TypeVar("M")
ModelType = TypeVar("ModelType", bound=Model)
_MOST_NAMES = 500


class AppendOnly(Generic[M]):
    """One append-only table, whose rows are read as values of one type.

    read: what a row means: `fields_of`, `document_in`, or `dict` for the row itself.
    order: columns by which rows are told, the oldest first; of rows about one thing the last counts.
    is_proven: whole rows are refused where they are not as they were sealed.

    Conditions name columns and what they must be, or one of what in a collection; None asks for nothing. Inside
    Store.together everything here is part of that transaction.
    """

    def __init__(
        self,
        table: sa.Table,
        read: Callable[[Row], M],
        *,
        order: Sequence[str] = ("recorded_at_utc",),
        is_proven: bool = False,
    ) -> None:
        self.table, self.read, self.order, self.is_proven = table, read, order, is_proven

    def add(self, store: Store, clock: Clock, *rows: Row) -> datetime:
        """Append rows, with their seal where the table is sealed. Returns the time that they are recorded at."""
        with store.begin() as connection:
            # One moment for all rows: a view at T holds the whole of an addition or nothing of it.
            moment = next_recorded_at(connection, clock.now_utc())
            append(connection, self.table, [{**row, "recorded_at_utc": moment} for row in rows])
        return moment

    def add_once(self, store: Store, clock: Clock, row: Row) -> bool:
        """Append a row where none of its primary key stands. Returns whether it was appended."""
        # Asked and added in one write transaction below: of two processes with the same row only one finds it missing.
        named = {column.name: row[column.name] for column in self.table.primary_key}
        # What stands stays: who only reads waits for nobody who writes.
        if self.rows(store, *named, **named):
            return False
        with store.together():
            if self.rows(store, *named, **named):
                return False
            self.add(store, clock, row)
        return True

    def select(self, *, as_of_utc: datetime | None = None, **conditions: Any) -> sa.Select[Any]:
        """Rows recorded by then that meet the conditions, in order: for those who ask more of them."""
        query = sa.select(self.table).order_by(*(self.table.c[name] for name in self.order))
        for name, wanted in conditions.items():
            column = self.table.c[name]
            # A text is a collection too, of its letters.
            if isinstance(wanted, Collection) and not isinstance(wanted, str):
                query = query.where(column.in_(wanted))
            elif wanted is not None:
                query = query.where(column == wanted)
        return query if as_of_utc is None else query.where(self.table.c.recorded_at_utc <= as_of_utc)

    def rows(
        self, store: Store, *columns: str, as_of_utc: datetime | None = None, **conditions: Any
    ) -> list[dict[str, Any]]:
        """Rows in order. With columns only these, and unproven: a seal is over a whole row."""
        return self._asked(store, self.select(as_of_utc=as_of_utc, **conditions), columns)

    def history(self, store: Store, *, as_of_utc: datetime | None = None, **conditions: Any) -> list[M]:
        """Everything that was recorded by then, the oldest first."""
        return [self.read(row) for row in self.rows(store, as_of_utc=as_of_utc, **conditions)]

    def newest(
        self, store: Store, *columns: str, as_of_utc: datetime | None = None, **conditions: Any
    ) -> dict[str, Any] | None:
        """The last of the rows, or only these columns of it; None before the first."""
        newest_first = (self.table.c[name].desc() for name in self.order)
        # SQLAlchemy adds an order to the one before it; None takes that away first.
        query = self.select(as_of_utc=as_of_utc, **conditions).order_by(None).order_by(*newest_first)
        return next(iter(self._asked(store, query.limit(1), columns)), None)

    def latest(self, store: Store, *, as_of_utc: datetime | None = None, **conditions: Any) -> M | None:
        """What the last of the rows says; None before the first."""
        row = self.newest(store, as_of_utc=as_of_utc, **conditions)
        return None if row is None else self.read(row)

    def all_as_of(self, store: Store, *key: str, as_of_utc: datetime | None = None, **conditions: Any) -> list[M]:
        """The last of each key as of then, in the order in which the keys first appeared."""
        rows = self.rows(store, as_of_utc=as_of_utc, **conditions)
        return [self.read(row) for row in {tuple(row[name] for name in key): row for row in rows}.values()]

    def _asked(self, store: Store, query: sa.Select[Any], columns: Sequence[str]) -> list[dict[str, Any]]:
        if columns:
            return store.rows(query.with_only_columns(*(self.table.c[name] for name in columns)))
        found = store.rows(query)
        return list(must_be_proven(store, self.table, found)) if self.is_proven else found


def among(column: sa.Column[Any], names: Collection[str]) -> sa.ColumnElement[bool]:
    """That a column has one of some names; of more than a statement should carry anything, which the caller sieves."""
    return column.in_(names) if len(names) <= _MOST_NAMES else sa.true()


def fields_of(model: type[ModelType]) -> Callable[[Row], ModelType]:
    """Reads a row as a model whose fields are columns; other columns are left out."""
    return lambda row: model.model_validate({name: row[name] for name in model.model_fields if name in row})


def document_in(column: str, model: type[ModelType]) -> Callable[[Row], ModelType]:
    """Reads a row as the model that one of its columns holds whole."""
    return lambda row: model.model_validate(row[column])


def row_of(table: sa.Table, model: Model, **beside: Any) -> dict[str, Any]:
    """A row for the table: the model's fields that it has columns for, and what is said beside them."""
    own = [column for column in table.c if column.name in type(model).model_fields and column.name not in beside]
    # JSON columns take plain JSON; dates and times of all others stay what they are, for their own column types.
    texts = model.model_dump(mode="json", include={each.name for each in own if isinstance(each.type, JsonText)})
    plain = {each.name: getattr(model, each.name) for each in own}
    # Each driver adapts an enum in its own way; psycopg writes the name of a plain one, not its value.
    return {name: each.value if isinstance(each, Enum) else each for name, each in plain.items()} | texts | beside
