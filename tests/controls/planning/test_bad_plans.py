"""No plan from prices that cannot be, from limits that contradict, from a solver that fails or lies; none of another
site, unit or digest is released. What stood before runs on to its own end, and then the devices are safe.
"""

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.ledgers.forecasts import ForecastStore
from assets.stores.ledgers.plans import PlanStore
from assets.stores.schema.tables_control import plans as plan_table
from assets.stores.seals import append_row
from assets.stores.transactions import Store, site_transaction
from controls.agent.planned import planned_check
from controls.ledger.modes import set_mode
from controls.ledger.outbox import ReleaseReport, release
from controls.ledger.rows import read_commands
from controls.optimiser import solve as solve_module
from controls.optimiser.backends.solvers import run_solver as honest
from controls.optimiser.case import case_of
from controls.optimiser.solution import Solution, replay_case
from controls.optimiser.solve import solve
from controls.planning.context import LOOK_BACK, PlanningContext, price_doubt
from controls.planning.frozen_plan import commands_of
from controls.planning.make import make_plan_now
from controls.planning.plan_inputs import STEP, plan_request
from controls.planning.triggers import plan_window
from data_quality.contracts.control.command import Command, CommandState, Mode
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import OurFault
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from tests.controls.ledger.rows_of import CARLA, add_plan, command
from tests.controls.ledger.rows_of import NOW as MIDNIGHT
from tests.controls.planning.examples import DAY, HOME, NOW, forecast, inputs, plan, prices, request


def market(days: int, *, start_day: int = 0) -> list[float]:
    """Prices of a market: no two days alike."""
    return [
        0.10 + 0.05 * ((quarter * 7 + (start_day + day) * 13) % 29) / 29 for day in range(days) for quarter in range(96)
    ]


def frame(values: list[float], *, first: int = 0) -> pl.DataFrame:
    """Quarter hours from DAY + `first` days on."""
    starts = [DAY + timedelta(days=first) + k * STEP for k in range(len(values))]
    return pl.DataFrame(
        {"interval_start_utc": starts, "price_per_kwh": values},
        schema={"interval_start_utc": pl.Datetime("us", "UTC"), "price_per_kwh": pl.Float64},
    )


BEFORE = frame(market(14, start_day=-14), first=-14)
TODAY = market(1)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0.0] * 96, "prices_all_zero"),
        ([1000 * value for value in TODAY], "prices_of_another_unit"),
        ([value / 100 for value in TODAY], "prices_of_another_unit"),
        (market(1, start_day=-1), "prices_stand_still"),
    ],
)
def test_fault_f69_prices_that_cannot_be_make_no_plan(values: list[float], code: str) -> None:
    found = price_doubt(frame(values), BEFORE)
    assert found is not None
    assert (found.code, found.is_blocking) == (code, True)
    assert "2026-01-01T00:00Z" in found.message


@pytest.mark.parametrize(
    "values",
    [
        TODAY,
        # A market may pay whoever takes power, for a whole day.
        [-value for value in TODAY],
        [0.0] * 20 + TODAY[20:],
        # A crisis, and an hour of scarcity within a calm day.
        [10 * value for value in TODAY],
        [*TODAY[:-4], *[4.0] * 4],
    ],
)
def test_prices_that_are_rare_are_prices(values: list[float]) -> None:
    assert price_doubt(frame(values), BEFORE) is None


def test_a_feed_without_a_past_is_believed_and_one_that_always_repeats_is_no_standstill() -> None:
    assert price_doubt(frame([1000 * value for value in TODAY]), BEFORE.head(95)) is None
    same = frame(market(1) * 14, first=-14)
    assert price_doubt(frame(market(1)), same) is None


@pytest.mark.parametrize(("hours", "covered"), [(20, None), (24, 56)])
def test_fault_f69_a_missing_tail_shortens_the_plan_and_too_short_a_one_is_none(
    hours: int, covered: int | None
) -> None:
    answer = plan_request(HOME, **inputs(prices=prices(hours=hours)))  # type: ignore[arg-type]
    if covered is None:
        assert isinstance(answer, Finding)
        assert answer.code == "horizon_too_short"
    else:
        assert not isinstance(answer, Finding)
        assert len(answer.load_kw) == covered


