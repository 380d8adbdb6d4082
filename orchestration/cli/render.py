"""An answer on a terminal: one JSON document, or its tables and texts as wide as the terminal or as they need."""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from data_quality.contracts.text import decoded, one_line, printable
from orchestration.cli.terminal import as_shown, is_unicode
from orchestration.operations.answer import Answer, Table, plain

# Rich wants some number for a file: wide enough that no ordinary row wraps.
FILE_WIDTH = 400
# Of a column of a table that is wider than its terminal.
NARROWEST = 12
# A column of these stands to the right: a sign, digits, a unit, a footnote's mark; or nothing is known.
_NUMBER = re.compile(r"[-+±]?[\d,]*\d(\.\d+)?%?( [^\d\s]\S{0,11}){0,2} *|[-–]?( [a-z(]\S{0,3})? *")


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
