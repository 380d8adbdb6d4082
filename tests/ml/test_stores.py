"""Baselines and forecasts in the transactional store: append-only, one approval a version, as known at T."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assets.stores.ledgers.baselines import BaselineStore, baseline_id_of
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.transactions import Store, open_store
from data_quality.contracts.baselines.baseline import Baseline, BaselineStatus, BaselineType, BaselineVersion
from data_quality.contracts.control.forecast import Forecast, ForecastRow
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from tests.ml.cases import baseline

ADA = Person(person_id="ada", name="Ada", roles=(Role.ANALYST, Role.APPROVER))
BEN = Person(person_id="ben", name="Ben", roles=(Role.APPROVER,))
CARL = Person(person_id="carl", name="Carl", roles=(Role.ANALYST,))
LINE = "plant/line/enb"
BLOCKING = Finding(code="period_too_short", message="Too short.", severity="blocking")
PLAIN = baseline({"intercept": 1.0})
BLOCKED = baseline({"intercept": 2.0}, findings=(BLOCKING,))


@pytest.fixture(params=["sqlite", "postgresql"])
def baselines(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaselineStore]:
    """A baseline store on each engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.db'}"
    else:
        url = request.getfixturevalue("postgres_url").replace("postgresql://", "postgresql+psycopg://", 1)
    opened: Store = open_store(url)
    yield BaselineStore(opened)
    opened.close()


def add(store: BaselineStore, clock: FixedClock, fitted: Baseline, checksum: str) -> BaselineVersion:
    clock.advance(timedelta(hours=1))
    return store.add(fitted, "run", checksum, "ada", clock)


def test_versions_count_up_and_the_same_model_is_not_added_twice(baselines: BaselineStore, clock: FixedClock) -> None:
    first = add(baselines, clock, PLAIN, "a" * 64)
    assert (first.baseline_id, first.version, first.status) == (LINE, 1, BaselineStatus.PROVISIONAL)
    assert add(baselines, clock, PLAIN, "a" * 64) == first
    assert add(baselines, clock, BLOCKED, "b" * 64).version == 2
    assert [found.baseline for found in baselines.versions("plant", "line")] == [PLAIN, BLOCKED]
    assert baselines.versions("elsewhere") == []
    assert baseline_id_of("plant", "line", BaselineType.ENB) == LINE


def test_an_approval_names_person_role_time_and_reason(baselines: BaselineStore, clock: FixedClock) -> None:
    add(baselines, clock, PLAIN, "a" * 64)
    approved = baselines.approve(LINE, 1, BEN, " checked against the meters ", {}, clock)
    assert approved.status is BaselineStatus.APPROVED
    assert (approved.approved_by, approved.approved_role, approved.reason) == (
        "ben",
        "approver",
        "checked against the meters",
    )
    assert approved.approved_at_utc is not None
    assert approved.approved_at_utc > approved.fitted_at_utc


def test_approving_a_newer_version_supersedes_the_older(baselines: BaselineStore, clock: FixedClock) -> None:
    add(baselines, clock, PLAIN, "a" * 64)
    baselines.approve(LINE, 1, BEN, "first", {}, clock)
    before = clock.now_utc() + timedelta(minutes=30)
    add(baselines, clock, baseline({"intercept": 3.0}), "c" * 64)
    assert baselines.in_force("plant")["line"].version == 1
    baselines.approve(LINE, 2, BEN, "second", {}, clock)
    assert [found.status.value for found in baselines.versions()] == ["superseded", "approved"]
    then = baselines.versions(as_of_utc=before)
    assert [(found.version, found.status.value) for found in then] == [(1, "approved")]
    with pytest.raises(BadInput, match="registered are 1"):
        baselines.get(LINE, 2, as_of_utc=before)


@pytest.mark.parametrize(
    ("person", "reason", "waivers", "message"),
    [
        (CARL, "fine", {}, "has not the role 'approver'"),
        (ADA, "fine", {}, "fitted this baseline"),
        (BEN, "  ", {}, "needs a reason"),
        (BEN, "fine", {"flat_load": "no"}, "no blocking finding"),
    ],
)
def test_an_approval_without_standing_is_refused(
    baselines: BaselineStore, clock: FixedClock, person: Person, reason: str, waivers: dict[str, str], message: str
) -> None:
    add(baselines, clock, PLAIN, "a" * 64)
    with pytest.raises(BadInput, match=message):
        baselines.approve(LINE, 1, person, reason, waivers, clock)
    assert baselines.get(LINE, 1).status is BaselineStatus.PROVISIONAL


