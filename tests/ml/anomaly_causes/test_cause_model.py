"""The model of causes on sites whose numbers taught it nothing, its evidence, and what it does not know."""

from dataclasses import replace

import numpy as np
import pytest

from ml.anomalies.events import AnomalyEvent
from ml.anomalies.monitor import watch
from ml.anomaly_causes.cause_model import likely_cause, shipped_causes
from ml.anomaly_causes.event_features import CauseContext, by_hour, features_of
from ml.features.civil import civil_on
from ml.features.series import HOUR, QUARTER, Series
from tests.ml.anomalies.office import START, ZONE, load, types
from tests.ml.anomaly_causes.judged_events import Judged, figures, judged_events
from tests.ml.anomaly_causes.seeded_sites import CAUSES, seeded_site


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return judged_events(range(20_000, 20_030))


def test_causes_of_other_sites_are_told_and_confidence_is_calibrated(judged: list[Judged]) -> None:
    found = figures(judged, shipped_causes())
    assert found.events > 100
    assert found.macro_f1 >= 0.75
    assert found.ece <= 0.1
    assert min(found.f1.values()) >= 0.55


def test_a_site_is_made_by_its_number_alone_and_others_are_others() -> None:
    one, second, other = seeded_site(5), seeded_site(5), seeded_site(6)
    assert one.seeded == second.seeded
    assert np.array_equal(one.series.values, second.series.values)
    assert not np.array_equal(one.series.values, other.series.values)
    assert {each.cause for number in range(8) for each in seeded_site(number).seeded} == set(CAUSES)


def test_probabilities_add_up_and_without_any_feature_the_cause_is_unknown() -> None:
    model = shipped_causes()
    assert sum(model.probabilities({}).values()) == pytest.approx(1)
    assert likely_cause({}).cause == "unknown"
    assert likely_cause({}).evidence == ()


def test_what_is_unknown_says_nothing(judged: list[Judged]) -> None:
    features = judged[0].features
    without = {name: value for name, value in features.items() if name != "announced"}
    assert likely_cause({**features, "announced": float("nan")}) == likely_cause(without)


def test_what_was_announced_speaks_for_a_scheduled_change_and_is_named(judged: list[Judged]) -> None:
    shift = next(each for each in judged if each.seeded.kind == "night_shift").features
    silent, announced = ({**shift, "announced": share} for share in (0.0, 1.0))
    model = shipped_causes()
    assert model.probabilities(announced)["scheduled_change"] > model.probabilities(silent)["scheduled_change"] + 0.2
    likely = likely_cause(announced)
    assert likely.cause == "scheduled_change"
    assert {"name": "announced", "value": 100.0, "unit": "%"}.items() <= likely.evidence[0].items()


def night_event() -> tuple[Series, AnomalyEvent]:
    values = load()
    hour = np.arange(len(values)) % 24
    is_run = (np.arange(len(values)) // 24 >= 90) & (np.arange(len(values)) // 24 < 96) & ((hour >= 20) | (hour < 6))
    values[is_run] = 85.0 + np.random.default_rng(3).normal(0, 2, int(is_run.sum()))
    series = Series(START, values)
    [event] = watch(series, civil_on(types, ZONE, START, len(values))).events
    return series, event


def test_nothing_after_an_event_changes_what_is_said_of_it() -> None:
    series, event = night_event()
    civil = civil_on(types, ZONE, START, len(series.values))
    degc = np.linspace(12.0, 4.0, len(series.values))
    ends = series.index(event.end_utc)
    later = replace(series, values=np.where(np.arange(len(series.values)) >= ends, 999.0, series.values))
    colder = np.where(np.arange(len(degc)) >= ends, -20.0, degc)
    first = features_of(event, series, civil, CauseContext(temperature=degc, others=(series.values,)))
    second = features_of(event, later, civil, CauseContext(temperature=colder, others=(later.values,)))
    assert first == pytest.approx(second, nan_ok=True)
    assert likely_cause(first).cause == "waste"
    assert likely_cause(first).confidence > 0.5
    assert {each["name"] for each in likely_cause(first).evidence} & {"night_share", "kind", "workday_night_share"}


def test_a_temperature_that_does_not_change_explains_nothing() -> None:
    series, event = night_event()
    civil = civil_on(types, ZONE, START, len(series.values))
    found = features_of(event, series, civil, CauseContext(temperature=np.full(len(series.values), 21.0)))
    assert [found[name] for name in ("degc_apart", "degc_beyond", "weather_share", "follows_degc")] == [0, 0, 0, 0]


def test_quarter_hours_give_the_features_of_their_hours() -> None:
    series, event = night_event()
    civil = civil_on(types, ZONE, START, len(series.values))
    fine = replace(series, values=np.repeat(series.values / 4, 4), step=QUARTER)
    hourly, calendar = by_hour(fine, civil_on(types, ZONE, START, len(fine.values), QUARTER))
    assert hourly.step == HOUR
    assert len(calendar) == len(hourly.values)
    assert features_of(event, hourly, calendar, CauseContext()) == pytest.approx(
        features_of(event, series, civil, CauseContext()), nan_ok=True
    )
