"""Instances of workflows, append-only: a row when one is seen, after each of its steps, and when it ends."""

from collections.abc import Sequence

from assets.stores.journal import Ledger, only_one
from assets.stores.schema.tables_findings import workflow_instances
from assets.stores.transactions import Repository
from data_quality.contracts.time import Clock
from data_quality.contracts.workflow import Instance

_ROWS = Ledger(workflow_instances, Instance, is_proven=True)


class WorkflowInstances(Repository):
    """The instances of one transactional store."""

    def current(self, site_id: str | None = None, workflow: str | None = None) -> list[Instance]:
        """Instances as they stand, the oldest first."""
        return _ROWS.all_as_of(self.store, "instance_id", site_id=site_id, workflow=workflow)

    def history(self, instance_id: str) -> list[Instance]:
        """One instance after each of its steps, the oldest first."""
        return _ROWS.history(self.store, instance_id=instance_id)

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
        (kept,) = _ROWS.put(self.store, clock, instance)
        return kept
