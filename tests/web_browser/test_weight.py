"""Weight of a page at its first visit: bytes and requests stay within their limits."""

import sys

import pytest
from playwright.sync_api import BrowserContext

from tests.web_browser.looked_at import PAGES, Watched

MOST_REQUESTS, MOST_SENT, MOST_HTML, MOST_CSS, MOST_SCRIPT = 8, 85_000, 60_000, 34_000, 8_000
# What a chart brings: the library, packed by brotli, its sheet, and a script for all kinds.
CHARTS = (3, 215_000, 0, 8_000, 740_000)
LIBRARY = "echarts.custom.min.js"
# Their HTML holds what they are asked for: thirty days, a hundred quarter hours, a whole report.
WITH_DATA = ("energy", "quarters", "gap", "arabic", "report", "why")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light_for_who_opens_it_first(name: str, context: BrowserContext) -> None:
    watched = Watched(context)
    watched.drawn(PAGES[name])
    weight = watched.weight()
    has_charts = watched.page.locator("[data-chart]").count() > 0
    assert any(LIBRARY in each.url for each in watched.answers) is has_charts
    assert all(each.headers.get("content-encoding") == "br" for each in watched.answers if LIBRARY in each.url)
    limits = (MOST_REQUESTS, MOST_SENT, MOST_HTML, MOST_CSS, MOST_SCRIPT)
    requests, sent, html, css, script = (a + (b if has_charts else 0) for a, b in zip(limits, CHARTS, strict=True))
    sys.stdout.write(f"{name}: {weight.requests} requests, {weight.sent_bytes:,} bytes sent\n")
    assert weight.requests <= requests, [each.url for each in watched.answers]
    assert weight.sent_bytes <= sent, weight
    assert weight.css_bytes <= css
    assert weight.script_bytes <= script
    if name not in WITH_DATA:
        assert weight.html_bytes <= html, weight
