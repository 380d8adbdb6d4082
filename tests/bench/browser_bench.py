"""Cost of pages in a real browser: `python -m tests.bench.browser_bench [PROJECT [ROUNDS]]`.

First paint and drawn charts in Chromium over the product's own server, cold (a browser that has nothing of us, a server
that keeps no answer) and warm (both have); and per page the requests and the bytes over the wire. Of a PROJECT, a demo
that is alive, the ten screens; without one the pages of the small project of the tests. Visits are made in a tab that
stands open, as a person makes them: a window that has just opened is busy with itself for a second of processor time.
The server is a thread of this process, which gives DuckDB's work away as `meterloom web` does, and the browser shares
its cores: the load is printed beside the seconds, and the pace of this machine: twenty million additions, 1.1 s where
it is quick.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from assets.readings.readers.child import apart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.work.offload import offload_to
from orchestration.web import middleware
from orchestration.web.cache import answers_of
from orchestration.web.serve import freeze_loaded_objects
from tests.web_browser.conftest import Site, chromium_path, serving
from tests.web_browser.emptiness import SCREEN_SIZES, SCREENS
from tests.web_browser.looked_at import PAGES, Watched
from tests.web_browser.small_project import NOW, make_small_project

PATIENCE_S = 120.0
# First paint and drawn charts, seconds at p95; kB before charts, and with them.
WANTED_S = {"cold": (1.2, 1.6), "warm": (0.4, 0.6)}
WANTED_KB = (85, 300)
_ROLES = (Role.OPERATOR, Role.ENGINEER, Role.ANALYST, Role.AUDITOR, Role.REVIEWER, Role.ADMIN)
WHO = Person(person_id="otto", name="Otto", roles=_ROLES)
SMALL = {name: path for name, path in PAGES.items() if name not in ("login", "nowhere", "refused", "arabic")}
# Milliseconds until our charts were put there and painted: the next frame has begun. Those on the screen, and all.
DRAWN = """
addEventListener("DOMContentLoaded", () => {
  const charts = [...document.querySelectorAll("[data-chart]")];
  const seen = charts.filter((each) => each.getBoundingClientRect().top < innerHeight);
  const look = (wanted, name) => {
    if (wanted.every((each) => each.querySelector(".drawing :is(svg, canvas)")))
      requestAnimationFrame(() => setTimeout(() => { window[name] = performance.now(); }));
    else setTimeout(look, 2, wanted, name);
  };
  if (charts.length) { look(seen, "seenMs"); look(charts, "drawnMs"); }
  else window.seenMs = window.drawnMs = null;
});
"""
TOLD = """() => new Promise((done) => {
  const look = () => {
    const paint = performance.getEntriesByName("first-contentful-paint")[0];
    if (paint && window.seenMs !== undefined && window.drawnMs !== undefined)
      done([paint.startTime, window.seenMs, window.drawnMs]);
    else setTimeout(look, 5);
  };
  look();
})"""
WINDOW_S = 2.0


class Visit(NamedTuple):
    """Seconds from the click to the first paint, to the charts on the screen and to all of them; None without any."""

    name: str
    paint_s: float
    seen_s: float | None
    drawn_s: float | None


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, as the tests start it."""
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        yield browser
        browser.close()


def tab(browser: Browser, site: Site) -> Page:
    """A tab of a browser that has nothing of us, when its window has done with itself."""
    width, height = SCREEN_SIZES["wide"]
    context = browser.new_context(base_url=site.url, viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE_S * 1000)
    context.add_init_script(DRAWN)
    page = context.new_page()
    time.sleep(WINDOW_S)
    return page


def visit(page: Page, name: str, path: str) -> Visit:
    """Open the page there. Ends the program where it is none."""
    answer = page.goto(path)
    if answer is None or answer.status != 200:
        raise SystemExit(f"{path} is no page: {page.inner_text('main')[:200]}")
    paint_ms, *charts_ms = page.evaluate(TOLD)
    seen_s, drawn_s = (None if each is None else each / 1000 for each in charts_ms)
    return Visit(name, paint_ms / 1000, seen_s, drawn_s)


