"""Modbus TCP clients driven by a template: one that reads, and one that also writes.

One request in flight, no retry by the library (a retried write is applied twice), and the socket is closed after
any doubt, so that a late answer is never taken for the next one's.
"""

import functools
import math
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from controls.gateways.capabilities import Ack, DeviceRefused, DeviceSilent, NotSent, ReadBack, each_read
from controls.gateways.check_command import checked, plausible
from controls.gateways.commissioning.sunspec import SunSpecModel, walk_models
from controls.gateways.register_words import WIDTH, decode, decode_frame, encode_frame, frame_width, raw_of, value_of
from controls.templates.load_templates import Capability, Template
from controls.templates.register_places import MAX_REGISTERS, Frame, RegisterPlace, Table
from data_quality.contracts.control.command import Command
from data_quality.contracts.errors import BadInput
from data_quality.contracts.time import Clock

# Devices answer in milliseconds, serial bridges in half a second; the agent's cycle waits for no device longer.
TIMEOUT_S = 1.5
# Read function of each table.
_READS: dict[Table, str] = {
    "holding": "read_holding_registers",
    "input": "read_input_registers",
    "coil": "read_coils",
    "discrete": "read_discrete_inputs",
}
# Function codes of "write multiple": all parts of a request arrive at once, or none.
_WRITES: dict[Table, tuple[str, int]] = {"holding": ("write_registers", 16), "coil": ("write_coils", 15)}


class ModbusLine:
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
        self._models: dict[int, SunSpecModel] | None = None

    def read(self, address: int, count: int, table: Table = "holding") -> list[int]:
        """Registers, or coils as 0 and 1. Raises DeviceSilent, DeviceRefused."""
        reply = self._send_request(_READS[table], address, count=count)
        # Bits come in whole bytes.
        is_bits = table in ("coil", "discrete")
        found = [int(bit) for bit in reply.bits[:count]] if is_bits else list(reply.registers)
        if len(found) != count:
            self.close()
            raise DeviceSilent(f"{self.where} answered {len(found)} registers, {count} were asked")
        return found

    def write(self, address: int, words: list[int], table: Table = "holding") -> int:
        """One FC16 or FC15; the function code of the reply. Raises DeviceSilent, DeviceRefused."""
        method, code = _WRITES[table]
        values = words if table == "holding" else [bool(word) for word in words]
        answered = int(self._send_request(method, address, values).function_code)
        if answered != code:
            raise DeviceRefused(f"{self.where} answered function {answered} to a write", code=answered)
        return answered

    def models(self) -> dict[int, SunSpecModel]:
        """The device's SunSpec models, walked once a connection. Raises DeviceSilent, DeviceRefused."""
        if self._models is None:
            try:
                found = walk_models(self.read)
            except DeviceRefused as fault:
                raise DeviceRefused(f"{self.where} {fault}", code=fault.code) from fault
            # Of several of one kind the first is the device's own.
            self._models = {each.model: each for each in reversed(found)}
        return self._models

    def _send_request(self, method: str, *args: Any, **kwargs: Any) -> Any:
        from pymodbus.exceptions import ModbusException

        with self._one_at_a_time:
            try:
                if not self._client.connected and not self._client.connect():
                    raise DeviceSilent(f"{self.where} does not accept a connection")
                reply = getattr(self._client, method)(*args, device_id=self._unit_id, **kwargs)
            except (ModbusException, OSError) as error:
                self.close()
                raise DeviceSilent(f"{self.where} gives no answer ({type(error).__name__})") from error
        # The library returns an exception answer and raises none; the value may have been applied even so.
        if reply.isError():
            code = int(getattr(reply, "exception_code", 0))
            raise DeviceRefused(f"{self.where} answered with exception {code}", code=code)
        return reply

    def close(self) -> None:
        """Drop the connection, and what was known of the device."""
        # A device that comes back may have another firmware, with its models elsewhere.
        self._models = None
        self._client.close()


