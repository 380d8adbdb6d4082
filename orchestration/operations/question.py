"""The options of an operation, read from its function: help, shell options and API parameters are made of them."""

import inspect
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cached_property
from typing import Annotated, Any, NamedTuple


class Option:
    """How a parameter is called in a shell (`--site`), and what it means. kept: more of it for the shell alone."""

    def __init__(self, *names: str, help: str = "", **kept: Any) -> None:
        self.names, self.help, self.kept = names, help, kept


class Argument(Option):
    """A parameter that a shell takes by its place."""


class Parameter(NamedTuple):
    """One parameter. kind: its Python type; option: None where the function names none; default: may be
    `inspect.Parameter.empty`.
    """

    name: str
    kind: Any
    option: Option | None
    default: Any

    @property
    def is_required(self) -> bool:
        """It has no default."""
        return self.default is inspect.Parameter.empty

    @property
    def word(self) -> str:
        """Its name in an address: that of its option, with underscores."""
        names = self.option.names if self.option is not None else ()
        return names[0].lstrip("-").replace("-", "_") if names else self.name


class Question:
    """What an operation is asked: the parameters behind its call. A dataclass among them stands for its fields."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    @cached_property
    def parameters(self) -> list[Parameter]:
        """All of them, in the order of the function."""
        return [each for own in self._own for each in parameters_of(*own)]

    def filled(self, values: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the function for these values of its parameters."""
        filled = {}
        for name, kind, _ in self._own:
            if is_bundle(kind):
                filled[name] = kind(**{each.name: values[each.name] for each in fields(kind) if each.name in values})
            elif name in values:
                filled[name] = values[name]
        return filled

    @cached_property
    def _own(self) -> list[tuple[str, Any, Any]]:
        # With extras, or Annotated would lose the option that it carries. The first parameter is the call itself.
        hints = typing.get_type_hints(self.function, include_extras=True)
        own = list(inspect.signature(self.function).parameters.values())[1:]
        return [(each.name, hints[each.name], each.default) for each in own]


def is_bundle(kind: Any) -> bool:
    """Whether the type stands for several parameters, its fields."""
    return isinstance(kind, type) and is_dataclass(kind)


def parameters_of(name: str, hint: Any, default: Any) -> list[Parameter]:
    """A parameter of a function as those that a person gives."""
    if not is_bundle(hint):
        return [_parameter(name, hint, default)]
    hints = typing.get_type_hints(hint, include_extras=True)
    return [_parameter(each.name, hints[each.name], each.default) for each in fields(hint)]


def _parameter(name: str, hint: Any, default: Any) -> Parameter:
    if typing.get_origin(hint) is not Annotated:
        return Parameter(name, hint, None, default)
    kind, *extras = typing.get_args(hint)
    return Parameter(name, kind, next((each for each in extras if isinstance(each, Option)), None), default)
