"""Rules for a reader, whatever the file: five oracles over what it made of one case."""

import math
import traceback
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from assets.readings.parsed import bad_rows
from assets.readings.sniff_files import FileRead, read_file, refused
from assets.readings.tables.normalise import normalise
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.units import UNITS, Behaviour
from data_quality.quarantine import FILE_REASONS, ROW_REASONS
from tests.fuzz import provenance, provenance_tables
from tests.fuzz.cases import FUTURE_LIMIT_S, NOW_UTC, Case, Outcome, Problem, Row, Seed, rows_of
from tests.fuzz.provenance_dsmr import dsmr
from tests.fuzz.provenance_mscons import mscons
from tests.fuzz.scope import SCOPES, Change, change_of

_FIRST_UTC = datetime(1971, 1, 1, tzinfo=UTC)
_QUALITIES = {int(code) for code in QualityCode}
_BY_LINES = {"nem12": provenance.nem12, "nem13": provenance.nem13, "mscons": mscons, "espi": provenance.espi}
_BY_CELLS = {
    "csv": provenance_tables.separated,
    "xlsx": provenance_tables.workbook,
    "parquet": provenance_tables.parquet,
}


class Reading(NamedTuple):
    """Result of a reader on a file: it was read, or refused with a fault of the world."""

    read: FileRead | None
    fault: BadInput | None
    rows: list[Row]

    @property
    def label(self) -> str:
        """Format, verdict and reasons."""
        if self.read is None:
            return f"reject {self.fault.reason if self.fault else ''}"
        report = self.read.report
        return " ".join([report.format, report.verdict, ",".join(report.reasons)]).strip()


def read_bytes(data: bytes, path: Path, seed: Seed) -> Reading:
    """Read bytes as a file of that name. Raises whatever is no fault of the world."""
    path.write_bytes(data)
    return read_path(path, seed)


def read_path(path: Path, seed: Seed) -> Reading:
    """Read a file as its seed is read."""
    try:
        read = read_file(path, mapping=seed.mapping, site=seed.site, tz=seed.tz, now_utc=NOW_UTC)
    except BadInput as fault:
        return Reading(None, fault, [])
    return Reading(read, None, rows_of(read))


@dataclass(frozen=True)
class Good:
    """A seed as it is read unchanged."""

    reading: Reading
    by_key: dict[tuple[str, str, datetime], Row]
    plain: bytes | None


_GOOD: dict[tuple[str, bytes], Good] = {}


def good_of(seed: Seed, folder: Path) -> Good:
    """The seed's own reading, once a process."""
    key = seed.name, seed.data
    if key not in _GOOD:
        reading = read_bytes(seed.data, folder / f"good{seed.suffix}", seed)
        _GOOD[key] = Good(reading, {row.key: row for row in reading.rows}, provenance.plain_bytes(seed.data))
    return _GOOD[key]


def judge(form: str, case: Case, folder: Path) -> Outcome:
    """Read the case and hear all oracles. Only the crash of the whole process is left to the caller."""
    path = folder / f"case{case.suffix}"
    good = good_of(case.seed, folder)
    try:
        reading = read_bytes(case.data, path, case.seed)
    except MemoryError:
        return Outcome("memory", [Problem("memory", "MemoryError")])
    # A panic of a native library is a BaseException: whatever arrives here is a crash of the reader.
    except BaseException as crash:
        if isinstance(crash, KeyboardInterrupt | SystemExit):
            raise
        frames = [f"{Path(each.filename).name}:{each.lineno}" for each in traceback.extract_tb(crash.__traceback__)]
        return Outcome("crash", [Problem("crash", f"{type(crash).__name__} {' '.join(frames[-6:])}: {crash}"[:2000])])
    problems = invariants(reading, path, case)
    if reading.read is not None:
        problems += sums(reading.read, reading.rows)
        problems += derivable(reading, case)
        problems += unchanged(form, reading, good, case)
    if case.is_cut and reading.rows:
        problems += only_known(reading, good, case)
    if case.is_neutral:
        problems += same_rows(reading, good, case)
    return Outcome(reading.label, problems)


