"""The frame around every command: shared options, JSON or text, one sentence and an exit code for every fault."""

import inspect
import json
import os
import sys
import traceback
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from data_quality.contracts.errors import BadInput, MeterloomError, Unreachable
from data_quality.contracts.people import Person, Role
from data_quality.contracts.settings import SETTINGS_FILE
from data_quality.contracts.text import one_line, printable
from data_quality.contracts.time import Clock, SystemClock, parse_instant

if TYPE_CHECKING:
    from orchestration.resources import ProjectResource

PROJECT_VARIABLE = "METERLOOM_PROJECT"
FILE_WIDTH = 400
DONE, CHECK_FAILED, BAD_INPUT, UNREACHABLE, BUG = 0, 1, 2, 3, 70


class Answer(BaseModel):
    """What a command found: `data` is the JSON contract, `table` and `text` are for people."""

    data: dict[str, Any]
    text: str = ""
    columns: list[str] = []
    rows: list[list[str]] = []
    exit_code: int = DONE


class Call:
    """One invocation: the project, who acts, as of when, and how to speak."""

    def __init__(self, *, project: Path, is_json: bool, as_of: str | None, person: str | None) -> None:
        self.folder, self.is_json, self._as_of, self.person = project, is_json, as_of, person
        self.clock: Clock = SystemClock()
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)

    @cached_property
    def project(self) -> "ProjectResource":
        """The project folder. Raises BadInput where there is none."""
        if not (self.folder / SETTINGS_FILE).exists():
            raise BadInput(
                f"no Meterloom project in {self.folder} (it has no {SETTINGS_FILE})",
                reason="no_project",
                mend="make one with 'meterloom init DIR', or name one with --project",
            )
        # Dagster takes seconds to import; stateless commands never ask for a project.
        from orchestration.resources import ProjectResource

        return ProjectResource(root=str(self.folder))

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
        people = self.project.people.people
        found = next((each for each in people if each.person_id == self.person), None)
        if found is None:
            known = ", ".join(each.person_id for each in people) or "nobody"
            raise BadInput(f"unknown person {self.person!r}; the people file names {known}", reason="unknown_person")
        return found

    def say(self, text: str) -> None:
        """Progress and warnings, on standard error."""
        self._errors.print(printable(text), markup=False)

    def close(self) -> None:
        """Close what was opened."""
        if "project" in self.__dict__:
            self.project.close()


JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault.")]
ProjectOption = Annotated[
    Path, typer.Option("--project", envvar=PROJECT_VARIABLE, help="Project folder.", show_default="current folder")
]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Answer as known at this time (ISO 8601).")]
PersonOption = Annotated[str | None, typer.Option("--as", help="Who acts: a person of the people file.")]

_SHARED: dict[str, tuple[Any, Any]] = {
    "project_": (ProjectOption, Path()),
    "as_of_": (AsOfOption, None),
    "person_": (PersonOption, None),
    "json_": (JsonOption, False),
    "debug_": (DebugOption, False),
}


def command(app: typer.Typer, name: str, *, example: str) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """Register `function(call, ...) -> Answer` as a command with the shared options and one example in its help."""

    def register(function: Callable[..., Answer]) -> Callable[..., None]:
        run = _with_shared_options(function)
        app.command(name, epilog=f"Example: {example}")(run)
        return run

    return register


def group_command(group: typer.Typer, *, example: str) -> Callable[[Callable[..., Answer]], Callable[..., None]]:
    """As `command`, for a group that answers by itself where no command of it is named."""

    def register(function: Callable[..., Answer]) -> Callable[..., None]:
        run = _with_shared_options(function, is_group=True)
        group.callback(invoke_without_command=True, epilog=f"Example: {example}")(run)
        return run

    return register


