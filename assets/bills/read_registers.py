"""Register reads: `meter,read_date,<period>_register…` or `read_date,register_<unit>`, and `type` where known."""

import csv
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Literal, cast

from assets.bills.load import Reads, RegisterUse
from data_quality.contracts.errors import BadInput

_UNITS = ("kwh", "m3", "kw", "kvarh")
_ESTIMATED = frozenset({"estimated", "estimate", "e"})
_OTHER = frozenset({"meter", "read_date", "type"})


def read_registers(path: Path, *, meter: str | None = None, multiplier: Decimal = Decimal(1)) -> list[Reads]:
    """One Reads per pair of following reads of the meter, in order of time; multiplier applied.

    A column is `<period>_register` (kWh), `<period>_register_<unit>` or `register_<unit>`. Raises BadInput naming the
    line for a wrong date or number, a register that counts backwards, or several meters with none named.
    """
    rows = _rows(path)
    names = sorted({row.get("meter", "") for _, row in rows})
    if meter is not None:
        rows = [(line, row) for line, row in rows if row.get("meter", "") == meter]
        if not rows:
            raise BadInput(
                f"no meter {meter!r}; the file has {', '.join(names)}", file=str(path), reason="unknown_meter"
            )
    elif len(names) > 1:
        raise BadInput(
            f"the file has meters {', '.join(names)}; expected one",
            file=str(path),
            reason="several_meters",
            mend="name one with --meter",
        )
    columns = {name: _meaning(name, path) for name in rows[0][1] if name not in _OTHER}
    states = sorted((_date(row, line, path), line, row) for line, row in rows)
    if len(states) < 2:
        raise BadInput("one read only; use needs two", file=str(path), reason="one_read")
    found = []
    for (start, _, opened), (end, line, closed) in pairwise(states):
        if end <= start:
            raise BadInput(f"two reads on {end}", file=str(path), line=line, reason="duplicate_read")
        uses = []
        for name, (period, unit) in columns.items():
            first, last = _number(opened, name, line, path), _number(closed, name, line, path)
            if last < first and unit != "kw":
                raise BadInput(
                    f"{name} counts backwards from {first} to {last}; expected rising states",
                    file=str(path),
                    line=line,
                    reason="register_backwards",
                )
            uses.append(
                RegisterUse(
                    start=start,
                    end=end,
                    quantity=(last if unit == "kw" else last - first) * multiplier,
                    unit=cast(Literal["kwh", "m3", "kw", "kvarh"], unit),
                    period_id=period,
                    is_estimated=any(row.get("type", "").strip().lower() in _ESTIMATED for row in (opened, closed)),
                )
            )
        found.append(Reads(uses=tuple(uses)))
    return found


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [name.strip().lower() for name in reader.fieldnames or []]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError as error:
        raise BadInput("no such file", file=str(path), reason="no_such_file") from error
    except UnicodeDecodeError as error:
        raise BadInput("expected UTF-8 text", file=str(path), reason="bad_encoding") from error
    if "read_date" not in header:
        raise BadInput(
            f"column read_date is missing (found {', '.join(header)})", file=str(path), line=1, reason="missing_column"
        )
    if not rows:
        raise BadInput("there is a header but no row", file=str(path), line=1, reason="no_rows")
    return rows


def _meaning(name: str, path: Path) -> tuple[str, str]:
    """(period, unit) of a register column."""
    period, found, rest = name.partition("register")
    unit = rest.strip("_ ") or "kwh"
    if not found or unit not in _UNITS:
        raise BadInput(
            f"column {name!r}: expected <period>_register, <period>_register_<unit> or register_<unit> with a unit of "
            f"{', '.join(_UNITS)}",
            file=str(path),
            line=1,
            reason="unknown_column",
        )
    return period.strip("_ "), unit


def _date(row: dict[str, str], line: int, path: Path) -> date:
    text = (row.get("read_date") or "").strip()
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"expected a date such as 2024-04-01, got {text!r}", file=str(path), line=line) from error


def _number(row: dict[str, str], name: str, line: int, path: Path) -> Decimal:
    text = (row.get(name) or "").strip()
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise BadInput(f"{name}: expected a number, got {text!r}", file=str(path), line=line) from error
    if not number.is_finite():
        raise BadInput(f"{name}: expected a number, got {text!r}", file=str(path), line=line)
    return number
