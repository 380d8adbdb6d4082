"""`meterloom plans` and `forecast list|show|scores` show what is stored as it was recorded, of its site alone."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from assets.stores.schema.tables_control import plans as plan_table
from assets.stores.seals import append_row
from assets.stores.transactions import site_transaction
from data_quality.contracts.control.forecast import SHADOW
from data_quality.contracts.control.forecast_score import ForecastScore
from data_quality.contracts.time import FixedClock, zone
from orchestration.open_project import OpenProject
from tests.controls.planning.examples import HOME, NOW
from tests.orchestration.test_cli import run
from tests.orchestration.test_plan_site import SUN_KWH, by_hour, home, project

__all__ = ["project"]
BEFORE = f"{NOW - timedelta(hours=1):%Y-%m-%dT%H:%MZ}"


def json_of(project: OpenProject, *words: str, code: int = 0) -> dict[str, Any]:
    done, out, error = run(*words, "--json", "--project", project.root)
    assert done == code, error
    return dict(json.loads(out)) if done == 0 else {"said": error}


def other_site(project: OpenProject) -> None:
    """A site of which nothing is stored."""
    Path(project.root, "sites", "other.yaml").write_text(json.dumps(home() | {"site_id": "other"}))


def test_a_plan_is_listed_and_shown_as_it_was_made(project: OpenProject) -> None:
    made = json_of(project, "plan", "--site", "home")
    (line,) = json_of(project, "plans", "list", "--site", "home")["plans"]
    assert (line["cost"], line["without_control"], line["version"]) == (made["cost"], made["without_control"], 1)
    shown = json_of(project, "plans", "show", line["plan_id"], "--site", "home")
    assert shown["blocks"] == made["blocks"]
    assert {name: shown[name] for name in line} == line
    assert len(shown["steps"]) == len(project.plans.get(line["plan_id"]).steps)
    code, out, _ = run("plans", "show", line["plan_id"], "--site", "home", "--project", project.root)
    assert (code, made["blocks"][0]["sentence"] in out, line["plan_hash"] in out) == (0, True, True)
    assert made["start"] == shown["start"] == project.plans.get(line["plan_id"]).model_dump()["start"]
    said = "started from scratch: there is no plan before"
    assert said in out
    assert said in run("plan", "--site", "home", "--project", project.root)[1]


def test_a_plan_of_a_later_schema_hides_none_of_the_others_in_the_list(project: OpenProject) -> None:
    json_of(project, "plan", "--site", "home")
    plan_id = json_of(project, "plans", "list", "--site", "home")["plans"][0]["plan_id"]
    later = project.plans.get(plan_id).model_dump(mode="json") | {"plan_id": f"{plan_id}-later", "schema_version": 9}
    with site_transaction(project.store, "home") as connection:
        append_row(
            connection, plan_table, plan_id=later["plan_id"], site_id="home", version=2, plan_hash="h",
            input_digest="d", plan=later, recorded_at_utc=NOW,
        )  # fmt: skip
    listed = json_of(project, "plans", "list", "--site", "home")
    assert [each["plan_id"] for each in listed["plans"]] == [plan_id]
    ((told,)) = listed["unread"]
    assert (told["plan_id"], told["reason"]) == (later["plan_id"], "plan_schema")
    said = f"plan {plan_id}-later is of schema 9: this version reads schemas up to 2"
    assert said == told["message"]
    assert said in run("plans", "list", "--site", "home", "--project", project.root)[1]


def test_a_plan_is_of_its_site_and_of_its_time_alone(project: OpenProject) -> None:
    json_of(project, "plan", "--site", "home")
    other_site(project)
    ((plan_id,)) = [each["plan_id"] for each in json_of(project, "plans", "list", "--site", "home")["plans"]]
    assert json_of(project, "plans", "list", "--site", "other")["plans"] == []
    assert json_of(project, "plans", "list", "--site", "home", "--as-of", BEFORE)["plans"] == []
    for more in (("--site", "other"), ("--site", "home", "--as-of", BEFORE)):
        told = json_of(project, "plans", "show", plan_id, *more, code=2)["said"]
        nowhere = json_of(project, "plans", "show", "none", *more, code=2)["said"]
        assert told == nowhere.replace("none", plan_id)


def test_forecasts_are_listed_shown_and_scored_by_target(project: OpenProject) -> None:
    every = json_of(project, "forecast", "list", "--site", "home")["forecasts"]
    assert sorted(each["target"] for each in every) == ["meter:house", "meter:pv"]
    (sun,) = json_of(project, "forecast", "list", "--site", "home", "--target", "meter:pv")["forecasts"]
    shown = json_of(project, "forecast", "show", sun["forecast_id"], "--site", "home")
    assert (sun["role"], sun["is_shadow"]) == ("leads", False)
    tried = by_hour("pv", SUN_KWH).model_copy(update={"forecast_id": "tried", "labels": {SHADOW: "b"}})
    project.forecasts.add(tried, FixedClock(NOW))
    listed = run("forecast", "list", "--site", "home", "--target", "meter:pv", "--project", project.root)[1]
    assert [line.split()[0] == "tried" for line in listed.splitlines() if "challenger" in line] == [True]
    assert len(shown["rows"]) == sun["steps"]
    assert {row["p50"] for row in shown["rows"]} <= set(SUN_KWH)
    project.forecasts.add_scores([_score("meter:pv"), _score("meter:house")], FixedClock(NOW))
    (score,) = json_of(project, "forecast", "scores", "--site", "home", "--target", "meter:pv")["scores"]
    assert (score["target"], score["coverage"]) == ("meter:pv", 0.8)
    assert json_of(project, "forecast", "scores", "--site", "home", "--as-of", BEFORE)["scores"] == []
    assert (
        "there are meter:house, meter:pv"
        in json_of(project, "forecast", "list", "--site", "home", "--target", "meter:gas", code=2)["said"]
    )


def test_a_forecast_is_of_its_site_and_of_its_time_alone(project: OpenProject) -> None:
    other_site(project)
    late = by_hour("pv", SUN_KWH).model_copy(update={"forecast_id": "late"})
    project.forecasts.add(late, FixedClock(NOW))
    assert json_of(project, "forecast", "list", "--site", "other")["forecasts"] == []
    for more in (("--site", "other"), ("--site", "home", "--as-of", BEFORE)):
        assert "unknown forecast 'late'" in json_of(project, "forecast", "show", "late", *more, code=2)["said"]


def _score(target: str) -> ForecastScore:
    yesterday = NOW.astimezone(zone(HOME.time_zone)).date() - timedelta(days=1)
    return ForecastScore(
        site_id="home", target=target, local_day=yesterday, lead="d1", model_name="m", model_version="1",
        is_shadow=False, is_synthetic=False, n=24, coverage=0.8, pinball=0.1, crps=0.2, nrmse=0.1, bias=0.0,
        floor_crps=0.3,
    )  # fmt: skip