def _with_shared_options(function: Callable[..., Answer], *, is_group: bool = False) -> Callable[..., None]:
    """The function as Typer calls it: its own options, then the shared ones; a group stands back for its commands."""
    parameters, bundles = _own_options(function)

    def run(**options: Any) -> None:
        context = options.pop("context_", None)
        if context is not None and context.invoked_subcommand is not None:
            return
        shared = {key: options.pop(key) for key in _SHARED}
        for name, kind in bundles.items():
            options[name] = kind(**{each.name: options.pop(each.name) for each in fields(kind)})
        _finish(function, shared, options)

    for key, (annotation, default) in _SHARED.items():
        parameters.append(
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    if is_group:
        parameters.insert(0, inspect.Parameter("context_", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context))
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    run.__doc__ = function.__doc__
    return run


def _own_options(function: Callable[..., Answer]) -> tuple[list[inspect.Parameter], dict[str, type]]:
    """The function's options without its call. A parameter that is a dataclass stands for its fields, an option each;
    those dataclasses by parameter.
    """
    parameters, bundles = [], {}
    for given, hint, default in _parameters(function):
        if is_dataclass(hint) and isinstance(hint, type):
            bundles[given] = hint
            hints = typing.get_type_hints(hint, include_extras=True)
            parameters += [(each.name, hints[each.name], each.default) for each in fields(hint)]
        else:
            parameters.append((given, hint, default))
    kind = inspect.Parameter.KEYWORD_ONLY
    return [inspect.Parameter(name, kind, default=value, annotation=hint) for name, hint, value in parameters], bundles


def _parameters(function: Callable[..., Answer]) -> list[tuple[str, Any, Any]]:
    hints = typing.get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    return [(each.name, hints[each.name], each.default) for each in own]


def _finish(function: Callable[..., Answer], shared: dict[str, Any], options: dict[str, Any]) -> None:
    call = Call(
        project=shared["project_"],
        is_json=shared["json_"],
        as_of=shared["as_of_"],
        person=shared["person_"],
    )
    try:
        answer = function(call, **options)
        _print(answer, is_json=call.is_json)
        code = answer.exit_code
    except (typer.Exit, typer.Abort):
        raise
    except Exception as fault:
        if shared["debug_"]:
            traceback.print_exc()
        code = _explain(fault)
    finally:
        call.close()
    raise typer.Exit(code)


def _explain(fault: Exception) -> int:
    from assets.stores.unreachable import world_fault

    if not isinstance(fault, MeterloomError):
        fault = world_fault(fault) or fault
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(fault, Unreachable):
        errors.print(printable(str(fault)), markup=False)
        return UNREACHABLE
    if isinstance(fault, BadInput):
        mend = f" ({fault.mend})" if fault.mend and fault.mend not in str(fault) else ""
        errors.print(printable(str(fault) + mend), markup=False)
        return BAD_INPUT
    if isinstance(fault, MeterloomError):
        errors.print(printable(str(fault)), markup=False)
        return BAD_INPUT if type(fault).__name__ != "OurFault" else BUG
    errors.print(
        printable(f"a bug of ours: {type(fault).__name__}: {fault} (run again with --debug for the traceback)"),
        markup=False,
    )
    return BUG


def _print(answer: Answer, *, is_json: bool) -> None:
    if is_json:
        sys.stdout.write(json.dumps(plain(answer.data), allow_nan=False, ensure_ascii=False) + "\n")
        return
    console = Console(highlight=False, no_color="NO_COLOR" in os.environ or None)
    if not console.is_terminal:
        # A file has no width: nothing may be cut, least of all a figure's id.
        console = Console(highlight=False, no_color=True, width=FILE_WIDTH)
    if answer.columns:
        table = Table(*(Column(name, overflow="fold") for name in answer.columns), box=None, pad_edge=False)
        for row in answer.rows:
            # As texts: a name may hold what the terminal, or the table's own markup, would act upon.
            table.add_row(*(Text(one_line(cell)) for cell in row))
        console.print(table)
    if answer.text:
        console.print(printable(answer.text), markup=False, soft_wrap=True)


def plain(value: Any) -> Any:
    """A value as JSON knows it: decimals to floats, times to ISO 8601 with Z, models to dicts."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | Path):
        return str(value)
    if isinstance(value, Enum):
        return value.name if isinstance(value.value, int) else value.value
    return float(value) if isinstance(value, Decimal) else value
