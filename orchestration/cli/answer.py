"""What a command found, and the one place where a result becomes JSON, a table and a sentence."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from string import Formatter
from typing import Any

from pydantic import BaseModel

from data_quality.contracts.finding import Finding
from data_quality.contracts.text import decoded, one_line, printable
from orchestration.cli.terminal import as_shown, is_unicode
from orchestration.views.plain_answer import EXIT_CODES, plain

# Rich wants some number for a file: wide enough that no ordinary row wraps.
FILE_WIDTH = 400
# Of a column of a table that is wider than its terminal.
NARROWEST = 12
DONE, CHECK_FAILED, BAD_INPUT, UNREACHABLE, BUG = EXIT_CODES
UNKNOWN = "-"
# A column of these stands to the right: a sign, digits, a unit, a footnote's mark; or nothing is known.
_NUMBER = re.compile(r"[-+±]?[\d,]*\d(\.\d+)?%?( [^\d\s]\S{0,11}){0,2} *|[-–]?( [a-z(]\S{0,3})? *")


class Table:
    """How people see one list of a result.

    rows: the result's field that holds the list (dotted), or the rows themselves. columns: in one text with ` | `
    between them, each a field of the row that is its own title, or `title: cell`; or title -> cell, where a title is
    nobody's constant. A cell is a template of `str.format` over the row: `{start_utc}`, `{value:,.2f} {unit}`,
    `{reason:|none}` (what follows the bar stands where there is nothing). functions: by the name that a cell gives
    them, over the row, for what no field holds. empty: the sentence where there is no row.
    """

    def __init__(
        self,
        rows: str | Sequence[Any],
        columns: str | Mapping[str, str],
        *,
        empty: str = "",
        **functions: Callable[[Any], object],
    ) -> None:
        self.rows, self.empty, self.functions = rows, empty, functions
        self.columns = dict(map(_column, columns.split(" | "))) if isinstance(columns, str) else columns

    def cells(self, result: Any) -> list[list[str]]:
        """The table's texts, row by row."""
        rows = _field(result, self.rows) if isinstance(self.rows, str) else self.rows
        return [[filled(cell, row, self.functions) for cell in self.columns.values()] for row in rows]


def _column(text: str) -> tuple[str, str]:
    # A title may be empty: a column whose cells speak for themselves begins with the colon.
    title, colon, cell = text.partition(": {")
    return (title, "{" + cell) if colon else (text.replace("_", " "), f"{{{text}}}")


@dataclass(frozen=True)
class Answer:
    """What a command found: `result`, a model or the keys of the contract with models below them, is the JSON.

    Table and text are how people see it, in this order; several tables may have texts between them.
    """

    result: BaseModel | Mapping[str, Any]
    table: Table | Sequence[Table | str] | None = None
    text: str = ""
    exit_code: int = DONE

    @property
    def parts(self) -> list[Table | str]:
        """What people see, from above."""
        tables = [self.table] if isinstance(self.table, Table) else self.table or ()
        return [*tables, *([self.text] if self.text else [])]


class _Texts(Formatter):
    """`str.format` over the fields of one row, or the functions of a table; nothing is `-`, times are UTC minutes."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        row = args[0]
        return (kwargs[field_name](row) if field_name in kwargs else _field(row, field_name)), field_name

    def format_field(self, value: Any, format_spec: str) -> str:
        form, bar, instead = format_spec.partition("|")
        # Zero is a value and is shown; an empty text or list is nothing.
        if value is None or (bar and not value and not isinstance(value, int | float | Decimal)):
            return instead if bar else UNKNOWN
        return format(value, form) if form else said(value)


_TEXTS = _Texts()


def _field(value: Any, path: str) -> Any:
    """What a dotted path of keys, positions and attributes leads to; None where a part on the way is."""
    for part in path.split("."):
        if value is None:
            return None
        if isinstance(value, Mapping):
            value = value[part]
        else:
            value = value[int(part)] if part.isdigit() else getattr(value, part)
    return value


def filled(template: str, row: Any, functions: Mapping[str, Callable[[Any], object]] | None = None) -> str:
    """A template over a row."""
    return _TEXTS.vformat(template, (row,), functions or {})


def said(value: Any) -> str:
    """A value for people, where no other form is asked for."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}Z".replace(":00Z", "Z")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(said, value))
    return str(value)


def finding_lines(findings: Iterable[Finding], indent: str = "  ") -> list[str]:
    """Findings for people, a line each."""
    return [f"{indent}{each.severity}: {each.code}: {each.message}" for each in findings]


