"""The frame around every command: shared options, one sentence and an exit code for every fault."""

import inspect
import os
import shlex
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.models import OptionInfo

from data_quality.contracts.errors import BadInput, MeterloomError, OurFault, RunFailed, Unreachable, WorldFault
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import SETTINGS_FILE, Project, load_project
from data_quality.contracts.text import printable
from data_quality.contracts.time import Clock, SystemClock, parse_instant
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.cli.answer import BAD_INPUT, BUG, CHECK_FAILED, UNREACHABLE, Answer, show
from orchestration.cli.terminal import Terminal
from orchestration.cli.usage import Lines, Page, page_with

if TYPE_CHECKING:
    from orchestration.open_project import OpenProject
    from reports.recompute.figure_sources import Sources

PROJECT_VARIABLE = "METERLOOM_PROJECT"
# Mistakes of one file that a refusal lists.
MOST_PROBLEMS = 50


# Which of the shared options a command heeds; it offers no others. --json and --debug are everywhere.
STATELESS: tuple[str, ...] = ()
PROJECT = ("project_",)
READS, ACTS = (*PROJECT, "as_of_"), (*PROJECT, "person_")
READS_AND_ACTS = (*READS, "person_")
EVERYWHERE = ("json_", "debug_")
VALUES: dict[type, str] = {Path: "PATH", str: "TEXT", int: "N", float: "N"}


@dataclass(frozen=True, kw_only=True)
class Shared:
    """The options that commands share; their names end in `_`, so that they are never those of a command."""

    project_: Annotated[
        Path,
        typer.Option("--project", envvar=PROJECT_VARIABLE, help="Project folder.", show_default="current folder"),
    ] = Path()
    as_of_: Annotated[str | None, typer.Option("--as-of", help="Answer as known at this time (ISO 8601).")] = None
    person_: Annotated[str | None, typer.Option("--as", help="Who acts: a person of the people file.")] = None
    json_: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False
    debug_: Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault.")] = False


class Call:
    """One invocation: the project, who acts, as of when, and how to speak."""

    def __init__(self, shared: Shared) -> None:
        self.folder, self._as_of, self.person = shared.project_, shared.as_of_, shared.person_
        self.clock: Clock = SystemClock()
        self.terminal = Terminal()
        self.doing = self.terminal.doing

    @cached_property
    def places(self) -> Project:
        """The project's settings and paths, for who needs none of its stores. Raises BadInput where there is none."""
        self._expect_project()
        return load_project(self.folder, os.environ)

    @cached_property
    def project(self) -> "OpenProject":
        """The project folder. Raises BadInput where there is none."""
        self._expect_project()
        # Stores and their engines: stateless commands never ask for a project.
        from orchestration.open_project import OpenProject

        return OpenProject(str(self.folder))

    def _expect_project(self) -> None:
        if not (self.folder / SETTINGS_FILE).exists():
            raise BadInput(
                f"no Meterloom project in {self.folder} (it has no {SETTINGS_FILE})",
                reason="no_project",
                mend="make one with 'meterloom init DIR', or name one with --project",
            )

    @property
    def option(self) -> str:
        """What a command that is copied needs behind it to mean this project; nothing where it is meant anyway."""
        is_meant = self.folder == Path() or str(self.folder) == os.environ.get(PROJECT_VARIABLE)
        return "" if is_meant else f" --project {shlex.quote(str(self.folder))}"

    def then(self, site_id: str) -> str:
        """The closing line of a step on the way to a report."""
        return f"what comes next: meterloom next --site {site_id}{self.option}"

    @cached_property
    def sources(self) -> "Sources":
        """What figures are computed from again."""
        return self.project.sources()

    @property
    def as_of_utc(self) -> datetime | None:
        """The instant whose knowledge answers, or None for now."""
        return parse_instant(self._as_of) if self._as_of else None

    def acting(self, role: Role) -> Person:
        """The person named by --as, if they hold the role. Raises BadInput."""
        if not self.person:
            raise BadInput(f"this needs a person with the role {role.value!r}: add --as PERSON", reason="nobody_acts")
        return self.project.people.acting(self.person, role)

    def known_person(self) -> Person:
        """The person named by --as, whatever their roles. Raises BadInput."""
        if not self.person:
            raise BadInput("this is done in somebody's name: add --as PERSON", reason="nobody_acts")
        return self.project.people.known(self.person)

    def say(self, text: str) -> None:
        """Warnings and what was done, on standard error."""
        self.terminal.say(text)

    def close(self) -> None:
        """Close what was opened."""
        self.terminal.end()
        # Asked of the dict: the property itself would open a project only to close it.
        if "project" in self.__dict__:
            self.project.close()


