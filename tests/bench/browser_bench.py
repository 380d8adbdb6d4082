"""What pages cost in a real browser: `python -m tests.bench.browser_bench [PROJECT [ROUNDS]]`.

First paint and drawn chart in Chromium over the product's own server, cold (a browser that has nothing of us, a server
that keeps no answer) and warm (both have); and per page the requests and the bytes over the wire. The server is a
thread of this process, which gives DuckDB's work away as `meterloom web` does, and the browser shares its cores: the
load is printed beside the seconds, and the pace of this machine: twenty million additions, 1.1 s where it is quick.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import polars as pl
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from assets.readings.readers.child import apart
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import Project
from data_quality.contracts.work.offload import offload_to
from orchestration.web import middleware
from orchestration.web.cache import answers_of
from tests.web_browser.conftest import Site, serving
from tests.web_browser.looked_at import PAGES, Watched
from tests.web_browser.small_project import NOW, make_small_project

PATIENCE_S = 120.0
# First paint and drawn charts, seconds at p95; kB before charts, and with them.
WANTED_S = {"cold": (1.2, 1.6), "warm": (0.4, 0.6)}
WANTED_KB = (85, 300)
_ROLES = (Role.OPERATOR, Role.ENGINEER, Role.ANALYST, Role.AUDITOR, Role.REVIEWER, Role.ADMIN)
WHO = Person(person_id="otto", name="Otto", roles=_ROLES)
SMALL = {name: path for name, path in PAGES.items() if name not in ("login", "nowhere", "refused", "arabic")}
# The last of our charts was put there and painted: the next frame has begun.
DRAWN = """
addEventListener("DOMContentLoaded", () => {
  const wanted = document.querySelectorAll("[data-chart]").length;
  const look = () => {
    if (document.querySelectorAll("[data-chart] .drawing svg, [data-chart] .drawing canvas").length >= wanted)
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


def paths_of(project: Project, sites: Iterable[str]) -> dict[str, str]:
    """Pages of a project: the boards, and for each site what is asked most, of the newest month that is published."""
    found = {name: f"/board/{name}" for name in ("ops", "site", "exec", "audit")} | {"live": "/live"}
    for site in sites:
        days = pl.read_parquet(project.marts_dir / "mart_scope__day_kpi" / f"site={site}" / "*.parquet")
        about, month = f"site={site}&scope=site:{site}", f"{days['period_start'].max():%Y-%m}"
        found |= {
            f"energy of {site}": f"/energy?site={site}&period={month}&grain=day&compare=previous",
            f"hours of {site}": f"/energy?site={site}&period={month}-01/{month}-08&grain=hour",
            f"why of {site}": f"/why?{about}&kpi=consumption_kwh&period={month}",
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
    """Seconds to the first paint and to the drawn chart, which not every page has. Ends where the page is none."""
    page = context.new_page()
    answer = page.goto(path, timeout=PATIENCE_S * 1000)
    if answer is None or answer.status != 200:
        raise SystemExit(f"{path} is no page: {page.inner_text('main')[:200]}")
    paint_ms, drawn_ms = page.evaluate(TOLD)
    page.close()
    return paint_ms / 1000, None if drawn_ms is None else drawn_ms / 1000


def _seconds(browser: Browser, site: Site, paths: dict[str, str], rounds: int) -> Iterator[str]:
    kept, window = answers_of(site.project), {"width": 1280, "height": 720}
    taken: dict[str, list[tuple[str, float, float | None]]] = {"cold": [], "warm": []}
    for _ in range(max(rounds // 3, 1)):
        for name, path in paths.items():
            kept.forget()
            context = browser.new_context(base_url=site.url, viewport=window)
            context.add_init_script(DRAWN)
            taken["cold"].append((name, *visit(context, path)))
            context.close()
    context = browser.new_context(base_url=site.url, viewport=window)
    context.add_init_script(DRAWN)
    for each in range(rounds + 1):
        seen = [(name, *visit(context, path)) for name, path in paths.items()]
        taken["warm"] += seen if each else []
    context.close()
    for kind, seen in taken.items():
        paints, charts = [paint for _, paint, _ in seen], [drawn for *_, drawn in seen if drawn is not None]
        slowest_s, slowest = max((paint, name) for name, paint, _ in seen)
        paint_s, chart_s = WANTED_S[kind]
        yield (
            f"{kind}: first paint p95 {_p95(paints)}, wanted {paint_s}; "
            f"drawn chart p95 {_p95(charts)}, wanted {chart_s} ({len(seen)} visits at pace {pace_s():.2f} s; "
            f"the slowest painted after {slowest_s:.2f} s: {slowest})"
        )


def _p95(seconds: list[float]) -> str:
    return f"{quantiles(seconds, n=20)[-1]:.2f} s (median {median(seconds):.2f})" if len(seconds) > 1 else "none"


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
            paths = paths_of(site.project.project, sorted(site.project.sites)) if root else SMALL
            for line in (*_seconds(browser, site, paths, int(rounds)), *_weights(browser, site, paths)):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    used = resource.getrusage(resource.RUSAGE_SELF)
    spent_s = used.ru_utime + used.ru_stime
    sys.stdout.write(f"load {load} on {os.cpu_count()} cores; {spent_s:.1f} processor seconds of the server\n")


if __name__ == "__main__":
    bench(*sys.argv[1:])
