"""Answers that are kept as bytes until what they rest on is something else, each under a strong tag of its content."""

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from orchestration.web.request_context import Ask

MOST_BYTES = 24 * 2**20
# Beyond it a page takes twice as long to pack, and is a fiftieth smaller.
PACKING = 5


class Kept(NamedTuple):
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
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], tuple[bytes, str]]) -> Kept:
        """The answer of the key; `make` gives bytes and media type where there is none. What it raises is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        body, media_type = make()
        packed = gzip.compress(body, PACKING, mtime=0)
        made = Kept(packed, media_type, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
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


@lru_cache(maxsize=8)
def answers_of(_root: str) -> Answers:
    """The answers of one project folder, shared by all threads of this process."""
    return Answers()


def answered(
    request: Request,
    ask: Ask,
    stamp: str,
    make: Callable[[], tuple[bytes, str]],
    *,
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer of an address as somebody with the person's rights sees it; 304 where the asker has it already.

    stamp: what the answer rests on (queries.py: stamp_of); where it is another, so is the key.
    """
    kept = answers_of(str(ask.project.project.root)).get((*_seen_by(request, ask), stamp), make)
    vary = "Accept, Accept-Encoding, Cookie, Authorization"
    told = {"ETag": kept.etag, "Cache-Control": "private, no-cache", "Vary": vary}
    told |= headers or {}
    if kept.etag in (each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=told)
    return as_taken(request, kept.packed, kept.media_type, told)


def as_taken(
    request: Request, packed: bytes, media_type: str, headers: dict[str, str], *, brotli: bytes | None = None
) -> Response:
    """What brotli packed, where there is that, or gzip, for who takes it so; for others unpacked."""
    named = (each.partition(";") for each in request.headers.get("accept-encoding", "").split(","))
    taken = {name.strip() for name, _, more in named if more.replace(" ", "") not in ("q=0", "q=0.0")}
    if brotli is not None and "br" in taken:
        return Response(brotli, media_type=media_type, headers=headers | {"Content-Encoding": "br"})
    if "gzip" in taken:
        return Response(packed, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(gzip.decompress(packed), media_type=media_type, headers=headers)


def _seen_by(request: Request, ask: Ask) -> tuple[Hashable, ...]:
    """What decides what is seen, beside what it rests on: the address, the kind asked for, and the person's rights.

    The local day decides what `today` is; the token of the forms stands in every page of one sign-in.
    """
    person = ask.person
    return (
        request.url.path,
        request.url.query,
        request.headers.get("accept", "") if request.url.path.startswith("/api/") else "",
        # A period such as today begins anew at every site's own midnight, which is a whole quarter hour of UTC.
        int(ask.now_utc.timestamp() // 900),
        tuple(sorted(person.roles)),
        person.sites,
        person.tenants,
        "" if request.url.path.startswith("/api/") else f"{person.person_id}|{ask.csrf}|{ask.banner}|{ask.looks}",
    )
