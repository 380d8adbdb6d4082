"""Stored disaggregations, append-only and sealed: a circuit's energy by class; the same estimate twice adds nothing."""

from assets.stores.column_types import text_sha256
from assets.stores.journal import Ledger
from assets.stores.schema.tables_advice import disaggregations
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.reporting.disaggregation import StoredDisaggregation
from data_quality.contracts.time import Clock

_RESULTS = Ledger(disaggregations, StoredDisaggregation, "result", is_proven=True)
_NOT_HASHED = {"result_id", "recorded_at_utc", "model"}


class Disaggregations(Repository):
    """The disaggregations of one transactional store. A row that is not as it was sealed is refused, not read."""

    def of(self, site_id: str | None = None, circuit: str | None = None) -> list[StoredDisaggregation]:
        """Results of a site or of all, of a circuit or of all; the oldest first."""
        return _RESULTS.history(self.store, site_id=site_id, circuit=circuit)

    def named(self, start: str, site_id: str | None = None) -> StoredDisaggregation:
        """The result of an id, or of how one id alone starts, of a site or of all. Raises BadInput."""
        ids = {
            row["result_id"]
            for row in _RESULTS.rows(self.store, "result_id", site_id=site_id)
            if row["result_id"].startswith(start)
        }
        found = _RESULTS.latest(self.store, result_id=ids.pop()) if len(ids) == 1 and start else None
        if found is None:
            message = f"{len(ids)} disaggregations begin with {start!r}" if ids else f"no disaggregation {start!r}"
            raise BadInput(f"{message}; expected the id of one", reason="unknown_disaggregation")
        return found

    def keep(self, made: StoredDisaggregation, clock: Clock) -> StoredDisaggregation:
        """Record a result; the same again is the one that stands."""
        result_id = text_sha256(made.model_dump_json(exclude=_NOT_HASHED))[:16]
        with self.store.together():
            known = _RESULTS.latest(self.store, site_id=made.site_id, result_id=result_id)
            if known is not None:
                return known
            (kept,) = _RESULTS.put(self.store, clock, made.model_copy(update={"result_id": result_id}))
        return kept
