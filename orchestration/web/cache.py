"""Answers that are kept as bytes until what they rest on is something else, each under a strong tag of its content.

Lists of the API are among them: JSON, CSV or Parquet, a page at a time, each page of the same state of things.
"""

import base64
import csv
import gzip
import hashlib
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import polars as pl
from starlette.requests import Request
from starlette.responses import Response

from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import plain
from orchestration.open_project import OpenProject
from orchestration.web.request_context import Context
from reports.pages.energy import defused

MOST_BYTES = 24 * 2**20
# Beyond it a page takes twice as long to pack, and is a fiftieth smaller.
PACKING = 5


class CachedAnswer(NamedTuple):
    """An answer: its bytes as gzip packs them, what they are, and its tag."""

    packed: bytes
    media_type: str
    etag: str

    @property
    def body(self) -> bytes:
        """The bytes themselves."""
        return gzip.decompress(self.packed)


class Answers:
    """Answers by key, the least asked for given up first. Any number of threads may ask."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, CachedAnswer] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], tuple[bytes, str]]) -> CachedAnswer:
        """The answer of the key; `make` gives bytes and media type where there is none. What it raises is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        body, media_type = make()
        packed = gzip.compress(body, PACKING, mtime=0)
        made = CachedAnswer(packed, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
        # One that would push most others out is not worth it.
        if len(packed) <= self.most_bytes // 8:
            with self._lock:
                former = self._kept.pop(key, None)
                self._bytes += len(packed) - (len(former.packed) if former is not None else 0)
                self._kept[key] = made
                while self._bytes > self.most_bytes:
                    self._bytes -= len(self._kept.popitem(last=False)[1].packed)
        return made

    def forget(self) -> None:
        """Give up all of them."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0


def answers_of(project: OpenProject) -> Answers:
    """The answers of one project, shared by all threads of this process."""
    return project.cache.once("answers", "", Answers)


def answered(
    request: Request,
    ctx: Context,
    stamp: str,
    make: Callable[[], tuple[bytes, str]],
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer of an address as somebody with the person's rights sees it; 304 where the asker has it already.

    stamp: what the answer rests on (queries.py: stamp_of); where it is another, so is the key.
    """
    kept = answers_of(ctx.project).get((*_seen_by(request, ctx), stamp), make)
    vary = "Accept, Accept-Encoding, Cookie, Authorization"
    all_headers = {"ETag": kept.etag, "Cache-Control": "private, no-cache", "Vary": vary}
    all_headers |= headers or {}
    if kept.etag in (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=all_headers)
    return as_taken(request, kept.packed, kept.media_type, all_headers)


def as_taken(
    request: Request, packed: bytes, media_type: str, headers: dict[str, str], *, brotli: bytes | None = None
) -> Response:
    """Body as brotli packed it, where there is that, or gzip, for who takes it so; for others unpacked."""
    named = (each.partition(";") for each in request.headers.get("accept-encoding", "").split(","))
    encodings = {name.strip() for name, _, more in named if not _REFUSED.fullmatch(more.replace(" ", ""))}
    if brotli is not None and "br" in encodings:
        return Response(brotli, media_type=media_type, headers=headers | {"Content-Encoding": "br"})
    if "gzip" in encodings:
        return Response(packed, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type=media_type, headers=headers)


def _seen_by(request: Request, ctx: Context) -> tuple[Hashable, ...]:
    """Key of an answer beside its stamp: the address, the kind asked for, and the person's rights.

    The token of the forms stands in every page of one sign-in.
    """
    return (
        request.url.path,
        request.url.query,
        request.headers.get("accept", "") if request.url.path.startswith("/api/") else "",
        *turn(ctx),
        "" if request.url.path.startswith("/api/") else f"{ctx.person.person_id}|{ctx.csrf}|{ctx.banner}|{ctx.looks}",
    )


def turn(ctx: Context) -> tuple[Hashable, ...]:
    """The quarter hour and the person's rights: what every kept answer is of, beside what it rests on."""
    # A period such as today begins anew at every site's own midnight, which is a whole quarter hour of UTC.
    return int(ctx.now_utc.timestamp() // 900), tuple(sorted(ctx.person.roles)), ctx.person.sites, ctx.person.tenants


BASE = "/api/v1/ems"
# A weight that says "not this one", in up to three decimals.
_REFUSED = re.compile(r"q=0(?:\.0{0,3})?")
PAGING = ("limit", "cursor")
USUAL, MOST = 100, 1000
MOST_POINTS = 50_000
JSON, CSV, PARQUET = "application/json", "text/csv; charset=utf-8", "application/vnd.apache.parquet"
Rows = Sequence[Mapping[str, Any]]


def listed(
    request: Request,
    ctx: Context,
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
    limit = whole_number("limit", ctx.address.part("limit") or str(usual), most)
    state = hashlib.sha256(stamp.encode()).hexdigest()[:16]
    start = _start(ctx.address.part("cursor"), state)
    if PARQUET in request.headers.get("accept", ""):
        return answered(request, ctx, stamp, lambda: (_parquet(plain(make(slice(None))[0])), PARQUET))
    if "text/csv" in request.headers.get("accept", ""):
        return answered(request, ctx, stamp, lambda: (_csv(plain(make(slice(None))[0])).encode(), CSV))

    def page() -> tuple[bytes, str]:
        end = start + limit
        rows, total = make(slice(start, end))
        cursor = base64.urlsafe_b64encode(f"{end}.{state}".encode()).decode().rstrip("=") if end < total else None
        return _json({"rows": rows, **more(), "next": cursor, "total": total}), JSON

    return answered(request, ctx, stamp, page)


def whole(make: Callable[[], Rows]) -> Callable[[slice], tuple[Rows, int]]:
    """A list that is made as a whole, for `listed`."""

    def part_of(part: slice) -> tuple[Rows, int]:
        rows = make()
        return list(rows[part]), len(rows)

    return part_of


def json_answer(request: Request, ctx: Context, stamp: str, make: Callable[[], Mapping[str, Any]]) -> Response:
    """One answer as JSON."""
    return answered(request, ctx, stamp, lambda: (_json(make()), JSON))


def _json(document: Mapping[str, Any]) -> bytes:
    """As `plain` tells it: times, lists and numbers as orjson writes them, the rest as `plain` has it."""
    return orjson.dumps(document, default=plain, option=orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS)


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
