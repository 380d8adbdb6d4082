"""The base of the stores over append-only tables: rows are added under one recorded time, and read as known at any.

Imports nothing heavier than SQLAlchemy: the agent's stores rest on it too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from assets.stores.column_types import JsonText
from assets.stores.seals import append
from assets.stores.transactions import Repository, Store, next_recorded_at
from assets.stores.trust import must_be_proven
from data_quality.contracts.errors import BadInput, OurFault
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
        return self._queried(store, self.select(as_of_utc=as_of_utc, **conditions), columns)

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
        return next(iter(self._queried(store, query.limit(1), columns)), None)

    def latest(self, store: Store, *, as_of_utc: datetime | None = None, **conditions: Any) -> M | None:
        """The model of the last row; None before the first."""
        row = self.newest(store, as_of_utc=as_of_utc, **conditions)
        return None if row is None else self.read(row)

    def all_as_of(self, store: Store, *key: str, as_of_utc: datetime | None = None, **conditions: Any) -> list[M]:
        """The last of each key as of then, in the order in which the keys first appeared."""
        rows = self.rows(store, as_of_utc=as_of_utc, **conditions)
        return [self.read(row) for row in {tuple(row[name] for name in key): row for row in rows}.values()]

    def _queried(self, store: Store, query: sa.Select[Any], columns: Sequence[str]) -> list[dict[str, Any]]:
        if columns:
            return store.rows(query.with_only_columns(*(self.table.c[name] for name in columns)))
        found = store.rows(query)
        return list(must_be_proven(store, self.table, found)) if self.is_proven else found


class Ledger(AppendOnly[ModelType]):
    """An append-only table of one model: its columns are fields of it.

    document: the column that holds the model whole, beside the fields by which it is found; empty: fields alone.
    """

    def __init__(
        self,
        table: sa.Table,
        model: type[ModelType],
        document: str = "",
        *,
        order: Sequence[str] = (),
        is_proven: bool = False,
    ) -> None:
        read = document_in(document, model) if document else fields_of(model)
        # Rows of one addition share their recorded time; where the database numbers them, they have an order still.
        own = ("id",) if "id" in table.c else ("recorded_at_utc",)
        super().__init__(table, read, order=order or own, is_proven=is_proven)
        needed = [document] if document else [name for name, one in model.model_fields.items() if one.is_required()]
        if lacking := [name for name in needed if name not in table.c]:
            raise OurFault(f"{table.name} has no column for {', '.join(lacking)} of {model.__name__}")
        self.document = document

    def row(self, made: ModelType, **columns: Any) -> dict[str, Any]:
        """The row of a model, with additional columns."""
        whole = {self.document: made.model_dump(mode="json")} if self.document else {}
        return row_of(self.table, made, **(whole | columns))

    def put(self, store: Store, clock: Clock, *made: ModelType, **columns: Any) -> list[ModelType]:
        """Append models, none or more, with additional columns. Returns them as they were recorded."""
        if not made:
            return []
        # What a document says of its time is the clock's; of two additions at once the column tells the later one.
        kept = [_recorded(each, clock.now_utc()) for each in made] if self.document else list(made)
        moment = self.add(store, clock, *(self.row(each, **columns) for each in kept))
        return kept if self.document else [_recorded(each, moment) for each in kept]


class CurrentStateLedger(Repository, Generic[ModelType]):
    """Things whose row is what stands after an act: of each the last counts.

    rows: their ledger. key: the fields that name one, its site and its id. noun: what people call one. mend: the
    command that lists them.
    """

    rows: Ledger[ModelType]
    key: tuple[str, str]
    noun: str
    mend: str

    def current(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[ModelType]:
        """Models in force as of a time, of a site or of all, in the order in which they first appeared."""
        return self.rows.all_as_of(self.store, *self.key, as_of_utc=as_of_utc, site_id=site_id)

    def history(self, of: ModelType, *, as_of_utc: datetime | None = None) -> list[ModelType]:
        """One of them after each of its acts, as known at T, the oldest first."""
        wanted = {name: getattr(of, name) for name in self.key}
        return self.rows.history(self.store, as_of_utc=as_of_utc, **wanted)

    def named(self, start: str, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> ModelType:
        """The one whose id starts so, of a site or of any. Raises BadInput (no_ and the noun) for none, or several."""
        known = self.current(site_id, as_of_utc=as_of_utc)
        return only_one(known, self.key[1], start, noun=self.noun, mend=self.mend)


def only_one(
    known: Iterable[ModelType], key: str, start: str, *, noun: str, mend: str, nobody: str = ""
) -> ModelType:  # fmt: skip
    """The model whose id, in the field `key`, starts so. Raises BadInput for none, or several. nobody: of no noun."""
    found = [each for each in known if start and getattr(each, key).startswith(start)]
    if len(found) != 1:
        count = f"{len(found)} {noun}s have" if found else f"no {nobody or noun} has"
        reason = f"no_{noun.rpartition(' ')[2]}"
        raise BadInput(f"{count} an id that starts with {start!r}", reason=reason, mend=mend)
    return found[0]


def among(column: sa.Column[Any], names: Collection[str]) -> sa.ColumnElement[bool]:
    """That a column has one of some names; of more than a statement should carry anything, which the caller sieves."""
    return column.in_(names) if len(names) <= _MOST_NAMES else sa.true()


def fields_of(model: type[ModelType]) -> Callable[[Row], ModelType]:
    """Reads a row as a model whose fields are columns; other columns are left out."""
    return lambda row: model.model_validate({name: row[name] for name in model.model_fields if name in row})


def document_in(column: str, model: type[ModelType]) -> Callable[[Row], ModelType]:
    """Reads a row as the model that one of its columns holds whole."""
    return lambda row: model.model_validate(row[column])


def row_of(table: sa.Table, model: Model, **columns: Any) -> dict[str, Any]:
    """A row for the table: the model's fields that it has columns for, and additional columns."""
    own = [column for column in table.c if column.name in type(model).model_fields and column.name not in columns]
    # JSON columns take plain JSON; dates and times of all others stay what they are, for their own column types.
    texts = model.model_dump(mode="json", include={each.name for each in own if isinstance(each.type, JsonText)})
    plain = {each.name: getattr(model, each.name) for each in own}
    # Each driver adapts an enum in its own way; psycopg writes the name of a plain one, not its value.
    return {name: each.value if isinstance(each, Enum) else each for name, each in plain.items()} | texts | columns


def _recorded(model: ModelType, at_utc: datetime) -> ModelType:
    """The model with the time that it is recorded at, where it says one."""
    has_time = "recorded_at_utc" in type(model).model_fields
    return model.model_copy(update={"recorded_at_utc": at_utc}) if has_time else model
