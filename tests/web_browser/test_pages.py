"""Every page at two sizes, light and dark, narrow, enlarged and with all that unfolds: nothing complains, no other host
is contacted, everybody can read it, and whoever opens it first waits for few bytes.
"""

import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, BrowserContext, Page

from assets.stores.web.credentials import CredentialStore
from tests.web.bills_world import billed
from tests.web.marts_world import Asking
from tests.web.why_world import LATER
from tests.web_browser.conftest import Site, serving
from tests.web_browser.emptiness import MOST, SCREEN_SIZES, card_holes, layout_faults
from tests.web_browser.looked_at import PAGES, SIZES, Watched, axe_faults, opened_faults, overflow_px, too_heavy

__all__ = ["billed"]
BILL_TEXT = """Stadtwerke
Invoice number: NEW-1
Account: 4711
Meter: main
Period from: 2025-02-01
Period to (exclusive): 2025-03-01
Currency: EUR
Description Quantity Unit Rate Amount
Day units 1000 kWh 0.20 200.00
Net 200.00
Total 200.00
"""
# On a phone their tables fit, and the box around one does not scroll sideways.
FITTING = ("tasks", "enpi", "use", "audit", "data", "devices", "device", "settings")
SIDEWAYS = """() => [...document.querySelectorAll('main .box:not(:has(.plain))')]
  .filter((box) => box.checkVisibility()).map((box) => Math.max(box.scrollWidth - box.clientWidth, 0))"""
# A window of 1280 by 720 at 200 % shows half of its width; one of 640 at 200 % is as narrow as the narrowest phone.
ENLARGED = ((640, 360), (320, 640))
# The screens of the design, and their cards with a hole here: no live value has a picture, and a meter's name of 300
# letters makes the cards beside its own as high.
HOLES_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("home", "exec", "energy", "bills", "why", "data", "devices", "start", "reports"), ()),
    "ops": ("Demand, last window",),
    "use": ("EnPI 1 January – 14 April 2026", "Expected by baseline"),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_quiet_own_and_readable_at_both_sizes_in_light_and_dark(
    name: str, context: BrowserContext, site: Site
) -> None:
    watched = Watched(context)
    page, found = watched.page, []
    invited = CredentialStore(site.project.store).invite("lena", site.clock) if name == "invitation" else ""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        status = watched.drawn(PAGES[name].format(token=invited))
        assert status == (404 if name in ("refused", "nowhere", "no_job") else 200), page.inner_text("main")
        assert page.locator("h1").count() == 1
        assert page.locator(".places").count() == (name not in ("login", "invitation", "check", "no_connection"))
        if size == "wide":
            found += too_heavy(watched, name)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{size} {scheme}: {fault}" for fault in axe_faults(page)]
        assert overflow_px(page) <= 0
        if size == "phone" and name in FITTING:
            assert set(page.evaluate(SIDEWAYS)) == {0}
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(dict(zip(("width", "height"), SCREEN_SIZES[size], strict=True)))
        found += [f"{size}: {fault}" for fault in layout_faults(page)]
        if name in HOLES_OF:
            empty = [(card, share) for card, share in card_holes(page) if share > MOST and card not in HOLES_OF[name]]
            found += [f"{size}: {card}: {share:.0%} empty" for card, share in empty]
        if size == "wide":
            found += [f"{size} light: {fault}" for fault in opened_faults(page)]
    for width, height in ENLARGED:
        page.set_viewport_size({"width": width, "height": height})
        assert overflow_px(page) <= 0, width
    page.emulate_media(color_scheme="dark")
    found += [f"320 px: {fault}" for fault in (axe_faults(page) if name in ("ops", "energy") else [])]
    found += [f"320 px dark: {fault}" for fault in opened_faults(page)]
    assert found == []
    assert watched.complaints == []
    assert watched.hosts == {site.url.split("/")[2]}


@pytest.mark.parametrize("name", ["ops", "energy", "quarters", "enpi", "reports", "report", "live"])
def test_without_script_everything_is_there_but_the_drawn_chart(
    name: str, chromium: Browser, site: Site, olga: dict
) -> None:
    context = chromium.new_context(base_url=site.url, storage_state=olga, java_script_enabled=False)
    page = context.new_page()
    page.goto(PAGES[name])
    for figure in page.locator("figure[data-chart]").all():
        assert figure.locator("table").first.is_visible()
    assert page.locator(".drawing").count() == 0
    assert page.locator("h1").is_visible()
    if name == "report":
        assert page.locator("figure[data-chart]").count() > 0
    context.close()


def test_paper_has_the_report_and_not_the_frame(context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES["report"])
    watched.page.emulate_media(media="print")
    assert not watched.page.locator(".side").is_visible()
    assert watched.page.locator("h1").is_visible()
    # What scrolls on a screen is whole on paper.
    assert watched.page.evaluate(
        "[...document.querySelectorAll('.box')].every(each => getComputedStyle(each).maxHeight === 'none')"
    )


def readable_faults(page: Page) -> list[str]:
    """Faults of a page as it is now, wide and narrow, light and dark: it is not opened again."""
    found = []
    for width, height in (*SIZES.values(), ENLARGED[-1]):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width} px: {over} px too wide" for over in [overflow_px(page)] if over > 0]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{width} px {scheme}: {fault}" for fault in axe_faults(page)]
    return found


def test_a_job_that_runs_is_readable(context: BrowserContext, site: Site) -> None:
    watched = Watched(context)
    page = watched.page
    page.goto("/devices?site=works")
    page.locator("#form-run button").click()
    page.wait_for_url("**/job?job=*")
    text = page.inner_text("main")
    assert readable_faults(page) == []
    # It was the page of the running job all the time.
    assert "Plan and devices: being built, about 40 s; the page opens by itself" in text
    assert page.inner_text("main") == text
    assert watched.complaints == []


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="letters of pictures are read by tesseract")
def test_a_bill_sent_as_a_picture_is_readable_from_its_preview_to_its_picture(
    chromium: Browser, billed: Asking, tmp_path: Path
) -> None:
    scan = Image.new("L", (1654, 2339), 255)
    ImageDraw.Draw(scan).multiline_text((150, 150), BILL_TEXT, fill=0, font_size=36, spacing=20)
    scan.save(tmp_path / "scan.png")
    found = []
    with serving(billed.project.project.root, LATER, billed.person) as served:
        context = chromium.new_context(base_url=served.url)
        watched = Watched(context)
        page = watched.page
        page.goto("/upload/bill?site=plant")
        page.set_input_files("[type=file]", tmp_path / "scan.png")
        page.get_by_role("button", name="Read bill").click()
        accept = page.get_by_role("button", name="Accept bill")
        accept.wait_for(timeout=60_000)
        found += [f"preview: {each}" for each in readable_faults(page)]
        accept.click()
        page.wait_for_url("**/bills/*")
        found += [f"draft: {each}" for each in readable_faults(page)]
        picture = page.locator("main img[src*='/pages/1.png']")
        assert picture.get_attribute("alt")
        assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 0
        picture.click()
        page.wait_for_url("**/pages/1?*")
        found += [f"its page: {each}" for each in readable_faults(page)]
        assert picture.evaluate("each => each.decode().then(() => each.naturalWidth)") > 0
        context.close()
    assert found == []
    assert watched.complaints == []
