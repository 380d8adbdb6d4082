"""What stands on a person's terminal beside the answer: our own lines and one of progress. What libraries say meanwhile
goes to the project's log file.
"""

import codecs
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from data_quality.contracts.errors import MeterloomError
from data_quality.contracts.settings import SETTINGS_FILE, load_project
from data_quality.contracts.text import printable, spelled

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

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
        """What goes on now: on a terminal one line with the time that is left, elsewhere a line for each new text.

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
        """What a person writes behind a question; empty where nothing is written."""
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
        ours, handler = logging.getLogger("meterloom.stores"), _Said(self)
        ours.addHandler(handler)
        try:
            with _LogFile(folder) as log, redirect_stderr(log):
                yield
        finally:
            ours.removeHandler(handler)


class _Said(logging.Handler):
    """What our own stores have to say, as a line of ours."""

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
