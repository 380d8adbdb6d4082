"""Instances of workflows, append-only: a row when one is seen, after each of its steps, and when it ends."""

from collections.abc import Sequence

from assets.stores.journal import AppendOnly, fields_of, row_of
from assets.stores.schema.tables_findings import workflow_instances
from assets.stores.transactions import Store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock
from data_quality.contracts.workflow import Instance

_ROWS = AppendOnly(workflow_instances, fields_of(Instance), order=("id",), is_proven=True)


class WorkflowInstances:
    """The instances of one transactional store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def standing(self, site_id: str | None = None, workflow: str | None = None) -> list[Instance]:
        """Instances as they stand, the oldest first."""
        return _ROWS.all_as_of(self._store, "instance_id", site_id=site_id, workflow=workflow)

    def history(self, instance_id: str) -> list[Instance]:
        """One instance after each of its steps, the oldest first."""
        return _ROWS.history(self._store, instance_id=instance_id)

    def named(self, start: str) -> Instance:
        """The instance whose id starts so. Raises BadInput (no_instance) for none, or several."""
        found = [each for each in self.standing() if start and each.instance_id.startswith(start)]
        if len(found) != 1:
            count = f"{len(found)} instances have" if found else "no instance of a workflow has"
            mend = "meterloom workflows show NAME lists them"
            raise BadInput(f"{count} an id that starts with {start!r}", reason="no_instance", mend=mend)
        return found[0]

    def begin(self, seen: Sequence[Instance], clock: Clock) -> list[Instance]:
        """Record instances that are seen for the first time, each once whoever looks. Returns all as they stand."""
        if not seen:
            return []
        # Read and added in one write transaction: of two looks at once only one finds an instance missing.
        with self._store.together():
            known = {each.instance_id: each for each in self.standing(seen[0].site_id)}
            new = [each for each in seen if each.instance_id not in known]
            for each in new:
                known[each.instance_id] = self.put(each, clock)
        return [known[each.instance_id] for each in seen]

    def put(self, instance: Instance, clock: Clock) -> Instance:
        """Record what stands now."""
        row = row_of(workflow_instances, instance)
        row.pop("recorded_at_utc")
        return instance.model_copy(update={"recorded_at_utc": _ROWS.add(self._store, clock, row)})
