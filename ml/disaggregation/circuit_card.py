"""Registry card of a disaggregation: the recipe that grows its models again, figures and words."""

import json
from importlib.metadata import version

from data_quality.contracts.reporting.disaggregation import ClassEnergy, StoredDisaggregation
from ml.disaggregation.campaign import Campaign
from ml.tracker import LoggedModel, ModelRecord, Tracker

ABOUT = "The energy of a circuit by class of load, taught by sub-meters of some weeks."
FILE = "disaggregation.json"
_USE = (
    "Intended to show where a circuit's energy goes, with an interval. Not for live control: an interval is estimated "
    "with what came after it. Not for bills."
)
_LIMITS = (
    "A span of another season or load than the training's is extrapolated, and its interval does not hold.",
    "Two machines with the same power are told apart badly.",
    "A class that was seldom on in the training is not estimated; what it drew is in the rest.",
)


def log_disaggregation(tracker: Tracker, made: StoredDisaggregation, campaign: Campaign) -> LoggedModel:
    """Register a disaggregation with its card. Raises Unreachable."""
    found = made.found
    record = ModelRecord(
        title=f"{made.site_id} · {made.circuit} · {made.train}", about=ABOUT, card=circuit_card(made),
        params={"train": made.train, "step_minutes": str(made.step_minutes), "model": "HistGradientBoosting"},
        metrics={
            f"{name} {each.name}": float(value)
            for each in found.classes
            for name, value in (("kwh", each.kwh), ("confidence", each.confidence), ("f1", each.f1_held_out))
            if value is not None
        },
        tags={
            "kind": "disaggregation", "site_id": made.site_id, "circuit": made.circuit, "fitted_by": "meterloom",
            "is_synthetic": str(made.is_synthetic).lower(),
            "findings": ", ".join(sorted({finding.code for finding in found.findings})),
        },
        dataset_name=f"{made.site_id}/{made.circuit} and its sub-meters", dataset_digest=found.digest,
    )  # fmt: skip
    name = f"{made.site_id}.{made.circuit}.disaggregation"
    return tracker.log_model(name, {FILE: _recipe(made, campaign)}, record)


def circuit_card(made: StoredDisaggregation) -> str:
    """A disaggregation in Markdown: data, figures, limits and what it is for."""
    found = made.found
    head = "| Class | kWh | 90 % interval | Confidence | F1 held out |"
    lines = [
        f"**{made.circuit} of {made.site_id} by class of load**", "", f"{ABOUT} {_USE}", "",
        f"- Taught from {made.train.replace('/', ' to ')}, END excluded, in steps of {made.step_minutes} minutes",
        "- Histogram gradient boosting, one classifier and its regressions a class; figures from held-out weeks",
        *(["- Of simulated readings: proof of nothing"] if made.is_synthetic else []),
        *(f"- Finding `{each.code}`: {each.message}" for each in found.findings),
        "", head, "|---|---|---|---|---|", *map(_line, found.classes),
        f"| rest | {found.rest_kwh:,.0f} | | | |", "", "### Known limits", "", *(f"- {each}" for each in _LIMITS),
    ]  # fmt: skip
    return "\n".join(lines)


def _line(each: ClassEnergy) -> str:
    if each.kwh is None:
        return f"| {each.name} | not estimable | | | |"
    band = "none" if each.interval_kwh is None else "{:,.0f} to {:,.0f}".format(*each.interval_kwh)
    f1 = "" if each.f1_held_out is None else f"{each.f1_held_out:.3f}"
    return f"| {each.name} | {each.kwh:,.0f} | {band} | {each.confidence:.2f} {each.confidence_label} | {f1} |"


def _recipe(made: StoredDisaggregation, campaign: Campaign) -> bytes:
    """Everything but the readings from which the same trees grow again: no pickle that a later release cannot read."""
    classes = [
        {
            **each.spec.model_dump(mode="json"),
            **({"on_kwh": own.on_kwh, "sure": own.sure, "likely": own.likely} if (own := each.model) else {}),
        }
        for each in campaign.classes
    ]
    said = {
        "circuit": made.circuit, "train": made.train, "step_minutes": made.step_minutes, "digest": made.found.digest,
        "classes": classes, "params": campaign.params.model_dump(mode="json"), "scikit-learn": version("scikit-learn"),
    }  # fmt: skip
    return json.dumps(said, indent=1).encode()
