"""Ground of stored figures: the files that came in, of whose rows the figures of each report were made."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa

from assets.stores.published.report_ledger import ReportStore
from assets.stores.schema.tables_baselines import baseline_versions
from assets.stores.schema.tables_readings import lake_manifest
from assets.stores.schema.tables_reports import report_revisions
from data_quality.contracts.time import parse_instant


class _Span(NamedTuple):
    """UTC days of a site, both in it, as they were known at an instant."""

    site_id: str
    first: date
    last: date
    known_utc: datetime


def ground_of(reports: ReportStore) -> dict[tuple[str, str], set[str]]:
    """Site and SHA-256 of a source -> the revisions (`name/site/period@1`) that rest on its rows: by the spans of the
    lake that their traces name, and by the training spans of the baselines. Drafts count: their figures are stored too.
    """
    spans: dict[_Span, set[str]] = defaultdict(set)
    known = _known(reports)
    trained = _trained(reports)
    for row in reports.distinct_inputs():
        key, known_utc = f"{row['report_id']}@{row['revision']}", known.get((row["report_id"], row["revision"]))
        if known_utc is None:
            continue
        if row["kind"] == "lake":
            spans[_of_lake(row, known_utc)].add(key)
        elif row["role"] == "baseline" and row["id"] in trained:
            spans[trained[row["id"]]].add(key)
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for span, keys in spans.items():
        table = lake_manifest.c
        query = sa.select(table.source_sha256).distinct().where(
            table.site_id == span.site_id,
            table.day.between(span.first, span.last),
            table.recorded_at_utc <= span.known_utc,
        )  # fmt: skip
        for source in [str(row["source_sha256"]) for row in reports.store.rows(query)]:
            found[span.site_id, source] |= keys
    return found


def _of_lake(row: Mapping[str, Any], known_utc: datetime) -> _Span:
    site_id, start, end = row["id"].split("/")
    first, last = (each.astimezone(UTC) for each in (parse_instant(start), parse_instant(end)))
    return _Span(site_id, first.date(), (last - timedelta(microseconds=1)).date(), known_utc)


def _known(reports: ReportStore) -> dict[tuple[str, int], datetime]:
    """When each revision was recorded: what came in later is no ground of it."""
    table = report_revisions.c
    rows = reports.store.rows(sa.select(table.report_id, table.revision, table.recorded_at_utc))
    return {(row["report_id"], row["revision"]): row["recorded_at_utc"] for row in rows}


def _trained(reports: ReportStore) -> dict[str, _Span]:
    """Baseline version (`site/seu/type@1`) -> its training days, and one more at each end for the site's clock."""
    table, found = baseline_versions.c, {}
    columns = (table.baseline_id, table.version, table.site_id, table.recorded_at_utc, table.baseline)
    for row in reports.store.rows(sa.select(*columns)):
        first, last = (date.fromisoformat(str(row["baseline"][name])) for name in ("train_start", "train_end"))
        days = (first - timedelta(days=1), last + timedelta(days=1))
        found[f"{row['baseline_id']}@{row['version']}"] = _Span(row["site_id"], *days, row["recorded_at_utc"])
    return found
