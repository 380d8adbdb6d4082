"""Work orders, a row an act, and instances of workflows, a row a step; append-only."""

from collections.abc import Sequence
from datetime import date, datetime

from assets.stores.journal import CurrentStateLedger, Ledger, only_one
from assets.stores.schema.tables_findings import work_orders, workflow_instances
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.work_order import OrderState, Priority, WorkOrder, order_id_of
from data_quality.contracts.time import Clock
from data_quality.contracts.workflow import Instance

_INSTANCES = Ledger(workflow_instances, Instance, is_proven=True)


class WorkOrders(CurrentStateLedger[WorkOrder]):
    """The orders of one transactional store."""

    rows = Ledger(work_orders, WorkOrder, is_proven=True)
    key, noun, mend = ("site_id", "order_id"), "work order", "meterloom orders list --all shows them"

    def current(self, site_id: str | None = None, *, as_of_utc: datetime | None = None) -> list[WorkOrder]:
        """Orders of a site, or of all, as known at T: the most urgent first, the older of two first."""
        found = self.rows.all_as_of(self.store, "order_id", as_of_utc=as_of_utc, site_id=site_id)
        return sorted(found, key=lambda each: (not each.is_open, each.priority))

    def create(self, wanted: WorkOrder, clock: Clock) -> WorkOrder:
        """Record a new order, whose id is given here where `wanted` has none. While one of the same source and title
        is open, or one has that id, that is the order: a form or a step that comes twice makes one.
        """
        with self.store.together():
            known = self.current(wanted.site_id)
            for each in known:
                is_named = bool(wanted.order_id) and each.order_id == wanted.order_id
                if is_named or (each.is_open and not wanted.order_id and _about(each) == _about(wanted)):
                    return each
            before = sum(_about(each) == _about(wanted) for each in known)
            source = f"{wanted.source_kind}:{wanted.source_id}"
            name = wanted.order_id or order_id_of(wanted.site_id, source, wanted.title, before)
            state: OrderState = "assigned" if wanted.assignee else "open"
            return self._add(wanted.model_copy(update={"order_id": name, "state": state}), clock)

    def move(
        self,
        order: WorkOrder,
        state: OrderState,
        *,
        person_id: str,
        reason: str,
        clock: Clock,
        assignee: str = "",
        due: date | None = None,
        seen: str | None = None,
        priority: Priority | None = None,
    ) -> WorkOrder:
        """Record what a person, or an escalation, did with an order. Raises BadInput without a reason, for one that has
        ended (order_ended), and (changed_since) where somebody acted since the form was made. seen: `stamp_of` then.
        """
        if not reason.strip():
            raise BadInput(f"a work order is {state} with a reason", reason="no_reason")
        # Read and added in one write transaction: of two people who close it at once one is refused.
        with self.store.together():
            now = self.named(order.order_id, order.site_id)
            after = now.model_copy(
                update={
                    "state": state, "person_id": person_id, "reason": reason.strip(), "due": due or now.due,
                    "assignee": assignee or now.assignee, "priority": priority or now.priority,
                }
            )  # fmt: skip
            if now.model_copy(update={"recorded_at_utc": None}) == after.model_copy(update={"recorded_at_utc": None}):
                return now
            if not now.is_open:
                raise BadInput(f"work order {now.order_id} is {now.state} already", reason="order_ended")
            if seen is not None and seen != stamp_of(now):
                message = f"the work order was {now.state} since this form was opened"
                raise BadInput(message, reason="changed_since", mend="open the page again")
            return self._add(after, clock)

    def _add(self, order: WorkOrder, clock: Clock) -> WorkOrder:
        (made,) = self.rows.put(self.store, clock, order)
        return made


def stamp_of(order: WorkOrder) -> str:
    """Stamp of the last act in a form, which tells whether somebody acted since."""
    return "" if order.recorded_at_utc is None else order.recorded_at_utc.isoformat()


def _about(order: WorkOrder) -> tuple[str, str, str]:
    return order.source_kind, order.source_id, order.title


class WorkflowInstances(Repository):
    """The instances of one transactional store."""

    def current(self, site_id: str | None = None, workflow: str | None = None) -> list[Instance]:
        """Instances as they stand, the oldest first."""
        return _INSTANCES.all_as_of(self.store, "instance_id", site_id=site_id, workflow=workflow)

    def history(self, instance_id: str) -> list[Instance]:
        """One instance after each of its steps, the oldest first."""
        return _INSTANCES.history(self.store, instance_id=instance_id)

    def named(self, start: str) -> Instance:
        """The instance whose id starts so. Raises BadInput (no_instance) for none, or several."""
        mend, nobody = "meterloom workflows show NAME lists them", "instance of a workflow"
        return only_one(self.current(), "instance_id", start, noun="instance", nobody=nobody, mend=mend)

    def begin(self, seen: Sequence[Instance], clock: Clock) -> list[Instance]:
        """Record instances that are seen for the first time, each once. Returns all, in their present state."""
        if not seen:
            return []
        # Read and added in one write transaction: of two looks at once only one finds an instance missing.
        with self.store.together():
            known = {each.instance_id: each for each in self.current(seen[0].site_id)}
            new = [each for each in seen if each.instance_id not in known]
            for each in new:
                known[each.instance_id] = self.put(each, clock)
        return [known[each.instance_id] for each in seen]

    def put(self, instance: Instance, clock: Clock) -> Instance:
        """Record what stands now."""
        (kept,) = _INSTANCES.put(self.store, clock, instance)
        return kept
