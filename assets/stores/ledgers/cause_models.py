"""Versions of the model that tells causes of anomalies, append-only: shipped ones, and a project's own with figures."""

from datetime import datetime
from typing import Any

from pydantic import JsonValue

from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_baselines import promotions
from assets.stores.transactions import Repository
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import Clock

CAUSE_MODEL, NOT_BETTER = "anomaly_causes", "not_better"


class CauseVersion(Model):
    """One version and why it leads or does not. version: 2 as shipped, 2.1 the first that was learned upon it.

    parameters: of the model, with their SHA-256 in digest; labels_digest: of the labels that taught it; figures: on
    labels, each by a model that its event did not teach, and of the shipped one beside it. person_id: who had it
    learned, empty where the schedule had; taught_by: whose labels; accepted_by: who let it lead, and why.
    recorded_at_utc: None before it is recorded.
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
    taught_by: tuple[str, ...] = ()
    accepted_by: str = ""
    accept_reason: str = ""
    run_id: str = ""
    parameters: dict[str, JsonValue]
    recorded_at_utc: datetime | None = None


def _read(row: Any) -> CauseVersion:
    return CauseVersion.model_validate(row["decision"] | {"recorded_at_utc": row["recorded_at_utc"]})


# One table for every decision on which model leads.
_VERSIONS = AppendOnly(promotions, _read, order=("id",), is_proven=True)


class CauseModels(Repository):
    """The versions of one transactional store."""

    def history(self) -> list[CauseVersion]:
        """Every row, the oldest first: each version as it was made, and again when a person let it lead."""
        return _VERSIONS.history(self.store, model_name=CAUSE_MODEL)

    def of(self, base: int) -> list[CauseVersion]:
        """The versions upon a shipped one as they stand, itself among them, the oldest first."""
        return list({each.version: each for each in self.history() if each.base == base}.values())

    def leading(self, base: int) -> CauseVersion | None:
        """The version upon a shipped one that was let lead last; None before the shipped one is recorded."""
        taken = [each for each in self.history() if each.base == base and each.is_taken]
        return taken[-1] if taken else None

    def add(self, version: CauseVersion, clock: Clock) -> bool:
        """Append a version, once for its name. Returns whether it was."""
        with self.store.together():
            if any(each.version == version.version for each in self.of(version.base)):
                return False
            self._append(version, clock)
        return True

    def accept(self, base: int, name: str, person: Person, reason: str, clock: Clock) -> CauseVersion:
        """Let a version lead from now on: the shipped one, or one that was better on labels.

        Raises BadInput for a missing role, an empty reason, one's own work (who had it learned, or whose labels alone
        taught it), and a version that there is not, that leads already or is not better.
        """
        person.must_be(Role.APPROVER)
        if not reason.strip():
            raise BadInput("a version is accepted with a reason", reason="no_reason")
        with self.store.together():
            known = {each.version: each for each in self.of(base)}
            version = known.get(name)
            if version is None:
                versions = ", ".join(known) or "none"
                raise BadInput(f"no version {name[:20]!r} of the causes (there are: {versions})", reason="no_version")
            if person.person_id == version.person_id or {person.person_id} == set(version.taught_by):
                raise BadInput(f"{person.name} taught version {name}: another person accepts it", reason="own_work")
            leads = self.leading(base)
            if leads is not None and leads.version == name:
                raise BadInput(f"version {name} leads already", reason="leads_already")
            if version.reason == NOT_BETTER:
                raise BadInput(f"version {name} is not better than the shipped one on its labels", reason=NOT_BETTER)
            accepted = {"is_taken": True, "accepted_by": person.person_id, "accept_reason": reason.strip()}
            version = version.model_copy(update=accepted)
            self._append(version, clock)
        return version

    def _append(self, version: CauseVersion, clock: Clock) -> None:
        decision = version.model_dump(mode="json", exclude={"recorded_at_utc"})
        _VERSIONS.add(self.store, clock, {"model_name": CAUSE_MODEL, "decision": decision})
