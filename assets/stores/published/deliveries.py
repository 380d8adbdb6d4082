"""The outbox of deliveries: requested, tried, sent or failed; one row each, and nothing is ever changed."""

from collections.abc import Sequence
from typing import Literal

from assets.stores.journal import Ledger
from assets.stores.schema.tables_reports import delivery_events
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

State = Literal["pending", "sent", "failed"]
# Channel of reports to OpenADR servers, and folder of the data that holds what is sent to them.
OPENADR = "openadr"


class Delivery(Model):
    """A delivery as it stands. attempt: how often it was tried; reason: why the last try failed, or what the receiver
    answered that took it.
    """

    delivery_id: str
    channel: str
    target: str
    report_id: str
    revision: int
    state: State = "pending"
    attempt: int = 0
    reason: str = ""


_EVENTS = Ledger(delivery_events, Delivery, order=("recorded_at_utc", "attempt"), is_proven=True)


class DeliveryStore(Repository):
    """Deliveries in the transactional store."""

    def request(self, delivery: Delivery, clock: Clock) -> Delivery:
        """Put it into the outbox, once. Returns it as it stands."""
        with self.store.together():
            known = _EVENTS.latest(self.store, delivery_id=delivery.delivery_id)
            if known is not None:
                return known
            # Recorded before it is sent: after a crash it goes out once more rather than never.
            _EVENTS.put(self.store, clock, delivery)
        return delivery

    def record(self, delivery_id: str, state: State, reason: str, clock: Clock) -> Delivery:
        """Append the outcome of a try. Raises BadInput for one that was not requested."""
        with self.store.together():
            known = _EVENTS.latest(self.store, delivery_id=delivery_id)
            if known is None:
                raise BadInput(f"no delivery {delivery_id!r} was asked for", reason="unknown_delivery")
            after = known.model_copy(update={"state": state, "reason": reason, "attempt": known.attempt + 1})
            _EVENTS.put(self.store, clock, after)
        return after

    def deliveries(self, report_id: str | None = None, revision: int | None = None) -> list[Delivery]:
        """Every delivery in its present state, in the order of their requests."""
        return _EVENTS.all_as_of(self.store, "delivery_id", report_id=report_id, revision=revision)

    def waiting(self) -> Sequence[Delivery]:
        """Requested deliveries that are not sent: after a crash, or after tries that failed."""
        return [each for each in self.deliveries() if each.state != "sent"]
