"""The device side of Modbus TCP: a real server whose units are described by templates.

A unit answers set-points with the lease's rules, and reads with what its `measure` says at that moment. Faults can
be switched on, so that clients are tried against silence and refusal.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Literal

from controls.gateways.lease import Outcome, SetPointLease
from controls.gateways.register_words import decode_frame, encode, encode_frame, frame_width
from controls.templates.load_templates import Place, Template
from data_quality.contracts.errors import Unreachable

Fault = Literal["none", "silent", "refuse", "apply_then_silent"]
# The library asks for the registers of a write too, without values: that is no read of a client.
_WRITE_CODES = (6, 16)
# Exception codes of the Modbus specification; 7 (negative acknowledge) says "understood, and not done".
_ILLEGAL_ADDRESS, _ILLEGAL_VALUE, _DEVICE_BUSY, _REFUSED = 2, 3, 6, 7
_START_S = 10.0


def leases_of(template: Template) -> dict[str, SetPointLease]:
    """A lease for every settable capability of a template."""
    return {
        name: SetPointLease(
            safe_value=template.safe_default[name],
            minimum=template.limits(name)[0],
            maximum=template.limits(name)[1],
            # A set-point without a time to live would never end by itself: 0 refuses them all.
            max_ttl_s=template.capabilities[name].expires_s or 0.0,
        )
        for name in template.settable
    }


class ModbusUnit:
    """One unit: template, leases, and `measure() -> {read_… name: value}`. Counts what reached it."""

    def __init__(
        self,
        template: Template,
        *,
        measure: Callable[[], dict[str, float]],
        monotonic: Callable[[], float],
        unit_id: int | None = None,
    ) -> None:
        self.template = template
        self.unit_id = unit_id or template.unit_id
        self.leases = leases_of(template)
        self.fault: Fault = "none"
        self.reads, self.writes = 0, 0
        self.outcomes: list[Outcome] = []
        self._measure = measure
        self._monotonic = monotonic

    def registers(self) -> dict[int, int]:
        """Every register of the unit as it stands now, by address."""
        found: dict[int, int] = {}
        measured = self._measure() if self.template.readable else {}
        for name in self.template.readable:
            reading = self.template.capabilities[name]
            words = encode(round(measured[name] / reading.scale), reading.type, reading.word_order)
            found |= _laid_out(reading.register_address, words)
        for name in self.template.settable:
            state = self.leases[name].state(self._monotonic())
            # Whole seconds, rounded up: a lease that still runs never reads as over.
            remaining_s = -int(-state.remaining_s // 1)
            places: tuple[Place, Place] = (self.template.capabilities[name], self.template.read_back[name])
            for place in places:
                words = encode_frame(place, value=state.value, ttl_s=remaining_s, epoch=state.epoch, seq=state.seq)
                found |= _laid_out(place.register_address, words)
        return found

    def write(self, address: int, words: list[int]) -> int | None:
        """Take a write; the exception code to answer with, or None."""
        self.writes += 1
        for name in self.template.settable:
            place = self.template.capabilities[name]
            if address == place.register_address and len(words) == frame_width(place):
                parts = decode_frame(place, words)
                outcome = self.leases[name].offer(
                    value=parts["value"],
                    ttl_s=parts.get("ttl_s", place.expires_s or 0.0),
                    epoch=int(parts.get("epoch", 0)),
                    seq=int(parts.get("seq", self.writes)),
                    now_s=self._monotonic(),
                )
                self.outcomes.append(outcome)
                if outcome.is_accepted:
                    return None
                return _ILLEGAL_VALUE if outcome in (Outcome.OUT_OF_RANGE, Outcome.NO_LEASE) else _REFUSED
        return _ILLEGAL_ADDRESS


class ModbusServer:
    """A Modbus TCP server in a thread of its own. Port 0 takes a free one; `port` says which after `start`."""

    def __init__(self, units: list[ModbusUnit], *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host, self.port = host, port
        self._units = units
        self._thread = threading.Thread(target=self._run, name="modbus-server", daemon=True)
        self._is_up = threading.Event()
        self._failure: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Any = None

    def start(self) -> "ModbusServer":
        """Listen. Raises Unreachable where the port cannot be had."""
        self._thread.start()
        if not self._is_up.wait(_START_S) or self._failure is not None:
            raise Unreachable(f"cannot serve Modbus on {self.host}:{self.port}: {self._failure or 'no answer'}")
        return self

    def stop(self) -> None:
        """Close the socket and all connections; safe to call twice."""
        if self._loop is not None and self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(_START_S)
            self._thread.join(_START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (RuntimeError, OSError) as error:
            self._failure = error
            self._is_up.set()

    async def _serve(self) -> None:
        from pymodbus.server import ModbusTcpServer

        self._loop = asyncio.get_running_loop()
        # Built inside the running loop: the library binds its server to the loop in which it is made.
        self._server = ModbusTcpServer([_sim_device(unit) for unit in self._units], address=(self.host, self.port))
        # In the background, because port 0 becomes a number only once it listens.
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]
        self._is_up.set()
        await self._server.serving


def _sim_device(unit: ModbusUnit) -> Any:
    from pymodbus.constants import ExcCodes
    from pymodbus.simulator import DataType, SimData, SimDevice

    async def answer(*request: Any) -> Any:
        code, start, address, count, registers, values = request
        if unit.fault == "silent":
            await asyncio.sleep(3600)
        if unit.fault == "refuse":
            return ExcCodes(_DEVICE_BUSY)
        if values is None:
            if code not in _WRITE_CODES:
                unit.reads += 1
        elif (refusal := unit.write(address, [int(value) for value in values])) is not None:
            return ExcCodes(refusal)
        elif unit.fault == "apply_then_silent":
            await asyncio.sleep(3600)
        # The words just written stay as sent, as an answer repeats its request; what is active shows in the next read.
        for place, word in unit.registers().items():
            if values is None or not address <= place < address + count:
                registers[place - start] = word
        return None

    # Which addresses exist is fixed here; what they hold is made anew at every request.
    blocks = [SimData(place, values=0, datatype=DataType.REGISTERS) for place in sorted(unit.registers())]
    return SimDevice(unit.unit_id, simdata=blocks, action=answer)


def _laid_out(address: int | None, words: list[int]) -> dict[int, int]:
    return {} if address is None else {address + offset: word for offset, word in enumerate(words)}
