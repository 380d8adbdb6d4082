"""POST over HTTP, for webhooks and push: what the answers mean, and which addresses may be reached."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from data_quality.contracts.errors import BadInput
from orchestration.notices.letter import Busy, ReceiverUnreachable, Refused

if TYPE_CHECKING:
    import httpx

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def checked_url(url: str, setting: str = "delivery.webhook_url") -> str:
    """The URL, if figures may be posted there: https, or http to this machine. Raises BadInput."""
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK
    # A URL is shown in lists and logs: no place for a name and a password.
    if not parts.hostname or not (parts.scheme == "https" or is_local) or parts.username or parts.password:
        raise BadInput(f"{setting} must be https (or http to this machine) without a user in it", reason="bad_url")
    return url


def public_address(host: str, port: int) -> str:
    """An address of the host that is on the public internet. Raises Refused where one of its addresses is not.

    The answer is connected to as it is: a name that is asked twice may lead elsewhere the second time.
    """
    try:
        found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError as fault:
        raise Busy(f"{host} has no address: {fault}") from fault
    private = [each for each in found if not ipaddress.ip_address(each.partition("%")[0]).is_global]
    if private:
        raise Refused(f"{host} leads to the private address {private[0]}; notices.webhook_hosts can allow it")
    return found[0]


@contextmanager
def line(timeout_s: float) -> Iterator["httpx.Client"]:
    """A client that keeps its connections for many letters; redirects are not followed."""
    # Only here: it loads in a third of a second.
    import httpx

    with httpx.Client(timeout=timeout_s, follow_redirects=False, headers={"User-Agent": "meterloom"}) as client:
        yield client


def post(
    client: "httpx.Client", url: str, body: bytes, headers: Mapping[str, str], *, address: str | None = None
) -> None:
    """Post JSON. address: of the host, where it was asked for already. Raises Refused, Busy and ReceiverUnreachable."""
    import httpx

    target = httpx.URL(url)
    extensions = {}
    if address is not None:
        extensions["sni_hostname"] = target.host
        headers = {**headers, "Host": target.netloc.decode()}
        target = target.copy_with(host=address)
    try:
        answer = client.post(
            target, content=body, headers={"Content-Type": "application/json", **headers}, extensions=extensions
        )
    except httpx.TransportError as fault:
        raise ReceiverUnreachable(f"{type(fault).__name__}: {fault}") from fault
    status = answer.status_code
    if 200 <= status < 300:
        return
    # A redirect would carry it where nobody meant it; 408, 425 and 429 say "later", not "no".
    if 300 <= status < 500 and status not in {408, 425, 429}:
        raise Refused(f"the receiver answered {status}")
    raise Busy(f"the receiver answered {status}")
