"""Content of a meter file, with nothing stored: format, verdict, counts and sums per channel."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from assets.readings.cumulative.register_intervals import Intervals, to_intervals, without_reported
from assets.readings.drafts.drafting import draft_map
from assets.readings.drafts.map_draft import MANY_REFUSED, NO_FACTS, PROPOSED_FOR, FileFacts, MapDraft, Question
from assets.readings.parsed import (
    STATE_SCHEMA,
    Channel,
    FieldValue,
    Reader,
    ReadRequest,
    bad_rows,
    joined,
    one_line,
    reason_counts,
)
from assets.readings.readers.live_format.samples import Samples
from assets.readings.readers.reader_list import reader_for
from assets.readings.streams import streams
from assets.readings.tables.column_layout import choose_maps
from assets.readings.tables.normalise import in_quanta, on_grid
from assets.stores.foreign_database import source_sha256
from data_quality.contracts.errors import BadInput
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import ColumnMap, Site
from data_quality.contracts.text import file_name
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS, Behaviour

# Totals of a long table are added up in pieces, so that they need no copy of it.
_ROWS_AT_ONCE = 1_000_000
# Below this a table is judged as a whole: it is quick enough, and shows a person more.
REGULAR_FROM_BYTES = 4 * 1024**2
Verdict = Literal["accept", "accept_with_warning", "quarantine", "reject"]


class SniffReport(Model):
    """Keys of cli.md `sniff`. `message` is the sentence of a file refused whole, else empty.

    reading: how a table was read (separator, decimal mark, dates, zone, columns), so that it can be seen before use;
    findings: what cumulative registers did (rollover, exchange, a fall that nobody explains), and bills whose hour of
    a clock change was put right;
    proposal: a column map for a table that needs one, as far as the content and the site say it; proposal_yaml: the
    same for a person to complete; questions: what is open in it; confidence: 0..1 with its reasons, 1 for a file that
    needs no map. A proposal is for a person to accept, never applied here.
    """

    path: str
    format: str
    sha256: str
    verdict: Verdict
    accepted_rows: int
    rejected_rows: int
    reasons: dict[str, int] = {}
    warnings: dict[str, int] = {}
    channels: tuple[Channel, ...] = ()
    values: tuple[FieldValue, ...] = ()
    reading: dict[str, str] = {}
    proposal: dict[str, Any] = {}
    proposal_yaml: str = ""
    questions: tuple[Question, ...] = ()
    confidence: float = 1.0
    confidence_why: tuple[str, ...] = ()
    draft: MapDraft | None = Field(default=None, exclude=True)
    message: str = ""
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class FileRead:
    """A file read: what sniff reports and ingest stores. rows: PARSED_SCHEMA, on the grid; rejects: REJECT_SCHEMA;
    maps: the column maps that it was read with; states: STATE_SCHEMA, of cumulative registers; counted: what they gave
    by themselves, which stands in rows and rejects too.
    """

    report: SniffReport
    reader: Reader
    maps: tuple[ColumnMap, ...]
    rows: pl.DataFrame
    rejects: pl.DataFrame
    is_synthetic: bool
    states: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STATE_SCHEMA))
    counted: Intervals = field(default_factory=Intervals)


def sniff_file(
    path: Path,
    *,
    mapping: ColumnMap | None = None,
    site: Site | None = None,
    tz: str | None = None,
    now_utc: datetime | None = None,
    facts: FileFacts = NO_FACTS,
) -> SniffReport:
    """Format and content of one file. A file that cannot be used has the verdict `reject`; nothing is raised.

    facts: what a person says of the file, for a draft of its column map.
    """
    facts = facts if facts.tz else facts.model_copy(update={"tz": tz})
    try:
        found = read_file(path, mapping=mapping, site=site, tz=tz, now_utc=now_utc)
    except BadInput as fault:
        report = refused(path, fault)
        # Of a given map the faults are reported, and no other map is offered.
        if mapping is not None or fault.reason not in PROPOSED_FOR:
            return report
        try:
            draft = draft_map(path, site=site, facts=facts)
        except BadInput as of_zone:
            return refused(path, of_zone)
        return report if draft is None else _with_draft(report, draft, path, site=site, now_utc=now_utc)
    report = found.report
    written = sum(report.reasons.get(reason, 0) for reason in ("not_a_number", "bad_timestamp", "duplicate_conflict"))
    # Without a site every name is a meter's, but those that nobody can see.
    written += report.reasons.get("unknown_meter", 0) if site is not None else 0
    if found.maps or written < max(1, MANY_REFUSED * report.accepted_rows):
        return report
    # So many rows are refused by the way they are written: numbers with marks between thousands, names of meters.
    draft = draft_map(path, site=site, facts=facts)
    better = draft and _with_draft(report, draft, path, site=site, now_utc=now_utc)
    return better if better and better.draft and better.draft.reads > report.accepted_rows else report


def _with_draft(
    report: SniffReport, draft: MapDraft, path: Path, *, site: Site | None, now_utc: datetime | None
) -> SniffReport:
    """The report with the draft, which is tried on the file where nothing is open in it."""
    if draft.is_complete and not draft.is_of_states:
        try:
            tried = read_file(path, mapping=draft.column_map(), site=site, now_utc=now_utc).report
            draft = draft.tried(tried.accepted_rows, tried.rejected_rows, tried.reasons)
        except BadInput as fault:
            draft = draft.failed(one_line(fault.message, 300))
    return report.model_copy(
        update={
            "draft": draft,
            "proposal": draft.keys,
            "proposal_yaml": draft.yaml(),
            "questions": draft.questions,
            "confidence": draft.confidence,
            "confidence_why": tuple(f"{fact.text} ({fact.sure:.2f})" for fact in draft.facts),
        }
    )


def read_file(
    path: Path,
    *,
    mapping: ColumnMap | None = None,
    site: Site | None = None,
    tz: str | None = None,
    now_utc: datetime | None = None,
    is_scale_vouched: bool = False,
    may_hold_none: bool = False,
) -> FileRead:
    """Read one file. Raises BadInput, naming the file, where it must be refused whole.

    may_hold_none: a file without a good row is no fault: who asks wants to hear of every row.
    """
    try:
        reader = reader_for(path)
        maps = _maps_for(path, reader, mapping, site)
        common = ReadRequest(site=site, tz=tz, now_utc=now_utc, is_scale_vouched=is_scale_vouched)
        requests = [common.model_copy(update={"mapping": each}) for each in maps or (None,)]
        parsed = joined([reader.read(path, request) for request in requests])
        rows, off_grid = on_grid(parsed.rows)
        counted = without_reported(rows, to_intervals(parsed.states, site))
        rows = pl.concat([rows, counted.rows])
        rejects = pl.concat([parsed.rejects, off_grid, counted.rejects])
        # What the points of live samples are only a site says: without one the names in the file are all that it tells.
        names_only = site is None and reader.name == Samples.name
        if parsed.states.is_empty() and not may_hold_none and not names_only:
            # A state without an amount is not lost: the next file may have the one that it needs.
            _refuse_if_nothing_is_left(rows, rejects, path)
    except BadInput as fault:
        raise _in_file(fault, path) from fault
    counts = reason_counts(rejects)
    warnings = dict(Counter(parsed.warnings) + Counter(counted.warnings))
    report = SniffReport(
        path=str(path),
        format=reader.name,
        sha256=source_sha256(path),
        verdict="quarantine" if counts else "accept_with_warning" if warnings else "accept",
        accepted_rows=rows.height,
        rejected_rows=rejects.height,
        reasons=counts,
        warnings=warnings,
        channels=(() if parsed.channels_are_all else _channels(rows, site, parsed.commodities)) + parsed.channels,
        values=parsed.values,
        reading=parsed.reading,
        findings=parsed.findings + counted.findings,
    )
    # Formats without columns cannot say so themselves: their map does.
    is_synthetic = parsed.is_synthetic or any(each.is_synthetic for each in maps)
    return FileRead(
        report=report,
        reader=reader,
        maps=maps,
        rows=rows,
        rejects=rejects,
        is_synthetic=is_synthetic,
        states=parsed.states,
        counted=counted,
    )


def refused(path: Path, fault: BadInput) -> SniffReport:
    """The report of a file that is refused whole."""
    try:
        name = reader_for(path).name
    except BadInput:
        name = "unknown"
    return SniffReport(
        path=str(path),
        format=name,
        sha256=source_sha256(path) if path.is_file() else "",
        verdict="reject",
        accepted_rows=0,
        rejected_rows=0,
        reasons={fault.reason: 1},
        confidence=0.0,
        message=str(fault) if fault.file else str(_in_file(fault, path)),
    )


def _maps_for(path: Path, reader: Reader, mapping: ColumnMap | None, site: Site | None) -> tuple[ColumnMap, ...]:
    """The map that was given, or those of the site that fit."""
    if mapping is not None:
        return (mapping,)
    if site is None or not site.column_maps:
        return ()
    return tuple(choose_maps(file_name(path), reader.header(path), site.column_maps))


def _refuse_if_nothing_is_left(rows: pl.DataFrame, rejects: pl.DataFrame, path: Path) -> None:
    """A file of which every row was rejected is refused whole, by its commonest reason."""
    if rows.height or rejects.is_empty():
        return
    counts = reason_counts(rejects)
    reason = max(counts, key=lambda code: counts[code])
    first = bad_rows(rejects.filter(pl.col("reason") == reason), file_name(path), limit=1)[0]
    raise BadInput(
        f"no row can be used; the first: expected {first.expected}, got {first.got!r}", line=first.line, reason=reason
    )


def _in_file(fault: BadInput, path: Path) -> BadInput:
    message = f"{fault.message}; {fault.mend}" if fault.mend and fault.mend not in fault.message else fault.message
    return BadInput(
        one_line(message),
        file=fault.file or str(path),
        line=fault.line,
        column=fault.column,
        reason=fault.reason,
        mend=fault.mend,
    )


def _channels(rows: pl.DataFrame, site: Site | None, stated: dict[str, str]) -> tuple[Channel, ...]:
    """One channel per meter, register and unit; energy of power is counted from the canonical values."""
    commodity = stated if site is None else {row[0]: row[3] for row in streams(site).iter_rows()}
    keys = ["meter_id", "register", "code"]
    parts = [_facts(part, keys) for part in rows.iter_slices(_ROWS_AT_ONCE)]
    facts = (
        pl.concat(parts)
        .group_by(keys)
        .agg(pl.col("len", "sum", "kwh").sum(), pl.col("start").min(), pl.col("end").max())
        .sort(keys)
        if parts
        else pl.DataFrame()
    )
    return tuple(channel_of(row, commodity) for row in facts.iter_rows(named=True))


def _facts(rows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Count, bounds and exact sums (whole quanta, in the unit and in the canonical one) per stream and unit."""
    return (
        in_quanta(rows)
        .with_columns(code=rows["unit"])
        .group_by(keys)
        .agg(
            pl.len(),
            start=pl.col("interval_start_utc").min(),
            end=(pl.col("interval_start_utc") + pl.duration(minutes="source_minutes")).max(),
            # 64 bits of quanta end at 9.2e9 units, which the total of a long file may pass.
            sum=(pl.col("value") * 10**QUANTUM_DECIMALS).round().cast(pl.Int128).sum(),
            kwh=pl.col("_quanta").cast(pl.Int128).sum(),
        )
    )


def channel_of(facts: Mapping[str, Any], commodity: Mapping[str, str]) -> Channel:
    """A channel by what its rows add up to. facts: meter_id, register, code, len, start, end, and the exact sums in
    whole quanta: `sum` in the unit, `kwh` in the canonical one. commodity: by meter.
    """
    unit = UNITS[facts["code"]]
    adds_up = unit.behaviour is Behaviour.AMOUNT
    return Channel(
        meter=facts["meter_id"],
        channel=facts["register"],
        commodity=commodity.get(facts["meter_id"], "unknown"),
        unit=unit.code,
        intervals=facts["len"],
        start_utc=facts["start"],
        end_utc=facts["end"],
        sum=_of_quanta(facts["sum"]) if adds_up and not unit.is_power else None,
        sum_kwh=_of_quanta(facts["kwh"]) if adds_up and unit.canonical == "kwh" else None,
    )


def _of_quanta(quanta: int) -> float:
    return float(Decimal(quanta).scaleb(-QUANTUM_DECIMALS))
