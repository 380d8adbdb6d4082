"""A site's objective reaches its plans; carbon comes from its stream or its factors, never from a guess."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from assets.stores.lake.lake import BatchInfo, Lake
from assets.stores.lake.lake_block import LAKE_SCHEMA
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import input_digest, make_plan
from controls.planning.make import with_objective
from controls.planning.summary import summarise
from data_quality.contracts.control.plan import Plan, PlanRequest
from data_quality.contracts.finding import Finding
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Clock
from tests.controls.planning.examples import HOME, NOW, published, request

FACTOR = {
    "factor_id": "cz", "kgco2e_per_kwh": 0.4, "valid_from": "2026-01-01", "valid_to": "2027-01-01", "source": "s",
}  # fmt: skip
DIRTY = {"driver_id": "grid_carbon", "unit": "kgco2e_per_kwh", "aggregation": "mean"}


def home(**changes: Any) -> Site:
    """The small home with more in its site file."""
    return Site.model_validate(HOME.model_dump() | changes)


def wished(lake: Lake, **changes: Any) -> PlanRequest:
    """The request of that home."""
    answer = with_objective(request(), home(**changes), lake)
    assert isinstance(answer, PlanRequest), answer
    return answer


def planned(requested: PlanRequest) -> Plan:
    """Its plan."""
    solution = solve(requested)
    assert isinstance(solution, Solution), solution
    return make_plan(requested, solution, created_at_utc=NOW, version=1)


def test_a_site_without_an_objective_is_asked_as_ever(lake: Lake) -> None:
    assert input_digest(wished(lake, factors=[FACTOR])) == input_digest(request())


def test_another_objective_makes_another_plan_which_says_what_it_bought(lake: Lake) -> None:
    plain, flat = planned(request()), planned(wished(lake, objective="peak_shaving", factors=[FACTOR]))
    assert flat.input_digest != plain.input_digest
    assert flat.measures["peak_kw"] < plain.measures["peak_kw"] - 0.1
    assert flat.measures["carbon_kgco2e"] == pytest.approx(0.4 * flat.measures["imported_kwh"])
    assert flat.paid > plain.paid
    assert flat.no_battery_cost == pytest.approx(plain.no_battery_cost)
    assert published(flat) == flat


def test_a_plan_with_a_price_of_carbon_says_money_and_not_the_weighted_sum(lake: Lake) -> None:
    made = planned(wished(lake, objective={"carbon_price_per_tonne": 5000}, factors=[FACTOR]))
    assert made.objective == pytest.approx(made.paid + 5.0 * made.measures["carbon_kgco2e"])
    assert f"it costs {made.paid:.2f} CZK" in summarise(made, time_zone="Europe/Prague")


def test_carbon_that_is_not_known_to_the_end_of_the_plan_is_a_finding(lake: Lake) -> None:
    ends = FACTOR | {"valid_to": "2026-01-02"}
    answer = with_objective(request(), home(objective="environmental", factors=[ends]), lake)
    assert isinstance(answer, Finding)
    assert answer.code == "no_carbon_intensity"
    # From local midnight on: 23:00 UTC is the first hour of 2 January in Prague.
    assert "(factors of the site) from 2026-01-02 00:00 on" in answer.message
    assert answer.facts["steps_missing"] == 96 - 52


def test_the_hours_of_a_stream_count_where_the_site_names_one(lake: Lake, clock: Clock) -> None:
    starts = [datetime(2026, 1, 1, 10, tzinfo=UTC) + timedelta(minutes=15 * k) for k in range(100)]
    rows = [
        ("home", "grid_carbon", "import", start, 15, 60, 0.5 if k < 48 else 0.1, "kgco2e_per_kwh", 0, k, False, False)
        for k, start in enumerate(starts)
    ]
    schema = {name: kind for name, kind in LAKE_SCHEMA.items() if name not in ("batch_id", "recorded_at_utc")}
    frame = pl.DataFrame(rows, schema=schema | {"is_correction": pl.Boolean}, orient="row")
    info = BatchInfo(
        site_id="home", source_name="t.csv", source_sha256="0" * 64, reader="t", reader_version="1",
        accepted_rows=25, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    lake.write_batch(info, frame, unchanged_rows=0, clock=clock)
    clean = {"preset": "environmental", "carbon_stream": "grid_carbon"}
    dispatch_request = wished(lake, objective=clean, drivers=[*HOME.drivers, DIRTY], factors=[FACTOR])
    assert dispatch_request.carbon_kgco2e_per_kwh is not None
    assert set(dispatch_request.carbon_kgco2e_per_kwh[:48]) == {0.5}
    assert dispatch_request.carbon_kgco2e_per_kwh[48] == 0.1
    assert dispatch_request.inputs["carbon_intensity"] == "stream grid_carbon"


def test_a_stream_with_a_hole_is_not_filled_with_the_factor_of_the_year(lake: Lake) -> None:
    clean = {"preset": "environmental", "carbon_stream": "grid_carbon"}
    answer = with_objective(request(), home(objective=clean, drivers=[*HOME.drivers, DIRTY], factors=[FACTOR]), lake)
    assert isinstance(answer, Finding)
    assert "(stream grid_carbon)" in answer.message


def test_a_carbon_stream_that_is_no_driver_of_the_site_is_refused() -> None:
    with pytest.raises(ValidationError, match="objective: driver in kgco2e_per_kwh"):
        home(objective={"carbon_stream": "grid_carbon"})


def test_a_plan_that_is_not_proven_says_how_far_it_may_be_from_the_best() -> None:
    made = planned(request()).model_copy(update={"status": "feasible", "gap": 0.031})
    assert "It is the best found in time, at most 3.1% from the best there is." in summarise(made, time_zone="UTC")