class Bed:
    """The small home in real stores, with prices of two weeks and a forecast; its battery says half full."""

    def __init__(self, store: Store, lake: Lake) -> None:
        self.store, self.lake, self.plans = store, lake, PlanStore(store)
        self.clock = FixedClock(NOW)
        self.forecasts = ForecastStore(store)
        self.forecasts.add(forecast("house", 0.8), FixedClock(NOW - timedelta(minutes=1)))
        self.forecasts.add(forecast("pv", 0.3), FixedClock(NOW - timedelta(minutes=1)))
        site = json.loads(HOME.model_dump_json(exclude_unset=True))
        site["assets"][1]["meter"] = "pv"
        site["meters"].append({"meter_id": "pv", "parent": "grid"})
        self.site = Site.model_validate(site | {"forecast_targets": ["house", "pv"]})
        set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=self.clock)

    def feed(self, values: list[float], *, first: int, sha: str) -> None:
        """Bring prices in, as a feed would."""
        rows = frame(values, first=first).select(
            pl.lit("home").alias("site_id"), pl.lit("spot").alias("meter_id"), pl.lit("value").alias("register"),
            "interval_start_utc", pl.lit(15, pl.Int32).alias("interval_minutes"),
            pl.lit(15, pl.Int32).alias("source_minutes"), pl.col("price_per_kwh").alias("value"),
            pl.lit("per_kwh").alias("unit"), pl.lit(0, pl.Int32).alias("quality_code"),
            pl.lit(1).alias("source_line"), pl.lit(True).alias("is_synthetic"), pl.lit(False).alias("is_correction"),
        )  # fmt: skip
        info = BatchInfo(
            site_id="home", source_name="p.csv", source_sha256=sha * 64, reader="csv", reader_version="1",
            accepted_rows=rows.height, rejected_rows=0, is_synthetic=True,
        )  # fmt: skip
        self.lake.write_batch(info, rows, unchanged_rows=0, clock=self.clock)

    def plan(self, **changes: Any) -> Plan | Finding:
        """Plan now."""
        desk = PlanningContext(
            self.site, self.lake, self.forecasts, self.plans, Mode.PARTIAL, lambda: {"battery": (5.0, 1.0)}, self.clock,
            explained_within_s=0.0,
        )  # fmt: skip
        return make_plan_now(replace(desk, **changes))

    def release(self, plan_id: str) -> ReleaseReport:
        """Release a plan as the dispatch run does."""
        return release(self.store, "home", plan_id, clock=self.clock, check=planned_check(self.site))


@pytest.fixture
def bed(store: Store, lake: Lake) -> Bed:
    """With the prices of two weeks."""
    made = Bed(store, lake)
    made.feed(market(int(LOOK_BACK.days), start_day=-14), first=-14, sha="a")
    return made


def test_fault_f69_a_slipped_decimal_leaves_the_plan_before_it_until_it_ends(bed: Bed) -> None:
    bed.feed(market(2), first=0, sha="b")
    good = bed.plan()
    assert isinstance(good, Plan), good
    bed.clock.advance(timedelta(minutes=20))
    bed.feed([1000 * value for value in market(2)], first=0, sha="c")
    refused = bed.plan()
    assert isinstance(refused, Finding)
    assert (refused.code, refused.scope) == ("prices_of_another_unit", "home")
    assert bed.plans.latest("home") == good
    assert bed.release(good.plan_id).released
    # Its own end is the end: nothing of it is left to be sent, and every lease of it has run out.
    bed.clock.advance(plan_window(good)[1] - bed.clock.now_utc())
    assert bed.release(good.plan_id).released == ()
    assert {row.command.valid_until_utc <= bed.clock.now_utc() for row in read_commands(bed.store, "home")} == {True}


def test_fault_f69_prices_that_a_market_tells_late_stand_among_the_inputs_and_stale_ones_say_why(bed: Bed) -> None:
    """Fifteen hours are left at four in the afternoon of Berlin, and none at eight the next morning."""
    bed.feed(market(2)[:120], first=0, sha="b")

    def after(hours: float) -> None:
        bed.clock.advance(timedelta(hours=hours))
        for target, kwh in (("house", 0.8), ("pv", 0.3)):
            new = forecast(target, kwh, hours=72, issued_at_utc=bed.clock.now_utc() - timedelta(minutes=1))
            bed.forecasts.add(new.model_copy(update={"forecast_id": f"{target}-{hours}"}), bed.clock)
        bed.clock.advance(timedelta(minutes=1))

    after(15 - (NOW - DAY) / timedelta(hours=1))
    by_hand = bed.plan()
    assert isinstance(by_hand, Plan), by_hand
    assert "prices_late" not in by_hand.request.inputs, "who brings prices as files is bound to no market's hour"
    market_feed = {"source_id": "m", "kind": "prices", "provider": "awattar", "url": "https://api.example"}
    point = {"point": "p", "stream": "spot", "what": "mean", "unit": "per_mwh"}
    document = json.loads(bed.site.model_dump_json(exclude_unset=True))
    bed.site = Site.model_validate(document | {"sources": [market_feed | {"points": [point]}]})
    late = bed.plan()
    assert isinstance(late, Plan), late
    assert late.request.inputs["prices_late"] == "prices end at 2026-01-02 06:00Z: those of tomorrow are late"
    after(16)
    stale = bed.plan()
    assert isinstance(stale, Finding)
    assert (stale.code, stale.facts["codes"]) == ("prices_stale", "prices_stale,horizon_too_short")
    assert stale.message.startswith("prices end at 2026-01-02 06:00Z: none is known for now; from ")