@dataclass(frozen=True)
class Command:
    """A function as a command: its words ("bill list"), an example of what follows them, what Typer calls.

    takes: the shared options that it heeds. lists: title and lines below the options of its help.
    """

    name: str
    example: str
    function: Callable[..., Answer]
    takes: tuple[str, ...] = READS
    lists: tuple[str, Lines] | None = None

    def add_to(self, app: typer.Typer, *, is_group: bool = False) -> None:
        """Put it on the application, or make it what a group answers where no command of it is named."""
        run = _with_shared_options(self.function, self.takes, is_group=is_group)
        epilog = f"Example: meterloom {self.name} {self.example}".rstrip()
        if is_group:
            app.callback(invoke_without_command=True, epilog=epilog)(run)
        else:
            page = page_with(*self.lists) if self.lists else Page
            app.command(self.name.rpartition(" ")[2], cls=page, epilog=epilog)(run)


# Commands by the module that holds them, in the order of its text.
COMMANDS: dict[str, list[Command]] = {}


def command(
    name: str, *, example: str = "", takes: tuple[str, ...] = READS, lists: tuple[str, Lines] | None = None
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Make `function(call, ...) -> Answer` a command with the shared options it heeds, and one example in its help."""

    def register(function: Callable[..., Answer]) -> Callable[..., Answer]:
        COMMANDS.setdefault(function.__module__, []).append(Command(name, example, function, takes, lists))
        return function

    return register


def _with_shared_options(
    function: Callable[..., Answer], takes: tuple[str, ...], *, is_group: bool = False
) -> Callable[..., None]:
    """The function as Typer calls it: its own options, then the shared ones; a group stands back for its commands."""
    # With extras, or Annotated would lose the option that it carries.
    hints = typing.get_type_hints(function, include_extras=True)
    # The first parameter is the call itself.
    own = list(inspect.signature(function).parameters.values())[1:]
    given = [(each.name, hints[each.name], each.default) for each in own] + [("shared_", Shared, None)]
    bundles = {name: hint for name, hint, _ in given if is_dataclass(hint) and isinstance(hint, type)}
    hidden = {each.name for each in fields(Shared)} - {*takes, *EVERYWHERE}
    flat = [option for each in given for option in _options(*each) if option[0] not in hidden]
    if "project_" in hidden:
        # A script names its project to every command alike; one that reads none has nothing against it.
        flat.append(("project_", Annotated[Path, typer.Option("--project", hidden=True)], Path()))

    def run(**options: Any) -> None:
        context = options.pop("context_", None)
        if context is not None and context.invoked_subcommand is not None:
            return
        for name, kind in bundles.items():
            options[name] = kind(**{each.name: options.pop(each.name) for each in fields(kind) if each.name in options})
        _finish(function, options.pop("shared_"), options)

    if is_group:
        flat.insert(0, ("context_", typer.Context, inspect.Parameter.empty))
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind, default=value, annotation=hint) for name, hint, value in flat]
    # Typer reads names and defaults here and types below; with one of the two alone options go missing.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = function.__doc__
    return run


def _options(name: str, hint: Any, default: Any) -> list[tuple[str, Any, Any]]:
    """A parameter as options (name, annotation, default): one that is a dataclass stands for its fields, one each."""
    if not (is_dataclass(hint) and isinstance(hint, type)):
        _name_value(hint)
        return [(name, hint, default)]
    hints = typing.get_type_hints(hint, include_extras=True)
    for each in hints.values():
        _name_value(each)
    return [(each.name, hints[each.name], each.default) for each in fields(hint)]


def _name_value(hint: Any) -> None:
    """What stands for an option's value in its help: a word of the trade instead of the name of a Python type."""
    kind, option = typing.get_args(hint)[:2] if typing.get_origin(hint) is Annotated else (hint, None)
    if isinstance(option, OptionInfo) and option.metavar is None:
        inner = [
            kind,
            *typing.get_args(kind),
            *(deep for each in typing.get_args(kind) for deep in typing.get_args(each)),
        ]
        option.metavar = next((word for each, word in VALUES.items() if each in inner), None)


def _finish(function: Callable[..., Answer], shared: Shared, options: dict[str, Any]) -> None:
    call = Call(shared)
    try:
        with call.terminal.alone(call.folder, is_debug=shared.debug_):
            answer = function(call, **options)
        call.terminal.end()
        show(answer, is_json=shared.json_)
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
