"""The marts as known at an instant: built once in a process of its own, shown as being built, equal afterwards."""

import os
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock, parse_instant
from orchestration.warehouse.fresh import freshen_marts
from orchestration.warehouse.marts_as_of import _forget, past_folder
from tests.reports import plant
from tests.web.asking import PAGE, Answer
from tests.web.marts_world import LOST, Asking, make_project, plant_of_the_web
from tests.web.test_boards import text_of
from tests.web.test_reading_api import bare, command

pytestmark = pytest.mark.slow
ALL = Person(person_id="olga", name="Olga", roles=(Role.OPERATOR, Role.AUDITOR))
MONTH = {"site": "plant", "range": "2025-03", "limit": "1000"}


class World(NamedTuple):
    """A project in which the energy of a day was corrected after `then`. before: KPIs of the month as the command kept
    them at that time.
    """

    asking: Asking
    before: dict[str, Any]
    then: str
    now: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    project = make_project(tmp_path_factory.mktemp("then") / "project", plant_of_the_web())
    before = command(project, "kpis", "--site", "plant", "--period", "2025-03")
    # The command wrote by the clock of this machine, and what is recorded later is never recorded before.
    then = project.reports.store.known_at(FixedClock(plant.NOON))
    rows = plant.plant_rows(date(2025, 3, 17), date(2025, 3, 19), skip=LOST)
    clock = FixedClock(then + timedelta(hours=1))
    plant.write(project.lake, rows.with_columns(value=pl.col("value") * 2), clock, name="corrected.csv")
    # Made anew, for dbt need not start then.
    project.project.warehouse_file.unlink()
    freshen_marts(project, clock=clock, doing=lambda *_, **__: None)
    now = then + timedelta(hours=2)
    yield World(Asking(project, FixedClock(now), ALL), before, as_of(then), as_of(now))
    project.close()


def when_built(asking: Asking, path: str, **query: str) -> Answer:
    """The answer once it is there."""
    for _ in range(600):
        answer = asking.get(path, **query)
        if answer.status != 202:
            return answer
        time.sleep(0.2)
    raise AssertionError("never built")


