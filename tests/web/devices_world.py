"""A project of the plant with a battery, a car charger and a compressor, for the tests of devices and acts on them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.site import Asset, Site
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from tests.reports import plant
from tests.web.marts_world import Asking, make_project, plant_of_the_web

CARLA = Person(person_id="carla", name="Carla <b>Engineer", roles=(Role.ENGINEER, Role.OPERATOR))
EVE = Person(person_id="eve", name="Eve Engineer", roles=(Role.ENGINEER,))
OTTO = Person(person_id="otto", name="Otto Operator", roles=(Role.OPERATOR,))
VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
PEOPLE = """\
people:
  - {person_id: carla, name: Carla <b>Engineer, roles: [engineer, operator]}
  - {person_id: eve, name: Eve Engineer, roles: [engineer]}
  - {person_id: otto, name: Otto Operator, roles: [operator]}
"""


def site_with_devices() -> Site:
    """The plant, with two devices that take set-points and one that takes none."""
    return plant_of_the_web(
        assets=(
            Asset(asset_id="press_1", name="Press", kind="press"),
            Asset(asset_id="battery", name="Battery", kind="battery", template="sim_battery_10kwh"),
            Asset(asset_id="car", name="Car <i>charger", kind="ev_charger", template="sim_ev_charger",
                  params={"max_kw": 7.4, "departure": "17:30"}),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def device_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's folder; nobody writes in it."""
    folder = tmp_path_factory.mktemp("devices") / "project"
    make_project(folder, site_with_devices(), has_marts=False, has_readings=False).close()
    (folder / "people.yaml").write_text(PEOPLE)
    return folder


@pytest.fixture
def devices(device_folder: Path, tmp_path: Path) -> Iterator[Asking]:
    """A copy of it, as an engineer sees it."""
    folder = tmp_path / "project"
    shutil.copytree(device_folder, folder)
    project = OpenProject(str(folder))
    yield Asking(project, FixedClock(plant.NOON), CARLA)
    project.close()


def as_(person: Person, asking: Asking) -> Asking:
    """The same as that person sees it."""
    return Asking(asking.project, asking.clock, person)
