"""Parts of a number beyond its trace: the quarter hours of an hour, and the files of its readings."""

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl

from assets.stores.lake.merges import named_batches
from data_quality.contracts.reporting.figure import REGISTER_KPI, Figure
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_instant
from orchestration.web.energy.energy_input import EnergyQuery, points_of
from orchestration.web.queries import register_names, scope_names
from orchestration.web.request_context import Context
from reports.figures.trace import Figures, graph
from reports.pages.why_lineage import SourceFile
from reports.pages.why_parts import ENERGY, is_hour
from reports.recompute.bill import stored_bill
from reports.recompute.figure_sources import Sources, parse_span


def quarters_of(ctx: Context, figure: Figure) -> list[tuple[datetime, Decimal | None]]:
    """The quarter hours of an hour's energy."""
    is_energy = figure.kpi == ENERGY and figure.trace.computation == "scope_kpi"
    if not (is_energy or figure.kpi == REGISTER_KPI) or not is_hour(figure):
        return []
    start = parse_instant(figure.trace.parameters["hour_start_utc"])
    site = ctx.sites()[figure.trace.parameters["site"]]
    day = Period(label=str(figure.start), start=figure.start, end=figure.end, time_zone=site.time_zone)
    points, _ = points_of(EnergyQuery(ctx, site, figure.scope, day, "quarter", has_whys=False), None)
    return [(each.start_utc, each.value) for each in points if start <= each.start_utc < start + timedelta(hours=1)]


def source_files_of(figure: Figure, figures: Figures, rows: pl.DataFrame) -> list[SourceFile]:
    """The files of the readings behind a number, in the order of time."""
    lakes = {each.id for node in graph(figure, figures) for each in node.trace.inputs if each.kind == "lake"}
    spans = {lake: parse_span(lake)[1:] for lake in lakes}
    line, start_utc = pl.col("source_line"), pl.col("start_utc")
    found = (
        rows.filter(pl.col("source_name").is_not_null())
        .group_by("source_name")
        .agg(
            batch=pl.col("batch_id").last(),
            rows=pl.len(),
            first_line=line.min(),
            last_line=line.max(),
            recorded_at_utc=pl.col("recorded_at_utc").max(),
            since=start_utc.min(),
            until=start_utc.max(),
        )
        .sort("since", "source_name")
    )
    named = named_batches(figures.store, found["batch"].to_list())
    digests = {each["batch_id"]: each["source_sha256"] for each in named}
    return [
        SourceFile(
            name=row["source_name"],
            sha256=digests.get(row["batch"]) or "",
            **{name: row[name] for name in ("rows", "first_line", "last_line", "recorded_at_utc")},
            lakes=frozenset(
                lake for lake, (start, end) in spans.items() if row["since"] < end and start <= row["until"]
            ),
        )
        for row in found.iter_rows(named=True)
    ]


def scope_name(figure: Figure, sources: Sources, site: Site | None) -> str:
    """The figure's scope as people call it; of a bill its number, and the line."""
    scope = figure.scope
    if scope.startswith("bill:"):
        bill_id, _, line = scope.removeprefix("bill:").partition("/")
        bill = stored_bill(sources, bill_id)
        return ", ".join(filter(None, (bill.invoice or bill.file, line)))
    return scope if site is None else {**scope_names(site), **register_names(site)}.get(scope, scope)