def as_of(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"


def test_it_is_told_that_they_are_being_built_and_then_the_old_numbers_are_there(world: World) -> None:
    asking, then = world.asking, world.then
    page = asking.get("/energy", [PAGE], site="plant", period="2025-03", as_of=then)
    assert page.status == 202
    assert "being built, about" in text_of(page.text)
    assert int(page.headers["refresh"]) > 0
    told = asking.get("/api/v1/ems/kpis", **MONTH, as_of=then)
    assert (told.status, told.headers["location"]) == (202, told.said["location"])
    assert asking.get(told.said["location"]).said["state"] in ("queued", "running", "done")
    rows = when_built(asking, "/api/v1/ems/kpis", **MONTH, as_of=then).said["rows"]
    assert bare(rows) == bare(world.before["rows"])
    # What a report kept then is what its figures still say.
    kept = {row["kpi"]: row["figure_id"] for row in world.before["rows"] if row["scope"] == "site:plant"}
    found = {row["kpi"]: row["value"] for row in rows if row["scope"] == "site:plant"}
    assert asking.json(f"/figures/{kept['consumption_kwh']}")["figure"]["value"] == found["consumption_kwh"]
    now = {row["kpi"]: row["value"] for row in asking.json("/kpis", **MONTH)["rows"] if row["scope"] == "site:plant"}
    assert now["consumption_kwh"] > found["consumption_kwh"]


def test_every_page_of_then_opens_and_differs_from_that_of_now(world: World) -> None:
    asking, then = world.asking, world.then
    when_built(asking, "/api/v1/ems/kpis", **MONTH, as_of=then)
    for path in ("/energy", "/board/ops", "/board/site", "/board/exec", "/board/audit", "/enpi", "/enpi/plant/hvac"):
        query = {} if path.startswith("/enpi/") else {"site": "plant"}
        query |= {"period": "2025-03", "grain": "day"} if path == "/energy" else {}
        old, new = (asking.get(path, [PAGE], **query, **more) for more in ({"as_of": then}, {}))
        assert (old.status, new.status) == (200, 200), path
        assert text_of(old.text) != text_of(new.text), path
    for path in ("/series?range=2025-03&grain=day", "/running?", "/analytics/cost?range=2025-03", "/sites?"):
        assert asking.get(f"/api/v1/ems{path}&site=plant&as_of={then}").status == 200, path


def test_the_newest_instant_gives_the_newest_marts(world: World) -> None:
    now = world.asking.json("/kpis", **MONTH)["rows"]
    then = when_built(world.asking, "/api/v1/ems/kpis", **MONTH, as_of=world.now).said["rows"]
    assert bare(then) == bare(now)
    points = [
        when_built(world.asking, "/api/v1/ems/series", site="plant", range="2025-03-17", **more).said["rows"]
        for more in ({}, {"as_of": world.now})
    ]
    assert points[0] == points[1]


def test_why_of_then_is_made_again_from_the_readings_of_then(world: World) -> None:
    asked = {"site": "plant", "scope": "site:plant", "kpi": "consumption_kwh", "as_of": world.then}
    when_built(world.asking, "/api/v1/ems/kpis", **MONTH, as_of=world.then)
    hour = {"period": "2025-03-17", "at": "2025-03-17T10:00Z"}
    for query in ({"period": "2025-03"}, hour):
        old = world.asking.json("/why", **asked, **query)
        new = world.asking.json("/why", **{**asked, "as_of": ""} | query)
        assert (old["is_equal"], new["is_equal"]) == (True, True)
        assert old["figure"]["value"] < new["figure"]["value"], query


@pytest.mark.parametrize("path", ["/energy", "/board/ops", "/api/v1/ems/kpis", "/api/v1/ems/running", "/why"])
def test_an_instant_that_has_no_marts_is_one_sentence(world: World, path: str) -> None:
    query = {"site": "plant", **({"range": "2025-03"} if path.endswith("kpis") else {})}
    query |= {"kpi": "cost", "period": "2025-03", "scope": "site:plant"} if path == "/why" else {}
    for instant, status, said in (
        ("2100-01-01T00:00:00Z", 400, "is yet to come"),
        (as_of(plant.NOON - timedelta(days=1)), 404, "was known at"),
    ):
        found = world.asking.get(path, **query, as_of=instant)
        assert (found.status, found.said["code"]) == (status, "bad_as_of" if status == 400 else "nothing_known")
        assert said in found.said["detail"]


def test_instants_between_which_nothing_came_are_one_view(world: World) -> None:
    project = world.asking.project
    sites = [project.site("plant")]
    then = parse_instant(world.then)
    later = (then - timedelta(hours=1), then, then + timedelta(hours=2))
    names = [past_folder(project, sites, each).name for each in later]
    assert names[0] == names[1] != names[2]


def test_what_was_not_asked_for_longest_is_given_up_first(tmp_path: Path) -> None:
    for place, name in enumerate(("old", "older", "newest", ".left")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mart").write_bytes(b"x" * 100)
        os.utime(tmp_path / name, (1000 - 100 * (name == "older") + place, 1000 - 100 * (name == "older") + place))
    _forget(tmp_path, most_bytes=250, kept=tmp_path / "newest")
    assert {path.name for path in tmp_path.iterdir()} == {"old", "newest"}
    _forget(tmp_path, most_bytes=1, kept=tmp_path / "newest")
    assert {path.name for path in tmp_path.iterdir()} == {"newest"}


def test_a_build_that_fails_is_told_and_not_tried_again_at_once(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", plant_of_the_web(), has_marts=False)
    asking, then = Asking(project, FixedClock(plant.NOON), ALL), as_of(plant.NOON)
    try:
        for path in project.project.lake_dir.rglob("*.parquet"):
            path.unlink()
        found = when_built(asking, "/api/v1/ems/kpis", **MONTH, as_of=then)
        assert (found.status, found.said["code"]) == (422, "refused")
        assert "cannot be built" in found.said["detail"]
    finally:
        project.close()
