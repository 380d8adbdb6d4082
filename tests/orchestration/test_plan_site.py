"""A home without a template and without a connection is planned from what is stored and assumed, and all of it told."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.stores.lake.lake import BatchInfo
from assets.stores.ledgers.job_outcomes import failed_jobs
from controls.ledger.modes import set_mode
from controls.planning.context import PlanningContext
from controls.planning.frozen_plan import commands_of
from controls.planning.make import make_plan_now
from controls.planning.plan_inputs import left_out, not_measured
from data_quality.contracts.control.command import Mode
from data_quality.contracts.control.forecast import Forecast
from data_quality.contracts.control.plan import Plan
from data_quality.contracts.finding import Finding
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.controls.ledger.rows_of import CARLA
from tests.controls.planning.examples import DAY, HOME, NOW, forecast
from tests.orchestration.test_cli import run

KEYS = {"blocks", "cost", "cost_band", "without_control", "habit_cost", "currency", "start", "assumptions", "findings"}
# Of its numbers, where there is a plan.
IDS = {"figure_ids", "figure_ids_until_utc"}
DRIVERS = [
    {"driver_id": "charge", "unit": "percent", "aggregation": "mean"},
    {"driver_id": "price", "unit": "per_kwh", "aggregation": "mean"},
]
CAR = {
    "asset_id": "car",
    "kind": "ev_charger",
    "params": {"capacity_kwh": 60, "max_current_a": 32, "departure": "07:30"},
}
TARIFF = {
    "tariff_id": "day_and_night", "valid_from": "2025-01-01", "valid_to": "2027-01-01", "export_price_per_kwh": 0.6,
    "periods": [
        {"period_id": "night", "price_per_kwh": 1.5, "start": "22:00", "end": "06:00"},
        {"period_id": "day", "price_per_kwh": 6.0, "start": "06:00", "end": "22:00"},
    ],
}  # fmt: skip
# Of each three hours of a day.
USED_KWH = (0.3, 0.31, 0.7, 0.52, 0.61, 0.83, 1.4, 0.9)
SUN_KWH = (0.0, 0.0, 0.4, 2.6, 2.1, 0.2, 0.0, 0.0)


def home(**changes: Any) -> dict[str, Any]:
    """The home as its file says it: battery, PV and car, no template anywhere."""
    content = HOME.model_dump(mode="json", exclude_unset=True)
    battery, pv = ({k: v for k, v in one.items() if k != "template"} for one in content["assets"])
    content |= {"assets": [battery | {"state_meter": "charge"}, pv | {"meter": "pv"}, CAR], "drivers": DRIVERS}
    content |= {"tariffs": [TARIFF], "forecast_targets": ["house", "pv"], "is_simulated": False}
    content["meters"].append({"meter_id": "pv", "parent": "grid", "registers": [{"register_id": "value"}]})
    return {
        name: value
        for name, value in (content | changes).items()
        if name != "price_stream" or "price_stream" in changes
    }


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenProject]:
    """The home with forecasts, at 11:07 of its clock, in SIMULATION as every new site."""
    monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: FixedClock(NOW))
    # Why a plan is so takes as long as it may: another file's tests ask it.
    monkeypatch.setattr(
        "orchestration.views.planning_context.PlanningContext", partial(PlanningContext, explained_within_s=0.3)
    )
    (tmp_path / "sites").mkdir()
    (tmp_path / "meterloom.yaml").write_text("{}")
    (tmp_path / "people.yaml").write_text(json.dumps({"people": [CARLA.model_dump(mode="json")]}))
    write(tmp_path, home())
    made = OpenProject(str(tmp_path))
    for target, course in (("house", USED_KWH), ("pv", SUN_KWH)):
        made.forecasts.add(by_hour(target, course), FixedClock(NOW - timedelta(minutes=1)))
    yield made
    made.close()


def by_hour(target: str, course: tuple[float, ...]) -> Forecast:
    """A forecast with a course over the day: of flat ones too many plans are alike."""
    made = forecast(target, 1.0)
    kwh = [course[row.time_utc.hour // 3] for row in made.rows]
    rows = [row.model_copy(update={"p10": x, "p50": x, "p90": x}) for row, x in zip(made.rows, kwh, strict=True)]
    return made.model_copy(update={"rows": tuple(rows)})


def write(folder: Path, content: dict[str, Any]) -> None:
    """Its site file."""
    (folder / "sites" / "home.yaml").write_text(json.dumps(content))


def read_charge(project: OpenProject, percent: float, start: datetime) -> None:
    """A stored quarter hour of the battery's charge."""
    stored(project, percent, start, meter="charge", register="value", unit="percent")


