"""Fetch of a document from a service over HTTP: retried while that may help, never from another host, with limits.

The only module of this room that opens a connection. It follows no redirect: who answers is who the site file names.
"""

import asyncio
import ipaddress
import json
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx

from data_quality.contracts.errors import BadInput, Unreachable, WorldFault
from data_quality.contracts.text import one_line

# What may be otherwise in a moment: too many requests, a server that starts or is overloaded.
PASSING = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """Retry times of a service. pauses_s: before the second try, the third …; a try takes whole_s at most."""

    connect_s: float = 10.0
    read_s: float = 30.0
    whole_s: float = 120.0
    pauses_s: tuple[float, ...] = (1.0, 5.0)
    max_bytes: int = 16 * 2**20


class _MayPass(WorldFault):
    """Errors that another try may mend."""


@dataclass(frozen=True)
class Question:
    """A request, and the place of the site file that names the address. headers may hold a secret."""

    base_url: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    # With a body it is posted, where no other method is named.
    body: bytes | None = None
    named: str = "weather_feed"
    method: str = ""


def fetch(
    question: Question,
    *,
    patience: Patience = Patience(),
    sleep: Callable[[float], None] = time.sleep,
    trust: ssl.SSLContext | None = None,
) -> bytes:
    """The document that answers. trust: who vouches for the service, and our own certificate; else the system's.

    Raises Unreachable where the service does not answer, or not in time, and BadInput where it refuses the question,
    sends us elsewhere or sends too much.
    """

    async def pause(seconds: float) -> None:
        sleep(seconds)

    async def one() -> bytes:
        async with client_for(patience, trust=trust) as client:
            return await ask(client, question, patience=patience, sleep=pause)

    return asyncio.run(one())


def client_for(patience: Patience, connections: int = 1, *, trust: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """A client of so many connections, which follows nobody elsewhere."""
    timeout = httpx.Timeout(patience.read_s, connect=patience.connect_s, pool=None)
    limits = httpx.Limits(max_connections=connections)
    headers = {"User-Agent": "meterloom"}
    verify = True if trust is None else trust
    return httpx.AsyncClient(timeout=timeout, headers=headers, limits=limits, follow_redirects=False, verify=verify)


async def ask(
    client: httpx.AsyncClient,
    question: Question,
    *,
    patience: Patience = Patience(),
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> bytes:
    """As fetch, with a client that is open."""
    url = httpx.URL(question.base_url.rstrip("/") + question.path, params=dict(question.query))
    # What is said of it in a fault: an address may hold a token.
    place = f"{url.scheme}://{url.netloc.decode()}"
    _refuse_link_local(url.host, place)
    headers = {"Accept": "application/json", **question.headers}
    method = question.method or ("GET" if question.body is None else "POST")
    request = client.build_request(method, url, headers=headers, content=question.body)
    for pause_s in (*patience.pauses_s, None):
        try:
            return await _answer(client, request, place, patience, question.named)
        except _MayPass as fault:
            if pause_s is None:
                tries = len(patience.pauses_s) + 1
                raise Unreachable(
                    f"{place} does not answer: {fault}, {tries} times; look at the service and the network, "
                    "the next look asks again"
                ) from fault
            await sleep(pause_s)
    raise AssertionError("the last try returns or raises")


async def _answer(
    client: httpx.AsyncClient, request: httpx.Request, place: str, patience: Patience, named: str
) -> bytes:
    """One try. Raises _MayPass and BadInput."""
    until = time.monotonic() + patience.whole_s
    parts, size = [], 0
    try:
        response = await client.send(request, stream=True)
        try:
            async for part in response.aiter_bytes():
                size += len(part)
                if size > patience.max_bytes:
                    limit = f"{patience.max_bytes / 2**20:g} MiB"
                    raise BadInput(f"{place} sends more than {limit}; expected far less", reason="too_large")
                if time.monotonic() > until:
                    raise _MayPass(f"its answer is not complete after {patience.whole_s:g} s")
                parts.append(part)
        finally:
            await response.aclose()
    except httpx.TimeoutException as error:
        raise _MayPass(f"no answer within {patience.read_s:g} s") from error
    # A broken compression among them: cut off, like a body that is too short.
    except httpx.HTTPError as error:
        raise _MayPass(_why(error)) from error
    _check(response, b"".join(parts), place, named)
    return b"".join(parts)


def _why(error: BaseException) -> str:
    """Cause of the failure: the library says only that all attempts failed."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return one_line(str(error) or type(error).__name__, 200)


def _check(response: httpx.Response, body: bytes, place: str, named: str) -> None:
    status = response.status_code
    if status in PASSING:
        raise _MayPass(f"it answers {status} {response.reason_phrase}".rstrip())
    if response.is_redirect:
        where = one_line(response.headers.get("location", "nowhere"), 200)
        raise BadInput(
            f"{place} sends us to {where}, and redirects are not followed",
            reason="redirected",
            mend=f"name the right address as url of {named} in the site file",
        )
    if status not in (httpx.codes.OK, httpx.codes.CREATED):
        reason = _reason(body)
        raise BadInput(
            f"{place} refuses the question with {status}{': ' + reason if reason else ''}",
            reason="not_there" if status == httpx.codes.NOT_FOUND else "refused",
            mend=f"look at {named} in the site file",
        )


def _reason(body: bytes) -> str:
    """Reason of a refusal in the service's words, where it gives one as such services do."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    texts = (
        [found.get(name) for name in ("reason", "detail", "description", "message")] if isinstance(found, dict) else []
    )
    return next((one_line(each, 200) for each in texts if isinstance(each, str)), "")


def _refuse_link_local(host: str, place: str) -> None:
    """Raises BadInput for an address at which clouds keep their secrets and no service lives."""
    try:
        found = {str(each[4][0]).partition("%")[0] for each in socket.getaddrinfo(host, None)}
    except OSError:
        # Unknown here: a proxy may know it, else the connection says it.
        return
    if any(ipaddress.ip_address(each).is_link_local for each in found):
        raise BadInput(f"{place} is a link-local address, which no service has", reason="forbidden_host")
