"""Answers as plain JSON, for terminal and page alike, and how a command ended (cli.md)."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

# 70 is EX_SOFTWARE of sysexits.h: the caller can do nothing about it.
EXIT_CODES = (0, 1, 2, 3, 70)
DONE, CHECK_FAILED, *_ = EXIT_CODES


def plain(value: Any) -> Any:
    """A value as JSON knows it: decimals to floats, times to ISO 8601 with Z, models to dicts."""
    # First: a series is thousands of them, and to ask what else it might be takes longer than all the rest.
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    # Before dates: a datetime is a date too, and would lose its Z.
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date | time | Path):
        return str(value)
    if isinstance(value, Enum):
        # Numbered ones (modes, evidence grades) are known to people by name; their order is ours alone.
        return value.name if isinstance(value.value, int) else value.value
    return value
