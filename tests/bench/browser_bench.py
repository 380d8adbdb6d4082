"""What pages cost in a real browser: `python -m tests.bench.browser_bench [PROJECT]`.

First paint and drawn chart in Chromium over the product's own server, cold (a browser that has nothing of us, a server
that keeps no answer) and warm (both have); and per page the requests and the bytes over the wire. The server is a
thread of this process, and the browser shares its cores: the load is printed beside the seconds.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Browser, BrowserContext, sync_playwright

from data_quality.contracts.people import Person, Role
from orchestration.web.cache import answers_of
from tests.web_browser.conftest import Site, serving
from tests.web_browser.looked_at import PAGES, Watched
from tests.web_browser.small_project import NOW, make_small_project

VISITS, COLD_VISITS = 20, 6
WHO = Person(person_id="otto", name="Otto", roles=(Role.OPERATOR, Role.ANALYST, Role.AUDITOR, Role.REVIEWER))
SMALL = {name: path for name, path in PAGES.items() if name not in ("login", "refused", "arabic")}
# The last of our canvases was put there and painted: the next frame has begun.
DRAWN = """
addEventListener("DOMContentLoaded", () => {
  const wanted = document.querySelectorAll("[data-plot]").length;
  const look = () => {
    if (document.querySelectorAll("[data-plot] canvas").length >= wanted)
      requestAnimationFrame(() => setTimeout(() => { window.drawnMs = performance.now(); }));
    else setTimeout(look, 2);
  };
  if (wanted) look(); else window.drawnMs = null;
});
"""
TOLD = """() => new Promise((done) => {
  const look = () => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    if (paint && window.drawnMs !== undefined) done([paint.startTime, window.drawnMs]); else setTimeout(look, 5);
  };
  look();
})"""


def paths_of(project_sites: list[str]) -> dict[str, str]:
    """Pages of a project with a finished year: the boards, and for each site what is asked most."""
    found = {name: f"/board/{name}" for name in ("ops", "site", "exec", "audit")} | {"live": "/live"}
    for site in project_sites:
        about = f"site={site}&scope=site:{site}"
        found |= {
            f"energy of {site}": f"/energy?site={site}&period=2025-11&grain=day&compare=previous",
            f"hours of {site}": f"/energy?site={site}&period=2025-11-03/2025-11-10&grain=hour",
            f"why of {site}": f"/why?{about}&kpi=consumption_kwh&period=2025-11",
            f"EnPI of {site}": f"/enpi?site={site}",
            f"reports of {site}": f"/reports?site={site}",
        }
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, as the tests start it."""
    from tests.web_browser.conftest import chromium_path

    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        yield browser
        browser.close()


def visit(context: BrowserContext, path: str) -> tuple[float, float | None]:
    """Seconds to the first paint and to the drawn chart, which not every page has."""
    page = context.new_page()
    page.goto(path, timeout=60_000)
    paint_ms, drawn_ms = page.evaluate(TOLD)
    page.close()
    return paint_ms / 1000, None if drawn_ms is None else drawn_ms / 1000


def _seconds(browser: Browser, site: Site, paths: dict[str, str]) -> Iterator[str]:
    kept, window = answers_of(str(site.project.project.root)), {"width": 1280, "height": 720}
    taken: dict[str, list[tuple[float, float | None]]] = {"cold": [], "warm": []}
    for _ in range(COLD_VISITS):
        for path in paths.values():
            kept.forget()
            context = browser.new_context(base_url=site.url, viewport=window)
            context.add_init_script(DRAWN)
            taken["cold"].append(visit(context, path))
            context.close()
    context = browser.new_context(base_url=site.url, viewport=window)
    context.add_init_script(DRAWN)
    for each in range(VISITS + 1):
        seen = [visit(context, path) for path in paths.values()]
        taken["warm"] += seen if each else []
    context.close()
    for name, seen in taken.items():
        paints, charts = [paint for paint, _ in seen], [drawn for _, drawn in seen if drawn is not None]
        yield f"{name}: first paint p95 {_p95(paints)}, drawn chart p95 {_p95(charts)} ({len(seen)} visits)"


def _p95(seconds: list[float]) -> str:
    return f"{quantiles(seconds, n=20)[-1]:.2f} s (median {median(seconds):.2f})" if len(seconds) > 1 else "none"


def _weights(browser: Browser, site: Site, paths: dict[str, str]) -> Iterator[str]:
    for name, path in paths.items():
        context = browser.new_context(base_url=site.url)
        watched = Watched(context)
        watched.drawn(path)
        got, kb = watched.weight(), 1000
        yield (
            f"{name:20} {got.requests} requests, {got.sent_bytes / kb:5.1f} kB sent; HTML {got.html_bytes / kb:.1f}, "
            f"CSS {got.css_bytes / kb:.1f}, script {got.script_bytes / kb:.1f} kB unpacked"
        )
        context.close()


def bench(root: str = "") -> None:
    """Print a line a figure."""
    with tempfile.TemporaryDirectory(prefix="browser-bench-") as name:
        folder, now = (Path(root), datetime.now(UTC)) if root else (Path(name) / "p", NOW)
        if not root:
            make_small_project(folder)
        with serving(folder, now, WHO) as site, chromium() as browser:
            paths = paths_of(sorted(site.project.sites)) if root else SMALL
            for line in (*_seconds(browser, site, paths), *_weights(browser, site, paths)):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    sys.stdout.write(f"load {load} on {os.cpu_count()} cores\n")


if __name__ == "__main__":
    bench(*sys.argv[1:2])
