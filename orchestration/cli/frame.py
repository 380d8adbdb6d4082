"""The shell's door to every operation: shared options, one sentence and an exit code for every fault."""

import inspect
import traceback
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from data_quality.contracts.errors import BadInput, MeterloomError, OurFault, RunFailed, Unreachable, WorldFault
from data_quality.contracts.text import printable
from data_quality.contracts.yaml_file import BadConfiguration
from orchestration.cli.render import show
from orchestration.cli.terminal import Terminal
from orchestration.cli.usage import Page, page_with
from orchestration.operations.answer import BAD_INPUT, BUG, CHECK_FAILED, UNREACHABLE
from orchestration.operations.operation import (
    PROJECT_VARIABLE,
    Argument,
    Call,
    Operation,
    Option,
    Parameter,
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

    project_: Annotated[
        Path,
        Option("--project", envvar=PROJECT_VARIABLE, help="Project folder.", show_default="current folder"),
    ] = Path()
    as_of_: Annotated[str | None, Option("--as-of", help="Answer as known at this time (ISO 8601).")] = None
    person_: Annotated[str | None, Option("--as", help="Who acts: a person of the people file.")] = None
    json_: Annotated[bool, Option("--json", help="One JSON document on standard output.")] = False
    debug_: Annotated[bool, Option("--debug", help="Show the traceback of a fault.")] = False


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
        # Asked of the dict: the property itself would open a project only to close it.
        if "project" in self.__dict__:
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
    question = operation.question
    hidden = {each.name for each in fields(Shared)} - {*operation.takes, *EVERYWHERE}
    shared = [each for each in parameters_of("shared", Shared, None) if each.name not in hidden]
    flat = [_typed(each) for each in (*question.parameters, *shared)]
    if "project_" in hidden:
        # A script names its project to every command alike; one that reads none has nothing against it.
        flat.append(("project_", Annotated[Path, typer.Option("--project", hidden=True)], Path()))

    def run(**options: Any) -> None:
        context = options.pop("context_", None)
        if context is not None and context.invoked_subcommand is not None:
            return
        kept = {each.name: options.pop(each.name) for each in fields(Shared) if each.name in options}
        _finish(operation, Shared(**kept), question.filled(options))

    if is_group:
        flat.insert(0, ("context_", typer.Context, inspect.Parameter.empty))
    kind = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, kind, default=value, annotation=hint) for name, hint, value in flat]
    # Typer reads names and defaults here and types below; with one of the two alone options go missing.
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = operation.function.__doc__
    return run


def _typed(asked: Parameter) -> tuple[str, Any, Any]:
    """A parameter as Typer knows it: name, annotation, default."""
    option, kind = asked.option, asked.kind
    if option is None:
        return asked.name, kind, asked.default
    inner = [kind, *typing.get_args(kind), *(deep for each in typing.get_args(kind) for deep in typing.get_args(each))]
    word = next((word for each, word in VALUES.items() if each in inner), None)
    make = typer.Argument if isinstance(option, Argument) else typer.Option
    more = {"metavar": word} | option.kept
    return asked.name, Annotated[kind, make(*option.names, help=option.help or None, **more)], asked.default


def _finish(operation: Operation, shared: Shared, options: dict[str, Any]) -> None:
    call = ShellCall(shared)
    try:
        with call.terminal.alone(call.folder, is_debug=shared.debug_):
            answer = operation.function(call, **options)
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
