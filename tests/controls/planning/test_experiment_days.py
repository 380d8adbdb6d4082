"""Days of an experiment: one place is asked, the habit keeps every limit, and each day is a row before it is judged."""

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from assets.experiments.experiment_days import ExperimentDay, draw_experiment, experiment_days, outcomes_of
from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.ledgers.experiments import ExperimentStore
from assets.stores.ledgers.plans import StoredContent
from assets.stores.transactions import Store
from controls.optimiser.case import DispatchCase, case_of
from controls.optimiser.devices.battery import Battery
from controls.optimiser.devices.connection import Connection
from controls.optimiser.devices.room import Room
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.context import LOOK_BACK
from controls.planning.frozen_plan import series_of
from controls.planning.habit import arm_of, by_habit, is_new_day
from controls.planning.plan_inputs import STEP
from controls.planning.replay.policies import by_rules
from controls.planning.replay.replay_plan import replay_plan
from data_quality.contracts.control.experiment import Experiment
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from tests.controls.planning.examples import DAY
from tests.controls.planning.test_bad_plans import Bed, market

TOMORROW = date(2026, 1, 2)


@pytest.fixture
def bed(store: Store, lake: Lake) -> Bed:
    made = Bed(store, lake)
    made.feed(market(int(LOOK_BACK.days), start_day=-14), first=-14, sha="a")
    made.feed(market(2), first=0, sha="b")
    return made


def design(bed: Bed, *, first_is_habit: bool) -> Experiment:
    for seed in range(100):
        made = draw_experiment(
            "home", bed.site.time_zone, first=TOMORROW, days=20, share=0.3, seed=seed, now_utc=bed.clock.now_utc()
        )
        if (made.spans[0].arm == "habit") == first_is_habit:
            return made
    raise AssertionError


def started(bed: Bed, *, first_is_habit: bool) -> ExperimentStore:
    kept = ExperimentStore(bed.store)
    kept.start(design(bed, first_is_habit=first_is_habit), person_id="carla", reason="proof", clock=bed.clock)
    return kept


def planned(bed: Bed, experiments: ExperimentStore | None) -> Plan:
    made = bed.plan(experiments=experiments)
    assert isinstance(made, Plan), made
    return made


def in_the_first_day(bed: Bed, kept: ExperimentStore) -> None:
    running = kept.running("home")
    assert running is not None
    bed.clock.advance(running.start_utc + timedelta(minutes=5) - bed.clock.now_utc())


def test_a_day_of_the_habit_is_planned_by_rule_within_every_limit_and_is_a_row(bed: Bed) -> None:
    kept = started(bed, first_is_habit=True)
    before = planned(bed, kept)
    assert before.request.follows == "plan"
    in_the_first_day(bed, kept)
    assert is_new_day(kept, before, bed.clock.now_utc())
    made = planned(bed, kept)
    assert (made.request.follows, made.solver) == ("habit", "habit")
    case = case_of(made.request)
    assert not [reported for reported in replay_case(case, series_of(made)).problems if "the end" not in reported]
    running = kept.running("home")
    assert running is not None
    (day,) = kept.days(running)
    assert (day.arm, day.followed, day.is_comparable, day.plan_id) == ("habit", "habit", True, made.plan_id)
    assert not is_new_day(kept, made, bed.clock.now_utc())
    assert bed.release(made.plan_id).released
    assert planned(bed, None).paid <= made.paid + 1e-6


def test_the_plan_of_a_habits_day_gives_its_hash_again(bed: Bed) -> None:
    kept = started(bed, first_is_habit=True)
    in_the_first_day(bed, kept)
    made = planned(bed, kept)
    second = replay_plan(StoredContent(plan=made, content=made.model_dump(mode="json")))
    assert second.is_same, second.sentence


def test_a_day_of_the_plan_is_a_row_too_and_says_whether_the_habit_would_have_kept_the_limits(bed: Bed) -> None:
    kept = started(bed, first_is_habit=False)
    in_the_first_day(bed, kept)
    made = planned(bed, kept)
    running = kept.running("home")
    assert running is not None
    (day,) = kept.days(running)
    assert (made.request.follows, day.followed, day.is_comparable) == ("plan", "plan", True)


