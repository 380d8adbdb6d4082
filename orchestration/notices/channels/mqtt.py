"""MQTT: the letter as JSON on a topic of the project's broker, at least once."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from controls.gateways.capabilities import DeviceSilent
from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from orchestration.notices.letter import Letter, ReceiverUnreachable, Send

TOPIC = "meterloom/notices"


@contextmanager
def opened(broker: BrokerAddress, timeout_s: float) -> Iterator[Send]:
    """Publishes below `meterloom/notices`; the line is opened with the first letter. Raises DeviceRefused."""
    lines: list[MqttLine] = []

    def send(letter: Letter) -> None:
        payload = json.dumps({**letter.document, "letter_id": letter.letter_id}, ensure_ascii=False).encode()
        try:
            if not lines:
                name = f"meterloom-notices-{letter.letter_id[:8]}"
                lines.append(MqttLine(broker, client_id=name, subscriptions=(), timeout_s=timeout_s))
            lines[0].publish(f"{TOPIC}/{letter.address}", payload)
        except DeviceSilent as fault:
            raise ReceiverUnreachable(str(fault)) from fault

    try:
        yield send
    finally:
        for each in lines:
            each.close()
