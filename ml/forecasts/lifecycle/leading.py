"""A person lets a model lead, or brings back the one before: the alias moves, and the reason is kept."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from assets.stores.ledgers.forecasts import ForecastStore
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock
from ml.forecasts.forecast_model import Outdated
from ml.forecasts.lifecycle.forecast_registry import KINDS, called, holders, move_alias, opened
from ml.forecasts.lifecycle.promotion import Decision
from ml.tracking import CHALLENGER, CHAMPION, LoggedModel, MlflowTracker


def registered_version(tracker: MlflowTracker, name: str, version: int | None) -> LoggedModel:
    """That version of a registered forecast model, the newest if None. Raises BadInput naming what there is."""
    found = tracker.versions(name)
    chosen = [each for each in found if version in (None, each.version)]
    if not chosen:
        known = ", ".join(str(each.version) for each in found) or "none"
        what = f"version {version} of model {name!r}" if version is not None else f"model {name!r}"
        raise BadInput(
            f"{what} is not registered; versions: {known}", reason="unknown_model", mend="meterloom models list"
        )
    if chosen[-1].tags.get("kind") != "forecast":
        raise BadInput(
            f"{name!r} is no forecast model; a baseline is approved by 'meterloom baseline approve'",
            reason="no_forecast_model",
        )
    return chosen[-1]


def challenger_of(tracker: MlflowTracker, family: str) -> LoggedModel:
    """The model that runs in the champion's shadow. Raises BadInput where there is none."""
    found = holders(tracker, family, CHALLENGER)
    if not found:
        raise BadInput(
            f"no model challenges the champion of {family}", reason="no_challenger", mend="name a version to promote"
        )
    return _logged(tracker, found[0])


def former_leader(tracker: MlflowTracker, decisions: Iterable[Mapping[str, Any]], family: str) -> LoggedModel:
    """The version that led the target before the one that leads now. Raises BadInput where none is known.

    decisions: rows of ForecastStore.promotions, oldest first. What was rolled back is not come back to.
    """
    leading = holders(tracker, family, CHAMPION)
    led: list[str] = []
    for row in decisions:
        decision = row["decision"]
        model = decision.get("model")
        # Earlier releases did not write which version they meant.
        if not decision["is_promoted"] or not model or model.rpartition(".")[0] != family:
            continue
        if decision["basis"] == "rollback" and model in led:
            del led[led.index(model) + 1 :]
        else:
            led.append(model)
    before = [model for model in led if model not in leading]
    if not before:
        raise BadInput(f"no model is known to have led {family} before the present one", reason="no_former_champion")
    return _logged(tracker, before[-1])


def lead_manually(
    tracker: MlflowTracker,
    store: ForecastStore,
    logged: LoggedModel,
    *,
    is_rollback: bool,
    person_id: str,
    reason: str,
    clock: Clock,
) -> Decision:
    """Let that version lead its target because a person says so; the decision is kept, or nothing is changed.

    Raises BadInput where it leads already or this release cannot ask it, Unreachable.
    """
    family = logged.name.rpartition(".")[0]
    leading = holders(tracker, family, CHAMPION)
    if called(logged) in leading:
        raise BadInput(f"{called(logged)} leads already", reason="leads_already")
    fitter = next((each for each in KINDS if each.algorithm == logged.name.rpartition(".")[2]), None)
    champion = None
    if fitter is not None:
        with suppress(Outdated):
            champion = opened(tracker, logged, fitter)
    if champion is None:
        raise BadInput(
            f"{called(logged)} is of an earlier release and cannot be asked any more",
            reason="outdated_model",
            mend="train again: meterloom forecast issue --site SITE",
        )
    decision = Decision(
        is_promoted=True,
        reason=reason,
        basis="rollback" if is_rollback else "promote",
        target=logged.tags.get("target", ""),
        model=called(logged),
        former=", ".join(leading),
        person_id=person_id,
    )
    # A registry that does not answer takes the entry with it: none tells of a move that never was.
    with store.store.together():
        store.add_promotion(logged.name, decision.model_dump(mode="json"), clock)
        move_alias(tracker, family, CHAMPION, logged)
    return decision


def _logged(tracker: MlflowTracker, model: str) -> LoggedModel:
    name, _, version = model.rpartition("@")
    return registered_version(tracker, name, int(version))
