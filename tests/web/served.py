"""A project with two sites, a tenant and one person of each role, and the application over it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI

from assets.stores.web.credentials import CredentialStore
from data_quality.contracts.people import Role
from data_quality.contracts.time import FixedClock
from orchestration.open_project import OpenProject
from orchestration.web.app import make_app
from orchestration.web.own_origin import own_hosts
from orchestration.web.people.sign_in import SignIn
from tests.web.asking import HOST, Browser

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
PASSWORD = "four words of chance"
SITE = """\
site_id: works
name: Works
time_zone: Europe/Berlin
currency: EUR
country: DE
meters: [{meter_id: main}, {meter_id: law}, {meter_id: vault}]
premises:
  tenants:
    - {tenant_id: law, meters: [{meter: law}]}
    - {tenant_id: bank, meters: [{meter: vault}]}
"""


class Ticks:
    """The clock that nobody sets, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


class Served(NamedTuple):
    """A project and its application."""

    folder: Path
    project: OpenProject
    app: FastAPI
    sign_in: SignIn
    clock: FixedClock
    ticks: Ticks

    def browser(self, person_id: str = "") -> Browser:
        """A new browser, in which that person is signed in."""
        browser = Browser(self.app)
        if person_id:
            if not self.sign_in.credentials.password_of(person_id):
                self.invite(person_id, browser)
            answer = browser.act("/login", person=person_id, password=PASSWORD)
            assert answer.status == 303, answer.text
        return browser

    def invite(self, person_id: str, browser: Browser) -> None:
        """Let the person set their password."""
        token = CredentialStore(self.project.store).invite(person_id, self.clock)
        assert browser.act(f"/invitation/{token}", password=PASSWORD, again=PASSWORD).status == 303
        self.ticks.now_s += 900


def people_text() -> str:
    """The people file: one person of each role, by its name; and one who sees the works alone."""
    lines = [
        f"  - {{person_id: {role.value}, name: {role.value.title()}, roles: [{role.value}]"
        + (", tenants: [law], sites: [works]}" if role is Role.TENANT else "}")
        for role in Role
    ]
    lines.append("  - {person_id: worker, name: Worker, roles: [viewer], sites: [works]}")
    return "\n".join(["people:", *lines, ""])


def make_served(folder: Path) -> Served:
    """The project in that folder, served at HOST."""
    (folder / "sites").mkdir()
    (folder / "meterloom.yaml").write_text("{}\n")
    (folder / "people.yaml").write_text(people_text())
    (folder / "sites" / "works.yaml").write_text(SITE)
    (folder / "sites" / "other.yaml").write_text(SITE.replace("works", "other").replace("Works", "Other"))
    project, clock, ticks = OpenProject(str(folder)), FixedClock(NOW), Ticks()
    sign_in = SignIn(project, clock, monotonic=ticks)
    app = make_app(project, clock=clock, sign_in=sign_in, hosts=own_hosts(f"http://{HOST}"))
    return Served(folder, project, app, sign_in, clock, ticks)
