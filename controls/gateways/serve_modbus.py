"""The device side of Modbus TCP: a real server whose units are described by templates.

It speaks the frames of the Modbus application protocol itself, so that it can break them too: faults can be switched
on, and clients are tried against silence, late and torn answers, refusal, and devices that do something else.
"""

import asyncio
import struct
import threading
from contextlib import suppress

from controls.gateways.served_unit import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusUnit
from controls.templates.register_places import Table
from data_quality.contracts.errors import Unreachable

# Function codes by table; 5 and 6 write one, 15 and 16 several.
_READS: dict[int, Table] = {1: "coil", 2: "discrete", 3: "holding", 4: "input"}
_WRITES: dict[int, Table] = {5: "coil", 6: "holding", 15: "coil", 16: "holding"}
_ILLEGAL_FUNCTION, _DEVICE_BUSY, _NO_UNIT = 1, 6, 11
# Transaction id, protocol (0), bytes that follow, unit.
_HEADER = struct.Struct(">HHHB")
_START_S = 10.0


class ModbusServer:
    """A Modbus TCP server in a thread of its own. Port 0 takes a free one; `port` says which after `start`.

    late_s: how long the fault "late" keeps an answer back.
    """

    def __init__(self, units: list[ModbusUnit], *, host: str = "127.0.0.1", port: int = 0, late_s: float = 1.5) -> None:
        self.host, self.port, self._late_s = host, port, late_s
        self._units = {unit.unit_id: unit for unit in units}
        self._thread = threading.Thread(target=self._run, name="modbus-server", daemon=True)
        self._is_up = threading.Event()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event
        self._lines: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def start(self) -> "ModbusServer":
        """Listen. Raises Unreachable where the port cannot be had."""
        self._thread.start()
        if not self._is_up.wait(_START_S) or self._failure is not None:
            raise Unreachable(f"cannot serve Modbus on {self.host}:{self.port}: {self._failure or 'no answer'}")
        return self

    def stop(self) -> None:
        """Close the socket and all connections; safe to call twice."""
        if self._loop is not None and self._thread.is_alive():
            # The loop may have ended between the question and the call.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(_START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (RuntimeError, OSError) as error:
            self._failure = error
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._talk, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._end.wait()
        server.close()
        # Each conversation ends by itself before the loop does: one that is cancelled would say so on standard error.
        for line in tuple(self._lines.values()):
            line.close()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        me = asyncio.current_task()
        if me is not None:
            self._lines[me] = writer
        try:
            # A client that goes away in the middle of a frame is no fault of ours.
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    transaction, protocol, length, unit_id = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                    # What is no Modbus, or longer than a frame can be, has no next frame to be found.
                    if protocol or not 2 <= length <= 254:
                        break
                    request = await reader.readexactly(length - 1)
                    if not await self._reply(writer, transaction, unit_id, request):
                        break
        finally:
            if me is not None:
                self._lines.pop(me, None)
            writer.close()

    async def _reply(self, writer: asyncio.StreamWriter, transaction: int, unit_id: int, request: bytes) -> bool:
        """Answer one request as the unit's fault has it; False where the connection ends."""
        unit = self._units.get(unit_id)
        fault = "none" if unit is None else unit.fault
        is_write = request[0] in _WRITES
        if is_write and unit is not None and unit.writes == unit.silent_at_write:
            return True
        if fault in ("silent", "close_before"):
            return fault == "silent"
        answer = _refused(request, _DEVICE_BUSY) if fault == "refuse" else _answered(unit, request)
        if is_write and fault in ("apply_then_silent", "close_after"):
            return fault == "apply_then_silent"
        if fault == "late":
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), self._late_s)
        if fault == "wrong_id":
            transaction = (transaction + 1) % 0x10000
        frame = _HEADER.pack(transaction, 0, len(answer) + 1, unit_id) + answer
        writer.write(frame[: len(frame) // 2] if fault == "half_frame" else frame)
        await writer.drain()
        return True


def _refused(request: bytes, code: int) -> bytes:
    return bytes([request[0] | 0x80, code])


def _answered(unit: ModbusUnit | None, request: bytes) -> bytes:
    """Response of the unit: function code and data, or the exception. A torn request is an illegal value."""
    if unit is None:
        return _refused(request, _NO_UNIT)
    try:
        if request[0] in _READS:
            table = _READS[request[0]]
            address, count = struct.unpack(">HH", request[1:5])
            if not 1 <= count <= (2000 if table in ("coil", "discrete") else 125):
                return _refused(request, ILLEGAL_VALUE)
            words = unit.read(address, count, table)
            if words is None:
                return _refused(request, ILLEGAL_ADDRESS)
            if table in ("coil", "discrete"):
                bits = sum(word << index for index, word in enumerate(words))
                data = bits.to_bytes((count + 7) // 8, "little")
            else:
                data = struct.pack(f">{count}H", *words)
            return bytes([request[0], len(data)]) + data
        if request[0] in _WRITES:
            return _written(unit, request)
    except struct.error:
        return _refused(request, ILLEGAL_VALUE)
    return _refused(request, _ILLEGAL_FUNCTION)


def _written(unit: ModbusUnit, request: bytes) -> bytes:
    code, table = request[0], _WRITES[request[0]]
    address, count = struct.unpack(">HH", request[1:5])
    if code == 5:
        words = [int(count == 0xFF00)]
    elif code == 6:
        words = [count]
    elif code == 15:
        bits = int.from_bytes(request[6:], "little")
        words = [bits >> index & 1 for index in range(count)]
    else:
        words = list(struct.unpack(f">{count}H", request[6:]))
    refusal = unit.write(address, words, table)
    # An echo of the request, as the protocol has it: what is active shows in the next read.
    return request[:5] if refusal is None else _refused(request, refusal)
