"""Offloading: a process that has to stay small has calls that load large libraries made by another process."""

from collections.abc import Callable
from typing import Any

# Names a function as `package.module:name`, and its arguments, which are plain JSON like its answer.
Offload = Callable[[str, dict[str, Any]], Any]
_given_to: Offload | None = None


def offload_to(beside: Offload | None) -> None:
    """From now on this process has such calls made by `beside`; None: by itself. Of whoever starts the process."""
    global _given_to  # noqa: PLW0603 - the one state of the process that this module is for
    _given_to = beside


def is_small() -> bool:
    """Whether this process gives such calls away."""
    return _given_to is not None


def call(function: Callable[..., Any], **asked: Any) -> Any:
    """What the function gives for these arguments, called here or beside this process."""
    if _given_to is None:
        return function(**asked)
    return _given_to(f"{function.__module__}:{function.__qualname__}", asked)
