"""Figures of a site as sensors of Home Assistant, by MQTT discovery: information only, never a topic that commands.

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery and .../integrations/sensor.mqtt.
"""

import json
import threading
from collections.abc import Sequence
from typing import Any

from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from data_quality.contracts.control.offer import Offer, Offered

BASE = "meterloom"
# Home Assistant calls a figure unavailable when nothing came for so long: Meterloom was ended, or its machine is off.
EXPIRES_S = 1800


def offer_all(address: BrokerAddress, offers: Sequence[Offer], *, prefix: str, wait_s: float = 1.0) -> list[str]:
    """Publish the offers, retained, and take back what stands there of these sites and is offered no more.

    prefix: Home Assistant's discovery prefix; wait_s: for what the broker keeps, after the last that came. Returns the
    topics of what was taken back. Raises DeviceSilent, DeviceRefused.
    """
    kept: set[str] = set()
    came = threading.Event()

    def keep(topic: str, payload: bytes, _properties: Any) -> None:
        if payload:
            kept.add(topic)
        came.set()

    nodes = {offer.site_id: f"{prefix}/sensor/{_node(offer)}/" for offer in offers}
    topics = tuple(f"{node}+/config" for node in nodes.values())
    line = MqttLine(address, client_id="", subscriptions=topics, on_kept=keep)
    try:
        while came.wait(wait_s):
            came.clear()
        wanted = {
            f"{nodes[offer.site_id]}{each.object_id}/config": (offer, each)
            for offer in offers
            for each in offer.figures
        }
        gone = sorted(kept - set(wanted))
        for topic in gone:
            object_id = topic.split("/")[-2]
            site_id = next(name for name, node in nodes.items() if topic.startswith(node))
            for each in (topic, *_topics(site_id, object_id)):
                line.publish(each, b"", retain=True)
        for topic, (offer, figure) in wanted.items():
            state, attributes = _topics(offer.site_id, figure.object_id)
            line.publish(topic, _json(config_of(offer, figure)), retain=True)
            line.publish(attributes, _json(figure.attributes), retain=True)
            # The word that Home Assistant reads as not known.
            text = "None" if figure.state is None else f"{figure.state:.10g}"
            line.publish(state, text.encode(), retain=True)
        for offer in offers:
            if offer.figures or any(topic.startswith(nodes[offer.site_id]) for topic in gone):
                line.publish(_availability(offer.site_id), b"online" if offer.figures else b"", retain=True)
    finally:
        line.close()
    return gone


def config_of(offer: Offer, figure: Offered) -> dict[str, Any]:
    """The announcement of one figure."""
    state, attributes = _topics(offer.site_id, figure.object_id)
    return {
        "name": figure.name,
        "unique_id": f"{_node(offer)}_{figure.object_id}",
        "object_id": f"{_node(offer)}_{figure.object_id}",
        "state_topic": state,
        "json_attributes_topic": attributes,
        "availability_topic": _availability(offer.site_id),
        "unit_of_measurement": figure.unit,
        "expire_after": EXPIRES_S,
        "device": {"identifiers": [_node(offer)], "name": f"Meterloom {offer.site_name}", "manufacturer": "Meterloom"},
        "origin": {"name": "Meterloom"},
        **({"device_class": figure.device_class} if figure.device_class else {}),
    }


def _node(offer: Offer) -> str:
    return f"meterloom_{offer.site_id}"


def _topics(site_id: str, object_id: str) -> tuple[str, str]:
    """Topics of its state and of its attributes."""
    return f"{BASE}/{site_id}/{object_id}/state", f"{BASE}/{site_id}/{object_id}/attributes"


def _availability(site_id: str) -> str:
    return f"{BASE}/{site_id}/availability"


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
