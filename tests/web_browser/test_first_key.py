"""A first signing key made in a real browser: from an invitation to a signed publication without a shell."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import is_signed, load_key
from tests.reports.publish.conftest import MakeDesk, desk
from tests.web_browser.conftest import PASSWORD, Site, serving
from tests.web_browser.looked_at import axe_faults, overflow_px
from tests.web_browser.test_signing import NOW, Opens, alert_text, ask, key_of, opened, steps

__all__ = ["desk", "opened"]


@pytest.fixture
def plant_site(desk: MakeDesk, chromium: Browser) -> Iterator[Site]:
    """The plant, whose people have keys, but for an admin."""
    folder = desk().folder
    with (folder / "people.yaml").open("a", encoding="utf-8") as people:
        people.write("- {person_id: ada, name: Ada, roles: [admin]}\n")
    with serving(folder, NOW) as found:
        yield found


def made_key(page: Page, folder: Path) -> Path:
    """File of the key that the profile's button makes."""
    page.goto("/profile")
    with page.expect_download() as download:
        page.get_by_role("button", name="Make key file").click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    path.chmod(0o600)
    return path


def register(page: Page, key: Path, password: str = PASSWORD) -> None:
    page.get_by_label("Current password").fill(password)
    page.get_by_label("New key file").set_input_files(key)
    page.get_by_role("button", name="Register key").click()


def test_an_invited_manager_makes_a_key_and_publishes_signed_without_a_shell(
    opened: Opens, plant_site: Site, chromium: Browser, tmp_path: Path
) -> None:
    ada = opened("ada")
    ada.page.goto("/people")
    bodies: list[str] = []

    def keep(request: Request) -> None:
        bodies.append(f"{request.url} {request.post_data or ''}")

    dora = ada
    dora.page.on("request", keep)
    key = made_key(dora.page, tmp_path)
    assert key.name == "ada.key"
    assert (axe_faults(dora.page), overflow_px(dora.page) <= 0) == ([], True)
    register(dora.page, key, "another password")
    assert "the present password is another one" in alert_text(dora.page)
    dora.page.screenshot(path="/tmp/A/profile.png", full_page=True)
    with dora.page.expect_navigation(url="**/profile"):
        register(dora.page, key)
    assert plant_site.project.people.public_keys["ada"] == load_key(tmp_path, "ada").public_key
