"""Devices that announce themselves as Home Assistant wants it: a discovery message becomes a template, or a sentence.

Switches and numbers only, and only what can be proven: without a state topic nothing could be read back. Source:
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery (topics, defaults and abbreviated keys).
"""

import re
import threading
from typing import Any

from pydantic import ValidationError

from controls.gateways.mqtt_line import BrokerAddress, MqttLine
from controls.gateways.topics import loads
from controls.templates.load_templates import Template
from controls.templates.mqtt_topics import WHOLE
from data_quality.contracts.errors import BadInput
from data_quality.contracts.model import Model
from data_quality.contracts.model_faults import sentence_of

PREFIX = "homeassistant"
_LONG = {
    "avty": "availability", "avty_t": "availability_topic", "cmd_t": "command_topic", "cmd_tpl": "command_template",
    "opt": "optimistic", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off", "pl_on": "payload_on",
    "stat_off": "state_off", "stat_on": "state_on", "stat_t": "state_topic", "t": "topic",
    "uniq_id": "unique_id", "unit_of_meas": "unit_of_measurement", "val_tpl": "value_template",
}  # fmt: skip
# What a number's unit makes of it: capability, our unit, and what one of theirs is in ours.
_NUMBERS = {
    "W": ("set_power_limit_kw", "kw", 0.001),
    "kW": ("set_power_limit_kw", "kw", 1.0),
    "°C": ("set_temperature_degc", "degc", 1.0),
    "%": ("set_level_percent", "percent", 1.0),
}
_WITHIN_S = 10.0
# Of a value template all but the way to the value is code, which nobody runs here.
_VALUE = re.compile(
    r"\{\{\s*value(?P<path>_json(?:\.\w+|\[['\"]\w+['\"]\])*)?(?:\s*\|\s*(?:float|int)(?:\(\w*\))?)?\s*\}\}"
)
_STEP = re.compile(r"\w+")


class Announced(Model):
    """One announcement: its topic, and the template that it makes, or why it makes none."""

    topic: str
    name: str
    template: Template | None = None
    why_not: str = ""


def announced(topic: str, payload: bytes, *, safe_default: float | None = None) -> Announced | None:
    """Device announced by a message on a discovery topic; None where it is no announcement, or takes one back."""
    parts, document = topic.split("/"), loads(payload)
    if len(parts) not in (4, 5) or parts[-1] != "config" or not document:
        return None
    config = _spelled_out(document)
    name = str(config.get("name") or parts[-2])[:80]
    try:
        template = template_of(parts[1], parts[-2], config, safe_default=safe_default)
    except BadInput as fault:
        return Announced(topic=topic, name=name, why_not=str(fault))
    return Announced(topic=topic, name=name, template=template)


def template_of(kind: str, object_id: str, config: dict[str, Any], *, safe_default: float | None = None) -> Template:
    """The template of a switch or number. Raises BadInput with what is missing for one that can be commanded."""
    if kind not in ("switch", "number"):
        raise BadInput(f"{object_id}: a {kind} takes no set-point that a plan knows", reason="not_settable")
    for key in ("command_topic", "state_topic"):
        if not isinstance(config.get(key), str):
            raise BadInput(f"{object_id}: without {key} nothing could be proven", reason="not_provable")
    if config.get("optimistic") is True:
        raise BadInput(f"{object_id}: is optimistic: its state only repeats the command", reason="not_provable")
    make = _switch if kind == "switch" else _number
    capability, place, send, words, safe = make(object_id, config, safe_default)
    state = {"topic": config["state_topic"], "words": words}
    tolerance = 0.1 if kind == "switch" else _figure(object_id, config, "step", 1.0) * place["scale"] / 2
    document = {
        "template": re.sub(r"[^a-z0-9_]", "_", object_id.lower())[:60],
        "name": str(config.get("name") or object_id),
        "protocol": "mqtt_topics",
        "source": "https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery",
        "capabilities": {capability: {**place, "expires_s": 60}},
        "read_back": {
            capability: {
                "field": place["field"], "scale": place["scale"], "within_s": _WITHIN_S, "tolerance": tolerance,
            }
        },
        "safe_default": {capability: safe},
        "mqtt": {"send": {capability: send}, "told": {capability: state}, "status": _status(object_id, config)},
    }  # fmt: skip
    try:
        return Template.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{object_id}: {sentence_of(first)}", reason="bad_discovery") from error


