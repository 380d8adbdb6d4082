"""A real BACnet/IP device on the loopback, in a thread of its own: bacpypes3's own server side."""

import asyncio
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from bacpypes3.errors import UnrecognizedService
from bacpypes3.ipv4.app import NormalApplication
from bacpypes3.local.analog import AnalogInputObject
from bacpypes3.local.binary import BinaryInputObject
from bacpypes3.local.device import DeviceObject
from bacpypes3.object import AccumulatorObject
from bacpypes3.pdu import IPv4Address


class _Application(NormalApplication):  # type: ignore[misc]
    """knows_many: as oldest devices do not, it may refuse to tell many properties at once. asked: times."""

    knows_many = True
    asked = 0

    async def do_ReadPropertyMultipleRequest(self, apdu: Any) -> None:
        self.asked += 1
        if not self.knows_many:
            raise UnrecognizedService
        await super().do_ReadPropertyMultipleRequest(apdu)

    async def do_ReadPropertyRequest(self, apdu: Any) -> None:
        self.asked += 1
        await super().do_ReadPropertyRequest(apdu)


class BacnetDevice:
    """A device with a number, on a port; analog inputs in kWh, an accumulator of pulses, a binary input."""

    def __init__(self, number: int = 1234, *, inputs: int = 3, port: int = 0, knows_many: bool = True) -> None:
        self.port = port or _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._number, self._inputs, self._knows_many = number, inputs, knows_many
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._application: _Application
        self._objects: dict[str, Any] = {}

    def __enter__(self) -> "BacnetDevice":
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join()

    @property
    def asked(self) -> int:
        """Number of requests received."""
        return self._application.asked

    def change(self, name: str, **properties: Any) -> None:
        """Set properties of an object, as its sensor would."""

        def act() -> None:
            for key, value in properties.items():
                setattr(self._objects[name], key, value)

        self._in_loop(act)

    def _in_loop(self, act: Callable[[], None]) -> None:
        is_done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (act(), is_done.set()))
        assert is_done.wait(10)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        own = DeviceObject(objectIdentifier=("device", self._number), objectName="meter", vendorIdentifier=999)
        self._application = _Application(own, IPv4Address(self.address))
        self._application.knows_many = self._knows_many
        for place in range(self._inputs):
            self._add(
                f"analog-input,{place}",
                AnalogInputObject(
                    objectIdentifier=("analog-input", place),
                    objectName=f"meter {place}",
                    presentValue=1000.0 + place,
                    units="kilowattHours",
                ),
            )
        self._add(
            "accumulator,1",
            AccumulatorObject(
                objectIdentifier=("accumulator", 1),
                objectName="pulses",
                presentValue=4711,
                units="kilowattHours",
                scale={"integerScale": -2},
                statusFlags=[0, 0, 0, 0],
                maxPresValue=65535,
            ),
        )
        self._add(
            "binary-input,1",
            BinaryInputObject(objectIdentifier=("binary-input", 1), objectName="door", presentValue="active"),
        )
        # The port opens in a task of the library.
        await asyncio.sleep(0.05)
        self._is_up.set()
        await self._end.wait()
        self._application.close()
        await asyncio.sleep(0.05)

    def _add(self, name: str, found: Any) -> None:
        self._objects[name] = found
        self._application.add_object(found)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as requested:
        requested.bind(("127.0.0.1", 0))
        return int(requested.getsockname()[1])
