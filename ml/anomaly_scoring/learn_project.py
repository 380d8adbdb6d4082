"""A project's own model of causes: learned from labels of its people, with its card, leading once accepted."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from assets.sites.view import site_readings
from assets.stores.lake.lake import Lake
from assets.stores.ledgers.anomaly_ledger import AnomalyLedger
from assets.stores.ledgers.cause_models import CAUSE_MODEL, NOT_BETTER, CauseModels, CauseVersion
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person
from data_quality.contracts.reporting import anomaly_event
from data_quality.contracts.reporting.anomaly_event import Cause
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from ml.anomalies.events import AnomalyEvent
from ml.anomaly_causes.cause_model import CauseModel, shipped_causes
from ml.anomaly_causes.event_features import features_of
from ml.anomaly_causes.learn_causes import FEWEST_LABELS, PULL, CauseExample, CauseFigures, judged, too_few
from ml.anomaly_scoring.cause_facts import CauseFacts
from ml.anomaly_scoring.score_site import AFTER, BEFORE, scored_streams, weather_led
from ml.features.civil import civil_of
from ml.features.series import Series, series_of
from ml.tracking import CHAMPION, LoggedModel, MlflowTracker, ModelRecord

# A picture of events by (true, named) cause.
Draw = Callable[[Mapping[tuple[Cause, Cause], int]], bytes]
PICTURE = "confusion.png"
_MESSAGES = {
    "few_labels": f"expected {FEWEST_LABELS} labelled events at least, which the detectors still find",
    "one_cause": "all labels name one cause: they do not show what distinguishes causes",
}
MODEL_ABOUT = "The likely cause of an anomaly: sensor fault, waste, scheduled change, weather or unknown."
MODEL_FILE, CARD_FILE = "causes.json", "card.md"
_FIGURE_NAMES = {
    "events": "Events", "sites": "Sites", "macro_f1": "Macro-F1", "shipped_macro_f1": "Macro-F1 as shipped",
    "ece": "Expected calibration error", "shipped_ece": "Calibration error as shipped", "log_loss": "Log loss, nats",
    "shipped_log_loss": "Log loss as shipped, nats", "share_right": "Share that is right",
}  # fmt: skip
# Why a version may lead or not, by its reason.
REASONS = {
    "shipped": "It came with the release, and leads where a project has none of its own.",
    "better": "Right as often as the shipped one or more often, with probabilities nearer: it leads once another "
    "person accepts it.",
    "not_better": "It does not lead: the shipped one is right more often, or its probabilities are nearer.",
}
_CARD_USE = (
    "Intended for events that the detectors find at electricity meters: to say where to look first, with evidence. "
    "A cause that is a fault of the meter leaves the event without cost. It decides nothing else."
)
Labelled = tuple[anomaly_event.AnomalyEvent, Cause]


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
        text = _MESSAGES.get(self.reason)
        message = f"{self.labels} labelled events: {text}"
        return None if text is None else Finding(code=self.reason, severity="info", message=message)


def learn_project(
    sites: Iterable[Site], lake: Lake, *, tracker: MlflowTracker, clock: Clock, draw: Draw, person_id: str = ""
) -> CausesLearned:
    """Learn from the labels of all sites, once for the same labels. Raises Unreachable where the registry is away."""
    ledger, shipped, given = CauseModels(lake.store), shipped_causes(), list(sites)
    _record_shipped(ledger, shipped, tracker, clock)
    versions = ledger.of(shipped.version)
    labelled = [each for site in given for each in labelled_events(site, lake)]
    lines = sorted(f"{event.event_id} {cause}" for event, cause in labelled)
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
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
        figures=_rounded(found.learned) | {f"shipped_{name}": each for name, each in _rounded(found.shipped).items()},
        is_taken=False, reason="better" if found.is_better else NOT_BETTER,
        person_id=person_id, taught_by=_taught_by(given, lake, {each.event_id for each in examples}),
        parameters=model.model_dump(mode="json"),
    )  # fmt: skip
    picture = draw(found.learned.confusion)
    logged = log_causes(tracker, model, version, {PICTURE: picture})
    version = version.model_copy(update={"run_id": logged.run_id})
    ledger.add(version, clock)
    return CausesLearned(version, version.labels, version.reason, is_new=True, picture=picture)


def accept_causes(
    lake: Lake, name: str, *, tracker: MlflowTracker, person: Person, reason: str, clock: Clock
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
    """Labellers of these events."""
    ledger = AnomalyLedger(lake.store)
    labels = (each for site in sites for each in ledger.labels(site.site_id).values())
    return tuple(sorted({each.person_id for each in labels if each.event_id in event_ids}))


def _record_shipped(ledger: CauseModels, shipped: CauseModel, tracker: MlflowTracker, clock: Clock) -> None:
    """The shipped model as the first version upon itself, with a run and a card of its own."""
    if ledger.of(shipped.version):
        return
    version = CauseVersion(
        version=shipped.name, base=shipped.version, digest=shipped.digest, figures=shipped.measured, is_taken=True,
        reason="shipped", parameters=shipped.model_dump(mode="json"),
    )  # fmt: skip
    logged = log_causes(tracker, shipped, version, {})
    ledger.add(version.model_copy(update={"run_id": logged.run_id}), clock)


def _rounded(figures: CauseFigures) -> dict[str, float]:
    return {name: round(getattr(figures, name), 4) for name in ("macro_f1", "ece", "log_loss", "share_right")}


def log_causes(
    tracker: MlflowTracker, model: CauseModel, version: CauseVersion, pictures: Mapping[str, bytes]
) -> LoggedModel:
    """Register a version with its card and pictures; one that leads has the alias. Raises Unreachable."""
    card = cause_card(model, version)
    record = ModelRecord(
        title=f"{CAUSE_MODEL} {version.version}", about=MODEL_ABOUT, card=card, metrics=version.figures,
        params={
            "version": version.version, "learned_from": model.learned_from, "labels": str(version.labels),
            "temperature": str(model.temperature), "features": str(len(model.features)),
            **({"pull": str(PULL)} if version.labels else {}),
        },
        tags={
            "kind": "causes", "is_taken": str(version.is_taken).lower(), "reason": version.reason,
            "fitted_by": version.person_id or "meterloom",
        },
        dataset_name="labels of people" if version.labels else "simulated sites with seeded causes",
        dataset_digest=version.labels_digest or version.digest,
    )  # fmt: skip
    logged = tracker.log_model(CAUSE_MODEL, {MODEL_FILE: model.model_dump_json(indent=1).encode()}, record)
    tracker.add_files(logged.run_id, "card", {CARD_FILE: card.encode()})
    if pictures:
        tracker.add_files(logged.run_id, "plots", pictures)
    if version.is_taken:
        tracker.set_alias(CAUSE_MODEL, CHAMPION, logged.version)
    return logged


def cause_card(model: CauseModel, version: CauseVersion) -> str:
    """A version in Markdown: data, figures, limits and what it is for."""
    rows = [f"| {_FIGURE_NAMES.get(name, name)} | {value:.3g} |" for name, value in version.figures.items()]
    return "\n".join(
        [
            f"**Causes of anomalies, version {version.version}**",
            "",
            f"{REASONS[version.reason]} {_CARD_USE}",
            "",
            f"- Data: {model.learned_from}",
            *([f"- Accepted by {version.accepted_by}: {version.accept_reason}"] if version.accepted_by else []),
            f"- Multinomial logistic regression, {len(model.features)} features, temperature {model.temperature:g}",
            f"- Digest of the parameters: `{version.digest[:16]}`",
            "",
            *(["| Figure | Value |", "|---|---|", *rows, ""] if rows else []),
            "### Known limits",
            "",
            *(f"- {each}" for each in _limits(version)),
        ]
    )


def _limits(version: CauseVersion) -> list[str]:
    if not version.labels:
        return [
            "Sites, causes and announcements that taught it are simulated; on real meters it has not been measured.",
            "A shift at night that nobody announced is taken for waste.",
        ]
    return [
        "Each event was judged by a model that neither it nor what shares its time at its site taught.",
        "People label what they look at: figures hold for such events, and are rough where labels are few.",
        "A label that is wrong teaches what is wrong; a label can be replaced, and the next learning heeds that.",
    ]


def labelled_events(site: Site, lake: Lake) -> list[Labelled]:
    """Events of a site that people labelled and the detectors still find at a meter that is judged, with the cause that
    the label says.
    """
    ledger, judged = AnomalyLedger(lake.store), {meter.meter_id for meter, _ in scored_streams(site)}
    labels = ledger.labels(site.site_id)
    return [
        (each, labels[each.event_id].cause)
        for each in ledger.current(site.site_id)
        if each.event_id in labels and each.meter_id in judged
    ]


def examples_of(site: Site, lake: Lake) -> list[CauseExample]:
    """The labelled events with their features; those whose readings are gone teach nothing."""
    found = [(event, cause, _features(event, site, lake)) for event, cause in labelled_events(site, lake)]
    return [
        CauseExample(event.event_id, site.site_id, event.start_utc, event.end_utc, features, cause)
        for event, cause, features in found
        if features
    ]


def _features(event: anomaly_event.AnomalyEvent, site: Site, lake: Lake) -> dict[str, float]:
    """Features of a stored event by the readings as known now."""
    start, end = event.start_utc - BEFORE - timedelta(days=1), event.end_utc + AFTER
    streams = {meter.meter_id: stream for meter, stream in scored_streams(site)}
    readings = site_readings(lake, site, start_utc=start, end_utc=end, meters=list(streams))
    judged: dict[str, Series] = {
        name: series_of(readings, site=site, stream=stream, end_utc=event.end_utc) for name, stream in streams.items()
    }
    facts = CauseFacts(site, lake, start, end, judged, weather_led(site))
    series = judged[event.meter_id]
    if series.start_utc >= event.end_utc or not len(series.values):
        return {}
    civil = civil_of(site, series.start_utc, len(series.values))
    score = next((each["value"] for each in event.evidence if each["name"] == "score"), 1.0)
    found = AnomalyEvent(event.kind, event.start_utc, event.end_utc, float(score), 0, 0.0, 0.0, None)
    return features_of(found, series, civil, facts.context(event.meter_id, civil))