def test_fault_f70_limits_that_contradict_are_named_and_the_plan_before_stands(bed: Bed) -> None:
    bed.feed(market(2), first=0, sha="b")
    good = bed.plan()
    assert isinstance(good, Plan), good
    bed.clock.advance(timedelta(minutes=20))
    # More than connection and battery carry together, for hours.
    flood = forecast("house", 90.0, issued_at_utc=NOW).model_copy(update={"forecast_id": "flood"})
    bed.forecasts.add(flood, bed.clock)
    bed.clock.advance(timedelta(minutes=1))
    began_s = time.monotonic()
    refused = bed.plan()
    taken_s = time.monotonic() - began_s
    assert isinstance(refused, Finding), refused
    assert (refused.code, refused.is_blocking) == ("infeasible", True)
    assert "connection" in refused.message
    assert taken_s < 5
    assert bed.plans.latest("home") == good
    assert bed.release(good.plan_id).released
    assert {row.command.plan_id for row in read_commands(bed.store, "home")} == {good.plan_id}


def test_fault_f71_every_schedule_that_was_tampered_with_is_refused() -> None:
    case = case_of(request(mode=Mode.FULL))
    solution = solve(case)
    assert isinstance(solution, Solution)
    assert replay_case(case, solution.series).problems == ()
    tried = 0
    for name, columns in solution.series.devices.items():
        for column, values in columns.items():
            for t in range(len(values)):
                bent = (*values[:t], values[t] + 1e-3, *values[t + 1 :])
                series = solution.series.model_copy(
                    update={"devices": {**solution.series.devices, name: {**columns, column: bent}}}
                )
                tried += 1
                assert replay_case(case, series).problems, (name, column, t)
    assert tried == 4 * len(case.step_h)


@pytest.mark.parametrize("fault", ["lies", "crashes", "is too slow"])
def test_fault_f71_a_solver_that_fails_leaves_the_plan_before(
    bed: Bed, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bed.feed(market(2), first=0, sha="b")
    good = bed.plan()
    assert isinstance(good, Plan), good
    bed.clock.advance(timedelta(minutes=20))

    def solver(*given: Any, **options: Any) -> Any:
        if fault == "crashes":
            raise MemoryError("the solver's own")
        if fault == "is too slow":
            return honest(*given, **options | {"time_limit_s": 0.0, "start": None})
        answer = honest(*given, **options)
        assert answer.values is not None
        return replace(answer, values=answer.values + 7.0)

    monkeypatch.setattr(solve_module, "run_solver", solver)
    if fault == "is too slow":
        answer = bed.plan()
        assert isinstance(answer, Finding) or answer.status == "feasible"
    else:
        with pytest.raises(OurFault if fault == "lies" else MemoryError):
            bed.plan()
    standing = bed.plans.latest("home")
    assert standing is not None
    if standing != good:
        # An incumbent counts only where the check that knows no solver finds nothing against it.
        assert fault == "is too slow"
        assert standing.status == "feasible"
    assert bed.release(standing.plan_id).released


def test_fault_f72_a_command_whose_digest_is_not_its_plans_is_rejected(store: Store) -> None:
    _partial(store)
    add_plan(store, command("c1"), command("c2", device_id="pv", plan_hash="other"))
    report = release(store, "home", "p1", clock=FixedClock(MIDNIGHT), check=lambda _command, _mode: None)
    assert (report.released, report.rejected) == (("c1",), ("c2",))
    (row,) = read_commands(store, "home", states=[CommandState.REJECTED])
    assert row.command.command_id == "c2"


def test_fault_f72_a_plan_of_another_site_or_unit_or_device_is_never_released(store: Store) -> None:
    _partial(store)
    with site_transaction(store, "cabin") as connection:
        row = {"plan_id": "px", "site_id": "cabin", "version": 1, "plan_hash": "h", "input_digest": "d", "plan": {}}
        append_row(connection, plan_table, **row, recorded_at_utc=MIDNIGHT)
    orders = [
        command("c1", unit="w"),
        command("c2", device_id="sauna"),
        command("c3", value=50.0, capability="set_charge_power_kw", valid_from_utc=MIDNIGHT + timedelta(seconds=1)),
    ]
    add_plan(store, *orders, command("c4", plan_id="px", device_id="pv"))
    check = planned_check(HOME)
    clock = FixedClock(MIDNIGHT + timedelta(minutes=1))
    for plan_id in ("p1", "px"):
        assert release(store, "home", plan_id, clock=clock, check=check).released == ()
    states = {row.command.command_id: row.state.value for row in read_commands(store, "home")}
    assert states == {"c1": "BLOCKED", "c2": "BLOCKED", "c3": "BLOCKED", "c4": "REJECTED"}


def test_fault_f72_of_two_plans_for_one_time_only_the_newer_one_acts(store: Store) -> None:
    older, newer = plan(), plan(soc_kwh=6.0)
    _partial(store)
    books = PlanStore(store)
    for each in (older, newer):
        orders: list[Command] = commands_of(each, HOME, epoch=0)
        books.add_with_commands(each, orders, FixedClock(NOW))
    reports = [
        release(store, "home", each.plan_id, clock=FixedClock(NOW), check=planned_check(HOME))
        for each in (older, newer, older)
    ]
    released = [name for report in reports for name in report.released]
    assert released
    assert released == list(reports[1].released)
    assert {row.command.plan_id for row in read_commands(store, "home", states=[CommandState.RELEASED])} == {
        newer.plan_id
    }


def _partial(store: Store) -> None:
    set_mode(store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(MIDNIGHT))
