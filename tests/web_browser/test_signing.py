"""Signing in a real browser: two people with their key files, and everything that must not pass."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route

from assets.stores.published.publications import PublicationStore
from assets.stores.web.audit_events import AuditEvent, note_event
from tests.reports import plant
from tests.reports.publish.conftest import REVISION, MakeDesk, desk
from tests.web_browser.conftest import PASSWORD, Site, serving, sign_in
from tests.web_browser.looked_at import Watched, axe_faults, overflow_px

__all__ = ["desk"]
NOW = plant.NOON + timedelta(days=1)
ADDRESS = "/reports?site=plant"
Opens = Callable[..., Watched]


@pytest.fixture
def plant_site(desk: MakeDesk) -> Iterator[Site]:
    """The plant with one stored report, whose people have keys."""
    with serving(desk().folder, NOW) as found:
        yield found


@pytest.fixture
def opened(chromium: Browser, plant_site: Site) -> Iterator[Opens]:
    """A browser of a person, who has signed in."""
    contexts: list[BrowserContext] = []

    def opens(person_id: str, **options: object) -> Watched:
        state = sign_in(chromium, plant_site, person_id)
        contexts.append(chromium.new_context(base_url=plant_site.url, storage_state=state, **options))
        contexts[-1].set_default_timeout(15_000)
        return Watched(contexts[-1])

    yield opens
    for each in contexts:
        each.close()


def steps(site: Site) -> list[str]:
    return [each.step for each in PublicationStore(site.project.store).decisions(REVISION[:-2], 1)]


def ask(page: Page, act: str, key: Path, *, path: str = ADDRESS) -> None:
    """Open the question and fill it in."""
    page.goto(path)
    page.locator(".act > summary", has_text=act).click()
    form = page.locator(f"#form-{'publish' if act == 'Publish' else 'review'}")
    form.get_by_label("Comment").fill("compared with the bills")
    form.get_by_label("Your key file").set_input_files(key)


def key_of(site: Site, person_id: str) -> Path:
    return site.project.project.root / "keys" / f"{person_id}.key"


def alert_text(page: Page) -> str:
    found = page.locator("[role=alert]", has_text=re.compile(r"\S")).first
    found.wait_for()
    return found.inner_text()


def test_two_people_review_publish_and_download_and_no_key_leaves_the_browser(opened: Opens, plant_site: Site) -> None:
    bodies: list[str] = []

    def keep(request: Request) -> None:
        bodies.append(f"{request.url} {request.post_data or ''}")

    anna, dirk = opened("anna"), opened("dirk")
    for each in (anna, dirk):
        each.page.on("request", keep)
    began_s = time.monotonic()
    ask(anna.page, "Approve review", key_of(plant_site, "anna"))
    assert axe_faults(anna.page) == []
    assert overflow_px(anna.page) <= 0
    anna.page.locator("#form-review button").click()
    anna.page.wait_for_selector(".life :text('Reviewed')")
    ask(dirk.page, "Publish", key_of(plant_site, "dirk"))
    dirk.page.locator("#form-publish button").click()
    dirk.page.wait_for_selector(".life :text('Published')", timeout=60_000)
    dirk.page.locator("summary", has_text="Download").click()
    with dirk.page.expect_download() as coming:
        dirk.page.locator(".drop a", has_text="PDF").first.click()
    assert coming.value.path().read_bytes().startswith(b"%PDF")
    # Two minutes are promised; the machine that tests is slower than the one of a person, who is slower still.
    assert time.monotonic() - began_s < 120
    assert steps(plant_site) == ["reviewed", "published"]
    assert all(each.is_signed for each in _signed(plant_site))
    secrets = [key_of(plant_site, each).read_text().split("\n")[1] for each in ("anna", "dirk")]
    assert not [each for each in bodies if "PRIVATE" in each or any(secret in each for secret in secrets)]
    assert PASSWORD not in "".join(bodies)
    assert (anna.complaints, dirk.complaints) == ([], [])


def _signed(site: Site) -> list[object]:
    from reports.evidence.lifecycle import revision_state_at

    life = revision_state_at(PublicationStore(site.project.store), REVISION[:-2], 1, {})
    return [life.reviewed, life.published]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [("keys/dirk.key", "This key is not the one that the people file names for you."),
     ("meterloom.yaml", "This file is no private key as 'meterloom keys new' writes it.")],
)  # fmt: skip
def test_the_key_of_another_and_a_file_that_is_none_sign_nothing(
    opened: Opens, plant_site: Site, file: str, sentence: str
) -> None:
    page = opened("anna").page
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    ask(page, "Approve review", plant_site.project.project.root / file)
    page.locator("#form-review button").click()
    assert alert_text(page) == sentence
    assert "POST" not in sent
    assert steps(plant_site) == []


def test_what_is_changed_on_the_way_is_refused_in_a_sentence(opened: Opens, plant_site: Site) -> None:
    page = opened("anna").page

    def bend(route: Route) -> None:
        data = route.request.post_data or ""
        is_signed = "signature=" in data
        route.continue_(post_data=data.replace("compared+with", "never+saw") if is_signed else data)

    page.route("**/review", bend)
    ask(page, "Approve review", key_of(plant_site, "anna"))
    page.locator("#form-review button").click()
    assert "what was signed is not what would be recorded now" in alert_text(page)
    assert steps(plant_site) == []


def test_a_text_that_is_not_what_the_form_says_is_not_signed(opened: Opens, plant_site: Site) -> None:
    page = opened("anna").page
    sent: list[str] = []

    def bend(route: Route) -> None:
        data = route.request.post_data or ""
        sent.append(data)
        route.continue_(post_data=data.replace("compared+with", "never+saw"))

    page.route("**/review", bend)
    ask(page, "Approve review", key_of(plant_site, "anna"))
    page.locator("#form-review button").click()
    assert alert_text(page) == "What would be signed is not what this form says. Nothing was signed."
    assert not [each for each in sent if "signature=" in each]


def test_what_others_do_in_the_same_moment_does_not_stop_a_signature_and_a_double_click_signs_once(
    opened: Opens, plant_site: Site
) -> None:
    page, times = opened("anna").page, 0

    def others(route: Route) -> None:
        nonlocal times
        if "signature=" in (route.request.post_data or ""):
            times += 1
            if times == 1:
                note_event(
                    plant_site.project.store, plant_site.clock, AuditEvent(method="GET", route="/", outcome="200")
                )
        route.continue_()

    page.route("**/review", others)
    ask(page, "Approve review", key_of(plant_site, "anna"))
    page.locator("#form-review button").dblclick()
    page.wait_for_selector(".life :text('Reviewed')")
    assert times == 2
    assert steps(plant_site) == ["reviewed"]


def test_a_key_that_is_taken_away_while_the_page_is_open_signs_nothing(opened: Opens, plant_site: Site) -> None:
    page = opened("anna").page
    ask(page, "Approve review", key_of(plant_site, "anna"))
    people = plant_site.project.project.people_file
    keys = plant_site.project.people.public_keys
    people.write_text(people.read_text().replace(keys["anna"], keys["both"]).replace("person_id: both", "person_id: x"))
    page.locator("#form-review button").click()
    assert "the key" in alert_text(page)
    assert steps(plant_site) == []


def test_without_a_script_the_command_stands_there(opened: Opens) -> None:
    page = opened("anna", java_script_enabled=False).page
    page.goto(ADDRESS)
    page.locator("summary", has_text="Approve review").click()
    assert page.locator(f"text=meterloom reports review {REVISION}").is_visible()
    assert not page.locator("#form-review").is_visible()
