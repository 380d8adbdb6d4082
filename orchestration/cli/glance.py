"""The commands as the first page of help needs them, read from the text of their modules: nothing is imported."""

import ast
from collections.abc import Callable, Iterable
from pathlib import Path

from data_quality.contracts.errors import OurFault
from orchestration.operations.answer import Answer
from orchestration.operations.operation import Call, Operation


def glanced(name: str, modules: Iterable[str]) -> list[Operation]:
    """The command of those first words with its docstring, which is all that it can do; none where it is a group.

    modules: dotted, below `orchestration`, as main.py lists them.
    """
    for module in modules:
        path = Path(__file__).parents[1].joinpath(*module.split(".")).with_suffix(".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and name in map(_words, node.decorator_list):
                return [Operation(name, "", _said(ast.get_docstring(node)))]
    return []


def _words(decorator: ast.expr) -> str:
    """What `@operation("bill list", ...)` is given first; nothing of any other decorator."""
    is_ours = (
        isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "operation"
    )
    given = decorator.args[0] if is_ours and isinstance(decorator, ast.Call) else None
    return str(given.value) if isinstance(given, ast.Constant) else ""


def _said(text: str | None) -> Callable[[Call], Answer]:
    def nothing(call: Call) -> Answer:
        raise OurFault("a command of which only the help was read was called")

    nothing.__doc__ = text
    return nothing
