"""The shell's door to every operation: shared options, one sentence and an exit code for every fault.

An answer is one JSON document, or its tables and texts as wide as the terminal or as they need.
"""

import inspect
import json
import os
import re
import sys
import traceback
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from data_quality.contracts.errors import BadInput, MeterloomError, OurFault, RunFailed, Unreachable, WorldFault
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.text import decoded, one_line, printable
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.cli.terminal import Page, Terminal, as_shown, is_unicode, page_with
from orchestration.operations.answer import BAD_INPUT, BUG, CHECK_FAILED, UNREACHABLE, Answer, Table
from orchestration.operations.answer_figures import AnswerFigureIds, ids_in, store_answer_figures
from orchestration.operations.operation import (
    PROJECT_VARIABLE,
    Argument,
    Call,
    Operation,
    Option,
    parameters_of,
)

# Mistakes of one file that a refusal lists.
MOST_PROBLEMS = 50
EVERYWHERE = ("json_", "debug_")
# What stands for an option's value in its help: a word of the trade instead of the name of a Python type.
VALUES: dict[type, str] = {Path: "PATH", str: "TEXT", int: "N", float: "N"}


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The options that commands share; their names end in `_`, so that they are never those of a command."""

    project_: Annotated[Path, Option("Project folder.", envvar=PROJECT_VARIABLE, show_default="current folder")] = (
        Path()
    )
    as_of_: Annotated[str | None, Option("Answer as known at this time (ISO 8601).")] = None
    person_: Annotated[str | None, Option("Who acts: a person of the people file.", "--as")] = None
    json_: Annotated[bool, Option("One JSON document on standard output.")] = False
    debug_: Annotated[bool, Option("Show the traceback of a fault.")] = False


class ShellCall(Call):
    """A call from a shell: a terminal beside the answer, a project that is closed when the answer is given."""

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared.project_, as_of=shared.as_of_, person=shared.person_)
        self.terminal = Terminal()

    def say(self, text: str) -> None:
        """On standard error."""
        self.terminal.say(text)

    def doing(self, text: str, part: str = "", *, done: int = 0, of: int | None = None, is_brief: bool = False) -> None:
        """On standard error."""
        self.terminal.doing(text, part, done=done, of=of, is_brief=is_brief)

    def close(self) -> None:
        """Close what was opened."""
        self.terminal.end()
        if self.has_opened:
            self.project.close()


def add_to(app: typer.Typer, operation: Operation, *, is_group: bool = False) -> None:
    """Put it on the application, or make it what a group answers where no command of it is named."""
    run = _with_shared_options(operation, is_group=is_group)
    epilog = f"Example: meterloom {operation.name} {operation.example}".rstrip()
    if is_group:
        app.callback(invoke_without_command=True, epilog=epilog)(run)
    else:
        page = page_with(*operation.lists) if operation.lists else Page
        app.command(operation.name.rpartition(" ")[2], cls=page, epilog=epilog)(run)


def _with_shared_options(operation: Operation, *, is_group: bool = False) -> Callable[..., None]:
    """The operation as Typer calls it: its own options, then the shared ones; a group stands back for its commands."""
    hidden = {each.name for each in fields(Shared)} - {*operation.takes, *EVERYWHERE}
    shared = [each for each in parameters_of("shared", Shared, None) if each.name not in hidden]
    flat: list[tuple[str, Any, Any]] = []
    for each in (*operation.parameters, *shared):
        option, parts = each.option, typing.get_args(each.kind)
        inner = [each.kind, *parts, *(deep for part in parts for deep in typing.get_args(part))]
        word = next((word for kind, word in VALUES.items() if kind in inner), None)
        make = typer.Argument if isinstance(option, Argument) else typer.Option
        more = {"metavar": word} | option.kept
        made = make(*each.names, help=option.help or None, **more)
        flat.append((each.name, Annotated[each.kind, made], each.default))
    if "project_" in hidden:
        # A script names its project to every command alike; one that reads none has nothing against it.
        hidden_option = typer.Option("--project", envvar=PROJECT_VARIABLE, hidden=True)
        flat.append(("project_", Annotated[Path, hidden_option], Path()))

    def run(**options: Any) -> None:
        context = options.pop("context_", None)
        if context is not None and context.invoked_subcommand is not None:
            return
        kept = {each.name: options.pop(each.name) for each in fields(Shared) if each.name in options}
        _finish(operation, Shared(**kept), options)

    if is_group:
        flat.insert(0, ("context_", typer.Context, inspect.Parameter.empty))
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind, default=value, annotation=hint) for name, hint, value in flat]
    # Typer reads names and defaults here and types below; with one of the two alone options go missing.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = operation.function.__doc__
    return run


def _finish(operation: Operation, shared: Shared, options: dict[str, Any]) -> None:
    call = ShellCall(shared)
    try:
        kept: AnswerFigureIds | None = None
        # The name of a file may be no UTF-8; a text has to be.
        for name, value in options.items():
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str) and any("\ud800" <= letter <= "\udfff" for letter in each):
                    raise BadInput(f"{name}: {each!r} is no UTF-8 text", reason="bad_request")
        options = operation.filled(options)
        with (
            call.terminal.alone(call.folder, is_debug=shared.debug_),
            _beside_no_erasure(call, is_needed=operation.writes or operation.keeps),
        ):
            answer = operation.function(call, **options)
            # What a reader's answer quotes of the project is not kept where an erasure is taking it away.
            is_needed = call.has_opened and not (operation.writes or operation.keeps)
            with suppress(BadInput), _beside_no_erasure(call, is_needed=is_needed):
                kept = store_answer_figures(operation, call, options, answer.document)
        call.terminal.end()
        show(answer, is_json=shared.json_, kept=kept)
        code = answer.exit_code
    # No faults: Typer's own ways to end, and a reader who has read enough.
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as fault:
        call.terminal.end()
        if shared.debug_:
            traceback.print_exc()
        code = explain(fault)
    finally:
        call.close()
    raise typer.Exit(code)


@contextmanager
def _beside_no_erasure(call: Call, *, is_needed: bool) -> Iterator[None]:
    """While it runs no erasure begins, and it does not begin while one runs, where that is needed. Raises BadInput."""
    # Where nobody can write there is nothing to erase either.
    if not is_needed or not (call.folder / SETTINGS_FILE).exists() or not os.access(call.places.data_dir, os.W_OK):
        yield
        return
    from orchestration.instance.start_lock import taken

    with ExitStack() as held:
        # A database that is away has no erasure at work in it; an agent that begins then keeps its devices safe.
        with suppress(Unreachable):
            held.enter_context(taken(call.places, "project", is_shared=True))
        yield


def explain(fault: Exception) -> int:
    """Say a fault in one sentence on standard error; the exit code for it."""
    from assets.stores.unreachable import world_fault

    if not isinstance(fault, MeterloomError):
        # A library's error may be the world's too: a full disk, a database that is held by another.
        fault = world_fault(fault) or fault
    text, code = str(fault), BUG
    if isinstance(fault, RunFailed):
        code = CHECK_FAILED
    elif isinstance(fault, WorldFault):
        code = UNREACHABLE if isinstance(fault, Unreachable) else BAD_INPUT
    elif not isinstance(fault, OurFault):
        text = f"a bug of ours: {type(fault).__name__}: {fault} (run again with --debug for the traceback)"
    if isinstance(fault, BadConfiguration) and len(fault.problems) > 1:
        # All at once: who mends one by one runs as many times.
        text = "\n".join(str(BadConfiguration([each])) for each in fault.problems[:MOST_PROBLEMS])
        more = len(fault.problems) - MOST_PROBLEMS
        text += f"\nand {more} more" if more > 0 else ""
    if isinstance(fault, BadInput) and fault.mend and fault.mend not in text:
        text += f" ({fault.mend})"
    typer.echo(printable(text), err=True)
    return code


TRACED = "where each number comes from: meterloom trace ID, with its id from --json"
# Rich wants some number for a file: wide enough that no ordinary row wraps.
FILE_WIDTH = 400
# Of a column of a table that is wider than its terminal.
NARROWEST = 12
# A column of these stands to the right: a sign, digits, a unit, a footnote's mark; or nothing is known.
_NUMBER = re.compile(r"[-+±]?[\d,]*\d(\.\d+)?%?( [^\d\s]\S{0,11}){0,2} *|[-–]?( [a-z(]\S{0,3})? *")


def show(answer: Answer, *, is_json: bool, kept: AnswerFigureIds | None = None) -> None:
    """Print an answer on standard output: one JSON document, or table and text.

    kept: ids of those of its numbers that have none of their own.
    """
    document = answer.document
    if is_json:
        document = document if kept is None else kept.with_ids(document)
        # No NaN: JSON has none, and a reader of another language would refuse the whole document. What a stream lacks
        # is escaped as JSON does it: a program gets the text itself, not how a person would read it.
        text = decoded(json.dumps(document, allow_nan=False, ensure_ascii=False))
        sys.stdout.write((text if is_unicode(sys.stdout) else json.dumps(json.loads(text))) + "\n")
        return
    text = "".join(
        _tabular(part, answer) if isinstance(part, Table) else f"{printable(part)}\n" for part in answer.parts
    )
    # Who asks about one figure names it.
    others = {name: each for name, each in document.items() if name != "figure"}
    ids = [*ids_in(others), *(kept.ids.values() if kept is not None else ())]
    # In one pass: an answer of a year of hours has as many ids as lines.
    if ids and set(re.findall(r"[\w-]+", text)).isdisjoint(ids):
        # One line and not an id in each cell: a table of a site's months is wide enough.
        text += f"{TRACED}\n"
    sys.stdout.write(text)
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
    titles, columns = [as_shown(title, sys.stdout) for title in table.columns], list(zip(*cells, strict=True))
    are_numbers = [any(map(str.strip, each)) and all(map(_NUMBER.fullmatch, each)) for each in columns]
    widths = _widths(titles, cells, are_numbers, console.width)
    heads = [
        Column(Text(title, justify="right" if is_number else "left"), overflow="fold", width=width)
        for title, is_number, width in zip(titles, are_numbers, widths, strict=True)
    ]
    printed = RichTable(*heads, box=None, pad_edge=False)
    for row in cells:
        # As texts: a name may hold what the terminal, or the table's own markup, would act upon. Numbers are moved to
        # the right here: Rich would drop the blanks behind one, which keep the place of a footnote's mark.
        placed = zip(row, are_numbers, widths, strict=True)
        printed.add_row(*(Text(cell.rjust(width or 0) if is_number else cell) for cell, is_number, width in placed))
    with console.capture() as captured:
        console.print(printed)
    # Blanks at the ends of lines mean nothing to a reader and something to a comparison.
    return captured.get() if is_terminal else "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


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
        extra = min(most[place] - least[place], room // max(wishing, 1))
        least[place], room = least[place] + extra, room - extra
        most[place] = least[place]
    return [*least]


def written() -> None:
    """Flush standard output and error, where anybody still reads."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
