"""Help that is grouped by what one wants, and a wrong call answered in one sentence that says what was expected."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup

from data_quality.contracts.model_faults import value_in_words
from data_quality.contracts.text import printable
from orchestration.operations.operation import Lines

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
        asked = args[0]
        takes = [each.opts[0] for each in self.params if each.opts[0] in _MEANT_BY_A_FILE]
        if takes and self.get_command(ctx, asked) is None and (Path(asked).suffix or Path(asked).exists()):
            path, own = _words(ctx), f"[{(ctx.info_name or '').upper()}]"
            takes = [f"{path} {option} {asked}" for option in takes] + [
                f"{path} {name} {asked}"
                for name, each in self.commands.items()
                if any(param.metavar == own for param in each.params)
            ]
            ctx.fail(f"{path}: {asked!r} is no command; a file is given as in {_or(repr(each) for each in takes)}")
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
    """What was wrong with a call, where, and what was expected; the whole help where nothing was asked."""
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
    given, of, choices = text.partition(" is not one of ")
    if of:
        return f"expected {_or(each.strip(chr(39)) for each in choices.split(', '))}, got {given}"
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
