"""A server of object storage on this machine, and a line to it that fails in the ways that lines fail."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from socket import SHUT_RDWR
from threading import Lock, Thread
from typing import Any

import pytest

BUCKET = "lake"
KINDS = ("lost reply", "lost request", "409", "412", "500", "500 after", "truncated put", "truncated get", "expired")
Wsgi = Callable[..., Iterable[bytes]]


class Faulty:
    """The server behind its line. rate: share of the requests for which something goes wrong, by a seed;
    denied: every request is refused.
    """

    def __init__(self, server: Wsgi) -> None:
        self.server, self.rate, self.counts = server, 0.0, Counter[str]()
        self.dice, self.lock, self.denied = random.Random(0), Lock(), False

    def begin(self, seed: int, rate: float) -> None:
        """From now on."""
        self.dice, self.rate, self.counts = random.Random(seed), rate, Counter()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        # Its length says where a body ends, so that nothing else is read.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        if self.denied:
            return self._refuse("denied", start)
        method = environ["REQUEST_METHOD"]
        with self.lock:
            kind = self.dice.choice(KINDS) if self.dice.random() < self.rate else ""
            is_of_put = kind in {"409", "412", "truncated put"}
            if (is_of_put and method != "PUT") or (kind == "truncated get" and method != "GET"):
                kind = ""
            self.counts[f"{method}: {kind or 'well'}"] += 1
        if kind in {"409", "412", "500", "expired"}:
            return self._refuse(kind, start)
        if kind == "lost request":
            return self._hang_up(environ)
        if kind == "truncated put":
            short = body[: len(body) // 2]
            environ |= {"wsgi.input": BytesIO(short), "CONTENT_LENGTH": str(len(short))}
            environ.pop("HTTP_CONTENT_MD5", None)
        found: list[Any] = []
        answer = b"".join(self.server(environ, lambda *given: found.extend(given)))
        if kind == "lost reply":
            return self._hang_up(environ)
        if kind == "500 after":
            return self._refuse("500", start)
        headers = found[1]
        if kind == "truncated get" and len(answer) > 1:
            answer = answer[: len(answer) // 2]
            # Half of these end before the length that was told, half tell the shorter one.
            if len(answer) % 2:
                headers = [(name, str(len(answer)) if name.lower() == "content-length" else v) for name, v in headers]
            headers = [*headers, ("Connection", "close")]
        start(found[0], headers)
        return [answer]

    @staticmethod
    def _refuse(kind: str, start: Any) -> Iterable[bytes]:
        status, code = {
            "409": ("409 Conflict", "ConditionalRequestConflict"),
            "412": ("412 Precondition Failed", "PreconditionFailed"),
            "500": ("500 Internal Server Error", "InternalError"),
            "expired": ("403 Forbidden", "ExpiredToken"),
            "denied": ("403 Forbidden", "AccessDenied"),
        }[kind]
        body = f"<Error><Code>{code}</Code></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    @staticmethod
    def _hang_up(environ: dict[str, Any]) -> Iterable[bytes]:
        environ["werkzeug.socket"].shutdown(SHUT_RDWR)
        raise ConnectionAbortedError


@contextmanager
def bucket_server() -> Iterator[tuple[str, Faulty]]:
    """Its endpoint and its line. Readings of one bucket, in memory."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_: Any) -> None:
            """Not a word."""

    line = Faulty(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, line, threaded=True, request_handler=Quiet)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", line
    finally:
        server.shutdown()
        server.server_close()


def environment(endpoint: str) -> dict[str, str]:
    """Environment of a process that uses it."""
    named = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "of no use elsewhere", "AWS_REGION": "us-east-1"}
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", **named}


def make_bucket(endpoint: str, name: str = BUCKET) -> None:
    """A bucket of that name."""
    import boto3

    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=name)


@pytest.fixture(scope="session")
def faulty_line() -> Iterator[tuple[str, Faulty]]:
    """One server for all tests of a process, with a bucket in it."""
    with pytest.MonkeyPatch.context() as patch, bucket_server() as (endpoint, line):
        for name, value in environment(endpoint).items():
            patch.setenv(name, value)
        make_bucket(endpoint)
        yield endpoint, line
