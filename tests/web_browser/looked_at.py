"""Pages under test in a browser, and what must hold of each of them."""

import html
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import BrowserContext, Page, Response

# Address of each; behind ">" the beginning of a link on that page, whose address it is. token: of an invitation.
PAGES = {
    "login": "/login",
    "invitation": "/invitation/{token}",
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
    "bill": "/bills?site=works > /bills/",
    "upload_bill": "/upload/bill?site=works",
    "data": "/data?site=works&period=2026-04",
    "findings": "/findings?site=works",
    "finding": "/findings?site=works > /findings/",
    "tasks": "/tasks?site=works",
    "task": "/tasks/o1?site=works",
    "advice": "/advice?site=works",
    "recommendation": "/advice/a1?site=works",
    "demand_response": "/demand-response?site=works",
    "event": "/demand-response/d1?site=works",
    "forecast": "/forecast?site=works",
    "live": "/live?site=works",
    "reports": "/reports?site=works",
    "new_report": "/reports/new?site=works",
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
    "password": "/profile/password",
    "no_connection": "/no-connection",
    "no_job": "/job?job=none",
    "keys": "/keys",
    "settings": "/settings",
    "site_file": "/settings/sites/works",
    "nowhere": "/nowhere",
    "refused": "/energy?site=nowhere",
    "arabic": "/energy?site=works&period=2026-03&grain=day&locale=ar",
}
SIZES = {"wide": (1280, 720), "phone": (390, 844)}
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
# Of a first visit: requests, bytes sent, of HTML, sheets and scripts; and what a chart brings beside: the library,
# packed by brotli, its sheet, and one script for all kinds.
LIMITS, CHARTS = (8, 85_000, 60_000, 34_000, 8_000), (3, 215_000, 0, 8_000, 740_000)
LIBRARY = "echarts.custom.min.js"
# Their HTML holds what they are asked for: thirty days, a hundred quarter hours, a whole report.
WITH_DATA = ("energy", "quarters", "gap", "arabic", "report", "why")
# Only the violations leave the browser: to send all that is right takes twice as long as to look.
AXE = "([within, options]) => axe.run(within, options).then((found) => found.violations)"
# Numbers what can be opened: all that unfolds in the page itself at once, each list that would cover another alone.
TURNS = """() => {
  const folded = [...document.querySelectorAll("details:not([open])")].filter((each) => each.checkVisibility());
  const covers = (each) => each.matches(".menu, .choice, .act");
  const turns = [folded.filter((each) => !covers(each)), ...folded.filter(covers).map((each) => [each])]
    .filter((each) => each.length);
  turns.forEach((all, at) => all.forEach((each) => { each.dataset.turn = at; each.removeAttribute("name"); }));
  return turns.length;
}"""
TURN = """(turn) => {
  for (const each of document.querySelectorAll("[data-turn]")) each.open = each.dataset.turn === `${turn}`;
  return document.querySelector("[data-turn][open] summary").textContent.trim();
}"""
# Of a long table the first rows: the others have the same cells.
OPENED = {"include": [["[data-turn][open]"]], "exclude": [["tbody tr:nth-child(n + 4)"]]}


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
        list_path, _, link = path.partition(" > ")
        if link:
            listed = self.page.request.get(list_path).text()
            path = html.unescape(re.findall(f'href="({re.escape(link)}[^"]+)"', listed)[0])
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


def too_heavy(watched: Watched, name: str) -> list[str]:
    """What a page of PAGES weighs above its limits; it is drawn, and nothing was kept from an earlier visit."""
    weight, charts = watched.weight(), watched.page.locator("[data-chart]").count() > 0
    library = [each for each in watched.answers if LIBRARY in each.url]
    found = [f"{each.url}: not packed" for each in library if each.headers.get("content-encoding") != "br"]
    if bool(library) is not charts:
        found.append(f"charts: {charts}, their library: {bool(library)}")
    limits = dict(zip(Weight._fields, (a + b * charts for a, b in zip(LIMITS, CHARTS, strict=True)), strict=True))
    if name in WITH_DATA:
        del limits["html_bytes"]
    here = weight._asdict()
    return found + [f"{kind}: {here[kind]}, at most {most}" for kind, most in limits.items() if here[kind] > most]


def axe_faults(page: Page, within: Mapping[str, Any] | None = None) -> list[str]:
    """Violations of WCAG 2.2 A and AA, with the first place of each. within: axe's context, else the whole page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    found: list[dict[str, Any]] = page.evaluate(AXE, [within or {"include": [["html"]]}, WCAG])
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:200]}" for each in found
    ]


def opened_faults(page: Page) -> list[str]:
    """Violations inside of what a page unfolds and drops down, each opened as a reader would, and what is too wide.

    Leaves the last one open.
    """
    found = []
    for turn in range(page.evaluate(TURNS)):
        name = page.evaluate(TURN, turn)
        found += [f"{name} open: {fault}" for fault in axe_faults(page, OPENED)]
        found += [f"{name} open: {over} px too wide" for over in [overflow_px(page)] if over > 0]
    return found


def overflow_px(page: Page) -> int:
    """By how much the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
