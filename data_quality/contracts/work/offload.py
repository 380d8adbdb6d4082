"""Offloading: a process that has to stay small has calls that load large libraries made by another process."""

from collections.abc import Callable
from typing import Any

# Names a function as `package.module:name`, and its arguments, which are plain JSON like its answer.
Offload = Callable[[str, dict[str, Any]], Any]
_given_to: Offload | None = None


def offload_to(offload: Offload | None) -> None:
    """Have look-ups in large libraries (holidays, SciPy) made by `beside` from now on; None: by this process itself. Of
    whoever starts the process: a site is asked for its days in too many places to hand it down.
    """
    global _given_to  # noqa: PLW0603 - the one state of the process that this module is for
    _given_to = offload


def called(offload: Offload | None, function: Callable[..., Any], **arguments: Any) -> Any:
    """Result of the function for these arguments, called by `offload`; None: here."""
    if offload is None:
        return function(**arguments)
    return offload(f"{function.__module__}:{function.__qualname__}", arguments)


def call(function: Callable[..., Any], **arguments: Any) -> Any:
    """Result of a look-up in a large library by plain values, made here or in a subprocess."""
    return called(_given_to, function, **arguments)
