"""A project's own model of causes: learned from labels of its people, leading once another person accepts it."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.cause_models import CAUSE_MODEL, NOT_BETTER, CauseModels, CauseVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from ml.anomaly_causes.cause_figures import CauseFigures
from ml.anomaly_causes.cause_model import CauseModel, shipped_causes
from ml.anomaly_causes.learn_causes import FEWEST_LABELS, Judgement, judged, too_few
from ml.anomaly_scoring.cause_card import cause_card, log_causes
from ml.anomaly_scoring.labelled_events import Labelled, examples_of, labelled_events
from ml.tracker import CHAMPION, Tracker

# A picture of events by (true, named) cause.
Draw = Callable[[Mapping[tuple[Cause, Cause], int]], bytes]
PICTURE = "confusion.png"
_MESSAGES = {
    "few_labels": f"expected {FEWEST_LABELS} labelled events at least, which the detectors still find",
    "one_cause": "all labels name one cause: they say nothing of what tells causes apart",
}


@dataclass(frozen=True)
class CausesLearned:
    """Result of a learning. version: the one that these labels made, else the one that leads.

    reason: better, not_better, few_labels or one_cause. is_new: whether these labels were judged now.
    """

    version: CauseVersion
    labels: int
    reason: str
    is_new: bool = False
    picture: bytes = b""

    @property
    def finding(self) -> Finding | None:
        """Why the labels taught nothing."""
        said = _MESSAGES.get(self.reason)
        message = f"{self.labels} labelled events: {said}"
        return None if said is None else Finding(code=self.reason, severity="info", message=message)


def learn_project(
    sites: Iterable[Site], lake: Lake, *, tracker: Tracker, clock: Clock, draw: Draw, person_id: str = ""
) -> CausesLearned:
    """Learn from the labels of all sites, once for the same labels. Raises Unreachable where the registry is away."""
    ledger, shipped, given = CauseModels(lake.store), shipped_causes(), list(sites)
    _record_shipped(ledger, shipped, tracker, clock)
    versions = ledger.of(shipped.version)
    labelled = [each for site in given for each in labelled_events(site, lake)]
    digest = _digest(labelled)
    known = next((each for each in versions if each.labels_digest == digest), None)
    if known is not None:
        return CausesLearned(known, known.labels, known.reason)
    leads = ledger.leading(shipped.version) or versions[0]
    if reason := too_few([cause for _, cause in labelled]):
        return CausesLearned(leads, len(labelled), reason)
    examples = [each for site in given for each in examples_of(site, lake)]
    if reason := too_few([each.cause for each in examples]):
        return CausesLearned(leads, len(examples), reason)
    found = judged(examples, shipped)
    model = found.model.model_copy(update={"revision": len(versions)})
    version = CauseVersion(
        version=model.name, base=shipped.version, digest=model.digest, labels=len(examples), labels_digest=digest,
        figures=_figures(found), is_taken=False, reason="better" if found.is_better else NOT_BETTER,
        person_id=person_id, taught_by=_taught_by(given, lake, {each.event_id for each in examples}),
        parameters=model.model_dump(mode="json"),
    )  # fmt: skip
    picture = draw(found.learned.confusion)
    logged = log_causes(tracker, model, version, {PICTURE: picture})
    version = version.model_copy(update={"run_id": logged.run_id})
    ledger.add(version, clock)
    return CausesLearned(version, version.labels, version.reason, is_new=True, picture=picture)


def accept_causes(
    lake: Lake, name: str, *, tracker: Tracker, person: Person, reason: str, clock: Clock
) -> CauseVersion:
    """Let a version lead, by who did not teach it: kept in the ledger and shown in the registry, or nothing is changed.

    Raises BadInput (see `CauseModels.accept`) and Unreachable.
    """
    with lake.store.together():
        version = CauseModels(lake.store).accept(shipped_causes().version, name, person, reason, clock)
        logged = next((each for each in tracker.versions(CAUSE_MODEL) if each.run_id == version.run_id), None)
        # A registry that was begun anew has no run of it: the ledger says what leads.
        if logged is not None:
            card = cause_card(CauseModel.model_validate(version.parameters), version)
            tracker.describe(logged, card, {"is_taken": "true", "accepted_by": person.person_id})
            tracker.set_alias(CAUSE_MODEL, CHAMPION, logged.version)
    return version


def _taught_by(sites: Iterable[Site], lake: Lake, event_ids: set[str]) -> tuple[str, ...]:
    """Whose labels these events have."""
    ledger = AnomalyLedger(lake.store)
    labels = (each for site in sites for each in ledger.labels(site.site_id).values())
    return tuple(sorted({each.person_id for each in labels if each.event_id in event_ids}))


def _record_shipped(ledger: CauseModels, shipped: CauseModel, tracker: Tracker, clock: Clock) -> None:
    """The shipped model as the first version upon itself, with a run and a card of its own."""
    if ledger.of(shipped.version):
        return
    version = CauseVersion(
        version=shipped.name, base=shipped.version, digest=shipped.digest, figures=shipped.measured, is_taken=True,
        reason="shipped", parameters=shipped.model_dump(mode="json"),
    )  # fmt: skip
    logged = log_causes(tracker, shipped, version, {})
    ledger.add(version.model_copy(update={"run_id": logged.run_id}), clock)


def _figures(found: Judgement) -> dict[str, float]:
    return _told(found.learned) | {f"shipped_{name}": each for name, each in _told(found.shipped).items()}


def _told(figures: CauseFigures) -> dict[str, float]:
    return {name: round(getattr(figures, name), 4) for name in ("macro_f1", "ece", "log_loss", "share_right")}


def _digest(labelled: Iterable[Labelled]) -> str:
    """SHA-256 of the events with their causes."""
    lines = sorted(f"{event.event_id} {cause}" for event, cause in labelled)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
