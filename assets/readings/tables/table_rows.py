"""Rows of a small CSV table with their line numbers; its cells as exact numbers, dates and words."""

import csv
import hashlib
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple

from assets.readings.packed.bounded import content
from data_quality.contracts.errors import BadInput

# Factor tables are small; a meter file handed over by mistake must not fill the memory.
MAX_BYTES = 64 << 20
# Products of two such numbers are exact in the account's 60 digits.
MOST_DIGITS = 29
# Anything else is a slip of the keyboard; and a day after 9999 cannot be said.
FIRST_YEAR, LAST_YEAR = 1900, 2200


class Row(NamedTuple):
    """One line of a table: cells by lower-case column name, blanks stripped; an absent column reads as empty."""

    file: str
    line: int
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The cell, empty where the column is absent."""
        return self.cells.get(column, "")

    def needed(self, column: str, what: str) -> str:
        """The cell. Raises BadInput where it is empty, saying what is missing."""
        if not self.text(column):
            raise self.bad(f"{what} (column {column})", reason=f"no_{column}")
        return self.text(column)

    def number(self, column: str) -> Decimal | None:
        """The cell as an exact number >= 0, None where it is empty."""
        text = self.text(column)
        if not text:
            return None
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise self.bad(f"{column}: expected a number such as 0.20705, got {text!r}", reason="bad_number") from None
        if not number.is_finite():
            raise self.bad(f"{column}: expected a finite number, got {text!r}", reason="bad_number")
        # Zero may be written with any number of digits.
        if number and (number.adjusted() > MOST_DIGITS or int(number.as_tuple().exponent) < -MOST_DIGITS):
            raise self.bad(
                f"{column}: expected a number of at most {MOST_DIGITS} digits, got {text!r}", reason="bad_number"
            )
        if number < 0:
            raise self.bad(f"{column} is negative ({text}); expected zero or more", reason="negative")
        return number

    def day(self, column: str) -> date:
        """The cell as a date."""
        text = self.text(column)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise self.bad(f"{column}: expected a date such as 2024-01-01, got {text!r}", reason="bad_date") from None
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise self.bad(f"{column}: expected a year of {FIRST_YEAR} to {LAST_YEAR}, got {text!r}", reason="bad_date")
        return day

    def truth(self, column: str) -> bool | None:
        """The cell as yes or no, None where it is empty."""
        text = self.text(column).casefold()
        if text in ("", "unknown"):
            return None
        if text in ("true", "yes", "1"):
            return True
        if text in ("false", "no", "0"):
            return False
        raise self.bad(f"{column}: expected true or false, got {text!r}", reason="bad_boolean")

    def span(self, first: str, last: str) -> tuple[date, date] | None:
        """[first, last) by two date columns, else the calendar year of column `year`; None where neither is given."""
        if self.text(first) or self.text(last):
            start, end = self.day(first), self.day(last)
            if end <= start:
                raise self.bad(f"{last} {end} must be after {first} {start} (it is exclusive)", reason="bad_period")
            return start, end
        if not self.text("year"):
            return None
        text = self.text("year")
        if not (text.isdecimal() and len(text) == 4 and FIRST_YEAR <= int(text) <= LAST_YEAR):
            raise self.bad(f"year: expected four digits such as 2024, got {text!r}", reason="bad_date")
        return date(int(text), 1, 1), date(int(text) + 1, 1, 1)

    def bad(self, message: str, *, reason: str) -> BadInput:
        """The fault of this line, to be raised."""
        return BadInput.at(self, message, reason=reason)


class Table(NamedTuple):
    """A read table: its header in lower case, its rows, the SHA-256 of the file's bytes."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    sha256: str


def read_table(path: Path, *, needs: Sequence[str] = (), comment: str = "") -> Table:
    """The table of a CSV file (UTF-8, `.gz` too). Lines that begin with `comment` are left out. Raises BadInput."""
    raw = _raw(path)
    try:
        text = (content(path, max_bytes=MAX_BYTES) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"cannot be read as a UTF-8 table: {error}", file=str(path), reason="bad_encoding") from error
    except BadInput as fault:
        raise BadInput(fault.message, file=str(path), reason=fault.reason) from fault
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: tuple[str, ...] = ()
    rows: list[Row] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or (comment and cells[0].startswith(comment)):
                continue
            if not header:
                header = _header(cells, path, reader.line_num, needs)
                continue
            # Spreadsheets pad rows with empty cells: only one that holds something is too many.
            if len(cells) > len(header) and any(cell.strip() for cell in cells[len(header) :]):
                raise BadInput(
                    f"has {len(cells)} cells, the header {len(header)}",
                    file=str(path),
                    line=reader.line_num,
                    reason="ragged_row",
                )
            # Not strict: a row may end early, and what it lacks reads as empty.
            named = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
            rows.append(Row(str(path), reader.line_num, named))
    except csv.Error as error:
        raise BadInput(f"is no CSV: {error}", file=str(path), line=reader.line_num, reason="bad_csv") from error
    if not header:
        raise BadInput("is empty; expected a header and rows", file=str(path), reason="empty_file")
    # Of the file's own bytes, so that anybody can check it with the tool at hand.
    return Table(header, tuple(rows), hashlib.sha256(raw).hexdigest())


def _raw(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadInput(f"is larger than {MAX_BYTES >> 20} MB; expected a small table", file=str(path))
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be opened: {error.strerror}", file=str(path), reason="no_file") from error


def _header(cells: list[str], path: Path, line: int, needs: Sequence[str]) -> tuple[str, ...]:
    header = tuple(cell.strip().casefold() for cell in cells)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise BadInput(
            f"column appears twice: {', '.join(twice)}", file=str(path), line=line, reason="duplicate_column"
        )
    require(header, needs, path, line)
    return header


def require(columns: Sequence[str], needs: Sequence[str], path: Path, line: int = 1) -> None:
    """Raises BadInput naming the columns that are lacking, and those that there are."""
    if missing := [name for name in needs if name not in columns]:
        raise BadInput(
            f"lacks the column {', '.join(missing)}; it has {', '.join(name for name in columns if name)}",
            file=str(path),
            line=line,
            reason="missing_column",
        )
