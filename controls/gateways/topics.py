"""Topics and payloads of the MQTT device contract, shared by both ends."""

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

from controls.gateways.capabilities import NotSent
from data_quality.contracts.control.command import Command
from data_quality.contracts.model import Model

# As our broker's own limit: no device has more to say in one message.
MAX_PAYLOAD_BYTES = 262_144
# In a device's state: it found a command that somebody left on its topic.
COMMAND_LEFT = "is_command_left"
# ON, Online, 21.5: nothing that a device says in plain text is longer.
_MAX_WORD = 200


class Topics(Model):
    """The five topics of a device. Only `status` is ever retained."""

    site_id: str
    device_id: str

    def _under(self, kind: str) -> str:
        return f"{kind}/{self.site_id}/{self.device_id}"

    @property
    def command(self) -> str:
        """Set-points to the device."""
        return self._under("cmd")

    @property
    def ack(self) -> str:
        """The device's answer to a set-point."""
        return self._under("ack")

    @property
    def get(self) -> str:
        """A question for the present state."""
        return self._under("get")

    @property
    def state(self) -> str:
        """Answers to questions, and notices such as `reverted`."""
        return self._under("state")

    @property
    def telemetry(self) -> str:
        """Measured values with a sequence number."""
        return self._under("tele")

    @property
    def status(self) -> str:
        """`online` or `offline`, retained, from birth and will."""
        return self._under("status")


class CommandPayload(Model):
    """The body of a command message; unknown keys are refused. mac: where the device has a key (access/device_keys)."""

    command_id: str
    capability: str
    seq: int
    epoch: int
    setpoint: float
    unit: str
    issued: datetime
    valid_until: datetime
    ttl_s: float
    mac: str | None = None


def command_payload(
    command: Command, *, ttl_s: int, issued_utc: datetime, prove: Callable[[dict[str, Any]], str] | None = None
) -> bytes:
    """JSON of the command as sent. prove: document -> its mac. Raises NotSent for text that is not JSON-safe."""
    payload = CommandPayload(
        command_id=command.command_id,
        capability=command.capability,
        seq=command.seq,
        epoch=command.epoch,
        setpoint=command.value,
        unit=command.unit,
        issued=issued_utc,
        valid_until=command.valid_until_utc,
        ttl_s=ttl_s,
    )
    try:
        body = payload.model_dump_json(exclude_none=True).encode()
        if prove is None:
            return body
        # Of what the other end will parse, not of what we meant.
        return payload.model_copy(update={"mac": prove(json.loads(body))}).model_dump_json().encode()
    except ValueError as error:
        raise NotSent(f"command {command.command_id} cannot be written as JSON: {error}") from error


def loads(payload: bytes) -> dict[str, Any] | None:
    """The JSON object in a message, or None for anything else: too long, too deep, not UTF-8, NaN, or a number that
    no double holds.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        return None
    try:
        document = _STRICT.decode(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def loads_any(payload: bytes) -> tuple[Any, str] | None:
    """Payload of a foreign device, parsed where it is JSON and else as text, and the text; None where it is neither."""
    try:
        text = payload.decode("utf-8").strip()
    except UnicodeDecodeError:
        return None
    if len(payload) > MAX_PAYLOAD_BYTES:
        return None
    try:
        return _STRICT.decode(text), text
    except RecursionError:
        return None
    except ValueError:
        # A word as it is; what begins like a document and is none is no word either.
        return (text, text) if text[:1] not in ("{", "[") and len(text) <= _MAX_WORD else None


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse(text)


def _whole_number(text: str) -> int:
    # Longer ones overflow where they meet a float.
    return int(text) if len(text) < 20 else int(_refuse(text))


def _refuse(name: str) -> float:
    raise ValueError(f"{name[:20]} is not a number")


# Made once: json.loads with these would make one for each message.
_STRICT = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, parse_int=_whole_number)
