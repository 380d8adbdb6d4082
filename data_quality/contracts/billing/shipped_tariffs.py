"""Shipped tariffs: dated files of our language with their sources, called by the file's name."""

import difflib
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator

from data_quality.contracts.billing.tariff import Tariff, TariffFile, TariffSource
from data_quality.contracts.errors import BadInput
from data_quality.contracts.yaml_file import load_model

LIBRARY = Path(__file__).parent / "shipped"
_NAME = re.compile(r"[a-z0-9_]+")


def library_names() -> tuple[str, ...]:
    """Names of the shipped tariffs, in order."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def library_file(path: Path) -> Path:
    """The path as it is, or the file of the shipped tariff that it names. Raises BadInput where it is neither."""
    name = str(path)
    # A file of one's own comes first: to ship one more tariff changes nobody's answer.
    if path.exists() or not _NAME.fullmatch(name):
        return path
    if name in library_names():
        return LIBRARY / f"{name}.yaml"
    raise BadInput(
        f"there is no file {name!r}, and no shipped tariff of that name", reason="no_tariff", mend=_near(name)
    )


def _near(name: str) -> str:
    near = difflib.get_close_matches(name, library_names(), n=1)
    return f"did you mean {near[0]!r}?" if near else "`meterloom tariff list` names those that are shipped"


def _with_shipped(entries: Any) -> Any:
    """Entries of a list of tariffs, of which those that are a name become the shipped tariffs of that name."""
    if not isinstance(entries, list | tuple):
        return entries
    found, later = list(entries), []
    for place, name in enumerate(entries):
        if isinstance(name, str):
            if name not in library_names():
                raise ValueError(f"no tariff {name!r} is shipped; {_near(name)}")
            # Further ones of a name stand behind all: a complaint about an entry names its place in the file.
            found[place], *rest = _shipped(name).tariffs
            later += rest
    return [*found, *later]


# Of a site: tariffs as they are, and names of shipped ones among them.
Tariffs = Annotated[tuple[Tariff, ...], BeforeValidator(_with_shipped)]


@cache
def shipped_tariffs() -> dict[str, TariffFile]:
    """Every shipped tariff by its name, with what it stands on."""
    return {name: _shipped(name) for name in library_names()}


@cache
def _shipped(name: str) -> TariffFile:
    """One of them, by the careful reader: an agent whose site names a shipped tariff loads no second library."""
    return load_model(LIBRARY / f"{name}.yaml", TariffFile)


def shipped_source(path: Path) -> TariffSource | None:
    """Source of the shipped tariff of that name; None for a file of one's own."""
    return None if path.exists() or str(path) not in library_names() else _shipped(str(path)).about
