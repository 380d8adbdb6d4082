"""The outbox of deliveries: asked for, tried, sent or failed; one row each, and nothing is ever changed."""

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from assets.stores.tables_reports import delivery_events
from assets.stores.transactions import Store, next_recorded_at
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

State = Literal["pending", "sent", "failed"]


class Delivery(Model):
    """A delivery as it stands. attempt: how often it was tried; reason: why the last try failed."""

    delivery_id: str
    channel: str
    target: str
    report_id: str
    revision: int
    state: State = "pending"
    attempt: int = 0
    reason: str = ""


class DeliveryStore:
    """Deliveries in the transactional store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def ask(self, delivery: Delivery, clock: Clock) -> Delivery:
        """Put it into the outbox, once. Returns it as it stands."""
        with self.store.begin() as connection:
            known = self._newest(connection, delivery.delivery_id)
            if known is not None:
                return known
            self._add(connection, delivery, clock)
        return delivery

    def record(self, delivery_id: str, state: State, reason: str, clock: Clock) -> Delivery:
        """Append the outcome of a try. Raises BadInput for one that nobody asked for."""
        with self.store.begin() as connection:
            known = self._newest(connection, delivery_id)
            if known is None:
                raise BadInput(f"no delivery {delivery_id!r} was asked for", reason="unknown_delivery")
            after = known.model_copy(update={"state": state, "reason": reason, "attempt": known.attempt + 1})
            self._add(connection, after, clock)
        return after

    def deliveries(self, report_id: str | None = None, revision: int | None = None) -> list[Delivery]:
        """Every delivery as it stands, in the order in which they were asked for."""
        table = delivery_events
        query = sa.select(table).order_by(table.c.recorded_at_utc, table.c.attempt)
        if report_id is not None:
            query = query.where(table.c.report_id == report_id)
        if revision is not None:
            query = query.where(table.c.revision == revision)
        found: dict[str, Delivery] = {}
        for row in self.store.rows(query):
            found[row["delivery_id"]] = _delivery(row)
        return list(found.values())

    def waiting(self) -> Sequence[Delivery]:
        """Those that were asked for and are not sent: after a crash, or after tries that failed."""
        return [each for each in self.deliveries() if each.state != "sent"]

    def _newest(self, connection: sa.Connection, delivery_id: str) -> Delivery | None:
        table = delivery_events
        query = sa.select(table).where(table.c.delivery_id == delivery_id).order_by(table.c.attempt.desc()).limit(1)
        row = connection.execute(query).mappings().first()
        return None if row is None else _delivery(dict(row))

    def _add(self, connection: sa.Connection, delivery: Delivery, clock: Clock) -> None:
        moment = next_recorded_at(connection, clock.now_utc())
        connection.execute(delivery_events.insert().values(**delivery.model_dump(), recorded_at_utc=moment))


def _delivery(row: dict[str, object]) -> Delivery:
    return Delivery.model_validate({name: row[name] for name in Delivery.model_fields})
