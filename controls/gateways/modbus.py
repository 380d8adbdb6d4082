"""Modbus TCP clients driven by a template: one that reads, and one that also writes.

One request in flight, no retry by the library (a retried write is applied twice), and the socket is closed after
any doubt, so that a late answer is never taken for the next one's.
"""

import functools
import threading
from typing import Any

from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, NotSent, ReadBack
from controls.gateways.check_command import checked, plausible
from controls.gateways.register_words import WIDTH, decode, decode_frame, encode_frame, frame_width, value_of
from controls.templates.load_templates import Place, Template
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

# Devices answer in milliseconds, serial bridges in half a second; the agent's cycle waits for no device longer.
TIMEOUT_S = 1.5
# Function code of "write multiple registers": all parts of a set-point arrive at once, or none.
_WRITE_REGISTERS = 16


class _Line:
    """One TCP connection to one unit; every fault leaves it closed."""

    def __init__(self, *, host: str, port: int, unit_id: int, timeout_s: float) -> None:
        # Only here: whoever only names a gateway should not wait for the library.
        from pymodbus.client import ModbusTcpClient

        self.where = f"Modbus device {host}:{port}/{unit_id}"
        self._unit_id = unit_id
        # A second request in flight would be answered out of order by serial bridges, whichever unit it is for.
        self._one_at_a_time = _bridge(host, port)
        # The library leaves connect and close untyped.
        self._client: Any = ModbusTcpClient(host, port=port, timeout=timeout_s, retries=0)

    def read(self, address: int, count: int) -> list[int]:
        """Holding registers. Raises DeviceSilent, DeviceRefused."""
        reply = self._ask("read_holding_registers", address, count=count)
        registers = list(reply.registers)
        if len(registers) != count:
            self.close()
            raise DeviceSilent(f"{self.where} answered {len(registers)} registers, {count} were asked")
        return registers

    def write(self, address: int, words: list[int]) -> int:
        """One FC16; the function code of the reply. Raises DeviceSilent, DeviceRefused."""
        return int(self._ask("write_registers", address, words).function_code)

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        with self._one_at_a_time:
            try:
                if not self._client.connected and not self._client.connect():
                    raise DeviceSilent(f"{self.where} does not accept a connection")
                reply = getattr(self._client, method)(*args, device_id=self._unit_id, **kwargs)
            except (ModbusException, OSError) as error:
                self._client.close()
                raise DeviceSilent(f"{self.where} gives no answer ({type(error).__name__})") from error
        # The library returns an exception answer and raises none; the value may have been applied even so.
        if reply.isError():
            code = int(getattr(reply, "exception_code", 0))
            raise DeviceRefused(f"{self.where} answered with exception {code}", code=code)
        return reply

    def close(self) -> None:
        self._client.close()


class ModbusReader:
    """Reads one device. It has no way to write: whoever may not write holds one of these."""

    def __init__(
        self,
        template: Template,
        *,
        host: str,
        port: int,
        unit_id: int | None = None,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if template.protocol != "modbus_tcp":
            raise BadInput(f"template {template.template!r} speaks {template.protocol}, not modbus_tcp")
        self.template = template
        self._clock = clock
        self._line = _Line(host=host, port=port, unit_id=unit_id or template.unit_id, timeout_s=timeout_s)

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point, its remaining life and order, in one request. Raises DeviceSilent, DeviceRefused."""
        self.template.limits(capability)
        rule = self.template.read_back[capability]
        words = self._line.read(_address(rule), frame_width(rule))
        parts = decode_frame(rule, words)
        return ReadBack(
            # Back to the register's integer: "no such value" is said by the raw word, not by the scaled number.
            value=self._number(round(parts["value"] / rule.scale), rule, capability),
            raw=" ".join(f"{word:04x}" for word in words),
            at_utc=self._clock.now_utc(),
            revert_remaining_s=parts.get("ttl_s"),
            epoch=int(parts["epoch"]) if "epoch" in parts else None,
            seq=int(parts["seq"]) if "seq" in parts else None,
        )

    def read(self, name: str) -> float:
        """One measured value, in the unit of its name. Raises DeviceSilent, DeviceRefused, BadInput."""
        capability = self.template.capability(name)
        # Both words of a long value in one request: between two the device may have counted on.
        words = self._line.read(_address(capability), WIDTH[capability.type])
        value = self._number(decode(words, capability.type, capability.word_order), capability, name)
        return plausible(value, capability, name=name, device=self._line.where)

    def _number(self, raw: int, place: Place, name: str) -> float:
        value = value_of(raw, place)
        if value is None:
            raise DeviceRefused(f"{self._line.where} states no value for {name}", code="not_implemented")
        return value

    def close(self) -> None:
        """Drop the connection."""
        self._line.close()


class ModbusDevice(ModbusReader):
    """Reads and writes one device."""

    def __init__(
        self,
        template: Template,
        *,
        host: str,
        port: int,
        unit_id: int | None = None,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        device_id: str,
    ) -> None:
        super().__init__(template, host=host, port=port, unit_id=unit_id, clock=clock, timeout_s=timeout_s)
        self._device_id = device_id

    def write(self, command: Command) -> Ack:
        """Value, time to live and order in one FC16, sent once. Raises NotSent, DeviceRefused, DeviceSilent.

        The echo of FC16 says what was asked, not what is active, so the acknowledgement carries no applied value.
        """
        now_utc = self._clock.now_utc()
        capability, ttl_s = checked(command, self.template, device_id=self._device_id, now_utc=now_utc)
        try:
            words = encode_frame(capability, value=command.value, ttl_s=ttl_s, epoch=command.epoch, seq=command.seq)
        except ValueError as error:
            raise NotSent(f"command {command.command_id}: {error}") from error
        code = self._line.write(_address(capability), words)
        if code != _WRITE_REGISTERS:
            raise DeviceRefused(f"{self._line.where} answered function {code} to a write", code=code)
        return Ack(code=code, applied_value=None, at_utc=self._clock.now_utc())


@functools.cache
def _bridge(_host: str, _port: int) -> threading.Lock:
    """The lock of one address: all units behind it share a wire."""
    return threading.Lock()


def _address(place: Place) -> int:
    if place.register_address is None:
        raise BadInput("a Modbus template names a register for each place", reason="bad_configuration")
    return place.register_address
