"""A night of a site: what came true is scored once, a challenger earns the lead by it, drift asks for a training."""

from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any

import numpy as np
import pytest

from assets.stores.lake.lake import Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.transactions import Store
from data_quality.contracts.control.forecast import SHADOW, Forecast
from data_quality.contracts.control.forecast_score import ForecastDrift
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from ml.forecasts.issue import run_shadow
from ml.forecasts.lifecycle.forecast_registry import load_champion
from ml.forecasts.lifecycle.promotion import retrain_reasons
from ml.forecasts.lifecycle.watch_site import SiteWatch, Watched, watch_site
from ml.tracking import CHALLENGER, CHAMPION, MlflowTracker
from tests.kpi.seeded import fill
from tests.ml.forecasts.issuing import NOW, issued, lead, load, naive, readings, sound, works

TARGET = "meter:a"


class Nights:
    """A site whose champion says a wide band and whose challenger says a narrow one, with days of both behind it."""

    def __init__(self, site: Site, lake: Lake, store: Store, tracker: MlflowTracker) -> None:
        self.site, self.lake, self.tracker, self.store = site, lake, tracker, ForecastStore(store)
        self.clock = FixedClock(NOW)

    def begin(self, values: np.ndarray, *, days: int, trained_until_utc: datetime = NOW - timedelta(days=20)) -> None:
        rows = readings(self.site, values)
        kept = rows.drop("batch_id", "recorded_at_utc").with_columns(is_correction=False)
        fill(self.lake, self.site, kept, clock=self.clock, name="all")
        self.challenger = lead(self.tracker, self.site, naive(), trained_until_utc=trained_until_utc)
        self.tracker.set_alias(self.challenger.name, CHALLENGER, self.challenger.version)
        self.champion = lead(self.tracker, self.site, naive(low=-8, high=8), trained_until_utc=trained_until_utc)
        made = sound(issued(self.tracker, self.site, rows, NOW - timedelta(days=days), target=TARGET))
        shadow = run_shadow(rows, site=self.site, tracker=self.tracker, champion=made)
        assert shadow is not None
        # The load repeats itself by days: what was said on the first holds on the others, and costs no time.
        for forecast, day in product((made, shadow), range(days)):
            self.store.add(later(forecast, timedelta(days=day)), self.clock)

    def night(self, **more: Any) -> Watched:
        given = {"lake": self.lake, "store": self.store, "tracker": self.tracker, "clock": self.clock}
        found: SiteWatch = watch_site(self.site, **given, **more)  # type: ignore[arg-type]
        assert found.refused == {}
        return found.watched[0]

    @property
    def leading(self) -> int:
        found = load_champion(self.tracker, self.site, TARGET)
        assert found is not None
        return found.logged.version


@pytest.fixture
def nights(request: pytest.FixtureRequest, lake: Lake, store: Store, tracker: MlflowTracker) -> Nights:
    name = request.node.name.replace("test_", "")[:24]
    return Nights(works(name), lake, store, tracker)


def test_a_challenger_that_said_it_better_for_two_weeks_takes_the_lead(nights: Nights) -> None:
    nights.begin(load(), days=15)
    found = nights.night()
    # The newest local day is over, since the clocks were moved within it.
    assert {each.is_shadow for each in found.scores} == {False, True}
    assert found.decision is not None
    assert found.decision.is_promoted, found.decision.reason
    assert found.trend is not None
    assert set(found.trend.series) == {"champion", "challenger", "same hour last week"}
    assert found.trend.series["challenger"][-1] < found.trend.series["champion"][-1]  # type: ignore[operator]
    assert (found.decision.basis, found.decision.model.rpartition("@")[2]) == ("shadow", "1")
    assert found.decision.test is not None
    assert found.decision.test.days == 15
    assert nights.leading == 1
    assert nights.tracker.get_alias(nights.champion.name, CHALLENGER) is None
    assert nights.store.promotions(nights.champion.name)[-1]["decision"]["reason"] == found.decision.reason