def test_a_blocking_finding_needs_a_written_waiver(baselines: BaselineStore, clock: FixedClock) -> None:
    add(baselines, clock, BLOCKED, "b" * 64)
    for waivers in ({}, {"period_too_short": "  "}):
        with pytest.raises(BadInput, match="period_too_short"):
            baselines.approve(LINE, 1, BEN, "fine", waivers, clock)
    baselines.approve(LINE, 1, BEN, "fine", {"period_too_short": "the line was built in May"}, clock)
    assert baselines.waivers(LINE, 1) == {"period_too_short": "the line was built in May"}
    assert baselines.waivers(LINE, 9) == {}


def test_a_version_is_approved_once_and_never_after_a_newer_one(baselines: BaselineStore, clock: FixedClock) -> None:
    add(baselines, clock, PLAIN, "a" * 64)
    add(baselines, clock, baseline({"intercept": 3.0}), "c" * 64)
    baselines.approve(LINE, 2, BEN, "fine", {}, clock)
    with pytest.raises(BadInput, match="approved already"):
        baselines.approve(LINE, 2, BEN, "again", {}, clock)
    with pytest.raises(BadInput, match="an older one cannot follow"):
        baselines.approve(LINE, 1, BEN, "late", {}, clock)


def test_there_is_no_latest_where_nothing_is_registered_and_none_approved_is_provisional(
    baselines: BaselineStore, clock: FixedClock
) -> None:
    assert baselines.latest("plant", "line") is None
    add(baselines, clock, PLAIN, "a" * 64)
    assert baselines.in_force("plant")["line"].status is BaselineStatus.PROVISIONAL
    assert baselines.latest("plant", "line", BaselineType.MONITORING) is None
    with pytest.raises(BadInput, match="registered are 1"):
        baselines.get(LINE, 4)


def made(forecast_id: str, issued: datetime, target: str = "meter:m1") -> Forecast:
    row = ForecastRow(time_utc=issued, p10=1.0, p50=2.0, p90=3.0)
    return Forecast(
        forecast_id=forecast_id,
        site_id="plant",
        target=target,
        issued_at_utc=issued,
        available_at_utc=issued,
        model_name="m",
        model_version="1",
        input_digest="d",
        is_synthetic=True,
        rows=(row,),
    )


def test_the_latest_forecast_is_the_one_issued_last_as_known_then(store: Store, clock: FixedClock) -> None:
    forecasts, noon = ForecastStore(store), datetime(2025, 5, 1, 12, tzinfo=UTC)
    assert forecasts.latest("plant", "meter:m1") is None
    assert forecasts.add(made("b", noon), clock)
    known = clock.now_utc() + timedelta(minutes=1)
    clock.advance(timedelta(hours=1))
    assert forecasts.add(made("c", noon + timedelta(hours=1)), clock)
    assert forecasts.add(made("a", noon - timedelta(hours=1)), clock)
    assert forecasts.latest("plant", "meter:m1") == made("c", noon + timedelta(hours=1))
    assert forecasts.latest("plant", "meter:m1", as_of_utc=known) == made("b", noon)
    assert forecasts.get("a") == made("a", noon - timedelta(hours=1))
    assert forecasts.get("z") is None


def test_a_forecast_is_stored_once(store: Store, clock: FixedClock) -> None:
    forecasts, noon = ForecastStore(store), datetime(2025, 5, 1, 12, tzinfo=UTC)
    assert forecasts.add(made("a", noon), clock)
    assert not forecasts.add(made("a", noon), clock)


def test_every_decision_about_a_leader_is_kept_in_order(store: Store, clock: FixedClock) -> None:
    forecasts = ForecastStore(store)
    for name, promoted in (("x", True), ("y", True), ("x", False)):
        forecasts.add_promotion(name, {"is_promoted": promoted}, clock)
    assert [row["decision"]["is_promoted"] for row in forecasts.promotions("x")] == [True, False]
    assert [row["model_name"] for row in forecasts.promotions()] == ["x", "y", "x"]
