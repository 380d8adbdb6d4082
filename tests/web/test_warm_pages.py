"""A page that was shown once rests on what the project's cache holds, and makes none of it again."""

from pathlib import Path

import pytest

from data_quality.contracts.time import FixedClock
from data_quality.contracts.work.project_cache import PLACES
from orchestration.web.cache import answers_of
from tests.house.walk import walked
from tests.reports import plant
from tests.web.asking import PAGE
from tests.web.marts_world import VERA, Asking, make_project, plant_of_the_web

pytestmark = pytest.mark.slow


def test_a_warm_page_hits_and_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A file that was written a moment ago is read again: it may be written once more within the clock's step.
    monkeypatch.setattr("assets.sites.load_sites._SETTLED_NS", 0)
    project = make_project(tmp_path / "project", plant_of_the_web())
    asking = Asking(project, FixedClock(plant.NOON), VERA)
    for path in ("/energy", "/energy?period=2025-02"):
        # The first answer has seen files that are too young to be kept by their times.
        first, second = asking.get(path, [PAGE]), asking.get(path, [PAGE])
        before = {name: project.cache.place(name).made for name in PLACES}
        hits = project.cache.place("answers").hits
        assert asking.get(path, [PAGE]).text == second.text == first.text != ""
        assert {name: project.cache.place(name).made for name in PLACES} == before
        assert project.cache.place("answers").hits > hits
    project.close()


@pytest.mark.parametrize(
    ("target", "most_files", "most_climbs"),
    [
        ("/api/v1/ems/kpis?scope=site:plant&range=2025-02&kpi=consumption_kwh", 28, 7),
        ("/energy?period=2025-02&grain=month", 35, 9),
        # Without the readings of the month: whether they are coarse stands in the marts.
        ("/api/v1/ems/running", 45, 15),
    ],
)
def test_a_warm_question_runs_through_few_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, most_files: int, most_climbs: int
) -> None:
    monkeypatch.setattr("assets.sites.load_sites._SETTLED_NS", 0)
    project = make_project(tmp_path / "project", plant_of_the_web())
    asking = Asking(project, FixedClock(plant.NOON), VERA)
    headers = [PAGE] if target.startswith("/energy") else []
    for _ in range(2):
        assert asking.get(target, headers).status == 200
    answers_of(project).forget()
    walk = walked(lambda: asking.get(target, headers).status == 200)
    project.close()
    assert walk.is_answered
    assert len(walk.files) <= most_files, walk.files
    assert walk.climbs <= most_climbs, walk.files


def test_the_lake_of_an_opened_project_is_one_until_it_is_closed(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", plant_of_the_web())
    lake = project.lake
    assert project.lake is lake
    assert lake.store is project.store
    project.close()
    assert project.lake is not lake
    assert project.lake.store is project.store
    project.close()
