"""A week of stored plans gives every hash again, also later, elsewhere, and after the readings were corrected."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.stores.lake.lake import BatchInfo
from assets.stores.ledgers.plans import StoredContent
from controls.defs import stored_plans_give_their_hash
from controls.optimiser.solution import Solution
from controls.optimiser.solve import solve
from controls.planning.frozen_plan import commands_of, content_hash, make_plan
from controls.planning.plan_inputs import STEP, plan_request
from controls.planning.replay.replay_plan import replay_plan
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.plan import BatteryParams, Plan, PlanRequest
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
from orchestration.resources import ProjectResource
from tests.controls.planning.examples import HOME, forecast, prices
from tests.controls.planning.toy_days import BATTERY, stored

# Local midnight in winter.
FIRST = datetime(2025, 12, 31, 23, tzinfo=UTC)
DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(7)]
THEN, LATER = FixedClock(FIRST + timedelta(days=8)), FixedClock(FIRST + timedelta(days=30))


def site() -> Site:
    """The small home, whose battery has a meter of its own; PV is left out, for it would need one too."""
    battery = HOME.assets[0].model_copy(update={"meter": "battery"})
    meters = [
        {"meter_id": "battery", "parent": "grid", "registers": [{"register_id": n} for n in ("charge", "discharge")]}
    ]
    content = HOME.model_dump(mode="json") | {
        "assets": [battery.model_dump(mode="json")],
        "forecast_targets": ["house"],
    }
    return Site.model_validate(content | {"meters": [*content["meters"], *meters]})


def kw(day: int, quarter: int) -> float:
    """Load of the house [kW]: another every quarter hour, so that no two plans cost the same."""
    return 0.5 + 0.07 * ((quarter * 7 + day * 3) % 29)


def rows(meter: str, register: str, values: dict[datetime, float], unit: str = "kwh") -> pl.DataFrame:
    """Readings as a batch brings them."""
    return pl.DataFrame(
        [
            {
                "site_id": "home", "meter_id": meter, "register": register, "interval_start_utc": at,
                "interval_minutes": 15, "source_minutes": 15, "value": value, "unit": unit, "quality_code": 0,
                "source_line": 1, "is_synthetic": True, "is_correction": False,
            }
            for at, value in values.items()
        ],
        schema_overrides={
            "interval_start_utc": pl.Datetime("us", "UTC"), "interval_minutes": pl.Int32, "source_minutes": pl.Int32,
            "quality_code": pl.Int32,
        },
    )  # fmt: skip


def read_in(project: OpenProject, changes: pl.DataFrame, sha: str, clock: FixedClock) -> None:
    """Bring readings into the lake."""
    info = BatchInfo(
        site_id="home", source_name="a.csv", source_sha256=sha * 64, reader="csv", reader_version="1",
        accepted_rows=changes.height, rejected_rows=0, is_synthetic=True,
    )  # fmt: skip
    project.lake.write_batch(info, changes, unchanged_rows=0, clock=clock)


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenProject]:
    """A project with a plan at midnight of each of seven days, and what came."""
    folder = tmp_path_factory.mktemp("week")
    home = site()
    (folder / "sites").mkdir()
    (folder / "sites" / "home.yaml").write_text(home.model_dump_json(exclude_none=True))
    (folder / "meterloom.yaml").write_text("{}")
    project = OpenProject(str(folder))
    tariff = prices().get_column("price_per_kwh")
    for n in range(7):
        now = FIRST + timedelta(days=n)
        foreseen = forecast("house", 1.0, issued_at_utc=now)
        hours = [
            row.model_copy(update={"time_utc": now + timedelta(hours=h), "p50": kw(n, h)})
            for h, row in enumerate(foreseen.rows)
        ]
        priced = pl.DataFrame(
            {"interval_start_utc": [now + k * STEP for k in range(192)], "price_per_kwh": tariff + 0.001 * n},
            schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")},
        )
        request = plan_request(
            home,
            load_forecast=foreseen.model_copy(update={"rows": tuple(hours)}),
            device_forecasts={},
            prices=priced,
            states={"battery": (4.0 + 0.5 * n, 1.0)},
            mode=Mode.FULL,
            now_utc=now,
        )
        assert isinstance(request, PlanRequest), request
        solution = solve(request)
        assert isinstance(solution, Solution), solution
        plan = make_plan(request, solution, created_at_utc=now, version=n + 1)
        project.plans.add_with_commands(plan, commands_of(plan, home, epoch=0), FixedClock(now))
    drew = {FIRST + timedelta(days=n) + k * STEP: kw(n, k) / 4 for n in range(7) for k in range(96)}
    spot = {FIRST + timedelta(days=n) + k * STEP: tariff[k] + 0.001 * n for n in range(7) for k in range(96)}
    came = pl.concat([rows("house", "import", drew), rows("spot", "value", spot, unit="per_kwh")])
    read_in(project, came, "1", THEN)
    yield project
    project.close()


def replayed(project: OpenProject, day: date, *words: str) -> dict[str, Any]:
    """JSON answer of the command, as a script reads it."""
    done = CliRunner().invoke(
        build_app(("replay",)), ["replay", str(day), "--site", "home", "--json", *words, "--project", project.root]
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def hashes(project: OpenProject) -> list[str]:
    """As the store has them."""
    return [one.plan.plan_hash for one in project.plans.begun("home", FIRST, FIRST + timedelta(days=7))]


def test_a_stored_week_gives_every_plan_hash_again(week: OpenProject) -> None:
    found = [replay_plan(one) for one in week.plans.begun("home", FIRST, FIRST + timedelta(days=7))]
    assert [(one.replayed_hash, one.is_same, one.sentence) for one in found] == [
        (plan_hash, True, "gives the same plan") for plan_hash in hashes(week)
    ]
    assert len(set(hashes(week))) == 7


# Another interpreter: a second of imports.
def test_another_process_finds_the_same_and_comes_near_no_device(week: OpenProject) -> None:
    script = """
