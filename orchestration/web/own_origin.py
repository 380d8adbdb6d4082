"""Requests that a server of ours accepts: sent to one of its own names, and an act only from a page of its own.

Shared by the pages and by the gate before Dagster and MLflow.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection


class Refused(Exception):
    """Refused before anybody was asked who it is: status, reason as a code, one sentence, headers of the answer."""

    def __init__(self, status: int, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers


def check_host(request: HTTPConnection, hosts: Collection[str]) -> None:
    """Raises Refused for another name than `hosts`: a page whose name was made to lead here reads nothing."""
    if request.headers.get("host", "").lower() not in hosts:
        raise Refused(421, "foreign_host", "this server does not go by that name")


def check_origin(request: HTTPConnection, origins: Collection[str] = (), *, is_read: bool = False) -> None:
    """Raises Refused for what another page sends by somebody's browser. origins: pages of ours elsewhere. is_read: it
    changes nothing, so that programs which name no page may ask it.
    """
    fetched, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    scheme = {"ws": "http", "wss": "https"}.get(request.url.scheme, request.url.scheme)
    own = (f"{scheme}://{request.headers.get('host', '')}".lower(), *origins)
    # To say no-referrer makes a browser send a form's origin as null; Sec-Fetch-Site no page can write itself.
    is_hidden = origin == "null" and fetched == "same-origin"
    is_foreign = origin is not None and origin.lower() not in own and not is_hidden
    # A form without either comes from no browser of today; a machine has its key.
    is_nowhere = not is_read and fetched is None and origin is None and "authorization" not in request.headers
    if is_foreign or is_nowhere or fetched not in (None, "same-origin", "none"):
        raise Refused(403, "foreign_origin", "this was sent from another page than ours")


def own_hosts(*urls: str) -> frozenset[str]:
    """Names that a browser sends in Host for these addresses; for a loopback one, all its names."""
    found = set()
    for url in urls:
        parts = urlsplit(url)
        usual = {"https": 443, "http": 80}.get(parts.scheme)
        port = "" if parts.port in (None, usual) else f":{parts.port}"
        names = ["localhost", "127.0.0.1", "[::1]"] if parts.hostname in ("127.0.0.1", "localhost", "::1") else []
        found |= {f"{name}{port}" for name in [parts.netloc.rpartition(":")[0] if port else parts.netloc, *names]}
    return frozenset(each.lower() for each in found)
