"""A Modbus TCP client of the specification alone (application protocol 1.1b3): sockets and no library.

Whoever does not trust our reader asks with this one.
"""

import socket
import struct


class RawModbus:
    """One connection. Every call is one request and its answer; an exception answer is returned as its code."""

    def __init__(self, port: int, *, unit: int = 1, timeout_s: float = 2.0) -> None:
        self._line = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._unit, self._transaction = unit, 0

    def __enter__(self) -> "RawModbus":
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def ask(self, pdu: bytes) -> bytes:
        """A protocol data unit, and the one that answers it."""
        self._transaction += 1
        self._line.sendall(struct.pack(">HHHB", self._transaction, 0, len(pdu) + 1, self._unit) + pdu)
        transaction, protocol, length, unit = struct.unpack(">HHHB", self._exactly(7))
        assert (transaction, protocol, unit) == (self._transaction, 0, self._unit)
        return self._exactly(length - 1)

    def words(self, address: int, count: int, function: int = 3) -> list[int] | int:
        """Registers by function 3 or 4; the exception code where the device refuses."""
        answer = self.ask(struct.pack(">BHH", function, address, count))
        if answer[0] & 0x80:
            return answer[1]
        assert (answer[0], answer[1], len(answer)) == (function, 2 * count, 2 + 2 * count)
        return list(struct.unpack(f">{count}H", answer[2:]))

    def coils(self, address: int, count: int) -> list[int]:
        """Coils by function 1."""
        answer = self.ask(struct.pack(">BHH", 1, address, count))
        assert (answer[0], answer[1]) == (1, (count + 7) // 8)
        return [answer[2 + index // 8] >> index % 8 & 1 for index in range(count)]

    def write(self, address: int, words: list[int]) -> int | None:
        """Registers by function 16; None, or the exception code."""
        pdu = struct.pack(f">BHHB{len(words)}H", 16, address, len(words), 2 * len(words), *words)
        answer = self.ask(pdu)
        if answer[0] & 0x80:
            return answer[1]
        assert answer == pdu[:5]
        return None

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            more = self._line.recv(count - len(found))
            if not more:
                raise ConnectionError("closed in the middle of a frame")
            found += more
        return found
