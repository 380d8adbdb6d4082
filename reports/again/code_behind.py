"""What code a number rests on, found from the code itself: its function, what that names, and the modules behind it.

A function's names lead to the functions beside it, to methods of what reads for it, and to modules of the rooms where
numbers are made; those lead on by their imports. Nobody keeps a list that a new helper could be missing from.
"""

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Where numbers are made. Contracts give them shape, stores keep them: what those hold is pinned by its own digest.
MAKERS = ("assets.bills", "assets.carbon", "assets.kpi", "assets.sites", "assets.tariffs", "reports")
# What reads and names computations: of these the functions that are used count, not the whole.
DESKS = ("reports.again.computations", "reports.again.figure_sources")
# Imports as the formatter writes them; parsing every module would cost a command half a second.
_IMPORT = re.compile(r"^[ \t]*from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n#]+)", re.MULTILINE)


def digest_behind(function: Callable[..., Any], reader: type) -> str:
    """SHA-256 of all source behind a function. reader: the class whose methods it calls by name."""
    functions, modules = reached_by(function, reader)
    texts = {f"{each.__module__}.{each.__qualname__}": inspect.getsource(each) for each in functions}
    texts |= {name: source_of(name) for name in modules_behind(modules)}
    # Sorted, as names are found in no fixed order; joined by a character that no source has.
    return hashlib.sha256("\x1f".join(texts[name] for name in sorted(texts)).encode()).hexdigest()


def modules_behind(modules: Iterable[str]) -> frozenset[str]:
    """These modules and what they import, as far as numbers are made there."""
    found: set[str] = set()
    waiting = [name for name in modules if _makes_numbers(name)]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports_of(name)
    return frozenset(found)


@lru_cache(maxsize=512)
def imports_of(name: str) -> tuple[str, ...]:
    """Modules where numbers are made that a module imports, at its head or inside of a function."""
    found: dict[str, None] = {}
    for package, names in _IMPORT.findall(source_of(name)):
        parts = [each.split()[0] for each in names.strip("()").split(",") if each.strip()]
        found |= dict.fromkeys([package, *(f"{package}.{each}" for each in parts)])
    return tuple(each for each in found if _makes_numbers(each))


@lru_cache(maxsize=512)
def source_of(name: str) -> str:
    """Source of a module of ours."""
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    return ROOT / f"{name.replace('.', '/')}.py"


def _makes_numbers(name: str) -> bool:
    is_maker = any(name.startswith(f"{room}.") for room in MAKERS)
    return is_maker and name not in DESKS and _path(name).is_file()


def reached_by(function: Callable[..., Any], reader: type) -> tuple[list[FunctionType], set[str]]:
    """Functions of the desks that a function reaches by name, itself first, and modules that they name."""
    functions: list[FunctionType] = []
    modules: set[str] = set()
    waiting: list[Any] = [function]
    while waiting:
        each = waiting.pop()
        owner = each.__name__ if isinstance(each, ModuleType) else getattr(each, "__module__", None)
        # A desk names every computation: as a module it would bind all figures to all code.
        if isinstance(each, FunctionType) and owner in DESKS:
            if each not in functions:
                functions.append(each)
                waiting += _values(each.__code__, each.__globals__, reader)
        elif isinstance(owner, str):
            modules.add(owner)
    return functions, modules


def _values(code: CodeType, known: Mapping[str, Any], reader: type) -> list[Any]:
    """What the names in a function, and in functions inside of it, stand for."""
    found = [known[name] if name in known else getattr(reader, name, None) for name in code.co_names]
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return [*found, *(value for each in inner for value in _values(each, known, reader))]
