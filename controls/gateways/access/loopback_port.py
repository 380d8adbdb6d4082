"""Health of a process of ours on the loopback: /live, /ready (also /healthz), /metrics in Prometheus' text format, and
its POSTs.

A thread of its own reads what the process left behind and waits for nobody.
"""

import hmac
import ipaddress
import os
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from data_quality.contracts.errors import BadInput


class Metrics:
    """Lines as Prometheus reads them; every name begins with the prefix."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._lines: list[str] = []

    def add_metric(self, name: str, kind: str, values: Iterable[tuple[str, float]], help_text: str) -> None:
        """One metric. kind: gauge or counter; values: labels (empty, or in braces) with their number."""
        name = f"{self._prefix}{name}"
        self._lines.extend([f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"])
        self._lines.extend(f"{name}{label} {value:.15g}" for label, value in values)

    def text(self) -> str:
        """The page."""
        return "\n".join(self._lines) + "\n"


def token_in(file: Path) -> str:
    """The secret of POSTs, made at the first start and readable by the owner alone. Raises OSError."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_name(f".{file.name}-{secrets.token_hex(8)}")
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as part:
            part.write(secrets.token_urlsafe(24))
        # Of processes that start together the first one's is everybody's.
        with suppress(FileExistsError):
            os.link(made, file)
        made.unlink()
    return file.read_text(encoding="ascii").strip()


class _Near(BaseHTTPRequestHandler):
    """Answers by the names of this machine alone: a page whose name was made to lead here reads nothing."""

    # A client that says nothing must not keep its thread.
    timeout = 5

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        name, _, port = self.headers.get("Host", "").rpartition(":")
        # Every browser names a host; who names none is none.
        if (name or port).lower() in ("", "127.0.0.1", "localhost", "[::1]", self.connection.getsockname()[0]):
            return True
        self._answer(421, "this port does not go by that name\n")
        return False

    def _answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        # Who asked may have left already.
        with suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing: a scrape every few seconds is no news."""


def serve_loopback(
    who: str,
    *,
    health: Callable[[], tuple[bool, str]],
    metrics: Callable[[], str],
    posts: Mapping[str, tuple[Callable[[str], None], str]],
    token: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
) -> ThreadingHTTPServer:
    """Serve in a thread of its own until `shutdown`. Port 0 takes a free one.

    health: whether it does its work, and one sentence. posts: path -> what is done, told by whom, and what is answered;
    they need the token. Raises BadInput for an address that others can reach, OSError.
    """
    if not ipaddress.ip_address(host).is_loopback:
        raise BadInput(f"the {who}'s port is for this machine alone, not for {host}", reason="not_loopback")
    there_are = " and ".join(filter(None, ["/live, /ready, /healthz, /metrics", *(f"POST {path}" for path in posts)]))

    class Handler(_Near):
        def do_GET(self) -> None:
            if self.path == "/live":
                self._answer(200, "alive\n")
            elif self.path in ("/healthz", "/ready"):
                is_well, text = health()
                self._answer(200 if is_well else 503, f"{text}\n")
            elif self.path == "/metrics":
                self._answer(200, metrics())
            else:
                self._answer(404, f"there are {there_are}\n")

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "").removeprefix("Bearer ").encode()
            if self.path not in posts:
                self._answer(404, f"only {', '.join(posts) or 'nothing'} takes a POST\n")
            elif not (token and hmac.compare_digest(given, token.encode())):
                self._answer(403, f"the token of the {who}'s token file is missing or another\n")
            else:
                act, text = posts[self.path]
                act(f"POST {self.path}")
                self._answer(202, f"{text}\n")

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server
