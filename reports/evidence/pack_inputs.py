"""Inputs of a revision: the store's rows and the lake's files behind its traces, found from the traces alone."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from assets.stores.file_hashes import file_sha256
from assets.stores.lake.lake import Lake
from assets.stores.published.evidence import ALL_SITES, BY_SITE, carried_rows, figure_rows_by_id
from assets.stores.published.report_ledger import ReportStore, Revision
from assets.stores.sign import canonical
from assets.stores.tables import BY_NAME
from data_quality.contracts.errors import BadInput
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import local_midnight_utc
from reports.evidence import manifest as names
from reports.recompute.advice import RECOMMENDATION
from reports.recompute.dispatch import DISPATCH, carried
from reports.recompute.dr_event import DR_EVENT, DR_SETTLEMENT
from reports.recompute.event import EVENT, EVENTS
from reports.recompute.experiment import EXPERIMENT
from reports.recompute.figure_sources import parse_dates, parse_span

Source = bytes | Path


@dataclass
class Inputs:
    """Members that hold the inputs, and figures of other revisions that the traces name."""

    files: dict[str, Source] = field(default_factory=dict)
    other_figures: list[dict[str, Any]] = field(default_factory=list)


def gather(
    revision: Revision,
    rows: Sequence[Mapping[str, Any]],
    *,
    reports: ReportStore,
    lake: Lake,
    bills_dir: Path | None,
    policy: names.Policy,
) -> Inputs:
    """All inputs of a revision's figures. policy `digests`: the lake's files stay, their digests go along."""
    found = Inputs(other_figures=_others(rows, reports))
    every = [*rows, *found.other_figures]
    given = [each for row in every for each in row["inputs"]]
    sites = sorted({revision.site_id} | {each["id"] for each in given if each["role"] == "site"})
    tables = {"site_versions": _by(reports, "site_versions", revision, sha256=_site_shas(given))}
    _all_kept(given, tables["site_versions"])
    versions = [Site.model_validate(row["site"]) for row in tables["site_versions"]]
    tables |= _baselines(reports, revision, given)
    tables |= {
        # What is recorded for all sites holds for each of them.
        name: _by(reports, name, revision, **{column: [*sites, ALL_SITES]})
        for name, column in BY_SITE.items()
        if name in BY_NAME
    }
    tables |= _bills(reports, revision, every, found, bills_dir)
    if any(each["role"] in (EVENT, EVENTS) for each in given):
        tables["anomaly_events"] = _by(reports, "anomaly_events", revision, site_id=sites)
    if any(each["role"] == DISPATCH for each in given):
        events = _by(reports, "command_events", revision, site_id=sites)
        tables["command_events"] = [dict(each) for each in carried(events, given)]
    called = {each["id"].partition("/")[2] for each in given if each["role"] in (DR_EVENT, DR_SETTLEMENT)}
    if called:
        tables |= {name: _by(reports, name, revision, event_id=called) for name in ("dr_events", "dr_settlements")}
    advised = {each["id"].partition("/")[2] for each in given if each["role"] == RECOMMENDATION}
    if advised:
        tables["recommendations"] = _by(reports, "recommendations", revision, recommendation_id=advised)
    tried = {each["id"].partition("/")[2] for each in given if each["role"] == EXPERIMENT}
    if tried:
        tables["experiment_acts"] = _by(reports, "experiment_acts", revision, experiment_id=tried)
        days = [row["said"]["day"] for row in tables["experiment_acts"] if row["act"] == "day"]
        tables["plans"] = _by(reports, "plans", revision, plan_id=sorted({each["plan_id"] for each in days}))
    tables["lake_manifest"] = _lake_rows(every, versions, revision, lake)
    batches = {row["batch_id"] for row in tables["lake_manifest"]}
    tables["batches"] = _by(reports, "batches", revision, batch_id=batches)
    if policy == "full":
        files = lake.files(tables["lake_manifest"])
        found.files |= {f"{names.LAKE}{path.relative_to(lake.root)}": path for path in files}
    found.files |= {f"{names.STORE}{name}.json": canonical(content) for name, content in tables.items()}
    found.files |= readable(tables)
    if (organisation := revision.content.get("organisation")) is not None:
        found.files[names.ORGANISATION] = readable_json(organisation)
    return found


def readable(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Source]:
    """Site files, baselines, tariffs and factors as a reader looks for them; the same rows said again."""
    sites = {row["sha256"]: row["site"] for row in tables["site_versions"]}
    baselines = {f"{row['baseline_id']}@{row['version']}": row["baseline"] for row in tables["baseline_versions"]}
    return {
        names.SITE: readable_json(sites),
        names.BASELINES: readable_json(baselines),
        names.TARIFFS: readable_json({sha256: site.get("tariffs", []) for sha256, site in sites.items()}),
        names.FACTORS: readable_json({sha256: site.get("factors", []) for sha256, site in sites.items()}),
    }


def _others(rows: Sequence[Mapping[str, Any]], reports: ReportStore) -> list[dict[str, Any]]:
    """Figures of other revisions that the traces rest on, and those that these rest on."""
    known = {row["figure_id"] for row in rows}
    found: list[dict[str, Any]] = []
    waiting = {each["id"] for row in rows for each in row["inputs"] if each["kind"] == "figure"} - known
    while waiting:
        more = figure_rows_by_id(reports.store, waiting)
        missing = waiting - {row["figure_id"] for row in more}
        if missing:
            raise BadInput(f"figure {min(missing)} is named by a trace and not stored", reason="no_figure")
        found += more
        known |= waiting
        waiting = {each["id"] for row in more for each in row["inputs"] if each["kind"] == "figure"} - known
    return sorted(found, key=lambda row: (row["site_id"], row["position"]))


def _lake_rows(
    rows: Sequence[Mapping[str, Any]], versions: Sequence[Site], revision: Revision, lake: Lake
) -> list[dict[str, Any]]:
    """Manifest rows of all days that the traces name: as digests, or as the local days that they compute over."""
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    zones = {site.site_id: site.time_zone for site in versions}
    for row in rows:
        for given in row["inputs"]:
            if given["kind"] == "lake":
                site_id, start_utc, end_utc = parse_span(given["id"])
                spans.setdefault(site_id, []).append((start_utc, end_utc))
        parameters = row["figure"]["trace"]["parameters"]
        if {"site", "start", "end"} <= set(parameters) and parameters["site"] in zones:
            first, after = (local_midnight_utc(day, zones[parameters["site"]]) for day in parse_dates(parameters))
            spans.setdefault(parameters["site"], []).append((first, after))
    found: dict[int, dict[str, Any]] = {}
    for site_id, each in spans.items():
        days = {day for span in set(each) for day in _days(*span)}
        if days:
            entries = carried_rows(lake.store, "lake_manifest", {"site_id": [site_id]}, until=revision.recorded_at_utc)
            found |= {entry["id"]: entry for entry in entries if entry["day"] in days}
    return [found[place] for place in sorted(found)]


def _days(start_utc: datetime, end_utc: datetime) -> Iterable[str]:
    # The lake counts UTC days, and the end is exclusive: a local month reaches into one day more than it has.
    day, last = start_utc.astimezone(UTC).date(), (end_utc.astimezone(UTC) - timedelta(microseconds=1)).date()
    while day <= last:
        yield day.isoformat()
        day += timedelta(days=1)


def _baselines(
    reports: ReportStore, revision: Revision, given: Iterable[Mapping[str, Any]]
) -> dict[str, list[dict[str, Any]]]:
    named = {each["id"].rpartition("@")[0] for each in given if each["role"] == "baseline"}
    tables = ("baseline_versions", "baseline_approvals")
    return {table: _by(reports, table, revision, baseline_id=named) for table in tables}


def _bills(
    reports: ReportStore,
    revision: Revision,
    every: Iterable[Mapping[str, Any]],
    found: Inputs,
    bills_dir: Path | None,
) -> dict[str, list[dict[str, Any]]]:
    """Bills that a trace names or whose period touches the report's, with lines, audits and, where kept, files."""
    named = {value for row in every for value in row["figure"]["trace"]["parameters"].values()}
    start, end = str(revision.content.get("start", "")), str(revision.content.get("end", "9999"))
    rows = [
        row
        for row in _by(reports, "bills", revision, site_id=[revision.site_id])
        # A bill without dates goes along: it may be of the period.
        if row["bill_id"] in named or ((row["period_start"] or start) < end and (row["period_end"] or end) > start)
    ]
    ids = [row["bill_id"] for row in rows]
    for row in rows:
        path = None if bills_dir is None else bills_dir / row["kept_path"]
        if path is not None and path.is_file():
            if file_sha256(path) != row["source_sha256"]:
                raise BadInput(
                    "this bill is no longer the file that was read: it was changed since",
                    file=str(path),
                    reason="bill_changed",
                    mend="put it back from a backup",
                )
            found.files[f"{names.BILLS}{row['source_sha256']}{path.suffix.lower()}"] = path
    return {"bills": rows} | {
        table: _by(reports, table, revision, bill_id=ids) for table in ("bill_lines", "bill_audits")
    }


def _by(reports: ReportStore, table: str, revision: Revision, **condition: Iterable[Any]) -> list[dict[str, Any]]:
    return list(carried_rows(reports.store, table, condition, until=revision.recorded_at_utc))


def _all_kept(given: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> None:
    missing = _site_shas(given) - {row["sha256"] for row in rows}
    if missing:
        raise BadInput(
            f"the site file with hash {min(missing)[:16]}, which a trace names, was never kept",
            reason="no_site_version",
        )


def _site_shas(given: Iterable[Mapping[str, Any]]) -> set[str]:
    return {each["sha256"] for each in given if each["role"] == "site"}


def readable_json(document: Any) -> bytes:
    """JSON as a reader looks at it; the same document is the same bytes."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
