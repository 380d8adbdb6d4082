"""Validate a site's month and put estimates in place of what it excludes: a batch of its own, nothing overwritten.

The raw readings stay in the lake. Asked again, with nothing new delivered, it writes nothing; where later readings
leave nothing to exclude, the raw reading is put back in force.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import polars as pl

from assets.readings.changes.bitemporal import classify
from assets.readings.ingest.estimated_rows import estimated_rows
from assets.readings.ingest.judge_site import READER, ROWS_AT_ONCE, VERSION, delivered, delivered_in_blocks, judge_rows
from assets.stores.column_types import canonical_json
from assets.stores.lake.lake import KEY, BatchInfo, Decided, Lake
from assets.stores.lake.merges import batches_of_reader
from assets.stores.ledgers.flags import MonthValidation, publish_findings
from data_quality.contracts.finding import Finding
from data_quality.contracts.model import Model
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.site_file.vee import Action, RuleFinding
from data_quality.contracts.time import Clock, Period, local_midnight_utc, months_of
from data_quality.rules.rule_table import RULES_VERSION
from data_quality.validate import Validation, history_start

# A year of a hundred meters fits in memory easily, and each month of it is read once with its history.
MONTHS_AT_ONCE = 12


class MonthResult(Model):
    """Result of one month's validation. estimated: quarter hours per method; refused: gaps that nothing could fill;
    reinstated: raw quarter hours in force again.
    """

    validation: MonthValidation
    estimated: dict[str, int]
    refused: tuple[Finding, ...]
    reinstated: int


def validate_months(
    lake: Lake, site: Site, period: Period, *, clock: Clock, run_id: str | None = None
) -> list[MonthResult]:
    """Validate the local months of the period, each with the history before it, and record what was found.

    Months without any reading are left out. The readings are loaded for at most MONTHS_AT_ONCE months and half of
    ROWS_AT_ONCE rows, and for a month at least, whatever the period.
    """
    months, results = months_of(period), []
    entries = lake.manifest(site.site_id, start_utc=period.start_utc, end_utc=period.end_utc)
    a_month = max(1, sum(int(entry["rows"]) for entry in entries) // len(months))
    # Four months before them are read too: what judging takes, and the references of estimates.
    size = max(1, min(MONTHS_AT_ONCE, ROWS_AT_ONCE // (2 * a_month)))
    for at in range(0, len(months), size):
        results += _months(lake, site, months[at : at + size], clock=clock, run_id=run_id)
    return results


def _months(lake: Lake, site: Site, chunk: Sequence[Period], *, clock: Clock, run_id: str | None) -> list[MonthResult]:
    """Results of neighbouring months; a function, so that their readings leave memory before the next are read."""
    start, end = _references_start(chunk[0]), chunk[-1].end_utc
    rows = delivered_in_blocks(lake, site, start_utc=history_start(start, site.time_zone), end_utc=end)
    validation = judge_rows(rows, site, start_utc=start, end_utc=end)
    at = pl.col("interval_start_utc")
    read = [
        month
        for month in chunk
        if rows.select(at.is_between(month.start_utc, month.end_utc, closed="left").any()).item()
    ]
    # What is needed of single meters is read again: the whole of a large site is not kept meanwhile.
    del rows
    return [_month(lake, site, month, validation, clock=clock, run_id=run_id) for month in read]


def _references_start(month: Period) -> datetime:
    """Two months before: what is wrong in them may be no reference for an estimate in this one."""
    first = month.start.replace(day=1)
    # Like days reach eight weeks back, which two calendar months always hold.
    for _ in range(2):
        first = (first - timedelta(days=1)).replace(day=1)
    return local_midnight_utc(first, month.time_zone)


def _month(
    lake: Lake,
    site: Site,
    month: Period,
    validation: Validation,
    *,
    clock: Clock,
    run_id: str | None,
) -> MonthResult:
    digest = _input_digest(lake, site, start_utc=history_start(month.start_utc, site.time_zone), end_utc=month.end_utc)
    meters = _concerned(lake, site, month, validation)
    raw = delivered(lake, site, start_utc=month.start_utc, end_utc=month.end_utc, meters=meters)
    estimates, made, refused = estimated_rows(validation, raw, site, month)
    reinstated = 0

    def decide() -> Decided:
        nonlocal reinstated
        # Of no meter nothing: a month without a fault is not read once more.
        current = raw
        if meters:
            current = lake.current(site.site_id, start_utc=month.start_utc, end_utc=month.end_utc, meters=meters)
        # Raw rows of the keys that hold an estimate of ours and need none any more, as columns of `estimates`.
        ours = batches_of_reader(lake.store, site.site_id, READER)
        stale = current.filter(pl.col("batch_id").is_in(ours)).join(estimates.select(KEY), on=KEY, how="anti")
        # What was put back in force before is the raw row already.
        same = [*KEY, "value", "quality_code"]
        stale = stale.join(raw.select(same), on=same, how="anti")
        back = raw.join(stale.select(KEY), on=KEY, how="semi").select(estimates.columns)
        reinstated = back.height
        changes, unchanged = classify(pl.concat([estimates, back]), current)
        return Decided(changes=changes, unchanged_rows=unchanged)

    batch_id = _write(lake, site, month, decide, digest=digest, clock=clock, run_id=run_id)
    methods: dict[str, int] = {}
    for each in made:
        methods[each.method] = methods.get(each.method, 0) + each.gap.slots
    found = _recorded(site, month, validation, refused, digest, batch_id)
    publish_findings(lake.store, [found], clock)
    return MonthResult(validation=found, estimated=methods, refused=refused, reinstated=reinstated)


def _concerned(lake: Lake, site: Site, month: Period, validation: Validation) -> list[str]:
    """The meters with something to estimate, and those that hold an estimate of ours in the month."""
    found = {
        judged.days.grid.streams[event.row].meter_id
        for judged in validation.judged
        for event in judged.events
        if event.action is Action.EXCLUDE
    }
    ours = set(batches_of_reader(lake.store, site.site_id, READER))
    entries = lake.manifest(site.site_id, start_utc=month.start_utc, end_utc=month.end_utc)
    files = lake.files([entry for entry in entries if entry["batch_id"] in ours])
    if files:
        rows = pl.scan_parquet(files, hive_partitioning=False).filter(pl.col("batch_id").is_in(sorted(ours)))
        found |= {*rows.select("meter_id").unique().collect()["meter_id"]}
    return sorted(found)


def _write(
    lake: Lake,
    site: Site,
    month: Period,
    decide: Callable[[], Decided],
    *,
    digest: str,
    clock: Clock,
    run_id: str | None,
) -> str | None:
    """The batch; None where nothing changes."""
    # Once to see whether there is anything to write; the lake asks again under its lock.
    decided = decide()
    if decided.changes.is_empty():
        return None
    content = decided.changes.sort(KEY).write_csv()
    words = canonical_json([site.site_id, month.label, RULES_VERSION, digest, content])
    info = BatchInfo(
        site_id=site.site_id,
        source_name=f"validation {RULES_VERSION} of {month.label}",
        source_sha256=hashlib.sha256(words.encode()).hexdigest(),
        reader=READER,
        reader_version=VERSION,
        accepted_rows=decided.changes.height,
        rejected_rows=0,
        is_synthetic=bool(decided.changes["is_synthetic"].any()),
        mapping={"rules_version": RULES_VERSION, "input_digest": digest},
        run_id=run_id,
    )
    return lake.write_decided(info, decide, clock=clock).batch_id


def _input_digest(lake: Lake, site: Site, *, start_utc: datetime, end_utc: datetime) -> str:
    """Of the delivered readings and of all that decides how they are judged: equal digests, equal findings."""
    ours = set(batches_of_reader(lake.store, site.site_id, READER))
    entries = lake.manifest(site.site_id, start_utc=start_utc, end_utc=end_utc)
    content = sorted(str(entry["content_sha256"]) for entry in entries if entry["batch_id"] not in ours)
    # Another name changes no finding; events act on the amounts, whose digest is in here already.
    meters = [meter.model_dump(mode="json", exclude={"name", "events"}) for meter in site.meters]
    words = canonical_json([content, site.validation.model_dump(mode="json"), meters, site.time_zone])
    return hashlib.sha256(words.encode()).hexdigest()


def _concerns(refusal: Finding, finding: RuleFinding) -> bool:
    """True where the gap that could not be filled is that of the finding."""
    start, end = (datetime.fromisoformat(str(refusal.facts[name])) for name in ("start_utc", "end_utc"))
    is_same_stream = refusal.scope == f"{finding.meter}.{finding.register_id}"
    is_excluded = finding.action is Action.EXCLUDE
    return is_excluded and is_same_stream and finding.start_utc < end and finding.end_utc > start


def _recorded(
    site: Site, month: Period, validation: Validation, refused: tuple[Finding, ...], digest: str, batch_id: str | None
) -> MonthValidation:
    own = validation.of_days(month.start, month.end)
    findings = tuple(
        each.model_copy(update={"message": f"{each.message}; no estimate was possible, the raw reading stays in use"})
        if any(_concerns(one, each) for one in refused)
        else each
        for each in own.findings
        if each.start_utc < month.end_utc and each.end_utc > month.start_utc
    )
    return MonthValidation(
        site_id=site.site_id,
        month=month.start,
        rules_version=RULES_VERSION,
        input_digest=digest,
        score=own.score,
        coverage=own.coverage,
        findings=findings,
        scores=tuple(own.streams()),
        batch_id=batch_id,
    )
