"""Periods that a published report stands for; changes in one are named, so that the report can be restated."""

from collections.abc import Sequence

import polars as pl

from assets.readings.sniff_files import SniffReport
from assets.stores.journal import AppendOnly
from assets.stores.schema.tables_reports import report_decisions
from assets.stores.transactions import Store
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import Period, parse_period

# Of two revisions of one period the newest counts.
_DECISIONS = AppendOnly(report_decisions, dict, order=("report_id", "revision"), is_proven=True)


class ClosedPeriod(Model):
    """The period of a published report."""

    report_id: str
    revision: int
    period: Period


def closed_periods(store: Store, site: Site) -> list[ClosedPeriod]:
    """Periods of the site's published reports, the newest published revision of each, by report."""
    return [
        ClosedPeriod(
            report_id=row["report_id"],
            revision=row["revision"],
            period=parse_period(row["period"], site.time_zone),
        )
        for row in _DECISIONS.all_as_of(store, "report_id", "period", site_id=site.site_id, step="published")
    ]


def within(changes: pl.DataFrame, closed: Sequence[ClosedPeriod]) -> dict[str, int]:
    """Report and revision of every closed period that changed rows (interval_start_utc) fall in, with their number."""
    start = pl.col("interval_start_utc")
    found = {
        f"{each.report_id}@{each.revision}": changes.filter(
            start.is_between(each.period.start_utc, each.period.end_utc, closed="left")
        ).height
        for each in closed
    }
    return {name: rows for name, rows in found.items() if rows}


def name_closed(report: SniffReport, changes: pl.DataFrame, *, site: Site, store: Store) -> SniffReport:
    """The report with one finding per published report whose period the changes touch; itself where there is none."""
    touched = within(changes, closed_periods(store, site)) if changes.height else {}
    if not touched:
        return report
    findings = [
        Finding(
            code="closed_period",
            message=f"{rows} quarter hours changed in the period of the published report {name}: it is stale now",
            scope=name,
            facts={"rows": rows},
        )
        for name, rows in touched.items()
    ]
    return report.model_copy(
        update={
            "findings": (*report.findings, *findings),
            "warnings": report.warnings | {"closed_period": sum(touched.values())},
            "verdict": "accept_with_warning" if report.verdict == "accept" else report.verdict,
        }
    )
