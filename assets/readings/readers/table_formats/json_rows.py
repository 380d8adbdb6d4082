"""JSON as machines push it: {"site", "readings": [...]}, each row an amount of an interval or the state of a register.

An amount says `start` and `minutes`, a state says `at`. A row's line is its place in the list, from 1.
"""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import polars as pl

from assets.readings.packed.bounded import content
from assets.readings.parsed import Parsed, ReadRequest
from assets.readings.readers.placed_rows import PLACED_SCHEMA, STATES_SCHEMA, RowFilter, place_rows, place_states
from data_quality.contracts.errors import BadInput
from data_quality.contracts.quality import QualityCode
from data_quality.contracts.site_file.live_source import PushSource
from data_quality.contracts.units import QUANTUM_DECIMALS, UNITS

EXPECTED = '{"site": ..., "readings": [{"meter", "start", "minutes", "value", "unit"}, ...]}'
MAX_BYTES = 16 * 2**20
NAMES = {"meter", "register", "start", "minutes", "at", "value", "unit", "quality"}
_QUALITIES = {code.name.lower(): int(code) for code in QualityCode}
_MOST_MINUTES = 366 * 24 * 60


class _Refused(ValueError):
    """Why a row is none: reason, what was expected, what came."""

    def __init__(self, reason: str, expected: str, got: object) -> None:
        super().__init__(reason, expected, f"{got!r:.80}")


class JsonRows:
    """Reader of rows that a machine writes; `source_line` is the place of a row in `readings`."""

    name = "json"
    version = "1"

    def recognises(self, head: bytes, path: Path) -> bool:
        """A JSON object with a list of readings near its begin."""
        return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b'"readings"' in head

    def header(self, path: Path) -> list[str]:
        """None: it has rows of named fields."""
        return []

    def read(self, path: Path, request: ReadRequest) -> Parsed:
        """All rows. Raises BadInput for a document of another shape or another site."""
        document = _document(content(path, max_bytes=MAX_BYTES))
        named, rows = document.get("site"), document.get("readings")
        if not isinstance(rows, list) or not rows:
            raise BadInput(f"expected {EXPECTED} with at least one row", reason="wrong_shape")
        if request.site is not None and named != request.site.site_id:
            message = f"it is of site {named!r:.80}, expected {request.site.site_id!r}"
            raise BadInput(message, reason="other_site")
        is_synthetic = document.get("is_synthetic", False)
        if not isinstance(is_synthetic, bool):
            raise BadInput(f"is_synthetic: expected true or false, got {is_synthetic!r:.80}", reason="wrong_shape")
        amounts: list[dict[str, Any]] = []
        states: list[dict[str, Any]] = []
        row_filter = RowFilter(pl.DataFrame(schema=PLACED_SCHEMA))
        for line, row in enumerate(rows, start=1):
            try:
                placed = _placed(row, line)
            except _Refused as refused:
                row_filter.reject(line, *refused.args)
            else:
                (amounts if "series" not in placed else states).append(placed)
        row_filter.frame = pl.DataFrame(amounts, schema=PLACED_SCHEMA)
        placed_states = place_states(pl.DataFrame(states, schema=STATES_SCHEMA), row_filter, request)
        placed_rows = place_rows(row_filter, request)
        sources = [each for each in request.site.sources if each.kind == "push"] if request.site is not None else []
        return Parsed(
            rows=_of_points(placed_rows, sources, row_filter),
            states=_of_points(placed_states, sources, row_filter),
            rejects=row_filter.rejects(),
            warnings=row_filter.warnings,
            is_synthetic=is_synthetic or any(each.is_synthetic for each in sources),
            findings=row_filter.findings,
        )


def _of_points(frame: pl.DataFrame, sources: list[PushSource], row_filter: RowFilter) -> pl.DataFrame:
    """Rows of the streams that the site's push sources fill; all, where it names no such source."""
    points = [point for source in sources for point in source.points if point.what != "live"]
    if not sources:
        return frame
    # The register of a driver has a name of its own, which no point knows.
    named = {(point.stream, point.register_id) for point in points} | {(point.stream, "value") for point in points}
    known = pl.DataFrame(sorted(named), schema={"meter_id": pl.String, "register": pl.String}, orient="row")
    for row in frame.join(known, on=["meter_id", "register"], how="anti").iter_rows(named=True):
        expected = f"a stream that a push source of the site fills: {', '.join(sorted({p.stream for p in points}))}"
        row_filter.reject(row["source_line"], "not_of_source", expected, f"{row['meter_id']}.{row['register']}")
    return frame.join(known, on=["meter_id", "register"], how="semi", maintain_order="left")