def invariants(reading: Reading, path: Path, case: Case) -> list[Problem]:
    """Oracle 2: what holds for every accepted row, every reject and every report."""
    if reading.read is None:
        reported = str(reading.fault)
        if reading.fault and reading.fault.reason == "reader_stopped" and "takes more than" in reported:
            return [Problem("memory" if "memory" in reported else "slow", reported)]
        found = (
            [] if reading.fault and reading.fault.reason in FILE_REASONS | ROW_REASONS else [f"unlisted: {reported}"]
        )
        report = refused(path, reading.fault) if reading.fault else None
        if report is None or report.verdict != "reject" or report.accepted_rows:
            found.append("a refusal that is none")
        return [Problem("invariant", text) for text in found + _sentence(reported)]
    read = reading.read
    found = [text for row in reading.rows for text in _row_faults(row, case)][:5]
    twice = [key for key, count in Counter(row.key for row in reading.rows).items() if count > 1]
    found += [f"two rows of {key}" for key in twice[:3]]
    report = read.report
    if (report.accepted_rows, report.rejected_rows) != (read.rows.height, read.rejects.height):
        found.append("the report counts other rows than there are")
    if sum(report.reasons.values()) != read.rejects.height or not set(report.reasons) <= set(ROW_REASONS):
        found.append(f"reasons {report.reasons} of {read.rejects.height} rejects")
    if (report.verdict == "quarantine") != bool(read.rejects.height) or report.verdict == "reject":
        found.append(f"verdict {report.verdict} with {read.rejects.height} rejects")
    if any(count <= 0 for count in report.warnings.values()):
        found.append(f"a warning of nothing: {report.warnings}")
    for fault in bad_rows(read.rejects, path.name, limit=20):
        found += _sentence(str(fault))
    return [Problem("invariant", text) for text in found]


def _row_faults(row: Row, case: Case) -> list[str]:
    found = []
    if not math.isfinite(row.value):
        found.append(f"value {row.value}")
    if row.start_utc.tzinfo is None or row.start_utc < _FIRST_UTC:
        found.append(f"start {row.start_utc}")
    if (row.start_utc - NOW_UTC).total_seconds() > FUTURE_LIMIT_S:
        found.append(f"start {row.start_utc} lies ahead of {NOW_UTC}")
    if row.minutes <= 0:
        found.append(f"{row.minutes} minutes")
    if row.unit not in UNITS:
        found.append(f"unit {row.unit!r}")
    elif abs(row.value) * UNITS[row.unit].factor > 1e9:
        found.append(f"value {row.value} {row.unit}")
    if row.quality not in _QUALITIES:
        found.append(f"quality {row.quality}")
    # Elements (segments, rows) are shorter than a byte each nowhere.
    if not 1 <= row.line <= max(len(case.data), 1) * 2000:
        found.append(f"source line {row.line}")
    if not row.meter_id.isprintable() or not row.register:
        found.append(f"names {row.meter_id!r}, {row.register!r}")
    return [f"{text} in {row}" for text in found]


def _sentence(text: str) -> list[str]:
    is_one = text.strip() and "\n" not in text and "\r" not in text and len(text) < 10_000
    return [] if is_one else [f"no sentence: {text[:200]!r}"]


def sums(read: FileRead, rows: list[Row]) -> list[Problem]:
    """Oracle 2, of channels: their sums are the exact sums of the rows, and quarter hours lose nothing of them."""
    found = []
    stored = normalise(read.rows)
    canonical, wanted = _quanta(stored["value"].to_list()), Decimal(0)
    is_plain = all(UNITS[row.unit].behaviour is Behaviour.AMOUNT and UNITS[row.unit].factor == 1.0 for row in rows)
    # Up to nine million a float holds every quantum of 1e-9; above it there is no exact sum to ask for.
    is_exact = is_plain and all(abs(row.value) < 9e6 and not UNITS[row.unit].is_power for row in rows)
    if rows and is_exact:
        wanted = _quanta([row.value for row in rows])
        if canonical != wanted:
            found.append(f"quarter hours add up to {canonical}, rows to {wanted}")
    if stored["value"].is_finite().not_().any() or stored["value"].null_count():
        found.append("a quarter hour that is no number")
    report = read.report
    if not read.rejects.height and not {"missing_intervals", "duplicate_rows", "other_meters"} & set(report.warnings):
        parts: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            parts.setdefault((row.meter_id, row.unit), []).append(row.value)
        for key, values in parts.items():
            stated = [each for each in report.channels if (each.meter, each.unit) == key and each.intervals]
            if not stated or any(each.sum is None for each in stated) or max(map(abs, values)) >= 9e6:
                continue
            wanted = _quanta(values)
            total = sum((Decimal(repr(each.sum)) for each in stated), Decimal(0))
            # One sum is the nearest float to the exact one; several are each of them.
            is_sum = stated[0].sum == float(wanted) if len(stated) == 1 else abs(total - wanted) <= Decimal("2e-9")
            if not is_sum or sum(each.intervals for each in stated) != len(values):
                found.append(f"channels of {key} state {total}, {len(values)} rows add up to {wanted}")
    return [Problem("invariant", text) for text in found]


