"""A line that goes half-open: what was connected stays so, new ones are taken, and no byte comes through any more."""

import contextlib
import socket
import threading
from types import TracebackType


class Relay:
    """A port of this machine that leads to another address: (host, port), or the path of a Unix socket."""

    def __init__(self, to: tuple[str, int] | str) -> None:
        self._to = to
        self._flows = threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """From now on everybody waits."""
        self._flows.clear()

    def thaw(self) -> None:
        """Deliver what was held back, and resume."""
        self._flows.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                self._open.append(near)
                threading.Thread(target=self._join, args=(near,), daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            self._flows.wait()
            far = socket.socket(socket.AF_UNIX if isinstance(self._to, str) else socket.AF_INET)
            self._open.append(far)
            far.connect(self._to)
            threading.Thread(target=self._carry, args=(far, near), daemon=True).start()
            self._carry(near, far)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                target.sendall(data)
            # An end that is seen through a line is passed on, too.
            self._flows.wait()
            target.shutdown(socket.SHUT_WR)

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thaw()
        for each in (self._server, *self._open):
            # A thread that waits for bytes is woken by the shutdown and not by the close.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