def test_a_habit_that_would_break_a_limit_is_not_followed_and_the_day_is_not_compared(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = started(bed, first_is_habit=True)
    in_the_first_day(bed, kept)
    allowed = Battery.by_rule

    def too_much(self: Battery, *args: Any) -> Any:
        found = allowed(self, *args)
        return found | {"battery_charge_kw": found["battery_charge_kw"] + 100.0}

    monkeypatch.setattr(Battery, "by_rule", too_much)
    made = planned(bed, kept)
    running = kept.running("home")
    assert running is not None
    (day,) = kept.days(running)
    assert (made.request.follows, day.arm, day.followed, day.is_comparable) == ("plan", "habit", "plan", False)
    assert "not followed" in day.why
    refused = by_habit(case_of(made.request))
    assert isinstance(refused, Finding)
    assert refused.code == "habit_breaks_limit"


def test_after_a_stop_every_day_follows_the_plan(bed: Bed) -> None:
    kept = started(bed, first_is_habit=True)
    in_the_first_day(bed, kept)
    made = planned(bed, kept)
    running = kept.running("home")
    assert running is not None
    kept.stop(running, person_id="carla", reason="enough", clock=bed.clock)
    assert is_new_day(kept, made, bed.clock.now_utc())
    bed.clock.advance(timedelta(minutes=20))
    assert planned(bed, kept).request.follows == "plan"
    assert arm_of(kept, made.request, bed.clock.now_utc()) is None


def read_grid(bed: Bed, start_utc: datetime, quarters: int, kwh: float = 0.5) -> None:
    """Readings of the home's main meter."""
    rows = pl.DataFrame(
        {"interval_start_utc": [start_utc + k * STEP for k in range(quarters)]},
        schema={"interval_start_utc": pl.Datetime("us", "UTC")},
    ).select(
        pl.lit("home").alias("site_id"), pl.lit("grid").alias("meter_id"), pl.lit("import").alias("register"),
        "interval_start_utc", pl.lit(15, pl.Int32).alias("interval_minutes"),
        pl.lit(15, pl.Int32).alias("source_minutes"), pl.lit(kwh).alias("value"), pl.lit("kwh").alias("unit"),
        pl.lit(0, pl.Int32).alias("quality_code"), pl.lit(1).alias("source_line"), pl.lit(True).alias("is_synthetic"),
        pl.lit(False).alias("is_correction"),
    )  # fmt: skip
    info = BatchInfo(
        site_id="home", source_name="g.csv", source_sha256=f"{quarters:064d}", reader="csv", reader_version="1",
        accepted_rows=rows.height, rejected_rows=0, is_synthetic=True,
    )  # fmt: skip
    bed.lake.write_batch(info, rows, unchanged_rows=0, clock=bed.clock)


def days_of(bed: Bed, kept: ExperimentStore) -> tuple[ExperimentDay, ...]:
    running = kept.running("home")
    assert running is not None
    return experiment_days(
        bed.site, bed.lake, bed.plans, running, kept.days(running), until_utc=bed.clock.now_utc()
    )  # fmt: skip


def test_a_day_that_is_over_costs_what_the_meter_and_the_tariff_say_and_knows_what_its_first_plan_knew(
    bed: Bed,
) -> None:
    kept = started(bed, first_is_habit=True)
    in_the_first_day(bed, kept)
    made = planned(bed, kept)
    running = kept.running("home")
    assert running is not None
    first = running.spans[0]
    bed.clock.advance(first.end_utc + timedelta(hours=1) - bed.clock.now_utc())
    read_grid(bed, first.start_utc, 95)
    day, *later = days_of(bed, kept)
    assert (day.cost, day.is_compared) == (None, False)
    assert "missing" in day.why
    read_grid(bed, first.start_utc, 97)
    day, *later = days_of(bed, kept)
    priced = market(2)
    hour = (first.start_utc - DAY) // STEP
    assert day.cost == pytest.approx(0.5 * sum(priced[hour : hour + 96]), rel=1e-6)
    assert (day.is_compared, day.plan_id, day.followed) == (True, made.plan_id, "habit")
    assert day.known["import_price_per_kwh"] == pytest.approx(sum(priced[hour : hour + 96]) / 96, rel=1e-6)
    assert {"sun_kw", "load_kw"} < day.known.keys()
    assert not any(one.is_compared for one in later)
    (outcome,) = outcomes_of((day, *later))
    assert (outcome.arm, outcome.before, outcome.cost) == ("habit", "plan", day.cost)


def test_a_day_without_a_plan_is_not_compared(bed: Bed) -> None:
    kept = started(bed, first_is_habit=False)
    running = kept.running("home")
    assert running is not None
    bed.clock.advance(running.spans[0].end_utc + timedelta(hours=1) - bed.clock.now_utc())
    read_grid(bed, running.start_utc, 97)
    day = days_of(bed, kept)[0]
    assert (day.is_compared, day.why) == (False, "no plan was made in it")


def test_a_second_experiment_and_one_that_has_begun_are_refused(bed: Bed) -> None:
    kept = started(bed, first_is_habit=False)
    with pytest.raises(BadInput, match="one at a time"):
        kept.start(design(bed, first_is_habit=True), person_id="carla", reason="x", clock=bed.clock)
    running = kept.running("home")
    assert running is not None
    kept.stop(running, person_id="carla", reason="enough", clock=bed.clock)
    assert kept.running("home") is None
    late = design(bed, first_is_habit=True)
    in_the_first_day_of = late.start_utc + timedelta(minutes=1) - bed.clock.now_utc()
    bed.clock.advance(in_the_first_day_of)
    with pytest.raises(BadInput, match="has begun"):
        kept.start(late, person_id="carla", reason="x", clock=bed.clock)


def test_a_row_that_nobody_can_prove_counts_as_none_and_the_plan_is_followed(bed: Bed) -> None:
    kept = started(bed, first_is_habit=True)
    in_the_first_day(bed, kept)
    with bed.store.begin() as connection:
        connection.execute(sa.text("DROP TRIGGER experiment_acts_no_update"))
        connection.execute(sa.text("UPDATE experiment_acts SET reason = 'another'"))
    assert planned(bed, kept).request.follows == "plan"


def heated(heater_kw: float) -> DispatchCase:
    """A cold day of a room, a battery and a load that nobody sheds."""
    room = Room(
        device_id="room", heater_kw=heater_kw, r_k_per_kw=5.0, c_kwh_per_k=2.0, init_degc=20.0,
        outdoor_degc=(-5.0,) * 24, gain_kw=(0.0,) * 24, low_degc=(20.0,) * 24, high_degc=(24.0,) * 24,
    )  # fmt: skip
    battery = Battery(
        device_id="battery", max_charge_kw=3, max_discharge_kw=3, charge_efficiency=0.95, discharge_efficiency=0.95,
        soc_min_kwh=1, soc_max_kwh=9, soc_init_kwh=5, soc_end_min_kwh=5,
    )  # fmt: skip
    connection = Connection(
        import_price_per_kwh=(0.3,) * 24, export_price_per_kwh=(0.1,) * 24, import_max_kw=20, export_max_kw=20
    )
    return DispatchCase(
        case_id="heated", currency="EUR", start_utc=DAY, step_h=(1.0,) * 24, load_kw=(0.5,) * 24,
        connection=connection, devices=(room, battery),
    )  # fmt: skip


def test_a_thermostat_and_a_battery_by_habit_keep_every_limit_and_cost_no_less_than_the_plan() -> None:
    found = by_habit(heated(8.0))
    assert isinstance(found, Solution), found
    assert (found.status, found.solver) == ("ruled", "habit")
    best = solve(heated(8.0))
    assert isinstance(best, Solution)
    degc = found.series.devices["room"]["room_degc"]
    assert min(degc) >= 19.0
    # The policy of replays knows rooms, too.
    assert not isinstance(by_rules(heated(8.0), np.ones(24)), Finding)


def test_a_room_that_would_get_cold_is_no_habit_to_follow() -> None:
    found = by_habit(heated(2.0))
    assert isinstance(found, Finding)
    assert "below its comfort" in found.message


def test_a_habit_that_draws_more_than_the_connection_carries_is_not_followed() -> None:
    case = heated(8.0)
    narrow = case.model_copy(update={"connection": case.connection.model_copy(update={"import_max_kw": 4.0})})
    found = by_habit(narrow)
    assert isinstance(found, Finding)
    assert found.code == "habit_breaks_limit"
