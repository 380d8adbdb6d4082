"""Versions of the model that tells causes of anomalies, append-only: shipped ones, and a project's own with figures."""

from datetime import datetime
from typing import Any

from pydantic import JsonValue

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_baselines import promotions
from assets.stores.transactions import Store
from data_quality.contracts.model import Model
from data_quality.contracts.time import Clock

CAUSE_MODEL = "anomaly_causes"


class CauseVersion(Model):
    """One version and why it leads or does not. version: 2 as shipped, 2.1 the first that was learned upon it.

    parameters: of the model, with their SHA-256 in digest; labels_digest: of the labels that taught it; figures: on
    labels, each by a model that its event did not teach, and of the shipped one beside it. person_id: who had it
    learned, empty where the schedule had. recorded_at_utc: None before it is recorded.
    """

    version: str
    base: int
    digest: str
    labels: int = 0
    labels_digest: str = ""
    figures: dict[str, float] = {}
    is_taken: bool
    reason: str
    person_id: str = ""
    run_id: str = ""
    parameters: dict[str, JsonValue]
    recorded_at_utc: datetime | None = None


def _read(row: Any) -> CauseVersion:
    return CauseVersion.model_validate(row["decision"] | {"recorded_at_utc": row["recorded_at_utc"]})


# One table for every decision on which model leads.
_VERSIONS = AppendOnly(promotions, _read, order=("id",), is_proven=True)


class CauseModels:
    """The versions of one transactional store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def history(self) -> list[CauseVersion]:
        """Every version, the oldest first."""
        return _VERSIONS.history(self._store, model_name=CAUSE_MODEL)

    def of(self, base: int) -> list[CauseVersion]:
        """The versions upon a shipped one, itself among them, the oldest first."""
        return [each for each in self.history() if each.base == base]

    def add(self, version: CauseVersion, clock: Clock) -> bool:
        """Append a version, once for its name. Returns whether it was."""
        with self._store.together():
            if any(each.version == version.version for each in self.of(version.base)):
                return False
            decision = version.model_dump(mode="json", exclude={"recorded_at_utc"})
            _VERSIONS.add(self._store, clock, {"model_name": CAUSE_MODEL, "decision": decision})
        return True
