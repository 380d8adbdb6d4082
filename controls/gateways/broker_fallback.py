"""The demo's broker where no Mosquitto is installed: in-process, loopback, MQTT 3.1.1. Not for real devices."""

import asyncio
import subprocess
import threading
from typing import Any

from controls.gateways.mqtt_line import BrokerAddress
from data_quality.contracts.errors import Unreachable

_START_S = 10.0


class FallbackBroker:
    """Runs in a thread of its own and ends like a process does: poll, terminate, wait, kill."""

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._is_up = threading.Event()
        self._end: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="broker", daemon=True)

    def start(self) -> "FallbackBroker":
        """Listen. Raises Unreachable."""
        self._thread.start()
        if not self._is_up.wait(_START_S):
            raise Unreachable(f"the fallback broker did not start on port {self._address.port}")
        return self

    def poll(self) -> int | None:
        """None while it runs, else 0."""
        return None if self._thread.is_alive() else 0

    def terminate(self) -> None:
        """Ask it to end."""
        if self._loop is not None and self._end is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)

    # A thread cannot be killed; asking twice is all there is.
    kill = terminate

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end. Raises subprocess.TimeoutExpired."""
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise subprocess.TimeoutExpired("fallback broker", timeout or 0.0)
        return 0

    async def _serve(self) -> None:
        # Only here: where Mosquitto is installed nobody needs the library.
        from amqtt.broker import Broker

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        configuration: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"{self._address.host}:{self._address.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        broker = Broker(configuration)
        await broker.start()
        self._is_up.set()
        await self._end.wait()
        await broker.shutdown()


def start_fallback(address: BrokerAddress) -> FallbackBroker:
    """Start it on the address. Raises Unreachable."""
    return FallbackBroker(address).start()
