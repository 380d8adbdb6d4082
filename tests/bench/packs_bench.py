"""Packs of data points: CPU seconds of one pack and of each format, and of all packs of three sites and their group.

Run: python -m tests.bench.packs_bench. No marts: every number is made of readings, the dearest way.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from assets.sites.view import site_readings
from assets.stores.lake.lake import BatchInfo
from data_quality.contracts.organisation import Organisation
from data_quality.contracts.site_file.site import Site
from reports.content.template_report import template_report
from reports.content.templates import load_template, packs_of
from reports.make_group_report import group_report, group_report_input, make_group_report
from reports.make_report import RENDERERS, ReportRequest, make_report
from tests.reports import year_world
from tests.reports.group_world import SALE, YEAR, TwoSites, make_two_sites

LANGUAGES = ("en", "de")
T = TypeVar("T")


def with_hall(two: TwoSites) -> Organisation:
    """A third site, a hall that takes what the tower takes; the organisation of all three."""
    tower, lake = two.sites["tower"], two.year.world.lake
    two.sites["hall"] = Site.model_validate({**dict(tower), "site_id": "hall", "name": "Halle"})
    rows = site_readings(lake, tower, start_utc=YEAR.start_utc, end_utc=YEAR.end_utc)
    kept = [name for name in rows.columns if name not in {"batch_id", "recorded_at_utc"}]
    frame = rows.select(kept).with_columns(site_id=pl.lit("hall"), is_correction=pl.lit(value=False))
    info = BatchInfo(
        site_id="hall", source_name="hall.csv", source_sha256=hashlib.sha256(b"hall").hexdigest(), reader="csv",
        reader_version="1", accepted_rows=frame.height, rejected_rows=0, is_synthetic=False,
    )  # fmt: skip
    lake.write_batch(info, frame, unchanged_rows=0, clock=two.year.world.clock)
    fields = SALE.model_dump()
    return Organisation.model_validate({**fields, "sites": [*fields["sites"], {"site": "hall", "entity": "estates"}]})


def clocked(work: Callable[[], T]) -> tuple[T, float]:
    """Result of the work, and its CPU seconds."""
    started = time.process_time()
    made = work()
    return made, time.process_time() - started


def one_by_one(two: TwoSites, organisation: Organisation) -> None:
    """A line a pack: content of a site and of the group, each with sources of its own, and the dearest format."""
    reports, clock = two.year.world.reports, two.year.world.clock
    known_at = reports.store.known_at(clock)
    for name in sorted(packs_of()):
        template = load_template(name)
        given = two.year.given("2025", sources=two.sources())
        site, site_s = clocked(lambda: template_report(template, given))  # noqa: B023

        def grouped() -> Any:
            made = group_report_input(template, organisation, YEAR, sources=two.sources(), known_at_utc=known_at)  # noqa: B023
            return group_report(template, *made)  # noqa: B023

        group, group_s = clocked(grouped)
        costs = {
            f"{kind} {about}": clocked(lambda: render(content))[1]  # noqa: B023
            for kind, render in RENDERERS.items()
            for about, content in (("site", site), ("group", group))
        }
        dearest = max(costs, key=lambda each: costs[each])
        sys.stdout.write(
            f"{name:16} content of a site {site_s:.2f} s, of the group {group_s:.2f} s; "
            f"dearest format {costs[dearest]:.2f} s ({dearest})\n"
        )


def all_of_them(two: TwoSites, organisation: Organisation, out: Path) -> None:
    """Every pack of three sites and of the group in two languages and three formats, stored; one line."""
    world, started, wall, made = two.year.world, time.process_time(), time.perf_counter(), 0
    shared: dict[str, Any] = {
        "sources": two.sources(), "reports": world.reports, "clock": world.clock, "out_dir": out,
        # One instant for all, as in a run: what one pack read is there for the next.
        "known_at_utc": world.reports.store.known_at(world.clock),
    }  # fmt: skip
    for name in sorted(packs_of()):
        framework = load_template(name).framework
        # An edition that had ended before the year is made of no year of this world.
        if framework is None or not framework.holds(YEAR.start, is_early=True):
            continue
        shared["edition"] = framework.edition
        for language in LANGUAGES:
            for site in two.sites.values():
                make_report(name, site, YEAR, ReportRequest(language=language, **shared))
            make_group_report(name, organisation, YEAR, ReportRequest(language=language, **shared))
            made += len(two.sites) + 1
    cpu = time.process_time() - started
    sys.stdout.write(
        f"{made} reports in {len(RENDERERS)} formats, {len(list(out.iterdir()))} files: {cpu:.1f} CPU s, "
        f"{time.perf_counter() - wall:.1f} s by the clock\n"
    )


def main() -> int:
    """Run it."""
    with tempfile.TemporaryDirectory() as folder:
        two = make_two_sites(Path(folder) / "world")
        organisation = with_hall(two)
        # What is imported when first needed is no pack's time.
        warm = template_report(load_template("gri_2016"), two.year.given("2025"))
        for render in RENDERERS.values():
            render(warm)
        one_by_one(two, organisation)
        all_of_them(two, organisation, Path(folder) / "out")
        year_world.close(two.year)
    return 0


if __name__ == "__main__":
    sys.exit(main())
