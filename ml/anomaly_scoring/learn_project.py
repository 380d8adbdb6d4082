"""A project's own model of causes: learned from the labels of its people, and leading only where it is better."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.cause_models import CauseModels, CauseVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from ml.anomaly_causes.cause_figures import CauseFigures
from ml.anomaly_causes.cause_model import CauseModel, shipped_causes
from ml.anomaly_causes.learn_causes import FEWEST_LABELS, Judgement, judged, too_few
from ml.anomaly_scoring.cause_card import log_causes
from ml.anomaly_scoring.labelled_events import Labelled, examples_of, labelled_events
from ml.tracker import Tracker

# A picture of events by (true, named) cause.
Draw = Callable[[Mapping[tuple[Cause, Cause], int]], bytes]
PICTURE = "confusion.png"
_MESSAGES = {
    "few_labels": f"expected {FEWEST_LABELS} labelled events at least, which the detectors still find",
    "one_cause": "all labels name one cause: they say nothing of what tells causes apart",
}


@dataclass(frozen=True)
class CausesLearned:
    """What a learning came to. version: the one that these labels made, else the one that leads.

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
    leads = versions[-1] if versions[-1].is_taken else versions[0]
    if reason := too_few([cause for _, cause in labelled]):
        return CausesLearned(leads, len(labelled), reason)
    examples = [each for site in given for each in examples_of(site, lake)]
    if reason := too_few([each.cause for each in examples]):
        return CausesLearned(leads, len(examples), reason)
    found = judged(examples, shipped)
    model = found.model.model_copy(update={"revision": len(versions)})
    version = CauseVersion(
        version=model.name, base=shipped.version, digest=model.digest, labels=len(examples), labels_digest=digest,
        figures=_figures(found), is_taken=found.is_better, reason="better" if found.is_better else "not_better",
        person_id=person_id, parameters=model.model_dump(mode="json"),
    )  # fmt: skip
    picture = draw(found.learned.confusion)
    logged = log_causes(tracker, model, version, {PICTURE: picture})
    version = version.model_copy(update={"run_id": logged.run_id})
    ledger.add(version, clock)
    return CausesLearned(version, version.labels, version.reason, is_new=True, picture=picture)


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
