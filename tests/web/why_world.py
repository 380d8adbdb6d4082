"""A project of the plant with marts, for the tests of reasons, EnPIs and the guide's endpoints; copies to write in."""

import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from tests.reports import plant
from tests.web.asking import Answer, answer_of
from tests.web.marts_world import THEO, VERA, Asking, make_project, plant_of_the_web

ANNE = Person(person_id="anne", name="Anne", roles=(Role.ANALYST, Role.ENGINEER))
LATER = plant.NOON + timedelta(hours=1)


@pytest.fixture(scope="module")
def plant_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's folder, with marts; nobody writes in it."""
    folder = tmp_path_factory.mktemp("why") / "project"
    make_project(folder, plant_of_the_web()).close()
    return folder


@pytest.fixture(scope="module")
def seen(plant_folder: Path) -> Iterator[Asking]:
    """The application as a viewer sees it."""
    project = OpenProject(str(plant_folder))
    yield Asking(project, FixedClock(LATER), VERA)
    project.close()


@pytest.fixture
def acted(plant_folder: Path, tmp_path: Path) -> Iterator[Asking]:
    """A copy of it, as somebody sees it who may write."""
    folder = tmp_path / "project"
    shutil.copytree(plant_folder, folder)
    (folder / "people.yaml").write_text("people: [{person_id: anne, name: Anne, roles: [analyst, engineer]}]\n")
    project = OpenProject(str(folder))
    yield Asking(project, FixedClock(LATER), ANNE)
    project.close()


def tenant(asking: Asking) -> Asking:
    """The same as a tenant of the hall sees it."""
    return Asking(asking.project, asking.clock, THEO)


def posted(
    asking: Asking,
    path: str,
    body: object = None,
    *,
    form: dict[str, str] | None = None,
    method: str = "POST",
    **headers: str,
) -> Answer:
    """Answer to an act: of JSON, or of a form."""
    app = make_app(asking.project, clock=asking.clock, signed_in=lambda _: (asking.person, "token"))
    kind = "application/json" if form is None else "application/x-www-form-urlencoded"
    given = [("content-type", kind), ("x-csrf", "token"), ("sec-fetch-site", "same-origin")]
    given += [(name.replace("_", "-"), value) for name, value in headers.items()]
    sent = json.dumps(body) if form is None else urlencode(form)
    return answer_of(app, method, path, given, sent.encode())
