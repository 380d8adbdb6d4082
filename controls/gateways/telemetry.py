"""What devices tell by themselves, and whether any of it is missing.

A broker drops what its queue cannot hold and says so to nobody: neither the device, whose message was acknowledged, nor
the listener. Only the numbers that the device counts show it.
"""

import threading
from collections.abc import Callable, Iterable
from typing import Any

from controls.gateways.mqtt_line import SharedLine
from controls.gateways.topics import Topics, loads
from data_quality.contracts.model import Model


class Arrivals(Model):
    """How telemetry of one device arrived. missing: numbers that were left out; restarts: it counted from one again."""

    last_seq: int = 0
    received: int = 0
    missing: int = 0
    doubled: int = 0
    restarts: int = 0

    def after(self, seq: int) -> "Arrivals":
        """With one more message, of this number."""
        counts = {"last_seq": seq, "received": self.received + 1}
        if not self.received:
            # Where we came in, nothing is known of before.
            return self.model_copy(update=counts)
        if seq > self.last_seq:
            return self.model_copy(update={**counts, "missing": self.missing + seq - self.last_seq - 1})
        if seq == self.last_seq:
            return self.model_copy(update={**counts, "doubled": self.doubled + 1})
        # Late ones do not exist on one connection: a lower number is a device that began anew.
        return self.model_copy(update={**counts, "restarts": self.restarts + 1, "missing": self.missing + seq - 1})


class TelemetryListener:
    """Hears the telemetry of devices of a site over a line. `take(device_id, document)` runs in the client's thread."""

    def __init__(
        self,
        line: SharedLine,
        *,
        site_id: str,
        device_ids: Iterable[str],
        take: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self._line, self._take = line, take
        self._devices = {Topics(site_id=site_id, device_id=each).telemetry: each for each in device_ids}
        self._arrivals: dict[str, Arrivals] = {}
        self._one_at_a_time = threading.Lock()

    def open(self) -> None:
        """Begin, or begin again after a loss. Raises DeviceSilent, DeviceRefused."""
        self._line.join(self._devices, hear=self._received, lost=lambda: None)
        self._line.open(self._devices)

    def close(self) -> None:
        """Hear no more."""
        self._line.leave(self._devices, hear=self._received)

    def arrivals(self, device_id: str) -> Arrivals:
        """What came of a device so far."""
        with self._one_at_a_time:
            return self._arrivals.get(device_id, Arrivals())

    def _received(self, topic: str, payload: bytes, _properties: Any) -> None:
        document, device_id = loads(payload), self._devices[topic]
        seq = document.get("seq") if document else None
        if document is None or not isinstance(seq, int) or isinstance(seq, bool) or seq < 1:
            return
        with self._one_at_a_time:
            self._arrivals[device_id] = self._arrivals.get(device_id, Arrivals()).after(seq)
        self._take(device_id, document)