def discover(address: BrokerAddress, *, prefix: str = PREFIX, wait_s: float = 1.0) -> tuple[Announced, ...]:
    """Everything that the broker keeps of announcements, by topic; nothing is written.

    wait_s: how long after the last one another is waited for. Raises DeviceSilent, DeviceRefused.
    """
    found: dict[str, Announced] = {}
    came = threading.Event()

    def take(topic: str, payload: bytes, _properties: Any) -> None:
        one = announced(topic, payload)
        if one is not None:
            found[topic] = one
        came.set()

    topics = (f"{prefix}/+/+/config", f"{prefix}/+/+/+/config")
    line = MqttLine(address, client_id="", subscriptions=topics, on_message=take)
    while came.wait(wait_s):
        came.clear()
    line.close()
    return tuple(found[topic] for topic in sorted(found))


def _spelled_out(config: dict[str, Any]) -> dict[str, Any]:
    """The keys in full, and `~` at either end of a topic replaced by the base topic."""
    base = str(config.get("~", ""))
    return {_LONG.get(key, key): _with_base(key, value, base) for key, value in config.items()}


def _with_base(key: str, value: Any, base: str) -> Any:
    if isinstance(value, list):
        return [_spelled_out({"~": base, **each}) for each in value if isinstance(each, dict)]
    is_topic = key.endswith(("_t", "topic")) or key == "t"
    if not (isinstance(value, str) and base and is_topic):
        return value
    text = base + value[1:] if value.startswith("~") else value
    return text[:-1] + base if text.endswith("~") else text


def _path(object_id: str, config: dict[str, Any]) -> str:
    text = config.get("value_template")
    if text is None:
        return WHOLE
    found = _VALUE.fullmatch(str(text).strip())
    if found is None:
        raise BadInput(f"{object_id}: its value_template is more than a way to a value: {ascii(text)[:60]}")
    return ".".join(_STEP.findall((found["path"] or "")[len("_json") :])) or WHOLE


def _switch(object_id: str, config: dict[str, Any], safe: float | None) -> tuple[str, dict[str, Any], Any, Any, float]:
    on, off = str(config.get("payload_on", "ON")), str(config.get("payload_off", "OFF"))
    words = {str(config.get("state_on", on)): 1, str(config.get("state_off", off)): 0}
    place = {"unit": "state", "field": _path(object_id, config), "scale": 1.0, "min": 0, "max": 1, "partial_share": 1}
    send = {"topic": config["command_topic"], "payload": "{value}", "words": {on: 1, off: 0}}
    return "set_switch_state", place, send, words, safe or 0.0


def _number(object_id: str, config: dict[str, Any], safe: float | None) -> tuple[str, dict[str, Any], Any, Any, float]:
    known = _NUMBERS.get(str(config.get("unit_of_measurement")))
    if known is None:
        units = ", ".join(_NUMBERS)
        raise BadInput(f"{object_id}: no unit that a plan knows; it knows {units}", reason="unknown_unit")
    if safe is None:
        raise BadInput(f"{object_id}: an announcement names no safe default; give one", reason="no_safe_default")
    if config.get("command_template") not in (None, "{{ value }}", "{{value}}"):
        raise BadInput(f"{object_id}: its command_template is more than the value")
    capability, unit, scale = known
    place = {"unit": unit, "field": _path(object_id, config), "scale": scale}
    for key, default in (("min", 1.0), ("max", 100.0)):
        place[key] = _figure(object_id, config, key, default) * scale
    return capability, place, {"topic": config["command_topic"], "payload": "{value}"}, {}, safe


def _figure(object_id: str, config: dict[str, Any], key: str, default: float) -> float:
    value = config.get(key, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadInput(f"{object_id}: {key} is no number")
    return float(value)


def _status(object_id: str, config: dict[str, Any]) -> dict[str, str]:
    alone = config | {"topic": config.get("availability_topic"), "value_template": None}
    listed = config.get("availability") or [alone]
    one = listed[0] if isinstance(listed, list) and len(listed) == 1 else {}
    if not isinstance(one.get("topic"), str) or one.get("value_template"):
        raise BadInput(f"{object_id}: needs one availability topic of plain words: a retained value may be outdated")
    return {
        "topic": one["topic"],
        "online": str(one.get("payload_available", "online")),
        "offline": str(one.get("payload_not_available", "offline")),
    }
