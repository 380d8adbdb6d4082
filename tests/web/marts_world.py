"""A real project with three months of the plant, its marts made by the product itself, and the application over it."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from data_quality.contracts.people import Person, Role
from data_quality.contracts.site_file.premises import PartMeter, Premises, Tenant
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.warehouse.fresh import freshen_marts
from orchestration.web.app import make_app
from tests.reports import plant
from tests.reports.conftest import TEMPLATES, make_world
from tests.web.asking import Answer, Headers, answer_of

VERA = Person(person_id="vera", name="Vera", roles=(Role.VIEWER,))
THEO = Person(person_id="theo", name="Theo", roles=(Role.TENANT,), sites=("plant",), tenants=("hall",))
# A hole of a day in one meter, a whole day of the supply, and a week in which nobody read a submeter.
LOST = (
    ("hvac", date(2025, 2, 11)),
    ("main", date(2025, 3, 4)),
    *((("moulding", date(2025, 1, day))) for day in range(13, 20)),
)


@dataclass
class Asking:
    """The application over a project, asked as somebody."""

    project: OpenProject
    clock: FixedClock
    person: Person

    def get(self, path: str, headers: Headers = (), **query: str) -> Answer:
        """One answer."""

        def signed_in(_: Request) -> tuple[Person, str]:
            return self.person, "token"

        app = make_app(self.project, clock=self.clock, signed_in=signed_in)
        return answer_of(app, "GET", f"{path}?{urlencode(query)}" if query else path, headers)

    def json(self, path: str, **query: str) -> Any:
        """One answer of the API under its base, which must be one."""
        found = self.get(f"/api/v1/ems{path}", **query)
        assert found.status == 200, found.text
        return found.said


def plant_of_the_web(**changes: object) -> Site:
    """The plant with two tenants: one of a whole meter, one of a share of another."""
    hall = Tenant(tenant_id="hall", name="Hall <b>& sons</b>", meters=(PartMeter(meter="moulding"),))
    press = Tenant(tenant_id="press", meters=(PartMeter(meter="compressor_1", share="0.25"),))
    return plant.plant_site(premises=Premises(tenants=(hall, press)), **changes)


def make_project(folder: Path, site: Site, *, has_marts: bool = True, has_readings: bool = True) -> OpenProject:
    """A project folder with the site; the caller closes it. Equal ones are made once a process and copied."""
    key = (site.model_dump_json(), has_marts, has_readings)
    if key not in TEMPLATES:
        TEMPLATES[key] = Path(tempfile.mkdtemp(prefix="project"))
        _make(TEMPLATES[key], site, has_marts=has_marts, has_readings=has_readings)
    shutil.copytree(TEMPLATES[key], folder, dirs_exist_ok=True)
    return OpenProject(str(folder))


def _make(folder: Path, site: Site, *, has_marts: bool, has_readings: bool) -> None:
    (folder / "sites").mkdir(parents=True)
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "sites" / "plant.yaml").write_text(json.dumps(site.model_dump(mode="json", exclude_defaults=True)))
    if has_readings:
        rows = plant.plant_rows(date(2025, 1, 1), date(2025, 4, 1), skip=LOST)
        make_world(folder / "var", site=site, rows=rows).lake.store.close()
    project = OpenProject(str(folder))
    if has_marts:
        freshen_marts(project, clock=FixedClock(plant.NOON), doing=lambda *_, **__: None)
    project.close()


def copy_of(project: OpenProject, folder: Path) -> OpenProject:
    """Another project with all that this one has; the caller closes it."""
    shutil.copytree(project.project.root, folder)
    return OpenProject(str(folder))
