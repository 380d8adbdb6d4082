"""Column types that mean the same on SQLite and PostgreSQL."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from data_quality.contracts.errors import BadInput

# Made once: seals and chains encode a hundred thousand rows in a row.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


class UtcDateTime(sa.TypeDecorator[datetime]):
    """An instant as fixed-width ISO text in UTC: sorts as time on every engine, reads plainly in any tool."""

    # As long as 2025-03-30T01:00:00.000000Z.
    impl = sa.String(27)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        """Aware datetime to text. Raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value} in a UTC column")
        # Not strftime, which takes ten times as long: a file of reads brings a hundred thousand times.
        return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        """Text to aware datetime. Raises BadInput for another text."""
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise _unreadable("a time", value) from error


class JsonText(sa.TypeDecorator[Any]):
    """JSON as canonical text (sorted keys), so that hashes over rows agree on every engine."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        """Value to text; NaN and infinity are refused."""
        if value is None:
            return None
        return _ENCODER.encode(value)

    def process_result_value(self, value: str | None, dialect: Any) -> Any:
        """Text to value. Raises BadInput for another text."""
        if value is None:
            return None
        try:
            return json.loads(value)
        except (TypeError, ValueError) as error:
            raise _unreadable("JSON", value) from error


def _unreadable(expected: str, value: object) -> BadInput:
    return BadInput(
        f"the store holds {str(value)[:40]!r} where {expected} was expected: it was changed behind the program's back",
        reason="row_not_proven",
        mend="'meterloom doctor' names the row; restore the store from a backup",
    )


# The column's own encoder: a hash over a value in memory and one over its stored text must be over the same text.
_JSON = JsonText()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: one text per value on every engine. NaN is refused."""
    text = _JSON.process_bind_param(value, None)
    return "null" if text is None else text


def sha256_of(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of a value."""
    return text_sha256(canonical_json(value))


def text_sha256(text: str) -> str:
    """SHA-256 (hex) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
