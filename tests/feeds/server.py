"""A real HTTP server in a thread: it answers as configured and notes its requests."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Reply:
    """Next answers; the last one stays. wait_s: before each part of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    wait_s: float = 0.0


class Service:
    """Requests received so far, and the address of the server."""

    def __init__(self) -> None:
        self.answers: list[Reply] = [Reply()]
        self.asked: list[str] = []
        self.url = ""

    def say(self, *answers: Reply) -> None:
        """From now on these, one a request."""
        self.answers, self.asked = list(answers), []


@contextmanager
def serving() -> Iterator[Service]:
    """A service on a free port of this machine."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            size = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
            try:
                self.send_response(size.status)
                for name, value in size.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(size.body) if size.length is None else size.length))
                self.end_headers()
                for start in range(0, len(size.body), 8):
                    if size.wait_s:
                        time.sleep(size.wait_s)
                        self.wfile.write(size.body[start : start + 8])
                        self.wfile.flush()
                if not size.wait_s:
                    self.wfile.write(size.body)
            except OSError:
                # Whoever asked has gone.
                pass

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
