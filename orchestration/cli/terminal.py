"""Terminal output beside the answer: our own lines and one of progress. Output of libraries goes to the project's log
file.

Help that is grouped by what one wants, and a wrong call answered in one sentence that says what was expected.
"""

import codecs
import io
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.model_faults import value_in_words
from data_quality.contracts.settings import SETTINGS_FILE, load_project
from data_quality.contracts.text import printable, spelled
from orchestration.operations.operation import Lines

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


# Why a command has not the one or the other of the shared options.
_WHY_NOT = {
    "--project": "it reads the files that it is given and no project",
    "--as-of": "it works on what is known now",
    "--as": "nobody signs for it",
}
# Nobody means a map or a picture by a plain file.
_MEANT_BY_A_FILE = {"--load", "--reads", "--activity"}

# A help page as wide as the terminal is read by nobody; 80, Typer's own, breaks most of our lines.
CONTEXT = {"max_content_width": 110}


class Page(TyperCommand):
    """A command's help; below its options stands what `more` lists, asked for when the help is printed."""

    more: tuple[str, Lines] | None = None

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Options, then the list."""
        super().format_options(ctx, formatter)
        if self.more is not None:
            title, lines = self.more
            with formatter.section(title):
                formatter.write_dl(list(lines()))


def page_with(title: str, lines: Lines) -> type[Page]:
    """The help of one command, with a list below it."""
    return type("Page", (Page,), {"more": (title, lines)})


class Group(TyperGroup):
    """A group of commands, listed under panels (title -> names) where it has any; a wrong call is one sentence."""

    panels: Mapping[str, Sequence[str]] = {}

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Commands by panel, those of no panel last; a line of words each, never cut in a word."""
        in_panels = {name for names in self.panels.values() for name in names}
        others = [name for name in self.commands if name not in in_panels]
        width = max(map(len, self.commands), default=0)
        limit = formatter.width - 6 - width
        for title, names in {**self.panels, "Commands": others}.items():
            known = [(name, self.commands[name]) for name in names if name in self.commands]
            if known:
                with formatter.section(title):
                    rows = [(name.ljust(width), _in_short(each.help or "", limit)) for name, each in known]
                    formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As Typer; a file where a command was expected is answered by the option, or the command, that takes it."""
        word = args[0]
        takes = [each.opts[0] for each in self.params if each.opts[0] in _MEANT_BY_A_FILE]
        if takes and self.get_command(ctx, word) is None and (Path(word).suffix or Path(word).exists()):
            path, own = _words(ctx), f"[{(ctx.info_name or '').upper()}]"
            takes = [f"{path} {option} {word}" for option in takes] + [
                f"{path} {name} {word}"
                for name, each in self.commands.items()
                if any(param.metavar == own for param in each.params)
            ]
            ctx.fail(f"{path}: {word!r} is no command; a file is given as in {_or(repr(each) for each in takes)}")
        return super().resolve_command(ctx, args)

    def main(self, args: Any = None, prog_name: Any = None, **extra: Any) -> Any:  # type: ignore[override]
        """As Typer, but a wrong call is one sentence on standard error."""
        if not extra.pop("standalone_mode", True):
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except typer.TyperException as fault:
            typer.echo(sentence(fault), err=True)
            code = fault.exit_code
        except typer.Abort:
            typer.echo("stopped", err=True)
            code = 1
        sys.exit(code if isinstance(code, int) else 0)


def sentence(fault: typer.TyperException) -> str:
    """Fault of a call, its place, and what was expected; the whole help where no argument was given."""
    ctx: Any = getattr(fault, "ctx", None)
    param: Any = getattr(fault, "param", None)
    kind = type(fault).__name__
    if kind == "NoArgsIsHelpError":
        return fault.format_message()
    words = "meterloom" if ctx is None else _words(ctx)
    if kind == "BadOptionUsage":
        return f"{words}: {fault.option_name} needs a value"  # type: ignore[attr-defined]
    if kind == "NoSuchOption":
        return _no_option(words, ctx, str(fault.option_name))  # type: ignore[attr-defined]
    if param is None:
        # Sentences of our own name the command already; those of Typer begin with a capital and end with a stop.
        text = printable(fault.format_message())
        return text if text.startswith(words) else f"{words}: {text[:1].lower()}{text[1:].rstrip('.')}"
    name = param.opts[0] if param.opts[0].startswith("-") else param.metavar or param.name.upper()
    expected = _expected(fault)
    about = f" ({param.help.rstrip('.')})" if param.help and not expected.startswith("expected ") else ""
    if kind == "MissingParameter":
        example = (ctx.command.epilog or "").replace("Example: ", "")
        return printable(f"{words} needs {name}{about}{f', as in: {example}' if example else ''}")
    return printable(f"{words}: {name}{about}: {expected}")


def _no_option(words: str, ctx: Any, option: str) -> str:
    has = [name for each in ctx.command.params if not getattr(each, "hidden", False) for name in each.opts]
    is_shared = option in {*_WHY_NOT, "--json", "--debug"}
    if is_shared and "--json" not in has:
        return f"{words}: {option} stands behind the command, as in: {words} COMMAND … {option}"
    if option in _WHY_NOT:
        reads = "--project" in has or option == "--project"
        return f"{words} has no option {option}: {_WHY_NOT[option if reads else '--project']}"
    near = get_close_matches(option, has, n=2, cutoff=0.75)
    mend = f"did you mean {' or '.join(near)}?" if near else f"'{words} --help' lists what it has"
    return printable(f"{words} has no option {option}: {mend}")


def _expected(fault: typer.TyperException) -> str:
    cause = fault.__cause__
    if isinstance(cause, ValidationError):
        message, _ = value_in_words(first := cause.errors()[0])
        if message.startswith("expected "):
            return f"{message}, got {first['input']!r}"
    # pydantic puts "Value error, " before the sentence of a validator.
    text = str(getattr(fault, "message", fault)).removeprefix("Value error, ").rstrip(".")
    value, of, choices = text.partition(" is not one of ")
    if of:
        return f"expected {_or(each.strip(chr(39)) for each in choices.split(', '))}, got {value}"
    return f"{text[:1].lower()}{text[1:]}"


def _words(ctx: Any) -> str:
    """The command as one calls it, whatever the program's file is named."""
    path: list[str] = []
    while ctx.parent is not None:
        path.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(["meterloom", *path])


