"""BACnet/IP: present values of a device's objects, polled at an interval.

One question holds many objects and, where the site file names it, the device's own number: an address that another
device has taken over answers for itself, and none of its values is taken. Nothing is ever written. Properties are those
of ASHRAE 135, clause 12: present-value, status-flags, units, and of an accumulator the scale of its count.
"""

import asyncio
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from typing import Any

from controls.gateways.capabilities import DeviceRefused, DeviceSilent
from controls.gateways.sources.adapter import Sink
from controls.gateways.sources.hand_over import Threaded
from data_quality.contracts.errors import BadInput, WorldFault
from data_quality.contracts.live.sample import EXCERPT_CHARACTERS, Refusal, Sample
from data_quality.contracts.site_file.live_source import BacnetPoint, BacnetSource
from data_quality.contracts.text import one_line
from data_quality.contracts.time import Clock

# BACnetEngineeringUnits and ours. What is not here has no unit of ours, and no point can be of it.
_UNITS = {
    "watt-hours": "wh", "kilowatt-hours": "kwh", "megawatt-hours": "mwh", "kilojoules": "kj", "megajoules": "mj",
    "gigajoules": "gj", "therms": "therm", "btus": "btu", "kilo-btus": "kbtu", "watts": "w", "kilowatts": "kw",
    "megawatts": "mw", "volt-amperes-reactive": "var", "kilovolt-amperes-reactive": "kvar", "volt-amperes": "va",
    "kilovolt-amperes": "kva", "watt-hours-reactive": "varh", "kilowatt-hours-reactive": "kvarh",
    "megawatt-hours-reactive": "mvarh", "volt-ampere-hours-reactive": "varh", "kilovolt-ampere-hours-reactive": "kvarh",
    "volt-ampere-hours": "vah", "kilovolt-ampere-hours": "kvah", "megavolt-ampere-hours": "mvah", "cubic-meters": "m3",
    "liters": "l", "cubic-feet": "ft3", "liters-per-minute": "l_per_min", "cubic-meters-per-hour": "m3_per_h",
    "hours": "h", "degrees-celsius": "degc", "degrees-fahrenheit": "degf", "percent": "percent",
    "watts-per-square-meter": "w_per_m2", "meters-per-second": "m_per_s",
}  # fmt: skip
NO_UNITS = "no-units"
# A value that is in alarm is measured all the same; one that is forced or faulty is not.
_DOUBTS = ("fault", "overridden", "out of service")


@dataclass(frozen=True)
class Denied:
    """A property that the device does not give, with its own word for why."""

    reason: str