def test_the_same_night_twice_writes_nothing_and_decides_nothing(nights: Nights) -> None:
    # The challenger is as good: the two are compared, and the champion stays.
    nights.begin(load(), days=14)
    same = lead(nights.tracker, nights.site, naive(low=-1.0001, high=1), trained_until_utc=NOW - timedelta(days=20))
    nights.tracker.set_alias(same.name, CHAMPION, nights.champion.version)
    first = nights.night()
    assert first.written == len(first.scores) > 0
    decided = len(nights.store.promotions())
    second = nights.night()
    assert (second.written, second.decision, second.scores) == (0, None, first.scores)
    assert len(nights.store.promotions()) == decided


def test_too_few_days_in_shadow_decide_nothing(nights: Nights) -> None:
    nights.begin(load(), days=13)
    assert nights.night().decision is None
    assert nights.leading == 2


def test_a_shadow_says_beside_whom_and_is_no_forecast_of_the_target(nights: Nights) -> None:
    nights.begin(load(), days=1)
    kept = nights.store.issued(nights.site.site_id, TARGET, since_utc=NOW - timedelta(days=2))
    assert [each.is_shadow for each in kept] == [False, True]
    assert kept[1].labels[SHADOW].startswith(f"beside {nights.champion.name} 2")
    assert nights.store.latest(nights.site.site_id, TARGET) == kept[0]


def test_a_level_that_training_never_knew_is_kept_and_asks_for_a_training_once(nights: Nights) -> None:
    values = load()
    values[-14 * 24 :] *= 1.6
    nights.begin(values, days=1)
    found = nights.night()
    assert found.drift is not None
    assert "level_shift" in {each.code for each in found.drift.findings}
    assert nights.night().drift == found.drift
    assert nights.store.drifts(nights.site.site_id) == [found.drift]
    trained = [decision(TARGET, until=NOW - timedelta(days=3), at=NOW - timedelta(days=3))]
    drifts = nights.store.drifts(nights.site.site_id)
    reasons = retrain_reasons([TARGET], trained, drifts, known_until_utc=NOW)
    assert reasons[TARGET].startswith("drift seen on 2025-03-3")
    assert "training knew" in reasons[TARGET]
    second = [*trained, decision(TARGET, until=NOW, at=NOW)]
    assert retrain_reasons([TARGET], second, drifts, known_until_utc=NOW) == {}


def later(forecast: Forecast, by: timedelta) -> Forecast:
    rows = tuple(row.model_copy(update={"time_utc": row.time_utc + by}) for row in forecast.rows)
    at = forecast.issued_at_utc + by
    changed = {"forecast_id": f"{forecast.forecast_id[:20]}{by.days}", "issued_at_utc": at, "available_at_utc": at}
    return forecast.model_copy(update={**changed, "rows": rows})


def decision(target: str, *, until: datetime, at: datetime) -> dict[str, Any]:
    return {"decision": {"target": target, "trained_until_utc": until.isoformat()}, "recorded_at_utc": at}


def test_a_target_is_trained_again_once_a_week_of_readings_is_new() -> None:
    until = datetime(2025, 3, 1, tzinfo=UTC)
    rows = [decision("x", until=until, at=until), decision("y", until=until + timedelta(days=3), at=until)]
    week = until + timedelta(days=7)
    requests = retrain_reasons(["x", "y", "z"], rows, [], known_until_utc=week)
    assert requests == {
        "x": "readings go on to 2025-03-08, the newest model's end on 2025-03-01",
        "z": "no model of it has been trained yet",
    }
    # A site that gets no readings is not trained on the same ones again, however long ago that was.
    assert retrain_reasons(["x"], rows, [], known_until_utc=until) == {}


def test_a_drift_of_another_target_or_before_the_training_asks_for_nothing() -> None:
    until = datetime(2025, 3, 10, tzinfo=UTC)
    finding = Finding(code="level_shift", message="The level moved.")
    facts = {"site_id": "s", "model_name": "m", "model_version": "1", "findings": (finding,)}
    drifts = [
        ForecastDrift(target="x", local_day=date(2025, 3, 10), seen_at_utc=until - timedelta(hours=1), **facts),
        ForecastDrift(target="y", local_day=date(2025, 3, 12), seen_at_utc=until + timedelta(days=2), **facts),
    ]
    rows = [decision("x", until=until, at=until), decision("y", until=until, at=until)]
    reasons = retrain_reasons(["x", "y"], rows, drifts, known_until_utc=until)
    assert reasons == {"y": "drift seen on 2025-03-12: The level moved."}