def _cold(browser: Browser, site: Site, paths: dict[str, str], rounds: int) -> Iterator[Visit]:
    kept = answers_of(site.project)
    for _ in range(max(rounds // 3, 1)):
        for name, path in paths.items():
            kept.forget()
            page = tab(browser, site)
            yield visit(page, name, path)
            page.context.close()


def _warm(browser: Browser, site: Site, paths: dict[str, str], rounds: int) -> Iterator[Visit]:
    page = tab(browser, site)
    for each in range(rounds + 1):
        seen = [visit(page, name, path) for name, path in paths.items()]
        yield from seen if each else ()
    page.context.close()


def _seconds(browser: Browser, site: Site, paths: dict[str, str], rounds: int) -> Iterator[str]:
    for kind, visited in (("cold", _cold), ("warm", _warm)):
        visits = list(visited(browser, site, paths, rounds))
        slowest = max(visits, key=lambda each: each.paint_s)
        paint_s, chart_s = WANTED_S[kind]
        load = " ".join(f"{each:.1f}" for each in os.getloadavg())
        yield (
            f"{kind}: first paint {_p95([each.paint_s for each in visits])}, wanted {paint_s}; charts on the screen "
            f"{_p95([each.seen_s for each in visits])}, wanted {chart_s}; all charts "
            f"{_p95([each.drawn_s for each in visits])} ({len(visits)} visits at pace {pace_s():.2f} s, "
            f"load {load}; the slowest painted after {slowest.paint_s:.2f} s: {slowest.name})"
        )
        for name in paths:
            mine = [each for each in visits if each.name == name]
            drawn = [each.seen_s for each in mine if each.seen_s is not None]
            charts = f", charts {median(drawn):.2f} s" if drawn else ""
            yield f"  {kind} {name:20} paint {median(each.paint_s for each in mine):.2f} s{charts} (median)"


def _p95(seconds: Iterable[float | None]) -> str:
    found = [each for each in seconds if each is not None]
    return f"p95 {quantiles(found, n=20)[-1]:.2f} s (median {median(found):.2f})" if len(found) > 1 else "none"


def pace_s() -> float:
    """Seconds of twenty million additions."""
    begun, total = time.perf_counter(), 0
    for each in range(20_000_000):
        total += each
    return time.perf_counter() - begun


def _weights(browser: Browser, site: Site, paths: dict[str, str]) -> Iterator[str]:
    most_kb = [0.0, 0.0]
    for name, path in paths.items():
        context = browser.new_context(base_url=site.url)
        watched = Watched(context)
        watched.drawn(path)
        got, kb = watched.weight(), 1000
        has_charts = watched.page.locator("[data-chart]").count() > 0
        most_kb[has_charts] = max(most_kb[has_charts], got.sent_bytes / kb)
        yield (
            f"{name:20} {got.requests} requests, {got.sent_bytes / kb:5.1f} kB sent; HTML {got.html_bytes / kb:.1f}, "
            f"CSS {got.css_bytes / kb:.1f}, script {got.script_bytes / kb:.1f} kB unpacked"
        )
        context.close()
    (bare_kb, drawn_kb), (bare, drawn) = most_kb, WANTED_KB
    yield f"heaviest: {bare_kb:.1f} kB without charts, wanted {bare}; {drawn_kb:.1f} kB with, wanted {drawn}"


@contextmanager
def _small() -> Iterator[None]:
    """As `meterloom web` runs, and no longer: other benches of this process measure themselves."""
    offload_to(apart)
    try:
        yield
    finally:
        offload_to(None)


def bench(root: str = "", rounds: str = "20") -> None:
    """Print a line a figure. rounds: visits of each page by a browser that knows it; a third as many by one that does
    not.
    """
    with tempfile.TemporaryDirectory(prefix="browser-bench-") as name:
        folder, now = (Path(root), datetime.now(UTC)) if root else (Path(name) / "p", NOW)
        if not root:
            make_small_project(folder)
        # What takes longer than the server waits for is to be seen here as well.
        middleware.REQUEST_S = PATIENCE_S
        with _small(), serving(folder, now, WHO) as site, chromium() as browser:
            site.project.offload_to(apart)
            freeze_loaded_objects()
            month = f"{now.replace(day=1) - timedelta(days=1):%Y-%m}"
            paths = {name: path.format(month=month) for name, path in SCREENS.items()} if root else SMALL
            for line in chain(_seconds(browser, site, paths, int(rounds)), _weights(browser, site, paths)):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = used.ru_utime + used.ru_stime
    sys.stdout.write(f"load {load} on {os.cpu_count()} cores; {spent_s:.1f} processor seconds of the server\n")


if __name__ == "__main__":
    bench(*sys.argv[1:])
