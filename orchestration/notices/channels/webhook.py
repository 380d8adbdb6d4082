"""Webhook: one signed POST of JSON; a key tells a receiver that it has the same letter already."""

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestration.notices.channels.http_post import checked_url, line, post, public_address
from orchestration.notices.letter import Letter, Refused, Send

# All of it is in memory at once, and a third more as base64.
MAX_POST_BYTES = 64 << 20


@contextmanager
def opened(secret: str, timeout_s: float, *, hosts: Collection[str] | None = None) -> Iterator[Send]:
    """Posts to the URL that is a letter's address. hosts: those that may be reached at a private address; None: any,
    where the URL is the operator's own. Raises BadInput for a URL without TLS.
    """
    with line(timeout_s) as client:

        def send(letter: Letter) -> None:
            parts = urlsplit(checked_url(letter.address))
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
            address = None if hosts is None or host in hosts else public_address(host, port)
            body = json.dumps(_document(letter), sort_keys=True, ensure_ascii=False).encode()
            headers = {"Idempotency-Key": letter.letter_id}
            if secret:
                headers["X-Meterloom-Signature"] = f"sha256={body_hmac(secret, body)}"
            post(client, letter.address, body, headers, address=address)

        yield send


def _document(letter: Letter) -> dict[str, Any]:
    """Body of the post: the letter's document, and its files by name, size, hash and content (base64)."""
    if sum(path.stat().st_size for path in letter.files) > MAX_POST_BYTES:
        raise Refused(f"the files are larger than {MAX_POST_BYTES >> 20} MiB")
    return {**letter.document, "title": letter.title} | (
        {"files": [_file(path) for path in letter.files]} if letter.files else {}
    )


def _file(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    return {
        "name": path.name,
        "bytes": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "content_base64": base64.b64encode(raw).decode(),
    }


def body_hmac(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of a posted body, hex: what the receiver compares."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