def show(answer: Answer, *, is_json: bool) -> None:
    """Print an answer on standard output: one JSON document, or table and text."""
    if is_json:
        # No NaN: JSON has none, and a reader of another language would refuse the whole document. What a stream lacks
        # is escaped as JSON does it: a program gets the text itself, not how a person would read it.
        text = decoded(json.dumps(plain(answer.result), allow_nan=False, ensure_ascii=False))
        sys.stdout.write((text if is_unicode(sys.stdout) else json.dumps(json.loads(text))) + "\n")
        return
    sys.stdout.write(
        "".join(_tabular(part, answer) if isinstance(part, Table) else f"{printable(part)}\n" for part in answer.parts)
    )
    # Here and not at the end: a reader that has gone, as `head` does, is no fault of ours.
    sys.stdout.flush()


def _tabular(table: Table, answer: Answer) -> str:
    """A table as text: columns aligned, those of numbers to the right, as wide as the terminal or as it needs."""
    cells = [[as_shown(one_line(cell), sys.stdout) for cell in row] for row in table.cells(answer.result)]
    if not cells:
        empty = table.empty or ("" if answer.text else "nothing to show")
        return f"{printable(empty)}\n" if empty else ""
    # Rich takes a tenth of a second to import: only those wait who print a table.
    from rich.console import Console
    from rich.table import Column
    from rich.table import Table as RichTable
    from rich.text import Text

    # None leaves the choice to Rich; False would force colours on.
    console = Console(highlight=False, no_color="NO_COLOR" in os.environ or None)
    is_terminal = console.is_terminal
    if not is_terminal:
        # A file has no width: nothing may be cut, least of all a figure's id.
        console = Console(highlight=False, no_color=True, width=FILE_WIDTH)
    are_numbers, titles = _are_numbers(cells), [as_shown(title, sys.stdout) for title in table.columns]
    widths = _widths(titles, cells, are_numbers, console.width)
    columns = [
        Column(Text(title, justify="right" if is_number else "left"), overflow="fold", width=width)
        for title, is_number, width in zip(titles, are_numbers, widths, strict=True)
    ]
    printed = RichTable(*columns, box=None, pad_edge=False)
    for row in cells:
        # As texts: a name may hold what the terminal, or the table's own markup, would act upon. Numbers are moved to
        # the right here: Rich would drop the blanks behind one, which keep the place of a footnote's mark.
        placed = zip(row, are_numbers, widths, strict=True)
        printed.add_row(*(Text(cell.rjust(width or 0) if is_number else cell) for cell, is_number, width in placed))
    with console.capture() as captured:
        console.print(printed)
    # Blanks at the ends of lines mean nothing to a reader and something to a comparison.
    return captured.get() if is_terminal else "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def _are_numbers(cells: Sequence[Sequence[str]]) -> list[bool]:
    columns = list(zip(*cells, strict=True))
    return [any(map(str.strip, column)) and all(map(_NUMBER.fullmatch, column)) for column in columns]


def _widths(
    titles: Iterable[str], cells: Sequence[Sequence[str]], are_numbers: Iterable[bool], width: int
) -> list[int | None]:
    """Columns as wide as they need; on a narrow terminal prose gives way and nothing else breaks; none if even so."""
    from rich.cells import cell_len

    least, most, are_prose = [], [], []
    for title, column, is_number in zip(titles, zip(*cells, strict=True), are_numbers, strict=True):
        are_prose.append(not is_number and any(" " in text for text in column))
        most.append(max(map(cell_len, (title, *column))))
        unbroken = [*title.split(), *(part for text in column for part in ([text] if is_number else text.split()))]
        least.append(max(map(cell_len, unbroken), default=0))
    room = width - sum(least) - 2 * (len(least) - 1)
    while room < 0:
        # Something must break: rather a path within a sentence than an id beside it.
        place = max(range(len(least)), key=lambda each: (are_prose[each], least[each]))
        if least[place] <= NARROWEST:
            return [None] * len(least)
        least[place], room = least[place] - 1, room + 1
    # The narrowest wishes first: what they leave is the others'.
    for place in sorted(range(len(least)), key=lambda each: most[each] - least[each]):
        wishing = sum(1 for a, b in zip(least, most, strict=True) if a < b)
        given = min(most[place] - least[place], room // max(wishing, 1))
        least[place], room = least[place] + given, room - given
        most[place] = least[place]
    return [*least]


def written() -> None:
    """All that was printed is out, where anybody still reads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
