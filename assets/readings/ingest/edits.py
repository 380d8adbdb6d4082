"""A person's edit becomes a batch of its own: the rows before it stay, and who, why and in which role is recorded."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

import polars as pl

from assets.readings.changes.bitemporal import affected_months, classify
from assets.readings.ingest.published_reports import closed_periods, within
from assets.readings.parsed import FUTURE_LIMIT, PARSED_SCHEMA, one_line
from assets.readings.streams import canonical_of, default_registers, streams
from assets.readings.tables.normalise import normalise
from assets.readings.tables.values import IMPLAUSIBLE, LOAD_LIMIT, ONE_WAY
from assets.stores.column_types import canonical_json
from assets.stores.lake.lake import BatchInfo, Decided, Lake
from assets.stores.lake.merges import newest_entry
from assets.stores.ledgers.reading_edits import record_edit
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.people import Role
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.reading_edit import ReadingEdit
from data_quality.contracts.site_file.site import Site
from data_quality.contracts.time import CANONICAL_MINUTES, Clock
from data_quality.contracts.units import QUANTUM_DECIMALS, Behaviour, unit_of

READER, VERSION = "edit", "1"
EDITOR = Role.ENGINEER
_QUARTER = timedelta(minutes=CANONICAL_MINUTES)


class EditReport(Model):
    """Changes by an edit. before (None where nothing was), after: sums of amounts or means of levels, in `unit`."""

    batch_id: str | None
    new_rows: int
    corrected_rows: int
    unchanged_rows: int
    before: Decimal | None
    after: Decimal
    unit: str
    partitions: tuple[str, ...]
    reopened: tuple[str, ...] = ()


def edit_reading(
    edit: ReadingEdit,
    *,
    site: Site,
    lake: Lake,
    clock: Clock,
    reopen: bool = False,
    dry_run: bool = False,
    sign: Callable[[str], object] = str,
) -> EditReport:
    """Write the edit's quarter hours as a batch with quality code 7, manually edited.

    sign: called with the edit's digest in the transaction that records who and why.
    Raises BadInput for what no reading can be, for a role that may not, and, unless reopen, for the period of a
    published report. With dry_run nothing is written.
    """
    if edit.role is not EDITOR:
        raise BadInput(f"an edit needs the role {EDITOR.value!r}, not {edit.role.value!r}", reason="missing_role")
    _check(edit, site, clock)
    span: dict[str, Any] = {"start_utc": edit.start_utc, "end_utc": edit.end_utc}
    rows = _canonical(edit, site)
    stream = (pl.col("meter_id") == edit.meter_id) & (pl.col("register") == edit.register_id)

    def current() -> pl.DataFrame:
        return lake.current(site.site_id, **span, meters=[edit.meter_id]).filter(stream)

    def decide() -> Decided:
        known = current()
        changes, unchanged = classify(_as_real_as(rows, known, site), known)
        return Decided(changes=changes, unchanged_rows=unchanged)

    before, decided = current(), decide()
    if decided.changes.is_empty():
        raise BadInput("the readings say that already; nothing would change", reason="nothing_changes")
    reopened = tuple(within(decided.changes, closed_periods(lake.store, site)))
    if reopened and not reopen:
        raise BadInput(
            f"the period is closed by {', '.join(reopened)}; an edit would make it stale",
            reason="closed_period",
            mend="say --reopen where that is meant, and issue the report again",
        )
    batch_id = None if dry_run else _write(edit, site, lake, clock, decide, decided, reopened, sign)
    corrected = int(decided.changes["is_correction"].sum())
    return EditReport(
        batch_id=batch_id,
        new_rows=decided.changes.height - corrected,
        corrected_rows=corrected,
        unchanged_rows=decided.unchanged_rows,
        before=_summary(before) if before.height else None,
        after=_summary(rows),
        unit=rows["unit"][0],
        partitions=tuple(affected_months(site, decided.changes)),
        reopened=reopened,
    )


def stream_named(site: Site, meter_id: str, register_id: str | None) -> tuple[str, str]:
    """(register, its unit) of a stream that an edit names. Raises BadInput with what is there."""
    table = streams(site).filter(pl.col("meter_id") == meter_id)
    if table.is_empty():
        near = get_close_matches(meter_id, site.stream_ids(), 1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(site.stream_ids()[:20])}"
        raise BadInput(f"{meter_id!r} is no meter of {site.site_id}{hint}", reason="unknown_meter")
    wanted = register_id or default_registers(site)[meter_id]
    found = table.filter(pl.col("register") == wanted)
    if found.is_empty():
        names = ", ".join(table["register"])
        raise BadInput(f"meter {meter_id!r} has no register {wanted!r}; it has {names}", reason="unknown_register")
    return wanted, found["own_unit"][0]


def _check(edit: ReadingEdit, site: Site, clock: Clock) -> None:
    _, own = stream_named(site, edit.meter_id, edit.register_id)
    unit = unit_of(edit.unit)
    if unit.canonical != canonical_of(own):
        raise BadInput(f"{edit.unit!r} is of another kind than the register's {own!r}", reason="unit_mismatch")
    for moment in (edit.start_utc, edit.end_utc):
        if moment.timestamp() % _QUARTER.total_seconds():
            raise BadInput(f"{moment:%Y-%m-%dT%H:%M:%SZ} is no quarter hour", reason="off_grid")
    if edit.end_utc > clock.now_utc() + FUTURE_LIMIT:
        raise BadInput(f"{edit.end_utc:%Y-%m-%dT%H:%MZ} has not been yet", reason="future_timestamp")
    is_amount = unit.behaviour is Behaviour.AMOUNT
    meter = site.meter(edit.meter_id)
    if meter is not None and is_amount and edit.register_id in ONE_WAY and edit.value < 0:
        raise BadInput(f"register {edit.register_id!r} counts one way; got {edit.value}", reason="negative_consumption")
    hours = (edit.end_utc - edit.start_utc) / timedelta(hours=1)
    size = abs(float(edit.value)) * unit.factor * (hours if unit.is_power else 1)
    load = meter.connected_load_kw if meter is not None and unit.canonical == "kwh" and is_amount else None
    if load is not None and size / hours > LOAD_LIMIT * load:
        raise BadInput(
            f"{size / hours:.6g} kW is above {LOAD_LIMIT:g} x the connected load of {load:g} kW", reason="implausible"
        )
    if size > IMPLAUSIBLE:
        raise BadInput(f"{edit.value} {edit.unit} is more than any meter counts", reason="implausible")


def _canonical(edit: ReadingEdit, site: Site) -> pl.DataFrame:
    """The edit's quarter hours (canonical unit), the whole amount split to the last quantum."""
    minutes = int((edit.end_utc - edit.start_utc) / timedelta(minutes=1))
    unit = unit_of(edit.unit).code
    row = (edit.meter_id, edit.register_id, edit.start_utc, minutes, float(edit.value), unit)
    parsed = pl.DataFrame([(*row, int(QualityCode.MANUALLY_EDITED), 1)], schema=PARSED_SCHEMA, orient="row")
    return normalise(parsed).with_columns(site_id=pl.lit(site.site_id))