class ModbusReader:
    """Reads one device, without a way to write."""

    def __init__(
        self,
        template: Template,
        *,
        host: str,
        port: int,
        unit_id: int | None = None,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
        figures: Mapping[str, float] | None = None,
    ) -> None:
        """figures: of the site's asset, which narrow what the template says."""
        if template.protocol != "modbus_tcp":
            raise BadInput(f"template {template.template!r} speaks {template.protocol}, not modbus_tcp")
        self.template = template
        self._safe = {name: template.own_limits(name, figures or {})[2] for name in template.settable}
        self._clock = clock
        self._line = ModbusLine(host=host, port=port, unit_id=unit_id or template.unit_id, timeout_s=timeout_s)
        # Registers that were read already, for values of one moment.
        self._ahead: dict[tuple[Table, int], int] = {}

    def read_back(self, capability: str) -> ReadBack:
        """The active set-point, its remaining life and order, in one request. Raises DeviceSilent, DeviceRefused.

        A device that follows no set-point of anybody stands at its safe default.
        """
        self.template.limits(capability)
        rule = self.template.read_back[capability]
        words, factor = self._look(rule, frame_width(rule))
        parts = decode_frame(rule, words, factor=factor)
        value, remaining_s = parts["value"], parts.get("ttl_s", parts.get("ttl_long_s"))
        if parts.get("enabled", rule.on) != rule.on:
            value, remaining_s = self._safe[capability], 0.0
        elif remaining_s is None and parts.get("armed_s", parts.get("armed_long_s")) == 0:
            # It counts nothing down, and was commanded to hold the value for ever.
            remaining_s = 0.0
        return ReadBack(
            value=self._known(value, capability),
            raw=" ".join(f"{word:04x}" for word in words),
            at_utc=self._clock.now_utc(),
            revert_remaining_s=remaining_s,
            epoch=_whole(parts.get("epoch")),
            seq=_whole(parts.get("seq")),
        )

    def read(self, name: str) -> float:
        """One measured value, in the unit of its name. Raises DeviceSilent, DeviceRefused, BadInput."""
        capability = self.template.capability(name)
        return plausible(self._value(capability, name), capability, name=name, device=self._line.where)

    def read_many(self, names: Sequence[str]) -> dict[str, float | DeviceRefused]:
        """Measured values of one moment, each in the unit of its name, or the device's refusal of it.

        Registers side by side are asked for in one request; what lies between others may not exist. Raises
        DeviceSilent, BadInput.
        """
        self._ahead = {}
        try:
            self._read_ahead([self.template.capability(name) for name in names])
            return each_read(names, self.read)
        finally:
            self._ahead = {}

    def _read_ahead(self, places: Sequence[RegisterPlace]) -> None:
        """Ask for places that lie side by side; where the device refuses that, each is asked for by itself later."""
        spans: list[tuple[Table, int, int]] = []
        with suppress(DeviceRefused):
            for table, first, end in sorted(self._span(place, self._count(place))[:3] for place in places):
                if spans and spans[-1][0] == table and first <= spans[-1][2] and end - spans[-1][1] <= MAX_REGISTERS:
                    spans[-1] = (table, spans[-1][1], max(end, spans[-1][2]))
                else:
                    spans.append((table, first, end))
        for table, first, end in spans:
            with suppress(DeviceRefused):
                words = self._line.read(first, end - first, table)
                self._ahead |= {(table, first + offset): word for offset, word in enumerate(words)}

    def _words(self, first: int, count: int, table: Table) -> list[int]:
        known = [self._ahead.get((table, first + offset)) for offset in range(count)]
        whole = [word for word in known if word is not None]
        return whole if len(whole) == count else self._line.read(first, count, table)

    def _value(self, place: RegisterPlace, name: str) -> float:
        # Both words of a long value in one request: between two the device may have counted on.
        words, factor = self._look(place, self._count(place))
        if place.codes:
            return self._known(decode_frame(place, words)["value"], name)
        return self._known(value_of(decode(words, place.type, place.word_order), place, factor), name)

    def _known(self, value: float | None, name: str) -> float:
        if value is None:
            raise DeviceRefused(f"{self._line.where} states no value for {name}", code="not_implemented")
        return value

    @staticmethod
    def _count(place: RegisterPlace) -> int:
        return frame_width(place) if place.codes else WIDTH[place.type]

    def _span(self, place: RegisterPlace, count: int) -> tuple[Table, int, int, int, int | None]:
        """Table, first register and the one after the last, with the value's own and that of its scale factor."""
        at = self._address(place, place.register_address)
        scale_at = None if place.scale_factor is None else self._address(place, place.scale_factor)
        both = (at, at + count) if scale_at is None else (min(at, scale_at), max(at + count, scale_at + 1))
        return place.table, *both, at, scale_at

    def _look(self, place: RegisterPlace, count: int) -> tuple[list[int], float]:
        """Registers of a place, and what its scale factor and rating make of a raw number.

        The scale factor comes in the same request: some devices change it with the size of the value.
        """
        table, first, end, at, scale_at = self._span(place, count)
        words = self._words(first, end - first, table)
        factor = 1.0
        if scale_at is not None:
            power = decode([words[scale_at - first]], "int16")
            # SunSpec: from -10 to 10, or 0x8000 for "not implemented".
            if abs(power) > 10:
                raise DeviceRefused(f"{self._line.where} states no scale factor at {scale_at}", code="not_implemented")
            factor = 10.0**power
        if place.share_of is not None:
            factor *= self._rating(place.share_of)
        return words[at - first : at - first + count], factor

    def _rating(self, place: RegisterPlace) -> float:
        rating = self._value(place, "its rating")
        if rating <= 0:
            raise DeviceRefused(f"{self._line.where} states a rating of {rating:g}", code="implausible")
        return rating

    def _address(self, place: RegisterPlace, register: int | None) -> int:
        """The register on the wire. Raises DeviceRefused where the device lacks the model, or has another length."""
        if register is None:
            raise BadInput("a Modbus template names a register for each place", reason="bad_configuration")
        if place.model is None:
            return register
        model = self._line.models().get(place.model)
        if model is None:
            raise DeviceRefused(f"{self._line.where} has no SunSpec model {place.model}", code="no_model")
        length = self.template.models[place.model]
        if model.length != length:
            raise DeviceRefused(
                f"{self._line.where} states length {model.length} for SunSpec model {place.model}, which has {length}",
                code="wrong_model",
            )
        return model.register_address + register

    def close(self) -> None:
        """Drop the connection."""
        self._line.close()


