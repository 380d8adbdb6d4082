"""The demo's second wave: late, corrected and re-sent files of the tower, and what they change; figures traced back."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from assets.stores.file_hashes import file_sha256
from assets.stores.lake.merges import batches_of_source
from assets.stores.warehouse.marts import read_mart
from controls.simulator.worlds.lapses import left_running
from controls.simulator.worlds.tower_files import Delivery, deliver_tower, write_delivery
from orchestration.demonstration.demo_dates import tower_span
from orchestration.month_keys import month_ranges, site_quarter_key
from orchestration.resources import ProjectResource
from orchestration.runner import Runner
from orchestration.warehouse.fresh import stale_partitions
from reports.figures.trace import stale_revisions, trace_figure

TOWER = "tower"
# Monthly KPIs listed one by one; the others are counted.
_TOLD = ("consumption_kwh", "cost", "emission_kgco2e")
_KEY = ["scope", "kpi", "period_start"]


def tower_files(project: ProjectResource, *, until: date, quick: bool) -> Delivery:
    """The tower's files of the demo's span, in memory, with the truth about their faults."""
    start, end = tower_span(until, quick=quick)
    return deliver_tower(project.site(TOWER), start=start, end=end, lapses=left_running(TOWER, until))


def ingest_files(runner: Runner, site_id: str, paths: list[Path]) -> None:
    """One ingestion run with these files, in this order."""
    config = {"raw_landing__15min_readings": {"config": {"site": site_id, "files": [str(path) for path in paths]}}}
    runner.run("ingest", config=config)


def report(runner: Runner, quarter: date) -> None:
    """The tower's report of the quarter. Half a year is no baseline period: it says so, and assesses nothing."""
    runner.run("enpi_report", partition=site_quarter_key(TOWER, quarter))


def second_wave(
    project: ProjectResource, runner: Runner, delivery: Delivery, say: Callable[[str], None], *, quarter: date
) -> dict[str, Any]:
    """Let the files arrive that come after the first figures; run the touched months and the report again.

    Returns `files[] {name, new_rows, corrected_rows}`, `months`, `figures_changed` (monthly KPIs), `figures[]` (those
    of the site), `report {report_id, was_stale, revisions, figures_changed}`.
    """
    before = _monthly(project)
    paths = write_delivery(project.project.landing_dir / TOWER, delivery.afterwards())
    ingest_files(runner, TOWER, paths)
    stale = stale_partitions(project)
    for job, months in stale.items():
        runner.build_marts(month_ranges(months), job=job)
    changed = changed_figures(before, _monthly(project))
    of_site = changed.filter((pl.col("scope") == f"site:{TOWER}") & pl.col("kpi").is_in(_TOLD))
    found = {
        "files": [_arrived(project, path) for path in paths],
        "months": sorted(set().union(*stale.values())),
        "figures_changed": changed.height,
        "figures": [row | {"period_start": row["period_start"].isoformat()} for row in of_site.iter_rows(named=True)],
        "report": _reported_again(project, runner, quarter),
    }
    for line in wave_lines(found):
        say(line)
    return found


def wave_lines(found: dict[str, Any]) -> list[str]:
    """Changes by the second wave, as sentences."""
    lines = [
        f"late file {each['name']}: {each['new_rows']:,} quarter hours new, {each['corrected_rows']:,} corrected"
        for each in found["files"]
    ]
    lines.append(f"{', '.join(found['months'])} ran again: {found['figures_changed']} monthly figures changed")
    lines += [
        f"{each['kpi']} of {each['scope']}, {each['period_start'][:7]}: "
        f"{_shown(each['was'])} -> {_shown(each['now'])} {each['unit']}"
        for each in found["figures"]
    ]
    revision = found["report"]
    state = "is stale" if revision["was_stale"] else "still holds"
    lines.append(
        f"report {revision['report_id']}, revision {revision['revisions'][0]}, {state}; "
        f"revision {revision['revisions'][-1]} changes {revision['figures_changed']} figures"
    )
    return lines


def _reported_again(project: ProjectResource, runner: Runner, quarter: date) -> dict[str, Any]:
    """The report once more, and in how many figures the new revision differs from the first."""
    sources = project.sources()
    first = [each for each in project.reports.revisions() if each.site_id == TOWER][-1]
    is_stale = bool(stale_revisions(project.reports, sources)[first.report_id, first.revision])
    report(runner, quarter)
    last = [each for each in project.reports.revisions() if each.report_id == first.report_id][-1]
    was, now = (
        {figure.path: figure.value for figure in project.reports.figures(first.report_id, revision)}
        for revision in (first.revision, last.revision)
    )
    return {
        "report_id": first.report_id,
        "was_stale": is_stale,
        "revisions": [first.revision, last.revision],
        "figures_changed": sum(was.get(path) != now.get(path) for path in was.keys() | now.keys()),
    }


def changed_figures(before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
    """Rows whose value differs, came or went: scope, kpi, period_start, unit, was, now (null: unknown).

    before, after: scope, kpi, period_start, unit, value; unique by the first three.
    """
    joined = before.rename({"value": "was"}).join(
        after.rename({"value": "now"}), on=_KEY, how="full", coalesce=True, validate="1:1"
    )
    # With == a value that is unknown before and after would count as changed.
    differs = ~pl.col("was").eq_missing(pl.col("now"))
    unit = pl.coalesce("unit", "unit_right")
    return joined.filter(differs).select(*_KEY, unit.alias("unit"), "was", "now").sort(_KEY)


def trace_three(project: ProjectResource) -> list[dict[str, Any]]:
    """Three figures of the newest report, recomputed from their traces alone."""
    newest = project.reports.revisions()[-1]
    figures = project.reports.figures(newest.report_id, newest.revision)
    valued = [figure for figure in figures if figure.value is not None]
    # By place and not by content: nobody picked the figures that come out right.
    chosen = [valued[0], valued[len(valued) // 2], valued[-1]]
    sources = project.sources()
    found = []
    for figure in chosen:
        answer = trace_figure(figure.figure_id, reports=project.reports, sources=sources)
        found.append(
            {
                "figure_id": figure.figure_id,
                "label": figure.label,
                "value": figure.value,
                "recomputed": answer.recomputed,
                "unit": figure.unit,
                "is_equal": answer.is_equal,
            }
        )
    return found


def quarantined_files(project: ProjectResource) -> list[str]:
    """Names of the files that were refused, or from which rows were."""
    return sorted({item["source_name"] for item in project.quarantine.items()})


def _monthly(project: ProjectResource) -> pl.DataFrame:
    rows = read_mart(project.project.marts_dir, "mart_site__kpi_values", site_id=TOWER)
    return rows.filter(pl.col("grain") == "month").select(*_KEY, "unit", "value")


def _arrived(project: ProjectResource, path: Path) -> dict[str, Any]:
    """Name, new and corrected rows of one file; zeros where it was refused."""
    found = batches_of_source(project.store, site_id=TOWER, source_sha256=file_sha256(path))
    counts = {name: int(found[0][name]) if found else 0 for name in ("new_rows", "corrected_rows")}
    return {"name": path.name, **counts}


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{Decimal(repr(value)):,.2f}"