def _as_real_as(rows: pl.DataFrame, known: pl.DataFrame, site: Site) -> pl.DataFrame:
    """Flag of a replacement: what replaces a synthetic reading stays synthetic."""
    key = ["meter_id", "register", "interval_start_utc"]
    flags = known.select(*key, "is_synthetic")
    joined = rows.join(flags, on=key, how="left", maintain_order="left", validate="1:1")
    return joined.with_columns(pl.col("is_synthetic").fill_null(value=site.is_simulated))


def _write(
    edit: ReadingEdit,
    site: Site,
    lake: Lake,
    clock: Clock,
    decide: Callable[[], Decided],
    decided: Decided,
    reopened: tuple[str, ...],
    sign: Callable[[str], object],
) -> str:
    # The same words after other ones are another edit.
    body = edit.model_dump(mode="json") | {"after_entry": newest_entry(lake.store, site.site_id)}
    sha256 = hashlib.sha256(canonical_json([site.site_id, body]).encode()).hexdigest()
    row = {
        "edit_sha256": sha256,
        "site_id": site.site_id,
        "meter_id": edit.meter_id,
        "register": edit.register_id,
        "start_utc": edit.start_utc,
        "end_utc": edit.end_utc,
        "edit": body,
        "person_id": edit.person_id,
        "role": edit.role.value,
        "reason": edit.reason,
        "reopened": list(reopened),
    }
    # First who and why, then the values: a value that nobody answers for cannot exist.
    with lake.store.together():
        record_edit(lake.store, row, clock)
        sign(sha256)
    info = BatchInfo(
        site_id=site.site_id,
        source_name=one_line(f"edit by {edit.person_id}: {edit.reason}", 200),
        source_sha256=sha256,
        reader=READER,
        reader_version=VERSION,
        accepted_rows=1,
        rejected_rows=0,
        is_synthetic=bool(decided.changes["is_synthetic"].any()),
        mapping={"person": edit.person_id, "role": edit.role.value, "reason": edit.reason},
    )
    return lake.write_decided(info, decide, clock=clock).batch_id


def _summary(rows: pl.DataFrame) -> Decimal:
    """Sum of amounts, mean of levels, in the canonical unit; exact for amounts."""
    # repr is the shortest text of the float: the decimal of nine places that was stored.
    values = [Decimal(repr(value)) for value in rows["value"]]
    total = sum(values, Decimal(0))
    is_amount = unit_of(rows["unit"][0]).behaviour is Behaviour.AMOUNT
    return round(total if is_amount else total / len(values), QUANTUM_DECIMALS)