def json_of(body: bytes, expected: str) -> Any:
    """Content of JSON, decimal numbers as text: 0.1 is to be kept as it was written. Raises BadInput.

    expected: for the sentence about what is no JSON.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a name appears twice in one object")
        return found

    def refuse(word: str) -> float:
        raise ValueError(f"{word} is no number of JSON")

    try:
        return json.loads(body, object_pairs_hook=once, parse_constant=refuse, parse_float=str)
    except RecursionError as error:
        raise BadInput(f"it is nested too deep; expected {expected}", reason="not_json") from error
    except ValueError as error:
        line = getattr(error, "lineno", body.count(b"\n", 0, getattr(error, "start", 0)) + 1)
        message = f"this cannot be read as JSON: {error}; expected {expected}"
        raise BadInput(message, line=line, reason="not_json") from error


def _document(body: bytes) -> Mapping[str, Any]:
    found = json_of(body, EXPECTED)
    if not isinstance(found, dict):
        raise BadInput(f"a JSON {type(found).__name__}; expected {EXPECTED}", reason="wrong_shape")
    return found


def _placed(row: object, line: int) -> dict[str, Any]:
    """A row of PLACED_SCHEMA, or of STATES_SCHEMA where it says `at`. Raises _Refused."""
    if not isinstance(row, dict):
        raise _Refused("wrong_shape", "an object with meter, value, unit, and start and minutes, or at", row)
    unknown = sorted(set(row) - NAMES)
    if unknown:
        raise _Refused("unknown_field", f"no other fields than {', '.join(sorted(NAMES))}", unknown[0])
    is_state = "at" in row
    if is_state and ("start" in row or "minutes" in row):
        raise _Refused("two_kinds", "start and minutes of an amount, or at of a register's state", row)
    placed = {
        "meter": _text(row, "meter"),
        "alias": None,
        "register": _text(row, "register", "import"),
        "start": _instant(row, "at" if is_state else "start"),
        # A state lasts no time; the checks made for intervals ask for a length.
        "minutes": 1 if is_state else _minutes(row),
        "value": (value := _value(row))[0],
        "unit": _unit(row),
        "quality": _quality(row),
        "line": line,
        "got": value[1],
    }
    return {**placed, "series": ""} if is_state else placed


def _text(row: Mapping[str, Any], name: str, default: str = "") -> str:
    found = row.get(name, default)
    if not isinstance(found, str) or not found:
        raise _Refused("missing_field", f"{name} as a text", row.get(name))
    if any("\ud800" <= each <= "\udfff" for each in found):
        raise _Refused("not_text", f"{name} of whole characters: half of one (\\ud800 to \\udfff) is none", found)
    return found


def _instant(row: Mapping[str, Any], name: str) -> datetime:
    found = _text(row, name)
    try:
        moment = datetime.fromisoformat(found)
        if moment.tzinfo is None:
            raise _Refused("no_zone", f"{name} with its offset, such as 2026-03-01T12:00:00Z", found)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, _Refused):
            raise
        raise _Refused("bad_timestamp", f"{name} in ISO 8601, such as 2026-03-01T12:00:00Z", found) from error


def _minutes(row: Mapping[str, Any]) -> int:
    found = row.get("minutes")
    if isinstance(found, bool) or not isinstance(found, int) or not 0 < found <= _MOST_MINUTES:
        raise _Refused("unknown_interval", "minutes: a whole number of them", found)
    return found


def _value(row: Mapping[str, Any]) -> tuple[float, str]:
    """The value as a number and as plain decimal text of at most nine decimals."""
    found = row.get("value")
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise _Refused("not_a_number", "value: a number, or one as a text with a point", found)
    try:
        exact = Decimal(found)
        number = float(exact)
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise _Refused("not_a_number", "value: a number, or one as a text with a point", found) from error
    # Signs, digits and a point alone: Decimal knows underscores and words, which nobody means.
    if not math.isfinite(number) or not set(str(found)) <= set("+-.0123456789eE"):
        raise _Refused("not_a_number", "value: a finite number", found)
    return number, f"{round(exact, QUANTUM_DECIMALS):f}" if abs(number) < 1e18 else str(found)


def _unit(row: Mapping[str, Any]) -> str:
    code = _text(row, "unit").strip().lower().replace("³", "3")
    unit = UNITS.get(code)
    if unit is None:
        raise _Refused("unknown_unit", f"unit: one of {', '.join(sorted(UNITS))}", code)
    if unit.is_power:
        # Whether a sender's power is a mean of the interval or a glance at it, nobody can tell from here.
        raise _Refused("unit_mismatch", "the amount of the interval (kwh), not a power", code)
    return code


def _quality(row: Mapping[str, Any]) -> int:
    found = row.get("quality", "raw")
    if not isinstance(found, str) or found not in _QUALITIES:
        raise _Refused("quality_range", f"quality: one of {', '.join(_QUALITIES)}", found)
    return _QUALITIES[found]
