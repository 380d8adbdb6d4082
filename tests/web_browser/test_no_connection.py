"""Without a network a page says so and goes on by itself; no figure is kept."""

from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, expect

from data_quality.contracts.people import Person, Role
from orchestration.starter.project_files import make_project
from tests.web_browser.conftest import serving
from tests.web_browser.looked_at import PAGES, Watched
from tests.web_browser.small_project import NOW

SAID = "No connection to the server. Figures are those of when the page was loaded."
KEPT = """caches.open("no-connection").then((kept) => kept.keys())
  .then((all) => all.map((each) => new URL(each.url).pathname))"""
ME = Person(person_id="me", name="Me", roles=(Role.ENGINEER,))


def test_a_page_says_that_the_network_is_gone_and_takes_it_back(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["profile"])
    page = watched.page
    strip = page.get_by_text(SAID)
    expect(strip).to_be_hidden()
    context.set_offline(True)
    expect(strip).to_be_visible()
    context.set_offline(False)
    expect(strip).to_be_hidden(timeout=10_000)
    assert watched.complaints == []


def test_without_a_network_another_page_says_so_and_opens_when_it_is_back(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["profile"])
    page = watched.page
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.reload()
    context.set_offline(True)
    page.goto(PAGES["reports"])
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    assert page.evaluate(KEPT) == ["/no-connection"]
    context.set_offline(False)
    expect(page.get_by_role("heading", name="Reports", exact=True)).to_be_visible(timeout=15_000)


def test_a_server_that_is_gone_is_said_too_and_the_page_opens_when_it_is_back(
    chromium: Browser, tmp_path: Path
) -> None:
    make_project(tmp_path / "project")
    with serving(tmp_path / "project", NOW, ME) as site:
        page = chromium.new_context(base_url=site.url).new_page()
        page.goto("/start")
        page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        page.reload()
    page.goto("/start")
    assert page.evaluate("navigator.onLine")
    expect(page.get_by_role("heading", name="No connection")).to_be_visible()
    with serving(tmp_path / "project", NOW, ME, port=int(site.url.rpartition(":")[2])):
        expect(page.get_by_role("heading", name="No connection")).to_be_hidden(timeout=15_000)
        assert page.evaluate("document.getElementById('no-connection')") is None
    page.context.close()
