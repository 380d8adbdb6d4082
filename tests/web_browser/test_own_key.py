"""One's own key replaced in a real browser: two files chosen, none of them sent; the new one signs what follows."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request

from assets.stores.published.publications import PublicationStore
from assets.stores.sign import REPLACE, new_key
from tests.reports.publish.conftest import MakeDesk, desk
from tests.web_browser.conftest import Site, serving
from tests.web_browser.looked_at import axe_faults, overflow_px
from tests.web_browser.test_signing import NOW, Opens, alert_text, ask, key_of, opened, steps

__all__ = ["desk", "opened"]


@pytest.fixture
def plant_site(desk: MakeDesk, chromium: Browser) -> Iterator[Site]:
    """The plant, whose people have keys."""
    with serving(desk().folder, NOW) as found:
        yield found


def fill(page: Page, old: Path, new: Path) -> None:
    page.goto("/profile")
    form = page.locator("#form-key")
    form.get_by_label("Your key file").set_input_files(old)
    form.get_by_label("New key file").set_input_files(new)


def new_file(site: Site, name: str = "anna") -> Path:
    folder = site.project.project.root / "next"
    new_key(folder, name)
    return folder / f"{name}.key"


def test_a_person_replaces_their_key_and_signs_with_the_new_one(opened: Opens, plant_site: Site) -> None:
    bodies: list[str] = []

    def keep(request: Request) -> None:
        bodies.append(f"{request.url} {request.post_data or ''}")

    anna, old, new = opened("anna"), key_of(plant_site, "anna"), new_file(plant_site)
    anna.page.on("request", keep)
    before = plant_site.project.people.public_keys["anna"]
    fill(anna.page, old, new)
    assert (axe_faults(anna.page), overflow_px(anna.page) <= 0) == ([], True)
    other = anna.page.context.new_page()
    fill(other, old, new_file(plant_site, "second"))
    with anna.page.expect_navigation(url="**/profile"):
        anna.page.locator("#form-key button").dblclick()
    after = plant_site.project.people.public_keys["anna"]
    assert after != before
    assert f'data-public-key="{after}"' in anna.page.content()
    [kept] = PublicationStore(plant_site.project.store).signatures("anna")
    assert (kept.kind, kept.public_key) == (REPLACE, before)
    # The other window has the form of before.
    other.locator("#form-key button").click()
    assert "your public key was changed since" in alert_text(other)
    ask(anna.page, "Approve review", old)
    anna.page.locator("#form-review button").click()
    assert alert_text(anna.page) == "This key is not the one that the people file names for you."
    ask(anna.page, "Approve review", new)
    anna.page.locator("#form-review button").click()
    anna.page.wait_for_selector(".life :text('Reviewed')")
    assert steps(plant_site) == ["reviewed"]
    secrets = [path.read_text().split("\n")[1] for path in (old, new)]
    assert not [each for each in bodies if "PRIVATE" in each or any(secret in each for secret in secrets)]
    assert anna.complaints == []


def test_the_wrong_files_change_nothing_and_the_page_names_the_fault(opened: Opens, plant_site: Site) -> None:
    page, root = opened("anna").page, plant_site.project.project.root
    people = plant_site.project.project.people_file.read_bytes()
    old, new = key_of(plant_site, "anna"), new_file(plant_site)
    no_key = "This file is no private key as 'meterloom keys new' writes it."
    for first, second, sentence in (
        (key_of(plant_site, "dirk"), new, "This key is not the one that the people file names for you."),
        (old, root / "meterloom.yaml", no_key),
        (old, old, "the new key is the present one"),
        (old, key_of(plant_site, "dirk"), "this key is another person's"),
    ):
        fill(page, first, second)
        page.locator("#form-key button").click()
        assert sentence in alert_text(page)
    assert plant_site.project.project.people_file.read_bytes() == people


def test_without_a_script_the_command_stands_there(opened: Opens) -> None:
    page = opened("anna", java_script_enabled=False).page
    page.goto("/profile")
    assert page.locator("text=meterloom keys replace --new FOLDER --as anna").is_visible()
    page.set_viewport_size({"width": 320, "height": 640})
    assert overflow_px(page) <= 0
    assert not page.locator("#form-key").is_visible()
