"""Pages under test in a browser, and what must hold of each of them."""

from typing import Any, NamedTuple

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, Response

PAGES = {
    "login": "/login",
    "home": "/board/home?site=works",
    "ops": "/board/ops?site=works",
    "site": "/board/site?site=works&scope=tenant:law&period=2026-03",
    "exec": "/board/exec?period=2026",
    "audit": "/board/audit",
    "trail": "/audit",
    "energy": "/energy?site=works&period=2026-03&grain=day&compare=previous",
    "quarters": "/energy?site=works&period=2026-03-29&grain=quarter",
    "long": "/energy?site=works&period=2025-10-26&grain=quarter",
    "gap": "/energy?site=works&period=2026-04-09&grain=quarter",
    "enpi": "/enpi?site=works",
    "bills": "/bills?site=works",
    "data": "/data?site=works&period=2026-04",
    "findings": "/findings?site=works",
    "tasks": "/tasks?site=works",
    "advice": "/advice?site=works",
    "demand_response": "/demand-response?site=works",
    "forecast": "/forecast?site=works",
    "live": "/live?site=works",
    "reports": "/reports?site=works",
    "packs": "/packs?site=works&period=2025",
    "pack": "/packs/gri_2016?site=works&period=2025",
    "check": "/check",
    "report": "/reports/data_quality/works/2026-03@1",
    "why": "/why?site=works&scope=site:works&kpi=consumption_kwh&period=2026-03",
    "devices": "/devices?site=works",
    "device": "/devices/battery?site=works",
    "use": "/enpi/works/air",
    "baseline": "/baselines/works/air",
    "start": "/start",
    "people": "/people",
    "profile": "/profile",
    "notices": "/profile/notices",
    "keys": "/keys",
    "settings": "/settings",
    "site_file": "/settings/sites/works",
    "nowhere": "/nowhere",
    "refused": "/energy?site=nowhere",
    "arabic": "/energy?site=works&period=2026-03&grain=day&locale=ar",
}
SIZES = {"wide": (1280, 720), "phone": (390, 844)}
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


class Weight(NamedTuple):
    """Weight of a page over the wire. sent_bytes: of all bodies, packed as they came; the others by kind, unpacked."""

    requests: int
    sent_bytes: int
    html_bytes: int
    css_bytes: int
    script_bytes: int


class Watched:
    """A page, and everything that it complained of or asked others for."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        # A refusal of the server is what some of these pages are about.
        self.page.on("console", lambda said: self._complain(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda asked: self._ours(asked.url))
        self.hosts: set[str] = set()
        self.answers: list[Response] = []
        self.page.on("response", self._came)

    def _complain(self, text: str) -> None:
        if "Failed to load resource" not in text:
            self.complaints.append(text)

    def _came(self, answer: Response) -> None:
        self.answers.append(answer)

    def _ours(self, url: str) -> None:
        self.hosts.add(url.split("/")[2] if "//" in url else url)

    def drawn(self, path: str) -> int:
        """Open a page and wait until its charts stand there; the status of the answer."""
        answer = self.page.goto(path)
        for chart in self.page.locator("[data-chart]").all():
            chart.locator(".drawing :is(svg, canvas)").first.wait_for(timeout=10_000)
        return answer.status if answer else 0

    def weight(self) -> Weight:
        """Of everything that was answered so far and came to an end: a stream has none."""
        ended = [each for each in self.answers if each.request.resource_type != "eventsource"]
        whole = dict.fromkeys(("document", "stylesheet", "script"), 0)
        for each in ended:
            if each.request.resource_type in whole and each.status == 200:
                whole[each.request.resource_type] += len(each.body())
        sent = sum(each.request.sizes()["responseBodySize"] for each in ended)
        return Weight(len(self.answers), sent, *whole.values())


def axe_faults(page: Page) -> list[str]:
    """Violations of WCAG 2.2 A and AA, with the first place of each."""
    found: list[dict[str, Any]] = Axe().run(page, options=WCAG).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:200]}" for each in found
    ]


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
