"""What a page weighs for a browser that has nothing of it yet: no more bytes and no more requests than are allowed."""

import pytest
from playwright.sync_api import BrowserContext

from tests.web_browser.looked_at import PAGES, Watched

MOST_REQUESTS, MOST_SENT, MOST_HTML, MOST_CSS, MOST_SCRIPT = 11, 85_000, 60_000, 30_000, 75_000
# The font alone is 48 kB; a chart brings its library.
MOST_OF_CHARTS = 30_000
# Their HTML holds what they are asked for: thirty days, a hundred quarter hours, a whole report.
WITH_DATA = ("energy", "quarters", "gap", "arabic", "report")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_for_who_opens_it_first(name: str, context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES[name])
    weight = watched.weight()
    assert weight.requests <= MOST_REQUESTS, [each.url for each in watched.answers]
    has_chart = watched.page.locator("[data-plot]").count() > 0
    assert weight.sent_bytes <= MOST_SENT + MOST_OF_CHARTS * has_chart, weight
    assert weight.css_bytes <= MOST_CSS
    assert weight.script_bytes <= MOST_SCRIPT
    if name not in WITH_DATA:
        assert weight.html_bytes <= MOST_HTML, weight