def stored(project: OpenProject, value: float, start: datetime, *, meter: str, register: str, unit: str) -> None:
    """A stored quarter hour."""
    rows = pl.DataFrame(
        {"interval_start_utc": [start]}, schema_overrides={"interval_start_utc": pl.Datetime("us", "UTC")}
    ).select(
        pl.lit("home").alias("site_id"), pl.lit(meter).alias("meter_id"), pl.lit(register).alias("register"),
        "interval_start_utc", pl.lit(15, pl.Int32).alias("interval_minutes"),
        pl.lit(15, pl.Int32).alias("source_minutes"), pl.lit(value).alias("value"), pl.lit(unit).alias("unit"),
        pl.lit(0, pl.Int32).alias("quality_code"), pl.lit(1).alias("source_line"), pl.lit(False).alias("is_synthetic"),
        pl.lit(False).alias("is_correction"),
    )  # fmt: skip
    digest = sha256(meter.encode()).hexdigest()
    info = BatchInfo(
        site_id="home", source_name=f"{meter}.csv", source_sha256=digest, reader="csv", reader_version="1",
        accepted_rows=1, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    project.lake.write_batch(info, rows, unchanged_rows=0, clock=FixedClock(NOW - timedelta(minutes=2)))


def plan_json(project: OpenProject, *words: str, code: int = 0) -> dict[str, Any]:
    """Answer of `meterloom plan --site home --json`."""
    done, out, error = run("plan", "--site", "home", *words, "--json", "--project", project.root)
    assert done == code, error
    answer = json.loads(out)
    assert set(answer) - IDS == KEYS
    return dict(answer)


def test_the_next_hours_are_told_as_blocks_with_what_they_are_worth_and_what_is_assumed(project: OpenProject) -> None:
    answer = plan_json(project)
    assert answer["assumptions"] == [
        "battery is assumed to be half full, 5.2 of 10 kWh: nothing says its state",
        "car is assumed to be plugged in and 8.0 kWh short of its goal: nothing says its state",
    ]
    for block in answer["blocks"]:
        hours = (datetime.fromisoformat(block["end_utc"]) - datetime.fromisoformat(block["start_utc"])) / timedelta(
            hours=1
        )
        assert block["kwh"] == pytest.approx(block["kw"] * hours)
        assert block["sentence"].startswith(f"{block['device']} ")
    car = sum(block["kwh"] for block in answer["blocks"] if block["device"] == "car")
    assert car == pytest.approx(8.0 / 0.9, abs=0.01)
    # At night it costs a quarter: whoever charges the car when it comes pays the day's price.
    assert answer["cost"] < answer["habit_cost"] <= answer["without_control"] + 1e-6
    assert (answer["currency"], answer["findings"]) == ("CZK", [])


def test_the_same_inputs_twice_are_the_stored_plan_and_a_stored_reading_is_told_with_its_time(
    project: OpenProject,
) -> None:
    read_charge(project, 80.0, NOW.replace(minute=45) - timedelta(hours=1))
    answer = plan_json(project)
    assert answer["assumptions"][0] == "battery begins with 80 %, charge of 2026-01-01 10:00Z"
    first = project.plans.latest("home")
    assert first is not None
    assert first.request.inputs["soc_age_s"] == "420"
    assert plan_json(project) == answer
    assert project.plans.latest("home") == first
    # A day later the same reading says nothing any more.
    read = make_plan_now(project.planning_context(project.site("home"), FixedClock(NOW + timedelta(hours=25))))
    assert isinstance(read, Finding), "its forecasts are older than a day"


def test_tomorrow_is_the_local_day_from_what_today_leaves_and_is_not_stored(
    project: OpenProject, tmp_path: Path
) -> None:
    picture = tmp_path / "tomorrow.png"
    answer = plan_json(project, "--for", "tomorrow", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    start = DAY + timedelta(hours=23)
    assert all(start <= datetime.fromisoformat(block["start_utc"]) for block in answer["blocks"])
    assert answer["findings"] == []
    stored = project.plans.latest("home")
    assert stored is not None
    assert stored.steps[0].start_utc < start, "the plan that is followed begins now"
    code, out, error = run("plan", "--site", "home", "--for", "tomorrow", "--project", project.root)
    assert code == 0, error
    assert "Home, Fri 2026-01-02 00:00 to Sat 2026-01-03 00:00" in out
    assert "with no control" in out
    assert run("plan", "--site", "home", "--for", "2025-12-31", "--project", project.root)[0] == 2


def test_what_keeps_a_plan_from_being_made_is_a_finding_with_its_mend_until_one_is_made(
    project: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path(project.root), home(forecast_targets=["pv"]))
    (finding,) = plan_json(project, code=1)["findings"]
    assert finding["code"] == "no_load_forecast"
    assert finding["facts"]["mend"] == f"meterloom forecast issue --site home --project {project.root}"
    (kept,) = failed_jobs(project.store, ["home"])
    assert kept.message == f"job plan: {finding['message']}"
    write(Path(project.root), home())
    a_minute_later = FixedClock(NOW + timedelta(minutes=1))
    monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: a_minute_later)
    plan_json(project)
    assert failed_jobs(project.store, ["home"]) == []


def with_templates(project: OpenProject, mode: Mode) -> Plan | Finding:
    """A plan of the home whose battery and car have templates; the battery answers, the car does not."""
    content = home()
    content["assets"][0]["template"], content["assets"][2] = "sim_battery_10kwh", CAR | {"template": "sim_ev_charger"}
    write(Path(project.root), content)
    clock = FixedClock(NOW)
    set_mode(project.store, "home", mode=mode, person=CARLA, reason="test", clock=clock)

    class Silent(dict[str, Any]):
        faults = {"car": "Modbus device 127.0.0.1:1 unit 3 does not answer"}

    desk = project.planning_context(project.site("home"), clock)
    return make_plan_now(replace(desk, read_states=lambda: Silent(battery=(5.0, 1.0))))


def test_where_commands_follow_a_silent_device_is_left_out_and_the_rest_is_planned(project: OpenProject) -> None:
    made = with_templates(project, Mode.PARTIAL)
    assert isinstance(made, Plan), made
    assert left_out(made.request.inputs) == {
        "car": "the car's charge is not known: Modbus device 127.0.0.1:1 unit 3 does not answer"
    }
    assert {device.device_id for device in made.request.devices} == {"battery", "pv"}
    assert {each.device_id for each in commands_of(made, project.site("home"), epoch=0)} == {"battery"}


def test_a_car_that_leaves_soon_is_assumed_to_want_what_it_can_still_get(project: OpenProject) -> None:
    """Assumed 8 kWh short at 11 kW and 45 minutes before it leaves, it left the whole home without a plan."""
    content = home()
    content["assets"][2] = CAR | {"params": CAR["params"] | {"max_current_a": 16, "phases": 3, "departure": "11:45"}}
    write(Path(project.root), content)
    answer = plan_json(project)
    assert answer["assumptions"][1].startswith("car is assumed to be plugged in and 6.0 kWh short of its goal")
    assert "car" in {block["device"] for block in answer["blocks"]}


def test_where_no_device_that_is_commanded_answers_tomorrow_is_planned_from_assumptions_and_says_so(
    project: OpenProject,
) -> None:
    content = home()
    content["assets"][0]["template"], content["assets"][2] = "sim_battery_10kwh", CAR | {"template": "sim_ev_charger"}
    write(Path(project.root), content)
    set_mode(project.store, "home", mode=Mode.PARTIAL, person=CARLA, reason="test", clock=FixedClock(NOW))
    refused = plan_json(project, code=1)
    assert refused["blocks"] == []
    assert "without commands: meterloom plan --site home --for tomorrow" in refused["findings"][0]["facts"]["mend"]
    answer = plan_json(project, "--for", "tomorrow")
    assert {block["device"] for block in answer["blocks"]} >= {"battery", "car"}
    assert answer["findings"][0]["severity"] == "blocking"
    assert [line.split(":")[0] for line in answer["assumptions"]] == [
        "battery is assumed to be half full, 5.2 of 10 kWh",
        "car is assumed to be plugged in and 8.0 kWh short of its goal",
    ]
    assert project.plans.latest("home") is None, "nobody commands what is only shown"
    (kept,) = failed_jobs(project.store, ["home"])
    assert "is not known" in kept.message, "and what keeps commands from a plan is open all the same"


def test_below_that_it_is_planned_from_an_assumption_and_gets_no_command_all_the_same(project: OpenProject) -> None:
    made = with_templates(project, Mode.ADVISORY)
    assert isinstance(made, Plan), made
    assert set(not_measured(made.request.inputs)) == {"car"}
    assert "does not answer" in not_measured(made.request.inputs)["car"]
    assert {each.device_id for each in commands_of(made, project.site("home"), epoch=0)} == {"battery"}


def test_next_leads_to_the_plan_and_from_there_to_the_devices(
    project: OpenProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps() -> list[str]:
        """The commands of `meterloom next` about devices."""
        answer = json.loads(run("next", "--site", "home", "--json", "--project", project.root)[1])
        found = [each["command"].removesuffix(f" --project {project.root}") for each in answer["steps"]]
        return [each for each in found if each.split()[1] in {"plan", "forecast", "dispatch", "devices"}]

    assert steps() == [], "nobody plans without a single reading"
    stored(project, 0.2, NOW - timedelta(hours=1), meter="house", register="import", unit="kwh")
    assert steps() == ["meterloom plan --site home --for tomorrow"]
    plan_json(project)
    assert steps() == []
    content = home()
    content["assets"][0]["template"] = "sim_battery_10kwh"
    write(Path(project.root), content)
    assert steps() == ["meterloom devices test battery --site home"]
    later = FixedClock(NOW + timedelta(minutes=20))
    monkeypatch.setattr("orchestration.operations.operation.SystemClock", lambda: later)
    desk = project.planning_context(project.site("home"), later)
    measured = make_plan_now(replace(desk, read_states=lambda: {"battery": (5.0, 1.0)}))
    assert isinstance(measured, Plan), measured
    assert steps()[0].startswith("meterloom dispatch mode ADVISORY --site home --as carla")


def test_numbers_of_a_plan_are_quoted_by_their_ids_and_nothing_is_planned_again(project: OpenProject) -> None:
    said = plan_json(project)
    assert {"/cost", "/without_control", "/habit_cost", "/blocks/0/kwh"} <= said["figure_ids"].keys()
    _, plans, _ = run("plans", "list", "--site", "home", "--json", "--project", project.root)
    code, out, error = run("trace", said["figure_ids"]["/cost"], "--json", "--project", project.root)
    assert code == 0, error
    told = json.loads(out)
    assert (told["figure"]["value"], told["recomputed"], told["is_equal"]) == (said["cost"], None, None)
    assert told["parameters"]["command"] == "meterloom plan --site home"
    assert "an act is not done again" in run("trace", said["figure_ids"]["/cost"], "--project", project.root)[1]
    assert run("plans", "list", "--site", "home", "--json", "--project", project.root)[1] == plans