def _quanta(values: list[float]) -> Decimal:
    return Decimal(sum(round(value * 1e9) for value in values)).scaleb(-9)


def derivable(reading: Reading, case: Case) -> list[Problem]:
    """Oracle 3: each row stands in the bytes at its source line."""
    read = reading.read
    if read is None or not reading.rows:
        return []
    form = read.report.format
    data = provenance.plain_bytes(case.data)
    if data is None:
        return [Problem("provenance", "accepted, and cannot be unpacked")]
    if form in _BY_CELLS:
        found = _BY_CELLS[form](data, reading.rows, case.seed, read.report.reading)
    elif form == "dsmr":
        found = dsmr(data, reading.rows)
    else:
        found = _BY_LINES[form](data, reading.rows)
    return [Problem("provenance", text) for text in found]


def unchanged(form: str, reading: Reading, good: Good, case: Case) -> list[Problem]:
    """Oracle 4: a change elsewhere leaves a row as it was, or takes it out with a reject that names its line."""
    read, data = reading.read, provenance.plain_bytes(case.data)
    if read is None or form not in SCOPES or read.report.format != form or good.plain is None or data is None:
        return []
    if good.reading.read is None or good.plain.startswith((b"\xff\xfe", b"\xfe\xff")):
        return []
    spans_of, is_local = SCOPES[form]
    change = change_of(good.plain, data)
    if not is_local(change):
        return []
    known = {row.key: row for row in reading.rows}
    lines = set(read.rejects["source_line"].to_list())
    if form == "csv":
        # Labelled by its end, a row that lasts longer than before begins earlier.
        same = {(row.key, row.value) for row in good.reading.rows}
        lines |= {row.line for row in reading.rows if (row.key, row.value) not in same}
    moved = change.inserted.count(b"\n") - change.removed.count(b"\n")
    found = []
    for row, spans in zip(good.reading.rows, spans_of(good.plain, good.reading.rows), strict=True):
        if any(change.touches(span) for span in spans):
            continue
        now = known.get(row.key)
        if now is not None and not _is_same(form, now, row, may_repeat="duplicate_rows" in read.report.warnings):
            found.append(f"{row} was changed to {now} by a change elsewhere")
        elif now is None and not _is_accounted(form, row, change, lines, moved if spans[0][0] >= change.end else 0):
            found.append(f"{row} was lost by a change elsewhere, without a reject")
    return [Problem("metamorphic", text) for text in found[:3]]


def _is_same(form: str, now: Row, before: Row, *, may_repeat: bool) -> bool:
    if form in ("csv", "dsmr"):
        # How long a reading lasts is told by its neighbours; an amount between states too.
        return (now.value, now.unit) == (before.value, before.unit) or (
            form == "dsmr" and now.minutes != before.minutes
        )
    if may_repeat:
        # The same value twice, once as read and once as estimated: it counts as estimated.
        return now.content[:3] == before.content[:3]
    return now.content == before.content


def _is_accounted(form: str, row: Row, change: Change, lines: set[int], moved: int) -> bool:
    del change
    # Amounts between telegrams have no line of their own when they are lost: any reject tells of it.
    return bool(lines) if form == "dsmr" else row.line + moved in lines or row.line in lines


def only_known(reading: Reading, good: Good, case: Case) -> list[Problem]:
    """Oracle 5: a beginning of a file has no row that the whole file does not have."""
    new = [
        row for row in reading.rows if good.by_key.get(row.key) is None or good.by_key[row.key].content != row.content
    ]
    return [Problem("cut", f"of {len(case.data)} of {len(case.seed.data)} bytes: {row}") for row in new[:3]]


def same_rows(reading: Reading, good: Good, case: Case) -> list[Problem]:
    """A wrapping (packing, encoding, line ends, name) changes no row; packing refuses none either."""
    name = case.operations[0]
    if reading.read is None:
        lost = name in ("packed", "repacked", "same") and good.reading.read is not None
        return [Problem("metamorphic", f"{name}: refused: {reading.fault}")] if lost else []
    rows = {row.key: row for row in reading.rows}
    is_same = {key: (row.content, row.line) for key, row in rows.items()} == {
        key: (row.content, row.line) for key, row in good.by_key.items()
    }
    return [] if is_same else [Problem("metamorphic", f"{name}: other rows than before")]
