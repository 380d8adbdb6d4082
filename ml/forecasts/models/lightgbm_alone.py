"""LightGBM without the libraries that it imports for wrappers which nothing here calls (ADR 0110)."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from threading import get_ident
from types import ModuleType

# Of a process that only forecasts these are the greater part of its start; trees learn from NumPy's arrays.
WITHHELD = frozenset({"pandas", "sklearn"})


def lightgbm_alone() -> ModuleType:
    """The module `lightgbm`: Booster, Dataset and train. Its classes in scikit-learn's manner are not usable then.

    A library that is loaded already is used; one that is withheld is found by every later import as ever.
    """
    with _withheld():
        import lightgbm
    module: ModuleType = lightgbm
    return module


@contextmanager
def _withheld() -> Iterator[None]:
    finder = _NotInstalled()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _NotInstalled(MetaPathFinder):
    """Answers the thread that made it as if a library were not installed, for which LightGBM provides."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ModuleNotFoundError for what is withheld; all else is for the finders behind it."""
        if fullname in WITHHELD and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{fullname} is not needed by LightGBM here", name=fullname)
