"""Style, scripts and pictures, each under the hash of its bytes: a browser keeps them for ever and is never behind."""

import gzip
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request
from starlette.responses import Response

from orchestration.web.cache import as_taken

FOLDER = Path(__file__).resolve().parent / "static"
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
# Files that name others, and how they do.
NAMING = {".css": rb'(url\(")([^"]+)("\))', ".webmanifest": rb'("src": ")([^"]+)(")'}
router = APIRouter()


class StaticFile(NamedTuple):
    """One file as it is sent: packed by gzip, and by brotli where a packed copy lies beside it."""

    address: str
    media_type: str
    packed: bytes
    brotli: bytes | None = None


@lru_cache
def static_files() -> dict[str, StaticFile]:
    """All of them by their path below the folder, read once."""
    found: dict[str, StaticFile] = {}
    # Last those that name other files.
    for path in sorted(FOLDER.rglob("*"), key=lambda each: (each.suffix in NAMING, each.as_posix())):
        if path.suffix not in TYPES:
            continue
        whole, name, packed = path.read_bytes(), path.relative_to(FOLDER).as_posix(), path.with_name(f"{path.name}.br")
        if path.suffix in NAMING:
            whole = re.sub(
                NAMING[path.suffix], lambda it: it[1] + found[it[2].decode()].address.encode() + it[3], whole
            )
        address = f"/static/{hashlib.sha256(whole).hexdigest()[:16]}/{name}"
        brotli = packed.read_bytes() if packed.exists() else None
        found[name] = StaticFile(address, TYPES[path.suffix], gzip.compress(whole, 9, mtime=0), brotli)
    return found


def static_address(name: str) -> str:
    """Where a page finds the file of that name."""
    return static_files()[name].address


@router.get("/static/{digest}/{name:path}", include_in_schema=False)
def static_file(digest: str, name: str, request: Request) -> Response:
    """One file, for everybody: it says nothing of anyone. Another digest is a page of another version."""
    file = static_files().get(name)
    if file is None or file.address != f"/static/{digest}/{name}":
        return Response(status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if name == "worker.js":
        # It stands in for every page, wherever its own file lies.
        headers["Service-Worker-Allowed"] = "/"
    return as_taken(request, file.packed, file.media_type, headers, brotli=file.brotli)
