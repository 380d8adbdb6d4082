"""Scores of forecasts that were really issued: when the readings are in, as known at a time, written once."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.transactions import open_store
from data_quality.contracts.control.forecast import SHADOW, Forecast, ForecastRow
from data_quality.contracts.control.forecast_score import ForecastDrift, ForecastScore
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from ml.features.civil import civil_of
from ml.features.forecast_case import Case
from ml.forecasts.lifecycle.issued_scores import day_losses, days_of, paired_losses, score_issued
from tests.ml.life.training import START, case_of_values, site

DAYS = 12
# A local midnight.
ISSUED = START + timedelta(days=10)
DAY = date(2025, 2, 14)


def case(*, gap: slice | None = None) -> Case:
    values = np.full(24 * DAYS, 10.0)
    # The week before the forecast was lower.
    values[: 24 * 5] = 8.0
    if gap is not None:
        values[gap] = np.nan
    return case_of_values(values)


def forecast(
    issued: datetime = ISSUED, *, p50: float = 11.0, version: str = "1", hours: int = 48, labels: tuple[str, ...] = ()
) -> Forecast:
    return Forecast(
        forecast_id=f"{issued.isoformat()} {version}",
        site_id="plant",
        target="meter:m1",
        issued_at_utc=issued,
        available_at_utc=issued,
        model_name="a.model",
        model_version=version,
        input_digest="0" * 64,
        is_synthetic=False,
        labels=dict.fromkeys(labels, "beside version 1"),
        rows=tuple(
            ForecastRow(time_utc=issued + timedelta(hours=hour), p10=p50 - 2, p50=p50, p90=p50 + 2)
            for hour in range(hours)
        ),
    )


def scored(*given: Forecast, now: timedelta = timedelta(days=1), of: Case | None = None) -> list[ForecastScore]:
    return score_issued(given, of or case(), now_utc=ISSUED + now)


def test_a_day_is_scored_by_lead_once_it_is_over() -> None:
    assert scored(forecast(), now=timedelta(hours=23)) == []
    found = scored(forecast())
    assert [(each.local_day, each.lead, each.n) for each in found] == [
        (DAY, lead, 6) for lead in ("h00", "h06", "h12", "h18")
    ]
    later = scored(forecast(), now=timedelta(days=2))
    assert [(each.local_day, each.lead, each.n) for each in later[4:]] == [(DAY + timedelta(days=1), "d1", 24)]


def test_the_scores_are_those_that_a_person_adds_up() -> None:
    found = scored(forecast())[0]
    # One too high: pinball 0.1·1, 0.5·1 and 0.1·3 of P10 = 9, P50 = 11, P90 = 13.
    assert found.pinball == pytest.approx((0.1 * 1 + 0.5 * 1 + 0.1 * 3) / 3)
    assert found.crps == pytest.approx(2 * found.pinball)
    assert found.coverage == 1
    assert found.nrmse == found.bias == pytest.approx(0.1)
    # Same hour last week said 8.
    assert found.floor_crps == pytest.approx(2.0)
    assert found.skill == pytest.approx(1 - found.crps / 2)


def test_a_day_with_gaps_waits_for_late_readings_and_is_then_scored_on_what_is_there() -> None:
    gappy = case(gap=slice(24 * 10 + 2, 24 * 10 + 4))
    assert [each.lead for each in scored(forecast(), of=gappy)] == ["h06", "h12", "h18"]
    found = scored(forecast(), of=gappy, now=timedelta(days=4))
    assert {each.lead: each.n for each in found if each.local_day == DAY}["h00"] == 4


def test_several_issues_of_a_day_count_together_and_versions_and_shadows_apart() -> None:
    given = [forecast(), forecast(ISSUED + timedelta(hours=1)), forecast(version="2", labels=(SHADOW,))]
    found = [each for each in scored(*given) if each.lead == "h06"]
    assert [(each.model_version, each.is_shadow, each.n) for each in found] == [("1", False, 12), ("2", True, 6)]


def test_two_models_are_paired_on_the_days_on_which_they_said_as_much() -> None:
    given = [
        *(forecast(ISSUED - timedelta(days=back), hours=24) for back in (2, 1, 0)),
        *(forecast(ISSUED - timedelta(days=back), hours=24, p50=10, version="2", labels=(SHADOW,)) for back in (1, 0)),
        # It began in the middle of a day, of which it saw less.
        forecast(ISSUED - timedelta(days=2, hours=-7), hours=17, p50=10, version="2", labels=(SHADOW,)),
    ]
    scores = scored(*given)
    one, other = paired_losses(days_of(scores, "a.model@1"), days_of(scores, "a.model@2"))
    assert list(one) == list(other) == [DAY - timedelta(days=1), DAY]
    assert one[DAY] > other[DAY]
    assert list(day_losses(days_of(scores, "a.model@1"))) == [DAY - timedelta(days=back) for back in (2, 1, 0)]


def test_a_day_of_23_hours_is_over_after_23() -> None:
    start = datetime(2025, 3, 19, 23, tzinfo=UTC)
    values = np.full(24 * 12, 10.0)
    short = replace(case_of_values(values), civil=civil_of(site("plant"), start, len(values) + 49))
    short = replace(short, series=replace(short.series, start_utc=start))
    issued = start + timedelta(days=10)
    over = score_issued([forecast(issued)], short, now_utc=issued + timedelta(hours=23))
    assert sum(each.n for each in over) == 23
    assert score_issued([forecast(issued)], short, now_utc=issued + timedelta(hours=22)) == []


@pytest.fixture
def store(tmp_path: Path) -> ForecastStore:
    return ForecastStore(open_store(f"sqlite:///{tmp_path / 'store.db'}"))


def test_the_same_scores_are_written_once_and_corrected_ones_beside_them(store: ForecastStore) -> None:
    first, then = FixedClock(ISSUED + timedelta(days=1)), FixedClock(ISSUED + timedelta(days=2))
    found = scored(forecast())
    assert [store.add_scores(found, first), store.add_scores(found, then)] == [4, 0]
    corrected = [found[0].model_copy(update={"crps": 9.0}), *found[1:]]
    assert store.add_scores(corrected, then) == 1
    assert {each.crps for each in store.scores("plant", "meter:m1")} == {9.0, found[1].crps}
    assert set(store.scores("plant", "meter:m1", as_of_utc=first.now_utc())) == set(found)


def test_a_challengers_forecast_is_never_the_latest_of_its_target(store: ForecastStore) -> None:
    clock = FixedClock(ISSUED)
    leading, shadow = forecast(), forecast(ISSUED + timedelta(hours=1), version="2", labels=(SHADOW,))
    assert [store.add(each, clock) for each in (leading, shadow)] == [True, True]
    assert store.latest("plant", "meter:m1") == leading
    assert store.issued("plant", "meter:m1", since_utc=ISSUED) == [leading, shadow]
    assert store.issued("plant", "meter:m1", since_utc=ISSUED + timedelta(hours=1)) == [shadow]


def test_a_drift_is_kept_once_a_day_and_target(store: ForecastStore) -> None:
    finding = Finding(code="level_shift", message="x")
    drift = ForecastDrift(
        site_id="plant",
        target="meter:m1",
        local_day=DAY,
        seen_at_utc=ISSUED,
        model_name="a",
        model_version="1",
        findings=(finding,),
    )
    clock = FixedClock(ISSUED)
    assert [store.add_drift(drift, clock), store.add_drift(drift, clock)] == [True, False]
    assert store.drifts("plant") == [drift]
