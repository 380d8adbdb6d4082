"""A person lets a model lead and brings the former one back; the decision is kept, or nothing is changed."""

from pathlib import Path

import pytest

from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.transactions import open_store
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import FixedClock
from ml.forecasts.lifecycle.forecast_registry import called, family, load_champion
from ml.forecasts.lifecycle.leading import challenger_of, former_leader, lead_manually, registered_version
from ml.forecasts.train import Training
from ml.tracking import CHALLENGER, CHAMPION, MlflowTracker, ModelRecord
from tests.ml.life.training import START, load, site, train_floor

CLOCK = FixedClock(START)


@pytest.fixture
def store(tmp_path: Path) -> ForecastStore:
    return ForecastStore(open_store(f"sqlite:///{tmp_path / 'store.db'}"))


class Desk:
    """One target with three trained versions, of which the first leads."""

    def __init__(self, tracker: MlflowTracker, store: ForecastStore, name: str) -> None:
        self.tracker, self.store, self.name = tracker, store, name
        # Sixteen days apart: a challenger that could be judged yields to the next.
        self.versions = [self._trained(days).registered for days in (50, 53, 69)]
        self.family = family(site(name), "m1")

    def _trained(self, days: int) -> Training:
        found = train_floor(self.tracker, self.name, load(days))
        self.store.add_promotion(found.registered.name, found.decision.model_dump(mode="json"), CLOCK)
        return found

    @property
    def leading(self) -> int:
        found = load_champion(self.tracker, site(self.name), "m1")
        assert found is not None
        return found.logged.version

    def promote(self, version: int) -> None:
        self._lead(version, is_rollback=False)

    def rollback(self) -> None:
        former = former_leader(self.tracker, self.store.promotions(), self.family)
        self._lead(former.version, is_rollback=True)

    def _lead(self, version: int, *, is_rollback: bool) -> None:
        lead_manually(
            self.tracker,
            self.store,
            registered_version(self.tracker, self.versions[0].name, version),
            is_rollback=is_rollback,
            person_id="anna",
            reason="because",
            clock=CLOCK,
        )


def test_a_person_promotes_and_rolls_back_step_by_step(tracker: MlflowTracker, store: ForecastStore) -> None:
    desk = Desk(tracker, store, "hand1")
    assert desk.leading == 1
    desk.promote(2)
    desk.promote(3)
    desk.rollback()
    assert desk.leading == 2
    # Not to 3, which was rolled back, but further.
    desk.rollback()
    assert desk.leading == 1
    with pytest.raises(BadInput, match="no model is known to have led"):
        desk.rollback()


def test_the_decision_says_who_why_and_what_led_before(tracker: MlflowTracker, store: ForecastStore) -> None:
    desk = Desk(tracker, store, "hand2")
    desk.promote(3)
    kept = store.promotions()[-1]["decision"]
    assert (kept["person_id"], kept["reason"], kept["basis"]) == ("anna", "because", "promote")
    assert (kept["model"], kept["former"]) == (called(desk.versions[2]), called(desk.versions[0]))
    # A leader is no challenger.
    assert tracker.get_alias(desk.versions[0].name, CHALLENGER) is None


def test_the_challenger_of_a_target_is_the_newest_that_does_not_lead(
    tracker: MlflowTracker, store: ForecastStore
) -> None:
    desk = Desk(tracker, store, "hand3")
    assert challenger_of(tracker, desk.family) == desk.versions[2]
    with pytest.raises(BadInput, match="no model challenges"):
        challenger_of(tracker, "hand3.other")


def test_what_leads_already_is_unknown_or_cannot_be_asked_is_refused(
    tracker: MlflowTracker, store: ForecastStore
) -> None:
    desk = Desk(tracker, store, "hand4")
    with pytest.raises(BadInput, match="leads already"):
        desk.promote(1)
    with pytest.raises(BadInput, match=r"version 9 of model .* is not registered; versions: 1, 2, 3"):
        desk.promote(9)
    record = ModelRecord(dataset_name="x", dataset_digest="f" * 64, tags={"kind": "forecast", "target": "meter:m1"})
    old = tracker.log_model(f"{desk.family}.hist_gradient_boosting", {"trees.npz": b"x"}, record)
    for_hand = {"is_rollback": False, "person_id": "anna", "reason": "x", "clock": CLOCK}
    before = len(store.promotions())
    with pytest.raises(BadInput, match="cannot be asked any more"):
        lead_manually(tracker, store, old, **for_hand)  # type: ignore[arg-type]
    assert len(store.promotions()) == before
    baseline = tracker.log_model(
        "hand4.use.enb.ols", {"b": b"x"}, ModelRecord(dataset_name="x", dataset_digest="f" * 64)
    )
    with pytest.raises(BadInput, match="no forecast model"):
        registered_version(tracker, baseline.name, None)


def test_a_registry_that_fails_leaves_no_entry_of_a_move_that_never_was(
    tracker: MlflowTracker, store: ForecastStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tracker, store, "hand5")
    before = len(store.promotions())

    def fails(name: str, alias: str, version: int) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(tracker, "set_alias", fails)
        with pytest.raises(OSError, match="disk"):
            desk.promote(2)
    assert len(store.promotions()) == before
    assert tracker.get_alias(desk.versions[0].name, CHAMPION) == 1