def sample_of(point: BacnetPoint, values: Mapping[str, Any], received_utc: datetime) -> Sample | Refusal:
    """Sample of a point from its object. values: property -> number, text, flags, or Denied; absent where not read."""

    def refused(reason: str) -> Refusal:
        came = ", ".join(f"{name} {value}" for name, value in values.items())
        return Refusal(point.point, received_utc, reason, one_line(came, EXCERPT_CHARACTERS))

    value = values.get("present-value", Denied("no answer"))
    if isinstance(value, Denied):
        return refused(f"{point.object} gives no present value: {value.reason}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return refused(f"{point.object} sends {one_line(str(value), 40)!r}, which is no number")
    if not math.isfinite(value):
        return refused(f"{point.object} sends {value}, which is no finite number")
    unit = values.get("units", NO_UNITS)
    if not isinstance(unit, Denied) and unit != NO_UNITS and _UNITS.get(unit) != point.received_unit:
        return refused(
            f"{point.object} is reported in {one_line(str(unit), 40)}; the site file says {point.received_unit}"
        )
    scale = values.get("scale")
    # The count itself is what a pulse counter is asked for: what a pulse is worth stands in the site file.
    if isinstance(scale, Decimal) and point.what != "pulses":
        value = float(Decimal(str(value)) * scale)
    doubtful = any(doubts(values.get("status-flags", ())))
    return Sample(
        point.point,
        received_utc,
        float(value),
        point.received_unit,
        received_utc,
        None,
        "doubtful" if doubtful else "measured",
    )


def doubts(flags: Sequence[int]) -> list[str]:
    """Flags of the device against a value, as BACnet orders them; not given: nothing."""
    return [] if isinstance(flags, Denied) else [word for word, flag in zip(_DOUBTS, flags[1:], strict=False) if flag]


def as_written(real: float) -> float:
    """A number of 32 bits as the shortest decimal that it stands for: 12345.67, where its bits say 12345.669921875."""
    for digits in range(6, 9):
        shorter = float(f"{real:.{digits}g}")
        if math.isfinite(shorter) and struct.pack("f", shorter) == struct.pack("f", real):
            return shorter
    return real


_PORT = 47808
# We only ask: an own number is needed by the library, and never announced.
_OWN_NUMBER, _NO_VENDOR = 4_194_302, 999
# Objects in one question. Devices on a serial line take 480 bytes; 0 asks for one property at a time, as the oldest do.
_AT_ONCE = (20, 5, 1, 0)
_TOO_MUCH = {
    "buffer-overflow", "segmentation-not-supported", "apdu-too-long", "out-of-resources", "too-many-arguments",
    "unrecognized-service",
}  # fmt: skip
# Questions of one turn, at most: the properties of one object and of the device.
_PATIENCE = 5
_PROPERTIES = ("present-value", "status-flags", "units")


class BacnetPoller(Threaded):
    """Polls one device, and polls again at the next turn where it was silent."""

    def __init__(self, source: BacnetSource, *, clock: Clock) -> None:
        """Raises BadInput where the library is not installed."""
        if find_spec("bacpypes3") is None:
            raise BadInput(
                f"source {source.source_id!r}: kind bacnet needs the library bacpypes3, which is not installed",
                reason="not_installed",
                mend="install meterloom with its extra: meterloom[bacnet]",
            )
        super().__init__(source, clock=clock)
        self._source = source
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asking: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Ask no more; safe to call twice."""
        self._end.set()
        if self._loop is not None and self._asking is not None:
            # The loop may have ended between the question and the call.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._asking.cancel)
        super().stop()

    def test(self, within_s: float) -> list[Sample]:
        """The present value of every point. Raises DeviceSilent, DeviceRefused."""

        async def once() -> tuple[list[Sample], list[Refusal]]:
            line = await _Line.open(self._source, timeout_s=min(within_s, self._source.timeout_s))
            try:
                return await self._polled(line)
            finally:
                await line.close()

        samples, refusals = asyncio.run(once())
        if refusals:
            more = f"; {len(refusals) - 1} more points fail" if len(refusals) > 1 else ""
            raise DeviceRefused(f"{_where(self._source)}: {refusals[0].reason}{more}")
        return samples

    def _run(self, sink: Sink) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._poll(sink))

    async def _poll(self, sink: Sink) -> None:
        self._asking, self._loop = asyncio.current_task(), asyncio.get_running_loop()
        line: _Line | None = None
        due_s = self._loop.time()
        self._tally.set_condition("starting", f"{_where(self._source)} has not answered yet")
        try:
            while not self._end.is_set():
                try:
                    line = line or await _Line.open(self._source, timeout_s=self._source.timeout_s)
                    self._hand_over(sink, *await self._polled(line))
                except WorldFault as fault:
                    self._tally.set_condition("silent" if isinstance(fault, DeviceSilent) else "refused", str(fault))
                    self._tally.gaps(missing=1)
                # After a long silence the device is polled at its next turn, not for all that it missed.
                due_s = max(due_s + self._source.every_s, self._loop.time())
                await asyncio.sleep(due_s - self._loop.time())
        finally:
            if line is not None:
                await line.close()

    async def _polled(self, line: "_Line") -> tuple[list[Sample], list[Refusal]]:
        """Present samples and refusals of all points. Raises DeviceSilent, DeviceRefused."""
        values = await line.read([point.object for point in self._source.points])
        received_utc = self._clock.now_utc()
        found = [sample_of(point, values.get(point.object, {}), received_utc) for point in self._source.points]
        return [each for each in found if isinstance(each, Sample)], [
            each for each in found if isinstance(each, Refusal)
        ]


class _Line:
    """The library's application on a port of its own, and the device that it polls."""

    def __init__(self, application: Any, device: Any, source: BacnetSource, timeout_s: float) -> None:
        self._application, self._device = application, device
        self._where, self._device_id, self._timeout_s = _where(source), source.device_id, timeout_s
        self._at_once = 0

    @classmethod
    async def open(cls, source: BacnetSource, *, timeout_s: float) -> "_Line":
        """Raises DeviceSilent where nobody knows the address."""
        from bacpypes3.ipv4.app import NormalApplication
        from bacpypes3.local.device import DeviceObject
        from bacpypes3.pdu import IPv4Address

        host, _, port = source.address.partition(":")
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, int(port or _PORT), family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except (OSError, OverflowError) as error:
            raise DeviceSilent(f"{_where(source)} has no address ({error})") from error
        own = DeviceObject(
            objectIdentifier=("device", _OWN_NUMBER),
            objectName="meterloom",
            vendorIdentifier=_NO_VENDOR,
            # A datagram may be lost: sent twice within the time, for a read changes nothing.
            apduTimeout=int(timeout_s * 500),
            numberOfApduRetries=1,
        )
        return cls(NormalApplication(own, IPv4Address("0.0.0.0:0")), IPv4Address(found[0][4][:2]), source, timeout_s)

    async def close(self) -> None:
        """Give the port back."""
        self._application.close()
        # The transports end in the next rounds of the loop, which would say so if it ended before.
        await asyncio.sleep(0.01)

    async def read(self, objects: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Values by object and property, as sample_of takes them. Raises DeviceSilent, DeviceRefused."""
        found: dict[str, dict[str, Any]] = {}
        rest = list(dict.fromkeys(objects))
        while rest:
            size = max(1, _AT_ONCE[self._at_once])
            try:
                answer = await self._answered(rest[:size])
            except _TooMuch as fault:
                if self._at_once + 1 == len(_AT_ONCE):
                    raise DeviceRefused(f"{self._where} refused: {fault}", code=str(fault)) from fault
                self._at_once += 1
                continue
            found |= answer
            rest = rest[size:]
        return found

    async def _answered(self, objects: Sequence[str]) -> dict[str, dict[str, Any]]:
        from bacpypes3.apdu import ErrorRejectAbortNack

        own = [] if self._device_id is None else [f"device,{self._device_id}"]
        wanted = {name: ("object-identifier",) if name in own else _wanted(name) for name in [*own, *objects]}
        ask = self._together if _AT_ONCE[self._at_once] else self._one_by_one
        try:
            # The library's own time begins anew with each segment of an answer.
            found = await asyncio.wait_for(ask(wanted), _PATIENCE * self._timeout_s)
        except TimeoutError as error:
            raise DeviceSilent(f"{self._where} did not end its answer") from error
        except ErrorRejectAbortNack as refusal:
            reason = str(refusal.reason)
            if reason in _TOO_MUCH:
                raise _TooMuch(reason) from refusal
            if reason == "no-response":
                raise DeviceSilent(f"{self._where} gives no answer") from refusal
            if reason != "unknown-object":
                raise DeviceRefused(f"{self._where} refused: {reason}", code=reason) from refusal
            # None of the requested properties exists.
            found = {name: dict.fromkeys(names, Denied(reason)) for name, names in wanted.items()}
        except (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
            raise DeviceRefused(f"{self._where} answered what cannot be read ({type(error).__name__})") from error
        for name in own:
            if isinstance(found.pop(name, {}).get("object-identifier", Denied("")), Denied):
                raise DeviceRefused(f"{self._where} is not {name}, which the site file says", code="other_device")
        return found

    async def _together(self, wanted: dict[str, tuple[str, ...]]) -> dict[str, dict[str, Any]]:
        question: list[Any] = [part for name, names in wanted.items() for part in (name, list(names))]
        found: dict[str, dict[str, Any]] = {}
        for name, of, _, value in await self._application.read_property_multiple(self._device, question):
            found.setdefault(str(name), {})[str(of)] = _plain(value)
        return found

    async def _one_by_one(self, wanted: dict[str, tuple[str, ...]]) -> dict[str, dict[str, Any]]:
        from bacpypes3.apdu import ErrorPDU

        found: dict[str, dict[str, Any]] = {}
        for name, names in wanted.items():
            for of in names:
                try:
                    value = _plain(await self._application.read_property(self._device, name, of))
                except ErrorPDU as refusal:
                    value = Denied(str(refusal.reason))
                found.setdefault(name, {})[of] = value
        return found


class _TooMuch(Exception):
    """The device cannot answer so much at once, or not in this way."""


def _wanted(name: str) -> tuple[str, ...]:
    return (*_PROPERTIES, "scale") if name.startswith("accumulator,") else _PROPERTIES


def _plain(value: Any) -> Any:
    """A value of the library as sample_of takes it."""
    from bacpypes3.basetypes import ErrorType, Scale, StatusFlags
    from bacpypes3.primitivedata import Double, Integer, Real, Unsigned

    if isinstance(value, ErrorType):
        return Denied(str(value.errorCode))
    if isinstance(value, StatusFlags):
        return tuple(int(flag) for flag in value)
    if isinstance(value, Scale):
        whole = value.integerScale
        return Decimal(str(as_written(float(value.floatScale)))) if whole is None else Decimal(10) ** int(whole)
    if isinstance(value, Real):
        return as_written(float(value))
    if isinstance(value, Double):
        return float(value)
    # Enumerated values are numbers of the library too, and none of ours.
    return int(value) if isinstance(value, Unsigned | Integer) else str(value)


def _where(source: BacnetSource) -> str:
    return f"BACnet device {source.address}"