import json, sys
from datetime import UTC, datetime
from typer.testing import CliRunner
from controls.planning.replay.replay_plan import replay_plan
from orchestration.cli.main import build_app
from orchestration.open_project import OpenProject
words = ["replay", sys.argv[2], "--site", "home", "--json", "--project", sys.argv[1]]
told = json.loads(CliRunner().invoke(build_app(("replay",)), words).stdout)["plan_hash"]
plans = OpenProject(sys.argv[1]).plans.begun("home", datetime(2025, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
near = [name for name in sys.modules if name.startswith(("controls.gateways", "controls.agent"))]
print(json.dumps([told, [replay_plan(one).replayed_hash for one in plans], near]))
"""
    command = [sys.executable, "-c", script, week.root, str(DAYS[4])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [hashes(week)[4], hashes(week), []]


def test_a_correction_changes_what_a_day_cost_and_no_hash_and_as_of_still_knows_it_as_it_was(week: OpenProject) -> None:
    before = replayed(week, DAYS[2], "--policy", "no_control")
    start = FIRST + timedelta(days=2)
    changed = rows("house", "import", {start + k * STEP: kw(2, k) / 4 + 0.25 for k in range(4)})
    read_in(week, changed.with_columns(is_correction=pl.lit(value=True)), "2", LATER)
    after = replayed(week, DAYS[2], "--policy", "no_control")
    # 1 kWh more in the first hour of the local day, at the price of that night.
    assert after["policies"][0]["cost"] - before["policies"][0]["cost"] == pytest.approx(1.002)
    assert after["plan_hash"] == before["plan_hash"] == hashes(week)[2]
    as_then = replayed(
        week, DAYS[2], "--policy", "no_control", "--as-of", f"{THEN.now_utc() + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
    )
    assert as_then["policies"] == before["policies"]
    # Before the plan was stored there was none.
    early = CliRunner().invoke(
        build_app(("replay",)),
        ["replay", str(DAYS[2]), "--site", "home", "--as-of", "2025-12-01T00:00Z", "--project", week.root],
    )
    assert (early.exit_code, "no_plan" in early.stdout) == (1, True)


def test_a_plan_that_was_altered_or_comes_out_otherwise_is_told_step_by_step(week: OpenProject) -> None:
    (first,) = week.plans.begun("home", FIRST, FIRST + timedelta(days=1))
    assert replay_plan(first).sentence == "gives the same plan"
    content = json.loads(json.dumps(first.content))
    content["steps"][5]["import_kw"] += 1.0
    altered = replay_plan(type(first)(plan=type(first.plan).model_validate(content), content=content))
    assert (altered.is_whole, altered.is_same) == (False, False)
    assert altered.sentence.startswith("what is stored is not what was hashed when it was made; ")
    (difference,) = altered.differences
    assert (difference.part, difference.column) == ("site", "import_kw")
    assert difference.stored - difference.replayed == pytest.approx(1)
    assert "gives another plan in 1 of 96 steps, first at 2026-01-01 00:15Z (site, import_kw:" in altered.sentence
    assert altered.sentence.endswith("by up to 1; it costs the same; what it gives now is what was hashed then")


def test_the_daily_check_solves_the_plans_of_the_day_again(week: OpenProject) -> None:
    project = ProjectResource(root=week.root)
    found = stored_plans_give_their_hash(project=project, clock=FixedClock(FIRST + timedelta(days=3, hours=1)))
    project.close()
    assert isinstance(found, dg.AssetCheckResult)
    assert (found.passed, found.metadata["plans"].value, found.metadata["others"].value) == (True, 1, "")


def test_a_plan_in_the_shape_of_earlier_versions_gives_its_hash_too() -> None:
    made = stored((1.0, 2.0, 1.5, 2.5), prices=(1.0, 2.0, 3.0, 4.0), soc_kwh=1.0, pv={"pv_kw": [0.5] * 4})
    battery = BATTERY | {"soc_min": 0.0, "soc_max": 1.0, "wear_per_kwh": 0.0}
    request = {name: value for name, value in made.content["request"].items() if name != "devices"} | {
        "battery": {name: value for name, value in battery.items() if name in BatteryParams.model_fields},
        "soc_init_kwh": 1.0, "soc_end_min_kwh": 1.0, "pv_kw": [0.5] * 4, "pv_limit_min_kw": 0.0,
    }  # fmt: skip
    steps = [
        {name: value for name, value in step.items() if name != "devices"}
        | step["devices"]["battery"]
        | step["devices"]["pv"]
        for step in made.content["steps"]
    ]
    content = made.content | {"request": request, "steps": steps, "plan_hash": content_hash(request, steps)}
    old = replay_plan(StoredContent(plan=Plan.model_validate(content), content=content))
    assert (old.is_same, old.replayed_hash) == (True, content["plan_hash"])
    assert old.plan_hash != made.plan.plan_hash


def test_a_policy_that_nobody_knows_is_refused_with_those_there_are(week: OpenProject) -> None:
    words = ["replay", str(DAYS[0]), "--site", "home", "--policy", "planned", "magic", "--project", week.root]
    done = CliRunner().invoke(build_app(("replay",)), words)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "--policy: unknown policy 'magic'; expected no_control, self_consumption, planned, executed, right_forecasts, "
        "perfect_foresight, economic, comfort, environmental, balanced, peak_shaving"
    )