class ModbusDevice(ModbusReader):
    """Reads and writes one device."""

    def __init__(self, template: Template, *, device_id: str, **options: Any) -> None:
        super().__init__(template, **options)
        self._device_id = device_id

    def write(self, command: Command) -> Ack:
        """Value, time to live and order, each request sent once. Raises NotSent, DeviceRefused, DeviceSilent.

        Where one request cannot carry them, the timer goes before the value and the value before what enables it, so
        that whatever is lost on the way leaves nothing that would stand for ever. The echo of a write says what was
        asked, not what is active, so the acknowledgement carries no applied value.
        """
        now_utc = self._clock.now_utc()
        capability, ttl_s = checked(command, self.template, device_id=self._device_id, now_utc=now_utc)
        code = 0
        # All of them are made before the first is sent: a value that does not fit leaves the device as it was.
        for step, words in self._requests(command, capability, ttl_s):
            code = self._line.write(self._address(capability, step.register_address), words, capability.table)
        return Ack(code=code, applied_value=None, at_utc=self._clock.now_utc())

    def _requests(self, command: Command, capability: Capability, ttl_s: int) -> list[tuple[Frame, list[int]]]:
        factor, safe = 1.0, self._safe[command.capability]
        tolerance = self.template.read_back[command.capability].tolerance
        if capability.scale_factor is not None or capability.share_of is not None:
            _, factor = self._look(capability, WIDTH[capability.type])
        rating = math.inf if capability.share_of is None else self._rating(capability.share_of)
        steps, is_release = capability.write_steps, capability.release and abs(command.value - safe) <= tolerance
        if is_release:
            steps = capability.release
        elif abs(command.value) > rating:
            raise NotSent(f"command {command.command_id}: {command.value:g} is beyond the device's rating {rating:g}")
        elif not capability.codes:
            nearest = value_of(raw_of(command.value, capability, factor), capability, factor)
            if nearest is None:
                raise NotSent(f"command {command.command_id}: the register says 'no such value' by {command.value:g}")
            if abs(nearest - command.value) > tolerance:
                raise NotSent(f"command {command.command_id}: the register's steps are too wide for {command.value:g}")
        try:
            return [
                (
                    step,
                    encode_frame(
                        capability,
                        value=0.0 if is_release else command.value,
                        ttl_s=ttl_s,
                        epoch=command.epoch,
                        seq=command.seq,
                        safe_value=min(safe, rating),
                        factor=factor,
                        step=step,
                    ),
                )
                for step in steps
            ]
        except ValueError as error:
            raise NotSent(f"command {command.command_id}: {error}") from error


@functools.cache
def _bridge(_host: str, _port: int) -> threading.Lock:
    """The lock of one address: all units behind it share a wire."""
    return threading.Lock()


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
