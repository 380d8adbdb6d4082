"""`meterloom simulate` and the job of a month: policies side by side, and what they refuse."""

import base64
import json
from datetime import UTC, date, datetime
from html import unescape
from pathlib import Path
from typing import Any

import pytest

import assets.sites
from assets.sites.load_sites import load_site
from controls.planning.closed_loop.run_loop import LoopRun, side_by_side
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import local_midnight_utc
from data_quality.contracts.work.work_port import in_order
from orchestration.closed_loops import simulate
from orchestration.closed_loops.simulate import LoopTask
from orchestration.jobs import closed_loop_month
from orchestration.resources import ProjectResource
from orchestration.workers import fan_out as fan_out_module
from tests.orchestration.test_cli import run

DEMO = Path(assets.sites.__file__).parent / "demo" / "home.yaml"
DAY = ("--from", "2024-01-15", "--to", "2024-01-16")
START = datetime(2024, 1, 15, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "p"
    assert run("init", str(folder))[0] == 0
    (folder / "sites" / "home.yaml").write_text(DEMO.read_text())
    return folder


def test_policies_stand_side_by_side_with_intervals_over_seeds_and_a_picture(project: Path, tmp_path: Path) -> None:
    words = ("simulate", "--site", "home", *DAY, "--policy", "no_control", "thermostat", "--seeds", "2", "--json")
    code, output, error = run(*words, "--picture", str(tmp_path / "cost.png"), folder=project)
    assert code == 0, error
    found: dict[str, Any] = json.loads(output)
    assert found["is_synthetic"] is True
    assert [line["name"] for line in found["policies"]] == ["no_control", "thermostat"]
    first = found["policies"][0]
    assert {"cost", "kgco2e", "discomfort_degree_hours", "cycles", "switchings", "interval"} <= first.keys()
    low, high = first["interval"]["cost"]["low"], first["interval"]["cost"]["high"]
    assert low <= first["cost"] <= high
    assert first["cycles"] == 0
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("home", *DAY, "--policy", "luck"), "unknown policy 'luck'"),
        (("home", "--from", "2024-01-15", "--to", "2024-01-15"), "--to must be 1 to 400 days after --from"),
        (("my_site", *DAY), "main has readings of 0% of the quarter hours"),
    ],
)
def test_what_cannot_be_lived_is_refused_in_a_sentence(project: Path, words: tuple[str, ...], said: str) -> None:
    code, out, error = run("simulate", "--site", *words, folder=project)
    assert code != 0
    assert said in out + error


def test_a_month_is_a_job_that_tells_and_draws_what_the_command_does(project: Path, tmp_path: Path) -> None:
    names, picture = ["no_control"], tmp_path / "cost.png"
    config = {"site": "home", "month": "2024-02", "policies": names, "seed": 3}
    done = closed_loop_month.execute_in_process(
        run_config={"ops": {"month_of_closed_loops": {"config": config}}},
        resources={"project": ProjectResource(root=str(project))},
    )
    (told,) = (event.step_output_data.metadata for event in done.all_node_events if event.is_successful_output)
    span = ("--from", "2024-02-01", "--to", "2024-03-01", "--seed", "3", "--policy", *names)
    code, output, error = run("simulate", "--site", "home", *span, "--picture", str(picture), "--json", folder=project)
    assert code == 0, error
    found = json.loads(output)
    columns, _, *rows = unescape(str(told["policies"].value)).splitlines()
    shown = [name.strip() for name in columns.strip("|").split("|")]
    for row, line in zip(rows, found["policies"], strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        said = ["\u2013" if line[name] is None else line[name] for name in shown]
        assert cells == [f"{value:,.2f}" if isinstance(value, float) else value for value in said]
    drawn = base64.b64encode(picture.read_bytes()).decode()
    assert drawn in str(told["picture"].value)
    assert (told["currency"].value, told["is_synthetic"].value) == (found["currency"], True)


def test_what_is_saved_is_held_against_the_same_house() -> None:
    def came_to(policy: str, seed: int, cost: float) -> LoopRun:
        lived = dict.fromkeys(("kgco2e", "discomfort_kh", "breach_share", "cycles", "switchings"), 0.0)
        lived |= {"cost": cost, "import_kwh": 1.0, "export_kwh": 0.0, "pv_kwh": 0.0}
        return LoopRun.model_validate(
            {
                "policy": policy,
                "seed": seed,
                "start_utc": "2024-01-01T00:00:00Z",
                "hours": 24,
                "lived": lived,
                "self_consumption": None,
                "days": (cost,),
            }
        )

    lines = side_by_side(
        [
            came_to(policy, seed, cost)
            for policy, costs in (("no_control", (100.0, 10.0)), ("deterministic", (50.0, 9.0)))
            for seed, cost in enumerate(costs)
        ]
    )
    assert lines[1].saved_share == pytest.approx((0.5 + 0.1) / 2)
    assert lines[1].interval["saved_share"].low == pytest.approx(0.1)
    assert lines[1].self_consumption is None


def test_rooms_are_fitted_from_their_readings_unless_told_otherwise(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def fan_out(_work: Any, tasks: list[LoopTask], **_named: Any) -> Any:
        asked.extend(task.fits_rooms for task in tasks)
        raise BadInput("asked enough", reason="enough")

    monkeypatch.setattr(fan_out_module, "port", lambda *_: fan_out)
    for words in ((), ("--fit-rooms",), ("--stated-rooms",)):
        run("simulate", "--site", "home", *DAY, "--policy", "deterministic", *words, folder=project)
    assert asked == [True, True, False]
    config = {"site": "home", "month": "2024-02", "policies": ["deterministic"]}
    monkeypatch.setattr(ProjectResource, "work", lambda *_: fan_out)
    with pytest.raises(BadInput, match="asked enough"):
        closed_loop_month.execute_in_process(
            run_config={"ops": {"month_of_closed_loops": {"config": config}}},
            resources={"project": ProjectResource(root=str(project))},
        )
    assert asked[3:] == [True]
    given: list[Any] = []
    monkeypatch.setattr(simulate, "run_policy", lambda *_, **named: given.append(named["identify"]))
    task = LoopTask(site=load_site(DEMO), policy="deterministic", seed=1, start_utc=START, hours=24)
    simulate.run_task(task)
    simulate.run_task(task.model_copy(update={"fits_rooms": False}))
    assert given == [simulate.identified, None]


@pytest.mark.parametrize(
    ("first", "after", "hours"), [("03-30", "04-01", 47), ("03-31", "04-01", 23), ("10-27", "10-28", 25)]
)
def test_a_day_is_one_on_which_the_clock_changes_too(first: str, after: str, hours: int) -> None:
    site = load_site(DEMO)
    start, end = (local_midnight_utc(date.fromisoformat(f"2024-{day}"), site.time_zone) for day in (first, after))
    span: dict[str, Any] = {"start_utc": start, "end_utc": end, "seeds": [1]}
    (lived,) = simulate.simulated(site, ["no_control"], **span, fan_out=in_order).runs
    assert (lived.hours, len(lived.days)) == (hours, -(-hours // 25))
    # The account at the end of the last day is the whole one.
    assert lived.days[-1] == pytest.approx(lived.lived.cost)
