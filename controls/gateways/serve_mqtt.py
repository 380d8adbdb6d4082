"""The device side of MQTT: a real client that keeps the device contract, described by a template; and what foreign
devices share with it.

It drops what is expired, old, malformed, not proven (where it has a key) or left on the broker, answers every command,
tells when it fell back to its safe value, sends telemetry with a sequence number, and announces itself on every
connection.
"""

import json
import math
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, Self

from pydantic import ValidationError

from controls.gateways.access.device_keys import DeviceKey
from controls.gateways.lease import Outcome, ServedDevice
from controls.gateways.mqtt_line import BrokerAddress, MqttLine, Will
from controls.gateways.topics import COMMAND_LEFT, CommandPayload, Topics, loads
from controls.templates.load_templates import Template
from data_quality.contracts.errors import WorldFault
from data_quality.contracts.time import Clock

Fault = Literal["none", "silent"]


class ServedOnLine:
    """A device's place on the broker: it announces itself on every connection, says when it goes, and comes back after
    a loss on a fresh client. status: what it says when it is there, retained, and in its name once it is not.

    name: one a device; a second one with it throws the first off the broker, which shows at once.
    """

    def __init__(
        self,
        address: BrokerAddress,
        *,
        name: str,
        subscriptions: tuple[str, ...],
        status: tuple[Will, Will] | None,
        tick_s: float,
    ) -> None:
        self._address, self._name, self._subscriptions, self._status = address, name, subscriptions, status
        self._tick_s = tick_s
        self._line: MqttLine | None = None
        self._stop = threading.Event()
        self._one_at_a_time = threading.RLock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> Self:
        """Connect, announce, and keep going until stopped. Raises DeviceSilent or DeviceRefused without a broker."""
        self._connect()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Say offline and leave; safe to call twice."""
        self._end()
        self._leave()

    def _end(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _connect(self) -> None:
        self._line = None
        line = MqttLine(
            self._address,
            client_id=self._name,
            subscriptions=(),
            on_message=self._received,
            will=self._status[1] if self._status else None,
            on_kept=self._kept,
        )
        self._line = line
        # Only now: what comes with the confirmation is answered over this line.
        if self._subscriptions:
            line.subscribe(self._subscriptions)
        # On every connection: nothing is announced again after a reconnect by itself. The status last and acknowledged:
        # whoever sees the device there finds its state on the broker too.
        self._post_state()
        if self._status is not None:
            line.publish(self._status[0].topic, self._status[0].payload.encode(), retain=True)

    def _post_state(self) -> None:
        """The retained messages that a device leaves on the broker beside its status; most have none."""

    def _leave(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close(last_words=self._status[1] if self._status else None)

    def _run(self) -> None:
        while not self._stop.wait(self._tick_s):
            # A broker that is away is the world's fault: the next tick tries again, on a fresh client.
            with suppress(WorldFault):
                line = self._line
                if line is None or not line.is_open:
                    # Not under the lock: what waits for the broker's answer needs the thread that hears commands.
                    self._leave()
                    self._connect()
                with self._one_at_a_time:
                    self._tick()

    def _post(self, topic: str, body: bytes, *, is_kept: bool = False) -> None:
        if (line := self._line) is not None:
            line.post(topic, body, retain=is_kept)

    def _tick(self) -> None:
        raise NotImplementedError

    def _received(self, topic: str, payload: bytes, properties: Any) -> None:
        raise NotImplementedError

    def _kept(self, topic: str, payload: bytes, properties: Any) -> None:
        self._received(topic, payload, properties)


class MqttServedDevice(ServedDevice, ServedOnLine):
    """One device on the broker. `measure() -> {read_… name: value}`; `tick_s` paces telemetry and revert notices."""

    def __init__(
        self,
        template: Template,
        *,
        address: BrokerAddress,
        site_id: str,
        device_id: str,
        measure: Callable[[], dict[str, float]],
        clock: Clock,
        monotonic: Callable[[], float],
        tick_s: float = 1.0,
        key: DeviceKey | None = None,
    ) -> None:
        self.topics = topics = Topics(site_id=site_id, device_id=device_id)
        online, offline = (Will(topic=topics.status, payload=payload) for payload in ("online", "offline"))
        ServedDevice.__init__(self, template, measure=measure, monotonic=monotonic)
        ServedOnLine.__init__(
            self,
            address,
            name=f"dev-{site_id}-{device_id}",
            subscriptions=(topics.command, topics.get),
            status=(online, offline),
            tick_s=tick_s,
        )
        self._key, self._clock = key, clock
        self._is_command_left = False
        self.fault: Fault = "none"
        self.commands = 0
        self._sequence = 0

    def _tick(self) -> None:
        now_s = self._monotonic()
        for name, lease in self.leases.items():
            if lease.tick(now_s):
                self._send(self.topics.state, {"event": "reverted", "capability": name, **self._state()})
        self._sequence += 1
        self._send(self.topics.telemetry, {"seq": self._sequence, **self._state()})

    def _state(self) -> dict[str, Any]:
        now_s = self._monotonic()
        state: dict[str, Any] = {"at": self._clock.now_utc().isoformat(), "is_synthetic": self.template.is_synthetic}
        if self._is_command_left:
            state[COMMAND_LEFT] = True
        for name, value in self._measure().items():
            state[self.template.capabilities[name].field_name or name] = value
        for name, lease in self.leases.items():
            held = lease.state(now_s)
            state[self.template.read_back[name].field_name or name] = held.value
            order = {"epoch": held.epoch, "seq": held.seq, "remaining_s": held.remaining_s}
            state.setdefault("order", {})[name] = order
        return state

    def _send(self, topic: str, document: dict[str, Any]) -> None:
        self._post(topic, json.dumps(document, allow_nan=False).encode())

    def _received(self, topic: str, payload: bytes, _properties: Any) -> None:
        if self.fault == "silent":
            return
        document = loads(payload)
        if topic == self.topics.get:
            request_id = document.get("request_id") if document else None
            self._send(self.topics.state, {"request_id": request_id, **self._state()})
        elif topic == self.topics.command and not payload:
            # Cleared, as MQTT does it.
            self._is_command_left = False
        elif topic == self.topics.command:
            self._send(self.topics.ack, self._obey(document))

    def _kept(self, topic: str, _payload: bytes, _properties: Any) -> None:
        """A command that waited on the broker is out of its time whatever it says; who can clear it is notified."""
        if topic == self.topics.command:
            self.commands += 1
            self.outcomes.append(Outcome.RETAINED)
            self._is_command_left = True

    def _obey(self, document: dict[str, Any] | None) -> dict[str, Any]:
        self.commands += 1
        outcome, applied_value = Outcome.BAD_PAYLOAD, None
        command_id = document.get("command_id") if document else None
        if self._key is not None and not (document and self._key.is_from_us(self.topics.command, document)):
            outcome, document = Outcome.BAD_MAC, None
        with suppress(ValidationError):
            payload = CommandPayload.model_validate(document)
            if payload.capability in self.leases:
                outcome = self._offer(payload)
                applied_value = self.leases[payload.capability].state(self._monotonic()).value
        self.outcomes.append(outcome)
        return {"command_id": command_id, "result": outcome.value, "applied_value": applied_value}

    def _offer(self, payload: CommandPayload) -> Outcome:
        capability = self.template.capabilities[payload.capability]
        # A time without a zone is hours off somewhere: no guess about when a set-point ends.
        if payload.valid_until.tzinfo is None or payload.unit != capability.unit:
            return Outcome.BAD_PAYLOAD
        left_s = (payload.valid_until - self._clock.now_utc()).total_seconds()
        if left_s <= 0 or not math.isfinite(left_s):
            return Outcome.EXPIRED
        return self.leases[payload.capability].offer(
            value=payload.setpoint,
            # The message may have waited on the way: the window counts, not when it was sent.
            ttl_s=min(payload.ttl_s, left_s),
            epoch=payload.epoch,
            seq=payload.seq,
            now_s=self._monotonic(),
        )
