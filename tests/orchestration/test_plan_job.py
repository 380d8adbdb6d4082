"""The job of a plan over scenarios stores with each plan what it promises, what that is worth, and what came of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.stores.lake.lake import BatchInfo, Lake
from controls.defs import core_site__plan
from controls.optimiser.case import case_of
from controls.planning.closed_loop.promise import covered_hours, promised_cost
from controls.planning.frozen_plan import series_of
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.errors import Unreachable
from data_quality.contracts.time import FixedClock
from orchestration.operations.control.plan import band_lines
from orchestration.partitions import SITES
from orchestration.resources import ProjectResource
from tests.controls.planning.examples import DAY, NOW
from tests.controls.planning.test_scenarios import uncertain_forecast
from tests.orchestration.test_plan_sensor import Bed

# Dagster announces what is in beta.
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    """The home with `risk`, and forecasts with courses."""
    made = Bed(tmp_path / "p")
    home = Path(made.project.root) / "sites" / "home.yaml"
    home.write_text(home.read_text() + "\nrisk: {method: selected, scenarios: 3, cvar_level: 0.9}\n")
    for target, kwh, seed in (("house", 1.0, 1), ("pv", 0.5, 2)):
        later = {"issued_at_utc": DAY + timedelta(hours=1), "forecast_id": f"wide-{target}"}
        known = uncertain_forecast(target, kwh, seed=seed).model_copy(update=later)
        made.project.forecasts.add(known, FixedClock(NOW))
    yield made
    made.close()


def planned(bed: Bed, hours: float) -> tuple[Plan, dict[str, Any]]:
    """The plan of the job that runs so many hours after NOW, and what the run tells."""
    at_utc = NOW + timedelta(hours=hours)
    project = ProjectResource(root=bed.project.root)
    resources = {"project": project, "clock": FixedClock(at_utc)}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(SITES.name, ["home"])
        done = dg.materialize([core_site__plan], partition_key="home", instance=instance, resources=resources)
    (told,) = done.asset_materializations_for_node("core_site__plan")
    said = {name: value.value for name, value in told.metadata.items()}
    return project.plans.get(said["plan_id"]), said


def read(bed: Bed, import_kwh: float) -> None:
    """Quarter hours of the meter at the grid from ten to eleven."""
    quarters = [DAY + timedelta(hours=10, minutes=15 * n) for n in range(4)]
    rows = pl.DataFrame(
        {"interval_start_utc": quarters * 2, "register": ["import"] * 4 + ["export"] * 4,
         "value": [import_kwh] * 4 + [0.0] * 4},
        schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
    ).select(
        pl.lit("home").alias("site_id"), pl.lit("grid").alias("meter_id"), "register", "interval_start_utc",
        pl.lit(15, pl.Int32).alias("interval_minutes"), pl.lit(15, pl.Int32).alias("source_minutes"), "value",
        pl.lit("kwh").alias("unit"), pl.lit(0, pl.Int32).alias("quality_code"), pl.lit(1).alias("source_line"),
        pl.lit(True).alias("is_synthetic"), pl.lit(False).alias("is_correction"),
    )  # fmt: skip
    info = BatchInfo(
        site_id="home", source_name="g.csv", source_sha256=f"{import_kwh:064.3f}"[-64:].replace(".", "0"), reader="csv",
        reader_version="1", accepted_rows=rows.height, rejected_rows=0, is_synthetic=True,
    )  # fmt: skip
    bed.project.lake.write_batch(info, rows, unchanged_rows=0, clock=FixedClock(NOW + timedelta(hours=1)))


def test_a_plan_over_scenarios_tells_its_promise_its_worth_and_how_the_ones_before_were_kept(bed: Bed) -> None:
    first, told = planned(bed, 0.02)
    assert first.request.uncertain is not None, first.request.inputs
    assert len(first.request.uncertain.scenarios) == 3
    assert first.risk is not None
    assert (told["promised_level"], told["promised_cost"]) == (0.9, first.risk.promised_cost)
    assert first.risk.promised_cost >= first.risk.expected_cost
    # The band is that of what the plan says it costs.
    assert first.paid == pytest.approx(first.risk.expected_cost)
    assert first.cost_band is not None
    assert first.cost_band.low < first.paid < first.cost_band.high == first.risk.promised_cost
    ends = f"between {first.cost_band.low:.2f} and {first.cost_band.high:.2f} {first.currency}"
    assert band_lines(first) == [f"  {ends} in 80% of all cases (P10 to P90 of 3 scenarios)"]
    assert f"in 80% of all cases it costs {ends}" in told["sentence"].replace("In", "in")
    alone = first.model_copy(update={"risk": None})
    assert alone.cost_band is None
    assert "planned for the mean alone" in band_lines(alone)[0]
    assert told["value_of_scenarios"] == first.risk.value
    assert first.risk.value is not None
    assert first.risk.value >= -1e-6
    assert told["promises"] == "no hour is over that was promised; 10% of them may cost more"
    assert "in 90% of all cases no more than" in told["sentence"]
    # The meter at the grid shows a little less, and as corrected more, than the hour of the promise may cost.
    made, project = promised_cost(case_of(first.request), series_of(first)), bed.project
    most_kwh, later_utc = made.cost / sum(made.buys), NOW + timedelta(hours=1)
    read_back = set[int]()
    for off_kwh, passed in ((-0.05, 0), (0.05, 1)):
        read(bed, most_kwh + off_kwh)
        (hour,), found = covered_hours(project.site("home"), project.lake, project.plans, now_utc=later_utc)
        assert (found.hours, found.passed, hour.is_passed) == (1, passed, bool(passed))
        assert (hour.plan_id, hour.promised) == (first.plan_id, made.cost)
        read_back.add(project.store.cache.place("promises").made)
    # A stored plan never changes: none was read back twice.
    assert len(read_back) == 1
    second, told = planned(bed, 1)
    assert second.request.start_utc == first.request.start_utc + timedelta(hours=1)
    assert told["promises"].startswith("1 of 1 hours cost more than promised, 100.0% where 10% were (chance alone: ")


def test_a_lake_that_goes_away_makes_a_good_plan_none_the_worse(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    current = Lake.current

    def gone(lake: Lake, *given: Any, **named: Any) -> Any:
        if named["meters"] == ["grid"]:
            raise Unreachable("the lake cannot be read")
        return current(lake, *given, **named)

    monkeypatch.setattr(Lake, "current", gone)
    made, told = planned(bed, 0.02)
    assert made.risk is not None
    assert told["promises"] == "how earlier plans kept theirs is not known: the lake cannot be read"
    assert (told["asked_because"], made.asked_because) == ("it was asked for by hand",) * 2
