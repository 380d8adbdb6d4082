"""Events in one window while another looks on: sign-ins that end, roles that change, a broker that dies."""

import itertools
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from controls.collector.main import run_collector
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import load_project
from tests.controls.conftest import need_mosquitto
from tests.live.live_sites import mqtt_site_of, project_of
from tests.live.mqtt_tap import Broker, Meters
from tests.web_browser.conftest import PASSWORD, Site, serving, sign_in
from tests.web_browser.looked_at import Watched

VERA = Person(person_id="vera", name="Vera Viewer", roles=(Role.VIEWER,))
# Beside the page's own stream: every value that a browser is told, as it comes.
LISTEN = """() => {
  window.told = [];
  const source = new EventSource("/api/v1/ems/live/stream?site=plant");
  source.addEventListener("value", (event) => window.told.push(JSON.parse(event.data)));
}"""
LATER = "([number]) => window.told.length > number"
# Some of them, so that one that was told twice would have had its time.
MORE = 5


def signed_in_again(chromium: Browser, site: Site, person: str) -> BrowserContext:
    """A window of its own, with a sign-in of its own."""
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/login")
    enter(page, person)
    page.wait_for_url("**/board/**")
    page.close()
    return context


def enter(page: Page, person: str) -> None:
    page.get_by_role("textbox", name="Person").fill(person)
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def rosa(chromium: Browser, site: Site) -> Iterator[tuple[Page, Page]]:
    """Two windows of the auditor, each with a sign-in of its own."""
    near = chromium.new_context(base_url=site.url, storage_state=sign_in(chromium, site, "rosa"))
    far = signed_in_again(chromium, site, "rosa")
    yield near.new_page(), far.new_page()
    near.close()
    far.close()


def test_a_sign_in_that_another_window_ends_acts_no_more_and_sees_no_more(rosa: tuple[Page, Page]) -> None:
    near, far = rosa
    near.goto("/profile")
    near.get_by_role("combobox", name="Start board").select_option("audit")
    far.goto("/profile")
    far.get_by_role("button", name="Sign out everywhere").click()
    far.wait_for_url("**/login*")
    # The form was made while the sign-in held: what it would have kept is not kept.
    near.get_by_role("button", name="Keep").click()
    expect(near.locator("main")).to_contain_text("sign in first")
    near.goto("/board/exec")
    assert "/login" in near.url
    enter(near, "rosa")
    near.goto("/profile")
    expect(near.get_by_role("combobox", name="Start board")).not_to_have_value("audit")


def test_a_role_that_is_taken_away_is_gone_at_the_next_click(rosa: tuple[Page, Page], site: Site) -> None:
    near, far = rosa
    people = site.project.project.people_file
    before = people.read_text()
    for page in rosa:
        page.goto("/board/audit")
        assert page.locator("#card-chains").is_visible()
    try:
        people.write_text(before.replace("Rosa Auditor, roles: [viewer, auditor]", "Rosa Auditor, roles: [viewer]"))
        near.get_by_role("link", name="Performance", exact=True).click()
        near.wait_for_url("**/login*")
        far.reload()
        assert "/login" in far.url
        enter(near, "rosa")
        refused = near.goto("/board/audit")
        assert refused is not None
        assert refused.status in (403, 404)
        assert near.locator("#card-chains").count() == 0
    finally:
        people.write_text(before)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    need_mosquitto()
    found = Broker(tmp_path)
    yield found
    found.kill()


@pytest.fixture
def plant(tmp_path: Path, broker: Broker) -> Iterator[Path]:
    """A project whose one meter is heard over the broker, and its collector; nothing is sent yet."""
    folder, site, stop = tmp_path / "project", mqtt_site_of(1, port=broker.port), threading.Event()
    folder.mkdir()
    project_of(folder, site)
    (folder / "people.yaml").write_text("people: []\n")
    project = load_project(folder, {})
    collecting = threading.Thread(target=run_collector, args=(project, [site]), kwargs={"stop": stop}, daemon=True)
    collecting.start()
    yield folder
    stop.set()
    collecting.join(20)


@pytest.fixture
def start_meter(broker: Broker) -> Iterator[Callable[[], None]]:
    """Has the plant's meter tell its register twenty times a second."""
    begun: list[Meters] = []
    yield lambda: begun.append(Meters(1, per_s=20, port=broker.port))
    for each in begun:
        each.rest()


def test_a_page_that_is_open_before_anything_is_told_shows_the_first_value_by_itself(
    chromium: Browser, plant: Path, start_meter: Callable[[], None]
) -> None:
    with serving(plant, None, VERA) as site:
        context = chromium.new_context(base_url=site.url)
        watched = Watched(context)
        tile = watched.page.locator("[data-live]")
        watched.page.goto("/live?site=plant")
        expect(tile).to_have_count(0)
        start_meter()
        expect(tile).to_have_count(1, timeout=30_000)
        assert watched.complaints == []
        context.close()


def test_a_tile_greys_when_the_broker_dies_and_comes_back_with_it_each_value_once(
    chromium: Browser, plant: Path, broker: Broker, start_meter: Callable[[], None]
) -> None:
    start_meter()
    with serving(plant, None, VERA) as site:
        context = chromium.new_context(base_url=site.url)
        watched = Watched(context)
        page = watched.page
        page.goto("/live?site=plant")
        tile, value = page.locator("[data-live]"), page.locator("[data-live-value]")
        # Whether or not the first value came before the page did.
        expect(tile).to_have_count(1, timeout=30_000)
        page.evaluate(LISTEN)
        page.wait_for_function(LATER, arg=[MORE])
        expect(tile).not_to_have_class(re.compile("live-(old|gone)"))
        limit_s = float(str(tile.get_attribute("data-live-limits")).split()[0])
        broker.kill()
        expect(tile).to_have_class(re.compile("live-old"), timeout=(limit_s + 15) * 1000)
        age = re.search(r"(\d+) s old", page.locator("[data-live-age]").inner_text())
        assert age is not None
        assert limit_s <= int(age[1]) <= limit_s + 2
        # Grey it is, and what it said last it still says; why, the tile tells who points at it.
        shown = float(value.inner_text().replace(",", ""))
        expect(tile).to_have_attribute("title", re.compile("broker|connect|lost"))
        seen = page.evaluate("window.told.length")
        broker.start()
        page.wait_for_function(LATER, arg=[seen + MORE], timeout=30_000)
        expect(tile).not_to_have_class(re.compile("live-(old|gone)"))
        expect(tile).to_have_attribute("title", "")
        assert float(value.inner_text().replace(",", "")) > shown
        expect(tile).to_have_count(1)
        told = page.evaluate("window.told.map((each) => [each.at, each.value])")
        assert all(before < after for before, after in itertools.pairwise(told)), told
        assert watched.complaints == []
        context.close()
