"""A mail server and a receiver of posts on the loopback, which keep what they get and answer as configured."""

import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Mailbox(socketserver.StreamRequestHandler):
    """A mail server of one conversation after the other: enough of RFC 5321 for a client to send."""

    def handle(self) -> None:
        self.say(b"220 ready")
        while line := self.rfile.readline():
            verb = line.strip().upper()
            if verb.startswith(b"EHLO"):
                self.say(b"250 here")
            elif verb.startswith(b"RCPT") and self.server.answers:  # type: ignore[attr-defined]
                self.say(self.server.answers.pop(0))  # type: ignore[attr-defined]
            elif verb == b"DATA":
                self.say(b"354 go on")
                text = b""
                while (row := self.rfile.readline()) != b".\r\n":
                    text += row
                self.server.mails.append(text)  # type: ignore[attr-defined]
                self.say(b"250 kept")
            elif verb == b"QUIT":
                self.say(b"221 bye")
                return
            else:
                self.say(b"250 ok")

    def say(self, text: bytes) -> None:
        self.wfile.write(text + b"\r\n")


class Hook(BaseHTTPRequestHandler):
    """A receiver that keeps what is posted and answers as configured."""

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        if len(body) < size:
            # Its sender was killed between head and body: no receiver takes half a post.
            self.close_connection = True
            return
        self.server.posts.append((dict(self.headers), body))  # type: ignore[attr-defined]
        status = self.server.answers.pop(0) if self.server.answers else 200  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def served(server: Any) -> Iterator[Any]:
    """The server while the test runs. answers: what it says next; without one it takes everything."""
    server.answers = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def mail_server() -> Iterator[Any]:
    """Keeps mails."""
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
    server.mails = []
    yield from served(server)


def hook_server() -> Iterator[Any]:
    """Keeps posts."""
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.posts = []
    yield from served(server)
