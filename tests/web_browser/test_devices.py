"""Acts on devices in a browser: by keyboard, twice clicked, sent once more from another window."""

from playwright.sync_api import BrowserContext

from controls.ledger.device_holds import open_holds
from controls.ledger.modes import mode_history
from tests.web_browser.conftest import Site
from tests.web_browser.looked_at import PAGES, Watched
from tests.web_browser.small_project import NOW


def test_a_device_is_paused_once_however_often_it_is_sent_and_control_is_stopped(
    context: BrowserContext, site: Site
) -> None:
    watched, store = Watched(context), site.project.store
    page = watched.page
    watched.drawn(PAGES["device"])
    other = context.new_page()
    other.goto(PAGES["device"])
    colours = page.locator("#acts button").evaluate_all(
        "all => all.map(each => getComputedStyle(each).backgroundColor)"
    )
    assert len(colours) > 1
    # The first act leads; a heading above it is no act.
    assert colours[0] not in colours[1:]
    form = page.locator("#form-battery-pause")
    form.get_by_label("Reason").fill("service <b>")
    form.get_by_label("Reason").press("Enter")
    page.wait_for_selector("#form-battery-release")
    assert "Override by Olga Operator until" in page.inner_text("main")
    other.locator("#form-battery-pause").get_by_label("Reason").fill("service <b>")
    other.locator("#form-battery-pause button").dblclick()
    other.wait_for_selector("#form-battery-release")
    assert len(open_holds(store, "works", NOW)) == 1
    page.locator("#form-battery-release").get_by_label("Reason").fill("done")
    page.locator("#form-battery-release button").click()
    page.wait_for_selector("#form-battery-pause")
    assert open_holds(store, "works", NOW) == []
    watched.drawn(PAGES["devices"])
    page.locator("#form-stop button").click()
    page.wait_for_selector(".strip")
    assert mode_history(store, "works")[-1]["person_id"] == "olga"
    assert watched.complaints == []