def _or(parts: Iterable[str]) -> str:
    *before, last = parts
    return f"{', '.join(before)} or {last}" if before else last


def _in_short(text: str, limit: int) -> str:
    """The first sentence, or as much of it as fits and can stand alone."""
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split()).split(". ")[0].rstrip(".")
    if len(first) <= limit:
        return first
    for marks in ((": ", "; "), (", ", " and ")):
        ends = [place for mark in marks if (place := first.rfind(mark, 0, limit)) > 0]
        if ends:
            return first[: max(ends)].rstrip(",")
    return first


LOG = "logs/commands.log"
# Begun anew then; the one before is kept.
MOST_BYTES = 5_000_000
A_SECOND = 4
# How a stream spells what its encoding lacks; and ASCII by a name under which Typer does not take it for a mistake that
# UTF-8 mends.
READABLE, PLAIN = "meterloom-readable", "meterloom_plain"


def spell_for_terminals() -> None:
    """From now on no print fails for its characters: those that a terminal lacks are spelled in others."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not is_unicode(stream):
            is_plain = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=PLAIN if is_plain else stream.encoding, errors=READABLE)


def is_unicode(stream: TextIO) -> bool:
    """It has every character there is."""
    return codecs.lookup(stream.encoding or "utf-8").name.startswith("utf")


def as_shown(text: str, stream: TextIO) -> str:
    """The text as the stream will show it: as wide as that, where columns are to stand below each other."""
    encoding = stream.encoding or "utf-8"
    return text if is_unicode(stream) else text.encode(encoding, READABLE).decode(encoding)


def _readable(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    return spelled(fault.object[fault.start : fault.end]), fault.end


_ASCII = codecs.lookup("ascii")
_PLAIN_CODEC = codecs.CodecInfo(
    _ASCII.encode,
    _ASCII.decode,
    _ASCII.streamreader,
    _ASCII.streamwriter,
    _ASCII.incrementalencoder,
    _ASCII.incrementaldecoder,
    name=PLAIN,
)
codecs.register_error(READABLE, _readable)
codecs.register(lambda name: _PLAIN_CODEC if name == PLAIN else None)


class Terminal:
    """Standard error as it is when a command begins."""

    def __init__(self) -> None:
        self.stream: TextIO = sys.stderr
        self._line: tuple[Progress, TaskID] | None = None
        self._said = ""

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._line is not None:
            self._line[0].console.print(printable(text), markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(printable(text), file=self.stream)

    def doing(self, text: str, part: str = "", *, done: int = 0, of: int | None = None, is_brief: bool = False) -> None:
        """Show the work in progress: on a terminal one line with the time left, elsewhere a line for each new text.

        part: more of it, for the terminal; done, of: how many equal parts of the whole are behind us; is_brief: over
        too soon for a line elsewhere.
        """
        if not self.stream.isatty():
            if text != self._said and not is_brief:
                self._said = text
                self.say(text)
            return
        progress, task = self._line = self._line or self._begun()
        progress.update(task, description=f"{text}, {part}" if part else text, completed=done, total=of)

    def can_ask(self) -> bool:
        """Whether a person sits there who sees a question and can answer it."""
        return sys.stdin.isatty() and self.stream.isatty()

    def ask(self, question: str) -> bool:
        """Yes or no; anything but yes is no."""
        self.end()
        typer.echo(f"{printable(question)} [y/N] ", file=self.stream, nl=False)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def line(self, question: str) -> str:
        """A person's answer to a question; empty where nothing is written."""
        self.end()
        typer.echo(f"{printable(question)} ", file=self.stream, nl=False)
        return sys.stdin.readline().strip()

    def end(self) -> None:
        """The work is done: its line goes, what was said stays."""
        if self._line is not None:
            self._line[0].stop()
            self._line = None

    def _begun(self) -> "tuple[Progress, TaskID]":
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.table import Column

        progress = Progress(
            SpinnerColumn("line"),
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(file=self.stream, no_color="NO_COLOR" in os.environ or None),
            transient=True,
            refresh_per_second=A_SECOND,
            # The answer is printed by others.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        progress.start()
        return progress, progress.add_task("", total=None)

    @contextmanager
    def alone(self, folder: Path, *, is_debug: bool) -> Iterator[None]:
        """Meanwhile only we write here: libraries' warnings, log lines and bars go to the log file of the folder's
        project, or nowhere where there is none. is_debug: they stay.
        """
        if is_debug:
            yield
            return
        ours, handler = logging.getLogger("meterloom.stores"), _StoreLines(self)
        ours.addHandler(handler)
        try:
            with _LogFile(folder) as log, redirect_stderr(log):
                yield
        finally:
            ours.removeHandler(handler)


class _StoreLines(logging.Handler):
    """Message of our own stores, as a line of ours."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self._terminal.say(record.getMessage())


class _LogFile(io.TextIOBase):
    """The project's log of its commands, opened by the first line that anybody writes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: TextIO | None = None

    def write(self, text: str) -> int:
        """Add a text."""
        if self._file is None:
            self._file = self._opened()
        return self._file.write(text)

    def flush(self) -> None:
        """To the disk's cache."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Handlers that a library made meanwhile may go on writing: that opens the file again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> TextIO:
        if not (self._folder / SETTINGS_FILE).is_file():
            return Path(os.devnull).open("w", encoding="utf-8")
        try:
            path = load_project(self._folder, os.environ).data_dir / LOG
            # As everything of a project: nobody else's.
            path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.parent.mkdir(exist_ok=True)
            if path.exists() and path.stat().st_size > MOST_BYTES:
                path.replace(path.with_suffix(".log.1"))
            return path.open("a", encoding="utf-8", buffering=1)
        except (MeterloomError, OSError):
            # A mistake in the settings, or a folder that cannot be written: the command has its own sentence for it.
            return Path(os.devnull).open("w", encoding="utf-8")
