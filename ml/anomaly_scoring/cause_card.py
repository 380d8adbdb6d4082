"""Registry card of a model of causes: parameters, figures and words."""

from collections.abc import Mapping

from assets.stores.ledgers.cause_models import CAUSE_MODEL, CauseVersion
from ml.anomaly_causes.cause_model import CauseModel
from ml.anomaly_causes.learn_causes import PULL
from ml.tracker import CHAMPION, LoggedModel, ModelRecord, Tracker

ABOUT = "The likely cause of an anomaly: sensor fault, waste, scheduled change, weather or unknown."
FILE, CARD = "causes.json", "card.md"
_NAMES = {
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
_USE = (
    "Intended for events that the detectors find at electricity meters: to say where to look first, with evidence. "
    "A cause that is a fault of the meter leaves the event without cost. It decides nothing else."
)


def log_causes(
    tracker: Tracker, model: CauseModel, version: CauseVersion, pictures: Mapping[str, bytes]
) -> LoggedModel:
    """Register a version with its card and pictures; one that leads has the alias. Raises Unreachable."""
    card = cause_card(model, version)
    record = ModelRecord(
        title=f"{CAUSE_MODEL} {version.version}", about=ABOUT, card=card, metrics=version.figures,
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
    logged = tracker.log_model(CAUSE_MODEL, {FILE: model.model_dump_json(indent=1).encode()}, record)
    tracker.add_files(logged.run_id, "card", {CARD: card.encode()})
    if pictures:
        tracker.add_files(logged.run_id, "plots", pictures)
    if version.is_taken:
        tracker.set_alias(CAUSE_MODEL, CHAMPION, logged.version)
    return logged


def cause_card(model: CauseModel, version: CauseVersion) -> str:
    """A version in Markdown: data, figures, limits and what it is for."""
    rows = [f"| {_NAMES.get(name, name)} | {value:.3g} |" for name, value in version.figures.items()]
    return "\n".join(
        [
            f"**Causes of anomalies, version {version.version}**",
            "",
            f"{REASONS[version.reason]} {_USE}",
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
