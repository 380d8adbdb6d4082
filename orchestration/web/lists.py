"""Lists as the API hands them out: JSON, CSV or Parquet, a page at a time, each page of the same state of things."""

import base64
import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.errors import BadInput
from orchestration.views.plain_answer import plain
from orchestration.web.cache import answered
from orchestration.web.request_context import Ask
from reports.pages.energy import defused

BASE = "/api/v1/ems"
PAGING = ("limit", "cursor")
USUAL, MOST = 100, 1000
MOST_POINTS = 50_000
JSON, CSV, PARQUET = "application/json", "text/csv; charset=utf-8", "application/vnd.apache.parquet"
Rows = Sequence[Mapping[str, Any]]


def listed(
    request: Request,
    ask: Ask,
    stamp: str,
    make: Callable[[slice], tuple[Rows, int]],
    *,
    most: int = MOST,
    usual: int = USUAL,
    more: Callable[[], Mapping[str, Any]] = dict,
) -> Response:
    """Rows of `make` as `{"rows": […], "next": …}` or, where CSV or Parquet is accepted, as a table of all of them.

    make: gives these of the rows, and how many there are. stamp: what they rest on; a cursor of another state is
    refused, so that no page shifts. more: what else is told.

    Raises BadInput (bad_request) for a limit or cursor that is none.
    """
    limit = whole_number("limit", ask.address.part("limit") or str(usual), most)
    state = hashlib.sha256(stamp.encode()).hexdigest()[:16]
    start = _start(ask.address.part("cursor"), state)
    if PARQUET in request.headers.get("accept", ""):
        return answered(request, ask, stamp, lambda: (_parquet(plain(make(slice(None))[0])), PARQUET))
    if "text/csv" in request.headers.get("accept", ""):
        return answered(request, ask, stamp, lambda: (_csv(plain(make(slice(None))[0])).encode(), CSV))

    def page() -> tuple[bytes, str]:
        end = start + limit
        rows, total = make(slice(start, end))
        cursor = _cursor(end, state) if end < total else None
        return _json({"rows": rows, **more(), "next": cursor, "total": total}), JSON

    return answered(request, ask, stamp, page)


def whole(make: Callable[[], Rows]) -> Callable[[slice], tuple[Rows, int]]:
    """A list that is made as a whole, for `listed`."""

    def part_of(part: slice) -> tuple[Rows, int]:
        rows = make()
        return list(rows[part]), len(rows)

    return part_of


def said(request: Request, ask: Ask, stamp: str, make: Callable[[], Mapping[str, Any]]) -> Response:
    """One answer as JSON."""
    return answered(request, ask, stamp, lambda: (_json(make()), JSON))


def _json(told: Mapping[str, Any]) -> bytes:
    """As `plain` tells it: times, lists and numbers as orjson writes them, the rest as `plain` has it."""
    return orjson.dumps(told, default=plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


def _csv(rows: Rows) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow(names)
    for row in rows:
        lines.writerow([_cell(row.get(name)) for name in names])
    return out.getvalue()


def _parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(out)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return defused(" ".join(each if isinstance(each, str) else orjson.dumps(each).decode() for each in value))
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    if value is None or isinstance(value, bool):
        return "" if value is None else str(value).lower()
    return repr(value) if isinstance(value, float) else defused(str(value)) if isinstance(value, str) else str(value)


def whole_number(name: str, text: str, most: int) -> int:
    """A parameter that is a number from 1 to `most`. Raises BadInput (bad_request)."""
    # Of ASCII digits alone: int() takes the digits of every script, and underscores.
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= most):
        raise BadInput(f"{name} is a whole number from 1 to {most}, got {text[:20]!r}", reason="bad_request")
    return int(text)


def _cursor(place: int, state: str) -> str:
    return base64.urlsafe_b64encode(f"{place}.{state}".encode()).decode().rstrip("=")


def _start(cursor: str, state: str) -> int:
    if not cursor:
        return 0
    try:
        place, _, then = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(".")
        found = int(place)
    except (ValueError, UnicodeDecodeError) as error:
        raise BadInput("cursor is none that this list gave", reason="bad_request") from error
    if then != state or found < 0:
        raise BadInput("the list is another by now", reason="bad_request", mend="begin again without a cursor")
    return found
