"""A discovery message becomes a template that commands and reads its device, or one sentence."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controls.gateways.broker import Broker
from controls.gateways.foreign.home_assistant import announced, discover
from controls.gateways.mqtt_line import MqttLine
from controls.templates.load_templates import Template
from data_quality.contracts.time import FixedClock
from tests.controls.devices import command, serving_topics

# From the documentation of the switch and number integrations, in full and abbreviated.
SWITCH = {
    "name": "Irrigation",
    "command_topic": "homeassistant/switch/irrigation/set",
    "state_topic": "homeassistant/switch/irrigation/state",
    "availability_topic": "homeassistant/switch/irrigation/available",
    "unique_id": "irr01ad",
}
SHORT = {
    "~": "home/plug", "name": None, "cmd_t": "~/cmd", "stat_t": "~/state", "avty": [{"t": "~/lwt", "pl_avail": "yes",
    "pl_not_avail": "no"}], "pl_on": '{"power":true}', "pl_off": '{"power":false}', "stat_on": "true",
    "stat_off": "false", "val_tpl": "{{ value_json.relay['power'] }}",
}  # fmt: skip
NUMBER = {
    "name": "Charge limit", "command_topic": "ev/limit/set", "state_topic": "ev/limit", "min": 0, "max": 11000,
    "step": 100, "unit_of_measurement": "W", "availability_topic": "ev/there", "value_template": "{{ value | float }}",
}  # fmt: skip


def template(kind: str, config: dict[str, Any], *, safe_default: float | None = None) -> Template:
    found = announced(
        f"homeassistant/{kind}/node/Some-Thing/config", json.dumps(config).encode(), safe_default=safe_default
    )
    assert found is not None
    assert found.template is not None, found.why_not
    return found.template


@pytest.mark.real
@pytest.mark.parametrize(
    ("kind", "config", "value"), [("switch", SWITCH, 1.0), ("switch", SHORT, 1.0), ("number", NUMBER, 4.2)]
)
def test_what_is_announced_is_commanded_and_read_back(
    kind: str, config: dict[str, Any], value: float, clock: FixedClock, broker: Broker
) -> None:
    made = template(kind, config, safe_default=0.0)
    assert not made.has_device_ttl
    capability = made.settable[0]
    with serving_topics(made, clock, broker.address, f"ha-{kind}-{config['name']}".lower()) as pair:
        assert pair.device.read_back(capability).value == 0.0
        unit = made.capability(capability).unit
        name = pair.served.name
        for seq, each in enumerate((value, 0.0, value), start=1):
            pair.device.write(command(clock, device_id=name, capability=capability, value=each, unit=unit, seq=seq))
            held = pair.device.read_back(capability)
            assert (held.value, held.epoch) == (each, None)
        assert pair.served.taken == [(capability, value), (capability, 0.0), (capability, value)]


def test_abbreviations_and_the_base_topic_are_spelled_out() -> None:
    mqtt = template("switch", SHORT).mqtt
    assert mqtt is not None
    assert mqtt.send["set_switch_state"].topic == "home/plug/cmd"
    assert mqtt.send["set_switch_state"].words == {'{"power":true}': 1, '{"power":false}': 0}
    assert mqtt.status is not None
    assert (mqtt.status.topic, mqtt.status.online, mqtt.status.offline) == ("home/plug/lwt", "yes", "no")
    assert template("switch", SHORT).read_back["set_switch_state"].field_name == "relay.power"


WHY_NOT: dict[str, tuple[str, dict[str, Any], str]] = {
    "a light": ("light", {}, "a light takes no set-point"),
    "no state": ("switch", {"state_topic": None}, "without state_topic nothing could be proven"),
    "optimistic": ("switch", {"optimistic": True}, "its state only repeats the command"),
    "no availability": ("switch", {"availability_topic": None}, "needs one availability topic"),
    "code": ("switch", {"value_template": "{% if value == 'x' %}ON{% endif %}"}, "more than a way to a value"),
    "wildcard": ("switch", {"command_topic": "cmnd/#"}, "has a wildcard"),
    "braces": ("switch", {"command_topic": "a/{other}"}, "unknown placeholder other"),
    "no unit": ("number", {"unit_of_measurement": "lx"}, "no unit that a plan knows"),
    "no safe default": ("number", {}, "names no safe default"),
    "text as limit": ("number", {"max": "much"}, "max is no number"),
    "limits crossed": ("number", {"min": 9, "max": 1}, "must be below max"),
    "a command of its own": ("number", {"command_template": '{"x": {{ value }}}'}, "more than the value"),
}


@pytest.mark.parametrize("case", WHY_NOT)
def test_what_cannot_be_commanded_and_proven_is_one_sentence(case: str) -> None:
    kind, change, sentence = WHY_NOT[case]
    config = {**(NUMBER if kind == "number" else SWITCH), **change}
    safe_default = None if case == "no safe default" else 0.0
    found = announced(f"homeassistant/{kind}/it/config", json.dumps(config).encode(), safe_default=safe_default)
    assert found is not None
    assert found.template is None
    assert sentence in found.why_not
    assert "\n" not in found.why_not


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from([*NUMBER, *SHORT, "availability", "step", "payload_on", "command_template"])


@given(kind=st.sampled_from(["switch", "number"]), change=st.dictionaries(keys, json_values, max_size=4))
def test_any_announcement_is_a_template_or_a_sentence(kind: str, change: dict[str, Any]) -> None:
    config = {**(NUMBER if kind == "number" else SWITCH), **change}
    found = announced(f"homeassistant/{kind}/it/config", json.dumps(config).encode(), safe_default=0.0)
    assert found is None or (found.template is None) == bool(found.why_not)


@pytest.mark.real
def test_what_the_broker_keeps_of_announcements_is_found(broker: Broker) -> None:
    line = MqttLine(broker.address, client_id="", subscriptions=(), on_message=lambda *_: None)
    kept = {
        "found/switch/irrigation/config": SWITCH, "found/number/node/limit/config": NUMBER,
        "found/switch/gone/config": None, "found/sensor/x/config": {"state_topic": "a"},
    }  # fmt: skip
    for topic, config in kept.items():
        line.publish(topic, b"" if config is None else json.dumps(config).encode(), retain=True)
    found = discover(broker.address, prefix="found", wait_s=0.3)
    for topic in kept:
        line.publish(topic, b"", retain=True)
    line.close()
    assert [(each.topic, each.template is not None) for each in found] == [
        ("found/number/node/limit/config", False),
        ("found/sensor/x/config", False),
        ("found/switch/irrigation/config", True),
    ]
