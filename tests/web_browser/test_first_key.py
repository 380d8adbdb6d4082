"""A first signing key made in a real browser: from an invitation to a signed publication without a shell."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import Browser, Page, Request

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import is_signed, load_key
from data_quality.contracts.people import Role
from tests.reports.publish.conftest import REVISION, MakeDesk, desk
from tests.web_browser.conftest import PASSWORD, Site, serving
from tests.web_browser.looked_at import Watched, axe_faults, overflow_px
from tests.web_browser.test_signing import NOW, Opens, alert_text, ask, key_of, opened, steps

__all__ = ["desk", "opened"]


@pytest.fixture
def plant_site(desk: MakeDesk, chromium: Browser) -> Iterator[Site]:
    """The plant, whose people have keys, but for an admin."""
    folder = desk().folder
    with (folder / "people.yaml").open("a", encoding="utf-8") as people:
        people.write("- {person_id: ada, name: Ada, roles: [analyst, admin]}\n")
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
    ada = opened("ada").page
    ada.goto("/people")
    form = ada.locator("#form-add")
    form.get_by_label("Name").fill("Dora Manager")
    form.get_by_label("Id").fill("dora")
    for box in ("Analyst", "Publisher", "All sites"):
        form.get_by_label(box).check()
    assert (axe_faults(ada), overflow_px(ada) <= 0) == ([], True)
    form.get_by_role("button", name="Add person").click()
    [link] = re.findall(r"/invitation/[\w-]+", ada.inner_text("main"))
    assert plant_site.project.people.known("dora").roles == (Role.ANALYST, Role.PUBLISHER)

    bodies: list[str] = []

    def keep(request: Request) -> None:
        bodies.append(f"{request.url} {request.post_data or ''}")

    context = chromium.new_context(base_url=plant_site.url)
    dora = Watched(context)
    page = dora.page
    page.on("request", keep)
    page.goto(link)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("textbox", name="The same again").fill(PASSWORD)
    page.get_by_role("button", name="Set and sign in").click()
    key = made_key(page, tmp_path)
    assert (key.name, axe_faults(page), overflow_px(page) <= 0) == ("dora.key", [], True)
    with page.expect_navigation(url="**/profile"):
        register(page, key)
    assert plant_site.project.people.public_keys["dora"] == load_key(tmp_path, "dora").public_key

    anna = opened("anna").page
    ask(anna, "Approve review", key_of(plant_site, "anna"))
    anna.locator("#form-review button").click()
    anna.wait_for_selector(".life :text('Reviewed')")
    ask(page, "Publish", key)
    page.locator("#form-publish button").click()
    page.wait_for_selector(".life :text('Published')")
    assert steps(plant_site) == ["reviewed", "published"]
    [kept] = [
        each for each in PublicationStore(plant_site.project.store).signatures(REVISION) if each.person_id == "dora"
    ]
    assert is_signed(kept)
    secret = key.read_text().split("\n")[1]
    assert not [each for each in bodies if "PRIVATE" in each or secret in each or quote_plus(secret) in each]
    assert dora.complaints == []
    context.close()


def test_a_wrong_password_registers_no_key_and_the_page_shows_why(opened: Opens, tmp_path: Path) -> None:
    page = opened("ada").page
    key = made_key(page, tmp_path)
    register(page, key, "another password")
    assert alert_text(page) == "the present password is another one"
    page.goto("/profile")
    register(page, tmp_path / key.name)
    page.wait_for_selector("text=Replace key")


def test_without_a_script_the_command_stands_in_place_of_the_key_form(opened: Opens) -> None:
    page = opened("ada", java_script_enabled=False).page
    page.goto("/profile")
    assert page.locator("text=meterloom keys new ada").is_visible()
    assert not page.locator("#form-key-new").is_visible()


def test_withdrawing_access_waits_behind_a_question_with_a_reason_and_needs_no_script(
    opened: Opens, plant_site: Site
) -> None:
    page = opened("ada", java_script_enabled=False, viewport={"width": 320, "height": 640}).page
    page.goto("/people")
    assert overflow_px(page) <= 0
    assert not page.locator("#form-withdraw").is_visible()
    page.locator(".act > summary", has_text="Withdraw access").click()
    form = page.locator("#form-withdraw")
    form.get_by_label("Person").select_option("both")
    form.get_by_role("button", name="Withdraw access").click()
    assert plant_site.project.people.known("both").roles, "the browser asks for the reason first"
    form.get_by_label("Reason").fill("left the company")
    form.get_by_role("button", name="Withdraw access").click()
    page.wait_for_load_state()
    assert plant_site.project.people.known("both").roles == ()
