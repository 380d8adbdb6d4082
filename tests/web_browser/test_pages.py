"""Every page at two sizes, light and dark, narrow, enlarged and with all that unfolds: nothing complains, no other host
is contacted, everybody can read it, and whoever opens it first waits for few bytes.
"""

import pytest
from playwright.sync_api import Browser, BrowserContext

from assets.stores.web.credentials import CredentialStore
from tests.web_browser.conftest import Site
from tests.web_browser.emptiness import MOST, SCREEN_SIZES, card_holes, layout_faults
from tests.web_browser.looked_at import PAGES, SIZES, Watched, axe_faults, opened_faults, overflow_px, too_heavy

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
